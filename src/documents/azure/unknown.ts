/** Known to Azure alone, once it has deployed: an address that it chooses, a secret, the id of an identity. In the place of any value. */
export class Unknown {
  /** Why: "what only Azure knows of Microsoft.Network/publicIPAddresses/pip". */
  readonly why: string;
  /** It stands for a value whose evaluation failed, which is reported already. */
  readonly isFailure: boolean;

  constructor(why: string, isFailure = false) {
    this.why = why;
    this.isFailure = isFailure;
  }
}

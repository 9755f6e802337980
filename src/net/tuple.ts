/** What tells one flow from another. */

import type { Address } from "./address.ts";
import type { Protocol } from "./ports.ts";

/** A packet's addresses and ports. ICMP has no ports. */
export type Tuple = {
  readonly protocol: Protocol;
  readonly source: Address;
  readonly sourcePort?: number;
  readonly destination: Address;
  readonly destinationPort?: number;
};

/** A way out of a VNet for the Internet, as a front end adds it to the VNet's edge. */

import type { Chain, NamedMap, Rule, Statement } from "../ir/ruleset.ts";
import type { Address } from "../net/address.ts";

export type OutboundMethod = {
  /** Public addresses that are behind the edge because of it. */
  readonly addresses: readonly { readonly address: Address; readonly reason: string }[];
  /** For what leaves: takes the packets of those that have this method, and lets others go on to the next one's rule. */
  readonly leaving: Statement;
  readonly reason: string;
  /** For packets of flows that are under way, both ways. */
  readonly underWay?: Rule;
  /** For what comes from the Internet to one of its addresses unasked. */
  readonly arriving?: Statement;
  readonly chains: readonly Chain[];
  readonly maps: readonly NamedMap[];
};

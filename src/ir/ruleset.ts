/**
 * The rules of a host: nftables as plain data.
 *
 * Only what every kernel since 5.13 has. A statement says what it does to a packet; how a rule is spelled for `nft` is `render`'s matter
 * and what it means for one packet is `trace`'s.
 *
 * Where a packet meets the hooks (nat chains see only the first packet of a flow):
 *
 *     in ─> prerouting ─> (route) ─┬─> forward ─> postrouting ─> out
 *                                  └─> input ─> listener
 *     process ─> (route) ─> output ─> (route again if translated or marked) ─> postrouting ─> out
 */

import type { Address } from "../net/address.ts";
import type { Protocol } from "../net/ports.ts";
import type { Prefix } from "../net/prefix.ts";
import type { InterfaceName, Origin } from "./network.ts";

/** Tables in order of name. A host without tables tracks no connections. */
export type RuleSet = readonly Table[];

export type Table = {
  /** `inet` sees both families. */
  readonly family: "ip" | "ip6" | "inet";
  readonly name: string;
  readonly chains: readonly Chain[];
  readonly sets: readonly NamedSet[];
  readonly maps: readonly NamedMap[];
};

export type Hook = "prerouting" | "input" | "forward" | "output" | "postrouting";

/** nftables' names for base chain priorities, as numbers. dstnat in the output hook is -100 too. */
export const priorities = { raw: -300, mangle: -150, dstnat: -100, filter: 0, security: 50, srcnat: 100 } as const;

export type Chain = {
  readonly name: string;
  /** Absent: a regular chain, reached by jump, goto or a verdict map. */
  readonly base?: {
    readonly type: "filter" | "nat" | "route";
    readonly hook: Hook;
    readonly priority: number;
    readonly policy: "accept" | "drop";
  };
  readonly rules: readonly Rule[];
};

/** Matches from left to right, then statements in order; a match that fails ends the rule. */
export type Rule = { readonly matches: readonly Match[]; readonly statements: readonly Statement[]; readonly origin: Origin };

/** What can be read from a packet and its connection. */
export type Field =
  | "ip saddr"
  | "ip daddr"
  | "ip6 saddr"
  | "ip6 daddr"
  | "meta l4proto"
  | "th sport"
  | "th dport"
  | "icmp type"
  | "icmpv6 type"
  | "iifname"
  | "oifname"
  | "meta mark"
  | "ct mark"
  | "ct state"
  | "ct direction"
  | "ct status"
  | "ct original ip saddr"
  | "ct original ip daddr"
  | "ct original ip6 saddr"
  | "ct original ip6 daddr"
  | "ct original proto-dst"
  | "ct original protocol"
  /** Where the connection's replies come from: its destination after translation. */
  | "ct reply ip saddr"
  | "ct reply ip6 saddr"
  | "ct reply proto-src"
  /** Values "local", "unicast", …: what a route lookup says the address is. */
  | "fib daddr type"
  | "fib saddr type";

/** The type of a component of a set's or map's key. `slot` and marks are `mark`. */
export type DatumType = "ipv4_addr" | "ipv6_addr" | "inet_proto" | "inet_service" | "mark" | "ifname";

/** Address or prefix text, protocol or interface name, port or mark number, or an inclusive range of ports. */
export type Datum = Address | Prefix | Protocol | InterfaceName | number | { readonly first: number; readonly last: number };

export type Match =
  /** The field is (or is not) one of the values. With `mask`, field & mask is compared; numbers only. */
  | {
      readonly kind: "value";
      readonly field: Field;
      readonly op: "==" | "!=";
      readonly values: readonly (Datum | string)[];
      readonly mask?: number;
    }
  /** The concatenated fields are (or are not) in a named set. */
  | { readonly kind: "lookup"; readonly fields: readonly Field[]; readonly op: "==" | "!="; readonly set: string };

export type Verdict = { readonly verdict: "accept" | "drop" | "return" } | { readonly verdict: "jump" | "goto"; readonly chain: string };

/** A value for a mark. */
export type MarkValue =
  | { readonly kind: "constant"; readonly value: number }
  /** Keeps the other bits: mark | value. */
  | { readonly kind: "or"; readonly value: number }
  /** Uniform in offset … offset + modulus - 1 (`numgen random`). */
  | { readonly kind: "random"; readonly modulus: number; readonly offset: number }
  /** `jhash` of the concatenated fields in offset … offset + modulus - 1. */
  | { readonly kind: "hash"; readonly fields: readonly Field[]; readonly modulus: number; readonly seed: number; readonly offset: number }
  /** Copies the other mark. */
  | { readonly kind: "copy"; readonly from: "meta" | "ct" }
  /** Looked up in a map from the fields to a mark; a miss ends the rule. */
  | { readonly kind: "map"; readonly fields: readonly Field[]; readonly map: string };

export type Statement =
  | ({
      readonly kind: "verdict" /** What a drop means, when it is more than a rule's drop. */;
      readonly disposition?: "spoofed" | "exhausted";
    } & Verdict)
  | { readonly kind: "reject"; readonly with: "tcp reset" | "icmp port-unreachable" | "icmp admin-prohibited" }
  /** Looks the fields up in a verdict map; a miss goes on with the next statement. */
  | { readonly kind: "vmap"; readonly fields: readonly Field[]; readonly map: string }
  /** One of the verdicts, each equally likely (`numgen random mod N vmap`). */
  | { readonly kind: "random-vmap"; readonly verdicts: readonly Verdict[] }
  | { readonly kind: "set-mark"; readonly target: "meta" | "ct"; readonly value: MarkValue }
  /** Destination to a constant, or to `address . port` from a map; a miss in the map ends the rule. */
  | {
      readonly kind: "dnat";
      readonly to: { readonly address: Address; readonly port?: number } | { readonly fields: readonly Field[]; readonly map: string };
    }
  /** Source to an address; ports keep their number when they can, or are drawn from `ports`. */
  | { readonly kind: "snat"; readonly address: Address; readonly ports?: { readonly first: number; readonly last: number } }
  /** Source to the primary address of the interface that the packet leaves by. `fully-random`: the port is drawn always, not only when it is taken. */
  | { readonly kind: "masquerade"; readonly flag?: "fully-random" }
  /** Adds the fields to a dynamic set, or renews their time. */
  | { readonly kind: "update-set"; readonly fields: readonly Field[]; readonly set: string }
  | { readonly kind: "notrack" }
  | { readonly kind: "counter" };

export type NamedSet = {
  readonly name: string;
  readonly key: readonly DatumType[];
  /** Elements may be prefixes or ranges. */
  readonly interval?: boolean;
  /** Filled by rules; elements end after this many seconds without renewal. Starts empty. */
  readonly dynamicTimeoutSeconds?: number;
  readonly elements: readonly SetElement[];
};

export type SetElement = { readonly key: readonly Datum[]; readonly origin?: Origin };

/** `verdict`: a verdict map. Otherwise the types of the value's components. */
export type NamedMap = {
  readonly name: string;
  readonly key: readonly DatumType[];
  readonly value: "verdict" | readonly DatumType[];
  readonly interval?: boolean;
  readonly elements: readonly MapElement[];
};

export type MapElement = { readonly key: readonly Datum[]; readonly value: Verdict | readonly Datum[]; readonly origin?: Origin };

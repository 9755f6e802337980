/** What a trace says. Names of dispositions, steps and fields are part of the public output. */

import type { HostName, InterfaceName, Origin } from "../ir/network.ts";
import type { Tuple } from "../net/tuple.ts";

/** Ports from `first` to `last`, both included. */
export type PortRange = { readonly first: number; readonly last: number };

export type { Tuple } from "../net/tuple.ts";

/**
 * How a packet ends. Exactly one of:
 *
 * delivered; refused: the host was reached and nothing listens; rejected, dropped: by a rule; no-route; black-hole; spoofed: a NIC that does not
 * forward met a foreign source or destination; no-neighbour: nobody answers for the next hop; loop; exhausted: no port left to translate to;
 * asymmetric: delivered, but the reply does not come back, or TCP's third packet does not arrive.
 */
export const dispositions = [
  "delivered",
  "refused",
  "rejected",
  "dropped",
  "no-route",
  "black-hole",
  "spoofed",
  "no-neighbour",
  "loop",
  "exhausted",
  "asymmetric",
] as const;
export type Disposition = (typeof dispositions)[number];

/** One thing that happened to a packet on a host. `before` and `after` are present when it changed the packet. */
export type Step = {
  readonly kind:
    | "send"
    | "receive"
    | "switch"
    | "route"
    | "neighbour"
    | "match"
    | "accept"
    | "mark"
    | "choose"
    | "destination-nat"
    | "source-nat"
    | "reverse-nat"
    | "deliver"
    | "refuse"
    | "reject"
    | "drop";
  /** For a person: what was decided, with the numbers. */
  readonly what: string;
  /** Where: "chain kube-proxy prerouting", "table 100". */
  readonly element?: string;
  readonly before?: Tuple;
  readonly after?: Tuple;
  /** Source NAT drew the port from this range, so `after.sourcePort` is one of them. */
  readonly ports?: { readonly first: number; readonly last: number };
  readonly origin?: Origin;
};

/** A packet's stay on one host. */
export type Hop = {
  readonly host: HostName;
  readonly inInterface?: InterfaceName;
  readonly outInterface?: InterfaceName;
  readonly before: Tuple;
  readonly after: Tuple;
  readonly steps: readonly Step[];
};

/** What a host sends against a packet that it does not deliver. ICMP errors by nftables' names, and that of a packet that has made too many hops. */
export type Message =
  | "tcp reset"
  | "icmp port-unreachable"
  | "icmp admin-prohibited"
  | "icmp net-unreachable"
  | "icmp host-unreachable"
  | "icmp time-exceeded";

/** What a sender's own system says when it cannot send at all. */
export type SendError = "ENETUNREACH" | "EHOSTUNREACH" | "EINVAL" | "EACCES";

/** What was said against a packet, and how far that came. */
export type News = {
  readonly message: Message | SendError;
  /** The sender learns of it. */
  readonly heard: boolean;
  /** The way of the message, a packet of its own; its outcome is `delivered` when it is heard. Absent for what the sender's own system says. */
  readonly way?: Omit<Path, "weight">;
  /** It is sent so late: first Linux asks three times, once a second, who has the address of the next hop (`mcast_solicit`, `retrans_time_ms`). */
  readonly afterSeconds?: number;
  /**
   * Some of these are not sent: of routing errors, a sender is told five at once and then one a second. `net.ipv4.route.error_burst` and
   * `error_cost` say so, which a namespace cannot set for itself (net/ipv4/route.c: ip_error).
   */
  readonly limited?: true;
};

/** One way that a packet may go. Weights of all the ways of one packet add up to 1. */
export type Path = {
  readonly outcome: Disposition;
  readonly weight: number;
  /** Stands for all the ways that were not followed because the limit of paths was reached; `weight` is that of all of them. */
  readonly representative?: true;
  readonly hops: readonly Hop[];
  /** The element that decided, for everything but `delivered`. */
  readonly decidedBy?: { readonly host: HostName; readonly element: string; readonly origin?: Origin };
  /** As the receiver saw it. Present when a listener was reached or refused. */
  readonly received?: Tuple & {
    readonly host: HostName /** Present when the port is any of a range. */;
    readonly sourcePorts?: { readonly first: number; readonly last: number };
  };
  /** The reply's way back, for `delivered` and `asymmetric`. */
  readonly return?: Omit<Path, "weight">;
  /**
   * TCP's third packet, for `asymmetric` when the sender gets the reply and this packet does not arrive: the sender believes in a connection that its
   * receiver does not have.
   */
  readonly acknowledgement?: Omit<Path, "weight">;
  /**
   * The first that a TCP receiver says, for `asymmetric` when the handshake is complete and this packet does not arrive: a host that it comes by knows
   * nothing of the connection, takes it for one that begins here, and treats it so.
   */
  readonly answer?: Omit<Path, "weight">;
  /** For `asymmetric`, when the two directions pass different hosts: the last host of both seen from the receiver, and its neighbours on either way. */
  readonly parted?: { readonly host: HostName; readonly there: HostName; readonly back: HostName };
  /** What the sender is told of a packet that was not delivered. Absent: nobody says anything. */
  readonly news?: News;
};

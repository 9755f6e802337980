/**
 * The network as plain data: what Linux boxes do with packets, in the words of iproute2 and nftables.
 *
 * Front ends compile into it; the tracer interprets it; the kernel back end makes it so. It knows no cloud and no orchestrator:
 * a back end must not care who wanted a route. Every element carries its {@link Origin}, which does say so, as data.
 *
 * Invariants: values are immutable and may be shared between hosts (compare by reference first); everything is JSON;
 * two compilations of the same resources are equal, element order included.
 */

import type { Address, Family } from "../net/address.ts";
import type { Prefix } from "../net/prefix.ts";
import type { RuleSet } from "./ruleset.ts";

/** Path-like and unique in a network, for example `node/shop/aks-np1-11111111-vmss000000` or `vnet/hub`. */
export type HostName = string;

/** At most 15 characters, as Linux has it. */
export type InterfaceName = string;

/** Why an element exists. */
export type Origin = {
  /** Key of the resource that caused it. */
  readonly resource: string;
  /** For a person, without a final full stop: "route of node aks-…0 for its pods 10.244.0.0/24". */
  readonly reason: string;
  /** The document that describes the behaviour, when a reader may doubt it: "AKS docs: configure-kubenet". */
  readonly source?: string;
};

/** A whole network. Hosts are compiled when asked for, so that a part of a large network costs only that part. */
export interface Network {
  /** Names of all hosts, sorted. */
  names(): readonly HostName[];
  /** The same object for the same input: comparing references tells that a host did not change. */
  host(name: HostName): Host | undefined;
}

/** One network stack: a network namespace. */
export type Host = {
  readonly name: HostName;
  /** Forwards packets that are not its own. */
  readonly forwarding: boolean;
  readonly interfaces: readonly Interface[];
  readonly routes: readonly Route[];
  /** Beside Linux's own three: 0 from all lookup local, 32766 main, 32767 default. Sorted by priority. */
  readonly rules: readonly PolicyRule[];
  readonly neighbours: readonly Neighbour[];
  readonly ruleSet: RuleSet;
  readonly listeners: readonly Listener[];
  readonly origin: Origin;
};

/**
 * `lo` exists in every host, up, with 127.0.0.1/8 and ::1/128: list it only to give it further addresses.
 *
 * veth: one end of a link; the peer's host lists the other end. All interfaces are up.
 * bridge: switches between the veths that name it in `port.bridge`, and is the host's own leg in that segment.
 * discard: swallows every packet routed into it, silently, as a black hole that still answers proxy ARP for what it swallows.
 */
export type Interface =
  | (InterfaceBase & {
      readonly kind: "veth";
      readonly peer: { readonly host: HostName; readonly name: InterfaceName };
      readonly port?: BridgePort;
    })
  | (InterfaceBase & { readonly kind: "bridge" })
  | (InterfaceBase & { readonly kind: "loopback" })
  | (InterfaceBase & { readonly kind: "discard" });

type InterfaceBase = {
  readonly name: InterfaceName;
  /** Six lower-case hex pairs. Absent: the kernel picks one. */
  readonly mac?: string;
  /** Default 1500; loopback 65536. */
  readonly mtuBytes?: number;
  readonly addresses: readonly InterfaceAddress[];
  /**
   * Answers ARP for every address to which this host has a unicast route, whether it leads out of another interface or back out of
   * this one (`proxy_arp` and `proxy_arp_pvlan`, without delay). The own addresses of the host are answered always.
   */
  readonly proxyArp?: boolean;
  readonly origin: Origin;
};

/** Membership in a bridge. Isolated ports reach only ports that are not isolated, and the bridge itself. */
export type BridgePort = { readonly bridge: InterfaceName; readonly hairpin: boolean; readonly isolated: boolean };

/** The first of an interface (per family) is primary: masquerade and replies use it. */
export type InterfaceAddress = {
  readonly address: Address;
  /** Unless it is the full width, a connected route for the prefix exists in table main (255 metric-free), as Linux adds it. */
  readonly prefixLength: number;
  /** Suppresses that connected route (`noprefixroute`). */
  readonly noPrefixRoute?: boolean;
  readonly origin: Origin;
};

/** Linux's numbers. */
export const mainTable = 254;

/**
 * A route. `via` absent: the next hop is the destination itself (on-link).
 *
 * unicast: out of `dev`. blackhole: dropped silently. unreachable: dropped with an ICMP error. throw: this table has no answer, go on with
 * the next policy rule. local: the destination is this host itself.
 */
export type Route = {
  readonly table: number;
  readonly dst: Prefix;
  /** Lower wins among routes with the same prefix. Default 0. */
  readonly metric?: number;
  readonly origin: Origin;
} & (
  | {
      readonly type: "unicast";
      readonly dev: InterfaceName;
      readonly via?: Address;
      /** `via` is reachable on `dev` although no connected route says so. */
      readonly onlink?: boolean;
      /** Preferred source address of packets that this host sends. */
      readonly src?: Address;
    }
  | { readonly type: "blackhole" | "unreachable" | "throw" }
  | { readonly type: "local"; readonly dev: InterfaceName }
);

/** All conditions present must hold. Tried by ascending priority; a table without an answer lets the next rule try. */
export type PolicyRule = {
  /** 1 to 32765. */
  readonly priority: number;
  readonly family: Family;
  readonly iif?: InterfaceName;
  readonly from?: Prefix;
  readonly to?: Prefix;
  readonly mark?: { readonly value: number; readonly mask: number };
  readonly table: number;
  readonly origin: Origin;
};

/** A permanent neighbour entry. */
export type Neighbour = { readonly dev: InterfaceName; readonly address: Address; readonly mac: string; readonly origin: Origin };

/** A socket that answers on a host. */
export type Listener = {
  /** `undefined`: any address of the host, of any family. */
  readonly address?: Address;
  readonly protocol: "tcp" | "udp";
  readonly port: number;
  readonly answer: Answer;
  readonly origin: Origin;
};

/**
 * identity: a stand-in says who it is and whom it sees, raw or as HTTP (the paths of the Kubernetes e2e image `agnhost netexec`). `statuses`: what it
 * says by HTTP instead, the first whose path fits; a path that ends in `*` stands for all that begin with what is before it.
 * http: fixed answers by path; other paths get 404.
 */
export type Answer =
  | {
      readonly kind: "identity";
      readonly as: string;
      readonly statuses?: readonly { readonly path: string; readonly status: number }[];
    }
  | { readonly kind: "http"; readonly paths: Readonly<Record<string, { readonly status: number; readonly body: string }>> };

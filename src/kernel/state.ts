/** What exists in the kernel, as far as it was made here: the other half of every comparison. */

import { hashDigits } from "../ir/names.ts";
import type { Host, HostName, Interface, InterfaceAddress, InterfaceName, Neighbour, Network, PolicyRule, Route } from "../ir/network.ts";
import type { RuleSet } from "../ir/ruleset.ts";
import { familyOf, ipv4Number } from "../net/address.ts";
import { prefixFamily } from "../net/prefix.ts";
import { interfaceOf } from "./stations.ts";

export type Veth = Interface & { readonly kind: "veth" };

/** What exists of an interface. */
export type Link = {
  readonly index: number;
  readonly kind: Interface["kind"];
  /** The other end, of a veth. */
  readonly peer?: { readonly host: HostName; readonly name: InterfaceName };
  up: boolean;
  /** `undefined`: not known, or not of interest. */
  mac: string | undefined;
  mtuBytes: number | undefined;
  bridge: InterfaceName | undefined;
  hairpin: boolean;
  isolated: boolean;
  proxyArp: boolean;
  ipv6: boolean;
  addresses: readonly InterfaceAddress[];
};

/** What exists of a host. */
export type State = {
  /** The host that is in place as a whole; `undefined` when something of it is not. */
  settled: Host | undefined;
  /** Those that could be written. */
  readonly settings: Map<string, string>;
  readonly links: Map<InterfaceName, Link>;
  routes: readonly Route[];
  rules: readonly PolicyRule[];
  neighbours: readonly Neighbour[];
  ruleSet: RuleSet;
  /** The kernel holds some of each table in `ruleSet`, but nobody knows how much. */
  mixedRules: boolean;
};

/** The other end of a link, if its host agrees that there is one. */
export function peerOf(network: Network, host: Host, wanted: Veth): { readonly host: Host; readonly link: Veth } | undefined {
  const other = network.host(wanted.peer.host);
  const link = other === undefined ? undefined : interfaceOf(other, wanted.peer.name);
  if (other === undefined || link?.kind !== "veth" || !samePeer(link.peer, { host: host.name, name: wanted.name })) return undefined;
  return { host: other, link };
}

export function newLink(kind: Link["kind"], index: number, peer?: Link["peer"]): Link {
  return {
    index,
    kind,
    ...(peer === undefined ? {} : { peer }),
    up: true,
    mac: undefined,
    mtuBytes: undefined,
    bridge: undefined,
    hairpin: false,
    isolated: false,
    proxyArp: false,
    ipv6: false,
    addresses: [],
  };
}

/** Routes and neighbours that went with a link. Rules by interface stay: they name it only. */
export function forgetOnLink(state: State, name: InterfaceName): void {
  state.settled = undefined;
  state.routes = state.routes.filter((route) => !("dev" in route) || route.dev !== name);
  state.neighbours = state.neighbours.filter((neighbour) => neighbour.dev !== name);
  // A bridge's ports lost it.
  for (const link of state.links.values()) if (link.bridge === name) link.bridge = undefined;
}

/** With IPv6 goes all that stood on it. */
export function forgetIpv6(state: State, name: InterfaceName, link: Link): void {
  link.addresses = link.addresses.filter(({ address }) => familyOf(address) === 4);
  state.routes = state.routes.filter((route) => !("dev" in route) || route.dev !== name || prefixFamily(route.dst) === 4);
  state.neighbours = state.neighbours.filter((neighbour) => neighbour.dev !== name || familyOf(neighbour.address) === 4);
}

export function samePeer(a: Link["peer"], b: Link["peer"]): boolean {
  return a !== undefined && b !== undefined && a.host === b.host && a.name === b.name;
}

/**
 * The link-layer address of an interface. Whose host names none gets 0a:58 and its first IPv4 address, as kubenet makes them: so an address that
 * moves to a new pod is at the same place for neighbours that remember it. Without an address, 0a:59 and a hash of its name.
 */
export function macOf(host: Host, link: Interface): string {
  if (link.mac !== undefined) return link.mac;
  const value = link.addresses.map(({ address }) => ipv4Number(address)).find((number) => number !== undefined);
  const [prefix, digits] =
    value === undefined ? ["59", hashDigits(`${host.name} ${link.name}`, 8)] : ["58", value.toString(16).padStart(8, "0")];
  return `0a:${prefix}:${digits.replace(/..(?!$)/g, "$&:")}`;
}

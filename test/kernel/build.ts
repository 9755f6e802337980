/** Networks for tests, written briefly. */

import type { Host, Interface, InterfaceAddress, Neighbour, Network, Origin, PolicyRule, Route } from "../../src/ir/network.ts";
import type { RuleSet } from "../../src/ir/ruleset.ts";
import { mustAddress } from "../../src/net/address.ts";
import { mustPrefix } from "../../src/net/prefix.ts";

export const origin: Origin = { resource: "/test", reason: "a test wants it" };

/** "10.0.0.1/24" */
export function address(text: string): InterfaceAddress {
  const [value = "", length = ""] = text.split("/");
  return { address: mustAddress(value), prefixLength: Number(length), origin };
}

type LinkOptions = { readonly mac?: string; readonly mtuBytes?: number; readonly proxyArp?: boolean };

/** A veth end: `veth("eth0", "router r0", ["10.0.0.1/24"])`. */
export function veth(
  name: string,
  peer: string,
  addresses: readonly string[] = [],
  options: LinkOptions & { readonly port?: { readonly bridge: string; readonly hairpin: boolean; readonly isolated: boolean } } = {},
): Interface {
  const [host = "", end = ""] = peer.split(" ");
  return { kind: "veth", name, peer: { host, name: end }, addresses: addresses.map(address), ...options, origin };
}

export function link(
  kind: "bridge" | "loopback" | "discard",
  name: string,
  addresses: readonly string[] = [],
  options: LinkOptions = {},
): Interface {
  return { kind, name, addresses: addresses.map(address), ...options, origin };
}

/** `route("10.0.0.0/8", { via: "10.1.0.1", dev: "eth0" })`, `route("10.0.0.0/8", { type: "blackhole" })`. */
export function route(
  dst: string,
  to: {
    readonly type?: "blackhole" | "unreachable" | "throw" | "local";
    readonly via?: string;
    readonly dev?: string;
    readonly onlink?: boolean;
    readonly src?: string;
    readonly metric?: number;
    readonly table?: number;
  },
): Route {
  const base = { table: to.table ?? 254, dst: mustPrefix(dst), ...(to.metric === undefined ? {} : { metric: to.metric }), origin };
  if (to.type === "local") return { ...base, type: "local", dev: to.dev ?? "lo" };
  if (to.type !== undefined) return { ...base, type: to.type };
  return {
    ...base,
    type: "unicast",
    dev: to.dev ?? "eth0",
    ...(to.via === undefined ? {} : { via: mustAddress(to.via) }),
    ...(to.onlink === undefined ? {} : { onlink: to.onlink }),
    ...(to.src === undefined ? {} : { src: mustAddress(to.src) }),
  };
}

export function rule(
  priority: number,
  table: number,
  what: Omit<Partial<PolicyRule>, "from" | "to"> & { readonly from?: string; readonly to?: string } = {},
): PolicyRule {
  const { from, to, ...rest } = what;
  return {
    priority,
    table,
    family: 4,
    ...rest,
    ...(from === undefined ? {} : { from: mustPrefix(from) }),
    ...(to === undefined ? {} : { to: mustPrefix(to) }),
    origin,
  };
}

export function neighbour(dev: string, value: string, mac: string): Neighbour {
  return { dev, address: mustAddress(value), mac, origin };
}

export function host(
  name: string,
  interfaces: readonly Interface[],
  more: {
    readonly forwarding?: boolean;
    readonly routes?: readonly Route[];
    readonly rules?: readonly PolicyRule[];
    readonly neighbours?: readonly Neighbour[];
    readonly ruleSet?: RuleSet;
  } = {},
): Host {
  return { name, forwarding: false, routes: [], rules: [], neighbours: [], ruleSet: [], ...more, interfaces, listeners: [], origin };
}

export function network(...hosts: readonly Host[]): Network {
  const byName = new Map(hosts.map((one) => [one.name, one]));
  const names = [...byName.keys()].sort();
  return { names: () => names, host: (name) => byName.get(name) };
}

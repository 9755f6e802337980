/** Small networks for tests, written briefly. */

import type {
  Answer,
  Host,
  Interface,
  InterfaceAddress,
  Listener,
  Neighbour,
  Network,
  Origin,
  PolicyRule,
  Route,
} from "../../ir/network.ts";
import { mainTable } from "../../ir/network.ts";
import type { Chain, Hook, MapElement, Match, NamedMap, NamedSet, Rule, Statement, Table } from "../../ir/ruleset.ts";
import { type Address, mustAddress } from "../../net/address.ts";
import { mustPrefix, type Prefix } from "../../net/prefix.ts";
import type { Tuple } from "../result.ts";
import type { TracePacket } from "../tracer.ts";

export function because(reason: string): Origin {
  return { resource: "test", reason };
}

export function networkOf(...hosts: readonly Host[]): Network {
  const byName = new Map(hosts.map((each) => [each.name, each]));
  return { names: () => [...byName.keys()].sort(), host: (name) => byName.get(name) };
}

export type HostParts = {
  readonly forwarding?: boolean;
  readonly interfaces?: readonly Interface[];
  readonly routes?: readonly string[];
  readonly rules?: readonly string[];
  readonly neighbours?: readonly Neighbour[];
  readonly tables?: readonly Table[];
  /** "80/tcp", or "10.0.0.1:80/tcp" for one address. */
  readonly listen?: readonly string[];
};

export function host(name: string, parts: HostParts): Host {
  return {
    name,
    forwarding: parts.forwarding ?? false,
    interfaces: parts.interfaces ?? [],
    routes: (parts.routes ?? []).map(route),
    rules: (parts.rules ?? []).map(policyRule).sort((a, b) => a.priority - b.priority),
    neighbours: parts.neighbours ?? [],
    ruleSet: parts.tables ?? [],
    listeners: (parts.listen ?? []).map((text) => listener(name, text)),
    origin: because(`host ${name}`),
  };
}

type InterfaceOptions = {
  readonly proxyArp?: boolean;
  readonly mac?: string;
  readonly bridge?: string;
  readonly isolated?: boolean;
  readonly hairpin?: boolean;
};

/** An end of a link; `peer` is written "host interface". */
export function veth(name: string, peer: string, addresses: readonly string[] = [], options: InterfaceOptions = {}): Interface {
  const [peerHost = "", peerName = ""] = peer.split(" ");
  return {
    kind: "veth",
    name,
    peer: { host: peerHost, name: peerName },
    ...common(name, addresses, options),
    ...(options.bridge === undefined
      ? {}
      : { port: { bridge: options.bridge, isolated: options.isolated ?? false, hairpin: options.hairpin ?? false } }),
  };
}

export function bridge(name: string, addresses: readonly string[] = [], options: InterfaceOptions = {}): Interface {
  return { kind: "bridge", name, ...common(name, addresses, options) };
}

export function loopback(...addresses: readonly string[]): Interface {
  return { kind: "loopback", name: "lo", ...common("lo", addresses, {}) };
}

export function discard(name: string): Interface {
  return { kind: "discard", name, ...common(name, [], {}) };
}

function common(name: string, addresses: readonly string[], options: InterfaceOptions) {
  return {
    addresses: addresses.map(interfaceAddress),
    ...(options.proxyArp === true ? { proxyArp: true } : {}),
    ...(options.mac === undefined ? {} : { mac: options.mac }),
    origin: because(`interface ${name}`),
  };
}

function interfaceAddress(text: string): InterfaceAddress {
  const [address = "", length = "32"] = text.split("/");
  return { address: mustAddress(address), prefixLength: Number(length), origin: because(`address ${text}`) };
}

/** As iproute2 writes it: "10.0.0.0/8 via 10.1.0.1 dev eth0 onlink src 10.1.0.4 metric 5 table 100", "blackhole default". */
export function route(text: string): Route {
  const words = text.split(" ");
  const types = ["blackhole", "unreachable", "throw", "local"] as const;
  const type = types.find((each) => each === words[0]);
  const option = optionsOf(words);
  const target = words[type === undefined ? 0 : 1] ?? "";
  const dst = target === "default" ? mustPrefix("0.0.0.0/0") : toPrefix(target);
  const metric = option("metric");
  const shared = {
    table: Number(option("table") ?? mainTable),
    dst,
    origin: because(text),
    ...(metric === undefined ? {} : { metric: Number(metric) }),
  };
  if (type === "local") return { ...shared, type, dev: option("dev") ?? "lo" };
  if (type !== undefined) return { ...shared, type };
  const via = option("via");
  const src = option("src");
  return {
    ...shared,
    type: "unicast",
    dev: option("dev") ?? "",
    ...(via === undefined ? {} : { via: mustAddress(via) }),
    ...(src === undefined ? {} : { src: mustAddress(src) }),
    ...(words.includes("onlink") ? { onlink: true } : {}),
  };
}

/** "100: from 10.0.0.0/8 to 10.1.0.0/16 iif eth0 fwmark 7 table 100". */
export function policyRule(text: string): PolicyRule {
  const words = text.split(" ");
  const option = optionsOf(words);
  const [from, to, iif, mark] = ["from", "to", "iif", "fwmark"].map(option);
  return {
    priority: Number.parseInt(words[0] ?? "", 10),
    family: text.includes(":") && /[0-9a-f]*:[0-9a-f]*:/.test(text.slice(text.indexOf(":") + 1)) ? 6 : 4,
    ...(from === undefined ? {} : { from: toPrefix(from) }),
    ...(to === undefined ? {} : { to: toPrefix(to) }),
    ...(iif === undefined ? {} : { iif }),
    ...(mark === undefined ? {} : { mark: { value: Number(mark), mask: 0xffffffff } }),
    table: Number(option("table") ?? mainTable),
    origin: because(text),
  };
}

function optionsOf(words: readonly string[]): (name: string) => string | undefined {
  return (name) => {
    const at = words.indexOf(name);
    return at < 0 ? undefined : words[at + 1];
  };
}

function toPrefix(text: string): Prefix {
  if (text.includes("/")) return mustPrefix(text);
  return mustPrefix(`${text}/${text.includes(":") ? 128 : 32}`);
}

function listener(name: string, text: string): Listener {
  const [, address, port, protocol] = /^(?:(.*):)?(\d+)\/(tcp|udp)$/.exec(text) ?? [];
  const answer: Answer = { kind: "identity", as: name };
  return {
    ...(address === undefined ? {} : { address: mustAddress(address) }),
    protocol: protocol === "udp" ? "udp" : "tcp",
    port: Number(port),
    answer,
    origin: because(`listener ${text}`),
  };
}

export function table(
  name: string,
  chains: readonly Chain[],
  more: { readonly sets?: readonly NamedSet[]; readonly maps?: readonly NamedMap[]; readonly family?: Table["family"] } = {},
): Table {
  return { family: more.family ?? "ip", name, chains, sets: more.sets ?? [], maps: more.maps ?? [] };
}

export function base(
  type: "filter" | "nat" | "route",
  hook: Hook,
  priority: number,
  rules: readonly Rule[],
  policy: "accept" | "drop" = "accept",
  name = `${type}-${hook}`,
): Chain {
  return { name, base: { type, hook, priority, policy }, rules };
}

export function chain(name: string, ...rules: readonly Rule[]): Chain {
  return { name, rules };
}

/** The reason of a rule is what it does. */
export function rule(matches: readonly Match[], ...statements: readonly Statement[]): Rule {
  return {
    matches,
    statements,
    origin: because(statements.map((each) => (each.kind === "verdict" ? each.verdict : each.kind)).join(", ")),
  };
}

export function is(field: Extract<Match, { kind: "value" }>["field"], ...values: Extract<Match, { kind: "value" }>["values"]): Match {
  return { kind: "value", field, op: "==", values };
}

export function isNot(field: Extract<Match, { kind: "value" }>["field"], ...values: Extract<Match, { kind: "value" }>["values"]): Match {
  return { kind: "value", field, op: "!=", values };
}

export const accept: Statement = { kind: "verdict", verdict: "accept" };
export const drop: Statement = { kind: "verdict", verdict: "drop" };
export const goBack: Statement = { kind: "verdict", verdict: "return" };
export const masquerade: Statement = { kind: "masquerade" };

export function jump(name: string): Statement {
  return { kind: "verdict", verdict: "jump", chain: name };
}

export function goto(name: string): Statement {
  return { kind: "verdict", verdict: "goto", chain: name };
}

export function element(key: MapElement["key"], value: MapElement["value"]): MapElement {
  return { key, value, origin: because(`element ${key.join(" . ")}`) };
}

export function ip(text: string): Address {
  return mustAddress(text);
}

/** "tcp 10.0.0.1:1000 > 10.0.0.2:80", "tcp > 10.0.0.2:80", "icmp 10.0.0.1 > 10.0.0.2"; IPv6 addresses with ports in brackets. */
export function packet(text: string): TracePacket {
  const [protocol = "", ...rest] = text.split(" ");
  const arrow = rest.indexOf(">");
  const destination = endOf(rest[arrow + 1] ?? "");
  const source = arrow === 0 ? undefined : endOf(rest[0] ?? "");
  if (protocol !== "tcp" && protocol !== "udp" && protocol !== "icmp") throw new Error(`not a protocol: ${protocol}`);
  return {
    protocol,
    ...(source === undefined ? {} : { source: source.address }),
    ...(source?.port === undefined ? {} : { sourcePort: source.port }),
    destination: destination.address,
    ...(destination.port === undefined ? {} : { destinationPort: destination.port }),
  };
}

function endOf(text: string): { readonly address: Address; readonly port?: number } {
  const [, bracketed, plain, port] = /^(?:\[(.*)\]|([^:]*|.*:.*:.*?))(?::(\d+))?$/.exec(text) ?? [];
  const address = mustAddress(bracketed ?? plain ?? "");
  return port === undefined ? { address } : { address, port: Number(port) };
}

/** Inverse of {@link packet}, for comparing. */
export function tupleText(tuple: Tuple): string {
  if (tuple.protocol === "icmp") return `icmp ${tuple.source} > ${tuple.destination}`;
  return `${tuple.protocol} ${tuple.source}:${tuple.sourcePort} > ${tuple.destination}:${tuple.destinationPort}`;
}

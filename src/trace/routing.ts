/**
 * Which way a host sends a packet: tables, policy rules, preferred sources and the checks on what comes in.
 *
 * Follows net/ipv4/fib_frontend.c, fib_rules.c, route.c and devinet.c, with the settings that Drydock gives every host: `rp_filter`,
 * `accept_local`, `route_localnet` and `send_redirects` are 0. Multicast is not modelled.
 */

import { type InterfaceName, mainTable, type PolicyRule, type Route } from "../ir/network.ts";
import type { Family } from "../net/address.ts";
import { hostPrefix, lastAddressOf, mustPrefix, type Prefix, prefixFamily, prefixOf } from "../net/prefix.ts";
import type { HostAddress, PreparedHost, PreparedInterface } from "./host.ts";
import {
  type Ip,
  type IpRange,
  ipOf,
  isLoopback,
  isMulticast,
  isZeroNet,
  limitedBroadcast,
  rangeHolds,
  rangeOfPrefix,
  samePrefix,
  unspecified,
} from "./ip.ts";
import { defaultTable, type FoundRoute, localTable, type RouteSource, RouteTable } from "./route-table.ts";

/** Why a host does not take a packet that came in. */
export type Refusal = { readonly refused: "no-route" | "martian" | "not-forwarding" | "broadcast"; readonly why: string };

type Rule = {
  readonly table: number;
  readonly family: Family | undefined;
  readonly inInterface: InterfaceName | undefined;
  readonly from: IpRange | undefined;
  readonly to: IpRange | undefined;
  readonly mark: { readonly value: number; readonly mask: number } | undefined;
};

/** The rules that can match packets of one incoming interface and mark. */
export type Selection = {
  readonly rules: readonly { readonly rule: Rule; readonly table: RouteTable }[];
  /** No rule looks at the source, so the destination alone decides. */
  readonly known: Map<Ip, FoundRoute | null> | undefined;
};

export class Routing {
  readonly #host: PreparedHost;
  readonly #routes = new Map<number, RouteSource[]>();
  /** Asked before any rule. */
  readonly #local: RouteTable;
  #policy: Policy | undefined;
  /** Linux checks sources against all that the rules call local, once there are rules or local routes of our own; else against its addresses. */
  readonly #customRules: boolean;
  /** A table other than local has local routes, so that only all of the rules tell what is local. */
  readonly #localElsewhere: boolean;
  readonly #ownAddresses: Ip[] = [0x7f000001];
  #ownAddressSet: Set<Ip> | undefined;

  constructor(host: PreparedHost) {
    this.#host = host;
    const { rules, routes } = host.host;
    this.#customRules = rules.length > 0 || routes.some((route) => route.type === "local");
    this.#localElsewhere = routes.some((route) => route.type === "local" && route.table !== localTable);
    for (const each of host.interfaces.values()) for (const { ip } of each.addresses) this.#ownAddresses.push(ip);
    if (this.#ownAddresses.length > 8) this.#ownAddressSet = new Set(this.#ownAddresses);
    this.#connect();
    for (const route of routes) this.#addRoute(route);
    // Without rules of its own, Linux keeps both tables in one, and the longest prefix of either wins (fib_trie_table, fib_unmerge).
    const merged = rules.length > 0 ? [] : (this.#routes.get(mainTable) ?? []).filter((route) => prefixFamily(route.prefix) === 4);
    this.#local = new RouteTable([...(this.#routes.get(localTable) ?? []), ...merged]);
  }

  /** The route of a packet that came in by `device`, the loopback interface if the host itself sends it; `undefined` when no table has one. */
  lookup(destination: Ip, source: Ip | undefined, device: PreparedInterface, mark: number): FoundRoute | undefined {
    const local = this.#local.lookup(destination);
    if (local !== undefined && local.kind !== "throw") return local;
    this.#policy ??= new Policy(this.#host.host.rules, this.#routes);
    return this.#policy.lookup(destination, source, device, mark);
  }

  addressType(ip: Ip): "local" | "broadcast" | "multicast" | "unicast" {
    if (typeof ip === "number" && (ip === limitedBroadcast || isZeroNet(ip))) return "broadcast";
    if (isMulticast(ip)) return "multicast";
    const found = this.#local.lookup(ip);
    if (found === undefined) return "unicast";
    return found.kind === "local" || found.kind === "broadcast" ? found.kind : "unicast";
  }

  isLocal(ip: Ip): boolean {
    return this.#local.lookup(ip)?.kind === "local";
  }

  /** The route of a packet that came in by `device`, or why the host refuses it (ip_route_input_slow). */
  lookupInput(device: PreparedInterface, destination: Ip, source: Ip, mark: number): FoundRoute | Refusal {
    if (typeof source === "number") {
      if (isMulticast(source) || source === limitedBroadcast || isZeroNet(source)) return martian("source", "is no address of a sender");
      if (destination === limitedBroadcast) return broadcast;
      if (isZeroNet(destination)) return martian("destination", "is no address of a receiver");
      if (isLoopback(destination)) return martian("destination", "is a loopback address");
      if (isLoopback(source)) return martian("source", "is a loopback address");
    }
    const found = this.lookup(destination, source, device, mark);
    const forwarding = this.#host.forwarding;
    if (found === undefined) return forwarding ? noRoute : notForwarding;
    if (found.kind === "local" || found.kind === "broadcast")
      return this.#isMartian(source, destination, this.#host.loopback) ? ownSource : found;
    if (!forwarding) return notForwarding;
    if (found.kind === "unicast" && this.#isMartian(source, destination, found.device)) return ownSource;
    return found;
  }

  /** A packet from outside that claims to come from this very host (fib_validate_source). IPv6 does not check. */
  #isMartian(source: Ip, destination: Ip, out: PreparedInterface): boolean {
    if (typeof source !== "number") return false;
    if (!this.#customRules)
      return (this.#local.isSmall || this.#isOwn(source)) && this.#local.lookup(source)?.kind === "local" && this.#isOwn(source);
    const back = this.#localElsewhere ? this.lookup(source, destination, out, 0) : this.#local.lookup(source);
    return back !== undefined && (back.kind === "local" || back.kind === "broadcast");
  }

  #isOwn(ip: Ip): boolean {
    return this.#ownAddressSet === undefined ? this.#ownAddresses.includes(ip) : this.#ownAddressSet.has(ip);
  }

  /** Source of a packet that this host sends by a route without one asked for. Zero when the host has no address at all. */
  sourceFor(route: FoundRoute, destination: Ip): Ip {
    if (route.source !== undefined) return route.source;
    if (route.kind === "local") return destination;
    const family = typeof destination === "number" ? 4 : 6;
    return this.selectAddress(route.device, route.via, family) ?? unspecified(family);
  }

  /** What __ip_dev_find and ip_route_output_key ask of a source. */
  maySendFrom(source: Ip): boolean {
    return source === unspecified(typeof source === "number" ? 4 : 6) || this.#isOwn(source) || this.isLocal(source);
  }

  /**
   * The address that a host uses on an interface (inet_select_addr): the first primary one, or rather the one that has `near` in its prefix;
   * else that of any other interface. Masquerade, preferred sources and ARP requests use it.
   */
  selectAddress(device: PreparedInterface, near: Ip | undefined, family: Family): Ip | undefined {
    return (
      pick(device.addresses, near, family) ??
      (device === this.#host.loopback ? undefined : pick(this.#host.loopback.addresses, undefined, family)) ??
      this.#anyAddress(family)
    );
  }

  #anyAddress(family: Family): Ip | undefined {
    for (const each of this.#host.interfaces.values()) {
      const found = pick(each.addresses, undefined, family);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** What Linux adds for addresses: local and broadcast routes in table local, connected routes in main. */
  #connect(): void {
    const { loopback, host } = this.#host;
    this.#add(localTable, loopback4, { kind: "local", device: loopback, source: 0x7f000001, origin: host.origin });
    this.#add(localTable, loopback6, { kind: "local", device: loopback, origin: host.origin });
    for (const device of this.#host.interfaces.values()) for (const address of device.addresses) this.#connectAddress(device, address);
  }

  #connectAddress(device: PreparedInterface, { ip, address, prefixLength, secondaryTo, connectedRoute, origin }: HostAddress): void {
    const source = secondaryTo ?? ip;
    this.#add(localTable, hostPrefix(address), { kind: "local", device, source, origin });
    const prefix = prefixOf(address, prefixLength);
    const family = prefixFamily(prefix);
    const width = family === 4 ? 32 : 128;
    if (prefixLength < width && secondaryTo === undefined && connectedRoute) {
      // An address with a prefix on the loopback interface makes all of the prefix local; IPv6 does not.
      if (device.kind === "loopback" && family === 4) this.#add(localTable, prefix, { kind: "local", device, source, origin });
      else if (device.kind !== "loopback")
        this.#add(mainTable, prefix, { kind: "unicast", device, ...(family === 4 ? { source } : {}), origin });
    }
    if (family === 4 && prefixLength < 31 && secondaryTo === undefined) {
      this.#add(localTable, hostPrefix(lastAddressOf(prefix)), { kind: "broadcast", device, origin });
    }
  }

  #addRoute(route: Route): void {
    const device = "dev" in route ? this.#host.interfaces.get(route.dev) : this.#host.loopback;
    // The kernel refuses a route by an interface that does not exist.
    if (device === undefined) return;
    this.#add(route.table, route.dst, {
      kind: route.type,
      device,
      ...(route.type === "unicast" && route.via !== undefined ? { via: ipOf(route.via) } : {}),
      ...(route.type === "unicast" && route.src !== undefined ? { source: ipOf(route.src) } : {}),
      metric: route.metric ?? 0,
      origin: route.origin,
    });
  }

  #add(table: number, prefix: Prefix, route: Omit<RouteSource, "prefix" | "table">): void {
    const added = { ...route, table, prefix };
    const routes = this.#routes.get(table);
    if (routes === undefined) this.#routes.set(table, [added]);
    else routes.push(added);
  }
}

/** Answers remembered per selection. */
const knownLimit = 65_536;
/** Selections remembered per host. */
const selectionLimit = 8192;

/** The rules behind the first one, which asks table local. */
class Policy {
  readonly #rules: readonly Rule[];
  readonly #routes: ReadonlyMap<number, readonly RouteSource[]>;
  readonly #tables = new Map<number, RouteTable>();
  readonly #byInterface = new Map<InterfaceName, number[]>();
  readonly #anyInterface: number[] = [];
  readonly #marked = new Map<PreparedInterface, Map<number, Selection>>();
  /** Interfaces that the rules treat alike, as those of one subnet, share what is known. By the rules left to try. */
  readonly #alike = new Map<string, Selection>();

  constructor(rules: readonly PolicyRule[], routes: ReadonlyMap<number, readonly RouteSource[]>) {
    this.#rules = [...rules.map(prepareRule), plainRule(mainTable), plainRule(defaultTable)];
    this.#routes = routes;
    for (const [at, { inInterface }] of this.#rules.entries()) {
      if (inInterface === undefined) this.#anyInterface.push(at);
      else {
        const same = this.#byInterface.get(inInterface);
        if (same === undefined) this.#byInterface.set(inInterface, [at]);
        else same.push(at);
      }
    }
  }

  lookup(destination: Ip, source: Ip | undefined, device: PreparedInterface, mark: number): FoundRoute | undefined {
    const selection = mark === 0 ? this.#unmarked(device) : this.#selectionOf(device, mark);
    if (selection.known === undefined) return find(selection, destination, source);
    const known = selection.known.get(destination);
    if (known !== undefined) return known ?? undefined;
    const found = find(selection, destination, source);
    if (selection.known.size >= knownLimit) selection.known.clear();
    selection.known.set(destination, found ?? null);
    return found;
  }

  #unmarked(device: PreparedInterface): Selection {
    device.selection ??= this.#select(device, 0);
    return device.selection;
  }

  #selectionOf(device: PreparedInterface, mark: number): Selection {
    let marks = this.#marked.get(device);
    if (marks === undefined) {
      marks = new Map();
      this.#marked.set(device, marks);
    }
    let selection = marks.get(mark);
    if (selection === undefined) {
      selection = this.#select(device, mark);
      if (marks.size >= selectionLimit) marks.clear();
      marks.set(mark, selection);
    }
    return selection;
  }

  #select(device: PreparedInterface, mark: number): Selection {
    const indexes = [...(this.#byInterface.get(device.name) ?? []), ...this.#anyInterface].sort((a, b) => a - b);
    const rules = indexes.flatMap((at) => {
      const rule = this.#rules[at];
      if (rule === undefined || (rule.mark !== undefined && ((mark ^ rule.mark.value) & rule.mark.mask) !== 0)) return [];
      return [{ rule, table: this.#table(rule.table) }];
    });
    const key = rules
      .map(({ rule }) => `${rule.table} ${rule.family} ${rule.from?.first}-${rule.from?.last} ${rule.to?.first}-${rule.to?.last}`)
      .join();
    let selection = this.#alike.get(key);
    if (selection === undefined) {
      selection = { rules, known: rules.some(({ rule }) => rule.from !== undefined) ? undefined : new Map() };
      if (this.#alike.size >= selectionLimit) this.#alike.clear();
      this.#alike.set(key, selection);
    }
    return selection;
  }

  #table(number: number): RouteTable {
    let table = this.#tables.get(number);
    if (table === undefined) {
      table = new RouteTable(this.#routes.get(number) ?? []);
      this.#tables.set(number, table);
    }
    return table;
  }
}

function find({ rules }: Selection, destination: Ip, source: Ip | undefined): FoundRoute | undefined {
  for (const { rule, table } of rules) {
    if (rule.family !== undefined && (rule.family === 4) !== (typeof destination === "number")) continue;
    // A packet whose source is still open has source zero.
    if (rule.from !== undefined && !rangeHolds(rule.from, source ?? unspecified(typeof destination === "number" ? 4 : 6))) continue;
    if (rule.to !== undefined && !rangeHolds(rule.to, destination)) continue;
    const found = table.lookup(destination);
    if (found !== undefined && found.kind !== "throw") return found;
  }
  return undefined;
}

function pick(addresses: readonly HostAddress[], near: Ip | undefined, family: Family): Ip | undefined {
  let first: Ip | undefined;
  for (const { ip, prefixLength, secondaryTo } of addresses) {
    if (secondaryTo !== undefined || (typeof ip === "number") !== (family === 4) || isLoopback(ip)) continue;
    if (near === undefined || samePrefix(near, ip, prefixLength)) return ip;
    first ??= ip;
  }
  return first;
}

function prepareRule(rule: PolicyRule): Rule {
  return {
    table: rule.table,
    family: rule.family,
    inInterface: rule.iif,
    from: rule.from === undefined ? undefined : rangeOfPrefix(rule.from),
    to: rule.to === undefined ? undefined : rangeOfPrefix(rule.to),
    mark: rule.mark,
  };
}

function plainRule(table: number): Rule {
  return { table, family: undefined, inInterface: undefined, from: undefined, to: undefined, mark: undefined };
}

const loopback4 = mustPrefix("127.0.0.0/8");
const loopback6 = mustPrefix("::1/128");

const noRoute: Refusal = { refused: "no-route", why: "no route to the destination" };
const notForwarding: Refusal = { refused: "not-forwarding", why: "the destination is another host, and this one does not forward" };
const broadcast: Refusal = { refused: "broadcast", why: "the destination is a broadcast address" };
const ownSource: Refusal = { refused: "martian", why: "the source is an address of this very host (martian source)" };

function martian(which: "source" | "destination", why: string): Refusal {
  return { refused: "martian", why: `the ${which} ${why} (martian ${which})` };
}

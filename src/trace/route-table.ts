/** One routing table of a host, and the routes found in it. */

import { mainTable, type Origin } from "../ir/network.ts";
import { ipv4Number } from "../net/address.ts";
import { addressOf, lengthOf, type Prefix, prefixFamily } from "../net/prefix.ts";
import { PrefixTrie } from "../net/prefix-trie.ts";
import type { PreparedInterface } from "./host.ts";
import { type Ip, textOf } from "./ip.ts";
import type { Step } from "./result.ts";

/** Linux's numbers. */
export const localTable = 255;
export const defaultTable = 253;

/** A route, found. */
export type FoundRoute = {
  readonly kind: "unicast" | "blackhole" | "unreachable" | "throw" | "local" | "broadcast";
  readonly device: PreparedInterface;
  readonly via: Ip | undefined;
  /** Preferred source. */
  readonly source: Ip | undefined;
  /** "table main". */
  readonly element: string;
  readonly origin: Origin;
  readonly step: Step;
};

/** What a route is made from. */
export type RouteSource = {
  readonly table: number;
  readonly prefix: Prefix;
  readonly kind: FoundRoute["kind"];
  readonly device: PreparedInterface;
  readonly via?: Ip;
  readonly source?: Ip;
  readonly metric?: number;
  readonly origin: Origin;
};

/** Up to this many routes a scan is faster than a trie. */
const smallTable = 48;

/** One routing table. A prefix keeps its best route; of equal ones the first, since Linux refuses the second. */
export class RouteTable {
  /** A small IPv4 table: network, mask and route of each, longest prefix first, in one list that stays together in the processor's cache. */
  readonly #small: readonly (number | FoundRoute)[];
  /** Everything else. */
  readonly #trie: PrefixTrie<FoundRoute> | undefined;

  constructor(routes: readonly RouteSource[]) {
    const best = new Map<Prefix, RouteSource>();
    for (const route of routes) {
      const other = best.get(route.prefix);
      if (other === undefined || (route.metric ?? 0) < (other.metric ?? 0)) best.set(route.prefix, route);
    }
    const ipv4 = [...best.values()].filter((route) => prefixFamily(route.prefix) === 4);
    const isSmall = ipv4.length <= smallTable;
    this.#small = isSmall ? ipv4.sort((a, b) => lengthOf(b.prefix) - lengthOf(a.prefix)).flatMap(smallEntry) : [];
    const rest = [...best.values()].filter((route) => !isSmall || prefixFamily(route.prefix) === 6);
    if (rest.length === 0) return;
    this.#trie = new PrefixTrie();
    for (const route of rest) this.#trie.set(route.prefix, new MadeRoute(route));
  }

  /** A look is cheap. */
  get isSmall(): boolean {
    return this.#trie === undefined;
  }

  lookup(ip: Ip): FoundRoute | undefined {
    if (typeof ip !== "number") return this.#trie?.lookup(ip)?.value;
    const small = this.#small;
    for (let at = 0; at < small.length; at += 3) {
      if ((ip & Number(small[at + 1])) !== small[at]) continue;
      const route = small[at + 2];
      if (typeof route === "object") return route;
    }
    return small.length > 0 ? undefined : this.#trie?.lookupIpv4(ip)?.value;
  }
}

function smallEntry(route: RouteSource): (number | FoundRoute)[] {
  const length = lengthOf(route.prefix);
  return [(ipv4Number(addressOf(route.prefix)) ?? 0) | 0, length === 0 ? 0 : -1 << (32 - length), new MadeRoute(route)];
}

/** Texts are made when a packet first takes the route. */
class MadeRoute implements FoundRoute {
  readonly kind: FoundRoute["kind"];
  readonly device: PreparedInterface;
  readonly via: Ip | undefined;
  readonly source: Ip | undefined;
  readonly origin: Origin;
  readonly #made: RouteSource;
  #step: Step | undefined;

  constructor(made: RouteSource) {
    this.kind = made.kind;
    this.device = made.device;
    this.via = made.via;
    this.source = made.source;
    this.origin = made.origin;
    this.#made = made;
  }

  get element(): string {
    return tableName(this.#made.table);
  }

  get step(): Step {
    this.#step ??= { kind: "route", what: describe(this.#made), element: this.element, origin: this.origin };
    return this.#step;
  }
}

function tableName(number: number): string {
  if (number === mainTable) return "table main";
  return number === localTable ? "table local" : number === defaultTable ? "table default" : `table ${number}`;
}

function describe({ kind, prefix, via, device }: RouteSource): string {
  const target = lengthOf(prefix) === 0 ? "default" : prefix;
  if (kind === "local") return `${target} is this host`;
  if (kind === "unicast") return via === undefined ? `${target} dev ${device.name}` : `${target} via ${textOf(via)} dev ${device.name}`;
  return `${kind} ${target}`;
}

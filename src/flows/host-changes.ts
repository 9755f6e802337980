/**
 * What is different on the hosts of two networks, for packets that came by them. A host on which nothing has changed but routes and sets of prefixes treats
 * those packets as before for whose addresses its tables find the same routes, and which are in none of the prefixes that came or went. Whatever else
 * changes on a host concerns all its packets.
 */

import { CompiledNetwork } from "../compile/index.ts";
import type { Host, HostName, Network, Route } from "../ir/network.ts";
import type { NamedSet, RuleSet } from "../ir/ruleset.ts";
import type { Address } from "../net/address.ts";
import { lengthOf, type Prefix, parsePrefix, prefixContains } from "../net/prefix.ts";
import type { Visit } from "./answers.ts";

/** Of one table: routes that are in one network only, and routes that are in both. */
type TableChange = { readonly changed: readonly Route[]; readonly kept: readonly Route[] };

/** `prefixes`: that are in a set of one network only. */
type Changes = { readonly tables: readonly TableChange[]; readonly prefixes: readonly Prefix[] };

type Change = "none" | "all" | Changes;

export class HostChanges {
  readonly #before: Network;
  readonly #now: Network;
  readonly #candidates: ReadonlySet<HostName> | undefined;
  /** The same object for what is the same on several hosts. */
  readonly #distinct = new Map<string, Changes>();
  readonly #known = new Map<Changes, Map<Address, boolean>>();

  constructor(before: Network, now: Network) {
    this.#before = before;
    this.#now = now;
    this.#candidates = now instanceof CompiledNetwork ? now.changedSince(before) : undefined;
  }

  /** The questions whose packets may go another way now. */
  concerned(visits: ReadonlyMap<HostName, Visit>): ReadonlySet<string> {
    const found = new Set<string>();
    for (const [name, { questions }] of visits) {
      const change = this.#of(name);
      if (change === "none") continue;
      for (const [address, asked] of questions) {
        if (change === "all" || this.#concerns(change, address)) for (const question of asked) found.add(question);
      }
      if (change === "all" || change.tables.length === 0) continue;
      // Hosts ask one another who has the address of a next hop, and look for that in their tables before they answer.
      for (const [other, { vias, questions: others }] of visits) {
        if (other === name || ![...vias].some((via) => this.#concerns(change, via))) continue;
        for (const asked of others.values()) for (const question of asked) found.add(question);
      }
    }
    return found;
  }

  #of(name: HostName): Change {
    if (this.#candidates?.has(name) === false) return "none";
    const change = changeOf(this.#before.host(name), this.#now.host(name));
    if (change === "none" || change === "all") return change;
    const text = JSON.stringify(change);
    const known = this.#distinct.get(text) ?? change;
    this.#distinct.set(text, known);
    return known;
  }

  #concerns(change: Changes, address: Address): boolean {
    const known = this.#known.get(change) ?? new Map<Address, boolean>();
    this.#known.set(change, known);
    let concerned = known.get(address);
    if (concerned === undefined) {
      const { prefixes, tables } = change;
      concerned = prefixes.some((prefix) => prefixContains(prefix, address));
      concerned ||= tables.some(({ changed, kept }) =>
        changed.some(
          ({ dst }) =>
            prefixContains(dst, address) &&
            !kept.some((route) => lengthOf(route.dst) > lengthOf(dst) && prefixContains(route.dst, address)),
        ),
      );
      known.set(address, concerned);
    }
    return concerned;
  }
}

function changeOf(before: Host | undefined, now: Host | undefined): Change {
  if (before === now) return "none";
  if (before === undefined || now === undefined) return "all";
  const { routes: old, ruleSet: oldRules, ...others } = before;
  const { routes, ruleSet, ...rest } = now;
  const prefixes = isEqual(others, rest) ? changedPrefixes(oldRules, ruleSet) : undefined;
  if (prefixes === undefined) return "all";
  const tables = changedTables(old, routes);
  return tables.length + prefixes.length === 0 ? "none" : { tables, prefixes };
}

function changedTables(old: readonly Route[], now: readonly Route[]): readonly TableChange[] {
  if (isEqual(old, now)) return [];
  const [before, after] = [byTable(old), byTable(now)];
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((table): TableChange[] => {
    const [own, other] = [before.get(table) ?? [], after.get(table) ?? []];
    if (isEqual(own, other)) return [];
    const [texts, textsNow] = [own, other].map((routes) => new Set(routes.map((route) => JSON.stringify(route))));
    const isKept = (route: Route) => texts?.has(JSON.stringify(route)) === true && textsNow?.has(JSON.stringify(route)) === true;
    return [{ changed: [...own, ...other].filter((route) => !isKept(route)), kept: other.filter(isKept) }];
  });
}

/** The prefixes that came and went in sets; `undefined` when more has changed than that. */
function changedPrefixes(old: RuleSet, now: RuleSet): readonly Prefix[] | undefined {
  if (old.length !== now.length) return undefined;
  const found: Prefix[] = [];
  for (const [index, table] of old.entries()) {
    const other = now[index];
    if (table === other) continue;
    if (other === undefined || table.sets.length !== other.sets.length) return undefined;
    const { sets: oldSets, ...rules } = table;
    const { sets, ...rulesNow } = other;
    if (!isEqual(rules, rulesNow)) return undefined;
    for (const [at, set] of oldSets.entries()) {
      const changed = isEqual(set, sets[at]) ? [] : prefixesOf(set, sets[at]);
      if (changed === undefined) return undefined;
      found.push(...changed);
    }
  }
  return found;
}

/** Of the elements that only one of two sets has. `undefined` where those are not all prefixes, or the sets are not alike. */
function prefixesOf({ elements, ...set }: NamedSet, other: NamedSet | undefined): readonly Prefix[] | undefined {
  if (other === undefined) return undefined;
  const { elements: elementsNow, ...rest } = other;
  if (!isEqual(set, rest)) return undefined;
  const [texts, textsNow] = [elements, elementsNow].map((list) => new Set(list.map((element) => JSON.stringify(element))));
  const changed = [...elements, ...elementsNow].filter((element) => {
    const text = JSON.stringify(element);
    return texts?.has(text) !== true || textsNow?.has(text) !== true;
  });
  const prefixes = changed.flatMap(({ key: [first, ...more] }) => {
    const prefix = more.length > 0 || first === undefined ? undefined : parsePrefix(String(first));
    return prefix ?? [];
  });
  return prefixes.length === changed.length ? prefixes : undefined;
}

function byTable(routes: readonly Route[]): ReadonlyMap<number, readonly Route[]> {
  const tables = new Map<number, Route[]>();
  for (const route of routes) {
    const known = tables.get(route.table);
    if (known === undefined) tables.set(route.table, [route]);
    else known.push(route);
  }
  return tables;
}

/** Of plain data. What is one object on both sides is not looked into. */
function isEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((one, index) => isEqual(one, b[index]));
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => isEqual(Reflect.get(a, key), Reflect.get(b, key)));
}

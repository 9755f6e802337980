/**
 * What turns one ruleset into another, as commands for nf_tables in the order in which it takes them.
 *
 * Only chains that changed are refilled; sets and maps change by element, so that dynamic sets keep what rules put into them. A set that is
 * declared differently takes its table with it.
 */

import { isDeepStrictEqual } from "node:util";
import type { Chain, MapElement, NamedMap, NamedSet, Rule, RuleSet, SetElement, Table } from "../ir/ruleset.ts";
import type { Family } from "../net/address.ts";
import { difference } from "./difference.ts";

export type Collection = NamedSet | NamedMap;
export type Element = SetElement | MapElement;

/** Marks packets for tracing (`meta nftrace set 1`): with `dscp` those whose IP header has these six bits. */
export type Marking = { readonly dscp?: { readonly family: Family; readonly value: number } };

export type Command =
  /** Deleting what is not there is an error; adding what is there is none. */
  | { readonly do: "add table" | "delete table"; readonly table: Table }
  /** Of a chain that is there, the policy changes. */
  | { readonly do: "add chain" | "flush chain" | "delete chain"; readonly table: Table; readonly chain: Chain }
  | {
      readonly do: "add rule";
      readonly table: Table;
      readonly chain: Chain;
      readonly rule: Rule;
      /** Done to the packets that the rule matches, and that rules of hosts do not. */
      readonly marking?: Marking;
    }
  | { readonly do: "add set" | "flush set" | "delete set"; readonly table: Table; readonly set: Collection }
  | {
      readonly do: "add elements" | "delete elements";
      readonly table: Table;
      readonly set: Collection;
      readonly elements: readonly Element[];
    }
  /** Where a transaction may end. */
  | { readonly do: "cut" };

/**
 * From `before` to `after`. With `steps`, in an order that takes cuts, for a change that does not fit into one transaction: declarations, elements,
 * chains that others jump to, chains at hooks, removals. Between two transactions packets then meet some old and some new rules.
 */
export function* changeCommands(before: RuleSet, after: RuleSet, steps: boolean): Generator<Command> {
  const old = new Map(before.map((table) => [tableKey(table), table]));
  for (const table of after) {
    const previous = old.get(tableKey(table));
    old.delete(tableKey(table));
    if (previous === table) continue;
    if (previous !== undefined && !redeclares(previous, table)) {
      yield* changeTable(previous, table, steps);
      continue;
    }
    if (previous !== undefined) yield { do: "delete table", table: previous };
    yield { do: "add table", table };
    yield* changeTable({ ...table, chains: [], sets: [], maps: [] }, table, steps);
  }
  for (const table of old.values()) yield { do: "delete table", table };
}

/** Takes away whatever tables of these names there are. */
export function removalCommands(tables: RuleSet): readonly Command[] {
  const byName = new Map(tables.map((table) => [tableKey(table), table]));
  return [...byName.values()].flatMap((table) => [
    { do: "add table", table },
    { do: "delete table", table },
  ]);
}

function tableKey(table: Table): string {
  return `${table.family} ${table.name}`;
}

/** True when a set, a map or a base chain of both tables is declared in another way, which the kernel can't change in place. */
function redeclares(before: Table, after: Table): boolean {
  const [sets, maps, chains] = [byName(before.sets), byName(before.maps), byName(before.chains)];
  const differs = (set: Collection, same: ReadonlyMap<string, Collection>, other: ReadonlyMap<string, Collection>): boolean => {
    const previous = same.get(set.name);
    return previous === undefined ? other.has(set.name) : !sameDeclaration(previous, set);
  };
  if (before.sets !== after.sets && after.sets.some((set) => differs(set, sets, maps))) return true;
  if (before.maps !== after.maps && after.maps.some((map) => differs(map, maps, sets))) return true;
  return (
    before.chains !== after.chains &&
    after.chains.some((chain) => {
      const previous = chains.get(chain.name);
      return previous !== undefined && previous !== chain && hookOf(previous) !== hookOf(chain);
    })
  );
}

function sameDeclaration(a: Collection, b: Collection): boolean {
  if (a === b) return true;
  const timeout = (set: Collection) => ("dynamicTimeoutSeconds" in set ? set.dynamicTimeoutSeconds : undefined);
  const value = (set: Collection) => ("value" in set ? set.value : "none");
  return (
    sameWords(a.key, b.key) && sameWords(value(a), value(b)) && (a.interval === true) === (b.interval === true) && timeout(a) === timeout(b)
  );
}

function sameWords(a: string | readonly string[], b: string | readonly string[]): boolean {
  if (a === b || typeof a === "string" || typeof b === "string") return a === b;
  return a.length === b.length && a.every((word, index) => word === b[index]);
}

const names = new WeakMap<readonly object[], ReadonlyMap<string, unknown>>();

/** Worked out once per list, which mostly is the old one and then the new one of a change. */
function byName<T extends { readonly name: string }>(list: readonly T[]): ReadonlyMap<string, T> {
  let found = names.get(list) as ReadonlyMap<string, T> | undefined;
  if (found === undefined) {
    found = new Map(list.map((one) => [one.name, one]));
    names.set(list, found);
  }
  return found;
}

/** Without the policy: that can change in place. */
function hookOf({ base }: Chain): string {
  return base === undefined ? "" : `${base.type} ${base.hook} ${base.priority}`;
}

function* changeTable(before: Table, after: Table, steps: boolean): Generator<Command> {
  const table = after;
  const oldChains = byName(before.chains);
  const removed = without(before.chains, after.chains);
  const changed = after.chains.filter((chain) => !sameChain(oldChains.get(chain.name), chain));
  const oldSets = byName(before.sets);
  const oldMaps = byName(before.maps);

  for (const chain of changed) {
    const old = oldChains.get(chain.name);
    if (old === undefined || old.base?.policy !== chain.base?.policy) yield { do: "add chain", table, chain };
  }
  for (const set of [...without(after.sets, before.sets), ...without(after.maps, before.maps)]) yield { do: "add set", table, set };
  yield { do: "cut" };

  const flush = function* (chain: Chain): Generator<Command> {
    if ((oldChains.get(chain.name)?.rules.length ?? 0) > 0) yield { do: "flush chain", table, chain };
  };
  // All at once, before any is filled: rules of now and rules of then may jump in a circle.
  if (!steps) for (const chain of [...changed, ...removed]) yield* flush(chain);
  for (const set of after.sets) if (oldSets.get(set.name) !== set) yield* changeElements(table, oldSets.get(set.name), set, steps);
  for (const map of after.maps) if (oldMaps.get(map.name) !== map) yield* changeElements(table, oldMaps.get(map.name), map, steps);
  for (const chain of [...changed.filter(({ base }) => base === undefined), ...changed.filter(({ base }) => base !== undefined)]) {
    if (steps) yield* flush(chain);
    for (const rule of chain.rules) {
      yield { do: "add rule", table, chain, rule };
      yield { do: "cut" };
    }
  }
  if (steps) for (const chain of removed) yield* flush(chain);
  // What is removed may be named by what is removed: maps hold verdicts to chains, chains look into maps.
  for (const set of [...without(before.maps, after.maps), ...without(before.sets, after.sets)]) yield { do: "delete set", table, set };
  for (const chain of removed) yield { do: "delete chain", table, chain };
}

/** Those whose names are not among the others'. */
function without<T extends { readonly name: string }>(list: readonly T[], others: readonly T[]): readonly T[] {
  if (list === others) return [];
  const known = byName(others);
  return list.filter(({ name }) => !known.has(name));
}

function sameChain(before: Chain | undefined, after: Chain): boolean {
  if (before === after) return true;
  if (before === undefined || before.base?.policy !== after.base?.policy) return false;
  if (before.rules === after.rules) return true;
  if (before.rules.length !== after.rules.length) return false;
  return after.rules.every((rule, index) => {
    const old = before.rules[index];
    if (old === undefined) return false;
    if (old === rule) return true;
    return (
      old.origin.reason === rule.origin.reason &&
      isDeepStrictEqual(old.matches, rule.matches) &&
      isDeepStrictEqual(old.statements, rule.statements)
    );
  });
}

function* changeElements(table: Table, before: Collection | undefined, set: Collection, steps: boolean): Generator<Command> {
  if (before?.elements === set.elements) return;
  const change = before === undefined || before.elements.length === 0 ? { removed: [], added: set.elements } : elementChange(before, set);
  const { removed, added } = change;
  if (removed.length === 0 && added.length === 0) return;
  if (set.interval === true) {
    // Merged intervals have lost the elements they were made of, so they are refilled as a whole.
    if (before !== undefined && before.elements.length > 0) yield { do: "flush set", table, set };
    if (set.elements.length > 0) yield { do: "add elements", table, set, elements: set.elements };
    yield { do: "cut" };
    return;
  }
  for (const turn of steps ? inTurns(removed, added) : [change]) {
    if (turn.removed.length > 0) yield { do: "delete elements", table, set, elements: turn.removed };
    if (turn.added.length > 0) yield { do: "add elements", table, set, elements: turn.added };
    yield { do: "cut" };
  }
}

const elementsInTurn = 500;

/** Some at a time: an element that changes its value is deleted and added in one turn. */
function* inTurns(
  removed: readonly Element[],
  added: readonly Element[],
): Generator<{ readonly removed: readonly Element[]; readonly added: readonly Element[] }> {
  const leaving = new Map(removed.map((element) => [keyText(element), element]));
  for (let from = 0; from < added.length; from += elementsInTurn) {
    const turn = added.slice(from, from + elementsInTurn);
    const replaced = turn.flatMap((element) => leaving.get(keyText(element)) ?? []);
    for (const element of turn) leaving.delete(keyText(element));
    yield { removed: replaced, added: turn };
  }
  const rest = [...leaving.values()];
  for (let from = 0; from < rest.length; from += elementsInTurn) yield { removed: rest.slice(from, from + elementsInTurn), added: [] };
}

function keyText(element: Element): string {
  return element.key.map(datumText).join(" ");
}

function elementText(element: Element): string {
  if (!("value" in element)) return keyText(element);
  const { value } = element;
  if (!("verdict" in value)) return `${keyText(element)}: ${value.map(datumText).join(" ")}`;
  return `${keyText(element)}: ${value.verdict} ${"chain" in value ? value.chain : ""}`;
}

function datumText(datum: Element["key"][number]): string {
  return typeof datum === "object" ? `${datum.first}-${datum.last}` : `${datum}`;
}

type ElementChange = { readonly before: readonly Element[]; readonly removed: readonly Element[]; readonly added: readonly Element[] };

/** Worked out once per pair of lists, however many hosts share them. */
const changes = new WeakMap<readonly Element[], ElementChange>();

function elementChange(before: Collection, after: Collection): ElementChange {
  const known = changes.get(after.elements);
  if (known?.before === before.elements) return known;
  const change = { before: before.elements, ...difference<Element>(before.elements, after.elements, elementText) };
  changes.set(after.elements, change);
  return change;
}

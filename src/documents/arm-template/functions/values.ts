/**
 * Functions on values of any type, arrays, objects, booleans and numbers.
 *
 * Azure docs: templates/template-functions-array, -object, -comparison, -logical, -numeric.
 */

import { areEqual, fromPlain, isList, ObjectValue, toJsonText, Unknown, type Value } from "../value.ts";
import { type Arguments, type PureFunctions, pure } from "./arguments.ts";

const many = Number.POSITIVE_INFINITY;

export const valueFunctions: PureFunctions = {
  // Arrays.
  array: pure(1, (from) => {
    const value = from.known(0);
    return isList(value) ? value : [value];
  }),
  createArray: pure(0, (from) => from.values, many),
  first: pure(1, (from) => end(from, 0)),
  last: pure(1, (from) => end(from, -1)),
  indexOf: pure(2, (from) => position(from, "first")),
  lastIndexOf: pure(2, (from) => position(from, "last")),
  indexFromEnd: pure(2, (from) => fromEnd(from) ?? from.refuse(`there is no item ${from.int(1)} from the end`)),
  tryIndexFromEnd: pure(2, (from) => fromEnd(from) ?? null),
  range: pure(2, (from) => {
    const [start, count] = [from.int(0), from.int(1)];
    if (count < 0 || count > 10_000) from.refuse(`the count is ${count}; it is 0 to 10,000`);
    if (start + count > 2_147_483_647) from.refuse("the numbers end beyond 2,147,483,647");
    return Array.from({ length: count }, (_, index) => start + index);
  }),
  skip: pure(2, (from) => {
    const [value, count] = [sequence(from), Math.max(from.int(1), 0)];
    return value.slice(count);
  }),
  take: pure(2, (from) => {
    const [value, count] = [sequence(from), Math.max(from.int(1), 0)];
    return value.slice(0, count);
  }),

  // Arrays, objects and text.
  contains: pure(2, (from) => {
    const within = from.known(0);
    if (typeof within === "string") return within.includes(String(scalar(from, 1)));
    if (isList(within)) return within.some((item) => areEqual(item, from.known(1)));
    if (!(within instanceof ObjectValue)) return from.wrong(within, "a string, array or object", "argument 1");
    const found = within.get(String(scalar(from, 1)));
    return found instanceof Unknown && found === within.rest ? found : found !== undefined;
  }),
  empty: pure(1, (from) => {
    const value = from.known(0);
    if (value instanceof ObjectValue) return value.entries.size > 0 ? false : (value.rest ?? true);
    if (value === null || value === "") return true;
    if (isList(value)) return value.length === 0;
    return typeof value === "string" ? false : from.wrong(value, "a string, array or object", "argument 1");
  }),
  length: pure(1, (from) => {
    const value = from.known(0);
    if (typeof value === "string" || isList(value)) return value.length;
    if (value instanceof ObjectValue) return value.rest ?? value.entries.size;
    return from.wrong(value, "a string, array or object", "argument 1");
  }),
  union: pure(
    1,
    (from) => {
      const values = from.values.map((_, index) => from.known(index));
      if (values.every(isList)) return distinct(values.flat());
      return merged(from, values, (a, b) => mergedDeep(a, b));
    },
    many,
  ),
  intersection: pure(
    1,
    (from) => {
      const values = from.values.map((_, index) => from.known(index));
      const [head, ...others] = values;
      if (isList(head ?? null) && values.every(isList)) {
        return distinct((values[0] ?? []).filter((item) => values.slice(1).every((other) => other.some((part) => areEqual(item, part)))));
      }
      if (!(head instanceof ObjectValue)) return from.wrong(head ?? null, "an array or object", "argument 1");
      const common = [...head.entries].filter(([name, value]) =>
        others.every((other) => {
          if (!(other instanceof ObjectValue)) return from.wrong(other, "an object as the first is", "each argument");
          const same = other.get(name);
          return same !== undefined && areEqual(value, same);
        }),
      );
      return new ObjectValue(new Map(common));
    },
    many,
  ),

  // Objects.
  createObject: pure(
    0,
    (from) => {
      if (from.count % 2 !== 0) from.refuse("takes pairs of a name and a value", "give every name a value");
      const entries = new Map<string, Value>();
      for (let index = 0; index < from.count; index += 2) entries.set(from.text(index), from.any(index + 1));
      return new ObjectValue(entries);
    },
    many,
  ),
  items: pure(1, (from) => {
    const value = from.object(0);
    if (value.rest !== undefined) return value.rest;
    return [...value.entries]
      .sort(([a], [b]) => order(a.toLowerCase(), b.toLowerCase()))
      .map(([key, item]) => ObjectValue.of({ key, value: item }));
  }),
  objectKeys: pure(1, (from) => {
    const value = from.object(0);
    return value.rest ?? [...value.entries.keys()].sort((a, b) => order(a.toLowerCase(), b.toLowerCase()));
  }),
  shallowMerge: pure(1, (from) =>
    merged(
      from,
      from.list(0).map((item) => from.item(item)),
      (_, b) => b,
    ),
  ),
  tryGet: pure(
    2,
    (from) => {
      let value: Value = from.any(0);
      for (let index = 1; index < from.count; index++) {
        const found = member(from.item(value), from.known(index));
        if (found === undefined) return null;
        value = found;
      }
      return value;
    },
    many,
  ),
  null: pure(0, () => null),

  // Comparison and logic; `and`, `or`, `if` and `coalesce` take their arguments one by one, and are elsewhere.
  equals: pure(2, (from) => areEqual(from.known(0), from.known(1))),
  less: pure(2, (from) => compared(from) < 0),
  lessOrEquals: pure(2, (from) => compared(from) <= 0),
  greater: pure(2, (from) => compared(from) > 0),
  greaterOrEquals: pure(2, (from) => compared(from) >= 0),
  not: pure(1, (from) => !from.bool(0)),
  true: pure(0, () => true),
  false: pure(0, () => false),
  bool: pure(1, (from) => {
    const value = from.known(0);
    if (typeof value === "boolean") return value;
    if (typeof value === "number") return value !== 0;
    if (typeof value === "string" && /^(true|1)$/i.test(value)) return true;
    if (typeof value === "string" && /^(false|0)$/i.test(value)) return false;
    return from.wrong(value, "true, false, 1 or 0", "argument 1");
  }),

  // Numbers.
  add: pure(2, (from) => whole(from, from.int(0) + from.int(1))),
  sub: pure(2, (from) => whole(from, from.int(0) - from.int(1))),
  mul: pure(2, (from) => whole(from, from.int(0) * from.int(1))),
  div: pure(2, (from) => Math.trunc(from.int(0) / divisor(from))),
  mod: pure(2, (from) => from.int(0) % divisor(from)),
  max: pure(1, (from) => numbers(from).reduce((a, b) => Math.max(a, b)), many),
  min: pure(1, (from) => numbers(from).reduce((a, b) => Math.min(a, b)), many),
  int: pure(1, (from) => {
    const value = from.known(0);
    if (typeof value === "number") return Math.trunc(value);
    if (typeof value === "string" && /^\s*[-+]?\d+\s*$/.test(value)) return whole(from, Number(value));
    return from.wrong(value, "an integer", "argument 1");
  }),
  float: pure(1, (from) => {
    const value = from.known(0);
    const number = typeof value === "number" || (typeof value === "string" && value.trim() !== "") ? Number(value) : Number.NaN;
    return Number.isFinite(number) ? number : from.wrong(value, "a number", "argument 1");
  }),

  json: pure(1, (from) => parsedJson(from, from.text(0))),
  string: pure(1, (from) => asText(from.known(0))),
};

/** As `string()` and `concat()` write a value. */
export function asText(value: Value): string {
  if (typeof value === "string") return value;
  if (typeof value === "boolean") return value ? "True" : "False";
  return value === null ? "" : toJsonText(value);
}

export function parsedJson(from: Arguments, text: string): Value {
  try {
    return fromPlain(JSON.parse(text, (name, value) => (name === "__proto__" ? undefined : value)));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return from.refuse("the text is no JSON", "a text in an expression has its JSON's double quotes as they are");
  }
}

/** The part of a value that a name or an index names; `undefined` when there is none. */
export function member(value: Value, key: Value): Value | undefined {
  if (isList(value)) return typeof key === "number" ? value[key] : undefined;
  return value instanceof ObjectValue && typeof key === "string" ? value.get(key) : undefined;
}

/** As .NET orders text without regard to culture. */
export function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Of two numbers or two texts, as `less` does. */
export function compareValues(from: Arguments, a: Value, b: Value): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return order(from.asText(a, "what is compared"), from.asText(b, "what is compared"));
}

function compared(from: Arguments): number {
  const [a, b] = [from.known(0), from.known(1)];
  return typeof a === "number" || typeof b === "number" ? from.number(0) - from.number(1) : compareValues(from, a, b);
}

function end(from: Arguments, index: 0 | -1): Value {
  const value = from.known(0);
  if (typeof value === "string") return value.at(index) ?? "";
  return isList(value) ? (value.at(index) ?? null) : from.wrong(value, "a string or array", "argument 1");
}

function sequence(from: Arguments): string | readonly Value[] {
  const value = from.known(0);
  return typeof value === "string" || isList(value) ? value : from.wrong(value, "a string or array", "argument 1");
}

function position(from: Arguments, which: "first" | "last"): number {
  const value = from.known(0);
  if (typeof value === "string") {
    const [text, part] = [value.toLowerCase(), from.text(1).toLowerCase()];
    return which === "first" ? text.indexOf(part) : text.lastIndexOf(part);
  }
  if (!isList(value)) return from.wrong(value, "a string or array", "argument 1");
  const found = value.map((item) => areEqual(item, from.known(1)));
  return which === "first" ? found.indexOf(true) : found.lastIndexOf(true);
}

/** 1 is the last one. */
function fromEnd(from: Arguments): Value | undefined {
  const index = from.int(1);
  return index >= 1 ? from.list(0).at(-index) : undefined;
}

function scalar(from: Arguments, index: number): string | number | boolean {
  const value = from.known(index);
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean"
    ? value
    : from.wrong(value, "a string", `argument ${index + 1}`);
}

function distinct(values: readonly Value[]): readonly Value[] {
  const seen = new Set<string>();
  return values.filter((value) => {
    // What nobody knows may be different from all others.
    if (value instanceof Unknown) return true;
    const key = toJsonText(value);
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

function merged(from: Arguments, values: readonly Value[], both: (a: Value, b: Value) => Value): ObjectValue {
  const entries = new Map<string, Value>();
  /** As they were written first, by their lower case. */
  const names = new Map<string, string>();
  let rest: Unknown | undefined;
  for (const value of values) {
    if (!(value instanceof ObjectValue)) {
      if (value === null) continue;
      return from.wrong(value, "an object, or each an array", "each argument");
    }
    rest ??= value.rest;
    for (const [name, child] of value.entries) {
      const known = names.get(name.toLowerCase()) ?? name;
      names.set(name.toLowerCase(), known);
      const before = entries.get(known);
      entries.set(known, before === undefined ? child : both(before, child));
    }
  }
  return new ObjectValue(entries, rest);
}

/** Objects within objects are merged too; of arrays the last one stays. */
function mergedDeep(a: Value, b: Value): Value {
  if (!(a instanceof ObjectValue && b instanceof ObjectValue)) return b;
  const entries = new Map(a.entries);
  for (const [name, child] of b.entries) {
    const before = entries.get(name);
    entries.set(name, before === undefined ? child : mergedDeep(before, child));
  }
  return new ObjectValue(entries, a.rest ?? b.rest);
}

function numbers(from: Arguments): readonly number[] {
  const list = from.known(0);
  const values = isList(list) ? list.map((item) => from.item(item)) : from.values.map((_, index) => from.int(index));
  if (values.length === 0) return from.refuse("there are no numbers");
  return values.map((value) => (typeof value === "number" ? value : from.wrong(value, "an integer", "each item")));
}

function divisor(from: Arguments): number {
  return from.int(1) === 0 ? from.refuse("the divisor is 0") : from.int(1);
}

function whole(from: Arguments, value: number): number {
  return Number.isSafeInteger(value) ? value : from.refuse(`${value} is out of the range of integers`);
}

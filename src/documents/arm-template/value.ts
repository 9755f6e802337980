/**
 * What expressions of a template work on: JSON values, and values that only Azure will know, at run time.
 *
 * An {@link Unknown} goes through an evaluation like any value: what is computed from one is unknown for the same reason. Objects are held as
 * maps, so that no name of a property means anything to JavaScript.
 */

import { Unknown } from "../azure/unknown.ts";

export { Unknown };

export type Value = null | boolean | number | string | readonly Value[] | ObjectValue | Unknown;

export class ObjectValue {
  readonly entries: ReadonlyMap<string, Value>;
  /** What a property is that is not there. Absent: the object has no others. */
  readonly rest?: Unknown;

  constructor(entries: ReadonlyMap<string, Value>, rest?: Unknown) {
    this.entries = entries;
    if (rest !== undefined) this.rest = rest;
  }

  static of(entries: Readonly<Record<string, Value | undefined>>, rest?: Unknown): ObjectValue {
    const known = Object.entries(entries).flatMap(([name, value]): [string, Value][] => (value === undefined ? [] : [[name, value]]));
    return new ObjectValue(new Map(known), rest);
  }

  /** Names of properties are compared without case, as Resource Manager does; one that is written alike is preferred. */
  get(name: string): Value | undefined {
    const exact = this.entries.get(name);
    if (exact !== undefined) return exact;
    const lower = name.toLowerCase();
    for (const [key, value] of this.entries) if (key.toLowerCase() === lower) return value;
    return this.rest;
  }
}

/** Thrown where an unknown value stands in the way of computing another; whoever calls functions catches it, and the result is unknown. */
export class UnknownInTheWay extends Error {
  readonly unknown: Unknown;

  constructor(unknown: Unknown) {
    super(unknown.why);
    this.unknown = unknown;
  }
}

/** Thrown where an expression cannot be evaluated. */
export class Refusal extends Error {
  readonly fix: string | undefined;
  readonly code: string;

  constructor(message: string, fix?: string, code = "InvalidTemplate") {
    super(message);
    this.fix = fix;
    this.code = code;
  }
}

/** Thrown where nothing is evaluated any more, which has been said. */
export class Exhausted extends Error {}

export function refuse(message: string, fix?: string): never {
  throw new Refusal(message, fix);
}

export function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

/** In the words of templates: `string`, `int`, `array`. */
export function typeName(value: Value): string {
  if (value === null) return "null";
  if (isList(value)) return "array";
  if (value instanceof ObjectValue) return "object";
  if (value instanceof Unknown) return "a value known only at run time";
  if (typeof value === "number") return Number.isInteger(value) ? "int" : "float";
  return typeof value === "boolean" ? "bool" : "string";
}

/** The value with every object in it answering unknown for what it does not name: what Azure fills in itself. */
export function opened(value: Value, rest: Unknown): Value {
  if (isList(value)) return value.map((item) => opened(item, rest));
  if (!(value instanceof ObjectValue)) return value;
  return new ObjectValue(new Map([...value.entries].map(([name, child]) => [name, opened(child, rest)])), rest);
}

/** Equal as ARM compares: text with case, objects by their properties in any order. Throws {@link UnknownInTheWay}. */
export function areEqual(a: Value, b: Value): boolean {
  if (a instanceof Unknown) throw new UnknownInTheWay(a);
  if (b instanceof Unknown) throw new UnknownInTheWay(b);
  if (isList(a)) return isList(b) && a.length === b.length && a.every((item, index) => areEqual(item, b[index] ?? null));
  if (!(a instanceof ObjectValue)) return a === b;
  if (!(b instanceof ObjectValue) || a.entries.size !== b.entries.size) return false;
  return [...a.entries].every(([name, value]) => {
    const other = b.get(name);
    return other !== undefined && areEqual(value, other);
  });
}

/** JSON text without spaces. Throws {@link UnknownInTheWay}. */
export function toJsonText(value: Value): string {
  return JSON.stringify(
    toPlain(value, (unknown) => {
      throw new UnknownInTheWay(unknown);
    }),
  );
}

/** The value as plain data; `unknown` says what stands for values that nobody knows. */
export function toPlain(value: Value, unknown: (value: Unknown) => unknown): unknown {
  if (value instanceof Unknown) return unknown(value);
  if (isList(value)) return value.map((item) => toPlain(item, unknown));
  if (!(value instanceof ObjectValue)) return value;
  return Object.fromEntries([...value.entries].map(([name, child]) => [name, toPlain(child, unknown)]));
}

/** Of `JSON.parse`. */
export function fromPlain(value: unknown): Value {
  if (Array.isArray(value)) return value.map(fromPlain);
  if (typeof value === "object" && value !== null)
    return new ObjectValue(new Map(Object.entries(value).map(([name, child]) => [name, fromPlain(child)])));
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? value : null;
}

export const limits = {
  /** Characters of a text that an expression makes. Resource Manager takes templates of 4 MB. */
  text: 4 * 1024 * 1024,
  /** Values in a value, parts that are shared counted as often as they are there. */
  values: 200_000,
  depth: 128,
  /** Evaluations of one document's templates in all. */
  steps: 1_000_000,
  /** Expressions within one another, through variables and functions. */
  nesting: 300,
  /** Characters of an expression (Azure docs: templates/best-practices, Template limits). */
  expression: 24_576,
} as const;

const measured = new WeakMap<object, { readonly size: number; readonly depth: number }>();

/** Refuses a value that is too large: parts may be shared, so what takes little to make may take the memory of the world to write down. */
export function bounded(value: Value): Value {
  const { size, depth } = measure(value);
  if (size > limits.values) refuse(`the value has more than ${limits.values} values in it`);
  if (depth > limits.depth) refuse(`the value is nested more than ${limits.depth} deep`);
  return value;
}

/** Size in values, where text counts by its length too. Parts were measured when they were made, so this does not go deep. */
function measure(value: Value): { readonly size: number; readonly depth: number } {
  if (typeof value === "string") {
    if (value.length > limits.text) refuse(`the text has more than ${limits.text} characters`);
    return { size: 1 + Math.floor(value.length / 64), depth: 0 };
  }
  if (value === null || typeof value !== "object" || value instanceof Unknown) return { size: 1, depth: 0 };
  const known = measured.get(value);
  if (known !== undefined) return known;
  let [size, depth] = [1, 0];
  for (const part of isList(value) ? value : value.entries.values()) {
    const inner = measure(part);
    size += inner.size;
    depth = Math.max(depth, inner.depth + 1);
  }
  const result = { size, depth };
  measured.set(value, result);
  return result;
}

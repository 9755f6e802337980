/**
 * A value in a resource's properties: read by ARM's names without regard to case, and remembered as read, so that what nobody read can be named.
 *
 * Templates and exports are other people's JSON: numbers and flags come as text too, as ARM's own deserializer takes them; null is absent. What is
 * known to Azure alone is reported where it is read, and absent from then on.
 */

import type { PropertyPath } from "../../arm/rules/problem.ts";
import { type Finding, formatValue } from "../problem.ts";
import { Unknown } from "./unknown.ts";

/** What was read of one resource, and where to complain. */
export class Reading {
  readonly #seen = new Set<string>();
  readonly #whole = new Set<string>();
  readonly report: (path: PropertyPath, finding: Finding) => void;

  constructor(report: (path: PropertyPath, finding: Finding) => void) {
    this.report = report;
  }

  see(path: PropertyPath): void {
    this.#seen.add(keyOf(path));
  }

  /** With all that is in it. */
  seeAll(path: PropertyPath): void {
    this.#whole.add(keyOf(path));
  }

  /** The properties below `value` that nobody has read, the outermost of each: as written, and as a pattern (`subnets[].name`). */
  unread(
    value: unknown,
    path: PropertyPath,
  ): readonly { readonly path: PropertyPath; readonly pattern: string; readonly value: unknown }[] {
    const parts = Array.isArray(value) ? [...value.entries()] : isRecord(value) ? Object.entries(value) : [];
    return parts.flatMap(([step, part]) => {
      if (part === null || part === undefined) return [];
      const at = [...path, step];
      if (this.#whole.has(keyOf(at))) return [];
      if (this.#seen.has(keyOf(at))) return this.unread(part, at);
      return [{ path: at, pattern: patternOf(at), value: part }];
    });
  }
}

function keyOf(path: PropertyPath): string {
  return path.join("\0").toLowerCase();
}

function patternOf(path: PropertyPath): string {
  return path
    .map((step) => (typeof step === "number" ? "[]" : `.${step}`))
    .join("")
    .slice(1);
}

export class Value {
  /** `undefined` when absent. */
  readonly raw: unknown;
  readonly path: PropertyPath;
  readonly #reading: Reading;

  constructor(raw: unknown, path: PropertyPath, reading: Reading) {
    this.raw = raw ?? undefined;
    this.path = path;
    this.#reading = reading;
    reading.see(path);
  }

  get isPresent(): boolean {
    return this.raw !== undefined;
  }

  get(...names: readonly string[]): Value {
    let [value, path]: [unknown, PropertyPath] = [this.raw, this.path];
    for (const name of names) {
      const key = isRecord(value) ? keyIn(value, name) : name;
      // A part of what nobody knows.
      if (!(value instanceof Unknown)) value = isRecord(value) && Object.hasOwn(value, key) ? value[key] : undefined;
      path = [...path, key];
      this.#reading.see(path);
    }
    return new Value(value, path, this.#reading);
  }

  report(finding: Finding): void {
    this.#reading.report(this.path, { ...(typeof this.raw === "object" || !this.isPresent ? {} : { value: this.raw }), ...finding });
  }

  /** Of a list; of nothing else. */
  items(): readonly Value[] {
    if (!this.#isKnown) return [];
    if (Array.isArray(this.raw)) return this.raw.flatMap((item, index) => (item === null ? [] : [this.#item(item, index)]));
    this.#wrong("a list");
    return [];
  }

  #item(item: unknown, index: number): Value {
    return new Value(item, [...this.path, index], this.#reading);
  }

  /** Each property of a mapping with text as values, such as tags and labels. */
  texts(): Readonly<Record<string, string>> | undefined {
    if (!this.#isKnown) return undefined;
    if (!isRecord(this.raw)) {
      this.#wrong("a mapping");
      return undefined;
    }
    return Object.fromEntries(
      Object.keys(this.raw).flatMap((key) => {
        const text = new Value((this.raw as Record<string, unknown>)[key], [...this.path, key], this.#reading).text();
        return text === undefined ? [] : [[key, text] as const];
      }),
    );
  }

  text(): string | undefined {
    if (!this.#isKnown) return undefined;
    if (typeof this.raw === "string") return this.raw === "" ? undefined : this.raw;
    if (typeof this.raw === "number" || typeof this.raw === "boolean") return String(this.raw);
    this.#wrong("text");
    return undefined;
  }

  integer(): number | undefined {
    if (!this.#isKnown) return undefined;
    const number = typeof this.raw === "string" && /^-?\d{1,15}$/.test(this.raw) ? Number(this.raw) : this.raw;
    if (typeof number === "number" && Number.isSafeInteger(number)) return number;
    this.#wrong("a whole number");
    return undefined;
  }

  flag(): boolean | undefined {
    if (!this.#isKnown) return undefined;
    const flag = typeof this.raw === "string" && /^(true|false)$/i.test(this.raw) ? this.raw.toLowerCase() === "true" : this.raw;
    if (typeof flag === "boolean") return flag;
    this.#wrong("true or false");
    return undefined;
  }

  /** One of the words, as it is spelled here; ARM compares them without case. */
  choice<const T extends string>(values: readonly T[]): T | undefined {
    const text = this.text();
    if (text === undefined) return undefined;
    const found = values.find((candidate) => candidate.toLowerCase() === text.toLowerCase());
    if (found === undefined) {
      this.report({
        code: "InvalidParameter",
        message: `${formatValue(text)} is none of ${values.join(", ")}`,
        fix: `use ${values.join(" or ")}`,
      });
    }
    return found;
  }

  /** The id of `{ "id": … }`. */
  id(): string | undefined {
    return this.get("id").text();
  }

  /** Present, and not known to Azure alone. The latter is reported: whoever asks needs it. */
  get #isKnown(): boolean {
    if (!(this.raw instanceof Unknown)) return this.isPresent;
    if (!this.raw.isFailure) {
      const name = this.path.findLast((step) => typeof step === "string") ?? "this";
      const message = `${name} decides about the network, and is ${this.raw.why}: known at run time only`;
      this.report({ code: "KnownAtRunTime", message, fix: "give it a value of its own, such as through a parameter" });
    }
    return false;
  }

  #wrong(wanted: string): void {
    const given = Array.isArray(this.raw) ? "a list" : typeof this.raw === "object" ? "a mapping" : formatValue(this.raw);
    this.report({ code: "InvalidRequestFormat", message: `${String(this.path.at(-1) ?? "this")} is ${wanted}; this is ${given}` });
  }
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Unknown);
}

/** How the object spells a property; as asked for when it does not have it. */
export function keyIn(value: Readonly<Record<string, unknown>>, name: string): string {
  if (Object.hasOwn(value, name)) return name;
  const wanted = name.toLowerCase();
  return Object.keys(value).find((key) => key.toLowerCase() === wanted) ?? name;
}

/** A path in a value's own spelling, as far as the value goes. */
export function spelled(value: unknown, path: PropertyPath): PropertyPath {
  let part = value;
  return path.map((step) => {
    if (typeof step === "number") {
      part = Array.isArray(part) ? part[step] : undefined;
      return step;
    }
    const key = isRecord(part) ? keyIn(part, step) : step;
    part = isRecord(part) && Object.hasOwn(part, key) ? part[key] : undefined;
    return key;
  });
}

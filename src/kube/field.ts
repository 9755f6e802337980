/**
 * A value of an object and its place in it, for checks in the manner of the API server (k8s, apimachinery/pkg/util/validation/field): every
 * problem is a field path, a reason and a message, and a check goes on after one.
 */

export type FieldPath = readonly (string | number)[];

/** Kubernetes' reasons, as in a Status' `details.causes[].reason`; and `NotModelled` for what is valid there and missing here. */
export type FieldReason =
  | "FieldValueRequired"
  | "FieldValueInvalid"
  | "FieldValueDuplicate"
  | "FieldValueForbidden"
  | "FieldValueNotSupported"
  | "FieldValueNotFound"
  | "FieldValueTypeInvalid"
  | "FieldValueTooLong"
  | "UnknownField"
  | "NotModelled"
  /** Valid, and without effect in this cluster. */
  | "NoNetworkPolicyEngine";

export type FieldProblem = {
  readonly reason: FieldReason;
  readonly severity: "error" | "warning";
  readonly path: FieldPath;
  readonly value?: unknown;
  readonly message: string;
  readonly source?: string;
  readonly fix?: string;
  /** What would have been valid, to suggest from. */
  readonly known?: readonly string[];
};

export type ReportField = (problem: FieldProblem) => void;

type Details = Partial<Pick<FieldProblem, "severity" | "source" | "fix" | "known">>;

export class Field {
  /** `undefined` when absent; null counts as absent, as it does for the API server. */
  readonly value: unknown;
  readonly path: FieldPath;
  readonly #report: ReportField;

  constructor(value: unknown, path: FieldPath, report: ReportField) {
    this.value = value ?? undefined;
    this.path = path;
    this.#report = report;
  }

  get isPresent(): boolean {
    return this.value !== undefined;
  }

  /** A field of this object; an absent one of anything else. */
  get(...names: readonly string[]): Field {
    let value = this.value;
    for (const name of names) value = isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
    return new Field(value, [...this.path, ...names], this.#report);
  }

  report(reason: FieldReason, message: string, details: Details = {}): void {
    const value = this.isPresent && typeof this.value !== "object" ? { value: this.value } : {};
    this.#report({ reason, severity: "error", path: this.path, ...value, message, ...details });
  }

  /** Valid in Kubernetes, but not here. */
  notModelled(what: string, fix: string, details: Details = {}): void {
    this.report("NotModelled", `${what} is not modelled yet`, { fix, ...details });
  }

  require(message = "required value is missing", details: Details = {}): boolean {
    if (this.isPresent) return true;
    this.report("FieldValueRequired", message, details);
    return false;
  }

  /** The object, or nothing after complaining of another type. */
  object(): Readonly<Record<string, unknown>> | undefined {
    if (!this.isPresent || isObject(this.value)) return this.value as Readonly<Record<string, unknown>> | undefined;
    this.#typeProblem("a mapping");
    return undefined;
  }

  /** Fields of every key of a mapping. */
  entries(): readonly (readonly [string, Field])[] {
    return Object.keys(this.object() ?? {}).map((key) => [key, this.get(key)] as const);
  }

  items(): readonly Field[] {
    if (!this.isPresent) return [];
    if (!Array.isArray(this.value)) {
      this.#typeProblem("a list");
      return [];
    }
    return this.value.map((item, index) => new Field(item, [...this.path, index], this.#report));
  }

  text(): string | undefined {
    if (!this.isPresent || typeof this.value === "string") return this.value as string | undefined;
    const fix = typeof this.value === "object" ? {} : { fix: `quote it: "${String(this.value)}"` };
    this.#typeProblem("text", fix);
    return undefined;
  }

  integer(): number | undefined {
    if (!this.isPresent) return undefined;
    if (typeof this.value === "number" && Number.isSafeInteger(this.value)) return this.value;
    const fix = typeof this.value === "string" && /^-?\d+$/.test(this.value) ? { fix: "leave the quotes out" } : {};
    this.#typeProblem("a whole number", fix);
    return undefined;
  }

  flag(): boolean | undefined {
    if (!this.isPresent || typeof this.value === "boolean") return this.value as boolean | undefined;
    this.#typeProblem("true or false", typeof this.value === "string" ? { fix: "leave the quotes out" } : {});
    return undefined;
  }

  /** A whole number from `min` to `max`. */
  number(min: number, max: number): number | undefined {
    const value = this.integer();
    if (value === undefined || (value >= min && value <= max)) return value;
    const bound = max >= 2 ** 31 - 1 ? `must be greater than or equal to ${min}` : `must be between ${min} and ${max}, inclusive`;
    this.report("FieldValueInvalid", bound);
    return undefined;
  }

  /** One of the words. The empty one is none: the API server puts the default in its place. */
  choice<const T extends string>(values: readonly T[]): T | undefined {
    const value = this.text();
    if (value === undefined || value === "") return undefined;
    const found = values.find((candidate) => candidate === value);
    if (found === undefined) {
      this.report("FieldValueNotSupported", `supported values: ${values.map((each) => JSON.stringify(each)).join(", ")}`, {
        known: values,
      });
    }
    return found;
  }

  /** Reports an invalid text in the API server's words. */
  matches(check: (text: string) => string | undefined): string | undefined {
    const value = this.text();
    const problem = value === undefined ? undefined : check(value);
    if (problem !== undefined) this.report("FieldValueInvalid", problem);
    return value;
  }

  /** kubectl's strict decoding refuses others; without it the API server drops them: so they are said to have no effect. */
  known(names: readonly string[]): void {
    for (const [name, field] of this.entries()) {
      if (names.includes(name)) continue;
      field.report("UnknownField", `unknown field ${JSON.stringify(name)}: it has no effect, and kubectl refuses it`, {
        severity: "warning",
        source: "k8sdoc:reference/using-api/api-concepts, field validation",
        known: names,
      });
    }
  }

  #typeProblem(wanted: string, details: Details = {}): void {
    const given = Array.isArray(this.value) ? "a list" : typeof this.value === "object" ? "a mapping" : JSON.stringify(this.value);
    this.report("FieldValueTypeInvalid", `must be ${wanted}; this is ${given}`, details);
  }
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A list of words, written as text. */
export function words(text: string): readonly string[] {
  return text.trim().split(/\s+/);
}

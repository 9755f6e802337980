/** What a function was called with, taken by position and type; a wrong one is refused in the function's name. */

import { formatValue } from "../../problem.ts";
import { isList, ObjectValue, Refusal, typeName, Unknown, UnknownInTheWay, type Value } from "../value.ts";

export class Arguments {
  readonly name: string;
  readonly values: readonly Value[];

  constructor(name: string, values: readonly Value[]) {
    this.name = name;
    this.values = values;
  }

  get count(): number {
    return this.values.length;
  }

  /** Of any type, unknown too. */
  any(index: number): Value {
    return this.values[index] ?? null;
  }

  /** Of any type, but not unknown itself; parts of it may be. */
  known(index: number): Exclude<Value, Unknown> {
    return this.item(this.any(index));
  }

  item(value: Value): Exclude<Value, Unknown> {
    if (value instanceof Unknown) throw new UnknownInTheWay(value);
    return value;
  }

  text(index: number): string {
    return this.asText(this.any(index), `argument ${index + 1}`);
  }

  asText(value: Value, what: string): string {
    const known = this.item(value);
    return typeof known === "string" ? known : this.wrong(known, "a string", what);
  }

  optionalText(index: number): string | undefined {
    return this.any(index) === null ? undefined : this.text(index);
  }

  int(index: number): number {
    const value = this.number(index);
    return Number.isSafeInteger(value) ? value : this.wrong(value, "an integer", `argument ${index + 1}`);
  }

  /** Text of digits counts as a number, as Resource Manager converts it. */
  number(index: number): number {
    const value = this.known(index);
    if (typeof value === "number") return value;
    if (typeof value === "string" && /^-?\d+$/.test(value)) return Number(value);
    return this.wrong(value, "an integer", `argument ${index + 1}`);
  }

  bool(index: number): boolean {
    const value = this.known(index);
    return typeof value === "boolean" ? value : this.wrong(value, "a bool", `argument ${index + 1}`);
  }

  list(index: number): readonly Value[] {
    const value = this.known(index);
    return isList(value) ? value : this.wrong(value, "an array", `argument ${index + 1}`);
  }

  object(index: number): ObjectValue {
    const value = this.known(index);
    return value instanceof ObjectValue ? value : this.wrong(value, "an object", `argument ${index + 1}`);
  }

  refuse(message: string, fix?: string): never {
    throw new Refusal(`${this.name}(): ${message}`, fix);
  }

  wrong(value: Value, wanted: string, what: string): never {
    const given = typeof value === "string" || typeof value === "number" ? `${typeName(value)} ${formatValue(value)}` : typeName(value);
    return this.refuse(`${what} is to be ${wanted}; it is ${given}`);
  }
}

/** A function that knows nothing but its arguments. `most` is `least` unless it is given. */
export type PureFunction = { readonly least: number; readonly most: number; readonly call: (from: Arguments) => Value };

export type PureFunctions = Readonly<Record<string, PureFunction>>;

export function pure(least: number, call: (from: Arguments) => Value, most = least): PureFunction {
  return { least, most, call };
}

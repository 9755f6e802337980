/**
 * Evaluates expressions of a template in a scope: what names mean where the expression stands.
 *
 * `if`, `and`, `or` and `coalesce` evaluate only what decides, so that a branch which is not taken may be wrong. A function of an unknown value
 * is that unknown value. Work is metered: an expression that would take too long is refused, never run to its end.
 */

import { closest } from "../nearest.ts";
import { excerpt } from "../problem.ts";
import type { Expression } from "./expression.ts";
import { Arguments } from "./functions/arguments.ts";
import { pureFunctions } from "./functions/index.ts";
import { member } from "./functions/values.ts";
import { bounded, Exhausted, isList, limits, ObjectValue, refuse, typeName, Unknown, UnknownInTheWay, type Value } from "./value.ts";

/** Where an expression stands, which decides the functions that it may use. */
export type Stage =
  /** A default value of a parameter. */
  | "default"
  | "variable"
  /** A name, type, condition, copy count or scope: known before anything is deployed. */
  | "start"
  /** The rest of a resource, and outputs. */
  | "body"
  /** A function that the template defines. */
  | "function";

export type Scope = {
  readonly stage: Stage;
  readonly host: Host;
  /** Turns of the copy loops around, by name in lower case; "" is the innermost of a resource, variable or output. */
  readonly loops: ReadonlyMap<string, number>;
  readonly lambdaVariables: ReadonlyMap<string, Value>;
  /** Of a function that the template defines, by name in lower case. */
  readonly functionArguments?: ReadonlyMap<string, Value>;
};

/** What an expression asks of the deployment that it is in. */
export type Host = {
  readonly meter: Meter;
  /** Functions about the deployment, by name in lower case. */
  readonly functionNamed: (name: string) => ContextFunction | undefined;
  readonly userFunction: (namespace: string, name: string) => UserFunction | undefined;
};

export type ContextFunction = {
  readonly name: string;
  readonly least: number;
  readonly most: number;
  readonly call: (from: Arguments, scope: Scope) => Value;
};

export type UserFunction = {
  readonly name: string;
  /** In lower case. */
  readonly parameters: readonly string[];
  readonly evaluate: (given: ReadonlyMap<string, Value>) => Value;
};

/** How much was evaluated, and how deep the evaluation is. */
export class Meter {
  #steps = 0;
  #nesting = 0;

  /** Runs `work` one level deeper. */
  within<T>(work: () => T): T {
    if (++this.#nesting > limits.nesting) {
      this.#nesting--;
      refuse("values that stand for one another are nested too deep", "write parts of it out");
    }
    try {
      return work();
    } finally {
      this.#nesting--;
    }
  }

  charge(steps: number): void {
    const isFirst = this.#steps <= limits.steps;
    this.#steps += steps;
    if (this.#steps <= limits.steps) return;
    // Once is enough to say; everything after it fails at once, until the evaluation has unwound.
    if (isFirst) refuse("the templates take too long to evaluate", "use smaller loops and values");
    throw new Exhausted();
  }
}

export function evaluate(expression: Expression, scope: Scope): Value {
  const { meter } = scope.host;
  return meter.within(() => {
    meter.charge(1);
    switch (expression.kind) {
      case "literal":
        return expression.value;
      case "access":
        return access(expression, scope);
      case "call":
        return call(expression, scope);
      default:
        return expression satisfies never;
    }
  });
}

type Call = Expression & { readonly kind: "call" };

function access({ of, key, isSafe }: Expression & { readonly kind: "access" }, scope: Scope): Value {
  const value = evaluate(of, scope);
  if (value instanceof Unknown) return value;
  const name = evaluate(key, scope);
  if (name instanceof Unknown) return name;
  const found = member(value, name);
  if (found !== undefined) return found;
  if (isSafe) return null;
  if (value instanceof ObjectValue) {
    const names = [...value.entries.keys()];
    const meant = typeof name === "string" ? closest(name, names) : undefined;
    return refuse(
      `there is no property ${shown(name)}; there are ${names.length === 0 ? "none" : excerpt(names.join(", "))}`,
      meant === undefined ? undefined : `did you mean ${meant}?`,
    );
  }
  if (isList(value)) return refuse(`the array has ${value.length} items, and none with index ${shown(name)}`, "indexes begin at 0");
  return refuse(`${typeName(value)} has no property ${shown(name)}`);
}

function shown(value: Value): string {
  return typeof value === "string" || typeof value === "number" ? `'${excerpt(String(value))}'` : typeName(value);
}

function call(expression: Call, scope: Scope): Value {
  const { namespace, name, parameters } = expression;
  const { host } = scope;
  if (namespace !== undefined) return callOfUser(namespace, expression, scope);
  const key = name.toLowerCase();
  const form = forms.get(key);
  if (form !== undefined) {
    check(name, form, parameters.length);
    return result(scope, () => form.evaluate(expression, scope));
  }
  const found = host.functionNamed(key) ?? pureFunctions.get(key);
  if (found === undefined) {
    const meant = closest(
      name,
      [...pureFunctions.values()].map((known) => known.name),
    );
    return refuse(`there is no function ${excerpt(name)}`, meant === undefined ? undefined : `did you mean ${meant}?`);
  }
  check(found.name, found, parameters.length);
  const given = new Arguments(
    found.name,
    parameters.map((parameter) => evaluate(parameter, scope)),
  );
  return result(scope, () => found.call(given, scope));
}

/** What a function gives, in bounds; unknown if what it needs is unknown. */
function result(scope: Scope, work: () => Value): Value {
  try {
    const value = bounded(work());
    if (typeof value === "string") scope.host.meter.charge(value.length / 64);
    else if (isList(value)) scope.host.meter.charge(value.length / 4);
    else if (value instanceof ObjectValue) scope.host.meter.charge(value.entries.size);
    return value;
  } catch (error) {
    if (error instanceof UnknownInTheWay) return error.unknown;
    throw error;
  }
}

function check(name: string, { least, most }: { readonly least: number; readonly most: number }, count: number): void {
  if (count >= least && count <= most) return;
  const wanted = least === most ? `${least}` : most === Number.POSITIVE_INFINITY ? `${least} or more` : `${least} to ${most}`;
  refuse(`${name}() takes ${wanted} arguments; ${count} are given`);
}

function callOfUser(namespace: string, { name, parameters }: Call, scope: Scope): Value {
  const found = scope.host.userFunction(namespace, name);
  if (found === undefined)
    return refuse(`the template defines no function ${excerpt(`${namespace}.${name}`)}`, "define it under functions");
  check(found.name, { least: found.parameters.length, most: found.parameters.length }, parameters.length);
  const given = new Map(found.parameters.map((parameter, index) => [parameter, argument(parameters, index, scope)]));
  return result(scope, () => found.evaluate(given));
}

function argument(parameters: readonly Expression[], index: number, scope: Scope): Value {
  const parameter = parameters[index];
  return parameter === undefined ? null : evaluate(parameter, scope);
}

/** Functions that decide themselves what of their arguments is evaluated, and how often. */
type Form = { readonly least: number; readonly most: number; readonly evaluate: (call: Call, scope: Scope) => Value };

const forms: ReadonlyMap<string, Form> = new Map<string, Form>([
  [
    "if",
    {
      least: 3,
      most: 3,
      evaluate: ({ name, parameters }, scope) => {
        const condition = new Arguments(name, [argument(parameters, 0, scope)]).bool(0);
        return argument(parameters, condition ? 1 : 2, scope);
      },
    },
  ],
  ["and", { least: 2, most: Number.POSITIVE_INFINITY, evaluate: (call, scope) => firstThatDecides(call, scope, false) }],
  ["or", { least: 2, most: Number.POSITIVE_INFINITY, evaluate: (call, scope) => firstThatDecides(call, scope, true) }],
  [
    "coalesce",
    {
      least: 1,
      most: Number.POSITIVE_INFINITY,
      evaluate: ({ parameters }, scope) => {
        for (const parameter of parameters) {
          const value = evaluate(parameter, scope);
          if (value !== null) return value;
        }
        return null;
      },
    },
  ],
  [
    "lambda",
    { least: 1, most: Number.POSITIVE_INFINITY, evaluate: () => refuse("lambda() stands only within map(), filter() and their like") },
  ],
  [
    "lambdavariables",
    {
      least: 1,
      most: 1,
      evaluate: ({ name, parameters }, scope) => {
        const variable = new Arguments(name, [argument(parameters, 0, scope)]).text(0);
        return scope.lambdaVariables.get(variable.toLowerCase()) ?? refuse(`no lambda around has a variable '${excerpt(variable)}'`);
      },
    },
  ],
  ["map", onList(2, (list, [apply]) => list.map((item, index) => apply(item, index)))],
  ["filter", onList(2, (list, [apply], is) => list.filter((item, index) => is(apply(item, index))))],
  ["sort", onList(2, (list, [apply], is) => sorted(list, (a, b) => is(apply(a, b))))],
  [
    "toobject",
    onList(2, (list, [key, value], _, text) => new ObjectValue(new Map(list.map((item) => [text(key(item)), value?.(item) ?? item]))), 3),
  ],
  [
    "groupby",
    onList(2, (list, [key], _, text) => {
      const groups = new Map<string, Value[]>();
      for (const item of list) {
        const name = text(key(item));
        const group = groups.get(name);
        if (group === undefined) groups.set(name, [item]);
        else group.push(item);
      }
      return new ObjectValue(groups);
    }),
  ],
  [
    "reduce",
    {
      least: 3,
      most: 3,
      evaluate: ({ name, parameters }, scope) => {
        const from = new Arguments(name, [argument(parameters, 0, scope), argument(parameters, 1, scope)]);
        const apply = lambdaOf(parameters[2], name, scope);
        return from.list(0).reduce<Value>((before, item, index) => apply(before, item, index), from.any(1));
      },
    },
  ],
  [
    "mapvalues",
    {
      least: 2,
      most: 2,
      evaluate: ({ name, parameters }, scope) => {
        const value = new Arguments(name, [argument(parameters, 0, scope)]).object(0);
        const apply = lambdaOf(parameters[1], name, scope);
        return new ObjectValue(new Map([...value.entries].map(([key, item]) => [key, apply(item)])), value.rest);
      },
    },
  ],
]);

function firstThatDecides({ name, parameters }: Call, scope: Scope, decides: boolean): Value {
  let unknown: Unknown | undefined;
  for (const parameter of parameters) {
    const value = evaluate(parameter, scope);
    if (value instanceof Unknown) unknown ??= value;
    else if (new Arguments(name, [value]).bool(0) === decides) return decides;
  }
  return unknown ?? !decides;
}

type Apply = (...values: readonly Value[]) => Value;

/** A function of an array and one or two lambdas. */
function onList(
  least: number,
  work: (
    list: readonly Value[],
    lambdas: readonly [Apply, Apply | undefined],
    is: (value: Value) => boolean,
    text: (value: Value) => string,
  ) => Value,
  most = least,
): Form {
  return {
    least,
    most,
    evaluate: ({ name, parameters }, scope) => {
      const from = new Arguments(name, [argument(parameters, 0, scope)]);
      const first = lambdaOf(parameters[1], name, scope);
      const second = parameters[2] === undefined ? undefined : lambdaOf(parameters[2], name, scope);
      const what = "what the lambda gives";
      const is = (value: Value) => {
        const known = from.item(value);
        return typeof known === "boolean" ? known : from.wrong(known, "a bool", what);
      };
      return work(from.list(0), [first, second], is, (value) => from.asText(value, what));
    },
  };
}

function lambdaOf(expression: Expression | undefined, name: string, scope: Scope): Apply {
  if (expression?.kind !== "call" || expression.name.toLowerCase() !== "lambda") return refuse(`${name}() takes a lambda()`);
  const names = expression.parameters
    .slice(0, -1)
    .map((parameter) =>
      parameter.kind === "literal" && typeof parameter.value === "string"
        ? parameter.value.toLowerCase()
        : refuse("the names of a lambda's variables are written in quotes"),
    );
  const body = expression.parameters.at(-1);
  if (body === undefined) return refuse("the lambda has no body");
  return (...values) => {
    const variables = new Map(scope.lambdaVariables);
    for (const [index, variable] of names.entries()) variables.set(variable, values[index] ?? null);
    return evaluate(body, { ...scope, lambdaVariables: variables });
  };
}

/** By merging, so that a lambda which contradicts itself gives some order and no more. */
function sorted(list: readonly Value[], isLess: (a: Value, b: Value) => boolean): readonly Value[] {
  return [...list].sort((a, b) => (isLess(a, b) ? -1 : isLess(b, a) ? 1 : 0));
}

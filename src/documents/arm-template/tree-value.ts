/** Parts of a template to values: expressions evaluated, in names of properties too, and `copy` loops within objects written out. */

import { excerpt, type Finding, formatValue, type Path } from "../problem.ts";
import type { Tree } from "../tree.ts";
import { evaluate, type Scope } from "./evaluate.ts";
import { type Expression, isExpression, parseExpression, unescaped } from "./expression.ts";
import { bounded, Exhausted, isList, ObjectValue, Refusal, Unknown, type Value } from "./value.ts";

export type Complain = (path: Path, finding: Finding) => void;

/** Turns of a loop at most (Azure docs: templates/copy-resources, Copy limits). */
const mostTurns = 800;

const parsed = new WeakMap<Tree, Expression>();

/** Never throws: what cannot be evaluated is complained of at its place, and is unknown. */
export function evaluateTree(tree: Tree, path: Path, scope: Scope, complain: Complain): Value {
  return attempt(path, complain, () =>
    scope.host.meter.within(() => {
      scope.host.meter.charge(1);
      if (tree.kind === "scalar") return typeof tree.value === "string" ? textValue(tree, tree.value, path, scope, complain) : tree.value;
      if (tree.kind === "list") return bounded(tree.items.map((item, index) => evaluateTree(item, [...path, index], scope, complain)));
      return bounded(objectValue(tree, path, scope, complain));
    }),
  );
}

/** What `work` gives; what it refuses is complained of, and the value is unknown then. */
export function attempt(path: Path, complain: Complain, work: () => Value, text?: string): Value {
  try {
    return work();
  } catch (error) {
    if (error instanceof Exhausted) return new Unknown("what was not evaluated", true);
    if (!(error instanceof Refusal)) throw error;
    const { code, message, fix } = error;
    complain(path, {
      code,
      message: text === undefined ? message : `${excerpt(text)} cannot be evaluated: ${message}`,
      ...(fix === undefined ? {} : { fix }),
    });
    return new Unknown(message, true);
  }
}

function textValue(tree: Tree, text: string, path: Path, scope: Scope, complain: Complain): Value {
  if (!isExpression(text)) return unescaped(text);
  return attempt(
    path,
    complain,
    () => {
      const expression = parsed.get(tree) ?? parseExpression(text);
      parsed.set(tree, expression);
      return evaluate(expression, scope);
    },
    text,
  );
}

function objectValue(tree: Tree & { readonly kind: "map" }, path: Path, scope: Scope, complain: Complain): ObjectValue {
  const entries = new Map<string, Value>();
  for (const [key, { value }] of tree.entries) {
    if (key.toLowerCase() === "copy" && isCopyList(value)) {
      for (const [index, item] of value.items.entries()) {
        const made = copied(item, [...path, key, index], scope, complain);
        if (made !== undefined) entries.set(...made);
      }
      continue;
    }
    const name = keyOf(key, [...path, key], scope, complain);
    if (name !== undefined) entries.set(name, evaluateTree(value, [...path, key], scope, complain));
  }
  return new ObjectValue(entries);
}

/** `undefined` for one that nobody knows, or that cannot be evaluated. */
function keyOf(key: string, path: Path, scope: Scope, complain: Complain): string | undefined {
  if (!isExpression(key)) return unescaped(key);
  const name = attempt(path, complain, () => evaluate(parseExpression(key), scope), key);
  if (typeof name === "string" && name !== "__proto__") return name;
  if (!(name instanceof Unknown)) complain(path, { code: "InvalidTemplate", message: `${excerpt(key)} is no name of a property` });
  return undefined;
}

function isCopyList(tree: Tree): tree is Tree & { readonly kind: "list" } {
  return (
    tree.kind === "list" &&
    tree.items.length > 0 &&
    tree.items.every((item) => item.kind === "map" && item.entries.has("name") && item.entries.has("input"))
  );
}

/** The property that one loop of a `copy` list gives (Azure docs: templates/copy-properties, copy-variables); `undefined` once it is complained of. */
export function copied(item: Tree, at: Path, scope: Scope, complain: Complain): readonly [name: string, value: Value] | undefined {
  if (item.kind !== "map") return undefined;
  const [name, input, count] = ["name", "input", "count"].map((field) => item.entries.get(field)?.value);
  const label = name === undefined ? undefined : evaluateTree(name, [...at, "name"], scope, complain);
  if (typeof label !== "string" || label === "__proto__" || input === undefined) return undefined;
  const turns = turnsOf(count, [...at, "count"], scope, complain);
  if (turns instanceof Unknown) return [label, turns];
  const loop = (turn: number): Scope => {
    const loops = new Map(scope.loops).set(label.toLowerCase(), turn);
    // In a variable there is no resource's loop that copyIndex() without a name could mean.
    if (scope.stage === "variable") loops.set("", turn);
    return { ...scope, loops };
  };
  const items = () => Array.from({ length: turns }, (_, turn) => evaluateTree(input, [...at, "input"], loop(turn), complain));
  return [label, attempt(at, complain, () => bounded(items()))];
}

/** How often a loop turns; 0 once it is complained of. */
export function turnsOf(count: Tree | undefined, path: Path, scope: Scope, complain: Complain): number | Unknown {
  if (count === undefined) {
    complain(path, { code: "InvalidTemplate", message: "a copy loop needs a count" });
    return 0;
  }
  const value = evaluateTree(count, path, scope, complain);
  if (value instanceof Unknown) return value;
  const turns = typeof value === "string" && /^\d{1,9}$/.test(value) ? Number(value) : value;
  if (typeof turns === "number" && Number.isInteger(turns) && turns >= 0 && turns <= mostTurns) return turns;
  complain(path, {
    code: "InvalidTemplate",
    value: isList(value) || typeof value === "object" ? undefined : value,
    message: `a copy loop turns 0 to ${mostTurns} times; this count is ${typeof value === "object" ? "no number" : formatValue(value)}`,
    source: "Azure docs: templates/copy-resources, Copy limits",
  });
  return 0;
}

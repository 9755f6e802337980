/**
 * Types of parameters and outputs: those that templates have always had, and those that a template defines itself.
 *
 * Azure docs: templates/parameters, templates/definitions, templates/data-types.
 */

import { excerpt, type Finding, formatValue } from "../problem.ts";
import { toJson } from "../tree.ts";
import { asNode, fieldOf, fieldsOf, flagOf, type Node, textOf } from "./fields.ts";
import { areEqual, fromPlain, isList, ObjectValue, typeName, Unknown, type Value } from "./value.ts";

export type TypeCheck = {
  readonly definitions: Node | undefined;
  /** Called with where in the value it is (`.subnets[0].name`), and what is wrong. */
  readonly complain: (where: string, finding: Finding) => void;
};

/** Declarations with `$ref` in place of what they stand for. Circles end somewhere. */
export function declared(declaration: Node, definitions: Node | undefined): Node {
  let node = declaration;
  for (let hops = 0; hops < 20; hops++) {
    const reference = textOf(fieldOf(node, "$ref"));
    const name = reference === undefined ? undefined : /^#\/definitions\/(.+)$/.exec(reference)?.[1];
    const target = name === undefined || definitions === undefined ? undefined : asNode(fieldOf(definitions, name));
    if (target === undefined) return node;
    // What stands beside the reference adds to what it names.
    const entries = new Map([...target.tree.entries, ...[...node.tree.entries].filter(([key]) => key !== "$ref")]);
    node = { tree: { ...node.tree, entries }, path: target.path };
  }
  return node;
}

export function isNullable(declaration: Node, definitions: Node | undefined): boolean {
  return flagOf(fieldOf(declared(declaration, definitions), "nullable"));
}

/** In lower case; `undefined` when none is given. */
export function typeOf(declaration: Node, definitions: Node | undefined): string | undefined {
  return textOf(fieldOf(declared(declaration, definitions), "type"))?.toLowerCase();
}

/** Says everything that is wrong with a value. What nobody knows is right. */
export function checkType(value: Value, declaration: Node, check: TypeCheck, where = "", depth = 0): void {
  if (value instanceof Unknown || depth > 40) return;
  const node = declared(declaration, check.definitions);
  const type = textOf(fieldOf(node, "type"))?.toLowerCase();
  if (value === null) {
    if (type !== undefined && !flagOf(fieldOf(node, "nullable")))
      check.complain(where, { code: "InvalidTemplate", message: `null is no ${type}` });
    return;
  }
  if (type !== undefined && !isOfType(value, type)) {
    const shown = typeof value === "object" ? {} : { value };
    check.complain(where, { code: "InvalidTemplate", ...shown, message: `expected type ${type}, actual type ${typeName(value)}` });
    return;
  }
  checkAllowed(value, node, check, where);
  checkSize(value, node, check, where);
  if (value instanceof ObjectValue) checkProperties(value, node, check, where, depth);
  if (isList(value)) {
    const [items, prefix] = [asNode(fieldOf(node, "items")), fieldOf(node, "prefixItems")?.tree];
    for (const [index, item] of value.entries()) {
      const own = prefix?.kind === "list" ? prefix.items[index] : undefined;
      const shape = own?.kind === "map" ? { tree: own, path: node.path } : items;
      if (shape !== undefined) checkType(item, shape, check, `${where}[${index}]`, depth + 1);
    }
  }
}

function isOfType(value: Value, type: string): boolean {
  switch (type) {
    case "string":
    case "securestring":
      return typeof value === "string";
    case "int":
      return typeof value === "number" && Number.isInteger(value);
    case "bool":
      return typeof value === "boolean";
    case "array":
      return isList(value);
    case "object":
    case "secureobject":
      return value instanceof ObjectValue;
    default:
      return true;
  }
}

function checkAllowed(value: Value, node: Node, { complain }: TypeCheck, where: string): void {
  const allowed = fieldOf(node, "allowedValues")?.tree;
  if (allowed?.kind !== "list") return;
  const values = allowed.items.map((item) => fromPlain(toJson(item)));
  // Of an array each item may be one of them, or the array as a whole.
  const isOne = (candidate: Value) => candidate instanceof Unknown || values.some((one) => sameChoice(one, candidate));
  if (isOne(value) || (isList(value) && value.every(isOne))) return;
  const list = values.map((one) => (typeof one === "object" ? "an object" : formatValue(one))).join(", ");
  complain(where, {
    code: "InvalidTemplate",
    ...(typeof value === "object" ? {} : { value }),
    message: `${typeof value === "object" ? "the value" : formatValue(value)} is not one of the allowed values ${excerpt(list)}`,
  });
}

/** Texts are chosen without regard to case. */
function sameChoice(a: Value, b: Value): boolean {
  if (typeof a === "string" && typeof b === "string") return a.toLowerCase() === b.toLowerCase();
  return !containsUnknown(b) && areEqual(a, b);
}

function containsUnknown(value: Value): boolean {
  if (value instanceof Unknown) return true;
  if (isList(value)) return value.some(containsUnknown);
  return value instanceof ObjectValue && [...value.entries.values()].some(containsUnknown);
}

function checkSize(value: Value, node: Node, { complain }: TypeCheck, where: string): void {
  const size = typeof value === "string" || isList(value) ? value.length : undefined;
  const what = typeof value === "string" ? "length" : "number of items";
  for (const [field, number, name] of [
    ["minLength", size, what],
    ["maxLength", size, what],
    ["minValue", value, "value"],
    ["maxValue", value, "value"],
  ] as const) {
    const bound = fieldOf(node, field)?.tree;
    const limit = bound?.kind === "scalar" ? bound.value : undefined;
    if (typeof limit !== "number" || typeof number !== "number") continue;
    if (field.startsWith("min") ? number >= limit : number <= limit) continue;
    complain(where, { code: "InvalidTemplate", message: `the ${name} is ${number}; ${field} is ${limit}` });
  }
}

function checkProperties(value: ObjectValue, node: Node, check: TypeCheck, where: string, depth: number): void {
  const properties = asNode(fieldOf(node, "properties"));
  const others = fieldOf(node, "additionalProperties");
  const known = new Set<string>();
  for (const field of properties === undefined ? [] : fieldsOf(properties)) {
    const shape = asNode(field);
    if (shape === undefined) continue;
    known.add(field.key.toLowerCase());
    const own = value.get(field.key);
    if (own !== undefined) checkType(own, shape, check, `${where}.${field.key}`, depth + 1);
    else if (!isNullable(shape, check.definitions)) {
      check.complain(where, { code: "InvalidTemplate", message: `the property ${field.key} is missing` });
    }
  }
  const shape = asNode(others);
  const isSealed = others?.tree.kind === "scalar" && others.tree.value === false;
  for (const [name, child] of value.entries) {
    if (known.has(name.toLowerCase())) continue;
    if (shape !== undefined) checkType(child, shape, check, `${where}.${name}`, depth + 1);
    else if (isSealed) check.complain(where, { code: "InvalidTemplate", message: `there is no property ${excerpt(name)} in this type` });
  }
}

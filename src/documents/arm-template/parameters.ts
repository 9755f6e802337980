/**
 * Values for a template's parameters: from parameter files, from the command line, and from the deployment around a nested template.
 *
 * Azure docs: templates/parameter-files; `az deployment group create --help`, --parameters.
 */

import type { Path } from "../problem.ts";
import { type Source, type Tree, toJson } from "../tree.ts";
import { asNode, fieldOf, fieldsOf, type Node, textOf } from "./fields.ts";
import { fromPlain, Unknown, type Value } from "./value.ts";

/** As a command got it: `name=value`, where what the value means depends on the parameter's type. */
export type NamedParameter = { readonly name: string; readonly text: string };

export type GivenParameter = {
  /** As it is written. */
  readonly name: string;
  /** Of the type in lower case: a text from a command is that type's. */
  readonly value: (type: string | undefined) => Value;
  /** Where it is given: absent for one of a command. */
  readonly source?: Source;
  readonly path: Path;
};

/** By name in lower case; later ones win. */
export type GivenParameters = ReadonlyMap<string, GivenParameter>;

const templateSchema = /deploymentTemplate\.json#?$/i;
const parametersSchema = /deploymentParameters\.json#?$/i;

/** A template by its `$schema`, or by what every template has. */
export function isTemplate(root: Tree): boolean {
  if (root.kind !== "map") return false;
  const node: Node = { tree: root, path: [] };
  const schema = textOf(fieldOf(node, "$schema"));
  if (schema !== undefined) return templateSchema.test(schema);
  return fieldOf(node, "contentVersion") !== undefined && fieldOf(node, "resources") !== undefined;
}

export function isParameterFile(root: Tree): boolean {
  if (root.kind !== "map" || isTemplate(root)) return false;
  const node: Node = { tree: root, path: [] };
  const schema = textOf(fieldOf(node, "$schema"));
  if (schema !== undefined) return parametersSchema.test(schema);
  const parameters = asNode(fieldOf(node, "parameters"));
  return parameters !== undefined && fieldsOf(parameters).every((field) => isGiven(asNode(field)));
}

function isGiven(node: Node | undefined): boolean {
  return node !== undefined && (fieldOf(node, "value") !== undefined || fieldOf(node, "reference") !== undefined);
}

/** Of a parameter file, with or without its envelope. */
export function parametersOfFile(source: Source): GivenParameters {
  const given = new Map<string, GivenParameter>();
  if (source.root.kind !== "map") return given;
  const root: Node = { tree: source.root, path: [] };
  for (const field of fieldsOf(asNode(fieldOf(root, "parameters")) ?? root)) {
    const node = asNode(field);
    if (node === undefined || field.key.startsWith("$")) continue;
    const { key: name } = field;
    const value = fieldOf(node, "value");
    if (value !== undefined) given.set(name.toLowerCase(), { name, value: () => fromPlain(toJson(value.tree)), source, path: value.path });
    else if (fieldOf(node, "reference") !== undefined) {
      given.set(name.toLowerCase(), { name, value: () => new Unknown(`the Key Vault secret for ${name}`), source, path: field.path });
    } else if (node.tree.entries.has("value")) given.set(name.toLowerCase(), { name, value: () => null, source, path: field.path });
  }
  return given;
}

/** Text for a string as it is; for other types as JSON (`true`, `3`, `["a"]`), if it is that. */
export function namedParameter({ name, text }: NamedParameter): GivenParameter {
  return {
    name,
    path: [],
    value: (type) => {
      if (type === "string" || type === "securestring") return text;
      if (type === "bool" && /^(true|false)$/i.test(text)) return text.toLowerCase() === "true";
      try {
        return fromPlain(JSON.parse(text, (key, value) => (key === "__proto__" ? undefined : value)));
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
        return text;
      }
    },
  };
}

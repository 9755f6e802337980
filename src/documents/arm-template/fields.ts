/** Properties of a template's objects, found without regard to case as Resource Manager does, each with the key as it is written. */

import type { Path } from "../problem.ts";
import type { Tree } from "../tree.ts";

export type TreeMap = Tree & { readonly kind: "map" };

export type Field = { readonly key: string; readonly tree: Tree; readonly path: Path };

/** A part of a template that is an object, and where it is. */
export type Node = { readonly tree: TreeMap; readonly path: Path };

export function fieldOf({ tree, path }: Node, name: string): Field | undefined {
  const exact = tree.entries.get(name);
  if (exact !== undefined) return present({ key: name, tree: exact.value, path: [...path, name] });
  const lower = name.toLowerCase();
  for (const [key, { value }] of tree.entries) {
    if (key.toLowerCase() === lower) return present({ key, tree: value, path: [...path, key] });
  }
  return undefined;
}

/** Null is as good as absent. */
function present(field: Field): Field | undefined {
  return field.tree.kind === "scalar" && field.tree.value === null ? undefined : field;
}

export function asNode(field: Field | undefined): Node | undefined {
  return field?.tree.kind === "map" ? { tree: field.tree, path: field.path } : undefined;
}

/** The properties of an object, null too. */
export function fieldsOf({ tree, path }: Node): readonly Field[] {
  return [...tree.entries].map(([key, { value }]) => ({ key, tree: value, path: [...path, key] }));
}

export function textOf(field: Field | undefined): string | undefined {
  return field?.tree.kind === "scalar" && typeof field.tree.value === "string" ? field.tree.value : undefined;
}

export function flagOf(field: Field | undefined): boolean {
  return field?.tree.kind === "scalar" && field.tree.value === true;
}

const nullTree: Tree = { kind: "scalar", value: null, text: "", offset: 0, size: 1 };

/** A property that is there and null, which {@link fieldOf} takes for absent. */
export function nullField({ tree, path }: Node, key: string): Field | undefined {
  return tree.entries.has(key) ? { key, tree: nullTree, path: [...path, key] } : undefined;
}

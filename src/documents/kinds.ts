/** What a document is, told by what is in it: a file's name says nothing. */

import { isParameterFile, isTemplate } from "./arm-template/index.ts";
import type { Source, Tree } from "./tree.ts";

export type DocumentKind = "lab" | "manifest" | "template" | "template-parameters" | "azure-export" | "terraform";

export function kindOf({ root }: Source): DocumentKind {
  if (root.kind === "map" && root.entries.has("apiVersion") && root.entries.has("kind")) return "manifest";
  if (isTemplate(root)) return "template";
  if (isParameterFile(root)) return "template-parameters";
  if (root.kind === "map" && root.entries.has("format_version") && (root.entries.has("planned_values") || root.entries.has("values"))) {
    return "terraform";
  }
  if (isAzureExport(root)) return "azure-export";
  return "lab";
}

/** What `az … show`, `az … list`, `az graph query` and the REST API print: resources with their ids, alone, in a list, in a page of one, or as what was made. */
function isAzureExport(root: Tree): boolean {
  if (root.kind === "list") return root.items.every(isResource);
  if (root.kind !== "map") return false;
  const [only] = root.size > 1 && root.entries.size === 1 ? root.entries.values() : [];
  if (only !== undefined && isResource(only.value)) return true;
  const page = root.entries.get("data")?.value ?? root.entries.get("value")?.value;
  return isResource(root) || (page?.kind === "list" && page.items.every(isResource));
}

function isResource(tree: Tree): boolean {
  const id = tree.kind === "map" ? tree.entries.get("id")?.value : undefined;
  return id?.kind === "scalar" && typeof id.value === "string" && /^\/subscriptions\//i.test(id.value);
}

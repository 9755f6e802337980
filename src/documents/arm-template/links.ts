/** Addresses of templates: of one that is a file here, and of those that it links. Nothing is fetched; a linked template lies beside. */

import type { Source } from "../tree.ts";

const templateBase = "https://drydock.invalid/template/";

/** A template's own address, with which it may name others that lie beside it. */
export function templateUri({ file }: Source): string {
  return templateBase + encodeURIComponent(file.slice(file.lastIndexOf("/") + 1));
}

/** Where a template that is linked by address may lie beside this one: under its last segments, the longest first. */
export function pathsOfUri(uri: string): readonly string[] {
  const [address = ""] = uri.split(/[?#]/, 1);
  if (address.startsWith(templateBase)) return [address.slice(templateBase.length)];
  const segments = address
    .replace(/^[a-z]+:\/\/[^/]*\//i, "")
    .split("/")
    .filter((segment) => segment !== "" && segment !== "..");
  return [3, 2, 1].filter((count) => count <= segments.length).map((count) => segments.slice(-count).join("/"));
}

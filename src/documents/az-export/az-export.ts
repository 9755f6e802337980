/**
 * What Azure says of an estate that exists: `az … show` and `az … list`, `az resource`, `az graph query`, and answers of the REST API.
 *
 * The REST API and Resource Graph give ARM's own form. The command line's older commands flatten it: what ARM has in `properties` stands beside `id`
 * and `name`, at every level; both are brought to ARM's form here.
 */

import type { PropertyPath } from "../../arm/rules/problem.ts";
import { armTypeOf } from "../../resources/resources.ts";
import type { PlacedResource } from "../azure/placed.ts";
import { isRecord, keyIn } from "../azure/value.ts";
import type { Path } from "../problem.ts";
import { type Source, type Tree, toJson } from "../tree.ts";

export function readAzureExport(source: Source): readonly PlacedResource[] {
  const { root } = source;
  if (root.kind === "list") return rows(source, root, []);
  if (root.kind !== "map") return [];
  const isResource = root.entries.has("id");
  const page = isResource ? undefined : (["data", "value"] as const).find((name) => root.entries.get(name)?.value.kind === "list");
  const list = page === undefined ? undefined : root.entries.get(page)?.value;
  if (page !== undefined && list !== undefined) return rows(source, list, [page]);
  // `az network vnet create` and others print what they made under one key.
  const [made] = isResource || root.entries.size !== 1 ? [] : root.entries;
  return made === undefined ? placed(source, root, []) : placed(source, made[1].value, [made[0]]);
}

function rows(source: Source, tree: Tree, path: Path): readonly PlacedResource[] {
  return tree.kind === "list" ? tree.items.flatMap((item, index) => placed(source, item, [...path, index])) : [];
}

/** Beside `properties` in ARM's form; everything else is a property in the command line's. */
const envelope = new Set([
  "id",
  "name",
  "type",
  "location",
  "tags",
  "sku",
  "kind",
  "identity",
  "zones",
  "plan",
  "etag",
  "managedby",
  "extendedlocation",
  "resourcegroup",
  "subscriptionid",
  "tenantid",
  "apiversion",
  "systemdata",
  "scale",
]);

function placed(source: Source, tree: Tree, path: Path): readonly PlacedResource[] {
  const json = toJson(tree);
  if (!isRecord(json)) return [];
  const text = (name: string) => {
    const value = json[keyIn(json, name)];
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const id = text("id");
  if (id === undefined) return [];
  const type = armTypeOf(id) || (text("type") ?? "");
  const location = text("location");
  const tags = tagsOf(json[keyIn(json, "tags")]);
  const isFlat = !isRecord(json[keyIn(json, "properties")]);
  return [
    {
      id,
      type,
      name: id.slice(id.lastIndexOf("/") + 1),
      ...(location === undefined ? {} : { location }),
      ...(tags === undefined ? {} : { tags }),
      properties: isFlat ? unflattened(json) : json[keyIn(json, "properties")],
      source,
      at: (part) => [...path, ...(isFlat ? flattened(part) : part)],
    },
  ];
}

function tagsOf(value: unknown): Readonly<Record<string, string>> | undefined {
  if (!isRecord(value)) return undefined;
  return Object.fromEntries(Object.entries(value).flatMap(([key, tag]) => (typeof tag === "string" ? [[key, tag] as const] : [])));
}

/** The properties of a flattened resource, those of its children put back under `properties`. */
function unflattened(json: Readonly<Record<string, unknown>>): unknown {
  return Object.fromEntries(
    Object.entries(json).flatMap(([key, value]) => (envelope.has(key.toLowerCase()) ? [] : [[key, withProperties(value, key)] as const])),
  );
}

/** Lists whose items are no children with `properties` of their own in ARM's form, though they have names or ids. */
const plainLists = new Set(["agentpoolprofiles", "rules", "rulecollections"]);

/**
 * A child has a name or an etag, and other things than those and an id. What has an id alone, or an id and a resource group, is a reference.
 */
function withProperties(value: unknown, key: string): unknown {
  if (Array.isArray(value)) return plainLists.has(key.toLowerCase()) ? value : value.map((item: unknown) => withProperties(item, ""));
  if (!isRecord(value)) return value;
  const own = Object.keys(value).filter((name) => !childEnvelope.has(name.toLowerCase()));
  const isChild = Object.hasOwn(value, "name") && own.length > 0 && !Object.hasOwn(value, "properties");
  if (!isChild) return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, withProperties(part, name)]));
  const kept = Object.entries(value).filter(([name]) => childEnvelope.has(name.toLowerCase()));
  return { ...Object.fromEntries(kept), properties: Object.fromEntries(own.map((name) => [name, withProperties(value[name], name)])) };
}

const childEnvelope = new Set(["id", "name", "type", "etag", "resourcegroup", "zones"]);

/** A path of ARM's form in the flattened one. */
function flattened(part: PropertyPath): Path {
  return part.filter((step) => step !== "properties");
}

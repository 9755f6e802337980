/** A resource after its deployment, as far as the template says what it is: what `reference()` gives, and what becomes of it here. */

import { nodeResourceGroup } from "../../arm/names.ts";
import type { DeploymentPlace } from "./ids.ts";
import { isList, ObjectValue, opened, Unknown, type Value } from "./value.ts";

type Named = { readonly id: string | undefined; readonly type: string; readonly name: string | Unknown; readonly place: DeploymentPlace };

/** The resource as `reference(…, 'Full')` gives it: what the template says, what Azure names, and the rest unknown. */
export function wholeOf({ id, type, name, place }: Named, body: ObjectValue): Value {
  const rest = new Unknown(`what only Azure knows of ${typeof name === "string" ? `${type}/${name}` : type}`);
  const entries = new Map(body.entries);
  const properties = entries.get("properties");
  const own = properties instanceof ObjectValue ? properties.entries : new Map<string, Value>();
  const made = new Map(own);
  for (const [key, value] of own) made.set(key, withIds(value, `${id ?? ""}/${key}`, id === undefined));
  made.set("provisioningState", "Succeeded");
  if (type.toLowerCase() === "microsoft.containerservice/managedclusters" && !made.has("nodeResourceGroup")) {
    const location = body.get("location");
    if (typeof name === "string" && typeof location === "string")
      made.set("nodeResourceGroup", nodeResourceGroup(place.resourceGroup, name, location));
  }
  entries.set("properties", new ObjectValue(made));
  if (id !== undefined) entries.set("resourceId", id);
  return opened(new ObjectValue(entries), rest);
}

/** Named children in a resource's properties have ids after it. */
function withIds(value: Value, prefix: string, isUnknown: boolean): Value {
  if (!isList(value) || isUnknown) return value;
  return value.map((item) => {
    const name = item instanceof ObjectValue ? item.get("name") : undefined;
    if (!(item instanceof ObjectValue) || typeof name !== "string" || item.get("id") !== undefined) return item;
    return new ObjectValue(new Map([...item.entries, ["id", `${prefix}/${name}`]]));
  });
}

export function propertiesOf(whole: Value): Value {
  if (!(whole instanceof ObjectValue)) return whole;
  return whole.get("properties") ?? ObjectValue.of({});
}

/** The type that an id names: of an extension, its own and not that of what it extends. */
export function typeOfId(id: string): string {
  const own = id.slice(id.toLowerCase().lastIndexOf("/providers/") + "/providers/".length).split("/");
  if (!id.toLowerCase().includes("/providers/")) return "Microsoft.Resources/resourceGroups";
  return [own[0], ...own.filter((_, index) => index % 2 === 1)].join("/");
}

export function textField(body: ObjectValue, name: "location"): { readonly location?: string } {
  const value = body.get(name);
  return typeof value === "string" ? { [name]: value } : {};
}

export function tagsField(body: ObjectValue): { readonly tags?: Readonly<Record<string, string>> } {
  const tags = body.get("tags");
  if (!(tags instanceof ObjectValue)) return {};
  return {
    tags: Object.fromEntries([...tags.entries].flatMap(([name, value]) => (typeof value === "string" ? [[name, value] as const] : []))),
  };
}

/** How a type of resource is taken: what is made of it, which of its properties change no packet's way, and which would and are not modelled. */

import type { Estate, Item } from "./estate.ts";

export type Acceptor = {
  /** Azure's spelling. */
  readonly type: string;
  readonly accept: (item: Item, estate: Estate) => void;
  /** Properties that decide nothing about packets here, as patterns: `ipConfigurations[].name`. What is in them is not looked at. */
  readonly inert: readonly string[];
  /** Properties that would decide something when they are on (neither false, 0, empty, None nor Disabled): what, and what to do about it. */
  readonly notModelled?: Readonly<Record<string, readonly [what: string, fix: string]>>;
};

/** What Azure writes into every resource; it says nothing that a document could say. */
const written = new Set([
  "provisioningstate",
  "resourceguid",
  "etag",
  "id",
  "name",
  "type",
  "uniqueid",
  "creationtime",
  "timecreated",
  "resourcegroup",
]);

/** Names what nobody has read of a resource. */
export function nameUnread(item: Item, estate: Estate, { inert, notModelled = {}, type }: Acceptor): void {
  const without = new Set(inert.map((pattern) => pattern.toLowerCase()));
  const warned = new Map(Object.entries(notModelled).map(([pattern, text]) => [pattern.toLowerCase(), text]));
  const kept = new Set<string>();
  for (const { path, pattern, value } of item.reading.unread(item.placed.properties, ["properties"])) {
    const own = pattern.slice("properties.".length);
    const key = own.toLowerCase();
    if (written.has(key.slice(key.lastIndexOf(".") + 1)) || isOff(value)) continue;
    const text = warned.get(key);
    if (text !== undefined) {
      const [what, fix] = text;
      estate.complain(item, path, { code: "NotModelled", severity: "warning", message: `${item.name}: ${what} is not modelled`, fix });
    } else if (without.has(key)) kept.add(own);
    else if (estate.sayOnce(`${type} ${key}`)) {
      estate.complain(item, path, {
        code: "UnknownProperty",
        severity: "warning",
        message: `${own} of ${type} is not known here: if it changes where packets go, Drydock does not know`,
        fix: "leave it out if it does not matter",
      });
    }
  }
  if (kept.size > 0) estate.keep(item, `no effect on the network: ${[...kept].slice(0, 20).join(", ")}`, `properties of ${type}`);
}

function isOff(value: unknown): boolean {
  if (value === false || value === 0 || value === "" || value === null) return true;
  if (typeof value === "string") return /^(none|disabled|false|notspecified)$/i.test(value);
  if (typeof value !== "object") return false;
  // What is turned off may keep its settings: an add-on has its config still.
  if (value !== null && "enabled" in value && isOff(value.enabled)) return true;
  return Object.values(value ?? {}).every(isOff);
}

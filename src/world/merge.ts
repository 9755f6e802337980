/**
 * Documents into a store that controllers write to as well: what a document says wins, what it no longer says goes, and what only controllers have
 * said stays. The three-way merge of `kubectl apply`, with the last documents kept in the store.
 */

import { armId } from "../arm/names.ts";
import { armKey, type Key, type Resource, type Resources, type Write } from "../resources/resources.ts";

export type Document = { readonly key: Key; readonly value: Resource };

/** The resource that keeps the last documents. */
function lastDocumentsId(lab: string): string {
  return armId(lab, "Drydock.Lab/documents", lab);
}

/** The documents of the last apply. */
export function lastDocuments(resources: Resources, lab: string): readonly Document[] {
  const kept = resources.get(armKey(lastDocumentsId(lab)));
  if (kept === undefined || !("type" in kept) || kept.type !== "Drydock.Lab/documents") return [];
  return kept.properties.documents as readonly Document[];
}

/** What to write so that the store says what `next` says. */
export function mergeDocuments(resources: Resources, lab: string, next: readonly Document[]): readonly Write[] {
  const last = new Map(lastDocuments(resources, lab).map(({ key, value }) => [key, value]));
  const writes: Write[] = [];
  for (const { key, value } of next) {
    const current = resources.get(key);
    const merged = current === undefined ? value : merge(last.get(key), value, current);
    if (!equal(merged, current)) writes.push({ key, value: merged as Resource });
    last.delete(key);
  }
  for (const key of last.keys()) if (resources.get(key) !== undefined) writes.push({ key, value: undefined });
  const id = lastDocumentsId(lab);
  const record = { id, name: lab, type: "Drydock.Lab/documents" as const, properties: { documents: next } };
  if (!equal(record, resources.get(armKey(id)))) writes.push({ key: armKey(id), value: record });
  return writes;
}

function merge(last: unknown, next: unknown, current: unknown): unknown {
  if (isObject(next) && isObject(current)) {
    const before = isObject(last) ? last : {};
    const merged: Record<string, unknown> = {};
    for (const name of Object.keys(current)) {
      if (!(name in next) && !(name in before)) merged[name] = current[name];
    }
    for (const name of Object.keys(next)) merged[name] = merge(before[name], next[name], current[name]);
    return merged;
  }
  if (Array.isArray(next) && Array.isArray(current)) {
    if (equal(last, next)) return current;
    if (next.every((item) => identityOf(item) !== undefined)) {
      const find = (list: unknown, identity: string | undefined) =>
        Array.isArray(list) ? list.find((item) => identityOf(item) === identity) : undefined;
      return next.map((item) => {
        const identity = identityOf(item);
        const existing = find(current, identity);
        return existing === undefined ? item : merge(find(last, identity), item, existing);
      });
    }
  }
  return next;
}

/** What tells the items of a list apart: their name, or port and protocol. */
function identityOf(item: unknown): string | undefined {
  if (!isObject(item)) return undefined;
  if (typeof item.name === "string") return `name ${item.name}`;
  const port = item.port ?? item.containerPort;
  return typeof port === "number" ? `port ${port}/${String(item.protocol ?? "TCP")}` : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Equal as JSON, whatever the order of properties. */
export function equal(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, index) => equal(item, b[index]));
  if (!isObject(a) || !isObject(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => key in b && equal(a[key], b[key]));
}

/** Resources in memory: the state of one-shot commands, and the live view over a durable store. */

import { type Bucket, bucketOf, type Key, type Resource, type Resources, type Write } from "./resources.ts";

type Shelf = {
  readonly values: Map<Key, Resource>;
  /** Sorted, as of the last listing. */
  keys: Key[];
  /** The values of `keys`. */
  listing: readonly Resource[];
  /** Keys written since the last listing. */
  readonly changed: Set<Key>;
  /** Those of them that were not there. */
  added: Key[];
  isShorter: boolean;
};

const nothing: readonly never[] = [];

/** Up to so many writes are worked into a listing one by one; with more it is cheaper to make it anew. */
const fewChanges = 64;

/** Reading costs nothing that did not change, and one write to a long bucket costs a copy of its list, not a sort. */
export class MemoryResources implements Resources {
  readonly #shelves = new Map<Bucket, Shelf>();
  /** Shelves that a copy has too: written to only after taking one's own. */
  readonly #lent = new Set<Bucket>();

  /** The same resources, which may then change apart. What is never written to is not copied. */
  copy(): MemoryResources {
    const copy = new MemoryResources();
    for (const [bucket, shelf] of this.#shelves) {
      this.list(bucket);
      copy.#shelves.set(bucket, shelf);
      copy.#lent.add(bucket);
      this.#lent.add(bucket);
    }
    return copy;
  }

  get(key: Key): Resource | undefined {
    return this.#shelves.get(bucketOf(key))?.values.get(key);
  }

  list(bucket: Bucket): readonly Resource[] {
    const shelf = this.#shelves.get(bucket);
    if (shelf === undefined) return nothing;
    if (shelf.changed.size > 0) {
      if (shelf.changed.size <= fewChanges) patch(shelf);
      else renew(shelf);
      shelf.changed.clear();
      shelf.added = [];
      shelf.isShorter = false;
    }
    return shelf.listing;
  }

  buckets(): readonly Bucket[] {
    return [...this.#shelves]
      .filter(([, shelf]) => shelf.values.size > 0)
      .map(([bucket]) => bucket)
      .sort();
  }

  apply(writes: readonly Write[]): void {
    for (const { key, value } of writes) {
      const bucket = bucketOf(key);
      let shelf = this.#shelves.get(bucket);
      if (shelf === undefined) {
        shelf = { values: new Map(), keys: [], listing: nothing, changed: new Set(), added: [], isShorter: false };
        this.#shelves.set(bucket, shelf);
      }
      if (shelf.values.get(key) === value) continue;
      if (this.#lent.delete(bucket)) {
        shelf = { ...shelf, values: new Map(shelf.values), keys: [...shelf.keys], changed: new Set(), added: [] };
        this.#shelves.set(bucket, shelf);
      }
      const before = shelf.values.get(key);
      shelf.changed.add(key);
      if (value === undefined) {
        shelf.values.delete(key);
        shelf.isShorter = true;
      } else {
        if (before === undefined) shelf.added.push(key);
        shelf.values.set(key, value);
      }
    }
  }
}

function patch(shelf: Shelf): void {
  const { keys, values } = shelf;
  const listing = shelf.listing.slice();
  for (const key of shelf.changed) {
    const value = values.get(key);
    const index = positionOf(keys, key);
    if (keys[index] !== key) {
      if (value === undefined) continue;
      keys.splice(index, 0, key);
      listing.splice(index, 0, value);
    } else if (value === undefined) {
      keys.splice(index, 1);
      listing.splice(index, 1);
    } else listing[index] = value;
  }
  shelf.listing = listing;
}

function renew(shelf: Shelf): void {
  const { values } = shelf;
  if (shelf.isShorter) shelf.keys = shelf.keys.filter((key) => values.has(key));
  if (shelf.added.length > 0) shelf.keys = merged(shelf.keys, [...new Set(shelf.added)].filter((key) => values.has(key)).sort());
  const listing: Resource[] = [];
  for (const key of shelf.keys) {
    const value = values.get(key);
    if (value !== undefined) listing.push(value);
  }
  shelf.listing = listing;
}

/** Of `key` among the sorted `keys`, or where it would be. */
function positionOf(keys: readonly Key[], key: Key): number {
  let [low, high] = [0, keys.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] ?? "") < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Two sorted lists as one. A key in both (deleted and made again between two listings) is taken once. */
function merged(keys: readonly Key[], added: readonly Key[]): Key[] {
  const all: Key[] = [];
  let next = 0;
  for (const key of keys) {
    for (let candidate = added[next]; candidate !== undefined && candidate < key; candidate = added[++next]) all.push(candidate);
    if (added[next] === key) next++;
    all.push(key);
  }
  for (let candidate = added[next]; candidate !== undefined; candidate = added[++next]) all.push(candidate);
  return all;
}

/** Resources in memory: the state of one-shot commands, and the live view over a durable store. */

import { type Bucket, bucketOf, type Key, type Resource, type Resources, type Write } from "./resources.ts";

type Shelf = {
  readonly values: Map<Key, Resource>;
  /** Sorted keys as of the last listing; those since then are in `added`, and may have gone again. */
  keys: readonly Key[];
  added: Key[];
  removed: boolean;
  sorted: readonly Resource[] | undefined;
};

const nothing: readonly never[] = [];

/** Reading costs nothing that did not change: a bucket is listed again only after a write to it, and then only new keys are sorted. */
export class MemoryResources implements Resources {
  readonly #shelves = new Map<Bucket, Shelf>();

  get(key: Key): Resource | undefined {
    return this.#shelves.get(bucketOf(key))?.values.get(key);
  }

  list(bucket: Bucket): readonly Resource[] {
    const shelf = this.#shelves.get(bucket);
    if (shelf === undefined) return nothing;
    if (shelf.sorted === undefined) {
      if (shelf.removed) shelf.keys = shelf.keys.filter((key) => shelf.values.has(key));
      if (shelf.added.length > 0) shelf.keys = merged(shelf.keys, [...new Set(shelf.added)].filter((key) => shelf.values.has(key)).sort());
      shelf.added = [];
      shelf.removed = false;
      const sorted: Resource[] = [];
      for (const key of shelf.keys) {
        const value = shelf.values.get(key);
        if (value !== undefined) sorted.push(value);
      }
      shelf.sorted = sorted;
    }
    return shelf.sorted;
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
        shelf = { values: new Map(), keys: [], added: [], removed: false, sorted: undefined };
        this.#shelves.set(bucket, shelf);
      }
      if (value === undefined) {
        if (shelf.values.delete(key)) shelf.removed = true;
      } else {
        if (!shelf.values.has(key)) shelf.added.push(key);
        shelf.values.set(key, value);
      }
      shelf.sorted = undefined;
    }
  }
}

/** Two sorted lists as one. A key in both (removed and added again between two listings) is taken once. */
function merged(keys: readonly Key[], added: readonly Key[]): readonly Key[] {
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

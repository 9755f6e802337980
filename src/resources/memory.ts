/** Resources in memory: the state of one-shot commands, and the live view over a durable store. */

import { type Bucket, bucketOf, type Key, type Resource, type Resources, type Write } from "./resources.ts";

type Shelf = { readonly values: Map<Key, Resource>; sorted: readonly Resource[] | undefined };

/** Reading costs nothing that did not change: a bucket is sorted again only after a write to it. */
export class MemoryResources implements Resources {
  readonly #shelves = new Map<Bucket, Shelf>();

  get(key: Key): Resource | undefined {
    return this.#shelves.get(bucketOf(key))?.values.get(key);
  }

  list(bucket: Bucket): readonly Resource[] {
    const shelf = this.#shelves.get(bucket);
    if (shelf === undefined) return [];
    shelf.sorted ??= [...shelf.values].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value);
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
        shelf = { values: new Map(), sorted: undefined };
        this.#shelves.set(bucket, shelf);
      }
      if (value === undefined) shelf.values.delete(key);
      else shelf.values.set(key, value);
      shelf.sorted = undefined;
    }
  }
}

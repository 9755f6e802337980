/** What both stores share: the present state in memory, the recent changes, and the watchers. */

import { MemoryResources } from "../resources/memory.ts";
import type { Key, Resource, Resources, Write } from "../resources/resources.ts";
import { type Change, type Store, StoreError } from "./store.ts";

/** Changes kept for watchers; older ones are compacted. */
const keptChanges = 20_000;

/** In memory only. A durable store writes in {@link persist}, before anybody sees the change. */
export class MemoryStore implements Store {
  readonly #resources = new MemoryResources();
  readonly #revisions = new Map<Key, number>();
  readonly #watchers = new Set<(changes: readonly Change[]) => void>();
  #recent: Change[] = [];
  /** Changes up to here can no longer be listed. */
  #compacted = 0;
  #revision = 0;

  get resources(): Resources {
    return this.#resources;
  }

  get revision(): number {
    return this.#revision;
  }

  revisionOf(key: Key): number | undefined {
    return this.#revisions.get(key);
  }

  commit(writes: readonly Write[], expect?: ReadonlyMap<Key, number>): number {
    for (const [key, revision] of expect ?? []) {
      const found = this.#revisions.get(key) ?? 0;
      if (found !== revision) {
        throw new StoreError(
          "conflict",
          `${key} is at revision ${found}, not ${revision}`,
          "read it again and apply the change to what it is now",
        );
      }
    }
    if (writes.length === 0) return this.#revision;
    const revision = this.#revision + 1;
    this.persist(revision, writes);
    this.#publish(revision, writes);
    return revision;
  }

  transact(work: (write: (writes: readonly Write[]) => void) => void): number {
    const before = new Map<Key, Resource | undefined>();
    const after = new Map<Key, Resource | undefined>();
    const revision = this.#revision + 1;
    try {
      work((writes) => {
        for (const { key, value } of writes) {
          if (!before.has(key)) before.set(key, this.#resources.get(key));
          after.set(key, value);
        }
        this.#resources.apply(writes);
      });
      const writes = [...after].filter(([key, value]) => value !== before.get(key)).map(([key, value]) => ({ key, value }));
      if (writes.length === 0) return this.#revision;
      this.persist(revision, writes);
      this.#publish(revision, writes);
      return revision;
    } catch (error) {
      // What a watcher throws after the revision is durable undoes nothing.
      if (this.#revision < revision) this.#resources.apply([...before].map(([key, value]) => ({ key, value })));
      throw error;
    }
  }

  /** Takes in a revision that is durable, and tells the watchers. */
  #publish(revision: number, writes: readonly Write[]): void {
    this.accept(revision, writes);
    const changes = writes.map(({ key, value }) => ({ revision, key, value }));
    this.#recent.push(...changes);
    if (this.#recent.length > 2 * keptChanges) {
      this.#recent = this.#recent.slice(-keptChanges);
      this.#compacted = (this.#recent[0]?.revision ?? revision) - 1;
      // A revision is listed whole or not at all.
      this.#recent = this.#recent.filter((change) => change.revision > this.#compacted + 1);
      this.#compacted += 1;
    }
    for (const watcher of [...this.#watchers]) watcher(changes);
  }

  watch(revision: number, listener: (changes: readonly Change[]) => void): () => void {
    if (revision < this.#compacted) {
      throw new StoreError(
        "compacted",
        `changes after revision ${revision} are no longer kept (the oldest kept is ${this.#compacted + 1})`,
        "list everything and watch from the revision of that list",
      );
    }
    const past = this.#recent.filter((change) => change.revision > revision);
    if (past.length > 0) listener(past);
    this.#watchers.add(listener);
    return () => void this.#watchers.delete(listener);
  }

  close(): void {
    this.#watchers.clear();
  }

  /** Makes a revision durable, or throws and nothing has happened. */
  protected persist(_revision: number, _writes: readonly Write[]): void {
    // Memory is as durable as this store gets.
  }

  /** Takes a revision that is durable into the present state. */
  protected accept(revision: number, writes: readonly Write[]): void {
    this.#resources.apply(writes);
    this.#revision = revision;
    for (const { key, value } of writes) {
      if (value === undefined) this.#revisions.delete(key);
      else this.#revisions.set(key, revision);
    }
  }

  /** For a store that was opened: watchers cannot ask for what was before. */
  protected startFrom(revision: number): void {
    this.#revision = revision;
    this.#compacted = revision;
  }
}

/**
 * The versioned, watchable store of a running lab: what is acknowledged here survives any end of the process.
 *
 * Every commit is one revision, all of it or nothing. A watcher gets every change after the revision that it names, in order, or is told that this
 * revision has been compacted away and that it must list again.
 */

import type { Key, Resource, Resources, Write } from "../resources/resources.ts";

export type Change = { readonly revision: number; readonly key: Key /** `undefined`: deleted. */; readonly value: Resource | undefined };

export interface Store {
  /** The present state; changes with every commit. */
  readonly resources: Resources;
  /** Of the last commit; 0 when nothing was ever written. */
  readonly revision: number;
  /** The revision of a key's last change; `undefined` when the key is not there. */
  revisionOf(key: Key): number | undefined;
  /**
   * Writes all or nothing, durably, and returns the new revision. `expect` names keys that must still have the revision given (0: must not exist);
   * otherwise nothing is written and a {@link StoreError} `conflict` is thrown. Without writes nothing happens.
   */
  commit(writes: readonly Write[], expect?: ReadonlyMap<Key, number>): number;
  /**
   * Runs `work`, whose writes are in {@link resources} at once, for it to go on from, and become one revision, durable when this returns. When `work`
   * or the disk fails, nothing has happened. Returns the new revision, or the present one when nothing changed in the end.
   */
  transact(work: (write: (writes: readonly Write[]) => void) => void): number;
  /** Calls `listener` with the changes after `revision`, past ones at once, until the returned function is called. */
  watch(revision: number, listener: (changes: readonly Change[]) => void): () => void;
  close(): void;
}

export type StoreErrorCode = "conflict" | "compacted" | "unwritable" | "full" | "not-a-store" | "newer" | "closed";

export class StoreError extends Error {
  readonly code: StoreErrorCode;
  readonly fix: string;

  constructor(code: StoreErrorCode, message: string, fix: string, cause?: unknown) {
    super(message, { cause });
    this.name = "StoreError";
    this.code = code;
    this.fix = fix;
  }
}

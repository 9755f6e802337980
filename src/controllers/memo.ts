/** Doing nothing where nothing changed. */

import type { ManagedCluster } from "../arm/resources.ts";
import { armKey, type Bucket, bucketOf, type Key, type Resource, type Resources, type Write } from "../resources/resources.ts";
import type { Controller } from "./controller.ts";
import { listArm } from "./view.ts";

/** Up to so many single resources of a bucket are watched by themselves; with more, the bucket is. */
const fewKeys = 8;

/**
 * Notes what is read. A computation that would read the same again gives the same answer: what it reads is immutable, and what it reads next
 * follows from what it has read.
 */
class Reads implements Resources {
  readonly #resources: Resources;
  readonly #lists = new Map<Bucket, readonly Resource[]>();
  /** Single resources, of buckets that are not listed. */
  readonly #values = new Map<Bucket, Map<Key, Resource | undefined>>();

  constructor(resources: Resources) {
    this.#resources = resources;
  }

  get(key: Key): Resource | undefined {
    const value = this.#resources.get(key);
    const bucket = bucketOf(key);
    if (this.#lists.has(bucket)) return value;
    let values = this.#values.get(bucket);
    if (values === undefined) {
      values = new Map();
      this.#values.set(bucket, values);
    }
    values.set(key, value);
    if (values.size > fewKeys) this.list(bucket);
    return value;
  }

  list(bucket: Bucket): readonly Resource[] {
    let list = this.#lists.get(bucket);
    if (list === undefined) {
      list = this.#resources.list(bucket);
      this.#lists.set(bucket, list);
      this.#values.delete(bucket);
    }
    return list;
  }

  buckets(): readonly Bucket[] {
    throw new Error("a remembering controller may not depend on which buckets there are");
  }

  /** Would all of it be read the same from `resources`? */
  hold(resources: Resources): boolean {
    for (const [bucket, list] of this.#lists) {
      const now = resources.list(bucket);
      if (now !== list && (now.length > 0 || list.length > 0)) return false;
    }
    for (const values of this.#values.values()) {
      for (const [key, value] of values) if (resources.get(key) !== value) return false;
    }
    return true;
  }
}

type Memory = { readonly reads: Reads; readonly writes: readonly Write[] };

/** A controller that is asked again only when something that it read has changed; until then its last answer stands. */
export function remembering(name: string, reconcile: Controller["reconcile"]): Controller {
  let memory: Memory | undefined;
  return {
    name,
    reconcile(resources) {
      if (memory?.reads.hold(resources)) return memory.writes;
      const reads = new Reads(resources);
      const writes = reconcile(reads);
      memory = { reads, writes };
      return writes;
    },
  };
}

/** The same for what concerns one cluster at a time: a change in one costs nothing in the others. */
export function perCluster(name: string, reconcile: (resources: Resources, cluster: ManagedCluster) => readonly Write[]): Controller {
  const memories = new Map<Key, Memory & { readonly cluster: ManagedCluster }>();
  return {
    name,
    reconcile(resources) {
      const clusters = listArm(resources, "Microsoft.ContainerService/managedClusters");
      const all: Write[] = [];
      for (const cluster of clusters) {
        const key = armKey(cluster.id);
        let memory = memories.get(key);
        if (memory?.cluster !== cluster || !memory.reads.hold(resources)) {
          const reads = new Reads(resources);
          memory = { cluster, reads, writes: reconcile(reads, cluster) };
          memories.set(key, memory);
        }
        for (const write of memory.writes) all.push(write);
      }
      if (memories.size > clusters.length) {
        const present = new Set(clusters.map((cluster) => armKey(cluster.id)));
        for (const key of memories.keys()) if (!present.has(key)) memories.delete(key);
      }
      return all;
    },
  };
}

/** Something computed from a list (an index, say) once for as long as the list is the same. */
export function indexed<T extends object, Index>(build: (list: T) => Index): (list: T) => Index {
  const known = new WeakMap<T, Index>();
  return (list) => {
    let index = known.get(list);
    if (index === undefined) {
      index = build(list);
      known.set(list, index);
    }
    return index;
  };
}

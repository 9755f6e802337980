/**
 * Resources by key: what every controller and front end reads, and what a store keeps.
 *
 * An Azure resource's key is its ARM id, which compares without case. A Kubernetes object's key is
 * `/kubernetes/<cluster>/<Kind>/<namespace>/<name>` (namespace empty for cluster-scoped kinds).
 * A bucket holds the resources of one Azure type, or of one kind in one cluster.
 */

import type { AzureResource } from "../arm/resources.ts";
import type { KubeObject } from "../kube/objects.ts";

export type Key = string;
export type Bucket = string;
export type Resource = AzureResource | KubeObject;

/** A read-only view at one moment. Values are immutable, and an unchanged resource is the same object in the next view. */
export interface Resources {
  get(key: Key): Resource | undefined;
  /** Every resource of a bucket, sorted by key. Keep no copy: the same array is returned until the bucket changes. */
  list(bucket: Bucket): readonly Resource[];
  /** Names of the buckets that hold something, sorted. */
  buckets(): readonly Bucket[];
}

/** A change: a new value, or `undefined` to delete. */
export type Write = { readonly key: Key; readonly value: Resource | undefined };

export function armKey(id: string): Key {
  return id.toLowerCase();
}

export function kubeKey(cluster: string, kind: string, namespace: string | undefined, name: string): Key {
  return `/kubernetes/${cluster}/${kind}/${namespace ?? ""}/${name}`;
}

/** `cluster` is needed for Kubernetes objects only: they do not name theirs. */
export function armBucket(type: AzureResource["type"]): Bucket {
  return type.toLowerCase();
}

export function kubeBucket(cluster: string, kind: string): Bucket {
  return `/kubernetes/${cluster}/${kind}`;
}

const kubernetesRoot = "/kubernetes/";

/** The bucket that a key belongs to. */
export function bucketOf(key: Key): Bucket {
  // Asked once per read and write, so without taking the key apart.
  if (key.startsWith(kubernetesRoot)) return key.slice(0, key.indexOf("/", key.indexOf("/", kubernetesRoot.length) + 1));
  return armTypeOf(key).toLowerCase();
}

/** `/subscriptions/…/providers/A.B/c/name/d/name2` has the type `A.B/c/d`. */
export function armTypeOf(id: string): string {
  const parts = id.split("/");
  const provider = parts.lastIndexOf("providers") + 1 || parts.map((part) => part.toLowerCase()).lastIndexOf("providers") + 1;
  return [parts[provider], ...parts.slice(provider + 1).filter((_, index) => index % 2 === 0)].join("/");
}

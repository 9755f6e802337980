/** The pods of a cluster, found by owner and by node. */

import type { ObjectMeta, Pod } from "../kube/objects.ts";
import { indexed } from "./memo.ts";

export type PodIndex = {
  /** By {@link ownerPath}. Sorted by key, as the list was. */
  readonly byOwner: ReadonlyMap<string, readonly Pod[]>;
  /** Every pod that is bound to the node and not ended; those with host networking too. */
  readonly byNode: ReadonlyMap<string, readonly Pod[]>;
};

const none: readonly Pod[] = [];

export const podIndex = indexed((pods: readonly Pod[]): PodIndex => {
  const byOwner = new Map<string, Pod[]>();
  const byNode = new Map<string, Pod[]>();
  for (const pod of pods) {
    const owner = ownerPathOf(pod);
    if (owner !== undefined) listIn(byOwner, owner).push(pod);
    const node = pod.spec.nodeName;
    if (node !== undefined && !isEnded(pod)) listIn(byNode, node).push(pod);
  }
  return { byOwner, byNode };
});

export function podsOfOwner(pods: readonly Pod[], kind: string, owner: { readonly metadata: ObjectMeta }): readonly Pod[] {
  return podIndex(pods).byOwner.get(ownerPath(kind, owner.metadata.namespace, owner.metadata.name)) ?? none;
}

export function podsOnNode(pods: readonly Pod[], node: string): readonly Pod[] {
  return podIndex(pods).byNode.get(node) ?? none;
}

/** `ReplicaSet/shop/web-5d8f`. */
export function ownerPath(kind: string, namespace: string | undefined, name: string): string {
  return `${kind}/${namespace ?? ""}/${name}`;
}

/** Path of the owner that controls the pod. */
export function ownerPathOf(pod: Pod): string | undefined {
  const owner = pod.metadata.ownerReferences?.find((reference) => reference.controller === true);
  return owner === undefined ? undefined : ownerPath(owner.kind, pod.metadata.namespace, owner.name);
}

/** Its containers are done for good: it holds neither an address nor a place on its node. */
export function isEnded(pod: Pod): boolean {
  const phase = pod.status?.phase;
  return phase === "Succeeded" || phase === "Failed";
}

export function isReady(pod: Pod): boolean {
  return pod.status?.conditions?.some((condition) => condition.type === "Ready" && condition.status === "True") === true;
}

function listIn<K, V>(map: Map<K, V[]>, key: K): V[] {
  let list = map.get(key);
  if (list === undefined) {
    list = [];
    map.set(key, list);
  }
  return list;
}

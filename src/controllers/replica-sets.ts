/**
 * ReplicaSets make pods. Their names come from a hash of the set and a running number, so the pods of a set with n replicas are the first n of
 * one fixed sequence: scaling down ends the youngest, and a pod that is deleted comes back under its name.
 */

import type { ManagedCluster } from "../arm/resources.ts";
import { generatedName, generatedPrefix } from "../kube/identity.ts";
import type { Pod, ReplicaSet } from "../kube/objects.ts";
import { indexed, perCluster } from "./memo.ts";
import { podIndex, podsOfOwner } from "./pod-index.ts";
import { podMaker } from "./pod-template.ts";
import { listKube, Writes } from "./view.ts";

export const replicaSets = perCluster("replica-sets", (resources, cluster) => {
  const writes = new Writes(resources);
  const index = podIndex(cluster, listKube(resources, cluster, "Pod"));
  for (const replicaSet of listKube(resources, cluster, "ReplicaSet")) {
    const pods = podsOfOwner(index, "ReplicaSet", replicaSet);
    if (complete.get(replicaSet) === pods) continue;
    reconcile(writes, cluster, replicaSet, pods);
  }
  return writes.list;
});

/** The pods of sets that had all theirs and no other: with the same pods they still have. */
const complete = new WeakMap<ReplicaSet, readonly Pod[]>();

function reconcile(writes: Writes, cluster: ManagedCluster, replicaSet: ReplicaSet, pods: readonly Pod[]): void {
  const names = podNames(replicaSet);
  let present = 0;
  for (const pod of pods) {
    if (names.has(pod.metadata.name)) present++;
    else writes.deleteKube(cluster, pod);
  }
  if (present === names.size) {
    if (pods.length === present) complete.set(replicaSet, pods);
    return;
  }
  const make = podMaker(cluster, replicaSet, {});
  const existing = new Set(pods.map((pod) => pod.metadata.name));
  const generateName = generatedPrefix(replicaSet.metadata.name);
  for (const name of names) if (!existing.has(name)) writes.putKube(cluster, make(name, { generateName }));
}

/** The names of its pods, oldest first. */
const podNames = indexed((replicaSet: ReplicaSet): ReadonlySet<string> => {
  const { name, namespace } = replicaSet.metadata;
  const replicas = replicaSet.spec.replicas ?? 1;
  const names = new Set<string>();
  for (let number = 0; names.size < replicas; number++) names.add(generatedName(name, `${namespace}/${name}/${number}`));
  return names;
});

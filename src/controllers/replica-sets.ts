/**
 * ReplicaSets make pods, and so do ReplicationControllers, which came before them. Their names come from a hash of the set and a running number, so the pods of a set with n replicas are the first n of
 * one fixed sequence: scaling down ends the youngest, and a pod that is deleted comes back under its name.
 */

import type { ManagedCluster } from "../arm/resources.ts";
import { generatedName, generatedPrefix } from "../kube/identity.ts";
import type { ObjectMeta, Pod, ReplicaSet, ReplicationController } from "../kube/objects.ts";
import { perCluster } from "./memo.ts";
import { podIndex, podsOfOwner } from "./pod-index.ts";
import { podMaker } from "./pod-template.ts";
import { listKube, Writes } from "./view.ts";

export const replicaSets = perCluster("replica-sets", (resources, cluster) => {
  const writes = new Writes(resources);
  const index = podIndex(cluster, listKube(resources, cluster, "Pod"));
  for (const kind of ["ReplicaSet", "ReplicationController"] as const) {
    for (const set of listKube(resources, cluster, kind)) {
      const pods = podsOfOwner(index, kind, set);
      if (complete.get(set) !== pods) reconcile(writes, cluster, set, pods);
    }
  }
  return writes.list;
});

/** The pods of sets that had all theirs and no other: with the same pods they still have. */
const complete = new WeakMap<Replicas, readonly Pod[]>();

type Replicas = ReplicaSet | ReplicationController;

function reconcile(writes: Writes, cluster: ManagedCluster, replicaSet: Replicas, pods: readonly Pod[]): void {
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

/** Names of pods that were worked out, oldest first, by what stays when the number of replicas changes. */
const sequences = new WeakMap<ObjectMeta, { readonly names: Set<string>; next: number }>();

/** The names of its pods, oldest first. */
function podNames({ metadata, spec }: Replicas): ReadonlySet<string> {
  const replicas = spec.replicas ?? 1;
  let sequence = sequences.get(metadata);
  if (sequence === undefined) {
    sequence = { names: new Set(), next: 0 };
    sequences.set(metadata, sequence);
  }
  const { name, namespace } = metadata;
  const { names } = sequence;
  while (names.size < replicas) names.add(generatedName(name, `${namespace}/${name}/${sequence.next++}`));
  return names.size === replicas ? names : new Set([...names].slice(0, replicas));
}

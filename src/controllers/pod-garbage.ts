/**
 * Ends pods whose node is gone, and pods whose owner is gone. Their owner, if there is one, makes them anew; a pod without an owner is gone
 * with its node, as in Kubernetes (k8s docs, concepts/workloads/pods/pod-lifecycle, garbage collection of pods).
 */

import type { KubeObject, Node } from "../kube/objects.ts";
import { indexed, perCluster } from "./memo.ts";
import { ownerPath, podIndex } from "./pod-index.ts";
import { listKube, Writes } from "./view.ts";

/** Kinds whose pods are made here. Pods of other owners are left alone: it is not known whether those still live. */
const ownerKinds = ["ReplicaSet", "ReplicationController", "StatefulSet", "DaemonSet"] as const;

export const podGarbage = perCluster("pod-garbage", (resources, cluster) => {
  const writes = new Writes(resources);
  const { byNode, byOwner } = podIndex(cluster, listKube(resources, cluster, "Pod"));
  const nodes = namesOf(listKube(resources, cluster, "Node"));
  for (const [node, pods] of byNode) {
    if (nodes.has(node)) continue;
    // Without an address of its node it never ran: the node that its author names may still come.
    for (const pod of pods) if (pod.status?.hostIP !== undefined) writes.deleteKube(cluster, pod);
  }
  const owners = ownerKinds.map((kind) => ownersOf(listKube(resources, cluster, kind)));
  for (const [path, pods] of byOwner) {
    if (owners.some((paths) => paths.has(path)) || !ownerKinds.some((kind) => path.startsWith(`${kind}/`))) continue;
    for (const pod of pods) writes.deleteKube(cluster, pod);
  }
  return writes.list;
});

const namesOf = indexed((nodes: readonly Node[]): ReadonlySet<string> => new Set(nodes.map((node) => node.metadata.name)));

const ownersOf = indexed(
  (owners: readonly KubeObject[]): ReadonlySet<string> =>
    new Set(owners.map(({ kind, metadata }) => ownerPath(kind, metadata.namespace, metadata.name))),
);

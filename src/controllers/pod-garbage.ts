/**
 * Ends pods whose node is gone, and pods whose owner is gone. Their owner, if there is one, makes them anew; a pod without an owner is gone
 * with its node, as in Kubernetes (k8s docs, concepts/workloads/pods/pod-lifecycle, garbage collection of pods).
 */

import { kubeKey } from "../resources/resources.ts";
import { perCluster } from "./memo.ts";
import { podIndex } from "./pod-index.ts";
import { getKube, listKube, Writes } from "./view.ts";

/** Kinds whose pods are made here. Pods of other owners are left alone: it is not known whether those still live. */
const ownerKinds: ReadonlySet<string> = new Set(["ReplicaSet", "StatefulSet", "DaemonSet"]);

export const podGarbage = perCluster("pod-garbage", (resources, cluster) => {
  const writes = new Writes(resources);
  const { byNode, byOwner } = podIndex(listKube(resources, cluster, "Pod"));
  for (const [node, pods] of byNode) {
    if (getKube(resources, cluster, "Node", undefined, node) !== undefined) continue;
    // Without an address of its node it never ran: the node that its author names may still come.
    for (const pod of pods) if (pod.status?.hostIP !== undefined) writes.deleteKube(cluster, pod);
  }
  for (const [owner, pods] of byOwner) {
    const [kind = "", namespace, name = ""] = owner.split("/");
    if (!ownerKinds.has(kind) || resources.get(kubeKey(cluster.name, kind, namespace, name)) !== undefined) continue;
    for (const pod of pods) writes.deleteKube(cluster, pod);
  }
  return writes.list;
});

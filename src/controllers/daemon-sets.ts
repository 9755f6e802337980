/** DaemonSets make one pod for every node that matches and whose taints they tolerate; the scheduler then puts it there. */

import { virtualNodeName } from "../arm/virtual-node.ts";
import { generatedName, generatedPrefix, templateHash } from "../kube/identity.ts";
import type { DaemonSet, Node, Pod, PodSpec, Toleration } from "../kube/objects.ts";
import { perCluster } from "./memo.ts";
import { matchesNodeSelection, pinnedNode, pinnedTo, untoleratedTaint } from "./node-fit.ts";
import { podIndex, podsOfOwner } from "./pod-index.ts";
import { podMaker } from "./pod-template.ts";
import { listKube, Writes } from "./view.ts";

const revisionLabel = "controller-revision-hash";

export const daemonSets = perCluster("daemon-sets", (resources, cluster) => {
  const writes = new Writes(resources);
  const pods = podIndex(cluster, listKube(resources, cluster, "Pod"));
  const nodes = listKube(resources, cluster, "Node");
  for (const set of listKube(resources, cluster, "DaemonSet")) {
    const revision = templateHash(set.spec.template);
    const make = podMaker(cluster, set, { [revisionLabel]: revision });
    const tolerations = allTolerations(set.spec.template.spec);
    const current = new Map<string, Pod>();
    const surplus: Pod[] = [];
    for (const pod of podsOfOwner(pods, "DaemonSet", set)) {
      const node = pinnedNode(pod.spec);
      const isCurrent = pod.metadata.labels?.[revisionLabel] === revision;
      if (node !== undefined && isCurrent && !current.has(node)) current.set(node, pod);
      else surplus.push(pod);
    }
    for (const node of nodes) {
      const { name } = node.metadata;
      const existing = current.get(name);
      if (!shouldRun(set, node, tolerations, existing !== undefined)) continue;
      current.delete(name);
      if (existing !== undefined) continue;
      const { metadata } = set;
      const seed = `${metadata.namespace}/${metadata.name}/${revision}/${name}`;
      const own = { tolerations, affinity: pinnedTo(name) };
      writes.putKube(cluster, make(generatedName(metadata.name, seed), { generateName: generatedPrefix(metadata.name), spec: own }));
    }
    for (const pod of [...surplus, ...current.values()]) writes.deleteKube(cluster, pod);
  }
  return writes.list;
});

/** A pod that is there stays when the node gets a NoSchedule taint; a NoExecute taint ends it. */
function shouldRun(set: DaemonSet, node: Node, tolerations: readonly Toleration[], isThere: boolean): boolean {
  // AKS docs, virtual-nodes: DaemonSets put no pod there, whatever they tolerate.
  if (node.metadata.name === virtualNodeName) return false;
  if (!matchesNodeSelection(set.spec.template.spec, node)) return false;
  return untoleratedTaint(node, tolerations, isThere ? ["NoExecute"] : ["NoSchedule", "NoExecute"]) === undefined;
}

/** What the controller adds to every pod (k8s docs, concepts/workloads/controllers/daemonset). */
const addedTolerations: readonly Toleration[] = [
  { key: "node.kubernetes.io/not-ready", operator: "Exists", effect: "NoExecute" },
  { key: "node.kubernetes.io/unreachable", operator: "Exists", effect: "NoExecute" },
  { key: "node.kubernetes.io/disk-pressure", operator: "Exists", effect: "NoSchedule" },
  { key: "node.kubernetes.io/memory-pressure", operator: "Exists", effect: "NoSchedule" },
  { key: "node.kubernetes.io/pid-pressure", operator: "Exists", effect: "NoSchedule" },
  { key: "node.kubernetes.io/unschedulable", operator: "Exists", effect: "NoSchedule" },
];
const hostNetworkToleration: Toleration = { key: "node.kubernetes.io/network-unavailable", operator: "Exists", effect: "NoSchedule" };

function allTolerations(spec: PodSpec): readonly Toleration[] {
  return [...(spec.tolerations ?? []), ...addedTolerations, ...(spec.hostNetwork === true ? [hostNetworkToleration] : [])];
}

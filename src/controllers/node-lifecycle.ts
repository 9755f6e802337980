/**
 * What Kubernetes makes of a machine that is stopped: after 40 seconds without news (node-monitor-grace-period; 50 from 1.32) its node is neither
 * ready nor not, is tainted, and its pods are not ready, so that no Service sends to them (k8s, pkg/controller/nodelifecycle).
 * Its pods are not replaced: that comes 300 seconds later, and a lab is looked at before.
 */

import { isFault } from "../arm/faults.ts";
import type { Condition, Node, Pod, Taint } from "../kube/objects.ts";
import { armKey, type Key, type Resources } from "../resources/resources.ts";
import { perCluster } from "./memo.ts";
import { podIndex, podsOnNode } from "./pod-index.ts";
import { listArm, listKube, Writes } from "./view.ts";

const unknown: Condition = {
  type: "Ready",
  status: "Unknown",
  reason: "NodeStatusUnknown",
  message: "Kubelet stopped posting node status.",
};
const unreachable: Taint = { key: "node.kubernetes.io/unreachable", effect: "NoSchedule" };
const notReady: Condition = { type: "Ready", status: "False", reason: "NodeNotReady" };

/** Keys of the machines that are stopped. */
export function stoppedMachines(resources: Resources): ReadonlySet<Key> {
  const faults = listArm(resources, "Drydock.Lab/faults");
  return new Set(faults.flatMap((fault) => (isFault(fault, "stop") ? armKey(fault.properties.virtualMachine.id) : [])));
}

/** The node as the control plane sees it. `healthy`: its Ready condition while it runs. */
export function withHealth(node: Node, healthy: Condition, isStopped: boolean): Node {
  const others = (node.spec.taints ?? []).filter(({ key }) => key !== unreachable.key);
  const taints = isStopped ? [...others, unreachable] : others;
  const conditions = node.status.conditions.map((condition) => {
    if (condition.type !== unknown.type) return condition;
    if (isStopped) return unknown;
    return condition.reason === unknown.reason ? healthy : condition;
  });
  const { taints: _taints, ...spec } = node.spec;
  return { ...node, spec: { ...spec, ...(taints.length === 0 ? {} : { taints }) }, status: { ...node.status, conditions } };
}

/** Has the control plane lost sight of it? */
export function isUnreachable(node: Node): boolean {
  return node.status.conditions.some(({ type, reason }) => type === unknown.type && reason === unknown.reason);
}

export const nodeLifecycle = perCluster("node-lifecycle", (resources, cluster) => {
  const writes = new Writes(resources);
  const lost = listKube(resources, cluster, "Node").filter(isUnreachable);
  if (lost.length === 0) return writes.list;
  const index = podIndex(cluster, listKube(resources, cluster, "Pod"));
  for (const { metadata } of lost) {
    for (const pod of podsOnNode(index, metadata.name)) if (isReady(pod)) writes.putKube(cluster, asNotReady(pod));
  }
  return writes.list;
});

function isReady(pod: Pod): boolean {
  return pod.status?.conditions?.some(({ type, status }) => type === notReady.type && status === "True") ?? false;
}

function asNotReady(pod: Pod): Pod {
  const others = (pod.status?.conditions ?? []).filter(({ type }) => type !== notReady.type);
  return { ...pod, status: { ...pod.status, phase: pod.status?.phase ?? "Running", conditions: [...others, notReady] } };
}

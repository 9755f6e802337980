/**
 * How many pods of the manifests are on each node when everything has come to rest: the scheduler's answer (controllers/scheduler.ts) by arithmetic,
 * a step for each workload and node rather than for each pod.
 */

import { clusterDigits, scaleSetName } from "../arm/names.ts";
import type { AgentPool, ManagedCluster } from "../arm/resources.ts";
import { matchesNodeSelection, untoleratedTaint } from "../controllers/node-fit.ts";
import { poolLabels, poolTaints } from "../controllers/nodes.ts";
import { listKube } from "../controllers/view.ts";
import { virtualNode } from "../controllers/virtual-nodes.ts";
import type { Node, PodSpec } from "../kube/objects.ts";
import type { Resources } from "../resources/resources.ts";

/** Pods of a pool's nodes, a number for each node. */
export type NodePods = {
  /** All of them, which count against maxPods. */
  readonly all: Uint32Array;
  /** Those with an address of their own: not on the node's network. */
  readonly addressed: Uint32Array;
};

export type Placement = {
  readonly pools: ReadonlyMap<AgentPool, NodePods>;
  readonly onNodes: number;
  readonly onVirtualNode: number;
  /** They find no node with room that they may run on. */
  readonly pending: number;
};

type Workload = { readonly name: string; readonly spec: PodSpec; readonly replicas: number; readonly isDaemonSet: boolean };

/** `pools` of the cluster; `hasVirtualNode`: is the add-on there? */
export function placePods(resources: Resources, cluster: ManagedCluster, pools: readonly AgentPool[], hasVirtualNode: boolean): Placement {
  const digits = clusterDigits(cluster.properties.dnsPrefix);
  const groups = pools
    .map((pool) => ({
      pool,
      name: scaleSetName(pool.name, digits, pool.properties.osType),
      node: exampleNode(cluster, pool),
      all: new Uint32Array(pool.properties.count),
      addressed: new Uint32Array(pool.properties.count),
      room: pool.properties.maxPods,
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const virtual = hasVirtualNode ? virtualNode(cluster) : undefined;
  let [onVirtualNode, pending] = [0, 0];
  for (const { spec, replicas, isDaemonSet } of workloadsOf(resources, cluster)) {
    const isHost = spec.hostNetwork === true;
    const fitting = groups.filter(({ node }) => fits(spec, node));
    const places = fitting.flatMap((group) => Array.from(group.all, (_, index) => ({ group, index, added: 0 })));
    const perNode = isDaemonSet || hasHostPorts(spec) ? 1 : Number.POSITIVE_INFINITY;
    let rest = isDaemonSet ? places.length : replicas;
    let active = places.filter(({ group, index }) => (group.all[index] ?? 0) < group.room);
    while (rest > 0 && active.length > 0) {
      const least = active.reduce(
        (room, { group, index, added }) => Math.min(room, group.room - (group.all[index] ?? 0) - added, perNode - added),
        rest,
      );
      const step = Math.min(Math.floor(rest / active.length), least);
      if (step === 0) {
        // Fewer than there are nodes: to those with the fewest pods, the first by name.
        const ordered = active.map((place) => ({ place, total: (place.group.all[place.index] ?? 0) + place.added }));
        ordered.sort((a, b) => a.total - b.total);
        for (const { place } of ordered.slice(0, rest)) place.added++;
        rest = Math.max(rest - ordered.length, 0);
        break;
      }
      for (const place of active) place.added += step;
      rest -= step * active.length;
      active = active.filter(({ group, index, added }) => (group.all[index] ?? 0) + added < group.room && added < perNode);
    }
    // The virtual node registers itself after the others, so it gets what found no place on them.
    if (!isDaemonSet && virtual !== undefined && fits(spec, virtual)) onVirtualNode += rest;
    else pending += rest;
    for (const { group, index, added } of places) {
      group.all[index] = (group.all[index] ?? 0) + added;
      if (!isHost) group.addressed[index] = (group.addressed[index] ?? 0) + added;
    }
  }
  const onNodes = groups.reduce((sum, { all }) => all.reduce((total, count) => total + count, sum), 0);
  return { pools: new Map(groups.map(({ pool, all, addressed }) => [pool, { all, addressed }])), onNodes, onVirtualNode, pending };
}

/** In the order in which their pods are placed: by namespace and name. */
function workloadsOf(resources: Resources, cluster: ManagedCluster): readonly Workload[] {
  const workloads: Workload[] = [];
  for (const kind of ["Deployment", "ReplicaSet", "ReplicationController", "StatefulSet"] as const) {
    for (const { metadata, spec } of listKube(resources, cluster, kind)) {
      if (kind === "ReplicaSet" && metadata.ownerReferences?.some(({ controller }) => controller === true) === true) continue;
      const name = `${metadata.namespace}/${metadata.name}`;
      workloads.push({ name, spec: spec.template.spec, replicas: spec.replicas ?? 1, isDaemonSet: false });
    }
  }
  for (const { metadata, spec } of listKube(resources, cluster, "DaemonSet")) {
    const name = `${metadata.namespace}/${metadata.name}`;
    workloads.push({ name, spec: spec.template.spec, replicas: 0, isDaemonSet: true });
  }
  for (const { metadata, spec } of listKube(resources, cluster, "Pod")) {
    workloads.push({ name: `${metadata.namespace}/${metadata.name}`, spec, replicas: 1, isDaemonSet: false });
  }
  return workloads.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function fits(spec: PodSpec, node: Node): boolean {
  return matchesNodeSelection(spec, node) && untoleratedTaint(node, spec.tolerations) === undefined;
}

function hasHostPorts({ hostNetwork, containers }: PodSpec): boolean {
  return containers.some(({ ports = [] }) => ports.some(({ hostPort }) => hostPort !== undefined || hostNetwork === true));
}

/** What the nodes of a pool have in common, for the rules of where a pod may run. */
function exampleNode(cluster: ManagedCluster, pool: AgentPool): Node {
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: "", labels: poolLabels(cluster, pool) },
    spec: { providerID: "", taints: poolTaints(pool) },
    status: { addresses: [], capacity: { pods: String(pool.properties.maxPods) }, conditions: [] },
  };
}

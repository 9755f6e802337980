/**
 * What AKS, its cloud controller and Kubernetes do unasked, in the order in which one waits for another. They come to rest in any order;
 * this one takes the fewest rounds, and is the same everywhere, so that the same lab gets the same addresses.
 *
 * Not here: rolling updates, evictions and autoscalers. A lab is looked at when it has come to rest.
 */

import { assumedMachineProbes } from "./assumed-machine-probes.ts";
import { assumedProbes } from "./assumed-probes.ts";
import { clusterDefaults } from "./cluster-defaults.ts";
import type { Controller } from "./controller.ts";
import { daemonSets } from "./daemon-sets.ts";
import { deployments } from "./deployments.ts";
import { endpointSliceMirroring } from "./endpoint-slice-mirroring.ts";
import { endpointSlices } from "./endpoint-slices.ts";
import { garbage } from "./garbage.ts";
import { kubelet } from "./kubelet.ts";
import { leakedAddresses } from "./leaked-addresses.ts";
import { loadBalancers } from "./load-balancers.ts";
import { nodeLifecycle } from "./node-lifecycle.ts";
import { nodeNetworks } from "./node-networks.ts";
import { nodePools } from "./node-pools.ts";
import { nodes } from "./nodes.ts";
import { overlayMove } from "./overlay-move.ts";
import { peerings } from "./peerings.ts";
import { podAddresses } from "./pod-addresses.ts";
import { podGarbage } from "./pod-garbage.ts";
import { privateClusters } from "./private-clusters.ts";
import { publicIps } from "./public-ips.ts";
import { replicaSets } from "./replica-sets.ts";
import { nodeRoutes, routeTables } from "./route-tables.ts";
import { scheduler } from "./scheduler.ts";
import { securityGroups } from "./security-groups.ts";
import { serviceAddresses } from "./service-addresses.ts";
import { statefulSets } from "./stateful-sets.ts";
import { unhealthyPods } from "./unhealthy-pods.ts";
import { virtualMachines } from "./virtual-machines.ts";
import { virtualNodes } from "./virtual-nodes.ts";

export { failingStatus } from "./app-answers.ts";
export { failingProbes } from "./assumed-probes.ts";
export { isUnreachable } from "./node-lifecycle.ts";
export { settle } from "./settle.ts";

/** What runs in a living lab. */
export const controllers: readonly Controller[] = [
  garbage,
  peerings,
  privateClusters,
  virtualMachines,
  nodePools,
  overlayMove,
  nodes,
  routeTables,
  nodeRoutes,
  clusterDefaults,
  serviceAddresses,
  deployments,
  podGarbage,
  replicaSets,
  statefulSets,
  daemonSets,
  scheduler,
  virtualNodes,
  nodeNetworks,
  leakedAddresses,
  podAddresses,
  nodeLifecycle,
  unhealthyPods,
  endpointSlices,
  endpointSliceMirroring,
  publicIps,
  loadBalancers,
  securityGroups,
];

/** What is taken for granted when nothing runs: that pods answer, and what probes would say. */
export const assumptions: readonly Controller[] = [kubelet, assumedProbes, assumedMachineProbes];

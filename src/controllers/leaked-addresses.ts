/**
 * Keeps the addresses of pods that are gone, for as long as a fault says that none is given back: a network plugin that is never told of a pod's end,
 * or forgets it, has fewer and fewer to give (Azure/azure-container-networking, issues about leaked addresses of azure-vnet-ipam and CNS).
 */

import { isFault } from "../arm/faults.ts";
import { armId, segmentAfter } from "../arm/names.ts";
import type { ManagedCluster } from "../arm/resources.ts";
import { armKey, type Resources } from "../resources/resources.ts";
import { perCluster } from "./memo.ts";
import { clusterTags, getArm, listArm, listKube, Writes } from "./view.ts";

const type = "Drydock.Lab/leakedAddresses";

export const leakedAddresses = perCluster("leaked-addresses", (resources, cluster) => {
  const writes = new Writes(resources);
  const id = idOf(cluster);
  const faults = listArm(resources, "Drydock.Lab/faults");
  const isLeaking = faults.some((fault) => isFault(fault, "leak") && armKey(fault.properties.managedCluster.id) === armKey(cluster.id));
  if (!isLeaking) {
    writes.deleteArm(id);
    return writes.list;
  }
  const addresses = new Set(getArm(resources, type, id)?.properties.addresses);
  for (const { spec, status } of listKube(resources, cluster, "Pod")) {
    if (spec.hostNetwork !== true && status?.podIP !== undefined) addresses.add(status.podIP);
  }
  writes.putArm({ id, name: cluster.name, type, tags: clusterTags(cluster), properties: { addresses: [...addresses].sort() } });
  return writes.list;
});

/** Those that a fault keeps, whether their pod is still there or not. */
export function keptAddresses(resources: Resources, cluster: ManagedCluster): readonly string[] {
  return getArm(resources, type, idOf(cluster))?.properties.addresses ?? [];
}

function idOf(cluster: ManagedCluster): string {
  return armId(segmentAfter(cluster.id, "resourceGroups"), type, cluster.name);
}

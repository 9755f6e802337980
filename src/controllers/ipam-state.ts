/** Where an allocator stands. What was given out last is remembered, so that a released address is reused only when its turn comes. */

import { armId, segmentAfter } from "../arm/names.ts";
import type { IpamState, ManagedCluster } from "../arm/resources.ts";
import type { Resources } from "../resources/resources.ts";
import { clusterTags, getArm } from "./view.ts";

/** The id of one of the cluster's allocators; it goes with the cluster. */
export function ipamStateId(cluster: ManagedCluster, allocator: string): string {
  // A dot is in no cluster name, so no allocator of one cluster looks like that of another.
  return armId(segmentAfter(cluster.id, "resourceGroups"), "Drydock.Lab/ipamStates", `${cluster.name}.${allocator}`);
}

export function lastGiven(resources: Resources, id: string): string | undefined {
  return getArm(resources, "Drydock.Lab/ipamStates", id)?.properties.last;
}

export function ipamState(cluster: ManagedCluster | undefined, id: string, last: string): IpamState {
  return {
    id,
    name: id.slice(id.lastIndexOf("/") + 1),
    type: "Drydock.Lab/ipamStates",
    ...(cluster === undefined ? {} : { tags: clusterTags(cluster) }),
    properties: { last },
  };
}

/**
 * An assumption, for labs that do not run: a pod with an address on a node that is there is running, and ready unless it is said that the app answers
 * its readiness probe otherwise. In a running lab the pod's stand-in is asked instead.
 */

import type { Pod } from "../kube/objects.ts";
import { failingReadiness } from "../kube/readiness.ts";
import { perCluster } from "./memo.ts";
import { isUnreachable } from "./node-lifecycle.ts";
import { podIndex } from "./pod-index.ts";
import { getKube, listKube, Writes } from "./view.ts";

const ready = { type: "Ready", status: "True" } as const;
const unready = { type: "Ready", status: "False" } as const;

export const kubelet = perCluster("kubelet", (resources, cluster) => {
  const writes = new Writes(resources);
  for (const pod of podIndex(cluster, listKube(resources, cluster, "Pod")).unready) {
    const { status, spec } = pod;
    const node = spec.nodeName === undefined ? undefined : getKube(resources, cluster, "Node", undefined, spec.nodeName);
    if (status === undefined || node === undefined || isUnreachable(node)) continue;
    const others = (status.conditions ?? []).filter((condition) => condition.type !== ready.type);
    const condition = failingReadiness(pod) === undefined ? ready : unready;
    const running: Pod = { ...pod, status: { ...status, phase: "Running", conditions: [...others, condition] } };
    writes.putKube(cluster, running);
  }
  return writes.list;
});

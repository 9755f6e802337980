/** Says of pods whose app fails their readiness probe why they are not ready, as kubelet does (k8s, pkg/kubelet/prober). */

import { failingReadiness } from "../kube/readiness.ts";
import { syncWarnings, type Warning } from "./events.ts";
import { perCluster } from "./memo.ts";
import { podIndex } from "./pod-index.ts";
import { listKube, Writes } from "./view.ts";

const reason = "Unhealthy";

export const unhealthyPods = perCluster("unhealthy-pods", (resources, cluster) => {
  const writes = new Writes(resources);
  const warnings = podIndex(cluster, listKube(resources, cluster, "Pod")).unready.flatMap((pod): Warning[] => {
    const failing = failingReadiness(pod);
    if (failing === undefined) return [];
    const { namespace = "default", name } = pod.metadata;
    const message = `Readiness probe failed: GET ${failing.path} on port ${failing.port} is answered with ${failing.status}`;
    return [{ reason, message, involvedObject: { kind: "Pod", namespace, name } }];
  });
  syncWarnings(resources, writes, cluster, [reason], warnings);
  return writes.list;
});

/** Which containers of a pod are there when it runs. */

import type { Container, PodSpec } from "./objects.ts";

/** The containers and the sidecars among the init containers (k8s docs, concepts/workloads/pods/sidecar-containers). */
export function runningContainers(spec: Pick<PodSpec, "containers" | "initContainers">): readonly Container[] {
  const sidecars = (spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === "Always");
  return sidecars.length === 0 ? spec.containers : [...spec.containers, ...sidecars];
}

/**
 * StatefulSets make pods with ordinals. All at once, as with `podManagementPolicy: Parallel`: a lab is compared at rest, where the order in which
 * pods came does not show.
 */

import { templateHash } from "../kube/identity.ts";
import { perCluster } from "./memo.ts";
import { podIndex, podsOfOwner } from "./pod-index.ts";
import { podMaker } from "./pod-template.ts";
import { listKube, Writes } from "./view.ts";

const revisionLabel = "controller-revision-hash";

export const statefulSets = perCluster("stateful-sets", (resources, cluster) => {
  const writes = new Writes(resources);
  const pods = podIndex(cluster, listKube(resources, cluster, "Pod"));
  for (const set of listKube(resources, cluster, "StatefulSet")) {
    const revision = `${set.metadata.name}-${templateHash(set.spec.template)}`;
    const byName = new Map(podsOfOwner(pods, "StatefulSet", set).map((pod) => [pod.metadata.name, pod]));
    const make = podMaker(cluster, set, { [revisionLabel]: revision });
    const { serviceName } = set.spec;
    for (let ordinal = 0; ordinal < (set.spec.replicas ?? 1); ordinal++) {
      const name = `${set.metadata.name}-${ordinal}`;
      const existing = byName.get(name);
      byName.delete(name);
      // A pod of another revision gives way to a new one of the same name.
      if (existing?.metadata.labels?.[revisionLabel] === revision) continue;
      const labels = { "statefulset.kubernetes.io/pod-name": name, "apps.kubernetes.io/pod-index": String(ordinal) };
      writes.putKube(
        cluster,
        make(name, { labels, spec: { hostname: name, ...(serviceName === undefined ? {} : { subdomain: serviceName }) } }),
      );
    }
    for (const surplus of byName.values()) writes.deleteKube(cluster, surplus);
  }
  return writes.list;
});

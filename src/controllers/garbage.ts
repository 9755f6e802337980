/** When a cluster is deleted, what was made for it goes with it: its node resource group, and everything in its Kubernetes API. */

import { clusterTag } from "../arm/names.ts";
import type { KubeObject } from "../kube/objects.ts";
import { armKey, kubeKey, type Resource, type Resources, type Write } from "../resources/resources.ts";
import type { Controller } from "./controller.ts";
import { remembering } from "./memo.ts";
import { listArm } from "./view.ts";

/** Types that are made for clusters and that no other controller clears when the cluster is gone. */
const types = [
  "Microsoft.Compute/virtualMachineScaleSets/virtualMachines",
  "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/networkInterfaces",
  "Microsoft.Network/networkSecurityGroups",
  "Drydock.Lab/ipamStates",
] as const;

const azureGarbage = remembering("garbage", (resources) => {
  const clusters = clusterNames(resources);
  return types.flatMap((type) =>
    listArm(resources, type).flatMap(({ id, tags }): Write[] => {
      const cluster = tags?.[clusterTag];
      return cluster === undefined || clusters.has(cluster) ? [] : [{ key: armKey(id), value: undefined }];
    }),
  );
});

export const garbage: Controller = {
  name: "garbage",
  reconcile(resources) {
    const clusters = clusterNames(resources);
    const writes = [...azureGarbage.reconcile(resources)];
    for (const bucket of resources.buckets()) {
      const [, root, cluster = "", kind = ""] = bucket.split("/");
      if (root !== "kubernetes" || clusters.has(cluster)) continue;
      for (const object of resources.list(bucket)) {
        if (!isKubeObject(object)) continue;
        writes.push({ key: kubeKey(cluster, kind, object.metadata.namespace, object.metadata.name), value: undefined });
      }
    }
    return writes;
  },
};

function clusterNames(resources: Resources): ReadonlySet<string> {
  return new Set(listArm(resources, "Microsoft.ContainerService/managedClusters").map((cluster) => cluster.name));
}

function isKubeObject(resource: Resource): resource is KubeObject {
  return "metadata" in resource;
}

/** Pods as the workload controllers make them from a template. */

import type { ManagedCluster } from "../arm/resources.ts";
import { uidOf, uuidOf } from "../kube/identity.ts";
import type { KubeObject, Labels, ObjectMeta, Pod, PodSpec, PodTemplate } from "../kube/objects.ts";
import { keyOf } from "./view.ts";

export type OwnerReferences = NonNullable<ObjectMeta["ownerReferences"]>;

/** The reference by which `owner` controls what it made. */
export function controlledBy(cluster: ManagedCluster, owner: KubeObject): OwnerReferences {
  const { apiVersion, kind, metadata } = owner;
  return [{ apiVersion, kind, name: metadata.name, uid: uidOf(keyOf(cluster, owner), owner), controller: true }];
}

/** Makes the pods of one owner. They share what is the same in all: with thousands of pods that is most of their memory. */
export function podMaker(
  cluster: ManagedCluster,
  owner: KubeObject & { readonly spec: { readonly template: PodTemplate } },
  labels: Labels,
): (name: string, own?: { readonly generateName?: string; readonly labels?: Labels; readonly spec?: Partial<PodSpec> }) => Pod {
  const { template } = owner.spec;
  const ownerReferences = controlledBy(cluster, owner);
  const allLabels = { ...template.metadata?.labels, ...labels };
  const { annotations } = template.metadata ?? {};
  const namespace = owner.metadata.namespace ?? "default";
  const prefix = keyOf(cluster, { apiVersion: "v1", kind: "Pod", metadata: { namespace, name: "" } });
  return (name, own = {}) => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace,
      uid: uuidOf(prefix + name),
      ...(own.generateName === undefined ? {} : { generateName: own.generateName }),
      labels: own.labels === undefined ? allLabels : { ...allLabels, ...own.labels },
      ...(annotations === undefined ? {} : { annotations }),
      ownerReferences,
    },
    spec: own.spec === undefined ? template.spec : { ...template.spec, ...own.spec },
    status: { phase: "Pending" },
  });
}

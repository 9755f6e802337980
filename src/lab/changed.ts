/** A lab with changes: its resources in memory, what Azure, AKS and Kubernetes do about the changes, and the network that comes of it. */

import { compile } from "../compile/index.ts";
import { assumptions, controllers, settle } from "../controllers/index.ts";
import { MemoryResources } from "../resources/memory.ts";
import { armKey, type Key, kubeKey, type Resource, type Resources } from "../resources/resources.ts";
import { LabView } from "./view.ts";

/** `measured`: the resources say themselves which probes and pods answer, as those of a running lab do. */
export type ChangeOptions = { readonly measured: boolean };

/** `view` after `change` has written to a copy of its resources. Costs what the change concerns, as far as those resources are in memory. */
export function changed(view: LabView, change: (resources: MemoryResources) => void, { measured }: ChangeOptions): LabView {
  const resources = copyOf(view.resources);
  change(resources);
  settle(resources, measured ? controllers : [...controllers, ...assumptions], (writes) => resources.apply(writes));
  return new LabView(view.name, resources, compile(resources, view.network));
}

function copyOf(resources: Resources): MemoryResources {
  if (resources instanceof MemoryResources) return resources.copy();
  const copy = new MemoryResources();
  for (const bucket of resources.buckets()) copy.apply(resources.list(bucket).map((value) => ({ key: keyOf(bucket, value), value })));
  return copy;
}

function keyOf(bucket: string, resource: Resource): Key {
  if ("id" in resource) return armKey(resource.id);
  const [, , cluster = "", kind = ""] = bucket.split("/");
  return kubeKey(cluster, kind, resource.metadata.namespace, resource.metadata.name);
}

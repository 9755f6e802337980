/**
 * Deployments make ReplicaSets. A changed template makes a new one, which replaces the old at once: there is no rolling update, since a lab is
 * compared at rest; and old ones are not kept for a rollback.
 */

import { templateHash, uuidOf } from "../kube/identity.ts";
import type { Deployment, ReplicaSet } from "../kube/objects.ts";
import { perCluster } from "./memo.ts";
import { controlledBy } from "./pod-template.ts";
import { getKube, keyOf, listKube, Writes } from "./view.ts";

const hashLabel = "pod-template-hash";

export const deployments = perCluster("deployments", (resources, cluster) => {
  const writes = new Writes(resources);
  const wanted = new Set<string>();
  for (const deployment of listKube(resources, cluster, "Deployment")) {
    const name = replicaSetName(deployment);
    wanted.add(`${deployment.metadata.namespace}/${name}`);
    const existing = getKube(resources, cluster, "ReplicaSet", deployment.metadata.namespace, name);
    const replicas = deployment.spec.replicas ?? 1;
    // The template is in the name, so the number is all that can differ.
    if (existing?.spec.replicas === replicas) continue;
    if (existing !== undefined) {
      const scaled: ReplicaSet = { ...existing, spec: { ...existing.spec, replicas } };
      writes.putKube(cluster, scaled);
      continue;
    }
    const hash = templateHash(deployment.spec.template);
    const { template, selector } = deployment.spec;
    const labels = { ...template.metadata?.labels, [hashLabel]: hash };
    const replicaSet: ReplicaSet = {
      apiVersion: "apps/v1",
      kind: "ReplicaSet",
      metadata: { name, namespace: deployment.metadata.namespace ?? "default", labels, ownerReferences: controlledBy(cluster, deployment) },
      spec: {
        replicas,
        selector: { ...selector, matchLabels: { ...selector.matchLabels, [hashLabel]: hash } },
        template: { ...template, metadata: { ...template.metadata, labels } },
      },
    };
    writes.putKube(cluster, { ...replicaSet, metadata: { ...replicaSet.metadata, uid: uuidOf(keyOf(cluster, replicaSet)) } });
  }
  for (const replicaSet of listKube(resources, cluster, "ReplicaSet")) {
    const { namespace, name, ownerReferences } = replicaSet.metadata;
    const isOwned = ownerReferences?.some((owner) => owner.controller === true && owner.kind === "Deployment") === true;
    if (isOwned && !wanted.has(`${namespace}/${name}`)) writes.deleteKube(cluster, replicaSet);
  }
  return writes.list;
});

/** `<deployment>-<pod-template-hash>`. */
function replicaSetName(deployment: Deployment): string {
  return `${deployment.metadata.name}-${templateHash(deployment.spec.template)}`;
}

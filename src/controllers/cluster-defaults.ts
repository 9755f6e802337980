/** What a cluster has from its first moment: namespaces, the Service of its API server, and AKS's configuration of ip-masq-agent. */

import { lastSegment } from "../arm/names.ts";
import { hasPodCidr, networkOption, optionNames } from "../arm/network-option.ts";
import type { ManagedCluster } from "../arm/resources.ts";
import { uuidOf } from "../kube/identity.ts";
import {
  effectiveMasquerade,
  formatMasqueradeConfig,
  masqueradeKey,
  masqueradeNamespace,
  reconciledMasqueradeMap,
  userMasqueradeMap,
} from "../kube/ip-masq-agent.ts";
import type { KubeObject } from "../kube/objects.ts";
import { type Prefix, parsePrefix } from "../net/prefix.ts";
import type { Resources } from "../resources/resources.ts";
import { syncWarnings, type Warning } from "./events.ts";
import { perCluster } from "./memo.ts";
import { getArm, getKube, keyOf, poolsOf, Writes } from "./view.ts";

const namespaces = ["default", "kube-node-lease", "kube-public", "kube-system"];
const ignoredConfiguration = "IgnoredConfiguration";

export const clusterDefaults = perCluster("cluster-defaults", (resources, cluster) => {
  const writes = new Writes(resources);
  for (const name of namespaces) {
    const namespace: KubeObject<"Namespace"> = {
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name, labels: { "kubernetes.io/metadata.name": name } },
    };
    const existing = getKube(resources, cluster, "Namespace", undefined, name);
    if (existing === undefined) writes.putKube(cluster, withUid(cluster, namespace));
  }

  // It has no endpoints: the API server is outside the lab, so connections to it are rejected. Its address comes from the address controller.
  if (getKube(resources, cluster, "Service", "default", "kubernetes") === undefined) {
    const service = {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "kubernetes", namespace: "default", labels: { component: "apiserver", provider: "kubernetes" } },
      spec: { type: "ClusterIP", ports: [{ name: "https", protocol: "TCP", port: 443, targetPort: 443 }], sessionAffinity: "None" },
    } as const;
    writes.putKube(cluster, withUid(cluster, service));
  }

  const users = getKube(resources, cluster, "ConfigMap", masqueradeNamespace, userMasqueradeMap);
  // Pods of pod subnets keep their addresses everywhere (AKS docs, concepts-network-legacy-cni.md); a plugin of one's own translates by itself.
  const option = networkOption(cluster.properties.networkProfile, poolsOf(resources, cluster));
  if (option === "podSubnet" || option === "none") {
    const ignored: Warning = {
      reason: ignoredConfiguration,
      message: `ConfigMap ${masqueradeNamespace}/${userMasqueradeMap} is ignored: with ${optionNames[option]} no ip-masq-agent runs`,
      involvedObject: { kind: "ConfigMap", namespace: masqueradeNamespace, name: userMasqueradeMap },
    };
    syncWarnings(resources, writes, cluster, [ignoredConfiguration], users === undefined ? [] : [ignored]);
    return writes.list;
  }
  writes.putKube(
    cluster,
    withUid(cluster, {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: {
        name: reconciledMasqueradeMap,
        namespace: masqueradeNamespace,
        labels: { component: "ip-masq-agent", "kubernetes.io/cluster-service": "true", "addonmanager.kubernetes.io/mode": "Reconcile" },
      },
      data: { [masqueradeKey]: formatMasqueradeConfig(nonMasqueradeCidrs(resources, cluster)) },
    }),
  );
  const warnings = effectiveMasquerade(users === undefined ? [] : [users]).problems.map(
    ({ map, message }): Warning => ({
      reason: ignoredConfiguration,
      message: `ConfigMap ${masqueradeNamespace}/${map.metadata.name} is ignored: ${message}`,
      involvedObject: { kind: "ConfigMap", namespace: masqueradeNamespace, name: map.metadata.name },
    }),
  );
  syncWarnings(resources, writes, cluster, [ignoredConfiguration], warnings);
  return writes.list;
});

/**
 * kubenet: the pod CIDR (AKS issue 2653). Azure CNI Overlay: the same; that is not documented, but its effect is: every destination outside the
 * cluster sees the node (AKS docs, concepts-network-azure-cni-overlay.md). Node subnet: the prefixes of the VNet (concepts-network-legacy-cni.md).
 */
function nonMasqueradeCidrs(resources: Resources, cluster: ManagedCluster): readonly Prefix[] {
  const { podCidr, podCidrs = podCidr === undefined ? [] : [podCidr] } = cluster.properties.networkProfile;
  if (hasPodCidr(cluster.properties.networkProfile)) return prefixes(podCidrs);
  const vnets = new Set(poolsOf(resources, cluster).map((pool) => vnetOf(pool.properties.vnetSubnetID)));
  return [...vnets].flatMap((id) =>
    prefixes(getArm(resources, "Microsoft.Network/virtualNetworks", id)?.properties.addressSpace.addressPrefixes ?? []),
  );
}

function prefixes(texts: readonly string[]): readonly Prefix[] {
  return texts.flatMap((text) => parsePrefix(text) ?? []);
}

function vnetOf(subnet: string): string {
  return subnet.slice(0, subnet.length - `/subnets/${lastSegment(subnet)}`.length);
}

function withUid<T extends KubeObject>(cluster: ManagedCluster, object: T): T {
  return { ...object, metadata: { ...object.metadata, uid: uuidOf(keyOf(cluster, object)) } };
}

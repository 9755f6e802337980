/**
 * The virtual-node add-on: a node that is Azure Container Instances. A pod that is bound to it becomes a container group with an address of the
 * delegated subnet, without a node around it. What such groups cannot have keeps the pod pending, and an event says what.
 * AKS docs: virtual-nodes (limitations); virtual-kubelet/azure-aci.
 */

import { armId, lastSegment } from "../arm/names.ts";
import type { ContainerGroup, ManagedCluster } from "../arm/resources.ts";
import { virtualNodeName, virtualNodeSubnet } from "../arm/virtual-node.ts";
import { uuidOf } from "../kube/identity.ts";
import type { Node, Pod } from "../kube/objects.ts";
import { armKey } from "../resources/resources.ts";
import { syncWarnings, type Warning } from "./events.ts";
import { remembering } from "./memo.ts";
import { isEnded, podIndex, podsOnNode } from "./pod-index.ts";
import { SubnetAddresses } from "./subnet-addresses.ts";
import { clusterTags, keyOf, listArm, listKube, poolsOf, Writes } from "./view.ts";

const groupType = "Microsoft.ContainerInstance/containerGroups";
const createFailed = "ProviderCreateFailed";
/** What one connector takes (virtual-kubelet/azure-aci: provider defaults). */
const maxPods = 5000;

export const virtualNodes = remembering("virtual-nodes", (resources) => {
  const writes = new Writes(resources);
  const groups = new Map(listArm(resources, groupType).map((group) => [armKey(group.id), group]));
  const wanted = new Set<string>();
  const made: { readonly cluster: ManagedCluster; readonly subnet: string; readonly pods: readonly Pod[] }[] = [];
  for (const cluster of listArm(resources, "Microsoft.ContainerService/managedClusters")) {
    const subnet = virtualNodeSubnet(cluster, poolsOf(resources, cluster)[0]?.properties.vnetSubnetID ?? "");
    if (subnet === undefined) continue;
    writes.putKube(cluster, virtualNode(cluster));
    const index = podIndex(cluster, listKube(resources, cluster, "Pod"));
    const pods = podsOnNode(index, virtualNodeName).filter((pod) => !isEnded(pod));
    for (const pod of pods) wanted.add(armKey(groupId(cluster, pod)));
    made.push({ cluster, subnet, pods });
  }
  const gone = [...groups].filter(([key]) => !wanted.has(key));
  for (const [key] of gone) writes.delete(key);

  let addresses: SubnetAddresses | undefined;
  const free = () => {
    if (addresses === undefined) {
      addresses = new SubnetAddresses(resources);
      for (const [, group] of gone) {
        for (const { id } of group.properties.subnetIds) addresses.release(id, group.properties.ipAddress.ip);
      }
    }
    return addresses;
  };
  for (const { cluster, subnet, pods } of made) {
    const warnings: Warning[] = [];
    for (const pod of pods) {
      const { namespace = "", name } = pod.metadata;
      const fail = (message: string) => warnings.push({ reason: createFailed, message, involvedObject: { kind: "Pod", namespace, name } });
      const unsupported = unsupportedBy(pod);
      if (unsupported.length > 0) {
        fail(`a virtual node does not support ${unsupported.join(", ")} (AKS docs: virtual-nodes)`);
        continue;
      }
      const ip = groups.get(armKey(groupId(cluster, pod)))?.properties.ipAddress.ip ?? free().take(subnet, 1)?.[0];
      if (ip === undefined) {
        fail(`SubnetIsFull: needs 1 address, ${free().describe(subnet)}`);
        continue;
      }
      writes.putArm(groupOf(cluster, pod, subnet, ip));
      if (pod.status?.podIP !== ip) {
        const addressed: Pod = { ...pod, status: { ...pod.status, phase: pod.status?.phase ?? "Pending", podIP: ip } };
        writes.putKube(cluster, addressed);
      }
    }
    syncWarnings(resources, writes, cluster, [createFailed], warnings);
  }
  return writes.list;
});

/** The node that the add-on registers. */
export function virtualNode(cluster: ManagedCluster): Node {
  const node: Node = {
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      name: virtualNodeName,
      labels: {
        "kubernetes.io/hostname": virtualNodeName,
        "kubernetes.io/os": "linux",
        "kubernetes.io/role": "agent",
        "node.kubernetes.io/exclude-from-external-load-balancers": "true",
        type: "virtual-kubelet",
      },
    },
    spec: { providerID: "", taints: [{ key: "virtual-kubelet.io/provider", value: "azure", effect: "NoSchedule" }] },
    status: {
      addresses: [{ type: "Hostname", address: virtualNodeName }],
      capacity: { pods: String(maxPods) },
      conditions: [{ type: "Ready", status: "True", reason: "KubeletReady", message: "kubelet is ready." }],
    },
  };
  return { ...node, metadata: { ...node.metadata, uid: uuidOf(keyOf(cluster, node)) } };
}

function groupId(cluster: ManagedCluster, { metadata: { namespace, name } }: Pod): string {
  return armId(cluster.properties.nodeResourceGroup, groupType, `${namespace}-${name}`);
}

function groupOf(cluster: ManagedCluster, pod: Pod, subnet: string, ip: string): ContainerGroup {
  const id = groupId(cluster, pod);
  const { namespace = "", name } = pod.metadata;
  return {
    id,
    name: lastSegment(id),
    type: groupType,
    location: cluster.location ?? "",
    // As virtual-kubelet/azure-aci marks its groups.
    tags: { ...clusterTags(cluster), Namespace: namespace, PodName: name, NodeName: virtualNodeName },
    properties: { subnetIds: [{ id: subnet }], ipAddress: { type: "Private", ip } },
  };
}

function unsupportedBy({ spec }: Pod): readonly string[] {
  const found: string[] = [];
  if ((spec.initContainers ?? []).length > 0) found.push("init containers");
  if (spec.hostNetwork === true) found.push("host networking");
  if ((spec.volumes ?? []).some(({ persistentVolumeClaim }) => persistentVolumeClaim !== undefined)) found.push("persistent volume claims");
  if (spec.containers.some(({ lifecycle }) => lifecycle !== undefined)) found.push("container hooks");
  return found;
}

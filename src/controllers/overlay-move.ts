/**
 * A cluster that moves to Azure CNI Overlay in place: all nodes of all pools are re-imaged at once. Each keeps its name and its own address; its
 * interface loses the addresses that it reserved for pods, or IP forwarding; its pods are made anew, with other addresses. The routes of kubenet
 * go as the controller of route tables finds no kubenet cluster any more. AKS docs: update-azure-cni.md.
 *
 * A node says what it is set up for by the label that AKS gives the nodes of overlays; one of an overlay without it has yet to be re-imaged.
 */

import type { ManagedCluster } from "../arm/resources.ts";
import type { Node, Pod } from "../kube/objects.ts";
import { parsePrefix, prefixCovers } from "../net/prefix.ts";
import type { Resources } from "../resources/resources.ts";
import { perCluster } from "./memo.ts";
import { networkUnavailableTaint, overlayLabel } from "./nodes.ts";
import { podStateId } from "./pod-addresses.ts";
import { podIndex, podsOnNode } from "./pod-index.ts";
import { getArm, isOverlay, listKube, Writes } from "./view.ts";

const machineType = "Microsoft.Compute/virtualMachineScaleSets/virtualMachines";

export const overlayMove = perCluster("overlay-move", (resources, cluster) => {
  const writes = new Writes(resources);
  if (!isOverlay(cluster)) return writes.list;
  const waiting = listKube(resources, cluster, "Node").filter((node) => node.metadata.labels?.[overlayLabel.key] !== overlayLabel.value);
  if (waiting.length === 0) return writes.list;
  const index = podIndex(cluster, listKube(resources, cluster, "Pod"));
  for (const node of waiting) {
    trimInterface(resources, writes, node);
    writes.putKube(cluster, reimaged(cluster, node));
    writes.deleteArm(podStateId(cluster, node.metadata.name));
    for (const pod of podsOnNode(index, node.metadata.name)) makeAnew(writes, cluster, pod);
  }
  return writes.list;
});

function trimInterface(resources: Resources, writes: Writes, node: Node): void {
  const machine = getArm(resources, machineType, node.spec.providerID.slice("azure://".length));
  const reference = machine?.properties.networkProfile.networkInterfaces[0];
  const nic = reference === undefined ? undefined : getArm(resources, `${machineType}/networkInterfaces`, reference.id);
  if (nic === undefined) return;
  const ipConfigurations = nic.properties.ipConfigurations.filter(({ properties }) => properties.primary);
  writes.putArm({ ...nic, properties: { ...nic.properties, enableIPForwarding: false, ipConfigurations } });
}

/** kubenet's prefix stays if it is of the pod CIDR; otherwise the node gets one when its turn comes. */
function reimaged(cluster: ManagedCluster, node: Node): Node {
  const podCidr = parsePrefix(cluster.properties.networkProfile.podCidr ?? "");
  const { podCIDR, taints = [], ...spec } = node.spec;
  const own = parsePrefix(podCIDR ?? "");
  const keeps = podCidr !== undefined && own !== undefined && prefixCovers(podCidr, own);
  const others = taints.filter((taint) => taint.key !== networkUnavailableTaint.key);
  return {
    ...node,
    metadata: { ...node.metadata, labels: { ...node.metadata.labels, [overlayLabel.key]: overlayLabel.value } },
    spec: { ...spec, ...(keeps ? { podCIDR: own } : {}), ...(others.length === 0 ? {} : { taints: others }) },
  };
}

/** A pod of a controller is made again by it; one of its own is in the documents, and starts again. */
function makeAnew(writes: Writes, cluster: ManagedCluster, pod: Pod): void {
  if ((pod.metadata.ownerReferences ?? []).length > 0) {
    writes.deleteKube(cluster, pod);
    return;
  }
  const { status: _status, ...declared } = pod;
  writes.putKube(cluster, declared);
}

/**
 * Gives nodes their addresses of pod subnets, and writes down which as the NodeNetworkConfig that AKS keeps for each node (acn.azure.com; nodes
 * with Azure CNI Overlay have one too, but it says no more than the Node).
 *
 * DynamicIndividual: a node asks for whole batches of 16, half a batch more than its pods need (arm/pod-subnets.ts), and gives the highest
 * unused ones back when they are too many. When the subnet has no whole batch left, it asks for one address at a time.
 * StaticBlock: /28 blocks for as many pods as the node may run, once and for all of them, or none. Blocks with addresses that Azure keeps (the first
 * and the last of a subnet) are left out; that is not documented.
 * AKS docs: concepts-network-azure-cni-pod-subnet; Azure/azure-container-networking: cns/ipampool, crd/nodenetworkconfig.
 */

import { limits } from "../arm/limits.ts";
import { minFreeFraction, requestedAddresses, staticBlocks } from "../arm/pod-subnets.ts";
import type { AgentPool, ManagedCluster } from "../arm/resources.ts";
import { uuidOf } from "../kube/identity.ts";
import type { Node, NodeNetworkConfig } from "../kube/objects.ts";
import { formatIpv4, ipv4Number } from "../net/address.ts";
import { addressOf, parsePrefix, sizeOf } from "../net/prefix.ts";
import type { Resources } from "../resources/resources.ts";
import { syncWarnings, type Warning } from "./events.ts";
import { remembering } from "./memo.ts";
import { podIndex, podsOnNode } from "./pod-index.ts";
import { SubnetAddresses } from "./subnet-addresses.ts";
import { getArm, getKube, keyOf, listArm, listKube, poolsOf, Writes } from "./view.ts";

export const nodeNetworkNamespace = "kube-system";
const podSubnetIsFull = "PodSubnetIsFull";

export const nodeNetworks = remembering("node-networks", (resources) => {
  const writes = new Writes(resources);
  let addresses: SubnetAddresses | undefined;
  const free = () => {
    addresses ??= new SubnetAddresses(resources);
    return addresses;
  };
  for (const cluster of listArm(resources, "Microsoft.ContainerService/managedClusters")) {
    const pools = new Map(poolsOf(resources, cluster).map((pool) => [pool.name, pool]));
    const existing = listKube(resources, cluster, "NodeNetworkConfig");
    const hasPodSubnets = [...pools.values()].some((pool) => pool.properties.podSubnetID !== undefined);
    if (!hasPodSubnets && existing.length === 0) continue;
    for (const config of existing) {
      if (getKube(resources, cluster, "Node", undefined, config.metadata.name) !== undefined) continue;
      writes.deleteKube(cluster, config);
      for (const { subnetID, ...container } of config.status.networkContainers) {
        for (const address of addressesOf(container)) free().release(subnetID, address);
      }
    }
    const warnings: Warning[] = [];
    for (const node of listKube(resources, cluster, "Node")) {
      const pool = pools.get(node.metadata.labels?.["agentpool"] ?? "");
      if (pool?.properties.podSubnetID === undefined) continue;
      const config = configOf({ resources, free, warnings, cluster, pool, podSubnetID: pool.properties.podSubnetID }, node);
      writes.putKube(cluster, config);
    }
    syncWarnings(resources, writes, cluster, [podSubnetIsFull], warnings);
  }
  return writes.list;
});

type NetworkContainer = NodeNetworkConfig["status"]["networkContainers"][number];

/** Every address that a container holds. */
function addressesOf({ primaryIP, ipAssignments }: Omit<NetworkContainer, "subnetID">): readonly string[] {
  const texts = [...(primaryIP === undefined ? [] : [primaryIP]), ...ipAssignments.map(({ ip }) => ip)];
  return texts.flatMap((text) => {
    const block = parsePrefix(text);
    const first = block === undefined ? undefined : ipv4Number(addressOf(block));
    if (block === undefined || first === undefined) return [text];
    return Array.from({ length: sizeOf(block) }, (_, offset) => formatIpv4(first + offset));
  });
}

/** Those that pods may have: the first of a node's blocks is kept for its own purposes. */
export function podAddressesOf(config: NodeNetworkConfig): readonly string[] {
  return config.status.networkContainers.flatMap((container) => addressesOf(container).slice(container.primaryIP === undefined ? 0 : 1));
}

type Context = {
  readonly resources: Resources;
  readonly free: () => SubnetAddresses;
  readonly warnings: Warning[];
  readonly cluster: ManagedCluster;
  readonly pool: AgentPool;
  readonly podSubnetID: string;
};

function configOf(context: Context, node: Node): NodeNetworkConfig {
  const { resources, cluster, pool } = context;
  const before = getKube(resources, cluster, "NodeNetworkConfig", nodeNetworkNamespace, node.metadata.name);
  return pool.properties.podIPAllocationMode === "StaticBlock" ? withBlocks(context, node, before) : withBatches(context, node, before);
}

function withBlocks(context: Context, node: Node, before: NodeNetworkConfig | undefined): NodeNetworkConfig {
  if (before !== undefined && before.status.networkContainers.length > 0) return before;
  const { cluster, pool, podSubnetID } = context;
  const { maxPods } = pool.properties;
  const count = staticBlocks(maxPods);
  const size = limits.podSubnetBatch.value;
  const blocks = context.free().takeBlocks(podSubnetID, count, size);
  if (blocks === undefined) {
    const need = `${count} blocks of ${size} addresses (${maxPods} pods + 1 / ${size}, rounded up)`;
    context.warnings.push({
      reason: podSubnetIsFull,
      message: `${node.metadata.name} needs ${need}, ${context.free().describe(podSubnetID)}`,
      involvedObject: { kind: "Node", name: node.metadata.name },
    });
  }
  const [primaryIP, ...others] = blocks ?? [];
  const container = primaryIP === undefined ? [] : [{ ...containerOf(context, node, others), type: "vnetblock" as const, primaryIP }];
  return nodeNetworkConfig(cluster, node, count * size, container);
}

function withBatches(context: Context, node: Node, before: NodeNetworkConfig | undefined): NodeNetworkConfig {
  const { resources, cluster, pool, podSubnetID, free } = context;
  const { maxPods } = pool.properties;
  const name = node.metadata.name;
  const pods = podsOnNode(podIndex(cluster, listKube(resources, cluster, "Pod")), name).filter((pod) => pod.spec.hostNetwork !== true);
  const requested = requestedAddresses(pods.length, maxPods);
  const held = before?.status.networkContainers.flatMap((container) => container.ipAssignments.map(({ ip }) => ip)) ?? [];
  let now = held;
  if (held.length > requested) {
    const used = new Set(pods.flatMap((pod) => pod.status?.podIP ?? []));
    const unused = held.filter((address) => !used.has(address)).slice(requested - held.length);
    for (const address of unused) free().release(podSubnetID, address);
    const released = new Set(unused);
    now = held.filter((address) => !released.has(address));
  } else if (held.length < requested) {
    const more = requested - held.length;
    const single = Math.max(requestedAddresses(pods.length, maxPods, 1) - held.length, 0);
    const taken = free().take(podSubnetID, more) ?? free().takeUpTo(podSubnetID, single);
    now = [...held, ...taken];
    if (now.length < pods.length || now.length === 0) {
      const sum = `${limits.podSubnetBatch.value} x ceil(${minFreeFraction} + ${pods.length} pods / ${limits.podSubnetBatch.value})`;
      context.warnings.push({
        reason: podSubnetIsFull,
        message: `${name} asks for ${requested} addresses (${sum}, at most ${maxPods}) and has ${now.length}, ${free().describe(podSubnetID)}`,
        involvedObject: { kind: "Node", name },
      });
    }
  }
  const container = now.length === 0 ? [] : [{ ...containerOf(context, node, now), type: "vnet" as const }];
  return nodeNetworkConfig(cluster, node, requested, container);
}

function containerOf({ resources, cluster, pool, podSubnetID }: Context, node: Node, addresses: readonly string[]) {
  const subnet = getArm(resources, "Microsoft.Network/virtualNetworks/subnets", podSubnetID);
  const id = uuidOf(`${cluster.id}/networkContainers/${node.metadata.name}`);
  return {
    id,
    assignmentMode: pool.properties.podIPAllocationMode === "StaticBlock" ? ("static" as const) : ("dynamic" as const),
    subnetName: subnet?.name ?? "",
    subnetID: podSubnetID,
    subnetAddressSpace: subnet?.properties.addressPrefix ?? "",
    nodeIP: node.status.addresses.find((address) => address.type === "InternalIP")?.address ?? "",
    ipAssignments: addresses.map((ip) => ({ name: uuidOf(`${id}/${ip}`), ip })),
  };
}

function nodeNetworkConfig(
  cluster: ManagedCluster,
  node: Node,
  requestedIPCount: number,
  networkContainers: readonly NetworkContainer[],
): NodeNetworkConfig {
  const config: NodeNetworkConfig = {
    apiVersion: "acn.azure.com/v1alpha",
    kind: "NodeNetworkConfig",
    metadata: { name: node.metadata.name, namespace: nodeNetworkNamespace },
    spec: { requestedIPCount },
    status: {
      assignedIPCount: networkContainers.reduce((sum, container) => sum + addressesOf(container).length, 0),
      networkContainers,
    },
  };
  return { ...config, metadata: { ...config.metadata, uid: uuidOf(keyOf(cluster, config)) } };
}

/**
 * Gives bound pods their addresses.
 *
 * kubenet, and the CNI plugins that are modelled for a cluster of one's own: host-local on each node's /24, round robin from the last one given, without network, gateway (.1) and broadcast: 253 of them
 * (CNI plugins, plugins/ipam/host-local). Azure CNI, node subnet: the lowest free secondary address of the node's interface (azure-vnet-ipam).
 * Pod subnet: the lowest free one of those that the node has taken of it (node-networks.ts).
 * Azure CNI Overlay: any of the 256 addresses of the node's /24, network and broadcast among them, since no Ethernet segment has the prefix
 * (Azure/azure-container-networking: cns/kubecontroller/nodenetworkconfig skips none); which one is chance there, and the lowest free here.
 * A pod with host networking has the node's address. When none is left the pod stays pending and an event says so, as kubelet does.
 */

import type { ManagedCluster } from "../arm/resources.ts";
import type { Node, NodeNetworkConfig, Pod } from "../kube/objects.ts";
import { formatIpv4, ipv4Number } from "../net/address.ts";
import { addressOf, parsePrefix, sizeOf } from "../net/prefix.ts";
import type { Resources } from "../resources/resources.ts";
import { syncWarnings, type Warning } from "./events.ts";
import { ipamState, ipamStateId, lastGiven } from "./ipam-state.ts";
import { keptAddresses } from "./leaked-addresses.ts";
import { perCluster } from "./memo.ts";
import { nodeNetworkNamespace, podAddressesOf } from "./node-networks.ts";
import { podIndex, podsOnNode } from "./pod-index.ts";
import { hostIPsOf, podIPsOf } from "./second-family.ts";
import { SubnetAddresses } from "./subnet-addresses.ts";
import { getArm, getKube, isByoCni, isKubenet, isOverlay, listKube, Writes } from "./view.ts";

const machineType = "Microsoft.Compute/virtualMachineScaleSets/virtualMachines";
const failedSandbox = "FailedCreatePodSandBox";

export const podAddresses = perCluster("pod-addresses", (resources, cluster) => {
  const writes = new Writes(resources);
  const index = podIndex(cluster, listKube(resources, cluster, "Pod"));
  const warnings: Warning[] = [];
  const pools = new Map<string, Pool>();
  const kept = keptAddresses(resources, cluster);
  for (const pod of index.unaddressed) {
    const { nodeName = "", hostNetwork } = pod.spec;
    const node = getKube(resources, cluster, "Node", undefined, nodeName);
    const hostIP = node?.status.addresses.find((address) => address.type === "InternalIP")?.address;
    if (node === undefined || hostIP === undefined) continue;
    let pool = pools.get(nodeName);
    if (pool === undefined && hostNetwork !== true) {
      const onNode = podsOnNode(index, nodeName);
      pool = poolOf(resources, cluster, node, new Used(onNode, kept));
      pools.set(nodeName, pool);
    }
    const podIP = hostNetwork === true ? hostIP : pool?.take();
    writes.putKube(cluster, withAddress(pod, node, hostIP, podIP));
    if (podIP === undefined) {
      const { namespace = "", name } = pod.metadata;
      warnings.push({
        reason: failedSandbox,
        message: `failed to set up the pod's network: no address left: ${pool?.describe()}`,
        involvedObject: { kind: "Pod", namespace, name },
      });
    }
  }
  for (const [node, pool] of pools) {
    if (pool.last !== undefined) writes.putArm(ipamState(cluster, podStateId(cluster, node), pool.last));
  }
  syncWarnings(resources, writes, cluster, [failedSandbox], warnings);
  return writes.list;
});

/** Addresses of one node, as they stand while pods are given some. */
type Pool = {
  readonly take: () => string | undefined;
  readonly describe: () => string;
  /** Where a round-robin allocator stands. */
  last?: string | undefined;
};

function poolOf(resources: Resources, cluster: ManagedCluster, node: Node, used: Used): Pool {
  if (isKubenet(cluster) || isByoCni(cluster)) return hostLocal(resources, cluster, node, used);
  if (isOverlay(cluster)) return ofPrefix(node, used);
  const config = getKube(resources, cluster, "NodeNetworkConfig", nodeNetworkNamespace, node.metadata.name);
  if (config !== undefined) return ofPodSubnet(resources, config, used);
  return secondaryAddresses(resources, node, used);
}

function withAddress(pod: Pod, node: Node, hostIP: string, podIP: string | undefined): Pod {
  const status = { ...pod.status, phase: pod.status?.phase ?? "Pending", hostIP } as const;
  if (podIP === undefined) return { ...pod, status };
  const podIPs = pod.spec.hostNetwork === true ? hostIPsOf(node) : podIPsOf(node, podIP);
  return { ...pod, status: { ...status, podIP, ...(podIPs === undefined ? {} : { podIPs }) } };
}

function hostLocal(resources: Resources, cluster: ManagedCluster, node: Node, used: Used): Pool {
  const prefix = parsePrefix(node.spec.podCIDR ?? "");
  const network = prefix === undefined ? undefined : ipv4Number(addressOf(prefix));
  if (prefix === undefined || network === undefined) {
    return { take: () => undefined, describe: () => `node ${node.metadata.name} has no pod prefix` };
  }
  // Of 256: not .0 (network), .1 (gateway), .255 (broadcast).
  const [first, count] = [network + 2, sizeOf(prefix) - 3];
  const last = ipv4Number(lastGiven(resources, podStateId(cluster, node.metadata.name)) ?? "");
  let next = last === undefined ? 0 : last + 1 - first;
  const isOwn = (address: string) => (ipv4Number(address) ?? 0) >= first && (ipv4Number(address) ?? 0) < first + count;
  const pool: Pool = {
    take() {
      for (let tries = 0; tries < count; tries++) {
        const offset = (next + tries) % count;
        const address = formatIpv4(first + offset);
        if (used.has(address)) continue;
        used.add(address);
        next = offset + 1;
        pool.last = address;
        return address;
      }
      return undefined;
    },
    describe: () =>
      `${count} of ${count} in use on node ${node.metadata.name} (${prefix}: 256 - network - gateway - broadcast)${used.leakedAmong(isOwn)}`,
  };
  return pool;
}

function secondaryAddresses(resources: Resources, node: Node, used: Used): Pool {
  const machine = getArm(resources, machineType, node.spec.providerID.slice("azure://".length));
  const nic = getArm(resources, `${machineType}/networkInterfaces`, machine?.properties.networkProfile.networkInterfaces[0]?.id ?? "");
  const configurations = nic?.properties.ipConfigurations ?? [];
  const addresses = configurations.flatMap(({ properties }) =>
    properties.primary || properties.privateIPAddressVersion === "IPv6" ? [] : [properties.privateIPAddress],
  );
  return lowestFree(
    addresses,
    used,
    () => `all ${addresses.length} secondary addresses that node ${node.metadata.name} reserved when it was made are in use`,
  );
}

function ofPrefix(node: Node, used: Used): Pool {
  const prefix = parsePrefix(node.spec.podCIDR ?? "");
  const network = prefix === undefined ? undefined : ipv4Number(addressOf(prefix));
  if (prefix === undefined || network === undefined) {
    return { take: () => undefined, describe: () => `node ${node.metadata.name} has no pod prefix` };
  }
  const addresses = Array.from({ length: sizeOf(prefix) }, (_, offset) => formatIpv4(network + offset));
  return lowestFree(addresses, used, () => `all ${addresses.length} addresses of ${prefix} on node ${node.metadata.name} are in use`);
}

function ofPodSubnet(resources: Resources, config: NodeNetworkConfig, used: Used): Pool {
  const { requestedIPCount } = config.spec;
  const addresses = podAddressesOf(config);
  return lowestFree(addresses, used, () => {
    const subnets = config.status.networkContainers.map(({ subnetID }) => new SubnetAddresses(resources).describe(subnetID));
    return `all ${addresses.length} addresses that node ${config.metadata.name} has of ${requestedIPCount} that it asks for are in use; ${subnets.join(", ")}`;
  });
}

function lowestFree(addresses: readonly string[], used: Used, describe: () => string): Pool {
  let next = 0;
  return {
    take() {
      while (next < addresses.length) {
        const address = addresses[next++];
        if (address !== undefined && !used.has(address)) return address;
      }
      return undefined;
    },
    describe: () => `${describe()}${used.leakedAmong((address) => addresses.includes(address))}`,
  };
}

/** Addresses that a node cannot give: its pods', and those that a fault keeps. */
class Used {
  readonly #pods: ReadonlySet<string>;
  readonly #kept: readonly string[];
  readonly #all: Set<string>;

  constructor(pods: readonly Pod[], kept: readonly string[]) {
    this.#pods = new Set(pods.flatMap((pod) => (pod.spec.hostNetwork === true ? [] : (pod.status?.podIP ?? []))));
    this.#kept = kept;
    this.#all = new Set([...this.#pods, ...kept]);
  }

  has(address: string): boolean {
    return this.#all.has(address);
  }

  add(address: string): void {
    this.#all.add(address);
  }

  /** ", 12 of them by pods that are gone (not given back)", or nothing. */
  leakedAmong(isOwn: (address: string) => boolean): string {
    const gone = this.#kept.filter((address) => isOwn(address) && !this.#pods.has(address)).length;
    return gone === 0 ? "" : `, ${gone} of them by pods that are gone and never gave them back`;
  }
}

/** Of the allocator of one node's prefix. */
export function podStateId(cluster: ManagedCluster, node: string): string {
  return ipamStateId(cluster, `pods-${node}`);
}

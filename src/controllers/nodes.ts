/**
 * Registers every machine that Azure could make as a Node, and with kubenet, Azure CNI Overlay and a plugin of one's own hands it its pod prefix as
 * kube-controller-manager does: the first free /24 of the pod CIDR after the last one given, starting again at its end
 * (k8s, pkg/controller/nodeipam/ipam/cidrset).
 */

import { hasPodCidr } from "../arm/network-option.ts";
import type { AgentPool, ManagedCluster, ScaleSetMachine } from "../arm/resources.ts";
import { virtualNodeName } from "../arm/virtual-node.ts";
import { cniConfigMap, cniNamespace, readCniConfig } from "../kube/cni-config.ts";
import { uuidOf } from "../kube/identity.ts";
import type { Condition, Labels, Node, Taint } from "../kube/objects.ts";
import { formatIpv4, ipv4Number } from "../net/address.ts";
import { addressOf, lengthOf, parsePrefix } from "../net/prefix.ts";
import { armKey, type Resources } from "../resources/resources.ts";
import { syncWarnings, type Warning } from "./events.ts";
import { ipamState, ipamStateId, lastGiven } from "./ipam-state.ts";
import { ipv6Configuration } from "./ipv6-addresses.ts";
import { perCluster } from "./memo.ts";
import { stoppedMachines, withHealth } from "./node-lifecycle.ts";
import { nodeNetworkNamespace } from "./node-networks.ts";
import { instanceOf } from "./node-pools.ts";
import { podStateId } from "./pod-addresses.ts";
import { podCidrsOf } from "./second-family.ts";
import { getArm, getKube, isByoCni, isKubenet, isOverlay, keyOf, listArm, listKube, poolsOf, Writes } from "./view.ts";

/** Node IPAM's mask for IPv4 (cloud-provider-azure's flags; AKS docs, configure-kubenet.md). */
const nodeMask = 24;
const cidrNotAvailable = "CIDRNotAvailable";

/** Of nodes that are set up for Azure CNI Overlay. */
export const overlayLabel = { key: "kubernetes.azure.com/podnetwork-type", value: "overlay" } as const;
export const networkUnavailableTaint: Taint = { key: "node.kubernetes.io/network-unavailable", effect: "NoSchedule" };
export const noRouteCreated: Condition = {
  type: "NetworkUnavailable",
  status: "True",
  reason: "NoRouteCreated",
  message: "RouteController failed to create a route",
};
const ready: Condition = { type: "Ready", status: "True", reason: "KubeletReady", message: "kubelet is posting ready status" };
/**
 * Until the node has its prefix of the overlay, its first addresses of a pod subnet, or the configuration of a plugin of one's own
 * (AKS docs: concepts-network-azure-cni-overlay.md, use-byo-cni.md).
 */
const withoutAddresses: Condition = {
  type: "Ready",
  status: "False",
  reason: "KubeletNotReady",
  message:
    "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized",
};

export const nodes = perCluster("nodes", (resources, cluster) => {
  const writes = new Writes(resources);
  // The virtual node is no machine: its add-on makes it.
  const wanted = new Set<string>(cluster.properties.addonProfiles?.aciConnectorLinux?.enabled === true ? [virtualNodeName] : []);
  const registered: { readonly pool: AgentPool; readonly machine: ScaleSetMachine }[] = [];
  const machines = listArm(resources, "Microsoft.Compute/virtualMachineScaleSets/virtualMachines");
  for (const pool of poolsOf(resources, cluster)) {
    const ofPool = machines.filter((machine) => armKey(machine.properties.agentPool.id) === armKey(pool.id));
    for (const machine of ofPool.sort((a, b) => instanceOf(a) - instanceOf(b))) {
      if (machine.properties.provisioningState !== "Succeeded") continue;
      registered.push({ pool, machine });
      wanted.add(machine.properties.osProfile.computerName);
    }
  }
  const existing = listKube(resources, cluster, "Node");
  for (const node of existing) {
    if (wanted.has(node.metadata.name)) continue;
    writes.deleteKube(cluster, node);
    // A node's name is never used again, so neither is its allocator.
    writes.deleteArm(podStateId(cluster, node.metadata.name));
  }

  const prefixes = hasPodCidr(cluster.properties.networkProfile)
    ? new NodePrefixes(
        resources,
        cluster,
        existing.filter((node) => wanted.has(node.metadata.name)),
      )
    : undefined;
  const warnings: Warning[] = [];
  const stopped = stoppedMachines(resources);
  for (const { pool, machine } of registered) {
    const name = machine.properties.osProfile.computerName;
    const before = getKube(resources, cluster, "Node", undefined, name);
    const podCIDR = before?.spec.podCIDR ?? prefixes?.take();
    if (prefixes !== undefined && podCIDR === undefined) {
      const message = `pod CIDR ${cluster.properties.networkProfile.podCidr} has room for ${prefixes.count} nodes (one /${nodeMask} each), and all are given out`;
      warnings.push({ reason: cidrNotAvailable, message, involvedObject: { kind: "Node", name } });
    }
    const node = nodeOf(resources, cluster, pool, machine, podCIDR, before);
    if (node !== undefined) writes.putKube(cluster, withHealth(node, ready, stopped.has(armKey(machine.id))));
  }
  if (prefixes?.last !== undefined) {
    writes.putArm(ipamState(cluster, ipamStateId(cluster, "node-cidrs"), prefixes.last));
  }
  syncWarnings(resources, writes, cluster, [cidrNotAvailable], warnings);
  return writes.list;
});

/** What the labels of a pool's nodes have in common. */
export function poolLabels(cluster: ManagedCluster, pool: AgentPool): Labels {
  return {
    "kubernetes.io/os": pool.properties.osType.toLowerCase(),
    "kubernetes.io/arch": "amd64",
    agentpool: pool.name,
    "kubernetes.azure.com/agentpool": pool.name,
    "kubernetes.azure.com/cluster": cluster.properties.nodeResourceGroup,
    "kubernetes.azure.com/mode": pool.properties.mode.toLowerCase(),
    "topology.kubernetes.io/region": cluster.location ?? "",
    ...pool.properties.nodeLabels,
  };
}

/** Those that a pool's nodes are made with, for as long as they live. */
export function poolTaints(pool: AgentPool): readonly Taint[] {
  return (pool.properties.nodeTaints ?? []).flatMap((text) => parseTaint(text) ?? []);
}

/** What others decide about a node (its network, whether it may be scheduled on, labels and taints of the user) stays as it is. */
function nodeOf(
  resources: Resources,
  cluster: ManagedCluster,
  pool: AgentPool,
  machine: ScaleSetMachine,
  podCIDR: string | undefined,
  before: Node | undefined,
): Node | undefined {
  const nic = getArm(
    resources,
    "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/networkInterfaces",
    machine.properties.networkProfile.networkInterfaces[0]?.id ?? "",
  );
  const address = nic?.properties.ipConfigurations.find((configuration) => configuration.properties.primary)?.properties.privateIPAddress;
  if (address === undefined) return undefined;
  const ipv6Address = nic === undefined ? undefined : ipv6Configuration(nic)?.properties.privateIPAddress;
  const podCIDRs = podCidrsOf(cluster, podCIDR);
  const name = machine.properties.osProfile.computerName;
  const labels = {
    ...(before === undefined && isOverlay(cluster) ? { [overlayLabel.key]: overlayLabel.value } : {}),
    ...before?.metadata.labels,
    "kubernetes.io/hostname": name,
    ...poolLabels(cluster, pool),
  };
  const initialTaints = () => [...poolTaints(pool), ...(isKubenet(cluster) ? [networkUnavailableTaint] : [])];
  const hasNetwork = () => {
    if (isByoCni(cluster)) return hasCniConfig(resources, cluster);
    if (isOverlay(cluster)) return podCIDR !== undefined;
    const config = getKube(resources, cluster, "NodeNetworkConfig", nodeNetworkNamespace, name);
    return config !== undefined && config.status.assignedIPCount > 0;
  };
  const taints = before === undefined ? initialTaints() : (before.spec.taints ?? []);
  const node: Node = {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name, labels, ...(before?.metadata.annotations === undefined ? {} : { annotations: before.metadata.annotations }) },
    spec: {
      ...(podCIDR === undefined ? {} : { podCIDR }),
      ...(podCIDRs === undefined ? {} : { podCIDRs }),
      providerID: `azure://${machine.id}`,
      ...(taints.length === 0 ? {} : { taints }),
      ...(before?.spec.unschedulable === undefined ? {} : { unschedulable: before.spec.unschedulable }),
    },
    status: {
      addresses: [
        { type: "InternalIP", address },
        ...(ipv6Address === undefined ? [] : [{ type: "InternalIP" as const, address: ipv6Address }]),
        { type: "Hostname", address: name },
      ],
      capacity: { pods: String(pool.properties.maxPods) },
      conditions: waitsForNetwork(cluster, pool)
        ? [hasNetwork() ? ready : withoutAddresses]
        : (before?.status.conditions ?? (isKubenet(cluster) ? [ready, noRouteCreated] : [ready])),
    },
  };
  return { ...node, metadata: { ...node.metadata, uid: uuidOf(keyOf(cluster, node)) } };
}

/** Is a node ready only once azure-cns has addresses from Azure, or somebody has installed a plugin? */
function waitsForNetwork(cluster: ManagedCluster, pool: AgentPool): boolean {
  return isByoCni(cluster) || isOverlay(cluster) || pool.properties.podSubnetID !== undefined;
}

function hasCniConfig(resources: Resources, cluster: ManagedCluster): boolean {
  const map = getKube(resources, cluster, "ConfigMap", cniNamespace, cniConfigMap);
  return map !== undefined && readCniConfig(map).config !== undefined;
}

/** `key=value:Effect` or `key:Effect`, as `az aks nodepool add --node-taints` takes them. */
function parseTaint(text: string): Taint | undefined {
  const match = /^([^=:]+)(?:=([^:]*))?:(NoSchedule|PreferNoSchedule|NoExecute)$/.exec(text);
  const [, key, value, effect] = match ?? [];
  if (key === undefined || (effect !== "NoSchedule" && effect !== "PreferNoSchedule" && effect !== "NoExecute")) return undefined;
  return { key, ...(value === undefined ? {} : { value }), effect };
}

/** The /24s of the pod CIDR. */
class NodePrefixes {
  /** How many there are. */
  readonly count: number;
  /** The one given out last. */
  last: string | undefined;
  readonly #network: number;
  readonly #used = new Set<number>();
  #next: number;

  constructor(resources: Resources, cluster: ManagedCluster, existing: readonly Node[]) {
    const podCidr = parsePrefix(cluster.properties.networkProfile.podCidr ?? "");
    const network = podCidr === undefined ? undefined : ipv4Number(addressOf(podCidr));
    this.#network = network ?? 0;
    this.count = podCidr === undefined || network === undefined ? 0 : Math.floor(2 ** (nodeMask - lengthOf(podCidr)));
    for (const node of existing) if (node.spec.podCIDR !== undefined) this.#used.add(this.#indexOf(node.spec.podCIDR));
    this.last = lastGiven(resources, ipamStateId(cluster, "node-cidrs"));
    // A cluster that moved to an overlay may have another range than before.
    const last = this.last === undefined ? -1 : this.#indexOf(this.last);
    this.#next = last >= 0 && last < this.count ? last + 1 : 0;
  }

  take(): string | undefined {
    for (let tries = 0; tries < this.count; tries++) {
      const index = (this.#next + tries) % this.count;
      if (this.#used.has(index)) continue;
      this.#used.add(index);
      this.#next = index + 1;
      this.last = `${formatIpv4(this.#network + index * 2 ** (32 - nodeMask))}/${nodeMask}`;
      return this.last;
    }
    return undefined;
  }

  #indexOf(prefix: string): number {
    const address = ipv4Number(prefix.slice(0, prefix.indexOf("/"))) ?? this.#network;
    return (address - this.#network) / 2 ** (32 - nodeMask);
  }
}

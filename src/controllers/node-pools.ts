/**
 * Makes the machines of every agent pool: a scale set, its instances, and their network interfaces with all the addresses that a node needs.
 *
 * Azure CNI with node subnet reserves a pod's address when the node is made (AKS docs, concepts-network-legacy-cni.md): 1 + maxPods at once, or
 * none, and then the machine is Failed while everything else goes on. It is tried again when addresses come free.
 */

import { nodeAddresses } from "../arm/addresses.ts";
import { isDualStack } from "../arm/dual-stack.ts";
import { armId, clusterDigits, clusterTag, lastSegment, nodeName, scaleSetName } from "../arm/names.ts";
import type { AgentPool, ManagedCluster, NetworkInterface, ScaleSetMachine } from "../arm/resources.ts";
import { armKey, type Key, type Resources } from "../resources/resources.ts";
import { syncWarnings, type Warning } from "./events.ts";
import { ipamState, ipamStateId, lastGiven } from "./ipam-state.ts";
import { Ipv6Addresses } from "./ipv6-addresses.ts";
import { remembering } from "./memo.ts";
import { nodeSecurityGroupId } from "./security-groups.ts";
import { SubnetAddresses } from "./subnet-addresses.ts";
import { clusterTags, getArm, isKubenet, listArm, poolsOf, Writes } from "./view.ts";

const machineType = "Microsoft.Compute/virtualMachineScaleSets/virtualMachines";
const nicType = "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/networkInterfaces";
const poolTag = "aks-managed-poolName";
const subnetIsFull = "SubnetIsFull";

export const nodePools = remembering("node-pools", (resources) => {
  const writes = new Writes(resources);
  const free = lazily(() => new SubnetAddresses(resources));
  const ipv6 = lazily(() => new Ipv6Addresses(resources));
  const machinesByPool = groupByPool(listArm(resources, machineType));
  const clusters = listArm(resources, "Microsoft.ContainerService/managedClusters");
  const pools = clusters.flatMap((cluster) => poolsOf(resources, cluster).map((pool) => ({ cluster, pool })));

  // Everything that goes, goes first: its addresses can be given out again at once.
  const present = new Set(pools.map(({ pool }) => armKey(pool.id)));
  for (const [pool, machines] of machinesByPool) {
    if (!present.has(pool)) for (const machine of machines) remove(resources, writes, free, machine);
  }
  const scaleSets = new Set(pools.map(({ cluster, pool }) => armKey(scaleSetId(cluster, pool))));
  for (const scaleSet of listArm(resources, "Microsoft.Compute/virtualMachineScaleSets")) {
    if (scaleSets.has(armKey(scaleSet.id))) continue;
    writes.deleteArm(scaleSet.id);
    const cluster = clusters.find((candidate) => candidate.name === scaleSet.tags?.[clusterTag]);
    const pool = scaleSet.tags?.[poolTag];
    if (cluster !== undefined && pool !== undefined) writes.deleteArm(instancesId(cluster, pool));
  }
  for (const { pool } of pools) {
    const machines = machinesByPool.get(armKey(pool.id)) ?? [];
    for (const machine of machines.slice(pool.properties.count)) remove(resources, writes, free, machine);
  }

  for (const cluster of clusters) {
    const warnings: Warning[] = [];
    for (const owner of pools) {
      if (owner.cluster !== cluster) continue;
      const machines = machinesByPool.get(armKey(owner.pool.id)) ?? [];
      reconcilePool({ resources, writes, free, ipv6, warnings, ...owner }, machines.slice(0, owner.pool.properties.count));
    }
    syncWarnings(resources, writes, cluster, [subnetIsFull], warnings);
  }
  return writes.list;
});

/** A scale set's instance: its number within the set. */
export function instanceOf(machine: ScaleSetMachine): number {
  return Number(lastSegment(machine.id));
}

type Context = {
  readonly resources: Resources;
  readonly writes: Writes;
  readonly free: () => SubnetAddresses;
  readonly ipv6: () => Ipv6Addresses;
  readonly warnings: Warning[];
  readonly cluster: ManagedCluster;
  readonly pool: AgentPool;
};

function reconcilePool(context: Context, machines: readonly ScaleSetMachine[]): void {
  const { resources, writes, cluster, pool } = context;
  const id = scaleSetId(cluster, pool);
  const name = lastSegment(id);
  const { count } = pool.properties;
  writes.putArm({
    id,
    name,
    type: "Microsoft.Compute/virtualMachineScaleSets",
    location: cluster.location ?? "",
    tags: { ...clusterTags(cluster), [poolTag]: pool.name },
    properties: { sku: { capacity: count } },
  });
  for (const machine of machines) ensureMachine(context, id, instanceOf(machine), machine);

  // A scale set never uses an instance number twice.
  const stateId = instancesId(cluster, pool.name);
  const highest = machines.at(-1);
  let last = Math.max(Number(lastGiven(resources, stateId) ?? -1), highest === undefined ? -1 : instanceOf(highest));
  for (let missing = count - machines.length; missing > 0; missing--) ensureMachine(context, id, ++last, undefined);
  if (last >= 0) writes.putArm(ipamState(cluster, stateId, String(last)));
}

function ensureMachine(context: Context, scaleSet: string, instance: number, existing: ScaleSetMachine | undefined): void {
  const { resources, writes, cluster, pool } = context;
  const reference = existing?.properties.networkProfile.networkInterfaces[0];
  const known = reference === undefined ? undefined : getArm(resources, nicType, reference.id);
  if (known !== undefined) {
    const networkSecurityGroup = { id: nodeSecurityGroupId(cluster) };
    if (known.properties.networkSecurityGroup === undefined) {
      writes.putArm({ ...known, properties: { ...known.properties, networkSecurityGroup } });
    }
    return;
  }

  const setName = lastSegment(scaleSet);
  const id = `${scaleSet}/virtualMachines/${instance}`;
  const computerName = nodeName(setName, instance);
  const { maxPods, vnetSubnetID } = pool.properties;
  const needed = nodeAddresses(cluster.properties.networkProfile, pool);
  const addresses = context.free().take(vnetSubnetID, needed);
  const machine = {
    id,
    name: `${setName}_${instance}`,
    type: machineType,
    location: cluster.location ?? "",
    tags: clusterTags(cluster),
  } as const;
  const properties = { osProfile: { computerName }, agentPool: { id: pool.id } };
  if (addresses === undefined) {
    const need = needed === 1 ? "1 address" : `${needed} addresses (1 for the node + ${maxPods} for its pods)`;
    const statusMessage = `${computerName} needs ${need}, ${context.free().describe(vnetSubnetID)}`;
    const failed = {
      provisioningState: "Failed",
      statusCode: subnetIsFull,
      statusMessage,
      networkProfile: { networkInterfaces: [] },
    } as const;
    writes.putArm({ ...machine, properties: { ...properties, ...failed } });
    context.warnings.push({ reason: subnetIsFull, message: statusMessage, involvedObject: { kind: "Node", name: computerName } });
    return;
  }
  const ipv6Address = isDualStack(cluster) ? context.ipv6().take(vnetSubnetID) : undefined;
  const nic = nicOf(context, `${id}/networkInterfaces/${setName}`, id, addresses, ipv6Address);
  writes.putArm(nic);
  writes.putArm({
    ...machine,
    properties: { ...properties, provisioningState: "Succeeded", networkProfile: { networkInterfaces: [{ id: nic.id }] } },
  });
}

function nicOf(
  { cluster, pool }: Context,
  id: string,
  machine: string,
  addresses: readonly string[],
  ipv6Address: string | undefined,
): NetworkInterface {
  const subnet = { id: pool.properties.vnetSubnetID };
  const six = `ipconfig${addresses.length + 1}`;
  return {
    id,
    name: lastSegment(id),
    type: nicType,
    location: cluster.location ?? "",
    tags: clusterTags(cluster),
    properties: {
      // kubenet's pods are no addresses of the interface: without forwarding Azure would drop what they send and get.
      enableIPForwarding: isKubenet(cluster),
      virtualMachine: { id: machine },
      networkSecurityGroup: { id: nodeSecurityGroupId(cluster) },
      ipConfigurations: [
        ...addresses.map((privateIPAddress, index) => {
          const name = `ipconfig${index + 1}`;
          return { id: `${id}/ipConfigurations/${name}`, name, properties: { primary: index === 0, privateIPAddress, subnet } };
        }),
        ...(ipv6Address === undefined
          ? []
          : [
              {
                id: `${id}/ipConfigurations/${six}`,
                name: six,
                properties: { primary: false, privateIPAddress: ipv6Address, privateIPAddressVersion: "IPv6" as const, subnet },
              },
            ]),
      ],
    },
  };
}

function remove(resources: Resources, writes: Writes, free: () => SubnetAddresses, machine: ScaleSetMachine): void {
  writes.deleteArm(machine.id);
  for (const { id } of machine.properties.networkProfile.networkInterfaces) {
    const nic = getArm(resources, nicType, id);
    for (const { properties } of nic?.properties.ipConfigurations ?? []) {
      free().release(properties.subnet.id, properties.privateIPAddress);
    }
    writes.deleteArm(id);
  }
}

function instancesId(cluster: ManagedCluster, pool: string): string {
  return ipamStateId(cluster, `instances-${pool}`);
}

function scaleSetId(cluster: ManagedCluster, pool: AgentPool): string {
  const name = scaleSetName(pool.name, clusterDigits(cluster.properties.dnsPrefix), pool.properties.osType);
  return armId(cluster.properties.nodeResourceGroup, "Microsoft.Compute/virtualMachineScaleSets", name);
}

/** By the key of the pool; in the order of their numbers. */
function groupByPool(machines: readonly ScaleSetMachine[]): Map<Key, ScaleSetMachine[]> {
  const groups = new Map<Key, ScaleSetMachine[]>();
  for (const machine of machines) {
    const pool = armKey(machine.properties.agentPool.id);
    const group = groups.get(pool);
    if (group === undefined) groups.set(pool, [machine]);
    else group.push(machine);
  }
  for (const group of groups.values()) group.sort((a, b) => instanceOf(a) - instanceOf(b));
  return groups;
}

function lazily<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

/** A topology with other route tables: everything that a subnet is in is made anew around the same resources, and nothing is read again. */

import type { RouteTable } from "../arm/resources.ts";
import { armKey, type Key } from "../resources/resources.ts";
import type { NicInfo, SubnetInfo, Topology, VnetInfo } from "./topology.ts";

/** For a topology without faults. `tables`: all of them, by key. */
export function withRouteTables(topology: Topology, tables: ReadonlyMap<Key, RouteTable>): Topology {
  const subnetOf = same((subnet: SubnetInfo): SubnetInfo => {
    const reference = subnet.resource.properties.routeTable;
    const routeTable = reference === undefined ? undefined : tables.get(armKey(reference.id));
    return routeTable === subnet.routeTable ? subnet : { ...subnet, routeTable };
  });
  const nicOf = same((nic: NicInfo): NicInfo => {
    const subnet = subnetOf(nic.subnet);
    const pods = nic.pods === undefined ? undefined : { ...nic.pods, subnet: subnetOf(nic.pods.subnet) };
    return subnet === nic.subnet && pods?.subnet === nic.pods?.subnet ? nic : { ...nic, subnet, pods };
  });
  const withNic = <T extends { readonly nic: NicInfo }>(one: T): T => {
    const nic = nicOf(one.nic);
    return nic === one.nic ? one : { ...one, nic };
  };
  const vnets = new Map(topology.vnets.map((vnet) => [vnet, vnetWith(vnet, subnetOf, nicOf, withNic)]));
  const vnetOf = (vnet: VnetInfo) => vnets.get(vnet) ?? vnet;
  for (const vnet of vnets.values())
    for (const [index, one] of vnet.peerings.entries()) vnet.peerings[index] = { ...one, remote: vnetOf(one.remote) };
  const clusters = [...topology.clusters].map(([name, cluster]) => {
    const nodes = new Map([...cluster.nodes].map(([node, info]) => [node, withNic(info)]));
    return [name, { ...cluster, vnet: vnetOf(cluster.vnet), nodes, virtualPods: cluster.virtualPods.map(withNic) }] as const;
  });
  return {
    ...topology,
    vnets: [...vnets.values()],
    clusters: new Map(clusters),
    machines: topology.machines.map(withNic),
    privateEndpoints: topology.privateEndpoints.map(withNic),
  };
}

/** Its peerings lead to VNets as they were: those are known when all are made. */
function vnetWith(
  vnet: VnetInfo,
  subnetOf: (subnet: SubnetInfo) => SubnetInfo,
  nicOf: (nic: NicInfo) => NicInfo,
  withNic: <T extends { readonly nic: NicInfo }>(one: T) => T,
) {
  return {
    ...vnet,
    subnets: vnet.subnets.map(subnetOf),
    nics: vnet.nics.map(nicOf),
    privateEndpoints: vnet.privateEndpoints.map(nicOf),
    gatewaySubnet: vnet.gatewaySubnet === undefined ? undefined : subnetOf(vnet.gatewaySubnet),
    overlays: vnet.overlays.map((overlay) => ({ ...overlay, nodes: overlay.nodes.map(withNic) })),
    peerings: [...vnet.peerings],
  };
}

/** The same result for the same object: who compares by identity finds one subnet, one interface. */
function same<T extends object>(make: (one: T) => T): (one: T) => T {
  const made = new Map<T, T>();
  return (one) => {
    const known = made.get(one) ?? make(one);
    made.set(one, known);
    return known;
  };
}

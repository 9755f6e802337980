/**
 * The NAT gateway that AKS makes for a cluster of outbound type managedNATGateway, on the subnet that it made for the cluster (AKS docs,
 * nat-gateway.md). The name is the lab's: the documents do not tell AKS's.
 */

import { armId, segmentAfter } from "../arm/names.ts";
import type { ManagedCluster, NatGateway, PublicIPAddress } from "../arm/resources.ts";
import { armKey, type Resources } from "../resources/resources.ts";
import { clusterTags, listArm, type Writes } from "./view.ts";

/** `addressOf`: the `index`-th of the gateway's public addresses, as it is or a new one. */
export function managedNatGateway(
  cluster: ManagedCluster,
  addressOf: (index: number) => PublicIPAddress | undefined,
): { readonly gateway: NatGateway; readonly addresses: readonly PublicIPAddress[] } | undefined {
  const { outboundType, natGatewayProfile } = cluster.properties.networkProfile;
  if (outboundType !== "managedNATGateway" || natGatewayProfile === undefined) return undefined;
  const { count } = natGatewayProfile.managedOutboundIPProfile;
  const addresses = Array.from({ length: count }, (_, index) => addressOf(index)).flatMap((address) => address ?? []);
  const name = `${cluster.name}-nat-gateway`;
  return {
    addresses,
    gateway: {
      id: armId(cluster.properties.nodeResourceGroup, "Microsoft.Network/natGateways", name),
      name,
      type: "Microsoft.Network/natGateways",
      ...(cluster.location === undefined ? {} : { location: cluster.location }),
      tags: clusterTags(cluster),
      properties: {
        publicIpAddresses: addresses.map(({ id }) => ({ id })),
        publicIpPrefixes: [],
        idleTimeoutInMinutes: natGatewayProfile.idleTimeoutInMinutes,
      },
    },
  };
}

/** The subnets that AKS made for the cluster leave by the gateway, or by none. */
export function attachNatGateway(resources: Resources, writes: Writes, cluster: ManagedCluster, gateway: NatGateway | undefined): void {
  const group = cluster.properties.nodeResourceGroup.toLowerCase();
  for (const subnet of listArm(resources, "Microsoft.Network/virtualNetworks/subnets")) {
    if (segmentAfter(subnet.id, "resourceGroups").toLowerCase() !== group) continue;
    const before = subnet.properties.natGateway;
    if (armKey(before?.id ?? "") === armKey(gateway?.id ?? "")) continue;
    const { natGateway: _before, ...properties } = subnet.properties;
    writes.putArm({ ...subnet, properties: { ...properties, ...(gateway === undefined ? {} : { natGateway: { id: gateway.id } }) } });
  }
}

/**
 * What two peered VNets have to do with each other, beside the link between their fabrics: whose gateway serves whom, and which appliances of
 * one VNet the route tables of the other lead to. Azure docs: virtual-network-peering-overview.
 */

import { interfaceName } from "../ir/names.ts";
import type { InterfaceName } from "../ir/network.ts";
import { type Prefix, prefixContains } from "../net/prefix.ts";
import { type Appliance, applianceAt, namedHops } from "./appliances.ts";
import type { PeeringInfo, SiteInfo, VnetInfo } from "./topology.ts";

/** May machines of the two VNets talk? Either side can say no. */
export function isOpen({ resource, reverse }: PeeringInfo): boolean {
  return resource.properties.allowVirtualNetworkAccess && reverse.properties.allowVirtualNetworkAccess;
}

/** The sites that a VNet reaches by a gateway: its own, or by gateway transit that of a peered VNet. */
export function sitesInReach(vnet: VnetInfo): readonly { readonly site: SiteInfo; readonly peering?: PeeringInfo }[] {
  return [
    ...vnet.sites.map((site) => ({ site })),
    ...vnet.peerings.filter(usesRemoteGateway).flatMap((peering) => peering.remote.sites.map((site) => ({ site, peering }))),
  ];
}

/** What a VNet's gateway announces to its sites: the VNet's own space, and that of the peered VNets that use the gateway. */
export function announcedBy(vnet: VnetInfo): readonly { readonly prefix: Prefix; readonly vnet: VnetInfo }[] {
  const served = vnet.peerings.filter(({ resource, reverse }) => usesRemoteGateway({ resource: reverse, reverse: resource }));
  return [vnet, ...served.map(({ remote }) => remote)].flatMap((one) => one.prefixes.map((prefix) => ({ prefix, vnet: one })));
}

/** Does the VNet that has this side use the gateway of the other? Both must say so. */
export function usesRemoteGateway({ resource, reverse }: Pick<PeeringInfo, "resource" | "reverse">): boolean {
  return resource.properties.useRemoteGateways && reverse.properties.allowGatewayTransit;
}

/** An appliance in a peered VNet that user-defined routes of this VNet name as next hop, and the link that leads to it alone. */
export type RemoteAppliance = {
  readonly peering: PeeringInfo;
  readonly appliance: Appliance;
  /** This fabric's end of the link. */
  readonly fabricInterface: InterfaceName;
  /** The remote fabric's end. */
  readonly remoteInterface: InterfaceName;
};

const known = new WeakMap<VnetInfo, readonly RemoteAppliance[]>();

/** Those that this VNet's routes lead to, by link. */
export function remoteAppliances(vnet: VnetInfo): readonly RemoteAppliance[] {
  let found = known.get(vnet);
  if (found === undefined) {
    found = vnet.peerings.length === 0 ? [] : findAppliances(vnet);
    known.set(vnet, found);
  }
  return found;
}

/** Links by which peered VNets send to appliances of this one. */
export function appliancesForPeers(vnet: VnetInfo): readonly RemoteAppliance[] {
  return vnet.peerings.flatMap(({ remote }) => remoteAppliances(remote).filter((appliance) => appliance.peering.remote === vnet));
}

function findAppliances(vnet: VnetInfo): readonly RemoteAppliance[] {
  const found = new Map<InterfaceName, RemoteAppliance>();
  for (const address of namedHops(vnet)) {
    const peering = vnet.peerings.find(({ remote }) => remote.prefixes.some((prefix) => prefixContains(prefix, address)));
    const appliance = peering === undefined ? undefined : applianceAt(peering.remote, address);
    if (peering === undefined || appliance === undefined || !isOpen(peering)) continue;
    const fabricInterface = interfaceName(appliance.name, `${peering.resource.id} ${appliance.key}`);
    const remoteInterface = interfaceName(appliance.name, `${peering.reverse.id} ${appliance.key}`);
    found.set(fabricInterface, { peering, appliance, fabricInterface, remoteInterface });
  }
  return [...found.values()].sort((a, b) => (a.fabricInterface < b.fabricInterface ? -1 : 1));
}

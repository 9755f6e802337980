/**
 * Private endpoints: a service's network interface in a subnet. The VNet and its peers have a /32 route to each, which is longer than what a route table
 * says about the subnet. Its answers take system routes only, and no security group judges them: network policies for private endpoints are off,
 * as by default. Azure docs: private-endpoint-overview, disable-private-endpoint-network-policy.
 */

import { hostPrefix } from "../../net/prefix.ts";
import { isOpen } from "../peerings.ts";
import type { PeeringInfo, VnetInfo } from "../topology.ts";
import type { EffectiveRoute } from "./effective-routes.ts";

export const privateEndpointDocs = "Azure docs: private-endpoint-overview";

export function privateEndpointRoutes(vnet: VnetInfo): EffectiveRoute[] {
  const near: readonly { readonly owner: VnetInfo; readonly peering?: PeeringInfo }[] = [
    { owner: vnet },
    ...vnet.peerings.filter(isOpen).map((peering) => ({ owner: peering.remote, peering })),
  ];
  return near.flatMap(({ owner, peering }) =>
    owner.privateEndpoints.map((nic) => ({
      source: "Default",
      state: "Active",
      prefix: hostPrefix(nic.primary),
      nextHopType: "InterfaceEndpoint",
      ...(peering === undefined ? {} : { peering }),
      origin: {
        resource: nic.resource.id,
        reason: `system route: ${nic.primary} is private endpoint ${nic.machine} in VNet ${owner.name}`,
        source: privateEndpointDocs,
      },
    })),
  );
}

/**
 * The routes that a subnet's network interfaces really use: system routes, gateway routes and the subnet's route table, merged by Azure's
 * precedence. Docs: virtual-networks-udr-overview.
 *
 * 1. Longest prefix wins. 2. For the same prefix: user-defined, then gateway (BGP), then system.
 * 3. A system route for the VNet's own space wins over gateway routes inside that space, however long their prefix.
 */

import type { NextHopType } from "../../arm/resources.ts";
import type { Origin } from "../../ir/network.ts";
import { type Address, parseAddress } from "../../net/address.ts";
import { comparePrefixes, mustPrefix, type Prefix, parsePrefix, prefixCovers } from "../../net/prefix.ts";
import type { SiteInfo, SubnetInfo, VnetInfo } from "../topology.ts";

/** As `az network nic show-effective-route-table` names things. */
export type EffectiveRoute = {
  readonly name?: string;
  readonly source: "Default" | "User" | "VirtualNetworkGateway";
  /** Invalid: a route with precedence has the same prefix. */
  readonly state: "Active" | "Invalid";
  readonly prefix: Prefix;
  readonly nextHopType: NextHopType;
  readonly nextHopIpAddress?: Address;
  /** Of a gateway route: where it leads. */
  readonly site?: SiteInfo;
  readonly origin: Origin;
};

const source = "Azure docs: virtual-networks-udr-overview";

/** Azure's defaults for private space that no VNet of its own uses. */
const unusedSpace = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"].map(mustPrefix);

/** Sorted by prefix, active before invalid. */
export function effectiveRoutes(vnet: VnetInfo, subnet: SubnetInfo): readonly EffectiveRoute[] {
  const candidates = [...userRoutes(subnet), ...gatewayRoutes(vnet, subnet), ...systemRoutes(vnet)];
  const taken = new Set<Prefix>();
  const routes = candidates.map((route): EffectiveRoute => {
    if (taken.has(route.prefix)) return { ...route, state: "Invalid" };
    taken.add(route.prefix);
    return route;
  });
  return routes.sort((a, b) => comparePrefixes(a.prefix, b.prefix) || a.state.localeCompare(b.state));
}

function systemRoutes(vnet: VnetInfo): EffectiveRoute[] {
  const route = (prefix: Prefix, nextHopType: NextHopType, reason: string): EffectiveRoute => ({
    source: "Default",
    state: "Active",
    prefix,
    nextHopType,
    origin: { resource: vnet.resource.id, reason, source },
  });
  const own = vnet.prefixes.map((prefix) =>
    route(prefix, "VnetLocal", `system route: ${prefix} is the address space of VNet ${vnet.name}`),
  );
  return [
    ...own,
    route(mustPrefix("0.0.0.0/0"), "Internet", "system route: everything else goes to the Internet"),
    ...unusedSpace
      .filter((prefix) => !vnet.prefixes.includes(prefix))
      .map((prefix) => route(prefix, "None", `system route: Azure drops private space ${prefix} that the VNet does not use`)),
  ];
}

/** Prefixes learnt from connected sites. None for a subnet whose table turns propagation off. */
function gatewayRoutes(vnet: VnetInfo, subnet: SubnetInfo | undefined): EffectiveRoute[] {
  if (subnet?.routeTable?.properties.disableBgpRoutePropagation === true) return [];
  return vnet.sites.flatMap((site) =>
    site.prefixes
      .filter((prefix) => !vnet.prefixes.some((own) => prefixCovers(own, prefix)))
      .map((prefix) => ({
        source: "VirtualNetworkGateway" as const,
        state: "Active" as const,
        prefix,
        nextHopType: "VirtualNetworkGateway" as const,
        site,
        origin: {
          resource: site.resource.properties.localNetworkGateway.id,
          reason: `gateway route: ${prefix} is on-premises at ${site.resource.name}`,
          source,
        },
      })),
  );
}

function userRoutes(subnet: SubnetInfo): EffectiveRoute[] {
  const table = subnet.routeTable;
  if (table === undefined) return [];
  return table.properties.routes.flatMap((route): EffectiveRoute[] => {
    const prefix = parsePrefix(route.properties.addressPrefix);
    if (prefix === undefined) return [];
    const { nextHopType, nextHopIpAddress } = route.properties;
    const hop = nextHopIpAddress === undefined ? undefined : parseAddress(nextHopIpAddress);
    const where = hop === undefined ? nextHopType : `${nextHopType} ${hop}`;
    return [
      {
        name: route.name,
        source: "User",
        state: "Active",
        prefix,
        nextHopType,
        ...(hop === undefined ? {} : { nextHopIpAddress: hop }),
        origin: { resource: table.id, reason: `user-defined route ${route.name} in ${table.name}: ${prefix} to ${where}`, source },
      },
    ];
  });
}

/**
 * The routes that a subnet's network interfaces really use: system routes, gateway routes and the subnet's route table, merged by Azure's
 * precedence. Docs: virtual-networks-udr-overview.
 *
 * 1. Longest prefix wins. 2. For the same prefix: user-defined, then gateway (BGP), then system.
 * 3. System routes for the VNet's own space, for that of peered VNets and of service endpoints win over gateway routes inside, however long
 * their prefix.
 */

import type { NextHopType } from "../../arm/resources.ts";
import type { Origin } from "../../ir/network.ts";
import { type Address, type Family, parseAddress } from "../../net/address.ts";
import { comparePrefixes, mustPrefix, type Prefix, parsePrefix, prefixCovers, prefixFamily } from "../../net/prefix.ts";
import { isOpen, sitesInReach } from "../peerings.ts";
import type { PeeringInfo, ServiceInfo, SiteInfo, SubnetInfo, VnetInfo } from "../topology.ts";
import { explained } from "./lost-routes.ts";
import { privateEndpointRoutes } from "./private-endpoints.ts";
import { serviceRoutes } from "./service-endpoints.ts";

/** As `az network nic show-effective-route-table` names things. */
export type EffectiveRoute = {
  readonly name?: string;
  readonly source: "Default" | "User" | "VirtualNetworkGateway";
  /** Invalid: another route has precedence, by the same prefix or as the VNet's own or a peered VNet's. */
  readonly state: "Active" | "Invalid";
  readonly prefix: Prefix;
  readonly nextHopType: NextHopType | "VNetPeering" | "VirtualNetworkServiceEndpoint" | "InterfaceEndpoint";
  readonly nextHopIpAddress?: Address;
  /** Of a gateway route: where it leads. */
  readonly site?: SiteInfo;
  /** Of a route into a peered VNet, or to a gateway there. */
  readonly peering?: PeeringInfo;
  /** Of a service endpoint's route. */
  readonly service?: ServiceInfo;
  readonly origin: Origin;
};

const source = "Azure docs: virtual-networks-udr-overview";

/** Azure's defaults for private space that no VNet of its own uses. */
const unusedSpace = {
  4: ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"].map(mustPrefix),
  // The documents name no such routes for IPv6. Unique local addresses have no way on the Internet: its router knows none.
  6: [],
} as const satisfies Record<Family, readonly Prefix[]>;
const everything = { 4: mustPrefix("0.0.0.0/0"), 6: mustPrefix("::/0") } as const;

/** Sorted by prefix, active before invalid. Without `subnet`: those of a gateway whose subnet the lab leaves out, and of private endpoints. */
export function effectiveRoutes(vnet: VnetInfo, subnet: SubnetInfo | undefined): readonly EffectiveRoute[] {
  const own = [...userRoutes(vnet, subnet), ...serviceRoutes(vnet, subnet), ...privateEndpointRoutes(vnet), ...gatewayRoutes(vnet, subnet)];
  const candidates = [...own, ...systemRoutes(vnet), ...(own.some(isWayOut) ? [] : unusedSpaceRoutes(vnet))];
  const taken = new Set<Prefix>();
  const routes = candidates.map((route): EffectiveRoute => {
    if (route.state === "Invalid") return route;
    if (taken.has(route.prefix)) return { ...route, state: "Invalid" };
    taken.add(route.prefix);
    return route;
  });
  return [...explained(routes, subnet)].sort((a, b) => comparePrefixes(a.prefix, b.prefix) || a.state.localeCompare(b.state));
}

/**
 * A default route of one's own, or a gateway's, gets private space too: Azure takes the routes away that drop it (in the docs' routing example,
 * between Subnet2 and Subnet1).
 */
function isWayOut({ prefix, state }: EffectiveRoute): boolean {
  return (prefix === everything[4] || prefix === everything[6]) && state === "Active";
}

function systemRoute(vnet: VnetInfo, prefix: Prefix, nextHopType: EffectiveRoute["nextHopType"], reason: string): EffectiveRoute {
  return { source: "Default", state: "Active", prefix, nextHopType, origin: { resource: vnet.resource.id, reason, source } };
}

/** For private space that neither the VNet nor a peered one uses. */
function unusedSpaceRoutes(vnet: VnetInfo): EffectiveRoute[] {
  const used = new Set([vnet, ...vnet.peerings.map(({ remote }) => remote)].flatMap(({ prefixes }) => prefixes));
  return unusedSpace[vnet.family]
    .filter((prefix) => !used.has(prefix))
    .map((prefix) => systemRoute(vnet, prefix, "None", `system route: Azure drops private space ${prefix} that the VNet does not use`));
}

function systemRoutes(vnet: VnetInfo): EffectiveRoute[] {
  const route = (prefix: Prefix, nextHopType: EffectiveRoute["nextHopType"], reason: string) =>
    systemRoute(vnet, prefix, nextHopType, reason);
  const own = vnet.prefixes.map((prefix) =>
    route(prefix, "VnetLocal", `system route: ${prefix} is the address space of VNet ${vnet.name}`),
  );
  const peered = vnet.peerings.flatMap((peering) =>
    peering.remote.prefixes.map((prefix): EffectiveRoute => {
      const closed = isOpen(peering) ? "" : "; allowVirtualNetworkAccess is false";
      const reason = `system route: ${prefix} is the address space of VNet ${peering.remote.name}, peered by ${peering.resource.name}${closed}`;
      return { ...route(prefix, "VNetPeering", reason), peering };
    }),
  );
  return [...own, ...peered, route(everything[vnet.family], "Internet", "system route: everything else goes to the Internet")];
}

/**
 * Prefixes learnt from connected sites, by the VNet's own gateway or by that of a peered VNet. None for a subnet whose table turns propagation
 * off. Invalid where the VNet's own or a peered VNet's space has them.
 */
function gatewayRoutes(vnet: VnetInfo, subnet: SubnetInfo | undefined): EffectiveRoute[] {
  if (subnet?.routeTable?.properties.disableBgpRoutePropagation === true) return [];
  const spaces = [vnet, ...vnet.peerings.map(({ remote }) => remote)];
  return sitesInReach(vnet).flatMap(({ site, peering }) =>
    site.prefixes.map((prefix): EffectiveRoute => {
      const inside = spaces.find((space) => space.prefixes.some((own) => prefixCovers(own, prefix)));
      const by = peering === undefined ? "" : `, by the gateway of VNet ${peering.remote.name}`;
      const not = inside === undefined ? "" : `; the system route of VNet ${inside.name} wins`;
      return {
        source: "VirtualNetworkGateway",
        state: inside === undefined ? "Active" : "Invalid",
        prefix,
        nextHopType: "VirtualNetworkGateway",
        site,
        ...(peering === undefined ? {} : { peering }),
        origin: {
          resource: site.resource.properties.localNetworkGateway.id,
          reason: `gateway route: ${prefix} is on-premises at ${site.resource.name}${by}${not}`,
          source,
        },
      };
    }),
  );
}

function userRoutes({ family }: VnetInfo, subnet: SubnetInfo | undefined): EffectiveRoute[] {
  const table = subnet?.routeTable;
  if (table === undefined) return [];
  const lost = new Set(subnet?.lostRoutes.map(({ name }) => name.toLowerCase()));
  return table.properties.routes.flatMap((route): EffectiveRoute[] => {
    if (lost.has(route.name.toLowerCase())) return [];
    const prefix = parsePrefix(route.properties.addressPrefix);
    if (prefix === undefined || prefixFamily(prefix) !== family) return [];
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

/**
 * Service endpoints: from a subnet that has one, packets to the service's public addresses go there directly, under the sender's private address.
 * Azure docs: virtual-network-service-endpoints-overview. In Azure the way is its own backbone; here it is a link between the VNet's fabric and
 * the service, beside the one by which the Internet reaches it.
 */

import { interfaceName } from "../../ir/names.ts";
import { type Interface, mainTable, type Origin, type Route } from "../../ir/network.ts";
import { hostPrefix } from "../../net/prefix.ts";
import { answersOnly } from "../answers-only.ts";
import type { Part } from "../part.ts";
import type { ServiceInfo, SubnetInfo, VnetInfo } from "../topology.ts";
import { hostNames, routerAddress } from "../wiring.ts";
import type { EffectiveRoute } from "./effective-routes.ts";

const source = "Azure docs: virtual-network-service-endpoints-overview";

export function serviceRoutes(vnet: VnetInfo, subnet: SubnetInfo | undefined): EffectiveRoute[] {
  if (subnet === undefined) return [];
  return vnet.services
    .filter((service) => hasEndpoint(subnet, service))
    .map((service) => ({
      source: "Default",
      state: "Active",
      prefix: hostPrefix(service.address),
      nextHopType: "VirtualNetworkServiceEndpoint",
      service,
      origin: {
        resource: subnet.resource.id,
        reason: `service endpoint of subnet ${subnet.resource.name} for ${service.name}: ${service.address} is ${service.host.name}`,
        source,
      },
    }));
}

function hasEndpoint({ resource }: SubnetInfo, { name }: ServiceInfo): boolean {
  return resource.properties.serviceEndpoints?.some(({ service }) => service.toLowerCase() === name.toLowerCase()) === true;
}

/** The fabric's links to services that its subnets have endpoints for. */
export function serviceLinks(vnet: VnetInfo): Part {
  return {
    interfaces: vnet.services.map(
      (service): Interface => ({
        kind: "veth",
        name: serviceInterface(vnet, service),
        addresses: [],
        peer: { host: hostNames.internetMachine(service.host.name), name: vnetInterface(vnet) },
        origin: { resource: service.host.id, reason: `service endpoints for ${service.name}`, source },
      }),
    ),
  };
}

/** The fabric's end of the link. */
export function serviceInterface(vnet: VnetInfo, service: ServiceInfo): string {
  return interfaceName(service.host.name, `${vnet.resource.id} ${service.host.id}`);
}

/** The service's ends, and its ways back to the subnets. */
export function serviceEnds(vnets: readonly VnetInfo[], host: ServiceInfo["host"]): Part {
  const served = vnets.flatMap((vnet) => vnet.services.filter((service) => service.host === host).map((service) => ({ vnet, service })));
  return {
    interfaces: served.map(({ vnet, service }): Interface => {
      const origin: Origin = { resource: host.id, reason: `service endpoints of VNet ${vnet.name}`, source };
      const peer = { host: hostNames.fabric(vnet.name), name: serviceInterface(vnet, service) };
      return { kind: "veth", name: vnetInterface(vnet), addresses: [], peer, origin };
    }),
    routes: served.flatMap(({ vnet, service }) =>
      vnet.subnets
        .filter((subnet) => hasEndpoint(subnet, service))
        .map(
          ({ resource, prefix }): Route => ({
            type: "unicast",
            table: mainTable,
            dst: prefix,
            dev: vnetInterface(vnet),
            via: routerAddress.fabric,
            onlink: true,
            origin: { resource: resource.id, reason: `subnet ${resource.name} has a service endpoint for ${service.name}`, source },
          }),
        ),
    ),
    tables:
      served.length === 0
        ? []
        : [
            answersOnly(
              served.map(({ vnet }) => vnetInterface(vnet)),
              { resource: host.id, reason: "a service endpoint leads to the service only: the service answers by it", source },
            ),
          ],
  };
}

function vnetInterface(vnet: VnetInfo): string {
  return `vnet${vnet.index}`;
}

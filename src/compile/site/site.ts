/**
 * An on-premises site: a router at the other end of the gateway's tunnel, and the site's machines.
 * The gateway announces to it the address space of the VNet and of the peered VNets that use the gateway, and nothing else: no user-defined
 * routes, hence no pod address space of kubenet.
 * Azure docs: vpn-gateway-bgp-overview; the consequence for pods is described in AKS docs: concepts-network-cni-overview ("pod initiated").
 */

import type { LabMachine, Site } from "../../arm/resources.ts";
import { interfaceName } from "../../ir/names.ts";
import { type Interface, mainTable, type Origin, type Route } from "../../ir/network.ts";
import { parseAddress } from "../../net/address.ts";
import { hostPrefix, mustPrefix } from "../../net/prefix.ts";
import { listenersOf } from "../listeners.ts";
import type { Part } from "../part.ts";
import { announcedBy } from "../peerings.ts";
import type { SiteInfo, VnetInfo } from "../topology.ts";
import { eth0, hostNames, links, routerAddress } from "../wiring.ts";

/** The fabric's end of the tunnel. */
export function tunnel(site: SiteInfo): Part {
  return {
    interfaces: [
      {
        kind: "veth",
        name: site.fabricInterface,
        addresses: [],
        peer: { host: hostNames.site(site.resource.name), name: links.siteToFabric },
        origin: { resource: site.resource.id, reason: `gateway's tunnel to ${site.resource.name}` },
      },
    ],
  };
}

export function siteRouter(vnet: VnetInfo, site: SiteInfo): Part {
  const { resource } = site;
  const origin: Origin = { resource: resource.id, reason: `router of site ${resource.name}` };
  return {
    interfaces: [
      { kind: "loopback", name: "lo", addresses: [{ address: routerAddress.site, prefixLength: 32, origin }], origin },
      {
        kind: "veth",
        name: links.siteToFabric,
        addresses: [],
        peer: { host: hostNames.fabric(vnet.name), name: site.fabricInterface },
        origin,
      },
      ...resource.properties.machines.map(
        (machine): Interface => ({
          kind: "veth",
          name: interfaceName(machine.name, machine.name),
          addresses: [],
          peer: { host: hostNames.siteMachine(resource.name, machine.name), name: eth0 },
          origin: { ...origin, reason: `link of ${machine.name}` },
        }),
      ),
    ],
    routes: [
      ...announcedBy(vnet).map(
        ({ prefix: dst, vnet: owner }): Route => ({
          type: "unicast",
          table: mainTable,
          dst,
          dev: links.siteToFabric,
          via: routerAddress.fabric,
          onlink: true,
          origin: { ...origin, reason: `the gateway announces ${dst}, the address space of VNet ${owner.name}` },
        }),
      ),
      ...resource.properties.machines.flatMap((machine): Route[] => {
        const address = parseAddress(machine.address);
        if (address === undefined) return [];
        return [
          {
            type: "unicast",
            table: mainTable,
            dst: hostPrefix(address),
            dev: interfaceName(machine.name, machine.name),
            origin: { ...origin, reason: `machine ${machine.name}` },
          },
        ];
      }),
    ],
  };
}

export function siteMachine(site: Site, machine: LabMachine): Part {
  const origin: Origin = { resource: site.id, reason: `machine ${machine.name} of site ${site.name}` };
  const address = parseAddress(machine.address);
  return {
    interfaces: [
      {
        kind: "veth",
        name: eth0,
        addresses: address === undefined ? [] : [{ address, prefixLength: 32, origin }],
        peer: { host: hostNames.site(site.name), name: interfaceName(machine.name, machine.name) },
        origin,
      },
    ],
    routes: [{ type: "unicast", table: mainTable, dst: mustPrefix("0.0.0.0/0"), dev: eth0, via: routerAddress.site, onlink: true, origin }],
    listeners: listenersOf(machine.listen, hostNames.siteMachine(site.name, machine.name), origin),
  };
}

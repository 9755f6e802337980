/** The Internet: one router between the edges of the VNets and the Internet's machines. */

import type { InternetHost } from "../../arm/resources.ts";
import { interfaceName } from "../../ir/names.ts";
import { type Interface, mainTable, type Origin, type Route } from "../../ir/network.ts";
import { bitsOf, familyOf, parseAddress } from "../../net/address.ts";
import { hostPrefix, mustPrefix } from "../../net/prefix.ts";
import { listenersOf } from "../listeners.ts";
import type { Part } from "../part.ts";
import { eth0, hostNames, internetHost, routerAddress } from "../wiring.ts";

/** How the Internet reaches a VNet: the router's interface, the edge's host and interface, and the public addresses behind it. */
export type EdgeLink = { readonly interface: Interface & { readonly kind: "veth" }; readonly routes: readonly Route[] };

export function internetRouter(hosts: readonly InternetHost[], edges: readonly EdgeLink[]): Part {
  const origin: Origin = { resource: "Drydock.Lab/internet", reason: "the Internet" };
  return {
    interfaces: [
      { kind: "loopback", name: "lo", addresses: [{ address: routerAddress.internet, prefixLength: 32, origin }], origin },
      ...edges.map((edge) => edge.interface),
      ...hosts.map(
        (host): Interface => ({
          kind: "veth",
          name: interfaceName(host.name, host.id),
          addresses: [],
          peer: { host: hostNames.internetMachine(host.name), name: eth0 },
          origin: { resource: host.id, reason: `link of Internet host ${host.name}` },
        }),
      ),
    ],
    routes: [
      ...edges.flatMap((edge) => edge.routes),
      ...hosts.flatMap((host): Route[] => {
        const address = parseAddress(host.properties.address);
        if (address === undefined) return [];
        return [
          {
            type: "unicast",
            table: mainTable,
            dst: hostPrefix(address),
            dev: interfaceName(host.name, host.id),
            origin: { resource: host.id, reason: `Internet host ${host.name}` },
          },
        ];
      }),
    ],
  };
}

export function internetMachine(host: InternetHost): Part {
  const origin: Origin = { resource: host.id, reason: `Internet host ${host.name}` };
  const address = parseAddress(host.properties.address);
  return {
    interfaces: [
      {
        kind: "veth",
        name: eth0,
        addresses: address === undefined ? [] : [{ address, prefixLength: bitsOf(familyOf(address)), origin }],
        peer: { host: internetHost, name: interfaceName(host.name, host.id) },
        origin,
      },
    ],
    routes: [
      { type: "unicast", table: mainTable, dst: mustPrefix("0.0.0.0/0"), dev: eth0, via: routerAddress.internet, onlink: true, origin },
    ],
    listeners: listenersOf(host.properties.listen, hostNames.internetMachine(host.name), origin),
  };
}

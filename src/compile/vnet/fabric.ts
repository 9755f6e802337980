/**
 * The fabric of a VNet as one router: every network interface is a point-to-point link, the fabric answers every ARP request, and nothing is
 * forwarded that Azure would not forward.
 *
 * Tables: {@link nicTable} knows where each address of the VNet is plugged in. Each subnet has a table of its own with its effective routes,
 * where `VnetLocal` is a throw: the rule after it looks into the NIC table. A packet carries its subnet as a mark that depends on the link it
 * came in by, so that the number of policy rules does not grow with the number of machines.
 */

import type { Interface, InterfaceName, Origin, PolicyRule, Route } from "../../ir/network.ts";
import { mainTable } from "../../ir/network.ts";
import { priorities, type Rule, type Table } from "../../ir/ruleset.ts";
import { type Address, bitsOf, familyOf } from "../../net/address.ts";
import { hostPrefix, lengthOf, mustPrefix, prefixContains } from "../../net/prefix.ts";
import { applianceAt } from "../appliances.ts";
import type { Part } from "../part.ts";
import { isOpen, type RemoteAppliance, remoteAppliances } from "../peerings.ts";
import { isPrivateEndpoint, type NicInfo, podSubnetAddresses, type SubnetInfo, type VnetInfo } from "../topology.ts";
import { azureHostAddress, eth0, hostNames, links, nicTable, peerAddress, routerAddress, rulePriority } from "../wiring.ts";
import { type EffectiveRoute, effectiveRoutes } from "./effective-routes.ts";
import { foreignSenders } from "./foreign-senders.ts";
import { overlayGuard, overlayPolicyRules, overlayRoutes } from "./overlay.ts";
import { podSubnetMarks, podSubnetRoutes } from "./pod-subnets.ts";
import { privateEndpointDocs } from "./private-endpoints.ts";
import { serviceInterface } from "./service-endpoints.ts";

/** A subnet that sends packets: by its mark and its table they take its effective routes. */
type Sender = { readonly index: number; readonly subnet: SubnetInfo | undefined; readonly origin: Origin };

/** Table of the sender with this index. */
const senderTable = (sender: Sender) => 100 + sender.index;
/** Swallows what is sent to addresses that nobody has. */
const nobody = "nobody";

const defaultRoute = mustPrefix("0.0.0.0/0");

export function fabric(vnet: VnetInfo): Part {
  const origin: Origin = { resource: vnet.resource.id, reason: `fabric of VNet ${vnet.name}` };
  const senders = sendersOf(vnet);
  const remote = remoteHops(vnet);
  return {
    interfaces: [
      loopback(vnet, origin),
      ...vnet.nics.map((nic) => plugOf(nic).link),
      { kind: "discard", name: nobody, addresses: [], origin: { ...origin, reason: "swallows packets for addresses that nobody has" } },
      {
        kind: "veth",
        name: links.fabricToEdge,
        addresses: [],
        peer: { host: hostNames.edge(vnet.name), name: links.edgeToFabric },
        origin: { ...origin, reason: "way to the Internet" },
      },
    ],
    routes: [
      ...vnet.nics.flatMap((nic) => [...plugOf(nic).routes, ...podSubnetRoutes(nic)]),
      ...vnet.prefixes.map(
        (dst): Route => ({
          type: "unicast",
          table: nicTable,
          dst,
          dev: nobody,
          origin: { ...origin, reason: `no network interface in VNet ${vnet.name} has this address` },
        }),
      ),
      ...senders.flatMap((sender) =>
        effectiveRoutes(vnet, sender.subnet)
          .filter((r) => r.state === "Active")
          .map((r) => subnetRoute(vnet, senderTable(sender), r, remote)),
      ),
      ...overlayRoutes(vnet),
      // What a peered VNet sends to this one's gateway.
      ...vnet.sites.flatMap((site) =>
        site.prefixes.map(
          (dst): Route => ({
            type: "unicast",
            table: mainTable,
            dst,
            dev: site.fabricInterface,
            via: routerAddress.site,
            onlink: true,
            origin: { resource: site.resource.id, reason: `way back to ${site.resource.name}` },
          }),
        ),
      ),
    ],
    rules: [
      ...senders.map(
        (sender): PolicyRule => ({
          priority: rulePriority.subnets,
          family: 4,
          mark: { value: sender.index, mask: 0xffffffff },
          table: senderTable(sender),
          origin: sender.origin,
        }),
      ),
      ...overlayPolicyRules(vnet),
      {
        priority: rulePriority.nics,
        family: 4,
        table: nicTable,
        origin: { ...origin, reason: "where each address of the VNet is plugged in" },
      },
    ],
    tables: [guard(vnet, origin)],
  };
}

/** The subnets with network interfaces or pods, and that of the gateway: what it takes in obeys its subnet's routes. */
function sendersOf(vnet: VnetInfo): readonly Sender[] {
  const machines = vnet.nics.filter((nic) => !isPrivateEndpoint(nic));
  const used = new Set(machines.flatMap(({ subnet, pods }) => (pods === undefined ? [subnet.key] : [subnet.key, pods.subnet.key])));
  const subnets = vnet.subnets.filter((subnet) => used.has(subnet.key) && subnet !== vnet.gatewaySubnet);
  const [endpoint] = vnet.privateEndpoints;
  return [
    ...(endpoint === undefined
      ? []
      : [
          {
            index: endpointIndex(vnet),
            subnet: undefined,
            origin: { resource: endpoint.resource.id, reason: "private endpoints answer by system routes", source: privateEndpointDocs },
          },
        ]),
    ...subnets.map((subnet) => ({
      index: subnet.index,
      subnet,
      origin: { resource: subnet.resource.id, reason: `effective routes of subnet ${subnet.resource.name}` },
    })),
    ...(vnet.gateway === undefined
      ? []
      : [
          {
            index: gatewayIndex(vnet),
            subnet: vnet.gatewaySubnet,
            origin: { resource: vnet.gateway.id, reason: "effective routes of GatewaySubnet, for what comes in by the gateway" },
          },
        ]),
  ];
}

/** A frontend's address that a sender's route table sends elsewhere first: to an appliance, say. */
export type Diversion = { readonly senderMark: number; readonly address: Address };

/** Those among `addresses`. Routes of Azure's own divert nothing. */
export function diversions(vnet: VnetInfo, addresses: readonly Address[]): readonly Diversion[] {
  if (addresses.length === 0) return [];
  return sendersOf(vnet).flatMap(({ index, subnet }) => {
    if (subnet?.routeTable === undefined) return [];
    const routes = effectiveRoutes(vnet, subnet).filter(({ state }) => state === "Active");
    return addresses.flatMap((address): Diversion[] => {
      const covering = routes.filter(({ prefix }) => prefixContains(prefix, address));
      const [best] = covering.sort((a, b) => lengthOf(b.prefix) - lengthOf(a.prefix));
      return best === undefined || best.nextHopType === "VnetLocal" ? [] : [{ senderMark: index, address }];
    });
  });
}

/** The number after those of all subnets when the lab leaves the gateway's subnet out. */
function gatewayIndex(vnet: VnetInfo): number {
  return vnet.gatewaySubnet?.index ?? vnet.subnets.length + 1;
}

/** Private endpoints answer by routes of their own, whatever the route table of their subnet says. */
function endpointIndex(vnet: VnetInfo): number {
  return vnet.subnets.length + 2;
}

function loopback(vnet: VnetInfo, origin: Origin): Interface {
  const own = (address: Address, reason: string) => ({ address, prefixLength: bitsOf(familyOf(address)), origin: { ...origin, reason } });
  return {
    kind: "loopback",
    name: "lo",
    addresses: [
      // First, so that it is what the fabric asks peered ones with: the next is theirs as well.
      ...(vnet.peerings.length === 0 ? [] : [own(peerAddress(vnet.index), "the fabric towards those of peered VNets")]),
      own(routerAddress.fabric, "the fabric towards its routers"),
      own(azureHostAddress, "Azure's host address: health probes come from here"),
      ...vnet.subnets.map((subnet) => own(subnet.gateway, `gateway of subnet ${subnet.resource.name}`)),
    ],
    origin,
  };
}

type Plug = { readonly nic: NicInfo; readonly link: Interface; readonly routes: readonly Route[] };
const plugs = new WeakMap<NicInfo["resource"], Plug>();

/** Where a network interface is plugged in: the same objects for as long as what they are made from, however often its subnet's routes change. */
function plugOf(nic: NicInfo): Plug {
  const known = plugs.get(nic.resource);
  const isSame = (["primary", "secondary", "fabricInterface", "host", "machine"] as const).every((key) => known?.nic[key] === nic[key]);
  if (known !== undefined && isSame) return known;
  const plug = { nic, link: nicLink(nic), routes: nicRoutes(nic) };
  plugs.set(nic.resource, plug);
  return plug;
}

function nicLink(nic: NicInfo): Interface {
  return {
    kind: "veth",
    name: nic.fabricInterface,
    addresses: [],
    proxyArp: true,
    peer: { host: nic.host, name: eth0 },
    origin: { resource: nic.resource.id, reason: `link of network interface of ${nic.machine}` },
  };
}

/** The fabric delivers to the NIC, whatever is behind it: secondary addresses go to the primary's link-layer address. */
function nicRoutes(nic: NicInfo): Route[] {
  const base = { type: "unicast", table: nicTable, dev: nic.fabricInterface } as const;
  return [
    {
      ...base,
      dst: hostPrefix(nic.primary),
      origin: { resource: nic.resource.id, reason: `${nic.primary} is the primary address of ${nic.machine}` },
    },
    ...nic.secondary.map(
      (address): Route => ({
        ...base,
        dst: hostPrefix(address),
        via: nic.primary,
        onlink: true,
        origin: { resource: nic.resource.id, reason: `${address} is a secondary address of ${nic.machine}` },
      }),
    ),
  ];
}

/** The ways to appliances of peered VNets, by their addresses. */
type RemoteHops = ReadonlyMap<Address, RemoteAppliance>;

function remoteHops(vnet: VnetInfo): RemoteHops {
  return new Map(remoteAppliances(vnet).flatMap((one) => one.appliance.addresses.map((address) => [address, one] as const)));
}

function subnetRoute(vnet: VnetInfo, table: number, route: EffectiveRoute, remote: RemoteHops): Route {
  const base = { table, dst: route.prefix, origin: route.origin };
  const dropped = (why: string): Route => ({
    ...base,
    type: "blackhole",
    origin: { ...route.origin, reason: `${route.origin.reason}; ${why}` },
  });
  switch (route.nextHopType) {
    case "VnetLocal":
      return { ...base, type: "throw" };
    case "Internet":
      return { ...base, type: "unicast", dev: links.fabricToEdge, via: routerAddress.edge, onlink: true };
    case "None":
      return { ...base, type: "blackhole" };
    case "VirtualNetworkGateway":
      if (route.site === undefined) return dropped("no site is connected to a gateway of this VNet");
      if (route.peering !== undefined) return toPeer(base, route.peering.fabricInterface, route.peering.remote);
      return { ...base, type: "unicast", dev: route.site.fabricInterface, via: routerAddress.site, onlink: true };
    case "VNetPeering":
      if (route.peering === undefined || !isOpen(route.peering)) return { ...base, type: "blackhole" };
      return toPeer(base, route.peering.fabricInterface, route.peering.remote);
    case "InterfaceEndpoint":
      return route.peering === undefined ? { ...base, type: "throw" } : toPeer(base, route.peering.fabricInterface, route.peering.remote);
    case "VirtualNetworkServiceEndpoint":
      if (route.service === undefined) return { ...base, type: "blackhole" };
      return { ...base, type: "unicast", dev: serviceInterface(vnet, route.service), via: route.service.address, onlink: true };
    case "VirtualAppliance": {
      const hop = route.nextHopIpAddress;
      const own = hop === undefined ? undefined : applianceAt(vnet, hop);
      if (own !== undefined) return { ...base, type: "unicast", dev: own.fabricInterface, via: own.via, onlink: true };
      const far = hop === undefined ? undefined : remote.get(hop);
      if (far !== undefined) return toPeer(base, far.fabricInterface, far.peering.remote);
      if (hop !== undefined && isFrontend(vnet, hop))
        return dropped("the load balancer's frontend that is the next hop has no high-availability ports");
      return dropped("no network interface of this VNet or of a peered one has the next hop's address");
    }
  }
}

/** Of an internal load balancer of the VNet. */
function isFrontend({ loadBalancers }: VnetInfo, address: Address): boolean {
  return loadBalancers.some(({ properties }) =>
    properties.frontendIPConfigurations.some((frontend) => frontend.properties.privateIPAddress === address),
  );
}

function toPeer(base: Pick<Route, "table" | "dst" | "origin">, dev: InterfaceName, remote: VnetInfo): Route {
  return { ...base, type: "unicast", dev, via: peerAddress(remote.index), onlink: true };
}

/**
 * What the fabric checks at every network interface (docs: virtual-network-network-interface, IP forwarding): without IP forwarding a NIC sends
 * only from its own addresses and receives only for them. Load-balanced flows are the exception both ways: with floating IP the machine sees
 * and answers with the frontend's address.
 */
function guard(vnet: VnetInfo, origin: Origin): Table {
  const guarded = vnet.nics.filter((nic) => !nic.forwarding);
  const source = "Azure docs: virtual-network-network-interface (IP forwarding)";
  const spoofed = (fields: "iifname" | "oifname", address: "ip saddr" | "ip daddr", reason: string): Rule => ({
    matches: [
      { kind: "lookup", fields: [fields], op: "==", set: "guarded" },
      { kind: "lookup", fields: [fields, address], op: "!=", set: "own-addresses" },
    ],
    statements: [{ kind: "verdict", verdict: "drop", disposition: "spoofed" }],
    origin: { ...origin, reason, source },
  });
  // Untracked packets have no mark to compare: this rule does not match them.
  const balanced: Rule = {
    matches: [{ kind: "value", field: "ct mark", op: "!=", values: [0] }],
    statements: [{ kind: "verdict", verdict: "accept" }],
    origin: { ...origin, reason: "a flow of a load balancer keeps the frontend's address" },
  };
  const overlay = overlayGuard(vnet, origin);
  const podSubnets = podSubnetMarks(vnet, origin);
  const foreign = foreignSenders(vnet, origin);
  return {
    family: "ip",
    name: "fabric",
    chains: [
      {
        name: "sender",
        // Before it is decided what to track: that depends on the sender's routes.
        base: { type: "filter", hook: "prerouting", priority: priorities.raw - 1, policy: "accept" },
        rules: [
          {
            matches: [],
            statements: [{ kind: "set-mark", target: "meta", value: { kind: "map", fields: ["iifname"], map: "subnets" } }],
            origin: { ...origin, reason: "effective routes are those of the sender's subnet" },
          },
        ],
      },
      {
        name: "prerouting",
        base: { type: "filter", hook: "prerouting", priority: priorities.mangle - 1, policy: "accept" },
        rules: [
          ...podSubnets.rules,
          { ...balanced, matches: [{ kind: "value", field: "ct direction", op: "==", values: ["reply"] }, ...balanced.matches] },
          ...overlay.sending,
          spoofed("iifname", "ip saddr", "a network interface without IP forwarding sends only from its own addresses"),
        ],
      },
      {
        name: "forward",
        base: { type: "filter", hook: "forward", priority: priorities.filter, policy: "accept" },
        rules: [
          balanced,
          ...foreign.rules,
          ...overlay.receiving,
          spoofed("oifname", "ip daddr", "a network interface without IP forwarding receives only for its own addresses"),
        ],
      },
      ...overlay.chains,
    ],
    sets: [
      { name: "guarded", key: ["ifname"], elements: guarded.map((nic) => ({ key: [nic.fabricInterface] })) },
      {
        name: "own-addresses",
        key: ["ifname", "ipv4_addr"],
        elements: guarded.flatMap((nic) =>
          [nic.primary, ...nic.secondary, ...podSubnetAddresses(nic)].map((address) => ({ key: [nic.fabricInterface, address] })),
        ),
      },
      ...foreign.sets,
      ...overlay.sets,
    ],
    maps: [
      ...overlay.maps,
      ...podSubnets.maps,
      {
        name: "subnets",
        key: ["ifname"],
        value: ["mark"],
        elements: [
          ...vnet.nics.map((nic) => ({
            key: [nic.fabricInterface],
            value: [isPrivateEndpoint(nic) ? endpointIndex(vnet) : nic.subnet.index],
          })),
          ...vnet.sites.map((site) => ({ key: [site.fabricInterface], value: [gatewayIndex(vnet)] })),
        ],
      },
    ],
  };
}

/**
 * The first interface of a machine in a VNet, with its address and its default route. Neighbours in the subnet are sent to by way of the gateway, as
 * in Azure the host answers every ARP request itself; see docs/decisions/0005-no-connected-routes.md.
 */
export function machineInterface(
  vnet: VnetInfo,
  nic: NicInfo,
): { readonly interface: Interface & { readonly kind: "veth" }; readonly defaultRoute: Route } {
  const origin: Origin = { resource: nic.resource.id, reason: `network interface of ${nic.machine}` };
  return {
    interface: {
      kind: "veth",
      name: eth0,
      addresses: [
        {
          address: nic.primary,
          prefixLength: lengthOf(nic.subnet.prefix),
          noPrefixRoute: true,
          origin: { ...origin, reason: "primary address" },
        },
      ],
      peer: { host: hostNames.fabric(vnet.name), name: nic.fabricInterface },
      origin,
    },
    defaultRoute: {
      type: "unicast",
      table: mainTable,
      dst: defaultRoute,
      dev: eth0,
      via: nic.subnet.gateway,
      onlink: true,
      origin: { ...origin, reason: `gateway of subnet ${nic.subnet.resource.name}` },
    },
  };
}

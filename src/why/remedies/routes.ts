/** No route, a wrong one, or routes that send the two directions of a flow different ways. */

import { armIdBeside, ipForwardingTag, lastSegment, segmentAfter } from "../../arm/names.ts";
import type {
  NatGateway,
  NetworkInterface,
  NextHopType,
  PublicIPAddress,
  RouteTable,
  Subnet,
  VirtualMachine,
} from "../../arm/resources.ts";
import { subnetLabel } from "../../arm/rules/view.ts";
import type { NicInfo, SubnetInfo, VnetInfo } from "../../compile/topology.ts";
import type { LabView } from "../../lab/view.ts";
import type { Address } from "../../net/address.ts";
import { hostPrefix, lengthOf, type Prefix, parsePrefix, prefixContains } from "../../net/prefix.ts";
import { armKey, armTypeOf, type Write } from "../../resources/resources.ts";
import type { Change } from "../change.ts";
import type { Obstacle, Trail } from "../obstacle.ts";
import { type Entry, firstEntry, interfaceOf, lastEntry, type Place, placeOf } from "../places.ts";
import { betweenNetworks } from "./peering.ts";

export function forRoute(view: LabView, obstacle: Obstacle, trail: Trail): readonly Change[] {
  const { packet, host, outcome, origin } = obstacle;
  const to = placeOf(view, packet.destination);
  if (host.startsWith("site/")) return fromSite(view, host, to);
  const entry = lastEntry(view, trail.met);
  if (entry === undefined) return [];
  if (host.startsWith("edge/")) return [...outward(entry)];
  const forwarding = outcome === "spoofed" ? forForwarding(entry) : [];
  const { subnet } = entry;
  const instead = subnet === undefined ? [] : routeInstead(subnet, packet.destination, to);
  const isUserDefined = armTypeOf(origin?.resource ?? "") === "Microsoft.Network/routeTables";
  return [...forwarding, ...(isUserDefined ? instead : []), ...lacking(entry, to), ...(isUserDefined ? [] : instead)];
}

/** A firewall saw one direction only: bring it the other, or keep both from it. */
export function forOneDirection(view: LabView, { host, packet }: Obstacle, trail: Trail): readonly Change[] {
  const firewall = interfaceOf(view, host, packet.destination)?.nic;
  if (firewall === undefined) return [];
  const ends = trail.there.flatMap((hop) => interfaceOf(view, hop.host, packet.destination) ?? []).filter(({ nic }) => nic !== firewall);
  const receiving = ends.at(-1)?.nic.subnet;
  const leaving = firstEntry(view, trail.there)?.subnet;
  // As the firewall sees the two ends, which may be translated elsewhere.
  const isForward = trail.met[0]?.host === trail.there[0]?.host;
  const [source, destination] = isForward ? [packet.source, packet.destination] : [packet.destination, packet.source];
  const by = (subnet: SubnetInfo | undefined, address: Address) =>
    subnet === undefined ? [] : [addRoute(subnet, hostPrefix(address), "VirtualAppliance", firewall.primary)];
  const past = (subnet: SubnetInfo | undefined, address: Address) =>
    subnet === undefined ? [] : routeInstead(subnet, address, placeOf(view, address));
  if (trail.there.some((hop) => hop.host === host)) return [...by(receiving, source), ...past(leaving, destination)];
  return [...by(leaving === receiving ? undefined : leaving, destination), ...past(receiving, source)];
}

/** What a subnet's routes would need to lead to an address, past what its table says now. */
function routeInstead(subnet: SubnetInfo, destination: Address, to: Place | undefined): readonly Change[] {
  const table = subnet.routeTable;
  const route = table?.properties.routes
    .filter(({ properties }) => {
      const prefix = parsePrefix(properties.addressPrefix);
      return prefix !== undefined && prefixContains(prefix, destination);
    })
    .toSorted((a, b) => lengthOf(b.properties.addressPrefix as Prefix) - lengthOf(a.properties.addressPrefix as Prefix))[0];
  const remove = table === undefined || route === undefined ? [] : [removeRoute(table, route.name, subnet)];
  if (to === undefined) return remove;
  switch (to.kind) {
    case "public":
      return [addRoute(subnet, hostPrefix(destination), "Internet"), ...remove];
    case "site":
      return [addRoute(subnet, hostPrefix(destination), "VirtualNetworkGateway"), ...remove];
    case "interface":
    case "space":
      // A user-defined route cannot lead into a peered VNet: there the system route must be the one that counts.
      return [...(isIn(subnet, to.vnet) ? [addRoute(subnet, hostPrefix(destination), "VnetLocal")] : []), ...remove];
    case "pod":
      return to.isOverlay ? remove : [addRoute(subnet, to.podCidr, "VirtualAppliance", to.node.nic.primary), ...remove];
    default:
      throw new Error(`unknown place ${String(to satisfies never)}`);
  }
}

/** What is not there at all: a peering, a gateway's routes. */
function lacking({ vnet, subnet }: Entry, to: Place | undefined): readonly Change[] {
  if (to === undefined || to.kind === "public") return [];
  const changes: Change[] = [];
  if (to.kind === "site") {
    if (subnet?.routeTable?.properties.disableBgpRoutePropagation === true) changes.push(propagate(subnet.routeTable, subnet));
    if (to.vnet !== vnet) changes.push(...betweenNetworks(vnet, to.vnet, "of other"));
  } else if (to.vnet !== vnet) changes.push(...betweenNetworks(vnet, to.vnet, "none"));
  return changes;
}

/** A site knows what its gateway announces: the address spaces of the gateway's VNet and of those that use the gateway. */
function fromSite(view: LabView, host: string, to: Place | undefined): readonly Change[] {
  const owner = view.topology.vnets.find(({ sites }) => sites.some(({ resource }) => host === `site/${resource.name}`));
  if (owner === undefined || to === undefined || (to.kind !== "interface" && to.kind !== "space") || to.vnet === owner) return [];
  return betweenNetworks(to.vnet, owner, "of other");
}

function isIn(subnet: SubnetInfo, vnet: VnetInfo): boolean {
  return vnet.subnets.includes(subnet);
}

function ownerOf(table: RouteTable, subnet: SubnetInfo): string {
  return `route table ${table.name} of subnet ${subnetLabel(subnet.resource.id)}, resource group ${segmentAfter(table.id, "resourceGroups")}`;
}

/** In the subnet's own table, or in one that is made for it. */
function addRoute(subnet: SubnetInfo, addressPrefix: Prefix, nextHopType: NextHopType, nextHop?: Address): Change {
  const vnet = segmentAfter(subnet.resource.id, "virtualNetworks");
  const group = segmentAfter(subnet.resource.id, "resourceGroups");
  const route = {
    name: `to-${addressPrefix.replace(/[.:/]+/g, "-")}`,
    properties: { addressPrefix, nextHopType, ...(nextHop === undefined ? {} : { nextHopIpAddress: nextHop }) },
  };
  const label = subnetLabel(subnet.resource.id);
  const fresh: RouteTable = {
    id: armIdBeside(subnet.resource.id, "Microsoft.Network/routeTables", `${vnet}-${subnet.resource.name}`),
    name: `${vnet}-${subnet.resource.name}`,
    type: "Microsoft.Network/routeTables",
    properties: { disableBgpRoutePropagation: false, routes: [] },
  };
  const table = subnet.routeTable ?? fresh;
  const made =
    subnet.routeTable === undefined ? `to a new route table of subnet ${label}` : `to route table ${table.name} of subnet ${label}`;
  return {
    kind: "route",
    what: `add route ${addressPrefix} with next hop ${nextHopType}${nextHop === undefined ? "" : ` ${nextHop}`} ${made}`,
    owner: subnet.routeTable === undefined ? `subnet ${label}, resource group ${group}` : ownerOf(table, subnet),
    document: route,
    writes: (resources) => {
      const now = (resources.get(armKey(table.id)) as RouteTable | undefined) ?? fresh;
      const routes = [...now.properties.routes.filter(({ properties }) => properties.addressPrefix !== addressPrefix), route];
      const writes: Write[] = [{ key: armKey(table.id), value: { ...now, properties: { ...now.properties, routes } } }];
      const own = resources.get(armKey(subnet.resource.id)) as Subnet | undefined;
      if (own !== undefined && own.properties.routeTable === undefined) {
        writes.push({ key: armKey(own.id), value: { ...own, properties: { ...own.properties, routeTable: { id: table.id } } } });
      }
      return writes;
    },
  };
}

function removeRoute(table: RouteTable, name: string, subnet: SubnetInfo): Change {
  const route = table.properties.routes.find((one) => one.name === name);
  return {
    kind: "route",
    what: `remove route ${name} (${route?.properties.addressPrefix} to ${route?.properties.nextHopType}) from route table ${table.name} of subnet ${subnetLabel(subnet.resource.id)}`,
    owner: ownerOf(table, subnet),
    note: "it counts for all destinations of the route, in all subnets of the table",
    writes: (resources) => {
      const now = resources.get(armKey(table.id)) as RouteTable | undefined;
      if (now === undefined) return [];
      const routes = now.properties.routes.filter((one) => one.name !== name);
      return [{ key: armKey(now.id), value: { ...now, properties: { ...now.properties, routes } } }];
    },
  };
}

function propagate(table: RouteTable, subnet: SubnetInfo): Change {
  return {
    kind: "route",
    what: `set disableBgpRoutePropagation: false on route table ${table.name}: its subnets get no routes of the gateway`,
    owner: ownerOf(table, subnet),
    document: { properties: { disableBgpRoutePropagation: false } },
    writes: (resources) => {
      const now = resources.get(armKey(table.id)) as RouteTable | undefined;
      return now === undefined
        ? []
        : [{ key: armKey(now.id), value: { ...now, properties: { ...now.properties, disableBgpRoutePropagation: false } } }];
    },
  };
}

/** An interface that sends or gets what is not its own. */
function forForwarding({ vnet, nic, hop }: Entry): readonly Change[] {
  const out = vnet.nics.find(({ fabricInterface }) => fabricInterface === hop.outInterface);
  return [nic, out].flatMap((one) => (one === undefined || one.forwarding ? [] : [forward(one)]));
}

/** The interface of a machine of the lab follows its machine; another one is its own. */
function forward(nic: NicInfo): Change {
  const { resource } = nic;
  return {
    kind: "interface",
    what: `set enableIPForwarding: true on network interface ${resource.name} of ${nic.machine}`,
    owner: `machine ${nic.machine}, resource group ${segmentAfter(resource.id, "resourceGroups")}`,
    document: { properties: { enableIPForwarding: true } },
    note: "only a machine that forwards or translates should have it",
    writes: (resources) => {
      const now = resources.get(armKey(resource.id)) as NetworkInterface | undefined;
      const machine = resources.get(armKey(resource.properties.virtualMachine?.id ?? "")) as VirtualMachine | undefined;
      return [
        ...(now === undefined
          ? []
          : [{ key: armKey(now.id), value: { ...now, properties: { ...now.properties, enableIPForwarding: true } } }]),
        ...(machine === undefined || !("tags" in machine)
          ? []
          : [{ key: armKey(machine.id), value: { ...machine, tags: { ...machine.tags, [ipForwardingTag]: "true" } } }]),
      ];
    },
  };
}

/** No way out of the VNet: a NAT gateway is one for the whole subnet. */
function outward({ subnet }: Entry): readonly Change[] {
  if (subnet === undefined || subnet.resource.properties.natGateway !== undefined) return [];
  const group = segmentAfter(subnet.resource.id, "resourceGroups");
  const name = `${segmentAfter(subnet.resource.id, "virtualNetworks")}-${lastSegment(subnet.resource.id)}`;
  const address: PublicIPAddress = {
    id: armIdBeside(subnet.resource.id, "Microsoft.Network/publicIPAddresses", `${name}-nat`),
    name: `${name}-nat`,
    type: "Microsoft.Network/publicIPAddresses",
    properties: { publicIPAllocationMethod: "Static" },
  };
  const gateway: NatGateway = {
    id: armIdBeside(subnet.resource.id, "Microsoft.Network/natGateways", name),
    name,
    type: "Microsoft.Network/natGateways",
    properties: { publicIpAddresses: [{ id: address.id }], publicIpPrefixes: [], idleTimeoutInMinutes: 4 },
  };
  return [
    {
      kind: "outbound",
      what: `give subnet ${subnetLabel(subnet.resource.id)} a NAT gateway with a public address`,
      owner: `subnet ${subnetLabel(subnet.resource.id)}, resource group ${group}`,
      document: gateway,
      note: "everything in the subnet reaches the Internet then, as far as security groups let it",
      writes: (resources) => {
        const now = resources.get(armKey(subnet.resource.id)) as Subnet | undefined;
        if (now === undefined) return [];
        return [
          { key: armKey(address.id), value: address },
          { key: armKey(gateway.id), value: gateway },
          { key: armKey(now.id), value: { ...now, properties: { ...now.properties, natGateway: { id: gateway.id } } } },
        ];
      },
    },
  ];
}

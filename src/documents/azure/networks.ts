/** VNets with their subnets and peerings, route tables, network and application security groups. */

import type { NextHopType, Reference, RouteTable, SecurityRule, Subnet } from "../../arm/resources.ts";
import { defaultSecurityRules } from "../../arm/security-rules.ts";
import { serviceTag } from "../../arm/service-tags.ts";
import { words } from "../../kube/field.ts";
import type { Origin } from "../lab/expand.ts";
import type { Acceptor } from "./acceptor.ts";
import type { Estate, Item } from "./estate.ts";
import type { Value } from "./value.ts";

const routing = "learn:azure/virtual-network/virtual-networks-udr-overview";

export const virtualNetwork: Acceptor = {
  type: "Microsoft.Network/virtualNetworks",
  inert: words(`
    dhcpOptions enableDdosProtection ddosProtectionPlan enableVmProtection bgpCommunities flowTimeoutInMinutes flowLogs encryption
    privateEndpointVNetPolicies defaultPublicNatGateway addressSpace.ipamPoolPrefixAllocations extendedLocation
  `),
  accept: (item, estate) => {
    const prefixes = item.properties.get("addressSpace", "addressPrefixes").items();
    if (prefixes.length === 0) {
      estate.complain(item, ["properties", "addressSpace"], {
        code: "RequiredProperty",
        message: `VNet ${item.name} has no address space`,
        fix: "give addressSpace.addressPrefixes",
      });
    }
    estate.add(
      {
        id: item.id,
        name: item.name,
        type: virtualNetwork.type as "Microsoft.Network/virtualNetworks",
        ...locationOf(item),
        properties: { addressSpace: { addressPrefixes: prefixes.flatMap((prefix) => prefix.text() ?? []) } },
      },
      estate.origin(item),
    );
  },
};

export const subnet: Acceptor = {
  type: "Microsoft.Network/virtualNetworks/subnets",
  inert: words(`
    ipConfigurations ipConfigurationProfiles privateEndpoints resourceNavigationLinks serviceAssociationLinks purpose
    serviceEndpoints[].locations serviceEndpoints[].provisioningState serviceEndpoints[].networkIdentifier privateLinkServiceNetworkPolicies
    applicationGatewayIPConfigurations applicationGatewayIpConfigurations ipAllocations ipamPoolPrefixAllocations
    delegations[].etag delegations[].id delegations[].type delegations[].properties.actions delegations[].properties.provisioningState
    interfaceEndpoints defaultOutboundAccess privateEndpointNetworkPolicies
  `),
  notModelled: {
    serviceEndpointPolicies: ["a service endpoint policy", "traces let through what the policy would refuse"],
    sharingScope: ["sharing of the subnet", "leave it out"],
  },
  accept: (item, estate) => {
    const { properties } = item;
    const parent = estate.find(item.placed.id.slice(0, item.placed.id.toLowerCase().lastIndexOf("/subnets/")));
    if (parent === undefined) {
      estate.complain(item, [], {
        code: "ParentResourceNotFound",
        message: `subnet ${item.name} is in a VNet that no document describes`,
        fix: "add the file that has the VNet, such as the output of `az network vnet show`",
      });
      return;
    }
    const prefixes = prefixesOfSubnet(item, estate);
    const [addressPrefix] = prefixes.flatMap((prefix) => prefix.text() ?? []);
    if (addressPrefix === undefined) return;
    const table = attached(estate, properties.get("routeTable"), "route table");
    const group = attached(estate, properties.get("networkSecurityGroup"), "network security group");
    const gateway = attached(estate, properties.get("natGateway"), "NAT gateway");
    const services = properties
      .get("serviceEndpoints")
      .items()
      .flatMap((endpoint) => endpoint.get("service").text() ?? []);
    const delegations = properties
      .get("delegations")
      .items()
      .flatMap((delegation): NonNullable<Subnet["properties"]["delegations"]> => {
        const serviceName = delegation.get("properties", "serviceName").text();
        return serviceName === undefined ? [] : [{ name: delegation.get("name").text() ?? serviceName, properties: { serviceName } }];
      });
    estate.add(
      {
        id: item.id,
        name: item.name,
        type: subnet.type as "Microsoft.Network/virtualNetworks/subnets",
        properties: {
          addressPrefix,
          ...(prefixes.length === 1 ? {} : { addressPrefixes: prefixes.flatMap((prefix) => prefix.text() ?? []) }),
          ...(table === undefined ? {} : { routeTable: table }),
          ...(group === undefined ? {} : { networkSecurityGroup: group }),
          ...(gateway === undefined ? {} : { natGateway: gateway }),
          ...(services.length === 0 ? {} : { serviceEndpoints: [...new Set(services)].map((service) => ({ service })) }),
          ...(delegations.length === 0 ? {} : { delegations }),
        },
      },
      estate.origin(item, ([first, index, ...rest]) => {
        const prefix = first === "addressPrefix" ? prefixes[0] : first === "addressPrefixes" ? prefixes[Number(index ?? 0)] : undefined;
        return prefix?.path ?? ["properties", ...(first === undefined ? [] : [first]), ...(index === undefined ? [] : [index]), ...rest];
      }),
    );
  },
};

/** The IPv4 prefix, and behind it that of IPv6 if there is one. */
function prefixesOfSubnet(item: Item, estate: Estate): readonly Value[] {
  const { properties } = item;
  const one = properties.get("addressPrefix");
  const several = properties.get("addressPrefixes").items();
  const all = several.length > 0 ? several : one.isPresent ? [one] : [];
  const isIpv6 = (prefix: Value) => prefix.text()?.includes(":") === true;
  const families = [all.filter((prefix) => !isIpv6(prefix)), all.filter(isIpv6)];
  for (const second of families.flatMap((family) => family.slice(1, 2))) {
    const message = `subnet ${item.name} has several prefixes of one family; one is modelled`;
    second.report({ code: "NotModelled", message, fix: "make a subnet of each" });
  }
  if (families[0]?.[0] === undefined) {
    const fix = "give addressPrefix, such as 10.240.0.0/24";
    estate.complain(item, ["properties", "addressPrefix"], {
      code: "RequiredProperty",
      message: `subnet ${item.name} has no IPv4 prefix`,
      fix,
    });
    return [];
  }
  return families.flatMap((family) => family.slice(0, 1));
}

/** What a subnet or an interface is attached to; AKS attaches its own again. */
export function attached(estate: Estate, reference: Value, what: string): Reference | undefined {
  const id = reference.get("id");
  const text = id.text();
  if (text === undefined) return undefined;
  const found = estate.find(text);
  const group = /\/resourcegroups\/([^/]+)\//i.exec(text)?.[1] ?? "";
  if (found === undefined ? estate.isNodeGroup(group) : estate.isMadeByAks(found)) return undefined;
  const item = estate.refer(id, what, false);
  return item === undefined ? undefined : { id: item.id };
}

export const peering: Acceptor = {
  type: "Microsoft.Network/virtualNetworks/virtualNetworkPeerings",
  inert: words(`
    peeringState peeringSyncLevel remoteAddressSpace remoteVirtualNetworkAddressSpace localAddressSpace localVirtualNetworkAddressSpace
    remoteBgpCommunities remoteVirtualNetworkEncryption doNotVerifyRemoteGateways peerCompleteVnets remoteGateways routeServiceVips
  `),
  notModelled: {
    localSubnetNames: ["a peering of single subnets", "traces take the whole VNets as peered"],
    remoteSubnetNames: ["a peering of single subnets", "traces take the whole VNets as peered"],
    enableOnlyIPv6Peering: ["a peering of IPv6 alone", "leave the peering out"],
  },
  accept: (item, estate) => {
    const { properties } = item;
    const remote = estate.refer(properties.get("remoteVirtualNetwork", "id"), "VNet", false);
    const flag = (name: string, otherwise: boolean) => properties.get(name).flag() ?? otherwise;
    const flags = {
      allowVirtualNetworkAccess: flag("allowVirtualNetworkAccess", true),
      allowForwardedTraffic: flag("allowForwardedTraffic", false),
      allowGatewayTransit: flag("allowGatewayTransit", false),
      useRemoteGateways: flag("useRemoteGateways", false),
    };
    if (remote === undefined) return;
    estate.add(
      {
        id: item.id,
        name: item.name,
        type: peering.type as "Microsoft.Network/virtualNetworks/virtualNetworkPeerings",
        properties: { remoteVirtualNetwork: { id: remote.id }, ...flags },
      },
      estate.origin(item),
    );
  },
};

const nextHopTypes = [
  "VirtualAppliance",
  "VnetLocal",
  "Internet",
  "VirtualNetworkGateway",
  "None",
] as const satisfies readonly NextHopType[];

/** What AKS puts into a table for a kubenet node; the emulated AKS puts its own there. */
export function isNodeRoute(name: string): boolean {
  return /^aks-[a-z0-9]+-\d{8}-(vmss[0-9a-z]{6}|\d+)(____\d+)?$/i.test(name);
}

export const routeTable: Acceptor = {
  type: "Microsoft.Network/routeTables",
  inert: words("subnets"),
  accept: (item, estate) => {
    const disableBgpRoutePropagation = item.properties.get("disableBgpRoutePropagation").flag() ?? false;
    const routes: { readonly child: Item; readonly route: RouteTable["properties"]["routes"][number] }[] = [];
    for (const child of estate.childrenOf(item, "microsoft.network/routetables/routes")) {
      const { properties } = child;
      const prefix = properties.get("addressPrefix");
      const addressPrefix = prefix.text();
      const nextHopType = properties.get("nextHopType").choice(nextHopTypes);
      const nextHopIpAddress = properties.get("nextHopIpAddress").text();
      if (isNodeRoute(child.name)) {
        estate.keep(child, "the route that AKS makes for a node; the emulated AKS makes its own");
        continue;
      }
      if (addressPrefix === undefined || nextHopType === undefined) {
        const fix = "give addressPrefix and nextHopType";
        estate.complain(child, [], { code: "RequiredProperty", message: `route ${child.name} lacks its prefix or its next hop`, fix });
        continue;
      }
      const left = (message: string) =>
        prefix.report({
          code: "NotModelled",
          severity: "warning",
          message: `route ${child.name}: ${message}: it is left out`,
          source: routing,
        });
      if (/^[A-Za-z][A-Za-z0-9]*(\.[A-Za-z0-9]+)?$/.test(addressPrefix)) {
        left(`service tag ${addressPrefix} stands for addresses of Azure's that no lab has`);
        continue;
      }
      const hop = nextHopIpAddress === undefined ? {} : { nextHopIpAddress };
      routes.push({ child, route: { name: child.name, properties: { addressPrefix, nextHopType, ...hop } } });
    }
    estate.add(
      {
        id: item.id,
        name: item.name,
        type: routeTable.type as "Microsoft.Network/routeTables",
        ...locationOf(item),
        properties: { disableBgpRoutePropagation, routes: routes.map(({ route }) => route) },
      },
      originWith(
        estate,
        item,
        "routes",
        routes.map(({ child }) => child),
      ),
    );
  },
};

/** Where a resource with children in its properties comes from: each child has a place of its own. */
function originWith(estate: Estate, item: Item, collection: string, children: readonly Item[]): Origin {
  const whole = estate.origin(item);
  return {
    ...whole,
    rename: (property) => {
      const [first, index, ...rest] = property;
      const child = first === collection && typeof index === "number" ? children[index] : undefined;
      if (child === undefined || child.placed.source !== item.placed.source) return whole.rename(property);
      return estate.origin(child).rename(rest);
    },
  };
}

export const route: Acceptor = {
  type: "Microsoft.Network/routeTables/routes",
  inert: words("hasBgpOverride nextHop"),
  accept: (item, estate) => needsParent(item, estate, "routes", "route table"),
};

function needsParent(item: Item, estate: Estate, segment: string, what: string): void {
  const { id } = item.placed;
  if (estate.find(id.slice(0, id.toLowerCase().lastIndexOf(`/${segment.toLowerCase()}/`))) !== undefined) return;
  estate.complain(item, [], {
    code: "ParentResourceNotFound",
    severity: "warning",
    message: `${item.name} belongs to a ${what} that no document describes: it is left out`,
    fix: `add the file that has the ${what}`,
  });
}

const protocols = ["Tcp", "Udp", "Icmp", "*", "Esp", "Ah"] as const;

export const securityGroup: Acceptor = {
  type: "Microsoft.Network/networkSecurityGroups",
  inert: words("subnets networkInterfaces defaultSecurityRules flowLogs flushConnection"),
  accept: (item, estate) => {
    const rules = estate.childrenOf(item, "microsoft.network/networksecuritygroups/securityrules").flatMap((child) => {
      const rule = securityRuleOf(child, estate);
      return rule === undefined ? [] : [{ child, rule }];
    });
    estate.add(
      {
        id: item.id,
        name: item.name,
        type: securityGroup.type as "Microsoft.Network/networkSecurityGroups",
        ...locationOf(item),
        properties: { securityRules: rules.map(({ rule }) => rule), defaultSecurityRules },
      },
      originWith(
        estate,
        item,
        "securityRules",
        rules.map(({ child }) => child),
      ),
    );
  },
};

export const securityRule: Acceptor = {
  type: "Microsoft.Network/networkSecurityGroups/securityRules",
  inert: words("description"),
  accept: (item, estate) => needsParent(item, estate, "securityRules", "network security group"),
};

function securityRuleOf(item: Item, estate: Estate): SecurityRule | undefined {
  const { properties } = item;
  const [priority, direction] = [properties.get("priority").integer(), properties.get("direction").choice(["Inbound", "Outbound"])];
  const access = properties.get("access").choice(["Allow", "Deny"]);
  const protocol = properties.get("protocol").choice(protocols) ?? "*";
  const [source, destination] = [sideOf(item, estate, "source"), sideOf(item, estate, "destination")];
  if (priority === undefined || direction === undefined || access === undefined) {
    estate.complain(item, ["properties"], {
      code: "RequiredProperty",
      message: `security rule ${item.name} lacks priority, direction or access`,
      fix: "give all three",
    });
    return undefined;
  }
  if (protocol === "Esp" || protocol === "Ah") {
    estate.keep(item, "a rule for IPsec, which no packet here is");
    return undefined;
  }
  if (source === undefined || destination === undefined) return undefined;
  return { name: item.name, properties: { protocol, ...source, ...destination, access, priority, direction } };
}

/** One end of a rule; `undefined` when no address here can match it, which has been said. */
function sideOf(item: Item, estate: Estate, end: "source" | "destination"): Partial<SecurityRule["properties"]> | undefined {
  const { properties } = item;
  const texts = (name: string) =>
    properties
      .get(name)
      .items()
      .flatMap((value) => value.text() ?? []);
  const single = properties.get(`${end}AddressPrefix`);
  const several = properties.get(`${end}AddressPrefixes`).items();
  const groups = properties.get(`${end}ApplicationSecurityGroups`).items();
  const [port, ports] = [properties.get(`${end}PortRange`).text(), texts(`${end}PortRanges`)];
  const members = groups.flatMap((group) => {
    const found = estate.refer(group.get("id"), "application security group", false);
    return found === undefined ? [] : [{ id: found.id }];
  });
  const addresses = [...(single.isPresent ? [single] : []), ...several].filter((value) => value.text() !== undefined);
  const known = addresses.filter((value) => !isForeignTag(item, value));
  if ((groups.length > 0 && members.length === 0) || (addresses.length > 0 && known.length === 0)) return undefined;
  const [only, ...others] = known.flatMap((value) => value.text() ?? []);
  return {
    ...(members.length === 0 ? {} : { [`${end}ApplicationSecurityGroups`]: members }),
    ...(only === undefined
      ? members.length === 0
        ? { [`${end}AddressPrefix`]: "*" }
        : {}
      : others.length === 0 && several.length === 0
        ? { [`${end}AddressPrefix`]: only }
        : { [`${end}AddressPrefixes`]: [only, ...others] }),
    ...(ports.length > 0 ? { [`${end}PortRanges`]: ports } : { [`${end}PortRange`]: port ?? "*" }),
    ...(ports.length > 0 && port !== undefined ? { [`${end}PortRange`]: port } : {}),
  };
}

/** A tag of a service of Azure's: its addresses are those of Azure's own machines, which no lab has, so it matches nothing here. */
function isForeignTag(item: Item, value: Value): boolean {
  const text = value.text() ?? "";
  if (!/^[A-Za-z][A-Za-z0-9]*(\.[A-Za-z0-9]+)?$/.test(text) || serviceTag(text) !== undefined) return false;
  value.report({
    code: "NotModelled",
    severity: "warning",
    message: `security rule ${item.name}: service tag ${text} stands for addresses of Azure's own services, which no lab has: it matches nothing here`,
    source: "learn:azure/virtual-network/service-tags-overview",
  });
  return true;
}

export const applicationSecurityGroup: Acceptor = {
  type: "Microsoft.Network/applicationSecurityGroups",
  inert: [],
  accept: (item, estate) => {
    estate.add(
      {
        id: item.id,
        name: item.name,
        type: applicationSecurityGroup.type as "Microsoft.Network/applicationSecurityGroups",
        ...locationOf(item),
        properties: {},
      },
      estate.origin(item),
    );
  },
};

export function locationOf({ placed }: Item): { readonly location?: string } {
  return placed.location === undefined ? {} : { location: placed.location };
}

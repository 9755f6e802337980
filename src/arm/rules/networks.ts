/** Rules of VNets, subnets and route tables. */

import { type Address, parseAddress } from "../../net/address.ts";
import { hostPrefix, lengthOf, type Prefix, parsePrefix } from "../../net/prefix.ts";
import { dayOf, labReserved, limitAt, limits, networkForbidden } from "../limits.ts";
import { addressTag, ipForwardingTag, subnetTag } from "../names.ts";
import type { RouteTable, Subnet, VirtualMachine, VirtualNetwork } from "../resources.ts";
import { checkForbidden, readCidr, some, span } from "./cidr.ts";
import { isIpv6 } from "./dual-stack.ts";
import { backendsOf } from "./load-balancers.ts";
import { PrefixSet } from "./prefix-set.ts";
import type { Report } from "./problem.ts";
import { type AzureView, parentOf, sameId, subnetLabel } from "./view.ts";

/** Of a VNet's gateway: nothing else may be in it. */
export const gatewaySubnet = "GatewaySubnet";

const faq = "learn:azure/virtual-network/virtual-networks-faq";
const haPorts = "learn:azure/load-balancer/load-balancer-ha-ports-overview";
const routing = "learn:azure/virtual-network/virtual-networks-udr-overview";

export function checkNetworks(view: AzureView, report: Report): void {
  for (const network of view.networks) checkNetwork(view, network, report);
  for (const table of view.routeTables) checkRouteTable(view, table, report);
  checkServiceEndpoints(view, report);
}

/** A service answers to private addresses, so in a lab it must be told by them which VNet is asking. Azure tells otherwise. */
function checkServiceEndpoints(view: AzureView, report: Report): void {
  const known = new Map<string, PrefixSet<Subnet>>();
  for (const subnet of view.subnets) {
    const prefix = parsePrefix(subnet.properties.addressPrefix);
    for (const [index, { service }] of (subnet.properties.serviceEndpoints ?? []).entries()) {
      const others = known.get(service) ?? new PrefixSet<Subnet>();
      known.set(service, others);
      const other = prefix === undefined ? undefined : others.overlapping(prefix)?.value;
      if (prefix !== undefined) others.add(prefix, subnet);
      if (other === undefined || sameId(parentOf(other.id), parentOf(subnet.id))) continue;
      report({
        id: subnet.id,
        property: ["serviceEndpoints", index],
        code: "NotModelled",
        severity: "error",
        value: service,
        message: `subnets ${subnetLabel(other.id)} and ${subnetLabel(subnet.id)} have overlapping prefixes and both an endpoint for ${service}`,
        source: "a limit of the lab, not of Azure",
        fix: "give the subnets prefixes of their own, or leave one endpoint out",
      });
    }
  }
}

function checkNetwork(view: AzureView, network: VirtualNetwork, report: Report): void {
  const spaces: Prefix[] = [];
  const seen = new PrefixSet<undefined>();
  let isComplete = true;
  for (const [index, text] of network.properties.addressSpace.addressPrefixes.entries()) {
    if (isIpv6(text)) continue;
    const where = { id: network.id, property: ["addressSpace", "addressPrefixes", index] };
    const prefix = readCidr(report, where, text);
    if (prefix === undefined) {
      isComplete = false;
      continue;
    }
    checkSize(prefix, `VNet ${network.name}'s address range`, where, report);
    checkForbidden(report, where, prefix, "address range", networkForbidden);
    checkForbidden(report, where, prefix, "address range", labReserved);
    const other = seen.overlapping(prefix)?.prefix;
    if (other !== undefined) {
      report({
        ...where,
        code: "InvalidParameter",
        severity: "error",
        value: prefix,
        message: `address ranges of VNet ${network.name} overlap: ${span(other)} and ${span(prefix)}`,
        source: faq,
        fix: "leave one out, or make them disjoint",
      });
    }
    spaces.push(prefix);
    seen.add(prefix, undefined);
  }

  const subnets = view.subnetsOf(network);
  const ranges = new PrefixSet<Subnet>();
  for (const subnet of subnets) {
    const where = { id: subnet.id, property: ["addressPrefix"] };
    const prefix = readCidr(report, where, subnet.properties.addressPrefix);
    if (prefix === undefined) continue;
    checkSize(prefix, `subnet ${subnetLabel(subnet.id)}`, where, report);
    if (isComplete && spaces.length > 0 && seen.covering(prefix) === undefined) {
      report({
        ...where,
        code: "NetcfgSubnetRangeOutsideVnet",
        severity: "error",
        value: prefix,
        message: `subnet ${subnetLabel(subnet.id)}, ${span(prefix)}, is not within the address space of VNet ${network.name}, ${some(spaces, ", ")}`,
        source: faq,
        fix: `choose a part of ${some(spaces, " or ")}, or add a range that holds ${prefix} to the address space`,
      });
    }
    const other = ranges.overlapping(prefix);
    if (other !== undefined) {
      report({
        ...where,
        code: "NetcfgSubnetRangesOverlap",
        severity: "error",
        value: prefix,
        message: `subnet ${subnetLabel(subnet.id)}, ${span(prefix)}, overlaps subnet ${subnetLabel(other.value.id)}, ${span(other.prefix)}`,
        source: faq,
        fix: "make the subnets disjoint",
      });
    }
    ranges.add(prefix, subnet);
  }
  if (subnets.length > limits.subnetsPerNetwork.value) {
    report({
      code: "SubnetCountLimitReached",
      severity: "error",
      id: network.id,
      property: ["subnets"],
      value: subnets.length,
      message: `VNet ${network.name} has ${subnets.length} subnets; a VNet holds at most ${limits.subnetsPerNetwork.value}`,
      source: limits.subnetsPerNetwork.source,
    });
  }
}

function checkSize(prefix: Prefix, what: string, where: Parameters<typeof readCidr>[1], report: Report): void {
  const length = lengthOf(prefix);
  const { smallestSubnet, largestSubnet } = limits;
  const problem = { ...where, code: "InvalidParameter", severity: "error", value: prefix } as const;
  if (length > smallestSubnet.value) {
    const message = `${what} is a /${length}; the smallest that Azure takes is a /${smallestSubnet.value}, since it keeps ${limits.reservedAddresses.value} addresses for itself`;
    report({ ...problem, message, source: smallestSubnet.source, fix: `use a /${smallestSubnet.value} or larger` });
  }
  if (length < largestSubnet.value) {
    const message = `${what} is a /${length}; the largest that Azure takes is a /${largestSubnet.value}`;
    report({ ...problem, message, source: largestSubnet.source, fix: `use a /${largestSubnet.value} or smaller` });
  }
}

function checkRouteTable(view: AzureView, table: RouteTable, report: Report): void {
  const { routes } = table.properties;
  const limit = limitAt(limits.routesPerTable, dayOf(view.labs[0]?.properties.rules ?? "current"));
  if (routes.length > limit.value) {
    report({
      code: "RouteTableRoutesLimitReached",
      severity: "error",
      id: table.id,
      property: ["routes"],
      value: routes.length,
      message: `route table ${table.name} has ${routes.length} routes; a table holds at most ${limit.value}`,
      source: limit.source,
    });
  }
  const attached = view.subnetsWith(table);
  const gatewaysOwn = attached.find((subnet) => subnet.name.toLowerCase() === gatewaySubnet.toLowerCase());
  const parents = [...new Set(attached.map((subnet) => parentOf(subnet.id)))].flatMap((id) => view.network(id) ?? []);
  const seen = new Map<Prefix, string>();
  for (const [index, route] of routes.entries()) {
    const { addressPrefix, nextHopType, nextHopIpAddress } = route.properties;
    const at = (property: string) => ({ id: table.id, property: ["routes", index, property] });
    if (/^[A-Z][A-Za-z]*(\.[A-Za-z0-9]+)?$/.test(addressPrefix)) {
      const message = `${addressPrefix} looks like a service tag; service tags as route prefixes are not modelled yet`;
      const fix = "write the prefixes out, such as 203.0.113.0/24";
      report({ ...at("addressPrefix"), code: "NotModelled", severity: "error", value: addressPrefix, message, source: routing, fix });
    } else {
      const prefix = readCidr(report, at("addressPrefix"), addressPrefix, [4, 6]);
      const twin = prefix === undefined ? undefined : seen.get(prefix);
      if (prefix !== undefined && twin !== undefined) {
        report({
          ...at("addressPrefix"),
          code: "RouteConflict",
          severity: "error",
          value: prefix,
          message: `routes ${twin} and ${route.name} of table ${table.name} have the same prefix ${prefix}; a table has one route per prefix`,
          source: routing,
          fix: "leave one out",
        });
      } else if (prefix !== undefined) seen.set(prefix, route.name);
      if (prefix === "0.0.0.0/0" && gatewaysOwn !== undefined) {
        const message = `a 0.0.0.0/0 route is not possible on ${gatewaySubnet}: the gateway would lose its way to Azure`;
        report({ ...at("addressPrefix"), code: "InvalidParameter", severity: "error", value: prefix, message, source: routing });
      }
    }
    if (nextHopType === "VirtualAppliance") {
      if (nextHopIpAddress === undefined || parseAddress(nextHopIpAddress) === undefined) {
        const given = nextHopIpAddress === undefined ? "has none" : `has ${JSON.stringify(nextHopIpAddress)}`;
        report({
          ...at("nextHopIpAddress"),
          code: "InvalidNextHopIpAddress",
          severity: "error",
          ...(nextHopIpAddress === undefined ? {} : { value: nextHopIpAddress }),
          message: `next hop VirtualAppliance needs the private address of the appliance; route ${route.name} ${given}`,
          source: routing,
          fix: "give nextHopIpAddress, such as 10.240.4.4",
        });
      } else if (isIpv6(nextHopIpAddress) !== isIpv6(addressPrefix)) {
        report({
          ...at("nextHopIpAddress"),
          code: "InvalidNextHopIpAddress",
          severity: "error",
          value: nextHopIpAddress,
          message: `route ${route.name} to ${addressPrefix} has a next hop of the other family, ${nextHopIpAddress}`,
          source: "learn:azure/virtual-network/ip-services/ipv6-overview",
          fix: "use the appliance's address of the same family",
        });
      } else if (!isIpv6(nextHopIpAddress)) checkAppliance(view, parents, nextHopIpAddress, at("nextHopIpAddress"), report);
    } else if (nextHopIpAddress !== undefined) {
      report({
        ...at("nextHopIpAddress"),
        code: "InvalidNextHopIpAddress",
        severity: "error",
        value: nextHopIpAddress,
        message: `next hop ${nextHopType} takes no address; only VirtualAppliance does`,
        source: routing,
        fix: "leave nextHopIpAddress out, or use nextHopType: VirtualAppliance",
      });
    }
  }
}

/** The network interface of an appliance takes what is not for its own address with IP forwarding only. */
function checkForwarding(
  view: AzureView,
  networks: readonly VirtualNetwork[],
  hop: Address,
  where: Parameters<typeof readCidr>[1],
  report: Report,
): void {
  const appliance = view.machines.find(
    ({ tags }) => tags?.[addressTag] === hop && networks.some((one) => sameId(parentOf(tags[subnetTag] ?? ""), one.id)),
  );
  if (appliance !== undefined) checkMachine(appliance, hop, where, report);
}

function checkMachine(appliance: VirtualMachine, hop: Address, where: Parameters<typeof readCidr>[1], report: Report): void {
  if (appliance.tags?.[ipForwardingTag] === "true") return;
  const isIt = appliance.tags?.[addressTag] === hop ? "is machine" : "leads to machine";
  report({
    ...where,
    code: "IPForwardingDisabled",
    severity: "warning",
    value: hop,
    message: `next hop ${hop} ${isIt} ${appliance.name}, whose network interface does not forward: what this route sends there is dropped`,
    source: "learn:azure/virtual-network/virtual-network-network-interface",
    fix: `set enableIPForwarding: true on ${appliance.name}`,
  });
}

/** The appliance must be directly reachable: in the VNet of each subnet that uses the table, or in one that is peered with it. */
function checkAppliance(
  view: AzureView,
  parents: readonly VirtualNetwork[],
  address: string,
  where: Parameters<typeof readCidr>[1],
  report: Report,
): void {
  const hop = parseAddress(address);
  if (hop === undefined) return;
  const balancer = view.loadBalancers.find(({ properties }) =>
    properties.frontendIPConfigurations.some((frontend) => frontend.properties.privateIPAddress === hop),
  );
  if (balancer !== undefined && !balancer.properties.loadBalancingRules.some((rule) => rule.properties.protocol === "All")) {
    report({
      ...where,
      code: "NotModelled",
      severity: "error",
      value: address,
      message: `next hop ${address} is the frontend of load balancer ${balancer.name}, which has no rule for all ports: Azure does not say which flows of a route such rules would take`,
      source: haPorts,
      fix: `give ${balancer.name} one rule of protocol All (high-availability ports), or use the address of an appliance`,
    });
    return;
  }
  for (const network of parents) {
    const near = [network, ...view.peersOf(network)];
    if (near.some((one) => view.spaceOf(one).set.covering(hostPrefix(hop)) !== undefined)) {
      if (balancer === undefined) checkForwarding(view, near, hop, where, report);
      else for (const behind of backendsOf(view, balancer)) checkMachine(behind, hop, where, report);
      continue;
    }
    report({
      ...where,
      code: "InvalidNextHopIpAddress",
      severity: "warning",
      value: address,
      message: `next hop ${address} is neither in VNet ${network.name} (${some(view.spaceOf(network).prefixes, ", ")}) nor in one that is peered with it: Azure drops what this route sends`,
      source: routing,
      fix: "use the address of a network interface in the VNet or in a peered one",
    });
  }
}

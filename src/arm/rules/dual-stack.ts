/**
 * Rules of IPv6 beside IPv4: what Azure and AKS refuse of dual stack. Azure docs: virtual-network/ip-services/ipv6-overview (limitations);
 * AKS docs: configure-dual-stack, azure-cni-overlay (dual-stack networking, limitations), configure-kubenet-dual-stack.
 */

import { type Address, type Family, familyOf, parseAddress } from "../../net/address.ts";
import {
  addressAt,
  lengthOf,
  type Prefix,
  parsePrefix,
  prefixContains,
  prefixCovers,
  prefixesOverlap,
  prefixFamily,
} from "../../net/prefix.ts";
import { ipv6Limits, ipv6PodCidr, ipv6Reserved } from "../dual-stack.ts";
import { limits } from "../limits.ts";
import { ipv6AddressTag, publicAddressTag, publicIpv6AddressTag, subnetTag } from "../names.ts";
import { isKubenetProfile, isOverlayProfile, networkOption, optionNames } from "../network-option.ts";
import type { ManagedCluster, SecurityRule, Subnet, VirtualMachine, VirtualNetwork } from "../resources.ts";
import { addressPrefix } from "../security-rules.ts";
import { checkForbidden, readCidr, some, span, type Where } from "./cidr.ts";
import type { Report } from "./problem.ts";
import { isOlder } from "./versions.ts";
import { type AzureView, parentOf, sameId, subnetLabel } from "./view.ts";

const overview = "learn:azure/virtual-network/ip-services/ipv6-overview";
const dualStack = "aks:configure-dual-stack.md";
const overlayLimits = "aks:azure-cni-overlay.md (dual-stack networking, limitations)";
const kubenetLimits = "aks:configure-kubenet-dual-stack.md (limitations)";

export function checkDualStack(view: AzureView, report: Report): void {
  for (const network of view.networks) checkNetwork(view, network, report);
  checkMachines(view, report);
  checkInternetHosts(view, report);
  checkPublicAddresses(view, report);
  for (const group of view.securityGroups) {
    for (const [index, rule] of group.properties.securityRules.entries()) checkSecurityRule(group.id, index, rule, report);
  }
  for (const site of view.sites) {
    const local = view.localGateway(site.properties.localNetworkGateway.id);
    for (const [index, text] of (local?.properties.localNetworkAddressSpace.addressPrefixes ?? []).entries()) {
      if (!isIpv6(text)) continue;
      report({
        code: "InvalidParameter",
        severity: "error",
        id: site.id,
        property: ["prefixes", index],
        value: text,
        message: `site ${site.name} has an IPv6 prefix, ${text}: VPN gateways carry IPv4 only`,
        source: overview,
        fix: "leave it out",
      });
    }
  }
  for (const cluster of view.clusters) checkCluster(view, cluster, report);
}

/** Is it an address or a prefix of IPv6, or meant to be one? */
export function isIpv6(text: string): boolean {
  return text.includes(":");
}

function spaceOf(network: VirtualNetwork | undefined): readonly Prefix[] {
  return (network?.properties.addressSpace.addressPrefixes ?? []).flatMap(ipv6Prefix);
}

/** The IPv6 prefix of a dual-stack subnet. */
function prefixOfSubnet(subnet: Subnet | undefined): Prefix | undefined {
  return (subnet?.properties.addressPrefixes ?? []).flatMap(ipv6Prefix)[0];
}

function ipv6Prefix(text: string): Prefix[] {
  const prefix = isIpv6(text) ? parsePrefix(text) : undefined;
  return prefix === undefined ? [] : [prefix];
}

const bothFamilies: readonly Family[] = [4, 6];

function checkNetwork(view: AzureView, network: VirtualNetwork, report: Report): void {
  const texts = network.properties.addressSpace.addressPrefixes;
  const spaces: Prefix[] = [];
  for (const [index, text] of texts.entries()) {
    if (!isIpv6(text)) continue;
    const where = { id: network.id, property: ["addressSpace", "addressPrefixes", index] };
    const prefix = readCidr(report, where, text, bothFamilies);
    if (prefix === undefined) continue;
    checkForbidden(report, where, prefix, "address range", ipv6Reserved);
    const other = spaces.find((one) => prefixesOverlap(one, prefix));
    if (other !== undefined) {
      const message = `address ranges of VNet ${network.name} overlap: ${other} and ${prefix}`;
      report({ ...where, code: "InvalidParameter", severity: "error", value: prefix, message, source: overview, fix: "leave one out" });
    }
    spaces.push(prefix);
  }
  if (spaces.length > 0 && texts.every(isIpv6)) {
    report({
      code: "InvalidParameter",
      severity: "error",
      id: network.id,
      property: ["addressSpace"],
      message: `VNet ${network.name} has IPv6 alone: every network interface has an IPv4 address, so the VNet needs an IPv4 range too`,
      source: overview,
      fix: "add one, such as 10.240.0.0/16",
    });
  }
  const known: { readonly prefix: Prefix; readonly subnet: Subnet }[] = [];
  for (const subnet of view.subnetsOf(network)) {
    const prefix = checkSubnet(network, spaces, subnet, report);
    if (prefix === undefined) continue;
    const other = known.find((one) => prefixesOverlap(one.prefix, prefix));
    if (other !== undefined) {
      report({
        code: "NetcfgSubnetRangesOverlap",
        severity: "error",
        id: subnet.id,
        property: ["addressPrefixes", 1],
        value: prefix,
        message: `subnet ${subnetLabel(subnet.id)}, ${prefix}, overlaps subnet ${subnetLabel(other.subnet.id)}, ${other.prefix}`,
        source: overview,
        fix: "make the subnets disjoint",
      });
    }
    known.push({ prefix, subnet });
  }
}

function checkSubnet(network: VirtualNetwork, spaces: readonly Prefix[], subnet: Subnet, report: Report): Prefix | undefined {
  const { addressPrefixes = [] } = subnet.properties;
  const six = addressPrefixes.flatMap((text, index) => (isIpv6(text) ? [{ text, index }] : []));
  const [first, second] = six;
  const extra = second?.index ?? (addressPrefixes.length - six.length > 1 ? 1 : undefined);
  if (extra !== undefined) {
    report({
      code: "NotModelled",
      severity: "error",
      id: subnet.id,
      property: ["addressPrefixes", extra],
      value: addressPrefixes[extra],
      message: `subnet ${subnetLabel(subnet.id)} has several prefixes of one family, which is not modelled`,
      source: "learn:azure/virtual-network/how-to-multiple-prefixes-subnet",
      fix: "give it one IPv4 prefix and one IPv6 prefix",
    });
  }
  if (first === undefined) return undefined;
  const where = { id: subnet.id, property: ["addressPrefixes", first.index] };
  if (isIpv6(subnet.properties.addressPrefix)) {
    const message = `subnet ${subnetLabel(subnet.id)} has IPv6 alone: every network interface has an IPv4 address, too`;
    report({ ...where, code: "InvalidParameter", severity: "error", message, source: overview, fix: "add an IPv4 prefix" });
  }
  const prefix = readCidr(report, where, first.text, bothFamilies);
  if (prefix === undefined) return undefined;
  if (lengthOf(prefix) !== ipv6Limits.subnetLength.value) {
    report({
      ...where,
      code: "InvalidParameter",
      severity: "error",
      value: prefix,
      message: `subnet ${subnetLabel(subnet.id)} has the IPv6 prefix ${prefix}, a /${lengthOf(prefix)}; an IPv6 subnet is exactly a /${ipv6Limits.subnetLength.value}`,
      source: ipv6Limits.subnetLength.source,
      fix: `use a /${ipv6Limits.subnetLength.value}`,
    });
  }
  if (!spaces.some((space) => prefixCovers(space, prefix))) {
    report({
      ...where,
      code: "NetcfgSubnetRangeOutsideVnet",
      severity: "error",
      value: prefix,
      message: `subnet ${subnetLabel(subnet.id)}, ${prefix}, is not within the IPv6 address space of VNet ${network.name}, ${some(spaces, ", ") || "which has none"}`,
      source: overview,
      fix: spaces.length === 0 ? `add an IPv6 range that holds ${prefix} to addressSpace` : `choose a part of ${some(spaces, " or ")}`,
    });
  }
  return prefix;
}

function checkMachines(view: AzureView, report: Report): void {
  const taken = new Map<string, string>();
  const firewalls = new Set(view.firewalls.map(({ properties }) => properties.virtualMachine.id.toLowerCase()));
  for (const machine of view.machines) {
    const text = machine.tags?.[ipv6AddressTag];
    if (text === undefined) continue;
    const where = { id: machine.id, property: ["tags", ipv6AddressTag], severity: "error", value: text } as const;
    if (firewalls.has(machine.id.toLowerCase())) {
      report({
        ...where,
        code: "InvalidParameter",
        message: `machine ${machine.name} is a firewall, and Azure Firewall does not support IPv6`,
        source: overview,
        fix: "leave out its IPv6 address, or its firewall",
      });
    }
    checkMachine(view, machine, where, text, taken, report);
  }
}

function checkMachine(
  view: AzureView,
  machine: VirtualMachine,
  where: Where & { readonly severity: "error"; readonly value: string },
  text: string,
  taken: Map<string, string>,
  report: Report,
): void {
  const subnetId = machine.tags?.[subnetTag] ?? "";
  const subnet = view.subnet(subnetId);
  if (subnet === undefined) return;
  const prefix = prefixOfSubnet(subnet);
  if (prefix === undefined) {
    report({
      ...where,
      code: "InvalidParameter",
      message: `machine ${machine.name} is to have an IPv6 address, and subnet ${subnetLabel(subnetId)} has no IPv6 prefix`,
      source: overview,
      fix: "give the subnet prefixes: one of IPv4 and a /64 of IPv6",
    });
    return;
  }
  if (text === "") return;
  const address = parseAddress(text);
  const fix = `use ${addressAt(prefix, 4)} or a later one, or leave it out to get the lowest free one`;
  if (address === undefined || familyOf(address) === 4) {
    report({ ...where, code: "InvalidParameter", message: `${JSON.stringify(text)} is not an IPv6 address`, fix });
    return;
  }
  if (!prefixContains(prefix, address)) {
    const message = `${address} is not in subnet ${subnetLabel(subnetId)}, ${prefix}`;
    report({ ...where, code: "PrivateIPAddressNotInSubnet", message, source: overview, fix });
  } else if ([0, 1, 2, 3].some((index) => addressAt(prefix, index) === address)) {
    const message = `${address} is one of the first four addresses of ${prefix}, which Azure keeps`;
    report({ ...where, code: "PrivateIPAddressInReservedRange", message, source: limits.reservedAddresses.source, fix });
  }
  const key = `${subnetId.toLowerCase()} ${address}`;
  const other = taken.get(key);
  if (other === undefined) taken.set(key, machine.name);
  else report({ ...where, code: "PrivateIPAddressInUse", message: `machines ${other} and ${machine.name} both want ${address}`, fix });
}

function checkInternetHosts(view: AzureView, report: Report): void {
  const known = new Map<Address, string>();
  for (const host of view.internetHosts) {
    const text = host.properties.ipv6Address;
    if (text === undefined) continue;
    const where = { id: host.id, property: ["ipv6Address"], severity: "error", value: text, code: "InvalidParameter" } as const;
    const address = parseAddress(text);
    if (address === undefined || familyOf(address) === 4) {
      report({ ...where, message: `${JSON.stringify(text)} is not an IPv6 address`, fix: "write one such as 2001:db8::10" });
      continue;
    }
    const range = [...ipv6Reserved.ranges, ...ipv6Reserved.private].find(({ prefix }) => prefixContains(prefix, address));
    if (range !== undefined) {
      report({
        ...where,
        message: `${address} is in ${range.prefix}, ${range.what}: no such host is on the internet`,
        source: ipv6Reserved.source,
        fix: "use a public address; 2001:db8::/32 is meant for examples (RFC 3849)",
      });
    }
    const network = view.networks.find((one) => spaceOf(one).some((prefix) => prefixContains(prefix, address)));
    if (network !== undefined) {
      const message = `${address} is in the address space of VNet ${network.name}: packets to it would stay in the VNet`;
      report({ ...where, message, fix: "choose an address outside every VNet" });
    }
    const other = known.get(address);
    if (other !== undefined)
      report({ ...where, code: "AddressInUse", message: `internet hosts ${other} and ${host.name} both have ${address}` });
    else known.set(address, host.name);
  }
}

/** Who may have a public address of which family. */
function checkPublicAddresses(view: AzureView, report: Report): void {
  const versionOf = (id: string) =>
    view.publicAddresses.find((address) => sameId(address.id, id))?.properties.publicIPAddressVersion ?? "IPv4";
  const refuse = (id: string, property: readonly (string | number)[], message: string, fix: string, source = overview) =>
    report({ code: "InvalidParameter", severity: "error", id, property, message, source, fix });
  for (const { id, name, properties } of view.publicAddresses) {
    if (properties.publicIPAddressVersion !== "IPv6" || properties.publicIPPrefix === undefined) continue;
    const message = `public address ${name} is of IPv6 and of a prefix: IPv6 prefixes are not modelled`;
    report({
      code: "NotModelled",
      severity: "error",
      id,
      property: ["publicIPPrefix"],
      message,
      source: overview,
      fix: "leave publicIPPrefix out",
    });
  }
  for (const machine of view.machines) {
    for (const [tag, version] of [
      [publicAddressTag, "IPv4"],
      [publicIpv6AddressTag, "IPv6"],
    ] as const) {
      const address = machine.tags?.[tag];
      if (address === undefined || versionOf(address) === version) continue;
      refuse(
        machine.id,
        ["tags", tag],
        `machine ${machine.name}'s ${version} configuration cannot have a public address of the other family`,
        version === "IPv6" ? "give the public address publicIPAddressVersion: IPv6" : "use it as publicIPv6Address",
      );
    }
  }
  for (const gateway of view.natGateways) {
    for (const [index, { id }] of gateway.properties.publicIpAddresses.entries()) {
      if (versionOf(id) === "IPv4") continue;
      refuse(
        gateway.id,
        ["publicIpAddresses", index],
        `NAT gateway ${gateway.name} cannot have an IPv6 address: Standard NAT gateways translate IPv4 only`,
        "use an IPv4 address",
        "learn:azure/nat-gateway/nat-gateway-resource",
      );
    }
  }
  for (const cluster of view.clusters) {
    const { outboundIPs } = cluster.properties.networkProfile.loadBalancerProfile;
    for (const [index, { id }] of (outboundIPs?.publicIPs ?? []).entries()) {
      if (versionOf(id) === "IPv4") continue;
      report({
        code: "NotModelled",
        severity: "error",
        id: cluster.id,
        property: ["networkProfile", "loadBalancerProfile", "outboundIPs", "publicIPs", index],
        message: "IPv6 addresses of one's own in outboundIPs are not modelled",
        source: dualStack,
        fix: "use managedOutboundIPs, with countIPv6",
      });
    }
  }
}

function checkSecurityRule(id: string, index: number, { name, properties }: SecurityRule, report: Report): void {
  const texts = [
    properties.sourceAddressPrefix,
    ...(properties.sourceAddressPrefixes ?? []),
    properties.destinationAddressPrefix,
    ...(properties.destinationAddressPrefixes ?? []),
  ];
  const families = new Set(
    texts.flatMap((text) => {
      const prefix = text === undefined ? undefined : addressPrefix(text);
      return prefix === undefined ? [] : [prefixFamily(prefix)];
    }),
  );
  if (families.size < 2) return;
  report({
    code: "SecurityRuleAddressPrefixesMixFamilies",
    severity: "error",
    id,
    property: ["securityRules", index],
    message: `security rule ${name} has prefixes of IPv4 and of IPv6: a rule has those of one family`,
    source: overview,
    fix: "make two rules of it",
  });
}

function checkCluster(view: AzureView, cluster: ManagedCluster, report: Report): void {
  const profile = cluster.properties.networkProfile;
  const { ipFamilies, podCidrs, serviceCidrs } = profile;
  const refuse = (property: readonly (string | number)[], message: string, source: string, fix: string, code = "InvalidParameter") =>
    report({ code, severity: "error", id: cluster.id, property: ["networkProfile", ...property], message, source, fix });
  const families = ipFamilies ?? ["IPv4"];
  const isDual = families.length === 2 && families[0] === "IPv4" && families[1] === "IPv6";
  if (!isDual && (families.length !== 1 || families[0] !== "IPv4")) {
    refuse(["ipFamilies"], `ipFamilies is [${families.join(", ")}]`, dualStack, "use [IPv4] or [IPv4, IPv6]: no other is supported");
    return;
  }
  for (const [property, list] of [
    ["podCidrs", podCidrs],
    ["serviceCidrs", serviceCidrs],
  ] as const) {
    if (list === undefined) continue;
    const isRight = list.length === families.length && list.every((text, index) => isIpv6(text) === (families[index] === "IPv6"));
    if (isRight) continue;
    const message = `${property} is [${list.join(", ")}], and ipFamilies [${families.join(", ")}]: the lists have the same count and order`;
    refuse(
      [property],
      message,
      dualStack,
      isDual ? "give an IPv4 prefix and an IPv6 prefix" : "add ipFamilies: [IPv4, IPv6], or leave it out",
    );
  }
  const countIPv6 = profile.loadBalancerProfile.managedOutboundIPs?.countIPv6;
  if (!isDual) {
    if (countIPv6 !== undefined) {
      const at = ["loadBalancerProfile", "managedOutboundIPs", "countIPv6"];
      refuse(at, "countIPv6 is for a dual-stack cluster", dualStack, "add ipFamilies: [IPv4, IPv6], or leave it out");
    }
    return;
  }
  const pools = view.poolsOf(cluster);
  if (!isKubenetProfile(profile) && !isOverlayProfile(profile)) {
    const option = optionNames[networkOption(profile, pools)];
    const message = `${option} has no dual stack: pods would have addresses of the subnet, and only those of an address space of their own have both families`;
    refuse(["ipFamilies"], message, dualStack, "use networkPluginMode: overlay");
    return;
  }
  checkFeatures(cluster, pools, refuse);
  checkClusterRanges(view, cluster, pools, report);
}

type Refuse = (property: readonly (string | number)[], message: string, source: string, fix: string, code?: string) => void;
type Pools = ReturnType<AzureView["poolsOf"]>;

/** What dual stack does not go with. */
function checkFeatures(cluster: ManagedCluster, pools: Pools, refuse: Refuse): void {
  const { kubernetesVersion, networkProfile: profile, addonProfiles } = cluster.properties;
  const isKubenet = isKubenetProfile(profile);
  const docs = isKubenet ? kubenetLimits : overlayLimits;
  const { networkPolicy = "none", outboundType } = profile;
  if (networkPolicy === "azure" || networkPolicy === "calico") {
    const name = networkPolicy === "azure" ? "Azure Network Policy Manager" : "Calico";
    refuse(["networkPolicy"], `dual stack does not go with ${name}`, docs, isKubenet ? "leave networkPolicy out" : "use cilium");
  }
  if (outboundType === "managedNATGateway" || outboundType === "userAssignedNATGateway") {
    refuse(["outboundType"], "dual stack does not go with a NAT gateway, which translates IPv4 only", docs, "use loadBalancer");
  }
  if (addonProfiles?.aciConnectorLinux?.enabled === true) {
    refuse(["ipFamilies"], "dual stack does not go with virtual nodes", docs, "leave the virtual-node add-on out");
  }
  if (isKubenet && pools.some(({ properties }) => properties.osType === "Windows")) {
    refuse(["ipFamilies"], "dual-stack kubenet does not go with Windows pools", docs, "use networkPluginMode: overlay");
  }
  const oldest = isKubenet ? "1.21" : "1.26";
  if (kubernetesVersion !== undefined && isOlder(kubernetesVersion, oldest)) {
    const message = `dual stack needs Kubernetes ${isKubenet ? "1.21.2" : "1.26.3"} or later, and the cluster has ${kubernetesVersion}`;
    refuse(["ipFamilies"], message, isKubenet ? kubenetLimits : "aks:azure-cni-overlay.md", "use a later version");
  }
  const nodes = pools.reduce((sum, pool) => sum + pool.properties.count, 0);
  const { kubenetNodes } = ipv6Limits;
  if (isKubenet && nodes > kubenetNodes.value) {
    refuse(
      ["ipFamilies"],
      `the pools have ${nodes} nodes, and a dual-stack kubenet cluster at most ${kubenetNodes.value}: two routes per node, of 400 that a route table held when AKS said so`,
      kubenetNodes.source,
      "use fewer nodes, or networkPluginMode: overlay",
      "QuotaExceeded",
    );
  }
}

function checkClusterRanges(view: AzureView, cluster: ManagedCluster, pools: Pools, report: Report): void {
  const { podCidrs = [], serviceCidrs = [] } = cluster.properties.networkProfile;
  const read = (property: string, list: readonly string[]) => {
    const index = list.findIndex(isIpv6);
    const text = list[index];
    const where = { id: cluster.id, property: ["networkProfile", property, index] };
    const prefix = text === undefined ? undefined : readCidr(report, where, text, bothFamilies);
    if (prefix === undefined) return undefined;
    checkForbidden(report, where, prefix, property, ipv6Reserved);
    return { where, prefix };
  };
  const pods = read("podCidrs", podCidrs);
  const services = read("serviceCidrs", serviceCidrs);
  const refuse = ({ where, prefix }: NonNullable<typeof pods>, code: string, message: string, source: string, fix: string) =>
    report({ ...where, code, severity: "error", value: prefix, message, source, fix });
  if (services !== undefined && lengthOf(services.prefix) < ipv6Limits.largestServiceCidr.value) {
    const { value, source } = ipv6Limits.largestServiceCidr;
    refuse(
      services,
      "InvalidParameter",
      `IPv6 service CIDR ${services.prefix} is larger than a /${value}`,
      source,
      `use a /${value} or smaller`,
    );
  }
  if (pods !== undefined) {
    const { min, max, source } = ipv6PodCidr;
    const length = lengthOf(pods.prefix);
    if (length < min || length > max) {
      const message = `IPv6 pod CIDR ${pods.prefix} is a /${length}; Kubernetes gives nodes prefixes at most 16 bits longer, which makes it a /${min} to /${max}`;
      refuse(pods, "InvalidParameter", message, source, `use a /${min} to /${max}`);
    }
    if (services !== undefined && prefixesOverlap(pods.prefix, services.prefix)) {
      const message = `IPv6 pod CIDR ${pods.prefix} overlaps the service CIDR ${services.prefix}`;
      refuse(pods, "InvalidParameter", message, dualStack, "make the two disjoint");
    }
  }
  const networks = new Set(pools.flatMap(({ properties }) => view.network(parentOf(properties.vnetSubnetID)) ?? []));
  for (const network of networks) {
    for (const [range, code, what] of [
      [pods, "NetworkProfileCIDROverlapVNET", "pod"],
      [services, "ServiceCidrOverlapExistingSubnetsCidr", "service"],
    ] as const) {
      const space = range === undefined ? undefined : spaceOf(network).find((one) => prefixesOverlap(one, range.prefix));
      if (range === undefined || space === undefined) continue;
      const message = `IPv6 ${what} CIDR ${range.prefix} overlaps the address space ${span(space)} of VNet ${network.name}`;
      refuse(range, code, message, dualStack, "choose a range outside the VNet");
    }
  }
  for (const pool of pools) {
    const subnet = view.subnet(pool.properties.vnetSubnetID);
    if (subnet === undefined || prefixOfSubnet(subnet) !== undefined) continue;
    report({
      code: "InvalidParameter",
      severity: "error",
      id: pool.id,
      property: ["vnetSubnetID"],
      value: subnetLabel(subnet.id),
      message: `cluster ${cluster.name} is dual-stack, and the nodes' subnet ${subnetLabel(subnet.id)} has no IPv6 prefix`,
      source: dualStack,
      fix: "give the subnet prefixes: one of IPv4 and a /64 of IPv6",
    });
  }
  warnOfWayOut(view, cluster, pools, report);
}

/** AKS warns of it, and makes the cluster. */
function warnOfWayOut(view: AzureView, cluster: ManagedCluster, pools: Pools, report: Report): void {
  if (cluster.properties.networkProfile.outboundType !== "userDefinedRouting") return;
  for (const pool of pools) {
    const table = view.routeTable(view.subnet(pool.properties.vnetSubnetID)?.properties.routeTable?.id ?? "");
    if (table === undefined || table.properties.routes.some(({ properties }) => properties.addressPrefix === "::/0")) continue;
    report({
      code: "NoDefaultRouteForIPv6",
      severity: "warning",
      id: cluster.id,
      property: ["networkProfile", "outboundType"],
      message: `route table ${table.name} has no route ::/0: IPv6 of cluster ${cluster.name} does not reach the Internet`,
      source: dualStack,
      fix: "add a route ::/0 to an appliance, if pods are to reach the Internet by IPv6",
    });
    return;
  }
}

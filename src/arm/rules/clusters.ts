/** Rules of managed clusters and their agent pools: what AKS refuses at creation, with its codes. */

import { parseAddress } from "../../net/address.ts";
import { addressAt, addressOf, lengthOf, type Prefix, parsePrefix, prefixContains, prefixesOverlap, sizeOf } from "../../net/prefix.ts";
import { nodeAddresses, podCidrNodes, smallestPodCidr, smallestSubnet, usableAddresses } from "../addresses.ts";
import {
  aksForbidden,
  dockerBridge,
  kubenetNodes,
  labReserved,
  limits,
  maxPodsChoice,
  maxPodsRange,
  networkForbidden,
  nodesPerCluster,
  overlayDefaultVersion,
  type Provisioning,
  provisioningNames,
  type Range,
  type RuleSet,
  ranges,
} from "../limits.ts";
import { lastSegment, segmentAfter, subnetTag } from "../names.ts";
import { isKubenetProfile, type NetworkOption, networkOption, optionNames } from "../network-option.ts";
import type { AgentPool, LocalNetworkGateway, ManagedCluster, NetworkProfile, Subnet, VirtualNetwork } from "../resources.ts";
import { checkForbidden, readCidr, some, span } from "./cidr.ts";
import { checkNetworkPolicy } from "./network-policy.ts";
import { gatewaySubnet } from "./networks.ts";
import { checkOutbound } from "./outbound.ts";
import { checkPodSubnets } from "./pod-subnets.ts";
import { PrefixSet } from "./prefix-set.ts";
import type { ArmProblem, PropertyPath, Report } from "./problem.ts";
import { checkScaling } from "./scaling.ts";
import { isOlder } from "./versions.ts";
import { type AzureView, parentOf, sameId, subnetLabel } from "./view.ts";

const planning = "aks:concepts-network-ip-address-planning.md";
const kubenetDocs = "aks:configure-kubenet.md";

export function checkClusters(view: AzureView, report: Report): void {
  const rules = view.labs[0]?.properties.rules ?? "current";
  const groups = new Map<string, string>();
  const ranges = new KnownRanges(view);
  for (const cluster of view.clusters) {
    const context: Context = { view, cluster, rules, pools: view.poolsOf(cluster), ranges, report };
    checkPlugin(context);
    checkNetworkPolicy(cluster, context.pools, report);
    checkNames(context);
    checkNodeResourceGroup(context, groups);
    checkRanges(context);
    checkPools(context);
    checkOutbound(view, cluster, report);
  }
  checkSharedSubnets(view, report);
  checkKubenetTables(view, report);
  checkRoom(view, report);
  checkPodSubnets(view, report);
}

type Context = {
  readonly view: AzureView;
  readonly cluster: ManagedCluster;
  readonly rules: RuleSet;
  readonly pools: readonly AgentPool[];
  readonly ranges: KnownRanges;
  readonly report: Report;
};

/** What the ranges of a VNet's clusters must stay clear of, found once for each VNet. */
class KnownRanges {
  readonly #view: AzureView;
  readonly #forbidden = new Map<VirtualNetwork, readonly Prefix[]>();
  readonly #subnets = new Map<VirtualNetwork, PrefixSet<Subnet>>();
  #sites: Map<VirtualNetwork, PrefixSet<LocalNetworkGateway>> | undefined;

  constructor(view: AzureView) {
    this.#view = view;
  }

  /** Prefixes of the VNet that Azure takes and AKS does not. */
  forbidden(network: VirtualNetwork | undefined): readonly Prefix[] {
    if (network === undefined) return [];
    let found = this.#forbidden.get(network);
    if (found === undefined) {
      // What no VNet may have at all is the VNet's own problem.
      const touches = (prefix: Prefix, { ranges: all }: typeof aksForbidden) => all.some((range) => prefixesOverlap(range.prefix, prefix));
      found = this.#view.spaceOf(network).prefixes.filter((prefix) => !touches(prefix, networkForbidden) && touches(prefix, aksForbidden));
      this.#forbidden.set(network, found);
    }
    return found;
  }

  subnets(network: VirtualNetwork | undefined): PrefixSet<Subnet> {
    let set = network === undefined ? undefined : this.#subnets.get(network);
    if (set !== undefined) return set;
    set = new PrefixSet();
    if (network === undefined) return set;
    for (const subnet of this.#view.subnetsOf(network)) {
      const prefix = parsePrefix(subnet.properties.addressPrefix);
      if (prefix !== undefined) set.add(prefix, subnet);
    }
    this.#subnets.set(network, set);
    return set;
  }

  /** Prefixes of the on-premises sites behind the VNet's gateway. */
  sites(network: VirtualNetwork): PrefixSet<LocalNetworkGateway> | undefined {
    if (this.#sites === undefined) {
      this.#sites = new Map();
      for (const local of this.#view.localGateways) {
        const behind = this.#view.networkBehind(local);
        if (behind === undefined) continue;
        const set = this.#sites.get(behind) ?? new PrefixSet<LocalNetworkGateway>();
        this.#sites.set(behind, set);
        for (const text of local.properties.localNetworkAddressSpace.addressPrefixes) {
          const prefix = parsePrefix(text);
          if (prefix !== undefined) set.add(prefix, local);
        }
      }
    }
    return this.#sites.get(network);
  }
}

type Details = Omit<ArmProblem, "id" | "property" | "severity"> & { readonly severity?: "warning" };

function refuse({ cluster, report }: Context, property: PropertyPath, details: Details): void {
  report({ severity: "error", ...details, id: cluster.id, property });
}

function refusePool({ report }: Context, pool: AgentPool, property: PropertyPath, details: Details): void {
  report({ severity: "error", ...details, id: pool.id, property });
}

function isKubenet(cluster: ManagedCluster): boolean {
  return isKubenetProfile(cluster.properties.networkProfile);
}

/** The network options that there are, and those of them that are modelled. */
function checkPlugin(context: Context): void {
  const { networkPlugin, networkPluginMode, networkMode } = context.cluster.properties.networkProfile;
  if (networkPluginMode !== undefined && networkPlugin !== "azure") {
    refuse(context, ["networkProfile", "networkPluginMode"], {
      code: "InvalidParameter",
      value: networkPluginMode,
      message: `networkPluginMode ${networkPluginMode} is Azure CNI's; with networkPlugin ${networkPlugin} it has no meaning`,
      source: "aks:azure-cni-overlay.md",
      fix: "leave networkPluginMode out, or use networkPlugin: azure",
    });
  }
  const option = networkOption(context.cluster.properties.networkProfile, context.pools);
  if (networkMode !== undefined && option !== "nodeSubnet") {
    refuse(context, ["networkProfile", "networkMode"], {
      code: "InvalidParameter",
      value: networkMode,
      message: `networkMode is that of Azure CNI with node subnet; with ${optionNames[option]} it has no meaning`,
      source: "sdk",
      fix: "leave networkMode out",
    });
  }
}

/** What a cluster gets that names no plugin (azure-rest-api-specs PR 30845). Without a version it is one of its rule set's day. */
export function defaultNetworkOption(
  kubernetesVersion: string | undefined,
  rules: RuleSet,
): Pick<NetworkProfile, "networkPlugin" | "networkPluginMode"> {
  const isOld = kubernetesVersion === undefined ? rules === "lesson" : isOlder(kubernetesVersion, overlayDefaultVersion);
  return isOld ? { networkPlugin: "kubenet" } : { networkPlugin: "azure", networkPluginMode: "overlay" };
}

function checkNames(context: Context): void {
  const { cluster } = context;
  if (!/^[a-zA-Z0-9]$|^[a-zA-Z0-9][-_a-zA-Z0-9]{0,61}[a-zA-Z0-9]$/.test(cluster.name)) {
    refuse(context, ["name"], {
      code: "InvalidResourceName",
      value: cluster.name,
      message: `${JSON.stringify(cluster.name)} is no name for a cluster`,
      source: limits.poolNameLength.source.replace("agent-pools", "managed-clusters"),
      fix: "use 1 to 63 letters, digits, - and _, the first and the last a letter or a digit",
    });
  }
  const { dnsPrefix, nodeResourceGroup } = cluster.properties;
  if (!/^[a-zA-Z0-9]$|^[a-zA-Z0-9][-a-zA-Z0-9]{0,52}[a-zA-Z0-9]$/.test(dnsPrefix)) {
    refuse(context, ["dnsPrefix"], {
      code: "InvalidParameter",
      value: dnsPrefix,
      message: `${JSON.stringify(dnsPrefix)} is no DNS prefix`,
      source: "sdk",
      fix: "use 1 to 54 letters, digits and -, the first and the last a letter or a digit",
    });
  }
  const { value, source } = limits.resourceGroupLength;
  if (nodeResourceGroup.length > value) {
    refuse(context, ["nodeResourceGroup"], {
      code: "InvalidParameter",
      value: nodeResourceGroup,
      message: `the node resource group's name, ${nodeResourceGroup}, has ${nodeResourceGroup.length} characters; a resource group's has at most ${value}`,
      source,
      fix: "shorten the name of the lab or of the cluster, or give nodeResourceGroup",
    });
  }
}

/** AKS makes the node resource group, so it must not be there yet: neither another cluster's nor the lab's own. */
function checkNodeResourceGroup(context: Context, groups: Map<string, string>): void {
  const { cluster } = context;
  const group = cluster.properties.nodeResourceGroup;
  const key = group.toLowerCase();
  const own = segmentAfter(cluster.id, "resourceGroups");
  const owner = groups.get(key) ?? (key === own.toLowerCase() ? "the lab itself" : undefined);
  if (owner === undefined) {
    groups.set(key, `cluster ${cluster.name}`);
    return;
  }
  refuse(context, ["nodeResourceGroup"], {
    code: "InvalidParameter",
    value: group,
    message: `node resource group ${group} is that of ${owner}; AKS makes a new group for every cluster`,
    source: "aks:faq.yml",
    fix: "leave nodeResourceGroup out, or choose another name",
  });
}

function networkOf(view: AzureView, pools: readonly AgentPool[]): VirtualNetwork | undefined {
  return pools[0] === undefined ? undefined : view.network(parentOf(pools[0].properties.vnetSubnetID));
}

function checkRanges(context: Context): void {
  const { view, cluster, pools, ranges, rules, report } = context;
  const profile = cluster.properties.networkProfile;
  const network = networkOf(view, pools);
  const serviceProperty = ["networkProfile", "serviceCidr"];
  const podProperty = ["networkProfile", "podCidr"];
  for (const space of network === undefined ? [] : view.spaceOf(network).prefixes) {
    const place = pools[0] === undefined ? { id: cluster.id, property: [] } : { id: pools[0].id, property: ["vnetSubnetID"] };
    if (rules !== "lesson" || !prefixesOverlap(dockerBridge.value, space)) continue;
    report({
      ...place,
      code: "OverlapDockerBridge",
      severity: "warning",
      value: space,
      message: `address range ${span(space)} of VNet ${network?.name ?? ""} overlaps ${span(dockerBridge.value)}, the bridge that Docker has on every node of cluster ${cluster.name} (rules: lesson): its pods do not reach that part`,
      source: dockerBridge.source,
    });
  }
  for (const space of ranges.forbidden(network)) {
    const what = `cluster ${cluster.name}'s VNet ${network?.name ?? ""}, address range`;
    const place = pools[0] === undefined ? { id: cluster.id, property: [] } : { id: pools[0].id, property: ["vnetSubnetID"] };
    checkForbidden(report, place, space, what, aksForbidden);
  }

  const service = readCidr(report, { id: cluster.id, property: serviceProperty }, profile.serviceCidr);
  if (service !== undefined) {
    checkForbidden(report, { id: cluster.id, property: serviceProperty }, service, "service CIDR", aksForbidden);
    checkForbidden(report, { id: cluster.id, property: serviceProperty }, service, "service CIDR", labReserved);
    const { value, source } = limits.largestServiceCidr;
    if (lengthOf(service) <= value) {
      refuse(context, serviceProperty, {
        code: "InvalidParameter",
        value: service,
        message: `service CIDR ${service} is too large: its prefix length must be greater than ${value}`,
        source,
        fix: `use a /${value + 1} or smaller, such as ${addressOf(service)}/16`,
      });
    }
    checkNotPublic(context, serviceProperty, service);
    const subnet = ranges.subnets(network).overlapping(service);
    if (subnet !== undefined) {
      refuse(context, serviceProperty, {
        code: "ServiceCidrOverlapExistingSubnetsCidr",
        value: service,
        message: `service CIDR ${span(service)} overlaps subnet ${subnetLabel(subnet.value.id)}, ${span(subnet.prefix)}: nodes would translate what is meant for machines there`,
        source: "sup:error-codes/servicecidroverlapexistingsubnetscidr-error.md",
        fix: "choose a range outside every subnet of the VNet; no other network sees it, so several clusters may have the same",
      });
    } else warnOfNetwork(context, network, serviceProperty, service);
    checkDns(context, service);
    warnOfSites(context, network, serviceProperty, service, "service CIDR");
    warnOfPeers(context, network, serviceProperty, service, "service CIDR");
    warnOfDockerBridge(context, serviceProperty, service, "service CIDR");
  }

  if (profile.podCidr === undefined) return;
  const pods = readCidr(report, { id: cluster.id, property: podProperty }, profile.podCidr);
  if (pods === undefined) return;
  checkForbidden(report, { id: cluster.id, property: podProperty }, pods, "pod CIDR", aksForbidden);
  checkForbidden(report, { id: cluster.id, property: podProperty }, pods, "pod CIDR", labReserved);
  // AKS chooses its own VNet's space: with rules: lesson a 10.0.0.0/8, of which only the subnet is in use.
  const isManaged = network !== undefined && isManagedNetwork(cluster, network);
  const space = (isManaged ? ranges.subnets(network) : view.spaceOf(network).set).overlapping(pods)?.prefix;
  if (space !== undefined) {
    refuse(context, podProperty, {
      code: "NetworkProfileCIDROverlapVNET",
      value: pods,
      message: `pod CIDR ${span(pods)} overlaps the address space ${span(space)} of VNet ${network?.name ?? ""}`,
      source: "Azure/AKS-Construction issue 403; aks:configure-kubenet.md; aks:concepts-network-azure-cni-overlay.md",
      fix: "choose a range outside the VNet, such as 10.244.0.0/16 or a part of 100.64.0.0/10",
    });
  }
  if (service !== undefined && prefixesOverlap(service, pods)) {
    refuse(context, podProperty, {
      code: "InvalidParameter",
      value: pods,
      message: `pod CIDR ${span(pods)} overlaps the service CIDR ${span(service)}`,
      source: "aks:configure-kubenet.md; aks:concepts-network-azure-cni-overlay.md",
      fix: "make the two disjoint",
    });
  }
  checkPodCapacity(context, pods);
  warnOfSites(context, network, podProperty, pods, "pod CIDR");
  warnOfPeers(context, network, podProperty, pods, "pod CIDR");
  warnOfDockerBridge(context, podProperty, pods, "pod CIDR");
  if (!privateRanges.some((range) => prefixesOverlap(range, pods))) {
    refuse(context, podProperty, {
      code: "PublicPodCidr",
      severity: "warning",
      value: pods,
      message: `pod CIDR ${pods} is in public address space: AKS does not refuse it and does not support it, and pods cannot reach those addresses on the Internet`,
      source: "aks:concepts-network-azure-cni-overlay.md",
      fix: "use a private range (RFC 1918), or one of 100.64.0.0/10",
    });
  }
}

function checkDns(context: Context, service: Prefix): void {
  const text = context.cluster.properties.networkProfile.dnsServiceIP;
  const property = ["networkProfile", "dnsServiceIP"];
  const address = parseAddress(text);
  const fix = `use ${addressAt(service, 10) ?? addressAt(service, 2) ?? `an address of ${service}`}`;
  if (address === undefined) {
    const message = `${JSON.stringify(text)} is not an IP address`;
    refuse(context, property, { code: "InvalidParameter", value: text, message, fix });
    return;
  }
  if (!prefixContains(service, address)) {
    refuse(context, property, {
      code: "DnsServiceIpOutOfServiceCidr",
      value: text,
      message: `DNS service IP ${address} is not in the service CIDR ${span(service)}`,
      source: planning,
      fix,
    });
  } else if (address === addressOf(service) || address === addressAt(service, 1)) {
    const why =
      address === addressOf(service)
        ? "the network address"
        : "the first address of the service CIDR, which is that of the API server's Service, kubernetes.default";
    refuse(context, property, {
      code: "InvalidParameter",
      value: text,
      message: `DNS service IP ${address} cannot be ${why}`,
      source: `${planning}; AKS issue 2579`,
      fix,
    });
  }
}

const privateRanges = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15"].flatMap(
  (text) => parsePrefix(text) ?? [],
);

function checkNotPublic(context: Context, property: PropertyPath, prefix: Prefix): void {
  if (context.rules === "lesson" || privateRanges.some((range) => prefixesOverlap(range, prefix))) return;
  if (aksForbidden.ranges.some((range) => prefixesOverlap(range.prefix, prefix))) return;
  refuse(context, property, {
    code: "InvalidParameter",
    value: prefix,
    message: `service CIDR ${prefix} is in public or multicast address space`,
    source: "chg:2023-10-01",
    fix: "use a private range, such as 10.0.0.0/16",
  });
}

function checkPodCapacity(context: Context, pods: Prefix): void {
  const nodes = context.pools.reduce((sum, pool) => sum + pool.properties.count, 0);
  const room = podCidrNodes(pods);
  if (nodes <= room) return;
  refuse(context, ["networkProfile", "podCidr"], {
    code: "InsufficientSubnetSize",
    value: pods,
    message: `pod CIDR ${pods} has ${sizeOf(pods)} addresses, a /${limits.podCidrPerNode.value} for each of ${room} nodes; the pools have ${nodes} nodes, which need ${256 * nodes}`,
    source: `${limits.podCidrPerNode.source}; sup:error-codes, InsufficientSubnetSize`,
    fix: `use a /${smallestPodCidr(nodes)} or larger, or fewer nodes`,
  });
}

function warnOfSites(context: Context, network: VirtualNetwork | undefined, property: PropertyPath, prefix: Prefix, what: string): void {
  if (network === undefined) return;
  const site = context.ranges.sites(network)?.overlapping(prefix);
  if (site === undefined) return;
  refuse(context, property, {
    code: "OverlapOnPremises",
    severity: "warning",
    value: prefix,
    message: `${what} ${span(prefix)} overlaps ${span(site.prefix)} of site ${site.value.name}: pods of cluster ${context.cluster.name} cannot reach that part of the site`,
    source: planning,
    fix: "choose a range that no connected network has",
  });
}

/** AKS refuses what overlaps a subnet that is there; of the rest of the VNet its documentation says that it should be left alone. */
function warnOfNetwork(context: Context, network: VirtualNetwork | undefined, property: PropertyPath, service: Prefix): void {
  // AKS chooses its own VNet's space: with rules: lesson a 10.0.0.0/8, which has the default range of Services in it (AKS issue 2727).
  if (network === undefined || isManagedNetwork(context.cluster, network)) return;
  const space = context.view.spaceOf(network).set.overlapping(service)?.prefix;
  if (space === undefined) return;
  refuse(context, property, {
    code: "ServiceCidrInNetwork",
    severity: "warning",
    value: service,
    message: `service CIDR ${span(service)} overlaps the address space ${span(space)} of VNet ${network.name}: no subnet may be made there any more, as AKS would refuse the next cluster`,
    source: "aks:concepts-network-legacy-cni.md; aks:concepts-network-ip-address-planning.md",
    fix: "choose a range outside the VNet; no other network sees it, so several clusters may have the same",
  });
}

/** Docker's own bridge on each node, which went with Docker: packets to its range never left a node. */
function warnOfDockerBridge(context: Context, property: PropertyPath, prefix: Prefix, what: string): void {
  const { value, source } = dockerBridge;
  if (context.rules !== "lesson" || !prefixesOverlap(value, prefix)) return;
  refuse(context, property, {
    code: "OverlapDockerBridge",
    severity: "warning",
    value: prefix,
    message: `${what} ${span(prefix)} overlaps ${span(value)}, the bridge that Docker has on every node (rules: lesson)`,
    source,
    fix: `choose a range outside ${value}`,
  });
}

function isManagedNetwork(cluster: ManagedCluster, network: VirtualNetwork): boolean {
  return sameId(segmentAfter(network.id, "resourceGroups"), cluster.properties.nodeResourceGroup);
}

/** AKS does not look at peered VNets, but its documentation asks for a range that none of them has. */
function warnOfPeers(context: Context, network: VirtualNetwork | undefined, property: PropertyPath, prefix: Prefix, what: string): void {
  for (const peer of network === undefined ? [] : context.view.peersOf(network)) {
    const space = context.view.spaceOf(peer).set.overlapping(prefix)?.prefix;
    if (space === undefined) continue;
    refuse(context, property, {
      code: "OverlapPeeredNetwork",
      severity: "warning",
      value: prefix,
      message: `${what} ${span(prefix)} overlaps ${span(space)} of the peered VNet ${peer.name}: pods of cluster ${context.cluster.name} cannot reach that part of it`,
      source: "aks:concepts-network-azure-cni-overlay.md",
      fix: "choose a range that no connected network has",
    });
  }
}

function checkPools(context: Context): void {
  const { view, cluster, pools, rules, report } = context;
  const { poolsPerCluster, nodesPerPool } = limits;
  const kubenet = isKubenet(cluster);
  const option = networkOption(cluster.properties.networkProfile, pools);
  const nodes = pools.reduce((sum, pool) => sum + pool.properties.count, 0);
  if (pools.length > poolsPerCluster.value) {
    refuse(context, ["agentPoolProfiles"], {
      code: "QuotaExceeded",
      value: pools.length,
      message: `cluster ${cluster.name} has ${pools.length} node pools; a cluster has at most ${poolsPerCluster.value}`,
      source: poolsPerCluster.source,
    });
  }
  const ceiling = kubenet ? kubenetNodes[rules] : nodesPerCluster[rules];
  if (nodes > ceiling.value) {
    const why = kubenet ? " with kubenet, which needs a route for each of them" : "";
    refuse(context, ["agentPoolProfiles"], {
      code: "QuotaExceeded",
      value: nodes,
      message: `cluster ${cluster.name} has ${nodes} nodes; at most ${ceiling.value} are possible${why}`,
      source: ceiling.source,
      fix: kubenet ? "use fewer nodes, or networkPlugin: azure" : "use fewer nodes",
    });
  }
  if (pools.length > 0 && !pools.some((pool) => pool.properties.mode === "System")) {
    refuse(context, ["agentPoolProfiles"], {
      code: "InvalidParameter",
      message: `cluster ${cluster.name} has no System node pool; it needs at least one`,
      source: "aks:use-system-pools.md",
      fix: "set mode: System for one of its pools",
    });
  }
  for (const pool of pools) {
    const { count, maxPods, mode, vnetSubnetID } = pool.properties;
    if (!/^[a-z][a-z0-9]{0,11}$/.test(pool.name)) {
      refusePool(context, pool, ["name"], {
        code: "InvalidParameter",
        value: pool.name,
        message: `${JSON.stringify(pool.name)} is no name for a node pool`,
        source: limits.poolNameLength.source,
        fix: `use at most ${limits.poolNameLength.value} lower-case letters and digits, the first a letter`,
      });
    }
    checkWindows(context, pool);
    const least = mode === "System" ? 1 : ranges.poolCount.min;
    if (count < least || count > nodesPerPool.value) {
      refusePool(context, pool, ["count"], {
        code: "InvalidParameter",
        value: count,
        message: `pool ${pool.name} has ${count} nodes; a ${mode} pool has ${least} to ${nodesPerPool.value}`,
        source: nodesPerPool.source,
      });
    }
    checkScaling(pool, report);
    const { provisioning } = view.labs[0]?.properties ?? {};
    const range: Range = maxPodsRange[rules][option];
    if (maxPods < range.min || maxPods > range.max) {
      refusePool(context, pool, ["maxPods"], {
        code: "InvalidParameter",
        value: maxPods,
        message: `the value of parameter maxPods is invalid: ${maxPods}; with ${optionNames[option]} a node runs ${range.min} to ${range.max} pods${rules === "lesson" ? " (rules: lesson)" : ""}`,
        source: range.source,
      });
    } else if (provisioning !== undefined && !isOffered(provisioning, rules, option, maxPods)) {
      const choice = maxPodsChoice(provisioning, rules, option);
      refusePool(context, pool, ["maxPods"], {
        code: "InvalidParameter",
        value: maxPods,
        message: `${provisioningNames[provisioning]} makes nodes of ${choice.default} pods with ${optionNames[option]}, and lets nobody change it (rules: ${rules}); pool ${pool.name} has maxPods ${maxPods}`,
        source: choice.source,
        fix: `use maxPods: ${choice.default}, or make the cluster with the command line or a template`,
      });
    } else if (count > 0 && count * maxPods < limits.podsPerPoolFloor.value) {
      const floor = limits.podsPerPoolFloor.value;
      refusePool(context, pool, ["maxPods"], {
        code: "InvalidParameter",
        value: maxPods,
        message: `pool ${pool.name} has room for ${count} x ${maxPods} = ${count * maxPods} pods; every pool must have room for ${floor}`,
        source: limits.podsPerPoolFloor.source,
        fix: `use ${Math.ceil(floor / maxPods)} nodes, or maxPods: ${Math.ceil(floor / count)}`,
      });
    }
    const subnet = view.subnet(vnetSubnetID);
    if (subnet?.name.toLowerCase() === gatewaySubnet.toLowerCase()) {
      refusePool(context, pool, ["vnetSubnetID"], {
        code: "InvalidParameter",
        value: subnetLabel(vnetSubnetID),
        message: `${gatewaySubnet} is for the VNet's gateway alone; nodes cannot be in it`,
        source: "learn:azure/vpn-gateway/vpn-gateway-vpn-faq",
        fix: "choose another subnet",
      });
    }
    const first = pools[0]?.properties.vnetSubnetID ?? "";
    const isKnown = subnet !== undefined && view.subnet(first) !== undefined;
    if (isKnown && !sameId(parentOf(first), parentOf(vnetSubnetID))) {
      refusePool(context, pool, ["vnetSubnetID"], {
        code: "InvalidParameter",
        value: subnetLabel(vnetSubnetID),
        message: `all pools of a cluster are in one VNet; pool ${pool.name} is in ${subnetLabel(vnetSubnetID)}, the first one in ${subnetLabel(first)}`,
        source: "aks:node-pool-unique-subnet.md",
        fix: `choose a subnet of VNet ${subnetLabel(first).split("/")[0]}`,
      });
    }
  }
}

/** May so many pods be chosen for a node of a cluster that is made in this way? */
export function isOffered(route: Provisioning, rules: RuleSet, option: NetworkOption, maxPods: number): boolean {
  const { min, max } = maxPodsChoice(route, rules, option);
  return maxPods >= min && maxPods <= max;
}

function checkWindows(context: Context, pool: AgentPool): void {
  if (pool.properties.osType !== "Windows") {
    if (pool.properties.windowsProfile !== undefined) {
      const message = `pool ${pool.name} is Linux; a Windows profile is for Windows pools`;
      const fix = "leave it out, or use osType: Windows";
      refusePool(context, pool, ["windowsProfile"], { code: "InvalidParameter", message, source: "aks:nat-gateway.md", fix });
    }
    return;
  }
  const problem = { value: "Windows" } as const;
  if (isKubenet(context.cluster)) {
    refusePool(context, pool, ["osType"], {
      ...problem,
      code: "AzureCNIOnlyForWindows",
      message: "Windows agent pools can only be added to AKS clusters using Azure CNI",
      source: "aks:configure-kubenet.md; AKS issue 2839",
      fix: "use osType: Linux, or networkPlugin: azure",
    });
    return;
  }
  const { value, source } = limits.windowsPoolNameLength;
  if (pool.name.length > value) {
    const message = `the name of a Windows pool has at most ${value} characters; ${pool.name} has ${pool.name.length}`;
    refusePool(context, pool, ["name"], { code: "InvalidParameter", value: pool.name, message, source });
  }
  if (pool === context.pools[0]) {
    const message = "the first pool of a cluster must be Linux";
    refusePool(context, pool, ["osType"], { ...problem, code: "InvalidParameter", message, source: "aks:windows-faq.yml" });
  }
  if (pool.properties.windowsProfile?.disableOutboundNat !== true) return;
  const version = context.cluster.properties.kubernetesVersion;
  const nat: PropertyPath = ["windowsProfile", "disableOutboundNat"];
  if (context.cluster.properties.networkProfile.outboundType === "loadBalancer") {
    refusePool(context, pool, nat, {
      code: "InvalidParameter",
      value: true,
      message: "disableOutboundNat needs another way out than the cluster's load balancer, which serves no pod addresses",
      source: "aks:nat-gateway.md",
      fix: "leave it out, or use an outboundType with a NAT gateway or user-defined routing",
    });
  }
  if (version !== undefined && isOlder(version, "1.26")) {
    refusePool(context, pool, nat, {
      code: "InvalidParameter",
      value: true,
      message: `disableOutboundNat needs Kubernetes 1.26; the cluster has ${version}`,
      source: "aks:nat-gateway.md",
    });
  }
}

/** A kubenet cluster has its subnet, and the subnet's route table, for itself. */
function checkSharedSubnets(view: AzureView, report: Report): void {
  const owners = new Map<string, { readonly cluster: ManagedCluster; readonly pool: AgentPool }[]>();
  for (const cluster of view.clusters) {
    for (const pool of view.poolsOf(cluster)) {
      const key = pool.properties.vnetSubnetID.toLowerCase();
      if (view.subnet(key) === undefined) continue;
      const list = owners.get(key) ?? [];
      if (list.at(-1)?.cluster !== cluster) list.push({ cluster, pool });
      owners.set(key, list);
    }
  }
  for (const list of owners.values()) {
    const [first, ...others] = list;
    const exclusive = list.find(({ cluster }) => isKubenet(cluster))?.cluster;
    if (first === undefined || exclusive === undefined) continue;
    for (const { cluster, pool } of others) {
      const kubenet = isKubenet(cluster) ? cluster : exclusive;
      report({
        code: "InvalidParameter",
        severity: "error",
        id: pool.id,
        property: ["vnetSubnetID"],
        value: subnetLabel(pool.properties.vnetSubnetID),
        message: `clusters ${first.cluster.name} and ${cluster.name} are both in subnet ${subnetLabel(pool.properties.vnetSubnetID)}; cluster ${kubenet.name} uses kubenet, whose subnet no other cluster may share: its route table is the cluster's`,
        source: kubenetDocs,
        fix: `give cluster ${cluster.name} a subnet of its own`,
      });
    }
  }
}

/** A route table of one's own under kubenet: one cluster's alone, and the same on all its subnets. */
function checkKubenetTables(view: AzureView, report: Report): void {
  const owners = new Map<string, ManagedCluster>();
  for (const cluster of view.clusters) {
    if (!isKubenet(cluster)) continue;
    const tables = view
      .poolsOf(cluster)
      .map((pool) => ({ pool, table: view.subnet(pool.properties.vnetSubnetID)?.properties.routeTable?.id }));
    const problem = { code: "InvalidParameter", severity: "error", source: kubenetDocs } as const;
    for (const { pool, table } of tables) {
      const place = { id: pool.id, property: ["vnetSubnetID"], value: subnetLabel(pool.properties.vnetSubnetID) };
      const first = tables[0]?.table;
      if (!sameId(first ?? "", table ?? "")) {
        report({
          ...problem,
          ...place,
          message: `pool ${pool.name}'s subnet has ${table === undefined ? "no route table" : `route table ${lastSegment(table)}`}, the first pool's ${first === undefined ? "none" : lastSegment(first)}: with kubenet all subnets of a cluster have the same`,
          fix: "attach one table to all of them, or none to any",
        });
      }
      if (table === undefined) continue;
      const owner = owners.get(table.toLowerCase());
      if (owner === undefined) owners.set(table.toLowerCase(), cluster);
      else if (owner !== cluster) {
        report({
          ...problem,
          ...place,
          message: `route table ${lastSegment(table)} is on subnets of clusters ${owner.name} and ${cluster.name}: kubenet writes the cluster's routes into it, so no other cluster may share it`,
          fix: `give cluster ${cluster.name}'s subnet a table of its own`,
        });
      }
    }
  }
}

/** Not an error in a lab: what finds no address stays pending, and says why. */
function checkRoom(view: AzureView, report: Report): void {
  const tenants = new Map<string, Tenants>();
  const tenantsOf = (subnet: string): Tenants => {
    const key = subnet.toLowerCase();
    const found = tenants.get(key) ?? { pools: [], machines: 0, endpoints: 0 };
    tenants.set(key, found);
    return found;
  };
  for (const cluster of view.clusters) {
    const pools = view.poolsOf(cluster);
    for (const pool of pools) tenantsOf(pool.properties.vnetSubnetID).pools.push({ cluster, pool });
    const [first] = [...pools].sort((a, b) => (a.id.toLowerCase() < b.id.toLowerCase() ? -1 : 1));
    if (cluster.properties.apiServerAccessProfile?.enablePrivateCluster === true && first !== undefined) {
      tenantsOf(first.properties.vnetSubnetID).endpoints++;
    }
  }
  for (const machine of view.machines) tenantsOf(machine.tags?.[subnetTag] ?? "").machines++;
  for (const endpoint of view.privateEndpoints) tenantsOf(endpoint.tags?.[subnetTag] ?? "").endpoints++;
  for (const network of view.networks) {
    let inNetwork = 0;
    for (const subnet of view.subnetsOf(network)) inNetwork += checkSubnetRoom(subnet, tenantsOf(subnet.id), report);
    const { value, source } = limits.addressesPerNetwork;
    if (inNetwork <= value) continue;
    report({
      code: "AddressesPerNetwork",
      severity: "warning",
      id: network.id,
      property: ["addressSpace", "addressPrefixes"],
      message: `VNet ${network.name} would have ${inNetwork} private addresses in use; Azure supports about ${value} in a VNet`,
      source,
    });
  }
}

/** Who needs addresses of a subnet. */
type Tenants = { readonly pools: { readonly cluster: ManagedCluster; readonly pool: AgentPool }[]; machines: number; endpoints: number };

function checkSubnetRoom(subnet: Subnet, { pools, machines, endpoints }: Tenants, report: Report): number {
  const prefix = parsePrefix(subnet.properties.addressPrefix);
  if (prefix === undefined || prefix.includes(":")) return 0;
  const usable = usableAddresses(prefix);
  const parts: { readonly text: string; readonly needed: number }[] = [];
  let pool: AgentPool | undefined;
  for (const { cluster, pool: candidate } of pools) {
    const { count, maxPods } = candidate.properties;
    if (count === 0) continue;
    pool ??= candidate;
    const name = `pool ${cluster.name}/${candidate.name}`;
    const each = nodeAddresses(cluster.properties.networkProfile, candidate);
    const text = each === 1 ? `${count} nodes of ${name}` : `${count} nodes x (1 + ${maxPods} pods) = ${count * each} of ${name}`;
    parts.push({ text, needed: count * each });
  }
  if (machines > 0) parts.push({ text: machines === 1 ? "1 machine" : `${machines} machines`, needed: machines });
  if (endpoints > 0) parts.push({ text: endpoints === 1 ? "1 private endpoint" : `${endpoints} private endpoints`, needed: endpoints });
  const needed = parts.reduce((sum, part) => sum + part.needed, 0);
  if (needed > usable) {
    report({
      code: "InsufficientSubnetSize",
      severity: "warning",
      ...(pool === undefined ? { id: subnet.id, property: ["addressPrefix"] } : { id: pool.id, property: ["vnetSubnetID"] }),
      value: subnetLabel(subnet.id),
      message: `subnet ${subnetLabel(subnet.id)} (${prefix}) has ${usable} usable addresses (${sizeOf(prefix)} - ${limits.reservedAddresses.value} kept by Azure); ${some(
        parts.map((part) => part.text),
        " and ",
      )} need ${needed}. What finds no address stays pending`,
      source: planning,
      fix: `use a /${smallestSubnet(needed)} or larger${pool === undefined ? "" : ", fewer nodes, or a lower maxPods"}`,
    });
  }
  return needed;
}

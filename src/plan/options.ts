/**
 * The same cluster with each network option: what it would take, and whether Azure lets it. The rules are those that judge real clusters
 * (arm/rules/), asked about the cluster as it would be; so is the arithmetic.
 */

import { smallestBlockSubnet, smallestPodCidr, smallestSubnet } from "../arm/addresses.ts";
import { clusterDefaults, limits, type RuleSet, retirements } from "../arm/limits.ts";
import { hasPodCidr, isByoCniProfile, isKubenetProfile, optionNames } from "../arm/network-option.ts";
import { poolWith, profileWith } from "../arm/other-option.ts";
import type { AgentPool, AzureResource, ManagedCluster, Subnet } from "../arm/resources.ts";
import { checkAzure } from "../arm/rules/index.ts";
import type { ArmProblem } from "../arm/rules/problem.ts";
import { sameId } from "../arm/rules/view.ts";
import { addressesPerPodPrefix, clusterDemands, clusterResidents, type Design, type PlannedCluster, sharesOf } from "./budgets.ts";
import { constant, mapAmounts, usedOf } from "./demand.ts";
import { type Amounts, moments, type OptionName, type OptionPlan, type Room } from "./model.ts";

const names: Readonly<Record<OptionName, string>> = {
  kubenet: optionNames.kubenet,
  nodeSubnet: optionNames.nodeSubnet,
  podSubnetDynamic: `${optionNames.podSubnet}, dynamic`,
  podSubnetStatic: `${optionNames.podSubnet}, static blocks`,
  overlay: optionNames.overlay,
};

const allOptions = Object.keys(names) as readonly OptionName[];

/** `azure`: all Azure resources of the design. */
export function optionsOf(design: Design, azure: readonly AzureResource[], cluster: PlannedCluster): readonly OptionPlan[] {
  const surroundings = surroundingsOf(azure, cluster);
  const present = checkAzure([...surroundings, ...partsOf(cluster)]);
  return allOptions.map((option) => optionPlan({ design, surroundings, cluster, present }, option));
}

/** What there is beside the cluster. Of other clusters, those whose subnets it shares: they may forbid an option. */
function surroundingsOf(azure: readonly AzureResource[], { resource, pools }: PlannedCluster): readonly AzureResource[] {
  const own = new Set(pools.map((pool) => pool.resource.properties.vnetSubnetID.toLowerCase()));
  const near = new Set(
    azure.flatMap((other) => (isPool(other) && own.has(other.properties.vnetSubnetID.toLowerCase()) ? clusterIdOf(other) : [])),
  );
  const isNear = (id: string) => !sameId(id, resource.id) && near.has(id.toLowerCase());
  return azure.filter((other) => {
    if (other.type === "Microsoft.ContainerService/managedClusters") return isNear(other.id);
    return !isPool(other) || isNear(clusterIdOf(other));
  });
}

function isPool(resource: AzureResource): resource is AgentPool {
  return resource.type === "Microsoft.ContainerService/managedClusters/agentPools";
}

function clusterIdOf({ id }: AgentPool): string {
  return id.slice(0, id.toLowerCase().lastIndexOf("/agentpools/")).toLowerCase();
}

function partsOf({ resource, pools }: PlannedCluster): readonly AzureResource[] {
  return [resource, ...pools.map((pool) => pool.resource)];
}

/** A pod subnet that is not there: rules of its place are not asked. */
const somePodSubnet = "/unknown/subnets/pods";

function withOption(cluster: PlannedCluster, option: OptionName, rules: RuleSet): PlannedCluster {
  const { properties } = cluster.resource;
  const networkProfile = profileWith(
    properties.networkProfile,
    hasPodSubnet(option) ? "podSubnet" : option,
    rules,
    (own) => own ?? clusterDefaults.podCidr,
  );
  const resource: ManagedCluster = { ...cluster.resource, properties: { ...properties, networkProfile } };
  const placed = new Map(cluster.placement.pools);
  const pools = cluster.pools.map(({ resource: before, pool }) => {
    const { podSubnetID = somePodSubnet } = before.properties;
    const podIPAllocationMode = option === "podSubnetStatic" ? "StaticBlock" : "DynamicIndividual";
    const after = poolWith(before, hasPodSubnet(option) ? { podSubnetID, podIPAllocationMode } : {});
    const onNodes = cluster.placement.pools.get(before);
    if (onNodes !== undefined) placed.set(after, onNodes);
    return { resource: after, pool };
  });
  return { resource, pools, placement: { ...cluster.placement, pools: placed } };
}

function hasPodSubnet(option: OptionName): option is "podSubnetDynamic" | "podSubnetStatic" {
  return option === "podSubnetDynamic" || option === "podSubnetStatic";
}

/** `undefined`: none of these. */
function chosenOption({ resource, pools }: PlannedCluster): OptionName | undefined {
  const { networkProfile } = resource.properties;
  if (isByoCniProfile(networkProfile)) return undefined;
  if (isKubenetProfile(networkProfile)) return "kubenet";
  if (hasPodCidr(networkProfile)) return "overlay";
  const pool = pools.find(({ resource: { properties } }) => properties.podSubnetID !== undefined);
  if (pool === undefined) return "nodeSubnet";
  return pool.resource.properties.podIPAllocationMode === "StaticBlock" ? "podSubnetStatic" : "podSubnetDynamic";
}

type Question = {
  readonly design: Design;
  readonly surroundings: readonly AzureResource[];
  readonly cluster: PlannedCluster;
  /** What Azure refuses of it as it is. */
  readonly present: readonly ArmProblem[];
};

function optionPlan(question: Question, option: OptionName): OptionPlan {
  const { design, cluster } = question;
  const isChosen = chosenOption(cluster) === option;
  const changed = isChosen ? cluster : withOption(cluster, option, design.rules);
  const demands = clusterDemands(design, changed);
  const nodes = demands.find(({ kind }) => kind === "clusterNodes");
  if (nodes === undefined) throw new Error("every cluster has a most number of nodes");
  const refusals = refusalsOf(question, changed, isChosen);
  // What has not been refused for its nodes of now may be for those that the autoscaler makes.
  for (const demand of demands) {
    const { max } = usedOf(demand);
    if ((demand.kind !== "clusterNodes" && demand.kind !== "policyNodes") || max <= demand.capacity) continue;
    if (usedOf(demand).now > demand.capacity) continue;
    const message = `the autoscaler may make ${max} nodes, more than the ${demand.capacity} of ${demand.name}`;
    refusals.push({ code: demand.code, message, source: demand.limit.source });
  }
  const subnet = changed.pools[0]?.resource.properties.vnetSubnetID ?? "";
  const nodeAmounts = usedOf({
    fixed: clusterResidents(design.resources, changed, subnet),
    shares: changed.pools.flatMap((pool) => sharesOf(changed, pool, asSubnet(pool.resource.properties.vnetSubnetID))),
  });
  const podShares = changed.pools.flatMap((pool) => {
    const id = pool.resource.properties.podSubnetID;
    return id === undefined ? [] : sharesOf(changed, pool, asSubnet(id));
  });
  const podAmounts = usedOf({ fixed: [], shares: podShares });
  const nodeCounts = usedOf(nodes);
  const prefixes = mapAmounts(nodeCounts, (count) => count * addressesPerPodPrefix);
  return {
    option,
    name: names[option],
    isChosen,
    isPermitted: refusals.length === 0,
    refusals,
    notes: notesOf(design, changed, option, nodeAmounts.maxUpgrade + podAmounts.maxUpgrade),
    nodeSubnet: roomOf(nodeAmounts, smallestSubnet),
    ...(hasPodSubnet(option) ? { podSubnet: roomOf(podAmounts, option === "podSubnetStatic" ? smallestBlockSubnet : smallestSubnet) } : {}),
    ...(hasPodCidr(changed.resource.properties.networkProfile)
      ? { podCidr: roomOf(prefixes, (needed) => smallestPodCidr(needed / addressesPerPodPrefix)) }
      : {}),
    routes: option === "kubenet" ? nodeCounts : constant(0),
    mostNodes: nodes.limit,
  };
}

type Refusal = OptionPlan["refusals"][number];

/** A pod CIDR can be chosen, so its place is no reason against another option, and its size is counted. */
function refusalsOf({ surroundings, present }: Question, changed: PlannedCluster, isChosen: boolean): Refusal[] {
  const own = new Set(partsOf(changed).map(({ id }) => id.toLowerCase()));
  const problems = isChosen
    ? present
    : checkAzure([...surroundings, ...partsOf(changed)]).filter(({ property }) => !property.includes("podCidr"));
  return problems
    .filter(({ severity, id }) => severity === "error" && own.has(id.toLowerCase()))
    .map(({ code, message, source }) => ({ code, message, ...(source === undefined ? {} : { source }) }));
}

/** A subnet by its id alone, for what a pool takes of it. */
function asSubnet(id: string): Subnet {
  return { id, name: "", type: "Microsoft.Network/virtualNetworks/subnets", properties: { addressPrefix: "" } };
}

function roomOf(addresses: Amounts, smallest: (needed: number) => number | undefined): Room {
  const lengths = moments.map((moment) => [moment, smallest(addresses[moment]) ?? null] as const);
  return { addresses, smallest: Object.fromEntries(lengths) as Room["smallest"] };
}

/** `ofNetwork`: addresses of the VNet in all, at their most. */
function notesOf(design: Design, { resource, pools }: PlannedCluster, option: OptionName, ofNetwork: number): readonly string[] {
  const { networkPolicy } = resource.properties.networkProfile;
  const { kubenet, policyManagerLinux, policyManagerWindows } = retirements;
  const hasWindows = pools.some((pool) => pool.resource.properties.osType === "Windows");
  const retiring = [
    ...(option === "kubenet" ? [kubenet] : []),
    ...(networkPolicy === "azure" && option !== "kubenet" ? [hasWindows ? policyManagerWindows : policyManagerLinux] : []),
  ];
  const { value, source } = limits.addressesPerNetwork;
  const isFlat = option === "nodeSubnet" || option === "podSubnetDynamic";
  return [
    ...retiring.map(({ what, date, source: of }) => `${what} ${date <= design.asOf ? "was retired" : "retires"} on ${date} (${of})`),
    ...(isFlat && ofNetwork > value ? [`a VNet has mappings for about ${value} addresses; this takes ${ofNetwork} (${source})`] : []),
  ];
}

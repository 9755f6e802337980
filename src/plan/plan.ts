/**
 * The plan of a design, by arithmetic on its documents: nothing is settled, so that a plan of 5,000 nodes with 250 pods each costs as much as one of
 * their nodes alone. The figures of `now` are those that the controllers reach (settled.test.ts), since both count with arm/addresses.ts.
 */

import { nodeAddresses } from "../arm/addresses.ts";
import { dayOf, limits, maxPodsChoice, provisioningRoutes, type RuleSet } from "../arm/limits.ts";
import { optionNames } from "../arm/network-option.ts";
import type { AgentPool, AzureResource, ManagedCluster, Subnet, VirtualNetwork } from "../arm/resources.ts";
import { isOffered } from "../arm/rules/clusters.ts";
import { outboundAddresses } from "../arm/rules/outbound.ts";
import { azureView, subnetLabel } from "../arm/rules/view.ts";
import { defaultPorts, portsPerNode } from "../arm/snat-ports.ts";
import { largestCount, maxSurgeOf, surgeNodes } from "../arm/upgrade.ts";
import { virtualNodeSubnet } from "../arm/virtual-node.ts";
import { listArm, poolsOf, rulesOf } from "../controllers/view.ts";
import { comparePrefixes, type Prefix, parsePrefix, prefixesWithout, prefixFamily, sizeOf } from "../net/prefix.ts";
import { MemoryResources } from "../resources/memory.ts";
import type { Key, Resource, Resources } from "../resources/resources.ts";
import { type Design, demandsOf, exclusiveUse, optionOf, type PlannedCluster, subnetBudgetId } from "./budgets.ts";
import { budgetOf, mapAmounts, type Pool, usedOf } from "./demand.ts";
import { forecastOf, type Growth } from "./forecast.ts";
import {
  type Amounts,
  type Block,
  type Budget,
  type ClusterPlan,
  type Failure,
  type NetworkPlan,
  type OutboundPlan,
  type Plan,
  type PlanProblem,
  type PoolPlan,
  planVersion,
  type SubnetPlan,
} from "./model.ts";
import { optionsOf } from "./options.ts";
import { problemsOf } from "./problems.ts";
import { placePods } from "./workload.ts";

export type PlanInput = {
  readonly name: string;
  /** As documents say them; before any controller. */
  readonly resources: readonly { readonly key: Key; readonly value: Resource }[];
  /** What reading the documents found. */
  readonly problems: readonly PlanProblem[];
};

export type PlanSettings = {
  /** The day whose limits count, `2026-11-23`. */
  readonly asOf?: string;
  /** For a forecast. */
  readonly growth?: Growth;
};

export function planOf(input: PlanInput, { asOf: day, growth }: PlanSettings = {}): Plan {
  const resources = new MemoryResources();
  resources.apply(input.resources);
  const azure = input.resources.flatMap(({ value }) => ("id" in value ? value : []));
  const asOf = day ?? dayOf(rulesOf(resources));
  const design = designOf(resources, azure, asOf);
  const demands = demandsOf(design);
  const budgets = demands.map(budgetOf);
  const failures = failuresByPool(budgets);
  const clusters = design.clusters.map((cluster) => clusterPlan(design, azure, cluster, failures));
  const problems = [...input.problems, ...problemsOf(budgets, input.problems)];
  const provisioning = design.view.labs[0]?.properties.provisioning;
  // Of a VNet's mappings Azure's documents only say about how many there are.
  const fits = (of: keyof Amounts) => budgets.every(({ kind, left }) => kind === "network" || left[of] >= 0);
  const deploys = !problems.some(({ severity }) => severity === "error");
  return {
    version: planVersion,
    lab: input.name,
    rules: design.rules,
    ...(provisioning === undefined ? {} : { provisioning }),
    asOf,
    verdict: {
      deploys,
      upgrades: deploys && fits("upgrade"),
      scales: deploys && fits("max"),
      upgradesAtMax: deploys && fits("maxUpgrade"),
    },
    networks: design.view.networks.map((network) => networkPlan(design, network, new Map(budgets.map((budget) => [budget.id, budget])))),
    clusters,
    budgets,
    ...(growth === undefined ? {} : { forecast: forecastOf(design, demands, growth) }),
    problems,
  };
}

function designOf(resources: Resources, azure: readonly AzureResource[], asOf: string): Design {
  const view = azureView(azure);
  const rules = rulesOf(resources);
  const clusters = listArm(resources, "Microsoft.ContainerService/managedClusters").map((cluster) =>
    plannedCluster(resources, cluster, rules),
  );
  return { view, resources, rules, asOf, clusters };
}

function plannedCluster(resources: Resources, cluster: ManagedCluster, rules: RuleSet): PlannedCluster {
  const agentPools = poolsOf(resources, cluster);
  const hasVirtualNode = virtualNodeSubnet(cluster, agentPools[0]?.properties.vnetSubnetID ?? "") !== undefined;
  return {
    resource: cluster,
    pools: agentPools.map((resource) => ({
      resource,
      pool: {
        cluster: cluster.name,
        name: resource.name,
        count: resource.properties.count,
        maxCount: largestCount(resource),
        surge: maxSurgeOf(resource, cluster.properties.kubernetesVersion, rules),
      },
    })),
    placement: placePods(resources, cluster, agentPools, hasVirtualNode),
  };
}

/** What ends each pool's growth first, by `cluster/pool`. */
function failuresByPool(budgets: readonly Budget[]): ReadonlyMap<string, Failure> {
  const first = new Map<string, Failure>();
  for (const { failures } of budgets) {
    for (const failure of failures) {
      const key = `${failure.cluster}/${failure.pool}`;
      const known = first.get(key);
      if (known === undefined || failure.node < known.node) first.set(key, failure);
    }
  }
  return first;
}

function clusterPlan(
  design: Design,
  azure: readonly AzureResource[],
  cluster: PlannedCluster,
  failures: ReadonlyMap<string, Failure>,
): ClusterPlan {
  const { resource, placement } = cluster;
  const { networkProfile, kubernetesVersion } = resource.properties;
  const option = optionOf(cluster);
  const pools = cluster.pools.map(({ resource: agentPool, pool }) => poolPlan(cluster, agentPool, pool, failures));
  const first = pools.flatMap(({ first: failure, count }) => (failure === undefined ? [] : [{ failure, away: failure.node - count }]));
  first.sort((a, b) => a.away - b.away);
  const nodes = nodesOf(cluster.pools.map(({ pool }) => pool));
  return {
    name: resource.name,
    id: resource.id,
    option,
    optionName: optionNames[option],
    ...(kubernetesVersion === undefined ? {} : { kubernetesVersion }),
    nodes,
    ...(networkProfile.podCidr === undefined ? {} : { podCidr: networkProfile.podCidr }),
    serviceCidr: networkProfile.serviceCidr,
    pools,
    options: optionsOf(design, azure, cluster),
    provisioning: provisioningRoutes.map((route) => ({
      route,
      maxPods: maxPodsChoice(route, design.rules, option),
      refusedPools: pools.filter(({ maxPods }) => !isOffered(route, design.rules, option, maxPods)).map((pool) => pool.name),
    })),
    outbound: outboundPlan(design, cluster, nodes),
    pods: { onNodes: placement.onNodes, onVirtualNode: placement.onVirtualNode, pending: placement.pending },
    ...(first[0] === undefined ? {} : { first: first[0].failure }),
  };
}

function nodesOf(pools: readonly Pool[]): Amounts {
  return usedOf({ fixed: [], shares: pools.map((pool) => ({ pool, each: 1 })) });
}

function poolPlan(
  { resource: cluster, placement }: PlannedCluster,
  resource: AgentPool,
  pool: Pool,
  failures: ReadonlyMap<string, Failure>,
): PoolPlan {
  const { mode, osType, count, enableAutoScaling, minCount, maxPods, vnetSubnetID, podSubnetID, upgradeSettings } = resource.properties;
  const { surge } = pool;
  const first = failures.get(`${cluster.name}/${resource.name}`);
  const pods = placement.pools.get(resource)?.all.reduce((sum, onNode) => sum + onNode, 0) ?? 0;
  return {
    name: resource.name,
    id: resource.id,
    mode,
    osType,
    count,
    ...(enableAutoScaling === true && minCount !== undefined ? { minCount } : {}),
    maxCount: pool.maxCount,
    maxPods,
    surge: {
      maxSurge: surge.unit === "percent" ? `${surge.value}%` : `${surge.value}`,
      isDefault: upgradeSettings?.maxSurge === undefined,
      source: surge.source,
      now: surgeNodes(surge, count),
      max: surgeNodes(surge, pool.maxCount),
    },
    nodes: nodesOf([pool]),
    subnet: subnetLabel(vnetSubnetID),
    ...(podSubnetID === undefined ? {} : { podSubnet: subnetLabel(podSubnetID) }),
    addressesPerNode: nodeAddresses(cluster.properties.networkProfile, resource),
    pods,
    ...(first === undefined ? {} : { first }),
  };
}

function outboundPlan({ view }: Design, { resource, pools }: PlannedCluster, nodes: Amounts): OutboundPlan {
  const { outboundType, loadBalancerProfile, natGatewayProfile } = resource.properties.networkProfile;
  const { outboundPortsPerAddress, natGatewayPortsPerAddress } = limits;
  switch (outboundType) {
    case "loadBalancer": {
      const { allocatedOutboundPorts } = loadBalancerProfile;
      const addresses = outboundAddresses(view, resource);
      const isTable = allocatedOutboundPorts === 0;
      const next = defaultPorts.flatMap(([largest, from], index) => {
        const to = defaultPorts[index + 1]?.[1];
        return to === undefined || largest < nodes.now ? [] : [{ nodes: largest + 1, from, to }];
      });
      return {
        outboundType,
        addresses,
        allocation: isTable ? "table" : "allocated",
        portsPerNode: mapAmounts(nodes, (count) => portsPerNode(count, allocatedOutboundPorts, addresses)),
        ...(isTable ? { cliffs: next } : {}),
        source: outboundPortsPerAddress.source,
      };
    }
    case "managedNATGateway":
    case "userAssignedNATGateway": {
      const id = view.subnet(pools[0]?.resource.properties.vnetSubnetID ?? "")?.properties.natGateway?.id;
      const gateway = view.natGateways.find((candidate) => candidate.id.toLowerCase() === id?.toLowerCase());
      const own =
        gateway === undefined
          ? undefined
          : gateway.properties.publicIpAddresses.length +
            gateway.properties.publicIpPrefixes.reduce((sum, prefix) => {
              const found = view.publicPrefixes.find((candidate) => candidate.id.toLowerCase() === prefix.id.toLowerCase());
              return sum + (found === undefined ? 0 : 2 ** (32 - found.properties.prefixLength));
            }, 0);
      const addresses = outboundType === "managedNATGateway" ? natGatewayProfile?.managedOutboundIPProfile.count : own;
      return {
        outboundType,
        ...(addresses === undefined ? {} : { addresses, ports: addresses * natGatewayPortsPerAddress.value }),
        allocation: "onDemand",
        source: natGatewayPortsPerAddress.source,
      };
    }
    case "userDefinedRouting":
    case "none":
    case "block":
      return { outboundType, source: "aks:egress-outboundtype.md" };
    default:
      throw new Error(`unknown outbound type ${String(outboundType satisfies never)}`);
  }
}

function networkPlan(design: Design, network: VirtualNetwork, budgets: ReadonlyMap<string, Budget>): NetworkPlan {
  const prefixes = design.view.spaceOf(network).prefixes;
  const subnets = design.view.subnetsOf(network).flatMap((subnet) => {
    const prefix = parsePrefix(subnet.properties.addressPrefix);
    const budget = budgets.get(subnetBudgetId(subnet));
    return prefix === undefined || budget === undefined ? [] : [subnetPlan(design, network, subnet, prefix, budget)];
  });
  subnets.sort((a, b) => comparePrefixes(a.prefix, b.prefix));
  return {
    name: network.name,
    id: network.id,
    prefixes,
    subnets,
    // Of IPv6 every subnet has a /64, which nothing fills.
    unallocated: prefixesWithout(
      prefixes.filter((prefix) => prefixFamily(prefix) === 4),
      subnets.map(({ prefix }) => prefix),
    ),
  };
}

function subnetPlan(design: Design, network: VirtualNetwork, subnet: Subnet, prefix: Prefix, budget: Budget): SubnetPlan {
  const exclusive = exclusiveUse(subnet, design.view);
  return {
    id: subnet.id,
    name: subnetLabel(subnet.id),
    network: network.name,
    prefix,
    size: sizeOf(prefix),
    reserved: sizeOf(prefix) - budget.capacity,
    usable: budget.capacity,
    ...(exclusive === undefined ? {} : { exclusive }),
    budget: budget.id,
    blocks: blocksOf(budget, sizeOf(prefix) - budget.capacity),
  };
}

/** Azure's first four, who is there now, who comes until the maximum, the surge of the pool that takes most, what is free, and Azure's last. */
function blocksOf({ capacity, used, holders }: Budget, reserved: number): readonly Block[] {
  const last = Math.min(reserved, 1);
  const surging = holders.reduce<{ readonly holder?: string; readonly addresses: number }>(
    (most, { name, amounts }) => {
      const addresses = amounts.maxUpgrade - amounts.max;
      return addresses > most.addresses ? { holder: name, addresses } : most;
    },
    { addresses: 0 },
  );
  const blocks: readonly Block[] = [
    { kind: "reserved", addresses: reserved - last },
    ...holders.map(({ name, amounts }) => ({ kind: "held" as const, addresses: amounts.now, holder: name })),
    ...holders.map(({ name, amounts }) => ({ kind: "growth" as const, addresses: amounts.max - amounts.now, holder: name })),
    { kind: "surge", ...surging },
    { kind: "free", addresses: Math.max(capacity - used.maxUpgrade, 0) },
    { kind: "reserved", addresses: last },
  ];
  return blocks.filter(({ addresses }) => addresses > 0);
}

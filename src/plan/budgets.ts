/** The demands of a design: one for each thing that there is only so much of. What Azure's documents say about each is at its limit (arm/limits/). */

import { blockAddresses, nodeAddresses, podCidrNodes, usableAddresses, usableBlockAddresses } from "../arm/addresses.ts";
import { ipv6Limits, ipv6NodeMask, ipv6PodCidr, ipv6PodCidrNodes, isDualStack } from "../arm/dual-stack.ts";
import {
  type Figure,
  kubenetNodes,
  type Limit,
  limitAt,
  limits,
  limitsRead,
  nodesDuringUpgrade,
  nodesPerCluster,
  type RuleSet,
} from "../arm/limits.ts";
import { lastSegment, subnetTag } from "../arm/names.ts";
import { hasPodCidr, isKubenetProfile, networkOption } from "../arm/network-option.ts";
import { requestedAddresses } from "../arm/pod-subnets.ts";
import type { AgentPool, ManagedCluster, Subnet, VirtualNetwork } from "../arm/resources.ts";
import { outboundAddresses } from "../arm/rules/outbound.ts";
import { type AzureView, parentOf, sameId, subnetLabel } from "../arm/rules/view.ts";
import { fewestPorts } from "../arm/snat-ports.ts";
import { virtualNodeSubnet } from "../arm/virtual-node.ts";
import { frontendSubnet, hasAllPorts, requestedAddress, ruledPorts } from "../controllers/service-frontends.ts";
import { listArm, listKube } from "../controllers/view.ts";
import { ipFamiliesOf } from "../kube/ip-families.ts";
import { loadBalancerAccess } from "../kube/load-balancer-access.ts";
import type { Service } from "../kube/objects.ts";
import { lengthOf, parsePrefix, prefixFamily, sizeOf } from "../net/prefix.ts";
import type { Resources } from "../resources/resources.ts";
import type { Demand, FixedShare, Pool, PoolShare } from "./demand.ts";
import type { LimitUsed } from "./model.ts";
import type { Placement } from "./workload.ts";

/** Addresses of a node's prefix of the pod CIDR. */
export const addressesPerPodPrefix = 2 ** (32 - limits.podCidrPerNode.value);

export type PlannedPool = { readonly resource: AgentPool; readonly pool: Pool };

export type PlannedCluster = {
  readonly resource: ManagedCluster;
  /** Sorted by id, as controllers see them: the first one's subnet has what belongs to the cluster as a whole. */
  readonly pools: readonly PlannedPool[];
  readonly placement: Placement;
};

export type Design = {
  readonly view: AzureView;
  readonly resources: Resources;
  readonly rules: RuleSet;
  readonly asOf: string;
  readonly clusters: readonly PlannedCluster[];
};

/** In the order of the report: subnets first, then what is the clusters'. */
export function demandsOf(design: Design): readonly Demand[] {
  const subnets = new Map<string, Demand>();
  for (const subnet of design.view.subnets) {
    const demand = subnetDemand(design, subnet);
    if (demand !== undefined) subnets.set(subnet.id.toLowerCase(), demand);
  }
  return [
    ...subnets.values(),
    ...design.view.networks.flatMap((network) => networkDemand(design, network, subnets)),
    ...design.clusters.flatMap((cluster) => clusterDemands(design, cluster)),
    ...routeDemands(design),
  ];
}

function used(limit: Figure): LimitUsed {
  const { value, source, since } = limit;
  return { value, source, ...(since === undefined ? {} : { since }), read: limitsRead };
}

function usedOn({ asOf }: Design, limit: Limit): LimitUsed {
  return used(limitAt(limit, asOf));
}

export function subnetBudgetId(subnet: Subnet): string {
  return `subnet/${subnetLabel(subnet.id)}`;
}

function subnetDemand(design: Design, subnet: Subnet): Demand | undefined {
  const prefix = parsePrefix(subnet.properties.addressPrefix);
  if (prefix === undefined || prefix.includes(":")) return undefined;
  const hasBlocks = design.view.pools.some(
    ({ properties }) => properties.podIPAllocationMode === "StaticBlock" && sameId(properties.podSubnetID ?? "", subnet.id),
  );
  return {
    id: subnetBudgetId(subnet),
    kind: "subnet",
    name: `subnet ${subnetLabel(subnet.id)}`,
    resource: subnet.id,
    unit: "addresses",
    capacity: hasBlocks ? usableBlockAddresses(prefix) : usableAddresses(prefix),
    code: "InsufficientSubnetSize",
    limit: used(limits.reservedAddresses),
    fixed: residentsOf(design, subnet),
    shares: design.clusters.flatMap((cluster) => cluster.pools.flatMap((pool) => sharesOf(cluster, pool, subnet))),
  };
}

/** What a pool takes of a subnet, as that of its nodes or of its pods. */
export function sharesOf(cluster: PlannedCluster, { resource, pool }: PlannedPool, subnet: Subnet): readonly PoolShare[] {
  const { vnetSubnetID, podSubnetID, podIPAllocationMode, maxPods } = resource.properties;
  if (sameId(vnetSubnetID, subnet.id)) {
    const each = nodeAddresses(cluster.resource.properties.networkProfile, resource);
    return [{ pool, each, ...(each === 1 ? {} : { eachText: `(1 + ${maxPods})` }) }];
  }
  if (podSubnetID === undefined || !sameId(podSubnetID, subnet.id)) return [];
  const batch = limits.podSubnetBatch.value;
  if (podIPAllocationMode === "StaticBlock") {
    const each = blockAddresses(maxPods);
    return [{ pool, kind: "pods", each, eachText: `${each / batch} blocks of ${batch}`, mappings: each / batch }];
  }
  // A node asks for whole batches as its pods come; one that is full has as many as pods fit.
  const addressed = cluster.placement.pools.get(resource)?.addressed ?? new Uint32Array(pool.count);
  const requests = addressed.reduce((sum, pods) => sum + requestedAddresses(pods, maxPods), 0);
  const busiest = addressed.reduce((most, pods) => Math.max(most, pods), 0);
  return [
    {
      pool,
      kind: "pods",
      now: requests,
      eachNow: requestedAddresses(busiest, maxPods),
      each: requestedAddresses(maxPods, maxPods),
      eachText: `${maxPods}`,
    },
  ];
}

/** Who is in a subnet beside nodes and their pods. */
function residentsOf({ view, resources, clusters }: Design, subnet: Subnet): readonly FixedShare[] {
  const shares: FixedShare[] = [];
  const add = (kind: FixedShare["kind"], amount: number, one: string, several = `${one}s`) => {
    if (amount > 0) shares.push({ kind, name: amount === 1 ? `1 ${one}` : `${amount} ${several}`, amount });
  };
  const isHere = (id: string | undefined) => id !== undefined && sameId(id, subnet.id);
  const interfaces = listArm(resources, "Microsoft.Network/networkInterfaces");
  // Interfaces that documents bring along; machines and endpoints without one get theirs when they are made.
  const owned = new Set(interfaces.flatMap(({ properties }) => properties.virtualMachine?.id ?? properties.privateEndpoint?.id ?? []));
  const waits = ({ id, tags }: { readonly id: string; readonly tags?: Readonly<Record<string, string>> }) =>
    !owned.has(id) && isHere(tags?.[subnetTag]);
  add("machine", view.machines.filter(waits).length, "machine");
  add("privateEndpoint", view.privateEndpoints.filter(waits).length, "private endpoint");
  const configurations = interfaces.flatMap(({ properties }) => properties.ipConfigurations);
  add(
    "interface",
    configurations.filter(({ properties }) => isHere(properties.subnet.id)).length,
    "address of a network interface",
    "addresses of network interfaces",
  );
  for (const cluster of clusters) {
    const { resource, pools, placement } = cluster;
    const nodeSubnet = pools[0]?.resource.properties.vnetSubnetID;
    if (nodeSubnet === undefined) continue;
    shares.push(...clusterResidents(resources, cluster, subnet.id));
    if (placement.onVirtualNode > 0 && isHere(virtualNodeSubnet(resource, nodeSubnet))) {
      add(
        "containerGroup",
        placement.onVirtualNode,
        `pod of cluster ${resource.name}'s virtual node`,
        `pods of cluster ${resource.name}'s virtual node`,
      );
    }
  }
  return shares;
}

/** What of a cluster is in a subnet beside its nodes and pods: its API server's endpoint and internal frontends. */
export function clusterResidents(resources: Resources, { resource, pools }: PlannedCluster, subnet: string): readonly FixedShare[] {
  const nodeSubnet = pools[0]?.resource.properties.vnetSubnetID ?? "";
  const shares: FixedShare[] = [];
  if (resource.properties.apiServerAccessProfile?.enablePrivateCluster === true && sameId(nodeSubnet, subnet)) {
    shares.push({ kind: "apiServer", name: `private endpoint of cluster ${resource.name}'s API server`, amount: 1 });
  }
  const services = listKube(resources, resource, "Service").filter(
    (service) => isBalanced(service) && loadBalancerAccess(service).isInternal,
  );
  const amount = frontendsOf(services.filter((service) => sameId(frontendSubnet(service, nodeSubnet), subnet)));
  if (amount > 0) {
    shares.push({ kind: "frontend", name: `${counted(amount, "internal load balancer frontend")} of cluster ${resource.name}`, amount });
  }
  return shares;
}

/** Services that ask for the same address share a frontend. */
function frontendsOf(services: readonly Service[]): number {
  const requested = services.flatMap((service) => requestedAddress(service) ?? []);
  return services.length - requested.length + new Set(requested).size;
}

function isBalanced({ spec }: Service): boolean {
  return spec.type === "LoadBalancer";
}

/** All private addresses of a VNet. */
function networkDemand(design: Design, network: VirtualNetwork, subnets: ReadonlyMap<string, Demand>): readonly Demand[] {
  const inside = design.view.subnetsOf(network).flatMap((subnet) => subnets.get(subnet.id.toLowerCase()) ?? []);
  const limit = usedOn(design, limits.addressesPerNetwork);
  return [
    {
      id: `network/${network.name}`,
      kind: "network",
      name: `VNet ${network.name}`,
      resource: network.id,
      unit: "addresses",
      capacity: limit.value,
      code: "AddressesPerNetwork",
      limit,
      fixed: inside.flatMap(({ fixed }) => fixed),
      shares: inside.flatMap(({ shares }) => shares.map(asMappings)),
    },
  ];
}

/** Azure keeps a mapping for each address, and one for a whole block (aks:concepts-network-ip-address-planning.md). */
function asMappings(share: PoolShare): PoolShare {
  const { pool, kind, mappings } = share;
  return mappings === undefined ? share : { pool, each: mappings, ...(kind === undefined ? {} : { kind }) };
}

export function clusterDemands(design: Design, cluster: PlannedCluster): readonly Demand[] {
  const { view, resources, rules } = design;
  const { resource, pools } = cluster;
  const { networkProfile } = resource.properties;
  const { name } = resource;
  const perNode = pools.map(({ pool }): PoolShare => ({ pool, each: 1 }));
  const nodes = (kind: Demand["kind"], what: string, code: string, limit: LimitUsed, capacity = limit.value): Demand => ({
    id: `${kind}/${name}`,
    kind,
    name: what === "" ? `cluster ${name}` : `${what} of cluster ${name}`,
    resource: resource.id,
    unit: "nodes",
    cluster: name,
    capacity,
    code,
    limit,
    fixed: [],
    shares: perNode,
  });
  const demands: Demand[] = [];
  const podCidr = hasPodCidr(networkProfile) ? parsePrefix(networkProfile.podCidr ?? "") : undefined;
  if (podCidr !== undefined) {
    const code = "InsufficientSubnetSize";
    const base = nodes("podCidr", `pod CIDR ${podCidr}`, code, used(limits.podCidrPerNode), podCidrNodes(podCidr));
    demands.push({ ...base, unit: "prefixes" });
  }
  const ipv6PodRange = (networkProfile.podCidrs ?? [])
    .flatMap((text) => parsePrefix(text) ?? [])
    .find((prefix) => prefixFamily(prefix) === 6);
  if (ipv6PodRange !== undefined) {
    const limit = used({ value: ipv6NodeMask(lengthOf(ipv6PodRange)), source: ipv6PodCidr.source });
    const capacity = ipv6PodCidrNodes(lengthOf(ipv6PodRange));
    demands.push({ ...nodes("podCidrIPv6", `IPv6 pod CIDR ${ipv6PodRange}`, "CIDRNotAvailable", limit, capacity), unit: "prefixes" });
  }
  demands.push(nodes("clusterNodes", "", "QuotaExceeded", usedOn(design, nodesOf(resource, rules))));
  if (networkProfile.networkPolicy === "azure") {
    demands.push(
      nodes("policyNodes", "Azure Network Policy Manager", "InvalidParameter", usedOn(design, limits.networkPolicyManagerNodes)),
    );
  }
  for (const { pool, resource: agentPool } of pools) {
    const limit = usedOn(design, nodesDuringUpgrade[rules]);
    const base = nodes("poolNodes", "", "InvalidParameter", limit);
    demands.push({
      ...base,
      id: `poolNodes/${name}/${agentPool.name}`,
      resource: agentPool.id,
      name: `pool ${name}/${agentPool.name}`,
      shares: [{ pool, each: 1 }],
    });
  }
  if (networkProfile.outboundType === "loadBalancer") demands.push(outboundDemand(view, cluster, nodes));

  const services = listKube(resources, resource, "Service");
  const serviceCidr = parsePrefix(networkProfile.serviceCidr);
  if (serviceCidr !== undefined) {
    const addressed = services.filter(({ spec }) => spec.type !== "ExternalName" && spec.clusterIP !== "None");
    demands.push({
      // Neither the network address nor the broadcast address.
      ...nodes("serviceCidr", `service CIDR ${serviceCidr}`, "ServiceCidrFull", {
        value: Math.max(sizeOf(serviceCidr) - 2, 0),
        source: "k8sdoc:concepts/services-networking/cluster-ip-allocation",
        read: limitsRead,
      }),
      unit: "addresses",
      fixed: [
        { kind: "other", name: "kubernetes.default and kube-dns", amount: 2 },
        ...(addressed.length === 0
          ? []
          : [{ kind: "other" as const, name: counted(addressed.length, "Service"), amount: addressed.length }]),
      ],
      shares: [],
    });
  }
  const balanced = services.filter(isBalanced);
  const servicesLimit = usedOn(design, limits.servicesPerLoadBalancer);
  demands.push({
    ...nodes("balancerServices", "load balancers", "QuotaExceeded", servicesLimit),
    unit: "services",
    fixed: balanced.length === 0 ? [] : [{ kind: "other", name: counted(balanced.length, "Service"), amount: balanced.length }],
    shares: [],
  });
  const families = networkProfile.ipFamilies ?? ["IPv4"];
  // A Service of both families has a frontend of each, with rules of its own.
  const rulesOf = (service: Service) =>
    (hasAllPorts(service) ? 1 : ruledPorts(service).length) * ipFamiliesOf(service, families).ipFamilies.length;
  const rulesOfServices = balanced.reduce((sum, service) => sum + rulesOf(service), 0);
  demands.push({
    ...nodes("balancerRules", "each node's network interface", "RulesPerInterface", usedOn(design, limits.rulesPerInterface)),
    unit: "rules",
    fixed: [
      ...(networkProfile.outboundType === "loadBalancer" ? [{ kind: "other" as const, name: "the outbound rule", amount: 1 }] : []),
      ...(rulesOfServices === 0
        ? []
        : [{ kind: "other" as const, name: `${counted(rulesOfServices, "port")} of Services`, amount: rulesOfServices }]),
    ],
    shares: [],
  });
  return demands;
}

/** The most nodes that a cluster may have. */
function nodesOf(cluster: ManagedCluster, rules: RuleSet): Limit {
  if (!isKubenetProfile(cluster.properties.networkProfile)) return nodesPerCluster[rules];
  return isDualStack(cluster) ? ipv6Limits.kubenetNodes : kubenetNodes[rules];
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

/** Nodes for which the outbound rule has ports. */
function outboundDemand(
  view: AzureView,
  { resource }: PlannedCluster,
  nodes: (kind: Demand["kind"], what: string, code: string, limit: LimitUsed, capacity?: number) => Demand,
): Demand {
  const { allocatedOutboundPorts } = resource.properties.networkProfile.loadBalancerProfile;
  const { value } = limits.outboundPortsPerAddress;
  const ports = allocatedOutboundPorts === 0 ? fewestPorts : allocatedOutboundPorts;
  const capacity = Math.floor(value / ports) * outboundAddresses(view, resource);
  return nodes(
    "outboundPorts",
    "outbound ports",
    "InvalidLoadBalancerProfileAllocatedOutboundPorts",
    used(limits.outboundPortsPerAddress),
    capacity,
  );
}

/** A route for each node of kubenet's clusters, beside the user's own. Of a table of one's own, or of the one that AKS makes. */
function routeDemands(design: Design): readonly Demand[] {
  const { view, clusters } = design;
  const limit = usedOn(design, limits.routesPerTable);
  const kubenet = clusters.filter(({ resource }) => isKubenetProfile(resource.properties.networkProfile));
  return kubenet.flatMap(({ resource, pools }): readonly Demand[] => {
    const reference = view.subnet(pools[0]?.resource.properties.vnetSubnetID ?? "")?.properties.routeTable;
    const table = reference === undefined ? undefined : view.routeTable(reference.id);
    const routes = table?.properties.routes.length ?? 0;
    const label = reference === undefined ? `of cluster ${resource.name}, which AKS makes` : lastSegment(reference.id);
    return [
      {
        id: `routes/${resource.name}`,
        kind: "routes",
        name: `route table ${label}`,
        resource: reference?.id ?? resource.id,
        unit: "routes",
        cluster: resource.name,
        capacity: limit.value,
        code: "RouteTableRoutesLimitReached",
        limit,
        fixed: routes === 0 ? [] : [{ kind: "route", name: `${counted(routes, "route")} of one's own`, amount: routes }],
        shares: pools.map(({ pool }) => ({ pool, each: isDualStack(resource) ? 2 : 1 })),
      },
    ];
  });
}

/** What the pods of a cluster have for addresses, for {@link PlannedCluster} and its resources. */
export function optionOf({ resource, pools }: PlannedCluster) {
  return networkOption(
    resource.properties.networkProfile,
    pools.map((pool) => pool.resource),
  );
}

/** The VNet's gateway has its subnet alone, and takes as many addresses as it needs. */
export function exclusiveUse(subnet: Subnet, view: AzureView): string | undefined {
  const [delegation] = subnet.properties.delegations ?? [];
  if (delegation !== undefined) return delegation.properties.serviceName;
  const network = view.network(parentOf(subnet.id));
  const gateway = network === undefined ? undefined : view.gatewayOf(network);
  return gateway?.properties.ipConfigurations.some(({ properties }) => sameId(properties.subnet.id, subnet.id)) === true
    ? "the VNet's gateway"
    : undefined;
}

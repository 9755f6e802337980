/** The resources that rules look at, by type. */

import type {
  AgentPool,
  AzureResource,
  Connection,
  InternetHost,
  Lab,
  LocalNetworkGateway,
  ManagedCluster,
  RouteTable,
  Site,
  Subnet,
  VirtualMachine,
  VirtualNetwork,
  VirtualNetworkGateway,
} from "../resources.ts";

export type AzureView = {
  readonly labs: readonly Lab[];
  readonly networks: readonly VirtualNetwork[];
  readonly subnets: readonly Subnet[];
  readonly routeTables: readonly RouteTable[];
  readonly machines: readonly VirtualMachine[];
  readonly gateways: readonly VirtualNetworkGateway[];
  readonly localGateways: readonly LocalNetworkGateway[];
  readonly connections: readonly Connection[];
  readonly sites: readonly Site[];
  readonly internetHosts: readonly InternetHost[];
  readonly clusters: readonly ManagedCluster[];
  readonly pools: readonly AgentPool[];
};

export function azureView(resources: readonly AzureResource[]): AzureView {
  const of = <Type extends AzureResource["type"]>(type: Type) =>
    resources.filter((resource): resource is Extract<AzureResource, { readonly type: Type }> => resource.type === type);
  return {
    labs: of("Drydock.Lab/labs"),
    networks: of("Microsoft.Network/virtualNetworks"),
    subnets: of("Microsoft.Network/virtualNetworks/subnets"),
    routeTables: of("Microsoft.Network/routeTables"),
    machines: of("Microsoft.Compute/virtualMachines"),
    gateways: of("Microsoft.Network/virtualNetworkGateways"),
    localGateways: of("Microsoft.Network/localNetworkGateways"),
    connections: of("Microsoft.Network/connections"),
    sites: of("Drydock.Lab/sites"),
    internetHosts: of("Drydock.Lab/internetHosts"),
    clusters: of("Microsoft.ContainerService/managedClusters"),
    pools: of("Microsoft.ContainerService/managedClusters/agentPools"),
  };
}

/** ARM compares ids without case. */
export function sameId(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

/** The id of the resource that a child resource is in: of a subnet its VNet's, of a pool its cluster's. */
export function parentOf(id: string): string {
  return id.slice(0, id.lastIndexOf("/", id.lastIndexOf("/") - 1));
}

export function poolsOf(view: AzureView, cluster: ManagedCluster): readonly AgentPool[] {
  return view.pools.filter((pool) => sameId(parentOf(pool.id), cluster.id));
}

export function subnetsOf(view: AzureView, network: VirtualNetwork): readonly Subnet[] {
  return view.subnets.filter((subnet) => sameId(parentOf(subnet.id), network.id));
}

/** `hub/plain`. */
export function subnetLabel(id: string): string {
  const parts = id.split("/");
  return `${parts.at(-3)}/${parts.at(-1)}`;
}

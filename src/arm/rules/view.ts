/** The resources that rules look at, by type and by what they belong to, so that a rule asks in the same time however large the lab is. */

import { type Prefix, parsePrefix } from "../../net/prefix.ts";
import type {
  AgentPool,
  AzureResource,
  Connection,
  Firewall,
  InternetHost,
  Lab,
  LoadBalancer,
  LocalNetworkGateway,
  ManagedCluster,
  NatGateway,
  NetworkSecurityGroup,
  PrivateEndpoint,
  PublicIPAddress,
  PublicIPPrefix,
  RouteTable,
  Site,
  Subnet,
  VirtualMachine,
  VirtualNetwork,
  VirtualNetworkGateway,
  VirtualNetworkPeering,
} from "../resources.ts";
import { PrefixSet } from "./prefix-set.ts";

/** The prefixes of a VNet that are ones, in their order. */
export type Space = { readonly prefixes: readonly Prefix[]; readonly set: PrefixSet<VirtualNetwork> };

export type AzureView = {
  readonly labs: readonly Lab[];
  readonly networks: readonly VirtualNetwork[];
  readonly subnets: readonly Subnet[];
  readonly routeTables: readonly RouteTable[];
  readonly securityGroups: readonly NetworkSecurityGroup[];
  readonly peerings: readonly VirtualNetworkPeering[];
  readonly publicAddresses: readonly PublicIPAddress[];
  readonly publicPrefixes: readonly PublicIPPrefix[];
  readonly natGateways: readonly NatGateway[];
  readonly loadBalancers: readonly LoadBalancer[];
  readonly machines: readonly VirtualMachine[];
  readonly firewalls: readonly Firewall[];
  readonly privateEndpoints: readonly PrivateEndpoint[];
  readonly localGateways: readonly LocalNetworkGateway[];
  readonly sites: readonly Site[];
  readonly internetHosts: readonly InternetHost[];
  readonly clusters: readonly ManagedCluster[];
  readonly pools: readonly AgentPool[];
  readonly network: (id: string) => VirtualNetwork | undefined;
  readonly subnet: (id: string) => Subnet | undefined;
  readonly routeTable: (id: string) => RouteTable | undefined;
  readonly machine: (id: string) => VirtualMachine | undefined;
  readonly cluster: (id: string) => ManagedCluster | undefined;
  readonly localGateway: (id: string) => LocalNetworkGateway | undefined;
  readonly poolsOf: (cluster: ManagedCluster) => readonly AgentPool[];
  readonly subnetsOf: (network: VirtualNetwork) => readonly Subnet[];
  /** The subnets that a route table is attached to. */
  readonly subnetsWith: (table: RouteTable) => readonly Subnet[];
  readonly subnetsWithGroup: (group: NetworkSecurityGroup) => readonly Subnet[];
  /** The VNet whose gateway has a connection to the site. */
  readonly networkBehind: (site: LocalNetworkGateway) => VirtualNetwork | undefined;
  /** The VNets that a VNet is peered with, where both have their side. */
  readonly peersOf: (network: VirtualNetwork) => readonly VirtualNetwork[];
  /** The gateway of a VNet. */
  readonly gatewayOf: (network: VirtualNetwork) => VirtualNetworkGateway | undefined;
  readonly spaceOf: (network: VirtualNetwork | undefined) => Space;
};

const noSpace: Space = { prefixes: [], set: new PrefixSet() };

export function azureView(resources: readonly AzureResource[]): AzureView {
  const of = <Type extends AzureResource["type"]>(type: Type) =>
    resources.filter((resource): resource is Extract<AzureResource, { readonly type: Type }> => resource.type === type);
  const networks = of("Microsoft.Network/virtualNetworks");
  const subnets = of("Microsoft.Network/virtualNetworks/subnets");
  const machines = of("Microsoft.Compute/virtualMachines");
  const clusters = of("Microsoft.ContainerService/managedClusters");
  const pools = of("Microsoft.ContainerService/managedClusters/agentPools");
  const localGateways = of("Microsoft.Network/localNetworkGateways");
  const network = finder(networks);
  const gateways = of("Microsoft.Network/virtualNetworkGateways");
  const gateway = finder<VirtualNetworkGateway>(gateways);
  const gatewaysBy = grouped(gateways, ({ properties }) => parentOf(properties.ipConfigurations[0]?.properties.subnet.id ?? ""));
  const poolsBy = grouped(pools, (pool) => parentOf(pool.id));
  const subnetsBy = grouped(subnets, (subnet) => parentOf(subnet.id));
  const subnetsByTable = grouped(subnets, (subnet) => subnet.properties.routeTable?.id ?? "");
  const subnetsByGroup = grouped(subnets, (subnet) => subnet.properties.networkSecurityGroup?.id ?? "");
  const connectionsBy = grouped<Connection>(
    of("Microsoft.Network/connections"),
    (connection) => connection.properties.localNetworkGateway2.id,
  );
  const peerings = of("Microsoft.Network/virtualNetworks/virtualNetworkPeerings");
  const remoteIds = grouped(peerings, (peering) => parentOf(peering.id));
  const remotesOf = (id: string) => remoteIds(id).flatMap(({ properties }) => network(properties.remoteVirtualNetwork.id) ?? []);
  const spaces = new Map<VirtualNetwork, Space>();
  return {
    labs: of("Drydock.Lab/labs"),
    networks,
    subnets,
    routeTables: of("Microsoft.Network/routeTables"),
    securityGroups: of("Microsoft.Network/networkSecurityGroups"),
    peerings,
    publicAddresses: of("Microsoft.Network/publicIPAddresses"),
    publicPrefixes: of("Microsoft.Network/publicIPPrefixes"),
    loadBalancers: of("Microsoft.Network/loadBalancers"),
    natGateways: of("Microsoft.Network/natGateways"),
    machines,
    firewalls: of("Drydock.Lab/firewalls"),
    privateEndpoints: of("Microsoft.Network/privateEndpoints"),
    localGateways,
    sites: of("Drydock.Lab/sites"),
    internetHosts: of("Drydock.Lab/internetHosts"),
    clusters,
    pools,
    network,
    subnet: finder(subnets),
    routeTable: finder(of("Microsoft.Network/routeTables")),
    machine: finder(machines),
    cluster: finder(clusters),
    localGateway: finder(localGateways),
    poolsOf: (cluster) => poolsBy(cluster.id),
    subnetsOf: (parent) => subnetsBy(parent.id),
    subnetsWith: (table) => subnetsByTable(table.id),
    subnetsWithGroup: (group) => subnetsByGroup(group.id),
    networkBehind: (site) => {
      const [connection] = connectionsBy(site.id);
      const { ipConfigurations = [] } = gateway(connection?.properties.virtualNetworkGateway1.id ?? "")?.properties ?? {};
      return network(parentOf(ipConfigurations[0]?.properties.subnet.id ?? ""));
    },
    peersOf: (parent) => remotesOf(parent.id).filter((remote) => remotesOf(remote.id).includes(parent)),
    gatewayOf: (parent) => gatewaysBy(parent.id)[0],
    spaceOf: (parent) => {
      if (parent === undefined) return noSpace;
      let space = spaces.get(parent);
      if (space === undefined) {
        const prefixes = parent.properties.addressSpace.addressPrefixes.flatMap((text) => parsePrefix(text) ?? []);
        const set = new PrefixSet<VirtualNetwork>();
        for (const prefix of prefixes) set.add(prefix, parent);
        space = { prefixes, set };
        spaces.set(parent, space);
      }
      return space;
    },
  };
}

/** The first with an id. */
function finder<T extends { readonly id: string }>(all: readonly T[]): (id: string) => T | undefined {
  const byId = new Map<string, T>();
  for (const one of all) if (!byId.has(one.id.toLowerCase())) byId.set(one.id.toLowerCase(), one);
  return (id) => byId.get(id.toLowerCase());
}

function grouped<T>(all: readonly T[], idOf: (one: T) => string): (id: string) => readonly T[] {
  const groups = new Map<string, T[]>();
  for (const one of all) {
    const key = idOf(one).toLowerCase();
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [one]);
    else group.push(one);
  }
  return (id) => groups.get(id.toLowerCase()) ?? [];
}

/** ARM compares ids without case. */
export function sameId(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

/** The id of the resource that a child resource is in: of a subnet its VNet's, of a pool its cluster's. */
export function parentOf(id: string): string {
  return id.slice(0, id.lastIndexOf("/", id.lastIndexOf("/") - 1));
}

/** `hub/plain`. */
export function subnetLabel(id: string): string {
  const parts = id.split("/");
  return `${parts.at(-3)}/${parts.at(-1)}`;
}

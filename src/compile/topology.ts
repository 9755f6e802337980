/**
 * The resources, indexed for the front ends: who is in which VNet, which pods are on which node.
 * Parsed once here, so that front ends see addresses and prefixes instead of text.
 */

import { type Fault, type FaultOf, isFault } from "../arm/faults.ts";
import { clusterTag, segmentAfter } from "../arm/names.ts";
import { isOverlayProfile, type NetworkOption, networkOption } from "../arm/network-option.ts";
import type {
  AgentPool,
  Connection,
  ContainerGroup,
  Firewall,
  InternetHost,
  Lab,
  LoadBalancer,
  LocalNetworkGateway,
  ManagedCluster,
  NatGateway,
  NetworkInterface,
  NetworkSecurityGroup,
  PrivateEndpoint,
  ProbeResult,
  PublicIPAddress,
  PublicIPPrefix,
  Reference,
  RouteTable,
  ScaleSetMachine,
  Site,
  Subnet,
  VirtualMachine,
  VirtualNetwork,
  VirtualNetworkGateway,
  VirtualNetworkPeering,
} from "../arm/resources.ts";
import { parentOf } from "../arm/rules/view.ts";
import { virtualNodeName } from "../arm/virtual-node.ts";
import { interfaceName } from "../ir/names.ts";
import type { HostName, InterfaceName } from "../ir/network.ts";
import { type CniConfig, cniConfigMap, cniNamespace, readCniConfig } from "../kube/cni-config.ts";
import type { ConfigMap, EndpointSlice, KubeObject, NetworkPolicy, Node, NodeNetworkConfig, Pod, Service } from "../kube/objects.ts";
import { type Address, type Family, familyOf, formatIpv4, ipv4Number, mustAddress, parseAddress } from "../net/address.ts";
import { addressAt, addressOf, type Prefix, parseLoosePrefix, parsePrefix, prefixFamily, sizeOf } from "../net/prefix.ts";
import { armBucket, armKey, type Bucket, type Key, kubeBucket, type Resource, type Resources } from "../resources/resources.ts";
import { type PodInfo, type PodPlaces, podPlaces } from "./pods.ts";
import { withRouteTables } from "./route-tables.ts";
import { addressMark, hostNames } from "./wiring.ts";

export type { PodInfo } from "./pods.ts";

export type SubnetInfo = {
  readonly resource: Subnet;
  readonly key: Key;
  readonly prefix: Prefix;
  /** `.1`: answers for everything outside the subnet. */
  readonly gateway: Address;
  readonly routeTable: RouteTable | undefined;
  /** Routes of the table that are not in effect. */
  readonly lostRoutes: readonly LostRoute[];
  readonly securityGroup: NetworkSecurityGroup | undefined;
  /** Position among the subnets of its VNet, from 1: its mark and its routing table follow from it. */
  readonly index: number;
};

export type LostRoute = { readonly name: string; readonly fault: FaultOf<"route"> | FaultOf<"routes"> };

export type PodSubnetInfo = { readonly resource: NodeNetworkConfig; readonly subnet: SubnetInfo; readonly prefixes: readonly Prefix[] };

/** A network interface and where it is plugged in. */
export type NicInfo = {
  readonly resource: NetworkInterface;
  readonly key: Key;
  readonly subnet: SubnetInfo;
  readonly primary: Address;
  readonly secondary: readonly Address[];
  /** Of the load balancer's flows to it: its primary IPv4 address as a number, which every interface has, whatever the family. */
  readonly mark: number;
  readonly forwarding: boolean;
  readonly securityGroup: NetworkSecurityGroup | undefined;
  /** The public address of its own. */
  readonly publicAddress: Reference | undefined;
  /** Of a node whose pods have addresses of a pod subnet: which, as addresses or blocks. The fabric knows them. */
  readonly pods: PodSubnetInfo | undefined;
  /** The fabric's end of the link. */
  readonly fabricInterface: InterfaceName;
  readonly host: HostName;
  /** Name of the machine: a node's interface is called after its scale set only. */
  readonly machine: string;
};

/** Is it a service's, not a machine's? */
export function isPrivateEndpoint(nic: NicInfo): boolean {
  return nic.resource.properties.privateEndpoint !== undefined;
}

export type SiteInfo = {
  readonly resource: Site;
  readonly prefixes: readonly Prefix[];
  /** The fabric's end of the tunnel. */
  readonly fabricInterface: InterfaceName;
};

/** An Azure service that a subnet of the VNet has an endpoint for. */
export type ServiceInfo = { readonly host: InternetHost; readonly name: string; readonly address: Address };

/** A peering that both VNets have made, seen from one of them. */
export type PeeringInfo = {
  readonly resource: VirtualNetworkPeering;
  /** The remote VNet's side. */
  readonly reverse: VirtualNetworkPeering;
  readonly remote: VnetInfo;
  /** This fabric's end of the link between the two. */
  readonly fabricInterface: InterfaceName;
  /** The remote fabric's end. */
  readonly remoteInterface: InterfaceName;
};

export type VnetInfo = {
  readonly resource: VirtualNetwork;
  readonly name: string;
  /** Of every address and prefix in here. The IPv6 half of a VNet is one of its own; see ipv6/half.ts. */
  readonly family: Family;
  readonly prefixes: readonly Prefix[];
  readonly subnets: readonly SubnetInfo[];
  readonly nics: readonly NicInfo[];
  /** Those of them that are private endpoints. */
  readonly privateEndpoints: readonly NicInfo[];
  /** Where the gateway is, if the lab says so: its route table is for what comes in by the gateway. */
  readonly gatewaySubnet: SubnetInfo | undefined;
  readonly gateway: VirtualNetworkGateway | undefined;
  /** Behind its own gateway. */
  readonly sites: readonly SiteInfo[];
  /** Of the clusters with Azure CNI Overlay whose nodes are in this VNet. */
  readonly overlays: readonly OverlayInfo[];
  /** That subnets of it have endpoints for. */
  readonly services: readonly ServiceInfo[];
  /** Connected ones. */
  readonly peerings: readonly PeeringInfo[];
  /** Of the clusters whose nodes are in this VNet. */
  readonly loadBalancers: readonly LoadBalancer[];
  /** Position among the lab's VNets, from 0. */
  readonly index: number;
};

/** The routing domain of a cluster with Azure CNI Overlay: which prefix of its pod CIDR is behind which node. */
export type OverlayInfo = {
  readonly cluster: ManagedCluster;
  readonly podCidr: Prefix;
  /** A node that got no prefix has no pods. */
  readonly nodes: readonly { readonly nic: NicInfo; readonly node: Node; readonly podCidr: Prefix | undefined }[];
  /** Position among the overlays of its VNet, from 1: its mark and its routing table follow from it. */
  readonly index: number;
};

export type NodeInfo = {
  readonly node: Node;
  readonly nic: NicInfo;
  readonly podCidr: Prefix | undefined;
  readonly host: HostName;
  readonly os: NodeOs;
};

/** What a packet sees of a node's operating system; `windows-without-outbound-nat`: its pool has windowsProfile.disableOutboundNat. */
export type NodeOs = "linux" | "windows" | "windows-without-outbound-nat";

export type ClusterInfo = {
  readonly resource: ManagedCluster;
  readonly name: string;
  readonly option: NetworkOption;
  readonly vnet: VnetInfo;
  readonly serviceCidr: Prefix | undefined;
  readonly podCidr: Prefix | undefined;
  /** By node name. */
  readonly nodes: ReadonlyMap<string, NodeInfo>;
  readonly places: PodPlaces;
  /** Pods of the virtual node, each of them with its own place in the VNet. */
  readonly virtualPods: readonly { readonly pod: PodInfo; readonly nic: NicInfo }[];
  /** Pods with an address and an interface of their own, by node name. */
  readonly podsByNode: ReadonlyMap<string, readonly PodInfo[]>;
  readonly hostNetworkPodsByNode: ReadonlyMap<string, readonly Pod[]>;
  readonly services: readonly Service[];
  readonly endpointSlices: readonly EndpointSlice[];
  readonly masqueradeMaps: readonly ConfigMap[];
  /** Of a plugin of one's own, once it is installed. */
  readonly cniConfig: CniConfig | undefined;
  readonly networkPolicies: readonly NetworkPolicy[];
  readonly namespaces: readonly KubeObject<"Namespace">[];
};

export type Topology = {
  readonly rules: "current" | "lesson";
  readonly vnets: readonly VnetInfo[];
  readonly clusters: ReadonlyMap<string, ClusterInfo>;
  readonly machines: readonly { readonly resource: VirtualMachine; readonly nic: NicInfo; readonly firewall: Firewall | undefined }[];
  readonly privateEndpoints: readonly { readonly resource: PrivateEndpoint; readonly nic: NicInfo }[];
  readonly internetHosts: readonly InternetHost[];
  /** Addresses of the network interfaces in each application security group. */
  readonly applicationSecurityGroups: ReadonlyMap<Key, readonly Address[]>;
  readonly publicAddresses: ReadonlyMap<Key, PublicIPAddress>;
  readonly publicPrefixes: ReadonlyMap<Key, PublicIPPrefix>;
  readonly natGateways: ReadonlyMap<Key, NatGateway>;
  readonly probeResults: ReadonlyMap<Key, ProbeResult>;
  /** By name. */
  readonly faults: readonly Fault[];
};

const noPods: readonly never[] = [];

/** The lists of resources that a topology was made from. */
const readFor = new WeakMap<Topology, ReadonlyMap<Bucket, readonly Resource[]>>();

/** `previous`: the topology of an earlier version of the resources; what did not change is taken from it. */
export function topologyOf(resources: Resources, previous?: Topology): Topology {
  const read = new Map<Bucket, readonly Resource[]>();
  const topology = (previous === undefined ? undefined : withRules(previous, resources, read)) ?? topologyAnew(resources, previous, read);
  readFor.set(topology, read);
  return topology;
}

/** `previous` with other network policies and route tables, when nothing else has changed. Fills `read`. */
function withRules(previous: Topology, resources: Resources, read: Map<Bucket, readonly Resource[]>): Topology | undefined {
  const changed = new Set<Bucket>();
  for (const [bucket, list] of readFor.get(previous) ?? []) {
    const now = resources.list(bucket);
    read.set(bucket, now);
    if (now !== list) changed.add(bucket);
  }
  if (read.size === 0) return undefined;
  const tables = armBucket("Microsoft.Network/routeTables");
  // A fault of a route is found by the route's name.
  const hasTables = changed.delete(tables) && previous.faults.length === 0;
  let topology: Topology = hasTables ? withRouteTables(previous, byKey(read.get(tables) as readonly RouteTable[])) : { ...previous };
  for (const [name, cluster] of topology.clusters) {
    const bucket = kubeBucket(name, "NetworkPolicy");
    if (!changed.delete(bucket)) continue;
    const networkPolicies = read.get(bucket) as readonly NetworkPolicy[];
    topology = { ...topology, clusters: new Map(topology.clusters).set(name, { ...cluster, networkPolicies }) };
  }
  return changed.size === 0 ? topology : undefined;
}

/** Was the one made from the other with nothing but network policies changed? Whatever else changes makes new VNets. */
export function differOnlyInPolicies(one: Topology, other: Topology): boolean {
  return one.vnets === other.vnets;
}

function topologyAnew(resources: Resources, previous: Topology | undefined, read: Map<Bucket, readonly Resource[]>): Topology {
  const list = (bucket: Bucket) => {
    const found = resources.list(bucket);
    read.set(bucket, found);
    return found;
  };
  // The one place where the type of a bucket's contents is asserted: keys and values are written together.
  const azure = <T>(type: Parameters<typeof armBucket>[0]) => list(armBucket(type)) as unknown as readonly T[];
  const kube = <T>(cluster: string, kind: string) => list(kubeBucket(cluster, kind)) as unknown as readonly T[];

  const faults = azure<Fault>("Drydock.Lab/faults");
  const lostRoutes = (subnet: Key, table: RouteTable): LostRoute[] =>
    faults.flatMap((fault): LostRoute[] => {
      if (isFault(fault, "route") && armKey(fault.properties.routeTable.id) === armKey(table.id)) {
        return [{ name: fault.properties.routeName, fault }];
      }
      const hasNone = isFault(fault, "routes") && armKey(fault.properties.subnet.id) === subnet;
      return hasNone ? table.properties.routes.map(({ name }) => ({ name, fault })) : [];
    });
  const routeTables = byKey(azure<RouteTable>("Microsoft.Network/routeTables"));
  const securityGroups = byKey(azure<NetworkSecurityGroup>("Microsoft.Network/networkSecurityGroups"));
  const groupOf = (reference: Reference | undefined) => (reference === undefined ? undefined : securityGroups.get(armKey(reference.id)));
  const applicationSecurityGroups = new Map<Key, Address[]>();
  const nicsByHost = new Map<Key, NicInfo>();
  const machines = azure<VirtualMachine>("Microsoft.Compute/virtualMachines");
  const nodeMachines = azure<ScaleSetMachine>("Microsoft.Compute/virtualMachineScaleSets/virtualMachines");

  const groups = azure<ContainerGroup>("Microsoft.ContainerInstance/containerGroups");
  const hostOfNic = new Map<Key, { readonly host: HostName; readonly owner: string }>();
  const privateEndpoints = azure<PrivateEndpoint>("Microsoft.Network/privateEndpoints");
  for (const endpoint of privateEndpoints) {
    for (const nic of endpoint.properties.networkInterfaces) {
      hostOfNic.set(armKey(nic.id), { host: hostNames.privateEndpoint(endpoint.name), owner: endpoint.name });
    }
  }
  for (const machine of machines) {
    for (const nic of machine.properties.networkProfile.networkInterfaces) {
      hostOfNic.set(armKey(nic.id), { host: hostNames.machine(machine.name), owner: machine.name });
    }
  }
  for (const machine of nodeMachines) {
    const cluster = segmentAfter(machine.properties.agentPool.id, "managedClusters");
    const name = machine.properties.osProfile.computerName;
    for (const nic of machine.properties.networkProfile.networkInterfaces) {
      hostOfNic.set(armKey(nic.id), { host: hostNames.node(cluster, name), owner: name });
    }
  }

  for (const { id, name, tags } of groups) {
    const { [clusterTag]: cluster, Namespace: namespace, PodName: pod } = tags ?? {};
    if (cluster === undefined || namespace === undefined || pod === undefined) continue;
    hostOfNic.set(armKey(id), { host: hostNames.pod(cluster, namespace, pod), owner: name });
  }

  const subnetsByVnet = new Map<Key, SubnetInfo[]>();
  const subnets = new Map<Key, SubnetInfo>();
  for (const resource of azure<Subnet>("Microsoft.Network/virtualNetworks/subnets")) {
    const prefix = parsePrefix(resource.properties.addressPrefix);
    const gateway = prefix === undefined ? undefined : addressAt(prefix, 1);
    if (prefix === undefined || gateway === undefined) continue;
    const key = armKey(resource.id);
    const siblings = listIn(subnetsByVnet, parentOf(key));
    const table = resource.properties.routeTable;
    const routeTable = table === undefined ? undefined : routeTables.get(armKey(table.id));
    const info: SubnetInfo = {
      resource,
      key,
      prefix,
      gateway,
      routeTable,
      lostRoutes: routeTable === undefined ? [] : lostRoutes(key, routeTable),
      securityGroup: groupOf(resource.properties.networkSecurityGroup),
      index: siblings.length + 1,
    };
    siblings.push(info);
    subnets.set(key, info);
  }

  const podSubnetOf = new Map<HostName, PodSubnetInfo>();
  for (const cluster of azure<ManagedCluster>("Microsoft.ContainerService/managedClusters")) {
    for (const config of kube<NodeNetworkConfig>(cluster.name, "NodeNetworkConfig")) {
      const [container] = config.status.networkContainers;
      const subnet = container === undefined ? undefined : subnets.get(armKey(container.subnetID));
      if (container === undefined || subnet === undefined) continue;
      const texts = [...(container.primaryIP === undefined ? [] : [container.primaryIP]), ...container.ipAssignments.map(({ ip }) => ip)];
      const prefixes = texts.flatMap((text) => parsePrefix(text.includes("/") ? text : `${text}/32`) ?? []);
      podSubnetOf.set(hostNames.node(cluster.name, config.metadata.name), { resource: config, subnet, prefixes });
    }
  }

  const nicsByVnet = new Map<Key, NicInfo[]>();
  const nicsOfMachines = azure<NetworkInterface>("Microsoft.Network/networkInterfaces");
  const nicsOfNodes = azure<NetworkInterface>("Microsoft.Compute/virtualMachineScaleSets/virtualMachines/networkInterfaces");
  for (const resource of [...nicsOfMachines, ...nicsOfNodes, ...groups.map(interfaceOfGroup)]) {
    const key = armKey(resource.id);
    const owner = hostOfNic.get(key);
    const configurations = resource.properties.ipConfigurations;
    const first = configurations.find((configuration) => configuration.properties.primary);
    const subnet = first === undefined ? undefined : subnets.get(armKey(first.properties.subnet.id));
    const primary = first === undefined ? undefined : parseAddress(first.properties.privateIPAddress);
    if (owner === undefined || subnet === undefined || primary === undefined) continue;
    const info: NicInfo = {
      resource,
      key,
      subnet,
      primary,
      secondary: configurations
        .filter((c) => !c.properties.primary && !isIpv6(c))
        .flatMap((c) => parseAddress(c.properties.privateIPAddress) ?? []),
      mark: addressMark(primary),
      forwarding: resource.properties.enableIPForwarding,
      securityGroup: groupOf(resource.properties.networkSecurityGroup),
      publicAddress: first?.properties.publicIPAddress,
      pods: podSubnetOf.get(owner.host),
      fabricInterface: interfaceName(owner.owner, key),
      host: owner.host,
      machine: owner.owner,
    };
    for (const { properties } of configurations) {
      const address = parseAddress(properties.privateIPAddress);
      if (address === undefined || familyOf(address) === 6) continue;
      for (const { id } of properties.applicationSecurityGroups ?? []) listIn(applicationSecurityGroups, armKey(id)).push(address);
    }
    nicsByHost.set(owner.host, info);
    listIn(nicsByVnet, parentOf(subnet.key)).push(info);
  }

  const gateways = new Map<Key, VirtualNetworkGateway>();
  for (const gateway of azure<VirtualNetworkGateway>("Microsoft.Network/virtualNetworkGateways")) {
    const subnet = gateway.properties.ipConfigurations[0]?.properties.subnet.id;
    if (subnet !== undefined) gateways.set(parentOf(armKey(subnet)), gateway);
  }
  const localGateways = byKey(azure<LocalNetworkGateway>("Microsoft.Network/localNetworkGateways"));
  const connections = azure<Connection>("Microsoft.Network/connections");
  const sites = azure<Site>("Drydock.Lab/sites");
  const sitesBehind = (gateway: VirtualNetworkGateway | undefined): SiteInfo[] => {
    if (gateway === undefined) return [];
    const connected = connections.filter((c) => armKey(c.properties.virtualNetworkGateway1.id) === armKey(gateway.id));
    return connected.flatMap((connection) => {
      const local = armKey(connection.properties.localNetworkGateway2.id);
      return sites
        .filter((site) => armKey(site.properties.localNetworkGateway.id) === local)
        .map((site) => ({
          resource: site,
          prefixes: parsePrefixes(localGateways.get(local)?.properties.localNetworkAddressSpace.addressPrefixes ?? []),
          fabricInterface: interfaceName(site.name, site.id),
        }));
    });
  };

  const vnetOfCluster = new Map<string, Key>();
  const poolsByCluster = new Map<string, AgentPool[]>();
  const pools = azure<AgentPool>("Microsoft.ContainerService/managedClusters/agentPools");
  for (const pool of pools) {
    const cluster = segmentAfter(pool.id, "managedClusters");
    listIn(poolsByCluster, cluster).push(pool);
    if (!vnetOfCluster.has(cluster)) vnetOfCluster.set(cluster, parentOf(armKey(pool.properties.vnetSubnetID)));
  }
  const clusterResources = azure<ManagedCluster>("Microsoft.ContainerService/managedClusters");
  const loadBalancers = azure<LoadBalancer>("Microsoft.Network/loadBalancers");

  const overlaysByVnet = new Map<Key, OverlayInfo[]>();
  for (const cluster of clusterResources) {
    const profile = cluster.properties.networkProfile;
    const podCidr = isOverlayProfile(profile) && profile.podCidr !== undefined ? parsePrefix(profile.podCidr) : undefined;
    if (podCidr === undefined) continue;
    const siblings = listIn(overlaysByVnet, vnetOfCluster.get(cluster.name) ?? "");
    const nodes = kube<Node>(cluster.name, "Node").flatMap((node) => {
      const nic = nicsByHost.get(hostNames.node(cluster.name, node.metadata.name));
      return nic === undefined ? [] : [{ nic, node, podCidr: podCidrOf(node) }];
    });
    siblings.push({ cluster, podCidr, nodes, index: siblings.length + 1 });
  }

  const internetHosts = azure<InternetHost>("Drydock.Lab/internetHosts");
  const peeringsByVnet = new Map<Key, PeeringInfo[]>();
  const vnets: VnetInfo[] = azure<VirtualNetwork>("Microsoft.Network/virtualNetworks").map((resource, index) => {
    const key = armKey(resource.id);
    const gateway = gateways.get(key);
    const groups = clusterResources
      .filter((cluster) => vnetOfCluster.get(cluster.name) === key)
      .map((cluster) => cluster.properties.nodeResourceGroup.toLowerCase());
    return {
      resource,
      name: resource.name,
      family: 4,
      prefixes: parsePrefixes(resource.properties.addressSpace.addressPrefixes).filter((prefix) => prefixFamily(prefix) === 4),
      subnets: subnetsByVnet.get(key) ?? [],
      nics: nicsByVnet.get(key) ?? [],
      privateEndpoints: (nicsByVnet.get(key) ?? []).filter(isPrivateEndpoint),
      gatewaySubnet: subnets.get(armKey(gateway?.properties.ipConfigurations[0]?.properties.subnet.id ?? "")),
      gateway,
      sites: sitesBehind(gateway),
      overlays: overlaysByVnet.get(key) ?? [],
      services: servicesOf(subnetsByVnet.get(key) ?? [], internetHosts),
      peerings: listIn(peeringsByVnet, key),
      loadBalancers: loadBalancers.filter(
        (balancer) => groups.includes(segmentAfter(balancer.id, "resourceGroups").toLowerCase()) || isOwnBalancerOf(key, balancer),
      ),
      index,
    };
  });
  const vnetByKey = new Map(vnets.map((vnet) => [armKey(vnet.resource.id), vnet]));
  const peerings = azure<VirtualNetworkPeering>("Microsoft.Network/virtualNetworks/virtualNetworkPeerings");
  for (const [key, info] of connectedPeerings(peerings, vnetByKey)) listIn(peeringsByVnet, key).push(info);

  const poolsByName = new Map(pools.map((pool) => [`${segmentAfter(pool.id, "managedClusters")}/${pool.name}`, pool]));
  const clusters = new Map<string, ClusterInfo>();
  for (const resource of clusterResources) {
    const vnet = vnetByKey.get(vnetOfCluster.get(resource.name) ?? "");
    if (vnet === undefined) continue;
    const { name } = resource;
    const profile = resource.properties.networkProfile;
    const nodes = new Map<string, NodeInfo>();
    for (const node of kube<Node>(name, "Node")) {
      const host = hostNames.node(name, node.metadata.name);
      const nic = nicsByHost.get(host);
      if (nic === undefined) continue;
      nodes.set(node.metadata.name, {
        node,
        nic,
        host,
        podCidr: podCidrOf(node),
        os: osOf(node, poolsByName.get(`${name}/${node.metadata.labels?.["agentpool"] ?? ""}`)),
      });
    }
    const places = podPlaces(name, kube<Pod>(name, "Pod"), [...nodes.keys(), virtualNodeName], previous?.clusters.get(name)?.places);
    clusters.set(name, {
      resource,
      name,
      option: networkOption(profile, poolsByCluster.get(name) ?? []),
      vnet,
      serviceCidr: parsePrefix(profile.serviceCidr),
      podCidr: profile.podCidr === undefined ? undefined : parsePrefix(profile.podCidr),
      nodes,
      places,
      podsByNode: places.own,
      virtualPods: (places.own.get(virtualNodeName) ?? []).flatMap((pod) => {
        const nic = nicsByHost.get(pod.host);
        return nic === undefined ? [] : [{ pod, nic }];
      }),
      hostNetworkPodsByNode: places.shared,
      services: kube<Service>(name, "Service"),
      endpointSlices: kube<EndpointSlice>(name, "EndpointSlice"),
      networkPolicies: kube<NetworkPolicy>(name, "NetworkPolicy"),
      namespaces: kube<KubeObject<"Namespace">>(name, "Namespace"),
      cniConfig: cniConfigOf(kube<ConfigMap>(name, "ConfigMap")),
      masqueradeMaps: kube<ConfigMap>(name, "ConfigMap").filter(
        (map) => map.metadata.namespace === "kube-system" && map.metadata.name.startsWith("azure-ip-masq-agent-config"),
      ),
    });
  }

  const firewalls = new Map(
    azure<Firewall>("Drydock.Lab/firewalls").map((firewall) => [armKey(firewall.properties.virtualMachine.id), firewall]),
  );
  return {
    faults,
    rules: azure<Lab>("Drydock.Lab/labs")[0]?.properties.rules ?? "current",
    vnets,
    clusters,
    machines: machines.flatMap((resource) => {
      const nic = nicsByHost.get(hostNames.machine(resource.name));
      return nic === undefined ? [] : [{ resource, nic, firewall: firewalls.get(armKey(resource.id)) }];
    }),
    privateEndpoints: privateEndpoints.flatMap((resource) => {
      const nic = nicsByHost.get(hostNames.privateEndpoint(resource.name));
      return nic === undefined ? [] : [{ resource, nic }];
    }),
    internetHosts,
    applicationSecurityGroups,
    publicAddresses: byKey(azure<PublicIPAddress>("Microsoft.Network/publicIPAddresses")),
    publicPrefixes: byKey(azure<PublicIPPrefix>("Microsoft.Network/publicIPPrefixes")),
    natGateways: byKey(azure<NatGateway>("Microsoft.Network/natGateways")),
    probeResults: new Map(azure<ProbeResult>("Drydock.Lab/probeResults").map((result) => [armKey(result.properties.probe.id), result])),
  };
}

function cniConfigOf(maps: readonly ConfigMap[]): CniConfig | undefined {
  const map = maps.find(({ metadata }) => metadata.namespace === cniNamespace && metadata.name === cniConfigMap);
  return map === undefined ? undefined : readCniConfig(map).config;
}

const nicIndexes = new WeakMap<VnetInfo, ReadonlyMap<Address, NicInfo>>();

/** The network interfaces of a VNet by each of their addresses, indexed when first asked for. */
export function nicsByAddress(vnet: VnetInfo): ReadonlyMap<Address, NicInfo> {
  let index = nicIndexes.get(vnet);
  if (index === undefined) {
    index = new Map(vnet.nics.flatMap((nic) => [nic.primary, ...nic.secondary].map((address) => [address, nic] as const)));
    nicIndexes.set(vnet, index);
  }
  return index;
}

/** One by one: every address of a pod subnet that a node holds. */
export function podSubnetAddresses({ pods }: NicInfo): readonly Address[] {
  return (pods?.prefixes ?? []).flatMap((prefix) => {
    const first = ipv4Number(addressOf(prefix)) ?? 0;
    return Array.from({ length: sizeOf(prefix) }, (_, offset) => mustAddress(formatIpv4(first + offset)));
  });
}

const interfacesOfGroups = new WeakMap<ContainerGroup, NetworkInterface>();

/** Azure shows no network interface of a container group; here it has one under its own id. */
function interfaceOfGroup(group: ContainerGroup): NetworkInterface {
  let made = interfacesOfGroups.get(group);
  if (made === undefined) {
    const { id, name, location, properties } = group;
    const { subnetIds, ipAddress } = properties;
    const configuration = { primary: true, privateIPAddress: ipAddress.ip, subnet: subnetIds[0] ?? { id: "" } };
    made = {
      id,
      name,
      type: "Microsoft.Network/networkInterfaces",
      ...(location === undefined ? {} : { location }),
      properties: {
        enableIPForwarding: false,
        virtualMachine: { id },
        ipConfigurations: [{ id: `${id}/ipConfigurations/default`, name: "default", properties: configuration }],
      },
    };
    interfacesOfGroups.set(group, made);
  }
  return made;
}

function osOf(node: Node, pool: AgentPool | undefined): NodeOs {
  if (node.metadata.labels?.["kubernetes.io/os"] !== "windows") return "linux";
  return pool?.properties.windowsProfile?.disableOutboundNat === true ? "windows-without-outbound-nat" : "windows";
}

/** Pods of a node with an interface of their own; the empty list is always the same object. */
export function podsOn(cluster: ClusterInfo, node: string): readonly PodInfo[] {
  return cluster.podsByNode.get(node) ?? noPods;
}

export function hostNetworkPodsOn(cluster: ClusterInfo, node: string): readonly Pod[] {
  return cluster.hostNetworkPodsByNode.get(node) ?? noPods;
}

/** Is it the IPv6 address of an interface? */
export function isIpv6({ properties }: NetworkInterface["properties"]["ipConfigurations"][number]): boolean {
  return properties.privateIPAddressVersion === "IPv6";
}

function podCidrOf(node: Node): Prefix | undefined {
  return node.spec.podCIDR === undefined ? undefined : parsePrefix(node.spec.podCIDR);
}

function servicesOf(subnets: readonly SubnetInfo[], hosts: readonly InternetHost[]): readonly ServiceInfo[] {
  const wanted = new Set(
    subnets.flatMap(({ resource }) => (resource.properties.serviceEndpoints ?? []).map(({ service }) => service.toLowerCase())),
  );
  if (wanted.size === 0) return [];
  return hosts.flatMap((host) => {
    const { service: name, address: text } = host.properties;
    const address = parseAddress(text);
    return name === undefined || address === undefined || !wanted.has(name.toLowerCase()) ? [] : [{ host, name, address }];
  });
}

/** Those whose both sides are Connected, by the key of the VNet that has the side. */
function connectedPeerings(
  peerings: readonly VirtualNetworkPeering[],
  vnets: ReadonlyMap<Key, VnetInfo>,
): readonly (readonly [local: Key, PeeringInfo])[] {
  const sides = peerings
    .filter(({ properties }) => properties.peeringState === "Connected")
    .map((resource) => ({ resource, local: armKey(parentOf(resource.id)), remote: armKey(resource.properties.remoteVirtualNetwork.id) }));
  const byEnds = new Map(sides.map((side) => [`${side.local} ${side.remote}`, side]));
  return sides.flatMap(({ resource, local, remote: remoteKey }) => {
    const reverse = byEnds.get(`${remoteKey} ${local}`);
    const remote = vnets.get(remoteKey);
    const own = vnets.get(local);
    if (reverse === undefined || remote === undefined || own === undefined) return [];
    const info: PeeringInfo = {
      resource,
      reverse: reverse.resource,
      remote,
      fabricInterface: interfaceName(remote.name, resource.id),
      remoteInterface: interfaceName(own.name, reverse.resource.id),
    };
    return [[local, info] as const];
  });
}

function parsePrefixes(texts: readonly string[]): Prefix[] {
  return texts.flatMap((text) => parseLoosePrefix(text) ?? []);
}

function byKey<T extends { readonly id: string }>(resources: readonly T[]): Map<Key, T> {
  return new Map(resources.map((resource) => [armKey(resource.id), resource]));
}

function listIn<K, V>(map: Map<K, V[]>, key: K): V[] {
  let list = map.get(key);
  if (list === undefined) {
    list = [];
    map.set(key, list);
  }
  return list;
}

/** A load balancer that no cluster has, with its frontend in that VNet. */
function isOwnBalancerOf(vnet: Key, { tags, properties }: LoadBalancer): boolean {
  const subnets = properties.frontendIPConfigurations.flatMap(({ properties: { subnet } }) => (subnet === undefined ? [] : [subnet.id]));
  return tags?.[clusterTag] === undefined && subnets.some((subnet) => parentOf(armKey(subnet)) === vnet);
}

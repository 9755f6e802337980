/**
 * Azure resources in their own shapes: ARM JSON. Only the properties that decide where a packet goes are typed;
 * others are kept as they came.
 */

import type { Fault } from "./faults.ts";

export type ArmId = string;

export type ArmResource<Type extends string = string, Properties = Record<string, unknown>> = {
  readonly id: ArmId;
  readonly name: string;
  readonly type: Type;
  readonly location?: string;
  readonly tags?: Readonly<Record<string, string>>;
  readonly properties: Properties;
};

export type Reference = { readonly id: ArmId };

/** A named child that lives inside its parent's properties. */
export type Child<Properties> = { readonly id?: ArmId; readonly name: string; readonly properties: Properties };

export type VirtualNetwork = ArmResource<
  "Microsoft.Network/virtualNetworks",
  { readonly addressSpace: { readonly addressPrefixes: readonly string[] } }
>;

/** Kept as a resource of its own, not inside its VNet, so that a controller can attach a route table to it. */
export type Subnet = ArmResource<
  "Microsoft.Network/virtualNetworks/subnets",
  {
    /** Its IPv4 prefix. */
    readonly addressPrefix: string;
    /** Of a dual-stack subnet: both prefixes, the IPv4 one first. */
    readonly addressPrefixes?: readonly string[];
    readonly routeTable?: Reference;
    readonly networkSecurityGroup?: Reference;
    readonly natGateway?: Reference;
    readonly serviceEndpoints?: readonly { readonly service: string }[];
    readonly defaultOutboundAccess?: boolean;
    /** To the service that alone may be in it. */
    readonly delegations?: readonly { readonly name: string; readonly properties: { readonly serviceName: string } }[];
  }
>;

/**
 * One side of a peering, kept as a resource of its own, not inside its VNet. Packets pass when both VNets have made theirs.
 * https://learn.microsoft.com/rest/api/virtualnetwork/virtual-network-peerings
 */
export type VirtualNetworkPeering = ArmResource<
  "Microsoft.Network/virtualNetworks/virtualNetworkPeerings",
  {
    readonly remoteVirtualNetwork: Reference;
    /** The remote address space belongs to the tag VirtualNetwork, and its machines may be talked to. */
    readonly allowVirtualNetworkAccess: boolean;
    /** Takes packets from the remote VNet whose source is not in its address space. */
    readonly allowForwardedTraffic: boolean;
    /** The remote VNet may use this VNet's gateway. */
    readonly allowGatewayTransit: boolean;
    /** This VNet uses the remote one's gateway. */
    readonly useRemoteGateways: boolean;
    readonly peeringState?: "Initiated" | "Connected" | "Disconnected";
  }
>;

export type NextHopType = "VirtualAppliance" | "VnetLocal" | "Internet" | "VirtualNetworkGateway" | "None";

export type RouteTable = ArmResource<
  "Microsoft.Network/routeTables",
  {
    readonly disableBgpRoutePropagation?: boolean;
    readonly routes: readonly Child<{
      readonly addressPrefix: string;
      readonly nextHopType: NextHopType;
      readonly nextHopIpAddress?: string;
    }>[];
  }
>;

export type SecurityRule = Child<{
  readonly description?: string;
  readonly protocol: "Tcp" | "Udp" | "Icmp" | "*";
  readonly access: "Allow" | "Deny";
  readonly direction: "Inbound" | "Outbound";
  /** Lower numbers are judged first; unique within a direction. */
  readonly priority: number;
  /** `*`, an address, a prefix or a service tag. Of each side either this, or the list, or application security groups. */
  readonly sourceAddressPrefix?: string;
  readonly sourceAddressPrefixes?: readonly string[];
  readonly sourceApplicationSecurityGroups?: readonly Reference[];
  /** `*`, a port, or `first-last`. */
  readonly sourcePortRange?: string;
  readonly sourcePortRanges?: readonly string[];
  readonly destinationAddressPrefix?: string;
  readonly destinationAddressPrefixes?: readonly string[];
  readonly destinationApplicationSecurityGroups?: readonly Reference[];
  readonly destinationPortRange?: string;
  readonly destinationPortRanges?: readonly string[];
}>;

/** On subnets and on network interfaces. The default rules are Azure's own, and the same in every group. */
export type NetworkSecurityGroup = ArmResource<
  "Microsoft.Network/networkSecurityGroups",
  { readonly securityRules: readonly SecurityRule[]; readonly defaultSecurityRules: readonly SecurityRule[] }
>;

/** A name for network interfaces, whose IP configurations say that they belong to it. */
export type ApplicationSecurityGroup = ArmResource<"Microsoft.Network/applicationSecurityGroups", Readonly<Record<string, never>>>;

/** As ARM writes an address family; https://learn.microsoft.com/azure/virtual-network/ip-services/ipv6-overview. */
export type IPVersion = "IPv4" | "IPv6";

/** A network interface of a virtual machine. A node's is of the longer type, as a scale set's are. */
export type NetworkInterface = ArmResource<
  "Microsoft.Network/networkInterfaces" | "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/networkInterfaces",
  {
    readonly enableIPForwarding: boolean;
    /** Its owner: a machine, or a private endpoint. */
    readonly virtualMachine?: Reference;
    readonly privateEndpoint?: Reference;
    readonly networkSecurityGroup?: Reference;
    /** Exactly one is primary, of IPv4; the others of IPv4 are the secondary addresses. At most one is of IPv6. */
    readonly ipConfigurations: readonly Child<{
      readonly primary: boolean;
      readonly privateIPAddress: string;
      /** Absent is `IPv4`. */
      readonly privateIPAddressVersion?: IPVersion;
      readonly publicIPAddress?: Reference;
      readonly subnet: Reference;
      readonly applicationSecurityGroups?: readonly Reference[];
    }>[];
  }
>;

/**
 * What a machine listens on is the tag `drydock-listen`: "5432/tcp 53/udp". Its interface is made for it, in the subnet of the tag
 * `drydock-subnet`. Failed: it has no interface, and `statusMessage` says why.
 */
export type VirtualMachine = ArmResource<
  "Microsoft.Compute/virtualMachines",
  {
    readonly networkProfile: { readonly networkInterfaces: readonly Reference[] };
    readonly provisioningState?: "Succeeded" | "Failed";
    readonly statusCode?: string;
    readonly statusMessage?: string;
  }
>;

/** A service's network interface in a subnet. Its tags say what a machine's say. */
export type PrivateEndpoint = ArmResource<
  "Microsoft.Network/privateEndpoints",
  {
    readonly subnet: Reference;
    readonly networkInterfaces: readonly Reference[];
    readonly provisioningState?: "Succeeded" | "Failed";
    readonly statusCode?: string;
    readonly statusMessage?: string;
  }
>;
export const listenTag = "drydock-listen";

export type ScaleSet = ArmResource<"Microsoft.Compute/virtualMachineScaleSets", { readonly sku: { readonly capacity: number } }>;

/** A node's machine. Failed: Azure could not make it, and `statusMessage` says why with the numbers; it has no interface then. */
export type ScaleSetMachine = ArmResource<
  "Microsoft.Compute/virtualMachineScaleSets/virtualMachines",
  {
    readonly osProfile: { readonly computerName: string };
    readonly provisioningState: "Succeeded" | "Failed";
    readonly statusCode?: string;
    readonly statusMessage?: string;
    readonly networkProfile: { readonly networkInterfaces: readonly Reference[] };
    /** The agent pool that it belongs to. */
    readonly agentPool: Reference;
  }
>;

export type PublicIPAddress = ArmResource<
  "Microsoft.Network/publicIPAddresses",
  {
    /** Absent until Azure has chosen it. */
    readonly ipAddress?: string;
    readonly publicIPAllocationMethod: "Static";
    /** Absent is `IPv4`. */
    readonly publicIPAddressVersion?: IPVersion;
    readonly publicIPPrefix?: Reference;
  }
>;

export type PublicIPPrefix = ArmResource<
  "Microsoft.Network/publicIPPrefixes",
  { readonly prefixLength: number /** Absent until Azure has chosen it. */; readonly ipPrefix?: string }
>;

/** The subnets that leave by it name it. */
export type NatGateway = ArmResource<
  "Microsoft.Network/natGateways",
  {
    readonly publicIpAddresses: readonly Reference[];
    readonly publicIpPrefixes: readonly Reference[];
    readonly idleTimeoutInMinutes: number;
  }
>;

export type FrontendIPConfiguration = Child<{
  readonly publicIPAddress?: Reference;
  /** All its addresses, for outbound traffic. */
  readonly publicIPPrefix?: Reference;
  readonly privateIPAddress?: string;
  readonly subnet?: Reference;
}>;

export type LoadBalancer = ArmResource<
  "Microsoft.Network/loadBalancers",
  {
    readonly frontendIPConfigurations: readonly FrontendIPConfiguration[];
    /** The pool holds IP configurations of network interfaces. */
    readonly backendAddressPools: readonly Child<{ readonly backendIPConfigurations: readonly Reference[] }>[];
    readonly loadBalancingRules: readonly Child<{
      readonly frontendIPConfiguration: Reference;
      readonly backendAddressPool: Reference;
      readonly probe?: Reference;
      /** All: every port, of TCP and UDP; both ports are 0 then. */
      readonly protocol: "Tcp" | "Udp" | "All";
      readonly frontendPort: number;
      readonly backendPort: number;
      readonly enableFloatingIP: boolean;
      readonly loadDistribution: "Default" | "SourceIP" | "SourceIPProtocol";
      readonly idleTimeoutInMinutes: number;
      readonly enableTcpReset: boolean;
      readonly disableOutboundSnat: boolean;
    }>[];
    readonly probes: readonly Child<{
      readonly protocol: "Tcp" | "Http" | "Https";
      readonly port: number;
      readonly requestPath?: string;
      readonly intervalInSeconds: number;
      readonly numberOfProbes: number;
    }>[];
    readonly outboundRules: readonly Child<{
      readonly allocatedOutboundPorts: number;
      readonly frontendIPConfigurations: readonly Reference[];
      readonly backendAddressPool: Reference;
      readonly protocol: "All";
      readonly idleTimeoutInMinutes: number;
      readonly enableTcpReset: boolean;
    }>[];
  }
>;

/** Its VNet is that of the subnet in its first IP configuration (always `<vnet>/subnets/GatewaySubnet`). */
export type VirtualNetworkGateway = ArmResource<
  "Microsoft.Network/virtualNetworkGateways",
  { readonly gatewayType: "Vpn" | "ExpressRoute"; readonly ipConfigurations: readonly Child<{ readonly subnet: Reference }>[] }
>;

/** An on-premises site as Azure knows it: its prefixes. */
export type LocalNetworkGateway = ArmResource<
  "Microsoft.Network/localNetworkGateways",
  { readonly localNetworkAddressSpace: { readonly addressPrefixes: readonly string[] } }
>;

export type Connection = ArmResource<
  "Microsoft.Network/connections",
  { readonly connectionType: "IPsec"; readonly virtualNetworkGateway1: Reference; readonly localNetworkGateway2: Reference }
>;

/** Who enforces Kubernetes' network policies. `azure` is Azure Network Policy Manager (NPM). */
export type NetworkPolicyEngine = "none" | "azure" | "calico" | "cilium";

/** AKS docs, egress-outboundtype.md. */
export const outboundTypes = [
  "loadBalancer",
  "managedNATGateway",
  "userAssignedNATGateway",
  "userDefinedRouting",
  "none",
  "block",
] as const;
export type OutboundType = (typeof outboundTypes)[number];

export type NetworkProfile = {
  readonly networkPlugin: "kubenet" | "azure" | "none";
  readonly networkPluginMode?: "overlay";
  /** Of `azure` with node subnet. The lesson's form is `bridge`; AKS's default since 2021-01-04 is `transparent`. */
  readonly networkMode?: "bridge" | "transparent";
  /** Absent is `none`. */
  readonly networkPolicy?: NetworkPolicyEngine;
  /** Absent is `azure`. */
  readonly networkDataplane?: "azure" | "cilium";
  /** Absent is IPv4 alone. Dual stack: both, IPv4 first; then the three lists have as many items, in the same order. */
  readonly ipFamilies?: readonly IPVersion[];
  /** Of kubenet and Azure CNI Overlay. The first of `podCidrs`. */
  readonly podCidr?: string;
  readonly podCidrs?: readonly string[];
  /** The first of `serviceCidrs`. */
  readonly serviceCidr: string;
  readonly serviceCidrs?: readonly string[];
  readonly dnsServiceIP: string;
  readonly outboundType: OutboundType;
  readonly loadBalancerSku: "standard";
  readonly loadBalancerProfile: {
    /** One of these three. */
    readonly managedOutboundIPs?: { readonly count: number; readonly countIPv6?: number };
    readonly outboundIPs?: { readonly publicIPs: readonly Reference[] };
    readonly outboundIPPrefixes?: { readonly publicIPPrefixes: readonly Reference[] };
    readonly allocatedOutboundPorts: number;
    readonly idleTimeoutInMinutes: number;
    /** Shared: one probe for all Services of policy Cluster. */
    readonly clusterServiceLoadBalancerHealthProbeMode?: "ServiceNodePort" | "Shared";
  };
  /** With outbound type managedNATGateway. */
  readonly natGatewayProfile?: {
    readonly managedOutboundIPProfile: { readonly count: number };
    readonly idleTimeoutInMinutes: number;
  };
};

/** Agent pools are resources of their own (`…/agentPools/np1`), not repeated in here. */
export type ManagedCluster = ArmResource<
  "Microsoft.ContainerService/managedClusters",
  {
    readonly dnsPrefix: string;
    readonly kubernetesVersion?: string;
    readonly nodeResourceGroup: string;
    readonly networkProfile: NetworkProfile;
    readonly apiServerAccessProfile?: { readonly enablePrivateCluster: boolean };
    readonly addonProfiles?: {
      /** Virtual nodes; the subnet is in the VNet of the nodes. */
      readonly aciConnectorLinux?: { readonly enabled: boolean; readonly config: { readonly SubnetName: string } };
    };
  }
>;

/** A pod of a virtual node. */
export type ContainerGroup = ArmResource<
  "Microsoft.ContainerInstance/containerGroups",
  { readonly subnetIds: readonly Reference[]; readonly ipAddress: { readonly type: "Private"; readonly ip: string } }
>;

/** One address at a time, taken in batches, or blocks of 16 for as long as the node lives. */
export type PodIPAllocationMode = "DynamicIndividual" | "StaticBlock";

/** Each a number of nodes or a percentage: `"1"`, `"33%"`. */
export type UpgradeSettings = { readonly maxSurge?: string; readonly maxUnavailable?: string };

export type AgentPool = ArmResource<
  "Microsoft.ContainerService/managedClusters/agentPools",
  {
    readonly count: number;
    readonly maxPods: number;
    readonly vnetSubnetID: ArmId;
    /** Azure CNI with pod subnet: where the pool's pods have their addresses. */
    readonly podSubnetID?: ArmId;
    /** With `podSubnetID` only. */
    readonly podIPAllocationMode?: PodIPAllocationMode;
    /** The cluster autoscaler keeps the pool between `minCount` and `maxCount` nodes; `count` is how many there are now. */
    readonly enableAutoScaling?: boolean;
    readonly minCount?: number;
    readonly maxCount?: number;
    readonly upgradeSettings?: UpgradeSettings;
    readonly osType: "Linux" | "Windows";
    /** With disableOutboundNat pods of a Windows node leave under their own addresses. */
    readonly windowsProfile?: { readonly disableOutboundNat: boolean };
    readonly mode: "System" | "User";
    readonly nodeLabels?: Readonly<Record<string, string>>;
    /** `key=value:NoSchedule`. */
    readonly nodeTaints?: readonly string[];
  }
>;

/** Not Azure's: what a lab adds around Azure. The type says so. */
export type Lab = ArmResource<
  "Drydock.Lab/labs",
  {
    readonly rules: "current" | "lesson";
    /** How clusters are made; absent: in whatever way allows most. */
    readonly provisioning?: "portal" | "cli" | "template";
  }
>;

export type LabMachine = { readonly name: string; readonly address: string; readonly listen: readonly string[] };

/** The machines of an on-premises site; what Azure knows of it is the local network gateway. */
export type Site = ArmResource<"Drydock.Lab/sites", { readonly localNetworkGateway: Reference; readonly machines: readonly LabMachine[] }>;

/**
 * The rules of a machine that forwards, in the form of Azure Firewall's network rules. The first that matches the first packet of a flow
 * decides. `snat`: which flows get the machine's own address as source.
 */
export type Firewall = ArmResource<
  "Drydock.Lab/firewalls",
  {
    readonly virtualMachine: Reference;
    readonly defaultAction: "Allow" | "Deny";
    readonly rules: readonly {
      readonly name: string;
      readonly action: "Allow" | "Deny";
      readonly protocols: readonly ("TCP" | "UDP" | "ICMP" | "Any")[];
      readonly sourceAddresses: readonly string[];
      readonly destinationAddresses: readonly string[];
      readonly destinationPorts: readonly string[];
    }[];
    readonly snat: "internet" | "all" | "none";
  }
>;

/** `service`: it is that Azure service, such as `Microsoft.Storage`, at its public address. */
export type InternetHost = ArmResource<
  "Drydock.Lab/internetHosts",
  { readonly address: string; readonly ipv6Address?: string; readonly listen: readonly string[]; readonly service?: string }
>;

/**
 * Which backends of a probe answer: NIC IP configuration ids. Written by who probes. `status`: what those said that answered the probe by HTTP, and not with
 * the 200 that it wants.
 */
export type ProbeResult = ArmResource<
  "Drydock.Lab/probeResults",
  { readonly probe: Reference; readonly healthy: readonly ArmId[]; readonly status?: number }
>;

/** Where an allocator stands, so that an address is reused only in its own order. */
export type IpamState = ArmResource<"Drydock.Lab/ipamStates", { readonly last: string }>;

/** Addresses of a cluster's pods that are taken though their pods may be gone. Written while a fault says that none is given back. */
export type LeakedAddresses = ArmResource<"Drydock.Lab/leakedAddresses", { readonly addresses: readonly string[] }>;

/** The resources of the last documents that were applied to a running lab. */
export type LastDocuments = ArmResource<
  "Drydock.Lab/documents",
  { readonly documents: readonly { readonly key: string; readonly value: unknown }[] }
>;

export type AzureResource =
  | VirtualNetwork
  | Subnet
  | VirtualNetworkPeering
  | RouteTable
  | NetworkSecurityGroup
  | ApplicationSecurityGroup
  | NetworkInterface
  | VirtualMachine
  | PrivateEndpoint
  | ScaleSet
  | ScaleSetMachine
  | PublicIPAddress
  | PublicIPPrefix
  | NatGateway
  | LoadBalancer
  | VirtualNetworkGateway
  | LocalNetworkGateway
  | Connection
  | ManagedCluster
  | AgentPool
  | ContainerGroup
  | Lab
  | Site
  | Firewall
  | InternetHost
  | ProbeResult
  | IpamState
  | Fault
  | LeakedAddresses
  | LastDocuments;

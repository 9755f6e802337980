/**
 * Azure's and AKS's figures, in one place: what, which rule set, and the document that says so.
 *
 * Tags of sources: `aks:F` is MicrosoftDocs/azure-aks-docs, articles/aks/F; `azdocs:P` is MicrosoftDocs/azure-docs, path P; `chg:D` is the release
 * of date D in Azure/AKS, CHANGELOG.md; `sup:F` is MicrosoftDocs/SupportArticles-docs, support/azure/azure-kubernetes/F; `sdk` is npm
 * `@azure/arm-containerservice` 25.3.0; `cli` is Azure/azure-cli, the acs module. All read as of 2026-08 unless a date stands beside them.
 *
 * `lesson` is the service of about 2019, `current` today's: the lab file chooses with `rules`.
 */

import { mustPrefix, type Prefix } from "../net/prefix.ts";
import type { NetworkOption } from "./network-option.ts";

export type RuleSet = "current" | "lesson";

export type Limit = {
  readonly value: number;
  readonly source: string;
  /** Since when, if it was another figure before. */
  readonly since?: string;
};

export type Range = { readonly min: number; readonly max: number; readonly source: string };

/** The first Kubernetes version for which a cluster without a network option gets Azure CNI Overlay. */
export const overlayDefaultVersion = "1.30";

/** The first one that can move to Azure CNI Overlay in place. AKS docs: update-azure-cni (1.22 in earlier text). */
export const overlayMoveVersion = "1.27";

/** The first one that has static blocks of a pod subnet. AKS docs: concepts-network-azure-cni-pod-subnet. */
export const staticBlockVersion = "1.28";

const planning = "aks:concepts-network-ip-address-planning.md";
const podSubnet = "aks:concepts-network-azure-cni-pod-subnet.md";
const serviceLimits = "azdocs:includes/container-service-limits.md";
const networkLimits = "azdocs:includes/azure-virtual-network-limits.md";
const poolApi = "learn:rest/api/aks/agent-pools/create-or-update";

/** Those that are the same in both rule sets. */
export const limits = {
  /** Prefix length. A /29 has three addresses to give. */
  smallestSubnet: { value: 29, source: "learn:azure/virtual-network/virtual-networks-faq" },
  largestSubnet: { value: 8, source: "learn:azure/virtual-network/virtual-networks-faq (2019); AKS caps the VNet at /8" },
  /** Network, gateway, two for DNS, broadcast. */
  reservedAddresses: { value: 5, source: "learn:azure/virtual-network/virtual-networks-faq" },
  /** With Linux nodes. */
  networkPolicyManagerNodes: { value: 250, source: "aks:use-network-policies.md" },
  /** Prefix length that must be exceeded. */
  largestServiceCidr: { value: 12, source: planning },
  /** Prefix length of a node's share of the pod CIDR, with kubenet and Azure CNI Overlay. */
  podCidrPerNode: { value: 24, source: "aks:configure-kubenet.md" },
  /** Addresses that a node takes from a pod subnet at a time, and a block of them. */
  podSubnetBatch: { value: 16, source: podSubnet },
  /** Prefix length. */
  largestStaticBlockSubnet: { value: 12, source: podSubnet },
  podsPerPoolFloor: { value: 30, source: `${planning}; per pool since chg:2019-10-28` },
  poolsPerCluster: { value: 100, source: serviceLimits },
  nodesPerPool: { value: 1000, source: `${serviceLimits}; ${poolApi}` },
  routesPerTable: { value: 400, source: `${networkLimits} (2022-12)` },
  rulesPerSecurityGroup: { value: 1000, source: `${networkLimits} (2022-12)` },
  /** Of one side of a rule. */
  addressesPerSecurityRule: { value: 4000, source: `${networkLimits} (2022-12)` },
  subnetsPerNetwork: { value: 3000, source: `${networkLimits} (2022-12)` },
  /** Private addresses in one VNet: about so many mappings. */
  addressesPerNetwork: { value: 65_536, source: planning },
  servicesPerLoadBalancer: { value: 300, source: serviceLimits },
  poolNameLength: { value: 12, source: poolApi },
  windowsPoolNameLength: { value: 6, source: "aks:windows-faq.yml" },
  resourceGroupLength: { value: 90, source: "learn:azure/azure-resource-manager/management/resource-name-rules" },
  outboundPortsPerAddress: { value: 64_000, source: "aks:configure-load-balancer-standard.md" },
  natGatewayAddresses: { value: 16, source: "learn:azure/nat-gateway/nat-gateway-resource" },
  outboundPortStep: { value: 8, source: "aks:configure-load-balancer-standard.md" },
} as const satisfies Record<string, Limit>;

export const ranges = {
  managedOutboundIPs: { min: 1, max: 100, source: "sdk" },
  allocatedOutboundPorts: { min: 0, max: 64_000, source: "sdk; cli:_validators.py" },
  /** A prefix of one's own; larger ones only by request. */
  publicPrefixLength: { min: 28, max: 31, source: "learn:azure/virtual-network/ip-services/public-ip-address-prefix" },
  /** Minutes. azure-cli's own check stops at 100. */
  outboundIdleTimeout: { min: 4, max: 120, source: "sdk" },
  securityRulePriority: { min: 100, max: 4096, source: "learn:azure/virtual-network/network-security-groups-overview" },
  poolCount: { min: 0, max: 1000, source: poolApi },
} as const satisfies Record<string, Range>;

const maxPodsOf2019 = "azdocs:articles/aks/configure-azure-cni.md (2019-06)";

export const maxPodsRange: Readonly<Record<RuleSet, Readonly<Record<NetworkOption, Range>>>> = {
  current: {
    kubenet: { min: 10, max: 250, source: planning },
    nodeSubnet: { min: 10, max: 250, source: planning },
    podSubnet: { min: 10, max: 250, source: planning },
    overlay: { min: 10, max: 250, source: planning },
  },
  lesson: {
    kubenet: { min: 10, max: 110, source: maxPodsOf2019 },
    nodeSubnet: { min: 10, max: 250, source: maxPodsOf2019 },
    podSubnet: { min: 10, max: 250, source: planning },
    overlay: { min: 10, max: 250, source: planning },
  },
};

/** The same for both rule sets: CLI and ARM template; the portal of 2019 had figures of its own. */
export const maxPodsDefault: Readonly<Record<NetworkOption, Limit>> = {
  kubenet: { value: 110, source: planning },
  nodeSubnet: { value: 30, source: planning },
  podSubnet: { value: 110, source: `${planning}; aks:configure-azure-cni-dynamic-ip-allocation.md says 250` },
  overlay: { value: 250, source: planning },
};

/** One route per node: a route table's 400 are the ceiling. */
export const kubenetNodes: Readonly<Record<RuleSet, Limit>> = {
  current: { value: 400, source: "aks:configure-kubenet.md", since: "checked since chg:2023-06-25" },
  lesson: { value: 400, source: "aks:configure-kubenet.md" },
};

export const nodesPerCluster: Readonly<Record<RuleSet, Limit>> = {
  current: { value: 5000, source: serviceLimits, since: "chg:2024-03-17" },
  lesson: { value: 100, source: `${serviceLimits}: availability sets and Basic load balancers` },
};

export const networkModeDefault: Readonly<Record<RuleSet, { readonly value: "bridge" | "transparent"; readonly source: string }>> = {
  current: { value: "transparent", source: "chg:2021-01-04" },
  lesson: { value: "bridge", source: "seed; default before chg:2021-01-04" },
};

/** Services that a subnet may have an endpoint for. */
export const endpointServices = {
  names: [
    "Microsoft.AzureCosmosDB",
    "Microsoft.CognitiveServices",
    "Microsoft.ContainerRegistry",
    "Microsoft.EventHub",
    "Microsoft.KeyVault",
    "Microsoft.ServiceBus",
    "Microsoft.Sql",
    "Microsoft.Storage",
    "Microsoft.Web",
  ],
  source: "learn:azure/virtual-network/virtual-network-service-endpoints-overview",
} as const;

/** What a cluster gets that says nothing. */
export const clusterDefaults = {
  serviceCidr: "10.0.0.0/16",
  podCidr: "10.244.0.0/16",
  /** Position of the DNS Service's address in the service CIDR: `10.0.0.10`. */
  dnsServiceIndex: 10,
  nodeCount: 3,
  poolName: "nodepool1",
  managedOutboundIPs: 1,
  allocatedOutboundPorts: 0,
  outboundIdleTimeoutMinutes: 30,
  natGatewayIdleTimeoutMinutes: 4,
  source: "sdk; aks:configure-kubenet.md; cli:_params.py",
} as const;

/** The VNet that AKS makes for a cluster without a subnet of its own. */
export const managedNetwork: Readonly<
  Record<RuleSet, { readonly addressPrefix: string; readonly subnetPrefix: string; readonly source: string }>
> = {
  current: { addressPrefix: "10.224.0.0/12", subnetPrefix: "10.224.0.0/16", source: "exported MC_ group of a 1.24.9 cluster" },
  lesson: { addressPrefix: "10.0.0.0/8", subnetPrefix: "10.240.0.0/16", source: "AKS issue 2727" },
};

export type Reserved = { readonly prefix: Prefix; readonly what: string };

/** Must not be touched by an AKS cluster's VNet, service CIDR or pod CIDR, not even by a larger range that holds one. */
export const aksForbidden: { readonly ranges: readonly Reserved[]; readonly source: string } = {
  ranges: [
    { prefix: mustPrefix("169.254.0.0/16"), what: "link-local" },
    { prefix: mustPrefix("172.30.0.0/16"), what: "used inside AKS" },
    { prefix: mustPrefix("172.31.0.0/16"), what: "used inside AKS" },
    { prefix: mustPrefix("192.0.2.0/24"), what: "used inside AKS" },
  ],
  source: "aks:concepts-network-cni-overview.md; chg:2026-05-29",
};

/** Cannot be in a VNet's address space. */
export const networkForbidden: { readonly ranges: readonly Reserved[]; readonly source: string } = {
  ranges: [
    { prefix: mustPrefix("224.0.0.0/4"), what: "multicast" },
    { prefix: mustPrefix("255.255.255.255/32"), what: "broadcast" },
    { prefix: mustPrefix("127.0.0.0/8"), what: "loopback" },
    { prefix: mustPrefix("169.254.0.0/16"), what: "link-local" },
    { prefix: mustPrefix("168.63.129.16/32"), what: "Azure's own DNS, DHCP and health probes" },
  ],
  source: "learn:azure/virtual-network/virtual-networks-faq",
};

/** The public addresses of a lab's Azure come from here: a network with the range would hide them. Azure itself has no such rule. */
export const labReserved: { readonly ranges: readonly Reserved[]; readonly source: string } = {
  ranges: [{ prefix: mustPrefix("198.18.0.0/15"), what: "where a lab takes Azure's public addresses from" }],
  source: "RFC 2544; a limit of the lab, not of Azure",
};

/** Never on the internet: a host with such an address cannot be there. */
export const notOnInternet: { readonly ranges: readonly Reserved[]; readonly source: string } = {
  ranges: [
    ...networkForbidden.ranges,
    { prefix: mustPrefix("0.0.0.0/8"), what: "'this network' (RFC 1122)" },
    { prefix: mustPrefix("10.0.0.0/8"), what: "private (RFC 1918)" },
    { prefix: mustPrefix("172.16.0.0/12"), what: "private (RFC 1918)" },
    { prefix: mustPrefix("192.168.0.0/16"), what: "private (RFC 1918)" },
    { prefix: mustPrefix("100.64.0.0/10"), what: "shared address space (RFC 6598)" },
  ],
  source: "RFC 1918; RFC 6598; learn:azure/virtual-network/virtual-networks-udr-overview",
};

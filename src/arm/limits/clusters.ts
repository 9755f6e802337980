/** Limits and defaults of clusters and their node pools. */

import { mustPrefix } from "../../net/prefix.ts";
import type { NetworkOption } from "../network-option.ts";
import { type Limit, planning, poolApi, type Range, type RuleSet, serviceLimits } from "./limit.ts";

/** The first Kubernetes version for which a cluster without a network option gets Azure CNI Overlay. */
export const overlayDefaultVersion = "1.30";

/** The first one that can move to Azure CNI Overlay in place. AKS docs: update-azure-cni (1.22 in earlier text). */
export const overlayMoveVersion = "1.27";

/** The first one that has static blocks of a pod subnet. AKS docs: concepts-network-azure-cni-pod-subnet. */
export const staticBlockVersion = "1.28";

const podSubnet = "aks:concepts-network-azure-cni-pod-subnet.md";

export const clusters = {
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
  poolNameLength: { value: 12, source: poolApi },
  windowsPoolNameLength: { value: 6, source: "aks:windows-faq.yml" },
  resourceGroupLength: { value: 90, source: "learn:azure/azure-resource-manager/management/resource-name-rules" },
} as const satisfies Record<string, Limit>;

export const clusterRanges = {
  poolCount: { min: 0, max: 1000, source: poolApi },
} as const satisfies Record<string, Range>;

const maxPodsOf2019 = "azdocs:articles/aks/configure-azure-cni.md (2019-06)";

export const maxPodsRange: Readonly<Record<RuleSet, Readonly<Record<NetworkOption, Range>>>> = {
  current: {
    kubenet: { min: 10, max: 250, source: planning },
    nodeSubnet: { min: 10, max: 250, source: planning },
    podSubnet: { min: 10, max: 250, source: planning },
    overlay: { min: 10, max: 250, source: planning },
    none: { min: 10, max: 250, source: "cli:_help.py; aks:node-auto-provisioning-aksnodeclass.md" },
  },
  lesson: {
    kubenet: { min: 10, max: 110, source: maxPodsOf2019 },
    nodeSubnet: { min: 10, max: 250, source: maxPodsOf2019 },
    podSubnet: { min: 10, max: 250, source: planning },
    overlay: { min: 10, max: 250, source: planning },
    none: { min: 10, max: 250, source: "cli:_help.py; aks:node-auto-provisioning-aksnodeclass.md" },
  },
};

/** The same for both rule sets: CLI and ARM template; the portal of 2019 had figures of its own (provisioning.ts). */
export const maxPodsDefault: Readonly<Record<NetworkOption, Limit>> = {
  kubenet: { value: 110, source: planning },
  nodeSubnet: { value: 30, source: planning },
  podSubnet: { value: 110, source: `${planning}; aks:configure-azure-cni-dynamic-ip-allocation.md says 250` },
  overlay: { value: 250, source: planning },
  none: { value: 250, source: "cli:_help.py; aks:node-auto-provisioning-aksnodeclass.md" },
};

/**
 * Below the routes of a table, and not raised with them: AKS checks 400 of its own when a cluster is made (since chg:2023-06-25) and upgraded
 * (since chg:2023-09-10).
 */
export const kubenetNodes: Readonly<Record<RuleSet, Limit>> = {
  current: { value: 400, source: "aks:configure-kubenet.md; checked since chg:2023-06-25" },
  lesson: { value: 400, source: "aks:configure-kubenet.md" },
};

export const nodesPerCluster: Readonly<Record<RuleSet, Limit>> = {
  current: { value: 5000, source: `${serviceLimits}; chg:2024-03-17`, since: "2024-03-17" },
  lesson: { value: 100, source: `${serviceLimits}: availability sets and Basic load balancers` },
};

export const networkModeDefault: Readonly<Record<RuleSet, { readonly value: "bridge" | "transparent"; readonly source: string }>> = {
  current: { value: "transparent", source: "chg:2021-01-04" },
  lesson: { value: "bridge", source: "seed; default before chg:2021-01-04" },
};

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

/** Of a node with Docker (`dockerBridgeCidr`, by default 172.17.0.1/16), which went from AKS with Kubernetes 1.24 and from its API. */
export const dockerBridge = {
  value: mustPrefix("172.17.0.0/16"),
  source: "azdocs:articles/aks/configure-azure-cni.md (2019-06): Docker bridge address",
} as const;

/** The VNet that AKS makes for a cluster without a subnet of its own. */
export const managedNetwork: Readonly<
  Record<RuleSet, { readonly addressPrefix: string; readonly subnetPrefix: string; readonly source: string }>
> = {
  current: { addressPrefix: "10.224.0.0/12", subnetPrefix: "10.224.0.0/16", source: "exported MC_ group of a 1.24.9 cluster" },
  lesson: { addressPrefix: "10.0.0.0/8", subnetPrefix: "10.240.0.0/16", source: "AKS issue 2727" },
};

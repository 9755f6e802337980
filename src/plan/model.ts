/**
 * What a plan says: who takes which addresses, routes and ports of a design, now and later, and what fails first. Plain data, and the public form of
 * `drydock plan -o json` (docs/plan.md): properties are added, never renamed.
 *
 * Everything is counted at five {@link Moment}s, so that a reader sees what a cluster needs on the day that it is made, and what on the day that it
 * is upgraded at its largest.
 */

import type { NetworkOption } from "../arm/network-option.ts";
import type { Prefix } from "../net/prefix.ts";

/** Of this form of the data. */
export const planVersion = "drydock.plan/1";

/**
 * - `now`: the pools' `count`, and the pods of the manifests.
 * - `upgrade`: the same while one pool is upgraded with its surge, the one that takes most.
 * - `max`: every pool at its `maxCount` (or its count, without autoscaler), every node full.
 * - `maxUpgrade`: the same while one pool is upgraded.
 * - `maxUpgradeAll`: the same while all pools are upgraded at once, as `az aks upgrade` of a whole cluster may do: documents do not say that pools wait
 *   for one another.
 */
export const moments = ["now", "upgrade", "max", "maxUpgrade", "maxUpgradeAll"] as const;
export type Moment = (typeof moments)[number];
export type Amounts = Readonly<Record<Moment, number>>;

/** A figure of Azure's, with the document that says it. */
export type LimitUsed = { readonly value: number; readonly source: string; readonly since?: string; readonly read: string };

/** `balancerRules` are those that concern a node's network interface; `policyNodes` is Azure Network Policy Manager's limit. */
export type BudgetKind =
  | "subnet"
  | "network"
  | "podCidr"
  | "podCidrIPv6"
  | "serviceCidr"
  | "routes"
  | "clusterNodes"
  | "poolNodes"
  | "policyNodes"
  | "outboundPorts"
  | "balancerServices"
  | "balancerRules";

export type HolderKind =
  | "pool"
  | "pods"
  | "machine"
  | "privateEndpoint"
  | "apiServer"
  | "frontend"
  | "containerGroup"
  | "interface"
  | "route"
  | "other";

/** Who takes something of a budget. */
export type Holder = {
  readonly kind: HolderKind;
  /** `pool shop/np1`, `3 machines`. */
  readonly name: string;
  /** Of a pool: what each of its nodes takes when it is full. */
  readonly each?: number;
  readonly amounts: Amounts;
  /** How the figure of `now` comes about: `3 x (1 + 30)`. Absent where it is a mere count. */
  readonly arithmetic?: string;
};

/** The first number of nodes of a pool at which a budget does not suffice. */
export type Failure = {
  readonly budget: string;
  readonly cluster: string;
  readonly pool: string;
  /** `scale`: the node cannot be added. `upgrade`: with so many nodes the pool cannot be upgraded with its surge. */
  readonly when: "scale" | "upgrade";
  /** Nodes of the pool. */
  readonly node: number;
  /** Azure's code. */
  readonly code: string;
  /** `pool np2 cannot be upgraded with 41 nodes: (41 + 5) x 31 = 1426 and 93 of others are 1519, more than the 1515 addresses of subnet hub/flat`. */
  readonly message: string;
};

/** Something of which there is so much: addresses of a subnet, routes of a table, ports. */
export type Budget = {
  /** `subnet/hub/flat`. */
  readonly id: string;
  readonly kind: BudgetKind;
  /** `subnet hub/flat`. */
  readonly name: string;
  /** The id of the resource that has so much, or whose limit it is. */
  readonly resource: string;
  readonly unit: "addresses" | "prefixes" | "routes" | "nodes" | "services" | "rules";
  /** The cluster that alone uses it, if it is one's alone. */
  readonly cluster?: string;
  readonly capacity: number;
  readonly used: Amounts;
  /** Negative: so many are missing. */
  readonly left: Amounts;
  readonly holders: readonly Holder[];
  readonly limit: LimitUsed;
  /** Azure's code when it does not suffice. */
  readonly code: string;
  /** For each pool that takes of it, where it ends; the pool that is nearest to it first. */
  readonly failures: readonly Failure[];
};

/** A run of addresses of a subnet, for a picture to scale. Of the lowest free addresses everybody takes the next: blocks are in the order of taking, not exact. */
export type Block = {
  readonly kind: "reserved" | "held" | "growth" | "surge" | "free";
  readonly addresses: number;
  /** Of `held`, `growth` and `surge`. */
  readonly holder?: string;
};

export type SubnetPlan = {
  readonly id: string;
  readonly name: string;
  readonly network: string;
  readonly prefix: Prefix;
  readonly size: number;
  /** Kept by Azure. */
  readonly reserved: number;
  readonly usable: number;
  /** Why others cannot be in it: the service that it is delegated to, or the VNet's gateway. */
  readonly exclusive?: string;
  /** Id of its budget. */
  readonly budget: string;
  /** They add up to `size`, unless `maxUpgrade` needs more than there is; then there is no `free` block, and they add up to what is needed. */
  readonly blocks: readonly Block[];
};

export type NetworkPlan = {
  readonly name: string;
  readonly id: string;
  readonly prefixes: readonly Prefix[];
  /** In the order of their addresses. */
  readonly subnets: readonly SubnetPlan[];
  /** What of the address space is in no subnet, in as few prefixes as can be. */
  readonly unallocated: readonly Prefix[];
};

export type Surge = {
  /** As ARM writes it: `1`, `10%`. */
  readonly maxSurge: string;
  readonly isDefault: boolean;
  readonly source: string;
  /** Nodes, with the pool's count and at its largest. */
  readonly now: number;
  readonly max: number;
};

export type PoolPlan = {
  readonly name: string;
  readonly id: string;
  readonly mode: "System" | "User";
  readonly osType: "Linux" | "Windows";
  readonly count: number;
  /** With the autoscaler. */
  readonly minCount?: number;
  /** The autoscaler's, or `count`. */
  readonly maxCount: number;
  readonly maxPods: number;
  readonly surge: Surge;
  readonly nodes: Amounts;
  /** Label of its subnets: `hub/flat`. */
  readonly subnet: string;
  readonly podSubnet?: string;
  /** Of the nodes' subnet, for each node. */
  readonly addressesPerNode: number;
  /** Of the manifests: pods on its nodes now, as they are spread. */
  readonly pods: number;
  /** The budget that ends the pool's growth, and its upgrades. */
  readonly first?: Failure;
};

/** Source ports for outbound flows. */
export type OutboundPlan = {
  readonly outboundType: string;
  /** Public addresses of the way out; absent when they are not the cluster's to say (a firewall, none). */
  readonly addresses?: number;
  /** `table`: by the number of nodes. `allocated`: `allocatedOutboundPorts`. `onDemand`: a NAT gateway's. */
  readonly allocation?: "table" | "allocated" | "onDemand";
  /** Ports of each node, for each of TCP and UDP. */
  readonly portsPerNode?: Amounts;
  /** Of the table: the next numbers of nodes at which every node has half the ports. Connections break then. */
  readonly cliffs?: readonly { readonly nodes: number; readonly from: number; readonly to: number }[];
  /** Of a NAT gateway: all its ports. */
  readonly ports?: number;
  readonly source: string;
};

export type OptionName = "kubenet" | "nodeSubnet" | "podSubnetDynamic" | "podSubnetStatic" | "overlay";

/** So many addresses, and the smallest range that has them: prefix lengths, `null` when none has. */
export type Room = { readonly addresses: Amounts; readonly smallest: Readonly<Record<Moment, number | null>> };

/** The cluster as it would be with another network option: the same pools, the same pods. */
export type OptionPlan = {
  readonly option: OptionName;
  readonly name: string;
  /** It is the cluster's. */
  readonly isChosen: boolean;
  /** Nothing in {@link refusals} is an error. */
  readonly isPermitted: boolean;
  /** What Azure refuses of this cluster with this option, and would not without it. */
  readonly refusals: readonly { readonly code: string; readonly message: string; readonly source?: string }[];
  /** What is no reason against it today. */
  readonly notes: readonly string[];
  /** Of the nodes, the cluster's internal frontends and its API server's endpoint; others in the subnet are not counted. */
  readonly nodeSubnet: Room;
  readonly podSubnet?: Room;
  /** A range of its own, not of the VNet: `addresses` are 256 for each node. */
  readonly podCidr?: Room;
  readonly routes: Amounts;
  /** Nodes of a cluster at most. */
  readonly mostNodes: LimitUsed;
};

/** One of the ways to make the cluster, and which pods per node it lets one choose. */
export type ProvisioningPlan = {
  readonly route: "portal" | "cli" | "template";
  readonly maxPods: {
    readonly default: number;
    readonly min: number;
    readonly max: number;
    readonly isFixed: boolean;
    readonly source: string;
  };
  /** Pools whose maxPods it does not offer. */
  readonly refusedPools: readonly string[];
};

export type ClusterPlan = {
  readonly name: string;
  readonly id: string;
  readonly option: NetworkOption;
  readonly optionName: string;
  readonly kubernetesVersion?: string;
  readonly nodes: Amounts;
  readonly podCidr?: string;
  readonly serviceCidr: string;
  readonly pools: readonly PoolPlan[];
  /** All of them, in one order. */
  readonly options: readonly OptionPlan[];
  readonly provisioning: readonly ProvisioningPlan[];
  readonly outbound: OutboundPlan;
  /** Pods of the manifests: on nodes, on the virtual node, and those that find no node. */
  readonly pods: { readonly onNodes: number; readonly onVirtualNode: number; readonly pending: number };
  /** The first thing to fail of all its pools: the fewest nodes away. */
  readonly first?: Failure;
};

/** Something that Azure refuses, or that fails later. */
export type PlanProblem = {
  readonly code: string;
  /** `error`: the design cannot be deployed as it is. */
  readonly severity: "error" | "warning";
  /** When it shows: the documents, the deployment, the autoscaler, or an upgrade. */
  readonly when: "document" | "create" | "scale" | "upgrade";
  /** Azure's target: `networkProfile.podCidr`; or the place in the document. */
  readonly target: string;
  /** The resource, where it is one. */
  readonly resource?: string;
  readonly file?: string;
  readonly line?: number;
  readonly message: string;
  readonly source?: string;
  readonly fix?: string;
};

/** The day on which a budget does not suffice any more. */
export type Exhaustion = {
  readonly budget: string;
  readonly name: string;
  /** `scale`: it does not suffice at rest. `upgrade`: it does not suffice for the upgrade of one pool with its surge, which comes first. */
  readonly when: "scale" | "upgrade";
  readonly date: string;
  /** Days from the first one. */
  readonly day: number;
  readonly needed: number;
  readonly capacity: number;
  readonly unit: Budget["unit"];
  readonly code: string;
  /** Nodes on that day, by `cluster/pool`. */
  readonly nodes: Readonly<Record<string, number>>;
};

export type Forecast = {
  /** `2026-11-23`. */
  readonly from: string;
  /** What lasts longer than this is not in it. */
  readonly until: string;
  /** What was assumed, in words: `10 nodes a month`. */
  readonly growth: readonly string[];
  /** By date: the first thing to run out is the first. */
  readonly exhaustions: readonly Exhaustion[];
  /** What else happens on the way: an autoscaler at its maximum, fewer ports for each node. */
  readonly events: readonly { readonly date: string; readonly day: number; readonly text: string }[];
};

export type Plan = {
  readonly version: typeof planVersion;
  readonly lab: string;
  readonly rules: "current" | "lesson";
  /** The way to make clusters that the documents name. */
  readonly provisioning?: "portal" | "cli" | "template";
  /** The day whose limits count. */
  readonly asOf: string;
  /** Does the design fit: when it is made, with one pool being upgraded, at its largest, and at its largest while upgraded? */
  readonly verdict: { readonly deploys: boolean; readonly upgrades: boolean; readonly scales: boolean; readonly upgradesAtMax: boolean };
  readonly networks: readonly NetworkPlan[];
  readonly clusters: readonly ClusterPlan[];
  readonly budgets: readonly Budget[];
  /** With growth. */
  readonly forecast?: Forecast;
  readonly problems: readonly PlanProblem[];
};

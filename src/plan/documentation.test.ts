/**
 * Every worked example of the documentation that the plan can be asked about: the page, the question, the page's own figure. Pages of AKS are those of
 * MicrosoftDocs/azure-aks-docs as of 2026-08-21 unless a date stands beside them.
 */

import { describe, expect, test } from "vitest";
import { blockAddresses, podCidrNodes, smallestPodCidr, smallestSubnet, usableAddresses } from "../arm/addresses.ts";
import {
  kubenetNodes,
  limitAt,
  limits,
  maxPodsChoice,
  nodesPerCluster,
  type Provisioning,
  type RuleSet,
  retirements,
} from "../arm/limits.ts";
import type { NetworkOption } from "../arm/network-option.ts";
import { requestedAddresses, staticBlocks } from "../arm/pod-subnets.ts";
import { portsPerNode } from "../arm/snat-ports.ts";
import { parseMaxSurge, surgeNodes } from "../arm/upgrade.ts";
import { mustPrefix } from "../net/prefix.ts";
import type { Budget, BudgetKind, Plan } from "./index.ts";
import { plannedLab } from "./testing/plan.ts";

type Example = readonly [question: string, computed: unknown, documented: unknown];

function examples(page: string, rows: readonly Example[]): void {
  describe(page, () => {
    for (const [question, computed, documented] of rows) test(question, () => expect(computed).toEqual(documented));
  });
}

/** A cluster in a subnet of this prefix. */
function planned(subnet: string, cluster: string): Plan {
  return plannedLab(`
lab: t
networks: [{ name: v, addressSpace: [10.240.0.0/14], subnets: [{ name: nodes, prefix: ${subnet} }, { name: pods, prefix: 10.242.0.0/16 }] }]
clusters: [{ name: c, subnet: v/nodes, ${cluster} }]
`);
}

function budget(plan: Plan, kind: BudgetKind, id?: string): Budget {
  const found = plan.budgets.find((one) => one.kind === kind && (id === undefined || one.id === id));
  if (found === undefined) throw new Error(`no budget ${kind}`);
  return found;
}

/** The most nodes that a subnet holds, at rest and for an upgrade. */
function mostNodes(subnet: string, cluster: string): readonly [atRest: number, forUpgrade: number | undefined] {
  const counts = Array.from({ length: 400 }, (_, index) => index + 1);
  const fits = (count: number, moment: "now" | "upgrade") =>
    budget(planned(subnet, `${cluster}, pools: [{ count: ${count}, upgradeSettings: { maxSurge: 1 } }]`), "subnet", "subnet/v/nodes").left[
      moment
    ] >= 0;
  const most = (moment: "now" | "upgrade") => {
    let [low, high] = [0, counts.length];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (fits(middle, moment)) low = middle;
      else high = middle - 1;
    }
    return low;
  };
  return [most("now"), most("upgrade")];
}

const azure = "networkPlugin: azure";
const kubenet = "networkPlugin: kubenet";
const overlay = "networkPlugin: azure, networkPluginMode: overlay";

const subnetBudget = (cluster: string) => budget(planned("10.240.0.0/16", cluster), "subnet", "subnet/v/nodes");

examples("Azure docs: virtual-networks-faq: Azure reserves five addresses of every subnet", [
  ["/24", usableAddresses(mustPrefix("10.0.0.0/24")), 251],
  ["/27", usableAddresses(mustPrefix("10.0.0.0/27")), 27],
  ["/28", usableAddresses(mustPrefix("10.0.0.0/28")), 11],
  ["/29, the smallest", usableAddresses(mustPrefix("10.0.0.0/29")), 3],
]);

examples("AKS docs: concepts-network-ip-address-planning: a subnet of Azure CNI", [
  [
    "50 nodes and one of surge, 30 pods: (51) + (51 x 30)",
    subnetBudget(`${azure}, pools: [{ count: 50, upgradeSettings: { maxSurge: 1 } }]`).used.upgrade,
    1581,
  ],
  ["1,581 addresses are a /21", smallestSubnet(1581), 21],
  [
    "the same after scaling up by 10 nodes: (61) + (61 x 30)",
    subnetBudget(`${azure}, pools: [{ count: 50, enableAutoScaling: true, minCount: 50, maxCount: 60, upgradeSettings: { maxSurge: 1 } }]`)
      .used.maxUpgrade,
    1891,
  ],
  ["1,891 addresses are a /21, too", smallestSubnet(1891), 21],
  ["a node with 30 pods", planned("10.240.0.0/16", azure).clusters[0]?.pools[0]?.addressesPerNode, 31],
  ["a node with 110 pods", planned("10.240.0.0/16", `${azure}, pools: [{ maxPods: 110 }]`).clusters[0]?.pools[0]?.addressesPerNode, 111],
]);

examples("AKS docs: configure-kubenet: how many nodes and pods a subnet holds", [
  ["kubenet, /24: 251 nodes", mostNodes("10.240.0.0/24", kubenet)[0], 251],
  ["251 nodes with 110 pods", 251 * maxPodsChoice("cli", "current", "kubenet").default, 27_610],
  ["Azure CNI, /24: 8 nodes", mostNodes("10.240.0.0/24", azure)[0], 8],
  ["8 nodes with 30 pods", 8 * maxPodsChoice("cli", "current", "nodeSubnet").default, 240],
  ["kubenet, /27: 20 to 25 nodes, with room for an upgrade", (mostNodes("10.240.0.0/27", kubenet)[1] ?? 0) >= 25, true],
  ["25 nodes with 110 pods", 25 * maxPodsChoice("cli", "current", "kubenet").default, 2750],
  ["400 nodes, one route each", kubenetNodes.current.value, 400],
  ["a /16 of pods: a /24 for each of 256 nodes", podCidrNodes(mustPrefix("10.244.0.0/16")), 256],
  ["a /20 of pods", podCidrNodes(mustPrefix("10.244.0.0/20")), 16],
  ["a /22 of pods", podCidrNodes(mustPrefix("10.244.0.0/22")), 4],
  ["routes of 3 nodes", budget(planned("10.240.0.0/24", kubenet), "routes").used.now, 3],
]);

const tooSmall = (subnet: string, cluster: string) => {
  const { problems } = planned(subnet, cluster);
  return problems.map(({ code, target, severity, message }) => [code, target, severity, /\d+ x [^=]*= \d+|need \d+/.exec(message)?.[0]]);
};

examples("AKS docs: troubleshooting, InsufficientSubnetSize", [
  [
    "3 nodes x 111 = 333 of 251",
    tooSmall("10.240.0.0/24", `${azure}, pools: [{ count: 3, maxPods: 110 }]`),
    [["InsufficientSubnetSize", "addressPrefix", "error", "3 x (1 + 110) = 333"]],
  ],
  [
    "10 nodes x 31 = 310 of 251",
    tooSmall("10.240.0.0/24", `${azure}, pools: [{ count: 10 }]`),
    [["InsufficientSubnetSize", "addressPrefix", "error", "10 x (1 + 30) = 310"]],
  ],
  [
    "overlay: 5 nodes need 1,280 addresses, a /22 has 1,024",
    planned("10.240.0.0/24", `${overlay}, podCidr: 100.64.0.0/22, pools: [{ count: 5 }]`).problems.map(({ code, target }) => [
      code,
      target,
    ]),
    [["InsufficientSubnetSize", "clusters[0].podCidr"]],
  ],
  [
    "overlay: the autoscaler's maximum counts when the cluster is made",
    planned(
      "10.240.0.0/24",
      `${overlay}, podCidr: 100.64.0.0/22, pools: [{ count: 2, enableAutoScaling: true, minCount: 1, maxCount: 5 }]`,
    ).problems.map(({ code, severity, when }) => [code, severity, when]),
    [["InsufficientSubnetSize", "error", "create"]],
  ],
  ["5 nodes need a /21", smallestPodCidr(5), 21],
]);

examples("AKS docs: concepts-network-azure-cni-pod-subnet: dynamic allocation in batches of 16", [
  ["a node without pods", requestedAddresses(0, 250), 16],
  ["8 pods: half a batch is free", requestedAddresses(8, 250), 16],
  ["9 pods: fewer than half a batch are free", requestedAddresses(9, 250), 32],
  ["25 pods (Azure/azure-container-networking: docs/feature/ipammath)", requestedAddresses(25, 250), 48],
  ["three nodes without pods", budget(planned("10.240.0.0/24", `${azure}, podSubnet: v/pods`), "subnet", "subnet/v/pods").used.now, 48],
]);

examples("AKS docs: concepts-network-azure-cni-pod-subnet: static blocks of 16", [
  ["maxPods 30: 2 blocks, 1 address too many", [staticBlocks(30), blockAddresses(30) - 30 - 1], [2, 1]],
  ["maxPods 31: 2 blocks, none too many", [staticBlocks(31), blockAddresses(31) - 31 - 1], [2, 0]],
  ["maxPods 32: 3 blocks, 15 too many", [staticBlocks(32), blockAddresses(32) - 32 - 1], [3, 15]],
  ["16 x N - 1 wastes nothing", [15, 47, 111, 239].map((maxPods) => blockAddresses(maxPods) - maxPods - 1), [0, 0, 0, 0]],
]);

const surge = (maxSurge: string, nodes: number) => surgeNodes(parseMaxSurge(maxSurge) ?? { value: 0, unit: "nodes", source: "" }, nodes);
const surgeOf = (version: string) => {
  const pool = planned("10.240.0.0/16", `${azure}${version}, pools: [{ count: 25 }]`).clusters[0]?.pools[0];
  return [pool?.surge.maxSurge, pool?.surge.now];
};

examples("AKS docs: upgrade-aks-node-pools-rolling", [
  ["33 % of 10 nodes, rounded up", surge("33%", 10), 4],
  ["33 % of 3 nodes", surge("33%", 3), 1],
  ["100 %: all at once", surge("100%", 7), 7],
  ["a number", surge("5", 20), 5],
  ["never more than there are to upgrade", surge("5", 2), 2],
  ["by default 1, with an older version", surgeOf(", kubernetesVersion: 1.27"), ["1", 1]],
  ["by default 10 %, since 1.28 (chg:2023-10-01)", surgeOf(", kubernetesVersion: 1.32"), ["10%", 3]],
  [
    "a pool with its surge has at most 1,000 nodes",
    planned("10.240.0.0/16", `${overlay}, podCidr: 100.64.0.0/10, pools: [{ count: 950 }]`).problems.map(({ code, when }) => [code, when]),
    [["InvalidParameter", "upgrade"]],
  ],
]);

const balancers = "loadBalancerProfile: { managedOutboundIPs: { count";
const outboundNodes = (ports: number, addresses: number) =>
  budget(planned("10.240.0.0/16", `${overlay}, ${balancers}: ${addresses} }, allocatedOutboundPorts: ${ports} }`), "outboundPorts")
    .capacity;

examples("AKS docs: configure-load-balancer-standard: 64,000 / ports x addresses nodes", [
  ["1,000 ports, 2 addresses", outboundNodes(1000, 2), 128],
  ["1,000 ports, 7 addresses", outboundNodes(1000, 7), 448],
  ["4,000 ports, 2 addresses", outboundNodes(4000, 2), 32],
  ["4,000 ports, 7 addresses", outboundNodes(4000, 7), 112],
  [
    "too many ports are refused",
    planned("10.240.0.0/16", `${overlay}, ${balancers}: 1 }, allocatedOutboundPorts: 32000 }`).problems.map(({ code, severity }) => [
      code,
      severity,
    ]),
    [["InvalidLoadBalancerProfileAllocatedOutboundPorts", "error"]],
  ],
  [
    "from 48 nodes to 52 each falls from 1,024 to 512",
    planned("10.240.0.0/16", `${overlay}, pools: [{ count: 48, enableAutoScaling: true, minCount: 1, maxCount: 52 }]`).clusters[0]
      ?.outbound,
    expect.objectContaining({
      portsPerNode: expect.objectContaining({ now: 1024, max: 512 }),
      cliffs: expect.arrayContaining([{ nodes: 51, from: 1024, to: 512 }]),
    }),
  ],
]);

examples(
  "Azure docs: load-balancer-outbound-connections: default ports by the size of the pool",
  (
    [
      [1, 1024],
      [50, 1024],
      [51, 512],
      [100, 512],
      [101, 256],
      [200, 256],
      [201, 128],
      [400, 128],
      [401, 64],
      [800, 64],
      [801, 32],
      [1000, 32],
    ] as const
  ).map(([nodes, ports]) => [`${nodes} nodes`, portsPerNode(nodes, 0, 1), ports]),
);

examples("Azure docs: nat-gateway-resource", [
  [
    "64,512 ports for each address, of up to 16",
    plannedLab(
      "lab: t\nclusters: [{ name: c, networkPlugin: azure, networkPluginMode: overlay, outboundType: managedNATGateway, natGatewayProfile: { managedOutboundIPProfile: { count: 16 } } }]",
    ).clusters[0]?.outbound.ports,
    1_032_192,
  ],
]);

const floor = (count: number, maxPods: number) =>
  planned("10.240.0.0/16", `${azure}, pools: [{ count: ${count}, maxPods: ${maxPods} }]`).verdict.deploys;

examples("AKS docs: concepts-network-ip-address-planning: every pool has room for 30 pods", [
  ["10 pods need 3 nodes", [floor(2, 10), floor(3, 10)], [false, true]],
  ["15 pods need 2 nodes", [floor(1, 15), floor(2, 15)], [false, true]],
  ["30 pods need 1 node", [floor(1, 29), floor(1, 30)], [false, true]],
]);

examples("limits of a cluster: azdocs includes/container-service-limits.md, includes/azure-virtual-network-limits.md (2022-12-05)", [
  ["nodes of a cluster", nodesPerCluster.current.value, 5000],
  ["nodes of a pool", limits.nodesPerPool.value, 1000],
  ["pools", limits.poolsPerCluster.value, 100],
  ["load balancer Services", limits.servicesPerLoadBalancer.value, 300],
  ["private addresses of a VNet", limits.addressesPerNetwork.value, 65_536],
  ["routes of a table, in 2022", limitAt(limits.routesPerTable, "2022-12-05").value, 400],
  ["routes of a table, lately", limitAt(limits.routesPerTable).value, 600],
]);

examples("AKS docs: concepts-network-azure-cni-pod-subnet: a block is one mapping of the VNet", [
  [
    "700 nodes with 2 blocks each, and an address of their own",
    budget(
      planned(
        "10.240.0.0/16",
        `${azure}, podSubnet: v/pods, podIPAllocationMode: StaticBlock, pools: [{ count: 700, maxPods: 31, upgradeSettings: { maxSurge: 1 } }]`,
      ),
      "network",
    ).used.max,
    700 * (1 + 2),
  ],
]);

const choice = (route: Provisioning, rules: RuleSet, option: NetworkOption) => {
  const { default: byDefault, max, isFixed } = maxPodsChoice(route, rules, option);
  return [byDefault, max, isFixed];
};

examples("pods of a node by the way to make the cluster: the lesson, and AKS docs (configure-azure-cni, 2019-06)", [
  ["portal, kubenet", choice("portal", "lesson", "kubenet"), [110, 110, true]],
  ["portal, Azure CNI", choice("portal", "lesson", "nodeSubnet"), [30, 30, true]],
  ["command line, kubenet", choice("cli", "lesson", "kubenet"), [110, 110, false]],
  ["command line, Azure CNI", choice("cli", "lesson", "nodeSubnet"), [30, 250, false]],
  ["template, kubenet", choice("template", "lesson", "kubenet"), [110, 110, false]],
  ["template, Azure CNI", choice("template", "lesson", "nodeSubnet"), [30, 250, false]],
  ["today, the portal too", choice("portal", "current", "nodeSubnet"), [30, 250, false]],
  ["today, kubenet", choice("portal", "current", "kubenet"), [110, 250, false]],
  ["today, overlay", choice("portal", "current", "overlay"), [250, 250, false]],
  ["today, pod subnet", choice("portal", "current", "podSubnet"), [110, 250, false]],
  [
    "60 pods a node with Azure CNI, in the portal of 2019",
    plannedLab(
      "lab: t\nrules: lesson\nprovisioning: portal\nclusters: [{ name: c, networkPlugin: azure, serviceCidr: 172.16.0.0/16, pools: [{ maxPods: 60 }] }]",
    ).problems.map(({ code, target }) => [code, target]),
    [["InvalidParameter", "clusters[0].pools[0].maxPods"]],
  ],
]);

examples("dates", [
  ["kubenet retires (AKS issue 4859)", retirements.kubenet.date, "2028-03-31"],
  ["NPM on Windows (aks:use-network-policies.md)", retirements.policyManagerWindows.date, "2026-09-30"],
  ["NPM on Linux", retirements.policyManagerLinux.date, "2028-09-30"],
]);

test("Azure's codes, all problems at once (AKS docs: troubleshooting, error-codes)", () => {
  const { problems, verdict } = plannedLab(`
lab: t
networks: [{ name: v, addressSpace: [10.240.0.0/16], subnets: [{ name: a, prefix: 10.240.0.0/24 }, { name: b, prefix: 10.240.1.0/24 }] }]
clusters:
  - { name: overlaps, networkPlugin: kubenet, subnet: v/a, serviceCidr: 10.240.1.0/24, podCidr: 10.240.128.0/17, dnsServiceIP: 10.9.0.10 }
  - { name: small, networkPlugin: azure, subnet: v/b, pools: [{ count: 3, maxPods: 300 }], serviceCidr: 10.1.0.300/16 }
  - { name: ports, networkPlugin: azure, subnet: v/b, serviceCidr: 10.1.0.0/16, pools: [{ count: 9 }], loadBalancerProfile: { allocatedOutboundPorts: 64000 } }
`);
  expect(verdict.deploys).toBe(false);
  expect(new Set(problems.map(({ code }) => code))).toEqual(
    new Set([
      "ServiceCidrOverlapExistingSubnetsCidr",
      "NetworkProfileCIDROverlapVNET",
      "DnsServiceIpOutOfServiceCidr",
      "CidrStringParseError",
      "InvalidParameter",
      "InsufficientSubnetSize",
      "InvalidLoadBalancerProfileAllocatedOutboundPorts",
    ]),
  );
});

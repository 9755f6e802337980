/**
 * A design for people to read: what it is, whether it fits, where its addresses go, which network option suits it, what is wrong, and which figures and
 * dates were counted with.
 */

import { azureView } from "../../arm/rules/view.ts";
import type { LoadedLab } from "../../documents/index.ts";
import { type Block, type Document, type Span, span, type Words } from "../../render/document.ts";
import { MemoryResources } from "../../resources/memory.ts";
import type { Advice } from "../advice/index.ts";
import type { Budget, ClusterPlan, Failure, Plan, PlanProblem } from "../model.ts";
import { addressFigures } from "./address-picture.ts";
import { clusterAdviceBlocks, methodBlocks } from "./advice.ts";
import { topologyFigure } from "./topology-picture.ts";
import { count } from "./words.ts";

/** Everything that is known of a design without running it. */
export type DesignReport = { readonly plan: Plan; readonly advice: Advice };

/** `comparison`: of the options, traced. */
export function reportDocument(loaded: LoadedLab, { plan, advice }: DesignReport, comparison: readonly Block[]): Document {
  const resources = new MemoryResources();
  resources.apply(loaded.readable);
  const view = azureView(loaded.readable.flatMap(({ value }) => ("id" in value ? value : [])));
  return {
    title: `Network design ${plan.lab}`,
    blocks: [
      { kind: "paragraph", words: [span("dim", `Rules ${plan.rules}, limits of ${plan.asOf}. ${sizeWords(plan)}`)] },
      { kind: "list", items: verdictItems(plan) },
      { kind: "heading", level: 2, text: "Topology" },
      topologyFigure(view, resources, plan),
      { kind: "heading", level: 2, text: "Address space" },
      {
        kind: "paragraph",
        words:
          "Bars are to scale: dark is held now, pale is growth to the pools' largest size, striped is the surge of the one pool whose upgrade takes most.",
      },
      ...addressFigures(plan),
      ...(plan.clusters.length === 0 ? [] : [{ kind: "heading", level: 2, text: "Clusters" } as const]),
      ...plan.clusters.flatMap((cluster) => clusterBlocks(plan, cluster)),
      ...(comparison.length === 0 ? [] : [{ kind: "heading", level: 2, text: "The options compared" } as const]),
      ...comparison,
      { kind: "heading", level: 2, text: "Problems" },
      ...problemBlocks(plan.problems),
      ...(advice.clusters.length === 0 ? [] : [{ kind: "heading", level: 2, text: "Which network option?" } as const]),
      ...advice.clusters.flatMap((cluster): readonly Block[] => [
        { kind: "heading", level: 3, text: `Cluster ${cluster.cluster}` },
        ...clusterAdviceBlocks(cluster),
      ]),
      ...(advice.clusters.length === 0 ? [] : methodBlocks(advice)),
      { kind: "heading", level: 2, text: "Limits and their sources" },
      limitsTable(plan.budgets),
    ],
  };
}

function sizeWords({ networks, clusters }: Plan): string {
  const nodes = clusters.reduce((sum, cluster) => sum + cluster.nodes.now, 0);
  const most = clusters.reduce((sum, cluster) => sum + cluster.nodes.max, 0);
  const many = (amount: number, what: string) => `${count(amount)} ${what}${amount === 1 ? "" : "s"}`;
  return `${many(networks.length, "VNet")}, ${many(clusters.length, "cluster")}, ${many(nodes, "node")}${most === nodes ? "" : ` (at most ${count(most)})`}.`;
}

function verdictItems({ verdict, clusters }: Plan): readonly Words[] {
  const item = (isGood: boolean, what: string): Words => [isGood ? span("good", "yes") : span("bad", "no"), `: it ${what}`];
  const first = clusters.flatMap(({ name, first: failure }) => (failure === undefined ? [] : [{ name, failure }]));
  return [
    item(verdict.deploys, "can be deployed as it is"),
    item(verdict.upgrades, "can be upgraded, one pool at a time"),
    item(verdict.scales, "has room for its largest size"),
    item(verdict.upgradesAtMax, "can be upgraded at its largest size"),
    ...first.map(({ name, failure }): Words => [span("strong", `${name} ends first at`), `: ${failure.message} (${failure.code})`]),
  ];
}

function clusterBlocks(plan: Plan, cluster: ClusterPlan): readonly Block[] {
  const { name, optionName, kubernetesVersion, podCidr, serviceCidr, pools, outbound } = cluster;
  const facts = [
    optionName,
    ...(kubernetesVersion === undefined ? [] : [`Kubernetes ${kubernetesVersion}`]),
    ...(podCidr === undefined ? [] : [`pods ${podCidr}`]),
    `Services ${serviceCidr}`,
    `outbound by ${outbound.outboundType}`,
  ];
  const budgets = plan.budgets.filter(({ cluster: owner, used }) => owner === name && used.maxUpgradeAll > 0);
  return [
    { kind: "heading", level: 3, text: `Cluster ${name}` },
    { kind: "paragraph", words: `${facts.join(", ")}.` },
    {
      kind: "table",
      caption: `Node pools of ${name}`,
      heads: ["Pool", "Nodes", "Largest", "Surge", "maxPods", "Addresses a node", "First to fail"],
      align: ["left", "right", "right", "right", "right", "right"],
      rows: pools.map((pool) => [
        `${pool.name}${pool.osType === "Windows" ? " (Windows)" : ""}`,
        count(pool.count),
        count(pool.maxCount),
        `${count(pool.surge.max)} (${pool.surge.maxSurge}${pool.surge.isDefault ? ", by default" : ""})`,
        String(pool.maxPods),
        String(pool.addressesPerNode),
        failureWords(pool.first),
      ]),
    },
    {
      kind: "table",
      caption: `What ${name} uses of what there is`,
      heads: ["Of", "There are", "Now", "In an upgrade", "At its largest", "And upgraded", "Left"],
      align: ["left", "right", "right", "right", "right", "right", "right"],
      rows: budgets.map((budget) => budgetRow(budget, name)),
    },
  ];
}

function budgetRow({ name, unit, capacity, used, left }: Budget, cluster: string): readonly Words[] {
  const cell = (amount: number): Words => (amount > capacity ? [span("bad", count(amount))] : count(amount));
  return [
    name.replace(` of cluster ${cluster}`, ""),
    `${count(capacity)} ${unit}`,
    cell(used.now),
    cell(used.upgrade),
    cell(used.max),
    cell(used.maxUpgrade),
    left.maxUpgrade < 0 ? [span("bad", String(left.maxUpgrade))] : count(left.maxUpgrade),
  ];
}

function failureWords(failure: Failure | undefined): string {
  if (failure === undefined) return "";
  return failure.when === "upgrade"
    ? `upgrade with ${count(failure.node)} nodes: ${failure.budget}`
    : `node ${count(failure.node)}: ${failure.budget}`;
}

function problemBlocks(problems: readonly PlanProblem[]): readonly Block[] {
  if (problems.length === 0)
    return [{ kind: "paragraph", words: [span("good", "None"), ": Azure would take it, and nothing is known to fail later."] }];
  const tone = (severity: PlanProblem["severity"]): Span => span(severity === "error" ? "bad" : "warn", severity);
  return [
    {
      kind: "table",
      caption: "Problems, as Azure or this plan sees them",
      isProse: true,
      heads: ["", "Shows on", "Where", "What", "Fix"],
      rows: problems.map(({ severity, when, target, file, line, message, code, source, fix }) => [
        [tone(severity)],
        when,
        [span("code", file === undefined ? target : `${file}${line === undefined ? "" : `:${line}`} ${target}`.trim())],
        [message, span("dim", ` (${code}${source === undefined ? "" : `; ${source}`})`)],
        fix ?? "",
      ]),
    },
  ];
}

/** Each figure once, whoever it limits. */
function limitsTable(budgets: readonly Budget[]): Block {
  const rows = new Map<string, readonly string[]>();
  for (const { kind, limit } of budgets) {
    const { value, source, since = "", read } = limit;
    rows.set(`${kind}\0${value}\0${source}`, [limitWords[kind], count(value), source, since, read]);
  }
  return {
    kind: "table",
    caption: "Figures that were counted with",
    heads: ["Limit", "Figure", "Source", "Since", "Read"],
    align: ["left", "right"],
    rows: [...rows.values()],
  };
}

const limitWords: Readonly<Record<Budget["kind"], string>> = {
  subnet: "addresses that Azure keeps of a subnet, or gives of it",
  network: "private addresses of a VNet",
  podCidr: "prefix length of a node's pods",
  podCidrIPv6: "prefix length of a node's pods in IPv6",
  serviceCidr: "addresses of a service CIDR",
  routes: "routes of a route table",
  clusterNodes: "nodes of a cluster",
  poolNodes: "nodes of a pool, its surge among them",
  policyNodes: "nodes with Azure Network Policy Manager",
  outboundPorts: "outbound ports of a public address",
  balancerServices: "Services of a load balancer",
  balancerRules: "load balancer rules of a network interface",
};

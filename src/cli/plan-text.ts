/** A plan for people: what there is, what is left, what fails first, and all problems. */

import type {
  Amounts,
  Budget,
  ClusterPlan,
  Failure,
  Moment,
  NetworkPlan,
  OptionPlan,
  Plan,
  PlanProblem,
  PoolPlan,
  Room,
} from "../plan/index.ts";
import type { Style } from "../render/style.ts";
import { renderTable } from "../render/table.ts";

export function renderPlan(plan: Plan, style: Style): string {
  const budgets = new Map(plan.budgets.map((budget) => [budget.id, budget]));
  const parts = [
    `lab ${plan.lab}, rules ${plan.rules}${plan.provisioning === undefined ? "" : `, made with ${plan.provisioning}`}, limits of ${plan.asOf}\n`,
    ...plan.networks.map((network) => networkText(network, budgets, style)),
    ...plan.clusters.map((cluster) => clusterText(cluster, plan, style)),
    forecastText(plan, style),
    problemsText(plan.problems, style),
    verdictText(plan, style),
  ];
  return parts.filter((part) => part !== "").join("\n");
}

function networkText({ name, prefixes, subnets, unallocated }: NetworkPlan, budgets: ReadonlyMap<string, Budget>, style: Style): string {
  const rows = subnets.flatMap(({ name: subnet, prefix, usable, exclusive, budget: id }) => {
    const budget = budgets.get(id);
    if (budget === undefined) return [];
    const own = [subnet, prefix, String(usable), ...amountCells(budget, style), exclusive ?? ""];
    const holders = budget.holders.map(({ name: holder, amounts, arithmetic }) => [
      `  ${holder}`,
      "",
      "",
      ...amountTexts(amounts),
      "",
      arithmetic ?? "",
    ]);
    return [own, ...holders];
  });
  const free = unallocated.length === 0 ? "" : `${style.dim(`in no subnet: ${some(unallocated)}`)}\n`;
  const heads = ["SUBNET", "PREFIX", "USABLE", ...amountHeads, "LEFT", ""];
  return `${style.bold(`VNet ${name}`)} ${prefixes.join(", ")}\n${renderTable(heads, rows, style)}${free}`;
}

const amountHeads = ["NOW", "UPGRADE", "MAX", "MAX UPGRADE"];

function amountTexts({ now, upgrade, max, maxUpgrade }: Amounts): readonly string[] {
  return [now, upgrade, max, maxUpgrade].map(String);
}

/** What is used at each moment, and what is left at the last. */
function amountCells({ used, capacity, left }: Budget, style: Style): readonly string[] {
  const { now, upgrade, max, maxUpgrade } = used;
  const cells = [now, upgrade, max, maxUpgrade].map((amount) => (amount > capacity ? style.red(String(amount)) : String(amount)));
  return [...cells, left.maxUpgrade < 0 ? style.red(String(left.maxUpgrade)) : String(left.maxUpgrade)];
}

function clusterText(cluster: ClusterPlan, plan: Plan, style: Style): string {
  const { name, optionName, podCidr, serviceCidr, pools, kubernetesVersion, pods } = cluster;
  const facts = [
    optionName,
    ...(kubernetesVersion === undefined ? [] : [`Kubernetes ${kubernetesVersion}`]),
    ...(podCidr === undefined ? [] : [`pods ${podCidr}`]),
    `Services ${serviceCidr}`,
  ];
  const budgets = plan.budgets.filter((budget) => budget.cluster === name && isWorthShowing(budget));
  const rows = budgets.map((budget) => [
    budget.name.replace(` of cluster ${name}`, ""),
    `${budget.capacity} ${budget.unit}`,
    ...amountCells(budget, style),
    budget.limit.source,
  ]);
  return [
    `${style.bold(`cluster ${name}`)}: ${facts.join(", ")}\n`,
    renderTable(["POOL", "NODES", "MAX", "SURGE", "MAXPODS", "ADDRESSES A NODE", "PODS", "FIRST TO FAIL"], pools.map(poolRow), style),
    pods.pending > 0 ? `${style.yellow(`${pods.pending} pods find no node`)}\n` : "",
    renderTable(["BUDGET", "OF", ...amountHeads, "LEFT", "LIMIT"], rows, style),
    outboundText(cluster, style),
    provisioningText(cluster, style),
    optionsText(cluster, style),
    cluster.first === undefined ? "" : `first to fail: ${cluster.first.message} (${cluster.first.code})\n`,
  ].join("");
}

/** Only where the ways differ, as they did. */
function provisioningText({ provisioning }: ClusterPlan, style: Style): string {
  const texts = provisioning.map(({ route, maxPods, refusedPools }) => {
    const choice = maxPods.isFixed ? `${maxPods.default} pods a node, not to be changed` : `${maxPods.min} to ${maxPods.max} pods a node`;
    const refused = refusedPools.length === 0 ? "" : style.red(` (not for ${refusedPools.join(", ")})`);
    return `${route}: ${choice}${refused}`;
  });
  return provisioning.some(({ maxPods }) => maxPods.isFixed) ? `made with ${texts.join("; ")}\n` : "";
}

/** Each option with the smallest ranges for the cluster as it is and for its largest upgrade; and why one is not to be had. */
function optionsText({ options }: ClusterPlan, style: Style): string {
  const cells = (room: Room | undefined) => [roomCell(room, "now"), roomCell(room, "maxUpgrade")];
  const rows = options.map(({ name, isChosen, isPermitted, nodeSubnet, podSubnet, podCidr, routes, mostNodes }) => [
    isChosen ? style.bold(name) : name,
    isPermitted ? style.green("yes") : style.red("no"),
    ...cells(nodeSubnet),
    ...cells(podSubnet ?? podCidr),
    String(routes.maxUpgrade),
    String(mostNodes.value),
  ]);
  const heads = ["OPTION", "PERMITTED", "NODES' SUBNET", "AT MOST", "PODS' RANGE", "AT MOST", "ROUTES", "NODES <="];
  const refusals = grouped(
    options.filter(({ isChosen }) => !isChosen),
    (option) => option.refusals.map(({ code, message }) => `${message} (${code})`),
  );
  const notes = grouped(options, (option) => option.notes);
  const reasons = [
    ...refusals.map(([reason, names]) => `${style.red("no")} ${names}: ${reason}`),
    ...notes.map(([note, names]) => style.dim(`${names}: ${note}`)),
  ];
  return `\n${renderTable(heads, rows, style)}${reasons.map((reason) => `${reason}\n`).join("")}`;
}

/** Each text with the names of the options that say it. */
function grouped(
  options: readonly OptionPlan[],
  textsOf: (option: OptionPlan) => readonly string[],
): readonly (readonly [string, string])[] {
  const names = new Map<string, string[]>();
  for (const option of options) {
    for (const text of textsOf(option)) names.set(text, [...(names.get(text) ?? []), option.name]);
  }
  return [...names].map(([text, all]) => [text, all.length === options.length && all.length > 1 ? "any option" : all.join("; ")]);
}

/** `/25 (94)`. */
function roomCell(room: Room | undefined, moment: Moment): string {
  if (room === undefined) return "";
  const length = room.smallest[moment];
  return `${length === null ? "none" : `/${length}`} (${room.addresses[moment]})`;
}

/** Those of single pools only when they are what ends something. */
function isWorthShowing({ kind, left, used }: Budget): boolean {
  if (kind === "poolNodes") return left.maxUpgradeAll < 0;
  if (kind === "balancerServices" || kind === "balancerRules" || kind === "serviceCidr") return used.now > 0;
  return true;
}

function poolRow({ name, count, maxCount, surge, maxPods, addressesPerNode, pods, first, osType }: PoolPlan): readonly string[] {
  const os = osType === "Windows" ? " (Windows)" : "";
  const surgeText = `${surge.max} (${surge.maxSurge}${surge.isDefault ? " by default" : ""})`;
  return [
    name + os,
    String(count),
    String(maxCount),
    surgeText,
    String(maxPods),
    String(addressesPerNode),
    String(pods),
    failureCell(first),
  ];
}

function failureCell(failure: Failure | undefined): string {
  if (failure === undefined) return "";
  return failure.when === "upgrade" ? `upgrade with ${failure.node} nodes: ${failure.budget}` : `node ${failure.node}: ${failure.budget}`;
}

function outboundText({ outbound }: ClusterPlan, style: Style): string {
  const { outboundType, addresses, allocation, portsPerNode, cliffs = [], ports } = outbound;
  const many = addresses === undefined ? "" : `, ${addresses} public ${addresses === 1 ? "address" : "addresses"}`;
  const text = (() => {
    if (allocation === "onDemand") return `${ports === undefined ? "" : `${many}, ${ports} ports for all nodes on demand`}`;
    if (portsPerNode === undefined) return "";
    const { now, maxUpgrade } = portsPerNode;
    const later = maxUpgrade === now ? "" : `, ${maxUpgrade} at the largest while upgraded`;
    const [next] = cliffs;
    const cliff = next === undefined ? "" : `; with ${next.nodes} nodes ${next.from} become ${next.to}`;
    return `${many}, ${now} ports a node${later}${cliff}`;
  })();
  return style.dim(`out: ${outboundType}${text}\n`);
}

function forecastText({ forecast }: Plan, style: Style): string {
  if (forecast === undefined) return "";
  const { from, until, growth, exhaustions, events } = forecast;
  const rows = [
    ...exhaustions.map(({ date, when, name, needed, capacity, unit, nodes, code }) => [
      date,
      when === "scale" ? name : `${name}, for an upgrade`,
      `${needed} of ${capacity} ${unit}`,
      Object.entries(nodes)
        .map(([pool, count]) => `${pool} ${count}`)
        .join(", "),
      code,
    ]),
    ...events.map(({ date, text }) => [date, text]),
  ].sort(([a = ""], [b = ""]) => (a < b ? -1 : a > b ? 1 : 0));
  const [first] = exhaustions;
  const words =
    first === undefined
      ? `nothing runs out until ${until}`
      : `first to run out: ${first.name}${first.when === "upgrade" ? ", for an upgrade," : ""} on ${first.date}`;
  const table = renderTable(["DATE", "WHAT RUNS OUT", "NEEDED", "NODES", "CODE"], rows, style);
  return `${style.bold("forecast")} from ${from}, ${growth.join("; ")}\n${table}${words}\n`;
}

function problemsText(problems: readonly PlanProblem[], style: Style): string {
  if (problems.length === 0) return "";
  const lines = problems.flatMap(({ severity, code, when, target, file, line, message, source, fix }) => {
    const word = severity === "error" ? style.red("error") : style.yellow("warning");
    const stage = when === "document" || when === "create" ? "" : `, on ${when}`;
    const place = file === undefined ? "" : `${file}${line === undefined ? "" : `:${line}`}: `;
    return [
      `${word}: ${place}${target === "" ? "" : `${target}: `}${message} (${code}${stage})`,
      ...(source === undefined ? [] : [`  ${style.dim("rule:")} ${source}`]),
      ...(fix === undefined ? [] : [`  ${style.dim("fix:")} ${fix}`]),
    ];
  });
  return `${style.bold("problems")}\n${lines.join("\n")}\n`;
}

function verdictText({ verdict }: Plan, style: Style): string {
  const word = (isGood: boolean) => (isGood ? style.green("yes") : style.red("no"));
  const { deploys, upgrades, scales, upgradesAtMax } = verdict;
  return `can be deployed: ${word(deploys)}, upgraded: ${word(upgrades)}, scaled to its maximum: ${word(scales)}, upgraded then: ${word(upgradesAtMax)}\n`;
}

function some(texts: readonly string[]): string {
  return texts.length <= 8 ? texts.join(", ") : `${texts.slice(0, 8).join(", ")} and ${texts.length - 8} more`;
}

/** A plan for people: what there is, what is left, what fails first, and all problems. */

import type {
  Amounts,
  Budget,
  ClusterPlan,
  Failure,
  Forecast,
  Moment,
  NetworkPlan,
  OptionPlan,
  Plan,
  PlanProblem,
  PoolPlan,
  Room,
} from "../plan/index.ts";
import type { Block, ListItem, Words } from "../render/report.ts";

export function planReport(plan: Plan): readonly Block[] {
  const budgets = new Map(plan.budgets.map((budget) => [budget.id, budget]));
  const { lab, rules, provisioning, asOf, forecast, problems } = plan;
  return [
    heading(`Plan of lab ${lab}`),
    paragraph(`rules ${rules}${provisioning === undefined ? "" : `, made with ${provisioning}`}, limits of ${asOf}`),
    verdict(plan),
    ...plan.networks.flatMap((network) => networkBlocks(network, budgets)),
    ...plan.clusters.flatMap((cluster) => clusterBlocks(cluster, plan)),
    ...(forecast === undefined ? [] : forecastBlocks(forecast)),
    ...(problems.length === 0 ? [] : [heading("Problems"), { kind: "list" as const, items: problems.map(problemItem) }]),
  ];
}

function heading(text: string): Block {
  return { kind: "heading", text, level: 1 };
}

function paragraph(...words: readonly Words[]): Block {
  return { kind: "paragraph", words };
}

function table(heads: readonly string[], rows: readonly (readonly Words[])[]): readonly Block[] {
  return rows.length === 0 ? [] : [{ kind: "table", heads, rows }];
}

function verdict({ verdict: { deploys, upgrades, scales, upgradesAtMax } }: Plan): Block {
  const word = (isGood: boolean): Words => ({ text: isGood ? "yes" : "no", mood: isGood ? "good" : "bad" });
  return paragraph(
    "can be deployed: ",
    word(deploys),
    ", upgraded: ",
    word(upgrades),
    ", scaled to its maximum: ",
    word(scales),
    ", upgraded then: ",
    word(upgradesAtMax),
  );
}

const amountHeads = ["NOW", "UPGRADE", "MAX", "MAX UPGRADE"];

function amountTexts({ now, upgrade, max, maxUpgrade }: Amounts): readonly string[] {
  return [now, upgrade, max, maxUpgrade].map(String);
}

/** What is used at each moment, and what is left at the last. */
function amountCells({ used, capacity, left }: Budget): readonly Words[] {
  const bad = (amount: number, isBad: boolean): Words => (isBad ? { text: String(amount), mood: "bad" } : String(amount));
  const { now, upgrade, max, maxUpgrade } = used;
  return [...[now, upgrade, max, maxUpgrade].map((amount) => bad(amount, amount > capacity)), bad(left.maxUpgrade, left.maxUpgrade < 0)];
}

function networkBlocks(network: NetworkPlan, budgets: ReadonlyMap<string, Budget>): readonly Block[] {
  const { name, prefixes, subnets, unallocated } = network;
  const rows = subnets.flatMap(({ name: subnet, prefix, usable, exclusive, budget: id }): readonly (readonly Words[])[] => {
    const budget = budgets.get(id);
    if (budget === undefined) return [];
    const own = [subnet, prefix, String(usable), ...amountCells(budget), exclusive ?? ""];
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
  return [
    heading(`VNet ${name}, ${prefixes.join(", ")}`),
    ...table(["SUBNET", "PREFIX", "USABLE", ...amountHeads, "LEFT", "HOW"], rows),
    ...(unallocated.length === 0 ? [] : [paragraph({ text: `in no subnet: ${some(unallocated)}`, mood: "faint" })]),
  ];
}

function clusterBlocks(cluster: ClusterPlan, plan: Plan): readonly Block[] {
  const { name, optionName, podCidr, serviceCidr, pools, kubernetesVersion, pods, first } = cluster;
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
    ...amountCells(budget),
    budget.limit.source,
  ]);
  return [
    heading(`Cluster ${name}: ${facts.join(", ")}`),
    ...table(["POOL", "NODES", "MAX", "SURGE", "MAXPODS", "ADDRESSES A NODE", "PODS", "FIRST TO FAIL"], pools.map(poolRow)),
    ...(first === undefined ? [] : [paragraph("first to fail: ", { text: first.message, mood: "strong" }, ` (${first.code})`)]),
    ...(pods.pending > 0 ? [paragraph({ text: `${pods.pending} pods find no node`, mood: "warning" })] : []),
    ...table(["BUDGET", "OF", ...amountHeads, "LEFT", "LIMIT"], rows),
    paragraph({ text: outboundText(cluster), mood: "faint" }),
    ...provisioningBlocks(cluster),
    ...optionBlocks(cluster),
  ];
}

/** Those of single pools only when they are what ends something. */
function isWorthShowing({ kind, left, used }: Budget): boolean {
  if (kind === "poolNodes") return left.maxUpgradeAll < 0;
  if (kind === "balancerServices" || kind === "balancerRules" || kind === "serviceCidr") return used.now > 0;
  return true;
}

function poolRow(pool: PoolPlan): readonly Words[] {
  const { name, count, maxCount, surge, maxPods, addressesPerNode, pods, first, osType } = pool;
  const os = osType === "Windows" ? " (Windows)" : "";
  const surgeText = `${surge.max} (${surge.maxSurge}${surge.isDefault ? " by default" : ""})`;
  const isNear = first !== undefined && first.node <= maxCount;
  const end = failureText(first);
  return [
    name + os,
    String(count),
    String(maxCount),
    surgeText,
    String(maxPods),
    String(addressesPerNode),
    String(pods),
    isNear ? { text: end, mood: "bad" } : end,
  ];
}

function failureText(failure: Failure | undefined): string {
  if (failure === undefined) return "";
  return failure.when === "upgrade" ? `upgrade with ${failure.node} nodes: ${failure.budget}` : `node ${failure.node}: ${failure.budget}`;
}

function outboundText({ outbound }: ClusterPlan): string {
  const { outboundType, addresses, allocation, portsPerNode, cliffs = [], ports } = outbound;
  const many = addresses === undefined ? "" : `, ${addresses} public ${addresses === 1 ? "address" : "addresses"}`;
  if (allocation === "onDemand")
    return `out: ${outboundType}${ports === undefined ? "" : `${many}, ${ports} ports for all nodes on demand`}`;
  if (portsPerNode === undefined) return `out: ${outboundType}`;
  const { now, maxUpgrade } = portsPerNode;
  const later = maxUpgrade === now ? "" : `, ${maxUpgrade} at the largest while upgraded`;
  const [next] = cliffs;
  const cliff = next === undefined ? "" : `; with ${next.nodes} nodes ${next.from} become ${next.to}`;
  return `out: ${outboundType}${many}, ${now} ports a node${later}${cliff}`;
}

/** Only where the ways differ, as they did. */
function provisioningBlocks({ provisioning }: ClusterPlan): readonly Block[] {
  if (!provisioning.some(({ maxPods }) => maxPods.isFixed)) return [];
  const items = provisioning.map(({ route, maxPods, refusedPools }): ListItem => {
    const choice = maxPods.isFixed ? `${maxPods.default} pods a node, not to be changed` : `${maxPods.min} to ${maxPods.max} pods a node`;
    const refused: readonly Words[] = refusedPools.length === 0 ? [] : [{ text: `, not for ${refusedPools.join(", ")}`, mood: "bad" }];
    return { line: [`made with ${route}: ${choice}`, ...refused] };
  });
  return [{ kind: "list", items }];
}

/** Each option with the smallest ranges for the cluster as it is and for its largest upgrade; and why one is not to be had. */
function optionBlocks({ name: cluster, options }: ClusterPlan): readonly Block[] {
  const cells = (room: Room | undefined) => [roomCell(room, "now"), roomCell(room, "maxUpgrade")];
  const rows = options.map(({ name, isChosen, isPermitted, nodeSubnet, podSubnet, podCidr, routes, mostNodes }): readonly Words[] => [
    isChosen ? { text: name, mood: "strong" } : name,
    isPermitted ? { text: "yes", mood: "good" } : { text: "no", mood: "bad" },
    ...cells(nodeSubnet),
    ...cells(podSubnet ?? podCidr),
    String(routes.maxUpgrade),
    String(mostNodes.value),
  ]);
  const others = options.filter(({ isChosen }) => !isChosen);
  const refusals = grouped(others, (option) => option.refusals.map(({ code, message }) => `${message} (${code})`));
  const notes = grouped(options, (option) => option.notes);
  const items: readonly ListItem[] = [
    ...refusals.map(([reason, names]): ListItem => ({ line: [{ text: `not ${names}`, mood: "bad" }, `: ${reason}`] })),
    ...notes.map(([note, names]): ListItem => ({ line: [{ text: `${names}: ${note}`, mood: "faint" }] })),
  ];
  const heads = ["OPTION", "PERMITTED", "NODES' SUBNET", "AT MOST", "PODS' RANGE", "AT MOST", "ROUTES", "NODES, AT MOST"];
  return [
    { kind: "heading", text: `Cluster ${cluster} with each network option`, level: 2 },
    ...table(heads, rows),
    ...(items.length === 0 ? [] : [{ kind: "list" as const, items }]),
  ];
}

/** Each text with the names of the options that say it. */
function grouped(
  options: readonly OptionPlan[],
  textsOf: (option: OptionPlan) => readonly string[],
): readonly (readonly [string, string])[] {
  // A set: an option says a text once for each pool that it is about.
  const names = new Map<string, Set<string>>();
  for (const option of options) {
    for (const text of textsOf(option)) names.set(text, (names.get(text) ?? new Set()).add(option.name));
  }
  return [...names].map(([text, all]) => [text, all.size === options.length && all.size > 1 ? "any option" : [...all].join("; ")]);
}

/** `/25 (94)`. */
function roomCell(room: Room | undefined, moment: Moment): string {
  if (room === undefined) return "";
  const length = room.smallest[moment];
  return `${length === null ? "none" : `/${length}`} (${room.addresses[moment]})`;
}

function forecastBlocks({ from, until, growth, exhaustions, events }: Forecast): readonly Block[] {
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
    ...events.map(({ date, text }) => [date, text, "", "", ""]),
  ].sort(([a = ""], [b = ""]) => (a < b ? -1 : a > b ? 1 : 0));
  const [first] = exhaustions;
  const words: readonly Words[] =
    first === undefined
      ? [`nothing runs out until ${until}`]
      : [
          "first to run out: ",
          { text: `${first.name}${first.when === "upgrade" ? ", for an upgrade," : ""} on ${first.date}`, mood: "strong" },
        ];
  return [
    heading(`Forecast from ${from}: ${growth.join("; ")}`),
    paragraph(...words),
    ...table(["DATE", "WHAT RUNS OUT", "NEEDED", "NODES", "CODE"], rows),
  ];
}

function problemItem({ severity, code, when, target, file, line, message, source, fix }: PlanProblem): ListItem {
  const stage = when === "document" || when === "create" ? "" : `, on ${when}`;
  const place = file === undefined ? "" : `${file}${line === undefined ? "" : `:${line}`}: `;
  return {
    line: [
      { text: severity, mood: severity === "error" ? "bad" : "warning" },
      `: ${place}${target === "" ? "" : `${target}: `}${message} (${code}${stage})`,
    ],
    facts: [...(source === undefined ? [] : [["rule", source] as const]), ...(fix === undefined ? [] : [["fix", fix] as const])],
  };
}

function some(texts: readonly string[]): string {
  return texts.length <= 8 ? texts.join(", ") : `${texts.slice(0, 8).join(", ")} and ${texts.length - 8} more`;
}

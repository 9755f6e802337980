/**
 * Which network option? The lesson's decision between kubenet and Azure CNI, and today's between five options, explained: what is known, where from,
 * which options it excludes, which it speaks for, what contradicts itself, and what nobody has said. Figures are the plan's.
 */

import { retirements } from "../../arm/limits.ts";
import type { ManagedCluster } from "../../arm/resources.ts";
import { listArm, poolsOf } from "../../controllers/view.ts";
import { type LoadedLab, loadLab } from "../../documents/index.ts";
import { MemoryResources } from "../../resources/memory.ts";
import type { Resources } from "../../resources/resources.ts";
import { type Plan, type PlanSettings, planDocuments } from "../index.ts";
import type { ClusterPlan, OptionName } from "../model.ts";
import type { Answers } from "./answers.ts";
import { currentCriteria, currentOptions, lessonCriteria, lessonOptions, sentencesOf } from "./criteria.ts";
import { answeredFacts, designFacts, type Facts } from "./facts.ts";
import { type Advice, adviceVersion, type ClusterAdvice, type Criterion, type RankedOption } from "./model.ts";
import { contradictions, method, ranked } from "./rank.ts";
import { roomByOption } from "./room.ts";
import { supposedLab } from "./supposed.ts";

export { type Answers, answersSchema, answersTemplate, type ReadAnswers, readAnswers } from "./answers.ts";
export type * from "./model.ts";

/** Advice on the clusters of a design. Answers say what documents do not, and have the last word where they do. */
export function adviseDesign(loaded: LoadedLab, plan: Plan, answers?: Answers): Advice {
  const resources = new MemoryResources();
  resources.apply(loaded.readable);
  const clusters = plan.clusters.map((cluster) => {
    const resource = listArm(resources, "Microsoft.ContainerService/managedClusters").find(({ id }) => id === cluster.id);
    const facts = resource === undefined ? {} : designFacts(resources, resource);
    const source = `subnets ${[...new Set(cluster.pools.map(({ subnet }) => subnet))].join(", ")}`;
    const chosen = cluster.options.find(({ isChosen }) => isChosen)?.option;
    return adviseCluster(plan, cluster, {
      facts: { ...facts, ...(answers === undefined ? {} : answeredFacts(answers)) },
      spaceSource: source,
      sizeSource: cluster.pools.map(({ name, maxCount }) => `pool ${cluster.name}/${name}: ${maxCount}`).join(", "),
      chosen,
      move: resource === undefined ? undefined : { resources, resource },
    });
  });
  return adviceOf(plan, clusters);
}

/** Advice on a cluster of which there are only answers. Addresses are counted as for any design, in one that has what was answered. */
export function adviseAnswers(answers: Answers, settings: PlanSettings & { readonly rules: "current" | "lesson" }): Advice {
  const loaded = loadLab([supposedLab(answers, settings.rules)], () => undefined);
  const plan = planDocuments(loaded, settings);
  const { given, file } = answers;
  const clusters = plan.clusters.map((cluster) =>
    adviseCluster(plan, cluster, {
      facts: answeredFacts(answers),
      spaceSource: given.addressSpace === undefined ? undefined : `${file}: addressSpace`,
      sizeSource: given.nodes === undefined ? undefined : `${file}: nodes`,
      chosen: undefined,
      move: undefined,
    }),
  );
  return adviceOf(plan, clusters);
}

function adviceOf(plan: Plan, clusters: readonly ClusterAdvice[]): Advice {
  const engines = new Set(clusters.flatMap(({ criteria }) => criteria.find(({ id }) => id === "networkPolicy")?.found?.words ?? []));
  const hasManager = [...engines].some((words) => words.includes("Manager"));
  const { kubenet, policyManagerLinux, policyManagerWindows } = retirements;
  const dates = [kubenet, ...(hasManager ? [policyManagerWindows, policyManagerLinux] : [])];
  return { version: adviceVersion, rules: plan.rules, asOf: plan.asOf, method, clusters, dates };
}

type Case = {
  readonly facts: Facts;
  readonly spaceSource: string | undefined;
  readonly sizeSource: string | undefined;
  readonly chosen: OptionName | undefined;
  /** Of a cluster that is there already. */
  readonly move: { readonly resources: Resources; readonly resource: ManagedCluster } | undefined;
};

function adviseCluster(plan: Plan, cluster: ClusterPlan, { facts, spaceSource, sizeSource, chosen, move }: Case): ClusterAdvice {
  const isLesson = plan.rules === "lesson";
  const options = isLesson ? lessonOptions : currentOptions;
  const known = { facts, cluster, rooms: roomByOption(plan, cluster), spaceSource, sizeSource, asOf: plan.asOf };
  const criteria = isLesson ? lessonCriteria(known) : currentCriteria(known);
  const ranking = ranked(cluster, criteria, options, plan.rules);
  const best = ranking.find(({ rank }) => rank === 1);
  return {
    cluster: cluster.name,
    ...(chosen === undefined ? {} : { chosen }),
    ...(best === undefined ? {} : { recommended: best.option }),
    because: reason(ranking, criteria),
    criteria,
    ...(isLesson ? { sentences: sentencesOf(criteria) } : {}),
    ranking,
    contradictions: contradictions(cluster, criteria, options, chosen),
    hints: isLesson ? [] : hintsOf(facts, best?.option, chosen, move),
  };
}

function reason(ranking: readonly RankedOption[], criteria: readonly Criterion[]): string {
  const [best, second] = ranking.filter(({ rank }) => rank !== undefined);
  const matters = (ids: readonly string[]) => ids.map((id) => criteria.find((one) => one.id === id)?.matter ?? id).join(", ");
  if (best === undefined) return "every option is excluded: see what contradicts itself";
  const own =
    best.supportedBy.length === 0
      ? "nothing excludes it"
      : `${matters(best.supportedBy)} ${best.supportedBy.length === 1 ? "speaks" : "speak"} for it`;
  if (second === undefined) return `it is the only option that nothing excludes; ${own}`;
  if (second.supportedBy.length < best.supportedBy.length)
    return `${own}, which is ${best.supportedBy.length} to ${second.supportedBy.length} of ${second.name}`;
  const sum = ({ figures }: RankedOption) => figures.nodeSubnet.addresses.maxUpgrade + (figures.podSubnet?.addresses.maxUpgrade ?? 0);
  if (sum(best) < sum(second))
    return `${own}, as for ${second.name}; it takes fewer addresses of the VNet (${sum(best)}, not ${sum(second)})`;
  return `${own}, as for ${second.name}; it needs fewer routes (${best.figures.routes.maxUpgrade}, not ${second.figures.routes.maxUpgrade})`;
}

function hintsOf(facts: Facts, best: OptionName | undefined, chosen: OptionName | undefined, move: Case["move"]): ClusterAdvice["hints"] {
  const hints: { readonly text: string; readonly source: string }[] = [];
  const engine = facts.networkPolicy?.value;
  if (
    best !== undefined &&
    best !== "kubenet" &&
    facts.windowsPools?.value === false &&
    move?.resource.properties.networkProfile.networkDataplane !== "cilium"
  ) {
    const text =
      "With Linux nodes only, the Cilium data plane is to be had: eBPF in place of kube-proxy, and Cilium enforces network policies.";
    hints.push({ text, source: "aks:azure-cni-powered-by-cilium.md" });
  }
  if (engine === "azure") {
    const { policyManagerLinux, policyManagerWindows } = retirements;
    const text = `Azure Network Policy Manager ends on ${policyManagerWindows.date} with Windows and on ${policyManagerLinux.date} with Linux nodes: Cilium or Calico outlive it.`;
    hints.push({ text, source: policyManagerLinux.source });
  }
  if (chosen === undefined || best === undefined || chosen === best || move === undefined) return hints;
  const pools = poolsOf(move.resources, move.resource);
  const canMove = best === "overlay" && (chosen === "kubenet" || chosen === "nodeSubnet");
  const engineWords = engine === undefined || engine === "none" || engine === "any" ? "" : ", after its policy engine is removed";
  const text = canMove
    ? `The cluster can be moved in place, one way: all nodes of its ${pools.length === 1 ? "pool" : `${pools.length} pools`} are reimaged at once${engineWords}.`
    : "The cluster cannot be moved in place: it is made anew with the option.";
  hints.push({ text, source: "aks:update-azure-cni.md" });
  return hints;
}

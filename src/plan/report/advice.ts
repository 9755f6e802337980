/** Advice as blocks of a report. */

import { type Block, type Document, span, type Words } from "../../render/document.ts";
import type { Advice, ClusterAdvice, Criterion, RankedOption } from "../advice/index.ts";
import type { OptionName } from "../model.ts";
import { optionShortNames, rangeText } from "./words.ts";

/** `comparisons`: of the options, by cluster. */
export function adviceDocument(advice: Advice, comparisons: ReadonlyMap<string, readonly Block[]> = new Map()): Document {
  const blocks = advice.clusters.flatMap((cluster) => [
    ...(advice.clusters.length > 1 ? [{ kind: "heading", level: 2, text: `Cluster ${cluster.cluster}` } as const] : []),
    ...clusterAdviceBlocks(cluster),
    ...(comparisons.get(cluster.cluster) ?? []),
  ]);
  return { title: `Which network option? Rules ${advice.rules}, limits of ${advice.asOf}`, blocks: [...blocks, ...methodBlocks(advice)] };
}

/** One cluster's, from the recommendation to what is not known. */
export function clusterAdviceBlocks(cluster: ClusterAdvice): readonly Block[] {
  const { ranking, chosen, recommended, because, contradictions, hints, criteria, sentences } = cluster;
  const nameOf = (option: OptionName | undefined) => ranking.find((one) => one.option === option)?.name;
  const isSame = recommended !== undefined && chosen === recommended;
  const answer: Words =
    recommended === undefined
      ? [span("bad", "No option is left"), `: ${because}.`]
      : [span(isSame || chosen === undefined ? "good" : "warn", nameOf(recommended) ?? recommended), `: ${because}.`];
  const present: Words[] =
    chosen === undefined
      ? []
      : [isSame ? "It is what the design has." : ["The design has ", span("strong", nameOf(chosen) ?? chosen), "."]];
  const best = ranking.find(({ rank }) => rank === 1);
  const unknown = criteria.filter(({ found }) => found === undefined);
  return [
    {
      kind: "paragraph",
      words: ["Recommended for ", cluster.cluster, ": ", ...spans(answer), ...present.flatMap((words) => [" ", ...spans(words)])],
    },
    ...(contradictions.length === 0
      ? []
      : [
          { kind: "heading", level: 3, text: "What cannot be had together" } as const,
          { kind: "list", items: contradictions.map(({ message }) => message) } as const,
        ]),
    { kind: "heading", level: 3, text: "The options" },
    optionsTable(ranking, chosen, criteria),
    ...(sentences === undefined ? [] : sentenceBlocks(sentences)),
    { kind: "heading", level: 3, text: "What decides" },
    criteriaTable(
      criteria.filter(({ found }) => found !== undefined),
      ranking,
    ),
    ...(unknown.length === 0
      ? []
      : [
          { kind: "heading", level: 3, text: "What nobody says" } as const,
          { kind: "list", items: unknown.map(({ matter, ask }) => `${matter}${ask === undefined ? "" : `: ${ask}`}`) } as const,
        ]),
    ...(best === undefined
      ? []
      : [
          { kind: "heading", level: 3, text: "Beside it" } as const,
          { kind: "list", items: [...best.later, ...hints.map(({ text, source }) => `${text} (${source})`)] } as const,
        ]),
  ];
}

/** How the ranking comes about, and which dates it knows. */
export function methodBlocks({ method, dates }: Advice): readonly Block[] {
  return [
    { kind: "heading", level: 2, text: "How the options are ranked" },
    { kind: "list", ordered: true, items: method },
    { kind: "heading", level: 2, text: "Dates" },
    {
      kind: "table",
      caption: "What is retired, and when",
      heads: ["Date", "What", "Source"],
      rows: dates.map(({ date, what, source }) => [date, what, source]),
    },
  ];
}

function spans(words: Words) {
  return typeof words === "string" ? [words] : words;
}

function optionsTable(ranking: readonly RankedOption[], chosen: OptionName | undefined, criteria: readonly Criterion[]): Block {
  const matters = (ids: readonly string[]) => ids.map((id) => criteria.find((one) => one.id === id)?.matter ?? id).join(", ");
  return {
    kind: "table",
    caption: "Network options, best first",
    isProse: true,
    heads: ["Option", "", "Nodes' subnet", "Pods' range", "Routes", "Nodes at most", "For it", "Excluded by"],
    rows: ranking.map(({ option, name, rank, figures, supportedBy, excludedBy }) => [
      option === chosen ? [span("strong", name)] : name,
      rank === undefined ? [span("bad", "excluded")] : [span(rank === 1 ? "good" : "dim", `${rank}.`)],
      rangeText(figures.nodeSubnet),
      rangeText(figures.podSubnet ?? figures.podCidr),
      String(figures.routes.maxUpgrade),
      String(figures.mostNodes.value),
      supportedBy.length === 0 ? "" : `${supportedBy.length}: ${matters(supportedBy)}`,
      matters(excludedBy),
    ]),
  };
}

function sentenceBlocks(sentences: NonNullable<ClusterAdvice["sentences"]>): readonly Block[] {
  const of = (option: "kubenet" | "nodeSubnet") => sentences.filter((sentence) => sentence.option === option);
  const words = { true: span("good", "yes"), false: span("dim", "no"), unknown: span("warn", "not known") };
  return [
    { kind: "heading", level: 3, text: "The lesson's twelve" },
    {
      kind: "table",
      caption: "Six reasons for each, and whether they hold here",
      isProse: true,
      heads: ["kubenet when", "Holds", "Azure CNI when", "Holds"],
      rows: of("kubenet").map((left, index) => {
        const right = of("nodeSubnet")[index];
        return [left.text, [words[`${left.holds}`]], right?.text ?? "", right === undefined ? "" : [words[`${right.holds}`]]];
      }),
    },
  ];
}

function criteriaTable(criteria: readonly Criterion[], ranking: readonly RankedOption[]): Block {
  return {
    kind: "table",
    caption: "Each criterion with what was found, and what it says",
    isProse: true,
    heads: ["Matter", "Found", "Says"],
    rows: criteria.map(({ matter, found, verdicts }) => [
      matter,
      found === undefined ? "" : [found.words, span("dim", ` (${found.source})`)],
      verdictWords(verdicts, ranking),
    ]),
  };
}

/** Options of which the same is said stand together. */
function verdictWords(verdicts: Criterion["verdicts"], ranking: readonly RankedOption[]): Words {
  const groups = new Map<
    string,
    { readonly says: "excludes" | "for"; readonly because: string; readonly source: string; readonly options: OptionName[] }
  >();
  for (const { option } of ranking) {
    const verdict = verdicts[option];
    if (verdict === undefined) continue;
    const key = `${verdict.says}\0${verdict.because}\0${verdict.source}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { ...verdict, options: [option] });
    else group.options.push(option);
  }
  if (groups.size === 0) return [span("dim", "the same for all")];
  return [...groups.values()].flatMap(({ says, because, source, options }, index) => [
    index === 0 ? "" : "; ",
    span(says === "excludes" ? "bad" : "good", says === "excludes" ? "not " : "for "),
    `${options.map((option) => optionShortNames[option]).join(", ")}: ${because}`,
    span("dim", source === "plan" ? "" : ` (${source})`),
  ]);
}

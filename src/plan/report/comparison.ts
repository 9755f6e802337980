/** The lesson's table of the options, filled in for one design: figures of the plan, and what packets do. */

import type { ManagedNetworkOption } from "../../arm/network-option.ts";
import { type Block, span, type Words } from "../../render/document.ts";
import type { ClusterPlan, OptionName, OptionPlan } from "../model.ts";
import { count, rangeText } from "./words.ts";

/** As flows/options-traced.ts gives it. */
export type Traced = {
  readonly option: ManagedNetworkOption;
  readonly name: string;
  readonly isChosen: boolean;
  readonly refused?: string;
  readonly assumed: readonly string[];
  readonly legs: readonly TracedLeg[];
};

type TracedLeg = {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly outcome: string;
  readonly seen?: { readonly address: string; readonly whose: string };
  readonly hops: number;
  readonly translations: number;
  readonly because?: string;
};

const legWords: Readonly<Record<string, string>> = {
  pod: "a pod on another node sees",
  vm: "a VM of the VNet sees",
  peered: "a VM of another VNet sees",
  site: "on-premises sees",
  internet: "an Internet host sees",
  fromVm: "a VM of the VNet opens a connection to a pod",
  fromPeered: "a VM of another VNet opens a connection to a pod",
  fromSite: "on-premises opens a connection to a pod",
};

/** A pod subnet is compared with addresses taken one by one. */
const planned: Readonly<Record<ManagedNetworkOption, OptionName>> = {
  kubenet: "kubenet",
  nodeSubnet: "nodeSubnet",
  podSubnet: "podSubnetDynamic",
  overlay: "overlay",
};

export function comparisonBlocks(cluster: ClusterPlan, traced: readonly Traced[]): readonly Block[] {
  const columns = traced.flatMap((one) => {
    const figures = cluster.options.find(({ option }) => option === planned[one.option]);
    return figures === undefined ? [] : [{ traced: one, figures }];
  });
  if (columns.length === 0) return [];
  const row = (what: string, value: (figures: OptionPlan, one: Traced) => Words): readonly Words[] => [
    what,
    ...columns.map(({ figures, traced: one }) => value(figures, one)),
  ];
  const taken = (moment: "now" | "max" | "maxUpgrade") => (figures: OptionPlan) =>
    count(figures.nodeSubnet.addresses[moment] + (figures.podSubnet?.addresses[moment] ?? 0));
  const ids = Object.keys(legWords).filter((id) => traced.some(({ legs }) => legs.some((leg) => leg.id === id)));
  return [
    { kind: "heading", level: 3, text: `${cluster.name} with each option` },
    {
      kind: "table",
      caption: `Cluster ${cluster.name} with each network option: counted by the plan, and traced in the same surroundings with two nodes and a pod on each`,
      isProse: true,
      heads: ["", ...columns.map(({ traced: { name, isChosen } }) => (isChosen ? `${name} (as it is)` : name))],
      rows: [
        row("can be had", (_, { refused }) => (refused === undefined ? [span("good", "yes")] : [span("bad", "no"), `: ${refused}`])),
        row("VNet addresses now", taken("now")),
        row("at its largest", taken("max")),
        row("and while a pool is upgraded", taken("maxUpgrade")),
        row("smallest subnet for nodes", ({ nodeSubnet }) => rangeText(nodeSubnet)),
        row("smallest range for pods", ({ podSubnet, podCidr }) => rangeText(podSubnet ?? podCidr)),
        row("routes to look after", ({ routes }) => count(routes.maxUpgrade)),
        row("nodes at most", ({ mostNodes }) => count(mostNodes.value)),
        ...ids.map((id) => row(legWords[id] ?? id, (_, { legs }) => legText(legs.find((leg) => leg.id === id)))),
      ],
    },
    ...assumptions(columns.map(({ traced: one }) => one)),
  ];
}

/** "the node, 10.240.0.4: 4 hops, 1 translation" */
function legText(leg: TracedLeg | undefined): Words {
  if (leg === undefined) return [span("dim", "not traced")];
  const { id, seen, hops, translations, outcome, because } = leg;
  if (seen === undefined)
    return [span("bad", id.startsWith("from") ? "no" : "nothing"), `: ${outcome}${because === undefined ? "" : `, ${because}`}`];
  const own = id.startsWith("from") ? "itself" : "the pod";
  const whose = seen.whose === "another" ? seen.address : `${seen.whose === "the sender" ? own : seen.whose}, ${seen.address}`;
  const way = `${hops} hops, ${translations === 0 ? "no translation" : `${translations} translation${translations === 1 ? "" : "s"}`}`;
  return id.startsWith("from") ? [span("good", "yes"), `, seen as ${whose}: ${way}`] : `${whose}: ${way}`;
}

function assumptions(traced: readonly Traced[]): readonly Block[] {
  const items = traced.flatMap(({ name, assumed }) => (assumed.length === 0 ? [] : [`${name}: ${assumed.join("; ")}`]));
  return items.length === 0
    ? []
    : [
        { kind: "paragraph", words: [span("dim", "Chosen where the design leaves it open:")] },
        { kind: "list", items },
      ];
}

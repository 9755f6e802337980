/**
 * From criteria to a ranking: what is excluded drops out, and of the rest the one comes first that most criteria speak for. No criterion has a weight,
 * so that whoever disagrees can count again.
 */

import type { RuleSet } from "../../arm/limits.ts";
import type { ClusterPlan, OptionName } from "../model.ts";
import type { Contradiction, Criterion, RankedOption } from "./model.ts";

/** In the words of the report. */
export const method: readonly string[] = [
  "An option drops out when a single criterion excludes it: Azure refuses it, it cannot do what is wanted, or there is no room for it.",
  "Of the rest, the option comes first that most criteria speak for. Each counts one; none has a weight.",
  "Between equals: fewer addresses of the VNet when one pool is upgraded at the cluster's largest, then fewer user-defined routes.",
  "What is not known speaks for nobody, and is listed.",
];

export function ranked(
  cluster: ClusterPlan,
  criteria: readonly Criterion[],
  options: readonly OptionName[],
  rules: RuleSet,
): readonly RankedOption[] {
  const candidates = cluster.options
    .filter(({ option }) => options.includes(option))
    .map((figures) => ({
      figures,
      excludedBy: saying(criteria, figures.option, "excludes"),
      supportedBy: saying(criteria, figures.option, "for"),
      addresses: figures.nodeSubnet.addresses.maxUpgrade + (figures.podSubnet?.addresses.maxUpgrade ?? 0),
    }));
  candidates.sort(
    (a, b) =>
      Math.min(a.excludedBy.length, 1) - Math.min(b.excludedBy.length, 1) ||
      b.supportedBy.length - a.supportedBy.length ||
      a.addresses - b.addresses ||
      a.figures.routes.maxUpgrade - b.figures.routes.maxUpgrade,
  );
  return candidates.map(({ figures, excludedBy, supportedBy }, index) => ({
    option: figures.option,
    name: figures.name,
    excludedBy,
    supportedBy,
    ...(excludedBy.length === 0 ? { rank: index + 1 } : {}),
    figures,
    later: rules === "lesson" ? laterOf2019 : later[figures.option],
  }));
}

function saying(criteria: readonly Criterion[], option: OptionName, says: "excludes" | "for"): readonly string[] {
  return criteria.filter(({ verdicts }) => verdicts[option]?.says === says).map(({ id }) => id);
}

const laterOf2019 = ["It cannot be changed later: with another option the cluster is made anew."];

const podSubnetLater = ["No other option can be reached in place: the cluster would be made anew (aks:update-azure-cni.md)."];

const later: Readonly<Record<OptionName, readonly string[]>> = {
  kubenet: [
    "It can be moved to Azure CNI Overlay in place, one way, and to no other option; Calico goes first (aks:update-azure-cni.md).",
    "The pod CIDR stays as it is.",
  ],
  nodeSubnet: [
    "It can be moved to Azure CNI Overlay in place, one way, and to no other option; policy engines go first (aks:update-azure-cni.md).",
    "maxPods of a pool, and so the addresses of its nodes, stay as they are.",
  ],
  podSubnetDynamic: podSubnetLater,
  podSubnetStatic: podSubnetLater,
  overlay: [
    "Nothing leads away from it (aks:update-azure-cni.md).",
    "The pod CIDR may grow to a larger one around it, with Linux nodes (aks:azure-cni-overlay-pod-expand.md).",
  ],
};

/** A wish rules out options. */
type Wish = { readonly id: string; readonly words: string; readonly excludes: ReadonlyMap<OptionName, string> };

/**
 * The smallest sets of wishes that leave no option: with one of them given up, there is one. What the design has chosen is a wish too, which rules out
 * all other options.
 */
export function contradictions(
  cluster: ClusterPlan,
  criteria: readonly Criterion[],
  options: readonly OptionName[],
  chosen: OptionName | undefined,
): readonly Contradiction[] {
  const names = new Map(cluster.options.map(({ option, name }) => [option, name]));
  const wishes = criteria.flatMap((one): readonly Wish[] => {
    const excluded = options.flatMap((option) => {
      const verdict = one.verdicts[option];
      return verdict?.says === "excludes" ? [[option, verdict.because] as const] : [];
    });
    if (excluded.length === 0 || one.found === undefined) return [];
    return [{ id: one.id, words: `${one.matter}: ${one.found.words} (${one.found.source})`, excludes: new Map(excluded) }];
  });
  if (chosen !== undefined && options.includes(chosen)) {
    const others = options.filter((option) => option !== chosen).map((option) => [option, ""] as const);
    wishes.push({ id: "chosen", words: `the design has ${names.get(chosen)}`, excludes: new Map(others) });
  }
  return minimalCovers(wishes, options).map((set) => {
    const hasChosen = set.some(({ id }) => id === "chosen");
    const reasons = options
      .filter((option) => !hasChosen || option === chosen)
      .map(
        (option) =>
          `${names.get(option)}: ${set.find(({ id, excludes }) => id !== "chosen" && excludes.has(option))?.excludes.get(option)}`,
      );
    return { between: set.map(({ id }) => id), message: `${set.map(({ words }) => words).join(", and ")} — ${reasons.join("; ")}` };
  });
}

/** All sets of wishes that together exclude every option, and none of which does so without one of its members. There are few wishes: all subsets are tried, small ones first. */
function minimalCovers(wishes: readonly Wish[], options: readonly OptionName[]): readonly (readonly Wish[])[] {
  const sets = Array.from({ length: 2 ** wishes.length }, (_, bits) => wishes.filter((_wish, index) => (bits & (1 << index)) !== 0));
  sets.sort((a, b) => a.length - b.length);
  const found: (readonly Wish[])[] = [];
  for (const set of sets) {
    if (found.some((smaller) => smaller.every((wish) => set.includes(wish)))) continue;
    if (options.every((option) => set.some(({ excludes }) => excludes.has(option)))) found.push(set);
  }
  return found;
}

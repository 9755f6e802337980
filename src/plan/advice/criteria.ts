/**
 * The criteria of both rule sets. `current`: what decides today between five options. `lesson`: the decision between kubenet and Azure CNI as it was
 * taught about 2019, six reasons for each; where the service of that time already did otherwise, its documents win.
 *
 * Each criterion is a function of what is known; none has a weight. AKS docs: concepts-network (2019), concepts-network-cni-overview (2026).
 */

import { retirements } from "../../arm/limits.ts";
import type { ClusterPlan, OptionName } from "../model.ts";
import type { Facts } from "./facts.ts";
import type { Criterion, Fact, Sentence, Verdict } from "./model.ts";
import type { RoomFor } from "./room.ts";

export type Known = {
  readonly facts: Facts;
  readonly cluster: ClusterPlan;
  readonly rooms: Readonly<Record<OptionName, RoomFor>>;
  /** Where the figures of addresses come from: documents, or answers. `undefined`: nobody has said which range is free. */
  readonly spaceSource: string | undefined;
  /** Absent when nobody has said how many nodes there are. */
  readonly sizeSource: string | undefined;
  readonly asOf: string;
};

type Verdicts = Criterion["verdicts"];

const overview = "aks:concepts-network-cni-overview.md";
const lessonSource = "azdocs:articles/aks/concepts-network.md (2019)";
const all: readonly OptionName[] = ["kubenet", "nodeSubnet", "podSubnetDynamic", "podSubnetStatic", "overlay"];
/** Pods have addresses of the VNet. */
const flat: readonly OptionName[] = ["nodeSubnet", "podSubnetDynamic", "podSubnetStatic"];
/** Pods have a range of their own. */
const hidden: readonly OptionName[] = ["kubenet", "overlay"];
const allButKubenet = all.filter((option) => option !== "kubenet");

export function currentCriteria(known: Known): readonly Criterion[] {
  const { facts, asOf } = known;
  const { date, source } = retirements.kubenet;
  const until = facts.until;
  const isGone = asOf >= date || (until !== undefined && until.value > date);
  const found = [
    criterion(
      "lifetime",
      "retirement",
      {
        words: `kubenet retires on ${date}; ${until === undefined ? "nobody says how long the cluster lives" : `the cluster lives until ${until.value}`}`,
        source: until?.source ?? source,
      },
      {
        ...(isGone ? excludes(["kubenet"], `it retires on ${date}, before the cluster does`, source) : {}),
        ...speaks(allButKubenet, "no end is announced", source),
      },
    ),
    windows(facts),
    virtualNodes(facts),
    policies(facts),
    fromFact("reach", "connections from outside to pods", facts.podsReachedFromOutside, "podsReachedFromOutside", (value) => ({
      words: value ? "machines outside must reach the pods' own addresses" : "pods are reached by Services only",
      verdicts: value ? excludes(hidden, "nothing outside the cluster can open a connection to a pod's address", overview) : {},
    })),
    fromFact("source", "whose address receivers see", facts.podAddressSeen, "podAddressSeen", (value) => ({
      words: {
        nowhere: "the node's address will do everywhere",
        vnet: "machines of the VNet must see the pod's address",
        everywhere: "peered VNets and on-premises must see the pod's address",
      }[value],
      verdicts:
        value === "nowhere"
          ? {}
          : {
              ...excludes(hidden, "whatever leaves the cluster has the node's address", overview),
              ...(value === "everywhere"
                ? excludes(["nodeSubnet"], "beyond the VNet pods have the node's address", "aks:concepts-network-legacy-cni.md")
                : {}),
            },
    })),
    traffic(facts, hidden, flat, overview),
    fromFact("onPremises", "on-premises networks", facts.onPremises, "onPremises", (value) => ({
      words: value ? "connected; pods open connections to them with every option" : "none",
      verdicts: {},
    })),
    addresses(known, {}),
    size(known),
    fromFact("routes", "user-defined routes", facts.userDefinedRoutes, "userDefinedRoutes", (value) => ({
      words: value === "avoid" ? "nobody wants to look after any" : "a route table on the node subnet is accepted",
      verdicts: value === "avoid" ? speaks(allButKubenet, "pods need no routes", "aks:configure-kubenet.md") : {},
    })),
    fromFact("sharedSubnet", "a subnet for several clusters", facts.sharedSubnet, "sharedSubnet", (value) => ({
      words: value ? "another cluster is in the node subnet" : "the cluster has its subnets alone",
      verdicts: value ? excludes(["kubenet"], "its route table is one cluster's alone", "aks:configure-kubenet.md") : {},
    })),
    fromFact("dualStack", "IPv6 for pods", facts.dualStack, "dualStack", (value) => ({
      words: value ? "wanted" : "not wanted",
      verdicts: value ? excludes(flat, "pods have IPv4 addresses only", "aks:configure-dual-stack.md") : {},
    })),
  ];
  return [...found, ...refusals(known, found)];
}

/** The lesson's: each of the six says something for one of the two. */
export function lessonCriteria(known: Known): readonly Criterion[] {
  const { facts } = known;
  const found = [
    addresses(known, speaks(["nodeSubnet"], "there is an address for every pod", lessonSource)),
    traffic(facts, ["kubenet"], ["nodeSubnet"], lessonSource),
    fromFact("routes", "user-defined routes", facts.userDefinedRoutes, "userDefinedRoutes", (value) => ({
      words: value === "avoid" ? "nobody wants to look after any" : "a route table on the node subnet is accepted",
      verdicts:
        value === "avoid"
          ? speaks(["nodeSubnet"], "pods need no routes", lessonSource)
          : speaks(["kubenet"], "its routes, one for each node, can be looked after", lessonSource),
    })),
    lessonPolicies(facts),
    features(facts),
    fromFact("onPremises", "on-premises networks", facts.onPremises, "onPremises", (value) => ({
      words: value ? "connected" : "none",
      verdicts: value
        ? speaks(["nodeSubnet"], "on-premises reaches pods at their own addresses", lessonSource)
        : speaks(["kubenet"], "nobody there has to reach a pod", lessonSource),
    })),
  ];
  const judged = [...found, size(known)].map(onlyOfLesson);
  return [...judged, ...refusals(known, judged).map(onlyOfLesson)];
}

export const lessonOptions: readonly OptionName[] = ["kubenet", "nodeSubnet"];
export const currentOptions = all;

const lessonSentences: readonly Omit<Sentence, "holds">[] = [
  { option: "kubenet", criterion: "addresses", text: "the address space is limited" },
  { option: "kubenet", criterion: "traffic", text: "most traffic of the pods stays within the cluster" },
  { option: "kubenet", criterion: "routes", text: "user-defined routes can be looked after" },
  { option: "kubenet", criterion: "networkPolicy", text: "no network policies are needed" },
  { option: "kubenet", criterion: "features", text: "neither virtual nodes nor Windows pools are needed" },
  { option: "kubenet", criterion: "onPremises", text: "nothing on-premises has to reach the pods" },
  { option: "nodeSubnet", criterion: "addresses", text: "there are addresses for all pods" },
  { option: "nodeSubnet", criterion: "traffic", text: "most traffic of the pods leaves the cluster" },
  { option: "nodeSubnet", criterion: "routes", text: "nobody wants to look after user-defined routes" },
  { option: "nodeSubnet", criterion: "networkPolicy", text: "network policies are needed" },
  { option: "nodeSubnet", criterion: "features", text: "virtual nodes or Windows pools are needed" },
  { option: "nodeSubnet", criterion: "onPremises", text: "on-premises networks reach the pods" },
];

/** The twelve, and whether they hold here. */
export function sentencesOf(criteria: readonly Criterion[]): readonly Sentence[] {
  return lessonSentences.map((sentence) => {
    const decided = criteria.find(({ id }) => id === sentence.criterion);
    const isKnown = decided?.found !== undefined;
    return { ...sentence, holds: isKnown ? decided.verdicts[sentence.option]?.says === "for" : "unknown" };
  });
}

function onlyOfLesson(one: Criterion): Criterion {
  return {
    ...one,
    verdicts: Object.fromEntries(Object.entries(one.verdicts).filter(([option]) => lessonOptions.some((known) => known === option))),
  };
}

function windows(facts: Facts): Criterion {
  return fromFact("windowsPools", "Windows node pools", facts.windowsPools, "windowsPools", (value) => ({
    words: value ? "wanted" : "none",
    verdicts: value ? excludes(["kubenet"], "it has Linux nodes only", "aks:configure-kubenet.md") : {},
  }));
}

function virtualNodes(facts: Facts): Criterion {
  return fromFact("virtualNodes", "virtual nodes", facts.virtualNodes, "virtualNodes", (value) => ({
    words: value ? "wanted" : "none",
    verdicts: value ? excludes(hidden, "virtual nodes work with pods only that have addresses of the VNet", "aks:virtual-nodes.md") : {},
  }));
}

const policySource = "aks:use-network-policies.md";

function policies(facts: Facts): Criterion {
  return fromFact("networkPolicy", "network policies", facts.networkPolicy, "networkPolicy", (value) => {
    switch (value) {
      case "none":
        return { words: "not wanted", verdicts: {} };
      case "any":
        return {
          words: "wanted, by whichever engine",
          verdicts: speaks(allButKubenet, "there is a choice of engines; kubenet has Calico only", policySource),
        };
      case "calico":
        return { words: "wanted, by Calico", verdicts: {} };
      case "azure":
      case "cilium":
        return {
          words: `wanted, by ${engineNames[value]}`,
          verdicts: excludes(["kubenet"], `it has Calico, not ${engineNames[value]}`, policySource),
        };
      default:
        throw new Error(`unknown engine ${String(value satisfies never)}`);
    }
  });
}

const engineNames = { azure: "Azure Network Policy Manager", cilium: "Cilium" } as const;

/** Calico on kubenet came on 2019-09-30 (Azure/AKS, CHANGELOG.md), so that only the other engines exclude it. */
function lessonPolicies(facts: Facts): Criterion {
  const one = policies(facts);
  const value = facts.networkPolicy?.value;
  if (value === undefined) return one;
  if (value === "none") return { ...one, verdicts: speaks(["kubenet"], "none are needed", lessonSource) };
  return { ...one, verdicts: { ...one.verdicts, ...speaks(["nodeSubnet"], "it has network policies", lessonSource) } };
}

/** Windows pools and virtual nodes, which the lesson names in one breath. */
function features(facts: Facts): Criterion {
  const [pools, nodes] = [windows(facts), virtualNodes(facts)];
  const wanted = [pools, nodes].filter((_, index) => (index === 0 ? facts.windowsPools : facts.virtualNodes)?.value === true);
  const isKnown = wanted.length > 0 || (pools.found !== undefined && nodes.found !== undefined);
  if (!isKnown)
    return { id: "features", matter: "virtual nodes and Windows pools", ask: "answer virtualNodes and windowsPools", verdicts: {} };
  const sources = (wanted.length > 0 ? wanted : [pools, nodes]).map(({ found }) => found?.source ?? "").join("; ");
  const words = wanted.length === 0 ? "neither" : wanted.map(({ matter }) => `${matter} wanted`).join(", ");
  const verdicts: Verdicts =
    wanted.length === 0
      ? speaks(["kubenet"], "neither is needed", lessonSource)
      : {
          ...together(wanted.map(({ verdicts: each }) => each)),
          ...speaks(["nodeSubnet"], "it has them", lessonSource),
        };
  return criterion("features", "virtual nodes and Windows pools", { words, source: sources }, verdicts);
}

function traffic(facts: Facts, inside: readonly OptionName[], outside: readonly OptionName[], source: string): Criterion {
  return fromFact("traffic", "traffic of the pods", facts.traffic, "traffic", (value) => ({
    words: value === "insideCluster" ? "most stays within the cluster" : "most leaves the cluster",
    verdicts:
      value === "insideCluster"
        ? speaks(inside, "only what leaves the cluster gets the node's address, and that is little", source)
        : speaks(outside, "pods talk to the VNet under their own addresses, without a translation on the node", source),
  }));
}

/** `whenEnough`: what is said of options that need addresses for pods, and have them. */
function addresses({ rooms, spaceSource, sizeSource, cluster }: Known, whenEnough: Verdicts): Criterion {
  const matter = "address space of the VNet";
  if (spaceSource === undefined || sizeSource === undefined)
    return { id: "addresses", matter, ask: "answer nodes, maxPods and addressSpace", verdicts: {} };
  const tight = all.filter((option) => !rooms[option].fits);
  const byOption = tight.map((option) => excludes([option], rooms[option].words, "plan"));
  const words = `${cluster.nodes.maxUpgrade} nodes at its largest upgrade; with addresses for pods on the nodes, ${rooms.nodeSubnet.words}`;
  const isLimited = !rooms.nodeSubnet.fits;
  const forHidden = speaks(
    hidden.filter((option) => rooms[option].fits),
    `a node takes one address (${rooms.overlay.words})`,
    "plan",
  );
  const verdicts = together([isLimited ? forHidden : whenEnough, ...byOption]);
  return criterion("addresses", matter, { words, source: spaceSource }, verdicts);
}

function size({ cluster, sizeSource }: Known): Criterion {
  const matter = "number of nodes";
  if (sizeSource === undefined) return { id: "size", matter, ask: "answer nodes", verdicts: {} };
  const { max } = cluster.nodes;
  const tooMany = cluster.options.filter(({ mostNodes }) => max > mostNodes.value);
  const verdicts = together(
    tooMany.map(({ option, mostNodes }) => excludes([option], `at most ${mostNodes.value} nodes`, mostNodes.source)),
  );
  return criterion("size", matter, { words: `${max} at most`, source: sizeSource }, verdicts);
}

/**
 * What else Azure refuses: the rules that judge real clusters, asked about this one with each option. Only where no criterion has excluded it already, and
 * not what is refused whatever the option.
 */
function refusals({ cluster }: Known, others: readonly Criterion[]): readonly Criterion[] {
  const isEverywhere = ({ code, message }: { readonly code: string; readonly message: string }) =>
    cluster.options.every(({ refusals: own }) => own.some((one) => one.code === code && one.message === message));
  const refused = cluster.options.flatMap(({ option, refusals: own }) => {
    const first = own.find((refusal) => !isEverywhere(refusal));
    const isExcluded = others.some(({ verdicts }) => verdicts[option]?.says === "excludes");
    return first === undefined || isExcluded ? [] : [{ option, first }];
  });
  if (refused.length === 0) return [];
  const byOption = refused.flatMap(({ option, first }) => excludes([option], `${first.message} (${first.code})`, first.source ?? "plan"));
  const verdicts = together(byOption);
  return [
    criterion(
      "refusals",
      "what else Azure refuses",
      { words: `${refused.length} of the options`, source: "the rules of 'drydock plan'" },
      verdicts,
    ),
  ];
}

function criterion(id: string, matter: string, found: NonNullable<Criterion["found"]>, verdicts: Verdicts): Criterion {
  return { id, matter, found, verdicts };
}

function fromFact<V>(
  id: string,
  matter: string,
  fact: Fact<V> | undefined,
  question: string,
  judge: (value: V) => { readonly words: string; readonly verdicts: Verdicts },
): Criterion {
  if (fact === undefined) return { id, matter, ask: `answer ${question}`, verdicts: {} };
  const { words, verdicts } = judge(fact.value);
  return criterion(id, matter, { words, source: fact.source }, verdicts);
}

function speaks(options: readonly OptionName[], because: string, source: string): Verdicts {
  return given(options, { says: "for", because, source });
}

function excludes(options: readonly OptionName[], because: string, source: string): Verdicts {
  return given(options, { says: "excludes", because, source });
}

/** Later ones win. */
function together(all: readonly Verdicts[]): Verdicts {
  return Object.assign({}, ...all);
}

function given(options: readonly OptionName[], verdict: Verdict): Verdicts {
  return Object.fromEntries(options.map((option) => [option, verdict]));
}

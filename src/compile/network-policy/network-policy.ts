/**
 * Network policies on the nodes of their pods, in flat maps: a map from a pod's address to the chain of those policies that select it, one for each
 * direction. A packet pays for two looks into a map, and nothing for policies that do not select its pods; a pod more is an element more.
 *
 * Every packet is judged, not only the first of its flow, by what connection tracking knows of it: who began it (`ct original ip saddr`), and who
 * answers after all translation (`ct reply`). Both directions and the errors about a flow carry the same connection, so replies pass exactly as
 * long as the flow is allowed, and a changed policy ends what it no longer allows. docs/decisions/0007-policies-judge-connections.md.
 *
 * The chains are the forward hook's, after destination translation and before source translation. Traffic between a node and its own pods is
 * no forwarding, so the node reaches its pods always, and they it (k8sdoc: concepts/services-networking/network-policies).
 */

import { hashDigits } from "../../ir/names.ts";
import type { Origin } from "../../ir/network.ts";
import { type Chain, type MapElement, type NamedSet, priorities, type Rule, type SetElement, type Table } from "../../ir/ruleset.ts";
import { type Direction, directions, judges, selectsPod } from "../../kube/network-policy.ts";
import type { Labels, NetworkPolicy } from "../../kube/objects.ts";
import type { Address } from "../../net/address.ts";
import { sameItems } from "../same-items.ts";
import type { PodInfo } from "../topology.ts";
import { type Enforcement, fields, type Isolation, makeIsolation, nameOf, type SetUse, source } from "./isolation.ts";
import { PodSets } from "./pod-sets.ts";

export type PolicyInputs = Enforcement & {
  readonly policies: readonly NetworkPolicy[];
  /** Labels of the namespaces. */
  readonly namespaces: ReadonlyMap<string, Labels>;
  /** Pods with an interface of their own, by node. */
  readonly podsByNode: ReadonlyMap<string, readonly PodInfo[]>;
  readonly nodeAddresses: readonly Address[];
};

type Made = { readonly inputs: readonly unknown[]; readonly table: Table | undefined };

/** The policies of one version of a cluster, as tables of its nodes. What is the same as in the version before is the same object. */
export class ClusterPolicies {
  readonly #inputs: PolicyInputs;
  readonly #pods: PodSets;
  /** By namespace, sorted by name. */
  readonly #policies: ReadonlyMap<string, readonly NetworkPolicy[]>;
  /** By name of the chain, and by the very list of policies; a list is of one direction. */
  readonly #isolations = new Map<string, Isolation>();
  readonly #isolationOf = new Map<readonly NetworkPolicy[], Isolation>();
  readonly #tables = new Map<string, Made>();
  readonly #addresses: readonly SetElement[];
  #before: ClusterPolicies | undefined;

  constructor(inputs: PolicyInputs, previous: ClusterPolicies | undefined) {
    // Another engine reads the same policies in another way.
    const before = previous !== undefined && previous.#inputs.engine === inputs.engine ? previous : undefined;
    this.#inputs = inputs;
    this.#before = before;
    this.#policies = byNamespace(inputs.engine === "none" ? [] : inputs.policies, before === undefined ? undefined : before.#policies);
    // Without policies nobody asks which pods there are.
    const pods = this.#policies.size === 0 ? nobody : inputs.podsByNode;
    this.#pods = new PodSets(pods, inputs.namespaces, before === undefined ? undefined : before.#pods);
    this.#addresses =
      inputs.engine === "cilium" && this.#policies.size > 0
        ? addressesOf(inputs, before === undefined ? undefined : before.#addresses)
        : [];
    if (before !== undefined) before.#before = undefined;
  }

  /** The table of a node; `undefined` when no pod there is isolated. */
  table(node: string): Table | undefined {
    let made = this.#tables.get(node);
    if (made === undefined) {
      made = this.#make(node);
      this.#tables.set(node, made);
    }
    return made.table;
  }

  #make(node: string): Made {
    if (this.#policies.size === 0) return { inputs: [], table: undefined };
    const isolated: IsolatedPod[] = [];
    for (const info of this.#inputs.podsByNode.get(node) ?? []) {
      const policies = this.#policies.get(info.pod.metadata.namespace ?? "default");
      if (policies === undefined) continue;
      const { ingress, egress } = selecting(policies, info);
      if (ingress.length + egress.length === 0) continue;
      isolated.push({ info, ingress: this.#isolation(ingress, "ingress"), egress: this.#isolation(egress, "egress") });
    }
    const distinct = new Set<Isolation>();
    for (const { ingress, egress } of isolated) {
      if (ingress !== undefined) distinct.add(ingress);
      if (egress !== undefined) distinct.add(egress);
    }
    const isolations = [...distinct];
    const uses = new Map<string, SetUse>();
    for (const { parts } of isolations) for (const { sets } of parts) for (const use of sets) uses.set(use.name, use);
    const sets = [...uses.values()].map((use): NamedSet => ({ name: use.name, key: use.key, ...this.#filled(use) })).sort(byName);
    const inputs: unknown[] = [];
    for (const { info, ingress, egress } of isolated) inputs.push(info.address, ingress, egress);
    for (const { name, elements } of sets) inputs.push(name, elements);
    const before = this.#before === undefined ? undefined : this.#before.#tables.get(node);
    if (before !== undefined && sameItems(before.inputs, inputs)) return before;
    return { inputs, table: isolated.length === 0 ? undefined : nodeTable(isolated, isolations, sets, before?.table) };
  }

  #filled(use: SetUse): Pick<NamedSet, "elements" | "interval"> {
    if ("pods" in use) return { elements: this.#pods.elements(use.name, use.pods) };
    return "elements" in use ? { elements: use.elements, interval: true } : { elements: this.#addresses };
  }

  #isolation(policies: readonly NetworkPolicy[], direction: Direction): Isolation | undefined {
    if (policies.length === 0) return undefined;
    const made = this.#isolationOf.get(policies);
    if (made !== undefined) return made;
    const name = `${direction}-${hashDigits(policies.map(nameOf).join(" "), 12)}`;
    const known = this.#isolations.get(name) ?? (this.#before === undefined ? undefined : this.#before.#isolations.get(name));
    const isolation =
      known !== undefined && sameItems(known.policies, policies) ? known : makeIsolation(this.#inputs, name, policies, direction);
    this.#isolations.set(name, isolation);
    this.#isolationOf.set(policies, isolation);
    return isolation;
  }
}

const nobody: PolicyInputs["podsByNode"] = new Map();

type IsolatedPod = { readonly info: PodInfo; readonly ingress: Isolation | undefined; readonly egress: Isolation | undefined };

function byNamespace(
  policies: readonly NetworkPolicy[],
  before: ReadonlyMap<string, readonly NetworkPolicy[]> | undefined,
): ReadonlyMap<string, readonly NetworkPolicy[]> {
  const result = new Map<string, NetworkPolicy[]>();
  for (const policy of policies) {
    const namespace = policy.metadata.namespace ?? "default";
    const list = result.get(namespace);
    if (list === undefined) result.set(namespace, [policy]);
    else list.push(policy);
  }
  return new Map(
    [...result].map(([namespace, list]) => {
      list.sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
      const known = before?.get(namespace);
      return [namespace, known !== undefined && sameItems(known, list) ? known : list];
    }),
  );
}

/** Cilium knows pods and nodes by identity, and no address of theirs as an address. */
function addressesOf({ podsByNode, nodeAddresses }: PolicyInputs, before: readonly SetElement[] | undefined): readonly SetElement[] {
  const all = [...new Set([...nodeAddresses, ...[...podsByNode.values()].flatMap((pods) => pods.map(({ address }) => address))])];
  const isSame = before?.length === all.length && all.every((address, index) => before[index]?.key[0] === address);
  return isSame ? before : all.map((address) => ({ key: [address] }));
}

type Selecting = Readonly<Record<Direction, readonly NetworkPolicy[]>>;
const known = new WeakMap<PodInfo, { readonly policies: readonly NetworkPolicy[]; readonly selecting: Selecting }>();
const choices = new WeakMap<readonly NetworkPolicy[], Map<string, Selecting>>();

/** The policies of a pod's namespace that select it: the same lists for all pods that the same policies select. */
function selecting(policies: readonly NetworkPolicy[], info: PodInfo): Selecting {
  const before = known.get(info);
  if (before?.policies === policies) return before.selecting;
  const all = policies.filter((policy) => selectsPod(policy, info.pod));
  const chosen = choices.get(policies) ?? new Map<string, Selecting>();
  choices.set(policies, chosen);
  const name = all.map(({ metadata }) => metadata.name).join(" ");
  const result = chosen.get(name) ?? {
    ingress: all.filter((policy) => judges(policy, "ingress")),
    egress: all.filter((policy) => judges(policy, "egress")),
  };
  chosen.set(name, result);
  known.set(info, { policies, selecting: result });
  return result;
}

/** What is the same in the table `before` is the same object. */
function nodeTable(
  pods: readonly IsolatedPod[],
  isolations: readonly Isolation[],
  sets: readonly NamedSet[],
  before: Table | undefined,
): Table {
  const parts = [...new Set(isolations.flatMap((isolation) => isolation.parts))];
  const [first] = isolations;
  const kept = <T>(
    old: readonly { readonly name: string; readonly elements: readonly T[] }[] | undefined,
    name: string,
    elements: readonly T[],
  ) => {
    const known = old?.find((one) => one.name === name)?.elements;
    return { name, elements: known !== undefined && sameItems(known, elements) ? known : elements };
  };
  const own = pods.map(({ info }) => ownElements(info));
  return {
    family: "ip",
    name: "network-policy",
    chains: [
      ...(first === undefined ? [] : baseChains(first)),
      ...isolations.map(({ chain }) => chain).sort(byName),
      ...parts.map(({ chain }) => chain).sort(byName),
    ],
    sets: [
      {
        key: ["ipv4_addr"],
        ...kept(
          before?.sets,
          "isolated",
          own.map(({ address }) => address),
        ),
      },
      {
        key: ["ipv4_addr", "ipv4_addr"],
        ...kept(
          before?.sets,
          "itself",
          own.map(({ pair }) => pair),
        ),
      },
      ...sets,
    ],
    maps: directions.map((direction) => ({
      key: ["ipv4_addr"],
      value: "verdict",
      ...kept(
        before?.maps,
        `${direction}-pods`,
        pods.flatMap(({ info, [direction]: isolation }) => (isolation === undefined ? [] : [jumpOf(info, isolation)])),
      ),
    })),
  };
}

const ownElementsOf = new WeakMap<PodInfo, { readonly address: SetElement; readonly pair: SetElement }>();

function ownElements(info: PodInfo): { readonly address: SetElement; readonly pair: SetElement } {
  let own = ownElementsOf.get(info);
  if (own === undefined) {
    own = { address: { key: [info.address] }, pair: { key: [info.address, info.address] } };
    ownElementsOf.set(info, own);
  }
  return own;
}

const jumps = new WeakMap<Isolation, Map<Address, MapElement>>();

/** From a pod's address to the chain that judges it. */
function jumpOf({ address }: PodInfo, isolation: Isolation): MapElement {
  const known = jumps.get(isolation) ?? new Map<Address, MapElement>();
  jumps.set(isolation, known);
  let element = known.get(address);
  if (element === undefined) {
    element = { key: [address], value: { verdict: "jump", chain: isolation.chain.name }, origin: isolation.origin };
    known.set(address, element);
  }
  return element;
}

const bases = new WeakMap<Isolation, readonly Chain[]>();

/** Where every forwarded packet comes by. `first`: whose doing it is that there are policies at all. */
function baseChains(first: Isolation): readonly Chain[] {
  let chains = bases.get(first);
  if (chains === undefined) {
    chains = (["egress", "ingress"] as const).map((direction) => baseChain(direction, first));
    bases.set(first, chains);
  }
  return chains;
}

function baseChain(direction: Direction, first: Isolation): Chain {
  const origin = (reason: string): Origin => ({ resource: first.origin.resource, reason, source });
  const invalid = (field: "ip saddr" | "ip daddr"): Rule => ({
    matches: [
      { kind: "value", field: "ct state", op: "==", values: ["invalid"] },
      { kind: "lookup", fields: [field], op: "==", set: "isolated" },
    ],
    statements: [{ kind: "verdict", verdict: "drop" }],
    origin: origin("of no connection, so that nothing can allow it"),
  });
  return {
    name: `forward-${direction}`,
    // Accepting ends one base chain, so each direction has its own: what the sender may send, the receiver must be allowed to get.
    base: { type: "filter", hook: "forward", priority: priorities.filter + (direction === "egress" ? 10 : 11), policy: "accept" },
    rules: [
      ...(direction === "egress" ? [invalid("ip saddr"), invalid("ip daddr")] : []),
      {
        matches: [{ kind: "lookup", fields: [fields.egress.own, fields.ingress.own], op: "==", set: "itself" }],
        statements: [{ kind: "verdict", verdict: "accept" }],
        origin: origin("no policy keeps a pod from itself"),
      },
      {
        matches: [],
        statements: [{ kind: "vmap", fields: [fields[direction].own], map: `${direction}-pods` }],
        origin: origin(`pods that network policies isolate for ${direction}`),
      },
    ],
  };
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

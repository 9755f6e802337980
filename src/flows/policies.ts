/**
 * What network policies tell apart: for each pod the policies that isolate it, and for each end of a flow the peers of policies that it is one of.
 *
 * This says who is alike for the policies of a cluster, not what they allow; one question alone is answered here, since it saves asking the tracer
 * the same thing a million times: whether a sender's own policies can allow a flow at all ({@link ClusterPolicies.mayLeave}). Where they cannot,
 * the packet ends on the sender's node, before anything is asked about its receiver.
 */

import { prefixesOf } from "../compile/network-policy/blocks.ts";
import type { ClusterInfo } from "../compile/topology.ts";
import { type Direction, judges, namespaceLabels, numbersOf, type PodSelection, rulesOf, selectionOf } from "../kube/network-policy.ts";
import type { Labels, NetworkPolicy, NetworkPolicyPort, Pod } from "../kube/objects.ts";
import { selects } from "../kube/selectors.ts";
import type { PortSpec } from "../net/ports.ts";
import type { Prefix } from "../net/prefix.ts";
import { Regions } from "./written.ts";

/** Policies of one direction that isolate the same pods. */
type Isolation = {
  /** Terms of any of its rules, ascending. */
  readonly terms: readonly number[];
  readonly rules: readonly { readonly terms: readonly number[] | undefined; readonly ports: readonly NetworkPolicyPort[] | undefined }[];
};

/** A way to name peers. */
type Term = { readonly selection: PodSelection } | { readonly blocks: readonly Prefix[] };

/** What a cluster's policies make of one end. Numbers; equal ones are alike. -1: no policy isolates it. */
export type Standing = { readonly ingress: number; readonly egress: number; readonly terms: number; readonly names: string };

const nobody = -1;

/** By number of the set of terms, of those below `upTo`; of the others there, none is related. */
type Relations = { readonly upTo: number; readonly related: ReadonlyMap<number, number> };

export class ClusterPolicies {
  readonly #terms: Term[] = [];
  readonly #termIds = new Map<string, number>();
  /** Terms that only pods of one namespace can be of. */
  readonly #termsIn = new Map<string, number[]>();
  readonly #termsAnywhere: number[] = [];
  readonly #termsOfBlocks: number[] = [];
  readonly #byNamespace = new Map<string, NetworkPolicy[]>();
  readonly #namespaces: ReadonlyMap<string, Labels>;
  readonly #isolations: Isolation[] = [];
  readonly #isolationIds = new Map<string, number>();
  readonly #sets: (readonly number[])[] = [];
  readonly #setIds = new Map<string, number>();
  /** By term, the sets that hold it. */
  readonly #setsWith = new Map<number, number[]>();
  readonly #relations: Relations[] = [];
  readonly #empty = this.#set([]);
  readonly #known = new Map<string, Standing>();
  readonly #hasNames: boolean;
  readonly #regions: Regions;
  /** Every block that a policy names. */
  readonly blocks: readonly Prefix[];

  constructor(cluster: ClusterInfo) {
    const isEnforced = (cluster.resource.properties.networkProfile.networkPolicy ?? "none") !== "none";
    const policies = isEnforced ? cluster.networkPolicies : [];
    this.#namespaces = new Map(cluster.namespaces.map(({ metadata }) => [metadata.name, metadata.labels ?? {}]));
    for (const policy of policies) {
      const namespace = policy.metadata.namespace ?? "default";
      this.#byNamespace.set(namespace, [...(this.#byNamespace.get(namespace) ?? []), policy]);
    }
    this.#hasNames = policies.some((policy) =>
      (["ingress", "egress"] as const).some((direction) =>
        rulesOf(policy, direction).some(({ ports }) => ports?.some(({ port }) => typeof port === "string") ?? false),
      ),
    );
    const blocks = policies.flatMap((policy) =>
      (["ingress", "egress"] as const).flatMap((direction) =>
        rulesOf(policy, direction).flatMap(({ peers }) => prefixesOf((peers ?? []).flatMap(({ ipBlock }) => ipBlock ?? []))),
      ),
    );
    this.blocks = blocks;
    this.#regions = new Regions(blocks);
    for (const policy of policies) for (const direction of ["ingress", "egress"] as const) this.#rules(policy, direction);
  }

  /** What `pod`, with an interface of its own on a node of the cluster, is to the policies. `isJudged`: a virtual node's is not. */
  ofPod(pod: Pod, address: Parameters<Regions["of"]>[0], isJudged: boolean): Standing {
    const { namespace = "default", labels } = pod.metadata;
    if (this.#byNamespace.size === 0) return none;
    const names = this.#hasNames ? namesOf(pod) : "";
    const region = this.#termsOfBlocks.length === 0 ? -1 : this.#regions.of(address);
    const key = `${namespace}\n${JSON.stringify(labels)}\n${region}\n${names}\n${isJudged}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const terms = [...(this.#termsIn.get(namespace) ?? []), ...this.#termsAnywhere].filter((id) => {
      const term = this.#terms[id];
      if (term === undefined || !("selection" in term)) return false;
      const place = term.selection.in;
      const isThere = "namespace" in place || selects(place.namespaceSelector, namespaceLabels(namespace, this.#namespaces.get(namespace)));
      return isThere && selects(term.selection.podSelector, labels);
    });
    const policies = isJudged ? (this.#byNamespace.get(namespace) ?? []) : [];
    const selecting = policies.filter((policy) => selects(policy.spec.podSelector ?? {}, labels));
    const standing = {
      ingress: this.#isolation(selecting, "ingress"),
      egress: this.#isolation(selecting, "egress"),
      terms: this.#set([...terms, ...this.#blocksOf(address)].sort((a, b) => a - b)),
      names,
    };
    this.#known.set(key, standing);
    return standing;
  }

  /** What any other address is to the policies. */
  ofAddress(address: Parameters<Regions["of"]>[0]): Standing {
    return this.#termsOfBlocks.length === 0 ? none : { ...none, terms: this.#set(this.#blocksOf(address)) };
  }

  /**
   * The peers of `isolation`'s rules that an end with these terms is one of: the same number for ends that are alike to it. Asked for every pair of
   * parties, of which almost all have nothing to do with each other.
   */
  relation(isolation: number, terms: number): number {
    if (isolation < 0) return nobody;
    const known = this.#relations[isolation] ?? this.#relate(isolation);
    return terms < known.upTo ? (known.related.get(terms) ?? this.#empty) : this.#related(isolation, terms);
  }

  /** Only ends that are of one of its terms at all are related to an isolation. */
  #relate(isolation: number): Relations {
    const related = new Map<number, number>();
    const upTo = this.#sets.length;
    for (const term of this.#isolations[isolation]?.terms ?? []) {
      for (const terms of this.#setsWith.get(term) ?? []) if (!related.has(terms)) related.set(terms, this.#related(isolation, terms));
    }
    const relations = { upTo, related };
    this.#relations[isolation] = relations;
    return relations;
  }

  #related(isolation: number, terms: number): number {
    const own = new Set(this.#sets[terms]);
    return this.#set((this.#isolations[isolation]?.terms ?? []).filter((term) => own.has(term)));
  }

  /** Is there a rule that may allow packets to `port` of an end of this relation? A name of a port may mean any number. */
  mayLeave(egress: number, relation: number, port: PortSpec | undefined): boolean {
    const isolation = this.#isolations[egress];
    if (isolation === undefined) return true;
    const peers = new Set(this.#sets[relation]);
    return isolation.rules.some(
      ({ terms, ports }) =>
        (terms === undefined || terms.some((term) => peers.has(term)) || hasName(ports)) &&
        (ports === undefined || port === undefined || ports.some((one) => mayBe(one, port))),
    );
  }

  #rules(policy: NetworkPolicy, direction: Direction): Isolation["rules"] {
    const namespace = policy.metadata.namespace ?? "default";
    return rulesOf(policy, direction).map(({ peers, ports }) => {
      if (peers === undefined) return { terms: undefined, ports };
      const blocks = prefixesOf(peers.flatMap(({ ipBlock }) => ipBlock ?? []));
      const selections = peers.filter(({ ipBlock }) => ipBlock === undefined).map((peer) => selectionOf(peer, namespace));
      const terms = [...(blocks.length === 0 ? [] : [this.#term({ blocks })]), ...selections.map((selection) => this.#term({ selection }))];
      return { terms, ports };
    });
  }

  #term(term: Term): number {
    const key = JSON.stringify(term);
    let id = this.#termIds.get(key);
    if (id === undefined) {
      id = this.#terms.push(term) - 1;
      this.#termIds.set(key, id);
      if ("blocks" in term) this.#termsOfBlocks.push(id);
      else if ("namespace" in term.selection.in) {
        const { namespace } = term.selection.in;
        this.#termsIn.set(namespace, [...(this.#termsIn.get(namespace) ?? []), id]);
      } else this.#termsAnywhere.push(id);
    }
    return id;
  }

  #isolation(selecting: readonly NetworkPolicy[], direction: Direction): number {
    const policies = selecting.filter((policy) => judges(policy, direction));
    if (policies.length === 0) return nobody;
    const key = `${direction} ${policies.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`).join(" ")}`;
    let id = this.#isolationIds.get(key);
    if (id === undefined) {
      const rules = policies.flatMap((policy) => this.#rules(policy, direction));
      const terms = [...new Set(rules.flatMap((rule) => rule.terms ?? []))].sort((a, b) => a - b);
      id = this.#isolations.push({ terms, rules }) - 1;
      this.#isolationIds.set(key, id);
    }
    return id;
  }

  #blocksOf(address: Parameters<Regions["of"]>[0]): readonly number[] {
    if (this.#termsOfBlocks.length === 0) return [];
    const region = this.#regions.of(address);
    let found = this.#blocksOfRegion.get(region);
    if (found === undefined) {
      found = this.#termsOfBlocks.filter((id) => {
        const term = this.#terms[id];
        return term !== undefined && "blocks" in term && new Regions(term.blocks).of(address) >= 0;
      });
      this.#blocksOfRegion.set(region, found);
    }
    return found;
  }
  readonly #blocksOfRegion = new Map<number, readonly number[]>();

  /** The same number for the same list. */
  #set(items: readonly number[]): number {
    const key = items.join();
    let id = this.#setIds.get(key);
    if (id === undefined) {
      id = this.#sets.push(items) - 1;
      this.#setIds.set(key, id);
      for (const item of items) {
        const holding = this.#setsWith.get(item);
        if (holding === undefined) this.#setsWith.set(item, [id]);
        else holding.push(id);
      }
    }
    return id;
  }
}

const none: Standing = { ingress: nobody, egress: nobody, terms: nobody, names: "" };

/** All the names that the containers of a pod give to ports, and their numbers. */
function namesOf(pod: Pod): string {
  const ports = [...(pod.spec.containers ?? []), ...(pod.spec.initContainers ?? [])].flatMap(({ ports = [] }) => ports);
  const names = [...new Set(ports.flatMap(({ name, protocol = "TCP" }) => (name === undefined ? [] : [`${name} ${protocol}`])))].sort();
  return names.map((text) => `${text} ${numbersOf(pod, ...splitName(text)).join()}`).join("\n");
}

function splitName(text: string): [name: string, protocol: string] {
  const [name = "", protocol = ""] = text.split(" ");
  return [name, protocol];
}

function hasName(ports: readonly NetworkPolicyPort[] | undefined): boolean {
  return ports?.some(({ port }) => typeof port === "string") ?? false;
}

function mayBe({ protocol = "TCP", port, endPort }: NetworkPolicyPort, asked: PortSpec): boolean {
  if (protocol.toLowerCase() !== asked.protocol) return false;
  if (port === undefined || typeof port === "string") return true;
  return asked.port >= port && asked.port <= (endPort ?? port);
}

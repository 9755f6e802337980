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
import type { Address } from "../net/address.ts";
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

/** What the policies of a cluster can tell pods apart by. Pods of one profile are alike to any policies that name the same blocks. */
export type Profile = {
  readonly namespace: string;
  readonly labels: Labels | undefined;
  /** An address of one of its pods. */
  readonly address: Address;
  readonly names: string;
  /** Of a pod on a node: policies isolate no other. */
  readonly isJudged: boolean;
};

/** One version of a cluster's policies. Numbers mean the same in all versions that are made one {@link after} the other. */
export class ClusterPolicies {
  readonly #cluster: ClusterInfo;
  readonly #words: Words;
  readonly #list: readonly NetworkPolicy[];
  readonly #byNamespace = new Map<string, NetworkPolicy[]>();
  readonly #terms: Terms;
  readonly #namespaces: ReadonlyMap<string, Labels>;
  readonly #profiles: Map<string, Profile>;
  readonly #standings: Map<Profile, Standing>;
  readonly #hasNames: boolean;
  readonly #regions: Regions;
  readonly #blocksOfRegion = new Map<number, readonly number[]>();
  /** Every block that a policy names. */
  readonly blocks: readonly Prefix[];

  constructor(cluster: ClusterInfo, before?: ClusterPolicies) {
    this.#cluster = cluster;
    this.#words = before === undefined ? new Words() : before.#words;
    this.#list = policiesOf(cluster);
    for (const policy of this.#list) listIn(this.#byNamespace, policy.metadata.namespace ?? "default").push(policy);
    this.#namespaces =
      before !== undefined ? before.#namespaces : new Map(cluster.namespaces.map(({ metadata }) => [metadata.name, metadata.labels ?? {}]));
    const read = this.#list.map((policy) => this.#words.read(policy));
    this.#terms = this.#words.gathered(read.flatMap(({ terms }) => terms));
    this.#hasNames = read.some(({ hasNames }) => hasNames);
    this.blocks = read.flatMap(({ blocks }) => blocks);
    this.#profiles = before === undefined ? new Map() : before.#profiles;
    this.#standings = new Map(before === undefined ? [] : before.#standings);
    this.#regions = before === undefined ? new Regions(this.blocks) : before.#regions;
  }

  /**
   * The policies of a later version of the same cluster, and the profiles that may stand otherwise with them. `undefined` when addresses or the names
   * of ports are told apart by others than before: then ends are gathered otherwise.
   */
  after(cluster: ClusterInfo): { readonly policies: ClusterPolicies; readonly moved: readonly Profile[] } | undefined {
    if (cluster.networkPolicies === this.#cluster.networkPolicies) return { policies: this, moved: [] };
    const policies = new ClusterPolicies(cluster, this);
    const isAlike =
      cluster.namespaces === this.#cluster.namespaces &&
      policies.#hasNames === this.#hasNames &&
      [...new Set(policies.blocks)].sort().join() === [...new Set(this.blocks)].sort().join() &&
      policies.#byNamespace.size > 0 === this.#byNamespace.size > 0;
    if (!isAlike) return undefined;
    const changed = [...difference(this.#list, policies.#list), ...difference(policies.#list, this.#list)];
    const namespaces = new Set(changed.map(({ metadata }) => metadata.namespace ?? "default"));
    const terms = [...difference(this.#terms.all, policies.#terms.all), ...difference(policies.#terms.all, this.#terms.all)];
    // Blocks of the same prefixes, otherwise put together, concern any address.
    if (terms.some((term) => this.#words.isOfBlocks(term))) return undefined;
    const moved: Profile[] = [];
    for (const [profile, standing] of this.#standings) {
      if (!namespaces.has(profile.namespace) && !terms.some((term) => this.#picks(term, profile))) continue;
      policies.#standings.delete(profile);
      const now = policies.standingOf(profile);
      if (now.ingress === standing.ingress && now.egress === standing.egress && now.terms === standing.terms) {
        policies.#standings.set(profile, standing);
      } else moved.push(profile);
    }
    return { policies, moved };
  }

  /** Of `pod`, with an interface of its own. `isJudged`: a virtual node's is not. `undefined` when there are no policies. */
  profileOf(pod: Pod, address: Address, isJudged: boolean): Profile | undefined {
    const { namespace = "default", labels } = pod.metadata;
    if (this.#byNamespace.size === 0) return undefined;
    const names = this.#hasNames ? namesOf(pod) : "";
    const region = this.#terms.ofBlocks.length === 0 ? -1 : this.#regions.of(address);
    const key = `${namespace}\n${JSON.stringify(labels)}\n${region}\n${names}\n${isJudged}`;
    let profile = this.#profiles.get(key);
    if (profile === undefined) {
      profile = { namespace, labels, address, names, isJudged };
      this.#profiles.set(key, profile);
    }
    return profile;
  }

  /** What the pods of a profile are to the policies. */
  standingOf(profile: Profile | undefined): Standing {
    if (profile === undefined) return none;
    const known = this.#standings.get(profile);
    if (known !== undefined) return known;
    const { namespace, labels, address, names, isJudged } = profile;
    const terms = [...(this.#terms.inNamespace.get(namespace) ?? []), ...this.#terms.anywhere].filter((id) => this.#picks(id, profile));
    const policies = isJudged ? (this.#byNamespace.get(namespace) ?? []) : [];
    const selecting = policies.filter((policy) => selects(policy.spec.podSelector ?? {}, labels));
    const standing = {
      ingress: this.#words.isolation(selecting, "ingress"),
      egress: this.#words.isolation(selecting, "egress"),
      terms: this.#words.set([...terms, ...this.#blocksOf(address)].sort((a, b) => a - b)),
      names,
    };
    this.#standings.set(profile, standing);
    return standing;
  }

  #picks(id: number, { namespace, labels }: Profile): boolean {
    const term = this.#words.term(id);
    if (term === undefined || !("selection" in term)) return false;
    const place = term.selection.in;
    const isThere =
      "namespace" in place
        ? place.namespace === namespace
        : selects(place.namespaceSelector, namespaceLabels(namespace, this.#namespaces.get(namespace)));
    return isThere && selects(term.selection.podSelector, labels);
  }

  /** What any other address is to the policies. */
  ofAddress(address: Address): Standing {
    return this.#terms.ofBlocks.length === 0 ? none : { ...none, terms: this.#words.set(this.#blocksOf(address)) };
  }

  /** See {@link Words.relation}. */
  relation(isolation: number, terms: number): number {
    return this.#words.relation(isolation, terms);
  }

  /** Is there a rule that may allow packets to `port` of an end of this relation? A name of a port may mean any number. */
  mayLeave(egress: number, relation: number, port: PortSpec | undefined): boolean {
    return this.#words.mayLeave(egress, relation, port);
  }

  #blocksOf(address: Address): readonly number[] {
    if (this.#terms.ofBlocks.length === 0) return [];
    const region = this.#regions.of(address);
    let found = this.#blocksOfRegion.get(region);
    if (found === undefined) {
      found = this.#terms.ofBlocks.filter((id) => {
        const term = this.#words.term(id);
        return term !== undefined && "blocks" in term && new Regions(term.blocks).of(address) >= 0;
      });
      this.#blocksOfRegion.set(region, found);
    }
    return found;
  }
}

function policiesOf({ resource, networkPolicies }: ClusterInfo): readonly NetworkPolicy[] {
  return (resource.properties.networkProfile.networkPolicy ?? "none") === "none" ? [] : networkPolicies;
}

/** Those of `all` that are not in `without`. */
function difference<T>(all: Iterable<T>, without: Iterable<T>): readonly T[] {
  const others = new Set(without);
  return [...all].filter((one) => !others.has(one));
}

/** The terms of a version, by what can be of them. */
type Terms = {
  readonly all: ReadonlySet<number>;
  /** Only pods of that namespace. */
  readonly inNamespace: ReadonlyMap<string, readonly number[]>;
  readonly anywhere: readonly number[];
  readonly ofBlocks: readonly number[];
};

/** What is read of one policy. */
type Read = Readonly<Record<Direction, Isolation["rules"]>> & {
  /** Equal for the very same object only. */
  readonly id: number;
  readonly terms: readonly number[];
  readonly blocks: readonly Prefix[];
  readonly hasNames: boolean;
};

/** Numbers for what policies say: the same number for the same words, in whichever version of a cluster. */
class Words {
  readonly #terms: Term[] = [];
  readonly #termIds = new Map<string, number>();
  readonly #isolations: Isolation[] = [];
  readonly #isolationIds = new Map<string, number>();
  readonly #sets: (readonly number[])[] = [];
  readonly #setIds = new Map<string, number>();
  /** By term, the sets that hold it. */
  readonly #setsWith = new Map<number, number[]>();
  readonly #relations: Relations[] = [];
  readonly #read = new WeakMap<NetworkPolicy, Read>();
  #policies = 0;
  readonly #empty = this.set([]);

  read(policy: NetworkPolicy): Read {
    let read = this.#read.get(policy);
    if (read === undefined) {
      const [ingress, egress] = [this.#rules(policy, "ingress"), this.#rules(policy, "egress")];
      const rules = [...ingress, ...egress];
      const terms = rules.flatMap((rule) => rule.terms ?? []);
      const blocks = terms.flatMap((id) => {
        const term = this.#terms[id];
        return term !== undefined && "blocks" in term ? term.blocks : [];
      });
      read = { id: this.#policies++, ingress, egress, terms, blocks, hasNames: rules.some(({ ports }) => hasName(ports)) };
      this.#read.set(policy, read);
    }
    return read;
  }

  term(id: number): Term | undefined {
    return this.#terms[id];
  }

  isOfBlocks(id: number): boolean {
    const term = this.#terms[id];
    return term !== undefined && "blocks" in term;
  }

  gathered(ids: readonly number[]): Terms {
    const all = new Set(ids);
    const inNamespace = new Map<string, number[]>();
    const anywhere: number[] = [];
    const ofBlocks: number[] = [];
    for (const id of all) {
      const term = this.#terms[id];
      if (term === undefined) continue;
      if ("blocks" in term) ofBlocks.push(id);
      else if ("namespace" in term.selection.in) listIn(inNamespace, term.selection.in.namespace).push(id);
      else anywhere.push(id);
    }
    return { all, inNamespace, anywhere, ofBlocks };
  }

  isolation(selecting: readonly NetworkPolicy[], direction: Direction): number {
    const policies = selecting.filter((policy) => judges(policy, direction));
    if (policies.length === 0) return nobody;
    const key = `${direction} ${policies.map((policy) => this.read(policy).id).join(" ")}`;
    let id = this.#isolationIds.get(key);
    if (id === undefined) {
      const rules = policies.flatMap((policy) => this.read(policy)[direction]);
      const terms = [...new Set(rules.flatMap((rule) => rule.terms ?? []))].sort((a, b) => a - b);
      id = this.#isolations.push({ terms, rules }) - 1;
      this.#isolationIds.set(key, id);
    }
    return id;
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
    return this.set((this.#isolations[isolation]?.terms ?? []).filter((term) => own.has(term)));
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
      const terms = [
        ...(blocks.length === 0 ? [] : [this.#termId({ blocks })]),
        ...selections.map((selection) => this.#termId({ selection })),
      ];
      return { terms, ports };
    });
  }

  #termId(term: Term): number {
    const key = JSON.stringify(term);
    let id = this.#termIds.get(key);
    if (id === undefined) {
      id = this.#terms.push(term) - 1;
      this.#termIds.set(key, id);
    }
    return id;
  }

  /** The same number for the same list. */
  set(items: readonly number[]): number {
    const key = items.join();
    let id = this.#setIds.get(key);
    if (id === undefined) {
      id = this.#sets.push(items) - 1;
      this.#setIds.set(key, id);
      for (const item of items) listIn(this.#setsWith, item).push(id);
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

function listIn<K, V>(map: Map<K, V[]>, key: K): V[] {
  let list = map.get(key);
  if (list === undefined) {
    list = [];
    map.set(key, list);
  }
  return list;
}

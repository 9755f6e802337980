/**
 * The ends of a design's flows, gathered in parties: those of one owner that are alike in everything that the compiler reads. docs/decisions/0008-flow-classes.md
 * says what that is, and why members of a party have the same answers.
 */

import type { HostName } from "../ir/network.ts";
import type { Endpoint, EndpointKind } from "../lab/endpoints.ts";
import { workloadOf } from "../lab/reachability.ts";
import type { LabView } from "../lab/view.ts";
import { Places } from "./places.ts";
import { ClusterPolicies, type Profile, type Standing } from "./policies.ts";
import { Roles } from "./ways.ts";
import { Written } from "./written.ts";

/** Ends that are alike, of one owner. */
export type Party = {
  readonly index: number;
  /** `shop:default/deploy/web`, `shop:nodes/np1`, `vm/db`: a workload, a node pool, a machine. */
  readonly owner: string;
  readonly kind: EndpointKind;
  readonly cluster?: string;
  readonly namespace?: string;
  readonly members: readonly Endpoint[];
  /** Equal for parties that differ in their owners only, or in what policies make of them. */
  readonly place: number;
  /** Public addresses that load balancers give to what it sends to the Internet. */
  readonly exit: string;
  /** What the policies of its own cluster make of it. */
  readonly standing: Standing;
  /** The peers that it is one of, for the policies of each cluster in the order of {@link Parties.policies}. */
  readonly terms: readonly number[];
  /** Position of its cluster in that order; -1 outside. */
  readonly clusterIndex: number;
  /** Pods of the node's network send as their node does, which is a party of its own. */
  readonly sends: boolean;
  /** Up to two members, on two nodes where there are two: those to ask for all. */
  readonly spread: readonly Endpoint[];
};

/** An end and the index of its party. */
export type Placed = { readonly endpoint: Endpoint; readonly index: number };

/** What of the parties stays while network policies and routes change, and they gather the same ends. By index of the party where it is a list. */
type Gathered = {
  readonly roles: Roles;
  readonly written: Written;
  readonly indexOf: ReadonlyMap<Endpoint, number>;
  readonly onNode: ReadonlyMap<HostName, readonly Placed[]>;
  /** Those that send, by host. */
  readonly byHost: ReadonlyMap<HostName, Endpoint>;
  readonly profiles: readonly ReadonlySet<Profile>[];
  readonly withProfile: ReadonlyMap<Profile, readonly number[]>;
  /** Parties that differ in what policies make of them, and in nothing else. */
  readonly siblings: readonly (readonly number[])[];
};

/** A change of parties: which of them stand otherwise to network policies, by index. `isPolicies`: nothing but those has changed. */
export type Moved = { readonly parties: Parties; readonly moved: readonly number[]; readonly isPolicies: boolean };

export class Parties {
  readonly view: LabView;
  readonly list: readonly Party[];
  /** By cluster. */
  readonly policies: ReadonlyMap<string, ClusterPolicies>;
  readonly #gathered: Gathered;

  /** `known`: of {@link Parties.after}. */
  constructor(view: LabView, known?: Pick<Parties, "list" | "policies"> & { readonly gathered: Gathered }) {
    this.view = view;
    const { list, policies, gathered } = known ?? gather(view);
    this.list = list;
    this.policies = policies;
    this.#gathered = gathered;
  }

  /**
   * The parties of `view`, which came of this one's by changes of network policies and of rules and routes alone. Nothing is done for those that are as they
   * were. `undefined` when other ends are alike than before: then they are to be gathered anew.
   */
  after(view: LabView): Moved | undefined {
    const gathered = this.#gathered;
    const written = gathered.written.after(view.resources, view.topology);
    if (written === undefined) return undefined;
    const policies = new Map<string, ClusterPolicies>();
    const moved = new Set<number>();
    for (const [name, before] of this.policies) {
      const cluster = view.topology.clusters.get(name);
      const after = cluster === undefined ? undefined : before.after(cluster);
      if (after === undefined) return undefined;
      policies.set(name, after.policies);
      for (const profile of after.moved) for (const index of gathered.withProfile.get(profile) ?? []) moved.add(index);
    }
    const list = moved.size === 0 ? this.list : [...this.list];
    if (moved.size > 0) {
      const changed = new Map([...moved].map((index) => [index, this.#standing(index, policies)]));
      if ([...changed.values()].some((party) => party === undefined)) return undefined;
      const now = (index: number) => changed.get(index) ?? this.list[index];
      for (const [index, party] of changed) {
        if (party === undefined) continue;
        (list as Party[])[index] = party;
        const { ingress, egress, terms } = party.standing;
        const isAlike = (other: Party | undefined) =>
          other !== undefined && other.standing.ingress === ingress && other.standing.egress === egress && other.standing.terms === terms;
        if (gathered.siblings[index]?.some((other) => other !== index && isAlike(now(other))) === true) return undefined;
      }
    }
    return {
      parties: new Parties(view, { list, policies, gathered: { ...gathered, written } }),
      moved: [...moved],
      isPolicies: written === gathered.written,
    };
  }

  /** A party as other policies see it; `undefined` when they tell its members apart. */
  #standing(index: number, policies: ReadonlyMap<string, ClusterPolicies>): Party | undefined {
    const party = this.list[index];
    if (party === undefined) return undefined;
    const own = policies.get(party.cluster ?? "");
    const [standing, ...others] = [...(this.#gathered.profiles[index] ?? [])].map((profile) => own?.standingOf(profile) ?? nobody);
    const isAlike = (other: Standing) =>
      other.ingress === standing?.ingress && other.egress === standing.egress && other.terms === standing.terms;
    if (standing === undefined || !others.every(isAlike)) return undefined;
    return { ...party, standing, terms: party.terms.map((terms, cluster) => (cluster === party.clusterIndex ? standing.terms : terms)) };
  }

  get roles(): Roles {
    return this.#gathered.roles;
  }

  /** Throws when there is none. */
  at(index: number): Party {
    const party = this.list[index];
    if (party === undefined) throw new RangeError(`there is no party ${index}`);
    return party;
  }

  of(endpoint: Endpoint): Party | undefined {
    const index = this.#gathered.indexOf.get(endpoint);
    return index === undefined ? undefined : this.list[index];
  }

  /** Those that send from a node: its pods and itself. */
  sendersOn(node: HostName): readonly Placed[] {
    return this.#gathered.onNode.get(node) ?? [];
  }

  /** Who sends from a host. */
  onHost(host: HostName | undefined): Endpoint | undefined {
    return host === undefined ? undefined : this.#gathered.byHost.get(host);
  }

  /** Are its members on nodes, or nodes? */
  hasNode({ members: [member] }: Party): boolean {
    return member !== undefined && this.roles.nodeOf(member.host) !== undefined;
  }
}

type Group = {
  readonly party: Omit<Party, "index" | "spread">;
  readonly members: Endpoint[];
  readonly profiles: Set<Profile>;
  readonly fixed: string;
};

/** All that a design's ends are compared by, once. */
function gather(view: LabView): {
  readonly list: readonly Party[];
  readonly policies: ReadonlyMap<string, ClusterPolicies>;
  readonly gathered: Gathered;
} {
  const { topology, endpoints, resources } = view;
  const roles = new Roles(topology);
  const policies = new Map([...topology.clusters].map(([name, cluster]) => [name, new ClusterPolicies(cluster)]));
  const blocks = [...policies.values()].flatMap((one) => one.blocks);
  const written = new Written(resources, topology, blocks);
  const places = new Places(topology, written.all);
  const placeIds = new Map<string, number>();
  const found = new Map<string, Group>();
  const byHost = new Map<HostName, Endpoint>();
  const owners = new Owners(view);
  const clusters = [...policies.keys()];
  for (const endpoint of endpoints) {
    const { kind, cluster, namespace, pod, address, listens, host } = endpoint;
    written.count(address);
    if (endpoint.ipv6Address !== undefined) written.count(endpoint.ipv6Address);
    const own = cluster === undefined ? undefined : policies.get(cluster);
    const isOwn = kind === "pod" && pod?.spec.hostNetwork !== true;
    const profile = isOwn && pod !== undefined ? own?.profileOf(pod, address, roles.nodeOf(host) !== undefined) : undefined;
    const standing = own === undefined ? nobody : isOwn ? own.standingOf(profile) : own.ofAddress(address);
    const text = isOwn ? `pod ${written.ofRules.of(address)} ${places.of(endpoint)}` : `${kind} ${places.of(endpoint)}`;
    const place = placeIds.get(text) ?? placeIds.size;
    placeIds.set(text, place);
    const owner = owners.of(endpoint);
    const exit = places.exitOf(endpoint);
    const ports = listens.map(({ port, protocol }) => `${port}/${protocol}`).join(" ");
    const terms = [...policies].map(([name, one]) => (name === cluster ? standing : one.ofAddress(address)).terms);
    const elsewhere = terms.filter((_, index) => clusters[index] !== cluster);
    const fixed = [owner, place, exit, standing.names, ports, ...elsewhere].join("\n");
    const key = `${fixed}\n${standing.ingress} ${standing.egress} ${standing.terms}`;
    let group = found.get(key);
    if (group === undefined) {
      const members: Endpoint[] = [];
      const where = { ...(cluster === undefined ? {} : { cluster }), ...(namespace === undefined ? {} : { namespace }) };
      const sends = kind !== "pod" || isOwn;
      const clusterIndex = cluster === undefined ? -1 : clusters.indexOf(cluster);
      const party = { owner, kind, ...where, members, place, exit, standing, terms, clusterIndex, sends };
      group = { members, profiles: new Set(), fixed, party };
      found.set(key, group);
    }
    group.members.push(endpoint);
    if (profile !== undefined) group.profiles.add(profile);
    if (kind !== "pod" || isOwn) byHost.set(host, endpoint);
  }
  const groups = [...found.values()];
  const used = new Set<HostName>();
  const list = groups.map(({ party, members }, index): Party => ({ ...party, index, spread: spreadOf(members, roles, used) }));
  const indexOf = new Map<Endpoint, number>();
  const onNode = new Map<HostName, Placed[]>();
  const withProfile = new Map<Profile, number[]>();
  const alike = new Map<string, number[]>();
  for (const { index, members, sends } of list) {
    for (const member of members) {
      indexOf.set(member, index);
      const node = sends ? roles.nodeOf(member.host) : undefined;
      if (node !== undefined) listIn(onNode, node).push({ endpoint: member, index });
    }
  }
  for (const [index, { profiles, fixed }] of groups.entries()) {
    listIn(alike, fixed).push(index);
    for (const profile of profiles) listIn(withProfile, profile).push(index);
  }
  const siblings = groups.map(({ fixed }) => listIn(alike, fixed));
  const profiles = groups.map((group) => group.profiles);
  return { list, policies, gathered: { roles, written, indexOf, onNode, byHost, profiles, withProfile, siblings } };
}

/** Up to two members. Rather on nodes that others were asked on already: a node's rules are compiled once. */
function spreadOf(members: readonly Endpoint[], roles: Roles, used: Set<HostName>): readonly Endpoint[] {
  const nodeOf = ({ host }: Endpoint) => roles.nodeOf(host) ?? host;
  const isUsed = (endpoint: Endpoint) => used.has(nodeOf(endpoint));
  const first = members.find(isUsed) ?? members[0];
  if (first === undefined) return [];
  const isElsewhere = (endpoint: Endpoint) => nodeOf(endpoint) !== nodeOf(first);
  const second = members.find((member) => isElsewhere(member) && isUsed(member)) ?? members.find(isElsewhere);
  const spread = second === undefined ? [first] : [first, second];
  for (const each of spread) used.add(nodeOf(each));
  return spread;
}

const nobody: Standing = { ingress: -1, egress: -1, terms: -1, names: "" };

/** Whose an end is. */
class Owners {
  readonly #view: LabView;
  readonly #known = new Map<string, string>();

  constructor(view: LabView) {
    this.#view = view;
  }

  of(endpoint: Endpoint): string {
    const { kind, label, cluster, namespace, pod, name } = endpoint;
    if (kind === "node") {
      const pool = this.#view.topology.clusters.get(cluster ?? "")?.nodes.get(name)?.node.metadata.labels?.agentpool;
      return pool === undefined ? label : `${cluster}:nodes/${pool}`;
    }
    const controller = pod?.metadata.ownerReferences?.find((reference) => reference.controller !== false);
    if (pod === undefined || controller === undefined) return label;
    const key = `${cluster} ${namespace} ${controller.kind} ${controller.name}`;
    let owner = this.#known.get(key);
    if (owner === undefined) {
      owner = `${cluster}:${namespace}/${workloadOf(this.#view, endpoint)}`;
      this.#known.set(key, owner);
    }
    return owner;
  }
}

function listIn<K, V>(map: Map<K, V[]>, key: K): V[] {
  let list = map.get(key);
  if (list === undefined) {
    list = [];
    map.set(key, list);
  }
  return list;
}

/**
 * The ends of a design's flows, gathered in parties: those of one owner that are alike in everything that the compiler reads. docs/decisions/0008-flow-classes.md
 * says what that is, and why members of a party have the same answers.
 */

import type { HostName } from "../ir/network.ts";
import type { Endpoint, EndpointKind } from "../lab/endpoints.ts";
import { workloadOf } from "../lab/reachability.ts";
import type { LabView } from "../lab/view.ts";
import { Places } from "./places.ts";
import { ClusterPolicies, type Standing } from "./policies.ts";
import { Roles } from "./ways.ts";
import { Regions, writtenPrefixes } from "./written.ts";

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

/** An end and its party. */
export type Placed = { readonly endpoint: Endpoint; readonly party: Party };

export class Parties {
  readonly view: LabView;
  readonly list: readonly Party[];
  readonly roles: Roles;
  /** By cluster. */
  readonly policies: ReadonlyMap<string, ClusterPolicies>;
  readonly #partyOf = new Map<Endpoint, Party>();
  readonly #onNode = new Map<HostName, Placed[]>();
  /** Those that send, by host. */
  readonly #byHost = new Map<HostName, Endpoint>();

  constructor(view: LabView) {
    this.view = view;
    const { topology, endpoints, resources } = view;
    this.roles = new Roles(topology);
    this.policies = new Map([...topology.clusters].map(([name, cluster]) => [name, new ClusterPolicies(cluster)]));
    const written = writtenPrefixes(resources, topology);
    const blocks = [...this.policies.values()].flatMap((policies) => policies.blocks);
    const places = new Places(topology, new Regions([...written, ...blocks]));
    const ofPods = new Regions(written);
    const placeIds = new Map<string, number>();
    const found = new Map<string, { readonly party: Omit<Party, "index" | "spread">; readonly members: Endpoint[] }>();
    const owners = new Owners(view);
    const clusters = [...this.policies.keys()];
    for (const endpoint of endpoints) {
      const { kind, cluster, namespace, pod, address, listens, host } = endpoint;
      const isOwn = kind === "pod" && pod?.spec.hostNetwork !== true;
      const standing = this.#standing(endpoint, isOwn);
      const text = isOwn ? `pod ${ofPods.of(address)} ${places.of(endpoint)}` : `${kind} ${places.of(endpoint)}`;
      const place = placeIds.get(text) ?? placeIds.size;
      placeIds.set(text, place);
      const owner = owners.of(endpoint);
      const exit = places.exitOf(endpoint);
      const ports = listens.map(({ port, protocol }) => `${port}/${protocol}`).join(" ");
      const terms = [...this.policies].map(([name, policies]) => (name === cluster ? standing : policies.ofAddress(address)).terms);
      const key = [owner, place, exit, standing.ingress, standing.egress, standing.names, ports, ...terms].join("\n");
      const group = found.get(key);
      if (group !== undefined) group.members.push(endpoint);
      else {
        const members = [endpoint];
        const where = { ...(cluster === undefined ? {} : { cluster }), ...(namespace === undefined ? {} : { namespace }) };
        const sends = kind !== "pod" || isOwn;
        const clusterIndex = cluster === undefined ? -1 : clusters.indexOf(cluster);
        found.set(key, { members, party: { owner, kind, ...where, members, place, exit, standing, terms, clusterIndex, sends } });
      }
      if (kind !== "pod" || isOwn) this.#byHost.set(host, endpoint);
    }
    const used = new Set<HostName>();
    this.list = [...found.values()].map(({ party, members }, index): Party => {
      const made = { ...party, index, spread: this.#spread(members, used) };
      for (const member of members) {
        this.#partyOf.set(member, made);
        const node = made.sends ? this.roles.nodeOf(member.host) : undefined;
        if (node !== undefined) listIn(this.#onNode, node).push({ endpoint: member, party: made });
      }
      return made;
    });
  }

  of(endpoint: Endpoint): Party | undefined {
    return this.#partyOf.get(endpoint);
  }

  /** Those that send from a node: its pods and itself. */
  sendersOn(node: HostName): readonly Placed[] {
    return this.#onNode.get(node) ?? [];
  }

  /** Who sends from a host. */
  onHost(host: HostName | undefined): Endpoint | undefined {
    return host === undefined ? undefined : this.#byHost.get(host);
  }

  /** Are its members on nodes, or nodes? */
  hasNode({ members: [member] }: Party): boolean {
    return member !== undefined && this.roles.nodeOf(member.host) !== undefined;
  }

  #standing({ pod, cluster, address, host }: Endpoint, isOwn: boolean): Standing {
    const policies = cluster === undefined ? undefined : this.policies.get(cluster);
    if (policies === undefined) return nobody;
    return isOwn && pod !== undefined ? policies.ofPod(pod, address, this.roles.nodeOf(host) !== undefined) : policies.ofAddress(address);
  }

  /** Rather on nodes that others were asked on already: a node's rules are compiled once. */
  #spread(members: readonly Endpoint[], used: Set<HostName>): readonly Endpoint[] {
    const nodeOf = ({ host }: Endpoint) => this.roles.nodeOf(host) ?? host;
    const isUsed = (endpoint: Endpoint) => used.has(nodeOf(endpoint));
    const first = members.find(isUsed) ?? members[0];
    if (first === undefined) return [];
    const isElsewhere = (endpoint: Endpoint) => nodeOf(endpoint) !== nodeOf(first);
    const second = members.find((member) => isElsewhere(member) && isUsed(member)) ?? members.find(isElsewhere);
    const spread = second === undefined ? [first] : [first, second];
    for (const each of spread) used.add(nodeOf(each));
    return spread;
  }
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

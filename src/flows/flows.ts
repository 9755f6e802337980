/**
 * All flows of a design: every end that sends, to every end and Service on each port that it listens on, as classes of pairs with one answer.
 *
 * The answer of a class is the tracer's, for one pair of it. What is decided here is only which pairs may share an answer, and that is decided by what
 * the compiler reads (parties.ts, places.ts, policies.ts), never by what a rule means. docs/decisions/0008-flow-classes.md says why that is sound; a
 * test compares classes with a trace of every single pair.
 */

import { machineAddresses } from "../compile/public-address/public-address.ts";
import type { ClusterInfo } from "../compile/topology.ts";
import { hostNames } from "../compile/wiring.ts";
import type { HostName } from "../ir/network.ts";
import { type Endpoint, type ServiceTarget, serviceTargets, type Via } from "../lab/endpoints.ts";
import type { LabView } from "../lab/view.ts";
import { type Address, familyOf } from "../net/address.ts";
import type { PortSpec } from "../net/ports.ts";
import { type Prefix, prefixContains } from "../net/prefix.ts";
import { defaultSourcePort, type TracePacket } from "../trace/index.ts";
import { Parties, type Party } from "./parties.ts";
import { serviceOf } from "./places.ts";
import type { Way } from "./ways.ts";

/** Who is asked. */
export type Receiver = {
  /** A party's owner, or `shop:default/svc/web`. */
  readonly owner: string;
  /** Of a Service: by which of its addresses. `public`: by a machine's public address. Absent: by its own address. */
  readonly via?: Via | "public";
  /** Absent for a Service. */
  readonly party?: Party;
  /** Of a Service: the parties of its endpoints. */
  readonly endpoints: readonly Party[];
  /** Absent: ICMP. */
  readonly port?: PortSpec;
};

/** Pairs that have one answer. */
export type FlowClass = {
  /** Who sends, and how many pairs of the class each party has. Listed when it is read: most classes have nearly all parties. */
  readonly from: readonly { readonly party: Party; readonly pairs: number }[];
  readonly to: Receiver;
  /** Is the sender's node the receiver's, too? Of a Service: how many of its endpoints are on the sender's node, in words. Absent: outside clusters. */
  readonly placement?: string;
  readonly pairs: number;
  /** More than one where chance decides. Sorted. */
  readonly ways: readonly Way[];
  /** There are more ways than were followed: `ways` are some of them. */
  readonly partial?: true;
  /** The pair that was traced. */
  readonly example: { readonly from: Endpoint; readonly packet: TracePacket };
};

type Answer = {
  readonly said: Pick<FlowClass, "ways" | "partial" | "example">;
  /** Some packet that was traced came by the edge of a VNet. */
  readonly meetsEdge: boolean;
};

const edges = hostNames.edge("");

/** Where a load balancer's hash decides, so many source ports are tried. */
const triedPorts = 24;
/** … from so many senders, since some distribution modes look at addresses only. */
const triedSenders = 6;

/** The flows of a lab. */
export class Flows {
  readonly parties: Parties;
  readonly #view: LabView;
  readonly #answers = new Map<string, Answer>();
  readonly #podCidrs: readonly (Prefix | undefined)[];

  constructor(view: LabView) {
    this.#view = view;
    this.parties = new Parties(view);
    this.#podCidrs = [...view.topology.clusters.values()].map(({ podCidr }) => podCidr);
  }

  /** Traces that were made. */
  get traced(): number {
    return this.#answers.size;
  }

  /** Receiver by receiver. */
  *classes(): Generator<FlowClass> {
    for (const party of this.parties.list) {
      const near = this.#neighbours(party);
      const ports: readonly (PortSpec | undefined)[] =
        party.members[0]?.listens.length === 0 ? [undefined] : (party.members[0]?.listens ?? []);
      for (const port of ports) yield* this.#towards(party, port, near);
    }
    const { topology } = this.#view;
    for (const vnet of topology.vnets) {
      for (const { nic, address } of machineAddresses(topology, vnet)) {
        const machine = this.parties.onHost(nic.host);
        const party = machine === undefined ? undefined : this.parties.of(machine);
        for (const port of machine?.listens ?? []) if (party !== undefined) yield* this.#towards(party, port, undefined, address);
      }
    }
    for (const cluster of topology.clusters.values()) yield* this.#services(cluster);
  }

  /** Senders on the nodes of a party's members: pairs on one node, and pairs of a host with itself. */
  #neighbours(party: Party): Neighbours {
    const { length } = this.parties.list;
    const together = new Int32Array(length);
    const itself = new Int32Array(length);
    for (const { host } of party.members) {
      const node = this.parties.roles.nodeOf(host);
      if (node === undefined) {
        if (party.sends) itself[party.index] = (itself[party.index] ?? 0) + 1;
        continue;
      }
      for (const { endpoint: sender, party: other } of this.parties.sendersOn(node)) {
        const counts = sender.host === host ? itself : together;
        counts[other.index] = (counts[other.index] ?? 0) + 1;
      }
    }
    return { together, itself };
  }

  /** `publicAddress`: reached by it, and not by its own. */
  *#towards(party: Party, port: PortSpec | undefined, near: Neighbours | undefined, publicAddress?: Address): Generator<FlowClass> {
    const { parties } = this;
    const groups = this.#related(party, port, publicAddress);
    const to: Receiver = {
      owner: party.owner,
      ...(publicAddress === undefined ? {} : { via: "public" }),
      party,
      endpoints: [],
      ...(port === undefined ? {} : { port }),
    };
    const asked = `${publicAddress ?? party.place} ${port === undefined ? "icmp" : `${port.protocol} ${port.port}`}`;
    for (const [key, senders] of groups) {
      const together = ({ index }: Party) => near?.together[index] ?? 0;
      yield* this.#split(`${key} > ${asked} together`, senders, together, { to, placement: "the same node" }, ([sender]) => {
        const pair = sender === undefined ? undefined : this.#together(sender, party);
        return pair === undefined ? [] : [this.#pair(pair.from, pair.to, port, publicAddress)];
      });
      const apart = (sender: Party) => {
        const itself = near?.itself[sender.index] ?? (sender === party ? sender.members.length : 0);
        return Math.max(0, sender.members.length * party.members.length - itself - together(sender));
      };
      const isInCluster = parties.hasNode(party) && senders.some((sender) => parties.hasNode(sender));
      yield* this.#split(
        `${key} > ${asked} apart`,
        senders,
        apart,
        { to, ...(isInCluster ? { placement: "another node" } : {}) },
        (from) => {
          const pair = this.#apart(from, party);
          return pair === undefined ? [] : [this.#pair(pair.from, pair.to, port, publicAddress)];
        },
      );
    }
  }

  /**
   * Classes of senders that are alike but for their way to the Internet: one, when the way that was traced meets no edge, where alone that is read; else
   * one for each.
   */
  *#split(
    key: string,
    senders: readonly Party[],
    pairsOf: (sender: Party) => number,
    flow: Pick<FlowClass, "to" | "placement">,
    ask: (senders: readonly Party[]) => readonly Asked[],
  ): Generator<FlowClass> {
    let pairs = 0;
    for (const sender of senders) pairs += pairsOf(sender);
    if (pairs === 0) return;
    const having = () => senders.filter((sender) => pairsOf(sender) > 0);
    const answer = this.#answer(key, () => ask(having()));
    const exits = new Map<string, Party[]>();
    if (answer.meetsEdge) for (const sender of having()) listIn(exits, sender.exit).push(sender);
    if (exits.size <= 1) {
      yield classOf(flow, senders, pairsOf, pairs, answer);
      return;
    }
    for (const [exit, own] of exits) {
      const ownPairs = own.reduce((total, sender) => total + pairsOf(sender), 0);
      yield classOf(
        flow,
        own,
        pairsOf,
        ownPairs,
        this.#answer(`${key} ${exit}`, () => ask(own)),
      );
    }
  }

  /** Senders by what matters of them to this receiver. Asked for every pair of parties: the loop does no more than it must. */
  #related(party: Party, port: PortSpec | undefined, publicAddress: Address | undefined): ReadonlyMap<string, readonly Party[]> {
    const groups = new Map<string, Party[]>();
    const { parties } = this;
    const policies = [...parties.policies.values()];
    const own = policies[party.clusterIndex];
    const { ingress, names } = party.standing;
    const [member] = party.members;
    const ambiguous = policies.map(
      (_, index) => publicAddress === undefined && member !== undefined && this.#meansAnother(index, party, member.address),
    );
    /** By place, then by relation to the receiver: of senders that no policy of theirs isolates. */
    const quick: (Party[] | undefined)[][] = [];
    for (const sender of parties.list) {
      const { clusterIndex, place } = sender;
      if (!sender.sends || ambiguous[clusterIndex] === true) continue;
      const relation = own === undefined ? -1 : own.relation(ingress, sender.terms[party.clusterIndex] ?? -1);
      const { egress } = sender.standing;
      if (egress < 0) {
        let row = quick[place];
        if (row === undefined) {
          row = [];
          quick[place] = row;
        }
        let group = row[relation + 1];
        if (group === undefined) {
          group = [];
          row[relation + 1] = group;
          groups.set(`${place} -1 -1 ${ingress} ${relation} ${names}`, group);
        }
        group.push(sender);
        continue;
      }
      const theirs = policies[clusterIndex];
      const leaving = theirs?.relation(egress, party.terms[clusterIndex] ?? -1) ?? -1;
      const ends = publicAddress === undefined && theirs?.mayLeave(egress, leaving, port) === false;
      const key = `${place} ${egress} ${leaving} ${ends ? "" : `${ingress} ${relation} ${names}`}`;
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [sender]);
      else group.push(sender);
    }
    return groups;
  }

  /** Where two clusters have the same pod addresses, an address of the other one's is one of its own to a cluster: nobody there can mean the other pod. */
  #meansAnother(clusterIndex: number, receiver: Party, address: Address): boolean {
    if (clusterIndex === receiver.clusterIndex || receiver.kind !== "pod") return false;
    const podCidr = this.#podCidrs[clusterIndex];
    return podCidr !== undefined && prefixContains(podCidr, address);
  }

  /** A pair on one node. */
  #together(sender: Party, party: Party): { readonly from: Endpoint; readonly to: Endpoint } | undefined {
    for (const to of party.members) {
      const node = this.parties.roles.nodeOf(to.host);
      const others = node === undefined ? [] : this.parties.sendersOn(node);
      const found = others.find((other) => other.party === sender && other.endpoint.host !== to.host);
      if (found !== undefined) return { from: found.endpoint, to };
    }
    return undefined;
  }

  /** A pair that is not on one node. */
  #apart(senders: readonly Party[], party: Party): { readonly from: Endpoint; readonly to: Endpoint } | undefined {
    const { roles } = this.parties;
    for (const sender of senders) {
      for (const from of sender.spread) {
        const node = roles.nodeOf(from.host);
        const to = party.spread.find(({ host }) => host !== from.host && (node === undefined || roles.nodeOf(host) !== node));
        if (to !== undefined) return { from, to };
      }
    }
    return undefined;
  }

  *#services(cluster: ClusterInfo): Generator<FlowClass> {
    const backends = new Map<string, Backends>();
    const slices = new Map<string, Endpoint[]>();
    for (const slice of cluster.endpointSlices) {
      const name = serviceOf(slice);
      const isReady = slice.endpoints.some(({ conditions }) => conditions.ready);
      for (const { addresses, conditions } of slice.endpoints) {
        if (isReady && !conditions.ready) continue;
        for (const address of addresses) {
          const endpoint = this.parties.onHost(this.parties.roles.hostIn(cluster.name, address));
          if (endpoint === undefined) continue;
          const known = slices.get(name);
          if (known === undefined) slices.set(name, [endpoint]);
          else known.push(endpoint);
        }
      }
    }
    for (const target of serviceTargets(cluster, cluster.services, [])) {
      // Only IPv4 flows are told apart: see docs/decisions/0008-flow-classes.md.
      if (familyOf(target.address) === 6) continue;
      const { namespace = "default", name } = target.service.metadata;
      const key = `${namespace}/${name}`;
      const own = backends.get(key) ?? new Backends(this.parties, slices.get(key) ?? []);
      backends.set(key, own);
      yield* this.#towardsService(cluster, target, own);
    }
  }

  *#towardsService(cluster: ClusterInfo, target: ServiceTarget, backends: Backends): Generator<FlowClass> {
    const { parties } = this;
    const groups = new Map<string, Party[]>();
    const policies = [...parties.policies.values()];
    const index = [...parties.policies.keys()].indexOf(cluster.name);
    const own = policies[index];
    for (const sender of parties.list) {
      if (!sender.sends) continue;
      const { egress } = sender.standing;
      const relations = backends.parties.map((party) => {
        const leaving = policies[sender.clusterIndex]?.relation(egress, party.terms[sender.clusterIndex] ?? -1);
        return `${leaving}/${own?.relation(party.standing.ingress, sender.terms[index] ?? -1)}`;
      });
      const key = `${sender.place} ${egress} ${relations.join(" ")}`;
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [sender]);
      else group.push(sender);
    }
    const { service, via, port, protocol, address } = target;
    const to: Receiver = {
      owner: `${cluster.name}:${service.metadata.namespace ?? "default"}/svc/${service.metadata.name}`,
      via,
      endpoints: backends.parties,
      port: { port, protocol },
    };
    for (const [key, senders] of groups) {
      for (const [placement, placed] of backends.placed(senders)) {
        const question = `${key} > ${to.owner} ${via} ${port} ${protocol} ${address} ${placement}`;
        const pairsOf = (sender: Party) => placed.get(sender)?.pairs ?? 0;
        yield* this.#split(question, [...placed.keys()], pairsOf, { to, ...(placement === "" ? {} : { placement }) }, (from) => {
          const examples = from.flatMap((sender) => placed.get(sender)?.example ?? []);
          return this.#asked(examples, target).map((packet) => ({ ...packet, receiver: undefined }));
        });
      }
    }
  }

  /** The packets to trace for a Service: more than one where a load balancer picks by a hash. */
  #asked(examples: readonly Endpoint[], { via, cluster, address, port, protocol }: ServiceTarget): readonly Omit<Asked, "receiver">[] {
    const [first] = examples;
    const packet: TracePacket = { protocol, destination: address, destinationPort: port };
    if (first === undefined) return [];
    if (via !== "loadbalancer" || first.cluster === cluster) return [{ from: first, packet }];
    return examples
      .slice(0, triedSenders)
      .flatMap((from) =>
        Array.from({ length: triedPorts }, (_, index) => ({ from, packet: { ...packet, sourcePort: defaultSourcePort + 97 * index } })),
      );
  }

  #pair(from: Endpoint, to: Endpoint, port: PortSpec | undefined, publicAddress: Address | undefined): Asked {
    const destination = publicAddress ?? to.address;
    const packet: TracePacket =
      port === undefined ? { protocol: "icmp", destination } : { protocol: port.protocol, destination, destinationPort: port.port };
    return { from, packet, receiver: to.host };
  }

  /** The tracer's answer, asked once for each key. */
  #answer(key: string, ask: () => readonly Asked[]): Answer {
    const known = this.#answers.get(key);
    if (known !== undefined) return known;
    const ways = new Map<string, Way>();
    const asked = ask();
    let isPartial = asked.length > 1;
    let meetsEdge = false;
    for (const { from, packet, receiver } of asked) {
      for (const path of this.#view.tracer.trace(from.host, packet, { steps: false })) {
        if (path.representative === true) isPartial = true;
        meetsEdge ||= [...path.hops, ...(path.return?.hops ?? [])].some(({ host }) => host.startsWith(edges));
        const way = this.parties.roles.way(path, from.host, receiver);
        ways.set(JSON.stringify(way), way);
      }
    }
    const [first] = asked;
    if (first === undefined) throw new Error("a class without a pair has no answer");
    const { from, packet } = first;
    const said: Answer["said"] = {
      ways: [...ways].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, way]) => way),
      ...(isPartial ? { partial: true } : {}),
      example: { from, packet },
    };
    const answer = { said, meetsEdge };
    this.#answers.set(key, answer);
    return answer;
  }
}

/** How many pairs each party has with a receiver's on one node, and of a host with itself. By index of the party that sends. */
type Neighbours = { readonly together: Int32Array; readonly itself: Int32Array };

type Asked = { readonly from: Endpoint; readonly packet: TracePacket; readonly receiver: HostName | undefined };

/** The endpoints of a Service: which parties they are of, and how many are on which node. */
class Backends {
  readonly parties: readonly Party[];
  readonly #all: Parties;
  readonly #hosts: ReadonlySet<HostName>;
  readonly #onNode = new Map<HostName, Map<Party, number>>();
  readonly #counts = new Map<Party, number>();

  constructor(all: Parties, endpoints: readonly Endpoint[]) {
    this.#all = all;
    this.#hosts = new Set(endpoints.map(({ host }) => host));
    for (const endpoint of endpoints) {
      const party = all.of(endpoint);
      const node = all.roles.nodeOf(endpoint.host);
      if (party === undefined) continue;
      this.#counts.set(party, (this.#counts.get(party) ?? 0) + 1);
      if (node === undefined) continue;
      const counts = this.#onNode.get(node) ?? new Map<Party, number>();
      this.#onNode.set(node, counts);
      counts.set(party, (counts.get(party) ?? 0) + 1);
    }
    this.parties = [...this.#counts.keys()];
  }

  /** Senders by where they are: on a node with all endpoints of a party, with some, or with none; and whether they are endpoints themselves. */
  placed(senders: readonly Party[]): ReadonlyMap<string, Placed> {
    const wanted = new Set(senders);
    const result = new Map<string, Placed>();
    const near = new Map<Party, number>();
    for (const node of this.#onNode.keys()) {
      const placement = this.#placement(node);
      for (const { endpoint: sender, party } of this.#all.sendersOn(node)) {
        if (!wanted.has(party)) continue;
        near.set(party, (near.get(party) ?? 0) + 1);
        const own = this.#hosts.has(sender.host) ? `itself one, ${this.#placement(node, party)}` : placement;
        add(result, own, party, 1, sender);
      }
    }
    for (const party of senders) {
      const left = party.members.length - (near.get(party) ?? 0);
      if (left === 0) continue;
      const isFar = ({ host }: Endpoint) => !this.#onNode.has(this.#all.roles.nodeOf(host) ?? "");
      const example = party.spread.find(isFar) ?? party.members.find(isFar);
      if (example === undefined) continue;
      const isInCluster = this.#all.roles.nodeOf(example.host) !== undefined && this.parties.length > 0;
      add(result, isInCluster ? "none of the endpoints on the sender's node" : "", party, left, example);
    }
    return result;
  }

  /** `sender`: the party of a sender that is an endpoint itself, and is not counted. */
  #placement(node: HostName, sender?: Party): string {
    const own = this.#onNode.get(node);
    const words = this.parties.map((party) => {
      const itself = party === sender ? 1 : 0;
      const count = (own?.get(party) ?? 0) - itself;
      return count === 0 ? "none" : count === (this.#counts.get(party) ?? 0) - itself ? "all" : "some";
    });
    const [first = ""] = words;
    const text = words.every((word) => word === first) ? first : words.join(", ");
    return `${text} of the ${sender === undefined ? "" : "other "}endpoints on the sender's node`;
  }
}

/** Of each party, how many senders are placed so, and one of them. */
type Placed = Map<Party, { pairs: number; readonly example: Endpoint }>;

function add(placed: Map<string, Placed>, placement: string, party: Party, pairs: number, example: Endpoint): void {
  let parties = placed.get(placement);
  if (parties === undefined) {
    parties = new Map();
    placed.set(placement, parties);
  }
  const one = parties.get(party);
  if (one === undefined) parties.set(party, { pairs, example });
  else one.pairs += pairs;
}

function listIn<K, V>(map: Map<K, V[]>, key: K): V[] {
  let list = map.get(key);
  if (list === undefined) {
    list = [];
    map.set(key, list);
  }
  return list;
}

function classOf(
  flow: Pick<FlowClass, "to" | "placement">,
  senders: readonly Party[],
  pairsOf: (sender: Party) => number,
  pairs: number,
  { said }: Answer,
): FlowClass {
  return {
    ...flow,
    get from() {
      return senders.flatMap((party) => {
        const own = pairsOf(party);
        return own === 0 ? [] : [{ party, pairs: own }];
      });
    },
    pairs,
    ...said,
  };
}

/**
 * All flows of a design: every end that sends, to every end and Service on each port that it listens on, as classes of pairs with one answer.
 *
 * The answer of a class is the tracer's, for one pair of it. What is decided here is only which pairs may share an answer, and that is decided by what
 * the compiler reads (parties.ts, places.ts, policies.ts), never by what a rule means. docs/decisions/0008-flow-classes.md says why that is sound; a
 * test compares classes with a trace of every single pair.
 */

import { machineAddresses } from "../compile/public-address/public-address.ts";
import type { ClusterInfo } from "../compile/topology.ts";
import type { HostName } from "../ir/network.ts";
import { type Endpoint, type ServiceTarget, serviceTargets, type Via } from "../lab/endpoints.ts";
import type { LabView } from "../lab/view.ts";
import { type Address, familyOf } from "../net/address.ts";
import type { PortSpec } from "../net/ports.ts";
import { type Prefix, prefixContains } from "../net/prefix.ts";
import { defaultSourcePort, type TracePacket } from "../trace/index.ts";
import { type Answer, Answers, type Asked, type Packets } from "./answers.ts";
import { HostChanges } from "./host-changes.ts";
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

/** Where a load balancer's hash decides, so many source ports are tried. */
const triedPorts = 24;
/** … from so many senders, since some distribution modes look at addresses only. */
const triedSenders = 6;
const sourcePorts = Array.from({ length: triedPorts }, (_, index) => defaultSourcePort + 97 * index);

type Pair = { readonly from: Endpoint; readonly to: Endpoint };

/** One class, in a form that outlives changes that do not concern it: parties by their index. */
type Found = {
  readonly placement?: string;
  readonly senders: readonly number[];
  readonly pairsOf: (sender: number) => number;
  readonly pairs: number;
  /** What its answer is kept under. */
  readonly question: string;
};

/** Somebody who is asked on one port: an end, by its own address or another one, or a Service. */
type Target = { readonly cluster: string | undefined; readonly receivers: readonly number[] } & (
  | { readonly port: PortSpec | undefined; readonly publicAddress: Address | undefined }
  | { readonly service: ServiceTarget; readonly backends: Backends }
);

/** What flows have in common with those of an earlier version of the design. */
type Kept = {
  readonly parties: Parties;
  readonly answers: Answers;
  readonly targets: readonly Target[];
  readonly neighbours: Neighbourhood;
};

/** The flows of a lab. */
export class Flows {
  readonly parties: Parties;
  readonly #view: LabView;
  readonly #answers: Answers;
  readonly #targets: readonly Target[];
  readonly #neighbours: Neighbourhood;
  /** By target, when somebody has asked. */
  readonly #found: (readonly Found[] | undefined)[];
  readonly #podCidrs: readonly (Prefix | undefined)[];

  /** `kept`: of {@link Flows.after}. */
  constructor(view: LabView, kept?: Kept, found?: readonly (readonly Found[] | undefined)[]) {
    this.#view = view;
    this.parties = kept?.parties ?? new Parties(view);
    this.#answers = kept?.answers ?? new Answers();
    this.#targets = kept?.targets ?? [...targetsOf(view, this.parties)];
    this.#neighbours = kept?.neighbours ?? new Neighbourhood();
    this.#found = [...(found ?? [])];
    this.#podCidrs = [...view.topology.clusters.values()].map(({ podCidr }) => podCidr);
  }

  /** Questions that were asked of the tracer. */
  get traced(): number {
    return this.#answers.asked;
  }

  /** Receiver by receiver. */
  *classes(): Generator<FlowClass> {
    for (const index of this.#targets.keys()) yield* this.#classesOf(index);
  }

  /**
   * The flows of `view`, which came of this one's by some changes. After changes of network policies, routes and rules of security groups, what those do
   * not concern is taken from here: classes of which neither the parties' policies nor any answer changes. After anything else, it is all found anew.
   */
  after(view: LabView): Flows {
    const changed = this.parties.after(view);
    if (changed === undefined) return new Flows(view);
    const { parties, moved, isPolicies } = changed;
    // Questions say all that policies have to do with them.
    const answers = isPolicies ? this.#answers : this.#answers.after(new HostChanges(this.#view.network, view.network));
    const isMoved = this.#movedTargets(parties, moved);
    const found = this.#targets.map((target, index) => {
      const known = this.#found[index];
      const isAnswered = isPolicies || known?.every(({ question }) => answers.has(question)) === true;
      return isAnswered && !isMoved(target) ? known : undefined;
    });
    return new Flows(view, { parties, answers, targets: this.#targets, neighbours: this.#neighbours }, found);
  }

  /** The classes that are not those of `before`, which these flows were made from: gone and new, for the receivers that are concerned. */
  changedSince(before: Flows): { readonly gone: readonly FlowClass[]; readonly made: readonly FlowClass[] } {
    const isSame = this.#targets === before.#targets;
    const changed = [...this.#targets.keys()].filter((index) => !isSame || this.#foundOf(index) !== before.#found[index]);
    const old = isSame ? changed : [...before.#targets.keys()];
    return {
      gone: old.flatMap((index) => [...before.#classesOf(index)]),
      made: changed.flatMap((index) => [...this.#classesOf(index)]),
    };
  }

  /** Which targets do policies see otherwise than before, or somebody who sends to them? `moved`: the parties that they see otherwise. */
  #movedTargets(parties: Parties, moved: readonly number[]): (target: Target) => boolean {
    if (moved.length === 0) return () => false;
    const indices = new Set(moved);
    const changes = moved.map((index) => ({ before: this.parties.at(index), after: parties.at(index) })).filter(({ after }) => after.sends);
    if (changes.some(({ before, after }) => before.standing.egress !== after.standing.egress)) return () => true;
    const clusters = new Map(
      [...parties.policies].map(([name, policies], at) => {
        const terms = changes.flatMap(({ before, after }) =>
          before.terms[at] === after.terms[at] ? [] : [[before.terms[at] ?? -1, after.terms[at] ?? -1] as const],
        );
        return [name, { policies, terms: [...new Map(terms.map((pair) => [pair.join(), pair])).values()] }];
      }),
    );
    return ({ cluster, receivers }) => {
      if (receivers.some((index) => indices.has(index))) return true;
      const own = clusters.get(cluster ?? "");
      if (own === undefined || own.terms.length === 0) return false;
      return receivers.some((receiver) => {
        const { ingress } = parties.at(receiver).standing;
        return ingress >= 0 && own.terms.some(([old, now]) => own.policies.relation(ingress, old) !== own.policies.relation(ingress, now));
      });
    };
  }

  #foundOf(index: number): readonly Found[] {
    const known = this.#found[index];
    const target = this.#targets[index];
    if (known !== undefined || target === undefined) return known ?? [];
    const found = [...("service" in target ? this.#towardsService(target) : this.#towards(target))];
    this.#found[index] = found;
    return found;
  }

  *#classesOf(index: number): Generator<FlowClass> {
    const target = this.#targets[index];
    if (target === undefined) return;
    const to = this.#receiver(target);
    for (const { placement, senders, pairsOf, pairs, question } of this.#foundOf(index)) {
      const { parties } = this;
      yield {
        to,
        ...(placement === undefined ? {} : { placement }),
        get from() {
          return senders.flatMap((sender) => {
            const own = pairsOf(sender);
            return own === 0 ? [] : [{ party: parties.at(sender), pairs: own }];
          });
        },
        pairs,
        ...this.#answers.get(question).said,
      };
    }
  }

  #receiver(target: Target): Receiver {
    const endpoints = target.receivers.map((index) => this.parties.at(index));
    if ("service" in target) {
      const { service, via, port, protocol } = target.service;
      const owner = `${target.cluster}:${service.metadata.namespace ?? "default"}/svc/${service.metadata.name}`;
      return { owner, via, endpoints, port: { port, protocol } };
    }
    const [party] = endpoints;
    const { port, publicAddress } = target;
    return {
      owner: party?.owner ?? "",
      ...(publicAddress === undefined ? {} : { via: "public" }),
      ...(party === undefined ? {} : { party }),
      endpoints: [],
      ...(port === undefined ? {} : { port }),
    };
  }

  *#towards({ receivers: [receiver], port, publicAddress }: Extract<Target, { readonly publicAddress: unknown }>): Generator<Found> {
    const { parties } = this;
    if (receiver === undefined) return;
    const party = parties.at(receiver);
    const near = publicAddress === undefined ? this.#neighbours.of(parties, party) : undefined;
    const asked = `${publicAddress ?? party.place} ${port === undefined ? "icmp" : `${port.protocol} ${port.port}`}`;
    const together = (sender: number) => near?.together[sender] ?? 0;
    const apart = (sender: number) => {
      const { members } = parties.at(sender);
      const itself = near?.itself[sender] ?? (sender === receiver ? members.length : 0);
      return Math.max(0, members.length * party.members.length - itself - together(sender));
    };
    for (const [key, senders] of this.#related(party, port, publicAddress)) {
      yield* this.#split(`${key} > ${asked} together`, senders, together, "the same node", (from, hashed) => {
        return this.#pairs(this.#together(from, party), hashed, port, publicAddress);
      });
      const isInCluster = parties.hasNode(party) && senders.some((sender) => parties.hasNode(parties.at(sender)));
      yield* this.#split(`${key} > ${asked} apart`, senders, apart, isInCluster ? "another node" : undefined, (from, hashed) => {
        return this.#pairs(this.#apart(from, party, hashed), hashed, port, publicAddress);
      });
    }
  }

  /**
   * Classes of senders that are alike but for their way to the Internet: one, when the way that was traced meets no edge, where alone that is read; else
   * one for each.
   */
  *#split(
    question: string,
    senders: readonly number[],
    pairsOf: (sender: number) => number,
    placement: string | undefined,
    ask: (senders: readonly number[], hashed: boolean) => readonly Asked[],
  ): Generator<Found> {
    let pairs = 0;
    for (const sender of senders) pairs += pairsOf(sender);
    if (pairs === 0) return;
    const placed = placement === undefined ? {} : { placement };
    const having = () => senders.filter((sender) => pairsOf(sender) > 0);
    const answer = this.#answer(question, (hashed) => ask(having(), hashed));
    const exits = new Map<string, number[]>();
    if (answer.meetsEdge) for (const sender of having()) listIn(exits, this.parties.at(sender).exit).push(sender);
    if (exits.size <= 1) {
      yield { ...placed, senders, pairsOf, pairs, question };
      return;
    }
    for (const [exit, own] of exits) {
      const ownPairs = own.reduce((total, sender) => total + pairsOf(sender), 0);
      const ownQuestion = `${question} ${exit}`;
      this.#answer(ownQuestion, (hashed) => ask(own, hashed));
      yield { ...placed, senders: own, pairsOf, pairs: ownPairs, question: ownQuestion };
    }
  }

  /** Senders by what matters of them to this receiver. Asked for every pair of parties: the loop does no more than it must. */
  #related(party: Party, port: PortSpec | undefined, publicAddress: Address | undefined): ReadonlyMap<string, readonly number[]> {
    const groups = new Map<string, number[]>();
    const { parties } = this;
    const policies = [...parties.policies.values()];
    const own = policies[party.clusterIndex];
    const { ingress, names } = party.standing;
    const [member] = party.members;
    const ambiguous = policies.map(
      (_, index) => publicAddress === undefined && member !== undefined && this.#meansAnother(index, party, member.address),
    );
    /** By place, then by relation to the receiver: of senders that no policy of theirs isolates. */
    const quick: (number[] | undefined)[][] = [];
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
        group.push(sender.index);
        continue;
      }
      const theirs = policies[clusterIndex];
      const leaving = theirs?.relation(egress, party.terms[clusterIndex] ?? -1) ?? -1;
      const ends = publicAddress === undefined && theirs?.mayLeave(egress, leaving, port) === false;
      const key = `${place} ${egress} ${leaving} ${ends ? "" : `${ingress} ${relation} ${names}`}`;
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [sender.index]);
      else group.push(sender.index);
    }
    return groups;
  }

  /** Where two clusters have the same pod addresses, an address of the other one's is one of its own to a cluster: nobody there can mean the other pod. */
  #meansAnother(clusterIndex: number, receiver: Party, address: Address): boolean {
    if (clusterIndex === receiver.clusterIndex || receiver.kind !== "pod") return false;
    const podCidr = this.#podCidrs[clusterIndex];
    return podCidr !== undefined && prefixContains(podCidr, address);
  }

  /** Pairs on one node, one for each sender. */
  *#together(senders: readonly number[], party: Party): Generator<Pair> {
    for (const sender of senders) {
      for (const to of party.members) {
        const node = this.parties.roles.nodeOf(to.host);
        const others = node === undefined ? [] : this.parties.sendersOn(node);
        const found = others.find((other) => other.index === sender && other.endpoint.host !== to.host);
        if (found === undefined) continue;
        yield { from: found.endpoint, to };
        break;
      }
    }
  }

  /** Pairs that are not on one node: of those to ask for all, or of `every` member. */
  *#apart(senders: readonly number[], party: Party, every: boolean): Generator<Pair> {
    const { roles } = this.parties;
    const askedOf = ({ members, spread }: Party) => (every ? members : spread);
    for (const sender of senders) {
      for (const from of askedOf(this.parties.at(sender))) {
        const node = roles.nodeOf(from.host);
        for (const to of askedOf(party)) {
          if (to.host !== from.host && (node === undefined || roles.nodeOf(to.host) !== node)) yield { from, to };
        }
      }
    }
  }

  /** What to ask for pairs that are alike: the first of them; and where a hash decides, many, some of them with several source ports. */
  #pairs(pairs: Iterable<Pair>, hashed: boolean, port: PortSpec | undefined, publicAddress: Address | undefined): readonly Asked[] {
    const asked: Asked[] = [];
    for (const { from, to } of pairs) {
      const pair = this.#pair(from, to, port, publicAddress);
      if (!hashed) return [pair];
      if (asked.length >= 2 * triedSenders * triedPorts) break;
      if (asked.length >= triedSenders * triedPorts) asked.push(pair);
      else asked.push(...sourcePorts.map((sourcePort) => ({ ...pair, packet: { ...pair.packet, sourcePort } })));
    }
    return asked;
  }

  *#towardsService({ cluster, receivers, service: target, backends }: Extract<Target, { readonly service: unknown }>): Generator<Found> {
    const { parties } = this;
    const groups = new Map<string, number[]>();
    const policies = [...parties.policies.values()];
    const at = [...parties.policies.keys()].indexOf(cluster ?? "");
    const own = policies[at];
    for (const sender of parties.list) {
      if (!sender.sends) continue;
      const { egress } = sender.standing;
      const relations = receivers.map((receiver) => {
        const { standing, terms } = parties.at(receiver);
        const leaving = policies[sender.clusterIndex]?.relation(egress, terms[sender.clusterIndex] ?? -1);
        return `${leaving}/${standing.ingress} ${own?.relation(standing.ingress, sender.terms[at] ?? -1)}`;
      });
      listIn(groups, `${sender.place} ${egress} ${relations.join(" ")}`).push(sender.index);
    }
    const { service, via, port, protocol, address } = target;
    const name = `${cluster}:${service.metadata.namespace ?? "default"}/svc/${service.metadata.name}`;
    for (const [key, senders] of groups) {
      for (const [placement, placed] of backends.placed(parties, senders)) {
        const question = `${key} > ${name} ${via} ${port} ${protocol} ${address} ${placement}`;
        const pairsOf = (sender: number) => placed.get(sender)?.pairs ?? 0;
        yield* this.#split(question, [...placed.keys()], pairsOf, placement === "" ? undefined : placement, (from) => {
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
      .flatMap((from) => sourcePorts.map((sourcePort) => ({ from, packet: { ...packet, sourcePort } })));
  }

  #pair(from: Endpoint, to: Endpoint, port: PortSpec | undefined, publicAddress: Address | undefined): Asked {
    const destination = publicAddress ?? to.address;
    const packet: TracePacket =
      port === undefined ? { protocol: "icmp", destination } : { protocol: port.protocol, destination, destinationPort: port.port };
    return { from, packet, receiver: to.host };
  }

  #answer(question: string, ask: Packets): Answer {
    return this.#answers.ask(question, this.#view, this.parties.roles, ask);
  }
}

/** Everybody who is asked, on every port. */
function* targetsOf({ topology }: LabView, parties: Parties): Generator<Target> {
  for (const { index, members, cluster } of parties.list) {
    const ports = members[0]?.listens ?? [];
    for (const port of ports.length === 0 ? [undefined] : ports) yield { cluster, receivers: [index], port, publicAddress: undefined };
  }
  for (const vnet of topology.vnets) {
    for (const { nic, address } of machineAddresses(topology, vnet)) {
      const machine = parties.onHost(nic.host);
      const party = machine === undefined ? undefined : parties.of(machine);
      if (party === undefined) continue;
      for (const port of machine?.listens ?? []) yield { cluster: party.cluster, receivers: [party.index], port, publicAddress: address };
    }
  }
  for (const cluster of topology.clusters.values()) yield* servicesOf(cluster, parties);
}

function* servicesOf(cluster: ClusterInfo, parties: Parties): Generator<Target> {
  const known = new Map<string, Backends>();
  const slices = new Map<string, Endpoint[]>();
  for (const slice of cluster.endpointSlices) {
    const isReady = slice.endpoints.some(({ conditions }) => conditions.ready);
    for (const { addresses, conditions } of slice.endpoints) {
      if (isReady && !conditions.ready) continue;
      for (const address of addresses) {
        const endpoint = parties.onHost(parties.roles.hostIn(cluster.name, address));
        if (endpoint !== undefined) listIn(slices, serviceOf(slice)).push(endpoint);
      }
    }
  }
  for (const service of serviceTargets(cluster, cluster.services, [])) {
    // Only IPv4 flows are told apart: see docs/decisions/0008-flow-classes.md.
    if (familyOf(service.address) === 6) continue;
    const { namespace = "default", name } = service.service.metadata;
    const key = `${namespace}/${name}`;
    const backends = known.get(key) ?? new Backends(parties, slices.get(key) ?? []);
    known.set(key, backends);
    yield { cluster: cluster.name, receivers: backends.parties, service, backends };
  }
}

/** How many pairs each party has with a receiver's on one node, and of a host with itself. By index of the party that sends. */
type Neighbours = { readonly together: Int32Array; readonly itself: Int32Array };

/** The same for as long as ends are gathered in the same parties. */
class Neighbourhood {
  readonly #known: Neighbours[] = [];

  /** Senders on the nodes of a party's members: pairs on one node, and pairs of a host with itself. */
  of(parties: Parties, party: Party): Neighbours {
    const known = this.#known[party.index];
    if (known !== undefined) return known;
    const { length } = parties.list;
    const together = new Int32Array(length);
    const itself = new Int32Array(length);
    for (const { host } of party.members) {
      const node = parties.roles.nodeOf(host);
      if (node === undefined) {
        if (party.sends) itself[party.index] = (itself[party.index] ?? 0) + 1;
        continue;
      }
      for (const { endpoint: sender, index } of parties.sendersOn(node)) {
        const counts = sender.host === host ? itself : together;
        counts[index] = (counts[index] ?? 0) + 1;
      }
    }
    const made = { together, itself };
    this.#known[party.index] = made;
    return made;
  }
}

/** The endpoints of a Service: which parties they are of, by index, and how many are on which node. */
class Backends {
  readonly parties: readonly number[];
  readonly #hosts: ReadonlySet<HostName>;
  readonly #onNode = new Map<HostName, Map<number, number>>();
  readonly #counts = new Map<number, number>();

  constructor(all: Parties, endpoints: readonly Endpoint[]) {
    this.#hosts = new Set(endpoints.map(({ host }) => host));
    for (const endpoint of endpoints) {
      const party = all.of(endpoint)?.index;
      const node = all.roles.nodeOf(endpoint.host);
      if (party === undefined) continue;
      this.#counts.set(party, (this.#counts.get(party) ?? 0) + 1);
      if (node === undefined) continue;
      const counts = this.#onNode.get(node) ?? new Map<number, number>();
      this.#onNode.set(node, counts);
      counts.set(party, (counts.get(party) ?? 0) + 1);
    }
    this.parties = [...this.#counts.keys()];
  }

  /** Senders by where they are: on a node with all endpoints of a party, with some, or with none; and whether they are endpoints themselves. */
  placed(all: Parties, senders: readonly number[]): ReadonlyMap<string, Placed> {
    const wanted = new Set(senders);
    const result = new Map<string, Placed>();
    const near = new Map<number, number>();
    for (const node of this.#onNode.keys()) {
      const placement = this.#placement(node);
      for (const { endpoint: sender, index } of all.sendersOn(node)) {
        if (!wanted.has(index)) continue;
        near.set(index, (near.get(index) ?? 0) + 1);
        const own = this.#hosts.has(sender.host) ? `itself one, ${this.#placement(node, index)}` : placement;
        add(result, own, index, 1, sender);
      }
    }
    for (const index of senders) {
      const { members, spread } = all.at(index);
      const left = members.length - (near.get(index) ?? 0);
      if (left === 0) continue;
      const isFar = ({ host }: Endpoint) => !this.#onNode.has(all.roles.nodeOf(host) ?? "");
      const example = spread.find(isFar) ?? members.find(isFar);
      if (example === undefined) continue;
      const isInCluster = all.roles.nodeOf(example.host) !== undefined && this.parties.length > 0;
      add(result, isInCluster ? "none of the endpoints on the sender's node" : "", index, left, example);
    }
    return result;
  }

  /** `sender`: the party of a sender that is an endpoint itself, and is not counted. */
  #placement(node: HostName, sender?: number): string {
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

/** Of each party, by index, how many senders are placed so, and one of them. */
type Placed = Map<number, { pairs: number; readonly example: Endpoint }>;

function add(placed: Map<string, Placed>, placement: string, party: number, pairs: number, example: Endpoint): void {
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

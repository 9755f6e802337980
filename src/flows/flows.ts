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
import type { Address } from "../net/address.ts";
import type { PortSpec } from "../net/ports.ts";
import { prefixContains } from "../net/prefix.ts";
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
  /** Who sends, and how many pairs of the class each party has. */
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

type Answer = Pick<FlowClass, "ways" | "partial" | "example">;

/** Where a load balancer's hash decides, so many source ports are tried. */
const triedPorts = 24;
/** … from so many senders, since some distribution modes look at addresses only. */
const triedSenders = 6;

/** The flows of a lab. */
export class Flows {
  readonly parties: Parties;
  readonly #view: LabView;
  readonly #answers = new Map<string, Answer>();

  constructor(view: LabView) {
    this.#view = view;
    this.parties = new Parties(view);
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
        const machine = this.parties.at(nic.host, nic.primary);
        const party = machine === undefined ? undefined : this.parties.of(machine);
        for (const port of machine?.listens ?? []) if (party !== undefined) yield* this.#towards(party, port, new Map(), address);
      }
    }
    for (const cluster of topology.clusters.values()) yield* this.#services(cluster);
  }

  /** Senders on the nodes of a party's members: pairs on one node, and pairs of a host with itself. */
  #neighbours(party: Party): ReadonlyMap<Party, Neighbours> {
    const found = new Map<Party, Neighbours>();
    for (const receiver of party.members) {
      const node = this.parties.roles.nodeOf(receiver.host);
      if (node === undefined) continue;
      for (const sender of this.parties.sendersOn(node)) {
        const other = this.parties.of(sender);
        if (other === undefined) continue;
        let near = found.get(other);
        if (near === undefined) {
          near = { together: 0, itself: 0, example: undefined };
          found.set(other, near);
        }
        if (sender.host === receiver.host) near.itself++;
        else {
          near.together++;
          near.example ??= { from: sender, to: receiver };
        }
      }
    }
    return found;
  }

  /** `publicAddress`: reached by it, and not by its own. */
  *#towards(party: Party, port: PortSpec | undefined, near: ReadonlyMap<Party, Neighbours>, publicAddress?: Address): Generator<FlowClass> {
    const { parties } = this;
    const groups = new Map<string, Party[]>();
    const own = party.cluster === undefined ? undefined : parties.policies.get(party.cluster);
    const [member] = party.members;
    for (const sender of parties.list) {
      if (!sender.sends || (publicAddress === undefined && member !== undefined && this.#meansAnother(sender, party, member.address)))
        continue;
      const policies = sender.cluster === undefined ? undefined : parties.policies.get(sender.cluster);
      const { egress } = sender.standing;
      const leaving = policies?.relation(egress, parties.standingIn(sender.cluster, party)?.terms ?? -1) ?? -1;
      const ends = policies !== undefined && publicAddress === undefined && !policies.mayLeave(egress, leaving, port);
      const { ingress, names } = party.standing;
      const entering = ends ? "" : `${ingress} ${own?.relation(ingress, parties.standingIn(party.cluster, sender)?.terms ?? -1)} ${names}`;
      const key = `${sender.place} ${egress} ${leaving} ${entering}`;
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [sender]);
      else group.push(sender);
    }
    const to: Receiver = {
      owner: party.owner,
      ...(publicAddress === undefined ? {} : { via: "public" }),
      party,
      endpoints: [],
      ...(port === undefined ? {} : { port }),
    };
    const asked = `${publicAddress ?? party.place} ${port === undefined ? "icmp" : `${port.protocol} ${port.port}`}`;
    for (const [key, senders] of groups) {
      const together = senders.flatMap((sender) => {
        const pairs = near.get(sender)?.together ?? 0;
        return pairs === 0 ? [] : [{ party: sender, pairs }];
      });
      const example = senders.map((sender) => near.get(sender)?.example).find((pair) => pair !== undefined);
      if (example !== undefined) {
        const answer = this.#answer(`${key} > ${asked} together`, () => [this.#pair(example.from, example.to, port, publicAddress)]);
        yield { from: together, to, placement: "the same node", pairs: sum(together), ...answer };
      }
      const apart = senders.flatMap((sender) => {
        const { itself = sender === party ? sender.members.length : 0, together: beside = 0 } = near.get(sender) ?? {};
        const pairs = sender.members.length * party.members.length - itself - beside;
        return pairs <= 0 ? [] : [{ party: sender, pairs }];
      });
      const pair = this.#apart(apart, party);
      if (pair === undefined) continue;
      const answer = this.#answer(`${key} > ${asked} apart`, () => [this.#pair(pair.from, pair.to, port, publicAddress)]);
      const isInCluster = parties.roles.nodeOf(pair.from.host) !== undefined && parties.roles.nodeOf(pair.to.host) !== undefined;
      yield { from: apart, to, ...(isInCluster ? { placement: "another node" } : {}), pairs: sum(apart), ...answer };
    }
  }

  /** Where two clusters have the same pod addresses, an address of the other one's is one of its own to a cluster: nobody there can mean the other pod. */
  #meansAnother(sender: Party, receiver: Party, address: Address): boolean {
    if (sender.cluster === undefined || sender.cluster === receiver.cluster || receiver.kind !== "pod") return false;
    const podCidr = this.#view.topology.clusters.get(sender.cluster)?.podCidr;
    return podCidr !== undefined && prefixContains(podCidr, address);
  }

  /** A pair that is not on one node. */
  #apart(senders: FlowClass["from"], party: Party): { readonly from: Endpoint; readonly to: Endpoint } | undefined {
    const { roles } = this.parties;
    for (const { party: sender } of senders) {
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
          const endpoint = this.parties.at(cluster.name, address);
          if (endpoint !== undefined) slices.set(name, [...(slices.get(name) ?? []), endpoint]);
        }
      }
    }
    for (const target of serviceTargets(cluster, cluster.services, [])) {
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
    const own = parties.policies.get(cluster.name);
    for (const sender of parties.list) {
      if (!sender.sends) continue;
      const policies = sender.cluster === undefined ? undefined : parties.policies.get(sender.cluster);
      const { egress } = sender.standing;
      const relations = backends.parties.map((party) => {
        const leaving = policies?.relation(egress, parties.standingIn(sender.cluster, party)?.terms ?? -1);
        return `${leaving}/${own?.relation(party.standing.ingress, parties.standingIn(cluster.name, sender)?.terms ?? -1)}`;
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
        const [example] = placed.examples;
        if (example === undefined) continue;
        const answer = this.#answer(`${key} > ${to.owner} ${via} ${port} ${protocol} ${address} ${placement}`, () =>
          this.#asked(placed.examples, target).map((packet) => ({ ...packet, receiver: undefined })),
        );
        const from = [...placed.counts].map(([party, pairs]) => ({ party, pairs }));
        yield { from, to, ...(placement === "" ? {} : { placement }), pairs: sum(from), ...answer };
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
    for (const { from, packet, receiver } of asked) {
      for (const path of this.#view.tracer.trace(from.host, packet, { steps: false })) {
        if (path.representative === true) isPartial = true;
        const way = this.parties.roles.way(path, from.host, receiver);
        ways.set(JSON.stringify(way), way);
      }
    }
    const [first] = asked;
    if (first === undefined) throw new Error("a class without a pair has no answer");
    const { from, packet } = first;
    const answer: Answer = {
      ways: [...ways].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, way]) => way),
      ...(isPartial ? { partial: true } : {}),
      example: { from, packet },
    };
    this.#answers.set(key, answer);
    return answer;
  }
}

type Neighbours = { together: number; itself: number; example: { readonly from: Endpoint; readonly to: Endpoint } | undefined };

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
      for (const sender of this.#all.sendersOn(node)) {
        const party = this.#all.of(sender);
        if (party === undefined || !wanted.has(party)) continue;
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

type Placed = { readonly counts: Map<Party, number>; readonly examples: Endpoint[] };

function add(placed: Map<string, Placed>, placement: string, party: Party, pairs: number, example: Endpoint): void {
  let one = placed.get(placement);
  if (one === undefined) {
    one = { counts: new Map(), examples: [] };
    placed.set(placement, one);
  }
  one.counts.set(party, (one.counts.get(party) ?? 0) + pairs);
  if (one.examples.length < triedSenders) one.examples.push(example);
}

function sum(from: FlowClass["from"]): number {
  return from.reduce((total, { pairs }) => total + pairs, 0);
}

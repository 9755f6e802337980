/**
 * What the tracer said to questions that stand for many pairs, and what it read for that: so that after a change of the network only those answers are
 * asked for again that it may concern.
 *
 * A question says all that network policies have to do with its pairs, so that no change of policies makes an answer wrong: it makes other questions. Of
 * everything else an answer says which hosts its packets came by, and with which addresses.
 */

import { hostNames } from "../compile/wiring.ts";
import type { Host, HostName } from "../ir/network.ts";
import type { Endpoint } from "../lab/endpoints.ts";
import type { LabView } from "../lab/view.ts";
import type { Address } from "../net/address.ts";
import type { Path, TracePacket } from "../trace/index.ts";
import type { HostChanges } from "./host-changes.ts";
import type { Roles, Way } from "./ways.ts";

/** One packet that is traced for a question. */
export type Asked = { readonly from: Endpoint; readonly packet: TracePacket; readonly receiver: HostName | undefined };

export type Answer = {
  readonly said: {
    /** Sorted. */
    readonly ways: readonly Way[];
    readonly partial?: true;
    readonly example: { readonly from: Endpoint; readonly packet: TracePacket };
  };
  /** Some packet that was traced came by the edge of a VNet. */
  readonly meetsEdge: boolean;
};

/** What was asked with packets that came by a host. */
export type Visit = {
  /** Next hops of its routes. */
  readonly vias: ReadonlySet<Address>;
  /** By each of the addresses that packets had on it. */
  readonly questions: Map<Address, string[]>;
};

const edges = hostNames.edge("");

/** The packets of a class to trace: one, or with `hashed` many, for a way on which a load balancer picks its next hop by a hash of the packet. */
export type Packets = (hashed: boolean) => readonly Asked[];

export class Answers {
  readonly #known: Map<string, Answer>;
  readonly #visits: Map<HostName, Visit>;
  #asked: number;

  /** Of an earlier version of the design. */
  constructor(known: Iterable<readonly [string, Answer]> = [], visits: Map<HostName, Visit> = new Map(), asked = 0) {
    this.#known = new Map(known);
    this.#visits = visits;
    this.#asked = asked;
  }

  /** How often the tracer was asked, from the first version of the design on. */
  get asked(): number {
    return this.#asked;
  }

  has(question: string): boolean {
    return this.#known.has(question);
  }

  /** Of a question that was asked. */
  get(question: string): Answer {
    const answer = this.#known.get(question);
    if (answer === undefined) throw new Error(`nobody has asked ${question}`);
    return answer;
  }

  /** The tracer's answer, asked once for each question. */
  ask(question: string, { tracer, network }: LabView, roles: Roles, packets: Packets): Answer {
    const known = this.#known.get(question);
    if (known !== undefined) return known;
    const asked = packets(false);
    const [first] = asked;
    if (first === undefined) throw new Error("a class without a pair has no answer");
    this.#asked++;
    const ways = new Map<string, Way>();
    const read = new Map<HostName, Set<Address>>();
    let isPartial = asked.length > 1;
    let meetsEdge = false;
    let meetsHash = false;
    const trace = ({ from, packet, receiver }: Asked) => {
      for (const path of tracer.trace(from.host, packet, { steps: false })) {
        if (path.representative === true) isPartial = true;
        const hops = [...path.hops, ...(path.return?.hops ?? [])];
        meetsEdge ||= hops.some(({ host }) => host.startsWith(edges));
        meetsHash ||= hops.some(({ host }) => host.startsWith(hostNames.balancers));
        noteRead(read, path);
        const way = roles.way(path, from.host, receiver);
        ways.set(JSON.stringify(way), way);
      }
    };
    asked.forEach(trace);
    if (meetsHash) {
      isPartial = true;
      packets(true).forEach(trace);
    }
    const { from, packet } = first;
    const answer: Answer = {
      said: {
        ways: [...ways].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, way]) => way),
        ...(isPartial ? { partial: true } : {}),
        example: { from, packet },
      },
      meetsEdge,
    };
    for (const [host, addresses] of read) this.#note(question, network.host(host), addresses);
    this.#known.set(question, answer);
    return answer;
  }

  /** Without those that the changes concern, and apart from these: each version asks its own network. What packets came by is remembered once for all versions: a question that goes is asked again. */
  after(changes: HostChanges): Answers {
    const gone = changes.concerned(this.#visits);
    return new Answers(
      [...this.#known].filter(([question]) => !gone.has(question)),
      this.#visits,
      this.#asked,
    );
  }

  #note(question: string, host: Host | undefined, addresses: ReadonlySet<Address>): void {
    if (host === undefined) return;
    let visit = this.#visits.get(host.name);
    if (visit === undefined) {
      const vias = host.routes.flatMap((route) => (route.type === "unicast" && route.via !== undefined ? [route.via] : []));
      visit = { vias: new Set(vias), questions: new Map() };
      this.#visits.set(host.name, visit);
    }
    for (const address of addresses) {
      const questions = visit.questions.get(address);
      if (questions === undefined) visit.questions.set(address, [question]);
      else questions.push(question);
    }
  }
}

function noteRead(read: Map<HostName, Set<Address>>, path: Omit<Path, "weight">): void {
  for (const { host, before, after } of path.hops) {
    let addresses = read.get(host);
    if (addresses === undefined) {
      addresses = new Set();
      read.set(host, addresses);
    }
    addresses.add(before.source).add(before.destination).add(after.source).add(after.destination);
  }
  for (const other of [path.return, path.acknowledgement, path.answer, path.news?.way]) if (other !== undefined) noteRead(read, other);
}

/**
 * Traces packets through a network: one packet that nobody has seen before ({@link Tracer.trace}), or a sequence of packets whose
 * connections and dynamic sets the hosts remember ({@link Tracer.session}).
 */

import type { HostName, Network } from "../ir/network.ts";
import { type Address, familyOf, mustAddress } from "../net/address.ts";
import { Links } from "./links.ts";
import type { Path, Tuple } from "./result.ts";
import { type KnownConnections, Memory, walk } from "./walk.ts";

/**
 * A packet to trace. Without `source`, the sending host chooses as Linux does. Without `sourcePort`, TCP and UDP packets get
 * {@link defaultSourcePort}, which stands for any ephemeral port: where a hash of it decides, that is one possible way. (A port that source NAT
 * drew from a range is another matter: its hash is chance, and the way splits.)
 */
export type TracePacket = Omit<Tuple, "source"> & { readonly source?: Address };

/** The first of Linux's ephemeral ports (`net.ipv4.ip_local_port_range`). */
export const defaultSourcePort = 32_768;

export type TraceOptions = {
  /** Write down every decision with its origin. Default true; without, paths have hops and no steps. */
  readonly steps?: boolean;
  /** Trace the reply of a delivered packet. Default true. */
  readonly return?: boolean;
  /** Default 64, at least 1. */
  readonly maxPaths?: number;
  /** Connections that hosts already have: their translations hold, and their ports are taken. Default: none. */
  readonly connections?: KnownConnections;
};

export class Tracer {
  readonly #links: Links;

  /** Hosts are made ready when a packet first reaches them, and only once per {@link Host} object whatever the number of tracers. */
  constructor(network: Network) {
    this.#links = new Links(network);
  }

  /**
   * All the ways that a packet may go, in the order of the choices that lead to them. Where chance decides (`numgen random`), the way splits;
   * weights add up to 1, and ways that are equal in all but weight are one. Nothing is remembered from other traces.
   *
   * At most `maxPaths` ways are followed. If there are more, one more is followed for the rest: it is marked `representative`, comes last,
   * and its weight is that of all the ways it stands for. So the answer has at most `maxPaths + 1` paths and no weight is lost.
   *
   * Throws when there is no host `from`, and when a rule or table is not well formed (names a map that does not exist).
   */
  trace(from: HostName, packet: TracePacket, options: TraceOptions = {}): readonly Path[] {
    const maxPaths = Math.max(1, options.maxPaths ?? 64);
    const choices = new Choices();
    const paths: Path[] = [];
    let left = 1;
    for (;;) {
      choices.rewind();
      const path = this.#walk(from, packet, options, new Memory(options.connections), choices);
      if (choices.made === 0) return [{ ...path, weight: 1 }];
      if (paths.length === maxPaths) {
        paths.push({ ...path, weight: left, representative: true });
        break;
      }
      paths.push({ ...path, weight: choices.weight });
      left -= choices.weight;
      if (!choices.next()) break;
    }
    return merge(paths);
  }

  /** See {@link Session}. `choose` decides what is up to chance: a number in 0 … alternatives - 1. By default the first. */
  session(choose: (alternatives: number) => number = () => 0): Session {
    const memory = new Memory();
    return new Session(memory, (from, packet, options) => {
      const chance = new Chooser(choose);
      const path = this.#walk(from, packet, options, memory, chance);
      return { ...path, weight: chance.weight };
    });
  }

  /** Hosts that answered for the same next hop as another one did, as far as packets have met them: the network is not well formed there. */
  get ambiguities(): readonly string[] {
    return [...this.#links.ambiguities].sort();
  }

  #walk(from: HostName, packet: TracePacket, options: TraceOptions, memory: Memory, chance: Choices | Chooser): Omit<Path, "weight"> {
    const host = this.#links.host(from);
    if (host === undefined) throw new Error(`there is no host ${from} to trace from`);
    const context = { links: this.#links, memory, chance, steps: options.steps !== false, back: options.return !== false };
    return walk(context, host, complete(packet), packet.source !== undefined);
  }
}

/**
 * A sequence of packets through the same hosts, which remember connections (translations stay as they are, ports run out) and what rules
 * wrote into dynamic sets (session affinity). It is one history: where chance decides, one way is taken, and the weight of a path is how
 * likely that was.
 */
export class Session {
  readonly #memory: Memory;
  readonly #trace: (from: HostName, packet: TracePacket, options: TraceOptions) => Path;

  constructor(memory: Memory, trace: (from: HostName, packet: TracePacket, options: TraceOptions) => Path) {
    this.#memory = memory;
    this.#trace = trace;
  }

  trace(from: HostName, packet: TracePacket, options: TraceOptions = {}): Path {
    return this.#trace(from, packet, options);
  }

  /** Lets time pass: elements of dynamic sets end. Connections do not. */
  elapse(seconds: number): void {
    this.#memory.now += seconds;
  }
}

function complete(packet: TracePacket): Tuple {
  const { protocol, destination, source, sourcePort, destinationPort } = packet;
  if (hasSource(packet) && (protocol === "icmp" || (sourcePort !== undefined && destinationPort !== undefined))) return packet;
  const open = source ?? (familyOf(destination) === 4 ? open4 : open6);
  if (protocol === "icmp") return { protocol, source: open, destination };
  return { protocol, source: open, sourcePort: sourcePort ?? defaultSourcePort, destination, destinationPort: destinationPort ?? 0 };
}

function hasSource(packet: TracePacket): packet is Tuple {
  return packet.source !== undefined;
}

const open4 = mustAddress("0.0.0.0");
const open6 = mustAddress("::");

/** Choices made in one walk after another, until every way has been taken: the last choice that has alternatives left changes first. */
class Choices {
  /** `shares`: how likely each alternative is, where they are not equally likely. */
  readonly #made: { taken: number; readonly of: number; readonly shares?: readonly number[] }[] = [];
  #at = 0;

  rewind(): void {
    this.#at = 0;
  }

  pick(alternatives: number): number {
    return alternatives <= 1 ? 0 : this.#next({ of: alternatives });
  }

  weigh(weights: readonly number[]): number {
    return weights.length <= 1 ? 0 : this.#next({ of: weights.length, shares: sharesOf(weights) });
  }

  #next(made: { readonly of: number; readonly shares?: readonly number[] }): number {
    let choice = this.#made[this.#at++];
    if (choice === undefined) {
      choice = { taken: 0, ...made };
      this.#made.push(choice);
    }
    return choice.taken;
  }

  get taken(): number {
    return this.#at;
  }

  get made(): number {
    return this.#made.length;
  }

  get weight(): number {
    return this.#made.reduce((weight, { taken, of, shares }) => weight * (shares === undefined ? 1 / of : (shares[taken] ?? 0)), 1);
  }

  /** Goes on to the next way; false when there is none. */
  next(): boolean {
    for (;;) {
      const last = this.#made.at(-1);
      if (last === undefined) return false;
      if (++last.taken < last.of) return true;
      this.#made.pop();
    }
  }
}

class Chooser {
  readonly #choose: (alternatives: number) => number;
  taken = 0;
  weight = 1;

  constructor(choose: (alternatives: number) => number) {
    this.#choose = choose;
  }

  pick(alternatives: number): number {
    if (alternatives <= 1) return 0;
    this.taken++;
    this.weight /= alternatives;
    return Math.min(Math.max(Math.trunc(this.#choose(alternatives)), 0), alternatives - 1);
  }

  weigh(weights: readonly number[]): number {
    const before = this.weight;
    const taken = this.pick(weights.length);
    this.weight = before * (sharesOf(weights)[taken] ?? 1);
    return taken;
  }
}

function sharesOf(weights: readonly number[]): readonly number[] {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

/** Adds up the weights of paths that are equal in all else. */
function merge(paths: readonly Path[]): readonly Path[] {
  const merged: Path[] = [];
  /** Indexes into merged, by what is quick to compare. */
  const alike = new Map<string, number[]>();
  for (const path of paths) {
    const { received } = path;
    const key = `${path.outcome} ${path.hops.length} ${received?.destination} ${received?.source} ${path.decidedBy?.host} ${path.representative}`;
    const candidates = alike.get(key) ?? [];
    const same = candidates.find((at) => isSame({ ...merged[at], weight: 0 }, { ...path, weight: 0 }));
    const other = same === undefined ? undefined : merged[same];
    if (same === undefined || other === undefined) {
      candidates.push(merged.push(path) - 1);
      alike.set(key, candidates);
    } else merged[same] = { ...other, weight: other.weight + path.weight };
  }
  return merged;
}

function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => isSame(Reflect.get(a, key), Reflect.get(b, key)));
}

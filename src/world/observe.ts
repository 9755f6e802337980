/**
 * One packet watched on its way through the kernel, and then its reply.
 *
 * The packet carries a DSCP that nobody else uses; a table of its own in each host (src/kernel/nft-trace.ts) turns nftables' trace on for it. Once
 * it was answered, the tuples with which it left are known, translated ones too, and the replies are those with the tuples reversed. So a second
 * packet goes over the same connection, and its answer is watched. The tables are gone when this ends, whatever happened.
 *
 *     forward   SYN, datagram or echo request     marked by DSCP             in every host given
 *     reply     to the next packet of the flow    known by reversed tuples   in every host given
 */

import type { HostName, Interface, InterfaceName, Network } from "../ir/network.ts";
import {
  type Connection,
  type ConnectionTuple,
  connections,
  NftTrace,
  type PacketTuple,
  type TraceEvent,
  type TraceMatch,
} from "../kernel/index.ts";
import { familyOf } from "../net/address.ts";
import { type Protocol, protocolNumber, protocolNumbers } from "../net/ports.ts";
import type { Tuple } from "../trace/result.ts";
import { startFlow } from "./flow.ts";
import { say } from "./log.ts";
import { type ProbeResult, probeResult } from "./probe.ts";
import type { Enter } from "./stand-in.ts";

export type ObserveRequest = {
  readonly from: HostName;
  readonly packet: Tuple;
  /** Where to watch: each host that the packet or its reply may pass. */
  readonly hosts: readonly HostName[];
  /** For each of the two packets. Default 2000. */
  readonly timeoutMs?: number;
};

/** A packet's stay in a host. Only IP is watched: a bridge between two interfaces lets packets pass unseen. */
export type ObservedPass = {
  readonly host: HostName;
  /** Absent: the host itself sent it. */
  readonly inInterface?: InterfaceName;
  readonly outInterface?: InterfaceName;
  /** As it came and as it left, or as far as it got. */
  readonly before: PacketTuple;
  readonly after: PacketTuple;
  /** left: by `outInterface`, or into a discard one. delivered: to the host. dropped: by a rule. unrouted: routing had no way for it, or did not want it. */
  readonly end: "left" | "delivered" | "dropped" | "unrouted";
  /** Rules, policies, and tuples between the hooks, in order. */
  readonly events: readonly TraceEvent[];
};

export type Observation = {
  /** With the source port that Linux chose. */
  readonly packet: Tuple;
  readonly result: ProbeResult;
  /** In the order of the way, if the network is known; else in the order of the hosts asked for. */
  readonly forward: readonly ObservedPass[];
  /** Empty when nothing came back. */
  readonly reply: readonly ObservedPass[];
  /** What the hosts' connection tracking holds of the flow. */
  readonly connections: readonly { readonly host: HostName; readonly connection: Connection }[];
  /** The kernel had to leave events out. */
  readonly lost: boolean;
};

/** One of those for local use (RFC 2474, section 6: xxxx11). */
const markedDscp = 47;
const defaultTimeoutMs = 2000;

let last: Promise<unknown> = Promise.resolve();

/** One at a time: there is one trace to a host. `network` tells which way the interfaces lead. */
export function observe(enter: Enter, request: ObserveRequest, network?: Network): Promise<Observation> {
  const observation = last.then(() => observeNow(enter, request, network));
  last = observation.catch(() => undefined);
  return observation;
}

async function observeNow(enter: Enter, request: ObserveRequest, network: Network | undefined): Promise<Observation> {
  const { from, packet, timeoutMs = defaultTimeoutMs } = request;
  const hosts = [...new Set(request.hosts)];
  const order = (passes: readonly ObservedPass[]) => (network === undefined ? passes : inOrder(passes, network));

  const marked = new Watch(hosts, [{ dscp: markedDscp, family: familyOf(packet.destination) }]);
  let flow: ReturnType<typeof startFlow> | undefined;
  let replies: Watch | undefined;
  try {
    flow = startFlow(enter, { from, packet, tos: markedDscp << 2 });
    const opened = await flow.open(timeoutMs);
    const { sourcePort } = flow;
    const { protocol, source, destination } = packet;
    const sent: Tuple =
      protocol === "icmp" ? { protocol, source, destination } : { ...packet, ...(sourcePort === undefined ? {} : { sourcePort }) };
    const forward = withoutReplies(marked.passes(), sent);
    marked.close();
    const wire = new Map(forward.flatMap(({ before, after }) => [before, after]).map((tuple) => [tupleKey(tuple), tuple]));
    let said: Awaited<ReturnType<typeof flow.again>> | undefined;
    if (opened.outcome === "answered" && wire.size > 0) {
      replies = new Watch(hosts, [...wire.values()].map(reversedMatch));
      said = await flow.again(timeoutMs);
    }
    return {
      packet: sent,
      result: probeResult(sourcePort, opened, said?.reply),
      forward: order(forward),
      reply: order(replies?.passes() ?? []),
      connections: hosts.flatMap((host) =>
        connections(host)
          .filter(({ original, reply }) => wire.has(tupleKey(original)) || wire.has(tupleKey(reversed(reply))))
          .map((connection) => ({ host, connection })),
      ),
      lost: marked.lost || replies?.lost === true,
    };
  } finally {
    flow?.close();
    marked.close();
    replies?.close();
  }
}

/** Traces in several hosts. */
class Watch {
  readonly #traces = new Map<HostName, NftTrace>();
  #lost = false;

  constructor(hosts: readonly HostName[], matches: readonly TraceMatch[]) {
    try {
      for (const host of hosts) this.#traces.set(host, new NftTrace(host, ...matches));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  get lost(): boolean {
    return this.#lost;
  }

  /** What was seen so far, host by host. Packets that go the same way with the same tuple are one: the first. */
  passes(): readonly ObservedPass[] {
    const found: ObservedPass[] = [];
    for (const [host, trace] of this.#traces) {
      const seen = new Set<string>();
      const here: ObservedPass[] = [];
      for (const events of packetsOf(trace.drain())) {
        const pass = passOf(host, events);
        if (pass === undefined) continue;
        const key = `${pass.inInterface ?? ""} ${tupleKey(pass.before)}`;
        if (!seen.has(key)) here.push(pass);
        seen.add(key);
      }
      found.push(...withoutLoopback(here));
      this.#lost ||= trace.lost;
    }
    return found;
  }

  /** Takes the tables away from all hosts, also when that fails in one: a host may be gone. */
  close(): void {
    for (const [host, trace] of this.#traces) {
      try {
        trace.close();
      } catch (error) {
        say(`observe: ${host}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    this.#traces.clear();
  }
}

/** Events of one packet each, which may be mixed with those of others, and of one way through the host, at whose begin a checkpoint stands. */
function packetsOf(events: readonly TraceEvent[]): readonly (readonly TraceEvent[])[] {
  const all: TraceEvent[][] = [];
  const current = new Map<number, TraceEvent[]>();
  for (const event of events) {
    const own = event.first === true ? undefined : current.get(event.packet);
    if (own !== undefined) {
      own.push(event);
      continue;
    }
    const fresh = [event];
    current.set(event.packet, fresh);
    all.push(fresh);
  }
  return all;
}

function passOf(host: HostName, events: readonly TraceEvent[]): ObservedPass | undefined {
  const tuples = events.flatMap(({ tuple }) => (tuple === undefined ? [] : [tuple]));
  const [before] = tuples;
  const after = tuples.at(-1);
  if (before === undefined || after === undefined) return undefined;
  const inInterface = events.find(({ iif }) => iif !== undefined)?.iif;
  const outInterface = events.findLast(({ oif }) => oif !== undefined)?.oif;
  return {
    host,
    ...(inInterface === undefined ? {} : { inInterface }),
    ...(outInterface === undefined ? {} : { outInterface }),
    before,
    after,
    end: endOf(events),
    events,
  };
}

/** What a host sends to itself goes out and comes in by the loopback interface: one stay, which the kernel tells as two. */
function withoutLoopback(passes: readonly ObservedPass[]): readonly ObservedPass[] {
  const arrivals = passes.filter(({ inInterface }) => inInterface === loopback);
  const joined = new Set<ObservedPass>();
  const all = passes.map((pass): ObservedPass => {
    const arrival = pass.outInterface === loopback ? arrivals.find(({ before }) => tupleKey(before) === tupleKey(pass.after)) : undefined;
    if (arrival === undefined) return pass;
    joined.add(arrival);
    const { outInterface: _loopback, ...rest } = pass;
    return { ...rest, after: arrival.after, end: arrival.end, events: [...pass.events, ...arrival.events] };
  });
  return all.filter((pass) => !joined.has(pass));
}

const loopback = "lo";

function endOf(events: readonly TraceEvent[]): ObservedPass["end"] {
  if (events.at(-1)?.verdict === "drop") return "dropped";
  const hooks = events.filter(({ type, first }) => type === "checkpoint" && first !== true).map(({ chain }) => chain);
  if (hooks.includes("postrouting")) return "left";
  return hooks.includes("input") ? "delivered" : "unrouted";
}

/** Echo replies carry the DSCP of the request. They are known by the reversed tuples, translated ones too, of what was sent. */
function withoutReplies(passes: readonly ObservedPass[], sent: Tuple): readonly ObservedPass[] {
  const { protocol, ...rest } = sent;
  const first: PacketTuple = { ...rest, protocol: protocolNumber(protocol, familyOf(sent.destination)) };
  const known = new Map([[tupleKey(first), first]]);
  for (let before = 0; before < known.size; ) {
    before = known.size;
    for (const pass of passes) if (known.has(tupleKey(pass.before))) known.set(tupleKey(pass.after), pass.after);
  }
  const replies = new Set([...known.values()].map((tuple) => tupleKey(reversed(tuple))));
  return passes.filter(({ before }) => known.has(tupleKey(before)) || !replies.has(tupleKey(before)));
}

/** Follows the links from the pass that began in a host itself. What cannot be joined on stands at the end. */
function inOrder(passes: readonly ObservedPass[], network: Network): readonly ObservedPass[] {
  const rest = [...passes];
  const ordered: ObservedPass[] = [];
  let next = rest.find((pass) => pass.inInterface === undefined) ?? rest[0];
  while (next !== undefined) {
    const pass: ObservedPass = next;
    ordered.push(pass);
    rest.splice(rest.indexOf(pass), 1);
    const reached = pass.outInterface === undefined ? new Set<string>() : reachedFrom(network, pass.host, pass.outInterface);
    const isNext = (other: ObservedPass): boolean =>
      reached.has(`${other.host} ${other.inInterface ?? ""}`) && tupleKey(other.before) === tupleKey(pass.after);
    next = rest.find(isNext) ?? rest[0];
  }
  return ordered;
}

/** The interfaces, as "host name", by which a packet that leaves by this one can come in: through bridges, these may be many. */
function reachedFrom(network: Network, host: HostName, name: InterfaceName): ReadonlySet<string> {
  const reached = new Set<string>();
  const leave = (port: Interface | undefined): void => {
    if (port?.kind !== "veth" || reached.has(`${port.peer.host} ${port.peer.name}`)) return;
    reached.add(`${port.peer.host} ${port.peer.name}`);
    const other = interfaceOf(network, port.peer.host, port.peer.name);
    if (other?.kind !== "veth" || other.port === undefined) return;
    reached.add(`${port.peer.host} ${other.port.bridge}`);
    flood(port.peer.host, other.port.bridge, other);
  };
  /** `by`: the port by which it came; absent when the bridge itself sends. */
  const flood = (on: HostName, bridge: InterfaceName, by?: Interface & { readonly kind: "veth" }): void => {
    for (const port of network.host(on)?.interfaces ?? []) {
      if (port.kind !== "veth" || port.port?.bridge !== bridge) continue;
      const isApart = port === by ? !port.port.hairpin : port.port.isolated && by?.port?.isolated === true;
      if (!isApart) leave(port);
    }
  };
  const own = interfaceOf(network, host, name);
  if (own?.kind === "bridge") flood(host, name);
  else leave(own);
  return reached;
}

function interfaceOf(network: Network, host: HostName, name: InterfaceName): Interface | undefined {
  return network.host(host)?.interfaces.find((candidate) => candidate.name === name);
}

const protocols = new Map((["tcp", "udp", "icmp", "sctp"] as const satisfies Protocol[]).map((name) => [protocolNumbers[name], name]));

function reversedMatch(tuple: PacketTuple): TraceMatch {
  const { protocol, ...match } = reversed(tuple);
  const name = protocols.get(protocol);
  return name === undefined ? match : { ...match, protocol: name };
}

function reversed({ protocol, source, destination, sourcePort, destinationPort }: ConnectionTuple): PacketTuple {
  return {
    protocol,
    source: destination,
    destination: source,
    ...(destinationPort === undefined ? {} : { sourcePort: destinationPort }),
    ...(sourcePort === undefined ? {} : { destinationPort: sourcePort }),
  };
}

function tupleKey({ protocol, source, sourcePort, destination, destinationPort }: PacketTuple): string {
  return `${protocol} ${source} ${sourcePort ?? ""} ${destination} ${destinationPort ?? ""}`;
}

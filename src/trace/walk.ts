/**
 * One packet's way through the network, hook by hook, and its reply's way back.
 *
 *     receive ─> prerouting ─> (route) ─┬─> forward ─> postrouting ─> (neighbour) ─> next host
 *                                       └─> input ─> listener
 *     send ─> (route) ─> output ─> postrouting ─> (neighbour) ─> next host
 *
 * Whatever is up to chance is asked of {@link Chance}, so that the same answers give the same way.
 */

import type { HostName, Origin } from "../ir/network.ts";
import type { Hook } from "../ir/ruleset.ts";
import {
  Connection,
  ConnectionTable,
  connectionOf,
  connectionOfError,
  isOriginal,
  type KnownConnection,
  type PortChoice,
  state,
  status,
  translateDestination,
  translateSource,
} from "./connections.ts";
import type { PreparedHost, PreparedInterface } from "./host.ts";
import { type Ip, ipOf, isLoopback, textOf } from "./ip.ts";
import type { Crossing, Links } from "./links.ts";
import { type Chance, type DynamicSet, noDevice, Packet, type Quoted } from "./packet.ts";
import type { Disposition, Hop, Message, News, Path, PortRange, Step, Tuple } from "./result.ts";
import type { FoundRoute } from "./route-table.ts";
import type { Refusal } from "./routing.ts";
import { type Decision, evaluate, type PreparedChain } from "./rules.ts";

/** By host. */
export type KnownConnections = ReadonlyMap<HostName, readonly KnownConnection[]>;

/** What hosts remember between packets. */
export class Memory {
  /** Seconds since the memory began. */
  now = 0;
  readonly #known: KnownConnections | undefined;
  readonly #hosts: HostMemory[] = [];
  /** Once there are too many for a scan. */
  #byHost: Map<PreparedHost, HostMemory> | undefined;

  /** `known`: what hosts remember at the beginning. */
  constructor(known?: KnownConnections) {
    this.#known = known;
  }

  of(host: PreparedHost): HostMemory {
    const known = this.#byHost === undefined ? this.#hosts.find((memory) => memory.host === host) : this.#byHost.get(host);
    if (known !== undefined) return known;
    const memory = new HostMemory(host);
    for (const connection of this.#known?.get(host.name) ?? []) memory.connections.add(connectionOf(connection));
    this.#hosts.push(memory);
    if (this.#byHost !== undefined) this.#byHost.set(host, memory);
    else if (this.#hosts.length > 16) this.#byHost = new Map(this.#hosts.map((each) => [each.host, each]));
    return memory;
  }
}

class HostMemory {
  readonly host: PreparedHost;
  readonly connections = new ConnectionTable();
  #sets: Map<object, DynamicSet> | undefined;

  constructor(host: PreparedHost) {
    this.host = host;
  }

  /** What rules wrote into a set. */
  dynamicSet(set: object): DynamicSet | undefined {
    return this.#sets?.get(set);
  }

  /** To write into it. */
  makeDynamicSet(set: object): DynamicSet {
    this.#sets ??= new Map();
    let keys = this.#sets.get(set);
    if (keys === undefined) {
      keys = new Map();
      this.#sets.set(set, keys);
    }
    return keys;
  }
}

export type WalkContext = {
  readonly links: Links;
  readonly memory: Memory;
  readonly chance: Chance;
  /** Write the steps down. */
  readonly steps: boolean;
  /** Follow the reply too. */
  readonly back: boolean;
};

/** How a journey in one direction ended. */
type Ending = {
  readonly outcome: Disposition;
  readonly host: PreparedHost;
  readonly decidedBy: NonNullable<Path["decidedBy"]> | undefined;
  readonly received: NonNullable<Path["received"]> | undefined;
  readonly objection: Objection | undefined;
};

/** What is said against a packet that is not delivered. */
type Objection = Omit<News, "heard" | "way"> & {
  /** The packet was for an address of the host that says it, which speaks from there. */
  readonly fromDestination?: boolean;
};

/**
 * Where a packet's source is from. connect: chosen as a socket does, which looks the route up again with it. error: chosen by the route, for an
 * ICMP error (net/ipv4/icmp.c: __icmp_send, with `icmp_errors_use_inbound_ifaddr` 0). bound: given, and the host must have it. raw: given.
 */
type SourceFrom = "connect" | "error" | "bound" | "raw";

/**
 * Follows a packet from `host`, and then its reply when it is delivered, or what is said against it when it is not. Without `hasSource` the
 * source is chosen as Linux does, and the one in `tuple` means nothing.
 */
export function walk(context: WalkContext, host: PreparedHost, tuple: Tuple, hasSource: boolean): Omit<Path, "weight"> {
  const packet = new Packet(tuple, context.chance);
  packet.now = context.memory.now;
  if (context.steps) packet.steps = [];
  const forth = new Journey(context, host, packet, undefined);
  const ending = forth.run(hasSource ? "raw" : "connect");
  const path = result(ending, forth.hops);
  if (!context.back) return path;
  const sender = { host, tuple: forth.sent };
  if (ending.outcome !== "delivered") {
    return ending.objection === undefined ? path : { ...path, news: newsOf(context, ending, ending.objection, packet, sender) };
  }
  packet.turnAround();
  const back = new Journey(context, ending.host, packet, sender);
  const returned = back.run("bound");
  const way = result(returned, back.hops);
  const asymmetric = ({ decidedBy }: Ending) => ({
    ...result({ ...ending, outcome: "asymmetric", decidedBy }, forth.hops),
    return: way,
    ...partedBy(forth.hops, back.hops),
  });
  if (returned.outcome !== "delivered") return asymmetric(returned);
  if (packet.number !== tcp) return { ...path, return: way };
  packet.acknowledge();
  const third = new Journey(context, host, packet, { host: ending.host, tuple: back.sent });
  const completed = third.run("bound");
  if (completed.outcome !== "delivered") return { ...asymmetric(completed), acknowledgement: result(completed, third.hops) };
  if (!packet.wasStrange) return { ...path, return: way };
  packet.answer();
  const fourth = new Journey(context, ending.host, packet, sender);
  const answer = fourth.run("bound");
  if (answer.outcome === "delivered") return { ...path, return: way };
  return { ...asymmetric(answer), answer: result(answer, fourth.hops) };
}

function partedBy(forth: readonly Hop[], back: readonly Hop[]): Pick<Path, "parted"> {
  for (const [at, hop] of back.entries()) {
    const there = forth[forth.length - 1 - at];
    const last = back[at - 1];
    if (there === undefined || last === undefined || there.host === hop.host) continue;
    return { parted: { host: last.host, there: there.host, back: hop.host } };
  }
  return {};
}

/** Follows what a host says against a packet to the packet's sender. */
function newsOf(context: WalkContext, { host, outcome }: Ending, objection: Objection, packet: Packet, sender: Sender): News {
  const { message, fromDestination = false, ...more } = objection;
  if (!isMessage(message)) return { message, heard: true };
  let sent = packet;
  // A host's TCP resets as it would reply; a rule only pretends to be the destination.
  const isReply = outcome === "refused" && message === "tcp reset";
  if (isReply) {
    packet.turnAround();
    packet.isReset = true;
  } else sent = packet.against(message, fromDestination ? packet.destination : undefined);
  if (context.steps) sent.steps ??= [];
  const journey = new Journey(context, host, sent, sender);
  const ending = journey.run(isReply || fromDestination ? "bound" : message === "tcp reset" ? "raw" : "error");
  return { message, heard: ending.outcome === "delivered", way: result(ending, journey.hops), ...more };
}

function isMessage(text: Objection["message"]): text is Message {
  return !text.startsWith("E");
}

function result({ outcome, decidedBy, received }: Ending, hops: readonly Hop[]): Omit<Path, "weight"> {
  if (decidedBy === undefined) return received === undefined ? { outcome, hops } : { outcome, hops, received };
  return received === undefined ? { outcome, hops, decidedBy } : { outcome, hops, decidedBy, received };
}

const noSteps: readonly Step[] = [];
const noBroadcast: Refusal = { refused: "broadcast", why: "the destination is a broadcast address" };
const tcp = 6;
const udp = 17;
/** Of an ICMP error of a host without addresses (RFC 7600; `INADDR_DUMMY` in include/uapi/linux/in.h). */
const dummySource = 0xc0000008;

/** The packet that an answer is awaited to, and where. */
type Sender = { readonly host: PreparedHost; readonly tuple: Tuple };

/** A packet's way in one direction. */
class Journey {
  readonly hops: Hop[] = [];
  /** The packet as its sender sent it, source chosen. */
  sent: Tuple;
  readonly #context: WalkContext;
  readonly #packet: Packet;
  /** For a reply, which must be the exact reverse of what was sent, or an ICMP error, which must quote it. */
  readonly #awaited: Sender | undefined;
  #visits: { readonly device: PreparedInterface; readonly tuple: Tuple; readonly changes: number }[] | undefined;

  #host: PreparedHost;
  #memory: HostMemory | undefined;
  #in: PreparedInterface | undefined;
  /** The steps of this hop begin here; those of the hops before come first. */
  #stepsFrom = 0;
  #before: Tuple;
  #sourceBefore: Ip;
  /** The route taken last, and where. */
  #route: FoundRoute | undefined;
  #routeHost: PreparedHost;
  /** Whether the packet is for this very host. */
  #isFor: "others" | "us" | "all" = "others";
  #ending: Ending | undefined;
  /** It goes round in a circle, which ends when it has made too many hops: nothing more is written down. */
  #circles = false;

  constructor(context: WalkContext, host: PreparedHost, packet: Packet, awaited: Sender | undefined) {
    this.#context = context;
    this.#packet = packet;
    this.#awaited = awaited;
    this.#host = host;
    this.#routeHost = host;
    this.#before = packet.tuple;
    this.#sourceBefore = packet.source;
    this.sent = packet.tuple;
  }

  run(sourceFrom: SourceFrom): Ending {
    let device = this.#send(sourceFrom);
    while (device !== undefined) device = device === this.#host.loopback ? this.#receiveOwn(device) : this.#receive(device);
    if (this.#ending === undefined) throw new Error(`a packet from ${this.#host.name} ended nowhere`);
    return this.#ending;
  }

  /** The host sends the packet itself. Returns the interface that receives it. */
  #send(sourceFrom: SourceFrom): PreparedInterface | undefined {
    const packet = this.#packet;
    const { routing } = this.#host;
    this.#enter(this.#host, undefined);
    packet.in = noDevice;
    const isOpen = sourceFrom === "connect" || sourceFrom === "error";
    let route = this.#usable(routing.lookup(packet.destination, isOpen ? undefined : packet.source, this.#host.loopback, packet.mark));
    if (route === undefined) return undefined;
    if (isOpen) {
      const source = routing.sourceFor(route, packet.destination);
      packet.setSource(sourceFrom === "error" && source === 0 ? dummySource : source, packet.sourcePort, undefined);
      this.#before = packet.tuple;
      this.sent = packet.tuple;
    }
    if (sourceFrom === "connect") {
      route = this.#usable(routing.lookup(packet.destination, packet.source, this.#host.loopback, packet.mark));
      if (route === undefined) return undefined;
    }
    // A socket sends from addresses of its host only.
    if ((sourceFrom === "connect" || sourceFrom === "bound") && !routing.maySendFrom(packet.source)) {
      const why = `${textOf(packet.source)} is no address that the host may send from`;
      return this.#end("no-route", "routes", this.#host.host.origin, why, { objection: { message: "EINVAL" } });
    }
    packet.steps?.push(this.#host.send);
    if (!this.#take(route)) return undefined;
    packet.out = this.#outDevice(route);
    if (!this.#hook("output")) return undefined;
    return this.#leave();
  }

  /** The packet comes in by an interface from outside. */
  #receive(device: PreparedInterface): PreparedInterface | undefined {
    const packet = this.#packet;
    this.#enter(device.host, device);
    packet.steps?.push(device.received);
    packet.in = device;
    packet.out = noDevice;
    if (!this.#circles && this.#isRepeated(device)) {
      this.#noteCircle();
      if (!this.#context.back || this.#awaited !== undefined) return undefined;
    }
    if (!this.#hook("prerouting")) return undefined;
    const { routing } = this.#host;
    const found = routing.lookupInput(device, packet.destination, packet.source, packet.mark);
    if ("refused" in found) return this.#refuse(found);
    if (found.kind === "local" || found.kind === "broadcast") {
      packet.steps?.push(found.step);
      // Of what goes to a broadcast address, only UDP is taken in.
      if (found.kind === "broadcast" && packet.number !== udp) return this.#refuse(noBroadcast);
      this.#isFor = found.kind === "local" ? "us" : "all";
      return this.#deliver();
    }
    const route = this.#usable(found);
    if (route === undefined) return undefined;
    if (packet.ttl <= 1) {
      if (!this.#circles) this.#noteCircle();
      return this.#outlive();
    }
    packet.ttl--;
    if (!this.#take(route)) return undefined;
    packet.out = route.device;
    if (!this.#hook("forward")) return undefined;
    return this.#leave();
  }

  /** The packet comes back in by the loopback interface: it keeps its connection and is not routed again. */
  #receiveOwn(device: PreparedInterface): undefined {
    const packet = this.#packet;
    this.#in = device;
    packet.in = device;
    packet.out = noDevice;
    packet.steps?.push(device.received);
    if (this.#hook("prerouting")) this.#deliver();
    return undefined;
  }

  /** Postrouting, and over the link. */
  #leave(): PreparedInterface | undefined {
    const packet = this.#packet;
    const route = this.#route;
    if (route === undefined) throw new Error(`a packet leaves ${this.#host.name} without a route`);
    const out = this.#outDevice(route);
    packet.out = out;
    if (!this.#hook("postrouting")) return undefined;
    if (out === this.#host.loopback) {
      if (route.kind === "local") return out;
      return this.#end("black-hole", route.element, route.origin, "nothing is behind the loopback interface");
    }
    if (out.kind === "discard") return this.#end("black-hole", route.element, route.origin, `${out.name} discards everything`);
    const resolution = this.#context.links.resolve(
      out,
      route.via ?? packet.destination,
      packet.source,
      this.#in !== undefined && packet.source === this.#sourceBefore,
    );
    packet.steps?.push(resolution.step);
    if (resolution.to === undefined) {
      const objection = resolution.asked ? ({ message: "icmp host-unreachable", afterSeconds: 3 } as const) : undefined;
      return this.#end("no-neighbour", resolution.element, resolution.origin, undefined, { objection });
    }
    this.#closeHop(out);
    for (const crossing of resolution.crossings) this.#cross(crossing);
    packet.leaveHost();
    return resolution.to;
  }

  #deliver(): undefined {
    const packet = this.#packet;
    packet.out = noDevice;
    if (!this.#hook("input")) return undefined;
    const host = this.#host;
    const { tuple, protocol, destinationPort: port } = packet;
    if (this.#awaited !== undefined) {
      const { quoted } = packet;
      const isMeant = quoted === undefined ? isReverse(tuple, this.#awaited.tuple) : quotes(quoted, this.#awaited.tuple);
      if (host === this.#awaited.host && isMeant) {
        packet.steps?.push(quoted === undefined ? answered : told);
        this.#closeHop(undefined);
        this.#ending = { outcome: "delivered", host, decidedBy: undefined, received: undefined, objection: undefined };
        return undefined;
      }
      return this.#end("refused", "socket", host.host.origin, strangerText(host === this.#awaited.host, this.#awaited.tuple, packet), {
        kind: "refuse",
      });
    }
    const received = receivedBy(host.name, tuple, packet.sourcePorts);
    const listener = protocol === "icmp" ? undefined : host.listener(protocol, packet.destination, port);
    if (listener === undefined && protocol !== "icmp") {
      const what = `nothing listens on ${port}/${protocol}`;
      return this.#end("refused", "listeners", host.host.origin, what, { kind: "refuse", received, objection: this.#refusal() });
    }
    if (packet.steps !== undefined) {
      const what = listener === undefined ? "the host answers the echo request" : `${port}/${protocol} has a listener`;
      packet.steps.push({ kind: "deliver", what, element: "listeners", origin: listener?.origin ?? host.host.origin });
    }
    this.#closeHop(undefined);
    this.#ending = { outcome: "delivered", host, decidedBy: undefined, received, objection: undefined };
    return undefined;
  }

  /** False when the packet ended. */
  #hook(hook: Hook): boolean {
    const packet = this.#packet;
    const stages = (packet.family === 4 ? this.#host.stages4 : this.#host.stages6)[hook];
    for (const stage of stages) {
      switch (stage.kind) {
        case "track":
          this.#track();
          break;
        case "confirm":
          this.#confirm();
          break;
        case "translate":
          if (!this.#translate(stage.what, stage.chains, hook)) return false;
          break;
        default:
          if (!this.#filter(stage)) return false;
      }
    }
    return true;
  }

  #filter(chain: PreparedChain): boolean {
    const packet = this.#packet;
    const { mark, source, destination } = packet;
    const decision = evaluate(chain, packet);
    if (this.#stops(decision, chain)) return false;
    if (!chain.reroutes || (packet.mark === mark && packet.source === source && packet.destination === destination)) return true;
    return this.#reroute();
  }

  /** Ends the packet when a base chain's verdict or policy says so. */
  #stops(decision: Decision | undefined, chain: PreparedChain): boolean {
    if (decision === undefined) {
      if (!chain.drops) return false;
      this.#end("dropped", chain.element, this.#host.host.origin, "dropped: no rule accepts it", { kind: "drop" });
      return true;
    }
    if (decision.kind !== "drop" && decision.kind !== "reject") return false;
    this.#end(decision.disposition, decision.element, decision.origin, undefined, { objection: this.#rejection(decision) });
    return true;
  }

  /** nf_conntrack_in. */
  #track(): void {
    const packet = this.#packet;
    if (packet.connection !== undefined || packet.state === state.untracked || this.#memory === undefined) return;
    if (packet.quoted !== undefined) {
      this.#trackError(packet.quoted);
      return;
    }
    const { number, source, sourcePort, destination, destinationPort } = packet;
    const known = this.#memory.connections.find(number, source, sourcePort, destination, destinationPort);
    if (known === undefined) {
      // A reply opens no connection of its own: TCP's SYN+ACK and ICMP's echo reply are invalid then, but UDP knows no difference. And what TCP says
      // later does, as if it were the first packet (net.netfilter.nf_conntrack_tcp_loose).
      if (packet.isReply && number !== udp && !packet.isAnswer) {
        packet.state = state.invalid;
        packet.wasStrange = true;
        return;
      }
      packet.connection = new Connection(number, source, sourcePort, destination, destinationPort, packet.sourcePorts);
      packet.inReplyDirection = false;
      packet.state = state.new;
      return;
    }
    const inReplyDirection = !isOriginal(known, source, sourcePort, destination, destinationPort);
    // The third packet of a handshake whose second one went another way (tcp_conntracks: an ACK in the state SYN_SENT).
    if (packet.isAcknowledgement && !inReplyDirection && (known.status & status.seenReply) === 0) {
      packet.state = state.invalid;
      return;
    }
    packet.connection = known;
    packet.inReplyDirection = inReplyDirection;
    if (packet.inReplyDirection) {
      if ((known.status & status.seenReply) === 0) packet.changes++;
      // A reset that is the only reply ends the connection, and keeps its translation (nf_conntrack_tcp_packet).
      if (packet.isReset && (known.status & status.seenReply) === 0) this.#memory.connections.remove(known);
      known.status |= status.seenReply;
      packet.state = state.established;
    } else packet.state = (known.status & status.seenReply) === 0 ? state.new : state.established;
  }

  #trackError(quoted: Quoted): void {
    const packet = this.#packet;
    const found = this.#memory === undefined ? undefined : connectionOfError(this.#memory.connections, quoted, packet.destination);
    if (found === undefined) {
      packet.state = state.invalid;
      return;
    }
    packet.connection = found.connection;
    packet.inReplyDirection = found.inReply;
    packet.state = state.related;
  }

  #confirm(): void {
    const { connection } = this.#packet;
    // What is sent against the first packet of a connection does not confirm it.
    if (connection === undefined || this.#packet.inReplyDirection || (connection.status & status.confirmed) !== 0) return;
    this.#memory?.connections.add(connection);
    this.#packet.changes++;
  }

  /** nf_nat_inet_fn: rules for the first packet of a connection, then what the connection says for every packet. */
  #translate(what: "source" | "destination", chains: readonly PreparedChain[], hook: Hook): boolean {
    const packet = this.#packet;
    const { connection } = packet;
    if (connection === undefined) return true;
    if (packet.quoted !== undefined) return this.#translateError(what, connection, packet.quoted, hook);
    let now: Decision | undefined;
    if (
      (packet.state === state.new || packet.state === state.related) &&
      !(what === "source" ? connection.sourceDone : connection.destinationDone)
    ) {
      for (const chain of chains) {
        const decision = evaluate(chain, packet);
        if (this.#stops(decision, chain)) return false;
        if (decision === undefined || decision.kind === "accept") continue;
        if (!this.#setUp(connection, decision)) return false;
        now = decision;
        break;
      }
      if (what === "destination") connection.destinationDone = true;
      else if (!connection.sourceDone && !this.#translateSource(connection, connection.replyDestination, undefined, undefined))
        return false;
    }
    return this.#rewrite(what, connection, now, hook);
  }

  /** False when the packet ended. */
  #setUp(connection: Connection, decision: Decision): boolean {
    if (decision.kind === "dnat") {
      translateDestination(connection, decision.address ?? connection.replySource, decision.port);
      connection.destinationBy = decision;
      return true;
    }
    connection.sourceBy = decision;
    if (decision.kind === "snat") {
      return this.#translateSource(connection, decision.address ?? connection.replyDestination, decision.ports, decision);
    }
    const route = this.#route;
    const { routing, loopback } = this.#host;
    const packet = this.#packet;
    const out = route === undefined ? loopback : this.#outDevice(route);
    const address = routing.selectAddress(out, route?.via ?? packet.destination, packet.family);
    if (address === undefined) {
      this.#end("dropped", decision.element, decision.origin, `no address on ${out.name} to masquerade with`, { kind: "drop" });
      return false;
    }
    return this.#translateSource(connection, address, undefined, decision);
  }

  #translateSource(connection: Connection, address: Ip, ports: PortRange | undefined, decision: Decision | undefined): boolean {
    if (this.#memory === undefined || translateSource(this.#memory.connections, connection, address, this.#portChoice(ports, decision)))
      return true;
    const range = ports === undefined ? "" : ` from ${ports.first} to ${ports.last}`;
    this.#end(
      "exhausted",
      decision?.element ?? "connection tracking",
      decision?.origin ?? this.#host.host.origin,
      `no port of ${textOf(address)} is left${range}`,
      { kind: "drop" },
    );
    return false;
  }

  #portChoice(ports: PortRange | undefined, decision: Decision | undefined): PortChoice {
    return { ports, draw: decision?.drawsPort === true, any: this.#packet.sourcePorts };
  }

  /** nf_nat_packet. */
  #rewrite(what: "source" | "destination", connection: Connection, now: Decision | undefined, hook: Hook): boolean {
    const packet = this.#packet;
    const reply = packet.inReplyDirection;
    const bit = (what === "source") === reply ? status.destinationNat : status.sourceNat;
    if ((connection.status & bit) === 0) return true;
    const before = packet.tuple;
    const { source, sourcePort, destination, destinationPort } = packet;
    if (what === "source") {
      if (reply) packet.setSource(connection.destination, connection.destinationPort, undefined);
      else {
        const { replyDestination, replyDestinationPort, drawnPorts } = connection;
        packet.setSource(
          replyDestination,
          replyDestinationPort,
          drawnPorts ?? (replyDestinationPort === sourcePort ? packet.sourcePorts : undefined),
        );
      }
      if (packet.source === source && packet.sourcePort === sourcePort) return true;
    } else {
      if (reply) packet.setDestination(connection.source, connection.sourcePort, connection.sourcePorts);
      else packet.setDestination(connection.replySource, connection.replySourcePort, undefined);
      if (packet.destination === destination && packet.destinationPort === destinationPort) return true;
    }
    if (packet.steps !== undefined) packet.steps.push(this.#rewriteStep(what, connection, now, before));
    return hook !== "output" || packet.destination === destination || this.#reroute();
  }

  /** nf_nat_icmp_reply_translation: the error and what it quotes are rewritten together. */
  #translateError(what: "source" | "destination", connection: Connection, quoted: Quoted, hook: Hook): boolean {
    const packet = this.#packet;
    const reply = packet.inReplyDirection;
    const bit = (what === "source") === reply ? status.destinationNat : status.sourceNat;
    if ((connection.status & bit) === 0) return true;
    const before = packet.tuple;
    const { source, destination } = packet;
    if (what === "source") {
      quoted.destination = reply ? connection.destination : connection.replyDestination;
      quoted.destinationPort = reply ? connection.destinationPort : connection.replyDestinationPort;
      packet.setSource(quoted.destination, 0, undefined);
    } else {
      quoted.source = reply ? connection.source : connection.replySource;
      quoted.sourcePort = reply ? connection.sourcePort : connection.replySourcePort;
      packet.setDestination(quoted.source, 0, undefined);
    }
    if (packet.source === source && packet.destination === destination) return true;
    if (packet.steps !== undefined) packet.steps.push(this.#rewriteStep(what, connection, undefined, before));
    return hook !== "output" || packet.destination === destination || this.#reroute();
  }

  #rewriteStep(what: "source" | "destination", connection: Connection, now: Decision | undefined, before: Tuple): Step {
    const after = this.#packet.tuple;
    const reply = this.#packet.inReplyDirection;
    const by = (what === "source") === reply ? connection.destinationBy : connection.sourceBy;
    const element = now?.element ?? "connection tracking";
    const origin = by?.origin ?? this.#host.host.origin;
    if (reply) {
      const text = what === "source" ? `source back to ${after.source}` : `destination back to ${after.destination}`;
      return { kind: "reverse-nat", what: text, element, before, after, origin };
    }
    const again = now === undefined && by !== undefined ? ", as for the first packet" : "";
    if (what === "destination") {
      return {
        kind: "destination-nat",
        what: `destination NAT to ${after.destination}${port(after.destinationPort)}${again}`,
        element,
        before,
        after,
        origin,
      };
    }
    const { drawnPorts: drawn } = connection;
    const ports = drawn === undefined ? undefined : { ...drawn };
    if (ports === undefined) return { kind: "source-nat", what: `source NAT to ${after.source}${again}`, element, before, after, origin };
    const text = `source NAT to ${after.source}, a port from ${ports.first} to ${ports.last}${again}`;
    return { kind: "source-nat", what: text, element, before, after, ports, origin };
  }

  /** ip_route_me_harder: a packet of our own got another destination or mark. */
  #reroute(): boolean {
    const packet = this.#packet;
    const route = this.#usable(this.#host.routing.lookup(packet.destination, packet.source, this.#host.loopback, packet.mark));
    return route !== undefined && this.#take(route);
  }

  /** The route, if packets can go by it; else the packet ends. */
  #usable(route: FoundRoute | undefined): FoundRoute | undefined {
    const objection = this.#unroutable(route);
    if (route === undefined) {
      return this.#end("no-route", "routes", this.#host.host.origin, `no route to ${textOf(this.#packet.destination)}`, { objection });
    }
    if (route.kind === "unicast" || route.kind === "local") return route;
    this.#packet.steps?.push(route.step);
    const outcome = route.kind === "unreachable" ? "no-route" : "black-hole";
    return this.#end(outcome, route.element, route.origin, undefined, { objection });
  }

  /** What becomes of a packet that has no usable route: `fib_props` in net/ipv4/fib_semantics.c, ip_error in route.c, tcp_v4_connect. */
  #unroutable(route: FoundRoute | undefined): Objection | undefined {
    if (this.#in !== undefined) return route?.kind === "unreachable" ? { message: "icmp host-unreachable", limited: true } : undefined;
    const isTcp = this.#packet.number === tcp;
    // A connection under way does not mind that its packet could not leave; it sends another one.
    if (isTcp && this.#route !== undefined) return undefined;
    if (route === undefined) return { message: "ENETUNREACH" };
    if (route.kind === "broadcast") return { message: isTcp ? "ENETUNREACH" : "EACCES" };
    return { message: route.kind === "unreachable" ? "EHOSTUNREACH" : "EINVAL" };
  }

  /** Nothing listens. */
  #refusal(): Objection | undefined {
    const { number } = this.#packet;
    if (number === tcp) return { message: "tcp reset" };
    return number === udp && this.#isFor === "us" ? { message: "icmp port-unreachable", fromDestination: true } : undefined;
  }

  /** nft_reject_inet.c. */
  #rejection({ message }: Decision): Objection | undefined {
    if (message === undefined || this.#isFor === "all" || (message === "tcp reset" && this.#packet.number !== tcp)) return undefined;
    return { message, fromDestination: message !== "tcp reset" && this.#isFor === "us" };
  }

  #take(route: FoundRoute): boolean {
    const packet = this.#packet;
    this.#route = route;
    this.#routeHost = this.#host;
    this.#isFor = route.kind === "local" ? "us" : "others";
    packet.steps?.push(route.step);
    // __mkroute_output: loopback addresses stay inside.
    if (this.#in !== undefined || typeof packet.source !== "number" || !isLoopback(packet.source)) return true;
    if (this.#outDevice(route) === this.#host.loopback) return true;
    this.#end("dropped", "loopback", this.#host.host.origin, `${textOf(packet.source)} does not leave the host`, {
      kind: "drop",
      objection: { message: "EINVAL" },
    });
    return false;
  }

  #outDevice(route: FoundRoute): PreparedInterface {
    return route.kind === "local" ? this.#host.loopback : route.device;
  }

  #refuse({ refused, why }: Refusal): undefined {
    const { origin } = this.#host.host;
    switch (refused) {
      case "no-route":
        return this.#end("no-route", "routes", origin, `no route to ${textOf(this.#packet.destination)}`, {
          objection: { message: "icmp net-unreachable", limited: true },
        });
      case "broadcast":
        return this.#end("black-hole", "routes", origin, why);
      case "not-forwarding":
        return this.#end("dropped", "forwarding", origin, why, { kind: "drop" });
      default:
        return this.#end("dropped", "source check", origin, why, { kind: "drop" });
    }
  }

  /** The packet has been here before, with the same addresses, and nothing has changed since. Short ways are not even looked at. */
  #isRepeated(device: PreparedInterface): boolean {
    if (this.hops.length < 6) return false;
    const { tuple, chance } = this.#packet;
    const changes = this.#packet.changes + chance.taken;
    this.#visits ??= [];
    for (const visit of this.#visits) if (visit.device === device && visit.tuple === tuple && visit.changes === changes) return true;
    this.#visits.push({ device, tuple, changes });
    return false;
  }

  /** The way ends here for who reads it. The packet goes on until a host says that it has made too many hops. */
  #noteCircle(): void {
    const route = this.#route;
    const origin = route?.origin ?? this.#routeHost.host.origin;
    this.#end("loop", route?.element ?? "routes", origin, "the packet goes round in a circle", { kind: "drop", at: this.#routeHost });
    this.#circles = true;
    this.#packet.steps = undefined;
  }

  #outlive(): undefined {
    if (this.#ending !== undefined) this.#ending = { ...this.#ending, host: this.#host, objection: { message: "icmp time-exceeded" } };
    return undefined;
  }

  #end(
    outcome: Disposition,
    element: string,
    origin: Origin | undefined,
    what: string | undefined,
    more: {
      readonly kind?: Step["kind"];
      readonly received?: Ending["received"];
      readonly at?: PreparedHost;
      readonly objection?: Objection | undefined;
    } = {},
  ): undefined {
    if (this.#circles) return undefined;
    const { kind = "route", received, at = this.#host, objection } = more;
    if (what !== undefined) this.#packet.steps?.push(origin === undefined ? { kind, what, element } : { kind, what, element, origin });
    this.#closeHop(undefined);
    const decidedBy = origin === undefined ? { host: at.name, element } : { host: at.name, element, origin };
    this.#ending = { outcome, host: this.#host, decidedBy, received, objection };
    return undefined;
  }

  #enter(host: PreparedHost, device: PreparedInterface | undefined): void {
    const packet = this.#packet;
    this.#host = host;
    this.#in = device;
    this.#isFor = "others";
    this.#before = packet.tuple;
    this.#sourceBefore = packet.source;
    packet.surroundings = host;
    if (packet.steps !== undefined) this.#stepsFrom = packet.steps.length;
    this.#memory = host.tracks ? this.#context.memory.of(host) : undefined;
    packet.dynamicSets = this.#memory;
  }

  #closeHop(out: PreparedInterface | undefined): void {
    if (this.#circles) return;
    const packet = this.#packet;
    const host = this.#host.name;
    const before = this.#before;
    const after = packet.tuple;
    const steps = packet.steps === undefined ? noSteps : packet.steps.slice(this.#stepsFrom);
    const inInterface = this.#in?.name;
    if (inInterface === undefined) {
      this.hops.push(out === undefined ? { host, before, after, steps } : { host, outInterface: out.name, before, after, steps });
    } else if (out === undefined) this.hops.push({ host, inInterface, before, after, steps });
    else this.hops.push({ host, inInterface, outInterface: out.name, before, after, steps });
  }

  #cross({ host, inPort, outPort, steps }: Crossing): void {
    if (this.#circles) return;
    const { tuple } = this.#packet;
    this.hops.push({
      host,
      inInterface: inPort,
      outInterface: outPort,
      before: tuple,
      after: tuple,
      steps: this.#context.steps ? steps : noSteps,
    });
  }
}

const answered: Step = { kind: "deliver", what: "the sender gets its reply", element: "socket" };
const told: Step = { kind: "deliver", what: "the sender is told", element: "socket" };

/** Written out, since every trace that arrives makes one. */
function receivedBy(host: HostName, tuple: Tuple, sourcePorts: PortRange | undefined): NonNullable<Path["received"]> {
  const { protocol, source, sourcePort, destination, destinationPort } = tuple;
  if (sourcePort === undefined || destinationPort === undefined) return { protocol, source, destination, host };
  if (sourcePorts === undefined) return { protocol, source, sourcePort, destination, destinationPort, host };
  return { protocol, source, sourcePort, destination, destinationPort, host, sourcePorts: { ...sourcePorts } };
}

/** Why an answer is none. */
function strangerText(isSender: boolean, sent: Tuple, { quoted, isAcknowledgement }: Packet): string {
  if (isAcknowledgement) return "nobody here began this connection";
  if (!isSender) return quoted === undefined ? "nobody here awaits this reply" : "nobody here sent what the error is about";
  if (quoted !== undefined)
    return `the error is about a packet from ${textOf(quoted.source)} to ${textOf(quoted.destination)}, which the sender did not send`;
  const { protocol, source, sourcePort, destination, destinationPort } = sent;
  const expected = protocol === "icmp" ? `${destination} to ${source}` : `${destination}:${destinationPort} to ${source}:${sourcePort}`;
  return `the sender awaits a reply from ${expected}`;
}

function quotes(quoted: Quoted, sent: Tuple): boolean {
  return (
    quoted.source === ipOf(sent.source) &&
    quoted.destination === ipOf(sent.destination) &&
    quoted.sourcePort === (sent.sourcePort ?? 0) &&
    quoted.destinationPort === (sent.destinationPort ?? 0)
  );
}

function port(number: number | undefined): string {
  return number === undefined ? "" : `:${number}`;
}

function isReverse(reply: Tuple, sent: Tuple): boolean {
  return (
    reply.source === sent.destination &&
    reply.destination === sent.source &&
    reply.sourcePort === sent.destinationPort &&
    reply.destinationPort === sent.sourcePort
  );
}

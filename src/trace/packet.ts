/** A packet on its way, as rules see it. One object per trace, changed in place: this is the hot part of the tracer. */

import { type Protocol, protocolNumber } from "../net/ports.ts";
import { type Connection, type DrawnPorts, state } from "./connections.ts";
import { type Ip, ipOf, textOf, unspecified } from "./ip.ts";
import type { Message, Step, Tuple } from "./result.ts";

/** Decides what nothing but chance decides. */
export type Chance = {
  /** One of `0 … alternatives - 1`. */
  pick(alternatives: number): number;
  /** The same for alternatives that are not equally likely. */
  weigh(weights: readonly number[]): number;
  /** How often it was asked for one of several. */
  readonly taken: number;
};

/** What a set that rules fill holds: the time in seconds at which each key ends, by key. */
export type DynamicSet = Map<string, number>;

/** The sets that rules fill, of one host. */
export type DynamicSets = {
  dynamicSet(set: object): DynamicSet | undefined;
  makeDynamicSet(set: object): DynamicSet;
};

/** What rules may ask about the host that the packet is on. */
export type Surroundings = {
  /** What a look into the local table says about an address, as nftables' `fib … type`. */
  addressType(ip: Ip): "local" | "broadcast" | "multicast" | "unicast";
};

/** An interface as rules see it: by name, or in keys of sets and maps by the number that stands for the name. */
export type Device = { readonly name: string; readonly number: number };

export const noDevice: Device = { name: "", number: 0 };

const deviceNumbers = new Map([[noDevice.name, noDevice.number]]);

/** The same number for the same name, on all hosts. */
export function deviceNumber(name: string): number {
  let number = deviceNumbers.get(name);
  if (number === undefined) {
    number = deviceNumbers.size;
    deviceNumbers.set(name, number);
  }
  return number;
}

/** The packet that an ICMP error is about, as the error quotes it. Translated together with the error. */
export type Quoted = {
  /** IANA number. */
  readonly protocol: number;
  source: Ip;
  sourcePort: number;
  destination: Ip;
  destinationPort: number;
};

/** Types and codes: RFC 792 and RFC 1812; RFC 4443. */
const icmpErrors: Readonly<Record<Exclude<Message, "tcp reset">, Readonly<Record<4 | 6, readonly [type: number, code: number]>>>> = {
  "icmp net-unreachable": { 4: [3, 0], 6: [1, 0] },
  "icmp host-unreachable": { 4: [3, 1], 6: [1, 3] },
  "icmp port-unreachable": { 4: [3, 3], 6: [1, 4] },
  "icmp admin-prohibited": { 4: [3, 13], 6: [1, 1] },
  "icmp time-exceeded": { 4: [11, 0], 6: [3, 0] },
};

export class Packet {
  readonly protocol: Protocol;
  /** IANA number; ICMP over IPv6 is 58. */
  readonly number: number;
  readonly family: 4 | 6;
  source: Ip;
  sourcePort: number;
  destination: Ip;
  destinationPort: number;
  /** {@link sourcePort} stands for any of these. */
  sourcePorts: DrawnPorts | undefined = undefined;
  /** The same of {@link destinationPort}: a reply goes back to the port that was drawn. */
  destinationPorts: DrawnPorts | undefined = undefined;
  /** The reply of a connection, not its first packet. */
  isReply = false;
  /** A TCP reset. */
  isReset = false;
  /** The third packet of a TCP handshake. */
  isAcknowledgement = false;
  /** The first packet of a TCP connection that is neither's handshake: what the receiver says. */
  isAnswer = false;
  /** A host that it came by knows nothing of its connection. */
  wasStrange = false;
  /** An ICMP error, and what it quotes. */
  quoted: Quoted | undefined = undefined;
  #icmpError: readonly [type: number, code: number] | undefined = undefined;
  ttl = 64;
  mark = 0;
  in: Device = noDevice;
  out: Device = noDevice;

  connection: Connection | undefined = undefined;
  /** Goes in the direction of the connection's replies. */
  inReplyDirection = false;
  /** A bit of `ct state`. */
  state: number = state.none;

  /** Where decisions are written down; `undefined` when nobody wants them. */
  steps: Step[] | undefined = undefined;
  chance: Chance;
  surroundings: Surroundings = nowhere;
  /** Sets that rules fill, of the host that the packet is on. */
  dynamicSets: DynamicSets | undefined = undefined;
  /** Clock of the session, seconds. */
  now = 0;
  /** Grows with everything that could make a second visit of a host differ from the first. */
  changes = 0;
  /** A rule asked for something that this packet does not have, which ends the rule whatever it compares with. */
  lacked = false;

  #tuple: Tuple | undefined;

  constructor(tuple: Tuple, chance: Chance) {
    this.protocol = tuple.protocol;
    this.source = ipOf(tuple.source);
    this.destination = ipOf(tuple.destination);
    this.sourcePort = tuple.sourcePort ?? 0;
    this.destinationPort = tuple.destinationPort ?? 0;
    this.family = typeof this.destination === "number" ? 4 : 6;
    this.number = protocolNumber(tuple.protocol, this.family);
    this.chance = chance;
    this.#tuple = tuple;
  }

  /** The addresses and ports as text. The same object until they change. */
  get tuple(): Tuple {
    this.#tuple ??= makeTuple(this.protocol, this.source, this.sourcePort, this.destination, this.destinationPort);
    return this.#tuple;
  }

  setSource(address: Ip, port: number, ports: DrawnPorts | undefined): void {
    this.source = address;
    this.sourcePort = port;
    this.sourcePorts = ports;
    this.#tuple = undefined;
  }

  setDestination(address: Ip, port: number, ports: DrawnPorts | undefined): void {
    this.destination = address;
    this.destinationPort = port;
    this.destinationPorts = ports;
    this.#tuple = undefined;
  }

  /** Turns the packet into the reply that its receiver sends. */
  turnAround(): void {
    const { source, sourcePort, sourcePorts } = this;
    this.setSource(this.destination, this.destinationPort, this.destinationPorts);
    this.setDestination(source, sourcePort, sourcePorts);
    this.isReply = true;
    this.ttl = 64;
    this.leaveHost();
  }

  /** Turns TCP's reply, which has arrived, into what its receiver sends to complete the handshake. */
  acknowledge(): void {
    this.turnAround();
    this.isReply = false;
    this.isAcknowledgement = true;
  }

  /** Turns what completed the handshake, and has arrived, into the first that its receiver says. */
  answer(): void {
    this.turnAround();
    this.isAcknowledgement = false;
    this.isAnswer = true;
  }

  /**
   * The message that the host where this packet is sends against it, as a packet that is not sent yet. It belongs to the connection of this one
   * (nf_conntrack_attach). A reset comes from whom the packet went to, whoever sends it; an ICMP error comes from `source`, which may be open.
   */
  against(message: Message, source: Ip = unspecified(this.family)): Packet {
    const isReset = message === "tcp reset";
    const { source: sender, sourcePort, destination, destinationPort } = this;
    const tuple = isReset
      ? makeTuple(this.protocol, destination, destinationPort, sender, sourcePort)
      : makeTuple("icmp", source, 0, sender, 0);
    const made = new Packet(tuple, this.chance);
    made.isReply = true;
    made.isReset = isReset;
    made.now = this.now;
    if (!isReset) {
      made.#icmpError = icmpErrors[message][this.family];
      made.quoted = { protocol: this.number, source: sender, sourcePort, destination, destinationPort };
    }
    if (this.connection !== undefined) {
      made.connection = this.connection;
      made.inReplyDirection = !this.inReplyDirection;
      made.state = state.related;
    }
    return made;
  }

  /** A link to another host carries neither mark nor connection. */
  leaveHost(): void {
    this.mark = 0;
    this.connection = undefined;
    this.inReplyDirection = false;
    this.state = state.none;
  }

  get icmpCode(): number {
    return this.#icmpError === undefined ? 0 : this.#icmpError[1];
  }

  /** ICMP type: an error's, echo request or echo reply; `undefined` for other protocols. */
  get icmpType(): number | undefined {
    if (this.#icmpError !== undefined) return this.#icmpError[0];
    if (this.number === 1) return this.isReply ? 0 : 8;
    return this.number === 58 ? (this.isReply ? 129 : 128) : undefined;
  }
}

export function makeTuple(protocol: Protocol, source: Ip, sourcePort: number, destination: Ip, destinationPort: number): Tuple {
  if (protocol === "icmp") return { protocol, source: textOf(source), destination: textOf(destination) };
  return { protocol, source: textOf(source), sourcePort, destination: textOf(destination), destinationPort };
}

const nowhere: Surroundings = { addressType: () => "unicast" };

/**
 * Connection tracking and address translation of one host, as net/netfilter/nf_conntrack_core.c and nf_nat_core.c do it.
 *
 * A connection is two tuples: what the first packet had when it came (original) and what a reply will have when it comes (reply).
 * Translating means changing the reply tuple; packets of either direction are then rewritten to the inverse of the other tuple.
 * There are no timeouts: a connection lives as long as the table.
 */

import { protocolNumbers } from "../net/ports.ts";
import type { Tuple } from "../net/tuple.ts";
import { type Ip, ipOf } from "./ip.ts";
import type { Quoted } from "./packet.ts";
import type { PortRange } from "./result.ts";
import type { Decision } from "./rules.ts";

/** Bits of `ct status` (include/uapi/linux/netfilter/nf_conntrack_common.h). */
export const status = { seenReply: 0x2, assured: 0x4, confirmed: 0x8, sourceNat: 0x10, destinationNat: 0x20 } as const;

/** Bits of `ct state` as nftables sees them. */
export const state = { none: 0, invalid: 1, established: 2, related: 4, new: 8, untracked: 64 } as const;

/** The ports that one which was drawn may be. A rule that asks about it narrows them, for all packets of the flow. */
export type DrawnPorts = { first: number; last: number };

export class Connection {
  readonly protocol: number;
  readonly source: Ip;
  readonly sourcePort: number;
  readonly destination: Ip;
  readonly destinationPort: number;
  /** Ports that {@link sourcePort} stands for, when an earlier host has drawn it. */
  readonly sourcePorts: DrawnPorts | undefined;
  replySource: Ip;
  replySourcePort: number;
  replyDestination: Ip;
  replyDestinationPort: number;
  /** Ports of the range that {@link replyDestinationPort} stands for, when source NAT drew it. */
  drawnPorts: DrawnPorts | undefined = undefined;
  mark = 0;
  status = 0;
  /** The rules that translated it. */
  sourceBy: Decision | undefined = undefined;
  destinationBy: Decision | undefined = undefined;
  sourceDone = false;
  destinationDone = false;

  constructor(protocol: number, source: Ip, sourcePort: number, destination: Ip, destinationPort: number, sourcePorts?: DrawnPorts) {
    this.protocol = protocol;
    this.source = source;
    this.sourcePort = sourcePort;
    this.destination = destination;
    this.destinationPort = destinationPort;
    this.sourcePorts = sourcePorts;
    this.replySource = destination;
    this.replySourcePort = destinationPort;
    this.replyDestination = source;
    this.replyDestinationPort = sourcePort;
  }
}

/** A connection that a host has had before: what its first packet had, and what its replies have when they come. */
export type KnownConnection = { readonly original: Tuple; readonly reply: Tuple; readonly mark: number };

export function connectionOf({ original, reply, mark }: KnownConnection): Connection {
  const { protocol, source, sourcePort = 0, destination, destinationPort = 0 } = original;
  const connection = new Connection(protocolNumbers[protocol], ipOf(source), sourcePort, ipOf(destination), destinationPort);
  connection.mark = mark;
  connection.status = status.seenReply | status.assured;
  translateDestination(connection, ipOf(reply.source), reply.sourcePort);
  connection.sourceDone = true;
  setSource(connection, ipOf(reply.destination), reply.destinationPort ?? 0);
  return connection;
}

/** Up to this many connections a scan is faster than an index. One trace makes one or two per host. */
const scanLimit = 6;

export class ConnectionTable {
  readonly #connections: Connection[] = [];
  /** Both tuples of every connection, once there are more than {@link scanLimit}. */
  #byTuple: Map<string, Connection> | undefined;
  #bySource: Map<string, Connection[]> | undefined;

  add(connection: Connection): void {
    connection.status |= status.confirmed;
    this.#connections.push(connection);
    if (this.#byTuple !== undefined) this.#index(connection);
    else if (this.#connections.length > scanLimit) {
      this.#byTuple = new Map();
      this.#bySource = new Map();
      for (const each of this.#connections) this.#index(each);
    }
  }

  /** The connection that has this tuple in either direction. */
  find(protocol: number, source: Ip, sourcePort: number, destination: Ip, destinationPort: number): Connection | undefined {
    if (this.#byTuple !== undefined) return this.#byTuple.get(tupleKey(protocol, source, sourcePort, destination, destinationPort));
    for (const each of this.#connections) {
      if (each.protocol !== protocol) continue;
      if (isOriginal(each, source, sourcePort, destination, destinationPort)) return each;
      if (
        each.replySource === source &&
        each.replyDestination === destination &&
        each.replySourcePort === sourcePort &&
        each.replyDestinationPort === destinationPort
      ) {
        return each;
      }
    }
    return undefined;
  }

  /** Connections of one socket: same protocol, original source address and port. */
  ofSource(protocol: number, source: Ip, sourcePort: number): readonly Connection[] {
    if (this.#bySource !== undefined) return this.#bySource.get(`${protocol}|${source}|${sourcePort}`) ?? [];
    return this.#connections.filter((each) => each.protocol === protocol && each.source === source && each.sourcePort === sourcePort);
  }

  get size(): number {
    return this.#connections.length;
  }

  remove(connection: Connection): void {
    const at = this.#connections.indexOf(connection);
    if (at < 0) return;
    this.#connections.splice(at, 1);
    if (this.#byTuple === undefined) return;
    this.#byTuple = new Map();
    this.#bySource = new Map();
    for (const each of this.#connections) this.#index(each);
  }

  #index(connection: Connection): void {
    const { protocol } = connection;
    this.#byTuple?.set(
      tupleKey(protocol, connection.source, connection.sourcePort, connection.destination, connection.destinationPort),
      connection,
    );
    this.#byTuple?.set(
      tupleKey(protocol, connection.replySource, connection.replySourcePort, connection.replyDestination, connection.replyDestinationPort),
      connection,
    );
    const key = `${protocol}|${connection.source}|${connection.sourcePort}`;
    const same = this.#bySource?.get(key);
    if (same === undefined) this.#bySource?.set(key, [connection]);
    else same.push(connection);
  }
}

export function isOriginal(connection: Connection, source: Ip, sourcePort: number, destination: Ip, destinationPort: number): boolean {
  return (
    connection.source === source &&
    connection.destination === destination &&
    connection.sourcePort === sourcePort &&
    connection.destinationPort === destinationPort
  );
}

/**
 * The connection that an ICMP error to `to` is about: one whose packets could answer the packet that it quotes, if they went to `to` as well.
 * `inReply`: as its replies do (nf_conntrack_inet_error).
 */
export function connectionOfError(
  table: ConnectionTable,
  quoted: Quoted,
  to: Ip,
): { connection: Connection; inReply: boolean } | undefined {
  const { protocol, source, sourcePort, destination, destinationPort } = quoted;
  const connection = table.find(protocol, destination, destinationPort, source, sourcePort);
  if (connection === undefined) return undefined;
  const inReply = !isOriginal(connection, destination, destinationPort, source, sourcePort);
  return (inReply ? connection.replyDestination : connection.destination) === to ? { connection, inReply } : undefined;
}

/** Destination NAT. Without `port` the port stays. */
export function translateDestination(connection: Connection, address: Ip, port: number | undefined): void {
  connection.destinationDone = true;
  const newPort = port ?? connection.replySourcePort;
  if (connection.replySource === address && connection.replySourcePort === newPort) return;
  connection.replySource = address;
  connection.replySourcePort = newPort;
  connection.status |= status.destinationNat;
}

/** How source NAT comes by a port. */
export type PortChoice = {
  /** The only ones. */
  readonly ports: PortRange | undefined;
  /** Drawn even when the old one could stay (NF_NAT_RANGE_PROTO_RANDOM_FULLY). */
  readonly draw: boolean;
  /** The old port is any of these: it was drawn on an earlier host. */
  readonly any: PortRange | undefined;
};

/**
 * Source NAT to `address`; `false` when no port is left.
 *
 * As the kernel's get_unique_tuple: another connection of the same socket lends its translation; else the port stays when it is in the range
 * and no other connection would get the same replies; else a port is drawn: from `ports`, or without it from the class of ports that the
 * old one is in. The kernel starts at a random place of the range. Here the lowest free port stands for the drawn one, and
 * `drawnPorts` says that it could have been any of the range.
 */
export function translateSource(table: ConnectionTable, connection: Connection, address: Ip, { ports, draw, any }: PortChoice): boolean {
  connection.sourceDone = true;
  const port = connection.replyDestinationPort;
  const portless = connection.protocol === 1 || connection.protocol === 58;
  const drawn = draw && !portless;
  const keep = !drawn && (portless || within(port, ports)) && isFree(table, connection, address, port);
  // A port that may be outside of the range stays or is drawn: in all, any of the range.
  if (ports !== undefined && any !== undefined && !(within(any.first, ports) && within(any.last, ports)))
    connection.drawnPorts = { ...ports };
  if (keep && connection.replyDestination === address) return true;
  if (!drawn && table.size > 0 && !portless) {
    for (const other of table.ofSource(connection.protocol, connection.source, connection.sourcePort)) {
      const lent = other.replyDestinationPort;
      if (other.replyDestination !== address || !within(lent, ports)) continue;
      if (!isFree(table, connection, address, lent)) continue;
      setSource(connection, address, lent);
      connection.drawnPorts = other.drawnPorts;
      return true;
    }
  }
  if (keep) {
    setSource(connection, address, port);
    return true;
  }
  if (portless) return false;
  const range = ports ?? classOf(port);
  for (let candidate = range.first; candidate <= range.last; candidate++) {
    if (!isFree(table, connection, address, candidate)) continue;
    setSource(connection, address, candidate);
    if (range.first !== range.last) connection.drawnPorts = { ...range };
    return true;
  }
  return false;
}

function within(port: number, ports: PortRange | undefined): boolean {
  return ports === undefined || (port >= ports.first && port <= ports.last);
}

/** Where the kernel draws ports from when a rule names none (nf_nat_l4proto_unique_tuple). */
function classOf(port: number): PortRange {
  if (port < 512) return { first: 1, last: 511 };
  return port < 1024 ? { first: 600, last: 1023 } : { first: 1024, last: 65_535 };
}

function isFree(table: ConnectionTable, connection: Connection, address: Ip, port: number): boolean {
  if (table.size === 0) return true;
  const other = table.find(connection.protocol, connection.replySource, connection.replySourcePort, address, port);
  return other === undefined || other === connection;
}

function setSource(connection: Connection, address: Ip, port: number): void {
  if (connection.replyDestination === address && connection.replyDestinationPort === port) return;
  connection.replyDestination = address;
  connection.replyDestinationPort = port;
  connection.status |= status.sourceNat;
}

function tupleKey(protocol: number, source: Ip, sourcePort: number, destination: Ip, destinationPort: number): string {
  return `${protocol}|${source}|${sourcePort}|${destination}|${destinationPort}`;
}

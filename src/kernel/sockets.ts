/**
 * Sockets inside a host, made from outside: file descriptors for Node's own classes, so that one process serves and probes for every pod.
 *
 *     net.createServer(serve).listen({ fd: tcpListen(host, { port: 80 }) })
 *     new net.Socket({ fd: tcpConnect(host, { destination, port: 80 }), readable: true, writable: true })
 *     dgram.createSocket("udp4").bind({ fd: udpBind(host, { port: 53 }) })
 *
 * `listenTcp` and its kin do the same in the current namespace, for several sockets in one visit by `within`.
 */

import { type Address, type Family, familyOf } from "../net/address.ts";
import { checked, lastErrno, libc, linux, SystemError } from "./libc.ts";
import { within } from "./namespaces.ts";
import { addressBytes } from "./netlink.ts";
import { writeSetting } from "./settings.ts";

/** Where a socket listens. No address: every IPv4 address of the host, or with `family` 6 every IPv6 one. Port 0: any free one. */
export type Local = { readonly address?: Address; readonly family?: Family; readonly port: number };

export function tcpListen(host: string, local: Listening): number {
  return within(host, () => listenTcp(local));
}

export function udpBind(host: string, local: Datagrams): number {
  return within(host, () => bindUdp(local));
}

export type Listening = Local & { /** Default 512. */ readonly backlog?: number };

export function listenTcp(local: Listening): number {
  return openSocket(familyOfLocal(local), linux.SOCK_STREAM, 0, (fd) => {
    option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    bindTo(fd, local);
    checked("listen", libc().listen(fd, local.backlog ?? 512));
  });
}

export type Datagrams = Local & {
  /** Byte of the IP header, 0 to 255, of what is sent. */
  readonly tos?: number;
  /** What routers and the destination say against a datagram (ICMP) becomes the error of a later call, once the socket is connected. */
  readonly errors?: boolean;
};

export function bindUdp(local: Datagrams): number {
  return openSocket(familyOfLocal(local), linux.SOCK_DGRAM, 0, (fd) => prepareDatagrams(fd, local));
}

/**
 * A socket for ICMP echo (ping sockets: net/ipv4/ping.c, net/ipv6/ping.c). It sends ICMP messages and receives their replies, without the IP header.
 * The kernel fills in checksum and identifier; the latter is the local port of the socket. Node takes it for a UDP socket, as which it behaves.
 */
export function bindEcho(local: Datagrams): number {
  // Groups that may use such sockets: none in a fresh namespace, not even root's.
  writeSetting("ipv4/ping_group_range", "0 0");
  const family = familyOfLocal(local);
  return openSocket(family, linux.SOCK_DGRAM, family === 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, (fd) => prepareDatagrams(fd, local));
}

function prepareDatagrams(fd: number, local: Datagrams): void {
  const family = familyOfLocal(local);
  setTos(fd, family, local.tos);
  if (local.errors === true) {
    if (family === 4) option(fd, IPPROTO_IP, IP_RECVERR, 1);
    else option(fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
  }
  bindTo(fd, local);
}

/** What a connection goes to, and what it shows of its sender. */
export type Target = {
  readonly destination: Address;
  readonly port: number;
  /** Default: what routing chooses. */
  readonly source?: Address;
  readonly sourcePort?: number;
  /** Byte of the IP header, 0 to 255: shows which packets are whose in a capture. */
  readonly tos?: number;
};

/**
 * A connection under way. Its end is known when it can be written to or an error is read; errors that are known at once (no route) are thrown.
 */
export function tcpConnect(host: string, target: Target): number {
  return within(host, () => connectTcp(target));
}

export function connectTcp(target: Target): number {
  const family = familyOf(target.destination);
  return openSocket(family, linux.SOCK_STREAM, 0, (fd) => {
    setTos(fd, family, target.tos);
    if (target.source !== undefined || target.sourcePort !== undefined) {
      option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
      // The port is chosen when the destination is known: else one socket would hold it for all destinations.
      if (target.sourcePort === undefined && family === 4) option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
      bindTo(fd, { port: target.sourcePort ?? 0, family, ...(target.source === undefined ? {} : { address: target.source }) });
    }
    const address = socketAddress(family, target.destination, target.port);
    if (libc().connect(fd, address, address.length) < 0) {
      const errno = lastErrno();
      if (errno !== linux.EINPROGRESS) throw new SystemError(`connect(${target.destination} port ${target.port})`, errno);
      // Within one machine an ICMP error is there before connect returns. The kernel then keeps it as a soft error, to be told with the next
      // retransmission, a second later; asking for it tells it now.
      const early = pendingError(fd);
      if (early !== undefined) throw early;
    }
  });
}

/** Ends a connection at once and closes its socket, leaving nothing in TIME_WAIT behind. */
export function resetTcp(fd: number): void {
  libc().setsockopt(fd, SOL_SOCKET, SO_LINGER, lingerNot, lingerNot.length);
  libc().close(fd);
}

/** The error that a connection under way has not told yet. */
export function pendingError(fd: number): SystemError | undefined {
  const value = Buffer.alloc(4);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(4);
  checked("getsockopt(SO_ERROR)", libc().getsockopt(fd, SOL_SOCKET, SO_ERROR, value, length));
  const errno = value.readInt32LE();
  return errno === 0 ? undefined : new SystemError("connect", errno);
}

const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_ERROR = 4;
const SO_LINGER = 13;
/** struct linger: on, for 0 seconds. */
const lingerNot = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);
const IPPROTO_IP = 0;
const IPPROTO_ICMP = 1;
const IP_TOS = 1;
const IP_RECVERR = 11;
const IP_BIND_ADDRESS_NO_PORT = 24;
const IPPROTO_ICMPV6 = 58;
const IPPROTO_IPV6 = 41;
const IPV6_RECVERR = 25;
const IPV6_V6ONLY = 26;
const IPV6_TCLASS = 67;

function familyOfLocal(local: Local): Family {
  return local.address === undefined ? (local.family ?? 4) : familyOf(local.address);
}

/** In the current namespace. */
function openSocket(family: Family, type: number, protocol: number, prepare: (fd: number) => void): number {
  const domain = family === 4 ? linux.AF_INET : linux.AF_INET6;
  const fd = checked("socket", libc().socket(domain, type | linux.SOCK_NONBLOCK | linux.SOCK_CLOEXEC, protocol));
  try {
    if (family === 6) option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    prepare(fd);
    return fd;
  } catch (error) {
    libc().close(fd);
    throw error;
  }
}

function setTos(fd: number, family: Family, tos: number | undefined): void {
  if (tos === undefined) return;
  if (family === 4) option(fd, IPPROTO_IP, IP_TOS, tos);
  else option(fd, IPPROTO_IPV6, IPV6_TCLASS, tos);
}

function option(fd: number, level: number, name: number, value: number): void {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  checked(`setsockopt(${level}, ${name})`, libc().setsockopt(fd, level, name, bytes, 4));
}

function bindTo(fd: number, local: Local): void {
  const address = socketAddress(familyOfLocal(local), local.address, local.port);
  checked(`bind(${local.address ?? "any"} port ${local.port})`, libc().bind(fd, address, address.length));
}

/** struct sockaddr_in, struct sockaddr_in6. */
function socketAddress(family: Family, address: Address | undefined, port: number): Buffer {
  const bytes = Buffer.alloc(family === 4 ? 16 : 28);
  bytes.writeUInt16LE(family === 4 ? linux.AF_INET : linux.AF_INET6, 0);
  bytes.writeUInt16BE(port, 2);
  if (address !== undefined) bytes.set(addressBytes(address), family === 4 ? 4 : 8);
  return bytes;
}

/**
 * Sockets inside a host, made from outside: file descriptors for Node's own classes, so that one process serves and probes for every pod.
 *
 *     net.createServer(serve).listen({ fd: tcpListen(host, { port: 80 }) })
 *     new net.Socket({ fd: tcpConnect(host, { destination, port: 80 }), readable: true, writable: true })
 *     dgram.createSocket("udp4").bind({ fd: udpBind(host, { port: 53 }) })
 */

import { type Address, type Family, familyOf } from "../net/address.ts";
import { checked, lastErrno, libc, linux, SystemError } from "./libc.ts";
import { within } from "./namespaces.ts";
import { addressBytes } from "./netlink.ts";

/** Where a socket listens. No address: every IPv4 address of the host, or with `family` 6 every IPv6 one. Port 0: any free one. */
export type Local = { readonly address?: Address; readonly family?: Family; readonly port: number };

export function tcpListen(host: string, local: Local & { /** Default 512. */ readonly backlog?: number }): number {
  return openSocket(host, familyOfLocal(local), linux.SOCK_STREAM, (fd) => {
    option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    bindTo(fd, local);
    checked(`listen(${host})`, libc().listen(fd, local.backlog ?? 512));
  });
}

export function udpBind(host: string, local: Local): number {
  return openSocket(host, familyOfLocal(local), linux.SOCK_DGRAM, (fd) => bindTo(fd, local));
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
  const family = familyOf(target.destination);
  return openSocket(host, family, linux.SOCK_STREAM, (fd) => {
    if (target.tos !== undefined) {
      if (family === 4) option(fd, IPPROTO_IP, IP_TOS, target.tos);
      else option(fd, IPPROTO_IPV6, IPV6_TCLASS, target.tos);
    }
    if (target.source !== undefined || target.sourcePort !== undefined) {
      option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
      // The port is chosen when the destination is known: else one socket would hold it for all destinations.
      if (target.sourcePort === undefined && family === 4) option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
      bindTo(fd, { port: target.sourcePort ?? 0, family, ...(target.source === undefined ? {} : { address: target.source }) });
    }
    const address = socketAddress(family, target.destination, target.port);
    if (libc().connect(fd, address, address.length) < 0) {
      const errno = lastErrno();
      if (errno !== linux.EINPROGRESS) throw new SystemError(`connect(${host} to ${target.destination} port ${target.port})`, errno);
    }
  });
}

const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const IPPROTO_IP = 0;
const IP_TOS = 1;
const IP_BIND_ADDRESS_NO_PORT = 24;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
const IPV6_TCLASS = 67;

function familyOfLocal(local: Local): Family {
  return local.address === undefined ? (local.family ?? 4) : familyOf(local.address);
}

function openSocket(host: string, family: Family, type: number, prepare: (fd: number) => void): number {
  return within(host, () => {
    const domain = family === 4 ? linux.AF_INET : linux.AF_INET6;
    const fd = checked(`socket(${host})`, libc().socket(domain, type | linux.SOCK_NONBLOCK | linux.SOCK_CLOEXEC, 0));
    try {
      if (family === 6) option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
      prepare(fd);
      return fd;
    } catch (error) {
      libc().close(fd);
      throw error;
    }
  });
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

/**
 * The C functions that Node lacks: namespaces, mounts, netlink and other raw sockets, by foreign calls in process.
 *
 * They are looked up in the running program itself, so that it works with any C library. Everything is bound at first use: importing this
 * file costs nothing on machines that have no Linux.
 */

import { getSystemErrorName } from "node:util";
import { koffi } from "./koffi.ts";

/** A system call that failed: the call, errno's name and its number (positive). */
export class SystemError extends Error {
  readonly call: string;
  readonly errno: number;
  /** "EPERM". */
  readonly code: string;

  constructor(call: string, errno: number) {
    const code = errnoName(errno);
    super(`${call}: ${code}`);
    this.name = "SystemError";
    this.call = call;
    this.errno = errno;
    this.code = code;
  }
}

/** "EEXIST" for 17. */
export function errnoName(errno: number): string {
  try {
    return getSystemErrorName(-errno);
  } catch (error) {
    if (error instanceof RangeError) return `errno ${errno}`;
    throw error;
  }
}

type Libc = {
  readonly setns: (fd: number, type: number) => number;
  readonly unshare: (flags: number) => number;
  readonly mount: (source: string | null, target: string, type: string | null, flags: number, data: string | null) => number;
  readonly umount2: (target: string, flags: number) => number;
  readonly socket: (domain: number, type: number, protocol: number) => number;
  readonly bind: (fd: number, address: Uint8Array, length: number) => number;
  readonly listen: (fd: number, backlog: number) => number;
  readonly connect: (fd: number, address: Uint8Array, length: number) => number;
  readonly fcntl: (fd: number, command: number, argument: number) => number;
  readonly getsockopt: (fd: number, level: number, name: number, value: Uint8Array, length: Uint8Array) => number;
  readonly setsockopt: (fd: number, level: number, name: number, value: Uint8Array, length: number) => number;
  readonly send: (fd: number, data: Uint8Array, length: number, flags: number) => number;
  readonly recv: (fd: number, data: Uint8Array, length: number, flags: number) => number;
  readonly close: (fd: number) => number;
};

let bound: Libc | undefined;

export function libc(): Libc {
  if (bound !== undefined) return bound;
  const program = koffi().load(null);
  bound = {
    setns: program.func("int setns(int fd, int type)"),
    unshare: program.func("int unshare(int flags)"),
    mount: program.func("int mount(str source, str target, str type, ulong flags, str data)"),
    umount2: program.func("int umount2(str target, int flags)"),
    socket: program.func("int socket(int domain, int type, int protocol)"),
    bind: program.func("int bind(int fd, const uint8_t *address, uint32_t length)"),
    listen: program.func("int listen(int fd, int backlog)"),
    connect: program.func("int connect(int fd, const uint8_t *address, uint32_t length)"),
    fcntl: program.func("int fcntl(int fd, int command, int argument)"),
    getsockopt: program.func("int getsockopt(int fd, int level, int name, _Out_ uint8_t *value, _Inout_ uint8_t *length)"),
    setsockopt: program.func("int setsockopt(int fd, int level, int name, const uint8_t *value, uint32_t length)"),
    send: program.func("long send(int fd, const uint8_t *data, size_t length, int flags)"),
    recv: program.func("long recv(int fd, _Out_ uint8_t *data, size_t length, int flags)"),
    close: program.func("int close(int fd)"),
  };
  return bound;
}

/** The result of a call, or its error thrown. */
export function checked(call: string, result: number): number {
  if (result >= 0) return result;
  throw new SystemError(call, koffi().errno());
}

export function lastErrno(): number {
  return koffi().errno();
}

/** Linux's numbers. */
export const linux = {
  CLONE_NEWNET: 0x40000000,
  MS_BIND: 4096,
  MNT_DETACH: 2,
  AF_INET: 2,
  AF_INET6: 10,
  AF_BRIDGE: 7,
  AF_NETLINK: 16,
  SOCK_STREAM: 1,
  SOCK_DGRAM: 2,
  SOCK_RAW: 3,
  SOCK_NONBLOCK: 0o4000,
  SOCK_CLOEXEC: 0o2000000,
  MSG_DONTWAIT: 0x40,
  MSG_TRUNC: 0x20,
  EINTR: 4,
  EAGAIN: 11,
  EEXIST: 17,
  ENOENT: 2,
  ENODEV: 19,
  ESRCH: 3,
  EADDRNOTAVAIL: 99,
  EINPROGRESS: 115,
  ENOBUFS: 105,
} as const;

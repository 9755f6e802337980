/**
 * Netlink: the kernel's messages, many to one system call (RFC 3549; include/uapi/linux/netlink.h).
 *
 * A message is a header, a fixed part and attributes, all in the byte order of the machine and padded to four bytes. The kernel works through a
 * batch in order within the `send`, goes on after an error, and by then has queued an answer for each error: so a batch costs two system calls,
 * and no acknowledgement is asked for.
 *
 * Little-endian machines only, which is what Node's Linux builds for x64 and arm64 are.
 */

import { close } from "node:fs";
import { type Address, addressValue, ipv4Number } from "../net/address.ts";
import { checked, lastErrno, libc, linux, SystemError } from "./libc.ts";

const NLM_F_REQUEST = 0x1;
export const NLM_F_DUMP = 0x300;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_APPEND = 0x800;

const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const headerBytes = 16;

/** Messages in the making. Grows as needed; {@link clear} keeps the memory. */
export class Batch {
  #bytes = Buffer.allocUnsafe(16 * 1024);
  #length = 0;
  #start = 0;
  #starts: number[] = [];

  /** Messages so far. Errors name a message by its index. */
  get count(): number {
    return this.#starts.length;
  }

  /** Bytes so far. */
  get length(): number {
    return this.#length;
  }

  /** A copy of some of the bytes. */
  copy(from: number, to: number): Uint8Array {
    return new Uint8Array(this.#bytes.subarray(from, to));
  }

  clear(): void {
    this.#length = 0;
    this.#starts = [];
  }

  /** Starts a message: its header, and a fixed part of `fixedBytes` zeros that the caller fills by offset ({@link fixed8} and kin). */
  begin(type: number, flags: number, fixedBytes: number): void {
    this.#reserve(headerBytes + fixedBytes + 4);
    this.#start = this.#length;
    this.#starts.push(this.#start);
    const bytes = this.#bytes;
    bytes.writeUInt16LE(type, this.#start + 4);
    bytes.writeUInt16LE(flags | NLM_F_REQUEST, this.#start + 6);
    bytes.writeUInt32LE(this.#starts.length, this.#start + 8);
    bytes.writeUInt32LE(0, this.#start + 12);
    const end = this.#start + headerBytes + aligned(fixedBytes);
    bytes.fill(0, this.#start + headerBytes, end);
    this.#length = end;
  }

  /** Ends the message that {@link begin} started. */
  end(): void {
    this.#bytes.writeUInt32LE(this.#length - this.#start, this.#start);
  }

  /** Takes back the message that {@link begin} started last, finished or not. */
  drop(): void {
    const start = this.#starts.pop();
    if (start !== undefined) this.#length = start;
  }

  fixed8(offset: number, value: number): void {
    this.#bytes[this.#start + headerBytes + offset] = value;
  }

  fixed16(offset: number, value: number): void {
    this.#bytes.writeUInt16LE(value, this.#start + headerBytes + offset);
  }

  fixed32(offset: number, value: number): void {
    this.#bytes.writeUInt32LE(value >>> 0, this.#start + headerBytes + offset);
  }

  u8(type: number, value: number): void {
    this.#attribute(type, 1);
    this.#bytes[this.#length - 4] = value;
  }

  u16(type: number, value: number): void {
    this.#attribute(type, 2);
    this.#bytes.writeUInt16LE(value, this.#length - 4);
  }

  u32(type: number, value: number): void {
    this.#attribute(type, 4);
    this.#bytes.writeUInt32LE(value >>> 0, this.#length - 4);
  }

  /** nfnetlink's numbers are in network byte order. */
  u32BigEndian(type: number, value: number): void {
    this.#attribute(type, 4);
    this.#bytes.writeUInt32BE(value >>> 0, this.#length - 4);
  }

  u64(type: number, value: bigint): void {
    this.#attribute(type, 8);
    this.#bytes.writeBigUInt64LE(value, this.#length - 8);
  }

  u64BigEndian(type: number, value: bigint): void {
    this.#attribute(type, 8);
    this.#bytes.writeBigUInt64BE(value, this.#length - 8);
  }

  /** A string and its final zero. */
  text(type: number, value: string): void {
    const length = Buffer.byteLength(value) + 1;
    this.#attribute(type, length);
    const start = this.#length - aligned(length);
    this.#bytes.write(value, start);
    // The buffer is used again and again: what ends the text may be a letter of another message.
    this.#bytes[start + length - 1] = 0;
  }

  bytes(type: number, value: Uint8Array): void {
    this.#attribute(type, value.length);
    this.#bytes.set(value, this.#length - aligned(value.length));
  }

  /** An address as 4 or 16 bytes. */
  address(type: number, address: Address): void {
    const v4 = ipv4Number(address);
    if (v4 !== undefined) {
      this.#attribute(type, 4);
      this.#bytes.writeUInt32BE(v4, this.#length - 4);
    } else this.bytes(type, addressBytes(address));
  }

  /** A link-layer address: six bytes from six hex pairs. */
  mac(type: number, mac: string): void {
    this.#attribute(type, 6);
    const at = this.#length - 8;
    for (let i = 0; i < 6; i++) this.#bytes[at + i] = Number.parseInt(mac.slice(3 * i, 3 * i + 2), 16);
  }

  /** Starts a nested attribute; give what it returns to {@link close}. */
  open(type: number): number {
    this.#reserve(4);
    const at = this.#length;
    this.#bytes.writeUInt16LE(type | 0x8000, at + 2);
    this.#length += 4;
    return at;
  }

  /** `bytes` zeros as they are, without an attribute header: the fixed part of a nested message. Returns their offset for {@link raw32}. */
  raw(bytes: number): number {
    this.#reserve(bytes);
    const at = this.#length;
    this.#bytes.fill(0, at, at + bytes);
    this.#length += bytes;
    return at;
  }

  /** Attributes that are written already, of a length that four divides. */
  append(attributes: Uint8Array): void {
    this.#reserve(attributes.length);
    this.#bytes.set(attributes, this.#length);
    this.#length += attributes.length;
  }

  raw32(at: number, value: number): void {
    this.#bytes.writeUInt32LE(value >>> 0, at);
  }

  close(at: number): void {
    this.#bytes.writeUInt16LE(this.#length - at, at);
  }

  /** Runs of whole messages of at most `limit` bytes, or one message where that is longer. */
  *chunks(limit: number): Generator<Uint8Array> {
    let from = 0;
    for (let i = 1; i <= this.#starts.length; i++) {
      const end = this.#starts[i] ?? this.#length;
      const next = this.#starts[i + 1] ?? this.#length;
      if (i === this.#starts.length || next - from > limit) {
        yield this.#bytes.subarray(from, end);
        from = end;
      }
    }
  }

  #attribute(type: number, length: number): void {
    this.#reserve(4 + length);
    const end = this.#length + 4 + aligned(length);
    this.#bytes.writeUInt16LE(4 + length, this.#length);
    this.#bytes.writeUInt16LE(type, this.#length + 2);
    if ((length & 3) !== 0) this.#bytes.writeUInt32LE(0, end - 4);
    this.#length = end;
  }

  #reserve(bytes: number): void {
    const needed = this.#length + aligned(bytes);
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, 2 * this.#bytes.length));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

export function addressBytes(address: Address): Uint8Array {
  const v4 = ipv4Number(address);
  if (v4 !== undefined) return Uint8Array.of(v4 >>> 24, v4 >>> 16, v4 >>> 8, v4);
  const bytes = new Uint8Array(16);
  let value = addressValue(address);
  for (let i = 15; i >= 0; i--) {
    bytes[i] = Number(value & 0xffn);
    value >>= 8n;
  }
  return bytes;
}

function aligned(length: number): number {
  return (length + 3) & ~3;
}

/** The kernel's refusal of one message of a batch. */
export type Refusal = {
  readonly index: number;
  /** errno, positive. */
  readonly errno: number;
  /** What the kernel says beyond the number, when it does. */
  readonly text?: string;
  /** Where in the message the attribute is that it does not like, in bytes, when it says so. */
  readonly offset?: number;
};

const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SOL_NETLINK = 270;
const NETLINK_ADD_MEMBERSHIP = 1;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;

export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;

/** Shared by all sockets: answers are worked through before the next call. */
let inbox: Buffer | undefined;

/**
 * Bytes of a chunk. Were each of its messages refused, the answers (more than 1 KiB of kernel memory each) would still fit the receive buffer,
 * which only privileged users may make larger than twice net.core.rmem_max (208 KiB by default).
 */
const chunkBytes = 8 * 1024;

/** A netlink socket of the namespace in which it was made. */
export class NetlinkSocket {
  readonly fd: number;

  constructor(protocol: number) {
    const c = libc();
    this.fd = checked("socket(AF_NETLINK)", c.socket(linux.AF_NETLINK, linux.SOCK_RAW | linux.SOCK_CLOEXEC, protocol));
    const option = (level: number, name: number, value: number): void => {
      const bytes = Buffer.alloc(4);
      bytes.writeInt32LE(value);
      checked("setsockopt(netlink)", c.setsockopt(this.fd, level, name, bytes, 4));
    };
    try {
      option(SOL_NETLINK, NETLINK_CAP_ACK, 1);
      option(SOL_NETLINK, NETLINK_EXT_ACK, 1);
      option(SOL_SOCKET, SO_RCVBUF, 1024 * 1024);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close(): void {
    libc().close(this.fd);
  }

  /** For where closing waits: on rules, until the kernel has forgotten what was deleted, some milliseconds. In a thread of its own. */
  closeLater(): void {
    close(this.fd, (error) => {
      if (error !== null) process.stderr.write(`drydock: closing a netlink socket: ${error.message}\n`);
    });
  }

  /** Sends every message of the batch, and returns those that the kernel refused. All the others are done when this returns. */
  transact(batch: Batch): readonly Refusal[] {
    const refusals: Refusal[] = [];
    for (const chunk of batch.chunks(chunkBytes)) {
      const answer = this.exchange(chunk);
      if (answer.lost) throw new SystemError("recv(netlink): refusals were lost", linux.ENOBUFS);
      refusals.push(...answer.refusals);
    }
    return refusals;
  }

  /** Sends whole messages as one datagram, and returns what the kernel has to say against them; `lost` when it had more to say than there was room for. */
  exchange(datagram: Uint8Array): { readonly refusals: readonly Refusal[]; readonly lost: boolean } {
    checked("send(netlink)", libc().send(this.fd, datagram, datagram.length, 0));
    const refusals: Refusal[] = [];
    const lost = this.receive((message) => {
      if (message.type === NLMSG_ERROR) {
        const refusal = refusalOf(message.bytes);
        if (refusal !== undefined) refusals.push(refusal);
      }
      return true;
    });
    return { refusals, lost };
  }

  /** Sends one dump request and hands every message of the answer to `take`: type and payload, valid during the call only. */
  dump(request: Batch, take: (type: number, payload: Buffer) => void): void {
    for (const chunk of request.chunks(chunkBytes)) checked("send(netlink)", libc().send(this.fd, chunk, chunk.length, 0));
    let done = false;
    while (!done) {
      this.receive((message) => {
        if (message.type === NLMSG_DONE) {
          done = true;
          const errno = message.bytes.length >= headerBytes + 4 ? -message.bytes.readInt32LE(headerBytes) : 0;
          if (errno > 0) throw new SystemError("netlink dump", errno);
        } else if (message.type === NLMSG_ERROR) {
          done = true;
          const refusal = refusalOf(message.bytes);
          if (refusal !== undefined)
            throw new SystemError(`netlink dump${refusal.text === undefined ? "" : ` (${refusal.text})`}`, refusal.errno);
        } else take(message.type, message.bytes.subarray(headerBytes));
        return !done;
      }, 0);
    }
  }

  /** Joins a multicast group. */
  join(group: number): void {
    // Broadcasts leave out their sender, which is 0 for the kernel as for a socket that has no number yet.
    const own = Buffer.alloc(12);
    own.writeUInt16LE(linux.AF_NETLINK);
    checked("bind(AF_NETLINK)", libc().bind(this.fd, own, own.length));
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(group);
    checked("setsockopt(NETLINK_ADD_MEMBERSHIP)", libc().setsockopt(this.fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, bytes, 4));
  }

  /**
   * Reads what is queued, message by message, until nothing is left or `take` returns false. With `flags` 0 it waits for the first datagram.
   * Returns true when the kernel says that it had to leave something out.
   */
  receive(take: (message: { readonly type: number; readonly bytes: Buffer }) => boolean, flags: number = linux.MSG_DONTWAIT): boolean {
    // The kernel fills datagrams of dumps up to the size that it saw asked for, at most 32 KiB.
    inbox ??= Buffer.allocUnsafeSlow(64 * 1024);
    let lost = false;
    let wait = flags;
    for (;;) {
      const length = libc().recv(this.fd, inbox, inbox.length, wait);
      if (length < 0) {
        const errno = lastErrno();
        if (errno === linux.EINTR) continue;
        if (errno === linux.EAGAIN) return lost;
        if (errno !== linux.ENOBUFS) throw new SystemError("recv(netlink)", errno);
        lost = true;
        continue;
      }
      wait = linux.MSG_DONTWAIT;
      for (let at = 0; at + headerBytes <= length; ) {
        const size = inbox.readUInt32LE(at);
        if (size < headerBytes || at + size > length) throw new Error(`netlink: broken message of ${size} bytes`);
        if (!take({ type: inbox.readUInt16LE(at + 4), bytes: inbox.subarray(at, at + size) })) return lost;
        at += aligned(size);
      }
    }
  }
}

/** `undefined` for an acknowledgement. */
function refusalOf(bytes: Buffer): Refusal | undefined {
  const errno = -bytes.readInt32LE(headerBytes);
  if (errno === 0) return undefined;
  const index = bytes.readUInt32LE(headerBytes + 4 + 8) - 1;
  const flags = bytes.readUInt16LE(6);
  const hasAttributes = (flags & 0x200) !== 0;
  const more = hasAttributes ? attributes(bytes, headerBytes + 4 + headerBytes) : undefined;
  const text = more?.get(1);
  const offset = more?.get(2)?.readUInt32LE(0);
  return { index, errno, ...(text === undefined ? {} : { text: textOf(text) }), ...(offset === undefined ? {} : { offset }) };
}

/** Attributes from `offset` to the end, by type; of several with one type the last. Values are views, valid as long as `bytes` is. */
export function attributes(bytes: Buffer, offset: number): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  for (let at = offset; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt16LE(at);
    if (length < 4 || at + length > bytes.length) break;
    found.set(bytes.readUInt16LE(at + 2) & 0x3fff, bytes.subarray(at + 4, at + length));
    at += aligned(length);
  }
  return found;
}

/** A zero-terminated string. */
export function textOf(value: Buffer): string {
  const end = value.indexOf(0);
  return value.toString("utf8", 0, end < 0 ? value.length : end);
}

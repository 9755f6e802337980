/**
 * How nf_tables holds data: types with nft's numbers, and values as the bytes of registers, keys and verdicts.
 *
 * What a packet carries is in network order, what the kernel keeps beside it (marks, states) in the machine's. A concatenation pads each of
 * its components to four bytes.
 */

import type { Datum, DatumType } from "../ir/ruleset.ts";
import { type Address, parseAddress } from "../net/address.ts";
import { icmpTypes, icmpv6Types } from "../net/icmp-types.ts";
import { protocolNumbers } from "../net/ports.ts";
import { lengthOf, type Prefix, parsePrefix } from "../net/prefix.ts";
import { addressBytes } from "./netlink.ts";

export type DataType = DatumType | "integer" | "icmp_type" | "icmpv6_type" | "ct_state" | "ct_dir" | "ct_status" | "fib_addrtype";

/** `number` is how nft tells types apart when it lists a set (enum datatypes, include/datatype.h of nftables); the kernel only keeps it. */
type TypeFacts = {
  readonly number: number;
  readonly bytes: number;
  readonly order: "network" | "host";
  /** Words for values. */
  readonly names?: Readonly<Record<string, number>>;
};

/** Protocols beyond those of a `Protocol`, which rules name to say that ports or ids are there (IANA, protocol numbers). */
const allProtocols: Readonly<Record<string, number>> = { ...protocolNumbers, icmpv6: 58, dccp: 33, udplite: 136 };

const types: Readonly<Record<DataType, TypeFacts>> = {
  ipv4_addr: { number: 7, bytes: 4, order: "network" },
  ipv6_addr: { number: 8, bytes: 16, order: "network" },
  inet_proto: { number: 12, bytes: 1, order: "network", names: allProtocols },
  inet_service: { number: 13, bytes: 2, order: "network" },
  mark: { number: 19, bytes: 4, order: "host" },
  ifname: { number: 41, bytes: 16, order: "host" },
  integer: { number: 4, bytes: 4, order: "host" },
  icmp_type: { number: 14, bytes: 1, order: "network", names: icmpTypes },
  icmpv6_type: { number: 29, bytes: 1, order: "network", names: icmpv6Types },
  // NF_CT_STATE_BIT, enum ip_conntrack_dir, enum ip_conntrack_status (include/uapi/linux/netfilter/nf_conntrack_common.h).
  ct_state: { number: 26, bytes: 4, order: "host", names: { invalid: 1, established: 2, related: 4, new: 8, untracked: 0x40 } },
  ct_dir: { number: 27, bytes: 1, order: "host", names: { original: 0, reply: 1 } },
  ct_status: {
    number: 28,
    bytes: 4,
    order: "host",
    names: { expected: 1, "seen-reply": 2, assured: 4, confirmed: 8, snat: 0x10, dnat: 0x20 },
  },
  // RTN_UNICAST and kin (include/uapi/linux/rtnetlink.h).
  fib_addrtype: {
    number: 38,
    bytes: 4,
    order: "host",
    names: { unicast: 1, local: 2, broadcast: 3, anycast: 4, multicast: 5, blackhole: 6, unreachable: 7, prohibit: 8 },
  },
};

export function orderOf(type: DataType): "network" | "host" {
  return types[type].order;
}

export function bytesOf(type: DataType): number {
  return types[type].bytes;
}

export function paddedBytes(type: DataType): number {
  return (types[type].bytes + 3) & ~3;
}

/** One type by itself is not padded. */
export function bytesOfAll(list: readonly DataType[]): number {
  const [only, second] = list;
  return only !== undefined && second === undefined ? bytesOf(only) : list.reduce((sum, type) => sum + paddedBytes(type), 0);
}

/** nft's number for a concatenation: six bits for each component (TYPE_BITS), so at most five. */
export function typeNumber(list: readonly DataType[]): number {
  if (list.length > 5) throw new Error(`nft: a key of ${list.length} fields; nft takes 5`);
  return list.reduce((number, type) => number * 64 + types[type].number, 0);
}

type Value = Datum | string;

/** True for a prefix or a range: more than one value. */
export function isWide(value: Value): boolean {
  if (typeof value === "object") return value.first !== value.last;
  if (typeof value !== "string" || !value.includes("/")) return false;
  const prefix = parsePrefix(value);
  return prefix !== undefined && lengthOf(prefix) < (value.includes(":") ? 128 : 32);
}

/** The bytes of one value: of a prefix or a range its first or last one. Throws when it is no value of the type. */
export function bytesOfValue(type: DataType, value: Value, end: "first" | "last" = "first"): Uint8Array {
  const bytes = new Uint8Array(types[type].bytes);
  putValue(bytes, 0, type, value, end);
  return bytes;
}

/** Of a concatenation, or of one value by itself. */
export function bytesOfTuple(list: readonly DataType[], values: readonly Value[], end: "first" | "last" = "first"): Uint8Array {
  if (values.length !== list.length) throw new Error(`nft: ${values.length} fields instead of ${list.length}`);
  const bytes = new Uint8Array(bytesOfAll(list));
  let at = 0;
  for (let i = 0; i < list.length; i++) {
    const type = list[i] ?? "integer";
    putValue(bytes, at, type, values[i] ?? 0, end);
    at += paddedBytes(type);
  }
  return bytes;
}

/** A mask of as many leading ones as the prefix has. */
export function maskBytes(type: "ipv4_addr" | "ipv6_addr", prefix: string): Uint8Array {
  const mask = new Uint8Array(types[type].bytes).fill(0xff);
  setHostBits(mask, 0, mask.length, lengthOf(prefix as Prefix), 0);
  return mask;
}

export function wordBytes(value: number): Uint8Array {
  return bytesOfValue("integer", value);
}

function putValue(into: Uint8Array, at: number, type: DataType, value: Value, end: "first" | "last"): void {
  if (type === "ipv4_addr" || type === "ipv6_addr") {
    putAddress(into, at, type, value, end);
    return;
  }
  if (type === "ifname") {
    putInterface(into, at, value);
    return;
  }
  const { bytes, order, names } = types[type];
  if (order === "host" && isWide(value)) throw new Error(`nft: a range of ${type}, whose order in the kernel is not that of numbers`);
  const number = typeof value === "string" ? names?.[value] : typeof value === "object" ? value[end] : value;
  if (number === undefined || !Number.isInteger(number) || number < 0 || number >= 2 ** (8 * bytes))
    throw new Error(`nft: ${JSON.stringify(value)} is no value for ${type}`);
  for (let i = 0; i < bytes; i++) into[at + i] = (number >>> (8 * (order === "network" ? bytes - 1 - i : i))) & 0xff;
}

function putAddress(into: Uint8Array, at: number, type: "ipv4_addr" | "ipv6_addr", value: Value, end: "first" | "last"): void {
  const text = typeof value === "string" ? value : "";
  const slash = text.indexOf("/");
  const prefix = slash < 0 ? undefined : parsePrefix(text);
  const address = slash < 0 ? parseAddress(text) : prefix === undefined ? undefined : (text.slice(0, slash) as Address);
  const bytes = address === undefined ? undefined : addressBytes(address);
  if (bytes?.length !== types[type].bytes) throw new Error(`nft: ${JSON.stringify(value)} is no value for ${type}`);
  into.set(bytes, at);
  if (prefix !== undefined && end === "last") setHostBits(into, at, bytes.length, lengthOf(prefix), 0xff);
}

function setHostBits(into: Uint8Array, at: number, length: number, prefixLength: number, bits: number): void {
  for (let i = prefixLength >> 3; i < length; i++) {
    const host = 0xff >> Math.max(0, prefixLength - 8 * i);
    into[at + i] = ((into[at + i] ?? 0) & ~host) | (bits & host);
  }
}

/** Linux takes more characters, but no interface of ours needs them. */
function putInterface(into: Uint8Array, at: number, value: Value): void {
  if (typeof value !== "string" || !/^[A-Za-z0-9_.@-]{1,15}$/.test(value))
    throw new Error(`nft: not an interface name: ${JSON.stringify(value)}`);
  for (let i = 0; i < value.length; i++) into[at + i] = value.charCodeAt(i);
}

/** The key that follows, in network order; `undefined` after the last. */
export function successor(key: Uint8Array): Uint8Array | undefined {
  const next = key.slice();
  for (let i = next.length - 1; i >= 0; i--) {
    const byte = (next[i] ?? 0) + 1;
    next[i] = byte & 0xff;
    if (byte < 256) return next;
  }
  return undefined;
}

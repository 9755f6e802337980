/** Addresses as the tracer computes with them: an IPv4 address is its number, an IPv6 address its canonical text. */

import { type Address, addressValue, type Family, formatIpv4, ipv4Number, mustAddress } from "../net/address.ts";
import { addressOf, lengthOf, type Prefix, prefixFamily, prefixOf } from "../net/prefix.ts";

export type Ip = number | Address;

export function ipOf(address: Address): Ip {
  return ipv4Number(address) ?? address;
}

const texts = new Map<number, Address>();

/** Inverse of {@link ipOf}; remembers the texts of the addresses met lately. */
export function textOf(ip: Ip): Address {
  if (typeof ip !== "number") return ip;
  let text = texts.get(ip);
  if (text === undefined) {
    if (texts.size > 65_536) texts.clear();
    text = formatIpv4(ip);
    texts.set(ip, text);
  }
  return text;
}

/** The address of a sender that is not chosen yet. */
export function unspecified(family: Family): Ip {
  return family === 4 ? 0 : unspecified6;
}

const unspecified6 = mustAddress("::");

/** An inclusive range of addresses of one family, as numbers (IPv4) or big integers (IPv6). */
export type IpRange =
  | { readonly family: 4; readonly first: number; readonly last: number }
  | { readonly family: 6; readonly first: bigint; readonly last: bigint };

export function rangeOfPrefix(prefix: Prefix): IpRange {
  const length = lengthOf(prefix);
  if (prefixFamily(prefix) === 6) {
    const first = addressValue(addressOf(prefix));
    return { family: 6, first, last: first + (1n << BigInt(128 - length)) - 1n };
  }
  const first = ipv4Number(addressOf(prefix)) ?? 0;
  return { family: 4, first, last: first + 2 ** (32 - length) - 1 };
}

export function rangeHolds(range: IpRange, ip: Ip): boolean {
  if (typeof ip === "number") return range.family === 4 && ip >= range.first && ip <= range.last;
  if (range.family === 4) return false;
  const value = addressValue(ip);
  return value >= range.first && value <= range.last;
}

/** True when both addresses are in one prefix of `length` bits. */
export function samePrefix(a: Ip, b: Ip, length: number): boolean {
  if (typeof a === "number" && typeof b === "number") return length === 0 || ((a ^ b) >>> 0) >>> (32 - length) === 0;
  if (typeof a === "number" || typeof b === "number") return false;
  return prefixOf(a, length) === prefixOf(b, length);
}

/** The kernel's `ipv4_is_multicast` and its kin; IPv6 has its own ranges. */
export function isMulticast(ip: Ip): boolean {
  return typeof ip === "number" ? ip >= 0xe0000000 && ip < 0xf0000000 : ip.startsWith("ff");
}

export function isLoopback(ip: Ip): boolean {
  return typeof ip === "number" ? ip >= 0x7f000000 && ip < 0x80000000 : ip === "::1";
}

/** 0.0.0.0/8, or the unspecified address of IPv6. */
export function isZeroNet(ip: Ip): boolean {
  return typeof ip === "number" ? ip < 0x01000000 : ip === "::";
}

export const limitedBroadcast = 0xffffffff;

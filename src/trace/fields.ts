/** What rules read from a packet: readers per field, and the values that rules compare with. */

import type { Datum, Field } from "../ir/ruleset.ts";
import { type Address, parseAddress } from "../net/address.ts";
import { icmpTypes, icmpv6Types } from "../net/icmp-types.ts";
import { type Protocol, protocolNumbers } from "../net/ports.ts";
import { parsePrefix } from "../net/prefix.ts";
import { state, status } from "./connections.ts";
import { type IpRange, ipOf, rangeHolds, rangeOfPrefix } from "./ip.ts";
import { swap16, swap32 } from "./jhash.ts";
import type { Packet } from "./packet.ts";

/** A field's value; `undefined` when the packet has no such field, which ends the rule (nftables' NFT_BREAK). */
export type Reader = (packet: Packet) => number | string | undefined;

const readers: Readonly<Record<Field, Reader>> = {
  "ip saddr": (packet) => (packet.family === 4 ? packet.source : undefined),
  "ip daddr": (packet) => (packet.family === 4 ? packet.destination : undefined),
  "ip6 saddr": (packet) => (packet.family === 6 ? packet.source : undefined),
  "ip6 daddr": (packet) => (packet.family === 6 ? packet.destination : undefined),
  "meta l4proto": (packet) => packet.number,
  // The first two bytes behind the IP header, whatever they are: for ICMP type and code.
  "th sport": (packet) => (packet.icmpType === undefined ? packet.sourcePort : packet.icmpType * 256 + packet.icmpCode),
  // For ICMP its checksum, which nobody can foresee.
  "th dport": (packet) => (packet.icmpType === undefined ? packet.destinationPort : -1),
  "icmp type": (packet) => (packet.number === 1 ? packet.icmpType : undefined),
  "icmpv6 type": (packet) => (packet.number === 58 ? packet.icmpType : undefined),
  iifname: (packet) => packet.in.name,
  oifname: (packet) => packet.out.name,
  "meta mark": (packet) => packet.mark,
  "ct mark": (packet) => packet.connection?.mark,
  "ct state": (packet) => (packet.state === state.none ? state.invalid : packet.state),
  "ct direction": (packet) => (packet.connection === undefined ? undefined : packet.inReplyDirection ? 1 : 0),
  "ct status": (packet) => packet.connection?.status,
  "ct original ip saddr": (packet) => (packet.family === 4 ? packet.connection?.source : undefined),
  "ct original ip daddr": (packet) => (packet.family === 4 ? packet.connection?.destination : undefined),
  "ct original ip6 saddr": (packet) => (packet.family === 6 ? packet.connection?.source : undefined),
  "ct original ip6 daddr": (packet) => (packet.family === 6 ? packet.connection?.destination : undefined),
  "ct original proto-dst": (packet) => packet.connection?.destinationPort,
  "ct original protocol": (packet) => packet.connection?.protocol,
  "ct reply ip saddr": (packet) => (packet.family === 4 ? packet.connection?.replySource : undefined),
  "ct reply ip6 saddr": (packet) => (packet.family === 6 ? packet.connection?.replySource : undefined),
  "ct reply proto-src": (packet) => packet.connection?.replySourcePort,
  "fib daddr type": (packet) => packet.surroundings.addressType(packet.destination),
  "fib saddr type": (packet) => packet.surroundings.addressType(packet.source),
};

export function readerOf(field: Field): Reader {
  return readers[field];
}

/** The same for keys of sets and maps, where a number stands for the name of an interface. */
export function keyReaderOf(field: Field): Reader {
  if (field === "iifname") return (packet) => packet.in.number;
  return field === "oifname" ? (packet) => packet.out.number : readers[field];
}

const states: Readonly<Record<string, number>> = {
  invalid: state.invalid,
  established: state.established,
  related: state.related,
  new: state.new,
  untracked: state.untracked,
};

const statuses: Readonly<Record<string, number>> = {
  "seen-reply": status.seenReply,
  assured: status.assured,
  confirmed: status.confirmed,
  snat: status.sourceNat,
  dnat: status.destinationNat,
};

const directions: Readonly<Record<string, number>> = { original: 0, reply: 1 };

/** One value of a rule, ready to compare. */
type Comparable = number | string | IpRange | { readonly first: number; readonly last: number };

/** True when the field's value is one of `values`; `undefined` from the reader has been handled before. */
export function comparison(
  field: Field,
  values: readonly (Datum | string)[],
  mask: number | undefined,
): (value: number | string) => boolean {
  const wanted = values.map((value) => comparable(field, value));
  if (field === "ct status") {
    // Flags: several are set at a time, and a rule asks for any of those that it names.
    const bits = wanted.reduce<number>((all, value) => (typeof value === "number" ? all | value : all), 0);
    return (value) => typeof value === "number" && (value & bits) !== 0;
  }
  if (mask !== undefined) {
    return (value) => typeof value === "number" && wanted.some((each) => typeof each === "number" && each === (value & mask) >>> 0);
  }
  const [only, second] = wanted;
  if (only !== undefined && second === undefined && typeof only !== "object" && !isWildcard(field, only)) return (value) => value === only;
  const exact = new Set(wanted.filter((each) => typeof each !== "object" && !isWildcard(field, each)));
  const wide = wanted.filter((each) => typeof each === "object");
  const starts = wanted.flatMap((each) => (typeof each === "string" && isWildcard(field, each) ? [each.slice(0, -1)] : []));
  if (wide.length === 0 && starts.length === 0) return (value) => exact.has(value);
  return (value) =>
    exact.has(value) ||
    wide.some((each) => holds(each, value)) ||
    (typeof value === "string" && starts.some((each) => value.startsWith(each)));
}

/** nftables takes a trailing `*` in an interface name as 'starts with'. */
function isWildcard(field: Field, value: number | string | object): boolean {
  return (field === "iifname" || field === "oifname") && typeof value === "string" && value.endsWith("*");
}

function holds(range: IpRange | { readonly first: number; readonly last: number }, value: number | string): boolean {
  if ("family" in range) return rangeHolds(range, value as number | Address);
  return typeof value === "number" && value >= range.first && value <= range.last;
}

function comparable(field: Field, value: Datum | string): Comparable {
  if (typeof value !== "string") return value;
  switch (field) {
    case "ip saddr":
    case "ip daddr":
    case "ip6 saddr":
    case "ip6 daddr":
    case "ct original ip saddr":
    case "ct original ip daddr":
    case "ct original ip6 saddr":
    case "ct original ip6 daddr":
    case "ct reply ip saddr":
    case "ct reply ip6 saddr":
      return comparableAddress(value);
    case "meta l4proto":
    case "ct original protocol":
      return protocolNumber(value);
    case "icmp type":
      return named(icmpTypes, field, value);
    case "icmpv6 type":
      return named(icmpv6Types, field, value);
    case "ct state":
      return named(states, field, value);
    case "ct status":
      return named(statuses, field, value);
    case "ct direction":
      return named(directions, field, value);
    default:
      return value;
  }
}

/** A value of a field that has numbers only. */
export function comparableNumber(field: Field, value: Datum | string): number {
  const number = comparable(field, value);
  if (typeof number !== "number") throw new Error(`a rule compares ${field} with ${JSON.stringify(value)}`);
  return number;
}

export function comparableAddress(text: string): number | Address | IpRange {
  const address = parseAddress(text);
  if (address !== undefined) return ipOf(address);
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new Error(`a rule compares an address with "${text}", which is neither an address nor a prefix`);
  return rangeOfPrefix(prefix);
}

export function protocolNumber(name: string): number {
  if (name === "icmpv6" || name === "ipv6-icmp") return 58;
  const number = protocolNumbers[name as Protocol];
  if (number === undefined) throw new Error(`a rule names the protocol "${name}", which the tracer does not know`);
  return number;
}

function named(names: Readonly<Record<string, number>>, field: Field, name: string): number {
  const value = names[name];
  if (value === undefined) throw new Error(`a rule compares ${field} with "${name}", which the tracer does not know`);
  return value;
}

/** Appends a field's value as the words of a register, as `jhash` reads them. */
export function appendWords(words: number[], field: Field, value: number | string): void {
  switch (field) {
    case "th sport":
    case "th dport":
    case "ct original proto-dst":
    case "ct reply proto-src":
      words.push(swap16(Number(value)));
      return;
    case "iifname":
    case "oifname":
      for (let word = 0; word < 4; word++) {
        let bits = 0;
        for (let byte = 3; byte >= 0; byte--) bits = (bits << 8) | (String(value).charCodeAt(word * 4 + byte) || 0);
        words.push(bits);
      }
      return;
    case "ip saddr":
    case "ip daddr":
    case "ct original ip saddr":
    case "ct original ip daddr":
    case "ct reply ip saddr":
      words.push(swap32(Number(value)));
      return;
    case "ip6 saddr":
    case "ip6 daddr":
    case "ct original ip6 saddr":
    case "ct original ip6 daddr":
    case "ct reply ip6 saddr": {
      const range = comparableAddress(`${value}/128`);
      const bits = typeof range === "object" && range.family === 6 ? range.first : 0n;
      for (let word = 3n; word >= 0n; word--) words.push(swap32(Number((bits >> (word * 32n)) & 0xffffffffn)));
      return;
    }
    case "fib daddr type":
    case "fib saddr type":
      throw new Error(`a hash of ${field} is not supported`);
    default:
      words.push(Number(value) | 0);
  }
}

/** Bytes of a field alone, without padding. */
export function bytesOf(field: Field): number {
  switch (field) {
    case "ip6 saddr":
    case "ip6 daddr":
    case "ct original ip6 saddr":
    case "ct original ip6 daddr":
    case "ct reply ip6 saddr":
    case "iifname":
    case "oifname":
      return 16;
    case "th sport":
    case "th dport":
    case "ct original proto-dst":
    case "ct reply proto-src":
      return 2;
    case "meta l4proto":
    case "ct original protocol":
    case "icmp type":
    case "icmpv6 type":
    case "ct direction":
      return 1;
    default:
      return 4;
  }
}

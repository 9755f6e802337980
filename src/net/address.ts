/**
 * IP addresses as canonical text: equal addresses are equal strings, so they work as keys and in JSON.
 * IPv4 is dotted decimal; IPv6 is RFC 5952 (lower case, longest run of zeros compressed).
 */

declare const brand: unique symbol;

/** A canonical IPv4 or IPv6 address, for example `10.240.0.4` or `fd00::4`. Made by {@link parseAddress}. */
export type Address = string & { readonly [brand]: "Address" };

export type Family = 4 | 6;

/** Canonical address, or `undefined` when `text` is not one. Leading zeros in IPv4 (`010.0.0.1`) are refused: tools disagree on them. */
export function parseAddress(text: string): Address | undefined {
  if (!text.includes(":")) return ipv4Number(text) === undefined ? undefined : (text as Address);
  const value = parseIpv6(text);
  return value === undefined ? undefined : formatIpv6(value);
}

/** For literals and tests. Throws when `text` is not an address. */
export function mustAddress(text: string): Address {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(`not an IP address: ${text}`);
  return address;
}

export function familyOf(address: Address): Family {
  return address.includes(":") ? 6 : 4;
}

/** Width of an address in bits: 32 or 128. */
export function bitsOf(family: Family): 32 | 128 {
  return family === 4 ? 32 : 128;
}

/** The address as an unsigned integer. */
export function addressValue(address: Address): bigint {
  const v4 = ipv4Number(address);
  if (v4 !== undefined) return BigInt(v4);
  const v6 = parseIpv6(address);
  if (v6 === undefined) throw new Error(`broken address: ${address}`);
  return v6;
}

/** Inverse of {@link addressValue}. `value` must fit the family. */
export function addressFrom(family: Family, value: bigint): Address {
  return family === 4 ? formatIpv4(Number(value)) : formatIpv6(value);
}

/** `address + count` in the same family; `undefined` past either end. */
export function addToAddress(address: Address, count: number): Address | undefined {
  const family = familyOf(address);
  const value = addressValue(address) + BigInt(count);
  if (value < 0n || value >> BigInt(bitsOf(family)) !== 0n) return undefined;
  return addressFrom(family, value);
}

/** Order: IPv4 before IPv6, then by value. */
export function compareAddresses(a: Address, b: Address): number {
  const families = familyOf(a) - familyOf(b);
  if (families !== 0) return families;
  const [x, y] = [addressValue(a), addressValue(b)];
  return x < y ? -1 : x > y ? 1 : 0;
}

/** IPv4 text as an unsigned 32-bit number; `undefined` for anything else. Hot: the tracer parses with it. */
export function ipv4Number(text: string): number | undefined {
  let value = 0;
  let part = -1;
  let parts = 0;
  let digits = 0;
  for (let i = 0; i <= text.length; i++) {
    const code = i < text.length ? text.charCodeAt(i) : 46;
    if (code === 46) {
      if (part < 0 || part > 255 || ++parts > 4) return undefined;
      value = value * 256 + part;
      part = -1;
      digits = 0;
    } else if (code >= 48 && code <= 57) {
      if (part === 0 || ++digits > 3) return undefined;
      part = Math.max(part, 0) * 10 + code - 48;
    } else return undefined;
  }
  return parts === 4 ? value : undefined;
}

/** Inverse of {@link ipv4Number}. */
export function formatIpv4(value: number): Address {
  return `${(value >>> 24) & 255}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}` as Address;
}

function parseIpv6(text: string): bigint | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0] ?? "");
  const tail = halves.length === 2 ? parseGroups(halves[1] ?? "") : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  return [...head, ...Array<number>(missing).fill(0), ...tail].reduce((value, group) => (value << 16n) | BigInt(group), 0n);
}

/** Groups of 16 bits; a dotted IPv4 tail counts as two. */
function parseGroups(text: string): number[] | undefined {
  if (text === "") return [];
  const groups: number[] = [];
  const parts = text.split(":");
  for (const [index, part] of parts.entries()) {
    const v4 = index === parts.length - 1 && part.includes(".") ? ipv4Number(part) : undefined;
    if (v4 !== undefined) groups.push(v4 >>> 16, v4 & 0xffff);
    else if (/^[0-9a-f]{1,4}$/i.test(part)) groups.push(Number.parseInt(part, 16));
    else return undefined;
  }
  return groups;
}

function formatIpv6(value: bigint): Address {
  const groups = Array.from({ length: 8 }, (_, i) => Number((value >> BigInt(16 * (7 - i))) & 0xffffn));
  let best = { start: -1, length: 1 };
  for (let start = 0; start < 8; start++) {
    let end = start;
    while (end < 8 && groups[end] === 0) end++;
    if (end - start > best.length) best = { start, length: end - start };
  }
  const text = (part: number[]) => part.map((group) => group.toString(16)).join(":");
  if (best.start < 0) return text(groups) as Address;
  return `${text(groups.slice(0, best.start))}::${text(groups.slice(best.start + best.length))}` as Address;
}

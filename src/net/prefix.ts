/** IP prefixes (CIDR blocks) as canonical text: network address, slash, length; host bits are always zero. */

import { type Address, addressFrom, addressValue, bitsOf, type Family, familyOf, formatIpv4, ipv4Number, parseAddress } from "./address.ts";

declare const brand: unique symbol;

/** A canonical prefix, for example `10.240.0.0/16`. Made by {@link parsePrefix} or {@link prefixOf}. */
export type Prefix = string & { readonly [brand]: "Prefix" };

/** Canonical prefix, or `undefined` when `text` is not one or has host bits set (`10.0.0.1/24`); see {@link parseLoosePrefix}. */
export function parsePrefix(text: string): Prefix | undefined {
  const loose = parseLoosePrefix(text);
  return loose !== undefined && addressOf(loose) === parseAddress(text.slice(0, text.indexOf("/"))) ? loose : undefined;
}

/** Like {@link parsePrefix}, but clears host bits instead of refusing them. */
export function parseLoosePrefix(text: string): Prefix | undefined {
  const slash = text.indexOf("/");
  if (slash < 0) return undefined;
  const address = parseAddress(text.slice(0, slash));
  const digits = text.slice(slash + 1);
  if (address === undefined || !/^(0|[1-9]\d{0,2})$/.test(digits)) return undefined;
  const length = Number(digits);
  return length > bitsOf(familyOf(address)) ? undefined : prefixOf(address, length);
}

/** For literals and tests. Throws when `text` is not a prefix. */
export function mustPrefix(text: string): Prefix {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new Error(`not a prefix: ${text}`);
  return prefix;
}

/** The prefix of `length` bits that holds `address`. */
export function prefixOf(address: Address, length: number): Prefix {
  const v4 = ipv4Number(address);
  if (v4 !== undefined) return `${formatIpv4(length === 0 ? 0 : v4 & (-1 << (32 - length)))}/${length}` as Prefix;
  const host = BigInt(128 - length);
  return `${addressFrom(6, (addressValue(address) >> host) << host)}/${length}` as Prefix;
}

/** The /32 or /128 of one address. */
export function hostPrefix(address: Address): Prefix {
  return `${address}/${bitsOf(familyOf(address))}` as Prefix;
}

/** Network address: the lowest of the prefix. */
export function addressOf(prefix: Prefix): Address {
  return prefix.slice(0, prefix.indexOf("/")) as Address;
}

export function lengthOf(prefix: Prefix): number {
  return Number(prefix.slice(prefix.indexOf("/") + 1));
}

export function prefixFamily(prefix: Prefix): Family {
  return familyOf(prefix as string as Address);
}

/** Number of addresses, network and broadcast included. A float past 2^53, where only the order of magnitude matters. */
export function sizeOf(prefix: Prefix): number {
  return 2 ** (bitsOf(prefixFamily(prefix)) - lengthOf(prefix));
}

/** Highest address: IPv4's broadcast address. */
export function lastAddressOf(prefix: Prefix): Address {
  const family = prefixFamily(prefix);
  const host = BigInt(bitsOf(family) - lengthOf(prefix));
  return addressFrom(family, addressValue(addressOf(prefix)) + (1n << host) - 1n);
}

/** The `index`-th address counted from the network address; `undefined` outside the prefix. */
export function addressAt(prefix: Prefix, index: number): Address | undefined {
  if (index < 0 || index >= sizeOf(prefix)) return undefined;
  const v4 = ipv4Number(addressOf(prefix));
  if (v4 !== undefined) return formatIpv4(v4 + index);
  return addressFrom(6, addressValue(addressOf(prefix)) + BigInt(index));
}

export function prefixContains(prefix: Prefix, address: Address): boolean {
  if (prefixFamily(prefix) !== familyOf(address)) return false;
  return prefixOf(address, lengthOf(prefix)) === prefix;
}

/** True when every address of `inner` is in `outer`; a prefix covers itself. */
export function prefixCovers(outer: Prefix, inner: Prefix): boolean {
  return lengthOf(outer) <= lengthOf(inner) && prefixContains(outer, addressOf(inner));
}

export function prefixesOverlap(a: Prefix, b: Prefix): boolean {
  return prefixCovers(a, b) || prefixCovers(b, a);
}

/** Order: by network address, shorter first. */
export function comparePrefixes(a: Prefix, b: Prefix): number {
  const families = prefixFamily(a) - prefixFamily(b);
  if (families !== 0) return families;
  const [x, y] = [addressValue(addressOf(a)), addressValue(addressOf(b))];
  return x < y ? -1 : x > y ? 1 : lengthOf(a) - lengthOf(b);
}

/** The same addresses in as few prefixes as can be, in order: what others cover is left out, and neighbours that make a shorter one are joined. */
export function mergePrefixes(prefixes: readonly Prefix[]): readonly Prefix[] {
  const merged: Prefix[] = [];
  for (const prefix of [...prefixes].sort(comparePrefixes)) {
    const previous = merged.at(-1);
    if (previous !== undefined && prefixCovers(previous, prefix)) continue;
    let last = prefix;
    for (let other = merged.at(-1); other !== undefined; other = merged.at(-1)) {
      const joined = joinedPrefix(other, last);
      if (joined === undefined) break;
      merged.pop();
      last = joined;
    }
    merged.push(last);
  }
  return merged;
}

/** What of `prefixes` is in none of `others`, in as few prefixes as can be, in order. */
export function prefixesWithout(prefixes: readonly Prefix[], others: readonly Prefix[]): readonly Prefix[] {
  const rest = (prefix: Prefix, within: readonly Prefix[]): readonly Prefix[] => {
    const touching = within.filter((other) => prefixesOverlap(prefix, other));
    if (touching.length === 0) return [prefix];
    if (touching.some((other) => prefixCovers(other, prefix))) return [];
    const length = lengthOf(prefix) + 1;
    const low = prefixOf(addressOf(prefix), length);
    const middle = addressAt(prefix, sizeOf(prefix) / 2);
    return [...rest(low, touching), ...(middle === undefined ? [] : rest(prefixOf(middle, length), touching))];
  };
  return mergePrefixes(prefixes).flatMap((prefix) => rest(prefix, others));
}

/** The prefix that `a` and `b` are the two halves of. */
function joinedPrefix(a: Prefix, b: Prefix): Prefix | undefined {
  const length = lengthOf(a);
  if (length === 0 || lengthOf(b) !== length || prefixFamily(a) !== prefixFamily(b)) return undefined;
  const parent = prefixOf(addressOf(a), length - 1);
  return parent === prefixOf(addressOf(b), length - 1) ? parent : undefined;
}

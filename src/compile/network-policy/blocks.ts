/** Ranges without overlaps, which is what a set of intervals holds: of numbers, and of addresses with exceptions as prefixes. */

import { addressFrom, addressValue, bitsOf, type Family } from "../../net/address.ts";
import {
  addressOf,
  lengthOf,
  mergePrefixes,
  type Prefix,
  parseLoosePrefix,
  prefixCovers,
  prefixFamily,
  prefixOf,
} from "../../net/prefix.ts";

export type Block = { readonly cidr: string; readonly except?: readonly string[] };

/** First and last number. */
export type Span = { readonly first: number; readonly last: number };

/** The prefixes of one family that hold exactly the addresses that are in one of the blocks and not in its exceptions. Sorted. */
export function prefixesOf(blocks: readonly Block[], family: Family = 4): readonly Prefix[] {
  const read = (text: string): Prefix[] => {
    const prefix = parseLoosePrefix(text);
    return prefix === undefined || prefixFamily(prefix) !== family ? [] : [prefix];
  };
  return mergePrefixes(
    blocks.flatMap(({ cidr, except = [] }) => {
      const holes = mergePrefixes(except.flatMap(read));
      return read(cidr).flatMap((whole) => without(whole, holes));
    }),
  );
}

/** What is left of `whole`: the halves that no hole touches, and what is left of those that one does. */
function without(whole: Prefix, holes: readonly Prefix[]): readonly Prefix[] {
  const touching = holes.filter((hole) => prefixCovers(whole, hole) || prefixCovers(hole, whole));
  if (touching.length === 0) return [whole];
  if (touching.some((hole) => prefixCovers(hole, whole))) return [];
  const length = lengthOf(whole) + 1;
  const family = prefixFamily(whole);
  const middle = addressFrom(family, addressValue(addressOf(whole)) + (1n << BigInt(bitsOf(family) - length)));
  return [addressOf(whole), middle].flatMap((half) => without(prefixOf(half, length), touching));
}

/** The same numbers in spans that neither overlap nor touch, in order. */
export function joined(spans: readonly Span[]): readonly Span[] {
  const result: { first: number; last: number }[] = [];
  for (const { first, last } of [...spans].sort((a, b) => a.first - b.first)) {
    const before = result.at(-1);
    if (before !== undefined && first <= before.last + 1) before.last = Math.max(before.last, last);
    else result.push({ first, last });
  }
  return result;
}

/** Ranges without overlaps, which is what a set of intervals holds: of numbers, and of addresses with exceptions as prefixes. */

import { formatIpv4, ipv4Number } from "../../net/address.ts";
import { addressOf, lengthOf, type Prefix, parseLoosePrefix, prefixOf } from "../../net/prefix.ts";

export type Block = { readonly cidr: string; readonly except?: readonly string[] };

/** First and last number. */
export type Span = { readonly first: number; readonly last: number };

/** The IPv4 prefixes that hold exactly the addresses that are in one of the blocks and not in its exceptions. Sorted. */
export function prefixesOf(blocks: readonly Block[]): readonly Prefix[] {
  const spans = blocks.flatMap(({ cidr, except = [] }) => {
    const whole = spanOf(cidr);
    return whole === undefined
      ? []
      : without(
          whole,
          except.flatMap((text) => spanOf(text) ?? []),
        );
  });
  return joined(spans).flatMap(prefixesOfSpan);
}

function spanOf(text: string): Span | undefined {
  const prefix = parseLoosePrefix(text);
  const first = prefix === undefined ? undefined : ipv4Number(addressOf(prefix));
  return prefix === undefined || first === undefined ? undefined : { first, last: first + 2 ** (32 - lengthOf(prefix)) - 1 };
}

function without(whole: Span, exceptions: readonly Span[]): readonly Span[] {
  const left: Span[] = [];
  let first = whole.first;
  for (const hole of joined(exceptions)) {
    if (hole.first > first) left.push({ first, last: hole.first - 1 });
    first = Math.max(first, hole.last + 1);
  }
  if (first <= whole.last) left.push({ first, last: whole.last });
  return left;
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

/** The fewest prefixes: each is as long as its first address is aligned, and as what is left is long. */
function prefixesOfSpan({ first, last }: Span): readonly Prefix[] {
  const prefixes: Prefix[] = [];
  for (let at = first; at <= last; ) {
    let size = 1;
    while (size < 2 ** 32 && at % (size * 2) === 0 && at + size * 2 - 1 <= last) size *= 2;
    prefixes.push(prefixOf(formatIpv4(at), 32 - Math.log2(size)));
    at += size;
  }
  return prefixes;
}

/** Which of many prefixes overlaps one? Prefixes nest or are apart, so it is one look per prefix length, however many there are. */

import { ipv4Number } from "../../net/address.ts";
import { addressOf, lengthOf, type Prefix } from "../../net/prefix.ts";

export type Member<T> = { readonly prefix: Prefix; readonly value: T };

type Ordered<T> = Member<T> & { readonly order: number };

/** IPv4 prefixes, each with a value. IPv6 ones, which no rule looks at, are left out. */
export class PrefixSet<T> {
  #size = 0;
  /** By length, then network number: the first with this very prefix. */
  readonly #exact: (Map<number, Ordered<T>> | undefined)[] = [];
  /** By length, then network number: the first that lies within. */
  readonly #within: (Map<number, Ordered<T>> | undefined)[] = [];

  add(prefix: Prefix, value: T): void {
    const network = ipv4Number(addressOf(prefix));
    if (network === undefined) return;
    const length = lengthOf(prefix);
    const member = { prefix, value, order: this.#size++ };
    addFirst(this.#exact, length, network, member);
    for (let shorter = 0; shorter <= length; shorter++) addFirst(this.#within, shorter, masked(network, shorter), member);
  }

  /** The first that was added of those that cover `prefix` or lie within it. */
  overlapping(prefix: Prefix): Member<T> | undefined {
    const network = ipv4Number(addressOf(prefix));
    if (network === undefined) return undefined;
    const inside = this.#within[lengthOf(prefix)]?.get(network);
    const outside = this.#covering(network, lengthOf(prefix));
    if (inside === undefined || outside === undefined) return inside ?? outside;
    return inside.order < outside.order ? inside : outside;
  }

  /** The first that was added of those that cover `prefix`. */
  covering(prefix: Prefix): Member<T> | undefined {
    const network = ipv4Number(addressOf(prefix));
    return network === undefined ? undefined : this.#covering(network, lengthOf(prefix));
  }

  #covering(network: number, longest: number): Ordered<T> | undefined {
    let first: Ordered<T> | undefined;
    for (let length = 0; length <= longest; length++) {
      const member = this.#exact[length]?.get(masked(network, length));
      if (member !== undefined && (first === undefined || member.order < first.order)) first = member;
    }
    return first;
  }
}

function addFirst<T>(levels: (Map<number, T> | undefined)[], length: number, network: number, member: T): void {
  let level = levels[length];
  if (level === undefined) {
    level = new Map();
    levels[length] = level;
  }
  if (!level.has(network)) level.set(network, member);
}

function masked(network: number, length: number): number {
  return length === 0 ? 0 : (network & (-1 << (32 - length))) >>> 0;
}

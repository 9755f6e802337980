/** Longest prefix match. */

import { type Address, ipv4Number } from "./address.ts";
import { addressOf, lengthOf, type Prefix, prefixFamily, prefixOf } from "./prefix.ts";

/**
 * Values by prefix, found by the longest prefix that holds an address.
 *
 * One hash map per prefix length, tried from the longest length in use: a route table uses few lengths, and inserting costs
 * one map write, which beats a bitwise trie at every size that a VNet allows.
 */
export class PrefixTrie<T> {
  /** By network number. Longest first. */
  readonly #v4: { length: number; mask: number; values: Map<number, Found<T>> }[] = [];
  /** By network prefix text. Longest first. */
  readonly #v6: { length: number; values: Map<Prefix, Found<T>> }[] = [];

  set(prefix: Prefix, value: T): void {
    const length = lengthOf(prefix);
    if (prefixFamily(prefix) === 6) {
      let level = this.#v6.find((candidate) => candidate.length === length);
      if (level === undefined) {
        level = { length, values: new Map() };
        this.#v6.push(level);
        this.#v6.sort((a, b) => b.length - a.length);
      }
      level.values.set(prefix, { prefix, value });
      return;
    }
    let level = this.#v4.find((candidate) => candidate.length === length);
    if (level === undefined) {
      level = { length, mask: length === 0 ? 0 : -1 << (32 - length), values: new Map() };
      this.#v4.push(level);
      this.#v4.sort((a, b) => b.length - a.length);
    }
    level.values.set(ipv4Number(addressOf(prefix)) ?? 0, { prefix, value });
  }

  /** The value of exactly this prefix. */
  get(prefix: Prefix): T | undefined {
    const length = lengthOf(prefix);
    if (prefixFamily(prefix) === 6) return this.#v6.find((level) => level.length === length)?.values.get(prefix)?.value;
    return this.#v4.find((level) => level.length === length)?.values.get(ipv4Number(addressOf(prefix)) ?? 0)?.value;
  }

  /** The longest prefix that holds `address`. */
  lookup(address: Address): Found<T> | undefined {
    const v4 = ipv4Number(address);
    if (v4 !== undefined) return this.lookupIpv4(v4);
    for (const level of this.#v6) {
      const found = level.values.get(prefixOf(address, level.length));
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** {@link lookup} for an address that is already a number. */
  lookupIpv4(address: number): Found<T> | undefined {
    for (const level of this.#v4) {
      const found = level.values.get((address & level.mask) >>> 0);
      if (found !== undefined) return found;
    }
    return undefined;
  }
}

type Found<T> = { readonly prefix: Prefix; readonly value: T };

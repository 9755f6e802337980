/**
 * Elements of sets and maps by key.
 *
 * Exact keys are found by a hash of their numbers, without joining anything into text on the way of a packet. Elements with a prefix or a
 * range are found by binary search when the key has one component, else one after the other.
 */

import type { Datum, DatumType, Field } from "../ir/ruleset.ts";
import { type Address, addressValue } from "../net/address.ts";
import { comparableAddress, keyReaderOf, protocolNumber, type Reader } from "./fields.ts";
import { deviceNumber, type Packet } from "./packet.ts";

/** Inclusive, in numbers, or for IPv6 in big integers. */
type Range = { readonly first: number | bigint; readonly last: number | bigint };
type Component = number | string | Range;
type Find<T> = (packet: Packet) => T | undefined;

/** Elements by key, whatever they mean. */
export class KeyIndex<T> {
  readonly #types: readonly DatumType[];
  readonly #exact: ExactIndex<T>;
  readonly #wide: { readonly key: readonly Component[]; readonly value: T }[] = [];
  /** Sorted, and apart from one another; only for keys of one component. */
  #sorted: readonly (Range & { readonly value: T })[] | undefined;
  /** Hosts that share the elements share these, too. */
  readonly #finders = new Map<string, Find<T>>();

  constructor(types: readonly DatumType[], elements: readonly { readonly key: readonly Datum[]; readonly value: T }[]) {
    this.#types = types;
    const exact: { readonly key: readonly (number | string)[]; readonly value: T }[] = [];
    for (const { key, value } of elements) {
      const components = key.map((datum, at) => component(types[at] ?? "mark", datum));
      const single = components.filter((each) => typeof each !== "object");
      if (single.length === components.length) exact.push({ key: single, value });
      else this.#wide.push({ key: components, value });
    }
    this.#exact = types.includes("ipv6_addr") ? new TextIndex(exact) : new NumberIndex(types.length, exact);
  }

  /** A function that finds the element for a packet's fields. It sets {@link Packet.lacked} when the packet lacks one of them. */
  finder(fields: readonly Field[]): Find<T> {
    const name = fields.join();
    let finder = this.#finders.get(name);
    if (finder === undefined) {
      finder = this.#makeFinder(fields.map(keyReaderOf));
      this.#finders.set(name, finder);
    }
    return finder;
  }

  #makeFinder(fields: readonly Reader[]): Find<T> {
    if (fields.length !== this.#types.length) throw new Error("a set is looked up with another number of fields than its key has");
    const findExact = this.#exact.finder(fields);
    if (this.#wide.length === 0) return findExact;
    return (packet) => {
      packet.lacked = false;
      const found = findExact(packet);
      return found !== undefined || packet.lacked ? found : this.#findWide(packet, fields);
    };
  }

  #findWide(packet: Packet, fieldReaders: readonly Reader[]): T | undefined {
    if (fieldReaders.length === 1) return this.#search(fieldReaders[0]?.(packet));
    const values = fieldReaders.map((read, at) => ordered(read(packet), this.#types[at]));
    return this.#wide.find(({ key }) => key.every((each, at) => within(each, values[at])))?.value;
  }

  #search(read: number | string | undefined): T | undefined {
    this.#sorted ??= apart(
      this.#wide.flatMap(({ key: [only], value }) => (typeof only === "object" ? [{ first: only.first, last: only.last, value }] : [])),
    );
    const value = ordered(read, this.#types[0]);
    if (typeof value !== "number" && typeof value !== "bigint") return undefined;
    let low = 0;
    let high = this.#sorted.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const entry = this.#sorted[middle];
      if (entry === undefined) return undefined;
      if (value < entry.first) high = middle - 1;
      else if (value > entry.last) low = middle + 1;
      else return entry.value;
    }
    return undefined;
  }
}

/** Ranges of a set may overlap (10.0.0.0/8 and 10.240.0.0/16), as the kernel merges them: what the one that starts first leaves is the next one's. */
function apart<R extends Range>(ranges: readonly R[]): readonly R[] {
  const sorted = [...ranges].sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : a.last > b.last ? -1 : 1));
  const disjoint: R[] = [];
  let covered: number | bigint | undefined;
  for (const range of sorted) {
    if (covered !== undefined && range.last <= covered) continue;
    const first = covered === undefined || range.first > covered ? range.first : next(covered);
    disjoint.push({ ...range, first });
    covered = range.last;
  }
  return disjoint;
}

function next(value: number | bigint): number | bigint {
  return typeof value === "bigint" ? value + 1n : value + 1;
}

interface ExactIndex<T> {
  finder(fields: readonly Reader[]): Find<T>;
}

/** Keys of numbers: a hash table with open addressing in two flat lists, so that a miss costs one look into memory. */
class NumberIndex<T> implements ExactIndex<T> {
  readonly #width: number;
  readonly #mask: number;
  /** Place of the element plus one; zero is free. */
  readonly #slots: number[];
  /** {@link #width} words per element. */
  readonly #keys: number[];
  readonly #values: T[] = [];

  constructor(width: number, elements: readonly { readonly key: readonly (number | string)[]; readonly value: T }[]) {
    this.#width = width;
    let size = 4;
    while (size < elements.length * 2) size *= 2;
    this.#mask = size - 1;
    this.#slots = Array<number>(size).fill(0);
    this.#keys = [];
    for (const { key, value } of elements) {
      const words = key.map((word) => Number(word) | 0);
      let hash = 0;
      for (const word of words) hash = mix(hash, word);
      let slot = finish(hash) & this.#mask;
      while (this.#slots[slot] !== 0 && !this.#isAt((this.#slots[slot] ?? 0) - 1, words)) slot = (slot + 1) & this.#mask;
      const known = this.#slots[slot] ?? 0;
      const place = known === 0 ? this.#values.length : known - 1;
      this.#slots[slot] = place + 1;
      if (known === 0) this.#keys.push(...words);
      this.#values[place] = value;
    }
  }

  finder(fields: readonly Reader[]): Find<T> {
    const words: number[] = fields.map(() => 0);
    const slots = this.#slots;
    const mask = this.#mask;
    if (this.#values.length === 0) return nothing;
    return (packet) => {
      let hash = 0;
      for (let at = 0; at < fields.length; at++) {
        const value = fields[at]?.(packet);
        if (value === undefined) {
          packet.lacked = true;
          return undefined;
        }
        const word = Number(value) | 0;
        words[at] = word;
        hash = mix(hash, word);
      }
      for (let slot = finish(hash) & mask; ; slot = (slot + 1) & mask) {
        const place = slots[slot] ?? 0;
        if (place === 0) return undefined;
        if (this.#isAt(place - 1, words)) return this.#values[place - 1];
      }
    };
  }

  #isAt(place: number, words: readonly number[]): boolean {
    const start = place * this.#width;
    for (let at = 0; at < words.length; at++) if (this.#keys[start + at] !== words[at]) return false;
    return true;
  }
}

/** Keys with IPv6 addresses. */
class TextIndex<T> implements ExactIndex<T> {
  readonly #values = new Map<string, T>();

  constructor(elements: readonly { readonly key: readonly (number | string)[]; readonly value: T }[]) {
    for (const { key, value } of elements) this.#values.set(`${key.join(" ")} `, value);
  }

  finder(fields: readonly Reader[]): Find<T> {
    if (this.#values.size === 0) return nothing;
    return (packet) => {
      const key = dynamicKey(fields, packet);
      if (key !== undefined) return this.#values.get(key);
      packet.lacked = true;
      return undefined;
    };
  }
}

/** Of an index without elements. */
function nothing(): undefined {
  return undefined;
}

/** The mixing step of MurmurHash3. */
function mix(hash: number, word: number): number {
  let bits = Math.imul(word, 0xcc9e2d51);
  bits = Math.imul((bits << 15) | (bits >>> 17), 0x1b873593);
  bits ^= hash;
  return (Math.imul((bits << 13) | (bits >>> 19), 5) + 0xe6546b64) | 0;
}

function finish(hash: number): number {
  const bits = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return bits ^ (bits >>> 13);
}

/** Text of a packet's key for sets that rules fill; `undefined` when the packet lacks a field. */
export function dynamicKey(fields: readonly Reader[], packet: Packet): string | undefined {
  let key = "";
  for (const read of fields) {
    const value = read(packet);
    if (value === undefined) return undefined;
    key += `${value} `;
  }
  return key;
}

function component(type: DatumType, datum: Datum): Component {
  if (typeof datum === "object") return datum;
  if (typeof datum === "number") return datum;
  if (type === "inet_proto") return protocolNumber(datum);
  if (type === "ifname") return deviceNumber(datum);
  return type === "ipv4_addr" || type === "ipv6_addr" ? comparableAddress(datum) : datum;
}

/** A value that can be compared with a range. */
function ordered(value: number | string | undefined, type: DatumType | undefined): number | string | bigint | undefined {
  return type === "ipv6_addr" && typeof value === "string" ? addressValue(value as Address) : value;
}

function within(wanted: Component, value: number | string | bigint | undefined): boolean {
  if (value === undefined) return false;
  if (typeof wanted === "object") return typeof value !== "string" && value >= wanted.first && value <= wanted.last;
  return typeof value === "bigint" ? typeof wanted === "string" && addressValue(wanted as Address) === value : wanted === value;
}

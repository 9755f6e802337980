/**
 * Elements of sets and maps by key.
 *
 * Exact keys are found through nested hash maps: one level per component, where neighbouring small components (protocol, port) share one
 * number. So nothing is joined into text on the way of a packet. Elements with a prefix or a range are found by binary search when the key has
 * one component, else one after the other.
 */

import type { Datum, DatumType, Field } from "../ir/ruleset.ts";
import { type Address, addressValue } from "../net/address.ts";
import { comparableAddress, protocolNumber, type Reader, readerOf } from "./fields.ts";
import type { Packet } from "./packet.ts";

/** Inclusive, in numbers, or for IPv6 in big integers. */
type Range = { readonly first: number | bigint; readonly last: number | bigint };
type Component = number | string | Range;
type Level = Map<number | string, unknown>;

const bits: Readonly<Record<DatumType, number>> = { ipv4_addr: 32, ipv6_addr: 128, inet_proto: 8, inet_service: 16, mark: 32, ifname: 128 };

/** Elements by key, whatever they mean. */
export class KeyIndex<T> {
  /** Components that share a level: indexes into the key. */
  readonly #levels: readonly (readonly number[])[];
  readonly #types: readonly DatumType[];
  readonly #exact: Level = new Map();
  readonly #wide: { readonly key: readonly Component[]; readonly value: T }[] = [];
  /** Sorted by first; only for keys of one component. */
  #sorted: { readonly first: number | bigint; readonly last: number | bigint; readonly value: T }[] | undefined;

  constructor(types: readonly DatumType[], elements: readonly { readonly key: readonly Datum[]; readonly value: T }[]) {
    this.#types = types;
    this.#levels = shareLevels(types);
    for (const { key, value } of elements) {
      const components = key.map((datum, at) => component(types[at] ?? "mark", datum));
      if (components.some((each) => typeof each === "object")) this.#wide.push({ key: components, value });
      else this.#insert(components, value);
    }
  }

  /** A function that finds the element for a packet's fields. It sets {@link Packet.lacked} when the packet lacks one of them. */
  finder(fields: readonly Field[]): (packet: Packet) => T | undefined {
    const fieldReaders = fields.map(readerOf);
    const steps = this.#levels.map((level) => levelReader(level, fieldReaders, this.#types));
    const exact = this.#exact;
    const findExact = (packet: Packet): T | undefined => {
      let node: unknown = exact;
      for (const read of steps) {
        const key = read(packet);
        if (key === undefined) {
          packet.lacked = true;
          return undefined;
        }
        node = (node as Level).get(key);
        if (node === undefined) return undefined;
      }
      return node as T;
    };
    if (this.#wide.length === 0) return findExact;
    return (packet) => {
      packet.lacked = false;
      const found = findExact(packet);
      return found !== undefined || packet.lacked ? found : this.#findWide(packet, fieldReaders);
    };
  }

  #insert(components: readonly Component[], value: T): void {
    let node = this.#exact;
    for (const [depth, level] of this.#levels.entries()) {
      const key = levelKey(level, components, this.#types);
      if (depth === this.#levels.length - 1) node.set(key, value);
      else {
        let next = node.get(key) as Level | undefined;
        if (next === undefined) {
          next = new Map();
          node.set(key, next);
        }
        node = next;
      }
    }
  }

  #findWide(packet: Packet, fieldReaders: readonly Reader[]): T | undefined {
    if (fieldReaders.length === 1) return this.#search(fieldReaders[0]?.(packet));
    const values = fieldReaders.map((read, at) => ordered(read(packet), this.#types[at]));
    return this.#wide.find(({ key }) => key.every((each, at) => within(each, values[at])))?.value;
  }

  #search(read: number | string | undefined): T | undefined {
    this.#sorted ??= this.#wide
      .flatMap(({ key: [only], value }) => (typeof only === "object" ? [{ first: only.first, last: only.last, value }] : []))
      .sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0));
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

function shareLevels(types: readonly DatumType[]): number[][] {
  const levels: number[][] = [];
  let width = Number.POSITIVE_INFINITY;
  for (const [at, type] of types.entries()) {
    // 30 bits: what the engine keeps as a small integer on every machine.
    if (width + bits[type] <= 30) {
      levels.at(-1)?.push(at);
      width += bits[type];
    } else {
      levels.push([at]);
      width = bits[type];
    }
  }
  return levels;
}

function levelReader(level: readonly number[], fieldReaders: readonly Reader[], types: readonly DatumType[]): Reader {
  const [first, second, ...more] = level;
  const readFirst = first === undefined ? undefined : fieldReaders[first];
  if (readFirst === undefined) throw new Error("a set is looked up with fewer fields than its key has");
  if (second === undefined) return readFirst;
  if (more.length === 0) {
    const readSecond = fieldReaders[second];
    if (readSecond === undefined) throw new Error("a set is looked up with fewer fields than its key has");
    const factor = 2 ** bits[types[second] ?? "mark"];
    return (packet) => {
      const a = readFirst(packet);
      const b = readSecond(packet);
      return a === undefined || b === undefined ? undefined : Number(a) * factor + Number(b);
    };
  }
  return (packet) => {
    const components = fieldReaders.map((read) => read(packet));
    return level.some((at) => components[at] === undefined) ? undefined : levelKey(level, components as Component[], types);
  };
}

function levelKey(level: readonly number[], components: readonly Component[], types: readonly DatumType[]): number | string {
  const [first] = level;
  const only = first === undefined ? undefined : components[first];
  if (level.length === 1) return typeof only === "object" || only === undefined ? "" : only;
  return level.reduce<number>((key, at) => key * 2 ** bits[types[at] ?? "mark"] + Number(components[at]), 0);
}

function component(type: DatumType, datum: Datum): Component {
  if (typeof datum === "object") return datum;
  if (typeof datum === "number") return datum;
  if (type === "inet_proto") return protocolNumber(datum);
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

/**
 * Sets, maps and their elements as attributes of nf_tables' messages (enum nft_set_attributes and nft_set_elem_attributes in
 * include/uapi/linux/netfilter/nf_tables.h), with what `nft` notes about them to list them.
 */

import type { Verdict } from "../ir/ruleset.ts";
import { dynamicSetSize } from "../render/nft.ts";
import { nftName } from "../render/nft-names.ts";
import { Batch } from "./netlink.ts";
import type { Collection, Element } from "./nft-change.ts";
import { bytesOf, bytesOfAll, bytesOfTuple, type DataType, orderOf, successor, typeNumber } from "./nft-data.ts";
import type { AnonymousSet } from "./nft-expressions.ts";

const verdicts = { drop: 0, accept: 1, jump: -3, goto: -4, return: -5 } as const;

const setFlag = { anonymous: 1, constant: 2, interval: 4, map: 8, timeout: 0x10, eval: 0x20, concat: 0x80 } as const;
/** The type of a value that is a verdict. */
const NFT_DATA_VERDICT = 0xffffff00;

/** An attribute's length has 16 bits. */
const longestRun = 60_000;

/** What decides how elements look. */
type Shape = {
  readonly key: readonly DataType[];
  readonly value?: "verdict" | readonly DataType[] | undefined;
  readonly interval: boolean;
  /** Overlapping prefixes in a list mean their union. Not for concatenations (the kernel's set type has none) nor maps (which value?). */
  readonly merge: boolean;
  readonly anonymous: boolean;
};

/** All that a set is told when it is made; `name` as the kernel has it. */
export type Declaration = Shape & {
  readonly name: string;
  readonly timeoutSeconds?: number | undefined;
  readonly size?: number | undefined;
};

function shapeOf(set: Collection): Shape {
  const value = "value" in set ? set.value : undefined;
  const interval = set.interval === true;
  return { key: set.key, value, interval, merge: interval && value === undefined && set.key.length === 1, anonymous: false };
}

/** A set without a name, and its elements. The kernel puts a number in the place of `%d`. */
export function anonymousSet({ type, interval, elements }: AnonymousSet): {
  readonly declaration: Declaration;
  readonly runs: readonly Run[];
} {
  const value = elements[0]?.value === undefined ? undefined : "verdict";
  const shape = { key: [type], value, interval, merge: interval, anonymous: true } as const;
  const runs = encodeElements(shape, elements);
  const size = runs.reduce((sum, run) => sum + run.elements.length, 0);
  return { declaration: { ...shape, name: value === undefined ? "__set%d" : "__map%d", size }, runs };
}

export function declarationOf(set: Collection): Declaration {
  const timeoutSeconds = "dynamicTimeoutSeconds" in set ? set.dynamicTimeoutSeconds : undefined;
  const size = timeoutSeconds === undefined ? undefined : dynamicSetSize;
  return { ...shapeOf(set), name: nftName(set.name), timeoutSeconds, size };
}

export function putSet(batch: Batch, set: Declaration, id: number): void {
  const { key, value, interval, anonymous } = set;
  const ranges = interval && key.length > 1;
  let flags = 0;
  if (anonymous) flags |= setFlag.anonymous | setFlag.constant;
  if (interval) flags |= setFlag.interval;
  if (ranges) flags |= setFlag.concat;
  if (value !== undefined) flags |= setFlag.map;
  if (set.timeoutSeconds !== undefined) flags |= setFlag.timeout | setFlag.eval;
  batch.text(2, set.name);
  batch.u32BigEndian(3, flags);
  batch.u32BigEndian(4, typeNumber(key));
  batch.u32BigEndian(5, bytesOfAll(key));
  if (value !== undefined) {
    batch.u32BigEndian(6, value === "verdict" ? NFT_DATA_VERDICT : typeNumber(value));
    batch.u32BigEndian(7, value === "verdict" ? 0 : bytesOfAll(value));
  }
  batch.u32BigEndian(10, id);
  if (set.size !== undefined || ranges) {
    const description = batch.open(9);
    if (set.size !== undefined) batch.u32BigEndian(1, set.size);
    if (ranges) putFields(batch, key);
    batch.close(description);
  }
  if (set.timeoutSeconds !== undefined) batch.u64BigEndian(11, BigInt(set.timeoutSeconds) * 1000n);
  batch.bytes(13, setData(set));
}

/** The bytes of each component, for which the kernel looks one after the other. */
function putFields(batch: Batch, key: readonly DataType[]): void {
  const concatenation = batch.open(2);
  for (const type of key) {
    const field = batch.open(1);
    batch.u32BigEndian(1, bytesOf(type));
    batch.close(field);
  }
  batch.close(concatenation);
}

/** What `nft` notes about a set to list it (enum nftnl_udata_set_types of libnftnl): (type, length, number) by number. */
function setData({ key, value, merge }: Shape): Uint8Array {
  const notes: (readonly [type: number, value: number])[] = [[0, byteOrder(key)]];
  if (value !== undefined) notes.push([1, value === "verdict" ? 0 : byteOrder(value)]);
  if (merge) notes.push([2, 1]);
  return Uint8Array.from(notes.flatMap(([type, number]) => [type, 4, number, 0, 0, 0]));
}

/** Of a concatenation there is none. */
function byteOrder([only, second]: readonly DataType[]): number {
  if (only === undefined || second !== undefined) return 0;
  return orderOf(only) === "host" ? 1 : 2;
}

export function putData(batch: Batch, type: number, value: Uint8Array): void {
  const data = batch.open(type);
  batch.bytes(1, value);
  batch.close(data);
}

export function putVerdict(batch: Batch, type: number, verdict: Verdict): void {
  const data = batch.open(type);
  const inner = batch.open(2);
  batch.u32BigEndian(1, verdicts[verdict.verdict]);
  if ("chain" in verdict) batch.text(2, nftName(verdict.chain));
  batch.close(inner);
  batch.close(data);
}

/** As many elements as one message holds: as attributes, and whose each of them is. */
export type Run = { readonly bytes: Uint8Array; readonly elements: readonly (AnyElement | undefined)[] };

const encoded = new WeakMap<readonly Element[], { readonly shape: string; readonly runs: readonly Run[] }>();

/** Encoded once per list, however many hosts share it. */
export function runsOf(set: Collection, elements: readonly Element[]): readonly Run[] {
  const shape = shapeOf(set);
  const text = `${shape.key} : ${shape.value} ${shape.interval}`;
  const known = encoded.get(elements);
  if (known?.shape === text) return known.runs;
  const runs = encodeElements(shape, elements);
  encoded.set(elements, { shape: text, runs });
  return runs;
}

export type AnyElement = AnonymousSet["elements"][number] | Element;

const scratch = new Batch();

function encodeElements(shape: Shape, elements: readonly AnyElement[]): readonly Run[] {
  if (shape.interval) needOrder(shape.key);
  const runs: Run[] = [];
  let owners: (AnyElement | undefined)[] = [];
  const take = (): void => {
    if (owners.length > 0) runs.push({ bytes: scratch.copy(0, scratch.length), elements: owners });
    owners = [];
    scratch.clear();
  };
  scratch.clear();
  const put = (element: AnyElement | undefined, write: () => void): void => {
    const at = scratch.open(1);
    write();
    scratch.close(at);
    owners.push(element);
    if (scratch.length > longestRun - 1000) take();
  };
  if (shape.interval && shape.key.length === 1) {
    for (const point of pointsOf(shape, elements)) put(point.element, () => putPoint(point, shape));
  } else {
    for (const element of elements) {
      put(element, () => {
        putData(scratch, 1, bytesOfTuple(shape.key, element.key));
        if (shape.interval) putData(scratch, 10, bytesOfTuple(shape.key, element.key, "last"));
        putValue(element, shape);
      });
    }
  }
  take();
  return runs;
}

/** Intervals are compared byte by byte, so what is in the machine's order has none. The name of an interface is one value of a concatenation. */
function needOrder(key: readonly DataType[]): void {
  const broken = key.find((type) => orderOf(type) === "host" && (type !== "ifname" || key.length === 1));
  if (broken !== undefined) throw new Error(`nft: intervals of ${broken}, whose order in the kernel is not that of numbers`);
}

function putValue(element: AnyElement, { value: types }: Shape): void {
  if (types === undefined) return;
  const value = "value" in element ? element.value : undefined;
  if (value === undefined) throw new Error("nft: an element of a map without a value");
  if ("verdict" in value) {
    if (types !== "verdict") throw new Error("nft: a verdict in a map to values");
    putVerdict(scratch, 2, value);
  } else {
    if (types === "verdict") throw new Error("nft: a value in a map to verdicts");
    putData(scratch, 2, bytesOfTuple(types, value));
  }
}

/** Sets of intervals hold where they start and where they have ended (NFT_SET_ELEM_INTERVAL_END). */
type Point = {
  readonly key: Uint8Array;
  readonly end: boolean;
  readonly element: AnyElement | undefined /** Nothing ends the last interval. */;
  readonly open?: boolean;
};

/** As `nft` gives them: sorted; before the first interval, unless it starts at zero, an end. */
function pointsOf(shape: Shape, elements: readonly AnyElement[]): readonly Point[] {
  const intervals: { first: Uint8Array; last: Uint8Array; element: AnyElement }[] = elements.map((element) => ({
    first: bytesOfTuple(shape.key, element.key),
    last: bytesOfTuple(shape.key, element.key, "last"),
    element,
  }));
  intervals.sort((a, b) => Buffer.compare(a.first, b.first));
  const points: Point[] = [];
  const [lowest] = intervals;
  if (lowest?.first.some((byte) => byte !== 0) === true)
    points.push({ key: new Uint8Array(lowest.first.length), end: true, element: undefined });
  for (let i = 0; i < intervals.length; i++) {
    const interval = intervals[i];
    if (interval === undefined) break;
    let { last } = interval;
    let after = successor(last);
    while (shape.merge) {
      const next = intervals[i + 1];
      if (next === undefined || (after !== undefined && Buffer.compare(next.first, after) > 0)) break;
      if (Buffer.compare(next.last, last) > 0) {
        last = next.last;
        after = successor(last);
      }
      i++;
    }
    const { first, element } = interval;
    points.push({ key: first, end: false, element, open: after === undefined });
    if (after !== undefined) points.push({ key: after, end: true, element: undefined });
  }
  return points;
}

function putPoint({ key, end, element, open }: Point, shape: Shape): void {
  if (end) scratch.u32BigEndian(3, 1);
  putData(scratch, 1, key);
  if (element !== undefined) putValue(element, shape);
  // NFTNL_UDATA_SET_ELEM_FLAGS: SET_ELEM_F_INTERVAL_OPEN
  if (open === true) scratch.bytes(6, Uint8Array.of(1, 4, 1, 0, 0, 0));
}

/**
 * Names and uids of objects that Kubernetes makes at random, made from a hash instead: the same lab gives the same names on every machine,
 * on every run, and in every order of documents.
 */

import type { KubeObject } from "./objects.ts";

/** Kubernetes' alphabet for generated names: no vowels, no digits that look like them (k8s.io/apimachinery/pkg/util/rand). */
const safeAlphabet = "bcdfghjklmnpqrstvwxz2456789";

/** Generated names have at most 63 characters, 5 of them random (k8s.io/apiserver/pkg/storage/names). */
const longestGeneratedBase = 58;

/** A UUID-shaped hash of `text`. */
export function uuidOf(text: string): string {
  const hex = lanes(text)
    .map((lane) => lane.toString(16).padStart(8, "0"))
    .join("");
  // Version 8 (RFC 9562): a layout of our own, here a hash.
  const variant = "89ab"[Number.parseInt(hex.charAt(16), 16) & 3] ?? "8";
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** The object's own uid, else the one that its key gives. */
export function uidOf(key: string, object: KubeObject): string {
  return object.metadata.uid ?? uuidOf(key);
}

/** `length` characters of Kubernetes' safe alphabet that depend on all of `text`; at most 12. */
export function safeSuffix(text: string, length: number): string {
  const [a = 0, b = 0] = lanes(text);
  let value = a * 0x200000 + (b >>> 11);
  let suffix = "";
  for (let i = 0; i < length; i++) {
    suffix += safeAlphabet.charAt(value % safeAlphabet.length);
    value = Math.floor(value / safeAlphabet.length);
  }
  return suffix;
}

/** `<base>-<5 characters>` as `metadata.generateName` makes them. `seed` takes the place of chance. */
export function generatedName(base: string, seed: string): string {
  return generatedPrefix(base) + safeSuffix(seed, 5);
}

/** What `metadata.generateName` holds: the base cut so that the whole name fits, with a dash. */
export function generatedPrefix(base: string): string {
  return `${base}-`.slice(0, longestGeneratedBase);
}

const templateHashes = new WeakMap<object, string>();

/** `pod-template-hash`: depends on the template's content, not on the order of its keys. */
export function templateHash(template: object): string {
  let hash = templateHashes.get(template);
  if (hash === undefined) {
    hash = safeSuffix(canonicalText(template), 10);
    templateHashes.set(template, hash);
  }
  return hash;
}

/** JSON with sorted keys. */
function canonicalText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalText).join()}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const entries = Object.entries(value).filter(([, child]) => child !== undefined);
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, child]) => `${JSON.stringify(key)}:${canonicalText(child)}`).join()}}`;
}

/** Four 32-bit FNV-1a lanes with different seeds, each mixed at the end (MurmurHash3's finalizer), since FNV's high bits are weak. */
function lanes(text: string): [number, number, number, number] {
  let [a, b, c, d] = [0x811c9dc5, 0x9747b28c, 0x3c6ef372, 0x1f83d9ab];
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 0x01000193);
    b = Math.imul(b ^ code, 0x85ebca6b);
    c = Math.imul(c ^ code, 0xc2b2ae35);
    d = Math.imul(d ^ code, 0x27d4eb2f);
  }
  return [mixed(a), mixed(b), mixed(c), mixed(d)];
}

function mixed(lane: number): number {
  let value = Math.imul(lane ^ (lane >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}

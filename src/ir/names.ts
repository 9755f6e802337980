/** Kernel names: short, stable, and findable by a person. */

import type { InterfaceName } from "./network.ts";

/** 32-bit FNV-1a. For names only: never for anything that an adversary may choose to collide. */
function fnv1a(text: string, seed: number): number {
  let hash = seed;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** `digits` (at most 16) hexadecimal digits that depend on all of `text`. */
export function hashDigits(text: string, digits: number): string {
  const high = fnv1a(text, 0x811c9dc5).toString(16).padStart(8, "0");
  const low = digits > 8 ? fnv1a(text, 0x9747b28c).toString(16).padStart(8, "0") : "";
  return (high + low).slice(0, digits);
}

/**
 * A name for an interface that belongs to `owner`: the end of its name and a hash of `key`, at most 15 characters:
 * `aks-np1-1234-vmss00000a` gives `mss00000a-3f2a91`.
 */
export function interfaceName(owner: string, key: string): InterfaceName {
  const readable = owner.replace(/[^A-Za-z0-9]+/g, "").slice(-8);
  return `${readable}-${hashDigits(key, 6)}`;
}

/**
 * `guid()` and `uniqueString()`, as Azure computes them.
 *
 * `guid`: a name-based UUID of version 5 (RFC 4122, 4.3) of the arguments with `-` between, in a namespace of Azure's own (Azure docs:
 * bicep/bicep-functions-string, guid). `uniqueString`: the arguments with `-` between, through the 64-bit form of MurmurHash3 for 32-bit machines,
 * as 13 digits of base 32. Azure does not document it; values that deployments returned agree (`hashes.test.ts`).
 */

import { utf8 } from "./encodings.ts";

const namespace = "11fb06fb712d4ddd98c7e71bbd588830";

export function nameBasedGuid(texts: readonly string[]): string {
  const space = Array.from({ length: 16 }, (_, index) => Number.parseInt(namespace.slice(2 * index, 2 * index + 2), 16));
  const hash = sha1([...space, ...utf8(texts.join("-"))]).slice(0, 16);
  hash[6] = ((hash[6] ?? 0) & 0x0f) | 0x50;
  hash[8] = ((hash[8] ?? 0) & 0x3f) | 0x80;
  const digits = hash.map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return [digits.slice(0, 8), digits.slice(8, 12), digits.slice(12, 16), digits.slice(16, 20), digits.slice(20)].join("-");
}

export function uniqueText(texts: readonly string[]): string {
  const { high, low } = murmur64(utf8(texts.join("-")));
  const hash = (BigInt(high) << 32n) | BigInt(low);
  const digits = "abcdefghijklmnopqrstuvwxyz234567";
  // From the top, 5 bits each; the last digit has 4.
  return Array.from({ length: 13 }, (_, index) => digits[Number(((hash << BigInt(5 * index)) >> 59n) & 31n)]).join("");
}

/** SHA-1 (FIPS 180-4) as 20 bytes: for names, not for secrecy. */
function sha1(bytes: readonly number[]): number[] {
  const words = Array<number>(((bytes.length + 8) >> 6) * 16 + 16).fill(0);
  for (const [at, byte] of [...bytes, 0x80].entries()) words[at >> 2] = (words[at >> 2] ?? 0) | (byte << (24 - 8 * (at & 3)));
  words[words.length - 1] = bytes.length * 8;
  const state = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0];
  for (let block = 0; block < words.length; block += 16) {
    const schedule = words.slice(block, block + 16);
    for (let i = 16; i < 80; i++) {
      schedule.push(rotated((schedule[i - 3] ?? 0) ^ (schedule[i - 8] ?? 0) ^ (schedule[i - 14] ?? 0) ^ (schedule[i - 16] ?? 0), 1));
    }
    let [a = 0, b = 0, c = 0, d = 0, e = 0] = state;
    for (const [i, word] of schedule.entries()) {
      const [mixed, constant] =
        i < 20
          ? [(b & c) | (~b & d), 0x5a827999]
          : i < 40
            ? [b ^ c ^ d, 0x6ed9eba1]
            : i < 60
              ? [(b & c) | (b & d) | (c & d), 0x8f1bbcdc]
              : [b ^ c ^ d, 0xca62c1d6];
      [a, b, c, d, e] = [(rotated(a, 5) + mixed + e + constant + word) | 0, a, rotated(b, 30), c, d];
    }
    for (const [index, value] of [a, b, c, d, e].entries()) state[index] = ((state[index] ?? 0) + value) | 0;
  }
  return state.flatMap((word) => [24, 16, 8, 0].map((shift) => (word >>> shift) & 0xff));
}

function murmur64(bytes: readonly number[]): { readonly high: number; readonly low: number } {
  const [c1, c2] = [0x239b961b, 0xab0e9789];
  const first = (word: number) => Math.imul(rotated(Math.imul(word, c1), 15), c2);
  const second = (word: number) => Math.imul(rotated(Math.imul(word, c2), 17), c1);
  const wordAt = (at: number) => [0, 1, 2, 3].reduce((word, byte) => word | ((bytes[at + byte] ?? 0) << (8 * byte)), 0);
  let [h1, h2, at] = [0, 0, 0];
  for (; at + 8 <= bytes.length; at += 8) {
    h1 = rotated(h1 ^ first(wordAt(at)), 19) + h2;
    h1 = (Math.imul(h1, 5) + 0x561ccd1b) | 0;
    h2 = rotated(h2 ^ second(wordAt(at + 4)), 13) + h1;
    h2 = (Math.imul(h2, 5) + 0x0bcaa747) | 0;
  }
  if (bytes.length > at) h1 ^= first(wordAt(at));
  if (bytes.length > at + 4) h2 ^= second(wordAt(at + 4));
  h1 ^= bytes.length;
  h2 ^= bytes.length;
  h1 = (h1 + h2) | 0;
  h2 = (h2 + h1) | 0;
  h1 = avalanche(h1);
  h2 = avalanche(h2);
  h1 = (h1 + h2) | 0;
  h2 = (h2 + h1) | 0;
  return { high: h2 >>> 0, low: h1 >>> 0 };
}

function avalanche(word: number): number {
  let hash = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

function rotated(word: number, by: number): number {
  return (word << by) | (word >>> (32 - by));
}

/**
 * The kernel's `jhash` as nftables uses it (net/netfilter/nft_hash.c, include/linux/jhash.h).
 *
 * nftables lays the fields of a key out in registers: each component of a concatenation starts a word of 32 bits, addresses and ports in
 * network order and zero-padded behind, marks and one-byte numbers in host order. The length is that of all words, except that a single
 * field counts only its own bytes. All machines that we run on are little-endian, so the words here are the bytes read that way.
 */

const initialValue = 0xdeadbeef;

/** A slot in `0 … modulus - 1` for the words of a key that is `lengthBytes` long, as `jhash … mod modulus seed seed` picks it. */
export function jhashSlot(words: ArrayLike<number>, lengthBytes: number, seed: number, modulus: number): number {
  return reciprocalScale(jhash(words, lengthBytes, seed), modulus);
}

/** Jenkins' lookup3 over little-endian words; bytes behind `lengthBytes` must be zero. */
export function jhash(words: ArrayLike<number>, lengthBytes: number, seed: number): number {
  let a = (initialValue + lengthBytes + seed) | 0;
  let b = a;
  let c = a;
  let at = 0;
  let left = lengthBytes;
  for (; left > 12; left -= 12, at += 3) {
    a = (a + word(words, at)) | 0;
    b = (b + word(words, at + 1)) | 0;
    c = (c + word(words, at + 2)) | 0;
    a = (a - c) ^ rotate(c, 4);
    c = (c + b) | 0;
    b = (b - a) ^ rotate(a, 6);
    a = (a + c) | 0;
    c = (c - b) ^ rotate(b, 8);
    b = (b + a) | 0;
    a = (a - c) ^ rotate(c, 16);
    c = (c + b) | 0;
    b = (b - a) ^ rotate(a, 19);
    a = (a + c) | 0;
    c = (c - b) ^ rotate(b, 4);
    b = (b + a) | 0;
  }
  if (left === 0) return c >>> 0;
  a = (a + word(words, at)) | 0;
  if (left > 4) b = (b + word(words, at + 1)) | 0;
  if (left > 8) c = (c + word(words, at + 2)) | 0;
  c = ((c ^ b) - rotate(b, 14)) | 0;
  a = ((a ^ c) - rotate(c, 11)) | 0;
  b = ((b ^ a) - rotate(a, 25)) | 0;
  c = ((c ^ b) - rotate(b, 16)) | 0;
  a = ((a ^ c) - rotate(c, 4)) | 0;
  b = ((b ^ a) - rotate(a, 14)) | 0;
  c = ((c ^ b) - rotate(b, 24)) | 0;
  return c >>> 0;
}

/** `value * range / 2^32` rounded down, exactly (include/linux/kernel.h). */
export function reciprocalScale(value: number, range: number): number {
  const high = value >>> 16;
  const low = value & 0xffff;
  return Math.floor((high * range + Math.floor((low * range) / 65536)) / 65536);
}

/** A 32-bit number's bytes the other way round: network order as a little-endian machine reads it. */
export function swap32(value: number): number {
  return ((value & 0xff) << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24);
}

/** A port in network order at the start of a word. */
export function swap16(value: number): number {
  return ((value & 0xff) << 8) | ((value >>> 8) & 0xff);
}

function word(words: ArrayLike<number>, at: number): number {
  return (words[at] ?? 0) | 0;
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

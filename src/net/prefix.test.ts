import fc from "fast-check";
import ipaddr from "ipaddr.js";
import { describe, expect, test } from "vitest";
import { mustAddress } from "./address.ts";
import {
  addressAt,
  addressOf,
  lastAddressOf,
  lengthOf,
  mergePrefixes,
  mustPrefix,
  parseLoosePrefix,
  parsePrefix,
  prefixContains,
  prefixCovers,
  prefixesOverlap,
  prefixOf,
  sizeOf,
} from "./prefix.ts";
import { PrefixTrie } from "./prefix-trie.ts";

const prefix = fc
  .oneof(fc.tuple(fc.ipV4(), fc.nat(32)), fc.tuple(fc.ipV6(), fc.nat(128)))
  .map(([address, length]) => prefixOf(mustAddress(address), length));

describe("parsePrefix", () => {
  const refused = ["10.0.0.0", "10.0.0.1/24", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08", "10.0.0.0/", "/8", "::/129", "10.0.0.0/8/8"];
  for (const text of refused) test(`refuses ${text}`, () => expect(parsePrefix(text)).toBeUndefined());
  test("keeps what is canonical", () => fc.assert(fc.property(prefix, (p) => parsePrefix(p) === p)));
  test("loosely clears host bits", () => expect(parseLoosePrefix("10.0.0.77/24")).toBe("10.0.0.0/24"));
});

test("contains agrees with ipaddr.js", () => {
  fc.assert(
    fc.property(fc.ipV4(), fc.ipV4(), fc.nat(32), (a, b, length) => {
      const p = prefixOf(mustAddress(a), length);
      return prefixContains(p, mustAddress(b)) === ipaddr.IPv4.parse(b).match(ipaddr.IPv4.parse(addressOf(p)), length);
    }),
  );
});

test("the first and the last address are inside, their neighbours are not", () => {
  fc.assert(fc.property(prefix, (p) => prefixContains(p, addressOf(p)) && prefixContains(p, lastAddressOf(p))));
  expect(prefixContains(mustPrefix("10.0.1.0/24"), mustAddress("10.0.2.0"))).toBe(false);
  expect(lastAddressOf(mustPrefix("10.0.1.0/24"))).toBe("10.0.1.255");
  expect(lastAddressOf(mustPrefix("0.0.0.0/0"))).toBe("255.255.255.255");
});

test("two prefixes overlap exactly when one covers the other", () => {
  fc.assert(fc.property(prefix, prefix, (a, b) => prefixesOverlap(a, b) === (prefixCovers(a, b) || prefixCovers(b, a))));
  expect(prefixCovers(mustPrefix("172.16.0.0/12"), mustPrefix("172.30.0.0/16"))).toBe(true);
  expect(prefixesOverlap(mustPrefix("10.0.0.0/24"), mustPrefix("10.0.1.0/24"))).toBe(false);
});

describe("merged prefixes", () => {
  test("are as few as can be", () => {
    const merged = (...texts: readonly string[]) => mergePrefixes(texts.map(mustPrefix));
    expect(merged("10.0.1.0/24", "10.0.0.0/24")).toEqual(["10.0.0.0/23"]);
    expect(merged("10.0.1.0/24", "10.0.2.0/24")).toEqual(["10.0.1.0/24", "10.0.2.0/24"]);
    expect(merged("10.0.0.0/24", "10.0.2.0/23", "10.0.1.0/24", "10.0.0.7/32")).toEqual(["10.0.0.0/22"]);
    expect(merged("0.0.0.0/1", "128.0.0.0/1")).toEqual(["0.0.0.0/0"]);
  });
  test("hold the same addresses, each once", () => {
    // Close together, so that they meet.
    const close = fc
      .tuple(fc.integer({ min: 0, max: 63 }), fc.integer({ min: 26, max: 32 }))
      .map(([host, length]) => prefixOf(mustAddress(`10.0.0.${host}`), length));
    fc.assert(
      fc.property(fc.array(close, { maxLength: 12 }), (prefixes) => {
        const merged = mergePrefixes(prefixes);
        for (let host = 0; host < 64; host++) {
          const address = mustAddress(`10.0.0.${host}`);
          const holding = merged.filter((one) => prefixContains(one, address)).length;
          expect(holding).toBe(prefixes.some((one) => prefixContains(one, address)) ? 1 : 0);
        }
      }),
    );
  });
});

test("addresses by index", () => {
  const p = mustPrefix("10.0.0.252/30");
  expect([0, 1, 2, 3, 4, -1].map((index) => addressAt(p, index))).toEqual([
    "10.0.0.252",
    "10.0.0.253",
    "10.0.0.254",
    "10.0.0.255",
    undefined,
    undefined,
  ]);
  expect(addressAt(mustPrefix("fd00::/64"), 256)).toBe("fd00::100");
  expect(sizeOf(p)).toBe(4);
});

test("the trie finds the longest prefix, as a scan does", () => {
  const near = fc.tuple(fc.nat(3), fc.nat(32)).map(([last, length]) => prefixOf(mustAddress(`10.0.0.${last}`), length));
  fc.assert(
    fc.property(fc.array(near), fc.nat(4), (prefixes, last) => {
      const trie = new PrefixTrie<string>();
      for (const p of prefixes) trie.set(p, p);
      const address = mustAddress(`10.0.0.${last}`);
      const longest = prefixes.filter((p) => prefixContains(p, address)).sort((a, b) => lengthOf(b) - lengthOf(a))[0];
      return trie.lookup(address)?.value === longest && prefixes.every((p) => trie.get(p) === p);
    }),
  );
});

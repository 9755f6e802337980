import fc from "fast-check";
import { expect, test } from "vitest";
import { formatIpv4 } from "../../net/address.ts";
import { mustPrefix, type Prefix, prefixCovers, prefixesOverlap, prefixOf } from "../../net/prefix.ts";
import { PrefixSet } from "./prefix-set.ts";

// Few distinct bits, so that overlaps are common.
const prefix = fc
  .tuple(fc.integer({ min: 0, max: 15 }), fc.integer({ min: 0, max: 15 }), fc.integer({ min: 0, max: 32 }))
  .map(([high, low, length]) => prefixOf(formatIpv4(((high << 28) | low) >>> 0), length));

test("finds what looking at each would find", () => {
  fc.assert(
    fc.property(fc.array(prefix, { maxLength: 20 }), prefix, (members, wanted) => {
      const set = new PrefixSet<number>();
      for (const [index, member] of members.entries()) set.add(member, index);
      const first = (matches: (member: Prefix) => boolean) => {
        const index = members.findIndex(matches);
        return index < 0 ? undefined : index;
      };
      expect(set.overlapping(wanted)?.value).toBe(first((member) => prefixesOverlap(member, wanted)));
      expect(set.covering(wanted)?.value).toBe(first((member) => prefixCovers(member, wanted)));
    }),
  );
});

test("IPv6 prefixes are left out", () => {
  const set = new PrefixSet<number>();
  set.add(mustPrefix("fd00::/8"), 1);
  expect(set.overlapping(mustPrefix("fd00::/16"))).toBeUndefined();
  expect(set.covering(mustPrefix("0.0.0.0/0"))).toBeUndefined();
});

import fc from "fast-check";
import { expect, test } from "vitest";
import { closest, editDistance, nearest } from "./nearest.ts";

const known = ["podCidr", "serviceCidr", "networkPlugin", "networkPluginMode", "pools", "subnet"];

const cases: readonly (readonly [string, string | undefined])[] = [
  ["podCIDR", "podCidr"],
  ["pdoCidr", "podCidr"],
  ["networkPlugn", "networkPlugin"],
  ["networkPluginmode", "networkPluginMode"],
  ["pool", "pools"],
  ["subnets", "subnet"],
  ["somethingElse", undefined],
  ["", undefined],
];
for (const [text, want] of cases) test(`${JSON.stringify(text)} means ${want}`, () => expect(closest(text, known)).toBe(want));

test("a word means itself, and no text takes long", () => {
  fc.assert(fc.property(fc.string({ maxLength: 90 }), (text) => closest(text, [text]) === text));
  expect(closest("x".repeat(1_000_000), known)).toBeUndefined();
});

const names = ["vm/db", "internet/partner", "site/hq/erp", "shop-kubenet:shop/deploy/web"];

test.each([
  { text: "vm/bd", want: ["vm/db"] },
  { text: "internet/partnr", want: ["internet/partner"] },
  { text: "deploy/web", want: ["shop-kubenet:shop/deploy/web"] },
  { text: "Site/HQ/ERP", want: ["site/hq/erp"] },
  { text: "something else", want: [] },
])("$text", ({ text, want }) => expect(nearest(text, names)).toEqual(want));

test("distance is symmetric, zero for equal texts only, and bounded by the limit", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), fc.nat(12), (a, b, limit) => {
      const distance = editDistance(a, b, limit);
      return distance === editDistance(b, a, limit) && (distance === 0) === (a === b) && distance <= limit + 1;
    }),
  );
});

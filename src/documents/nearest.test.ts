import fc from "fast-check";
import { expect, test } from "vitest";
import { nearest } from "./nearest.ts";

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
for (const [text, want] of cases) test(`${JSON.stringify(text)} means ${want}`, () => expect(nearest(text, known)).toBe(want));

test("a word means itself, and no text takes long", () => {
  fc.assert(fc.property(fc.string({ maxLength: 90 }), (text) => nearest(text, [text]) === text));
  expect(nearest("x".repeat(1_000_000), known)).toBeUndefined();
});

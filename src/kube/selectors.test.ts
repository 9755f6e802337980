import { describe, expect, test } from "vitest";
import type { LabelSelector } from "./objects.ts";
import { matchesLabels, selects } from "./selectors.ts";

const labels = { app: "web", tier: "front" };

describe("selects", () => {
  const cases: readonly (readonly [name: string, selector: LabelSelector, picked: boolean])[] = [
    ["everything when empty", {}, true],
    ["by one label", { matchLabels: { app: "web" } }, true],
    ["by all labels", { matchLabels: { app: "web", tier: "back" } }, false],
    ["In", { matchExpressions: [{ key: "app", operator: "In", values: ["api", "web"] }] }, true],
    ["In, absent", { matchExpressions: [{ key: "zone", operator: "In", values: ["a"] }] }, false],
    ["NotIn", { matchExpressions: [{ key: "app", operator: "NotIn", values: ["web"] }] }, false],
    ["NotIn, absent", { matchExpressions: [{ key: "zone", operator: "NotIn", values: ["a"] }] }, true],
    ["Exists", { matchExpressions: [{ key: "tier", operator: "Exists" }] }, true],
    ["DoesNotExist", { matchExpressions: [{ key: "tier", operator: "DoesNotExist" }] }, false],
    ["both", { matchLabels: { app: "web" }, matchExpressions: [{ key: "tier", operator: "DoesNotExist" }] }, false],
    ["no inherited property", { matchExpressions: [{ key: "constructor", operator: "Exists" }] }, false],
  ];
  for (const [name, selector, picked] of cases) test(name, () => expect(selects(selector, labels)).toBe(picked));
  test("nothing of an object without labels", () => expect(selects({ matchLabels: { app: "web" } }, undefined)).toBe(false));
});

test("matchesLabels wants all of them", () => {
  expect(matchesLabels({ app: "web" }, labels)).toBe(true);
  expect(matchesLabels({ app: "web", zone: "a" }, labels)).toBe(false);
  expect(matchesLabels({}, undefined)).toBe(true);
});

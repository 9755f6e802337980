import fc from "fast-check";
import { expect, test } from "vitest";
import { editDistance, nearest } from "./nearest.ts";

const known = ["vm/db", "internet/partner", "site/hq/erp", "shop-kubenet:shop/deploy/web"];

test.each([
  { text: "vm/bd", want: ["vm/db"] },
  { text: "internet/partnr", want: ["internet/partner"] },
  { text: "deploy/web", want: ["shop-kubenet:shop/deploy/web"] },
  { text: "Site/HQ/ERP", want: ["site/hq/erp"] },
  { text: "something else", want: [] },
])("$text", ({ text, want }) => expect(nearest(text, known)).toEqual(want));

test("distance is symmetric, zero for equal texts only, and bounded by the limit", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), fc.nat(12), (a, b, limit) => {
      const distance = editDistance(a, b, limit);
      return distance === editDistance(b, a, limit) && (distance === 0) === (a === b) && distance <= limit + 1;
    }),
  );
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { generatedName, safeSuffix, templateHash, uuidOf } from "./identity.ts";

describe("identity", () => {
  it("makes UUID-shaped hashes that differ", () => {
    expect(uuidOf("a")).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    const many = new Set(Array.from({ length: 20_000 }, (_, index) => uuidOf(`/kubernetes/c/Pod/default/web-${index}`)));
    expect(many.size).toBe(20_000);
  });

  it("spreads suffixes over their whole range", () => {
    const many = new Set(Array.from({ length: 20_000 }, (_, index) => safeSuffix(`default/web/${index}`, 5)));
    // 27^5 values: about 14 of 20,000 fall together by chance.
    expect(many.size).toBeGreaterThan(19_950);
  });

  it("keeps generated names within 63 characters", () => {
    expect(generatedName("a".repeat(80), "seed")).toHaveLength(63);
    expect(generatedName("web-5d8f", "seed")).toMatch(/^web-5d8f-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
  });

  it("hashes what a template says, not how it is written", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (template) => {
        const reversed = Object.fromEntries(Object.entries(template).reverse());
        expect(templateHash(reversed)).toBe(templateHash({ ...template }));
        expect(templateHash({ ...template, "\u0000": 1 })).not.toBe(templateHash(template));
      }),
    );
  });
});

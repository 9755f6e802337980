import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { namespaceName } from "./namespaces.ts";

describe("the name of a host's namespace", () => {
  test.each([
    ["node/shop/aks-np1-000000", "node~shop~aks-np1-000000"],
    ["pod/a~b", "pod~a%7Eb"],
    ["..", "%2E."],
    ["", "%2E"],
    ["ü x", "%C3%BC%20x"],
  ])("%j is %s", (host, want) => expect(namespaceName(host)).toBe(want));

  test("is a file name of at most 200 bytes, and another for another host", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), fc.string({ unit: "binary", maxLength: 300 }), (a, b) => {
        expect(namespaceName(a)).toMatch(/^[A-Za-z0-9_%@:+,-][A-Za-z0-9_.~%@:+,-]{0,199}$|^~/);
        expect(namespaceName(a).length).toBeLessThanOrEqual(200);
        if (a !== b) expect(namespaceName(a)).not.toBe(namespaceName(b));
      }),
    );
    expect(namespaceName(`${"x".repeat(300)}1`)).not.toBe(namespaceName(`${"x".repeat(300)}2`));
  });
});

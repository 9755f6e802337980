import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { md5 } from "./md5.ts";

test("RFC 1321, A.5", () => {
  expect(md5("")).toBe("d41d8cd98f00b204e9800998ecf8427e");
  expect(md5("message digest")).toBe("f96b697d7cb7938d525a2f31aaf161d0");
});

test("is what others compute", () => {
  fc.assert(
    fc.property(
      fc.string({ maxLength: 200, unit: "grapheme" }),
      (text) => md5(text) === createHash("md5").update(text, "utf8").digest("hex"),
    ),
  );
});

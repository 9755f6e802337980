import { expect, test } from "vitest";
import { plainScalar } from "./scalar.ts";

const plain: readonly (readonly [string, unknown])[] = [
  ["", null],
  ["~", null],
  ["null", null],
  ["true", true],
  ["yes", true],
  ["Off", false],
  ["y", "y"],
  ["12", 12],
  ["-0", 0],
  ["0644", 420],
  ["0o17", 15],
  ["0x1F", 31],
  ["0b101", 5],
  ["1_000", 1000],
  ["089", 89],
  ["1.30", 1.3],
  ["1e3", 1000],
  [".5", 0.5],
  ["1.2.3", "1.2.3"],
  ["12:30", "12:30"],
  ["2001-01-01", "2001-01-01"],
  [".inf", ".inf"],
  ["1e999", "1e999"],
  ["10.0.0.0/16", "10.0.0.0/16"],
  ["-", "-"],
  ["+", "+"],
];
for (const [text, value] of plain) test(`${JSON.stringify(text)} is ${JSON.stringify(value)}`, () => expect(plainScalar(text)).toBe(value));

import { expect, test } from "vitest";
import { diagnose } from "./doctor.ts";
import { findProgram } from "./programs.ts";

test("every check says what it found, why it matters and what to do", () => {
  const checks = diagnose();
  expect(checks.length).toBeGreaterThan(process.platform === "linux" ? 10 : 0);
  for (const check of checks) {
    for (const text of [check.name, check.found, check.why, check.fix]) expect(text).not.toBe("");
  }
  expect(new Set(checks.map((check) => check.name)).size).toBe(checks.length);
});

test("programs are found where ordinary users do not look", () => {
  expect(findProgram("sh")).toMatch(/\/sh$/);
  expect(findProgram("no-such-program-anywhere")).toBeUndefined();
});

import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { cutLog } from "./log.ts";

const folder = mkdtempSync(join(tmpdir(), "drydock-log-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("a log that is too long keeps its newer half, in whole lines", () => {
  const path = join(folder, "long");
  for (let line = 0; line < 100; line++) appendFileSync(path, `line ${line}\n`);
  cutLog(path, 400);
  const lines = readFileSync(path, "utf8").split("\n");
  expect(statSync(path).size).toBeLessThanOrEqual(200);
  expect(lines[0]).toMatch(/^line \d\d$/);
  expect(lines.slice(-2)).toEqual(["line 99", ""]);
});

test("a short one stays as it is", () => {
  const path = join(folder, "short");
  appendFileSync(path, "one\ntwo\n");
  cutLog(path, 400);
  expect(readFileSync(path, "utf8")).toBe("one\ntwo\n");
});

import { closeSync, openSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import { Kernel } from "../../src/kernel/index.ts";
import { host, network } from "./build.ts";
import { requireKernel } from "./require-kernel.ts";

requireKernel();

const kernel = new Kernel();
const open: number[] = [];
afterAll(() => {
  for (const fd of open) closeSync(fd);
  kernel.close();
});

test("rules are read and written in a process with more than 1,024 open descriptors", () => {
  for (let count = 0; count < 1100; count++) open.push(openSync("/dev/null", "r"));
  const table = { family: "ip", name: "t", chains: [{ name: "c", rules: [] }], sets: [], maps: [] } as const;
  expect(kernel.apply(network(host("many", [], { ruleSet: [table] }))).errors).toEqual([]);
  expect(kernel.observe("many").ruleSet).toContain("chain c");
});

import { closeSync, openSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import { Kernel } from "../../src/kernel/index.ts";
import { listNft } from "../../src/kernel/nftables.ts";
import { requireKernel } from "./require-kernel.ts";

requireKernel();

const open: number[] = [];
afterAll(() => {
  for (const fd of open) closeSync(fd);
});

test("rules are read and written in a process with more than 1,024 open descriptors", () => {
  expect(new Kernel().names()).toEqual([]);
  listNft();
  for (let count = 0; count < 1100; count++) open.push(openSync("/dev/null", "r"));
  expect(listNft()).toBe("");
  expect(() => listNft("list nonsense")).toThrow(/syntax error/);
});

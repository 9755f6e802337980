/** Advice as a user gets it. */

import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runCommand } from "./testing/run.ts";

const design = "examples/two-options/lab.yaml";
const goldens = "../../test/goldens/two-options";

function answersFile(text: string): string {
  const path = join(mkdtempSync(join(tmpdir(), "drydock-")), "answers.yaml");
  writeFileSync(path, text);
  return path;
}

test("as text and as Markdown", async () => {
  const text = await runCommand(["advise", design]);
  expect(text.status).toBe(0);
  await expect(text.stdout).toMatchFileSnapshot(`${goldens}/advise.txt`);
  await expect((await runCommand(["advise", design, "-o", "markdown"])).stdout).toMatchFileSnapshot(`${goldens}/advise.md`);
});

test("the lesson's", async () => {
  await expect((await runCommand(["advise", "--rules", "lesson", design])).stdout).toMatchFileSnapshot(`${goldens}/advise-lesson.txt`);
});

test("the questions are a file of answers in which nothing is answered", async () => {
  const { stdout } = await runCommand(["advise", "--questions"]);
  const path = answersFile(`${stdout}cluster: later\n`);
  const { status, stdout: advice } = await runCommand(["advise", "--answers", path, "-o", "json"]);
  expect(status).toBe(0);
  expect(JSON.parse(advice)).toMatchObject({ version: "drydock.advice/1", clusters: [{ cluster: "later", recommended: "overlay" }] });
});

test("status 1 for what cannot be had together", async () => {
  const path = answersFile("virtualNodes: true\ndualStack: true\n");
  const { status, stdout } = await runCommand(["advise", "--answers", path]);
  expect(status).toBe(1);
  expect(stdout).toContain("What cannot be had together");
});

test("refused: answers to what documents say, clusters that are not there, nothing at all", async () => {
  const nodes = await runCommand(["advise", design, "--answers", answersFile("nodes: 3\n")]);
  expect([nodes.status, nodes.stderr]).toEqual([2, expect.stringContaining("nodes is what the documents say")]);
  const other = await runCommand(["advise", design, "--answers", answersFile("cluster: other\n")]);
  expect([other.status, other.stderr]).toEqual([2, expect.stringContaining("its clusters are shop-azure, shop-kubenet")]);
  expect((await runCommand(["advise"])).status).toBe(2);
});

/** What the examples' READMEs show is what the commands print: each is run, and its output is put where the README has it. Update with -u. */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { runCommand } from "../../src/cli/testing/run.ts";

const root = join(import.meta.dirname, "../..");
const readmes = readdirSync(join(root, "examples"))
  .map((example) => join("examples", example, "README.md"))
  .filter((path) => existsSync(join(root, path)));

describe.each(readmes)("%s", (path) => {
  test("says what its commands print", async () => {
    const text = readFileSync(join(root, path), "utf8");
    await expect(await withOutputs(text)).toMatchFileSnapshot(join(root, path));
  });
});

/** Blocks of the language `console` are commands on files, each after a `$`, with what they print. */
async function withOutputs(text: string): Promise<string> {
  const parts = text.split(/(?<=^```console\n)(.*?)(?=^```$)/ms);
  const filled = parts.map(async (part, index) => (index % 2 === 0 ? part : await blockOf(part)));
  return (await Promise.all(filled)).join("");
}

async function blockOf(block: string): Promise<string> {
  const commands = block.split("\n").filter((line) => line.startsWith("$ "));
  const printed = commands.map(async (line) => {
    const [program, ...words] = line.slice(2).trim().split(/\s+/);
    if (program !== "drydock") throw new Error(`not a drydock command: ${line}`);
    const { status, stdout, stderr } = await runCommand(words, { cwd: root });
    if (status > 1) throw new Error(`${line}\n${stderr}`);
    return `${line}\n${stdout}${stderr}`.trimEnd();
  });
  return `${(await Promise.all(printed)).join("\n\n")}\n`;
}

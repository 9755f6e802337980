import { expect, test } from "vitest";
import { plain } from "../render/style.ts";
import { examplesOf } from "./command.ts";
import { makeProgram } from "./program.ts";
import { renderReference } from "./reference.ts";

const quiet = { write: () => true };
const signal = new AbortController().signal;
const program = makeProgram({
  stdout: quiet,
  stderr: quiet,
  env: {},
  cwd: "/",
  signal,
  terminate: signal,
  graceful: false,
  hasChild: false,
  style: plain,
  errorStyle: plain,
  exitStatus: 0,
});

test("docs/cli.md is what the commands say", async () => {
  await expect(renderReference(program)).toMatchFileSnapshot("../../docs/cli.md");
});

test("every command has a summary and examples", () => {
  for (const command of program.commands.filter((one) => !one.name().startsWith("__"))) {
    expect(command.summary(), command.name()).not.toBe("");
    for (const one of command.commands.length > 0 ? command.commands : [command]) {
      expect(examplesOf(one).length, `${command.name()} ${one.name()}`).toBeGreaterThan(0);
    }
  }
});

test("every example starts with the command that it is an example of", () => {
  for (const command of program.commands) {
    for (const { type } of examplesOf(command)) expect(type).toContain(`drydock ${command.name()}`);
  }
});

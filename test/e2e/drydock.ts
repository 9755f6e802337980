/** Types the built command as a user types it. */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const program = join(import.meta.dirname, "../../dist/drydock.mjs");
export const example = join(import.meta.dirname, "../../examples/two-options/lab.yaml");

export type Ran = { readonly status: number; readonly stdout: string; readonly stderr: string };

export type Typist = {
  readonly state: string;
  /** Words before the command line that make it run as somebody else, or elsewhere. */
  readonly as: readonly string[];
  readonly run: (...words: readonly string[]) => Promise<Ran>;
  /** Standard output as JSON; whatever the exit status. */
  readonly json: <T>(...words: readonly string[]) => Promise<T>;
  readonly start: (...words: readonly string[]) => { readonly child: ChildProcess; readonly ended: Promise<Ran> };
  readonly end: () => Promise<void>;
};

/** A user with labs of his own. */
export function typist(
  options: { readonly as?: readonly string[]; readonly state?: string; readonly env?: Record<string, string> } = {},
): Typist {
  const state = options.state ?? mkdtempSync(join(tmpdir(), "drydock-e2e-"));
  const env = { ...process.env, DRYDOCK_STATE: state, NO_COLOR: "1", ...options.env };
  const start = (...words: readonly string[]) => {
    const [command = "", ...args] = [...(options.as ?? []), process.execPath, program, ...words];
    const child = spawn(command, args, { env, stdio: ["ignore", "pipe", "pipe"], cwd: state });
    const printed = { stdout: "", stderr: "" };
    child.stdout.on("data", (chunk: Buffer) => {
      printed.stdout += chunk.toString("utf8");
    });
    child.stderr.on("data", (chunk: Buffer) => {
      printed.stderr += chunk.toString("utf8");
    });
    const ended = new Promise<Ran>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code, signal) => resolve({ status: code ?? (signal === null ? 1 : 128), ...printed }));
    });
    return { child, ended };
  };
  const run = (...words: readonly string[]) => start(...words).ended;
  async function json<T>(...words: readonly string[]): Promise<T> {
    const printed: T = JSON.parse((await run(...words, "-o", "json")).stdout);
    return printed;
  }
  return {
    state,
    as: options.as ?? [],
    run,
    json,
    start,
    end: async () => {
      await run("down", "--all");
      rmSync(state, { recursive: true, force: true });
    },
  };
}

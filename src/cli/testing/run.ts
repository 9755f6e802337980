/** Runs a command line in this process and takes down what it prints. */

import { plain } from "../../render/style.ts";
import type { Context } from "../context.ts";
import { run } from "../program.ts";

export type Ran = { readonly status: number; readonly stdout: string; readonly stderr: string };

export async function runCommand(
  words: readonly string[],
  options: { readonly cwd?: string; readonly env?: Context["env"] } = {},
): Promise<Ran> {
  const printed = { stdout: "", stderr: "" };
  const stream = (name: keyof typeof printed) => ({
    write: (text: string | Uint8Array) => {
      printed[name] += typeof text === "string" ? text : Buffer.from(text).toString("utf8");
      return true;
    },
  });
  const status = await run(
    {
      stdout: stream("stdout"),
      stderr: stream("stderr"),
      env: options.env ?? { DRYDOCK_STATE: "/nonexistent/drydock" },
      cwd: options.cwd ?? process.cwd(),
      signal: new AbortController().signal,
      terminate: new AbortController().signal,
      graceful: false,
      hasChild: false,
      style: plain,
      errorStyle: plain,
      exitStatus: 0,
    },
    words,
  );
  return { status, ...printed };
}

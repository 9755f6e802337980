/** What a command may touch of the world around it. Passed in, so that a test can run the commands without a process of their own. */

import type { DeploymentOptions } from "../documents/index.ts";
import { coloured, plain, type Style } from "../render/style.ts";

export type Stream = {
  /** False when the reader is slower than the writer. */
  write(text: string | Uint8Array): boolean;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
};

export type Context = {
  readonly stdout: Stream;
  readonly stderr: Stream;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Aborted by Ctrl-C and by SIGTERM. */
  readonly signal: AbortSignal;
  /** Aborted by SIGTERM and SIGHUP only, which a terminal does not send to children by itself. */
  readonly terminate: AbortSignal;
  /** Set by a command that watches the signals and ends by itself; others end at once. */
  graceful: boolean;
  /** Set while a program of the user's runs in the foreground: Ctrl-C is its, however often. */
  hasChild: boolean;
  /** Of standard output and standard error. */
  readonly style: Style;
  readonly errorStyle: Style;
  /** What the command ends with when nothing fails: 1 for an answer of no. */
  exitStatus: number;
  /** For deployment templates among the documents, from the options of the command. */
  deployment?: DeploymentOptions;
};

/** Colour on terminals only, never with NO_COLOR (no-color.org) or TERM=dumb; FORCE_COLOR turns it on anywhere. */
export function styleFor(stream: Stream, env: Context["env"]): Style {
  if (env.NO_COLOR !== undefined && env.NO_COLOR !== "") return plain;
  if (env.FORCE_COLOR !== undefined && env.FORCE_COLOR !== "" && env.FORCE_COLOR !== "0") return coloured;
  return stream.isTTY === true && env.TERM !== "dumb" ? coloured : plain;
}

export function processContext(signal: AbortSignal, terminate: AbortSignal): Context {
  const { stdout, stderr, env } = process;
  return {
    stdout,
    stderr,
    env,
    cwd: process.cwd(),
    signal,
    terminate,
    graceful: false,
    hasChild: false,
    style: styleFor(stdout, env),
    errorStyle: styleFor(stderr, env),
    exitStatus: 0,
  };
}

/** Columns for text that may be wrapped. */
export function columnsOf(stream: Stream): number {
  return Math.max(60, Math.min(stream.columns ?? 120, 160));
}

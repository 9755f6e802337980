/**
 * libnftables in process (libnftables(3)): whole transactions as text, and listings.
 *
 * A context belongs to the namespace in which it was made, and costs 30 µs, so each use has its own; it keeps the namespace for a moment longer. Only text goes in that `render` made:
 * the library aborts the process on some odd input.
 */

import { close, closeSync, openSync, readlinkSync, writeFileSync } from "node:fs";
import { koffi } from "./koffi.ts";
import { checked, libc } from "./libc.ts";

const libraryName = "libnftables.so.1";

type Library = {
  readonly create: (flags: number) => unknown;
  readonly free: (context: unknown) => void;
  readonly bufferOutput: (context: unknown) => number;
  readonly bufferErrors: (context: unknown) => number;
  readonly run: (context: unknown, text: string) => number;
  readonly runFile: (context: unknown, path: string) => number;
  readonly output: (context: unknown) => string;
  readonly errors: (context: unknown) => string;
  readonly setFlags: (context: unknown, flags: number) => void;
};

let bound: Library | undefined;

/** Throws when the library is not there: then `doctor` says what to install. */
export function nftLibrary(): Library {
  if (bound !== undefined) return bound;
  const library = koffi().load(libraryName);
  bound = {
    create: library.func("void *nft_ctx_new(uint32_t flags)"),
    free: library.func("void nft_ctx_free(void *context)"),
    bufferOutput: library.func("int nft_ctx_buffer_output(void *context)"),
    bufferErrors: library.func("int nft_ctx_buffer_error(void *context)"),
    run: library.func("int nft_run_cmd_from_buffer(void *context, str text)"),
    runFile: library.func("int nft_run_cmd_from_filename(void *context, str path)"),
    output: library.func("str nft_ctx_get_output_buffer(void *context)"),
    errors: library.func("str nft_ctx_get_error_buffer(void *context)"),
    setFlags: library.func("void nft_ctx_output_set_flags(void *context, uint32_t flags)"),
  };
  return bound;
}

/** `line` counts from 1 in the text that was given; absent when the library names none. */
export type NftProblem = { readonly line?: number; readonly text: string };

/** Runs text as one transaction in the current namespace: all of it or nothing. Returns what was wrong. */
export function runNft(text: string): readonly NftProblem[] {
  // One context after the other: there is one low number.
  const problem = inContext((library, context) =>
    library.run(context, text) === 0 ? undefined : (library.errors(context).split("\n")[0] ?? ""),
  );
  return problem === undefined ? [] : (located(text) ?? [{ text: problem }]);
}

/** For text in a buffer the library names no lines, for a file it does: so what was refused is tried again as a file in memory. */
function located(text: string): readonly NftProblem[] | undefined {
  return inContext((library, context) => {
    const fd = checked("memfd_create", libc().memfd_create("nft", 1 /* MFD_CLOEXEC */));
    try {
      writeFileSync(fd, text);
      if (library.runFile(context, `/proc/self/fd/${fd}`) === 0) return [];
      const problems = problemsOf(library.errors(context));
      return problems.length > 0 ? problems : undefined;
    } finally {
      closeSync(fd);
    }
  });
}

/** Counters and time left (NFT_CTX_OUTPUT_STATELESS) stay out of listings. */
const stateless = 4;

/** The current namespace's ruleset as `nft -s list ruleset` prints it. */
export function listNft(command = "list ruleset"): string {
  return inContext((library, context) => {
    library.setFlags(context, stateless);
    if (library.run(context, command) !== 0) throw new Error(`nft ${command}: ${library.errors(context)}`);
    return library.output(context);
  });
}

/**
 * The library waits for its socket with select(2), and the C library ends the process when the socket's number is 1024 or more (FD_SETSIZE). A lab
 * holds a socket for each listener, so a low number is kept for it: /dev/null has it, and makes room while a context opens its socket.
 */
let keptNumber: number | undefined;

function inContext<T>(fn: (library: Library, context: unknown) => T): T {
  const library = nftLibrary();
  if (keptNumber !== undefined) closeSync(keptNumber);
  keptNumber = undefined;
  // The lowest free number: the context's socket gets it.
  const number = openSync("/dev/null", "r");
  closeSync(number);
  const context = library.create(0);
  if (context === null) throw new Error(`${libraryName}: no context (out of memory)`);
  try {
    library.bufferOutput(context);
    library.bufferErrors(context);
    return fn(library, context);
  } finally {
    const socket = secondNumber(number);
    library.free(context);
    keptNumber ??= openSync("/dev/null", "r");
    if (socket !== undefined) close(socket, lateProblem);
  }
}

/**
 * Another descriptor for the socket with this number. Closing a socket of nftables waits until the kernel has forgotten what was deleted, some
 * milliseconds: with a second descriptor that happens in a thread of its own, while this one goes on.
 */
function secondNumber(number: number): number | undefined {
  try {
    if (!readlinkSync(`/proc/self/fd/${number}`).startsWith("socket:")) return undefined;
  } catch {
    // Something else had the number: the socket is closed the slow way.
    return undefined;
  }
  const F_DUPFD_CLOEXEC = 1030;
  return checked("fcntl(F_DUPFD_CLOEXEC)", libc().fcntl(number, F_DUPFD_CLOEXEC, highNumbers));
}

/** Beyond what select(2) takes, where low numbers are of no use. */
const highNumbers = 1024;

function lateProblem(error: Error | null): void {
  if (error !== null) process.stderr.write(`drydock: closing a socket of nftables: ${error.message}\n`);
}

/** Messages look so, each followed by the line in question and a line of marks: `/proc/self/fd/9:4:180-247: Error: datatype mismatch: …` */
function problemsOf(output: string): readonly NftProblem[] {
  const problems: NftProblem[] = [];
  for (const line of output.split("\n")) {
    const found = /^[^:\s]*:(\d+):\d+-\d+: (?:Error: )?(.*)$/.exec(line);
    if (found !== null) problems.push({ line: Number(found[1]), text: found[2] ?? "" });
    else if (line.includes("Error: ")) problems.push({ text: line.slice(line.indexOf("Error: ") + "Error: ".length) });
  }
  return problems;
}

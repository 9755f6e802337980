/**
 * Starts a lab's daemon, from outside: takes the lab's lock, makes namespaces with `unshare`, and runs the daemon in them.
 *
 * The lock is a file lock held by the daemon's own open descriptor: the kernel gives it back when the daemon is gone, however it went. The daemon
 * is process 1 of its process namespace: when it ends, everything in the lab ends, and the namespaces with it.
 */

import { spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { koffi } from "../kernel/index.ts";
import { ControlClient, ControlError, type DaemonInfo } from "./client.ts";
import daemonFlags from "./daemon-flags.json" with { type: "json" };
import { cutLog } from "./log.ts";
import { type LabPaths, labPaths } from "./state.ts";

export class LaunchError extends Error {
  readonly code: "running" | "refused" | "failed" | "unwritable";
  readonly fix: string;

  constructor(code: LaunchError["code"], message: string, fix: string, cause?: unknown) {
    super(message, { cause });
    this.name = "LaunchError";
    this.code = code;
    this.fix = fix;
  }
}

export type LaunchOptions = {
  readonly lab: string;
  readonly state: string;
  /** dist/world.mjs. */
  readonly program: string;
  readonly version: string;
  /** The daemon ends with this process. */
  readonly foreground: boolean;
};

export type Launched = {
  readonly client: ControlClient;
  readonly info: DaemonInfo /** Resolves when the daemon has ended. */;
  readonly ended: Promise<void>;
};

const startTimeoutMs = 20_000;
/** What a store needs to be opened, in bytes: the index of its write-ahead log, and the first pages. */
const leastRoom = 64 * 1024;
const namespaces = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];

/** Starts the daemon and waits until it answers. Nothing of it is left when this throws. */
export async function launch(options: LaunchOptions): Promise<Launched> {
  const paths = labPaths(options.state, options.lab);
  makeFolder(paths);
  const lock = takeLock(paths, options.lab);
  const attempts = [["--user", "--map-root-user", ...namespaces], ...(process.getuid?.() === 0 ? [namespaces] : [])];
  try {
    let refusal = "";
    for (const attempt of attempts) {
      const started = await start(options, paths, lock, attempt);
      if (typeof started !== "string") return started;
      refusal = started;
    }
    throw new LaunchError(
      "refused",
      `this machine does not let an unprivileged user make namespaces (${refusal})`,
      "run 'drydock doctor' for what to change, or run as root",
    );
  } finally {
    closeSync(lock);
  }
}

/** The labs that have state, and whether each runs. */
export async function knownLabs(state: string): Promise<readonly { readonly name: string; readonly running: boolean }[]> {
  let names: string[];
  try {
    names = readdirSync(state, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
  } catch {
    return [];
  }
  const labs = await Promise.all(
    names.sort().map(async (name) => {
      try {
        await new ControlClient(name, labPaths(state, name)).status();
        return { name, running: true };
      } catch (error) {
        return { name, running: error instanceof ControlError && error.code !== "not-running" };
      }
    }),
  );
  return labs;
}

/** Ends a lab and waits until its processes are gone. False when it was not running. */
export async function shutDown(client: ControlClient, paths: LabPaths, timeoutMs = 30_000): Promise<boolean> {
  const info = client.info();
  try {
    await client.stop();
  } catch (error) {
    if (error instanceof ControlError && error.code === "not-running") return false;
    // The answer may be lost as the daemon goes; whether it is gone is what counts.
  }
  const deadline = Date.now() + timeoutMs;
  while (info !== undefined && (alive(info.pid) || alive(info.unsharePid))) {
    if (Date.now() > deadline) {
      process.kill(info.unsharePid, "SIGKILL");
      break;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  rmSync(paths.socket, { force: true });
  rmSync(paths.info, { force: true });
  return true;
}

/** Forgets a lab's addresses and everything else about it. It must not run. */
export function purge(paths: LabPaths): void {
  rmSync(paths.folder, { recursive: true, force: true });
}

async function start(options: LaunchOptions, paths: LabPaths, lock: number, unshareOptions: readonly string[]): Promise<Launched | string> {
  rmSync(paths.socket, { force: true });
  rmSync(paths.info, { force: true });
  const log = openSync(paths.log, "a", 0o600);
  cutLog(paths.log);
  // In there only the daemon's own processes have numbers; here it finds out which it has outside.
  const proc = openSync("/proc", "r");
  const logStart = statSync(paths.log).size;
  const child = spawn(
    "unshare",
    [
      ...unshareOptions,
      process.execPath,
      // Room for what a change makes and drops; and without the network in the report that a dependency asks for to learn which C library there
      // is, which takes 200 ms. The build writes the code cache with the same flags.
      ...daemonFlags,
      options.program,
      options.lab,
      options.state,
      options.version,
      ...(options.foreground ? ["foreground"] : []),
    ],
    {
      detached: !options.foreground,
      // The last is the daemon's lifeline: it ends with the foreground, however that ends.
      stdio: ["ignore", log, log, lock, proc, ...(options.foreground ? (["pipe"] as const) : [])],
      cwd: paths.folder,
    },
  );
  closeSync(log);
  closeSync(proc);
  let exit: { readonly code: number | null } | undefined;
  let spawnError: Error | undefined;
  const ended = new Promise<void>((resolve) => {
    child.once("exit", (code) => {
      exit = { code };
      resolve();
    });
    child.once("error", (error) => {
      spawnError = error;
      exit = { code: null };
      resolve();
    });
  });
  const client = new ControlClient(options.lab, paths);
  const deadline = Date.now() + startTimeoutMs;
  for (;;) {
    if (exit !== undefined) {
      const said = readFileSync(paths.log, "utf8").slice(logStart);
      if (spawnError !== undefined)
        throw new LaunchError("failed", `cannot run unshare: ${spawnError.message}`, "install util-linux", spawnError);
      if (/^unshare: .*(unshare failed|cannot open|uid_map|Operation not permitted|No space left)/m.test(said)) return lastLine(said);
      throw explainEnd(said, paths);
    }
    try {
      // Before there is a socket there is nobody to ask.
      if (existsSync(paths.socket)) {
        await client.status();
        break;
      }
    } catch (error) {
      if (!(error instanceof ControlError)) throw error;
    }
    if (Date.now() > deadline) {
      child.kill("SIGKILL");
      throw new LaunchError(
        "failed",
        `the daemon of lab ${options.lab} did not answer within ${startTimeoutMs / 1000} s`,
        `look at ${paths.log}`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const info = client.info();
  if (info === undefined) throw new LaunchError("failed", `the daemon of lab ${options.lab} left no ${paths.info}`, `look at ${paths.log}`);
  if (!options.foreground) child.unref();
  return { client, info, ended };
}

function makeFolder(paths: LabPaths): void {
  try {
    makeFolders(paths.folder);
    const trial = join(paths.folder, ".writable");
    try {
      writeFileSync(trial, Buffer.alloc(leastRoom));
    } finally {
      rmSync(trial, { force: true });
    }
  } catch (error) {
    const full = error instanceof Error && "code" in error && (error.code === "ENOSPC" || error.code === "EDQUOT");
    throw full
      ? new LaunchError("unwritable", `${paths.folder}: the disk is full`, "make room, then run the command again", error)
      : new LaunchError(
          "unwritable",
          `${paths.folder} cannot be written: ${error instanceof Error ? error.message : String(error)}`,
          "make it writable, or choose another folder with DRYDOCK_STATE",
          error,
        );
  }
}

/** One after the other: Node's own recursive form never ends where a file system lies about its folders, as /proc does. */
function makeFolders(folder: string): void {
  if (existsSync(folder)) return;
  if (dirname(folder) !== folder) makeFolders(dirname(folder));
  mkdirSync(folder, { mode: 0o700 });
}

/** The lab's lock as an open descriptor, for the daemon to inherit. */
function takeLock(paths: LabPaths, lab: string): number {
  const flock = koffi().load(null).func("int flock(int fd, int operation)");
  const exclusiveNow = 2 | 4;
  const fd = openSync(paths.lock, "a", 0o600);
  if (flock(fd, exclusiveNow) === 0) return fd;
  closeSync(fd);
  const info = new ControlClient(lab, paths).info();
  const who = info === undefined ? "another command is starting it" : `its daemon is process ${info.pid}`;
  throw new LaunchError(
    "running",
    `lab ${lab} is already up: ${who}`,
    `use 'drydock apply FILE' to change it, 'drydock down --lab ${lab}' to end it, or another name with --name`,
  );
}

function explainEnd(said: string, paths: LabPaths): LaunchError {
  for (const line of said.trim().split("\n").reverse()) {
    if (!line.startsWith("{")) continue;
    try {
      const report: unknown = JSON.parse(line);
      if (typeof report === "object" && report !== null && "message" in report) {
        return new LaunchError(
          "failed",
          String(report.message),
          "fix" in report ? String(report.fix) : `run 'drydock doctor'; the daemon's own words are in ${paths.log}`,
        );
      }
    } catch {
      // Not the daemon's report: some other line that starts with a brace.
    }
  }
  return new LaunchError(
    "failed",
    `the daemon ended before it answered: ${lastLine(said)}`,
    `run 'drydock doctor'; the daemon's own words are in ${paths.log}`,
  );
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}

function alive(pid: number): boolean {
  try {
    // A zombie is gone as far as the lab goes.
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

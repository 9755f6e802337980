/**
 * Finds the lab that a command means, and talks to its daemon; starts daemons. What this needs (kernel, store, daemon) is loaded when it is needed, so
 * that commands on files start at once and run anywhere.
 */

import { fileURLToPath } from "node:url";
import type { Problem } from "../documents/index.ts";
import { nearest } from "../documents/nearest.ts";
import { LabView } from "../lab/view.ts";
import type { ControlClient } from "../world/client.ts";
import type { Progress, Trouble } from "../world/protocol.ts";
import { type LabPaths, labPaths, stateFolder } from "../world/state.ts";
import type { Context } from "./context.ts";
import { Failure, type FailureCode } from "./failure.ts";
import { documentFailure, unchanged, warn } from "./files.ts";
import type { Documents, Live, OnProgress } from "./live.ts";
import { version } from "./version.ts";

export type RunningLab = { readonly name: string; readonly pid: number };

/** Sorted by name. */
export async function runningLabs(context: Context): Promise<readonly RunningLab[]> {
  if (!isLinux()) return [];
  const { knownLabs } = await import("../world/launch.ts");
  const { ControlClient } = await import("../world/client.ts");
  const state = stateFolder(context.env);
  return (await knownLabs(state))
    .filter((lab) => lab.running)
    .map(({ name }) => ({ name, pid: new ControlClient(name, labPaths(state, name)).info()?.pid ?? 0 }));
}

/** The lab called `name`, else the only one that runs. */
export async function connect(context: Context, name: string | undefined): Promise<Live> {
  if (!isLinux()) {
    throw new Failure("environment", `labs run on Linux only, and this is ${process.platform}`, {
      fix: "name a FILE: trace, show and check --model work on documents everywhere",
    });
  }
  const running = await runningLabs(context);
  const wanted = name ?? (running.length === 1 ? running[0]?.name : undefined);
  const lab = running.find((candidate) => candidate.name === wanted);
  if (lab === undefined) throw notRunning(name, running);
  const { ControlClient } = await import("../world/client.ts");
  const paths = labPaths(stateFolder(context.env), lab.name);
  return liveOf(context, lab.name, new ControlClient(lab.name, paths), paths);
}

function notRunning(name: string | undefined, running: readonly RunningLab[]): Failure {
  const names = running.map((lab) => lab.name);
  if (name === undefined && names.length > 1) {
    return new Failure("lab", `${names.length} labs are running`, { fix: `say which one: --lab ${names.join(" or --lab ")}` });
  }
  const near = name === undefined ? [] : nearest(name, names);
  return new Failure("lab", name === undefined ? "no lab is running" : `lab ${name} is not running`, {
    details: near.map((other) => `did you mean: ${other}`),
    fix:
      names.length > 0
        ? `running: ${names.join(", ")}`
        : "start one with 'drydock up FILE', or name a FILE to work on documents without a lab",
  });
}

function isLinux(): boolean {
  return process.platform === "linux";
}

function liveOf(context: Context, name: string, client: ControlClient, paths: LabPaths): Live {
  /** Warnings are printed; with errors nothing was changed. */
  const accept = (problems: readonly Problem[]) => {
    if (problems.some((problem) => problem.severity === "error"))
      throw documentFailure([`lab ${name}`], problems, context.errorStyle, unchanged);
    warn(context, problems);
  };
  return {
    name,
    pid: client.info()?.pid ?? 0,
    view: () => guarded(async () => new LabView(name, await client.resources())),
    status: () => guarded(() => client.status()),
    apply: (documents, onProgress) =>
      guarded(async () => accept(await client.apply(documents, (progress) => onProgress(progressText(progress))))),
    scale: (pool, count, cluster, onProgress) =>
      guarded(async () => accept(await client.scale({ pool, cluster, count }, (progress) => onProgress(progressText(progress))))),
    addFault: (fault, onProgress) =>
      guarded(async () => accept(await client.addFault(fault, (progress) => onProgress(progressText(progress))))),
    removeFaults: (names, onProgress) =>
      guarded(async () => accept(await client.removeFaults(names, (progress) => onProgress(progressText(progress))))),
    probe: (requests, onResult) => guarded(() => client.probe(requests, onResult)),
    observe: (request) => guarded(() => client.observe(request)),
    flows: (host) => guarded(() => client.flows(host)),
    snatUse: () => guarded(() => client.snatUse()),
    stop: () =>
      guarded(async () => {
        const { shutDown } = await import("../world/launch.ts");
        await shutDown(client, paths);
      }),
  };
}

const failureCodes = {
  environment: "environment",
  request: "internal",
  "not-found": "unknown",
  failed: "internal",
} as const satisfies Record<Trouble["code"], FailureCode>;

/** Errors of the daemon and of its start, in the words of this command line. */
async function guarded<T>(work: () => Promise<T>): Promise<T> {
  const [{ ControlError }, { LaunchError }] = await Promise.all([import("../world/client.ts"), import("../world/launch.ts")]);
  try {
    return await work();
  } catch (error) {
    if (error instanceof LaunchError) {
      throw new Failure(error.code === "running" ? "lab" : "environment", error.message, { fix: error.fix, cause: error });
    }
    if (error instanceof ControlError) {
      if (error.code === "not-running") throw new Failure("lab", error.message, { cause: error });
      throw new Failure(failureCodes[error.code], error.message, {
        fix: error.fix ?? "'drydock status' shows the lab; what its daemon said is in its daemon.log",
        cause: error,
      });
    }
    throw error;
  }
}

export type LaunchOptions = { readonly name: string; readonly documents: Documents; readonly foreground: boolean };

export type LaunchedLab = {
  readonly live: Live;
  /** Resolves when the daemon has ended. */
  readonly ended: Promise<void>;
};

/**
 * Starts a lab and returns when all of it answers. When that fails or is interrupted, what was started is ended again; the addresses that it had
 * stored before stay.
 */
export async function launchLab(context: Context, options: LaunchOptions, onProgress: OnProgress): Promise<LaunchedLab> {
  if (!isLinux()) await connect(context, undefined);
  const { name, documents, foreground } = options;
  const state = stateFolder(context.env);
  const paths = pathsOf(state, name);
  const { launch } = await import("../world/launch.ts");
  onProgress(`starting lab ${name}`);
  const { client, ended } = await guarded(() => launch({ lab: name, state, program: worldProgram(), version, foreground }));
  const live = liveOf(context, name, client, paths);
  try {
    await interruptible(context, live.apply(documents, onProgress));
  } catch (error) {
    await live.stop();
    throw error;
  }
  return { live, ended };
}

/** Rejects as soon as the user interrupts. */
async function interruptible<T>(context: Context, work: Promise<T>): Promise<T> {
  const { signal } = context;
  const listening = new AbortController();
  const interrupted = new Promise<never>((_, reject) => {
    const stop = () => reject(new Failure("interrupted", "interrupted"));
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true, signal: listening.signal });
  });
  try {
    return await Promise.race([work, interrupted]);
  } finally {
    listening.abort();
    // The loser of the race may still fail, and nobody waits for it any more.
    work.catch(() => undefined);
  }
}

/** Bundled beside this command. */
function worldProgram(): string {
  return fileURLToPath(new URL("world.mjs", import.meta.url));
}

function pathsOf(state: string, name: string): LabPaths {
  try {
    return labPaths(state, name);
  } catch (error) {
    throw new Failure("usage", error instanceof Error ? error.message : String(error), { cause: error });
  }
}

/** Forgets what a lab that is not running has stored. False when there was nothing. */
export async function purgeLab(context: Context, name: string): Promise<boolean> {
  const state = stateFolder(context.env);
  const paths = pathsOf(state, name);
  const { knownLabs, purge } = await import("../world/launch.ts");
  if (!(await knownLabs(state)).some((lab) => lab.name === name)) return false;
  purge(paths);
  return true;
}

/** The state folder of a lab, for those who look for its log. */
export function stateOf(context: Context, name: string): LabPaths {
  return pathsOf(stateFolder(context.env), name);
}

function progressText({ phase, hosts, nodes, pods }: Progress): string {
  const counts = `${nodes} nodes, ${pods.ready} of ${pods.total} pods answer`;
  switch (phase) {
    case "controllers":
      return `giving addresses: ${nodes} nodes, ${pods.addressed} of ${pods.total} pods`;
    case "network":
      return `building the network: ${hosts.done} of ${hosts.total} hosts; ${counts}`;
    case "answering":
      return counts;
    case "probes":
      return `${counts}; waiting for health probes`;
    case "done":
      return counts;
    default:
      throw new Error(`unknown phase ${String(phase satisfies never)}`);
  }
}

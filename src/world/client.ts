/** The commands' side of the control socket. */

import { closeSync, openSync, readFileSync } from "node:fs";
import { request } from "node:http";
import type { Fault } from "../arm/faults.ts";
import type { Problem } from "../documents/index.ts";
import type { HostName } from "../ir/network.ts";
import { MemoryResources } from "../resources/memory.ts";
import type {
  ApplyLine,
  Entry,
  Flows,
  Observation,
  ObservedHost,
  ObserveRequest,
  ProbeLine,
  ProbeRequest,
  ProbeResult,
  Progress,
  SnatUse,
  Status,
  Trouble,
} from "./protocol.ts";
import type { LabPaths } from "./state.ts";
import { troubleSchema } from "./trouble.ts";

/** What `daemon.json` says: written by the daemon, with numbers of processes as they are outside. */
export type DaemonInfo = { readonly pid: number; readonly unsharePid: number; readonly version: string; readonly since: string };

export class ControlError extends Error {
  readonly code: "not-running" | Trouble["code"];
  readonly fix: string | undefined;

  constructor(code: ControlError["code"], message: string, more: { readonly fix?: string | undefined; readonly cause?: unknown } = {}) {
    super(message, { cause: more.cause });
    this.name = "ControlError";
    this.code = code;
    this.fix = more.fix;
  }
}

/** Longest path that fits a Unix socket address (sun_path less its final zero). */
const longestSocketPath = 107;

export class ControlClient {
  readonly #lab: string;
  readonly #paths: LabPaths;

  constructor(lab: string, paths: LabPaths) {
    this.#lab = lab;
    this.#paths = paths;
  }

  status(): Promise<Status> {
    return this.#json<Status>("GET", "/v1/status");
  }

  info(): DaemonInfo | undefined {
    try {
      return JSON.parse(readFileSync(this.#paths.info, "utf8")) as DaemonInfo;
    } catch {
      return undefined;
    }
  }

  /** All resources of the lab, as they are now. */
  async resources(): Promise<MemoryResources> {
    const resources = new MemoryResources();
    const entries: Entry[] = [];
    await this.#lines<Entry>("GET", "/v1/resources", undefined, (entry) => void entries.push(entry));
    resources.apply(entries);
    return resources;
  }

  /** Resolves when the lab is at rest again. Problems with severity error: nothing was changed. */
  apply(documents: readonly Entry[], onProgress: (progress: Progress) => void = () => undefined): Promise<readonly Problem[]> {
    return this.#follow("POST", "/v1/apply", documents, onProgress);
  }

  /** As {@link apply}. */
  scale(
    change: { readonly pool: string; readonly cluster?: string; readonly count: number },
    onProgress: (progress: Progress) => void = () => undefined,
  ): Promise<readonly Problem[]> {
    return this.#follow("POST", "/v1/scale", change, onProgress);
  }

  /** As {@link apply}. A fault of the same name is replaced. */
  addFault(fault: Fault, onProgress: (progress: Progress) => void = () => undefined): Promise<readonly Problem[]> {
    return this.#follow("POST", "/v1/faults", fault, onProgress);
  }

  removeFaults(names: readonly string[], onProgress: (progress: Progress) => void = () => undefined): Promise<readonly Problem[]> {
    return this.#follow("POST", "/v1/faults/remove", names, onProgress);
  }

  /** Resolves when the lab is at rest. */
  async settled(onProgress: (progress: Progress) => void = () => undefined): Promise<void> {
    await this.#follow("GET", "/v1/settled", undefined, onProgress);
  }

  /** Results come in any order. */
  probe(requests: readonly ProbeRequest[], onResult: (index: number, result: ProbeResult) => void): Promise<void> {
    return this.#lines<ProbeLine>("POST", "/v1/probe", requests, ({ index, result }) => onResult(index, result));
  }

  observe(wanted: ObserveRequest): Promise<Observation> {
    return this.#json("POST", "/v1/observe", wanted);
  }

  flows(host?: HostName): Promise<readonly Flows[]> {
    return this.#json("GET", host === undefined ? "/v1/flows" : `/v1/flows?host=${encodeURIComponent(host)}`);
  }

  snatUse(): Promise<readonly SnatUse[]> {
    return this.#json("GET", "/v1/snat");
  }

  /** What the kernel really holds of a host. */
  observed(host: HostName): Promise<ObservedHost> {
    return this.#json("GET", `/v1/observed?host=${encodeURIComponent(host)}`);
  }

  async stop(): Promise<void> {
    await this.#json("POST", "/v1/stop");
  }

  async #follow(method: string, path: string, body: unknown, onProgress: (progress: Progress) => void): Promise<readonly Problem[]> {
    let problems: readonly Problem[] = [];
    let failure: Trouble | undefined;
    let done = false;
    await this.#lines<ApplyLine>(method, path, body, (line) => {
      if ("progress" in line) onProgress(line.progress);
      else if ("problems" in line) problems = line.problems;
      else {
        done = true;
        failure = line.failure;
      }
    });
    if (failure !== undefined) throw controlError(failure);
    const refused = problems.some((problem) => problem.severity === "error");
    if (!done && !refused) throw new ControlError("failed", `lab ${this.#lab} ended while it answered`);
    return problems;
  }

  async #json<T>(method: string, path: string, body?: unknown): Promise<T> {
    let text = "";
    await this.#exchange(method, path, body, (line) => {
      text += line;
    });
    return JSON.parse(text) as T;
  }

  #lines<T>(method: string, path: string, body: unknown, take: (value: T) => void): Promise<void> {
    return this.#exchange(method, path, body, (line) => take(JSON.parse(line) as T));
  }

  #exchange(method: string, path: string, body: unknown, take: (line: string) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const { socketPath, close } = reachable(this.#paths);
      const fail = (error: unknown) => {
        close();
        const code = error instanceof Error && "code" in error ? String(error.code) : "";
        const gone = ["ENOENT", "ECONNREFUSED", "ENOTSOCK"].includes(code);
        reject(
          error instanceof ControlError
            ? error
            : new ControlError(
                gone ? "not-running" : "failed",
                gone ? `lab ${this.#lab} is not running` : `lab ${this.#lab}: ${String(error)}`,
                { cause: error },
              ),
        );
      };
      const outgoing = request(
        { socketPath, method, path, headers: body === undefined ? {} : { "content-type": "application/json" } },
        (answer) => {
          const failed = (answer.statusCode ?? 500) >= 400;
          let rest = "";
          answer.setEncoding("utf8");
          answer.on("data", (chunk: string) => {
            rest += chunk;
            if (failed) return;
            const lines = rest.split("\n");
            rest = lines.pop() ?? "";
            try {
              for (const line of lines) if (line !== "") take(line);
            } catch (error) {
              answer.destroy(error instanceof Error ? error : new Error(String(error)));
            }
          });
          answer.on("error", (error: NodeJS.ErrnoException) => {
            fail(
              error.code === "ECONNRESET"
                ? new ControlError("failed", `lab ${this.#lab} ended while it answered`, { cause: error })
                : error,
            );
          });
          answer.on("end", () => {
            close();
            try {
              if (failed) reject(controlError(troubleIn(rest)));
              else {
                if (rest !== "") take(rest);
                resolve();
              }
            } catch (error) {
              reject(error);
            }
          });
        },
      );
      outgoing.on("error", fail);
      outgoing.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
}

function controlError({ code, error, fix }: Trouble): ControlError {
  return new ControlError(code, error, { fix });
}

function troubleIn(text: string): Trouble {
  try {
    const { data } = troubleSchema.safeParse(JSON.parse(text));
    if (data !== undefined) return data;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  return { code: "failed", error: text };
}

/** A path short enough for a socket address: a long one is gone to by way of its open folder. */
function reachable(paths: LabPaths): { readonly socketPath: string; readonly close: () => void } {
  if (Buffer.byteLength(paths.socket) <= longestSocketPath) return { socketPath: paths.socket, close: () => undefined };
  let folder: number | undefined;
  try {
    folder = openSync(paths.folder, "r");
  } catch {
    return { socketPath: "/nonexistent", close: () => undefined };
  }
  const opened = folder;
  let closed = false;
  return {
    socketPath: `/proc/self/fd/${opened}/control.sock`,
    close: () => {
      if (!closed) closeSync(opened);
      closed = true;
    },
  };
}

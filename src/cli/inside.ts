/** Programs that run inside a lab: `nsenter` into the daemon's namespaces, then `ip netns exec` into the host's. */

import { type SpawnOptions, spawn } from "node:child_process";
import { existsSync, readlinkSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, join } from "node:path";
import type { HostName } from "../ir/network.ts";
import type { Context } from "./context.ts";
import { Failure } from "./failure.ts";
import type { Live } from "./live.ts";

/** Debian keeps network tools where ordinary users do not look. */
const systemFolders = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];

/** Where a program is, or a Failure that says how to get it. */
export function findProgram(context: Context, name: string, debianPackage: string): string {
  const folders = [...(context.env.PATH ?? "").split(delimiter), ...systemFolders].filter((folder) => folder !== "");
  const found = folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
  if (found === undefined) throw new Failure("environment", `${name} is not installed`, { fix: `sudo apt-get install ${debianPackage}` });
  return found;
}

/** The command line that runs `words` on a host of the lab. An argument array: no shell sees it. */
export async function insideCommand(context: Context, live: Live, host: HostName, words: readonly string[]): Promise<readonly string[]> {
  const { namespaceName } = await import("../kernel/namespaces.ts");
  // Where user namespaces are refused, root's labs do without; and entering the one that one is in is refused.
  const user = sameUserNamespace(live.pid) ? [] : ["--user", "--preserve-credentials"];
  return [
    findProgram(context, "nsenter", "util-linux"),
    "--target",
    String(live.pid),
    ...user,
    "--mount",
    "--net",
    "--pid",
    "--",
    findProgram(context, "ip", "iproute2"),
    "netns",
    "exec",
    namespaceName(host),
    // Entering a mount namespace leads to its root; /run is the lab's own there.
    ...(context.cwd.startsWith("/run/") ? [] : [findProgram(context, "env", "coreutils"), `--chdir=${context.cwd}`]),
    ...words,
  ];
}

function sameUserNamespace(pid: number): boolean {
  try {
    return readlinkSync(`/proc/${pid}/ns/user`) === readlinkSync("/proc/self/ns/user");
  } catch (error) {
    throw new Failure("lab", `the lab's daemon (process ${pid}) cannot be entered`, {
      why: error instanceof Error ? error.message : String(error),
      fix: "run the command as the user who started the lab",
      cause: error,
    });
  }
}

/** Runs it with this process's own streams, and returns its exit status (128 + the signal that ended it, as shells do). */
export async function runInside(context: Context, command: readonly string[], stdio: SpawnOptions["stdio"] = "inherit"): Promise<number> {
  const [program = "", ...args] = command;
  context.graceful = true;
  context.hasChild = true;
  return await new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio });
    const stop = () => child.kill("SIGTERM");
    context.terminate.addEventListener("abort", stop);
    child.once("error", reject);
    child.once("close", (code, signal) => {
      context.terminate.removeEventListener("abort", stop);
      context.hasChild = false;
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
}

/**
 * The daemon's entry, run inside the namespaces that `launch` makes. Arguments: the lab's name, its state folder, the version, and `foreground` if it
 * is to end with the command that started it. Descriptor 3 is the lab's lock, held for as long as this process lives; 4 is the machine's /proc; 5, in the
 * foreground, is a socket whose other end that command has. What goes wrong before the control socket answers is one JSON line on standard error.
 */

import { closeSync, mkdirSync, openSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from "node:fs";
import { Socket } from "node:net";
import { prepareHome } from "../kernel/index.ts";
import { checked, libc, linux } from "../kernel/libc.ts";
import { SqliteStore } from "../store/sqlite-store.ts";
import { StoreError } from "../store/store.ts";
import type { DaemonInfo } from "./client.ts";
import { serveControl } from "./control.ts";
import { Daemon } from "./daemon.ts";
import { say } from "./log.ts";
import { labPaths, socketName } from "./state.ts";

const machineProc = 4;
const lifeline = 5;

const [name, state, version, foreground] = process.argv.slice(2);
if (name === undefined || state === undefined || version === undefined) {
  say("usage: world LAB STATE-FOLDER VERSION");
  process.exitCode = 2;
} else start(name, state, version).catch(fail);

function fail(error: unknown): never {
  const known = error instanceof StoreError ? { code: error.code, fix: error.fix } : {};
  say(JSON.stringify({ drydock: "failed", message: error instanceof Error ? error.message : String(error), ...known }));
  if (!(error instanceof StoreError) && error instanceof Error) say(String(error.stack));
  process.exit(1);
}

async function start(lab: string, stateRoot: string, version: string): Promise<void> {
  const paths = labPaths(stateRoot, lab);
  const info: DaemonInfo = { ...outsideNumbers(), version, since: new Date().toISOString() };
  keepFolder(paths.folder, prepareHome);
  process.chdir(paths.folder);
  const daemon = new Daemon(lab, SqliteStore.open(paths.store));
  rmSync(socketName, { force: true });
  writeFileSync(paths.info, `${JSON.stringify(info)}\n`, { mode: 0o600 });
  const end = () => {
    daemon.close();
    rmSync(socketName, { force: true });
    rmSync(paths.info, { force: true });
    process.exit(0);
  };
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, end);
  if (foreground !== undefined) new Socket({ fd: lifeline }).once("close", end).resume();
  await serveControl(daemon, lab, info, end);
}

/** The numbers of this process and of the `unshare` that it is the child of, as the machine's own /proc has them. */
function outsideNumbers(): { readonly pid: number; readonly unsharePid: number } {
  const proc = `/proc/self/fd/${machineProc}`;
  const pid = readlinkSync(`${proc}/self`);
  const stat = readFileSync(`${proc}/${pid}/stat`, "utf8");
  closeSync(machineProc);
  // After the name in parentheses: state, parent.
  return { pid: Number(pid), unsharePid: Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]) };
}

/** Runs `mountOver`, which may hide the folder (it is below /run); then it is mounted again where it was. */
function keepFolder(folder: string, mountOver: () => void): void {
  const fd = openSync(folder, "r");
  mountOver();
  if (statSync(folder, { throwIfNoEntry: false })?.ino !== statSync(`/proc/self/fd/${fd}`).ino) {
    mkdirSync(folder, { recursive: true });
    checked(`mount(${folder})`, libc().mount(`/proc/self/fd/${fd}`, folder, null, linux.MS_BIND, null));
  }
  closeSync(fd);
}

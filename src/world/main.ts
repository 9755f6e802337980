/**
 * The daemon's entry, run inside the namespaces that `launch` makes. Arguments: the lab's name and its state folder. Descriptor 3 is the lab's
 * lock, held for as long as this process lives. What goes wrong before the control socket answers is one JSON line on standard error.
 */

import { rmSync } from "node:fs";
import { prepareHome } from "../kernel/index.ts";
import { SqliteStore } from "../store/sqlite-store.ts";
import { StoreError } from "../store/store.ts";
import { serveControl } from "./control.ts";
import { Daemon } from "./daemon.ts";
import { labPaths } from "./state.ts";

const [name, state] = process.argv.slice(2);
if (name === undefined || state === undefined) throw new Error("usage: world LAB STATE-FOLDER");

try {
  await start(name, state);
} catch (error) {
  const known = error instanceof StoreError ? { code: error.code, fix: error.fix } : {};
  process.stderr.write(
    `${JSON.stringify({ drydock: "failed", message: error instanceof Error ? error.message : String(error), ...known })}\n`,
  );
  if (!(error instanceof StoreError) && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  process.exit(1);
}

async function start(lab: string, stateRoot: string): Promise<void> {
  const paths = labPaths(stateRoot, lab);
  prepareHome();
  const daemon = new Daemon(lab, SqliteStore.open(paths.store));
  rmSync(paths.socket, { force: true });
  const end = () => {
    daemon.close();
    rmSync(paths.socket, { force: true });
    rmSync(paths.info, { force: true });
    process.exit(0);
  };
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, end);
  await serveControl(daemon, lab, paths, end);
}

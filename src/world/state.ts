/** Where labs keep their state on this machine: a folder per lab that only its user can enter. */

import { homedir } from "node:os";
import { join } from "node:path";

export type LabPaths = {
  readonly folder: string;
  readonly store: string;
  readonly lock: string;
  readonly socket: string;
  readonly info: string;
  readonly log: string;
};

/** The control socket's name in a lab's folder. */
export const socketName = "control.sock";

/** `$DRYDOCK_STATE`, else `$XDG_STATE_HOME/drydock`, else `~/.local/state/drydock`. */
export function stateFolder(env: Readonly<Record<string, string | undefined>>): string {
  if (env.DRYDOCK_STATE !== undefined && env.DRYDOCK_STATE !== "") return env.DRYDOCK_STATE;
  if (env.XDG_STATE_HOME !== undefined && env.XDG_STATE_HOME !== "") return join(env.XDG_STATE_HOME, "drydock");
  return join(homedir(), ".local", "state", "drydock");
}

/** Lab names are checked when documents are read; here a name must only not lead out of the folder. */
export function labPaths(state: string, name: string): LabPaths {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(name))
    throw new Error(`${JSON.stringify(name)} is no lab name: letters, digits, '.', '_' and '-', at most 63`);
  const folder = join(state, name);
  return {
    folder,
    store: join(folder, "store.db"),
    lock: join(folder, "lock"),
    socket: join(folder, socketName),
    info: join(folder, "daemon.json"),
    log: join(folder, "daemon.log"),
  };
}

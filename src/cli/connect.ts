/** Finds the lab that a command means, and talks to its daemon. */

import type { Context } from "./context.ts";
import { Failure } from "./failure.ts";
import type { Documents, Live, OnProgress } from "./live.ts";

export type RunningLab = { readonly name: string; readonly pid: number };

export async function runningLabs(_context: Context): Promise<readonly RunningLab[]> {
  return [];
}

export async function connect(_context: Context, name: string | undefined): Promise<Live> {
  throw new Failure("lab", name === undefined ? "no lab is running" : `lab ${name} is not running`, {
    fix: "start one with 'drydock up FILE', or name a FILE to work on documents",
  });
}

export type LaunchOptions = { readonly name: string; readonly documents: Documents; readonly foreground: boolean };

/** Starts a lab and returns when all of it answers; in the foreground when it ended. */
export async function launch(_context: Context, _options: LaunchOptions, _onProgress: OnProgress): Promise<Live> {
  throw new Failure("environment", "this build runs no labs");
}

/** Forgets what a lab that is not running has stored. False when there was nothing. */
export async function purge(_context: Context, _name: string): Promise<boolean> {
  return false;
}

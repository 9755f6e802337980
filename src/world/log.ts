/**
 * What the daemon says, in `daemon.log`: its standard error, a file that is opened for appending. It is bounded: a lab may run for months and fail
 * to do the same thing every half minute.
 */

import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";

/** A longer log loses its older half. In bytes. */
export const longestLog = 1024 * 1024;

const standardError = 2;

/** Writes a line to standard error. A disk that is full takes the line, not the lab: there is nobody to tell. */
export function say(line: string): void {
  try {
    writeSync(standardError, `${line}\n`);
    if (fstatSync(standardError).isFile()) cutLog(`/proc/self/fd/${standardError}`);
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
  }
}

/** Leaves the newer half of a log that is too long, from the start of a line. Who has it open for appending goes on at its new end. */
export function cutLog(path: string, longest = longestLog): void {
  const file = openSync(path, "r+");
  try {
    const { size } = fstatSync(file);
    if (size <= longest) return;
    const kept = Buffer.alloc(Math.floor(longest / 2));
    readSync(file, kept, 0, kept.length, size - kept.length);
    const line = kept.indexOf("\n") + 1;
    ftruncateSync(file, 0);
    writeSync(file, kept, line, kept.length - line, 0);
  } finally {
    closeSync(file);
  }
}

/** Verdicts with what they are about, as reports print them. */

import { printable } from "../../documents/problem.ts";
import type { Verdict } from "../verdict.ts";

export type TestedAssertion = Verdict & {
  readonly name: string;
  readonly because?: string;
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly durationMs: number;
};

export type TestedFile = {
  readonly file: string;
  /** The documents, or the running lab. */
  readonly design: readonly string[];
  readonly live: boolean;
  readonly assertions: readonly TestedAssertion[];
  readonly durationMs: number;
};

export type Counts = { readonly passed: number; readonly failed: number; readonly error: number; readonly skipped: number };

export function countsOf(files: readonly TestedFile[]): Counts {
  const counts = { passed: 0, failed: 0, error: 0, skipped: 0 };
  for (const { assertions } of files) for (const { status } of assertions) counts[status]++;
  return counts;
}

/** What a reader needs of one that does not hold, line by line and without colour. */
export function explain({ asserted, name, because, deviations, deviating, problems = [], reason }: TestedAssertion): readonly string[] {
  const lines: string[] = [];
  if (asserted !== name) lines.push(`asserted: ${asserted}`);
  if (because !== undefined) lines.push(`because: ${because}`);
  for (const { from, to, what, decidedBy, again } of deviations) {
    lines.push(from === undefined || to === undefined ? what : `${from} > ${to}: ${what}`);
    if (decidedBy !== undefined && decidedBy.origin?.reason !== what) {
      const { host, what: step, element, origin } = decidedBy;
      const place = element === undefined ? host : `${host}, ${element}`;
      lines.push(`  decided on ${place}: ${step}`);
      if (origin !== undefined && origin.reason !== step) {
        lines.push(`  origin: ${origin.reason}${origin.source === undefined ? "" : ` (${origin.source})`}`);
      }
    }
    if (again !== undefined) lines.push(`  again: ${again}`);
  }
  if (deviating > deviations.length) lines.push(`and ${deviating - deviations.length} more`);
  for (const { line, column, path, message, fix } of problems) {
    lines.push(`${line}:${column}: ${path}: ${message}`, ...(fix === undefined ? [] : [`  fix: ${fix}`]));
  }
  if (reason !== undefined) lines.push(reason);
  return lines.flatMap((text) => text.split("\n")).map(printable);
}

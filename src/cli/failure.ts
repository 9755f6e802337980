/** How commands fail: a code, what, why and what to do. The one place that knows exit statuses. */

import type { Style } from "../render/style.ts";

export const exitStatuses = {
  /** What was asked has the answer no: not reachable, a disagreement, not delivered. */
  no: 1,
  /** Wrong words on the command line. */
  usage: 2,
  /** Documents with errors, or a change that Azure would refuse. */
  documents: 2,
  /** The name of something that is not there. */
  unknown: 2,
  /** This machine cannot do it; `drydock doctor` says more. */
  environment: 3,
  /** No such lab is running, or one of that name already is. */
  lab: 4,
  /** A defect of Drydock. */
  internal: 70,
  interrupted: 130,
} as const;
export type FailureCode = keyof typeof exitStatuses;

export class Failure extends Error {
  readonly code: FailureCode;
  readonly why: string | undefined;
  /** Ready-made lines between the message and the fix. */
  readonly details: readonly string[];
  readonly fix: string | undefined;

  constructor(
    code: FailureCode,
    what: string,
    more: {
      readonly why?: string | undefined;
      readonly fix?: string | undefined;
      readonly details?: readonly string[];
      readonly cause?: unknown;
    } = {},
  ) {
    super(what, { cause: more.cause });
    this.name = "Failure";
    this.code = code;
    this.why = more.why;
    this.details = more.details ?? [];
    this.fix = more.fix;
  }
}

export function renderFailure(failure: Failure, style: Style): string {
  const lines = [`${style.red("drydock:")} ${printable(failure.message)}`];
  if (failure.why !== undefined) lines.push(`  ${style.dim("why:")} ${printable(failure.why)}`);
  lines.push(...failure.details.map((line) => `  ${line}`));
  if (failure.fix !== undefined) lines.push(`  ${style.dim("fix:")} ${printable(failure.fix)}`);
  return `${lines.join("\n")}\n`;
}

/** A name from a document or a command line must not move a terminal's cursor. Line feeds are ours. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (char) => (char === "\n" ? char : `\\u${(char.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`));
}

/** A stack trace only for those who ask for one. */
export function renderCrash(error: unknown, debug: boolean, style: Style): string {
  const message = error instanceof Error ? error.message : String(error);
  if (debug) return `${error instanceof Error ? (error.stack ?? message) : message}\n`;
  const failure = new Failure("internal", `internal error: ${message}`, {
    fix: "this is a defect of Drydock; DRYDOCK_DEBUG=1 shows where it happened",
  });
  return renderFailure(failure, style);
}

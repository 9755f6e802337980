/** What became of an assertion. Plain data, and the public form of `drydock test -o json`: properties are added, never renamed. */

import type { Problem } from "../documents/problem.ts";
import type { HostName, Origin } from "../ir/network.ts";

/** `error`: it could not be judged, since it names what is not there. `skipped`: here it cannot be proved. */
export const statuses = ["passed", "failed", "error", "skipped"] as const;
export type Status = (typeof statuses)[number];

/** What decided: the step of a trace, with its origin. */
export type Decision = { readonly host: HostName; readonly what: string; readonly element?: string; readonly origin?: Origin };

/** A packet that did something else, or a figure that is another. */
export type Deviation = {
  readonly from?: string;
  readonly to?: string;
  /** `sees node, but the receiver sees 10.240.2.5 (shop-azure:shop/pod/web-…)`. */
  readonly what: string;
  readonly decidedBy?: Decision;
  /** A command that shows it. */
  readonly again?: string;
};

export type Verdict = {
  readonly status: Status;
  /** What was asserted, in one line: `deploy/web > vm/db:5432: delivered, sees node`. */
  readonly asserted: string;
  /** Packets that it is about, or that were sent. */
  readonly packets?: number;
  /** Of a failure: the first few of all that deviate. */
  readonly deviations: readonly Deviation[];
  readonly deviating: number;
  /** Of an error. */
  readonly problems?: readonly Problem[];
  /** Of a skipped one: why. */
  readonly reason?: string;
};

/** So many are kept: more of them have the same cause as a rule. */
export const shownDeviations = 5;

export function passed(asserted: string, packets?: number): Verdict {
  return { status: "passed", asserted, ...(packets === undefined ? {} : { packets }), deviations: [], deviating: 0 };
}

/** `deviations` may be fewer than `deviating`. */
export function failed(
  asserted: string,
  deviations: readonly Deviation[],
  more: { readonly packets?: number; readonly deviating?: number } = {},
): Verdict {
  const { packets, deviating = deviations.length } = more;
  const shown = deviations.slice(0, shownDeviations);
  return { status: "failed", asserted, ...(packets === undefined ? {} : { packets }), deviations: shown, deviating };
}

export function mistaken(asserted: string, problems: readonly Problem[]): Verdict {
  return { status: "error", asserted, deviations: [], deviating: 0, problems };
}

export function skipped(asserted: string, reason: string): Verdict {
  return { status: "skipped", asserted, deviations: [], deviating: 0, reason };
}

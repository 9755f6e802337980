/**
 * Why does a packet not arrive, and what would all have to change so that it does?
 *
 * Each obstacle that the tracer meets is lifted by changing the resource that it comes from; the lab is then compiled and the packet traced again, until
 * it arrives or meets what no resource can change. So the answer is proved by the same compiler and tracer that said no, and there is no second model.
 * Changes that turn out not to be needed are left out.
 */

import type { HostName, Origin } from "../ir/network.ts";
import type { LabView } from "../lab/view.ts";
import type { Path, TracePacket } from "../trace/index.ts";
import type { Change } from "./change.ts";
import { identityOf, type Obstacle, obstacleOf } from "./obstacle.ts";
import { remediesFor } from "./remedies/index.ts";
import { type WorldOptions, withChanges } from "./world.ts";

export type { Change } from "./change.ts";
export type { Leg, Obstacle } from "./obstacle.ts";
export { withChanges } from "./world.ts";

export type Question = { readonly from: HostName; readonly packet: TracePacket };

export type Explanation = {
  /** As it is. */
  readonly arrives: boolean;
  readonly paths: readonly Path[];
  /** What lets it pass, when it arrives: rules that accepted it, there and back. */
  readonly allowedBy: readonly { readonly host: HostName; readonly what: string; readonly origin: Origin }[];
  /** In the order in which the packet meets them; the last has no change when nothing can lift it. */
  readonly obstacles: readonly Lifted[];
  /** With all changes. */
  readonly proof: { readonly arrives: boolean; readonly paths: readonly Path[] };
};

/** `nothing`: why no change lifts it. */
export type Lifted = { readonly obstacle: Obstacle; readonly change: Change } | { readonly obstacle: Obstacle; readonly nothing: string };

/** No packet of a sane design meets so many; of a mad one this many are enough to know. */
const mostObstacles = 16;
/** Labs that are compiled to find an answer. */
const mostTries = 120;

export function explain(view: LabView, question: Question, options: WorldOptions): Explanation {
  const paths = view.tracer.trace(question.from, question.packet);
  const arrives = obstacleOf(paths) === undefined;
  if (arrives) return { arrives, paths, allowedBy: acceptedBy(paths), obstacles: [], proof: { arrives, paths } };
  const found = new Search(view, question, options).run();
  const changes = found.flatMap((one) => ("change" in one ? [one.change] : []));
  const after = traced(view, question, options, changes);
  const isProved = obstacleOf(after) === undefined;
  const least = isProved ? needed(view, question, options, changes) : changes;
  if (least.length === changes.length)
    return { arrives, paths, allowedBy: [], obstacles: found, proof: { arrives: isProved, paths: after } };
  return {
    arrives,
    paths,
    allowedBy: [],
    obstacles: inOrder(view, question, options, least),
    proof: { arrives: true, paths: traced(view, question, options, least) },
  };
}

/** What each change lifts, of changes that are enough. */
function inOrder(view: LabView, question: Question, options: WorldOptions, changes: readonly Change[]): readonly Lifted[] {
  return changes.flatMap((change, index) => {
    const before = obstacleOf(traced(view, question, options, changes.slice(0, index)));
    return before === undefined ? [] : [{ obstacle: before.obstacle, change }];
  });
}

function traced(view: LabView, { from, packet }: Question, options: WorldOptions, changes: readonly Change[]): readonly Path[] {
  return withChanges(view, changes, options).tracer.trace(from, packet);
}

/** Depth first: of several changes that lift an obstacle, the first after which the packet arrives in the end. */
class Search {
  readonly #view: LabView;
  readonly #question: Question;
  readonly #options: WorldOptions;
  #tries = 0;

  constructor(view: LabView, question: Question, options: WorldOptions) {
    this.#view = view;
    this.#question = question;
    this.#options = options;
  }

  run(): readonly Lifted[] {
    return this.#lift(this.#view, [], new Set());
  }

  /** The obstacles from here on. */
  #lift(view: LabView, changes: readonly Change[], met: ReadonlySet<string>): readonly Lifted[] {
    const { from, packet } = this.#question;
    const found = obstacleOf(view.tracer.trace(from, packet));
    if (found === undefined) return [];
    const { obstacle, trail } = found;
    const known = new Set([...met, identityOf(obstacle)]);
    const { changes: candidates, nothing } = remediesFor(view, obstacle, trail);
    if (changes.length >= mostObstacles) return [{ obstacle, nothing: `there are more than ${mostObstacles} obstacles` }];
    let best: readonly Lifted[] | undefined;
    for (const change of candidates) {
      if (this.#tries++ >= mostTries) break;
      const next = withChanges(this.#view, [...changes, change], this.#options);
      const later = obstacleOf(next.tracer.trace(from, packet));
      // It stands as before, or another one of those before it is back.
      if (later !== undefined && known.has(identityOf(later.obstacle))) continue;
      const rest = this.#lift(next, [...changes, change], known);
      const all = [{ obstacle, change }, ...rest];
      if (rest.every((one) => "change" in one)) return all;
      best ??= all;
    }
    return best ?? [{ obstacle, nothing }];
  }
}

/** Without those that a later change makes superfluous. */
function needed(view: LabView, question: Question, options: WorldOptions, changes: readonly Change[]): readonly Change[] {
  let least = changes;
  for (const change of changes) {
    const others = least.filter((other) => other !== change);
    if (others.length > 0 && obstacleOf(traced(view, question, options, others)) === undefined) least = others;
  }
  return least;
}

function acceptedBy(paths: readonly Path[]): Explanation["allowedBy"] {
  const seen = new Set<string>();
  return paths.flatMap((path) =>
    [...path.hops, ...(path.return?.hops ?? [])].flatMap(({ host, steps }) =>
      steps.flatMap(({ kind, what, origin }) => {
        if (kind !== "accept" || origin === undefined || seen.has(`${host} ${origin.reason}`)) return [];
        seen.add(`${host} ${origin.reason}`);
        return [{ host, what, origin }];
      }),
    ),
  );
}

/** What keeps a packet from arriving, taken from its trace: the decision, and the packet as it was then. */

import type { HostName, Origin } from "../ir/network.ts";
import type { Disposition, Hop, Path, Tuple } from "../trace/index.ts";

/** `there`: the packet's own way. `back`: its reply's. `then`: what follows a handshake, which hosts that saw only one direction stop. */
export type Leg = "there" | "back" | "then";

export type Obstacle = {
  readonly leg: Leg;
  readonly outcome: Disposition;
  readonly host: HostName;
  /** For a person. */
  readonly what: string;
  readonly element?: string;
  readonly origin?: Origin;
  /** The packet when it was decided. */
  readonly packet: Tuple;
  /** Where the directions of an asymmetric flow part: the last host of both, and where each goes from there. */
  readonly parted?: NonNullable<Path["parted"]>;
};

/** The hosts and interfaces that lead to an obstacle: what a remedy looks at beside the decision. */
export type Trail = {
  /** Of the packet. */
  readonly there: readonly Hop[];
  /** Of the reply, as far as it came. */
  readonly back: readonly Hop[];
  /** Of the packet that met the obstacle; the last hop is where. */
  readonly met: readonly Hop[];
};

/** The first way that does not deliver, and why; `undefined` when every way does. */
export function obstacleOf(paths: readonly Path[]): { readonly obstacle: Obstacle; readonly trail: Trail } | undefined {
  const path = paths.find(({ outcome }) => outcome !== "delivered");
  if (path === undefined) return undefined;
  const { leg, part } = failingPart(path);
  const last = part.hops.at(-1);
  if (last === undefined) throw new Error("a path has no hops");
  const { decidedBy = path.decidedBy } = part;
  const step = last.steps.at(-1);
  const obstacle: Obstacle = {
    leg,
    outcome: part.outcome,
    host: decidedBy?.host ?? last.host,
    what: step?.what ?? part.outcome,
    ...(decidedBy?.element === undefined ? {} : { element: decidedBy.element }),
    ...(decidedBy?.origin === undefined ? {} : { origin: decidedBy.origin }),
    packet: last.steps.findLast(({ after }) => after !== undefined)?.after ?? last.before,
    ...(path.parted === undefined ? {} : { parted: path.parted }),
  };
  return { obstacle, trail: { there: path.hops, back: path.return?.hops ?? [], met: part.hops } };
}

function failingPart(path: Path): { readonly leg: Leg; readonly part: Omit<Path, "weight"> } {
  if (path.outcome !== "asymmetric") return { leg: "there", part: path };
  const then = path.answer ?? path.acknowledgement;
  if (then !== undefined) return { leg: "then", part: then };
  return path.return === undefined ? { leg: "there", part: path } : { leg: "back", part: path.return };
}

/** Equal for what one and the same thing decides. */
export function identityOf({ leg, outcome, host, element, origin }: Obstacle): string {
  return [leg, outcome, host, element, origin?.resource, origin?.reason].join("\0");
}

/** Sends the packets of the journeys and lays what happened beside what was predicted. */

import { agrees, expectationOf } from "../../lab/check.ts";
import type { LabView } from "../../lab/view.ts";
import type { Path } from "../../trace/index.ts";
import { type Live, type ProbeResult, probePacket } from "../live.ts";
import { observeJourney } from "../observed.ts";
import type { Leg } from "./journeys.ts";

export type Measured = {
  readonly leg: Leg;
  /** The predicted way that the kernel took hop by hop; the nearest one when it took none of them. */
  readonly path: Path;
  readonly observed: ProbeResult;
  /** Every hop with every translation, the receiver, and the source that it saw. */
  readonly agrees: boolean;
};

export const timeoutMs = 600;

/** One packet after another, so that each is on its own. */
export async function measure(view: LabView, live: Live, legs: readonly Leg[], onLeg: (leg: Leg) => void): Promise<readonly Measured[]> {
  const measured: Measured[] = [];
  for (const leg of legs) {
    onLeg(leg);
    let seen = await look(view, live, leg);
    // The lab lives: a backend may have become healthy since it was looked at.
    if (!seen.agrees)
      seen = await look(await live.view(), live, { ...leg, packet: { ...leg.packet, sourcePort: (leg.packet.sourcePort ?? 0) + 100 } });
    measured.push(seen);
  }
  return measured;
}

async function look(view: LabView, live: Live, leg: Leg): Promise<Measured> {
  const paths = view.tracer.trace(leg.host, leg.packet);
  const { observation, comparison } = await observeJourney(view, live, leg.host, leg.packet, paths, { timeoutMs });
  const { path } = comparison;
  const received = agrees(observation.result, [expectationOf(view.network, path, timeoutMs)]);
  return { leg, path, observed: observation.result, agrees: received && comparison.agrees };
}

/** The middle of so many round trips, in milliseconds; `undefined` when none came back. */
export async function medianRoundTrip(live: Live, leg: Leg, count: number): Promise<number | undefined> {
  const { sourcePort: _, ...packet } = leg.packet;
  const times: number[] = [];
  for (let sent = 0; sent < count; sent++) {
    await live.probe([{ from: leg.host, packet: probePacket(packet), timeoutMs }], (__, { rttMs }) => {
      if (rttMs !== undefined) times.push(rttMs);
    });
  }
  times.sort((a, b) => a - b);
  return times[Math.floor(times.length / 2)];
}

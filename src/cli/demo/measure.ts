/** Sends the packets of the journeys and lays what happened beside what was predicted. */

import { agrees, expectationOf } from "../../lab/check.ts";
import type { LabView } from "../../lab/view.ts";
import type { Path } from "../../trace/index.ts";
import { type Live, type ProbeResult, probePacket } from "../live.ts";
import type { Leg } from "./journeys.ts";

export type Measured = {
  readonly leg: Leg;
  /** The predicted way that the packet took; the likeliest when it took none of them. */
  readonly path: Path;
  readonly observed: ProbeResult;
  readonly agrees: boolean;
};

const timeoutMs = 1500;

/** One packet after another, so that each is on its own. */
export async function measure(view: LabView, live: Live, legs: readonly Leg[], onLeg: (leg: Leg) => void): Promise<readonly Measured[]> {
  const measured: Measured[] = [];
  for (const leg of legs) {
    onLeg(leg);
    const paths = view.tracer.trace(leg.host, leg.packet);
    let observed: ProbeResult | undefined;
    await live.probe([{ from: leg.host, packet: probePacket(leg.packet), timeoutMs }], (_, result) => {
      observed = result;
    });
    if (observed === undefined) throw new Error("a probe has no result");
    const result = observed;
    const way = paths.find((path) => agrees(result, [expectationOf(view.network, path)]));
    const [likeliest] = [...paths].sort((a, b) => b.weight - a.weight);
    const path = way ?? likeliest;
    if (path === undefined) throw new Error("a trace has no paths");
    measured.push({ leg, path, observed: result, agrees: way !== undefined });
  }
  return measured;
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

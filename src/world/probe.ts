/** Does a packet arrive, at whom, and whom does the receiver take for its sender? Asked by sending it, and believing only the stand-in's answer. */

import * as z from "zod";
import type { HostName } from "../ir/network.ts";
import type { Tuple } from "../trace/result.ts";
import { type Exchange, type Outcome, startFlow } from "./flow.ts";
import type { Enter } from "./stand-in.ts";

export type ProbeRequest = {
  readonly from: HostName;
  /** Its source is an address of `from`. Without a source port Linux chooses one. */
  readonly packet: Tuple;
  readonly timeoutMs: number;
  /** The byte of the IP header, 0 to 255. Default 0. */
  readonly tos?: number;
};

export type ProbeResult = {
  readonly outcome: Outcome;
  /** Answered. */
  readonly reachable: boolean;
  /** The sender as the receiver saw it. Stand-ins tell; a ping's receiver does not. */
  readonly source?: { readonly address: string; readonly port: number };
  /** Who answered, by its stand-in's word. */
  readonly receiver?: string;
  /** True: the handshake went well, and nothing that was said after it arrived. */
  readonly isSilent?: boolean;
  /** Our own port; the identifier of a ping. */
  readonly sourcePort?: number;
  readonly rttMs?: number;
  /** What the system said, or why such a packet is not sent. */
  readonly problem?: string;
};

/** A stand-in that accepted is given this long to say who it is, however little time is left: it is there, and the machine may be busy. */
const lineMs = 5000;

/** Never throws: what cannot be asked is an outcome. Hundreds may be under way. */
export async function probe(enter: Enter, request: ProbeRequest): Promise<ProbeResult> {
  const deadlineMs = performance.now() + request.timeoutMs;
  const flow = startFlow(enter, request);
  try {
    const opened = await flow.open(request.timeoutMs);
    if (opened.outcome !== "answered" || request.packet.protocol !== "tcp") return probeResult(flow.sourcePort, opened);
    // The handshake says that somebody is there, and the line who. A server that says nothing of the kind was reached all the same.
    const said = await flow.again(Math.max(deadlineMs - performance.now(), lineMs));
    const result = probeResult(flow.sourcePort, opened, said.reply);
    return said.outcome === "timeout" ? { ...result, reachable: false, isSilent: true } : result;
  } finally {
    flow.close();
  }
}

/** `reply`: what the answer consists of, if not in `exchange`. */
export function probeResult(sourcePort: number | undefined, exchange: Exchange, reply = exchange.reply): ProbeResult {
  const { outcome, rttMs, problem } = exchange;
  const identity = reply === undefined ? undefined : identityIn(reply);
  return {
    outcome,
    reachable: outcome === "answered",
    ...(identity === undefined ? {} : { source: identity.source, receiver: identity.name }),
    ...(sourcePort === undefined ? {} : { sourcePort }),
    ...(rttMs === undefined ? {} : { rttMs }),
    ...(problem === undefined ? {} : { problem }),
  };
}

const identitySchema = z.object({ name: z.string(), source: z.object({ address: z.string(), port: z.number() }) });

/** `undefined` when it is nobody's we know. */
function identityIn(reply: Buffer): z.infer<typeof identitySchema> | undefined {
  const text = reply.toString("utf8");
  if (!text.startsWith("{")) return undefined;
  try {
    return identitySchema.safeParse(JSON.parse(text)).data;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Assertions about packets, on a running lab: every packet is sent, and where the way matters it is watched hop by hop. */

import type { Assertion, AssertionFile, Deviation, Verdict, Way } from "../assertions/index.ts";
import {
  deviationOf,
  failed,
  mistaken,
  passed,
  prepareReach,
  type Question,
  type Reach,
  shownDeviations,
  skipped,
  wayOf,
} from "../assertions/index.ts";
import { agrees, type Expectation, expectationOf, expectationText, observationText } from "../lab/check.ts";
import type { LabView } from "../lab/view.ts";
import { parseAddress } from "../net/address.ts";
import type { TracePacket } from "../trace/index.ts";
import { type Live, type ProbeResult, probePacket } from "./live.ts";
import { differences, observeJourney } from "./observed.ts";

/** Packets under way at a time; the daemon has its own bound. */
const batchSize = 512;

/** Source ports of questions that name none. Known, since a load balancer's choice depends on them, and different, so that no flow meets another's. */
const firstPort = 33_000;
const ports = 27_000;

type Asked = { readonly question: Question; readonly packet: TracePacket; answer?: ProbeResult };

export type LiveOptions = { readonly timeoutMs: number; readonly onProgress: (text: string) => void };

/** The verdicts in the order of the assertions. */
export async function testLive(
  live: Live,
  file: AssertionFile,
  assertions: readonly Assertion[],
  { timeoutMs, onProgress }: LiveOptions,
): Promise<readonly Verdict[]> {
  const view = await live.view();
  let port = 0;
  const withPort = (packet: TracePacket): TracePacket =>
    packet.protocol === "icmp" || packet.sourcePort !== undefined ? packet : { ...packet, sourcePort: firstPort + (port++ % ports) };
  const prepared = assertions.map((assertion): Verdict | { readonly reach: Reach; readonly asked: readonly Asked[] } => {
    const { words, name } = assertion;
    if (words.kind !== "reach") return skipped(name, "no packet proves it: it is arithmetic on the design, which runs without --live");
    const reach = prepareReach(view, file, assertion, words, { every: true });
    if (!("questions" in reach)) return mistaken(name, reach);
    return { reach, asked: reach.questions.map((question) => ({ question, packet: withPort(question.packet) })) };
  });
  const all = prepared.flatMap((one) => ("asked" in one ? one.asked : []));
  await send(live, all, timeoutMs, onProgress);
  const verdicts: Verdict[] = [];
  for (const [index, one] of prepared.entries()) {
    onProgress(`judged ${index} of ${prepared.length} assertions`);
    verdicts.push("asked" in one ? await judgeLive(live, view, one.reach, one.asked, timeoutMs) : one);
  }
  return verdicts;
}

async function send(live: Live, asked: readonly Asked[], timeoutMs: number, onProgress: (text: string) => void): Promise<void> {
  let answered = 0;
  for (let at = 0; at < asked.length; at += batchSize) {
    const batch = asked.slice(at, at + batchSize);
    const requests = batch.map(({ question, packet }) => ({ from: question.sender.host, packet: probePacket(packet), timeoutMs }));
    await live.probe(requests, (index, result) => {
      const one = batch[index];
      if (one !== undefined) one.answer = result;
      onProgress(`${++answered} of ${asked.length} packets`);
    });
  }
}

async function judgeLive(live: Live, view: LabView, reach: Reach, asked: readonly Asked[], timeoutMs: number): Promise<Verdict> {
  const deviations: Deviation[] = [];
  let deviating = 0;
  for (const one of asked) {
    const deviation = await deviationLive(live, view, reach, one, timeoutMs);
    if (deviation === undefined) continue;
    deviating++;
    if (deviations.length < shownDeviations) deviations.push(deviation);
  }
  return deviating === 0 ? passed(reach.asserted, asked.length) : failed(reach.asserted, deviations, { packets: asked.length, deviating });
}

async function deviationLive(
  live: Live,
  view: LabView,
  reach: Reach,
  { question, packet, answer }: Asked,
  timeoutMs: number,
): Promise<Deviation | undefined> {
  const { sender, target } = question;
  const about = { from: sender.label, to: target.label };
  const unexpected = (observed: ProbeResult, expected: readonly Expectation[]): Deviation => ({
    ...about,
    what: `${observationText(observed)}; predicted is ${expected.map(expectationText).join(", or ")}`,
    again: reach.again(question).replace("drydock trace", "drydock probe"),
  });
  const first = answer ?? { outcome: "timeout", reachable: false };
  let { agreeing, expected } = predict(view, sender.host, packet, first, timeoutMs);
  let observed: ProbeResult = first;
  if (agreeing.length === 0) {
    // The lab lives, and many packets were under way: what counts is what happens to this one alone, in the lab as it is now.
    observed = await askAlone(live, sender.host, packet, timeoutMs);
    ({ agreeing, expected } = predict(await live.view(), sender.host, packet, observed, timeoutMs));
  }
  if (agreeing.length === 0) return unexpected(observed, expected);
  const seen = observed.source === undefined ? undefined : parseAddress(observed.source.address);
  if (!reach.needsHops) {
    const deviations = agreeing.map(({ path }) => {
      const difference = reach.deviation(withSeen(wayOf(path), seen), sender);
      return difference === undefined ? undefined : deviationOf(reach, question, difference, path, 1);
    });
    // Ways that a probe cannot tell apart: it holds if it does for one that the packet may have taken.
    return deviations.includes(undefined) ? undefined : deviations[0];
  }
  const paths = view.tracer.trace(sender.host, packet);
  const { comparison } = await observeJourney(view, live, sender.host, packet, paths, { timeoutMs });
  if (!comparison.agrees) {
    const [parted] = differences(comparison);
    return {
      ...about,
      what: `the kernel: ${parted?.observed}; predicted is ${parted?.predicted}`,
      again: `${reach.again(question)} --observed`,
    };
  }
  const difference = reach.deviation(withSeen(wayOf(comparison.path), seen), sender);
  return difference === undefined ? undefined : deviationOf(reach, question, difference, comparison.path, 1);
}

/** The predicted ways that the packet may have taken. */
function predict(view: LabView, host: string, packet: TracePacket, observed: ProbeResult, timeoutMs: number) {
  const expected = view.tracer.trace(host, packet).map((path) => expectationOf(view.network, path, timeoutMs));
  return { expected, agreeing: expected.filter((one) => agrees(observed, [one])) };
}

/** What the receiver said that it saw comes before what was predicted. */
function withSeen(way: Way, seen: Way["seen"]): Way {
  return seen === undefined ? way : { ...way, seen };
}

async function askAlone(live: Live, host: string, packet: TracePacket, timeoutMs: number): Promise<ProbeResult> {
  let answer: ProbeResult = { outcome: "timeout", reachable: false };
  await live.probe([{ from: host, packet: probePacket(packet), timeoutMs }], (_, result) => {
    answer = result;
  });
  return answer;
}

/**
 * Assertions about packets: who is asked, and whether what a packet does is what was asserted. The same for a way that the tracer predicts and for one
 * that a real packet took ({@link Way}).
 */

import type { Finding, Problem, Path as PropertyPath } from "../documents/problem.ts";
import type { HostName } from "../ir/network.ts";
import type { Sender, Target } from "../lab/ends.ts";
import type { LabView } from "../lab/view.ts";
import type { Address } from "../net/address.ts";
import type { Disposition, Path, TracePacket } from "../trace/index.ts";
import { PairClasses } from "./classes.ts";
import type { EndWords, outcomeWords, ReachWords } from "./definition.ts";
import { type EndHints, sendersOf, targetsOf } from "./ends.ts";
import { type AddressTest, addressTest, type HostTest, hostTest } from "./hosts.ts";
import type { Assertion, AssertionFile } from "./read.ts";
import { type Decision, type Deviation, failed, passed, shownDeviations, type Verdict } from "./verdict.ts";

export type Question = {
  readonly sender: Sender;
  readonly target: Target;
  readonly packet: TracePacket;
  /** How many pairs it stands for, itself included. */
  pairs: number;
};

/** What a packet did, as far as an assertion may be about it. */
export type Way = {
  readonly outcome: Disposition;
  readonly hosts: readonly HostName[];
  readonly translations: readonly { readonly of: "source" | "destination"; readonly on: HostName; readonly to: Address }[];
  /** The source address that the receiver saw, if it saw the packet. */
  readonly seen?: Address;
};

export type Reach = {
  /** In one line. */
  readonly asserted: string;
  readonly questions: readonly Question[];
  /** What of a way is not as asserted. */
  readonly deviation: (way: Way, sender: Sender) => Difference | undefined;
  /** Every hop must be known, not only the end. */
  readonly needsHops: boolean;
  readonly again: (question: Question) => string;
};

export type Difference = { readonly about: "outcome" | "hosts" | "seen" | "translations"; readonly what: string };

type OutcomeWord = (typeof outcomeWords)[number];

/** More packets to trace, and more pairs to sort into classes, are refused: they would take minutes. */
const mostQuestions = 200_000;
const mostPairs = 5_000_000;

/** `every`: ask every pair, whether one could stand for others or not. A real packet proves nothing about other pairs. */
export function prepareReach(
  view: LabView,
  file: AssertionFile,
  assertion: Assertion,
  words: ReachWords,
  { every = false }: { readonly every?: boolean } = {},
): Reach | readonly Problem[] {
  const problems: Problem[] = [];
  const complain = (property: PropertyPath, findings: readonly Finding[]) => {
    for (const finding of findings) problems.push(assertion.problem(property, finding));
  };
  const hints: EndHints = {
    cluster: words.cluster ?? file.cluster,
    namespace: words.namespace ?? file.namespace,
    protocol: words.protocol,
    via: words.via,
    family: words.family === undefined ? undefined : words.family === "IPv6" ? 6 : 4,
  };
  const tests = <T extends object>(property: PropertyPath, list: readonly string[] | undefined, of: (word: string) => T | Finding) =>
    list?.flatMap((word) => {
      const test = of(word);
      if (!("message" in test)) return [test];
      complain(property, [test as Finding]);
      return [];
    });
  const hostTests = (property: PropertyPath, list: readonly string[] | undefined) =>
    tests(property, list, (word) => hostTest(view, word, hints));
  const addressTests = (property: PropertyPath, list: readonly string[] | undefined) =>
    tests(property, list, (word) => addressTest(view, word, hints));

  const conditions: Conditions = {
    outcomes: words.outcome ?? [words.exceptThrough === undefined ? "delivered" : "blocked"],
    through: hostTests(["through"], words.through),
    notThrough: hostTests(["notThrough"], words.notThrough),
    exceptThrough: hostTests(["exceptThrough"], words.exceptThrough),
    sees: addressTests(["sees"], words.sees),
    translations: words.translations?.map(({ of = "source", on, to }, index) => ({
      of,
      on: hostTests(["translations", index, "on"], on),
      to: addressTests(["translations", index, "to"], to),
    })),
    owner: (address) => view.owners.get(address)?.owner,
  };
  if (words.exceptThrough !== undefined && !conditions.outcomes.includes("blocked")) {
    complain(
      ["outcome"],
      [{ code: "Contradiction", message: "exceptThrough is an exception from outcome blocked", fix: "leave outcome out, or use through" }],
    );
  }
  const shared = every || !isShared(view, conditions) ? undefined : new PairClasses(view);
  const questions = questionsOf(view, words, hints, complain, shared);
  if (questions === undefined) {
    const message = `the assertion is about more than ${mostPairs} pairs, or ${mostQuestions} that each need a trace`;
    complain(["from"], [{ code: "TooManyPackets", message, fix: "narrow the sets, by name, namespace or labels" }]);
  }
  if (problems.length > 0 || questions === undefined) return problems;
  return {
    asserted: assertedText(words),
    questions,
    deviation: (way, sender) => deviation(conditions, way, sender),
    needsHops: [words.through, words.notThrough, words.exceptThrough, words.translations].some((list) => list !== undefined),
    again: (question) => traceCommand(question, words),
  };
}

/** Every sender with every target, but nobody with itself. `undefined`: they are too many. */
function questionsOf(
  view: LabView,
  { from = [], to = [], sourcePort }: ReachWords,
  hints: EndHints,
  complain: (property: PropertyPath, findings: readonly Finding[]) => void,
  classes: PairClasses | undefined,
): readonly Question[] | undefined {
  const senders = sendersOf(view, from, hints);
  complain(["from"], senders.findings);
  const targets = targetsOf(view, to, hints);
  const isSet = [...from, ...to].some((end) => "set" in end) || from.length + to.length > 2;
  const questions: Question[] = [];
  const byClass = new Map<string, Question>();
  let pairs = 0;
  const said = new Set<string>();
  for (const sender of senders.found) {
    const { found, findings } = targets(sender);
    // Which are the same for every sender, as a rule.
    complain(
      ["to"],
      findings.filter(({ message }) => !said.has(message)),
    );
    for (const { message } of findings) said.add(message);
    for (const target of found) {
      if (isSet && target.host === sender.host) continue;
      const key = isSet ? classes?.keyOf(sender, target) : undefined;
      const known = key === undefined ? undefined : byClass.get(key);
      if (known !== undefined) {
        known.pairs++;
        continue;
      }
      const question = { sender, target, packet: packetTo(target, sourcePort), pairs: 1 };
      questions.push(question);
      if (key !== undefined) byClass.set(key, question);
    }
    pairs += found.length;
    if (questions.length > mostQuestions || pairs > mostPairs) return undefined;
  }
  if (questions.length === 0 && senders.findings.length === 0 && said.size === 0) {
    complain(["to"], [{ code: "EmptySet", message: "nobody is left to send to: the only sender is the only receiver" }]);
  }
  return questions;
}

/** Without a source address: the sending host chooses as Linux does. */
export function packetTo({ protocol, address, port }: Target, sourcePort: number | undefined): TracePacket {
  if (protocol === "icmp") return { protocol, destination: address };
  return {
    protocol,
    destination: address,
    ...(port === undefined ? {} : { destinationPort: port }),
    ...(sourcePort === undefined ? {} : { sourcePort }),
  };
}

type Conditions = {
  readonly outcomes: readonly OutcomeWord[];
  readonly through: readonly HostTest[] | undefined;
  readonly notThrough: readonly HostTest[] | undefined;
  readonly exceptThrough: readonly HostTest[] | undefined;
  readonly sees: readonly AddressTest[] | undefined;
  readonly translations:
    | readonly {
        readonly of: "source" | "destination";
        readonly on: readonly HostTest[] | undefined;
        readonly to: readonly AddressTest[] | undefined;
      }[]
    | undefined;
  readonly owner: (address: Address) => string | undefined;
};

/** Is it about outcomes and routers only? Addresses, nodes and pods differ from one member of a party to the next. */
function isShared(view: LabView, { through, notThrough, exceptThrough, sees, translations }: Conditions): boolean {
  if (sees !== undefined || translations !== undefined) return false;
  const tests = [...(through ?? []), ...(notThrough ?? []), ...(exceptThrough ?? [])];
  // Where a load balancer is a next hop, its hash of each packet decides.
  return !view.network
    .names()
    .some((name) => name.startsWith("balancer/") || (/^(node|pod)\//.test(name) && tests.some(({ matches }) => matches(name))));
}

function deviation(conditions: Conditions, way: Way, sender: Sender): Difference | undefined {
  const { outcomes, through = [], notThrough = [], exceptThrough, sees, translations, owner } = conditions;
  const passes = ({ matches }: HostTest) => way.hosts.some(matches);
  const isExpected = outcomes.some((word) => (word === "blocked" ? way.outcome !== "delivered" : word === way.outcome));
  if (!isExpected && !(way.outcome === "delivered" && exceptThrough?.some(passes) === true)) {
    const except = exceptThrough === undefined ? "" : `, and not through ${wordsOf(exceptThrough)}`;
    return { about: "outcome", what: `is ${way.outcome}${except}` };
  }
  const missed = through.find((test) => !passes(test));
  if (missed !== undefined) return { about: "hosts", what: `does not come through ${missed.word}: ${way.hosts.join(", ")}` };
  const met = notThrough.find(passes);
  if (met !== undefined) return { about: "hosts", what: `comes through ${met.word}: ${way.hosts.join(", ")}` };
  if (sees !== undefined && way.seen !== undefined) {
    const { seen } = way;
    if (!sees.some(({ matches }) => matches(seen, sender))) {
      const name = owner(seen);
      return { about: "seen", what: `the receiver sees ${seen}${name === undefined ? "" : ` (${name})`}, not ${wordsOf(sees)}` };
    }
  }
  if (translations !== undefined && !sameTranslations(translations, way, sender)) {
    const text = way.translations.map(({ of, on, to }) => `${of} to ${to} on ${on}`).join(", ");
    return { about: "translations", what: text === "" ? "nothing is translated" : `is translated: ${text}` };
  }
  return undefined;
}

function sameTranslations(wanted: NonNullable<Conditions["translations"]>, { translations }: Way, sender: Sender): boolean {
  if (wanted.length !== translations.length) return false;
  return wanted.every(({ of, on, to }, index) => {
    const one = translations[index];
    if (one === undefined || one.of !== of) return false;
    const isThere = on === undefined || on.some(({ matches }) => matches(one.on));
    return isThere && (to === undefined || to.some(({ matches }) => matches(one.to, sender)));
  });
}

function wordsOf(tests: readonly { readonly word: string }[]): string {
  return tests.map(({ word }) => word).join(" or ");
}

export function wayOf({ outcome, hops, received }: Path): Way {
  const translations: { of: "source" | "destination"; on: HostName; to: Address }[] = [];
  for (const { host, before, after } of hops) {
    if (before.destination !== after.destination || before.destinationPort !== after.destinationPort) {
      translations.push({ of: "destination", on: host, to: after.destination });
    }
    // The unspecified source of a packet that its sender has not sent yet is no address to translate.
    const isSent = before.source !== "0.0.0.0" && before.source !== "::";
    if (isSent && (before.source !== after.source || before.sourcePort !== after.sourcePort)) {
      translations.push({ of: "source", on: host, to: after.source });
    }
  }
  return { outcome, hosts: hops.map(({ host }) => host), translations, ...(received === undefined ? {} : { seen: received.source }) };
}

/** What the tracer says. Steps are only written down for what deviates. */
export function judgeReach(view: LabView, reach: Reach): Verdict {
  const deviations: Deviation[] = [];
  let deviating = 0;
  for (const question of reach.questions) {
    const { sender, packet } = question;
    const deviates = (path: Path) => reach.deviation(wayOf(path), sender);
    if (!view.tracer.trace(sender.host, packet, { steps: false }).some(deviates)) continue;
    deviating += question.pairs;
    if (deviations.length >= shownDeviations) continue;
    const paths = view.tracer.trace(sender.host, packet);
    const path = paths.find(deviates);
    const difference = path === undefined ? undefined : deviates(path);
    if (path === undefined || difference === undefined)
      throw new Error(`a trace of ${sender.label} depends on whether its steps are written down`);
    deviations.push(deviationOf(reach, question, difference, path, paths.length));
  }
  const packets = reach.questions.reduce((sum, { pairs }) => sum + pairs, 0);
  return deviating === 0 ? passed(reach.asserted, packets) : failed(reach.asserted, deviations, { packets, deviating });
}

export function deviationOf(reach: Reach, question: Question, difference: Difference, path: Path, ways: number): Deviation {
  const decision = decisionOf(path, difference.about);
  const one = ways > 1 ? `one of ${ways} ways ` : "";
  return {
    from: question.sender.label,
    to: question.target.label,
    what: `${one}${difference.what}${question.pairs > 1 ? `, as for ${question.pairs - 1} other pairs` : ""}`,
    ...(decision === undefined ? {} : { decidedBy: decision }),
    again: reach.again(question),
  };
}

/** The step that made it so. */
function decisionOf(path: Path, about: Difference["about"]): Decision | undefined {
  if (about === "outcome" && path.outcome !== "delivered") {
    const failing = path.decidedBy === undefined ? (path.answer ?? path.acknowledgement ?? path.return ?? path) : path;
    const { decidedBy, hops } = failing;
    if (decidedBy === undefined) return undefined;
    const what = hops.at(-1)?.steps.at(-1)?.what ?? failing.outcome;
    return { ...decidedBy, what: failing === path ? what : `on the way back: ${what}` };
  }
  const kinds: Readonly<Record<Difference["about"], readonly string[]>> = {
    outcome: ["accept", "route"],
    hosts: ["route"],
    seen: ["source-nat"],
    translations: ["source-nat", "destination-nat"],
  };
  // The last of the first kind that there is: a rule that accepts says more than a route, a translation more than none.
  for (const kind of kinds[about]) {
    for (const { host, steps, outInterface } of path.hops.toReversed()) {
      // That the receiver knows its own address decides nothing.
      if (kind === "route" && outInterface === undefined) continue;
      const step = steps.findLast((candidate) => candidate.kind === kind && candidate.origin !== undefined);
      if (step === undefined) continue;
      const { what, element, origin } = step;
      return { host, what, ...(element === undefined ? {} : { element }), ...(origin === undefined ? {} : { origin }) };
    }
  }
  return undefined;
}

function assertedText(words: ReachWords): string {
  const { outcome, through, notThrough, exceptThrough, sees, translations } = words;
  const outcomes = outcome ?? [exceptThrough === undefined ? "delivered" : "blocked"];
  const parts = [
    outcomes.join(" or "),
    ...(through === undefined ? [] : [`through ${through.join(" and ")}`]),
    ...(notThrough === undefined ? [] : [`not through ${notThrough.join(" or ")}`]),
    ...(exceptThrough === undefined ? [] : [`except through ${exceptThrough.join(" or ")}`]),
    ...(sees === undefined ? [] : [`sees ${sees.join(" or ")}`]),
    ...(translations === undefined
      ? []
      : [translations.length === 0 ? "no translation" : `translated: ${translations.map(({ of }) => of).join(", ")}`]),
  ];
  return `${endsText(words.from)} > ${endsText(words.to)}: ${parts.join(", ")}`;
}

function endsText(ends: readonly EndWords[] | undefined): string {
  const texts = (ends ?? []).map((end) => {
    if ("end" in end) return end.end;
    const { kind, cluster, namespace, name, labels, within, except } = end.set;
    const parts = [
      `every ${kind}`,
      ...(name === undefined ? [] : [`called ${name}`]),
      ...(namespace === undefined ? [] : [`in namespace ${namespace}`]),
      ...(cluster === undefined ? [] : [`of cluster ${cluster}`]),
      ...(labels === undefined
        ? []
        : [
            `with ${Object.entries(labels)
              .map(([key, value]) => `${key}=${value}`)
              .join(",")}`,
          ]),
      ...(within === undefined ? [] : [`within ${within}`]),
      ...(except.length === 0 ? [] : [`but ${endsText(except)}`]),
    ];
    return parts.join(" ");
  });
  return texts.length <= 3 ? texts.join(" or ") : `${texts.slice(0, 2).join(" or ")} or ${texts.length - 2} others`;
}

function traceCommand({ sender, target }: Question, { protocol, sourcePort, via, family }: ReachWords): string {
  const { service } = target;
  const isNodePort = service?.via === "nodeport";
  const to = isNodePort ? `${target.address}:${target.port}` : target.label;
  const udp = target.protocol === "udp" ? "/udp" : "";
  const options = [
    ...(target.protocol === "icmp" || protocol === "icmp" ? ["--protocol icmp"] : []),
    ...(service === undefined || isNodePort ? [] : [`--via ${via ?? service.via}`]),
    ...(family === "IPv6" ? ["--ipv6"] : []),
    ...(sourcePort === undefined ? [] : [`--source-port ${sourcePort}`]),
  ];
  return ["drydock trace", sender.label, `${to}${udp}`, ...options].join(" ");
}

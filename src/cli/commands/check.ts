import { randomInt } from "node:crypto";
import type { Command } from "commander";
import {
  agrees,
  askedAgain,
  brokenInvariants,
  Chance,
  type Expectation,
  expectationOf,
  expectationText,
  mostWays,
  observationText,
  type Question,
  type Questions,
  questionsFor,
} from "../../lab/check.ts";
import type { LabView } from "../../lab/view.ts";
import type { Disposition } from "../../trace/index.ts";
import { command, fileOption, labOption } from "../command.ts";
import type { Context } from "../context.ts";
import { Failure } from "../failure.ts";
import { type Live, type ProbeResult, probePacket } from "../live.ts";
import { differences, observeJourney } from "../observed.ts";
import { type OutputOptions, outputOption, print } from "../output.ts";
import { Progress } from "../progress.ts";
import { openSource, type SourceOptions } from "../source.ts";

type Options = OutputOptions &
  SourceOptions & {
    readonly model?: boolean;
    readonly sample?: number;
    readonly seed?: number;
    readonly timeout: number;
    readonly paths: number;
  };

type Disagreement = {
  readonly from: string;
  readonly to: string;
  readonly predicted: readonly string[];
  readonly observed: string;
  /** Commands that show it again. */
  readonly again: readonly string[];
};

type Result = {
  readonly packets: number;
  readonly pairs: number;
  readonly seed: number;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly disagreements: readonly Disagreement[];
};

/** More pairs than these are sampled unless asked for: pairs grow with the square of the lab. */
const mostPairs = 50_000;

/** So many disagreements are printed in full; more of them have the same cause as a rule. */
const shownDisagreements = 10;

export function checkCommand(context: Context): Command {
  const made = command("check", "send packets between all pairs of endpoints and compare what happens with the prediction", [
    { does: "everything with everything, in the running lab", type: "drydock check" },
    { does: "500 pairs, the same ones each time", type: "drydock check --sample 500 --seed 7" },
    { does: "only the model's own invariants, without a running lab", type: "drydock check --model examples/two-options/lab.yaml" },
  ]);
  return made
    .argument("[file...]", "with --model: these documents instead of a running lab")
    .addOption(fileOption())
    .addOption(labOption())
    .option("--model", "send nothing: check that every trace ends once, that ways add up, and that replies return")
    .option("--sample <count>", "so many pairs instead of all", parseCount)
    .option("--seed <number>", "chooses the sample and the source ports (default: by chance; it is printed)", parseCount)
    .option("--timeout <milliseconds>", "a packet that is not answered for so long is lost", parseCount, 1000)
    .option("--paths <count>", "of so many packets compare the path hop by hop too", parseCount, 12)
    .addOption(outputOption())
    .addHelpText("after", "\nExit status 0: no disagreement; 1: at least one.\n")
    .action(async (files: readonly string[]) => {
      const options = made.opts<Options>();
      const source = await openSource(context, options, files);
      const seed = options.seed ?? randomInt(2 ** 31);
      if (options.model !== true && source.live === undefined) {
        throw new Failure("usage", "documents have no kernel to compare with", {
          fix: "add --model to check the model alone, or start the lab: drydock up FILE",
        });
      }
      const { total } = questionsFor(source.view, seed, 0);
      const sample = options.sample ?? (total > mostPairs ? mostPairs : undefined);
      if (sample !== options.sample) {
        context.stderr.write(`${total} pairs: ${mostPairs} of them are checked, chosen by the seed; --sample sets how many\n`);
      }
      const questions = questionsFor(source.view, seed, sample);
      const result =
        options.model === true || source.live === undefined
          ? checkModel(context, source.view, questions, seed)
          : await checkLive(context, source.view, source.live, questions, seed, options);
      print(context, options.output, result, () => renderResult(context, result));
      if (result.disagreements.length > 0) context.exitStatus = 1;
    });
}

function parseCount(text: string): number {
  const count = /^\d{1,10}$/.test(text) ? Number(text) : -1;
  if (count < 0) throw new Failure("usage", `${text} is no count`, { fix: "give a whole number" });
  return count;
}

function renderResult({ style }: Context, result: Result): string {
  const lines: string[] = [];
  for (const { from, to, predicted, observed, again } of result.disagreements.slice(0, shownDisagreements)) {
    lines.push(`${style.red("disagreement")}: ${from} > ${to}`);
    lines.push(...predicted.map((text, index) => `  ${style.dim(index === 0 ? "predicted:" : "       or:")} ${text}`));
    lines.push(`  ${style.dim(" observed:")} ${observed}`, ...again.map((text) => `  ${style.dim("    again:")} ${text}`), "");
  }
  const more = result.disagreements.length - shownDisagreements;
  if (more > 0) lines.push(`and ${more} more (-o json lists them all)`, "");
  const outcomes = Object.entries(result.outcomes).sort(([, a], [, b]) => b - a);
  if (outcomes.length > 0) lines.push(style.dim(outcomes.map(([name, count]) => `${count} ${name}`).join(", ")));
  const count = result.disagreements.length;
  const words = `${count} ${count === 1 ? "disagreement" : "disagreements"}`;
  lines.push(`${result.packets} packets, ${count === 0 ? style.green(words) : style.red(words)}, seed ${result.seed}`);
  return `${lines.join("\n")}\n`;
}

function again(question: Question, verb: "trace" | "probe"): string {
  return `drydock ${verb} ${question.from} ${question.to} ${question.options.join(" ")}`.trim();
}

function countOutcome(counts: Record<string, number>, outcome: string): void {
  counts[outcome] = (counts[outcome] ?? 0) + 1;
}

function checkModel(context: Context, view: LabView, questions: Questions, seed: number): Result {
  const progress = new Progress(context);
  const outcomes: Partial<Record<Disposition, number>> & Record<string, number> = {};
  const disagreements: Disagreement[] = [];
  let packets = 0;
  for (const question of questions.asked) {
    if (packets++ % 500 === 0) progress.update(`traced ${packets - 1} of ${questions.count} packets`);
    const paths = view.tracer.trace(question.host, question.packet, { steps: false });
    countOutcome(outcomes, paths[0]?.outcome ?? "nothing");
    const broken = brokenInvariants(question, paths);
    if (broken.length === 0) continue;
    disagreements.push({
      from: question.from,
      to: question.to,
      predicted: ["the model keeps its own rules"],
      observed: broken.join("; "),
      again: [again(question, "trace")],
    });
  }
  progress.clear();
  for (const ambiguity of view.tracer.ambiguities) {
    disagreements.push({
      from: "the network",
      to: "a next hop",
      predicted: ["one host answers for each next hop"],
      observed: ambiguity,
      again: ["drydock show hosts"],
    });
  }
  return { packets, pairs: questions.total, seed, outcomes, disagreements };
}

/** Packets under way at a time; the daemon has its own bound. */
const batchSize = 512;

async function checkLive(
  context: Context,
  view: LabView,
  live: Live,
  questions: Questions,
  seed: number,
  options: Options,
): Promise<Result> {
  const progress = new Progress(context);
  const outcomes: Record<string, number> = {};
  const disagreements: Disagreement[] = [];
  let packets = 0;
  const send = async (batch: readonly Question[]) => {
    const doubtful: { readonly question: Question; readonly observed: ProbeResult; readonly expected: readonly Expectation[] }[] = [];
    await live.probe(
      batch.map(({ host, packet }) => ({ from: host, packet: probePacket(packet), timeoutMs: options.timeout })),
      (index, observed) => {
        const question = batch[index];
        if (question === undefined) return;
        packets++;
        progress.update(`${packets} of ${questions.count} packets, ${disagreements.length} disagreements`);
        const expected = predict(view, question, options.timeout);
        countOutcome(outcomes, observed.outcome);
        if (!agrees(observed, expected)) doubtful.push({ question, observed, expected });
      },
    );
    if (doubtful.length === 0) return;
    // The lab lives: a backend may have become healthy, or not, since it was looked at.
    const now = await live.view();
    for (const { question, observed, expected } of doubtful) {
      const prediction = predict(now, question, options.timeout);
      if (agrees(observed, prediction)) continue;
      // A disagreement is one that stays when nothing else is sent.
      const alone = askedAgain(question, observed, prediction);
      if (agrees(await askAlone(live, alone, options.timeout), predict(now, alone, options.timeout))) continue;
      disagreements.push({
        from: question.from,
        to: question.to,
        predicted: expected.map(expectationText),
        observed: observationText(observed),
        again: [again(question, "trace"), again(question, "probe")],
      });
    }
  };
  let batch: Question[] = [];
  for (const question of questions.asked) {
    batch.push(question);
    if (batch.length < batchSize) continue;
    await send(batch);
    batch = [];
  }
  if (batch.length > 0) await send(batch);
  const followed = await followPaths(view, live, questions, seed, options, progress);
  disagreements.push(...followed.disagreements);
  progress.clear();
  return { packets: packets + followed.packets, pairs: questions.total, seed, outcomes, disagreements };
}

async function askAlone(live: Live, question: Question, timeoutMs: number): Promise<ProbeResult> {
  let answer: ProbeResult = { outcome: "timeout", reachable: false };
  await live.probe([{ from: question.host, packet: probePacket(question.packet), timeoutMs }], (_, result) => {
    answer = result;
  });
  return answer;
}

/** Of a few packets, every hop with every translation, there and back. */
async function followPaths(
  view: LabView,
  live: Live,
  questions: Questions,
  seed: number,
  options: Options,
  progress: Progress,
): Promise<{ readonly packets: number; readonly disagreements: readonly Disagreement[] }> {
  const chosen = new Set(new Chance(seed).sample(questions.count, Math.min(options.paths, questions.count)));
  const disagreements: Disagreement[] = [];
  let number = 0;
  let packets = 0;
  for (const question of questions.asked) {
    if (!chosen.has(number++)) continue;
    progress.update(`followed ${packets++} of ${chosen.size} packets hop by hop`);
    const look = async (lab: LabView) => {
      const paths = lab.tracer.trace(question.host, question.packet);
      return (await observeJourney(lab, live, question.host, question.packet, paths, { timeoutMs: options.timeout })).comparison;
    };
    let comparison = await look(view);
    if (!comparison.agrees) comparison = await look(await live.view());
    if (comparison.agrees) continue;
    const parted = differences(comparison);
    disagreements.push({
      from: question.from,
      to: question.to,
      predicted: parted.map(({ predicted }) => predicted),
      observed: parted.map(({ observed }) => observed).join("; "),
      again: [`${again(question, "trace")} --observed`],
    });
  }
  return { packets, disagreements };
}

function predict(view: LabView, question: Question, timeoutMs: number): readonly Expectation[] {
  return view.tracer
    .trace(question.host, question.packet, { steps: false, maxPaths: mostWays })
    .map((path) => expectationOf(view.network, path, timeoutMs));
}

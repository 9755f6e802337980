/** A lab in the kernel of the world that the test runs in: no daemon, no store, the same compiled network and the same stand-ins. */

import type { Network } from "../../src/ir/network.ts";
import type { Kernel } from "../../src/kernel/index.ts";
import {
  agrees,
  askedAgain,
  type Expectation,
  expectationOf,
  expectationText,
  mostWays,
  observationText,
  type Question,
  questionsFor,
} from "../../src/lab/check.ts";
import { openLab } from "../../src/lab/index.ts";
import type { LabView } from "../../src/lab/view.ts";
import { mustAddress } from "../../src/net/address.ts";
import { type ProbeResult, probe } from "../../src/world/probe.ts";
import { enter, hasIpv6, StandIns } from "../../src/world/stand-in.ts";
import type { LabText } from "./random-lab.ts";

/** Opens a lab from text; throws with all its problems. */
export function openText({ lab, manifests }: LabText): LabView {
  const opened = openLab([{ path: "lab.yaml", text: lab }], (path) => {
    const text = manifests[path];
    return text === undefined ? undefined : { path, text };
  });
  if (opened.view === undefined)
    throw new Error(`the lab has errors:\n${opened.problems.map((problem) => `${problem.path}: ${problem.message}`).join("\n")}\n${lab}`);
  return opened.view;
}

/** A packet that is not answered for so long is lost. */
const waitMs = 800;

/** Packets under way at a time. Most of the time is spent on waiting for what does not come. */
const underWay = 1000;

/** Doubtful answers that are asked for again, few at a time: the machine was busy, or its neighbour table full. */
const doubtfulUnderWay = 50;

/** What is still doubtful is asked for one by one, so many times; more of them are no accident. */
const mostAskedAlone = 20;

type Doubt = { readonly question: Question; readonly observed: ProbeResult; readonly expected: readonly Expectation[] };

export class RunningLab {
  readonly view: LabView;
  readonly #kernel: Kernel;
  readonly #standIns = new StandIns(enter);

  constructor(view: LabView, kernel: Kernel) {
    this.view = view;
    this.#kernel = kernel;
    const { errors } = kernel.apply(view.network);
    if (errors.length > 0) throw new Error(errors.map((error) => error.message).join("\n"));
    for (const name of view.network.names()) {
      const host = view.network.host(name);
      const problems = this.#standIns.set(name, host?.listeners ?? [], host !== undefined && hasIpv6(host));
      if (problems.length > 0) throw new Error(problems.map(({ error }) => error.message).join("\n"));
    }
  }

  send(question: Pick<Question, "host" | "packet">, timeoutMs = waitMs): Promise<ProbeResult> {
    return probe(enter, {
      from: question.host,
      packet: {
        ...question.packet,
        source: question.packet.source ?? mustAddress(question.packet.destination.includes(":") ? "::" : "0.0.0.0"),
      },
      timeoutMs,
    });
  }

  /** Does the kernel do with it what the model does not predict, also when it is asked again? */
  async disagrees(question: Question): Promise<boolean> {
    const observed = await this.send(question);
    const expected = predict(this.view, question);
    if (agrees(observed as never, expected)) return false;
    const again = askedAgain(question, observed as never, expected);
    return !agrees((await this.send(again)) as never, predict(this.view, again));
  }

  /** Sends every question, or `sample` of them, and returns those where the kernel did what the model did not predict, also as text. */
  async disagreements(
    seed: number,
    sample?: number,
  ): Promise<{ readonly packets: number; readonly found: readonly { readonly question: Question; readonly text: string }[] }> {
    const questions = [...questionsFor(this.view, seed, sample).asked];
    const doubtful = await this.#doubtful(questions, underWay);
    const asked = doubtful.map(({ question, observed, expected }) => askedAgain(question, observed as never, expected));
    // A disagreement is one that stays when nothing else is sent.
    const found: { readonly question: Question; readonly text: string }[] = [];
    for (const [index, { question, observed, expected }] of (await this.#doubtful(asked, doubtfulUnderWay)).entries()) {
      const again = askedAgain(question, observed as never, expected);
      if (index < mostAskedAlone && agrees((await this.send(again)) as never, predict(this.view, again))) continue;
      const text = `${question.from} > ${question.to} ${question.options.join(" ")}\n  predicted: ${expected.map(expectationText).join(" | ")}\n  observed: ${observationText(observed as never)}`;
      found.push({ question, text });
    }
    return { packets: questions.length, found };
  }

  /** Those that the kernel answers as the model does not predict, when so many are under way at a time. */
  async #doubtful(questions: readonly Question[], most: number): Promise<readonly Doubt[]> {
    const doubtful: Doubt[] = [];
    let next = 0;
    const worker = async () => {
      for (let index = next++; index < questions.length; index = next++) {
        const question = questions[index];
        if (question === undefined) return;
        const observed = await this.send(question);
        const expected = predict(this.view, question);
        if (!agrees(observed as never, expected)) doubtful.push({ question, observed, expected });
      }
    };
    await Promise.all(Array.from({ length: most }, worker));
    return doubtful;
  }

  close(): void {
    this.#standIns.close();
    this.#kernel.apply(nothing);
  }
}

export function predict(view: LabView, question: Question): readonly Expectation[] {
  return view.tracer
    .trace(question.host, question.packet, { steps: false, maxPaths: mostWays })
    .map((path) => expectationOf(view.network, path, waitMs));
}

const nothing: Network = { names: () => [], host: () => undefined };

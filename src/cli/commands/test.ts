import { dirname, isAbsolute, join, relative, resolve } from "node:path";
import { type Command, Option } from "commander";
import {
  type Assertion,
  type AssertionFile,
  type Design,
  expectsProblems,
  judge,
  readAssertions,
  starterFile,
  type Verdict,
} from "../../assertions/index.ts";
import { renderGithub } from "../../assertions/report/github.ts";
import { renderJunit } from "../../assertions/report/junit.ts";
import { renderTap } from "../../assertions/report/tap.ts";
import { countsOf, type TestedAssertion, type TestedFile } from "../../assertions/report/tested.ts";
import { isPattern, matchesPattern } from "../../documents/pattern.ts";
import { planDocuments } from "../../plan/index.ts";
import { command, fileOption, labOption } from "../command.ts";
import { connect } from "../connect.ts";
import type { Context } from "../context.ts";
import { exitStatuses, Failure } from "../failure.ts";
import { documentFailure, loadDocuments, openDocuments, readDocument, warn } from "../files.ts";
import { print } from "../output.ts";
import { Progress } from "../progress.ts";
import { testLive } from "../test-live.ts";
import { renderTested } from "../test-text.ts";

const formats = ["text", "junit", "tap", "github", "json", "yaml"] as const;

type Options = {
  readonly output: (typeof formats)[number];
  readonly file?: readonly string[];
  readonly lab?: string;
  readonly live?: boolean;
  readonly filter?: readonly string[];
  readonly timeout: number;
  readonly init?: boolean;
};

export function testCommand(context: Context): Command {
  const made = command(
    "test",
    "check what a file asserts of a design: who reaches whom, by which way, seen as whom, and what room is left",
    [
      { does: "on the model, anywhere", type: "drydock test examples/two-options/test.yaml" },
      {
        does: "the same file with real packets, in the running lab of its design",
        type: "drydock test --live examples/two-options/test.yaml",
      },
      {
        does: "for CI: results in a file, and annotations where GitHub shows them",
        type: "drydock test -o junit examples/*/test.yaml > results.xml",
      },
      { does: "some of them", type: "drydock test examples/two-options/test.yaml --filter '*database*'" },
      { does: "a first file, of what is true now", type: "drydock test --init examples/two-options/lab.yaml > test.yaml" },
      { does: "another design must keep the same promises", type: "drydock test examples/two-options/test.yaml -f new/lab.yaml" },
    ],
  );
  return made
    .argument("<file...>", "files of assertions (docs/test.md)")
    .addOption(fileOption("these documents instead of the design that the files name"))
    .option("--init", "print a file of what is true of these documents now, to start from")
    .option("--live", "send real packets through the running lab")
    .addOption(labOption("with --live: the lab (default: that of the design)"))
    .option("--filter <pattern>", "only assertions of this name: a part of it, or a pattern with * and ? (may be repeated)", collect)
    .option("--timeout <milliseconds>", "with --live: a packet that is not answered for so long is lost", parseMilliseconds, 1000)
    .addOption(new Option("-o, --output <format>", "how to print").choices(formats).default("text"))
    .addHelpText("after", "\nExit status 0: all hold; 1: one does not; 2: files or documents with errors, or names that are not there.\n")
    .action(async (paths: readonly string[]) => {
      const options = made.opts<Options>();
      if (options.init === true) {
        context.stdout.write(starterOf(context, [...paths, ...(options.file ?? [])]));
        return;
      }
      const files = readAll(context, paths);
      const tester = new Tester(context, options);
      const tested: TestedFile[] = [];
      for (const file of files) tested.push(await tester.test(file));
      if (tested.every(({ assertions }) => assertions.length === 0)) {
        throw new Failure("unknown", `no assertion is called ${(options.filter ?? []).join(" or ")}`, { fix: "--filter '*' runs all" });
      }
      printTested(context, options.output, tested);
      const { failed, error } = countsOf(tested);
      if (error > 0) context.exitStatus = exitStatuses.documents;
      else if (failed > 0) context.exitStatus = exitStatuses.no;
    });
}

function collect(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

function parseMilliseconds(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new Failure("usage", `${text} is no time`, { fix: "give milliseconds, from 1 to 999999" });
  return Number(text);
}

/** Every problem of every file, before anything is tested. */
function readAll(context: Context, paths: readonly string[]): readonly AssertionFile[] {
  const read = paths.map((path) => readAssertions(readDocument(context, path)));
  const problems = read.flatMap((one) => one.problems);
  if (problems.some(({ severity }) => severity === "error")) throw documentFailure(paths, problems, context.errorStyle);
  warn(context, problems);
  return read.flatMap(({ files }) => files);
}

function starterOf(context: Context, paths: readonly string[]): string {
  const design = designOf(context, paths);
  const { view } = design;
  if (view === undefined) throw documentFailure(paths, design.problems, context.errorStyle);
  return starterFile(view, design.plan, paths, (file, assertion) => judge(design, file, assertion).status === "passed");
}

class Tester {
  readonly #context: Context;
  readonly #options: Options;
  readonly #designs = new Map<string, Design>();
  readonly #progress: Progress;

  constructor(context: Context, options: Options) {
    this.#context = context;
    this.#options = options;
    this.#progress = new Progress(context);
  }

  async test(file: AssertionFile): Promise<TestedFile> {
    const wanted = file.assertions.filter(({ name }) => this.#isWanted(name));
    const started = performance.now();
    const { design, results } = this.#options.live === true ? await this.#live(file, wanted) : this.#model(file, wanted);
    this.#progress.clear();
    const assertions = wanted.map((assertion, index): TestedAssertion => {
      const result = results[index];
      if (result === undefined) throw new Error(`assertion ${assertion.name} was not judged`);
      const { name, because, place } = assertion;
      const { verdict, durationMs } = result;
      return { name, ...(because === undefined ? {} : { because }), ...place, ...verdict, durationMs };
    });
    return { file: file.path, design, live: this.#options.live === true, assertions, durationMs: performance.now() - started };
  }

  #isWanted(name: string): boolean {
    const { filter } = this.#options;
    const lower = name.toLowerCase();
    return (
      filter?.some((text) => (isPattern(text) ? matchesPattern(lower, text.toLowerCase()) : lower.includes(text.toLowerCase()))) ?? true
    );
  }

  #model(file: AssertionFile, assertions: readonly Assertion[]): Tested {
    const paths = this.#designPaths(file);
    const design = this.#open(paths, assertions.length > 0 && expectsProblems(file));
    const results = assertions.map((assertion, index) => {
      this.#progress.update(`judged ${index} of ${assertions.length} assertions`);
      const started = performance.now();
      const verdict = judge(design, file, assertion);
      return { verdict: onDocuments(verdict, paths), durationMs: performance.now() - started };
    });
    return { design: paths, results };
  }

  async #live(file: AssertionFile, assertions: readonly Assertion[]): Promise<Tested> {
    const lab = this.#options.lab ?? this.#nameOf(file);
    const live = await connect(this.#context, lab);
    const started = performance.now();
    const verdicts = await testLive(live, file, assertions, {
      timeoutMs: this.#options.timeout,
      onProgress: (text) => this.#progress.update(text),
    });
    // Packets of all assertions are under way together.
    const durationMs = (performance.now() - started) / Math.max(1, verdicts.length);
    return { design: [live.name], results: verdicts.map((verdict) => ({ verdict, durationMs })) };
  }

  /** Of the lab that the design describes; `undefined` when the file names none. */
  #nameOf(file: AssertionFile): string | undefined {
    return file.design.length === 0 && this.#options.file === undefined
      ? undefined
      : loadDocuments(this.#context, this.#designPaths(file), {}).name;
  }

  #designPaths(file: AssertionFile): readonly string[] {
    const { file: given } = this.#options;
    if (given !== undefined) return given;
    if (file.design.length === 0) {
      throw new Failure("usage", `${file.path} names no design`, {
        fix: "write `design: lab.yaml` into it, or name the documents with -f",
      });
    }
    const { cwd } = this.#context;
    return file.design.map((path) => (isAbsolute(path) ? path : relative(cwd, resolve(cwd, join(dirname(file.path), path)))));
  }

  /** Errors are the caller's to expect, or else end the command. */
  #open(paths: readonly string[], mayBeRefused: boolean): Design {
    const key = paths.join("\0");
    const known = this.#designs.get(key);
    const design = known ?? designOf(this.#context, paths);
    this.#designs.set(key, design);
    if (!mayBeRefused && design.view === undefined) throw documentFailure(paths, design.problems, this.#context.errorStyle);
    if (known === undefined && !mayBeRefused) warn(this.#context, design.problems);
    return design;
  }
}

type Tested = {
  readonly design: readonly string[];
  readonly results: readonly { readonly verdict: Verdict; readonly durationMs: number }[];
};

function designOf(context: Context, paths: readonly string[]): Design {
  const { view, problems } = openDocuments(context, paths);
  const loaded = once(() => loadDocuments(context, paths, {}));
  const plan = once(() => planDocuments(loaded()));
  return {
    problems,
    view,
    get plan() {
      return plan();
    },
    get resources() {
      return loaded().readable.map(({ value }) => value);
    },
  };
}

/** Commands that show something again need to know of what. */
function onDocuments(verdict: Verdict, paths: readonly string[]): Verdict {
  if (verdict.deviations.length === 0) return verdict;
  const deviations = verdict.deviations.map((one) =>
    one.again === undefined ? one : { ...one, again: `${one.again} ${paths.join(" ")}` },
  );
  return { ...verdict, deviations };
}

function once<T extends object>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

function printTested(context: Context, format: Options["output"], files: readonly TestedFile[]): void {
  switch (format) {
    case "junit":
      context.stdout.write(renderJunit(files));
      return;
    case "tap":
      context.stdout.write(renderTap(files));
      return;
    case "github":
      context.stdout.write(renderGithub(files));
      return;
    default: {
      const { failed, error } = countsOf(files);
      print(context, format, { holds: failed + error === 0, counts: countsOf(files), files }, (style) => renderTested(files, style));
    }
  }
}

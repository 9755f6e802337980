import { type Command, Option } from "commander";
import { type Advice, type Answers, adviseAnswers, adviseDesign, answersTemplate, readAnswers } from "../../plan/advice/index.ts";
import { planDocuments } from "../../plan/index.ts";
import { adviceDocument } from "../../plan/report/advice.ts";
import { command, fileOption } from "../command.ts";
import { type Comparisons, compareOptions } from "../compare-options.ts";
import type { Context } from "../context.ts";
import { type DocumentFormat, documentOption, printDocument } from "../document.ts";
import { Failure } from "../failure.ts";
import { documentFailure, loadDocuments, readDocument } from "../files.ts";

type Options = {
  readonly output: DocumentFormat;
  readonly file?: readonly string[];
  readonly answers?: string;
  readonly questions?: boolean;
  readonly rules?: "current" | "lesson";
};

export function adviseCommand(context: Context): Command {
  const made = command("advise", "say which network option suits a cluster, and what decides it", [
    { does: "the clusters of a design", type: "drydock advise examples/two-options/lab.yaml" },
    {
      does: "the decision between kubenet and Azure CNI, as it was taught about 2019",
      type: "drydock advise --rules lesson examples/two-options/lab.yaml",
    },
    {
      does: "before there is a design: answer what you know",
      type: "drydock advise --questions > answers.yaml\n  drydock advise --answers answers.yaml",
    },
    { does: "both: what a design cannot say is answered", type: "drydock advise lab.yaml --answers answers.yaml -o markdown" },
  ]);
  return made
    .argument("[file...]", "the documents that describe the design")
    .addOption(fileOption("the documents that describe the design"))
    .option("--answers <file>", "answers to what documents do not say, or to everything when there are none")
    .option("--questions", "print a file of questions to fill in, and do nothing else")
    .addOption(new Option("--rules <set>", "whose options and limits, whatever the documents say").choices(["current", "lesson"]))
    .addOption(documentOption())
    .addHelpText(
      "after",
      "\nExit status 0: an option is left; 1: what is wanted cannot be had together; 2: documents that cannot be read.\n",
    )
    .action((words: readonly string[]) => {
      const options = made.opts<Options>();
      if (options.questions === true) {
        context.stdout.write(answersTemplate());
        return;
      }
      const files = [...(options.file ?? []), ...words];
      if (files.length === 0 && options.answers === undefined) {
        throw new Failure("usage", "there is nothing to give advice on", {
          fix: "name a design, or answer questions: drydock advise --questions > answers.yaml",
        });
      }
      const answers = options.answers === undefined ? undefined : answersIn(context, options.answers);
      const { advice, comparisons } =
        files.length === 0 && answers !== undefined
          ? { advice: adviseAnswers(answers, { rules: options.rules ?? "current" }), comparisons: undefined }
          : adviceOn(context, files, answers, options);
      const data = comparisons === undefined ? advice : { ...advice, comparisons: Object.fromEntries(comparisons.traced) };
      printDocument(context, options.output, data, () => adviceDocument(advice, comparisons?.blocks));
      if (advice.clusters.some(({ contradictions }) => contradictions.length > 0)) context.exitStatus = 1;
    });
}

type Advised = { readonly advice: Advice; readonly comparisons: Comparisons };

function adviceOn(context: Context, files: readonly string[], answers: Answers | undefined, { rules }: Options): Advised {
  for (const name of ["nodes", "maxPods", "addressSpace", "kubernetesVersion"] as const) {
    if (answers?.given[name] === undefined) continue;
    throw new Failure("documents", `${answers.file}: ${name} is what the documents say`, {
      fix: `leave ${name} out, or give no documents`,
    });
  }
  const loaded = loadDocuments(context, files, rules === undefined ? {} : { rules });
  const plan = planDocuments(loaded);
  const wanted = answers?.given.cluster;
  const clusters = plan.clusters.filter(({ name }) => wanted === undefined || name === wanted);
  if (clusters.length > 0)
    return { advice: adviseDesign(loaded, { ...plan, clusters }, answers), comparisons: compareOptions(loaded, clusters) };
  if (loaded.problems.some(({ severity }) => severity === "error")) throw documentFailure(files, loaded.problems, context.errorStyle);
  throw new Failure("documents", wanted === undefined ? "there is no cluster to give advice on" : `there is no cluster ${wanted}`, {
    fix:
      plan.clusters.length === 0
        ? "describe one, or answer questions: drydock advise --questions"
        : `its clusters are ${plan.clusters.map(({ name }) => name).join(", ")}`,
  });
}

export function answersIn(context: Context, path: string): Answers {
  const { answers, problems } = readAnswers(readDocument(context, path));
  if (answers === undefined) throw documentFailure([path], problems, context.errorStyle);
  return answers;
}

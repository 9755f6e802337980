import { type Command, Option } from "commander";
import { adviseDesign } from "../../plan/advice/index.ts";
import { planDocuments } from "../../plan/index.ts";
import { reportDocument } from "../../plan/report/report.ts";
import { command, fileOption } from "../command.ts";
import { compareOptions } from "../compare-options.ts";
import type { Context } from "../context.ts";
import { type DocumentFormat, documentOption, printDocument } from "../document.ts";
import { Failure } from "../failure.ts";
import { documentFailure, loadDocuments } from "../files.ts";
import { answersIn } from "./advise.ts";

type Options = {
  readonly output: DocumentFormat;
  readonly file?: readonly string[];
  readonly answers?: string;
  readonly rules?: "current" | "lesson";
};

export function reportCommand(context: Context): Command {
  const made = command("report", "a design for people to read: pictures to scale, the plan, the problems, the advice", [
    { does: "one page that loads nothing, for a browser or a printer", type: "drydock report examples/two-options/lab.yaml > design.html" },
    { does: "for a pull request", type: "drydock report lab.yaml -o markdown > design.md" },
    { does: "with what no document says", type: "drydock report lab.yaml --answers answers.yaml > design.html" },
  ]);
  return made
    .argument("[file...]", "the documents that describe the design")
    .addOption(fileOption("the documents that describe the design"))
    .option("--answers <file>", "answers to what documents do not say: see 'drydock advise --questions'")
    .addOption(new Option("--rules <set>", "whose options and limits, whatever the documents say").choices(["current", "lesson"]))
    .addOption(documentOption("html"))
    .addHelpText("after", "\nExit status 0: there is a report, whatever it says; 2: documents that cannot be read.\n")
    .action((words: readonly string[]) => {
      const options = made.opts<Options>();
      const files = [...(options.file ?? []), ...words];
      if (files.length === 0)
        throw new Failure("usage", "no documents are given", { fix: "name a lab file: drydock report lab.yaml > design.html" });
      const loaded = loadDocuments(context, files, options.rules === undefined ? {} : { rules: options.rules });
      const plan = planDocuments(loaded);
      // Nothing to show: the problems are all there is to say.
      if (plan.networks.length === 0 && loaded.problems.some(({ severity }) => severity === "error")) {
        throw documentFailure(files, loaded.problems, context.errorStyle);
      }
      const answers = options.answers === undefined ? undefined : answersIn(context, options.answers);
      const { traced, blocks } = compareOptions(loaded, plan.clusters);
      const report = { plan, advice: adviseDesign(loaded, plan, answers), comparisons: Object.fromEntries(traced) };
      printDocument(context, options.output, report, () => reportDocument(loaded, report, [...blocks.values()].flat()));
    });
}

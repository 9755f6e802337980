import { type Command, Option } from "commander";
import { planDocuments } from "../../plan/index.ts";
import { command, fileOption } from "../command.ts";
import type { Context } from "../context.ts";
import { exitStatuses, Failure } from "../failure.ts";
import { documentFailure, loadDocuments } from "../files.ts";
import { type OutputOptions, outputOption, print } from "../output.ts";
import { renderPlan } from "../plan-text.ts";

type Options = OutputOptions & { readonly file?: readonly string[]; readonly rules?: "current" | "lesson"; readonly asOf?: string };

export function planCommand(context: Context): Command {
  const made = command("plan", "say what a design takes of addresses, routes and ports, now and at its largest, and what fails first", [
    { does: "is there room for the next upgrade?", type: "drydock plan examples/two-options/lab.yaml" },
    { does: "with the limits of about 2019", type: "drydock plan --rules lesson examples/two-options/lab.yaml" },
    {
      does: "the first thing to fail of each cluster",
      type: "drydock plan lab.yaml -o json | jq '.clusters[] | {name, first: .first.message}'",
    },
  ]);
  return made
    .argument("[file...]", "the documents that describe the design")
    .addOption(fileOption("the documents that describe the design"))
    .addOption(new Option("--rules <set>", "whose limits and defaults hold, whatever the documents say").choices(["current", "lesson"]))
    .option("--as-of <date>", "count with the limits of this day, such as 2024-06-30 (default: the newest that are known)", parseDate)
    .addOption(outputOption())
    .addHelpText(
      "after",
      "\nExit status 0: the design can be deployed; 1: it cannot be deployed as it is; 2: documents that cannot be read.\nWhat shows only later (scaling, upgrades) is printed and changes no exit status.\n",
    )
    .action((words: readonly string[]) => {
      const options = made.opts<Options>();
      const files = [...(options.file ?? []), ...words];
      if (files.length === 0) throw new Failure("usage", "no documents are given", { fix: "name a lab file: drydock plan lab.yaml" });
      const loaded = loadDocuments(context, files, options.rules === undefined ? {} : { rules: options.rules });
      // Nothing to count: the problems are all there is to say.
      const isEmpty = loaded.readable.every(({ value }) => "type" in value && value.type === "Drydock.Lab/labs");
      if (isEmpty && loaded.problems.some(({ severity }) => severity === "error"))
        throw documentFailure(files, loaded.problems, context.errorStyle);
      const plan = planDocuments(loaded, options.asOf === undefined ? {} : { asOf: options.asOf });
      print(context, options.output, plan, (style) => renderPlan(plan, style));
      if (plan.problems.some(({ when, severity }) => when === "document" && severity === "error"))
        context.exitStatus = exitStatuses.documents;
      else if (!plan.verdict.deploys) context.exitStatus = exitStatuses.no;
    });
}

function parseDate(text: string): string {
  const isDate = /^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(Date.parse(text));
  if (!isDate) throw new Failure("usage", `${text} is no date`, { fix: "write it like 2024-06-30" });
  return text;
}

import { type Command, Option } from "commander";
import { type Provisioning, provisioningRoutes } from "../../arm/limits.ts";
import { lastSegment, segmentAfter } from "../../arm/names.ts";
import type { LoadedLab } from "../../documents/index.ts";
import { type Growth, planDocuments, type Rate } from "../../plan/index.ts";
import { renderMarkdown, renderReport } from "../../render/report.ts";
import { command, fileOption } from "../command.ts";
import type { Context } from "../context.ts";
import { exitStatuses, Failure } from "../failure.ts";
import { documentFailure, loadDocuments, readDocument } from "../files.ts";
import { type Format, formats, outputOption, print } from "../output.ts";
import { parseCounts, parseDate, parseRate } from "../plan-growth.ts";
import { planReport } from "../plan-report.ts";

type Options = {
  readonly output: Format | "markdown";
  readonly file?: readonly string[];
  readonly rules?: "current" | "lesson";
  readonly provisioning?: Provisioning;
  readonly asOf?: string;
  readonly growth?: readonly Rate[];
  readonly counts?: string;
  readonly from?: string;
};

/** Without any of these there is nothing to count. */
const plannedTypes: readonly string[] = ["Microsoft.Network/virtualNetworks", "Microsoft.ContainerService/managedClusters"];

export function planCommand(context: Context): Command {
  const made = command("plan", "say what a design takes of addresses, routes and ports, now and at its largest, and what fails first", [
    { does: "is there room for the next upgrade?", type: "drydock plan examples/two-options/lab.yaml" },
    {
      does: "as the portal of about 2019 would have made it",
      type: "drydock plan --rules lesson --provisioning portal examples/two-options/lab.yaml",
    },
    { does: "for a pull request", type: "drydock plan -o markdown examples/two-options/lab.yaml" },
    { does: "when is it full?", type: "drydock plan --growth 10/month examples/two-options/lab.yaml" },
    {
      does: "the first thing to fail of each cluster",
      type: "drydock plan lab.yaml -o json | jq '.clusters[] | {name, first: .first.message}'",
    },
  ]);
  return made
    .argument("[file...]", "the documents that describe the design")
    .addOption(fileOption("the documents that describe the design"))
    .addOption(new Option("--rules <set>", "whose limits and defaults hold, whatever the documents say").choices(["current", "lesson"]))
    .addOption(new Option("--provisioning <way>", "how clusters are made, whatever the documents say").choices(provisioningRoutes))
    .option("--as-of <date>", "count with the limits of this day, such as 2024-06-30 (default: the newest that are known)", parseDate)
    .option(
      "--growth <rate>",
      "forecast with so many nodes more: 10/month, 5%/month, 200 pods/week, shop/np1=10/month (may be repeated)",
      collectRate,
    )
    .option("--counts <file>", "forecast with nodes of pools over time: a list of { date, pools: { CLUSTER/POOL: NODES } }")
    .option("--from <date>", "the first day of the forecast (default: today)", parseDate)
    .addOption(outputOption([...formats, "markdown"]))
    .addHelpText(
      "after",
      "\nExit status 0: the design can be deployed; 1: it cannot be deployed as it is; 2: documents that cannot be read.\nWhat shows only later (scaling, upgrades) is printed and changes no exit status.\n",
    )
    .action((words: readonly string[]) => {
      const options = made.opts<Options>();
      const files = [...(options.file ?? []), ...words];
      if (files.length === 0) throw new Failure("usage", "no documents are given", { fix: "name a lab file: drydock plan lab.yaml" });
      const loaded = loadDocuments(context, files, {
        ...(options.rules === undefined ? {} : { rules: options.rules }),
        ...(options.provisioning === undefined ? {} : { provisioning: options.provisioning }),
      });
      // Nothing to count: the problems are all there is to say.
      const isEmpty = !loaded.readable.some(({ value }) => "type" in value && plannedTypes.includes(value.type));
      if (isEmpty && loaded.problems.some(({ severity }) => severity === "error"))
        throw documentFailure(files, loaded.problems, context.errorStyle);
      const { asOf } = options;
      const growth = growthOf(context, options, loaded);
      const plan = planDocuments(loaded, { ...(asOf === undefined ? {} : { asOf }), ...(growth === undefined ? {} : { growth }) });
      if (options.output === "markdown") context.stdout.write(renderMarkdown(planReport(plan)));
      else print(context, options.output, plan, (style) => renderReport(planReport(plan), style));
      if (plan.problems.some(({ when, severity }) => when === "document" && severity === "error"))
        context.exitStatus = exitStatuses.documents;
      else if (!plan.verdict.deploys) context.exitStatus = exitStatuses.no;
    });
}

/** What the options say about growth, of pools that there are. */
function growthOf(context: Context, { growth: rates = [], counts, from }: Options, loaded: LoadedLab): Growth | undefined {
  if (rates.length === 0 && counts === undefined) {
    if (from !== undefined) throw new Failure("usage", "--from is the first day of a forecast", { fix: "add --growth 10/month" });
    return undefined;
  }
  const steps = counts === undefined ? [] : parseCounts(counts, readDocument(context, counts).text);
  const pools = loaded.readable.flatMap(({ value }) =>
    "type" in value && value.type === "Microsoft.ContainerService/managedClusters/agentPools" ? poolLabel(value.id) : [],
  );
  const named = [
    ...rates.flatMap(({ cluster, pool }) => (cluster === undefined ? [] : pool === undefined ? `${cluster}/` : `${cluster}/${pool}`)),
    ...steps.flatMap((step) => Object.keys(step.pools)),
  ];
  for (const name of named) {
    if (pools.some((pool) => (name.endsWith("/") ? pool.startsWith(name) : pool === name))) continue;
    throw new Failure("unknown", `there is no pool ${name}`, { fix: `pools are ${pools.join(", ")}` });
  }
  return { from: from ?? new Date().toISOString().slice(0, 10), rates, counts: steps };
}

/** `shop/np1`. */
function poolLabel(id: string): string {
  return `${segmentAfter(id, "managedClusters")}/${lastSegment(id)}`;
}

function collectRate(text: string, rates: readonly Rate[] = []): readonly Rate[] {
  return [...rates, parseRate(text)];
}

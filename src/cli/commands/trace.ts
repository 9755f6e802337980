import { randomInt } from "node:crypto";
import type { Command } from "commander";
import { renderPaths } from "../../render/trace.ts";
import { command, fileOption, labOption } from "../command.ts";
import type { Context } from "../context.ts";
import { Failure } from "../failure.ts";
import { addJourney, findJourney, heaviestFirst, type JourneyOptions, traceJourney } from "../journey.ts";
import { comparisonData, observeJourney, renderComparison } from "../observed.ts";
import { type OutputOptions, outputOption, print } from "../output.ts";
import { openSource, type SourceOptions } from "../source.ts";

type Options = OutputOptions & SourceOptions & JourneyOptions & { readonly observed?: boolean; readonly verbose?: boolean };

export function traceCommand(context: Context): Command {
  const made = command("trace", "say which way a packet goes, who changes it and why, there and back", [
    { does: "from a pod to the database", type: "drydock trace deploy/web vm/db:5432 -n shop --cluster shop-kubenet" },
    { does: "the same without a running lab", type: "drydock trace shop-kubenet:shop/deploy/web vm/db examples/two-options/lab.yaml" },
    { does: "from the Internet to a Service", type: "drydock trace internet/partner shop-azure:shop/svc/web-public:80" },
    {
      does: "a real packet, and what the kernel did with it beside the prediction",
      type: "drydock trace deploy/web internet/partner --observed",
    },
    { does: "outcome only", type: "drydock trace vm/db 10.244.0.2:80 -o json | jq -r .outcome" },
  ]);
  return addJourney(made)
    .argument("[file...]", "work on these documents instead of a running lab")
    .addOption(fileOption())
    .addOption(labOption())
    .option("--observed", "also send a real packet and lay what the kernel did beside the prediction")
    .option("-v, --verbose", "every step, of the reply too")
    .addOption(outputOption())
    .addHelpText(
      "after",
      "\nExit status 0: every way that the packet may go delivers it; 1: one does not, or the kernel did something else.\n",
    )
    .action(async (from: string, to: string, files: readonly string[]) => {
      const options = made.opts<Options>();
      if (options.observed === true && [...files, ...(options.file ?? [])].length > 0) {
        throw new Failure("usage", "--observed sends a real packet, and documents have no kernel", {
          fix: "start the lab: drydock up FILE",
        });
      }
      const source = await openSource(context, options, files);
      const { view, live } = source;
      // A load balancer's choice depends on the source port: for a real packet it must be known beforehand.
      const sourcePort = options.sourcePort ?? (options.observed === true ? randomInt(33_000, 60_000) : undefined);
      const journey = findJourney(view, from, to, { ...options, ...(sourcePort === undefined ? {} : { sourcePort }) });
      const { sender, target, packet } = journey;
      const traced = heaviestFirst(await traceJourney(source, journey));
      const seen =
        options.observed === true && live !== undefined
          ? await observeJourney(view, live, sender.host, packet, traced, { routers: true })
          : undefined;
      // The way that the packet took comes first.
      const paths = seen === undefined ? traced : [seen.comparison.path, ...traced.filter((path) => path !== seen.comparison.path)];
      const [first, ...alternatives] = paths;
      if (first === undefined) throw new Error("a trace has no paths");
      print(
        context,
        options.output,
        {
          from: { label: sender.label, host: sender.host },
          to: { label: target.label, address: target.address },
          ...first,
          alternatives,
          ...(seen === undefined
            ? {}
            : { agrees: seen.comparison.agrees, comparison: comparisonData(seen.comparison), observed: seen.observation }),
        },
        (style) =>
          renderPaths(paths, {
            style,
            owner: (address) => view.owners.get(address)?.owner,
            ...(options.verbose === undefined ? {} : { verbose: options.verbose }),
          }) + (seen === undefined ? "" : `\n${renderComparison(seen.comparison, seen.observation, style)}`),
      );
      if (seen?.comparison.agrees === false) context.exitStatus = 1;
      if (paths.some((path) => path.outcome !== "delivered")) context.exitStatus = 1;
    });
}

import { randomInt } from "node:crypto";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { optionNames } from "../../arm/network-option.ts";
import type { LabView } from "../../lab/view.ts";
import { renderComparison } from "../../render/table.ts";
import { command } from "../command.ts";
import { connect, launchLab, purgeLab, runningLabs } from "../connect.ts";
import { type Context, columnsOf } from "../context.ts";
import { type ClusterResult, comparison } from "../demo/comparison.ts";
import { journeys, type LegId, legsOf } from "../demo/journeys.ts";
import { type Measured, measure, medianRoundTrip } from "../demo/measure.ts";
import { legText } from "../demo/report.ts";
import { Failure } from "../failure.ts";
import { readFiles } from "../files.ts";
import type { Live } from "../live.ts";
import { type OutputOptions, outputOption, print } from "../output.ts";
import { Progress } from "../progress.ts";

type Options = OutputOptions & { readonly name: string; readonly keep?: boolean };

/** Round trips for a median. */
const roundTrips = 21;

export function demoCommand(context: Context): Command {
  const made = command("demo", "kubenet beside Azure CNI: six journeys with real packets, and the comparison table filled in from them", [
    { does: "the whole demonstration", type: "drydock demo" },
    { does: "and keep its lab to look around", type: "drydock demo --keep && drydock status --lab demo" },
  ]);
  return made
    .option("--keep", "leave the lab running")
    .option("--name <name>", "name of the lab", "demo")
    .addOption(outputOption())
    .addHelpText("after", "\nExit status 0: everything measured was as predicted; 1: something was not.\n")
    .action(async () => {
      const options = made.opts<Options>();
      context.graceful = true;
      const progress = new Progress(context);
      const began = performance.now();
      const isRunning = (await runningLabs(context)).some((lab) => lab.name === options.name);
      const live = isRunning ? await connect(context, options.name) : await start(context, options.name, progress);
      const upMs = performance.now() - began;
      try {
        const view = await live.view();
        const results = await runJourneys(context, view, live, progress);
        progress.clear();
        const measured = results.flatMap((result) => [...result.measured.values()]);
        const disagreements = measured.filter((one) => !one.agrees).length;
        print(context, options.output, dataOf(view, results), () => {
          const text = [
            headText(context, view, isRunning ? undefined : upMs),
            ...journeyTexts(context, view, results),
            tableText(context, view, results),
          ];
          const good = measured.length - disagreements;
          const line = `${good} of ${measured.length} measured results are as predicted`;
          return `${text.join("\n")}\n${disagreements === 0 ? context.style.green(line) : context.style.red(line)}\n`;
        });
        if (disagreements > 0) context.exitStatus = 1;
      } finally {
        progress.clear();
        // What was already running stays so.
        if (!isRunning && options.keep !== true) {
          await live.stop();
          await purgeLab(context, options.name);
        }
      }
      if (options.keep === true)
        context.stderr.write(`lab ${options.name} stays up; 'drydock down --lab ${options.name} --purge' ends it\n`);
    });
}

async function start(context: Context, name: string, progress: Progress): Promise<Live> {
  const file = fileURLToPath(new URL("../examples/two-options/lab.yaml", import.meta.url));
  const { documents } = readFiles(context, [file]);
  // Addresses of an earlier demonstration would make this one differ from its description.
  await purgeLab(context, name);
  return (await launchLab(context, { name, documents, foreground: false }, (text) => progress.update(text))).live;
}

async function runJourneys(context: Context, view: LabView, live: Live, progress: Progress): Promise<readonly ClusterResult[]> {
  const results: ClusterResult[] = [];
  for (const cluster of clustersInOrder(view)) {
    // Other ports each time: a connection that is still remembered would be answered as before.
    const legs = legsOf(view, cluster, randomInt(40_000, 60_000));
    const measured = new Map<LegId, Measured>();
    for (const one of await measure(view, live, legs, (leg) => {
      if (context.signal.aborted) throw new Failure("interrupted", "interrupted");
      progress.update(`${cluster}: ${leg.title}`);
    })) {
      measured.set(one.leg.id, one);
    }
    progress.update(`${cluster}: round trips`);
    const across = measured.get("across-nodes");
    const roundTripMs = across?.observed.reachable === true ? await medianRoundTrip(live, across.leg, roundTrips) : undefined;
    results.push({ cluster, measured, roundTripMs });
  }
  return results;
}

/** kubenet first, as the lesson has it. */
function clustersInOrder(view: LabView): readonly string[] {
  const isKubenet = (name: string) => view.topology.clusters.get(name)?.resource.properties.networkProfile.networkPlugin === "kubenet";
  return [...view.topology.clusters.keys()].sort((a, b) => Number(isKubenet(b)) - Number(isKubenet(a)) || a.localeCompare(b));
}

function headText({ style }: Context, view: LabView, upMs: number | undefined): string {
  const hosts = view.network.names().length;
  const pods = view.endpoints.filter((one) => one.kind === "pod").length;
  const up = upMs === undefined ? "is already up" : `came up in ${(upMs / 1000).toFixed(1)} s`;
  return style.dim(`${hosts} network namespaces, ${pods} pods that answer, ${view.topology.clusters.size} clusters: the lab ${up}\n`);
}

/** `kubenet` and `Azure CNI`, as people call them. */
function optionName(view: LabView, cluster: string): string {
  const info = view.topology.clusters.get(cluster);
  if (info === undefined) return cluster;
  const { option } = info;
  return option === "nodeSubnet" ? "Azure CNI" : optionNames[option];
}

function journeyTexts(context: Context, view: LabView, results: readonly ClusterResult[]): readonly string[] {
  const { style } = context;
  return journeys.map((title, journey) => {
    const legs = results.flatMap((result) =>
      [...result.measured.values()].filter((one) => one.leg.journey === journey).map((one) => ({ result, one })),
    );
    const texts = legs.map(({ result, one }) => {
      const name = optionName(view, result.cluster);
      return legText(view, one.leg.title === title ? name : `${name}, ${one.leg.title}`, one, style);
    });
    return `${style.cyan(style.bold(`${journey + 1}  ${title}`))}\n${texts.join("")}`;
  });
}

function tableText(context: Context, view: LabView, results: readonly ClusterResult[]): string {
  const rows = comparison(view, results).map(({ what, values }) => [what, ...values]);
  const heads = ["measured", ...results.map((result) => optionName(view, result.cluster))];
  return renderComparison(heads, rows, columnsOf(context.stdout), context.style);
}

function dataOf(view: LabView, results: readonly ClusterResult[]): unknown {
  return {
    journeys: results.flatMap(({ cluster, measured }) =>
      [...measured.values()].map(({ leg, path, observed, agrees }) => ({
        cluster,
        option: optionName(view, cluster),
        id: leg.id,
        journey: journeys[leg.journey],
        from: leg.from.label,
        to: leg.to,
        observed,
        predicted: { outcome: path.outcome, hops: path.hops.map((hop) => hop.host), received: path.received },
        agrees,
      })),
    ),
    comparison: comparison(view, results).map(({ what, values }) => ({
      what,
      ...Object.fromEntries(results.map(({ cluster }, index) => [cluster, values[index]])),
    })),
  };
}

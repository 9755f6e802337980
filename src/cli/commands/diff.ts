import { type Command, Option } from "commander";
import { type ManagedNetworkOption, optionNames } from "../../arm/network-option.ts";
import type { ManagedCluster } from "../../arm/resources.ts";
import { consequencesOf } from "../../flows/consequences.ts";
import { diffFlows } from "../../flows/diff.ts";
import { withOption } from "../../flows/option.ts";
import { openResources, type ReadLab } from "../../lab/index.ts";
import { withPolicies } from "../../lab/reachability.ts";
import type { LabView } from "../../lab/view.ts";
import { clusterOption, command } from "../command.ts";
import type { Context } from "../context.ts";
import { type DesignDiff, isSame, writeDiff } from "../diff-text.ts";
import { Failure } from "../failure.ts";
import { openFiles, readFiles } from "../files.ts";
import { formats, print } from "../output.ts";
import { findCluster, policiesOf } from "../policy-files.ts";
import { asMarkdown, asText } from "../writing.ts";

type Options = {
  readonly to?: string;
  readonly with?: readonly string[];
  readonly cluster?: string;
  readonly rename: Readonly<Record<string, string>>;
  readonly output: (typeof formats)[number] | "markdown";
};

/** Options as they are asked for, and what they are called. */
export const optionWords: Readonly<Record<string, ManagedNetworkOption>> = {
  overlay: "overlay",
  azure: "nodeSubnet",
  "pod-subnet": "podSubnet",
  kubenet: "kubenet",
};

export function diffCommand(context: Context): Command {
  const made = command("diff", "say which flows stop, start or change between two designs, or when a cluster gets another network option", [
    {
      does: "what a cluster's pods lose and gain with Azure CNI Overlay",
      type: "drydock diff examples/two-options/lab.yaml --to overlay --cluster shop-azure",
    },
    {
      does: "what a network policy would change if it were applied",
      type: "drydock diff examples/network-policy/lab.yaml --with new-policy.yaml",
    },
    { does: "two designs, one of them of two documents", type: "drydock diff before.yaml after.yaml,policies.yaml" },
    { does: "a cluster that is called otherwise in the second design", type: "drydock diff before.yaml after.yaml --rename shop=shop-2" },
    { does: "for a change request", type: "drydock diff before.yaml after.yaml -o markdown" },
  ]);
  return made
    .argument("<left>", "the design as it is: documents, separated by commas")
    .argument("[right]", "the design as it will be: documents, separated by commas")
    .addOption(
      new Option("--to <option>", "instead of a second design: the first one with this network option").choices(Object.keys(optionWords)),
    )
    .option(
      "--with <file>",
      "instead of a second design: the first one with its NetworkPolicy objects applied too (may be repeated)",
      (path: string, paths: readonly string[] = []) => [...paths, path],
    )
    .addOption(clusterOption())
    .option("--rename <old=new>", "what a cluster of the first design is called in the second one; may be repeated", addRename, {})
    .addOption(markdownOutputOption())
    .addHelpText("after", "\nExit status 0: the designs do the same; 1: they differ; 2: documents with errors, or no such design.\n")
    .action((left: string, right: string | undefined) => {
      const options = made.opts<Options>();
      const diff = diffOf(context, left, right, options);
      printWriting(context, options.output, diff, () => writeDiff(diff));
      if (!isSame(diff)) context.exitStatus = 1;
    });
}

/** Text, JSON, YAML, or Markdown. */
export function markdownOutputOption(): Option {
  return new Option("-o, --output <format>", "how to print").choices([...formats, "markdown"]).default("text");
}

export function printWriting(
  context: Context,
  format: Options["output"],
  data: unknown,
  writing: () => Parameters<typeof asMarkdown>[0],
): void {
  if (format === "markdown") context.stdout.write(asMarkdown(writing()));
  else print(context, format, data, (style) => asText(writing(), style));
}

function diffOf(context: Context, left: string, right: string | undefined, options: Options): DesignDiff {
  if (options.to !== undefined && options.with !== undefined) {
    throw new Failure("usage", "--to and --with are two designs", { fix: "ask for one of them" });
  }
  if (options.with !== undefined) return diffPolicies(context, left, right, options, options.with);
  return options.to === undefined ? diffFiles(context, left, right, options) : diffOption(context, left, right, options);
}

function diffPolicies(context: Context, left: string, right: string | undefined, options: Options, paths: readonly string[]): DesignDiff {
  if (right !== undefined) throw twoDesigns("--with", left, right);
  const before = openFiles(context, left.split(",")).view;
  const cluster = findCluster(before, options.cluster);
  const policies = paths.flatMap((path) => policiesOf(context, path, before, cluster));
  return compare(left, `with ${paths.join(", ")}`, before, withPolicies(before, cluster.name, policies), [], new Map(), true);
}

function twoDesigns(option: string, left: string, right: string): Failure {
  return new Failure("usage", `${option} takes the place of a second design`, {
    fix: `leave out the one or the other; the documents of one design are separated by commas: ${left},${right}`,
  });
}

function diffFiles(context: Context, left: string, right: string | undefined, options: Options): DesignDiff {
  if (right === undefined) {
    throw new Failure("usage", "there is nothing to compare with", {
      fix: `name a second design, or say which option to compare with: drydock diff ${left} --to overlay`,
    });
  }
  const [before, after] = [left, right].map((files) => openFiles(context, files.split(",")).view);
  if (before === undefined || after === undefined) throw new Error("two designs were opened");
  const renamed = new Map(Object.entries(options.rename));
  for (const [old, now] of renamed) {
    if (!before.topology.clusters.has(old)) throw unknownCluster(old, [...before.topology.clusters.keys()]);
    if (!after.topology.clusters.has(now)) throw unknownCluster(now, [...after.topology.clusters.keys()]);
  }
  return compare(left, right, before, after, [], renamed, false);
}

function diffOption(context: Context, left: string, right: string | undefined, options: Options): DesignDiff {
  if (right !== undefined) throw twoDesigns("--to", left, right);
  const lab = readFiles(context, left.split(","));
  const cluster = wantedCluster(clustersOf(lab), options.cluster);
  const { before, after, chosen, name } = changedOption(lab, cluster, options.to ?? "");
  return compare(left, name, before, after, chosen, new Map(), true);
}

/** A design, and itself with another option for one of its clusters. */
export function changedOption(
  lab: ReadLab,
  cluster: ManagedCluster,
  word: string,
): { readonly before: LabView; readonly after: LabView; readonly chosen: readonly string[]; readonly name: string } {
  const option = optionWords[word] ?? "overlay";
  const converted = withOption(lab.documents, cluster, option);
  if (converted.problems.length > 0) {
    throw new Failure("documents", `cluster ${cluster.name} cannot be one with ${optionNames[option]}`, {
      details: converted.problems.flatMap(({ code, message, fix }) => [
        `${code}: ${message}`,
        ...(fix === undefined ? [] : [`  fix: ${fix}`]),
      ]),
    });
  }
  return {
    before: openResources(lab.name, lab.documents),
    after: openResources(lab.name, converted.documents),
    chosen: converted.chosen,
    name: `${cluster.name} with ${optionNames[option]}`,
  };
}

export function clustersOf({ documents }: Pick<ReadLab, "documents">): readonly ManagedCluster[] {
  return documents.flatMap(({ value }) => ("type" in value && value.type === "Microsoft.ContainerService/managedClusters" ? [value] : []));
}

export function wantedCluster(clusters: readonly ManagedCluster[], name: string | undefined): ManagedCluster {
  const names = clusters.map((cluster) => cluster.name);
  const found = name === undefined && clusters.length === 1 ? clusters[0] : clusters.find((cluster) => cluster.name === name);
  if (found !== undefined) return found;
  if (name !== undefined) throw unknownCluster(name, names);
  throw new Failure("usage", clusters.length === 0 ? "the design has no cluster" : `the design has several clusters: ${names.join(", ")}`, {
    ...(clusters.length === 0 ? {} : { fix: `say which one: --cluster ${names[0]}` }),
  });
}

function unknownCluster(name: string, known: readonly string[]): Failure {
  return new Failure("unknown", `there is no cluster ${name}`, {
    fix: known.length === 0 ? "the design has none" : `its clusters are ${known.join(", ")}`,
  });
}

function compare(
  left: string,
  right: string,
  before: LabView,
  after: LabView,
  chosen: readonly string[],
  renamed: ReadonlyMap<string, string>,
  isMade: boolean,
): DesignDiff {
  const files = { left: left.split(","), right: isMade ? [] : right.split(",") };
  return { left, right, files, chosen, ...diffFlows(before, after, renamed), ...consequencesOf(before, after, renamed) };
}

function addRename(text: string, others: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const [old = "", now = "", ...rest] = text.split("=");
  if (old === "" || now === "" || rest.length > 0)
    throw new Failure("usage", `${text} is no renaming`, { fix: "write it like shop=shop-2" });
  return { ...others, [old]: now };
}

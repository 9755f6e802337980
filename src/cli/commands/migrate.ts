import { type Command, Option } from "commander";
import { consequencesOf } from "../../flows/consequences.ts";
import { diffFlows } from "../../flows/diff.ts";
import { allowBefore, type Migration, migrationOf, namesNoSubscription } from "../../flows/migration.ts";
import { type Documents, openResources } from "../../lab/index.ts";
import type { LabView } from "../../lab/view.ts";
import { lastDocuments } from "../../world/merge.ts";
import { clusterOption, command, fileOption, labOption } from "../command.ts";
import type { Context } from "../context.ts";
import { Failure } from "../failure.ts";
import { readFiles } from "../files.ts";
import { type MigrationReport, writeMigration } from "../migrate-text.ts";
import { openSource, type SourceOptions } from "../source.ts";
import { clustersOf, markdownOutputOption, optionWords, printWriting, wantedCluster } from "./diff.ts";

type Options = SourceOptions & {
  readonly to: string;
  readonly cluster?: string;
  readonly output: Parameters<typeof printWriting>[1];
};

export function migrateCommand(context: Context): Command {
  const made = command(
    "migrate",
    "say how a cluster gets another network option: the steps in order, what breaks on the way, and what changes",
    [
      {
        does: "from kubenet to Azure CNI Overlay, in place",
        type: "drydock migrate --to overlay --cluster shop-kubenet examples/two-options/lab.yaml",
      },
      { does: "to the Cilium data plane, of a running lab", type: "drydock migrate --to cilium" },
      { does: "what Azure does not do in place: the steps with a new cluster", type: "drydock migrate --to pod-subnet lab.yaml" },
      { does: "for a change request", type: "drydock migrate --to overlay lab.yaml -o markdown" },
    ],
  );
  return made
    .argument("[file...]", "work on these documents instead of a running lab")
    .addOption(new Option("--to <target>", "where to").choices([...Object.keys(optionWords), "cilium"]).makeOptionMandatory())
    .addOption(clusterOption())
    .addOption(fileOption())
    .addOption(labOption())
    .addOption(markdownOutputOption())
    .addHelpText(
      "after",
      "\nExit status 0: it can be done in place, or is so already; 1: only with a new cluster, or not at all; 2: documents with errors.\n",
    )
    .action(async (files: readonly string[]) => {
      const options = made.opts<Options>();
      const { name, documents, shown } = await designOf(context, options, files);
      const cluster = wantedCluster(clustersOf({ documents }), options.cluster);
      const target = options.to === "cilium" ? "cilium" : (optionWords[options.to] ?? "overlay");
      const migration = migrationOf(documents, cluster, target);
      const report = reportOf(migration, openResources(name, documents), documents, shown, namesNoSubscription(cluster));
      printWriting(context, options.output, report, () => writeMigration(report));
      if (migration.way === "rebuild" || migration.way === "impossible") context.exitStatus = 1;
    });
}

type Design = { readonly name: string; readonly documents: Documents; readonly shown: readonly string[] };

/** Of a running lab: what it was last told to be. */
async function designOf(context: Context, options: Options, words: readonly string[]): Promise<Design> {
  const files = [...(options.file ?? []), ...words];
  if (files.length > 0) return { ...readFiles(context, files), shown: files };
  const { view } = await openSource(context, options);
  const documents = lastDocuments(view.resources, view.name);
  if (documents.length === 0)
    throw new Failure("lab", `lab ${view.name} keeps no documents`, { fix: "name the documents: drydock migrate --to … FILE" });
  return { name: view.name, documents, shown: [] };
}

function reportOf(
  { after, ...migration }: Migration,
  before: LabView,
  documents: Documents,
  files: readonly string[],
  hasNoSubscription: boolean,
): MigrationReport {
  const { cluster } = migration;
  const strip = (steps: Migration["steps"]) => steps.map(({ documents: _documents, ...step }) => step);
  const open = { ...migration, hasNoSubscription, steps: strip(migration.steps), meanwhile: [] };
  if (after === undefined) return open;
  const end = openResources(before.name, after);
  const consequences = consequencesOf(before, end);
  const rules = allowBefore(documents, consequences.rules);
  const timesReimaged = migration.steps.filter(({ reimages }) => reimages === true).length;
  const info = before.topology.clusters.get(cluster);
  const pods = [...(info?.podsByNode.values() ?? [])].reduce((sum, list) => sum + list.length, 0);
  return {
    ...open,
    steps: [...(rules === undefined ? [] : [rules]), ...open.steps],
    ...(timesReimaged === 0 ? {} : { interruption: { nodes: info?.nodes.size ?? 0, pods, timesReimaged } }),
    meanwhile: openMeanwhile(migration.steps, before, end),
    diff: {
      left: "now",
      right: `${cluster} with ${migration.to}`,
      files: { left: files, right: [] },
      chosen: [],
      ...diffFlows(before, end),
      ...consequences,
    },
  };
}

/** What starts with a step that takes policies away, and is not there in the end. */
function openMeanwhile(steps: Migration["steps"], before: LabView, end: LabView): MigrationReport["meanwhile"] {
  return steps.flatMap(({ title, documents, reimages, oneWay }) => {
    if (documents === undefined || reimages !== true || oneWay === true) return [];
    const view = openResources(before.name, documents);
    const isJudged = [...view.topology.clusters].some(([name, { resource }]) => {
      const engine = (profile: typeof resource.properties.networkProfile | undefined) => profile?.networkPolicy ?? "none";
      const [was, is] = [before.topology.clusters.get(name)?.resource, end.topology.clusters.get(name)?.resource];
      const now = engine(resource.properties.networkProfile);
      return now === "none" && engine(was?.properties.networkProfile) !== "none" && engine(is?.properties.networkProfile) !== "none";
    });
    if (!isJudged) return [];
    const starts = diffFlows(before, view).changes.filter(({ kind }) => kind === "starts" || kind === "partly");
    return starts.length === 0 ? [] : [{ after: title, starts }];
  });
}

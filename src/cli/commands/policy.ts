import type { Command } from "commander";
import type { ClusterInfo } from "../../compile/topology.ts";
import type { NetworkPolicy } from "../../kube/objects.ts";
import type { Endpoint } from "../../lab/endpoints.ts";
import {
  type Answer,
  partiesOf,
  type Reachability,
  type Receiver,
  reachability,
  withPolicies,
  workloadOf,
} from "../../lab/reachability.ts";
import type { LabView } from "../../lab/view.ts";
import { type Line, mergedCell, mergeLines, renderMatrix } from "../../render/matrix.ts";
import type { Style } from "../../render/style.ts";
import { clusterOption, command, fileOption, labOption, namespaceOption, type PlaceOptions } from "../command.ts";
import { type Context, columnsOf } from "../context.ts";
import { Failure } from "../failure.ts";
import { type OutputOptions, outputOption, print } from "../output.ts";
import { findCluster, nearestLines, policiesOf } from "../policy-files.ts";
import { openSource, type SourceOptions } from "../source.ts";

type Options = OutputOptions & SourceOptions & PlaceOptions & { readonly with?: readonly string[]; readonly within?: boolean };

/** A matrix of more is nothing to look at, and takes minutes. */
const mostAnswers = 250_000;

export function policyCommand(context: Context): Command {
  const made = command("policy", "say which pods of a namespace reach which, and what a network policy would change", [
    { does: "who reaches whom: into, within and out of a namespace", type: "drydock policy -n shop examples/network-policy/lab.yaml" },
    { does: "only among its own pods, in a running lab", type: "drydock policy -n shop --within" },
    {
      does: "what would change if a policy were applied",
      type: "drydock policy -n shop --with new-policy.yaml examples/network-policy/lab.yaml",
    },
    { does: "every cell, with what decided it", type: "drydock policy -n shop -o json | jq '.cells[] | select(.outcome == \"dropped\")'" },
  ]);
  return made
    .argument("[file...]", "work on these documents instead of a running lab")
    .addOption(fileOption())
    .addOption(labOption())
    .addOption(clusterOption())
    .addOption(namespaceOption())
    .option(
      "--with <file>",
      "compare with its NetworkPolicy objects applied too (may be repeated)",
      (path: string, paths: readonly string[] = []) => [...paths, path],
    )
    .option("--within", "only pods of the namespace, on both sides")
    .addOption(outputOption())
    .addHelpText(
      "after",
      "\nThe answers are the tracer's, for every pair of pods and every port that a pod listens on. Pods of a workload that nothing tells apart are\nshown as one. 'drydock trace' says why, step by step.\n",
    )
    .action(async (files: readonly string[]) => {
      const options = made.opts<Options>();
      const { view } = await openSource(context, options, files);
      const cluster = findCluster(view, options.cluster);
      const namespace = findNamespace(cluster, options.namespace);
      const parties = partiesOf(view, cluster.name);
      const isOwn = (endpoint: Endpoint) => endpoint.namespace === namespace;
      const senders = options.within === true ? parties.senders.filter(isOwn) : parties.senders;
      const receivers = options.within === true ? parties.receivers.filter(({ endpoint }) => isOwn(endpoint)) : parties.receivers;
      const count = senders.length * receivers.length;
      if (count > mostAnswers) {
        throw new Failure("usage", `${senders.length} pods and ${receivers.length} ports are ${count} answers`, {
          why: `a matrix has at most ${mostAnswers}`,
          fix: options.within === true ? "ask for single pairs: drydock trace FROM TO" : "add --within",
        });
      }
      const now = reachability(view, senders, receivers);
      const added = (options.with ?? []).flatMap((path) => policiesOf(context, path, view, cluster));
      const then = added.length === 0 ? undefined : reachability(withPolicies(view, cluster.name, added), senders, receivers);
      const report: Report = { view, cluster, namespace, now, then, added };
      print(context, options.output, dataOf(report), (style) => textOf(report, columnsOf(context.stdout), style));
    });
}

type Report = {
  readonly view: LabView;
  readonly cluster: ClusterInfo;
  readonly namespace: string;
  readonly now: Reachability;
  /** With the added policies. */
  readonly then: Reachability | undefined;
  readonly added: readonly NetworkPolicy[];
};

function findNamespace({ networkPolicies, namespaces }: ClusterInfo, name: string | undefined): string {
  if (name === undefined) {
    const [only, another] = new Set(networkPolicies.map(({ metadata }) => metadata.namespace ?? "default"));
    return only === undefined || another !== undefined ? "default" : only;
  }
  const known = namespaces.map(({ metadata }) => metadata.name);
  if (known.includes(name)) return name;
  throw new Failure("unknown", `there is no namespace ${name}`, {
    details: nearestLines(name, known),
    fix: `there are ${known.join(", ")}`,
  });
}

function dataOf({ cluster, namespace, now, then, added }: Report) {
  const cells = now.senders.flatMap((from, row) =>
    now.receivers.flatMap((to, column) => {
      const answer = now.answers[row]?.[column];
      if (answer === undefined || !concerns(namespace, from, to)) return [];
      const later = then?.answers[row]?.[column];
      return [
        { from: from.label, to: to.endpoint.label, ...to.port, ...said(answer), ...(later === undefined ? {} : { with: said(later) }) },
      ];
    }),
  );
  return {
    cluster: cluster.name,
    namespace,
    networkPolicy: engineOf(cluster),
    policies: cluster.networkPolicies.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`),
    ...(then === undefined ? {} : { with: added.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`) }),
    cells,
    ...(then === undefined ? {} : { changes: cells.filter((cell) => cell.with !== undefined && cell.with.outcome !== cell.outcome) }),
  };
}

function said({ outcome, decidedBy }: Answer) {
  return { allowed: outcome === "delivered", outcome, ...(decidedBy === undefined ? {} : { decidedBy }) };
}

/** Is one end in the namespace? */
function concerns(namespace: string, from: Endpoint, { endpoint }: Receiver): boolean {
  return from.namespace === namespace || endpoint.namespace === namespace;
}

function engineOf({ resource }: ClusterInfo): string {
  return resource.properties.networkProfile.networkPolicy ?? "none";
}

function textOf(report: Report, width: number, style: Style): string {
  const { cluster, namespace, then } = report;
  const engine = engineOf(cluster);
  const policies = cluster.networkPolicies.filter(({ metadata }) => (metadata.namespace ?? "default") === namespace);
  const names = policies.map(({ metadata }) => metadata.name).join(", ");
  const head = [
    `namespace ${style.bold(namespace)} of cluster ${cluster.name}, ${engine === "none" ? "no network policy engine" : `policies by ${engine}`}: ${names || "no network policy"}`,
  ];
  if (engine === "none" && cluster.networkPolicies.length > 0) {
    head.push(style.yellow("its policies are kept and have no effect on the network: the cluster has networkPolicy none"));
  }
  return `${head.join("\n")}\n\n${then === undefined ? matrices(report, width, style) : changes(report, then, style)}`;
}

/** Within the namespace, into it and out of it. */
function matrices({ view, namespace, now }: Report, width: number, style: Style): string {
  const isOwn = (endpoint: Endpoint) => endpoint.namespace === namespace;
  const parts = [
    { title: `within ${namespace}`, from: isOwn, to: isOwn },
    { title: `into ${namespace}`, from: (endpoint: Endpoint) => !isOwn(endpoint), to: isOwn },
    { title: `out of ${namespace}`, from: isOwn, to: (endpoint: Endpoint) => !isOwn(endpoint) },
  ];
  const texts = parts.flatMap(({ title, from, to }) => {
    const senders = now.senders.flatMap((endpoint, row) => (from(endpoint) ? [{ endpoint, row }] : []));
    const receivers = now.receivers.flatMap((receiver, column) => (to(receiver.endpoint) ? [{ receiver, column }] : []));
    if (senders.length === 0 || receivers.length === 0) return [];
    const answer = (row: number, column: number) => now.answers[senders[row]?.row ?? -1]?.[receivers[column]?.column ?? -1];
    const lines = mergeLines(
      senders.map(({ endpoint }) => senderLine(view, endpoint, namespace)),
      receivers.map(({ receiver }) => receiverLine(view, receiver, namespace)),
      (row, column) => answer(row, column)?.outcome,
    );
    const cell = (row: number, column: number) => {
      const [one, other] = [lines.rows[row], lines.columns[column]];
      return answerText(one === undefined || other === undefined ? undefined : mergedCell(one, other, answer), style);
    };
    const labels = (list: typeof lines.rows) => list.map(({ label }) => label);
    return [`${style.bold(title)}\n${renderMatrix("FROM", labels(lines.rows), labels(lines.columns), cell, { width, style })}`];
  });
  return texts.length === 0 ? `no pod of ${namespace} listens on a port\n` : texts.join("\n");
}

function changes({ view, namespace, now, added }: Report, then: Reachability, style: Style): string {
  const both = (row: number, column: number): { readonly before: Answer; readonly after: Answer } | undefined => {
    const [before, after] = [now.answers[row]?.[column], then.answers[row]?.[column]];
    const [from, to] = [now.senders[row], now.receivers[column]];
    if (before === undefined || after === undefined || from === undefined || to === undefined || !concerns(namespace, from, to))
      return undefined;
    return { before, after };
  };
  const lines = mergeLines(
    now.senders.map((endpoint) => senderLine(view, endpoint, namespace)),
    now.receivers.map((receiver) => receiverLine(view, receiver, namespace)),
    (row, column) => {
      const pair = both(row, column);
      return pair === undefined ? undefined : `${pair.before.outcome} ${pair.after.outcome}`;
    },
  );
  const names = added.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`).join(", ");
  const changed = lines.rows.flatMap((row) =>
    lines.columns.flatMap((column) => {
      const pair = mergedCell(row, column, both);
      if (pair === undefined || pair.before.outcome === pair.after.outcome) return [];
      const why = pair.after.decidedBy === undefined ? "" : `\n    ${style.dim(pair.after.decidedBy.reason)}`;
      return [`  ${row.label} > ${column.label}: ${answerText(pair.before, style)} → ${answerText(pair.after, style)}${why}\n`];
    }),
  );
  if (changed.length === 0) return `with ${names}: nothing would change here\n`;
  return `with ${names}, these would change:\n${changed.join("")}`;
}

function answerText(answer: Answer | undefined, style: Style): string {
  if (answer === undefined) return style.dim("-");
  if (answer.outcome === "delivered") return style.green("yes");
  return style.red(answer.outcome === "dropped" ? "no" : answer.outcome);
}

function senderLine(view: LabView, endpoint: Endpoint, namespace: string): Line {
  const place = endpoint.namespace === namespace ? "" : `${endpoint.namespace}/`;
  return { name: `${place}pod/${endpoint.name}`, group: `${place}${workloadOf(view, endpoint)}` };
}

function receiverLine(view: LabView, { endpoint, port }: Receiver, namespace: string): Line {
  const { name, group } = senderLine(view, endpoint, namespace);
  const at = `:${port.port}/${port.protocol}`;
  return { name: name + at, group: group + at };
}

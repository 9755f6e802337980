import type { Command } from "commander";
import type { Style } from "../../render/style.ts";
import { renderTable } from "../../render/table.ts";
import { command, type LabOptions, labOption } from "../command.ts";
import { connect, runningLabs } from "../connect.ts";
import type { Context } from "../context.ts";
import type { Status } from "../live.ts";
import { type OutputOptions, outputOption, print } from "../output.ts";
import { faultTable } from "./fault.ts";

export function statusCommand(context: Context): Command {
  const made = command("status", "say what runs, what is ready, and what waits for what", [
    { does: "the running lab, or a list when there are several", type: "drydock status" },
    { does: "the daemon's process id", type: "drydock status -o json | jq .pid" },
  ]);
  return made
    .addOption(labOption())
    .addOption(outputOption())
    .action(async () => {
      const options = made.opts<OutputOptions & LabOptions>();
      const labs = await runningLabs(context);
      if (options.lab === undefined && labs.length > 1) {
        const statuses = await Promise.all(labs.map(async (lab) => (await connect(context, lab.name)).status()));
        print(context, options.output, statuses, (style) => statuses.map((status) => statusText(status, style)).join("\n"));
        return;
      }
      const status = await (await connect(context, options.lab)).status();
      print(context, options.output, status, (style) => statusText(status, style));
    });
}

export function statusText(status: Status, style: Style): string {
  const full = (ready: number, total: number) => {
    const text = `${ready}/${total}`;
    return ready === total ? style.green(text) : style.yellow(text);
  };
  const megabytes = Math.round(status.memoryBytes / 1024 / 1024);
  const facts = [
    `process ${status.pid}`,
    `since ${status.since}`,
    `${megabytes} MB`,
    ...(status.settled ? [] : [style.yellow("changing")]),
  ];
  const clusters = renderTable(
    ["CLUSTER", "NETWORK", "NODES READY", "PODS READY"],
    status.clusters.map(({ name, networkPlugin, networkPluginMode, nodes, pods }) => [
      name,
      networkPluginMode === undefined ? networkPlugin : `${networkPlugin} ${networkPluginMode}`,
      full(nodes.ready, nodes.wanted),
      full(pods.ready, pods.total),
    ]),
    style,
  );
  const probes = renderTable(
    ["HEALTH PROBE", "ANSWERED BY"],
    status.probes.map(({ probe, healthy, backends }) => [probe, full(healthy, backends)]),
    style,
  );
  const snat = renderTable(
    ["SNAT PORTS OF", "LEAVES AS", "MAY", "USES TCP", "USES UDP"],
    shownShares(status.snat).map(({ owner, publicAddress, allocated, used }) => [
      owner,
      publicAddress,
      String(allocated),
      ...[used?.tcp ?? 0, used?.udp ?? 0].map((count) => (count < allocated ? String(count) : style.red(String(count)))),
    ]),
    style,
  );
  const faults = faultTable(status.faults, style);
  const waiting = renderTable(
    ["WAITS", "REASON", "FOR"],
    status.waiting.map(({ cluster, kind, name, reason, message }) => [
      `${cluster === undefined ? "" : `${cluster}:`}${kind.toLowerCase()}/${name}`,
      reason,
      message,
    ]),
    style,
  );
  const refused = status.kernelErrors.map((error) => `${style.red("the kernel refuses:")} ${error}\n`).join("");
  const failure =
    status.failure === undefined
      ? ""
      : `${style.red("cannot go on:")} ${status.failure.error}\n${status.failure.fix === undefined ? "" : `  ${style.dim("fix:")} ${status.failure.fix}\n`}`;
  const head = `${style.bold(`lab ${status.lab}`)}  ${style.dim(facts.join(", "))}\n`;
  return [head + clusters, faults, probes, snat, waiting, refused, failure].filter((part) => part !== "").join("\n");
}

/** All of a small lab; of a large one those that use any, the busiest first. JSON has all of them. */
function shownShares(shares: Status["snat"]): Status["snat"] {
  if (shares.length <= 20) return shares;
  const uses = ({ used }: Status["snat"][number]) => Math.max(used?.tcp ?? 0, used?.udp ?? 0);
  return shares
    .filter((share) => uses(share) > 0)
    .sort((a, b) => uses(b) / b.allocated - uses(a) / a.allocated)
    .slice(0, 20);
}

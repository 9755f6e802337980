import type { Command } from "commander";
import type { Style } from "../../render/style.ts";
import { renderTable } from "../../render/table.ts";
import { command, type LabOptions, labOption } from "../command.ts";
import { connect, runningLabs } from "../connect.ts";
import type { Context } from "../context.ts";
import type { LabStatus } from "../live.ts";
import { type OutputOptions, outputOption, print } from "../output.ts";

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

export function statusText(status: LabStatus, style: Style): string {
  const head = `${style.bold(`lab ${status.lab}`)}  process ${status.pid}\n`;
  const full = (ready: number, total: number) => {
    const text = `${ready}/${total}`;
    return ready === total ? style.green(text) : style.yellow(text);
  };
  const clusters = renderTable(
    ["CLUSTER", "NODES READY", "PODS RUNNING"],
    status.clusters.map(({ name, nodes, pods }) => [name, full(nodes.ready, nodes.total), full(pods.running, pods.total)]),
    style,
  );
  const waiting = renderTable(
    ["WAITS", "REASON", "FOR"],
    status.waiting.map(({ cluster, object, reason, message }) => [`${cluster}:${object}`, reason, message]),
    style,
  );
  return [head + clusters, waiting].filter((part) => part !== "").join("\n");
}

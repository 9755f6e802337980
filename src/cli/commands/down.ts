import type { Command } from "commander";
import { command, type LabOptions, labOption } from "../command.ts";
import { connect, purgeLab, runningLabs } from "../connect.ts";
import type { Context } from "../context.ts";
import { Failure } from "../failure.ts";

type Options = LabOptions & { readonly purge?: boolean; readonly all?: boolean };

export function downCommand(context: Context): Command {
  const made = command("down", "end a lab; nothing of it stays on this machine but its addresses", [
    { does: "the running lab; the next 'up' gives the same addresses", type: "drydock down" },
    { does: "and forget the addresses too", type: "drydock down --purge" },
    { does: "every lab of yours", type: "drydock down --all" },
  ]);
  return made
    .addOption(labOption())
    .option("--purge", "forget what the lab has stored: addresses, node names, what was scaled")
    .option("--all", "all running labs")
    .action(async () => {
      const options = made.opts<Options>();
      const running = await runningLabs(context);
      const names = options.all === true ? running.map((lab) => lab.name) : [nameOf(running, options)];
      for (const name of names) {
        const isRunning = running.some((lab) => lab.name === name);
        if (isRunning) await (await connect(context, name)).stop();
        const purged = options.purge === true && (await purgeLab(context, name));
        if (!isRunning && !purged) {
          throw new Failure("lab", `lab ${name} is not running`, {
            fix: running.length === 0 ? "no lab is" : `running: ${running.map((lab) => lab.name).join(", ")}`,
          });
        }
        context.stdout.write(`lab ${name} is ${isRunning ? "down" : "not running"}${purged ? " and forgotten" : ""}\n`);
      }
    });
}

function nameOf(running: readonly { readonly name: string }[], options: Options): string {
  if (options.lab !== undefined) return options.lab;
  const [one, another] = running;
  if (one === undefined)
    throw new Failure("lab", "no lab is running", options.purge === true ? { fix: "say which one to forget: --lab NAME" } : {});
  if (another !== undefined) {
    throw new Failure("lab", `${running.length} labs are running`, {
      fix: `say which one: --lab ${running.map((lab) => lab.name).join(" or --lab ")}; or --all`,
    });
  }
  return one.name;
}

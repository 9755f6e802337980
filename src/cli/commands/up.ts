import type { Command } from "commander";
import { command, type LabOptions, labOption } from "../command.ts";
import { connect, launchLab, runningLabs, stateOf } from "../connect.ts";
import type { Context } from "../context.ts";
import { Failure } from "../failure.ts";
import { readFiles, renderKept } from "../files.ts";
import type { Live } from "../live.ts";
import { Progress } from "../progress.ts";
import { statusText } from "./status.ts";

type Options = { readonly foreground?: boolean; readonly name?: string };

export function upCommand(context: Context): Command {
  const made = command("up", "run a lab: build its network of real packets and return when every pod answers", [
    { does: "the example", type: "drydock up examples/two-options/lab.yaml" },
    { does: "a second time beside it, under a name of its own", type: "drydock up examples/two-options/lab.yaml --name second" },
    { does: "until Ctrl-C, leaving nothing behind", type: "drydock up lab.yaml --foreground" },
  ]);
  return made
    .argument("<file...>", "the lab file")
    .option("--foreground", "stay, and end the lab with Ctrl-C")
    .option("--name <name>", "another name for the lab than its file gives it")
    .action(async (files: readonly string[]) => {
      const options = made.opts<Options>();
      const { documents, kept, ...opened } = readFiles(context, files);
      const name = options.name ?? opened.name;
      const running = (await runningLabs(context)).find((lab) => lab.name === name);
      if (running !== undefined) {
        throw new Failure("lab", `lab ${name} is already running (process ${running.pid})`, {
          fix: `'drydock apply ${files.join(" ")}' changes it, 'drydock down --lab ${name}' ends it, --name gives this one another name`,
        });
      }
      context.graceful = true;
      const progress = new Progress(context);
      const began = performance.now();
      const foreground = options.foreground === true;
      try {
        const { live, ended } = await launchLab(context, { name, documents, foreground }, (text) => progress.update(text));
        progress.clear();
        const seconds = ((performance.now() - began) / 1000).toFixed(1);
        context.stderr.write(renderKept(kept, context.errorStyle));
        context.stdout.write(statusText(await live.status(), context.style));
        const end = foreground ? "Ctrl-C" : `'drydock down --lab ${name}'`;
        context.stdout.write(`${context.style.green(`lab ${name} is up`)} after ${seconds} s; ${end} ends it\n`);
        if (foreground) await untilEnd(context, live, ended);
      } finally {
        progress.clear();
      }
    });
}

/** Stays until the user ends it or the daemon ends by itself. */
async function untilEnd(context: Context, live: Live, ended: Promise<void>): Promise<void> {
  const interrupted = new Promise<"interrupted">((resolve) => {
    if (context.signal.aborted) resolve("interrupted");
    context.signal.addEventListener("abort", () => resolve("interrupted"), { once: true });
  });
  if ((await Promise.race([ended, interrupted])) !== "interrupted") {
    throw new Failure("lab", `lab ${live.name} has ended`, { fix: `what its daemon said is in ${stateOf(context, live.name).log}` });
  }
  await live.stop();
  // Ending it so is what the foreground is for.
  context.stdout.write(`lab ${live.name} is down\n`);
}

export function applyCommand(context: Context): Command {
  const made = command("apply", "change a running lab to what documents say now", [
    { does: "after an edit", type: "drydock apply examples/two-options/lab.yaml" },
  ]);
  return made
    .argument("<file...>", "the lab file, whole: what it no longer names goes")
    .addOption(labOption("the running lab, if it has another name than its file gives it"))
    .addHelpText(
      "after",
      "\nWhat Azure cannot change on a running cluster (network option, pod address range, maximum pods, …) is refused, and nothing is changed.\n",
    )
    .action(async (files: readonly string[]) => {
      const options = made.opts<LabOptions>();
      const { documents, kept, ...opened } = readFiles(context, files);
      const live = await connect(context, options.lab ?? opened.name);
      const progress = new Progress(context);
      try {
        await live.apply(documents, (text) => progress.update(text));
      } finally {
        progress.clear();
      }
      context.stderr.write(renderKept(kept, context.errorStyle));
      context.stdout.write(statusText(await live.status(), context.style));
    });
}

/** The whole command line: every command, and how it is run. */

import { Command, CommanderError } from "commander";
import { adviseCommand } from "./commands/advise.ts";
import { checkCommand } from "./commands/check.ts";
import { completeCommand, completionCommand } from "./commands/completion.ts";
import { demoCommand } from "./commands/demo.ts";
import { diffCommand } from "./commands/diff.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { downCommand } from "./commands/down.ts";
import { captureCommand, captureInsideCommand, execCommand } from "./commands/exec.ts";
import { faultCommand } from "./commands/fault.ts";
import { migrateCommand } from "./commands/migrate.ts";
import { planCommand } from "./commands/plan.ts";
import { policyCommand } from "./commands/policy.ts";
import { probeCommand } from "./commands/probe.ts";
import { reportCommand } from "./commands/report.ts";
import { scaleCommand } from "./commands/scale.ts";
import { showCommand } from "./commands/show.ts";
import { statusCommand } from "./commands/status.ts";
import { testCommand } from "./commands/test.ts";
import { traceCommand } from "./commands/trace.ts";
import { applyCommand, upCommand } from "./commands/up.ts";
import { versionCommand } from "./commands/version.ts";
import { whyCommand } from "./commands/why.ts";
import { type Context, columnsOf } from "./context.ts";
import { exitStatuses, Failure, renderCrash, renderFailure } from "./failure.ts";
import { addTemplateOptions } from "./templates.ts";
import { version } from "./version.ts";

/** In the order of help. A new command is a line here. */
const commands: readonly ((context: Context) => Command)[] = [
  upCommand,
  downCommand,
  statusCommand,
  applyCommand,
  scaleCommand,
  faultCommand,
  showCommand,
  traceCommand,
  whyCommand,
  probeCommand,
  policyCommand,
  planCommand,
  diffCommand,
  migrateCommand,
  adviseCommand,
  reportCommand,
  execCommand,
  captureCommand,
  checkCommand,
  testCommand,
  doctorCommand,
  demoCommand,
  versionCommand,
  completionCommand,
];

export function makeProgram(context: Context): Command {
  const program = new Command("drydock")
    .description("Prove an AKS cluster network before it exists: run it with real packets, trace packets through it, check it.")
    .version(version, "-V, --version", "print the version")
    .enablePositionalOptions()
    .addHelpText(
      "after",
      `
Start here:
  drydock demo                                    two clusters, six journeys, and the comparison of the network options
  drydock up examples/two-options/lab.yaml        run a lab
  drydock trace internet/partner SVC examples/…   trace a packet without running anything

Exit status: 0 done; 1 the answer is no (not reachable, a disagreement); 2 wrong words or documents; 3 this machine cannot
(see 'drydock doctor'); 4 no such lab is running, or it is already; 70 a defect of Drydock; 130 interrupted.
`,
    );
  for (const make of commands) program.addCommand(make(context));
  program.addCommand(
    completeCommand(context, () => program),
    { hidden: true },
  );
  program.addCommand(captureInsideCommand(), { hidden: true });
  addTemplateOptions(program, context);
  configure(program, context);
  return program;
}

/** Output through the context, wrong words with what helps, and no exits: {@link run} ends the process. `words`: how `command` is typed. */
function configure(command: Command, context: Context, words = command.name()): void {
  command.exitOverride();
  command.showHelpAfterError(`  ${context.errorStyle.dim("fix:")} '${words} --help' shows how it is used`);
  command.configureOutput({
    writeOut: (text) => context.stdout.write(text),
    writeErr: (text) => context.stderr.write(text),
    outputError: (text, write) => write(text.replace(/^error: /, `${context.errorStyle.red("drydock:")} `)),
    getOutHelpWidth: () => columnsOf(context.stdout),
    getErrHelpWidth: () => columnsOf(context.stderr),
    getOutHasColors: () => false,
    getErrHasColors: () => false,
  });
  for (const child of command.commands) configure(child, context, `${words} ${child.name()}`);
}

/** Runs a command line and returns the exit status. Never throws. */
export async function run(context: Context, words: readonly string[]): Promise<number> {
  try {
    await makeProgram(context).parseAsync(words, { from: "user" });
    return context.exitStatus;
  } catch (error) {
    return report(context, error);
  }
}

function report(context: Context, error: unknown): number {
  if (context.signal.aborted) {
    context.stderr.write(`${context.errorStyle.dim("interrupted")}\n`);
    return exitStatuses.interrupted;
  }
  // Commander has printed its own message, and help is no error.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitStatuses.usage;
  const debug = context.env.DRYDOCK_DEBUG !== undefined && context.env.DRYDOCK_DEBUG !== "";
  if (error instanceof Failure) {
    context.stderr.write(renderFailure(error, context.errorStyle));
    if (debug) context.stderr.write(`${error.stack ?? ""}\n`);
    return exitStatuses[error.code];
  }
  context.stderr.write(renderCrash(error, debug, context.errorStyle));
  return exitStatuses.internal;
}

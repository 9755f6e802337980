import type { Command } from "commander";
import type { Check } from "../../kernel/doctor.ts";
import type { Style } from "../../render/style.ts";
import { command } from "../command.ts";
import type { Context } from "../context.ts";
import { exitStatuses } from "../failure.ts";
import { type OutputOptions, outputOption, print } from "../output.ts";

export function doctorCommand(context: Context): Command {
  const made = command("doctor", "say what this machine can do for labs, and the fix for what it can't", [
    { does: "before the first 'up'", type: "drydock doctor" },
  ]);
  return made
    .addOption(outputOption())
    .addHelpText("after", "\nExit status 0: labs can run; 3: they can't.\n")
    .action(async () => {
      const { output } = made.opts<OutputOptions>();
      const { diagnose } = await import("../../kernel/doctor.ts");
      const checks = diagnose();
      const fine = checks.every((check) => check.ok || !check.required);
      print(
        context,
        output,
        { ok: fine, checks },
        (style) =>
          `${checks.map((check) => checkText(check, style)).join("")}${fine ? "Labs can run here.\n" : "Labs can't run here yet; trace, show and check --model on files can.\n"}`,
      );
      if (!fine) context.exitStatus = exitStatuses.environment;
    });
}

function checkText({ name, ok, required, found, why, fix }: Check, style: Style): string {
  if (ok) return `${style.green("ok")}       ${name}: ${found}\n`;
  const word = required ? style.red("FAILS") : style.yellow("missing");
  return `${word}${required ? "   " : " "} ${name}: ${found}\n         ${style.dim("why:")} ${why}\n         ${style.dim("fix:")} ${fix}\n`;
}

import type { Command } from "commander";
import { command } from "../command.ts";
import type { Context } from "../context.ts";
import { type OutputOptions, outputOption, print } from "../output.ts";
import { version } from "../version.ts";

export function versionCommand(context: Context): Command {
  const made = command("version", "print the version of Drydock and of Node.js", [
    { does: "for a bug report", type: "drydock version -o yaml" },
  ]);
  return made.addOption(outputOption()).action(() => {
    const { output } = made.opts<OutputOptions>();
    const data = { drydock: version, node: process.versions.node, platform: `${process.platform} ${process.arch}` };
    print(context, output, data, () => `drydock ${data.drydock} (Node.js ${data.node}, ${data.platform})\n`);
  });
}

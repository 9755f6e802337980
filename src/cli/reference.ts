/** `docs/cli.md`, made from the definitions of the commands. */

import type { Command } from "commander";
import { examplesOf } from "./command.ts";
import { templateOptionsHeading } from "./templates.ts";

const introduction = `# The command line

Generated from the commands themselves: \`npx vitest run src/cli/reference.test.ts -u\` writes it anew.

\`\`\`
drydock COMMAND [ARGUMENTS] [OPTIONS]
\`\`\`

**Ends of a journey** (FROM, TO, HOST) are written as kubectl writes things: \`pod/NAME\`, \`deploy/NAME\` (any of its pods; also \`sts/\`, \`ds/\`, \`rs/\`),
\`svc/NAME:PORT\` (number or name of the port), \`node/NAME\` (or a unique ending of the name), \`vm/NAME\`, \`site/SITE/NAME\`, \`internet/NAME\`, or an address.
Cluster and namespace come from \`--cluster\` and \`-n\`, or stand in the same word: \`shop-kubenet:shop/deploy/web\`. What is left out is guessed where
there is one guess: the only cluster, the sender's namespace, \`default\`, the only place where the name exists. A port may name its protocol: \`:53/udp\`.
Without a port the target's first listener is meant, else ICMP.

**FILE** is a lab file. Where it is optional, the command works on a running lab without it, and with it without privileges and on any system.
\`--lab NAME\` (or \`DRYDOCK_LAB\`) chooses between several running labs.

**Deployment templates** among the files have options in all commands that take files: \`-p\`, \`--parameters\` (a parameter file, \`name=value\`, or
\`name=@file\`; repeatable), \`--resource-group NAME\`, \`--location REGION\`, \`--subscription ID\`. See [arm-templates.md](arm-templates.md).

**Exit status**: 0 done; 1 the answer is no (not reachable, not delivered, a disagreement); 2 wrong words, names or documents; 3 this machine cannot
(\`drydock doctor\` says why); 4 no such lab is running, or it is already; 70 a defect of Drydock; 130 interrupted.

**Environment**: \`DRYDOCK_LAB\`; \`DRYDOCK_STATE\` (folder of the labs' state, by default \`$XDG_STATE_HOME/drydock\` or \`~/.local/state/drydock\`);
\`NO_COLOR\` and \`FORCE_COLOR\`; \`DRYDOCK_DEBUG=1\` shows stack traces.
`;

export function renderReference(program: Command): string {
  const commands = program.commands.filter((command) => !command.name().startsWith("__"));
  const list = commands.map((command) => `| [\`${command.name()}\`](#${command.name()}) | ${command.summary()} |`).join("\n");
  return `${introduction}\n| Command | |\n|---|---|\n${list}\n\n${commands.map((command) => section(command, "", 2)).join("\n")}`;
}

function section(command: Command, parent: string, depth: number): string {
  const name = `${parent}${command.name()}`;
  const children = command.commands;
  const parts = [`${"#".repeat(depth)} ${name}\n`, `${sentence(command.summary())}\n`];
  if (children.length === 0) parts.push(`\`\`\`\ndrydock ${name} ${usage(command)}\n\`\`\`\n`);
  const rows = [
    ...command.registeredArguments.map((argument) => [`\`${argument.name()}\``, argument.description]),
    ...command.options
      .filter((option) => option.helpGroupHeading !== templateOptionsHeading)
      .map((option) => [`\`${option.flags}\``, `${option.description}${choices(option.argChoices)}${byDefault(option.defaultValue)}`]),
  ];
  if (rows.length > 0)
    parts.push(
      `| | |\n|---|---|\n${rows.map((row) => `| ${row.map((cell) => (cell ?? "").replaceAll("|", "\\|")).join(" | ")} |`).join("\n")}\n`,
    );
  const examples = examplesOf(command);
  if (examples.length > 0) parts.push(`\`\`\`sh\n${examples.map(({ does, type }) => `# ${does}\n${type}`).join("\n")}\n\`\`\`\n`);
  return [...parts, ...children.map((child) => section(child, `${name} `, depth + 1))].join("\n");
}

function usage(command: Command): string {
  const words = command.registeredArguments.map((argument) => {
    const name = argument.variadic ? `${argument.name()}...` : argument.name();
    return argument.required ? name.toUpperCase() : `[${name.toUpperCase()}]`;
  });
  return [...words, ...(command.options.length > 0 ? ["[OPTIONS]"] : [])].join(" ");
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function choices(list: readonly string[] | undefined): string {
  return list === undefined ? "" : `: ${list.map((choice) => `\`${choice}\``).join(", ")}`;
}

function byDefault(value: unknown): string {
  return value === undefined || value === false ? "" : ` (default \`${String(value)}\`)`;
}

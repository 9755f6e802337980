/** Options of all commands that take files: what `az deployment` takes beside a template. */

import { type Command, Option } from "commander";
import type { DeploymentOptions, NamedParameter } from "../documents/index.ts";
import type { Context } from "./context.ts";
import { Failure } from "./failure.ts";
import { type File, isFile, readDocument } from "./files.ts";

type Options = {
  readonly parameters?: readonly string[];
  readonly resourceGroup?: string;
  readonly location?: string;
  readonly subscription?: string;
};

/** Where help lists them. */
export const templateOptionsHeading = "Deployment templates:";

/** Gives them to every command that takes files, and what was said to the context before the command runs. */
export function addTemplateOptions(made: Command, context: Context): void {
  if (takesFiles(made)) {
    for (const option of templateOptions()) made.addOption(option.helpGroup(templateOptionsHeading));
    made.hook("preAction", () => {
      context.deployment = deploymentOptions(context, made.opts<Options>());
    });
  }
  for (const child of made.commands) addTemplateOptions(child, context);
}

function templateOptions(): readonly Option[] {
  return [
    new Option("-p, --parameters <value>", "parameters: a parameter file, name=value, or name=@file (repeatable)").argParser(
      (value: string, before: readonly string[] = []) => [...before, value],
    ),
    new Option("--resource-group <name>", "the resource group to deploy to (default: called after the lab or the template)"),
    new Option("--location <region>", "the location of the resource group (default: westeurope)"),
    new Option("--subscription <id>", "the subscription to deploy to (default: one of zeros)"),
  ];
}

function takesFiles(made: Command): boolean {
  return (
    made.options.some(({ long }) => long === "--file") ||
    made.registeredArguments.some((argument) => argument.name() === "file" && argument.variadic)
  );
}

function deploymentOptions(context: Context, { parameters = [], resourceGroup, location, subscription }: Options): DeploymentOptions {
  return {
    parameters: parameters.map((value) => parameter(context, value)),
    ...(resourceGroup === undefined ? {} : { resourceGroup }),
    ...(location === undefined ? {} : { location }),
    ...(subscription === undefined ? {} : { subscription }),
    now: new Date().toISOString(),
  };
}

/** As az reads it: `@file` and what names a file are parameter files, `name=@file` has its value in one, and text in braces is parameters itself. */
function parameter(context: Context, value: string): File | NamedParameter {
  if (value.trimStart().startsWith("{")) return { path: "--parameters.json", text: value };
  if (value.startsWith("@")) return readDocument(context, value.slice(1));
  const [, name, text] = /^([A-Za-z_]\w*)=(.*)$/s.exec(value) ?? [];
  if (name !== undefined && text !== undefined) {
    return { name, text: text.startsWith("@") ? readDocument(context, text.slice(1)).text : text };
  }
  if (isFile(context, value)) return readDocument(context, value);
  throw new Failure("usage", `--parameters ${value} is neither name=value nor a file`, {
    fix: "give --parameters name=value, or --parameters FILE",
  });
}

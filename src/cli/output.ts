/** Results as text, JSON or YAML. */

import { Option } from "commander";
import { stringify } from "yaml";
import type { Style } from "../render/style.ts";
import type { Context } from "./context.ts";

export const formats = ["text", "json", "yaml"] as const;
export type Format = (typeof formats)[number];

export type OutputOptions = { readonly output: Format };

/** `choices`: of a command that has more than the usual ones. */
export function outputOption(choices: readonly string[] = formats): Option {
  return new Option("-o, --output <format>", "how to print").choices(choices).default("text");
}

/** `text` is asked for only when text is wanted. Both forms are made of the same data. */
export function print(context: Context, format: Format, data: unknown, text: (style: Style) => string): void {
  switch (format) {
    case "text":
      context.stdout.write(text(context.style));
      return;
    case "json":
      context.stdout.write(`${JSON.stringify(data, null, 2)}\n`);
      return;
    case "yaml":
      // Shared objects (a rule set, an origin) are written out where they are used, not as anchors.
      context.stdout.write(stringify(data, { aliasDuplicateObjects: false, lineWidth: 0 }));
      return;
    default:
      throw new Error(`unknown format ${String(format satisfies never)}`);
  }
}

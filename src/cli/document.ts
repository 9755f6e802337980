/** Output of commands whose answer is a report: for a terminal, a program, a pull request, a browser. */

import { Option } from "commander";
import type { Document } from "../render/document.ts";
import { renderDocumentHtml } from "../render/document-html.ts";
import { renderDocumentMarkdown } from "../render/document-markdown.ts";
import { renderDocumentText } from "../render/document-text.ts";
import { type Context, columnsOf } from "./context.ts";
import { formats, print } from "./output.ts";

const documentFormats = [...formats, "markdown", "html"] as const;
export type DocumentFormat = (typeof documentFormats)[number];

export function documentOption(byDefault: DocumentFormat = "text"): Option {
  return new Option("-o, --output <format>", "how to print").choices(documentFormats).default(byDefault);
}

/** `data` as JSON and YAML, `document` as everything else. */
export function printDocument(context: Context, format: DocumentFormat, data: unknown, document: () => Document): void {
  if (format === "markdown") context.stdout.write(renderDocumentMarkdown(document()));
  else if (format === "html") context.stdout.write(renderDocumentHtml(document()));
  else print(context, format, data, (style) => renderDocumentText(document(), { style, columns: columnsOf(context.stdout) }));
}

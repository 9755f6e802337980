/** Documents as GitHub-flavoured Markdown, to be pasted into a pull request. Names come from outside: nothing of them is read as Markdown or HTML. */

import { type Align, type Block, type Document, oneLine, type Span, spansOf, type Words } from "./document.ts";

export function renderDocumentMarkdown({ title, blocks }: Document): string {
  return [`# ${escaped(title)}\n`, ...blocks.map(blockMarkdown)].join("\n");
}

function blockMarkdown(block: Block): string {
  switch (block.kind) {
    case "heading":
      return `${"#".repeat(block.level)} ${escaped(block.text)}\n`;
    case "paragraph":
      return `${wordsMarkdown(block.words)}\n`;
    case "list":
      return block.items.map((item, index) => `${block.ordered === true ? `${index + 1}.` : "-"} ${wordsMarkdown(item)}\n`).join("");
    case "table":
      return table(block.heads, block.rows, block.align);
    case "figure":
      return `**${escaped(block.picture.title)}**\n\n${table(block.instead.heads, block.instead.rows, block.instead.align)}`;
    default:
      throw new Error(`unknown block ${String(block satisfies never)}`);
  }
}

function table(heads: readonly string[], rows: readonly (readonly Words[])[], align: readonly Align[] = []): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |\n`;
  const rule = heads.map((_, column) => (align[column] === "right" ? "---:" : "---"));
  return [line(heads.map(escaped)), line(rule), ...rows.map((row) => line(row.map(wordsMarkdown)))].join("");
}

function wordsMarkdown(words: Words): string {
  return spansOf(words)
    .map((part) => (typeof part === "string" ? escaped(part) : spanMarkdown(part)))
    .join("");
}

function spanMarkdown({ text, tone }: Span): string {
  if (text === "") return "";
  switch (tone) {
    case "strong":
    case "bad":
    case "warn":
      return `**${escaped(text)}**`;
    case "good":
    case "dim":
      return escaped(text);
    case "code":
      return /[`|\\]/.test(text) ? escaped(text) : `\`${oneLine(text)}\``;
    default:
      throw new Error(`unknown tone ${String(tone satisfies never)}`);
  }
}

/** Every character that Markdown may read as something, with a backslash; `&` and `<` as entities; `@name` and `#12` would call people and issues. */
function escaped(text: string): string {
  return oneLine(text)
    .replace(/[\\`*_[\]|~]/g, "\\$&")
    .replace(/&/g, "&amp;")
    .replace(/</g, "&lt;")
    .replace(/>/g, "&gt;")
    .replace(/([@#])(?=[\p{L}\p{N}])/gu, "$1\u200b")
    .replace(/^(\s*)([-+]|\d+[.)])(?=\s)/, "$1\\$2")
    .replace(/:\/\//g, ":\u200b//");
}

/** Reports: headings, paragraphs, lists and tables, said once and printed for a terminal or as Markdown (GitHub's, which pull requests show). */

import { plain, type Style } from "./style.ts";
import { renderTable } from "./table.ts";

/** What a reader should make of a word. */
export type Mood = "good" | "bad" | "warning" | "strong" | "faint";
export type Words = string | { readonly text: string; readonly mood: Mood };

export type ListItem = {
  readonly line: readonly Words[] /** What belongs to it, by name. */;
  readonly facts?: readonly (readonly [string, string])[];
};

export type Block =
  | { readonly kind: "heading"; readonly text: string; readonly level: 1 | 2 }
  | { readonly kind: "paragraph"; readonly words: readonly Words[] }
  | { readonly kind: "list"; readonly items: readonly ListItem[] }
  | { readonly kind: "table"; readonly heads: readonly string[]; readonly rows: readonly (readonly Words[])[] };

/** Headings of level 1 stand apart; all else follows without a gap. */
export function renderReport(blocks: readonly Block[], style: Style = plain): string {
  const paint = (words: Words): string => {
    if (typeof words === "string") return printable(words);
    const colours = { good: style.green, bad: style.red, warning: style.yellow, strong: style.bold, faint: style.dim };
    return colours[words.mood](printable(words.text));
  };
  const parts = blocks.map((block, index) => {
    switch (block.kind) {
      case "heading":
        return `${block.level === 1 && index > 0 ? "\n" : ""}${style.bold(printable(block.text))}\n`;
      case "paragraph":
        return `${block.words.map(paint).join("")}\n`;
      case "list":
        return block.items
          .flatMap(({ line, facts = [] }) => [
            line.map(paint).join(""),
            ...facts.map(([name, value]) => `  ${style.dim(`${name}:`)} ${printable(value)}`),
          ])
          .map((line) => `${line}\n`)
          .join("");
      case "table":
        return renderTable(
          block.heads,
          block.rows.map((row) => row.map(paint)),
          style,
        );
      default:
        return block satisfies never;
    }
  });
  return parts.join("");
}

export function renderMarkdown(blocks: readonly Block[]): string {
  const parts = blocks.map((block) => {
    switch (block.kind) {
      case "heading":
        return `${block.level === 1 ? "##" : "###"} ${escaped(block.text)}`;
      case "paragraph":
        return block.words.map(marked).join("");
      case "list":
        return block.items
          .flatMap(({ line, facts = [] }) => [
            `- ${line.map(marked).join("")}`,
            ...facts.map(([name, value]) => `  - ${escaped(name)}: ${escaped(value)}`),
          ])
          .join("\n");
      case "table": {
        const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
        const rows = block.rows.map((row) => line(block.heads.map((_, column) => marked(row[column] ?? ""))));
        return [line(block.heads.map(escaped)), line(block.heads.map(() => "---")), ...rows].join("\n");
      }
      default:
        return block satisfies never;
    }
  });
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}

function marked(words: Words): string {
  if (typeof words === "string") return escaped(words);
  const text = escaped(words.text);
  return words.mood === "faint" || text.trim() === "" ? text : `**${text}**`;
}

/** What would be markup, HTML among it, stands for itself. */
function escaped(text: string): string {
  return printable(text).replace(/[\\`*_[\]<>|~#]/g, "\\$&");
}

/** Text from a document must not move a terminal's cursor, nor end a line of a table. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu, (char) => `\\u${(char.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`);
}

/** A piece of writing that a terminal or a Markdown page can show: headings, lists and paragraphs, said once. */

import type { Style } from "../render/style.ts";

export type Writing = readonly Block[];

type Block =
  | { readonly kind: "title" | "heading"; readonly text: string }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "item"; readonly text: string; readonly details: readonly string[] }
  | { readonly kind: "commands"; readonly lines: readonly string[] };

export function asText(writing: Writing, style: Style): string {
  return writing.map((block, index) => (isHead(block) && index > 0 ? "\n" : "") + blockText(block, style)).join("");
}

function blockText(block: Block, style: Style): string {
  switch (block.kind) {
    case "title":
    case "heading":
      return `${style.bold(block.text)}\n`;
    case "text":
      return `${block.text}\n`;
    case "item":
      return [`  ${block.text}`, ...block.details.map((line) => style.dim(`      ${line}`))].map((line) => `${line}\n`).join("");
    case "commands":
      return block.lines.map((line) => `    ${line}\n`).join("");
  }
}

export function asMarkdown(writing: Writing): string {
  return writing
    .map((block, index) => {
      const isList = block.kind === "item" && writing[index - 1]?.kind === "item";
      return (index === 0 || isList ? "" : "\n") + blockMarkdown(block);
    })
    .join("");
}

function blockMarkdown(block: Block): string {
  switch (block.kind) {
    case "title":
      return `# ${escaped(block.text)}\n`;
    case "heading":
      return `## ${escaped(block.text)}\n`;
    case "text":
      return `${escaped(block.text)}\n`;
    case "item":
      return `${[`- ${escaped(block.text)}`, ...block.details.map((line) => `  - ${escaped(line.trim())}`)].join("\n")}\n`;
    case "commands":
      return `\`\`\`sh\n${block.lines.join("\n")}\n\`\`\`\n`;
  }
}

function isHead({ kind }: Block): boolean {
  return kind === "title" || kind === "heading";
}

function escaped(text: string): string {
  return text.replaceAll(/[\\`*_<>|]/g, (character) => `\\${character}`);
}

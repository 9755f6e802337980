/** Documents for a terminal. Pictures are their tables. */

import { type Block, type Document, oneLine, type Span, spansOf, type Words } from "./document.ts";
import { plain, type Style } from "./style.ts";
import { renderComparison, renderTable, wrap } from "./table.ts";

export type TextOptions = { readonly style?: Style; readonly columns?: number };

export function renderDocumentText({ title, blocks }: Document, { style = plain, columns = 120 }: TextOptions = {}): string {
  return [`${style.bold(oneLine(title))}\n`, ...blocks.map((block) => blockText(block, style, columns))].join("\n");
}

function blockText(block: Block, style: Style, columns: number): string {
  switch (block.kind) {
    case "heading":
      return `${style.bold(oneLine(block.text))}\n`;
    case "paragraph":
      return `${wrap(wordsText(block.words, style), columns).join("\n")}\n`;
    case "list":
      return block.items
        .map((item, index) => {
          const mark = block.ordered === true ? `${index + 1}. ` : "- ";
          return `${mark}${wrap(wordsText(item, style), columns - mark.length).join(`\n${" ".repeat(mark.length)}`)}\n`;
        })
        .join("");
    case "table": {
      const rows = block.rows.map((row) => row.map((cell) => wordsText(cell, style)));
      return block.isProse === true ? renderComparison(block.heads, rows, columns, style) : renderTable(upper(block.heads), rows, style);
    }
    case "figure":
      return `${style.dim(oneLine(block.picture.title))}\n${renderTable(
        upper(block.instead.heads),
        block.instead.rows.map((row) => row.map(oneLine)),
        style,
      )}`;
    default:
      throw new Error(`unknown block ${String(block satisfies never)}`);
  }
}

function upper(heads: readonly string[]): readonly string[] {
  return heads.map((head) => head.toUpperCase());
}

function wordsText(words: Words, style: Style): string {
  return spansOf(words)
    .map((part) => (typeof part === "string" ? oneLine(part) : styled(part, style)))
    .join("");
}

function styled({ text, tone }: Span, style: Style): string {
  const clean = oneLine(text);
  switch (tone) {
    case "strong":
      return style.bold(clean);
    case "dim":
      return style.dim(clean);
    case "good":
      return style.green(clean);
    case "warn":
      return style.yellow(clean);
    case "bad":
      return style.red(clean);
    case "code":
      return clean;
    default:
      throw new Error(`unknown tone ${String(tone satisfies never)}`);
  }
}

/** Tables for a terminal, as kubectl prints them: upper-case heads, columns two spaces apart, no lines, no trailing spaces. */

import { padTo, plain, type Style, widthOf } from "./style.ts";

/** `rows` have as many cells as `heads`; an empty cell stays empty. Ends with a line feed; no rows give no text. */
export function renderTable(heads: readonly string[], rows: readonly (readonly string[])[], style: Style = plain): string {
  if (rows.length === 0) return "";
  const widths = heads.map((head, column) => rows.reduce((width, row) => Math.max(width, widthOf(row[column] ?? "")), head.length));
  const line = (cells: readonly string[]) =>
    widths
      .map((width, column) => padTo(cells[column] ?? "", width))
      .join("  ")
      .trimEnd();
  return [style.bold(line(heads)), ...rows.map(line)].map((text) => `${text}\n`).join("");
}

/** `name: value` lines, values aligned. */
export function renderPairs(pairs: readonly (readonly [string, string])[], style: Style = plain): string {
  const width = pairs.reduce((widest, [name]) => Math.max(widest, name.length), 0) + 1;
  return pairs.map(([name, value]) => `${style.dim(padTo(`${name}:`, width))} ${value}\n`).join("");
}

/**
 * A table whose cells are wrapped so that it fits `columns`: for comparisons in words. The first column keeps its width; the others share the
 * rest. Words longer than their column stick out.
 */
export function renderComparison(
  heads: readonly string[],
  rows: readonly (readonly string[])[],
  columns: number,
  style: Style = plain,
): string {
  const gap = " │ ";
  const first = [heads, ...rows].reduce((width, row) => Math.max(width, widthOf(row[0] ?? "")), 0);
  const room = Math.max(24, Math.floor((columns - first - gap.length * (heads.length - 1)) / Math.max(1, heads.length - 1)));
  const widest = heads.map((_, column) =>
    column === 0 ? first : [heads, ...rows].reduce((width, row) => Math.max(width, widthOf(row[column] ?? "")), 0),
  );
  const widths = widest.map((width, column) => (column === 0 ? first : Math.min(width, room)));
  const lines = (row: readonly string[], dress: (text: string, column: number) => string): string[] => {
    const cells = widths.map((width, column) => wrap(row[column] ?? "", width));
    const height = Math.max(...cells.map((cell) => cell.length));
    return Array.from({ length: height }, (_, line) =>
      widths
        .map((width, column) => padTo(dress(cells[column]?.[line] ?? "", column), width))
        .join(style.dim(gap))
        .trimEnd(),
    );
  };
  const rule = style.dim(widths.map((width) => "─".repeat(width)).join("─┼─"));
  const body = rows.flatMap((row) => lines(row, (text, column) => (column === 0 ? style.cyan(text) : text)));
  return `${[...lines(heads, (text) => style.bold(text)), rule, ...body].join("\n")}\n`;
}

/** Lines of at most `width` columns, broken at spaces. At least one line. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line === "") line = word;
    else if (widthOf(line) + 1 + widthOf(word) <= width) line += ` ${word}`;
    else {
      lines.push(line);
      line = word;
    }
  }
  return [...lines, line];
}

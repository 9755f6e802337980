/** Bars whose parts are as wide as what they stand for, to scale: of everything that is in one bar, one unit has one width. */

import { element, type Markup } from "./markup.ts";
import { type Box, fitted, label, rect, textWidth } from "./svg.ts";

export type Part = {
  /** Of the whole. */
  readonly amount: number;
  /** What it is, when the pointer rests on it. */
  readonly title: string;
  /** In the part, where there is room. */
  readonly text?: string;
  /** Class names of the shape; those of stripes or dots come over it. */
  readonly classes: string;
  readonly over?: "stripes";
};

/** Parts from left to right, as wide as their share of all parts. */
export function stackedBar(box: Box, parts: readonly Part[]): readonly Markup[] {
  const total = parts.reduce((sum, { amount }) => sum + amount, 0);
  if (total === 0) return [rect(box, "outline")];
  const shapes: Markup[] = [];
  let before = 0;
  for (const { amount, title, text, classes, over } of parts) {
    const x = box.x + (before / total) * box.width;
    const width = (amount / total) * box.width;
    before += amount;
    const part = { x, y: box.y, width, height: box.height };
    shapes.push(rect(part, `part ${classes}`, { title }));
    if (over === "stripes") shapes.push(stripes(part));
    const shown = text === undefined ? "" : fitted(text, width - 10, 11);
    const tone = /free|pale/.test(classes) ? "small strong" : "small strong on";
    if (shown !== "") shapes.push(label(x + width / 2, box.y + box.height / 2 + 4, shown, tone, "middle"));
  }
  return [...shapes, rect(box, "outline")];
}

export type LegendItem = { readonly text: string; readonly classes: string; readonly over?: "stripes" };

/** Swatches with words, in as many lines as they need. Returns the height too. */
export function legend(
  x: number,
  y: number,
  width: number,
  items: readonly LegendItem[],
): { readonly shapes: readonly Markup[]; readonly height: number } {
  const shapes: Markup[] = [];
  let [left, top] = [x, y];
  for (const { text, classes, over } of items) {
    const shown = fitted(text, width - 18, 10.5);
    const room = textWidth(shown, 10.5) + 30;
    if (left > x && left + room - 12 > x + width) [left, top] = [x, top + 15];
    const swatch = { x: left, y: top + 2, width: 9, height: 9 };
    shapes.push(rect(swatch, classes, { round: 2 }));
    if (over === "stripes") shapes.push(stripes(swatch));
    shapes.push(label(left + 14, top + 10.5, shown, "small soft"));
    left += room;
  }
  return { shapes, height: top - y + 15 };
}

/** A dashed line as thick as the box is high. Stripes tell where colour does not: in print, and to those who see none. */
function stripes({ x, y, width, height }: Box): Markup {
  return element("path", { d: `M${x} ${y + height / 2}h${width}`, class: "stripes", "stroke-width": height });
}

/**
 * Pictures: an SVG with a title and a description, that is legible by itself, in a page, and in either colour scheme. Colours are classes; the style
 * sheet of a picture stands in it, since an SVG file may be looked at alone. Text is measured by a table of widths, not by a font.
 */

import { type Attributes, element, type Markup } from "./markup.ts";

export type Picture = {
  readonly title: string;
  readonly description: string;
  readonly width: number;
  readonly height: number;
  readonly shapes: readonly Markup[];
};

/** As a file of its own, or inline in a page. `id` makes ids unique in a page. */
export function renderPicture({ title, description, width, height, shapes }: Picture, id = "picture"): string {
  const attributes: Attributes = {
    xmlns: "http://www.w3.org/2000/svg",
    viewBox: `0 0 ${Math.ceil(width)} ${Math.ceil(height)}`,
    width: Math.ceil(width),
    height: Math.ceil(height),
    role: "img",
    "aria-labelledby": `${id}-title ${id}-description`,
  };
  const children = [
    element("title", { id: `${id}-title` }, [title]),
    element("desc", { id: `${id}-description` }, [description]),
    { markup: `<style>${pictureStyle}</style>` },
    ...shapes,
  ];
  return element("svg", attributes, children).markup;
}

const light =
  "--ink:#1b1f24;--soft:#5a6472;--line:#c3cad3;--paper:#ffffff;--panel:#f5f7f9;--free:#e9eef2;--kept:#9aa5b1;--a:#2f6fb5;--b:#1d8a6b;--c:#a8631a;--d:#7a55b0;--e:#b0466b;--f:#4d7a1f;--bad:#c0282d";
const dark =
  "--ink:#e8ebef;--soft:#a2adba;--line:#4a5462;--paper:#14181d;--panel:#1c2229;--free:#262e37;--kept:#6b7683;--a:#6aa6e8;--b:#4cc19c;--c:#dba052;--d:#b394e6;--e:#e682a5;--f:#93c35a;--bad:#ff7b7f";

const pictureStyle = [
  `svg{${light};font-family:ui-sans-serif,system-ui,"Segoe UI","DejaVu Sans",sans-serif;background:var(--paper)}`,
  `@media screen and (prefers-color-scheme:dark){svg{${dark}}}`,
  "text{fill:var(--ink);font-size:12px}",
  '.soft{fill:var(--soft)}.small{font-size:10.5px}.strong{font-weight:600}.mono{font-family:ui-monospace,"DejaVu Sans Mono",monospace}.large{font-size:15px;font-weight:600}',
  ".panel{fill:var(--panel);stroke:var(--line)}.box{fill:var(--paper);stroke:var(--line)}.outline{fill:none;stroke:var(--line)}.loose{fill:none;stroke:var(--soft);stroke-dasharray:4 3}",
  ".free{fill:var(--free)}.kept{fill:var(--kept)}.bad{fill:var(--bad)}.badline{fill:none;stroke:var(--bad);stroke-width:2}",
  ...["a", "b", "c", "d", "e", "f"].map((hue) => `.${hue}{fill:var(--${hue})}.line-${hue}{fill:none;stroke:var(--${hue});stroke-width:2}`),
  ".pale{fill-opacity:.38}.link{fill:none;stroke:var(--soft);stroke-width:1.6}.dashed{stroke-dasharray:5 4}.thin{stroke:var(--line);fill:none}",
  ".stripes{fill:none;stroke:var(--paper);stroke-opacity:.75;stroke-dasharray:2.5 3.5}.on{fill:var(--paper)}",
].join("");

/** Hues that tell holders apart; they repeat when there are more. */
export const hues = ["a", "b", "c", "d", "e", "f"] as const;
export type Hue = (typeof hues)[number];

export function hueAt(index: number): Hue {
  return hues[index % hues.length] ?? "a";
}

export type Box = { readonly x: number; readonly y: number; readonly width: number; readonly height: number };

/** `title` is shown when the pointer rests on it. */
export function rect(
  { x, y, width, height }: Box,
  classes: string,
  more: { readonly round?: number; readonly title?: string; readonly attributes?: Attributes } = {},
): Markup {
  const { round, title, attributes = {} } = more;
  return element(
    "rect",
    { x, y, width, height, class: classes, rx: round, ...attributes },
    title === undefined ? [] : [element("title", {}, [title])],
  );
}

export function label(x: number, y: number, text: string, classes = "", anchor?: "middle" | "end"): Markup {
  return element("text", { x, y, class: classes === "" ? undefined : classes, "text-anchor": anchor }, [text]);
}

export function path(d: string, classes: string): Markup {
  return element("path", { d, class: classes });
}

/** Pixels that a text takes at most at 12 px: an average sans-serif letter is 0.56 em, capitals and wide ones more. */
export function textWidth(text: string, size = 12): number {
  let ems = 0;
  for (const char of text)
    ems += /[A-Z@%mwMW]/.test(char) ? 0.76 : /[iljtfr.,:;|'!()[\]/ -]/.test(char) ? 0.38 : char.charCodeAt(0) > 0x2e80 ? 1.05 : 0.61;
  return ems * size;
}

/** The text, or as much of it as there is room for, with an ellipsis; nothing when that is not even a few letters. */
export function fitted(text: string, width: number, size = 12): string {
  if (textWidth(text, size) <= width) return text;
  let kept = text;
  while (kept.length > 0 && textWidth(`${kept}…`, size) > width) kept = kept.slice(0, -1);
  return kept.length < 3 ? "" : `${kept}…`;
}

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
    hatching,
    ...shapes,
  ];
  return element("svg", attributes, children).markup;
}

/** Stripes tell surge from what is held where there is no colour: in print, and for those who see none. */
const hatching: Markup = element("defs", {}, [
  element("pattern", { id: "stripes", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" }, [
    element("rect", { class: "stripe", width: 2.5, height: 6 }),
  ]),
  element("pattern", { id: "dots", width: 6, height: 6, patternUnits: "userSpaceOnUse" }, [
    element("circle", { class: "dot", cx: 3, cy: 3, r: 1.1 }),
  ]),
]);

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
  ".stripe{fill:var(--paper);fill-opacity:.75}.dot{fill:var(--paper);fill-opacity:.8}.on{fill:var(--paper)}",
].join("");

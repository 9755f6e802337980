/**
 * Documents as one HTML page: nothing is loaded, no script runs, and a policy in the page says so to the browser. Light and dark, and made for paper.
 * The page is also well-formed XML, so that a parser can judge it.
 */

import { type Align, type Block, type Document, plainWords, type Span, spansOf, type Words } from "./document.ts";
import { element, escapeMarkup, type Markup } from "./markup.ts";
import { renderPicture } from "./svg.ts";

export function renderDocumentHtml({ title, blocks }: Document): string {
  const ids = new Set<string>();
  const body = blocks.map((block, index) => blockHtml(block, `figure-${index}`, ids));
  const contents = blocks.flatMap((block) => (block.kind === "heading" && block.level === 2 ? [block.text] : []));
  const links = new Set<string>();
  const nav = element("nav", { "aria-label": "Contents" }, [
    element(
      "ul",
      {},
      contents.map((text) => element("li", {}, [element("a", { href: `#${idOf(text, links)}` }, [text])])),
    ),
  ]);
  const head = [
    '<meta charset="utf-8"/>',
    '<meta name="viewport" content="width=device-width, initial-scale=1"/>',
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/>`,
    '<meta name="color-scheme" content="light dark"/>',
    `<title>${escapeMarkup(title)}</title>`,
    `<style>${pageStyle}</style>`,
  ].join("\n");
  const main = [element("h1", {}, [title]), ...(contents.length > 1 ? [nav] : []), ...body].map(({ markup }) => markup).join("\n");
  return `<!DOCTYPE html>\n<html lang="en" xmlns="http://www.w3.org/1999/xhtml">\n<head>\n${head}\n</head>\n<body>\n<main>\n${main}\n</main>\n</body>\n</html>\n`;
}

const light =
  "--ink:#1b1f24;--soft:#5a6472;--line:#d5dbe2;--paper:#ffffff;--panel:#f5f7f9;--good:#1a7348;--warn:#8a5a00;--bad:#b3262b;--link:#1f5fa8";
const dark =
  "--ink:#e8ebef;--soft:#a2adba;--line:#39424d;--paper:#14181d;--panel:#1c2229;--good:#5fd19a;--warn:#e6b450;--bad:#ff8a8e;--link:#7ab4f5";

const pageStyle = [
  `:root{${light};color-scheme:light dark}`,
  `@media screen and (prefers-color-scheme:dark){:root{${dark}}}`,
  "body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 ui-sans-serif,system-ui,'Segoe UI',sans-serif}",
  "main{max-width:1120px;margin:0 auto;padding:28px 24px 64px}",
  "h1{font-size:26px;line-height:1.2;margin:0 0 12px}h2{font-size:19px;margin:40px 0 10px;padding-top:14px;border-top:1px solid var(--line)}h3{font-size:15.5px;margin:26px 0 6px}",
  "p{margin:8px 0;max-width:88ch}ul,ol{margin:8px 0;padding-left:22px;max-width:96ch}li{margin:3px 0}a{color:var(--link)}",
  "nav ul{list-style:none;padding:0;display:flex;flex-wrap:wrap;gap:4px 18px;max-width:none}",
  ".scroll{overflow-x:auto;margin:12px 0}table{border-collapse:collapse;font-size:13.5px}th,td{text-align:left;vertical-align:top;padding:5px 12px 5px 0;border-bottom:1px solid var(--line)}",
  "th{font-weight:600;color:var(--soft)}td:first-child{font-weight:500}.right{text-align:right;font-variant-numeric:tabular-nums}.prose td{min-width:11ch}",
  "caption{text-align:left;color:var(--soft);font-size:12.5px;padding-bottom:4px}figure{margin:16px 0;overflow-x:auto}figure svg{display:block}td{overflow-wrap:anywhere}td.right,th.right{white-space:nowrap}",
  "details{margin:6px 0}summary{color:var(--soft);font-size:13px;cursor:pointer}code{font-family:ui-monospace,'DejaVu Sans Mono',monospace;font-size:.92em}",
  ".strong{font-weight:600}.dim{color:var(--soft)}.good{color:var(--good)}.warn{color:var(--warn)}.bad{color:var(--bad);font-weight:600}",
  "@media print{main{max-width:none;padding:0}nav,details{display:none}h2{break-after:avoid}figure,tr{break-inside:avoid}figure svg{max-width:100%;height:auto}.scroll{overflow:visible}body{font-size:11pt}}",
].join("\n");

function blockHtml(block: Block, id: string, ids: Set<string>): Markup {
  switch (block.kind) {
    case "heading":
      return element(`h${block.level}`, { id: block.level === 2 ? idOf(block.text, ids) : undefined }, [block.text]);
    case "paragraph":
      return element("p", {}, wordsHtml(block.words));
    case "list":
      return element(
        block.ordered === true ? "ol" : "ul",
        {},
        block.items.map((item) => element("li", {}, wordsHtml(item))),
      );
    case "table":
      return table(block.caption, block.heads, block.rows, block.align, block.isProse === true);
    case "figure":
      return element("figure", {}, [
        { markup: renderPicture(block.picture, id) },
        element("details", {}, [
          element("summary", {}, [`${block.picture.title}, as a table`]),
          table(block.picture.title, block.instead.heads, block.instead.rows, block.instead.align, false),
        ]),
      ]);
    default:
      throw new Error(`unknown block ${String(block satisfies never)}`);
  }
}

function table(
  caption: string,
  heads: readonly string[],
  rows: readonly (readonly Words[])[],
  align: readonly Align[] = [],
  isProse: boolean,
): Markup {
  const side = (column: number) => (align[column] === "right" ? "right" : undefined);
  // An element without children would be written in the short form, which HTML does not know.
  const cell = (name: "td" | "th", words: Words, column: number, scope?: string) =>
    element(name, { class: side(column), scope }, plainWords(words) === "" ? [{ markup: " " }] : wordsHtml(words));
  const head = element("thead", {}, [
    element(
      "tr",
      {},
      heads.map((text, column) => cell("th", text, column, "col")),
    ),
  ]);
  const body = element(
    "tbody",
    {},
    rows.length === 0
      ? [{ markup: " " }]
      : rows.map((row) =>
          element(
            "tr",
            {},
            row.map((words, column) => cell("td", words, column)),
          ),
        ),
  );
  return element("div", { class: isProse ? "scroll prose" : "scroll", tabindex: 0, role: "region", "aria-label": caption }, [
    element("table", {}, [element("caption", {}, [caption]), head, body]),
  ]);
}

function wordsHtml(words: Words): readonly (string | Markup)[] {
  return spansOf(words).map((part) => (typeof part === "string" ? part : spanHtml(part)));
}

function spanHtml({ text, tone }: Span): string | Markup {
  if (text === "") return text;
  return tone === "code" ? element("code", {}, [text]) : element("span", { class: tone }, [text]);
}

/** Letters, digits and hyphens, and a number where two headings say the same. */
function idOf(text: string, taken: Set<string>): string {
  const base = `s-${text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "")}`;
  let id = base;
  for (let number = 2; taken.has(id); number++) id = `${base}-${number}`;
  taken.add(id);
  return id;
}

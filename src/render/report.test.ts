import { expect, test } from "vitest";
import { type Block, renderMarkdown, renderReport } from "./report.ts";
import { coloured } from "./style.ts";

const blocks: readonly Block[] = [
  { kind: "heading", text: "Plan of x_y", level: 1 },
  { kind: "paragraph", words: ["fits: ", { text: "no", mood: "bad" }] },
  { kind: "heading", text: "Ranges", level: 1 },
  {
    kind: "table",
    heads: ["NAME", "LEFT"],
    rows: [
      ["a|b", { text: "-3", mood: "bad" }],
      ["c", { text: "4", mood: "faint" }],
    ],
  },
  { kind: "table", heads: ["NAME"], rows: [] },
  { kind: "list", items: [{ line: ["<script>\u001b[2J\n"], facts: [["fix", "leave *it* out"]] }] },
];

test("for a terminal: no control characters but colours", () => {
  expect(renderReport(blocks)).toBe(
    "Plan of x_y\nfits: no\n\nRanges\nNAME  LEFT\na|b   -3\nc     4\n<script>\\u001b[2J\\u000a\n  fix: leave *it* out\n",
  );
  expect(renderReport(blocks, coloured)).toContain("\u001b[31mno\u001b[39m");
});

test("as Markdown: nothing in a document is markup", () => {
  expect(renderMarkdown(blocks)).toBe(`## Plan of x\\_y

fits: **no**

## Ranges

| NAME | LEFT |
| --- | --- |
| a\\|b | **-3** |
| c | 4 |

| NAME |
| --- |

- \\<script\\>\\\\u001b\\[2J\\\\u000a
  - fix: leave \\*it\\* out
`);
});

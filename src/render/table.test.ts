import { expect, test } from "vitest";
import { coloured } from "./style.ts";
import { renderComparison, renderPairs, renderTable, wrap } from "./table.ts";

test("columns are as wide as their widest cell, and colour takes no room", () => {
  expect(
    renderTable(
      ["NAME", "ADDRESS"],
      [
        ["db", "10.240.4.4"],
        ["a-longer-name", ""],
      ],
    ),
  ).toBe("NAME           ADDRESS\ndb             10.240.4.4\na-longer-name\n");
  const rows = [[coloured.green("db"), "x"]];
  expect(renderTable(["A", "B"], rows)).toBe(`A   B\n${coloured.green("db")}  x\n`);
});

test("no rows give no text", () => expect(renderTable(["A"], [])).toBe(""));

test("pairs align their values", () => {
  expect(
    renderPairs([
      ["lab", "two-options"],
      ["pid", "12"],
    ]),
  ).toBe("lab: two-options\npid: 12\n");
});

test("a comparison wraps its cells and keeps its first column", () => {
  const text = renderComparison(
    ["", "kubenet", "Azure CNI"],
    [["pods", "an address space of their own, ten words long", "the subnet's"]],
    60,
  );
  expect(text).toMatchInlineSnapshot(`
    "     │ kubenet                   │ Azure CNI
    ─────┼───────────────────────────┼─────────────
    pods │ an address space of their │ the subnet's
         │ own, ten words long       │
    "
  `);
});

test("wrapping keeps every word", () => expect(wrap("a bb ccc dddd", 4)).toEqual(["a bb", "ccc", "dddd"]));

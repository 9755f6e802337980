import { expect, test } from "vitest";
import { mergedCell, mergeLines, renderMatrix } from "./matrix.ts";

const lines = [
  { name: "web-1", group: "web" },
  { name: "web-2", group: "web" },
  { name: "db-1", group: "db" },
];
const labels = (list: readonly { readonly label: string }[]) => list.map(({ label }) => label);

test("lines that say the same are one", () => {
  const cell = (row: number, column: number) => (row === column ? undefined : "yes");
  const { rows, columns } = mergeLines(lines, lines, cell);
  expect([labels(rows), labels(columns)]).toEqual([
    ["web ×2", "db"],
    ["web ×2", "db"],
  ]);
  expect(rows.map((row) => columns.map((column) => mergedCell(row, column, cell)))).toEqual([
    ["yes", "yes"],
    ["yes", undefined],
  ]);
});

test("one cell that differs keeps its lines apart", () => {
  const { rows, columns } = mergeLines(lines, lines.slice(2), (row) => (row === 1 ? "no" : "yes"));
  expect([labels(rows), labels(columns)]).toEqual([["web-1", "web-2", "db"], ["db"]]);
});

test("long heads become numbers", () => {
  const cell = () => "yes";
  expect(renderMatrix("FROM", ["a"], ["one", "two"], cell, { width: 40 })).toBe("FROM  one  two\na     yes  yes\n");
  expect(renderMatrix("FROM", ["a"], ["one", "two"], cell, { width: 10 })).toBe("FROM  1    2\na     yes  yes\n\n1  one\n2  two\n");
  expect(renderMatrix("FROM", [], ["one"], cell, { width: 10 })).toBe("");
});

/** A matrix as text. Rows and columns that belong together and say the same are shown as one. */

import { plain, type Style } from "./style.ts";
import { renderTable } from "./table.ts";

/** A row or column. Those of one group may be merged, and are then shown with the group's name and their number. */
export type Line = { readonly name: string; readonly group: string };

/** Lines that are shown as one. `label` is the group's name and "×2", or the name of the only line. */
export type Merged = { readonly label: string; readonly members: readonly number[] };

/**
 * Merges the lines of each group if no cell tells them apart; else each stands alone. `undefined` cells (a thing and itself) say nothing.
 * A group with one line is shown by the group's name.
 */
export function mergeLines(
  rows: readonly Line[],
  columns: readonly Line[],
  cell: (row: number, column: number) => string | undefined,
): { readonly rows: readonly Merged[]; readonly columns: readonly Merged[] } {
  const [rowGroups, columnGroups] = [groupsOf(rows), groupsOf(columns)];
  const split = { rows: new Set<string>(), columns: new Set<string>() };
  for (const [rowGroup, rowMembers] of rowGroups) {
    for (const [columnGroup, columnMembers] of columnGroups) {
      const said = new Set(rowMembers.flatMap((row) => columnMembers.flatMap((column) => cell(row, column) ?? [])));
      if (said.size < 2) continue;
      split.rows.add(rowGroup);
      split.columns.add(columnGroup);
    }
  }
  return { rows: merged(rows, rowGroups, split.rows), columns: merged(columns, columnGroups, split.columns) };
}

function groupsOf(lines: readonly Line[]): ReadonlyMap<string, readonly number[]> {
  const groups = new Map<string, number[]>();
  for (const [index, { group }] of lines.entries()) {
    const found = groups.get(group);
    if (found === undefined) groups.set(group, [index]);
    else found.push(index);
  }
  return groups;
}

function merged(lines: readonly Line[], groups: ReadonlyMap<string, readonly number[]>, split: ReadonlySet<string>): readonly Merged[] {
  return [...groups].flatMap(([group, members]): Merged[] => {
    if (split.has(group) && members.length > 1)
      return members.map((member) => ({ label: lines[member]?.name ?? group, members: [member] }));
    return [{ label: members.length === 1 ? group : `${group} ×${members.length}`, members }];
  });
}

/** The cell of two merged lines: what any of their cells says. */
export function mergedCell<T>(row: Merged, column: Merged, cell: (row: number, column: number) => T | undefined): T | undefined {
  for (const one of row.members) {
    for (const other of column.members) {
      const said = cell(one, other);
      if (said !== undefined) return said;
    }
  }
  return undefined;
}

/** With column heads as they are while they fit into `width`; else with numbers, and a list of what they stand for. */
export function renderMatrix(
  corner: string,
  rows: readonly string[],
  columns: readonly string[],
  cell: (row: number, column: number) => string,
  { width, style = plain }: { readonly width: number; readonly style?: Style },
): string {
  if (rows.length === 0 || columns.length === 0) return "";
  const cells = rows.map((label, row) => [label, ...columns.map((_, column) => cell(row, column))]);
  const room = columns.reduce((sum, head) => sum + head.length + 2, Math.max(corner.length, ...rows.map((label) => label.length)));
  if (room <= width) return renderTable([corner, ...columns], cells, style);
  const legend = columns
    .map((head, index) => `${style.dim(String(index + 1).padStart(String(columns.length).length))}  ${head}\n`)
    .join("");
  return `${renderTable([corner, ...columns.map((_, index) => String(index + 1))], cells, style)}\n${legend}`;
}

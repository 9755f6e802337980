/** A list as a table and as data, from the same rows. */

import { renderTable } from "../../render/table.ts";
import type { Shown } from "../show-topic.ts";

/** `columns`: head and cell of each column. `none`: the text when there are no rows. */
export function rows<T>(
  list: readonly T[],
  columns: Readonly<Record<string, (item: T) => string | number | undefined>>,
  none: string,
  dataOf: (item: T) => unknown = (item) => item,
): Shown {
  return {
    data: list.map(dataOf),
    text: (style) =>
      list.length === 0
        ? `${style.dim(none)}\n`
        : renderTable(
            Object.keys(columns),
            list.map((item) => Object.values(columns).map((cell) => String(cell(item) ?? ""))),
            style,
          ),
  };
}

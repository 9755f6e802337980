/** Where in a template something comes from that a loop within a resource made. */

import type { Path } from "../problem.ts";
import type { Tree } from "../tree.ts";
import { fieldOf, textOf } from "./fields.ts";

/** The path in the template of a part of what was made of it: what a `copy` made is at the input of its loop. */
export function inCopies(tree: Tree, part: Path): Path {
  const path: (string | number)[] = [];
  let at: Tree | undefined = tree;
  for (let index = 0; index < part.length; index++) {
    const step = part[index] ?? "";
    const next: Tree | undefined =
      at?.kind === "map"
        ? at.entries.get(String(step))?.value
        : at?.kind === "list" && typeof step === "number"
          ? at.items[step]
          : undefined;
    const loop: Loop | undefined = next === undefined && at?.kind === "map" ? loopNamed(at, String(step)) : undefined;
    if (loop !== undefined) {
      path.push("copy", loop.index, "input");
      at = loop.input;
      // The turn.
      index++;
      continue;
    }
    path.push(step);
    at = next;
  }
  return path;
}

type Loop = { readonly index: number; readonly input: Tree };

function loopNamed(tree: Tree & { readonly kind: "map" }, name: string): Loop | undefined {
  const list = tree.entries.get("copy")?.value;
  if (list?.kind !== "list") return undefined;
  const index = list.items.findIndex(
    (item) => item.kind === "map" && textOf(fieldOf({ tree: item, path: [] }, "name"))?.toLowerCase() === name.toLowerCase(),
  );
  const item = list.items[index];
  const input = item?.kind === "map" ? item.entries.get("input")?.value : undefined;
  return input === undefined ? undefined : { index, input };
}

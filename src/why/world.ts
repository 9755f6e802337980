/** A lab with the changes that lift obstacles. */

import { type ChangeOptions, changed } from "../lab/changed.ts";
import type { LabView } from "../lab/view.ts";
import type { Change } from "./change.ts";

export type WorldOptions = ChangeOptions;

/** `view` with the changes, in order. */
export function withChanges(view: LabView, changes: readonly Change[], options: WorldOptions): LabView {
  if (changes.length === 0) return view;
  return changed(
    view,
    (resources) => {
      for (const change of changes) resources.apply(change.writes(resources));
    },
    options,
  );
}

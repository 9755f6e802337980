/** A plan of one lab file, for tests. */

import { loadLab } from "../../documents/index.ts";
import { type Plan, type PlanSettings, planDocuments } from "../index.ts";

/** `manifests`: by path. */
export function plannedLab(text: string, settings?: PlanSettings, manifests: Readonly<Record<string, string>> = {}): Plan {
  const read = (path: string) => (manifests[path] === undefined ? undefined : { path, text: manifests[path] });
  return planDocuments(loadLab([{ path: "lab.yaml", text }], read), settings);
}

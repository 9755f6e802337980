/** The faults that documents begin with: as if somebody had added them as soon as the lab was up, one after another. */

import type { Fault } from "../arm/faults.ts";
import type { FileFault, Problem } from "../documents/index.ts";
import { defaultFaultName, findFaultTarget, isFaultTarget, makeFault } from "./faults.ts";
import type { LabView } from "./view.ts";

/** `lab`: what the documents say without them, at rest. */
export function resolveFaults(
  lab: LabView,
  wanted: readonly FileFault[],
): { readonly faults: readonly Fault[]; readonly problems: readonly Problem[] } {
  const faults: Fault[] = [];
  const problems: Problem[] = [];
  const taken = new Set(wanted.flatMap(({ name }) => name ?? []));
  for (const { kind, target, name, problem } of wanted) {
    const found = findFaultTarget(lab, kind, target);
    if (!isFaultTarget(found)) {
      const near = found.near.length === 0 ? "" : `; did you mean ${found.near.join(" or ")}?`;
      problems.push(problem("target", { code: "UnknownReference", value: target, message: `${found.what}${near}`, fix: found.fix }));
      continue;
    }
    const fault = makeFault(lab, found.properties, name ?? defaultFaultName(found.properties, taken));
    taken.add(fault.name);
    faults.push(fault);
  }
  return { faults, problems };
}

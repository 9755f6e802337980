/**
 * Plans of documents: what a design takes of addresses, routes and ports, at which size and in which upgrade it fails, and what Azure refuses of it,
 * without building any of it. {@link Plan} is plain data.
 */

import type { LoadedLab, Problem } from "../documents/index.ts";
import { armKey } from "../resources/resources.ts";
import type { Plan, PlanProblem } from "./model.ts";
import { type PlanSettings, planOf } from "./plan.ts";
import { isRoomWarning, propertyOf } from "./problems.ts";

export type { CountsOn, Growth, Rate } from "./forecast.ts";
export type * from "./model.ts";
export type { PlanSettings } from "./plan.ts";

/** The plan of what documents say, with all their problems; what has errors is planned as far as it can be read. */
export function planDocuments({ name, readable, problems, placeOf }: LoadedLab, settings?: PlanSettings): Plan {
  const found = problems.filter((problem) => !isRoomWarning(problem)).map(documentProblem);
  const plan = planOf({ name, resources: readable, problems: found }, settings);
  return { ...plan, problems: plan.problems.map((problem) => (problem.file === undefined ? placed(problem) : problem)) };

  function placed(problem: PlanProblem): PlanProblem {
    const { resource } = problem;
    const place = resource === undefined ? undefined : placeOf(armKey(resource), propertyOf(problem));
    return place === undefined ? problem : { ...problem, file: place.file, line: place.line };
  }
}

function documentProblem({ code, severity, resource, file, line, path, message, source, fix }: Problem): PlanProblem {
  return {
    code,
    severity,
    when: resource === undefined ? "document" : "create",
    target: path,
    ...(resource === undefined ? {} : { resource }),
    file,
    ...(line === undefined ? {} : { line }),
    message,
    ...(source === undefined ? {} : { source }),
    ...(fix === undefined ? {} : { fix }),
  };
}

/** Ends of a journey from the command line. */

import type { EndProblem } from "../lab/ends.ts";
import { Failure } from "./failure.ts";

export function endFailure(problem: EndProblem): Failure {
  const near = problem.near.length === 0 ? [] : [`did you mean: ${problem.near.join(", ")}`];
  return new Failure("unknown", problem.what, { why: problem.why, details: near, fix: problem.fix });
}

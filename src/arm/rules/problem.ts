/** What Azure would refuse, in its own terms: the resource, the property, the code. Who read the resource from a document adds file and line. */

import type { ArmId } from "../resources.ts";

/** A property: `["networkProfile", "podCidr"]`, without the `properties` around it. */
export type PropertyPath = readonly (string | number)[];

export type ArmProblem = {
  /** Azure's, where Azure's is known. */
  readonly code: string;
  readonly severity: "error" | "warning";
  readonly id: ArmId;
  readonly property: PropertyPath;
  readonly value?: unknown;
  /** What is wrong, with the numbers. */
  readonly message: string;
  /** The document that names the rule. */
  readonly source?: string;
  readonly fix?: string;
};

export type Report = (problem: ArmProblem) => void;

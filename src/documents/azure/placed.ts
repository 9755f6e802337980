/**
 * An Azure resource as a document has it, before anybody has asked what it means: the form that templates, exports and Terraform plans are
 * brought to, and that {@link acceptAzure} takes.
 */

import type { PropertyPath } from "../../arm/rules/problem.ts";
import type { Path } from "../problem.ts";
import type { Source } from "../tree.ts";

export type PlacedResource = {
  /** `/subscriptions/…/resourceGroups/…/providers/<type>/<name>`; Azure compares ids without case, and so does who reads them here. */
  readonly id: string;
  /** `Microsoft.Network/virtualNetworks/subnets`, in any case. */
  readonly type: string;
  /** Its own: the last segment of the id. */
  readonly name: string;
  readonly location?: string;
  readonly tags?: Readonly<Record<string, string>>;
  /** As the document has them: ARM's names, in any case, children inline or as resources of their own. */
  readonly properties: unknown;
  readonly source: Source;
  /** Where a part of the resource is: of `["properties", "subnets", 0]`, or of the resource itself (`[]`). */
  readonly at: (part: PropertyPath) => Path;
};

/** In the place of an id that a document does not let know, which has been reported there. */
export const lostReference = "/lost";

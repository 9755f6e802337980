/**
 * The three ways to make a cluster, and the pods per node that each lets one choose: the lesson's table, and today's.
 *
 * Documents of 2019 contradict themselves about the portal with Azure CNI: their table says 110, the text under it 30, as the lesson does
 * (azdocs:articles/aks/configure-azure-cni.md, 2019-06 to 2021).
 */

import type { NetworkOption } from "../network-option.ts";
import { maxPodsDefault, maxPodsRange } from "./clusters.ts";
import { planning, type Range, type RuleSet } from "./limit.ts";

export const provisioningRoutes = ["portal", "cli", "template"] as const;
export type Provisioning = (typeof provisioningRoutes)[number];

export const provisioningNames: Readonly<Record<Provisioning, string>> = {
  portal: "the Azure portal",
  cli: "the command line (az aks create)",
  template: "an ARM template",
};

export type MaxPodsChoice = Range & {
  readonly default: number;
  /** The default is all there is: it cannot be changed when the cluster is made. */
  readonly isFixed: boolean;
};

const azureCniOf2019 = "seed; azdocs:articles/aks/configure-azure-cni.md (2019-06)";

/** What the portal of 2019 gave, whatever one wanted. */
const portalOf2019: Readonly<Partial<Record<NetworkOption, number>>> = { kubenet: 110, nodeSubnet: 30 };

/** Pods per node that may be chosen on the way. */
export function maxPodsChoice(route: Provisioning, rules: RuleSet, option: NetworkOption): MaxPodsChoice {
  const range = maxPodsRange[rules][option];
  const fixed = rules === "lesson" && route === "portal" ? portalOf2019[option] : undefined;
  if (fixed !== undefined) return { default: fixed, min: fixed, max: fixed, isFixed: true, source: azureCniOf2019 };
  return { ...range, default: maxPodsDefault[option].value, isFixed: false, source: rules === "lesson" ? azureCniOf2019 : planning };
}

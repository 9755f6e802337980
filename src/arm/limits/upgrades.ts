/** How AKS upgrades a node pool. AKS docs: upgrade-aks-node-pools-rolling. */

import type { Limit, RuleSet } from "./limit.ts";

const rolling = "aks:upgrade-aks-node-pools-rolling.md";

/** A surge of so many nodes, or of so many hundredths of the pool's nodes, rounded up. */
export type MaxSurge = { readonly value: number; readonly unit: "nodes" | "percent"; readonly source: string };

/**
 * What a pool has that says nothing. Sources disagree: the page names 1 node, the API 10 %, the releases 10 % for clusters made with 1.28 or later
 * (chg:2023-10-01) and for all of them from 1.32 (chg:2025-03-16). A plan is of clusters that are not made yet, so 1.28 decides.
 */
export const surgeDefaultVersion = "1.28";
export const surgeDefaults = {
  older: { value: 1, unit: "nodes", source: rolling },
  newer: { value: 10, unit: "percent", source: "chg:2023-10-01; chg:2025-03-16; sdk" },
} as const satisfies Record<string, MaxSurge>;

/** A pool with its surge must not pass the nodes of a pool; otherwise the upgrade is refused before it begins. */
export const nodesDuringUpgrade: Readonly<Record<RuleSet, Limit>> = {
  current: { value: 1000, source: rolling },
  lesson: { value: 100, source: "azdocs:includes/container-service-limits.md (2019)" },
};

export const upgradeSource = rolling;

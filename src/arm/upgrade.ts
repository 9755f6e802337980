/**
 * How many nodes a pool has while AKS upgrades it: it adds surge nodes, drains and reimages the old ones, and takes the surge away again.
 * AKS docs: upgrade-aks-node-pools-rolling.
 */

import { type MaxSurge, type RuleSet, surgeDefaults, surgeDefaultVersion, upgradeSource } from "./limits.ts";
import type { AgentPool } from "./resources.ts";
import { isOlder } from "./rules/versions.ts";

/** `"1"` or `"33%"`, as ARM writes it; `undefined` when it is neither. */
export function parseMaxSurge(text: string): MaxSurge | undefined {
  const match = /^(\d{1,4})(%?)$/.exec(text);
  if (match === null) return undefined;
  return { value: Number(match[1]), unit: match[2] === "%" ? "percent" : "nodes", source: upgradeSource };
}

/** A pool's own setting, or the default of its Kubernetes version; without a version, of its rule set's day. */
export function maxSurgeOf(pool: AgentPool, kubernetesVersion: string | undefined, rules: RuleSet): MaxSurge {
  const own = parseMaxSurge(pool.properties.upgradeSettings?.maxSurge ?? "");
  if (own !== undefined) return own;
  const isOld = kubernetesVersion === undefined ? rules === "lesson" : isOlder(kubernetesVersion, surgeDefaultVersion);
  return isOld ? surgeDefaults.older : surgeDefaults.newer;
}

/** A percentage is rounded up; there are never more surge nodes than nodes to upgrade. */
export function surgeNodes({ value, unit }: MaxSurge, nodes: number): number {
  return Math.min(unit === "nodes" ? value : Math.ceil((nodes * value) / 100), nodes);
}

/** Nodes that the pool has at most: the autoscaler's `maxCount`, or its count. */
export function largestCount({ properties }: AgentPool): number {
  const { count, enableAutoScaling, maxCount } = properties;
  return enableAutoScaling === true ? Math.max(count, maxCount ?? count) : count;
}

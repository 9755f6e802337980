/** Rules of the autoscaler's bounds and of upgrade settings. AKS docs: cluster-autoscaler, upgrade-aks-node-pools-rolling. */

import { limits, ranges, upgradeSource } from "../limits.ts";
import type { AgentPool } from "../resources.ts";
import { parseMaxSurge } from "../upgrade.ts";
import type { ArmProblem, PropertyPath, Report } from "./problem.ts";

const autoscaler = "aks:cluster-autoscaler.md";

export function checkScaling(pool: AgentPool, report: Report): void {
  const refuse = (property: PropertyPath, details: Omit<ArmProblem, "code" | "severity" | "id" | "property">) =>
    report({ code: "InvalidParameter", severity: "error", ...details, id: pool.id, property });
  checkBounds(pool, refuse);
  checkUpgradeSettings(pool, refuse);
}

type Refuse = (property: PropertyPath, details: Omit<ArmProblem, "code" | "severity" | "id" | "property">) => void;

function checkBounds({ name, properties }: AgentPool, refuse: Refuse): void {
  const { count, enableAutoScaling = false, minCount, maxCount, mode } = properties;
  const source = autoscaler;
  if (!enableAutoScaling) {
    for (const [property, value] of Object.entries({ minCount, maxCount })) {
      if (value === undefined) continue;
      const message = `pool ${name} has ${property} ${value}, but no autoscaler to keep it`;
      refuse([property], { value, message, source, fix: `add enableAutoScaling: true, or leave ${property} out` });
    }
    return;
  }
  if (minCount === undefined || maxCount === undefined) {
    const missing = [minCount === undefined ? "minCount" : [], maxCount === undefined ? "maxCount" : []].flat();
    const message = `pool ${name} has enableAutoScaling without ${missing.join(" and ")}`;
    refuse(["enableAutoScaling"], { value: true, message, source, fix: `add ${missing.join(" and ")}` });
    return;
  }
  const least = mode === "System" ? 1 : ranges.poolCount.min;
  const most = limits.nodesPerPool;
  if (minCount < least) {
    refuse(["minCount"], {
      value: minCount,
      message: `minCount of pool ${name} is ${minCount}; a ${mode} pool has at least ${least}`,
      source: most.source,
    });
  }
  if (maxCount > most.value) {
    refuse(["maxCount"], {
      value: maxCount,
      message: `maxCount of pool ${name} is ${maxCount}; a pool has at most ${most.value} nodes`,
      source: most.source,
    });
  }
  if (minCount > maxCount) {
    refuse(["minCount"], {
      value: minCount,
      message: `minCount ${minCount} of pool ${name} is more than its maxCount ${maxCount}`,
      source,
    });
  } else if (count < minCount || count > maxCount) {
    const message = `pool ${name} has ${count} nodes; with the autoscaler it has ${minCount} to ${maxCount}`;
    refuse(["count"], { value: count, message, source, fix: "choose a count between minCount and maxCount" });
  }
}

function checkUpgradeSettings({ name, properties }: AgentPool, refuse: Refuse): void {
  const { maxSurge, maxUnavailable } = properties.upgradeSettings ?? {};
  const source = upgradeSource;
  const read = (property: "maxSurge" | "maxUnavailable", text: string | undefined) => {
    const parsed = parseMaxSurge(text ?? "");
    const isGood = text === undefined || (parsed !== undefined && (parsed.unit === "nodes" || parsed.value <= 100));
    if (!isGood) {
      const message = `${property} ${JSON.stringify(text)} of pool ${name} is neither a number of nodes nor a percentage up to 100%`;
      refuse(["upgradeSettings", property], { value: text, message, source, fix: "write it like 1 or 33%" });
    }
    return isGood ? parsed : undefined;
  };
  const surge = read("maxSurge", maxSurge);
  const unavailable = read("maxUnavailable", maxUnavailable);
  if (unavailable === undefined || unavailable.value === 0) {
    if (surge?.value !== 0) return;
    const message = `pool ${name} may neither add nodes (maxSurge 0) nor do without some during an upgrade`;
    refuse(["upgradeSettings", "maxSurge"], { value: maxSurge, message, source, fix: "use a maxSurge, or a maxUnavailable" });
    return;
  }
  if (properties.mode === "System") {
    const message = `pool ${name} is a System pool, which cannot have a maxUnavailable`;
    refuse(["upgradeSettings", "maxUnavailable"], { value: maxUnavailable, message, source, fix: "use a maxSurge" });
  }
  if (surge?.value === 0) return;
  const message = `maxUnavailable of pool ${name} needs maxSurge: 0`;
  refuse(["upgradeSettings", "maxUnavailable"], {
    value: maxUnavailable,
    message,
    source,
    fix: "add maxSurge: 0, or leave maxUnavailable out",
  });
}

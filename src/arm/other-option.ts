/**
 * A cluster with another network option: which of its properties say so, and which of Azure's objections are the option's doing. Whoever asks what the
 * option would need (the plan) and whoever asks what becomes of this very design (diff, migrate) change and judge a cluster alike.
 */

import { networkModeDefault, type RuleSet } from "./limits.ts";
import { hasPodCidr, type ManagedNetworkOption } from "./network-option.ts";
import type { AgentPool, NetworkProfile } from "./resources.ts";
import type { ArmProblem } from "./rules/problem.ts";

/** `podCidr`: of the cluster with its new option, asked only if that has one; it is given the cluster's own. */
export function profileWith(
  { networkPlugin: _plugin, networkPluginMode: _mode, networkMode: _bridge, podCidr: own, ...rest }: NetworkProfile,
  option: ManagedNetworkOption,
  rules: RuleSet,
  podCidr: (own: string | undefined) => string,
): NetworkProfile {
  const plugin: Pick<NetworkProfile, "networkPlugin" | "networkPluginMode" | "networkMode"> = {
    networkPlugin: option === "kubenet" ? "kubenet" : "azure",
    ...(option === "overlay" ? { networkPluginMode: "overlay" } : {}),
    ...(option === "nodeSubnet" ? { networkMode: networkModeDefault[rules].value } : {}),
  };
  return { ...rest, ...plugin, ...(hasPodCidr(plugin) ? { podCidr: podCidr(own) } : {}) };
}

/** What a pool has to say of its pods' addresses, if the option leaves them to the pool. */
type PodPlace = Pick<AgentPool["properties"], "podSubnetID" | "podIPAllocationMode">;

export function poolWith(pool: AgentPool, pods: PodPlace): AgentPool {
  const { podSubnetID: _subnet, podIPAllocationMode: _allocation, ...properties } = pool.properties;
  return { ...pool, properties: { ...properties, ...pods } };
}

/** What is wrong with a design after a change and was not before, whatever the numbers in it. */
export function newProblems(before: readonly ArmProblem[], after: readonly ArmProblem[]): readonly ArmProblem[] {
  const known = new Set(before.map(keyOf));
  return after.filter((problem) => !known.has(keyOf(problem)));
}

function keyOf({ code, id, property }: ArmProblem): string {
  return `${code} ${id.toLowerCase()} ${property.join(".")}`;
}

/** Is there room for a cluster with each option, in its subnets or in what of its VNet is in no subnet? The figures are the plan's. */

import { lengthOf } from "../../net/prefix.ts";
import type { ClusterPlan, OptionName, OptionPlan, Plan, Room } from "../model.ts";

export type RoomFor = { readonly fits: boolean; readonly words: string };

/** By option, when one pool is upgraded at the cluster's largest size. `isOpen`: no subnets are chosen yet, only a range. */
export function roomByOption(plan: Plan, cluster: ClusterPlan): Readonly<Record<OptionName, RoomFor>> {
  const result: Partial<Record<OptionName, RoomFor>> = {};
  const chosen = cluster.options.find(({ isChosen }) => isChosen);
  for (const option of cluster.options) {
    const nodes = roomIn(
      plan,
      cluster.pools.map(({ subnet }) => subnet),
      chosen?.nodeSubnet,
      option.nodeSubnet,
      "nodes' subnet",
    );
    const pods = option.podSubnet === undefined ? undefined : roomForPods(plan, cluster, chosen, option.podSubnet);
    result[option.option] = {
      fits: nodes.fits && pods?.fits !== false,
      words: pods === undefined ? nodes.words : `${nodes.words}; ${pods.words}`,
    };
  }
  return result as Record<OptionName, RoomFor>;
}

function roomForPods(plan: Plan, cluster: ClusterPlan, chosen: OptionPlan | undefined, needed: Room): RoomFor {
  const podSubnets = cluster.pools.flatMap(({ podSubnet }) => podSubnet ?? []);
  const besides = podSubnets.length > 0 ? podSubnets : [];
  return roomIn(plan, besides, chosen?.podSubnet, needed, "pods' subnet", cluster.pools[0]?.subnet.split("/")[0]);
}

/** `own`: what the cluster takes of these subnets as it is. */
function roomIn(
  plan: Plan,
  labels: readonly string[],
  own: Room | undefined,
  needed: Room,
  what: string,
  network = labels[0]?.split("/")[0],
): RoomFor {
  const addresses = needed.addresses.maxUpgrade;
  const names = [...new Set(labels)];
  const subnets = plan.networks.flatMap((one) => one.subnets.filter(({ name }) => names.includes(name)));
  const left = subnets.reduce((sum, { budget }) => sum + (plan.budgets.find(({ id }) => id === budget)?.left.maxUpgrade ?? 0), 0);
  const available = names.length === 0 ? 0 : left + (own?.addresses.maxUpgrade ?? 0);
  const of = `${what}: ${addresses} addresses`;
  if (addresses <= available) return { fits: true, words: `${of} of ${available} in ${names.join(", ")}` };
  const length = needed.smallest.maxUpgrade;
  const has = names.length === 0 ? "" : `, ${available} in ${names.join(", ")}`;
  if (length === null) return { fits: false, words: `${of}, more than any subnet has` };
  const free = plan.networks.find(({ name }) => name === network)?.unallocated ?? [];
  // The smallest range that will do leaves the others whole.
  const place = [...free].filter((prefix) => lengthOf(prefix) <= length).sort((a, b) => lengthOf(b) - lengthOf(a))[0];
  if (place !== undefined) return { fits: true, words: `${of}${has}: a new /${length} in ${place}, which is in no subnet` };
  return { fits: false, words: `${of}${has}, and no range of a /${length} is free in VNet ${network ?? ""}`.trim() };
}

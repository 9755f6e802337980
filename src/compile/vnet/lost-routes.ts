/** Routes that a fault keeps out of effect, and where their packets go instead. */

import { faultReason } from "../../arm/faults.ts";
import { lengthOf, parsePrefix, prefixCovers } from "../../net/prefix.ts";
import type { SubnetInfo } from "../topology.ts";
import type { EffectiveRoute } from "./effective-routes.ts";

/**
 * For each lost route its prefix again, going where it goes without: by the longest active route that covers it. So packets take the same way as if
 * nothing were added, and a trace says why.
 */
export function explained(routes: readonly EffectiveRoute[], subnet: SubnetInfo | undefined): readonly EffectiveRoute[] {
  let result = routes;
  for (const { name: lost, fault } of subnet?.lostRoutes ?? []) {
    const route = subnet?.routeTable?.properties.routes.find(({ name }) => name.toLowerCase() === lost.toLowerCase());
    const prefix = route === undefined ? undefined : parsePrefix(route.properties.addressPrefix);
    if (prefix === undefined) continue;
    const instead = longest(result.filter(({ state, prefix: other }) => state === "Active" && prefixCovers(other, prefix)));
    if (instead === undefined) continue;
    const origin = { resource: fault.id, reason: `${faultReason(fault)}: instead, ${instead.origin.reason}` };
    result = [...result.filter((other) => other.prefix !== prefix || other.state !== "Active"), { ...instead, prefix, origin }];
  }
  return result;
}

function longest(routes: readonly EffectiveRoute[]): EffectiveRoute | undefined {
  return [...routes].sort((a, b) => lengthOf(b.prefix) - lengthOf(a.prefix))[0];
}

/** What is broken in a lab by chance, from the beginning: machines, nodes, sites, peerings, routes, ports. In two of three labs nothing is. */

import type { Chance } from "../../src/lab/check.ts";

/** Names of what there is to break. */
type Breakable = {
  /** Clusters with nodes of a pool called `p` or, with pod subnets, `p0`. */
  readonly clusters: readonly string[];
  readonly machines: readonly string[];
  /** Those that forward. */
  readonly appliances: readonly string[];
  readonly sites: readonly string[];
  /** As VNET/PEERING. */
  readonly peerings: readonly string[];
  /** As VNET/SUBNET, with a route table. */
  readonly routedSubnets: readonly string[];
};

export function randomFaults(
  chance: Chance,
  { clusters, machines, appliances, sites, peerings, routedSubnets }: Breakable,
): readonly string[] {
  if (chance.below(3) > 0) return [];
  const all = [
    ...clusters.map((name) => `{ kind: stop, target: "${name}:node/vmss000000" }`),
    ...machines.flatMap((name) => [`{ kind: stop, target: vm/${name} }`, `{ kind: snat, target: vm/${name} }`]),
    ...appliances.map((name) => `{ kind: replies, target: vm/${name} }`),
    ...sites.map((name) => `{ kind: site, target: ${name} }`),
    ...peerings.map((name) => `{ kind: peering, target: ${name} }`),
    ...routedSubnets.map((name) => `{ kind: routes, target: ${name} }`),
  ];
  const count = Math.min(all.length, 1 + chance.below(3));
  return chance.sample(all.length, count).map((index) => `  - ${all[index]}`);
}

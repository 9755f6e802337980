/**
 * The fabric's half of pod subnets: addresses and blocks of a pod subnet are delivered to the node that holds them, and what pods send obeys the
 * effective routes of their own subnet, not those of the nodes'. AKS docs: concepts-network-azure-cni-pod-subnet.
 */

import type { Origin, Route } from "../../ir/network.ts";
import type { NamedMap, Rule } from "../../ir/ruleset.ts";
import type { NicInfo, VnetInfo } from "../topology.ts";
import { nicTable } from "../wiring.ts";

const source = "AKS docs: concepts-network-azure-cni-pod-subnet";

export function podSubnetRoutes(nic: NicInfo): readonly Route[] {
  return (nic.pods?.prefixes ?? []).map((dst) => ({
    type: "unicast",
    table: nicTable,
    dst,
    dev: nic.fabricInterface,
    via: nic.primary,
    onlink: true,
    origin: {
      resource: nic.resource.id,
      reason: `${dst} of pod subnet ${nic.pods?.subnet.resource.name} is held by ${nic.machine}`,
      source,
    },
  }));
}

/** After the mark of the sender's interface: a pod's subnet instead. Nothing in a VNet without pod subnets. */
export function podSubnetMarks(vnet: VnetInfo, origin: Origin): { readonly rules: readonly Rule[]; readonly maps: readonly NamedMap[] } {
  const elements = vnet.nics.flatMap(({ fabricInterface, pods }) =>
    pods === undefined ? [] : [{ key: [fabricInterface, pods.subnet.prefix], value: [pods.subnet.index] }],
  );
  if (elements.length === 0) return { rules: [], maps: [] };
  return {
    rules: [
      {
        matches: [],
        statements: [{ kind: "set-mark", target: "meta", value: { kind: "map", fields: ["iifname", "ip saddr"], map: "pod-subnets" } }],
        origin: { ...origin, reason: "effective routes of a pod are those of its pod subnet", source },
      },
    ],
    maps: [{ name: "pod-subnets", key: ["ifname", "ipv4_addr"], value: ["mark"], interval: true, elements }],
  };
}

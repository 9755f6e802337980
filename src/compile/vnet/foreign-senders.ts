/**
 * What a machine that forwards sends to the Internet under an address that is not its own has no way out: outbound methods belong to the network
 * interface that sends, whoever it forwards for. So an appliance must translate. Azure docs: load-balancer/load-balancer-outbound-connections.
 */

import type { Origin } from "../../ir/network.ts";
import type { NamedSet, Rule } from "../../ir/ruleset.ts";
import { podSubnetAddresses, type VnetInfo } from "../topology.ts";
import { links } from "../wiring.ts";

/** For the fabric's forward chain, behind the rule for flows of load balancers. Interfaces that do not forward are held to their addresses anyway. */
export function foreignSenders(vnet: VnetInfo, origin: Origin): { readonly rules: readonly Rule[]; readonly sets: readonly NamedSet[] } {
  const forwarding = vnet.nics.filter((nic) => nic.forwarding);
  if (forwarding.length === 0) return { rules: [], sets: [] };
  return {
    rules: [
      {
        matches: [
          { kind: "value", field: "oifname", op: "==", values: [links.fabricToEdge] },
          { kind: "lookup", fields: ["iifname"], op: "==", set: "forwarding" },
          { kind: "lookup", fields: ["iifname", "ip saddr"], op: "!=", set: "forwarding-addresses" },
        ],
        statements: [{ kind: "verdict", verdict: "drop" }],
        origin: {
          ...origin,
          reason: "no outbound method: the source is no address of the network interface that sends, which must translate",
          source: "Azure docs: load-balancer/load-balancer-outbound-connections",
        },
      },
    ],
    sets: [
      { name: "forwarding", key: ["ifname"], elements: forwarding.map((nic) => ({ key: [nic.fabricInterface] })) },
      {
        name: "forwarding-addresses",
        key: ["ifname", "ipv4_addr"],
        elements: forwarding.flatMap((nic) =>
          [nic.primary, ...nic.secondary, ...podSubnetAddresses(nic)].map((address) => ({ key: [nic.fabricInterface, address] })),
        ),
      },
    ],
  };
}

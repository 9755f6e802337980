/** Rules of the firewall on a machine as data to judge by: read from the form of Azure Firewall's network rules. */

import { mergePrefixes, mustPrefix, type Prefix } from "../net/prefix.ts";
import type { Firewall } from "./resources.ts";
import { addressPrefix, type PortRange, portRange } from "./security-rules.ts";

export const firewallDocs = "learn:azure/firewall/rule-processing";

export type FirewallRule = {
  readonly name: string;
  readonly action: "Allow" | "Deny";
  /** Empty: any. */
  readonly protocols: readonly ("tcp" | "udp" | "icmp")[];
  /** Empty: any. */
  readonly sources: readonly Prefix[];
  readonly destinations: readonly Prefix[];
  readonly ports: readonly PortRange[];
};

const protocols = { TCP: "tcp", UDP: "udp", ICMP: "icmp" } as const;

/** Where a firewall with `snat: internet` leaves the source as it is. https://learn.microsoft.com/azure/firewall/snat-private-range */
export const privateDestinations = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"].map(mustPrefix);

/** In order. What cannot be read, which has been reported, is left out. */
export function firewallRules(firewall: Firewall): readonly FirewallRule[] {
  return firewall.properties.rules.map((rule) => ({
    name: rule.name,
    action: rule.action,
    protocols: rule.protocols.includes("Any") ? [] : rule.protocols.flatMap((protocol) => (protocol === "Any" ? [] : protocols[protocol])),
    sources: prefixes(rule.sourceAddresses),
    destinations: prefixes(rule.destinationAddresses),
    ports: rule.destinationPorts.includes("*") ? [] : rule.destinationPorts.flatMap((text) => portRange(text) ?? []),
  }));
}

function prefixes(texts: readonly string[]): readonly Prefix[] {
  return texts.includes("*") ? [] : mergePrefixes(texts.flatMap((text) => addressPrefix(text) ?? []));
}

/** Rules of machines that forward: firewalls, and the routes that lead to them. */

import { firewallDocs } from "../firewall-rules.ts";
import { ipForwardingTag } from "../names.ts";
import type { Firewall } from "../resources.ts";
import { addressPrefix, portRange } from "../security-rules.ts";
import type { Report } from "./problem.ts";
import type { AzureView } from "./view.ts";

export function checkFirewalls(view: AzureView, report: Report): void {
  for (const firewall of view.firewalls) {
    checkForwarding(view, firewall, report);
    for (const [index, rule] of firewall.properties.rules.entries()) {
      const at = (property: string, place: number, value: string) =>
        ({ id: firewall.id, property: ["rules", index, property, place], severity: "error", code: "InvalidParameter", value }) as const;
      for (const property of ["sourceAddresses", "destinationAddresses"] as const) {
        for (const [place, text] of rule[property].entries()) {
          const prefix = text === "*" ? "*" : addressPrefix(text);
          if (prefix !== undefined && !prefix.includes(":")) continue;
          const message = `${JSON.stringify(text)} of rule ${rule.name} is neither an IPv4 address, nor a prefix, nor *`;
          report({ ...at(property, place, text), message, source: firewallDocs, fix: "write 10.1.0.4, 10.1.0.0/16 or *" });
        }
      }
      for (const [place, text] of rule.destinationPorts.entries()) {
        if (text === "*" || portRange(text) !== undefined) continue;
        const message = `${JSON.stringify(text)} of rule ${rule.name} is no port range`;
        report({ ...at("destinationPorts", place, text), message, source: firewallDocs, fix: "write 443, 8000-8999 or *" });
      }
    }
  }
}

function checkForwarding(view: AzureView, firewall: Firewall, report: Report): void {
  const machine = view.machine(firewall.properties.virtualMachine.id);
  if (machine === undefined || machine.tags?.[ipForwardingTag] === "true") return;
  report({
    id: firewall.id,
    property: [],
    code: "IPForwardingDisabled",
    severity: "warning",
    message: `the firewall on machine ${machine.name} gets nothing to judge: its network interface takes packets for its own address only`,
    source: "learn:azure/virtual-network/virtual-network-network-interface",
    fix: "set enableIPForwarding: true on the machine",
  });
}

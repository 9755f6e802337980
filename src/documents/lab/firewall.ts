/** What a lab file may say about the firewall on a machine. Property names are those of Azure Firewall's network rules. */

import { firewallDocs } from "../../arm/firewall-rules.ts";
import { choice, list, object, required, type Shape, text, withDefault } from "../shape.ts";

type Name = (what: string, example: string) => Shape<string>;

const anAddress = text({ what: "address of a rule", examples: ["10.1.0.0/16", "10.1.0.4", "*"] });
const aPort = text({ what: "port of a rule", examples: ["443", "8000-8999", "*"], numbersToo: true });

/** `name`: names as everywhere in a lab file. */
export function firewallShape(name: Name) {
  const addresses = (who: string, what: string) =>
    withDefault(list(anAddress, { what, least: 1 }), ["*"], `${who}: addresses, prefixes, * for all.`);
  const rule = object(
    {
      name: required(name("a firewall rule", "allow-web"), "Name of the rule."),
      action: withDefault(choice(["Allow", "Deny"], { what: "action", source: firewallDocs }), "Allow", "What becomes of the flow."),
      protocols: withDefault(
        list(choice(["TCP", "UDP", "ICMP", "Any"], { what: "protocol", source: firewallDocs }), { what: "protocols", least: 1 }),
        ["Any"],
        "TCP, UDP, ICMP, or Any.",
      ),
      sourceAddresses: addresses("Who opens the flow", "sourceAddresses"),
      destinationAddresses: addresses("Who it is opened to", "destinationAddresses"),
      destinationPorts: withDefault(
        list(aPort, { what: "destinationPorts", least: 1 }),
        ["*"],
        "Destination ports: one, first-last, or * for all.",
      ),
    },
    {
      what: "a firewall rule",
      synonyms: {
        access: "action",
        protocol: "protocols",
        source: "sourceAddresses",
        sources: "sourceAddresses",
        destination: "destinationAddresses",
        destinations: "destinationAddresses",
        ports: "destinationPorts",
        port: "destinationPorts",
      },
      notModelled: {
        sourceIpGroups: "write the addresses out",
        destinationIpGroups: "write the addresses out",
        destinationFqdns: "write the addresses out: there is no DNS in a lab",
        targetFqdns: "write the addresses out: application rules are not modelled",
      },
    },
  );
  return object(
    {
      defaultAction: withDefault(
        choice(["Deny", "Allow"], { what: "defaultAction" }),
        "Deny",
        "What becomes of flows that no rule names. Packets of no known flow are dropped either way.",
      ),
      rules: withDefault(
        list(rule, { what: "rules" }),
        [],
        "Rules for flows through the machine, in order: the first that matches decides.",
      ),
      snat: withDefault(
        choice(["internet", "all", "none"], { what: "snat", source: "learn:azure/firewall/snat-private-range" }),
        "internet",
        "Which flows get the firewall's own address as source: those to public destinations, as Azure Firewall does by default; all; or none.",
      ),
    },
    {
      what: "a firewall",
      synonyms: { default: "defaultAction", networkRules: "rules", masquerade: "snat" },
      notModelled: {
        natRules: "leave them out: the firewall translates sources only",
        dnat: "leave it out: the firewall translates sources only",
        applicationRules: "use rules: what is above TCP is not modelled",
        threatIntelMode: "leave it out",
      },
    },
  );
}

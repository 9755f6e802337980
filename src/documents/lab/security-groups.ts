/** What a lab file may say about network security groups. Property names are ARM's own. */

import { limits, ranges } from "../../arm/limits.ts";
import { securityGroupDocs } from "../../arm/security-rules.ts";
import { knownTags } from "../../arm/service-tags.ts";
import { choice, integer, list, object, optional, required, type Shape, text, withDefault } from "../shape.ts";

type Name = (what: string, example: string) => Shape<string>;

const someAddress = text({ what: "address prefix of a rule", examples: ["10.240.4.0/24", "Internet", "*"] });
const addresses = "an address, a prefix such as 10.240.4.0/24, * for all";
const tags = `or a service tag: ${knownTags.join(", ")}`;
const port = text({ what: "port range of a rule", examples: ["443", "8000-8999", "*"], numbersToo: true });

/** `name`: names as everywhere in a lab file. `subnet`: `VNET/SUBNET`. */
export function securityGroupShape(name: Name, subnet: Shape<string>) {
  const memberships = (end: string) =>
    optional(
      list(name("an application security group", "web"), { what: `${end}ApplicationSecurityGroups`, least: 1 }),
      `Machines in any of these application security groups, in the place of ${end} addresses.`,
    );
  const rule = object(
    {
      name: required(name("a security rule", "allow-web"), "Name of the rule, unique in its group."),
      description: optional(text({ what: "description" }), "What it is for."),
      priority: required(
        integer({ what: "priority", min: ranges.securityRulePriority.min, max: ranges.securityRulePriority.max }),
        "Lower numbers are tried first, and the first rule that matches decides. Unique within a direction.",
      ),
      direction: required(choice(["Inbound", "Outbound"], { what: "direction", source: securityGroupDocs }), "Which packets it judges."),
      access: required(choice(["Allow", "Deny"], { what: "access", source: securityGroupDocs }), "What becomes of them."),
      protocol: withDefault(
        choice(["Tcp", "Udp", "Icmp", "*"], {
          what: "protocol",
          source: securityGroupDocs,
          notModelled: { Esp: "use *: labs carry no IPsec", Ah: "use *: labs carry no IPsec" },
        }),
        "*",
        "Tcp, Udp, Icmp, or * for all.",
      ),
      sourceAddressPrefix: optional(someAddress, `Who sends: ${addresses}, ${tags}. Default: *.`),
      sourceAddressPrefixes: optional(
        list(someAddress, { what: "sourceAddressPrefixes", least: 1 }),
        `Several senders: at most ${limits.addressesPerSecurityRule.value} addresses and prefixes.`,
      ),
      sourceApplicationSecurityGroups: memberships("source"),
      sourcePortRange: optional(port, "Source ports: one, first-last, or * for all. Default: *."),
      sourcePortRanges: optional(list(port, { what: "sourcePortRanges", least: 1 }), "Several of them."),
      destinationAddressPrefix: optional(someAddress, `Who is sent to: ${addresses}, ${tags}. Default: *.`),
      destinationAddressPrefixes: optional(
        list(someAddress, { what: "destinationAddressPrefixes", least: 1 }),
        `Several receivers: at most ${limits.addressesPerSecurityRule.value} addresses and prefixes.`,
      ),
      destinationApplicationSecurityGroups: memberships("destination"),
      destinationPortRange: optional(port, "Destination ports: one, first-last, or * for all. Default: *."),
      destinationPortRanges: optional(list(port, { what: "destinationPortRanges", least: 1 }), "Several of them."),
    },
    {
      what: "a security rule",
      synonyms: {
        action: "access",
        source: "sourceAddressPrefix",
        destination: "destinationAddressPrefix",
        sourcePort: "sourcePortRange",
        port: "destinationPortRange",
        ports: "destinationPortRanges",
        destinationPort: "destinationPortRange",
        sourceAsgs: "sourceApplicationSecurityGroups",
        destinationAsgs: "destinationApplicationSecurityGroups",
      },
    },
  );
  return object(
    {
      name: required(name("a network security group", "data-nsg"), "Name of the network security group."),
      subnets: withDefault(list(subnet, { what: "subnets" }), [], "The subnets that it is on, each as VNET/SUBNET."),
      machines: withDefault(
        list(name("a machine", "db"), { what: "machines" }),
        [],
        "The machines that it is on, by their network interface. The nodes of clusters have AKS's own group.",
      ),
      rules: withDefault(list(rule, { what: "rules" }), [], "Its rules. Azure's default rules come behind them."),
    },
    {
      what: "a network security group",
      synonyms: { securityRules: "rules", networkInterfaces: "machines", nics: "machines" },
      notModelled: { flushConnection: "leave it out: flows that were let through go on, as is Azure's default" },
    },
  );
}

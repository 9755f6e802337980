/**
 * Azure Firewall: a machine that forwards, in the firewall's subnet, with the network rules of the firewall itself or of its policy in the order in
 * which Azure processes them. Docs: learn:azure/firewall/rule-processing, learn:azure/firewall-manager/policy-overview.
 *
 * Network rules are processed before application rules, so what a network rule decides is decided. What only application rules let through (by
 * names, which a lab has none of) and what NAT rules translate is named and not modelled.
 */

import { firewallDocs } from "../../arm/firewall-rules.ts";
import { addressTag, armId, ipForwardingTag, publicAddressTag, subnetTag } from "../../arm/names.ts";
import type { Firewall } from "../../arm/resources.ts";
import { addressPrefix } from "../../arm/security-rules.ts";
import { words } from "../../kube/field.ts";
import type { Acceptor } from "./acceptor.ts";
import type { Estate, Item } from "./estate.ts";
import { attached, locationOf } from "./networks.ts";
import type { Value } from "./value.ts";

type Rule = Firewall["properties"]["rules"][number];

/** A rule, and where it is. */
type PlacedRule = { readonly item: Item; readonly value: Value; readonly rule: Rule };

export const azureFirewall: Acceptor = {
  type: "Microsoft.Network/azureFirewalls",
  inert: words(`
    sku threatIntelMode additionalProperties hubIPAddresses ipGroups managementIpConfiguration autoscaleConfiguration extendedLocation
    ipConfigurations[].properties.privateIPAllocationMethod networkRuleCollections[].properties.rules[].description
    networkRuleCollections[].properties.rules[].destinationFqdns
  `),
  notModelled: {
    virtualHub: ["a firewall of a Virtual WAN hub", "put a machine with a firewall of a lab file beside this document in its place"],
  },
  accept: (item, estate) => {
    const { properties } = item;
    const configurations = properties.get("ipConfigurations").items();
    const withSubnet = configurations.find((one) => one.get("properties", "subnet", "id").isPresent);
    const subnet = withSubnet === undefined ? undefined : estate.refer(withSubnet.get("properties", "subnet", "id"), "subnet", false);
    const policy = properties.get("firewallPolicy", "id").isPresent
      ? estate.refer(properties.get("firewallPolicy", "id"), "firewall policy", false)
      : undefined;
    const addresses = configurations.flatMap(
      (one) => attached(estate, one.get("properties", "publicIPAddress"), "public IP address") ?? [],
    );
    const [publicAddress] = addresses;
    if (addresses.length > 1) {
      estate.complain(item, ["properties", "ipConfigurations"], {
        code: "NotModelled",
        severity: "warning",
        message: `firewall ${item.name} has ${addresses.length} public addresses and leaves under any of them; here it leaves under the first`,
        source: "learn:azure/firewall/features",
      });
    }
    const rules = [...collectionsOf(item, estate), ...(policy === undefined ? [] : policyRules(policy, estate, new Set()))].sort((a, b) =>
      compareRanks(a.rank, b.rank),
    );
    if (subnet === undefined) return;
    const address = withSubnet?.get("properties", "privateIPAddress").text();
    const machine = armId(item.group, "Microsoft.Compute/virtualMachines", item.name);
    const network = rules.flatMap(({ rules: own }) => own);
    estate.add(
      {
        id: machine,
        name: item.name,
        type: "Microsoft.Compute/virtualMachines",
        ...locationOf(item),
        tags: {
          [subnetTag]: subnet.id,
          [ipForwardingTag]: "true",
          ...(address === undefined ? {} : { [addressTag]: address }),
          ...(publicAddress === undefined ? {} : { [publicAddressTag]: publicAddress.id }),
        },
        properties: { networkProfile: { networkInterfaces: [] } },
      },
      estate.origin(item, () => ["properties", "ipConfigurations"]),
    );
    const whole = estate.origin(item);
    estate.add(
      {
        id: armId(item.group, "Drydock.Lab/firewalls", item.name),
        name: item.name,
        type: "Drydock.Lab/firewalls",
        properties: {
          virtualMachine: { id: machine },
          defaultAction: "Deny",
          rules: network.map(({ rule }) => rule),
          snat: snatOf(policy ?? item),
        },
      },
      {
        ...whole,
        rename: (property) => {
          const found = property[0] === "rules" ? network[Number(property[1])] : undefined;
          if (found === undefined || found.item.placed.source !== item.placed.source) return whole.rename([]);
          return estate.origin(found.item, () => found.value.path).rename([]);
        },
      },
    );
  },
};

/** Private ranges are left as they are, all of them or none (learn:azure/firewall/snat-private-range). */
function snatOf({ properties }: Item): Firewall["properties"]["snat"] {
  const ranges = properties.get("snat", "privateRanges").items();
  const texts = ranges.flatMap((range) => range.text() ?? []);
  if (texts.length === 0 || texts.some((text) => text.toLowerCase() === "ianaprivateranges")) return "internet";
  if (texts.includes("0.0.0.0/0")) return "none";
  if (texts.length === 1 && texts[0] === "255.255.255.255/32") return "all";
  ranges[0]?.report({
    code: "NotModelled",
    severity: "warning",
    message: "private ranges of one's own are not modelled: sources stay for destinations in RFC 1918 and RFC 6598 space",
    source: "learn:azure/firewall/snat-private-range",
  });
  return "internet";
}

export const firewallPolicy: Acceptor = {
  type: "Microsoft.Network/firewallPolicies",
  inert: words(`
    sku threatIntelMode threatIntelWhitelist insights dnsSettings sql intrusionDetection transportSecurity size firewalls childPolicies
    ruleCollectionGroups explicitProxy snat basePolicy
  `),
  accept: () => undefined,
};

export const ruleCollectionGroup: Acceptor = {
  type: "Microsoft.Network/firewallPolicies/ruleCollectionGroups",
  inert: words("size ruleCollections[].rules[].description ruleCollections[].rules[].destinationFqdns"),
  accept: () => undefined,
};

export const ipGroup: Acceptor = {
  type: "Microsoft.Network/ipGroups",
  inert: words("firewalls firewallPolicies ipAddresses"),
  accept: () => undefined,
};

/** Rules of one collection, and where Azure processes it: priorities of the group and of the collection. */
type Ranked = { readonly rank: readonly number[]; readonly rules: readonly PlacedRule[] };

function compareRanks(a: readonly number[], b: readonly number[]): number {
  return a.map((one, index) => one - (b[index] ?? 0)).find((difference) => difference !== 0) ?? 0;
}

/** Of a firewall without a policy. */
function collectionsOf(item: Item, estate: Estate): readonly Ranked[] {
  const { properties } = item;
  nameOthers(item, estate, properties.get("applicationRuleCollections").items(), "application rules");
  nameOthers(item, estate, properties.get("natRuleCollections").items(), "NAT rules");
  return properties
    .get("networkRuleCollections")
    .items()
    .map((collection) => {
      const inside = collection.get("properties");
      return {
        rank: [0, 0, inside.get("priority").integer() ?? 0],
        rules: rulesOf(item, estate, inside.get("rules").items(), inside.get("action", "type"), "protocols"),
      };
    });
}

/** A parent's rules come before those of its child. */
function policyRules(policy: Item, estate: Estate, seen: Set<Item>): readonly Ranked[] {
  if (seen.has(policy)) return [];
  seen.add(policy);
  const base = policy.properties.get("basePolicy", "id");
  const parent = base.isPresent ? estate.refer(base, "firewall policy", false) : undefined;
  const depth = seen.size;
  const own = estate.childrenOf(policy, ruleCollectionGroup.type.toLowerCase()).flatMap((group) => {
    const priority = group.properties.get("priority").integer() ?? 0;
    return group.properties
      .get("ruleCollections")
      .items()
      .map((collection): Ranked => {
        const rules = collection.get("rules").items();
        const isOf = (type: string) => (rule: Value) => rule.get("ruleType").text()?.toLowerCase() === type;
        const isNat = collection.get("ruleCollectionType").text()?.toLowerCase().includes("nat") === true;
        nameOthers(group, estate, isNat ? [collection] : [], "NAT rules");
        nameOthers(group, estate, rules.filter(isOf("applicationrule")), "application rules");
        const network = isNat ? [] : rules.filter(isOf("networkrule"));
        return {
          // The parent's are processed first whatever its priorities.
          rank: [-depth, priority, collection.get("priority").integer() ?? 0],
          rules: rulesOf(group, estate, network, collection.get("action", "type"), "ipProtocols"),
        };
      });
  });
  return [...(parent === undefined ? [] : policyRules(parent, estate, seen)), ...own];
}

function nameOthers(item: Item, estate: Estate, rules: readonly Value[], what: string): void {
  const [first] = rules;
  if (first === undefined) return;
  for (const { path } of rules) item.reading.seeAll(path);
  estate.complain(item, first.path, {
    code: "NotModelled",
    severity: "warning",
    message: `${item.name}: ${what} of a firewall are not modelled: a flow that only they ${what.startsWith("NAT") ? "translate" : "allow"} is denied here`,
    source: firewallDocs,
    fix: what.startsWith("NAT")
      ? "ask for the machine behind the rule instead"
      : "see what network rules allow, or add one for the flow in question",
  });
}

const protocols = ["TCP", "UDP", "ICMP", "Any"] as const;

function rulesOf(item: Item, estate: Estate, rules: readonly Value[], action: Value, protocolsName: string): readonly PlacedRule[] {
  const decided = action.choice(["Allow", "Deny"]);
  if (decided === undefined) return [];
  return rules.flatMap((value, index) => {
    const sourceAddresses = addressesOf(value, "source", estate);
    const destinationAddresses = addressesOf(value, "destination", estate);
    const destinationPorts = value
      .get("destinationPorts")
      .items()
      .flatMap((port) => port.text() ?? []);
    const kinds = value
      .get(protocolsName)
      .items()
      .flatMap((protocol) => protocol.choice(protocols) ?? []);
    const name = value.get("name").text() ?? `rule${index + 1}`;
    if (sourceAddresses.length === 0 || destinationAddresses.length === 0) {
      value.report({
        code: "NotModelled",
        severity: "warning",
        message: `firewall rule ${name} names no address that a lab has (service tags and names stand for others): it is left out`,
        source: firewallDocs,
        fix: "write addresses or prefixes",
      });
      return [];
    }
    const rule = { name, action: decided, protocols: kinds, sourceAddresses, destinationAddresses, destinationPorts };
    return [{ item, value, rule: { ...rule, destinationPorts: destinationPorts.length === 0 ? ["*"] : destinationPorts } }];
  });
}

/** Addresses and prefixes of one end, those of IP groups with them. */
function addressesOf(rule: Value, end: "source" | "destination", estate: Estate): readonly string[] {
  const groups = rule
    .get(`${end}IpGroups`)
    .items()
    .flatMap((group) => estate.refer(group, "IP group", false) ?? []);
  const values = [...rule.get(`${end}Addresses`).items(), ...groups.flatMap((group) => group.properties.get("ipAddresses").items())];
  return values.flatMap((value) => {
    const text = value.text();
    const isKnown = text !== undefined && (text === "*" || (addressPrefix(text) !== undefined && !text.includes(":")));
    return isKnown ? [text] : [];
  });
}

/** Rules of network security groups. */

import { type Prefix, parseLoosePrefix } from "../../net/prefix.ts";
import { limits, ranges } from "../limits.ts";
import { applicationSecurityGroupsTag, lastSegment, subnetTag } from "../names.ts";
import type { NetworkSecurityGroup, SecurityRule } from "../resources.ts";
import { addressPrefix, type PortRange, portRange, securityGroupDocs } from "../security-rules.ts";
import { isPlatformTag, knownTags, serviceTag, serviceTagDocs } from "../service-tags.ts";
import { gatewaySubnet } from "./networks.ts";
import type { ArmProblem, PropertyPath, Report } from "./problem.ts";
import { type AzureView, parentOf, subnetLabel } from "./view.ts";

type Properties = SecurityRule["properties"];
type Finding = Pick<ArmProblem, "code" | "message"> & Partial<Pick<ArmProblem, "value" | "source" | "fix">>;
/** Reports about a property of a rule. */
type Complain = (property: PropertyPath, finding: Finding) => void;

export function checkSecurityGroups(view: AzureView, report: Report): void {
  const networksOf = networksOfMemberships(view);
  for (const group of view.securityGroups) {
    checkGroup(group, report);
    for (const subnet of view.subnetsWithGroup(group)) {
      if (subnet.name.toLowerCase() !== gatewaySubnet.toLowerCase()) continue;
      report({
        id: group.id,
        property: [],
        code: "NetworkSecurityGroupNotSupportedOnGatewaySubnet",
        severity: "error",
        message: `NSG ${group.name} cannot be on ${subnetLabel(subnet.id)}: the VNet's gateway would not work`,
        source: "learn:azure/vpn-gateway/vpn-gateway-about-vpn-gateway-settings",
        fix: "put it on other subnets",
      });
    }
    for (const [index, rule] of group.properties.securityRules.entries()) {
      const complain: Complain = (property, finding) =>
        report({ source: securityGroupDocs, ...finding, id: group.id, property: ["securityRules", index, ...property], severity: "error" });
      checkRule(rule, complain);
      checkMemberships(rule, networksOf, complain);
    }
  }
}

function checkGroup(group: NetworkSecurityGroup, report: Report): void {
  const { securityRules } = group.properties;
  const { value: most, source } = limits.rulesPerSecurityGroup;
  if (securityRules.length > most) {
    report({
      id: group.id,
      property: ["securityRules"],
      code: "SecurityRuleCountLimitReached",
      severity: "error",
      value: securityRules.length,
      message: `NSG ${group.name} has ${securityRules.length} rules; a group holds at most ${most}`,
      source,
    });
  }
  const seen = new Map<string, string>();
  for (const [index, { name, properties }] of securityRules.entries()) {
    const { priority, direction } = properties;
    const other = seen.get(`${direction} ${priority}`);
    seen.set(`${direction} ${priority}`, other ?? name);
    if (other === undefined) continue;
    report({
      id: group.id,
      property: ["securityRules", index, "priority"],
      code: "SecurityRuleConflict",
      severity: "error",
      value: priority,
      message: `rule ${name} of NSG ${group.name} has the priority of rule ${other}, ${priority}, in the same direction, ${direction}; a priority decides which of two rules is tried first`,
      source: securityGroupDocs,
      fix: "give it another priority",
    });
  }
}

function checkRule({ name, properties }: SecurityRule, complain: Complain): void {
  const { min, max, source } = ranges.securityRulePriority;
  const { priority, protocol, direction } = properties;
  if (priority < min || priority > max) {
    complain(["priority"], {
      code: "SecurityRuleInvalidPriority",
      value: priority,
      message: `priority ${priority} of rule ${name} is not from ${min} to ${max}`,
      source,
      fix: `use ${min} to ${max}; the default rules are behind all of them`,
    });
  }
  for (const end of ["source", "destination"] as const) {
    checkAddresses(end, name, properties, complain);
    const ports = checkPorts(end, name, properties, complain);
    if (protocol !== "Icmp" || ports === undefined) continue;
    complain([ports], {
      code: "InvalidParameter",
      message: `rule ${name} is for Icmp, which has no ports`,
      fix: `leave ${ports} out, or set it to *`,
    });
  }
  const { sourceAddressPrefix, destinationAddressPrefix } = properties;
  const platform = [sourceAddressPrefix, ...(direction === "Inbound" ? [destinationAddressPrefix] : [])].find((text) => isPlatform(text));
  if (platform !== undefined) {
    complain([platform === sourceAddressPrefix ? "sourceAddressPrefix" : "destinationAddressPrefix"], {
      code: "SecurityRuleParameterContainsUnsupportedValue",
      value: platform,
      message: `service tag ${platform} can be the destination of an outbound rule only`,
      source: serviceTagDocs,
    });
  }
}

function isPlatform(text: string | undefined): boolean {
  const tag = text === undefined ? undefined : serviceTag(text);
  return tag !== undefined && isPlatformTag(tag);
}

/** One of the three ways to name who is at an end. */
function checkAddresses(end: "source" | "destination", name: string, properties: Properties, complain: Complain): void {
  const single = `${end}AddressPrefix` as const;
  const plural = `${end}AddressPrefixes` as const;
  const groups = `${end}ApplicationSecurityGroups` as const;
  const [one, several, members] = [properties[single], properties[plural], properties[groups]];
  const given = [
    ...(one === undefined ? [] : [single]),
    ...(several === undefined ? [] : [plural]),
    ...(members === undefined ? [] : [groups]),
  ];
  if (given.length > 1) {
    complain([given[1] ?? single], {
      code: "SecurityRuleInvalidAddressPrefixCombination",
      message: `rule ${name} says ${given.join(" and ")}; a rule's ${end} is one of them`,
      fix: "leave the others out, or make a rule for each",
    });
  }
  if (one !== undefined && one !== "*") checkAddress([single], name, one, false, complain);
  for (const [index, text] of (several ?? []).entries()) checkAddress([plural, index], name, text, (several ?? []).length > 1, complain);
  const { value: most, source } = limits.addressesPerSecurityRule;
  if ((several ?? []).length > most) {
    const message = `rule ${name} has ${several?.length} ${end} addresses; a rule holds at most ${most}`;
    complain([plural], { code: "SecurityRuleAddressPrefixesLimitReached", message, source });
  }
}

function checkAddress(property: PropertyPath, name: string, text: string, isOneOfSeveral: boolean, complain: Complain): void {
  const tag = text === "*" ? "*" : serviceTag(text);
  if (tag !== undefined && isOneOfSeveral) {
    complain(property, {
      code: "SecurityRuleParameterContainsUnsupportedValue",
      value: text,
      message: `${text} cannot be one of several in rule ${name}: a list holds addresses and prefixes`,
      fix: tag === "*" ? "leave the others out" : "make a rule of its own for it",
    });
  }
  if (tag !== undefined) return;
  const prefix = addressPrefix(text);
  if (prefix === undefined) complain(property, notAnAddress(name, text));
  else if (text.includes("/") && !isExact(text, prefix)) {
    complain(property, {
      code: "SecurityRuleInvalidAddressPrefix",
      value: text,
      message: `${text} in rule ${name} has bits set after its network: the prefix that holds this address is ${prefix}`,
      fix: `write ${prefix}`,
    });
  }
}

function isExact(text: string, prefix: Prefix): boolean {
  return parseLoosePrefix(text) === prefix && prefix.slice(0, prefix.indexOf("/")) === text.slice(0, text.indexOf("/"));
}

function notAnAddress(name: string, text: string): Finding {
  // `AzureCloud`, `Storage.WestEurope`: a tag that Azure has, or a misspelling.
  if (/^[A-Za-z][A-Za-z0-9]*(\.[A-Za-z0-9]+)?$/.test(text)) {
    return {
      code: "NotModelled",
      value: text,
      message: `service tag ${text} in rule ${name} is not known here: Azure's own services are not in a lab, and their addresses change every week`,
      source: serviceTagDocs,
      fix: `write the prefixes that you mean, or one of ${knownTags.join(", ")}`,
    };
  }
  if (/^[\d.]+-[\d.]+$/.test(text)) {
    const fix = "write it as prefixes";
    return { code: "NotModelled", value: text, message: `address range ${text} in rule ${name} is not modelled`, fix };
  }
  return {
    code: "SecurityRuleInvalidAddressPrefix",
    value: text,
    message: `${JSON.stringify(text)} in rule ${name} is no address, prefix or service tag`,
    fix: "write an address, a prefix such as 10.240.4.0/24, a service tag such as VirtualNetwork, or *",
  };
}

/** The property that limits ports, if one does. */
function checkPorts(end: "source" | "destination", name: string, properties: Properties, complain: Complain): keyof Properties | undefined {
  const single = `${end}PortRange` as const;
  const plural = `${end}PortRanges` as const;
  const [one, several] = [properties[single], properties[plural]];
  if (one !== undefined && several !== undefined) {
    complain([plural], {
      code: "SecurityRuleInvalidPortRangeCombination",
      message: `rule ${name} says ${single} and ${plural}; it is one of them`,
      fix: `put all into ${plural}`,
    });
  }
  const limiting: (PortRange | undefined)[] = [];
  const check = (property: PropertyPath, text: string): void => {
    if (text === "*") return;
    const range = portRange(text);
    limiting.push(range);
    if (range !== undefined) return;
    complain(property, {
      code: "SecurityRuleInvalidPortRange",
      value: text,
      message: `${JSON.stringify(text)} in rule ${name} is no port range`,
      fix: "write a port from 0 to 65535, a range such as 8000-8999, or *",
    });
  };
  if (one !== undefined) check([single], one);
  for (const [index, text] of (several ?? []).entries()) check([plural, index], text);
  return limiting.length === 0 ? undefined : one === undefined ? plural : single;
}

/** The VNets of the machines in each application security group, in lower case. */
function networksOfMemberships(view: AzureView): ReadonlyMap<string, ReadonlySet<string>> {
  const networks = new Map<string, Set<string>>();
  for (const { tags } of view.machines) {
    for (const group of (tags?.[applicationSecurityGroupsTag] ?? "").split(" ")) {
      if (group === "") continue;
      const known = networks.get(group.toLowerCase()) ?? new Set();
      networks.set(group.toLowerCase(), known.add(parentOf(tags?.[subnetTag] ?? "")));
    }
  }
  return networks;
}

/** All network interfaces of a rule's application security groups are in one VNet. */
function checkMemberships(
  { name, properties }: SecurityRule,
  networksOf: ReadonlyMap<string, ReadonlySet<string>>,
  complain: Complain,
): void {
  const used = (["sourceApplicationSecurityGroups", "destinationApplicationSecurityGroups"] as const).flatMap((property) =>
    (properties[property] ?? []).map(({ id }) => ({ property, id })),
  );
  const networks = new Set<string>();
  for (const { property, id } of used) {
    const own = networksOf.get(id.toLowerCase()) ?? new Set<string>();
    for (const network of own) networks.add(network);
    if (networks.size < 2) continue;
    complain([property], {
      code: "ApplicationSecurityGroupsNotInSameVnet",
      value: lastSegment(id),
      message: `rule ${name} names application security groups with machines of several VNets: ${[...networks].map(lastSegment).join(", ")}`,
      source: "learn:azure/virtual-network/application-security-groups",
      fix: "use a group for each VNet, or prefixes",
    });
    return;
  }
}

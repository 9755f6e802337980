/**
 * Security rules as data to judge by: read from their ARM form, in the order in which Azure tries them, and Azure's own default rules.
 * Docs: learn:azure/virtual-network/network-security-groups-overview.
 */

import { type Address, type Family, familyOf, parseAddress } from "../net/address.ts";
import { hostPrefix, mergePrefixes, type Prefix, parseLoosePrefix, prefixContains } from "../net/prefix.ts";
import type { ArmId, NetworkSecurityGroup, SecurityRule } from "./resources.ts";
import { type PlatformTag, type RelativeTag, serviceTag } from "./service-tags.ts";

export const securityGroupDocs = "learn:azure/virtual-network/network-security-groups-overview";

export type PortRange = { readonly first: number; readonly last: number };
export type Direction = SecurityRule["properties"]["direction"];

/** One side of a rule. */
export type Peers =
  /** `family`: any of that family, as 0.0.0.0/0 and ::/0 say; absent: of both. */
  | { readonly kind: "any"; readonly family?: Family }
  | { readonly kind: "prefixes"; readonly prefixes: readonly Prefix[] }
  | { readonly kind: "tag"; readonly tag: RelativeTag | PlatformTag }
  /** Network interfaces in any of these application security groups. */
  | { readonly kind: "members"; readonly groups: readonly ArmId[] };

export type JudgingRule = {
  readonly name: string;
  readonly direction: Direction;
  readonly priority: number;
  readonly access: "Allow" | "Deny";
  /** `undefined`: any. */
  readonly protocol: "tcp" | "udp" | "icmp" | undefined;
  readonly source: Peers;
  readonly destination: Peers;
  /** Empty: any. Merged and in order. */
  readonly sourcePorts: readonly PortRange[];
  readonly destinationPorts: readonly PortRange[];
};

/** Azure's own: in every group, behind the user's. */
export const defaultSecurityRules: readonly SecurityRule[] = [
  defaultRule("AllowVnetInBound", "Inbound", 65000, "Allow", "VirtualNetwork", "VirtualNetwork"),
  defaultRule("AllowAzureLoadBalancerInBound", "Inbound", 65001, "Allow", "AzureLoadBalancer", "*"),
  defaultRule("DenyAllInBound", "Inbound", 65500, "Deny", "*", "*"),
  defaultRule("AllowVnetOutBound", "Outbound", 65000, "Allow", "VirtualNetwork", "VirtualNetwork"),
  defaultRule("AllowInternetOutBound", "Outbound", 65001, "Allow", "*", "Internet"),
  defaultRule("DenyAllOutBound", "Outbound", 65500, "Deny", "*", "*"),
];

function defaultRule(
  name: string,
  direction: Direction,
  priority: number,
  access: "Allow" | "Deny",
  sourceAddressPrefix: string,
  destinationAddressPrefix: string,
): SecurityRule {
  return {
    name,
    properties: {
      protocol: "*",
      sourceAddressPrefix,
      sourcePortRange: "*",
      destinationAddressPrefix,
      destinationPortRange: "*",
      access,
      priority,
      direction,
    },
  };
}

/** All rules of a group for one direction, the default ones behind, in the order in which they are tried. What cannot be read is left out. */
export function judgingRules(group: NetworkSecurityGroup, direction: Direction): readonly JudgingRule[] {
  const { securityRules, defaultSecurityRules: own } = group.properties;
  return [...securityRules, ...own]
    .filter((rule) => rule.properties.direction === direction)
    .map(readRule)
    .sort((a, b) => a.priority - b.priority);
}

const protocols = { Tcp: "tcp", Udp: "udp", Icmp: "icmp", "*": undefined } as const;

function readRule({ name, properties }: SecurityRule): JudgingRule {
  return {
    name,
    direction: properties.direction,
    priority: properties.priority,
    access: properties.access,
    protocol: protocols[properties.protocol],
    source: peers(properties.sourceAddressPrefix, properties.sourceAddressPrefixes, properties.sourceApplicationSecurityGroups),
    destination: peers(
      properties.destinationAddressPrefix,
      properties.destinationAddressPrefixes,
      properties.destinationApplicationSecurityGroups,
    ),
    sourcePorts: ports(properties.sourcePortRange, properties.sourcePortRanges),
    destinationPorts: ports(properties.destinationPortRange, properties.destinationPortRanges),
  };
}

function peers(one: string | undefined, several: readonly string[] = [], groups: readonly { readonly id: ArmId }[] = []): Peers {
  if (groups.length > 0) return { kind: "members", groups: groups.map(({ id }) => id) };
  const texts = one === undefined || one === "" ? several : [one];
  const [first] = texts;
  if (first === undefined || texts.includes("*")) return { kind: "any" };
  const tag = texts.length === 1 ? serviceTag(first) : undefined;
  if (tag !== undefined) return { kind: "tag", tag };
  const prefixes = mergePrefixes(texts.flatMap((text) => addressPrefix(text) ?? []));
  const [only] = prefixes;
  if (prefixes.includes(everywhere)) return prefixes.includes(everywhere6) ? { kind: "any" } : { kind: "any", family: 4 };
  return prefixes.length === 1 && only === everywhere6 ? { kind: "any", family: 6 } : { kind: "prefixes", prefixes };
}

const everywhere = "0.0.0.0/0" as Prefix;
const everywhere6 = "::/0" as Prefix;

/** An address or a prefix. */
export function addressPrefix(text: string): Prefix | undefined {
  const address = parseAddress(text);
  return address === undefined ? parseLoosePrefix(text) : hostPrefix(address);
}

function ports(one: string | undefined, several: readonly string[] = []): readonly PortRange[] {
  const texts = one === undefined || one === "" ? several : [one];
  return texts.includes("*") ? [] : mergePorts(texts.flatMap((text) => portRange(text) ?? []));
}

/** `80`, or `8000-8999`. */
export function portRange(text: string): PortRange | undefined {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  if (match === null) return undefined;
  const first = Number(match[1]);
  const last = Number(match[2] ?? match[1]);
  return first > last || last > 65_535 ? undefined : { first, last };
}

function mergePorts(ranges: readonly PortRange[]): readonly PortRange[] {
  const merged: PortRange[] = [];
  for (const range of [...ranges].sort((a, b) => a.first - b.first)) {
    const previous = merged.at(-1);
    if (previous !== undefined && range.first <= previous.last + 1) {
      merged[merged.length - 1] = { first: previous.first, last: Math.max(previous.last, range.last) };
    } else merged.push(range);
  }
  const [only] = merged;
  return only?.first === 0 && only.last === 65_535 ? [] : merged;
}

/** A flow's first packet. */
export type Flow = {
  readonly protocol: "tcp" | "udp" | "icmp";
  readonly source: Address;
  readonly destination: Address;
  readonly sourcePort: number;
  readonly destinationPort: number;
};

/** Says whether an address is of a tag or in one of the groups, which depends on where the rule is applied. */
export type Membership = (address: Address, peers: Extract<Peers, { readonly kind: "tag" | "members" }>) => boolean;

/** The rule that decides about a flow: the first that matches. The default rules match everything. */
export function decidingRule(rules: readonly JudgingRule[], flow: Flow, isMember: Membership): JudgingRule | undefined {
  const isOf = (side: Peers, address: Address): boolean => {
    switch (side.kind) {
      case "any":
        return side.family === undefined || side.family === familyOf(address);
      case "prefixes":
        return side.prefixes.some((prefix) => prefixContains(prefix, address));
      default:
        return isMember(address, side);
    }
  };
  // Ports are asked of what has ports.
  const isIn = (ranges: readonly PortRange[], port: number) =>
    ranges.length === 0 || (flow.protocol !== "icmp" && ranges.some(({ first, last }) => port >= first && port <= last));
  return rules.find(
    (rule) =>
      (rule.protocol === undefined || rule.protocol === flow.protocol) &&
      isOf(rule.source, flow.source) &&
      isOf(rule.destination, flow.destination) &&
      isIn(rule.sourcePorts, flow.sourcePort) &&
      isIn(rule.destinationPorts, flow.destinationPort),
  );
}

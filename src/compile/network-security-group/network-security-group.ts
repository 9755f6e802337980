/**
 * Network security groups, judged on the machine that the network interface belongs to, as Azure judges them on the host under the machine. The
 * table has a chain for each group and direction, in Azure's order: inbound the subnet's group and then the interface's, before the machine
 * translates anything; outbound the interface's and then the subnet's, after it has. Docs: network-security-group-how-it-works.
 *
 * Groups are stateful: a flow's first packet is judged, and what belongs to a flow that was let through passes, whatever the rules say by
 * then. That is the machine's own connection tracking: a connection is confirmed once its first packet has come through. See
 * docs/decisions/0006-security-groups-on-the-machine.md.
 *
 * A group's rules are compiled once for all interfaces of a subnet, and are the same objects for as long as nothing that they say changes.
 */

import { ranges } from "../../arm/limits.ts";
import type { NetworkSecurityGroup } from "../../arm/resources.ts";
import { type Direction, type JudgingRule, judgingRules, type Peers, type PortRange, securityGroupDocs } from "../../arm/security-rules.ts";
import {
  azureLoadBalancerIpv6Prefix,
  azureLoadBalancerPrefix,
  isPlatformTag,
  notInternet,
  platformPrefixes,
  platformTags,
} from "../../arm/service-tags.ts";
import type { InterfaceName, Origin } from "../../ir/network.ts";
import { type Chain, type Field, type Match, type NamedSet, priorities, type Rule, type Table } from "../../ir/ruleset.ts";
import { type Address, bitsOf, type Family } from "../../net/address.ts";
import { addressOf, hostPrefix, lengthOf, mergePrefixes, mustPrefix, type Prefix, prefixFamily } from "../../net/prefix.ts";
import { armKey } from "../../resources/resources.ts";
import type { Part } from "../part.ts";
import type { NicInfo, SubnetInfo, Topology, VnetInfo } from "../topology.ts";
import { virtualNetworkPrefixes } from "./virtual-network.ts";

/** A security group where it is applied, as rules. */
export type AppliedGroup = {
  readonly inbound: readonly Rule[];
  readonly outbound: readonly Rule[];
  readonly sets: readonly NamedSet[];
};

/** The groups that judge a network interface's packets. */
export type Guards = { readonly subnet: AppliedGroup | undefined; readonly nic: AppliedGroup | undefined };

/** Where a machine's packets pass its network interface. */
export type Uplink = {
  readonly name: InterfaceName;
  /** Addresses behind the same interface, on the machine's side of it: what they send and get does not pass the network interface. */
  readonly inside?: readonly Address[];
  /** A node's pods in a subnet of their own, whose group judges what they send and get, and not what the node does. */
  readonly pods?: { readonly prefix: Prefix; readonly guards: Guards | undefined };
};

/** The groups of network interfaces. Those of a subnet are worked out when the first of its interfaces is asked for. */
export class SecurityGroups {
  readonly #topology: Topology;
  readonly #scopes = new Map<SubnetInfo, Scope>();

  constructor(topology: Topology) {
    this.#topology = topology;
  }

  /** `undefined` when no group judges the interface: then everything is allowed. */
  of(vnet: VnetInfo, { subnet, securityGroup }: Pick<NicInfo, "subnet" | "securityGroup">): Guards | undefined {
    if (subnet.securityGroup === undefined && securityGroup === undefined) return undefined;
    const scope = this.#scopeOf(vnet, subnet);
    const onSubnet = `subnet ${vnet.name}/${subnet.resource.name}`;
    return {
      subnet: subnet.securityGroup === undefined ? undefined : applied(subnet.securityGroup, scope, onSubnet),
      nic: securityGroup === undefined ? undefined : applied(securityGroup, scope, "the network interface"),
    };
  }

  #scopeOf(vnet: VnetInfo, subnet: SubnetInfo): Scope {
    let scope = this.#scopes.get(subnet);
    if (scope === undefined) {
      const { applicationSecurityGroups } = this.#topology;
      scope = {
        family: vnet.family,
        virtualNetwork: virtualNetworkPrefixes(vnet, subnet),
        members: (group) => applicationSecurityGroups.get(armKey(group)) ?? [],
      };
      this.#scopes.set(subnet, scope);
    }
    return scope;
  }
}

/** Whatever a recipe must compare to know that {@link guardTable} would say the same. */
export function guardInputs(guards: Guards | undefined): readonly unknown[] {
  return guards === undefined ? [] : [guards.subnet, guards.nic];
}

/** The tables of a machine, if any group judges its interface. */
export function guardPart(guards: Guards | undefined, uplink: Uplink): Part {
  const { name, inside, pods } = uplink;
  const tableOf = (judging: Guards, judged: Judged) =>
    inside === undefined ? sharedTable(judging, name, judged) : guardTable(judging, uplink, judged);
  return {
    tables: [
      ...(guards === undefined ? [] : [tableOf(guards, pods === undefined ? everybody : { who: "others", prefix: pods.prefix })]),
      ...(pods?.guards === undefined ? [] : [tableOf(pods.guards, { who: "pods", prefix: pods.prefix })]),
    ],
  };
}

/** Whose packets a table judges: those of pods in a subnet of their own, or those of others. */
type Judged = { readonly who: "everybody" } | { readonly who: "pods" | "others"; readonly prefix: Prefix };
const everybody: Judged = { who: "everybody" };

/** How the names of a rule's sides read for the interfaces of one subnet. */
type Scope = {
  readonly family: Family;
  readonly virtualNetwork: readonly Prefix[];
  readonly members: (group: string) => readonly Address[];
};

type Known = { readonly where: string; readonly content: string; readonly group: AppliedGroup };
const known = new WeakMap<NetworkSecurityGroup, Known[]>();
/** A group is applied in some places; those of long ago are forgotten. */
const mostKnown = 64;

/** The same object for the same rules in the same place. */
function applied(group: NetworkSecurityGroup, scope: Scope, where: string): AppliedGroup {
  const rules = { Inbound: judgingRules(group, "Inbound"), Outbound: judgingRules(group, "Outbound") };
  const named = [...rules.Inbound, ...rules.Outbound].flatMap(({ source, destination }) => [...groupsOf(source), ...groupsOf(destination)]);
  const content = [...scope.virtualNetwork, ...named.flatMap((name) => ["", name, ...scope.members(name)])].join(" ");
  const before = known.get(group) ?? [];
  const same = before.find((one) => one.where === where && one.content === content);
  if (same !== undefined) return same.group;
  const made = compileGroup(group, rules, scope, where);
  known.set(group, [{ where, content, group: made }, ...before].slice(0, mostKnown));
  return made;
}

function groupsOf(peers: Peers): readonly string[] {
  return peers.kind === "members" ? peers.groups : [];
}

function compileGroup(
  group: NetworkSecurityGroup,
  rules: Readonly<Record<Direction, readonly JudgingRule[]>>,
  scope: Scope,
  where: string,
): AppliedGroup {
  const sets = new Map<string, NamedSet>();
  const compile = (rule: JudgingRule): Rule[] => {
    // ICMP is IPv4's; ICMPv6 is not supported in security groups, but by rules for any protocol (ip-services/ipv6-overview).
    if (scope.family === 6 && rule.protocol === "icmp") return [];
    const source = side(rule.source, scope, "ip saddr", `${group.name} ${rule.direction} ${rule.name} source`, sets);
    const destination = side(rule.destination, scope, "ip daddr", `${group.name} ${rule.direction} ${rule.name} destination`, sets);
    if (source === "nobody" || destination === "nobody") return [];
    return [
      {
        matches: [...protocolMatches(rule), ...source, ...destination],
        statements: [{ kind: "verdict", verdict: rule.access === "Deny" ? "drop" : isDefault(rule) ? "return" : "accept" }],
        origin: {
          resource: group.id,
          reason: `${rule.access === "Allow" ? "allowed" : "denied"} by rule ${rule.name} (${rule.priority}) of NSG ${group.name} on ${where}: ${ruleWords(rule)}`,
          source: securityGroupDocs,
        },
      },
    ];
  };
  const forPlatform = rules.Outbound.filter(({ destination }) => destination.kind === "tag" && isPlatformTag(destination.tag));
  const platform: Rule = {
    matches: [{ kind: "value", field: "ip daddr", op: "==", values: platformPrefixes }],
    statements: [{ kind: "verdict", verdict: "accept" }],
    origin: {
      resource: group.id,
      reason: `Azure's DNS, metadata and licensing are not subject to NSG ${group.name}, as no rule of it denies their service tag`,
      source: securityGroupDocs,
    },
  };
  return {
    inbound: rules.Inbound.flatMap(compile),
    outbound: [...(scope.family === 4 ? [...forPlatform.flatMap(compile), platform] : []), ...rules.Outbound.flatMap(compile)],
    sets: [...sets.values()],
  };
}

/** What Azure allows by itself is no news: a short trace leaves it out, as it does everything but verdicts. */
function isDefault({ priority }: JudgingRule): boolean {
  return priority > ranges.securityRulePriority.max;
}

/** `Tcp from Internet to 198.18.0.5 port 80`, as the rule's own words. */
function ruleWords({ protocol, source, sourcePorts, destination, destinationPorts }: JudgingRule): string {
  const end = (peers: Peers, ports: readonly PortRange[]) =>
    peersWords(peers) +
    (ports.length === 0 ? "" : ` port ${listWords(ports.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`)))}`);
  return `${protocol ?? "any protocol"} from ${end(source, sourcePorts)} to ${end(destination, destinationPorts)}`;
}

function peersWords(peers: Peers): string {
  switch (peers.kind) {
    case "any":
      return "any";
    case "prefixes":
      return listWords(peers.prefixes.map((prefix) => (lengthOf(prefix) === bitsOf(prefixFamily(prefix)) ? addressOf(prefix) : prefix)));
    case "tag":
      return peers.tag;
    case "members":
      return listWords(peers.groups.map((group) => group.slice(group.lastIndexOf("/") + 1)));
  }
}

function listWords(words: readonly string[]): string {
  return words.length <= 3 ? words.join(", ") : `${words.slice(0, 3).join(", ")} and ${words.length - 3} more`;
}

function protocolMatches({ protocol, sourcePorts, destinationPorts }: JudgingRule): Match[] {
  const matches: Match[] = [];
  if (protocol !== undefined) matches.push({ kind: "value", field: "meta l4proto", op: "==", values: [protocol] });
  // Any protocol with ports is any that has ports.
  else if (sourcePorts.length + destinationPorts.length > 0) {
    matches.push({ kind: "value", field: "meta l4proto", op: "==", values: ["tcp", "udp"] });
  }
  const port = (field: Field, ranges: readonly PortRange[]) => {
    if (ranges.length === 0) return;
    matches.push({ kind: "value", field, op: "==", values: ranges.map((range) => (range.first === range.last ? range.first : range)) });
  };
  port("th sport", sourcePorts);
  port("th dport", destinationPorts);
  return matches;
}

const everywhere = { 4: mustPrefix("0.0.0.0/0"), 6: mustPrefix("::/0") } as const;
const loadBalancerPrefix = { 4: azureLoadBalancerPrefix, 6: azureLoadBalancerIpv6Prefix } as const;
/** Up to so many prefixes stand in the rule itself. */
const fewPrefixes = 4;

/** The match for one side of a rule: empty for any address, `nobody` for groups without members. */
function side(peers: Peers, scope: Scope, field: Field, name: string, sets: Map<string, NamedSet>): readonly Match[] | "nobody" {
  const lookup = (set: string, prefixes: readonly Prefix[], op: "==" | "!="): readonly Match[] => {
    sets.set(set, { name: set, key: ["ipv4_addr"], interval: true, elements: prefixes.map((prefix) => ({ key: [prefix] })) });
    return [{ kind: "lookup", fields: [field], op, set }];
  };
  const among = (prefixes: readonly Prefix[]): readonly Match[] | "nobody" => {
    if (prefixes.length === 0) return "nobody";
    return prefixes.length <= fewPrefixes ? [{ kind: "value", field, op: "==", values: prefixes }] : lookup(name, prefixes, "==");
  };
  switch (peers.kind) {
    case "any":
      return peers.family === undefined || peers.family === scope.family ? [] : "nobody";
    case "prefixes":
      return among(peers.prefixes.filter((prefix) => prefixFamily(prefix) === scope.family));
    case "members":
      return among(mergePrefixes(peers.groups.flatMap(scope.members).map(hostPrefix)));
    case "tag":
      break;
  }
  switch (peers.tag) {
    case "AzureLoadBalancer":
      return among([loadBalancerPrefix[scope.family]]);
    case "VirtualNetwork":
      return scope.virtualNetwork.includes(everywhere[scope.family]) ? [] : lookup("VirtualNetwork", scope.virtualNetwork, "==");
    case "Internet": {
      // What is public and not the network's own: a default route makes everything VirtualNetwork, and leaves the Internet where it is.
      const own = scope.virtualNetwork.filter((prefix) => prefix !== everywhere[scope.family]);
      return lookup("not-Internet", mergePrefixes([...notInternet[scope.family], ...own]), "!=");
    }
    default:
      return among(platformTags[peers.tag].map(mustPrefix));
  }
}

/** Before the machine translates destinations. The subnet's group comes first. */
const inboundPriority = priorities.dstnat - 40;
/** After the machine has translated sources. The interface's group comes first. */
const outboundPriority = priorities.srcnat + 50;

/** By the subnet's group, the interface's, and the name of the interface with who is judged. */
const sharedTables = new WeakMap<object, WeakMap<object, Map<string, Table>>>();
const noGroup = {};

/** The table of every machine in a subnet with the same groups: one object. */
function sharedTable(guards: Guards, name: InterfaceName, judged: Judged): Table {
  const ofSubnet = made(sharedTables, guards.subnet ?? noGroup, () => new WeakMap<object, Map<string, Table>>());
  const byName = made(ofSubnet, guards.nic ?? noGroup, () => new Map<string, Table>());
  const key = judged.who === "everybody" ? name : `${name} ${judged.who} ${judged.prefix}`;
  return made(byName, key, () => guardTable(guards, { name }, judged));
}

/** What a map has for a key, made when it has nothing. */
function made<K, V>(map: { get(key: K): V | undefined; set(key: K, value: V): unknown }, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}

function guardTable({ subnet, nic }: Guards, uplink: Uplink, judged: Judged): Table {
  const chain = (name: string, hook: "prerouting" | "postrouting", priority: number, rules: readonly Rule[] | undefined): Chain[] =>
    rules === undefined
      ? []
      : [
          {
            name,
            base: { type: "filter", hook, priority, policy: "accept" },
            rules: [...passing(hook === "prerouting" ? "iifname" : "oifname", uplink, judged), ...rules],
          },
        ];
  // Both groups name the same tags of the same subnet, and may be one group.
  const sets = new Map([...(subnet?.sets ?? []), ...(nic?.sets ?? []), ...insideSet(uplink)].map((set) => [set.name, set]));
  return {
    family: "ip",
    name: judged.who === "pods" ? "network-security-group-pods" : "network-security-group",
    chains: [
      ...chain("subnet-inbound", "prerouting", inboundPriority, subnet?.inbound),
      ...chain("interface-inbound", "prerouting", inboundPriority + 1, nic?.inbound),
      ...chain("interface-outbound", "postrouting", outboundPriority, nic?.outbound),
      ...chain("subnet-outbound", "postrouting", outboundPriority + 1, subnet?.outbound),
    ],
    sets: [...sets.values()],
    maps: [],
  };
}

function insideSet({ inside }: Uplink): readonly NamedSet[] {
  return inside === undefined ? [] : [{ name: "inside", key: ["ipv4_addr"], elements: inside.map((address) => ({ key: [address] })) }];
}

/** What a chain does not judge. */
function passing(device: "iifname" | "oifname", { name, inside }: Uplink, judged: Judged): readonly Rule[] {
  const pass = (match: Match, reason: string): Rule => ({
    matches: [match],
    statements: [{ kind: "verdict", verdict: "return" }],
    origin: { ...guardOrigin, reason },
  });
  return [
    pass(
      { kind: "value", field: "ct status", op: "==", values: ["confirmed"] },
      "security groups judge a flow's first packet; what belongs to a flow that was let through passes",
    ),
    pass(
      { kind: "value", field: "ct state", op: "==", values: ["related"] },
      "news about a flow, such as an ICMP error, goes with the flow",
    ),
    pass({ kind: "value", field: device, op: "!=", values: [name] }, "security groups judge what passes the machine's network interface"),
    ...(inside === undefined
      ? []
      : [
          pass(
            { kind: "lookup", fields: [device === "iifname" ? "ip saddr" : "ip daddr"], op: "==", set: "inside" },
            "the node's own pods are behind the same bridge, not behind the network interface",
          ),
        ]),
    ...(judged.who === "everybody"
      ? []
      : [
          pass(
            {
              kind: "value",
              field: device === "iifname" ? "ip daddr" : "ip saddr",
              op: judged.who === "pods" ? "!=" : "==",
              values: [judged.prefix],
            },
            `pods of a pod subnet (${judged.prefix}) are judged by that subnet's group, and the node by its own`,
          ),
        ]),
  ];
}

const guardOrigin: Omit<Origin, "reason"> = { resource: "Microsoft.Network/networkSecurityGroups", source: securityGroupDocs };

/**
 * The firewall on a machine: a stateful one, as Azure Firewall and other network virtual appliances are. It judges the first packet of a flow by its
 * rules, lets what belongs to a known flow pass, and drops what belongs to none. So it must see both directions of a flow: when the
 * request takes another way than the reply, the one that it sees alone is dropped.
 */

import { type FirewallRule, firewallDocs, firewallRules, privateDestinations } from "../../arm/firewall-rules.ts";
import type { Firewall } from "../../arm/resources.ts";
import type { Origin } from "../../ir/network.ts";
import { type Match, priorities, type Rule, type Table } from "../../ir/ruleset.ts";
import type { Prefix } from "../../net/prefix.ts";
import type { Part } from "../part.ts";

/** Adds the firewall's table to its machine. `machine` is its name, for reasons. */
export function firewallPart(firewall: Firewall | undefined, machine: string): Part {
  return firewall === undefined ? {} : { tables: [table(firewall, machine)] };
}

function table(firewall: Firewall, machine: string): Table {
  const { defaultAction, snat } = firewall.properties;
  const origin = (reason: string): Origin => ({ resource: firewall.id, reason, source: firewallDocs });
  const state = (states: readonly string[], verdict: "accept" | "drop", reason: string): Rule => ({
    matches: [{ kind: "value", field: "ct state", op: "==", values: states }],
    statements: [{ kind: "verdict", verdict }],
    origin: origin(reason),
  });
  const fallback: Rule = {
    matches: [],
    statements: [{ kind: "verdict", verdict: defaultAction === "Allow" ? "accept" : "drop" }],
    origin: origin(`no rule of firewall ${machine} names the flow: ${defaultAction === "Allow" ? "allowed" : "denied"}`),
  };
  return {
    family: "ip",
    name: "firewall",
    chains: [
      {
        name: "forward",
        base: { type: "filter", hook: "forward", priority: priorities.filter, policy: "accept" },
        rules: [
          state(["invalid"], "drop", `firewall ${machine} knows no flow that the packet belongs to: it has not seen how the flow began`),
          state(["established", "related"], "accept", `firewall ${machine} knows the flow`),
          ...firewallRules(firewall).map((rule) => judging(rule, machine, origin)),
          fallback,
        ],
      },
      ...(snat === "none" ? [] : [translation(snat, machine, origin)]),
    ],
    sets: [],
    maps: [],
  };
}

function judging(rule: FirewallRule, machine: string, origin: (reason: string) => Origin): Rule {
  const verb = rule.action === "Allow" ? "allowed" : "denied";
  return {
    matches: matchesOf(rule),
    statements: [{ kind: "verdict", verdict: rule.action === "Allow" ? "accept" : "drop" }],
    origin: origin(`${verb} by rule ${rule.name} of firewall ${machine}: ${ruleWords(rule)}`),
  };
}

function matchesOf({ protocols, sources, destinations, ports }: FirewallRule): Match[] {
  // Any protocol with ports is any that has ports.
  const kinds =
    ports.length === 0 ? protocols : protocols.length === 0 ? (["tcp", "udp"] as const) : protocols.filter((one) => one !== "icmp");
  const value = (
    field: "meta l4proto" | "ip saddr" | "ip daddr" | "th dport",
    values: (Match & { readonly kind: "value" })["values"],
  ): Match[] => (values.length === 0 ? [] : [{ kind: "value", field, op: "==", values }]);
  return [
    ...value("meta l4proto", kinds),
    ...value("ip saddr", sources),
    ...value("ip daddr", destinations),
    ...value(
      "th dport",
      ports.map((range) => (range.first === range.last ? range.first : range)),
    ),
  ];
}

function ruleWords({ protocols, sources, destinations, ports }: FirewallRule): string {
  const what = protocols.length === 0 ? "any protocol" : protocols.join(", ");
  const where = (prefixes: readonly Prefix[]) =>
    prefixes.length === 0 ? "any" : words(prefixes.map((prefix) => prefix.replace(/\/32$/, "")));
  const port =
    ports.length === 0 ? "" : ` port ${words(ports.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`)))}`;
  return `${what} from ${where(sources)} to ${where(destinations)}${port}`;
}

function words(texts: readonly string[]): string {
  return texts.length <= 3 ? texts.join(", ") : `${texts.slice(0, 3).join(", ")} and ${texts.length - 3} more`;
}

function translation(snat: "internet" | "all", machine: string, origin: (reason: string) => Origin): Table["chains"][number] {
  const own: Rule = {
    matches: [{ kind: "value", field: "fib saddr type", op: "==", values: ["local"] }],
    statements: [{ kind: "verdict", verdict: "return" }],
    origin: origin(`machine ${machine} sends under its own address`),
  };
  const inside: Rule = {
    matches: [{ kind: "value", field: "ip daddr", op: "==", values: privateDestinations }],
    statements: [{ kind: "verdict", verdict: "return" }],
    origin: origin(`firewall ${machine} leaves the source as it is: the destination is private`),
  };
  const reason = snat === "all" ? "every flow gets the firewall's address" : "the destination is public";
  return {
    name: "postrouting",
    base: { type: "nat", hook: "postrouting", priority: priorities.srcnat, policy: "accept" },
    rules: [
      own,
      ...(snat === "internet" ? [inside] : []),
      { matches: [], statements: [{ kind: "masquerade" }], origin: origin(`firewall ${machine}: ${reason}`) },
    ],
  };
}

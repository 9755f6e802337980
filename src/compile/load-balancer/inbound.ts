/**
 * Inbound load balancing, done in the fabric: a hash of the flow picks a healthy backend, and the packet goes to that machine with the
 * frontend's address still in it (floating IP). Azure docs: distribution-mode-concepts, load-balancer-floating-ip.
 *
 * The choice is kept in the connection's mark, so that a flow stays with its backend when others come, go or fail their probe. The mark is the
 * backend's primary address; a policy rule per backend takes it there. Everything that does not concern a frontend is left untracked.
 */

import type { Origin, PolicyRule, Route } from "../../ir/network.ts";
import { type Chain, type Field, type MapElement, type Match, priorities, type Rule, type Table } from "../../ir/ruleset.ts";
import { compareAddresses } from "../../net/address.ts";
import { hostPrefix, mustPrefix } from "../../net/prefix.ts";
import type { Part } from "../part.ts";
import type { NicInfo, Topology, VnetInfo } from "../topology.ts";
import { addressMark, links, nicTable, rulePriority } from "../wiring.ts";
import { type BalancingRule, balancingRules, type Distribution, frontendAddresses } from "./frontends.ts";

const source = "Azure docs: load-balancer/distribution-mode-concepts";

/** What each distribution mode hashes. */
const hashedFields: Readonly<Record<Distribution, readonly Field[]>> = {
  Default: ["ip saddr", "th sport", "ip daddr", "th dport", "meta l4proto"],
  SourceIP: ["ip saddr", "ip daddr"],
  SourceIPProtocol: ["ip saddr", "ip daddr", "meta l4proto"],
};

/** Any constant: hashes must only agree with themselves. */
const seed = 1;

const flow: readonly Field[] = ["ip daddr", "meta l4proto", "th dport"];

export function inboundLoadBalancing(topology: Topology, vnet: VnetInfo): Part {
  const frontends = frontendAddresses(topology, vnet);
  if (frontends.length === 0) return {};
  const rules = balancingRules(topology, vnet);
  const backends = uniqueBackends(rules);
  return {
    routes: [
      ...frontends
        .filter((frontend) => frontend.isPublic)
        .map(
          (frontend): Route => ({
            type: "blackhole",
            table: nicTable,
            dst: hostPrefix(frontend.address),
            origin: { ...frontend.origin, reason: `no load-balancing rule takes this: ${frontend.origin.reason}` },
          }),
        ),
      ...backends.map(
        (nic): Route => ({
          type: "unicast",
          table: addressMark(nic.primary),
          dst: mustPrefix("0.0.0.0/0"),
          dev: nic.fabricInterface,
          via: nic.primary,
          onlink: true,
          origin: { resource: nic.resource.id, reason: `backend ${nic.machine}` },
        }),
      ),
    ],
    rules: backends.map(
      (nic): PolicyRule => ({
        priority: rulePriority.loadBalancer,
        family: 4,
        mark: { value: addressMark(nic.primary), mask: 0xffffffff },
        table: addressMark(nic.primary),
        origin: { resource: nic.resource.id, reason: `flows balanced to ${nic.machine}` },
      }),
    ),
    tables: [table(vnet, frontends, rules)],
  };
}

function uniqueBackends(rules: readonly BalancingRule[]): readonly NicInfo[] {
  return [...new Map(rules.flatMap((rule) => rule.healthy).map((nic) => [nic.key, nic])).values()].sort((a, b) =>
    compareAddresses(a.primary, b.primary),
  );
}

function table(vnet: VnetInfo, frontends: ReturnType<typeof frontendAddresses>, rules: readonly BalancingRule[]): Table {
  const origin: Origin = { resource: vnet.resource.id, reason: `load balancing in VNet ${vnet.name}`, source };
  const picks = new Map<string, Chain>();
  for (const rule of rules) if (rule.healthy.length > 0) picks.set(pickName(rule), pickChain(rule, origin));
  // A public frontend is reached from the Internet side only: the VNet's own packets to it go out and come back, translated.
  const balanced = (match: Match): Rule => ({
    matches: [match],
    statements: [{ kind: "vmap", fields: flow, map: "rules" }],
    origin: { ...origin, reason: "a load-balancing rule takes the flow" },
  });
  return {
    family: "ip",
    name: "load-balancer",
    chains: [
      {
        name: "track",
        base: { type: "filter", hook: "prerouting", priority: priorities.raw, policy: "accept" },
        rules: trackRules(origin),
      },
      {
        name: "track-own",
        base: { type: "filter", hook: "output", priority: priorities.raw, policy: "accept" },
        rules: [{ matches: [], statements: [{ kind: "notrack" }], origin: { ...origin, reason: "probes concern no frontend" } }],
      },
      {
        name: "prerouting",
        base: { type: "filter", hook: "prerouting", priority: priorities.mangle, policy: "accept" },
        rules: [
          {
            matches: [
              { kind: "value", field: "ct direction", op: "==", values: ["original"] },
              { kind: "value", field: "ct mark", op: "!=", values: [0] },
            ],
            statements: [
              { kind: "set-mark", target: "meta", value: { kind: "copy", from: "ct" } },
              { kind: "verdict", verdict: "accept" },
            ],
            origin: { ...origin, reason: "a known flow stays with its backend" },
          },
          balanced({ kind: "value", field: "iifname", op: "==", values: [links.fabricToEdge] }),
          balanced({ kind: "lookup", fields: ["ip daddr"], op: "==", set: "private-frontends" }),
        ],
      },
      ...[...picks.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
    ],
    sets: [
      { name: "frontends", key: ["ipv4_addr"], elements: frontends.map(({ address }) => ({ key: [address] })) },
      {
        name: "private-frontends",
        key: ["ipv4_addr"],
        elements: frontends.filter((frontend) => !frontend.isPublic).map(({ address }) => ({ key: [address] })),
      },
    ],
    maps: [
      {
        name: "backends",
        key: ["ipv4_addr", "inet_proto", "inet_service", "mark"],
        value: ["mark"],
        elements: rules.flatMap(backendElements),
      },
      { name: "rules", key: ["ipv4_addr", "inet_proto", "inet_service"], value: "verdict", elements: rules.map(ruleElement) },
    ],
  };
}

/** Packets to and from frontends are tracked; all others cross the fabric without a trace. */
function trackRules(origin: Origin): readonly Rule[] {
  const tracked = (field: "ip saddr" | "ip daddr"): Rule => ({
    matches: [{ kind: "lookup", fields: [field], op: "==", set: "frontends" }],
    statements: [{ kind: "verdict", verdict: "accept" }],
    origin: { ...origin, reason: "flows of frontends are tracked" },
  });
  return [
    tracked("ip daddr"),
    tracked("ip saddr"),
    { matches: [], statements: [{ kind: "notrack" }], origin: { ...origin, reason: "everything else is routed without state" } },
  ];
}

/** Chains are shared by the rules with as many healthy backends and the same distribution mode. */
function pickName(rule: BalancingRule): string {
  return `${rule.distribution}-of-${rule.healthy.length}`;
}

function pickChain(rule: BalancingRule, origin: Origin): Chain {
  const fields = hashedFields[rule.distribution];
  return {
    name: pickName(rule),
    rules: [
      {
        matches: [],
        statements: [
          { kind: "set-mark", target: "meta", value: { kind: "hash", fields, modulus: rule.healthy.length, seed, offset: 0 } },
          { kind: "set-mark", target: "meta", value: { kind: "map", fields: [...flow, "meta mark"], map: "backends" } },
          { kind: "set-mark", target: "ct", value: { kind: "copy", from: "meta" } },
        ],
        origin: {
          ...origin,
          reason: `a hash of ${fields.length === 5 ? "the five-tuple" : fields.join(", ")} picks one of ${rule.healthy.length} healthy backends`,
        },
      },
    ],
  };
}

function ruleElement(rule: BalancingRule): MapElement {
  const key = [rule.frontend, rule.protocol, rule.frontendPort];
  if (rule.healthy.length === 0) {
    return {
      key,
      value: { verdict: "drop" },
      origin: { ...rule.origin, reason: `${rule.origin.reason}: none of ${rule.poolSize} backends answers the health probe` },
    };
  }
  return { key, value: { verdict: "goto", chain: pickName(rule) }, origin: rule.origin };
}

function backendElements(rule: BalancingRule): MapElement[] {
  return rule.healthy.map((nic, slot) => ({
    key: [rule.frontend, rule.protocol, rule.frontendPort, slot],
    value: [addressMark(nic.primary)],
    origin: { ...rule.origin, reason: `${rule.origin.reason} picks backend ${nic.machine} (${nic.primary})` },
  }));
}

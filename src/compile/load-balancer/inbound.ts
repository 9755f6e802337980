/**
 * Inbound load balancing, done in the fabric: a hash of the flow picks a healthy backend, and the packet goes to that machine with the
 * frontend's address still in it (floating IP), or else translated to the machine's own address and the node port.
 * Azure docs: distribution-mode-concepts, load-balancer-floating-ip.
 *
 * The choice is kept in the connection's mark: a TCP flow stays with its backend when others come, go or fail their probe, and when its own
 * fails; a UDP flow moves then (load-balancer-custom-probe-overview). The mark is the backend's primary address; a policy rule per backend takes
 * it there. Everything that does not concern a frontend is left untracked.
 */

import { faultReason } from "../../arm/faults.ts";
import type { InterfaceName, Origin, PolicyRule, Route } from "../../ir/network.ts";
import {
  type Chain,
  type Field,
  type MapElement,
  type Match,
  type NamedSet,
  priorities,
  type Rule,
  type SetElement,
  type Table,
} from "../../ir/ruleset.ts";
import { type Address, compareAddresses } from "../../net/address.ts";
import { hostPrefix, mustPrefix } from "../../net/prefix.ts";
import type { Part } from "../part.ts";
import type { NicInfo, Topology, VnetInfo } from "../topology.ts";
import { links, nicTable, rulePriority } from "../wiring.ts";
import { type BalancingRule, balancingRules, type Distribution, frontendAddresses } from "./frontends.ts";

const source = "Azure docs: load-balancer/distribution-mode-concepts";

/** What each distribution mode hashes. */
export const hashedFields: Readonly<Record<Distribution, readonly Field[]>> = {
  Default: ["ip saddr", "th sport", "ip daddr", "th dport", "meta l4proto"],
  SourceIP: ["ip saddr", "ip daddr"],
  SourceIPProtocol: ["ip saddr", "ip daddr", "meta l4proto"],
};

/** Any constant: hashes must only agree with themselves. */
const seed = 1;

const flow: readonly Field[] = ["ip daddr", "meta l4proto", "th dport"];
/** Of a rule for every port. */
const anyFlow: readonly Field[] = ["ip daddr"];

/**
 * `diverted`: packets with the mark of a sender whose routes take them elsewhere first; they are balanced when they come from there.
 * `onTheWay`: links by which packets come that are on their way to an appliance, wherever they go.
 */
export function inboundLoadBalancing(
  topology: Topology,
  vnet: VnetInfo,
  diverted: readonly { readonly senderMark: number; readonly address: Address }[],
  onTheWay: readonly InterfaceName[],
): Part {
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
          table: nic.mark,
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
        mark: { value: nic.mark, mask: 0xffffffff },
        table: nic.mark,
        origin: { resource: nic.resource.id, reason: `flows balanced to ${nic.machine}` },
      }),
    ),
    tables: [table(vnet, frontends, rules, diverted, onTheWay)],
  };
}

function uniqueBackends(rules: readonly BalancingRule[]): readonly NicInfo[] {
  return [...new Map(rules.flatMap((rule) => rule.members).map((nic) => [nic.key, nic])).values()].sort((a, b) =>
    compareAddresses(a.primary, b.primary),
  );
}

function table(
  vnet: VnetInfo,
  frontends: ReturnType<typeof frontendAddresses>,
  rules: readonly BalancingRule[],
  diverted: readonly { readonly senderMark: number; readonly address: Address }[],
  onTheWay: readonly InterfaceName[],
): Table {
  const origin: Origin = { resource: vnet.resource.id, reason: `load balancing in VNet ${vnet.name}`, source };
  const picks = new Map<string, Chain>();
  for (const rule of rules) if (rule.healthy.length > 0) picks.set(pickName(rule), pickChain(rule, origin));
  const onePort = rules.filter((rule) => rule.protocol !== "all");
  const allPorts = rules.filter((rule) => rule.protocol === "all");
  const translated = onePort.filter((rule) => rule.nodePort !== undefined);
  const readdressed = allPorts.filter((rule) => rule.nodePort !== undefined);
  return {
    family: "ip",
    name: "load-balancer",
    chains: [
      {
        name: "track",
        base: { type: "filter", hook: "prerouting", priority: priorities.raw, policy: "accept" },
        rules: [
          ...(onTheWay.length === 0 ? [] : [onTheWayRule(origin)]),
          ...(diverted.length === 0 ? [] : divertedRules(origin)),
          ...trackRules(origin, translated.length > 0, readdressed.length > 0),
        ],
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
          ...(diverted.length === 0 && onTheWay.length === 0 ? [] : [untrackedRule(origin)]),
          ...knownFlows(origin, rules),
          ...newFlows(origin, allPorts.length > 0),
        ],
      },
      hairpinChain(["iifname", "meta mark"], origin),
      ...(translated.length + readdressed.length === 0 ? [] : [translation(origin, translated.length > 0, readdressed.length > 0)]),
      ...[...picks.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
    ],
    sets: [
      { name: "frontends", key: ["ipv4_addr"], elements: frontends.map(({ address }) => ({ key: [address] })) },
      {
        name: "own-flows",
        key: ["ifname", "mark"],
        elements: uniqueBackends(rules).map((nic) => ({ key: [nic.fabricInterface, nic.mark] })),
      },
      {
        name: "private-frontends",
        key: ["ipv4_addr"],
        elements: frontends.filter((frontend) => !frontend.isPublic).map(({ address }) => ({ key: [address] })),
      },
      ...(diverted.length === 0
        ? []
        : [
            {
              name: "diverted",
              key: ["mark", "ipv4_addr"],
              elements: diverted.map(({ senderMark, address }) => ({ key: [senderMark, address] })),
            } as const,
            {
              name: "backend-links",
              key: ["ifname"],
              elements: uniqueBackends(rules).map((nic) => ({ key: [nic.fabricInterface] })),
            } as const,
          ]),
      ...(onTheWay.length === 0
        ? []
        : [{ name: "on-the-way", key: ["ifname"], elements: onTheWay.map((name) => ({ key: [name] })) } as const]),
      ...servingSets(rules),
      ...(translated.length === 0 ? [] : [translatedSet(translated)]),
      ...(readdressed.length === 0
        ? []
        : [
            {
              name: "readdressed",
              key: ["ipv4_addr"],
              elements: uniqueBackends(readdressed).map((nic) => ({ key: [nic.primary] })),
            } as const,
          ]),
    ],
    maps: [
      {
        name: "backends",
        key: ["ipv4_addr", "inet_proto", "inet_service", "mark"],
        value: ["mark"],
        elements: onePort.flatMap(backendElements),
      },
      { name: "rules", key: ["ipv4_addr", "inet_proto", "inet_service"], value: "verdict", elements: onePort.map(ruleElement) },
      ...(allPorts.length === 0
        ? []
        : [
            {
              name: "backends-all-ports",
              key: ["ipv4_addr", "mark"],
              value: ["mark"],
              elements: allPorts.flatMap(backendElements),
            } as const,
            { name: "rules-all-ports", key: ["ipv4_addr"], value: "verdict", elements: allPorts.map(ruleElement) } as const,
          ]),
      ...(translated.length === 0
        ? []
        : [
            {
              name: "node-ports",
              key: ["ipv4_addr", "inet_proto", "inet_service", "mark"],
              value: ["ipv4_addr", "inet_service"],
              elements: translated.flatMap(translationElements),
            } as const,
          ]),
      ...(readdressed.length === 0
        ? []
        : [
            {
              name: "machines",
              key: ["ipv4_addr", "mark"],
              value: ["ipv4_addr"],
              elements: readdressed.flatMap(translationElements),
            } as const,
          ]),
    ],
  };
}

/** A flow that passes an appliance passes the fabric twice each way. It is tracked where it meets the backend, and only there. */
function divertedRules(origin: Origin): readonly Rule[] {
  const statements: Rule["statements"] = [{ kind: "notrack" }, { kind: "verdict", verdict: "accept" }];
  return [
    {
      matches: [{ kind: "lookup", fields: ["meta mark", "ip daddr"], op: "==", set: "diverted" }],
      statements,
      origin: { ...origin, reason: "the route table of the sender's subnet takes it elsewhere first" },
    },
    {
      matches: [
        { kind: "lookup", fields: ["ip saddr"], op: "==", set: "private-frontends" },
        { kind: "lookup", fields: ["iifname"], op: "!=", set: "backend-links" },
      ],
      statements,
      origin: { ...origin, reason: "a frontend's reply that an appliance sends on" },
    },
  ];
}

/** What goes to an appliance for the sake of a route is balanced when the appliance sends it on. */
function onTheWayRule(origin: Origin): Rule {
  return {
    matches: [{ kind: "lookup", fields: ["iifname"], op: "==", set: "on-the-way" }],
    statements: [{ kind: "notrack" }, { kind: "verdict", verdict: "accept" }],
    origin: { ...origin, reason: "on its way to the appliance that is a route's next hop" },
  };
}

function untrackedRule(origin: Origin): Rule {
  return {
    matches: [{ kind: "value", field: "ct state", op: "==", values: ["untracked"] }],
    statements: [{ kind: "verdict", verdict: "accept" }],
    origin: { ...origin, reason: "what is not tracked is not balanced" },
  };
}

/** Packets to and from frontends are tracked; all others cross the fabric without a trace. */
function trackRules(origin: Origin, hasTranslated: boolean, hasReaddressed: boolean): readonly Rule[] {
  const tracked = (fields: readonly Field[], set: string, reason: string): Rule => ({
    matches: [{ kind: "lookup", fields, op: "==", set }],
    statements: [{ kind: "verdict", verdict: "accept" }],
    origin: { ...origin, reason },
  });
  return [
    tracked(["ip daddr"], "frontends", "flows of frontends are tracked"),
    tracked(["ip saddr"], "frontends", "flows of frontends are tracked"),
    ...(hasTranslated
      ? [tracked(["ip saddr", "meta l4proto", "th sport"], "translated", "replies from node ports may be a frontend's")]
      : []),
    ...(hasReaddressed ? [tracked(["ip saddr"], "readdressed", "replies from any port may be a frontend's")] : []),
    { matches: [], statements: [{ kind: "notrack" }], origin: { ...origin, reason: "everything else is routed without state" } },
  ];
}

const original: Match = { kind: "value", field: "ct direction", op: "==", values: ["original"] };
const isUdp: Match = { kind: "value", field: "meta l4proto", op: "==", values: ["udp"] };

/** Flows that have a backend already. */
function knownFlows(origin: Origin, rules: readonly BalancingRule[]): readonly Rule[] {
  const stays = (matches: readonly Match[], reason: string): Rule => ({
    matches: [original, ...matches],
    statements: [
      { kind: "set-mark", target: "meta", value: { kind: "copy", from: "ct" } },
      { kind: "verdict", verdict: "accept" },
    ],
    origin: { ...origin, reason, source: "Azure docs: load-balancer/load-balancer-custom-probe-overview" },
  });
  const serving = (fields: readonly Field[], set: string) =>
    stays(
      [isUdp, { kind: "lookup", fields: [...fields, "ct mark"], op: "==", set }],
      "a known flow stays while its backend answers the probe",
    );
  return [
    stays(
      [
        { kind: "value", field: "ct mark", op: "!=", values: [0] },
        { kind: "value", field: "meta l4proto", op: "!=", values: ["udp"] },
      ],
      "a known flow stays with its backend",
    ),
    ...(rules.some((rule) => rule.protocol === "udp") ? [serving(flow, "serving")] : []),
    ...(rules.some((rule) => rule.protocol === "all") ? [serving(anyFlow, "serving-all-ports")] : []),
  ];
}

/**
 * Who may go on with a UDP flow. Without floating IP that is every member of the pool: the translation of a flow that is under way does not
 * change, so that such a flow stays where it is, which is not as in Azure.
 */
function servingSets(rules: readonly BalancingRule[]): readonly NamedSet[] {
  const elements = (rule: BalancingRule) =>
    (rule.nodePort === undefined ? rule.healthy : rule.members).map((nic) => ({ key: [...ruleKey(rule), nic.mark] }));
  const udp = rules.filter((rule) => rule.protocol === "udp");
  const all = rules.filter((rule) => rule.protocol === "all");
  return [
    ...(udp.length === 0
      ? []
      : [{ name: "serving", key: ["ipv4_addr", "inet_proto", "inet_service", "mark"], elements: udp.flatMap(elements) } as const]),
    ...(all.length === 0 ? [] : [{ name: "serving-all-ports", key: ["ipv4_addr", "mark"], elements: all.flatMap(elements) } as const]),
  ];
}

/** A public frontend is reached from the Internet side only: the VNet's own packets to it go out and come back, translated. */
function newFlows(origin: Origin, hasAllPorts: boolean): readonly Rule[] {
  const balanced = (match: Match, fields: readonly Field[], map: string): Rule => ({
    matches: [match],
    statements: [{ kind: "vmap", fields, map }],
    origin: { ...origin, reason: "a load-balancing rule takes the flow" },
  });
  return [
    balanced({ kind: "value", field: "iifname", op: "==", values: [links.fabricToEdge] }, flow, "rules"),
    balanced({ kind: "lookup", fields: ["ip daddr"], op: "==", set: "private-frontends" }, flow, "rules"),
    ...(hasAllPorts
      ? [balanced({ kind: "value", field: "meta l4proto", op: "==", values: ["tcp", "udp"] }, anyFlow, "rules-all-ports")]
      : []),
  ];
}

/** Without floating IP the backend gets the flow at its own address; replies are translated back. */
function translation(origin: Origin, hasTranslated: boolean, hasReaddressed: boolean): Chain {
  return {
    name: "translation",
    base: { type: "nat", hook: "prerouting", priority: priorities.dstnat, policy: "accept" },
    rules: [
      ...(hasTranslated ? [translating([...flow, "meta mark"], "node-ports", origin)] : []),
      ...(hasReaddressed ? [translating([...anyFlow, "meta mark"], "machines", origin)] : []),
    ],
  };
}

function translating(fields: readonly Field[], map: string, origin: Origin): Rule {
  return {
    matches: [{ kind: "value", field: "meta l4proto", op: "==", values: ["tcp", "udp"] }],
    statements: [{ kind: "dnat", to: { fields, map } }],
    origin: { ...origin, reason: "a rule without floating IP sends to the backend's own address" },
  };
}

function translatedSet(rules: readonly BalancingRule[]): NamedSet {
  const keys = new Map(
    rules.flatMap((rule) =>
      rule.members.map((nic): [string, SetElement["key"]] => [
        `${nic.primary} ${rule.protocol} ${rule.nodePort}`,
        [nic.primary, rule.protocol, rule.nodePort ?? 0],
      ]),
    ),
  );
  return { name: "translated", key: ["ipv4_addr", "inet_proto", "inet_service"], elements: [...keys.values()].map((key) => ({ key })) };
}

function translationElements(rule: BalancingRule): MapElement[] {
  return rule.members.map((nic) => ({
    key: [...ruleKey(rule), nic.mark],
    value: rule.protocol === "all" ? [nic.primary] : [nic.primary, rule.nodePort ?? 0],
    origin: { ...rule.origin, reason: `${rule.origin.reason} has no floating IP: ${nic.machine} gets it at its own address` },
  }));
}

/** Chains are shared by the rules with as many healthy backends and the same distribution mode. */
function pickName(rule: BalancingRule): string {
  return `${rule.distribution}-of-${rule.healthy.length}${rule.protocol === "all" ? "-all-ports" : ""}`;
}

function pickChain(rule: BalancingRule, origin: Origin): Chain {
  const fields = hashedFields[rule.distribution];
  const [key, map] = rule.protocol === "all" ? [anyFlow, "backends-all-ports"] : [flow, "backends"];
  return {
    name: pickName(rule),
    rules: [
      {
        matches: [],
        statements: [
          { kind: "set-mark", target: "meta", value: { kind: "hash", fields, modulus: rule.healthy.length, seed, offset: 0 } },
          { kind: "set-mark", target: "meta", value: { kind: "map", fields: [...key, "meta mark"], map } },
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

function ruleKey(rule: BalancingRule): MapElement["key"] {
  return rule.protocol === "all" ? [rule.frontend] : [rule.frontend, rule.protocol, rule.frontendPort];
}

function ruleElement(rule: BalancingRule): MapElement {
  const key = ruleKey(rule);
  if (rule.healthy.length === 0) {
    return { key, value: { verdict: "drop" }, origin: { ...rule.origin, ...noBackendReason(rule) } };
  }
  return { key, value: { verdict: "goto", chain: pickName(rule) }, origin: rule.origin };
}

/** A backend's own flow that would come back to it ends. `fields`: who sends, and the backend that was picked, as the set `own-flows` has them. */
export function hairpinChain(fields: readonly Field[], origin: Origin): Chain {
  return {
    name: "hairpin",
    base: { type: "filter", hook: "prerouting", priority: priorities.mangle + 1, policy: "accept" },
    rules: [
      {
        matches: [{ kind: "lookup", fields, op: "==", set: "own-flows" }],
        statements: [{ kind: "verdict", verdict: "drop" }],
        origin: {
          ...origin,
          reason:
            "the flow comes from the backend that it is balanced to: a backend cannot reach itself by a frontend of its own load balancer",
          source: "Azure docs: load-balancer/load-balancer-overview (limitations)",
        },
      },
    ],
  };
}

/** Why nobody gets the flows of a rule. */
export function noBackendReason({ probeFault: fault, probeAnswer: answer, origin, poolSize }: BalancingRule): Partial<Origin> {
  const cause = fault === undefined ? {} : { resource: fault.id };
  const why =
    fault !== undefined ? `: ${faultReason(fault)}` : answer !== undefined ? ` with 200: GET ${answer.path} gets ${answer.status}` : "";
  const reason = `${origin.reason}: none of ${poolSize} backends answers the health probe${why}`;
  return { ...cause, reason, source: "Azure docs: load-balancer/load-balancer-custom-probe-overview" };
}

function backendElements(rule: BalancingRule): MapElement[] {
  return rule.healthy.map((nic, slot) => ({
    key: [...ruleKey(rule), slot],
    value: [nic.mark],
    origin: { ...rule.origin, reason: `${rule.origin.reason} picks backend ${nic.machine} (${nic.primary})` },
  }));
}

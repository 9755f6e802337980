/**
 * Policies as rules: a chain for each direction of a policy, which accepts what the policy allows, and a chain for pods that the same policies
 * select, which asks each of those and then drops. Rules name sets by content, so that policies that say the same share them.
 */

import type { NetworkPolicyEngine } from "../../arm/resources.ts";
import { hashDigits } from "../../ir/names.ts";
import type { Origin } from "../../ir/network.ts";
import type { Chain, Field, Match, NamedSet, Rule, SetElement } from "../../ir/ruleset.ts";
import { type Direction, type PolicyRule, rulesOf, ruleText, selectionOf } from "../../kube/network-policy.ts";
import type { NetworkPolicy, NetworkPolicyPort } from "../../kube/objects.ts";
import type { Family } from "../../net/address.ts";
import { joined, prefixesOf, type Span } from "./blocks.ts";
import type { PodSet } from "./pod-sets.ts";

/** Where policies are, and who reads them. */
export type Enforcement = { readonly cluster: string; readonly family: Family; readonly engine: NetworkPolicyEngine };

export const source = "k8sdoc: concepts/services-networking/network-policies";

/** A set that a rule asks: filled with pods, or with what the policy itself says. */
export type SetUse = { readonly name: string; readonly key: NamedSet["key"] } & (
  | { readonly pods: PodSet }
  | { readonly elements: readonly SetElement[] }
  | { readonly everyAddress: true }
);

/** One direction of one policy: a chain that accepts what the policy allows, and comes back otherwise. */
export type PolicyPart = {
  readonly name: string;
  readonly chain: Chain;
  readonly sets: readonly SetUse[];
  readonly allows: readonly string[];
};

/** Pods that the same policies select: a chain that asks each, then drops. */
export type Isolation = {
  readonly policies: readonly NetworkPolicy[];
  readonly chain: Chain;
  readonly parts: readonly PolicyPart[];
  readonly origin: Origin;
};

/** Both ends of a connection, as fields: who is judged, who is the peer. */
export const fields = {
  ingress: { own: "ct reply ip saddr", peer: "ct original ip saddr" },
  egress: { own: "ct original ip saddr", peer: "ct reply ip saddr" },
} as const satisfies Record<Direction, Record<"own" | "peer", Field>>;
const toPort: readonly Field[] = ["ct original protocol", "ct reply proto-src"];

/** The chain is called `name`. */
export function makeIsolation(where: Enforcement, name: string, policies: readonly NetworkPolicy[], direction: Direction): Isolation {
  const all = policies.map((policy) => partOf(where, policy, direction));
  const parts = all.filter(({ chain }) => chain.rules.length > 0);
  const names = policies.map(nameOf).join(", ");
  const [first] = policies;
  const origin: Origin = {
    resource: first === undefined ? "" : keyOf(where, first),
    reason: `isolated for ${direction} by NetworkPolicy ${names}`,
    source,
  };
  const allows = all.flatMap((part) => part.allows);
  return {
    policies,
    parts,
    origin,
    chain: {
      name,
      rules: [
        ...parts.map(
          ({ name, chain }): Rule => ({
            matches: [],
            statements: [{ kind: "verdict", verdict: "jump", chain: chain.name }],
            origin: { ...origin, reason: `does NetworkPolicy ${name} allow it?` },
          }),
        ),
        {
          matches: [],
          statements: [{ kind: "verdict", verdict: "drop" }],
          origin: { ...origin, reason: `default deny of NetworkPolicy ${names} (${direction}); ${wouldAllow(allows)}` },
        },
      ],
    },
  };
}

/** Rules listed with a drop; a person reads no more. */
const listed = 6;

function wouldAllow(allows: readonly string[]): string {
  if (allows.length === 0) return "no rule of theirs allows anything";
  const more = allows.length > listed ? `; and ${allows.length - listed} more` : "";
  return `would be allowed by ${allows.slice(0, listed).join("; or by ")}${more}`;
}

const parts = new WeakMap<NetworkPolicy, Map<string, PolicyPart>>();

/** The same object for the same policy, in every version and on every node of a cluster. */
function partOf(where: Enforcement, policy: NetworkPolicy, direction: Direction): PolicyPart {
  const made = parts.get(policy) ?? new Map<string, PolicyPart>();
  parts.set(policy, made);
  const key = `${direction} ${where.engine} ${where.cluster} ${where.family}`;
  const part = made.get(key) ?? makePart(where, policy, direction);
  made.set(key, part);
  return part;
}

function makePart(where: Enforcement, policy: NetworkPolicy, direction: Direction): PolicyPart {
  const sets = new Map<string, SetUse>();
  const namespace = policy.metadata.namespace ?? "default";
  const allows: string[] = [];
  const ask = (fieldsOfSet: readonly Field[], use: SetUse, op: "==" | "!=" = "=="): Match => {
    sets.set(use.name, use);
    return { kind: "lookup", fields: fieldsOfSet, op, set: use.name };
  };
  const rules = rulesOf(policy, direction).flatMap((rule): Rule[] => {
    const text = ruleText(rule, direction, namespace);
    allows.push(`${rule.name} of ${nameOf(policy)} ${text}`);
    const origin: Origin = {
      resource: keyOf(where, policy),
      reason: `NetworkPolicy ${nameOf(policy)}, ${rule.name}, allows traffic ${text}`,
      source,
    };
    const accept = (matches: readonly Match[]): Rule => ({ matches, statements: [{ kind: "verdict", verdict: "accept" }], origin });
    return peersOf(where, rule, namespace).flatMap((peer) => {
      const from = peer.uses.map(({ use, op }) => ask([fields[direction].peer], use, op));
      if (rule.ports === undefined) return [accept(from)];
      const numbers = numberedPorts(rule.ports);
      return [
        ...(numbers === undefined ? [] : [accept([...from, ask(toPort, numbers)])]),
        ...namedPorts(rule.ports).map((port) => {
          // A name is resolved by the pod that is asked for it.
          const selection =
            direction === "ingress" ? { podSelector: policy.spec.podSelector ?? {}, in: { namespace } } : (peer.selection ?? everyPod);
          return accept([
            ...(direction === "egress" && peer.selection !== undefined ? [] : from),
            ask([fields.ingress.own, ...toPort], podSet({ selection, port })),
          ]);
        }),
      ];
    });
  });
  // A set that only another form of the rule asks is none of ours.
  const asked = new Set(rules.flatMap(({ matches }) => matches.flatMap((match) => (match.kind === "lookup" ? [match.set] : []))));
  return {
    name: nameOf(policy),
    chain: { name: `${direction}-policy-${hashDigits(keyOf(where, policy), 12)}`, rules },
    sets: [...sets.values()].filter(({ name }) => asked.has(name)),
    allows,
  };
}

/** One way to be a peer: in all of the sets (or in none of those with `!=`). */
type Peer = { readonly uses: readonly { readonly use: SetUse; readonly op: "==" | "!=" }[]; readonly selection?: PodSet["selection"] };

function peersOf({ engine, family }: Enforcement, { peers }: PolicyRule, namespace: string): readonly Peer[] {
  if (peers === undefined) return [{ uses: [] }];
  const result: Peer[] = [];
  const blocks = peers.flatMap((peer) => peer.ipBlock ?? []);
  const prefixes = prefixesOf(blocks, family);
  if (prefixes.length > 0) {
    const name = `blocks-${hashDigits(prefixes.join(" "), 12)}`;
    result.push({
      uses: [
        { use: { name, key: ["ipv4_addr"], elements: prefixes.map((prefix) => ({ key: [prefix] })) }, op: "==" },
        // AKS docs, azure-cni-powered-by-cilium: ipBlock matches no address of a pod or a node.
        ...(engine === "cilium" ? [{ use: { name: "cluster", key: ["ipv4_addr"], everyAddress: true }, op: "!=" } as const] : []),
      ],
    });
  }
  for (const peer of peers) {
    if (peer.ipBlock !== undefined) continue;
    const selection = selectionOf(peer, namespace);
    result.push({ uses: [{ use: podSet({ selection }), op: "==" }], selection });
  }
  return result;
}

const everyPod: PodSet["selection"] = { podSelector: {}, in: { namespaceSelector: {} } };

function podSet(pods: PodSet): SetUse {
  const hash = hashDigits(JSON.stringify([pods.selection, pods.port]), 12);
  return pods.port === undefined
    ? { name: `pods-${hash}`, key: ["ipv4_addr"], pods }
    : { name: `named-${hash}`, key: ["ipv4_addr", "inet_proto", "inet_service"], pods };
}

const protocols = { TCP: "tcp", UDP: "udp", SCTP: "sctp" } as const;

/** Ports by number, ranges, and whole protocols, as one set. */
function numberedPorts(ports: readonly NetworkPolicyPort[]): SetUse | undefined {
  const elements = Object.entries(protocols).flatMap(([wanted, name]) => {
    const spans = ports.flatMap(({ protocol = "TCP", port, endPort }): Span[] => {
      if (protocol !== wanted || typeof port === "string") return [];
      return [port === undefined ? { first: 0, last: 65_535 } : { first: port, last: endPort ?? port }];
    });
    return joined(spans).map((span): SetElement => ({ key: [name, span.first === span.last ? span.first : span] }));
  });
  const name = `ports-${hashDigits(JSON.stringify(elements), 12)}`;
  return elements.length === 0 ? undefined : { name, key: ["inet_proto", "inet_service"], elements };
}

function namedPorts(ports: readonly NetworkPolicyPort[]): readonly NonNullable<PodSet["port"]>[] {
  return ports.flatMap(({ protocol = "TCP", port }) => (typeof port === "string" ? [{ name: port, protocol }] : []));
}

/** `shop/default-deny`. */
export function nameOf({ metadata }: NetworkPolicy): string {
  return `${metadata.namespace}/${metadata.name}`;
}

function keyOf({ cluster }: Enforcement, { metadata }: NetworkPolicy): string {
  return `${cluster}:${metadata.namespace}/NetworkPolicy/${metadata.name}`;
}

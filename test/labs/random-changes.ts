/** Changes by chance of what decides about packets, and moves nobody: network policies, routes, rules of security groups. */

import type { NetworkSecurityGroup, RouteTable, SecurityRule } from "../../src/arm/resources.ts";
import type { NetworkPolicy } from "../../src/kube/objects.ts";
import type { Chance } from "../../src/lab/check.ts";
import type { LabView } from "../../src/lab/view.ts";
import { armBucket, armKey, kubeBucket, kubeKey, type Write } from "../../src/resources/resources.ts";
import { randomPolicies } from "../policies/random-policies.ts";
import { words } from "./random-network-policies.ts";

export const changeKinds = ["policy added", "policy changed", "policy removed", "route added", "route removed", "rule changed"] as const;

export type RandomChange = { readonly kind: (typeof changeKinds)[number]; readonly writes: readonly Write[] };

/** Of a kind that the lab has something for. */
export function randomChange(chance: Chance, view: LabView): RandomChange | undefined {
  const kind = changeKinds[chance.below(changeKinds.length)] ?? "policy added";
  const writes = kind.startsWith("policy")
    ? policyWrites(chance, view, kind)
    : kind === "rule changed"
      ? ruleWrites(chance, view)
      : routeWrites(chance, view, kind);
  return writes.length === 0 ? undefined : { kind, writes };
}

function policyWrites(chance: Chance, { topology, resources }: LabView, kind: string): readonly Write[] {
  const cluster = pick(chance, [...topology.clusters.keys()]);
  if (cluster === undefined) return [];
  const [made] = randomPolicies(chance, 1, words);
  const policies = resources.list(kubeBucket(cluster, "NetworkPolicy")) as readonly unknown[] as readonly NetworkPolicy[];
  const known = pick(chance, policies);
  if (made === undefined || (kind !== "policy added" && known === undefined)) return [];
  const metadata =
    kind === "policy added" || known === undefined ? { ...made.metadata, name: `added-${chance.below(1000)}` } : known.metadata;
  const value = kind === "policy removed" ? undefined : { ...made, metadata };
  return [{ key: kubeKey(cluster, "NetworkPolicy", metadata.namespace, metadata.name), value }];
}

function routeWrites(chance: Chance, { endpoints, resources }: LabView, kind: string): readonly Write[] {
  const table = pick(chance, resources.list(armBucket("Microsoft.Network/routeTables")) as readonly unknown[] as readonly RouteTable[]);
  if (table === undefined) return [];
  const { routes } = table.properties;
  const gone = pick(chance, routes);
  if (kind === "route removed" && gone === undefined) return [];
  const end = pick(chance, endpoints);
  const prefixes = ["0.0.0.0/0", "10.0.0.0/8", "192.168.0.0/16", "203.0.113.0/24", "198.18.0.0/15", `${end?.address}/32`];
  const addressPrefix = pick(
    chance,
    prefixes.filter((prefix) => routes.every((route) => route.properties.addressPrefix !== prefix)),
  );
  const nextHopType = pick(chance, ["None", "Internet", "VnetLocal"] as const);
  if (addressPrefix === undefined || nextHopType === undefined) return [];
  const name = `added-${chance.below(1000)}`;
  const made = { id: `${table.id}/routes/${name}`, name, properties: { addressPrefix, nextHopType } };
  const next = kind === "route removed" ? routes.filter((route) => route !== gone) : [...routes, made];
  return [{ key: armKey(table.id), value: { ...table, properties: { ...table.properties, routes: next } } }];
}

function ruleWrites(chance: Chance, { resources }: LabView): readonly Write[] {
  const bucket = armBucket("Microsoft.Network/networkSecurityGroups");
  const group = pick(chance, resources.list(bucket) as readonly unknown[] as readonly NetworkSecurityGroup[]);
  if (group === undefined) return [];
  const { securityRules } = group.properties;
  const gone = chance.below(2) === 0 ? pick(chance, securityRules) : undefined;
  const direction = pick(chance, ["Inbound", "Outbound"] as const) ?? "Inbound";
  const priority = 3000 + chance.below(1000);
  const made: SecurityRule = {
    id: `${group.id}/securityRules/added-${priority}`,
    name: `added-${priority}`,
    properties: {
      protocol: pick(chance, ["Tcp", "Udp", "*"] as const) ?? "*",
      access: pick(chance, ["Allow", "Deny"] as const) ?? "Deny",
      direction,
      priority,
      sourceAddressPrefix: pick(chance, ["*", "VirtualNetwork", "10.40.0.0/16"]) ?? "*",
      sourcePortRange: "*",
      destinationAddressPrefix: "*",
      destinationPortRange: pick(chance, ["*", "80", "443"]) ?? "*",
    },
  };
  const next = gone === undefined ? [...securityRules, made] : securityRules.filter((rule) => rule !== gone);
  return [{ key: armKey(group.id), value: { ...group, properties: { ...group.properties, securityRules: next } } }];
}

function pick<T>(chance: Chance, items: readonly T[]): T | undefined {
  return items.length === 0 ? undefined : items[chance.below(items.length)];
}

/**
 * What must follow when a design becomes another one: addresses that are others now, routes that come and go, and rules that name the addresses of before:
 * of security groups, firewalls and network policies. What stands outside of the documents (an on-premises firewall, a partner's allow-list)
 * is named by what it will see.
 */

import { type NetworkOption, optionNames } from "../arm/network-option.ts";
import type { Firewall, NetworkSecurityGroup, RouteTable } from "../arm/resources.ts";
import { judgingRules } from "../arm/security-rules.ts";
import { outboundShares } from "../compile/load-balancer/outbound.ts";
import type { ClusterInfo } from "../compile/topology.ts";
import { directions, rulesOf } from "../kube/network-policy.ts";
import type { LabView } from "../lab/view.ts";
import { mergePrefixes, type Prefix, parseLoosePrefix, prefixCovers, prefixesOverlap } from "../net/prefix.ts";
import { armBucket } from "../resources/resources.ts";

/** Ranges of addresses. */
export type Ranges = readonly string[];

export type ClusterAddresses = {
  readonly cluster: string;
  readonly option: { readonly before: string; readonly after: string };
  /** Where pods have their addresses. */
  readonly pods: { readonly before: Ranges; readonly after: Ranges };
  /** What the VNet, peers and sites see of packets that pods send out of the cluster. */
  readonly seenOutside: { readonly before: Ranges; readonly after: Ranges };
  /** Of packets to the Internet by a load balancer. */
  readonly outbound: { readonly before: Ranges; readonly after: Ranges };
  /** Addresses of subnets that the cluster's network interfaces hold. */
  readonly subnetAddresses: { readonly before: number; readonly after: number };
};

export type RouteChange = {
  readonly table: string;
  readonly change: "added" | "removed";
  readonly routes: number;
  readonly examples: readonly string[];
};

/** A rule that named addresses of before and does not name those of after. */
export type RuleToChange = {
  /** `NSG data-nsg`, `firewall of vm/fw`, `NetworkPolicy shop:shop/from-nodes`. */
  readonly where: string;
  readonly rule: string;
  readonly access: "Allow" | "Deny";
  readonly side: "source" | "destination";
  readonly cluster: string;
  /** What it names of before. */
  readonly names: Ranges;
  /** What it must name now. */
  readonly mustName: Ranges;
};

export type Consequences = {
  readonly addresses: readonly ClusterAddresses[];
  readonly routes: readonly RouteChange[];
  readonly rules: readonly RuleToChange[];
};

export function consequencesOf(left: LabView, right: LabView, renamed: ReadonlyMap<string, string> = new Map()): Consequences {
  const pairs = [...left.topology.clusters.values()].flatMap((before) => {
    const after = right.topology.clusters.get(renamed.get(before.name) ?? before.name);
    return after === undefined ? [] : [{ before, after }];
  });
  const changed = pairs.map(({ before, after }) => ({ before, after, addresses: addressesOf(left, before, right, after) }));
  return {
    addresses: changed.flatMap(({ addresses }) => (isSame(addresses) ? [] : [addresses])),
    routes: routeChanges(left, right),
    rules: changed.flatMap(({ addresses }) => rulesToChange(right, addresses)),
  };
}

function isSame({ option, pods, seenOutside, outbound, subnetAddresses }: ClusterAddresses): boolean {
  const same = ({ before, after }: { readonly before: unknown; readonly after: unknown }) =>
    JSON.stringify(before) === JSON.stringify(after);
  return same(option) && same(pods) && same(seenOutside) && same(outbound) && same(subnetAddresses);
}

function addressesOf(left: LabView, before: ClusterInfo, right: LabView, after: ClusterInfo): ClusterAddresses {
  const both = <T>(of: (view: LabView, cluster: ClusterInfo) => T) => ({ before: of(left, before), after: of(right, after) });
  return {
    cluster: before.name,
    option: both((_, { option }) => optionNames[option]),
    pods: both((_, cluster) => podRanges(cluster)),
    seenOutside: both((_, cluster) => (hidesPods[cluster.option] ? nodeRanges(cluster) : podRanges(cluster))),
    outbound: both((view, cluster) => outboundAddresses(view, cluster)),
    subnetAddresses: both((_, cluster) => heldAddresses(cluster)),
  };
}

/** Do pods leave the cluster under their node's address? */
const hidesPods: Readonly<Record<NetworkOption, boolean>> = {
  kubenet: true,
  overlay: true,
  nodeSubnet: false,
  podSubnet: false,
  // Or they do not get out at all.
  none: true,
};

function podRanges(cluster: ClusterInfo): Ranges {
  if (cluster.podCidr !== undefined && hidesPods[cluster.option]) return [cluster.podCidr];
  const nics = [...cluster.nodes.values()].map(({ nic }) => nic);
  return distinct(nics.map(({ pods, subnet }) => (pods?.subnet ?? subnet).prefix));
}

function nodeRanges(cluster: ClusterInfo): Ranges {
  return distinct([...cluster.nodes.values()].map(({ nic }) => nic.subnet.prefix));
}

function outboundAddresses(view: LabView, cluster: ClusterInfo): Ranges {
  const own = new Set<string>([...cluster.nodes.values()].map(({ nic }) => nic.primary));
  return distinct(
    outboundShares(view.topology, cluster.vnet)
      .filter(({ backend }) => own.has(backend))
      .map(({ publicAddress }) => publicAddress),
  );
}

function heldAddresses(cluster: ClusterInfo): number {
  return [...cluster.nodes.values()].reduce((sum, { nic }) => {
    const pods = nic.pods?.resource.status.networkContainers.reduce((count, { ipAssignments }) => count + ipAssignments.length, 0) ?? 0;
    return sum + 1 + nic.secondary.length + pods;
  }, 0);
}

function distinct(texts: readonly string[]): Ranges {
  return [...new Set(texts)].sort();
}

const shownRoutes = 3;

function routeChanges(left: LabView, right: LabView): readonly RouteChange[] {
  const [before, after] = [routesOf(left), routesOf(right)];
  const tables = [...new Set([...before.keys(), ...after.keys()])].sort();
  return tables.flatMap((table): RouteChange[] => {
    const [old, now] = [before.get(table) ?? new Set<string>(), after.get(table) ?? new Set<string>()];
    const change = (kind: RouteChange["change"], routes: readonly string[]): RouteChange[] =>
      routes.length === 0 ? [] : [{ table, change: kind, routes: routes.length, examples: routes.slice(0, shownRoutes) }];
    return [
      ...change(
        "removed",
        [...old].filter((route) => !now.has(route)),
      ),
      ...change(
        "added",
        [...now].filter((route) => !old.has(route)),
      ),
    ];
  });
}

/** `10.244.0.0/24 via 10.240.0.4`, by name of the table. */
function routesOf(view: LabView): ReadonlyMap<string, ReadonlySet<string>> {
  // A bucket holds resources of its type only: keys and values are written together.
  const tables = view.resources.list(armBucket("Microsoft.Network/routeTables")) as readonly unknown[] as readonly RouteTable[];
  return new Map(
    tables.map(({ name, properties }) => [
      name,
      new Set(
        properties.routes.map(({ properties: { addressPrefix, nextHopType, nextHopIpAddress } }) =>
          nextHopIpAddress === undefined ? `${addressPrefix} to ${nextHopType}` : `${addressPrefix} via ${nextHopIpAddress}`,
        ),
      ),
    ]),
  );
}

/** One side of a rule that names prefixes. */
type Named = Pick<RuleToChange, "where" | "rule" | "access" | "side"> & { readonly prefixes: readonly Prefix[] };

function rulesToChange(view: LabView, { cluster, pods, seenOutside }: ClusterAddresses): readonly RuleToChange[] {
  return namedSides(view).flatMap((named) => {
    const missing = [pods, seenOutside].flatMap(({ before, after }) => {
      const names = prefixesOf(before).flatMap((range) => named.prefixes.filter((prefix) => prefixesOverlap(prefix, range)));
      const isNamed = (range: Prefix) => named.prefixes.some((prefix) => prefixCovers(prefix, range));
      const mustName = before.join() === after.join() ? [] : prefixesOf(after).filter((range) => !isNamed(range));
      return names.length === 0 || mustName.length === 0 ? [] : [{ names, mustName }];
    });
    if (missing.length === 0) return [];
    const { prefixes: _prefixes, ...where } = named;
    const names = mergePrefixes(missing.flatMap((one) => one.names));
    return [{ ...where, cluster, names, mustName: mergePrefixes(missing.flatMap((one) => one.mustName)) }];
  });
}

function prefixesOf(ranges: Ranges): readonly Prefix[] {
  return ranges.flatMap((range) => parseLoosePrefix(range.includes("/") ? range : `${range}/32`) ?? []);
}

function namedSides(view: LabView): readonly Named[] {
  // A bucket holds resources of its type only: keys and values are written together.
  const groups = view.resources.list(armBucket("Microsoft.Network/networkSecurityGroups")) as readonly unknown[];
  const firewalls = view.resources.list(armBucket("Drydock.Lab/firewalls")) as readonly unknown[];
  return [
    ...(groups as readonly NetworkSecurityGroup[]).flatMap((group) =>
      (["Inbound", "Outbound"] as const).flatMap((direction) =>
        judgingRules(group, direction).flatMap(({ name, access, source, destination }) =>
          (["source", "destination"] as const).flatMap((side): Named[] => {
            const peers = side === "source" ? source : destination;
            if (peers.kind !== "prefixes") return [];
            return [{ where: `NSG ${group.name}`, rule: name, access, side, prefixes: peers.prefixes }];
          }),
        ),
      ),
    ),
    ...(firewalls as readonly Firewall[]).flatMap(({ properties }) => {
      const machine = properties.virtualMachine.id.slice(properties.virtualMachine.id.lastIndexOf("/") + 1);
      return properties.rules.flatMap((rule) =>
        (["source", "destination"] as const).flatMap((side): Named[] => {
          const texts = side === "source" ? rule.sourceAddresses : rule.destinationAddresses;
          return texts.includes("*")
            ? []
            : [{ where: `firewall of vm/${machine}`, rule: rule.name, access: rule.action, side, prefixes: prefixesOf(texts) }];
        }),
      );
    }),
    ...[...view.topology.clusters.values()].flatMap(({ name, networkPolicies }) =>
      networkPolicies.flatMap((policy) =>
        directions.flatMap((direction) =>
          rulesOf(policy, direction).flatMap(({ name: rule, peers = [] }): Named[] => {
            const blocks = peers.flatMap(({ ipBlock }) => (ipBlock === undefined ? [] : prefixesOf([ipBlock.cidr])));
            if (blocks.length === 0) return [];
            const where = `NetworkPolicy ${name}:${policy.metadata.namespace ?? "default"}/${policy.metadata.name}`;
            return [{ where, rule, access: "Allow", side: direction === "ingress" ? "source" : "destination", prefixes: blocks }];
          }),
        ),
      ),
    ),
  ];
}

/** A rule of a network security group denied: the rule that allows this flow and nothing else, at the least intrusive priority that works. */

import { segmentAfter } from "../../arm/names.ts";
import type { ManagedCluster, NetworkSecurityGroup, SecurityRule } from "../../arm/resources.ts";
import type { Service } from "../../kube/objects.ts";
import type { LabView } from "../../lab/view.ts";
import type { Address } from "../../net/address.ts";
import { hostPrefix } from "../../net/prefix.ts";
import { armBucket, armKey, kubeKey } from "../../resources/resources.ts";
import type { Change } from "../change.ts";
import type { Obstacle } from "../obstacle.ts";
import { interfaceOf, placeOf } from "../places.ts";
import { protocolName } from "../words.ts";
import { betweenNetworks } from "./peering.ts";

/** Azure docs: network-security-groups-overview. */
const lowestPriority = 100;
const highestPriority = 4096;

export function forSecurityGroup(view: LabView, obstacle: Obstacle): readonly Change[] {
  const { origin, element = "", packet } = obstacle;
  const group = view.resources.get(armKey(origin?.resource ?? "")) as NetworkSecurityGroup | undefined;
  if (group === undefined) return [];
  const direction = element.endsWith("outbound") ? "Outbound" : "Inbound";
  const cluster = managedBy(view, group);
  const denied = group.properties.securityRules.filter(
    ({ properties }) => properties.direction === direction && properties.access === "Deny",
  );
  // The rule that denied is one of these or a default one: the higher the number, the less else the new rule overrules.
  const before = [highestPriority + 1, ...denied.map(({ properties }) => properties.priority)].sort((a, b) => b - a);
  const priorities = [...new Set(before.flatMap((priority) => freeBelow(group, direction, priority) ?? []))];
  const rules = priorities.map((priority): Change => {
    const rule = ruleFor(obstacle, direction, priority);
    const { sourceAddressPrefix, destinationAddressPrefix, destinationPortRange, protocol } = rule.properties;
    const port = destinationPortRange === "*" ? "" : ` port ${destinationPortRange}`;
    return {
      kind: "security-rule",
      what: `add rule ${rule.name} to NSG ${group.name}: ${direction}, priority ${priority}, Allow ${protocol} from ${sourceAddressPrefix} to ${destinationAddressPrefix}${port}`,
      owner: `NSG ${group.name}, resource group ${segmentAfter(group.id, "resourceGroups")}${cluster === undefined ? "" : `, which AKS made for cluster ${cluster.name}`}`,
      document: rule,
      ...(cluster === undefined ? {} : { note: "AKS supports own rules on subnets' groups, not on its own: better put it there" }),
      writes: (resources) => {
        const now = resources.get(armKey(group.id)) as NetworkSecurityGroup | undefined;
        if (now === undefined) return [];
        const securityRules = [...now.properties.securityRules, rule];
        return [{ key: armKey(group.id), value: { ...now, properties: { ...now.properties, securityRules } } }];
      },
    };
  });
  // The default rules let a peered VNet's addresses in and out, and no stranger's.
  const peered = peering(view, obstacle, direction);
  if (cluster !== undefined) return [...forService(view, cluster, packet.destination, packet.source), ...peered, ...rules];
  return [...rules, ...renumbered(group, obstacle, direction), ...peered];
}

/** The other end is in a VNet that the tag VirtualNetwork does not have. */
function peering(view: LabView, { host, packet }: Obstacle, direction: "Inbound" | "Outbound"): readonly Change[] {
  const own = interfaceOf(view, host, packet.destination)?.vnet;
  const other = placeOf(view, direction === "Outbound" ? packet.destination : packet.source);
  if (own === undefined || other === undefined || other.kind === "public" || other.vnet === own) return [];
  return betweenNetworks(own, other.vnet, other.kind === "site" ? "of other" : "none");
}

/** Where the rule that denies has the lowest number of all, it makes room: it moves to the next free one. */
function renumbered(group: NetworkSecurityGroup, obstacle: Obstacle, direction: "Inbound" | "Outbound"): readonly Change[] {
  const isOwn = ({ properties }: SecurityRule) => properties.direction === direction;
  const first = group.properties.securityRules.find((rule) => isOwn(rule) && rule.properties.priority === lowestPriority);
  if (first?.properties.access !== "Deny") return [];
  const taken = new Set(group.properties.securityRules.filter(isOwn).map(({ properties }) => properties.priority));
  let free = lowestPriority;
  while (taken.has(free)) free++;
  const rule = ruleFor(obstacle, direction, lowestPriority);
  // Those between keep their order when all of them move by one.
  const moved = (one: SecurityRule): SecurityRule =>
    isOwn(one) && one.properties.priority < free
      ? { ...one, properties: { ...one.properties, priority: one.properties.priority + 1 } }
      : one;
  return [
    {
      kind: "security-rule",
      what: `add rule ${rule.name} to NSG ${group.name}: ${direction}, priority ${lowestPriority}, Allow; ${free === lowestPriority + 1 ? `rule ${first.name} moves` : `rules from ${lowestPriority} to ${free - 1} move`} up by one to make room`,
      owner: `NSG ${group.name}, resource group ${segmentAfter(group.id, "resourceGroups")}`,
      document: [rule, ...group.properties.securityRules.filter((one) => moved(one) !== one).map(moved)],
      writes: (resources) => {
        const now = resources.get(armKey(group.id)) as NetworkSecurityGroup | undefined;
        if (now === undefined) return [];
        const securityRules = [...now.properties.securityRules.map(moved), rule];
        return [{ key: armKey(group.id), value: { ...now, properties: { ...now.properties, securityRules } } }];
      },
    },
  ];
}

function managedBy(view: LabView, group: NetworkSecurityGroup): ManagedCluster | undefined {
  const own = segmentAfter(group.id, "resourceGroups").toLowerCase();
  const clusters = view.resources.list(
    armBucket("Microsoft.ContainerService/managedClusters"),
  ) as readonly unknown[] as readonly ManagedCluster[];
  return clusters.find(({ properties }) => properties.nodeResourceGroup.toLowerCase() === own);
}

function freeBelow({ properties }: NetworkSecurityGroup, direction: string, priority: number): number | undefined {
  const taken = new Set(
    properties.securityRules.filter((rule) => rule.properties.direction === direction).map((rule) => rule.properties.priority),
  );
  for (let free = priority - 1; free >= lowestPriority; free--) if (!taken.has(free)) return free;
  return undefined;
}

function ruleFor({ packet }: Obstacle, direction: "Inbound" | "Outbound", priority: number): SecurityRule {
  const { source, destination, destinationPort, protocol } = packet;
  const names = { tcp: "Tcp", udp: "Udp", icmp: "Icmp", sctp: "*" } as const;
  const port = destinationPort === undefined ? "" : `-${destinationPort}`;
  return {
    name: `allow-${protocolName(protocol)}-${plain(source)}-to-${plain(destination)}${port}`,
    properties: {
      priority,
      direction,
      access: "Allow",
      protocol: names[protocol],
      sourceAddressPrefix: source,
      sourcePortRange: "*",
      destinationAddressPrefix: destination,
      destinationPortRange: destinationPort === undefined ? "*" : String(destinationPort),
    },
  };
}

function plain(address: string): string {
  return address.replace(/[.:]+/g, "-");
}

/** AKS writes the rules of its own group from Services: who may reach one is said there (AKS docs: load-balancer-standard). */
function forService(view: LabView, { name: cluster }: ManagedCluster, destination: Address, source: Address): readonly Change[] {
  const services = view.topology.clusters.get(cluster)?.services ?? [];
  return services
    .filter(({ status }) => status?.loadBalancer?.ingress?.some(({ ip }) => ip === destination) === true)
    .flatMap((service) => admitting(cluster, service, source));
}

/** A Service that names who may reach it, with one more. */
export function admitting(cluster: string, service: Service, source: Address): readonly Change[] {
  const { loadBalancerSourceRanges: ranges = [] } = service.spec;
  if (ranges.length === 0) return [];
  const { namespace = "default", name } = service.metadata;
  const key = kubeKey(cluster, "Service", namespace, name);
  const range = hostPrefix(source);
  return [
    {
      kind: "service",
      what: `add ${range} to loadBalancerSourceRanges of Service ${namespace}/${name}`,
      owner: `namespace ${namespace} of cluster ${cluster}; AKS writes rules of its security group from it`,
      document: { spec: { loadBalancerSourceRanges: [...ranges, range] } },
      writes: (resources) => {
        const now = resources.get(key) as Service | undefined;
        if (now === undefined) return [];
        const loadBalancerSourceRanges = [...(now.spec.loadBalancerSourceRanges ?? []), range];
        return [{ key, value: { ...now, spec: { ...now.spec, loadBalancerSourceRanges } } }];
      },
    },
  ];
}

/**
 * The security rules that judge a network interface's packets, in the order in which they are tried, as
 * `az network nic list-effective-nsg` shows them: the rules of its groups, the default ones among them, with what their tags stand for here.
 */

import type { NetworkSecurityGroup } from "../../arm/resources.ts";
import { type Direction, type JudgingRule, judgingRules, type Peers, type PortRange } from "../../arm/security-rules.ts";
import { azureLoadBalancerPrefix, isPlatformTag, platformTags } from "../../arm/service-tags.ts";
import { hostPrefix } from "../../net/prefix.ts";
import { armKey } from "../../resources/resources.ts";
import type { NicInfo, SubnetInfo, Topology, VnetInfo } from "../topology.ts";
import { virtualNetworkPrefixes } from "./virtual-network.ts";

export type EffectiveSecurityRule = {
  readonly direction: Direction;
  /** Where the group is: `subnet hub/data`, or `the network interface`. */
  readonly association: string;
  readonly networkSecurityGroup: string;
  readonly priority: number;
  readonly name: string;
  readonly access: "Allow" | "Deny";
  readonly protocol: string;
  readonly source: Side;
  readonly destination: Side;
};

type Side = {
  /** As the rule says it. */
  readonly addresses: readonly string[];
  /** What a service tag or a group stands for here; not for `Internet`, which is what is outside. */
  readonly expanded?: readonly string[];
  readonly ports: readonly string[];
};

/** Packets meet them from above to below: inbound the subnet's group first, outbound the interface's. */
export function effectiveSecurityRules(topology: Topology, vnet: VnetInfo, nic: NicInfo): readonly EffectiveSecurityRule[] {
  const own = { group: nic.securityGroup, subnet: nic.subnet, association: "the network interface" };
  const subnets = [nic.subnet, ...(nic.pods === undefined ? [] : [nic.pods.subnet])].map((subnet) => ({
    group: subnet.securityGroup,
    subnet,
    association: `subnet ${vnet.name}/${subnet.resource.name}`,
  }));
  const rulesOf =
    (direction: Direction) => (place: { group: NetworkSecurityGroup | undefined; subnet: SubnetInfo; association: string }) => {
      const { group, subnet, association } = place;
      if (group === undefined) return [];
      const expand = (peers: Peers) => expanded(topology, vnet, subnet, peers);
      return judgingRules(group, direction).map((rule) => ({
        direction,
        association,
        networkSecurityGroup: group.name,
        priority: rule.priority,
        name: rule.name,
        access: rule.access,
        protocol: rule.protocol ?? "any",
        source: side(rule.source, rule.sourcePorts, expand),
        destination: side(rule.destination, rule.destinationPorts, expand),
      }));
    };
  return [...[...subnets, own].flatMap(rulesOf("Inbound")), ...[own, ...subnets].flatMap(rulesOf("Outbound"))];
}

function side(peers: Peers, ports: readonly PortRange[], expand: (peers: Peers) => readonly string[] | undefined): Side {
  const expansion = expand(peers);
  return {
    addresses: addresses(peers),
    ...(expansion === undefined ? {} : { expanded: expansion }),
    ports: ports.length === 0 ? ["any"] : ports.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`)),
  };
}

function addresses(peers: JudgingRule["source"]): readonly string[] {
  switch (peers.kind) {
    case "any":
      return ["any"];
    case "prefixes":
      return peers.prefixes;
    case "tag":
      return [peers.tag];
    case "members":
      return peers.groups.map((group) => group.slice(group.lastIndexOf("/") + 1));
  }
}

function expanded(topology: Topology, vnet: VnetInfo, subnet: SubnetInfo, peers: Peers): readonly string[] | undefined {
  if (peers.kind === "members") {
    return peers.groups.flatMap((group) => topology.applicationSecurityGroups.get(armKey(group)) ?? []).map(hostPrefix);
  }
  if (peers.kind !== "tag") return undefined;
  if (isPlatformTag(peers.tag)) return platformTags[peers.tag];
  if (peers.tag === "VirtualNetwork") return virtualNetworkPrefixes(vnet, subnet);
  return peers.tag === "AzureLoadBalancer" ? [azureLoadBalancerPrefix] : undefined;
}

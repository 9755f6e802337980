/**
 * The security group of a cluster, which is on the network interface of every node, and in it the rules that let senders through to Services of type
 * LoadBalancer (cloud-provider-azure, pkg/provider/loadbalancer/accesscontrol.go, pkg/provider/securitygroup). AKS never touches groups of the
 * user's own, on subnets say (AKS docs, concepts-network-legacy-cni).
 *
 * Rules name the load balancer's address and the Service's own ports; of a Service that turns floating IP off, the nodes' addresses and the node ports.
 * An internal IPv6 frontend has no floating IP whatever its Service says, and its rules name the load balancer's address all the same
 * (pkg/provider/azure_loadbalancer.go, reconcileSecurityGroup): packets come to a node's address and match none of them, so such a frontend is open
 * to the virtual network and closed to everybody else. Services that let in the same senders on the same ports share a rule; a rule keeps its
 * priority for as long as it is there.
 */

import { ranges } from "../arm/limits.ts";
import { md5 } from "../arm/md5.ts";
import { armId, clusterDigits, securityGroupName } from "../arm/names.ts";
import type { IPVersion, ManagedCluster, NetworkSecurityGroup, SecurityRule } from "../arm/resources.ts";
import { defaultSecurityRules } from "../arm/security-rules.ts";
import { type LoadBalancerAccess, loadBalancerAccess } from "../kube/load-balancer-access.ts";
import type { Service } from "../kube/objects.ts";
import { hasFloatingIp } from "./azure-annotations.ts";
import { syncWarnings, type Warning } from "./events.ts";
import { perCluster } from "./memo.ts";
import { clusterTags, getArm, listKube, Writes } from "./view.ts";

/** pkg/consts/consts.go: allowing rules take the lowest free priority, the denying one the highest. */
const lowestPriority = 500;
const highestPriority = 4095;
const invalidConfiguration = "InvalidConfiguration";

export const securityGroups = perCluster("security-groups", (resources, cluster) => {
  const writes = new Writes(resources);
  const warnings: Warning[] = [];
  const before = getArm(resources, "Microsoft.Network/networkSecurityGroups", nodeSecurityGroupId(cluster));
  const drafts = new Map<string, Draft>();
  const nodeAddresses = () =>
    listKube(resources, cluster, "Node").flatMap(({ status }) =>
      status.addresses.flatMap((one) => (one.type === "InternalIP" ? one.address : [])),
    );
  for (const service of listKube(resources, cluster, "Service")) {
    const ingress = (service.status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => ip ?? []);
    if (service.spec.type !== "LoadBalancer" || ingress.length === 0) continue;
    const access = loadBalancerAccess(service);
    for (const family of ["IPv4", "IPv6"] as const) {
      const isOfFamily = (address: string) => address.includes(":") === (family === "IPv6");
      const own = ingress.filter(isOfFamily);
      if (own.length === 0) continue;
      const floats = hasFloatingIp(service);
      const addresses = floats ? own : nodeAddresses().filter(isOfFamily);
      for (const draft of draftsOf(service, access, family, floats)) {
        const known = drafts.get(draft.name) ?? { ...draft, destinations: new Set<string>() };
        drafts.set(draft.name, known);
        for (const address of addresses) known.destinations.add(address);
      }
    }
    if (access.invalidRanges.length > 0) {
      const { namespace = "", name } = service.metadata;
      const message = `Found invalid ranges ${JSON.stringify(access.invalidRanges)}, ignoring and adding a default DenyAll rule in security group.`;
      warnings.push({ reason: invalidConfiguration, message, involvedObject: { kind: "Service", namespace, name } });
    }
  }
  syncWarnings(resources, writes, cluster, [invalidConfiguration], warnings);
  const id = nodeSecurityGroupId(cluster);
  writes.putArm({
    id,
    name: securityGroupName(clusterDigits(cluster.properties.dnsPrefix)),
    type: "Microsoft.Network/networkSecurityGroups",
    ...(cluster.location === undefined ? {} : { location: cluster.location }),
    tags: clusterTags(cluster),
    properties: { securityRules: [...prioritized([...drafts.values()], before), ...outboundRules(cluster)], defaultSecurityRules },
  });
  return writes.list;
});

/** With outbound type `block` AKS denies the Internet; its rule's name and priority are not documented (AKS docs, egress-outboundtype.md). */
function outboundRules({ properties }: ManagedCluster): readonly SecurityRule[] {
  return properties.networkProfile.outboundType === "block" ? [blockOutbound] : [];
}

const blockOutbound: SecurityRule = {
  name: "block-outbound",
  properties: {
    protocol: "*",
    sourceAddressPrefix: "*",
    sourcePortRange: "*",
    destinationAddressPrefix: "Internet",
    destinationPortRange: "*",
    access: "Deny",
    priority: ranges.securityRulePriority.max,
    direction: "Outbound",
  },
};

/** Of the network interfaces of a cluster's nodes. */
export function nodeSecurityGroupId(cluster: ManagedCluster): string {
  const name = securityGroupName(clusterDigits(cluster.properties.dnsPrefix));
  return armId(cluster.properties.nodeResourceGroup, "Microsoft.Network/networkSecurityGroups", name);
}

/** A rule without its priority. */
type Draft = {
  readonly name: string;
  readonly access: "Allow" | "Deny";
  readonly protocol: "Tcp" | "Udp" | "*";
  readonly sources: readonly string[];
  /** Empty: all. */
  readonly ports: readonly string[];
  readonly destinations: Set<string>;
};

function draftsOf(
  service: Service,
  { ranges: all, serviceTags, fromInternet, denyAllOthers }: LoadBalancerAccess,
  family: IPVersion,
  floats: boolean,
): readonly Omit<Draft, "destinations">[] {
  const ranges = all.filter((range) => range.includes(":") === (family === "IPv6"));
  const tags = fromInternet ? [...serviceTags, "Internet"] : serviceTags;
  const senders = [...tags.map((tag) => [tag]), ...(ranges.length === 0 ? [] : [ranges])];
  const drafts = (["Tcp", "Udp"] as const).flatMap((protocol) => {
    const ports = (service.spec.ports ?? [])
      .filter((port) => (port.protocol === "UDP") === (protocol === "Udp"))
      .map(({ port, nodePort }) => String(floats ? port : nodePort));
    return ports.length === 0 ? [] : senders.map((sources) => allowing(family, protocol, [...sources].sort(), ports.sort()));
  });
  const denying = { name: `k8s-azure-lb_deny-all_${family}`, access: "Deny", protocol: "*", sources: ["*"], ports: [] } as const;
  return denyAllOthers ? [...drafts, denying] : drafts;
}

function allowing(
  family: IPVersion,
  protocol: "Tcp" | "Udp",
  sources: readonly string[],
  ports: readonly string[],
): Omit<Draft, "destinations"> {
  const name = `k8s-azure-lb_allow_${family}_${md5([protocol, sources.join(","), ports.join(",")].join("_"))}`;
  return { name, access: "Allow", protocol, sources, ports };
}

function prioritized(drafts: readonly Draft[], before: NetworkSecurityGroup | undefined): readonly SecurityRule[] {
  const names = new Set(drafts.map(({ name }) => name));
  const kept = new Map(
    (before?.properties.securityRules ?? [])
      .filter(({ name }) => names.has(name))
      .map(({ name, properties }) => [name, properties.priority]),
  );
  const taken = new Set(kept.values());
  const free = ({ access }: Draft): number => {
    const step = access === "Allow" ? 1 : -1;
    let priority = access === "Allow" ? lowestPriority : highestPriority;
    while (taken.has(priority)) priority += step;
    taken.add(priority);
    return priority;
  };
  return drafts
    .map((draft) => ruleOf(draft, kept.get(draft.name) ?? free(draft)))
    .sort((a, b) => a.properties.priority - b.properties.priority);
}

function ruleOf({ name, access, protocol, sources, ports, destinations }: Draft, priority: number): SecurityRule {
  const to = [...destinations].sort();
  const [source, otherSource] = sources;
  return {
    name,
    properties: {
      protocol,
      ...(source !== undefined && otherSource === undefined ? { sourceAddressPrefix: source } : { sourceAddressPrefixes: sources }),
      sourcePortRange: "*",
      ...(to[0] !== undefined && to.length === 1 ? { destinationAddressPrefix: to[0] } : { destinationAddressPrefixes: to }),
      ...(ports.length === 0 ? { destinationPortRange: "*" } : { destinationPortRanges: ports }),
      access,
      priority,
      direction: "Inbound",
    },
  };
}

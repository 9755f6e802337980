/** Rules of how a cluster leaves for the Internet: its outbound type, and the ports and addresses of its outbound rule. */

import { lengthOf, parsePrefix } from "../../net/prefix.ts";
import { limits, type Range, ranges } from "../limits.ts";
import { segmentAfter } from "../names.ts";
import type { ManagedCluster } from "../resources.ts";
import type { ArmProblem, PropertyPath, Report } from "./problem.ts";
import { type AzureView, sameId, subnetLabel } from "./view.ts";

const docs = "aks:egress-outboundtype.md";

export function checkOutbound(view: AzureView, cluster: ManagedCluster, report: Report): void {
  const refuse: Refuse = (property, details) =>
    report({ severity: "error", ...details, id: cluster.id, property: ["networkProfile", ...property] });
  checkType(view, cluster, refuse);
  checkProfile(view, cluster, refuse);
  checkNatProfile(cluster, refuse);
}

type Refuse = (
  property: PropertyPath,
  details: Omit<ArmProblem, "id" | "property" | "severity"> & { readonly severity?: "warning" },
) => void;

/** What each outbound type needs of the subnets. */
function checkType(view: AzureView, cluster: ManagedCluster, refuse: Refuse): void {
  const { outboundType } = cluster.properties.networkProfile;
  const subnets = new Set(view.poolsOf(cluster).map((pool) => pool.properties.vnetSubnetID));
  const isManaged = (id: string) => sameId(segmentAfter(id, "resourceGroups"), cluster.properties.nodeResourceGroup);
  const own = [...subnets].filter((id) => !isManaged(id) && view.subnet(id) !== undefined);
  const managed = [...subnets].filter(isManaged);
  const type = (message: string, fix: string, code = "InvalidParameter", source = docs) =>
    refuse(["outboundType"], { code, value: outboundType, message, source, fix });
  switch (outboundType) {
    case "loadBalancer":
    case "none":
      return;
    case "managedNATGateway":
    case "block":
      if (outboundType === "block" && view.labs[0]?.properties.rules === "lesson") {
        type(
          "outbound type block did not exist under rules: lesson, where default outbound access lets everybody out",
          "use rules: current",
        );
      }
      if (own[0] === undefined) return;
      type(
        `outbound type ${outboundType} is for clusters in AKS's own VNet; cluster ${cluster.name} is in subnet ${subnetLabel(own[0])}`,
        outboundType === "block" ? "leave the subnet out, or use none" : "leave the subnet out, or use userAssignedNATGateway",
      );
      return;
    case "userAssignedNATGateway":
    case "userDefinedRouting":
      if (managed[0] !== undefined) {
        type(
          `outbound type ${outboundType} is for clusters in a subnet of one's own; cluster ${cluster.name} has none, so AKS makes its VNet`,
          "give the cluster a subnet",
        );
      }
      for (const id of own) if (outboundType === "userDefinedRouting") checkDefaultRoute(view, id, type);
      for (const id of own) {
        if (outboundType === "userDefinedRouting" || view.subnet(id)?.properties.natGateway !== undefined) continue;
        type(
          `subnet ${subnetLabel(id)} has no NAT gateway, which outbound type userAssignedNATGateway needs`,
          "name the subnet in natGateways[].subnets",
        );
      }
      return;
    default:
      throw new Error(`unknown outbound type ${String(outboundType satisfies never)}`);
  }
}

/** AKS looks for the way out when the cluster is made: a default route to an appliance or a gateway. */
function checkDefaultRoute(
  view: AzureView,
  id: string,
  refuse: (message: string, fix: string, code?: string, source?: string) => void,
): void {
  const label = subnetLabel(id);
  const reference = view.subnet(id)?.properties.routeTable;
  const table = reference === undefined ? undefined : view.routeTable(reference.id);
  const fix = "add a route 0.0.0.0/0 with nextHopType VirtualAppliance or VirtualNetworkGateway";
  if (table === undefined) {
    refuse(
      `subnet ${label} has no route table, which outbound type userDefinedRouting needs`,
      `describe one under routeTables, and ${fix}`,
      "ExistingRouteTableNotAssociatedWithSubnet",
    );
    return;
  }
  const route = table.properties.routes.find(({ properties }) => {
    const prefix = parsePrefix(properties.addressPrefix);
    return prefix !== undefined && lengthOf(prefix) === 0;
  });
  if (route === undefined) {
    refuse(`route table ${table.name} of subnet ${label} has no route 0.0.0.0/0, which outbound type userDefinedRouting needs`, fix);
    return;
  }
  const { nextHopType } = route.properties;
  if (nextHopType === "VirtualAppliance" || nextHopType === "VirtualNetworkGateway") return;
  refuse(
    `default route 0.0.0.0/0 of route table ${table.name} has a next hop of ${nextHopType}, but only VirtualAppliance and VirtualNetworkGateway are allowed`,
    fix,
    "RouteTableInvalidNextHop",
    "terraform-provider-azurerm issue 8609 (2020-09)",
  );
}

function checkProfile(view: AzureView, cluster: ManagedCluster, refuse: Refuse): void {
  const { outboundType, loadBalancerProfile: profile } = cluster.properties.networkProfile;
  const { managedOutboundIPs, outboundIPs, outboundIPPrefixes, allocatedOutboundPorts, idleTimeoutInMinutes } = profile;
  const base = ["loadBalancerProfile"];
  const inRange = (property: PropertyPath, value: number, range: Range): boolean => {
    if (value >= range.min && value <= range.max) return true;
    const message = `${property.join(".")} is ${value}; it must be ${range.min} to ${range.max}`;
    refuse([...base, ...property], { code: "InvalidParameter", value, message, source: range.source });
    return false;
  };
  const given = Object.entries({ managedOutboundIPs, outboundIPs, outboundIPPrefixes }).filter(([, value]) => value !== undefined);
  if (given.length > 1) {
    const names = given.map(([name]) => name);
    refuse([...base, names.at(-1) ?? ""], {
      code: "InvalidParameter",
      message: `${names.join(" and ")} exclude one another: outbound addresses are AKS's, or addresses of one's own, or prefixes of one's own`,
      source: "aks:configure-load-balancer-standard.md",
      fix: "leave one of them",
    });
  }
  const isCountGood =
    managedOutboundIPs === undefined || inRange(["managedOutboundIPs", "count"], managedOutboundIPs.count, ranges.managedOutboundIPs);
  inRange(["idleTimeoutInMinutes"], idleTimeoutInMinutes, ranges.outboundIdleTimeout);
  if (!inRange(["allocatedOutboundPorts"], allocatedOutboundPorts, ranges.allocatedOutboundPorts)) return;
  const { outboundPortStep, outboundPortsPerAddress } = limits;
  if (allocatedOutboundPorts % outboundPortStep.value !== 0) {
    const below = allocatedOutboundPorts - (allocatedOutboundPorts % outboundPortStep.value);
    refuse([...base, "allocatedOutboundPorts"], {
      code: "InvalidParameter",
      value: allocatedOutboundPorts,
      message: `allocatedOutboundPorts is ${allocatedOutboundPorts}; it must be a multiple of ${outboundPortStep.value}`,
      source: outboundPortStep.source,
      fix: `use ${below} or ${below + outboundPortStep.value}`,
    });
    return;
  }
  if (outboundType !== "loadBalancer" || !isCountGood || given.length > 1) return;
  const addresses = outboundAddresses(view, cluster);
  const nodes = view.poolsOf(cluster).reduce((sum, pool) => sum + pool.properties.count, 0);
  const available = outboundPortsPerAddress.value * addresses;
  if (allocatedOutboundPorts * nodes > available) {
    const room = Math.floor(outboundPortsPerAddress.value / allocatedOutboundPorts) * addresses;
    refuse([...base, "allocatedOutboundPorts"], {
      code: "InvalidLoadBalancerProfileAllocatedOutboundPorts",
      value: allocatedOutboundPorts,
      message: `${nodes} nodes x ${allocatedOutboundPorts} ports = ${nodes * allocatedOutboundPorts}; ${addresses} outbound addresses x ${outboundPortsPerAddress.value} ports = ${available}, enough for ${room} nodes`,
      source: outboundPortsPerAddress.source,
      fix: "allocate fewer ports per node, or more outbound addresses",
    });
  }
}

/** Public addresses of the cluster's outbound rule. */
export function outboundAddresses(view: AzureView, { properties }: ManagedCluster): number {
  const { managedOutboundIPs, outboundIPs, outboundIPPrefixes } = properties.networkProfile.loadBalancerProfile;
  const prefixSize = (id: string) => {
    const prefix = view.publicPrefixes.find((candidate) => sameId(candidate.id, id));
    return prefix === undefined ? 0 : 2 ** (32 - prefix.properties.prefixLength);
  };
  return (
    managedOutboundIPs?.count ??
    outboundIPs?.publicIPs.length ??
    (outboundIPPrefixes?.publicIPPrefixes ?? []).reduce((sum, { id }) => sum + prefixSize(id), 0)
  );
}

function checkNatProfile(cluster: ManagedCluster, refuse: Refuse): void {
  const { outboundType, natGatewayProfile } = cluster.properties.networkProfile;
  if (natGatewayProfile === undefined) return;
  if (outboundType !== "managedNATGateway") {
    refuse(["natGatewayProfile"], {
      code: "InvalidParameter",
      message: `natGatewayProfile is that of the NAT gateway that AKS makes; with outbound type ${outboundType} it makes none`,
      source: "aks:nat-gateway.md",
      fix: "leave natGatewayProfile out, or use outboundType: managedNATGateway",
    });
  }
  const { count } = natGatewayProfile.managedOutboundIPProfile;
  const { natGatewayAddresses } = limits;
  if (count < 1 || count > natGatewayAddresses.value) {
    refuse(["natGatewayProfile", "managedOutboundIPProfile", "count"], {
      code: "InvalidParameter",
      value: count,
      message: `managedOutboundIPProfile.count is ${count}; it must be 1 to ${natGatewayAddresses.value}`,
      source: natGatewayAddresses.source,
    });
  }
  const { idleTimeoutInMinutes } = natGatewayProfile;
  const { min, max, source } = ranges.outboundIdleTimeout;
  if (idleTimeoutInMinutes >= min && idleTimeoutInMinutes <= max) return;
  refuse(["natGatewayProfile", "idleTimeoutInMinutes"], {
    code: "InvalidParameter",
    value: idleTimeoutInMinutes,
    message: `idleTimeoutInMinutes is ${idleTimeoutInMinutes}; it must be ${min} to ${max}`,
    source,
  });
}

/** Which change of outbound type AKS lets one make on a running cluster (AKS docs, egress-outboundtype.md), by whose VNet it is in. */
const transitions: Readonly<Record<"managed" | "own", Readonly<Record<string, readonly string[]>>>> = {
  managed: {
    loadBalancer: ["managedNATGateway", "none", "block"],
    managedNATGateway: ["none", "block"],
    none: ["loadBalancer", "managedNATGateway", "block"],
    block: ["loadBalancer", "managedNATGateway", "none"],
  },
  own: {
    loadBalancer: ["userAssignedNATGateway", "userDefinedRouting", "none"],
    userAssignedNATGateway: ["loadBalancer", "userDefinedRouting", "none"],
    userDefinedRouting: ["loadBalancer", "userAssignedNATGateway", "none"],
    none: ["loadBalancer", "userAssignedNATGateway", "userDefinedRouting"],
  },
};

/** What the cluster may change to, when it may not change to what is wanted. */
export function refusedOutboundChange(view: AzureView, before: ManagedCluster, after: ManagedCluster): readonly string[] | undefined {
  const [from, to] = [before.properties.networkProfile.outboundType, after.properties.networkProfile.outboundType];
  if (from === to) return undefined;
  const subnet = view.poolsOf(after)[0]?.properties.vnetSubnetID ?? "";
  const isManaged = sameId(segmentAfter(subnet, "resourceGroups"), after.properties.nodeResourceGroup);
  const allowed = transitions[isManaged ? "managed" : "own"][from] ?? [];
  return allowed.includes(to) ? undefined : allowed;
}

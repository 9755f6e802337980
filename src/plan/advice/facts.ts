/**
 * What is known of a cluster that bears on its network option: what the documents say, and over it what somebody has answered. What neither says is
 * absent.
 */

import { lastSegment } from "../../arm/names.ts";
import type { AgentPool, ManagedCluster } from "../../arm/resources.ts";
import { virtualNodeSubnet } from "../../arm/virtual-node.ts";
import { listArm, listKube, poolsOf } from "../../controllers/view.ts";
import type { Resources } from "../../resources/resources.ts";
import type { Answers } from "./answers.ts";
import type { Fact } from "./model.ts";

export type Facts = {
  readonly traffic?: Fact<"insideCluster" | "outsideCluster">;
  readonly podsReachedFromOutside?: Fact<boolean>;
  readonly podAddressSeen?: Fact<"nowhere" | "vnet" | "everywhere">;
  /** Prefixes of on-premises networks, or what was answered. */
  readonly onPremises?: Fact<boolean>;
  readonly userDefinedRoutes?: Fact<"avoid" | "accept">;
  readonly networkPolicy?: Fact<"none" | "any" | "azure" | "calico" | "cilium">;
  readonly windowsPools?: Fact<boolean>;
  readonly virtualNodes?: Fact<boolean>;
  readonly sharedSubnet?: Fact<boolean>;
  readonly dualStack?: Fact<boolean>;
  /** `2030-12-31` */
  readonly until?: Fact<string>;
};

/** What was answered, each with the file as its source. */
export function answeredFacts({ file, given }: Answers): Facts {
  const fact = <V>(name: keyof typeof given, value: V | undefined) =>
    value === undefined ? {} : { [name]: { value, source: `${file}: ${name}` } };
  return {
    ...fact("traffic", given.traffic),
    ...fact("podsReachedFromOutside", given.podsReachedFromOutside),
    ...fact("podAddressSeen", given.podAddressSeen),
    ...fact("onPremises", given.onPremises),
    ...fact("userDefinedRoutes", given.userDefinedRoutes),
    ...fact("networkPolicy", given.networkPolicy),
    ...fact("windowsPools", given.windowsPools),
    ...fact("virtualNodes", given.virtualNodes),
    ...fact("sharedSubnet", given.sharedSubnet),
    ...fact("dualStack", given.dualStack),
    ...fact("until", given.until),
  };
}

/** What documents say of a cluster. They say nothing of its traffic, of who must reach its pods, and of how long it will live. */
export function designFacts(resources: Resources, cluster: ManagedCluster): Facts {
  const pools = poolsOf(resources, cluster);
  return {
    windowsPools: windowsPools(cluster, pools),
    virtualNodes: virtualNodes(cluster, pools),
    networkPolicy: networkPolicy(resources, cluster),
    onPremises: onPremises(resources),
    ...userDefinedRoutes(resources, pools),
    sharedSubnet: sharedSubnet(resources, cluster, pools),
    dualStack: dualStack(cluster),
  };
}

function dualStack({ name, properties }: ManagedCluster): Fact<boolean> {
  const { ipFamilies = ["IPv4"] } = properties.networkProfile;
  return { value: ipFamilies.includes("IPv6"), source: `cluster ${name}: ipFamilies ${ipFamilies.join(", ")}` };
}

function windowsPools(cluster: ManagedCluster, pools: readonly AgentPool[]): Fact<boolean> {
  const windows = pools.filter(({ properties }) => properties.osType === "Windows");
  const named = (windows.length > 0 ? windows : pools).map(({ name }) => `${cluster.name}/${name}`);
  return { value: windows.length > 0, source: `${several("pool", named)}: osType ${windows.length > 0 ? "Windows" : "Linux"}` };
}

function virtualNodes(cluster: ManagedCluster, pools: readonly AgentPool[]): Fact<boolean> {
  const subnet = virtualNodeSubnet(cluster, pools[0]?.properties.vnetSubnetID ?? "");
  const addon = `cluster ${cluster.name}: addonProfiles.aciConnectorLinux`;
  return {
    value: subnet !== undefined,
    source: subnet === undefined ? `${addon} is not enabled` : `${addon}, subnet ${lastSegment(subnet)}`,
  };
}

function networkPolicy(resources: Resources, cluster: ManagedCluster): NonNullable<Facts["networkPolicy"]> {
  const engine = cluster.properties.networkProfile.networkPolicy ?? "none";
  if (engine !== "none") return { value: engine, source: `cluster ${cluster.name}: networkPolicy ${engine}` };
  const policies = listKube(resources, cluster, "NetworkPolicy");
  if (policies.length === 0)
    return { value: "none", source: `cluster ${cluster.name}: networkPolicy none, and no NetworkPolicy in its manifests` };
  const names = policies.map(({ metadata }) => `${metadata.namespace ?? "default"}/${metadata.name}`);
  return { value: "any", source: `${several("NetworkPolicy", names)} in the manifests, though networkPolicy is none` };
}

function onPremises(resources: Resources): Fact<boolean> {
  const gateways = listArm(resources, "Microsoft.Network/localNetworkGateways");
  if (gateways.length === 0) return { value: false, source: "no local network gateway in the documents" };
  const prefixes = gateways.flatMap(({ properties }) => properties.localNetworkAddressSpace.addressPrefixes);
  return {
    value: true,
    source: `${several(
      "local network gateway",
      gateways.map(({ name }) => name),
    )}: ${prefixes.slice(0, 4).join(", ")}${prefixes.length > 4 ? ", …" : ""}`,
  };
}

/** Who has attached a table already looks after one. Nobody's table says nothing of what is wanted. */
function userDefinedRoutes(resources: Resources, pools: readonly AgentPool[]): Pick<Facts, "userDefinedRoutes"> {
  const subnets = listArm(resources, "Microsoft.Network/virtualNetworks/subnets");
  for (const { properties } of pools) {
    const subnet = subnets.find(({ id }) => id.toLowerCase() === properties.vnetSubnetID.toLowerCase());
    const table = subnet?.properties.routeTable;
    if (subnet === undefined || table === undefined) continue;
    return { userDefinedRoutes: { value: "accept", source: `route table ${lastSegment(table.id)} on subnet ${subnet.name}` } };
  }
  return {};
}

function sharedSubnet(resources: Resources, cluster: ManagedCluster, pools: readonly AgentPool[]): Fact<boolean> {
  const own = new Set(pools.map(({ properties }) => properties.vnetSubnetID.toLowerCase()));
  for (const other of listArm(resources, "Microsoft.ContainerService/managedClusters")) {
    if (other.id === cluster.id) continue;
    const shared = poolsOf(resources, other).find(({ properties }) => own.has(properties.vnetSubnetID.toLowerCase()));
    if (shared !== undefined)
      return { value: true, source: `pool ${other.name}/${shared.name}: subnet ${lastSegment(shared.properties.vnetSubnetID)}` };
  }
  return { value: false, source: `no pool of another cluster is in the subnets of cluster ${cluster.name}` };
}

function several(what: string, names: readonly string[]): string {
  const more = names.length - 3;
  return `${what}${names.length === 1 ? "" : "s"} ${names.slice(0, 3).join(", ")}${more > 0 ? ` and ${more} more` : ""}`.replace(
    "NetworkPolicys",
    "NetworkPolicies",
  );
}

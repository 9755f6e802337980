/** Rules of pod subnets: what AKS refuses at creation, with its codes. AKS docs: concepts-network-azure-cni-pod-subnet. */

import { lengthOf, parsePrefix, sizeOf } from "../../net/prefix.ts";
import { blockAddresses, smallestSubnet, usableAddresses } from "../addresses.ts";
import { limits, staticBlockVersion } from "../limits.ts";
import { subnetTag } from "../names.ts";
import { optionNames } from "../network-option.ts";
import { staticBlocks } from "../pod-subnets.ts";
import type { AgentPool, ManagedCluster, PodIPAllocationMode, Subnet } from "../resources.ts";
import { some } from "./cidr.ts";
import { gatewaySubnet } from "./networks.ts";
import type { ArmProblem, PropertyPath, Report } from "./problem.ts";
import { isOlder } from "./versions.ts";
import { type AzureView, parentOf, sameId, subnetLabel } from "./view.ts";

const source = "aks:concepts-network-azure-cni-pod-subnet.md";
const unconfirmed = "whether AKS lets a cluster mix them is not documented; this lab does not";

export function allocationMode(pool: AgentPool): PodIPAllocationMode {
  return pool.properties.podIPAllocationMode ?? "DynamicIndividual";
}

export function checkPodSubnets(view: AzureView, report: Report): void {
  /** The first tenant of each pod subnet. */
  const tenants = new Map<string, { readonly cluster: ManagedCluster; readonly pool: AgentPool }>();
  for (const cluster of view.clusters) {
    const pools = view.poolsOf(cluster);
    for (const pool of pools) {
      const id = pool.properties.podSubnetID;
      checkMode(cluster, pool, report);
      if (id === undefined) {
        const other = pools.find(({ properties }) => properties.podSubnetID !== undefined);
        if (other === undefined) continue;
        refuse(report, pool, ["podSubnetID"], {
          code: "NotModelled",
          message: `pool ${other.name} of cluster ${cluster.name} has a pod subnet and pool ${pool.name} has none: ${unconfirmed}`,
          source,
          fix: "give every pool of the cluster a pod subnet, or none",
        });
        continue;
      }
      checkPlace(view, cluster, pool, id, report);
      const first = tenants.get(id.toLowerCase());
      if (first === undefined) tenants.set(id.toLowerCase(), { cluster, pool });
      else if (allocationMode(first.pool) !== allocationMode(pool)) {
        refuse(report, pool, ["podIPAllocationMode"], {
          code: "InvalidParameter",
          value: allocationMode(pool),
          message: `pod subnet ${subnetLabel(id)} is used with ${allocationMode(first.pool)} by pool ${first.cluster.name}/${first.pool.name}, and with ${allocationMode(pool)} by pool ${cluster.name}/${pool.name}; a subnet has one allocation mode`,
          source,
          fix: "use the same mode, or another subnet",
        });
      }
    }
  }
  checkNeighbours(view, tenants, report);
  checkRoom(view, report);
}

type Details = Omit<ArmProblem, "id" | "property" | "severity">;

function refuse(report: Report, pool: AgentPool, property: PropertyPath, details: Details): void {
  report({ severity: "error", ...details, id: pool.id, property });
}

function checkMode(cluster: ManagedCluster, pool: AgentPool, report: Report): void {
  const { podSubnetID, podIPAllocationMode } = pool.properties;
  if (podIPAllocationMode === undefined) return;
  if (podSubnetID === undefined) {
    refuse(report, pool, ["podIPAllocationMode"], {
      code: "InvalidParameter",
      value: podIPAllocationMode,
      message: `pool ${pool.name} has no pod subnet, so podIPAllocationMode has no meaning`,
      source,
      fix: "leave podIPAllocationMode out, or give the pool a pod subnet",
    });
    return;
  }
  const { kubernetesVersion } = cluster.properties;
  if (podIPAllocationMode === "StaticBlock" && kubernetesVersion !== undefined && isOlder(kubernetesVersion, staticBlockVersion)) {
    refuse(report, pool, ["podIPAllocationMode"], {
      code: "InvalidParameter",
      value: podIPAllocationMode,
      message: `static blocks need Kubernetes ${staticBlockVersion}; cluster ${cluster.name} has ${kubernetesVersion}`,
      source,
      fix: `use DynamicIndividual, or kubernetesVersion ${staticBlockVersion} or later`,
    });
  }
}

function checkPlace(view: AzureView, cluster: ManagedCluster, pool: AgentPool, id: string, report: Report): void {
  const problem = { code: "InvalidParameter", value: subnetLabel(id), source } as const;
  const { networkPlugin, networkPluginMode } = cluster.properties.networkProfile;
  if (networkPlugin !== "azure" || networkPluginMode !== undefined) {
    const option = networkPlugin === "azure" ? optionNames.overlay : networkPlugin;
    refuse(report, pool, ["podSubnetID"], {
      ...problem,
      message: `a pod subnet is for Azure CNI without a plugin mode; with ${option} pods have addresses of their own`,
      fix: "leave podSubnetID out, or use networkPlugin: azure",
    });
    return;
  }
  const subnet = view.subnet(id);
  if (subnet === undefined) return;
  if (subnet.name.toLowerCase() === gatewaySubnet.toLowerCase()) {
    refuse(report, pool, ["podSubnetID"], {
      ...problem,
      message: `${gatewaySubnet} is for the VNet's gateway alone; pods cannot be in it`,
      source: "learn:azure/vpn-gateway/vpn-gateway-vpn-faq",
      fix: "choose another subnet",
    });
  }
  if (view.subnet(pool.properties.vnetSubnetID) !== undefined && !sameId(parentOf(id), parentOf(pool.properties.vnetSubnetID))) {
    refuse(report, pool, ["podSubnetID"], {
      ...problem,
      message: `pod subnet ${subnetLabel(id)} is not in the VNet of the nodes' subnet ${subnetLabel(pool.properties.vnetSubnetID)}`,
      fix: "choose a subnet of the same VNet",
    });
  }
  const prefix = parsePrefix(subnet.properties.addressPrefix);
  const { value: largest } = limits.largestStaticBlockSubnet;
  if (prefix !== undefined && allocationMode(pool) === "StaticBlock" && lengthOf(prefix) < largest) {
    refuse(report, pool, ["podSubnetID"], {
      ...problem,
      message: `subnet ${subnetLabel(id)} (${prefix}) is larger than a /${largest}, the largest for static blocks`,
      fix: `use a /${largest} or smaller`,
    });
  }
}

/** A pod subnet is delegated to AKS: no node and no machine is in it. */
function checkNeighbours(
  view: AzureView,
  tenants: ReadonlyMap<string, { readonly cluster: ManagedCluster; readonly pool: AgentPool }>,
  report: Report,
): void {
  for (const pool of view.pools) {
    const tenant = tenants.get(pool.properties.vnetSubnetID.toLowerCase());
    if (tenant === undefined) continue;
    const label = subnetLabel(pool.properties.vnetSubnetID);
    refuse(report, tenant.pool, ["podSubnetID"], {
      code: "InvalidParameter",
      value: label,
      message: `subnet ${label} is the pod subnet of pool ${tenant.cluster.name}/${tenant.pool.name} and the nodes' subnet of pool ${pool.name}: a pod subnet is for pods alone`,
      source,
      fix: "use two subnets",
    });
  }
  for (const machine of view.machines) {
    const subnet = machine.tags?.[subnetTag] ?? "";
    const tenant = tenants.get(subnet.toLowerCase());
    if (tenant === undefined) continue;
    report({
      code: "InvalidParameter",
      severity: "error",
      id: machine.id,
      property: ["tags", subnetTag],
      value: subnetLabel(subnet),
      message: `subnet ${subnetLabel(subnet)} is the pod subnet of pool ${tenant.cluster.name}/${tenant.pool.name}: no machine can be in it`,
      source,
      fix: "put the machine into another subnet",
    });
  }
}

/** Not an error in a lab: what finds no address stays pending, and says why. */
function checkRoom(view: AzureView, report: Report): void {
  const users = new Map<Subnet, { readonly pool: AgentPool; readonly text: string; readonly needed: number }[]>();
  const batch = limits.podSubnetBatch.value;
  for (const cluster of view.clusters) {
    for (const pool of view.poolsOf(cluster)) {
      const subnet = pool.properties.podSubnetID === undefined ? undefined : view.subnet(pool.properties.podSubnetID);
      const { count, maxPods } = pool.properties;
      if (subnet === undefined || count === 0) continue;
      const perNode = allocationMode(pool) === "StaticBlock" ? blockAddresses(maxPods) : Math.min(batch, maxPods);
      const how = allocationMode(pool) === "StaticBlock" ? `${staticBlocks(maxPods)} blocks of ${batch}` : `a first batch of ${perNode}`;
      const text = `${count} nodes x ${how} = ${count * perNode} of pool ${cluster.name}/${pool.name}`;
      const list = users.get(subnet) ?? [];
      list.push({ pool, text, needed: count * perNode });
      users.set(subnet, list);
    }
  }
  for (const [subnet, list] of users) {
    const prefix = parsePrefix(subnet.properties.addressPrefix);
    const [first] = list;
    if (prefix === undefined || first === undefined) continue;
    const usable = usableAddresses(prefix);
    const needed = list.reduce((sum, one) => sum + one.needed, 0);
    if (needed <= usable) continue;
    report({
      code: "InsufficientSubnetSize",
      severity: "warning",
      id: first.pool.id,
      property: ["podSubnetID"],
      value: subnetLabel(subnet.id),
      message: `pod subnet ${subnetLabel(subnet.id)} (${prefix}) has ${usable} usable addresses (${sizeOf(prefix)} - ${limits.reservedAddresses.value} kept by Azure); ${some(
        list.map((one) => one.text),
        " and ",
      )} need ${needed}. What finds no address stays pending`,
      source,
      fix: `use a /${smallestSubnet(needed)} or larger, fewer nodes, or a lower maxPods`,
    });
  }
}

/**
 * kubenet's routes: one per node, prefix = the node's pod prefix, next hop = its address, kept exactly so while nodes come and go.
 *
 * They go into the table that the user attached to the subnet, or else into AKS's own, which is then made and attached
 * (AKS docs, configure-kubenet.md; cloud-provider-azure, pkg/provider/azure_routes.go). Routes whose names stand for no node of the cluster are
 * the user's and stay. Azure CNI needs none of this.
 */

import { armId, clusterDigits, isNodeName, nodeOfRoute, routeName, routeTableName } from "../arm/names.ts";
import type { ManagedCluster, RouteTable, Subnet } from "../arm/resources.ts";
import type { Condition, Node } from "../kube/objects.ts";
import { armKey, type Key, type Resources } from "../resources/resources.ts";
import { perCluster, remembering } from "./memo.ts";
import { networkUnavailableTaint, noRouteCreated } from "./nodes.ts";
import { ipv6AddressOfNode } from "./second-family.ts";
import { clusterTags, getArm, isKubenet, listArm, listKube, poolsOf, rulesOf, sameJson, Writes } from "./view.ts";

type Route = RouteTable["properties"]["routes"][number];

/** What one cluster puts into a table. */
type Share = { readonly digits: string; readonly routes: readonly Route[] };

export const routeTables = remembering("route-tables", (resources) => {
  const writes = new Writes(resources);
  const tables = listArm(resources, "Microsoft.Network/routeTables");
  const shares = new Map<Key, Share[]>();
  const managed = new Map<Key, RouteTable>();

  for (const cluster of listArm(resources, "Microsoft.ContainerService/managedClusters")) {
    if (!isKubenet(cluster)) continue;
    const own = managedTable(resources, cluster);
    const share = { digits: clusterDigits(cluster.properties.dnsPrefix), routes: routesOf(resources, cluster) };
    const places = new Set<Key>();
    for (const subnet of subnetsOf(resources, cluster)) {
      const place = tableOf(resources, cluster, subnet);
      places.add(place);
      if (place === armKey(own.id)) {
        managed.set(place, own);
        writes.putArm({ ...subnet, properties: { ...subnet.properties, routeTable: { id: own.id } } });
      }
    }
    for (const place of places) shares.set(place, [...(shares.get(place) ?? []), share]);
  }

  for (const table of tables) {
    const key = armKey(table.id);
    if (isManaged(table) && !managed.has(key)) {
      writes.delete(key);
      continue;
    }
    if (!managed.has(key)) writes.putArm(withRoutes(table, shares.get(key) ?? []));
  }
  for (const [key, table] of managed) writes.putArm(withRoutes(table, shares.get(key) ?? []));
  for (const subnet of listArm(resources, "Microsoft.Network/virtualNetworks/subnets")) {
    const attached = subnet.properties.routeTable;
    if (attached === undefined || !isManagedName(attached.id) || managed.has(armKey(attached.id))) continue;
    const { routeTable: _gone, ...properties } = subnet.properties;
    writes.putArm({ ...subnet, properties });
  }
  return writes.list;
});

/** Says on each kubenet node whether its route is there, and keeps pods away until it is (k8s, pkg/controller/route). */
export const nodeRoutes = perCluster("node-routes", (resources, cluster) => {
  const writes = new Writes(resources);
  if (!isKubenet(cluster)) return writes.list;
  const tables = [...new Set(subnetsOf(resources, cluster).map((subnet) => tableOf(resources, cluster, subnet)))];
  const routes = tables.map((id) => {
    const table = getArm(resources, "Microsoft.Network/routeTables", id);
    return new Map((table?.properties.routes ?? []).map((route) => [route.name, route]));
  });
  const rules = rulesOf(resources);
  for (const node of listKube(resources, cluster, "Node")) {
    const wanted = routesTo(node, rules);
    const isIn = (table: ReadonlyMap<string, Route>) => wanted.every((route) => sameRoute(table.get(route.name), route));
    const exists = wanted.length > 0 && routes.length > 0 && routes.every(isIn);
    writes.putKube(cluster, withNetwork(node, exists));
  }
  return writes.list;
});

function withNetwork(node: Node, available: boolean): Node {
  const condition: Condition = available
    ? { type: "NetworkUnavailable", status: "False", reason: "RouteCreated", message: "RouteController created a route" }
    : noRouteCreated;
  const before = node.status.conditions.find((candidate) => candidate.type === condition.type);
  const isTainted = node.spec.taints?.some((taint) => taint.key === networkUnavailableTaint.key) === true;
  if (sameJson(before, condition) && isTainted === !available) return node;
  const others = (node.spec.taints ?? []).filter((taint) => taint.key !== networkUnavailableTaint.key);
  const taints = available ? others : [...others, networkUnavailableTaint];
  const { taints: _taints, ...spec } = node.spec;
  return {
    ...node,
    spec: taints.length === 0 ? spec : { ...spec, taints },
    status: {
      ...node.status,
      conditions: [...node.status.conditions.filter((candidate) => candidate.type !== condition.type), condition],
    },
  };
}

function routesOf(resources: Resources, cluster: ManagedCluster): readonly Route[] {
  const rules = rulesOf(resources);
  return listKube(resources, cluster, "Node").flatMap((node) => routesTo(node, rules));
}

/** One for each family. None as long as the node has no prefix. */
function routesTo(node: Node, rules: "current" | "lesson"): readonly Route[] {
  const { podCIDR, podCIDRs = podCIDR === undefined ? [] : [podCIDR] } = node.spec;
  const four = node.status.addresses.find((candidate) => candidate.type === "InternalIP")?.address;
  return podCIDRs.flatMap((addressPrefix): Route[] => {
    const nextHopIpAddress = addressPrefix.includes(":") ? ipv6AddressOfNode(node) : four;
    if (nextHopIpAddress === undefined) return [];
    const name = routeName(node.metadata.name, addressPrefix, rules);
    return [{ name, properties: { addressPrefix, nextHopType: "VirtualAppliance", nextHopIpAddress } }];
  });
}

function sameRoute(route: Route | undefined, wanted: Route): boolean {
  return route !== undefined && sameJson(route.properties, wanted.properties);
}

/** The table with exactly the clusters' routes, sorted by name, after those that stand for no node of theirs. */
function withRoutes(table: RouteTable, shares: readonly Share[]): RouteTable {
  const foreign = table.properties.routes.filter((route) => {
    const node = nodeOfRoute(route.name);
    // With no cluster on the table, its node routes are what a deleted cluster left: AKS removes them (changelog 2021-01-25).
    return shares.length === 0 ? !nodeRoute.test(node) : !shares.some((share) => isNodeName(node, share.digits));
  });
  const ours = shares.flatMap((share) => share.routes).sort((a, b) => (a.name < b.name ? -1 : 1));
  if (ours.length === 0 && foreign.length === table.properties.routes.length) return table;
  return { ...table, properties: { ...table.properties, routes: [...foreign, ...ours] } };
}

const nodeRoute = /^aks-[a-z0-9]+-\d{8}-vmss[0-9a-z]{6}$/;

function subnetsOf(resources: Resources, cluster: ManagedCluster): readonly Subnet[] {
  const ids = new Set(poolsOf(resources, cluster).map((pool) => armKey(pool.properties.vnetSubnetID)));
  return [...ids].sort().flatMap((id) => getArm(resources, "Microsoft.Network/virtualNetworks/subnets", id) ?? []);
}

/** The key of the table that the cluster's routes of this subnet belong in: the user's if one is attached. */
function tableOf(resources: Resources, cluster: ManagedCluster, subnet: Subnet): Key {
  const attached = subnet.properties.routeTable;
  const isUsers = attached !== undefined && !isManagedName(attached.id) && getArm(resources, "Microsoft.Network/routeTables", attached.id);
  return isUsers ? armKey(attached.id) : armKey(managedTableId(cluster));
}

function managedTableId(cluster: ManagedCluster): string {
  return armId(
    cluster.properties.nodeResourceGroup,
    "Microsoft.Network/routeTables",
    routeTableName(clusterDigits(cluster.properties.dnsPrefix)),
  );
}

/** AKS's table as it is, or as it starts. */
function managedTable(resources: Resources, cluster: ManagedCluster): RouteTable {
  const id = managedTableId(cluster);
  const fresh: RouteTable = {
    id,
    name: routeTableName(clusterDigits(cluster.properties.dnsPrefix)),
    type: "Microsoft.Network/routeTables",
    ...(cluster.location === undefined ? {} : { location: cluster.location }),
    tags: clusterTags(cluster),
    properties: { disableBgpRoutePropagation: false, routes: [] },
  };
  return getArm(resources, "Microsoft.Network/routeTables", id) ?? fresh;
}

function isManaged(table: RouteTable): boolean {
  return isManagedName(table.id);
}

/** In a node resource group, under AKS's name. */
function isManagedName(id: string): boolean {
  return /\/resourcegroups\/mc_[^/]*\/.*\/aks-agentpool-\d{8}-routetable$/.test(armKey(id));
}

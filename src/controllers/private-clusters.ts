/**
 * The private endpoint of a private cluster's API server: one address of the first pool's subnet, taken before those of nodes, and a listener that
 * stands for the API server behind it. AKS docs: private-clusters.md. AKS calls all of them kube-apiserver, each in a resource group of its own; here
 * the cluster's name tells them apart.
 */

import { armId, clusterTag, segmentAfter, subnetTag } from "../arm/names.ts";
import { listenTag, type ManagedCluster, type PrivateEndpoint } from "../arm/resources.ts";
import { armKey, type Resources } from "../resources/resources.ts";
import { remembering } from "./memo.ts";
import { clusterTags, listArm, poolsOf, Writes } from "./view.ts";

export const privateClusters = remembering("private-clusters", (resources) => {
  const writes = new Writes(resources);
  const made = listArm(resources, "Microsoft.Network/privateEndpoints");
  const before = new Map(made.map((endpoint) => [armKey(endpoint.id), endpoint]));
  const wanted = new Set<string>();
  for (const cluster of listArm(resources, "Microsoft.ContainerService/managedClusters")) {
    const endpoint = endpointOf(resources, cluster);
    if (endpoint === undefined) continue;
    const key = armKey(endpoint.id);
    wanted.add(key);
    // What the interface's controller wrote stays.
    writes.putArm({
      ...endpoint,
      properties: { ...endpoint.properties, ...before.get(key)?.properties, subnet: endpoint.properties.subnet },
    });
  }
  for (const { id, tags } of made) if (tags?.[clusterTag] !== undefined && !wanted.has(armKey(id))) writes.deleteArm(id);
  return writes.list;
});

function endpointOf(resources: Resources, cluster: ManagedCluster): PrivateEndpoint | undefined {
  const { apiServerAccessProfile, nodeResourceGroup } = cluster.properties;
  const [pool] = poolsOf(resources, cluster);
  if (apiServerAccessProfile?.enablePrivateCluster !== true || pool === undefined) return undefined;
  const name = `kube-apiserver-${segmentAfter(cluster.id, "managedClusters")}`;
  const subnet = pool.properties.vnetSubnetID;
  return {
    id: armId(nodeResourceGroup, "Microsoft.Network/privateEndpoints", name),
    name,
    type: "Microsoft.Network/privateEndpoints",
    ...(cluster.location === undefined ? {} : { location: cluster.location }),
    tags: { ...clusterTags(cluster), [subnetTag]: subnet, [listenTag]: "443/tcp" },
    properties: { subnet: { id: subnet }, networkInterfaces: [] },
  };
}

/** What rules about a cluster's objects may ask about the cluster. */

import type { AzureResource, ManagedCluster } from "../arm/resources.ts";
import type { ClusterFacts } from "../kube/kinds/kind.ts";
import { parsePrefix } from "../net/prefix.ts";

/** `resources`: those of the lab, with the cluster's pools among them. */
export function factsOf(cluster: ManagedCluster, resources: readonly AzureResource[]): ClusterFacts {
  const { serviceCidr, dnsServiceIP, networkPolicy = "none", ipFamilies = [], serviceCidrs = [] } = cluster.properties.networkProfile;
  const pools = `${cluster.id}/agentPools/`.toLowerCase();
  const hasWindowsNodes = resources.some(
    (resource) =>
      resource.type === "Microsoft.ContainerService/managedClusters/agentPools" &&
      resource.id.toLowerCase().startsWith(pools) &&
      resource.properties.osType === "Windows",
  );
  const ipv6ServiceCidr = ipFamilies.includes("IPv6") ? parsePrefix(serviceCidrs.find((text) => text.includes(":")) ?? "") : undefined;
  return { serviceCidr: parsePrefix(serviceCidr), ipv6ServiceCidr, dnsServiceIP, networkPolicy, hasWindowsNodes };
}

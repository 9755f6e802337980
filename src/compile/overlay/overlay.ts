/**
 * Azure CNI Overlay: pods have addresses of a space of their own, a /24 per node, and no route table and no encapsulation know it: the fabric
 * keeps a second routing domain for the cluster (its half is vnet/overlay.ts). On the node pods are joined as with node subnet.
 * AKS docs: concepts-network-azure-cni-overlay.
 */

import type { PodNetwork } from "../pod-network.ts";
import { transparentMode } from "../transparent.ts";
import { eth0 } from "../wiring.ts";

const source = "AKS docs: concepts-network-azure-cni-overlay; Azure/azure-container-networking: network/, cns/";

export const azureCniOverlay: PodNetwork = {
  name: "Azure CNI Overlay",
  uplink: { name: eth0 },
  clusterCidrs: (cluster) => (cluster.podCidr === undefined ? [] : [cluster.podCidr]),
  ...transparentMode({
    source,
    addressOrigin: ({ node }, pod) => ({
      resource: node.nic.resource.id,
      reason: `${pod.address} is of ${node.podCidr ?? "no prefix"}, the pod prefix of ${node.node.metadata.name}, given to pod ${pod.pod.metadata.name}`,
      source,
    }),
  }),
};

/**
 * kubenet: pods have addresses of a space of their own, a /24 per node, behind the bridge `cbr0`. Other nodes reach them by the user-defined
 * routes of the managed route table; nobody else knows the space. AKS docs: configure-kubenet; the node's CNI configuration is in
 * AgentBaker, kubenet-cni.json.
 */

import { mustPrefix } from "../../net/prefix.ts";
import { type Bridged, bridgedNode, bridgedPod } from "../bridged.ts";
import type { PodNetwork } from "../pod-network.ts";
import { eth0 } from "../wiring.ts";

const bridge = "cbr0";

const bridged: Bridged = {
  bridge,
  what: "kubenet's bridge",
  routes: [{ dst: mustPrefix("0.0.0.0/0"), reason: `default route by ${bridge}` }],
  source: "AKS docs: configure-kubenet",
};

export const kubenet: PodNetwork = {
  name: "kubenet",
  uplink: { name: eth0 },
  clusterCidrs: (cluster) => (cluster.podCidr === undefined ? [] : [cluster.podCidr]),
  node: (context) => bridgedNode(bridged, context),
  pod: (context, pod) => bridgedPod(bridged, context, pod),
};

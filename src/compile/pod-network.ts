/** What a network option is to the compiler: how a node connects its pods, and what a pod finds in its own namespace. */

import type { Interface, InterfaceName, Route } from "../ir/network.ts";
import type { Prefix } from "../net/prefix.ts";
import type { Part } from "./part.ts";
import type { ClusterInfo, NodeInfo, PodInfo } from "./topology.ts";

export type NodeContext = {
  readonly cluster: ClusterInfo;
  readonly node: NodeInfo;
  /** Pods on the node with an interface of their own. */
  readonly pods: readonly PodInfo[];
  /** The node's network interface as a plain machine would have it; the option may change it. */
  readonly nic: { readonly interface: Interface & { readonly kind: "veth" }; readonly defaultRoute: Route };
};

export type PodNetwork = {
  /** The name that origins give as the cause. */
  readonly name: string;
  /** Where packets of the node and its pods pass its network interface. `shared`: pods are ports of it, and pass it among themselves, too. */
  readonly uplink: { readonly name: InterfaceName; readonly shared?: true };
  /** Sources that kube-proxy takes for the cluster's own. */
  readonly clusterCidrs: (cluster: ClusterInfo) => readonly Prefix[];
  /** The node's interfaces (its NIC included), routes and neighbours. */
  readonly node: (context: NodeContext) => Part;
  /** The pod's own interface and routes. */
  readonly pod: (context: NodeContext, pod: PodInfo) => Part;
};

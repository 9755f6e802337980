/**
 * Pods behind a bridge with the first address of the node's prefix, as kubenet and the CNI project's plugin `bridge` join them.
 *
 * Real nodes let bridged traffic pass their rules (br_netfilter), so that the reply of a pod on the same node is translated back. Here the bridge's
 * ports are isolated and the bridge answers ARP for the pods: traffic between pods of a node is routed through the node, which sees both
 * directions without a module that an unprivileged user cannot load. Addresses, translations and reachability are the same; a packet between
 * pods of one node loses one from its TTL.
 */

import { type Interface, type InterfaceName, mainTable, type Origin } from "../ir/network.ts";
import { addressAt, hostPrefix, lengthOf, type Prefix } from "../net/prefix.ts";
import type { Part } from "./part.ts";
import type { NodeContext } from "./pod-network.ts";
import type { PodInfo } from "./topology.ts";
import { eth0 } from "./wiring.ts";

export type Bridged = {
  readonly bridge: InterfaceName;
  /** "kubenet's bridge". */
  readonly what: string;
  /** What pods reach by the bridge's address, and why. */
  readonly routes: readonly { readonly dst: Prefix; readonly reason: string }[];
  readonly source: string;
};

export function bridgedNode({ bridge, what, source }: Bridged, { node, pods, nic }: NodeContext): Part {
  const { podCidr } = node;
  const origin: Origin = { resource: node.nic.resource.id, reason: `${what} of ${node.node.metadata.name}`, source };
  const gateway = podCidr === undefined ? undefined : addressAt(podCidr, 1);
  if (podCidr === undefined || gateway === undefined) return { interfaces: [nic.interface], routes: [nic.defaultRoute] };
  return {
    interfaces: [
      nic.interface,
      {
        kind: "bridge",
        name: bridge,
        addresses: [
          {
            address: gateway,
            prefixLength: lengthOf(podCidr),
            origin: { ...origin, reason: `first address of the node's pod address range ${podCidr}` },
          },
        ],
        proxyArp: true,
        origin,
      },
      ...pods.map((pod) => podPort(bridge, pod)),
    ],
    routes: [nic.defaultRoute],
  };
}

export function bridgedPod({ bridge, routes, source }: Bridged, context: NodeContext, pod: PodInfo): Part {
  const origin: Origin = { resource: podResource(context, pod), reason: `pod's interface on ${bridge}`, source };
  const podCidr = context.node.podCidr ?? hostPrefix(pod.address);
  const gateway = addressAt(podCidr, 1);
  return {
    interfaces: [
      {
        kind: "veth",
        name: eth0,
        addresses: [
          {
            address: pod.address,
            prefixLength: lengthOf(podCidr),
            noPrefixRoute: true,
            origin: { ...origin, reason: `address of ${podCidr}, given by host-local` },
          },
        ],
        peer: { host: context.node.host, name: nodeInterface(pod) },
        origin,
      },
    ],
    routes:
      gateway === undefined
        ? []
        : routes.map(({ dst, reason }) => ({
            type: "unicast",
            table: mainTable,
            dst,
            dev: eth0,
            via: gateway,
            onlink: true,
            origin: { ...origin, reason },
          })),
  };
}

function podPort(bridge: InterfaceName, pod: PodInfo): Interface {
  return {
    kind: "veth",
    name: nodeInterface(pod),
    addresses: [],
    peer: { host: pod.host, name: eth0 },
    port: { bridge, hairpin: true, isolated: true },
    origin: { resource: pod.host, reason: `port of pod ${pod.pod.metadata.name}` },
  };
}

function podResource(context: NodeContext, pod: PodInfo): string {
  return `${context.cluster.name}:${pod.pod.metadata.namespace}/pod/${pod.pod.metadata.name}`;
}

/** The node's end of a pod's link. */
function nodeInterface(pod: PodInfo): InterfaceName {
  return `veth${pod.hash.slice(0, 8)}`;
}

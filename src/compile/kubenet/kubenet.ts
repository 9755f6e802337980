/**
 * kubenet: pods have addresses of a space of their own, a /24 per node, behind the bridge `cbr0`. Other nodes reach them by the user-defined
 * routes of the managed route table; nobody else knows the space. AKS docs: configure-kubenet; the node's CNI configuration is in
 * AgentBaker, kubenet-cni.json.
 *
 * AKS lets bridged traffic pass the node's rules (br_netfilter), so that the reply of a pod on the same node is translated back. Here the bridge's
 * ports are isolated and `cbr0` answers ARP for the pods: traffic between pods of a node is routed through the node, which sees both
 * directions without a module that an unprivileged user cannot load. Addresses, translations and reachability are the same; a packet between
 * pods of one node loses one from its TTL.
 */

import { type Interface, type InterfaceName, mainTable, type Origin } from "../../ir/network.ts";
import { addressAt, hostPrefix, lengthOf, mustPrefix, type Prefix } from "../../net/prefix.ts";
import type { NodeContext, PodNetwork } from "../pod-network.ts";
import type { PodInfo } from "../topology.ts";
import { eth0 } from "../wiring.ts";

const bridge = "cbr0";
const source = "AKS docs: configure-kubenet";

export const kubenet: PodNetwork = {
  name: "kubenet",
  uplink: { name: eth0 },
  clusterCidrs: (cluster) => (cluster.podCidr === undefined ? [] : [cluster.podCidr]),
  node: ({ node, pods, nic }) => {
    const { podCidr } = node;
    const origin: Origin = { resource: node.nic.resource.id, reason: `kubenet's bridge of ${node.node.metadata.name}`, source };
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
        ...pods.map(podPort),
      ],
      routes: [nic.defaultRoute],
    };
  },
  pod: (context, pod) => {
    const origin: Origin = { resource: podResource(context, pod), reason: `pod's interface on ${bridge}`, source };
    const podCidr = context.node.podCidr ?? hostOnly(pod);
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
          : [
              {
                type: "unicast",
                table: mainTable,
                dst: mustPrefix("0.0.0.0/0"),
                dev: eth0,
                via: gateway,
                onlink: true,
                origin: { ...origin, reason: `default route by ${bridge}` },
              },
            ],
    };
  },
};

function podPort(pod: PodInfo): Interface {
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

function hostOnly(pod: PodInfo): Prefix {
  return hostPrefix(pod.address);
}

/** The node's end of a pod's link. */
function nodeInterface(pod: PodInfo): InterfaceName {
  return `veth${pod.hash.slice(0, 8)}`;
}

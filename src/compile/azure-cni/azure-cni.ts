/**
 * Azure CNI, node subnet: pods have addresses of the node's own subnet, which the fabric knows as secondary addresses of the node's NIC.
 * AKS docs: concepts-network-legacy-cni; node side after Azure/azure-container-networking.
 *
 * Two modes. transparent (AKS's default since 2021-01-04): see transparent.ts. bridge (before, and the picture that is still taught): `eth0`
 * and the pods are ports of `azure0`, which holds the node's address.
 *
 * In bridge mode Azure rewrites frames with ebtables so that the node's rules see what pods send (docs as above). Here the ports are isolated and
 * `azure0` answers ARP for everybody, which routes the same packets through the node; permanent neighbour entries lead to the pods as they
 * do in Azure.
 */

import { type Interface, mainTable, type Neighbour, type Origin, type Route } from "../../ir/network.ts";
import { type Address, ipv4Number } from "../../net/address.ts";
import { hostPrefix, lengthOf, mustPrefix, type Prefix } from "../../net/prefix.ts";
import type { NodeContext, PodNetwork } from "../pod-network.ts";
import type { ClusterInfo, PodInfo } from "../topology.ts";
import { nodeInterface, originOfPod, transparentMode } from "../transparent.ts";
import { eth0 } from "../wiring.ts";

const source = "AKS docs: concepts-network-legacy-cni; Azure/azure-container-networking: network/";
const bridge = "azure0";
const defaultRoute = mustPrefix("0.0.0.0/0");

export const azureCniTransparent: PodNetwork = {
  name: "Azure CNI",
  uplink: { name: eth0 },
  clusterCidrs: vnetSpace,
  ...transparentMode({ source, addressOrigin }),
};

export const azureCniBridge: PodNetwork = {
  name: "Azure CNI",
  uplink: { name: bridge, shared: true },
  clusterCidrs: vnetSpace,
  node: ({ node, pods, nic }) => {
    const origin: Origin = { resource: node.nic.resource.id, reason: `bridge of Azure CNI on ${node.node.metadata.name}`, source };
    return {
      interfaces: [
        { kind: "bridge", name: bridge, mac: macOf(node.nic.primary), addresses: nic.interface.addresses, proxyArp: true, origin },
        { ...nic.interface, addresses: [], port: { bridge, hairpin: true, isolated: true } },
        ...pods.map(
          (pod): Interface => ({
            kind: "veth",
            name: nodeInterface(pod),
            addresses: [],
            peer: { host: pod.host, name: eth0 },
            port: { bridge, hairpin: true, isolated: true },
            origin: podOrigin(pod, "bridge port of"),
          }),
        ),
      ],
      routes: [
        { ...nic.defaultRoute, dev: bridge } as Route,
        ...pods.map(
          (pod): Route => ({
            type: "unicast",
            table: mainTable,
            dst: hostPrefix(pod.address),
            dev: bridge,
            origin: podOrigin(pod, "the node's way to"),
          }),
        ),
      ],
      neighbours: pods.map(
        (pod): Neighbour => ({
          dev: bridge,
          address: pod.address,
          mac: macOf(pod.address),
          origin: podOrigin(pod, "the bridge's way to"),
        }),
      ),
    };
  },
  pod: (context, pod) => {
    const { subnet } = context.node.nic;
    const origin = podOrigin(pod, "interface of");
    return {
      interfaces: [
        {
          kind: "veth",
          name: eth0,
          mac: macOf(pod.address),
          addresses: [
            { address: pod.address, prefixLength: lengthOf(subnet.prefix), noPrefixRoute: true, origin: addressOrigin(context, pod) },
          ],
          peer: { host: context.node.host, name: nodeInterface(pod) },
          origin,
        },
      ],
      routes: [
        {
          type: "unicast",
          table: mainTable,
          dst: defaultRoute,
          dev: eth0,
          via: subnet.gateway,
          onlink: true,
          origin: { ...origin, reason: `gateway of subnet ${subnet.resource.name}` },
        },
      ],
      // The bridge answers for the gateway; a permanent entry spares the machine's one table of learned ones.
      neighbours: [{ dev: eth0, address: subnet.gateway, mac: macOf(context.node.nic.primary), origin }],
    };
  },
};

/** Pods have addresses of the VNet, so kube-proxy is told that the VNet is the cluster (Azure/azure-container-networking#460). */
function vnetSpace(cluster: ClusterInfo): readonly Prefix[] {
  return cluster.vnet.prefixes;
}

function podOrigin(pod: PodInfo, what: string): Origin {
  return originOfPod(pod, what, source);
}

function addressOrigin(context: NodeContext, pod: PodInfo): Origin {
  return {
    resource: context.node.nic.resource.id,
    reason: `${pod.address} is a secondary address of ${context.node.node.metadata.name}, given to pod ${pod.pod.metadata.name}`,
    source,
  };
}

/** Locally administered, and told from the address, so that it stays. */
function macOf(address: Address): string {
  const value = ipv4Number(address) ?? 0;
  const bytes = [0x0a, 0x58, value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}

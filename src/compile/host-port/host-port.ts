/**
 * Host ports: a container's port that its node answers for, on the node's own addresses. The CNI project's `portmap` plugin makes them, chained behind
 * the plugin that joins the pod: AKS's configurations of kubenet and Azure CNI have it (Azure/azure-container-networking: cni/azure-linux.conflist,
 * azure-linux-swift-overlay-consolidated.conflist; Azure/AKS#2070). With Cilium's dataplane it is Cilium that translates, and keeps every source
 * (Cilium docs: kubeproxy-free, HostPort).
 *
 * Semantics after containernetworking/plugins: plugins/meta/portmap (README and portmap_iptables.go). Two of them surprise: the mapping comes after
 * those of Services, so that a node port wins; and whoever has a source in the *prefix of the pod's address* is masqueraded, not only the pod itself.
 * With Azure CNI on the node's subnet this is everybody in that subnet.
 */

import type { Origin } from "../../ir/network.ts";
import { type Chain, type Field, type MapElement, type Match, priorities, type Rule, type Table } from "../../ir/ruleset.ts";
import { runningContainers } from "../../kube/containers.ts";
import type { Pod } from "../../kube/objects.ts";
import { type Address, familyOf, parseAddress } from "../../net/address.ts";
import type { Prefix } from "../../net/prefix.ts";
import type { ClusterInfo, NodeInfo, PodInfo } from "../topology.ts";

const source = "containernetworking/plugins: plugins/meta/portmap";
const anywhere: readonly Field[] = ["meta l4proto", "th dport"];
const atAddress: readonly Field[] = ["ip daddr", ...anywhere];
/** portmap's mark (bit 13), here in the connection's mark, beside kube-proxy's. */
const masqueradeMark = 0x2000;

/** The table of `node` for `pods`, which are its own; none where no pod asks for a host port, or nobody maps them. */
export function hostPortTables(cluster: ClusterInfo, node: NodeInfo, pods: readonly PodInfo[]): readonly Table[] {
  const ports = hostPortsOf(cluster, pods);
  if (ports.length === 0) return [];
  const elements = (some: readonly HostPort[]) => some.map((port) => elementOf(cluster, port));
  const single = elements(ports.filter(({ hostAddress }) => hostAddress !== undefined));
  const everywhere = elements(ports.filter(({ hostAddress }) => hostAddress === undefined));
  const origin = (reason: string): Origin => ({
    resource: node.host,
    reason: `host ports of ${node.node.metadata.name}: ${reason}`,
    source,
  });
  const masqueraded = masqueradedSources(cluster, node);
  const isPort: Match = { kind: "value", field: "fib daddr type", op: "==", values: ["local"] };
  const translate = (fields: readonly Field[], map: string): readonly Rule[] => [
    ...(masqueraded === undefined
      ? []
      : [
          {
            matches: [
              isPort,
              { kind: "value", field: "ip saddr", op: "==", values: [masqueraded] },
              { kind: "lookup", fields, op: "==", set: `${map}-keys` },
            ],
            statements: [{ kind: "set-mark", target: "ct", value: { kind: "or", value: masqueradeMark } }],
            origin: origin(`the sender is in ${masqueraded}, the prefix of the pod's address`),
          } satisfies Rule,
        ]),
    { matches: [isPort], statements: [{ kind: "dnat", to: { fields, map } }], origin: origin("to the container's port") },
  ];
  const nat = (hook: "prerouting" | "output"): Chain => ({
    name: hook,
    // After kube-proxy's: the first that translates decides.
    base: { type: "nat", hook, priority: priorities.dstnat + 1, policy: "accept" },
    rules: [
      ...(single.length === 0 ? [] : translate(atAddress, "host-addresses")),
      ...(everywhere.length === 0 ? [] : translate(anywhere, "host-ports")),
    ],
  });
  const kinds = [
    { name: "host-addresses", key: ["ipv4_addr", "inet_proto", "inet_service"], elements: single } as const,
    { name: "host-ports", key: ["inet_proto", "inet_service"], elements: everywhere } as const,
  ].filter(({ elements }) => elements.length > 0);
  return [
    {
      family: "ip",
      name: "cni-hostport",
      chains: [
        nat("output"),
        ...(masqueraded === undefined ? [] : [postrouting(origin("the sender needs the reply from the node"))]),
        nat("prerouting"),
      ],
      sets:
        masqueraded === undefined
          ? []
          : kinds.map(({ name, key, elements }) => ({
              name: `${name}-keys`,
              key,
              elements: elements.map((element) => ({ key: element.key })),
            })),
      maps: kinds.map(({ name, key, elements }) => ({ name, key, value: ["ipv4_addr", "inet_service"], elements })),
    },
  ];
}

function postrouting(origin: Origin): Chain {
  return {
    name: "postrouting",
    // Before everybody's: portmap puts its own first.
    base: { type: "nat", hook: "postrouting", priority: priorities.srcnat - 1, policy: "accept" },
    rules: [
      {
        matches: [{ kind: "value", field: "ct mark", op: "==", values: [masqueradeMark], mask: masqueradeMark }],
        statements: [{ kind: "masquerade" }],
        origin,
      },
    ],
  };
}

/** A port of a node that is a pod's. */
export type HostPort = {
  readonly pod: Pod;
  /** The only address of the node to have it; absent: every one. */
  readonly hostAddress: Address | undefined;
  readonly protocol: "tcp" | "udp";
  readonly port: number;
  /** The pod's. */
  readonly to: { readonly address: Address; readonly port: number };
};

/** The host ports of pods of one node, which have interfaces of their own, in the cluster's family. Of two that claim one port the later has it. */
export function hostPortsOf(cluster: ClusterInfo, pods: readonly PodInfo[]): readonly HostPort[] {
  // Without portmap in the configuration, a host port is a word in a manifest.
  if (cluster.option === "none" && cluster.cniConfig?.portmap === undefined) return [];
  const found = new Map<string, HostPort>();
  for (const { pod, address } of pods) {
    for (const { hostPort = 0, hostIP = "", containerPort, protocol } of runningContainers(pod.spec).flatMap(({ ports = [] }) => ports)) {
      if (hostPort === 0 || protocol === "SCTP") continue;
      const only = parseAddress(hostIP);
      if (only !== undefined && familyOf(only) !== cluster.vnet.family) continue;
      const hostAddress = only === "0.0.0.0" || only === "::" ? undefined : only;
      const own = { protocol: protocol === "UDP" ? "udp" : "tcp", port: hostPort } as const;
      found.set(`${hostAddress} ${own.protocol} ${own.port}`, { pod, hostAddress, ...own, to: { address, port: containerPort } });
    }
  }
  return [...found.values()];
}

function elementOf(cluster: ClusterInfo, { pod, hostAddress, protocol, port, to }: HostPort): MapElement {
  return {
    key: [...(hostAddress === undefined ? [] : [hostAddress]), protocol, port],
    value: [to.address, to.port],
    origin: { resource: `${cluster.name}:${pod.metadata.namespace}/Pod/${pod.metadata.name}`, reason: `hostPort ${port}`, source },
  };
}

/** The prefix that the pod's address was given with: portmap's `snat`, on in AKS's configurations. Windows and Cilium translate no source here. */
function masqueradedSources(cluster: ClusterInfo, node: NodeInfo): Prefix | undefined {
  if (node.os !== "linux" || cluster.resource.properties.networkProfile.networkDataplane === "cilium") return undefined;
  switch (cluster.option) {
    case "kubenet":
      return node.podCidr;
    case "nodeSubnet":
      return node.nic.subnet.prefix;
    case "podSubnet":
      return node.nic.pods?.subnet.prefix;
    case "overlay":
      return cluster.podCidr;
    case "none":
      return cluster.cniConfig?.portmap?.snat === true ? node.podCidr : undefined;
  }
}

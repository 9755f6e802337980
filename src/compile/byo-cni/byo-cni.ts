/**
 * A CNI plugin of one's own (networkPlugin: none): what its configuration makes of a node, for the CNI project's plugins `bridge` and `ptp` with
 * `host-local` (kube/cni-config.ts). Nothing of Azure knows the pods: no route table, no second routing domain, no ip-masq-agent; so pods of two
 * nodes find one another only by routes that somebody makes. AKS docs: use-byo-cni; https://www.cni.dev/plugins/current/main/.
 */

import { type Interface, type InterfaceName, mainTable, type Origin, type Route } from "../../ir/network.ts";
import { priorities, type Rule, type Table } from "../../ir/ruleset.ts";
import type { CniConfig } from "../../kube/cni-config.ts";
import { addressAt, hostPrefix, lengthOf, mustPrefix, type Prefix } from "../../net/prefix.ts";
import { type Bridged, bridgedNode, bridgedPod } from "../bridged.ts";
import type { Part } from "../part.ts";
import type { NodeContext, PodNetwork } from "../pod-network.ts";
import type { ClusterInfo, NodeInfo, PodInfo } from "../topology.ts";
import { eth0 } from "../wiring.ts";

const docs = "https://www.cni.dev/plugins/current/main/";
const multicast = mustPrefix("224.0.0.0/4");

export const byoCni: PodNetwork = {
  name: "CNI plugin of one's own",
  uplink: { name: eth0 },
  clusterCidrs: (cluster) => (cluster.podCidr === undefined ? [] : [cluster.podCidr]),
  node: (context) => {
    const { cniConfig } = context.cluster;
    // Nobody has installed a plugin: the node stays not ready, and gets no pods.
    if (cniConfig === undefined) return { interfaces: [context.nic.interface], routes: [context.nic.defaultRoute] };
    return cniConfig.type === "bridge" ? bridgedNode(bridgedBy(cniConfig, context), context) : pointToPointNode(cniConfig, context);
  },
  pod: (context, pod) => {
    const { cniConfig } = context.cluster;
    if (cniConfig === undefined) return {};
    return cniConfig.type === "bridge" ? bridgedPod(bridgedBy(cniConfig, context), context, pod) : pointToPointPod(cniConfig, context, pod);
  },
};

/** What pods of a node reach by the first address of its prefix: the prefix itself, and what the configuration routes. */
function routesOf({ name, routes }: CniConfig, { node }: NodeContext): Bridged["routes"] {
  const own = node.podCidr === undefined ? [] : [{ dst: node.podCidr, reason: `the node's pods, by network ${name}` }];
  return [...own, ...routes.filter((dst) => dst !== node.podCidr).map((dst) => ({ dst, reason: `routes of network ${name}` }))];
}

function bridgedBy(config: CniConfig, context: NodeContext): Bridged {
  return { bridge: config.bridge, what: `bridge of network ${config.name}`, routes: routesOf(config, context), source: `${docs}bridge/` };
}

/** Each pod has a link of its own, whose other end has the first address of the node's prefix. */
function pointToPointNode({ name }: CniConfig, { node, pods, nic }: NodeContext): Part {
  const gateway = node.podCidr === undefined ? undefined : addressAt(node.podCidr, 1);
  const originOf = (pod: PodInfo): Origin => ({
    resource: pod.host,
    reason: `node's end of pod ${pod.pod.metadata.name}`,
    source: `${docs}ptp/`,
  });
  return {
    interfaces: [
      nic.interface,
      ...pods.map(
        (pod): Interface => ({
          kind: "veth",
          name: nodeInterface(pod),
          addresses: gateway === undefined ? [] : [{ address: gateway, prefixLength: 32, origin: originOf(pod) }],
          peer: { host: pod.host, name: eth0 },
          origin: originOf(pod),
        }),
      ),
    ],
    routes: [
      nic.defaultRoute,
      ...pods.map(
        (pod): Route => ({
          type: "unicast",
          table: mainTable,
          dst: hostPrefix(pod.address),
          dev: nodeInterface(pod),
          origin: { ...originOf(pod), reason: `network ${name}'s way to pod ${pod.pod.metadata.name}` },
        }),
      ),
    ],
  };
}

function pointToPointPod(config: CniConfig, context: NodeContext, pod: PodInfo): Part {
  const { podCidr } = context.node;
  const gateway = podCidr === undefined ? undefined : addressAt(podCidr, 1);
  const origin: Origin = { resource: pod.host, reason: `interface of pod ${pod.pod.metadata.name}`, source: `${docs}ptp/` };
  if (podCidr === undefined || gateway === undefined) return {};
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
    routes: [
      {
        type: "unicast",
        table: mainTable,
        dst: hostPrefix(gateway),
        dev: eth0,
        origin: { ...origin, reason: "the node's end of the link" },
      },
      ...routesOf(config, context).map(
        ({ dst, reason }): Route => ({ type: "unicast", table: mainTable, dst, dev: eth0, via: gateway, origin: { ...origin, reason } }),
      ),
    ],
  };
}

/** The tables of the plugin on one node. `pods`: its own. */
export function byoCniTables(cluster: ClusterInfo, node: NodeInfo, pods: readonly PodInfo[]): readonly Table[] {
  return [...masqueradeTables(cluster, node), ...oneWayPorts(cluster, node, pods)];
}

/**
 * A bridge sends nothing back by the port that it came by, unless `hairpinMode` or `promiscMode` says so: not what a pod sends to itself by a Service
 * (https://www.cni.dev/plugins/current/main/bridge/). Real nodes translate it while it is bridged; here traffic is routed (bridged.ts), and dropped so.
 */
function oneWayPorts({ name, cniConfig }: ClusterInfo, { node }: NodeInfo, pods: readonly PodInfo[]): readonly Table[] {
  if (cniConfig === undefined || cniConfig.returnsToSender || pods.length === 0) return [];
  return [
    {
      family: "ip",
      name: "cni-one-way-ports",
      chains: [
        {
          name: "forward",
          base: { type: "filter", hook: "forward", priority: priorities.filter, policy: "accept" },
          rules: [
            {
              matches: [{ kind: "lookup", fields: ["ip saddr", "ip daddr"], op: "==", set: "itself" }],
              statements: [{ kind: "verdict", verdict: "drop" }],
              origin: {
                resource: `${name}:kube-system/ConfigMap/cni-config`,
                reason: `bridge of network ${cniConfig.name} on ${node.metadata.name}: a port sends nothing back, as hairpinMode is off`,
                source: `${docs}bridge/`,
              },
            },
          ],
        },
      ],
      sets: [{ name: "itself", key: ["ipv4_addr", "ipv4_addr"], elements: pods.map(({ address }) => ({ key: [address, address] })) }],
      maps: [],
    },
  ];
}

/** With `ipMasq`, what leaves the node's prefix gets the node's address (containernetworking/plugins, pkg/ip: SetupIPMasq). */
function masqueradeTables(cluster: ClusterInfo, { node, podCidr }: NodeInfo): readonly Table[] {
  const { cniConfig } = cluster;
  if (cniConfig?.ipMasq !== true || podCidr === undefined) return [];
  const from: Rule["matches"][number] = { kind: "value", field: "ip saddr", op: "==", values: [podCidr] };
  const rule = (destination: Prefix | undefined, statement: Rule["statements"][number], reason: string): Rule => ({
    matches: [from, ...(destination === undefined ? [] : [{ kind: "value", field: "ip daddr", op: "==", values: [destination] } as const])],
    statements: [statement],
    origin: {
      resource: `${cluster.name}:kube-system/ConfigMap/cni-config`,
      reason: `ipMasq of network ${cniConfig.name} on ${node.metadata.name}: ${reason}`,
      source: `${docs}${cniConfig.type}/`,
    },
  });
  const stays = { kind: "verdict", verdict: "return" } as const;
  return [
    {
      family: "ip",
      name: "cni-ip-masq",
      chains: [
        {
          name: "postrouting",
          // After kube-proxy's, which puts its own first.
          base: { type: "nat", hook: "postrouting", priority: priorities.srcnat + 1, policy: "accept" },
          rules: [
            rule(podCidr, stays, `pods of ${podCidr} see one another's own addresses`),
            rule(multicast, stays, "multicast keeps its source"),
            rule(undefined, { kind: "masquerade" }, `the destination is outside ${podCidr}`),
          ],
        },
      ],
      sets: [],
      maps: [],
    },
  ];
}

/** The node's end of a pod's link. */
function nodeInterface(pod: PodInfo): InterfaceName {
  return `veth${pod.hash.slice(0, 8)}`;
}

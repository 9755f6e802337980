/**
 * Azure CNI, pod subnet: pods have addresses of a subnet of their own, which the fabric delivers to the node that holds them, one by one or in
 * blocks. They keep their address wherever they send to; the node translates for Azure's own services only.
 * AKS docs: concepts-network-azure-cni-pod-subnet, concepts-network-legacy-cni (FAQ); node side after Azure/azure-container-networking: cns/.
 */

import type { Origin } from "../../ir/network.ts";
import { type Match, priorities, type Rule, type Table } from "../../ir/ruleset.ts";
import { type Address, mustAddress } from "../../net/address.ts";
import { hostPrefix } from "../../net/prefix.ts";
import type { NodeContext, PodNetwork } from "../pod-network.ts";
import type { NodeInfo, PodInfo } from "../topology.ts";
import { transparentMode } from "../transparent.ts";
import { azureHostAddress, eth0 } from "../wiring.ts";

const source = "AKS docs: concepts-network-azure-cni-pod-subnet; Azure/azure-container-networking: network/, cns/";
/** Docs: instance-metadata-service. */
const metadataService = mustAddress("169.254.169.254");

export const azureCniPodSubnet: PodNetwork = {
  name: "Azure CNI with pod subnet",
  uplink: { name: eth0 },
  // As with node subnet; what AKS tells kube-proxy here is not documented.
  clusterCidrs: (cluster) => cluster.vnet.prefixes,
  ...transparentMode({ source, addressOrigin }),
};

function addressOrigin({ node }: NodeContext, pod: PodInfo): Origin {
  const subnet = node.nic.pods?.subnet;
  return {
    resource: node.nic.pods?.resource.metadata.name ?? node.nic.resource.id,
    reason: `${pod.address} is of pod subnet ${subnet?.resource.name ?? ""}, held by ${node.node.metadata.name} and given to pod ${pod.pod.metadata.name}`,
    source,
  };
}

/** What azure-cns translates on a node: its chain SWIFT-POSTROUTING (cns/restserver/internalapi_linux.go; to the node's address since chg:2025-10-12). */
export function cnsTable(node: NodeInfo): Table {
  const { pods, primary } = node.nic;
  const to = (address: Address, protocol: "tcp" | "udp", port: number, what: string): Rule => {
    const value = (field: Extract<Match, { kind: "value" }>["field"], datum: string | number): Match => ({
      kind: "value",
      field,
      op: "==",
      values: [datum],
    });
    return {
      matches: [
        ...(pods === undefined ? [] : [value("ip saddr", pods.subnet.prefix)]),
        value("ip daddr", hostPrefix(address)),
        value("meta l4proto", protocol),
        value("th dport", port),
      ],
      statements: [{ kind: "snat", address: primary }],
      origin: {
        resource: node.nic.resource.id,
        reason: `azure-cns on ${node.node.metadata.name}: ${what} sees the node's address`,
        source,
      },
    };
  };
  return {
    family: "ip",
    name: "azure-cns",
    chains: [
      {
        name: "postrouting",
        // After kube-proxy's: the first that translates decides.
        base: { type: "nat", hook: "postrouting", priority: priorities.srcnat + 1, policy: "accept" },
        rules: [
          to(azureHostAddress, "udp", 53, "Azure's DNS"),
          to(azureHostAddress, "tcp", 53, "Azure's DNS"),
          to(metadataService, "tcp", 80, "the metadata service"),
        ],
      },
    ],
    sets: [],
    maps: [],
  };
}

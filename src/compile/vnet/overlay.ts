/**
 * The fabric's half of Azure CNI Overlay: a second routing domain per cluster, in which the nodes' pod prefixes are known, and nothing else is.
 * AKS docs: concepts-network-azure-cni-overlay.
 *
 * The domain is chosen by the sender: what a node of the cluster sends into the cluster's pod CIDR. So two clusters of a VNet may have the same
 * pod CIDR, and nobody else has a way to a pod. No route table sees such a packet. Pod addresses leave a node for its own cluster's
 * pods and nodes only (a reply to a node is addressed to it); anywhere else they are nobody's, as from any machine that invents its sender.
 */

import type { Origin, PolicyRule, Route } from "../../ir/network.ts";
import type { Chain, NamedMap, NamedSet, Rule } from "../../ir/ruleset.ts";
import { hostPrefix } from "../../net/prefix.ts";
import type { OverlayInfo, VnetInfo } from "../topology.ts";
import { overlayMark, rulePriority } from "../wiring.ts";

const source = "AKS docs: concepts-network-azure-cni-overlay";

export function overlayRoutes({ overlays }: VnetInfo): readonly Route[] {
  return overlays.flatMap((overlay): Route[] => {
    const table = overlayMark(overlay.index);
    return [
      ...overlay.nodes.flatMap(({ nic, podCidr }): Route[] =>
        podCidr === undefined
          ? []
          : [
              {
                type: "unicast",
                table,
                dst: podCidr,
                dev: nic.fabricInterface,
                via: nic.primary,
                onlink: true,
                origin: { ...originOf(overlay), reason: `${podCidr} is the pod prefix of ${nic.machine}` },
              },
            ],
      ),
      {
        type: "blackhole",
        table,
        dst: overlay.podCidr,
        origin: { ...originOf(overlay), reason: `no node of cluster ${overlay.cluster.name} has this part of the pod CIDR` },
      },
    ];
  });
}

export function overlayPolicyRules({ overlays }: VnetInfo): readonly PolicyRule[] {
  return overlays.map((overlay) => ({
    priority: rulePriority.subnets,
    family: 4,
    mark: { value: overlayMark(overlay.index), mask: 0xffffffff },
    table: overlayMark(overlay.index),
    origin: originOf(overlay),
  }));
}

type OverlayGuard = {
  /** Before a sender's address is checked. */
  readonly sending: readonly Rule[];
  /** Before a receiver's address is checked. */
  readonly receiving: readonly Rule[];
  readonly chains: readonly Chain[];
  readonly sets: readonly NamedSet[];
  readonly maps: readonly NamedMap[];
};

/** Nothing in a VNet without overlays. */
export function overlayGuard({ overlays }: VnetInfo, origin: Origin): OverlayGuard {
  if (overlays.length === 0) return { sending: [], receiving: [], chains: [], sets: [], maps: [] };
  return {
    sending: [
      {
        matches: [],
        statements: [{ kind: "vmap", fields: ["iifname"], map: "overlays" }],
        origin: { ...origin, reason: "nodes with Azure CNI Overlay send into their own cluster's pod CIDR", source },
      },
    ],
    receiving: [
      {
        matches: [{ kind: "value", field: "meta mark", op: "==", values: overlays.map((overlay) => overlayMark(overlay.index)) }],
        statements: [{ kind: "verdict", verdict: "accept" }],
        origin: { ...origin, reason: "an overlay delivers to the node that has the pod's prefix", source },
      },
    ],
    chains: overlays.map(senderChain).sort((a, b) => (a.name < b.name ? -1 : 1)),
    sets: [
      {
        name: "overlay-pods",
        key: ["ifname", "ipv4_addr"],
        interval: true,
        elements: overlays.flatMap(({ nodes }) =>
          nodes.flatMap(({ nic, podCidr }) => (podCidr === undefined ? [] : [{ key: [nic.fabricInterface, podCidr] }])),
        ),
      },
      ...overlays.map(
        (overlay): NamedSet => ({
          name: nameOf(overlay),
          key: ["ipv4_addr"],
          interval: true,
          elements: [overlay.podCidr, ...overlay.nodes.map(({ nic }) => hostPrefix(nic.primary))].map((prefix) => ({ key: [prefix] })),
        }),
      ),
    ],
    maps: [
      {
        name: "overlays",
        key: ["ifname"],
        value: "verdict",
        elements: overlays.flatMap((overlay) =>
          overlay.nodes.map(({ nic }) => ({ key: [nic.fabricInterface], value: { verdict: "jump" as const, chain: nameOf(overlay) } })),
        ),
      },
    ],
  };
}

function senderChain(overlay: OverlayInfo): Chain {
  const origin = originOf(overlay);
  return {
    name: nameOf(overlay),
    rules: [
      {
        matches: [{ kind: "value", field: "ip daddr", op: "==", values: [overlay.podCidr] }],
        statements: [{ kind: "set-mark", target: "meta", value: { kind: "constant", value: overlayMark(overlay.index) } }],
        origin,
      },
      {
        matches: [
          { kind: "lookup", fields: ["iifname", "ip saddr"], op: "==", set: "overlay-pods" },
          { kind: "lookup", fields: ["ip daddr"], op: "==", set: nameOf(overlay) },
        ],
        statements: [{ kind: "verdict", verdict: "accept" }],
        origin: {
          ...origin,
          reason: `a pod of cluster ${overlay.cluster.name} sends to its cluster's pods and nodes under its own address`,
        },
      },
    ],
  };
}

/** Of its chain and of the set of its cluster's addresses. */
function nameOf(overlay: OverlayInfo): string {
  return `overlay-${overlay.cluster.name}`;
}

function originOf({ cluster, podCidr }: OverlayInfo): Origin {
  return {
    resource: cluster.id,
    reason: `overlay of cluster ${cluster.name}: the fabric's own routing domain for its pods in ${podCidr}`,
    source,
  };
}

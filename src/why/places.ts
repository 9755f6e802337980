/** Where addresses and hosts of a trace are plugged in. */

import { ipv6Half } from "../compile/ipv6/half.ts";
import type { NicInfo, NodeInfo, SiteInfo, SubnetInfo, Topology, VnetInfo } from "../compile/topology.ts";
import { hostNames } from "../compile/wiring.ts";
import type { HostName } from "../ir/network.ts";
import type { LabView } from "../lab/view.ts";
import { type Address, familyOf } from "../net/address.ts";
import { mustPrefix, type Prefix, prefixContains } from "../net/prefix.ts";
import type { Hop } from "../trace/index.ts";

export type Place =
  | { readonly kind: "interface"; readonly vnet: VnetInfo; readonly nic: NicInfo }
  /** A pod's that its node alone knows: kubenet, or an overlay. */
  | { readonly kind: "pod"; readonly vnet: VnetInfo; readonly node: NodeInfo; readonly podCidr: Prefix; readonly isOverlay: boolean }
  | { readonly kind: "site"; readonly vnet: VnetInfo; readonly site: SiteInfo }
  /** In a VNet's address space, and no interface's: a load balancer's frontend, or nobody's. */
  | { readonly kind: "space"; readonly vnet: VnetInfo }
  | { readonly kind: "public" };

/** RFC 1918 and RFC 6598, which Azure does not route to the Internet, and RFC 4193. */
const privateSpace = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"].map(mustPrefix);

/** The half of the lab that packets with this address are in: places of the two are not to be mixed, since their addresses are of one family. */
function halfOf({ topology }: LabView, address: Address): Topology {
  return familyOf(address) === 6 ? (ipv6Half(topology) ?? topology) : topology;
}

/** `undefined`: nobody's. */
export function placeOf(view: LabView, address: Address): Place | undefined {
  const topology = halfOf(view, address);
  for (const vnet of topology.vnets) {
    const nic = vnet.nics.find((one) => has(one, address));
    if (nic !== undefined) return { kind: "interface", vnet, nic };
  }
  for (const { vnet, nodes, option } of topology.clusters.values()) {
    for (const node of nodes.values()) {
      if (node.podCidr !== undefined && prefixContains(node.podCidr, address)) {
        return { kind: "pod", vnet, node, podCidr: node.podCidr, isOverlay: option === "overlay" };
      }
    }
  }
  const vnet = topology.vnets.find(({ prefixes }) => prefixes.some((prefix) => prefixContains(prefix, address)));
  if (vnet !== undefined) return { kind: "space", vnet };
  for (const owner of topology.vnets) {
    const site = owner.sites.find(({ prefixes }) => prefixes.some((prefix) => prefixContains(prefix, address)));
    if (site !== undefined) return { kind: "site", vnet: owner, site };
  }
  return privateSpace.some((prefix) => prefixContains(prefix, address)) ? undefined : { kind: "public" };
}

function has({ primary, secondary, pods }: NicInfo, address: Address): boolean {
  return primary === address || secondary.includes(address) || pods?.prefixes.some((prefix) => prefixContains(prefix, address)) === true;
}

/** A machine or node, and where it is plugged in: in the half of a packet's address. */
export function interfaceOf(
  view: LabView,
  host: HostName,
  address: Address,
): { readonly vnet: VnetInfo; readonly nic: NicInfo } | undefined {
  for (const vnet of halfOf(view, address).vnets) {
    const nic = vnet.nics.find((one) => one.host === host);
    if (nic !== undefined) return { vnet, nic };
  }
  return undefined;
}

export type Entry = {
  readonly vnet: VnetInfo;
  readonly hop: Hop;
  readonly nic?: NicInfo /** Whose routes count. */;
  readonly subnet?: SubnetInfo;
};

/** The last time that a packet came into a fabric: whose routes sent it on. */
export function lastEntry(view: LabView, hops: readonly Hop[]): Entry | undefined {
  const hop = hops.findLast((one) => fabricOf(view, one) !== undefined);
  return hop === undefined ? undefined : entryOf(view, hop);
}

/** The first time. */
export function firstEntry(view: LabView, hops: readonly Hop[]): Entry | undefined {
  const hop = hops.find((one) => fabricOf(view, one) !== undefined);
  return hop === undefined ? undefined : entryOf(view, hop);
}

function fabricOf(view: LabView, { host, before }: Hop): VnetInfo | undefined {
  return halfOf(view, before.destination).vnets.find(({ name }) => hostNames.fabric(name) === host);
}

function entryOf(view: LabView, hop: Hop): Entry | undefined {
  const vnet = fabricOf(view, hop);
  if (vnet === undefined) return undefined;
  const nic = vnet.nics.find(({ fabricInterface }) => fabricInterface === hop.inInterface);
  if (nic !== undefined) return { vnet, hop, nic, subnet: subnetOf(nic, hop.before.source) };
  const isFromSite = vnet.sites.some(({ fabricInterface }) => fabricInterface === hop.inInterface);
  return { vnet, hop, ...(isFromSite && vnet.gatewaySubnet !== undefined ? { subnet: vnet.gatewaySubnet } : {}) };
}

/** Pods with addresses of a subnet of their own send by its routes. */
function subnetOf({ subnet, pods }: NicInfo, source: Address): SubnetInfo {
  return pods?.prefixes.some((prefix) => prefixContains(prefix, source)) === true ? pods.subnet : subnet;
}

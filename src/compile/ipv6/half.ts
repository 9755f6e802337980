/**
 * The IPv6 half of a lab: the same VNets, machines, nodes and pods, by their addresses of IPv6. Nothing translates between the families, so the
 * two halves never meet, and the front ends need not know that there are two: they are given one half at a time. Whatever has no IPv6 in Azure is not
 * in this half: gateways and their sites, NAT gateways, service endpoints, private endpoints, pod subnets.
 * Azure docs: virtual-network/ip-services/ipv6-overview (limitations); nat-gateway/nat-gateway-resource.
 *
 * What is made of an object is the same object for as long as that object is, as hosts are kept by their inputs.
 */

import type { InternetHost } from "../../arm/resources.ts";
import { type Address, familyOf, parseAddress } from "../../net/address.ts";
import { type Prefix, parseLoosePrefix, parsePrefix, prefixFamily } from "../../net/prefix.ts";
import { armKey, type Key } from "../../resources/resources.ts";
import {
  type ClusterInfo,
  isIpv6,
  type NicInfo,
  type NodeInfo,
  type PeeringInfo,
  type PodInfo,
  type SubnetInfo,
  type Topology,
  type VnetInfo,
} from "../topology.ts";
import { ipv6Gateway } from "../wiring.ts";

const halves = new WeakMap<Topology, { readonly half: Topology | undefined }>();

/** `undefined` when nothing in the lab has an address of IPv6. */
export function ipv6Half(topology: Topology): Topology | undefined {
  let known = halves.get(topology);
  if (known === undefined) {
    known = { half: makeHalf(topology) };
    halves.set(topology, known);
  }
  return known.half;
}

function makeHalf(topology: Topology): Topology | undefined {
  const internetHosts = topology.internetHosts.flatMap((host) => internetHostOf(host) ?? []);
  const made = new Map(topology.vnets.flatMap((vnet) => vnetOf(vnet) ?? []).map((half) => [half.whole, half]));
  if (made.size === 0 && internetHosts.length === 0) return undefined;
  for (const { whole, peerings } of made.values()) {
    for (const peering of whole.peerings) {
      const remote = made.get(peering.remote);
      if (remote !== undefined) peerings.push({ ...peering, remote: remote.vnet });
    }
  }
  const nics = new Map([...made.values()].flatMap((half) => [...half.nics]));
  const applicationSecurityGroups = new Map<Key, Address[]>();
  for (const [, nic] of nics) {
    for (const { id } of configurationOf(nic)?.properties.applicationSecurityGroups ?? []) {
      const members = applicationSecurityGroups.get(armKey(id));
      if (members === undefined) applicationSecurityGroups.set(armKey(id), [nic.primary]);
      else members.push(nic.primary);
    }
  }
  const clusters = [...topology.clusters.values()].flatMap((cluster) => {
    const vnet = made.get(cluster.vnet)?.vnet;
    return vnet === undefined ? [] : (clusterOf(cluster, vnet, nics) ?? []);
  });
  return {
    ...topology,
    vnets: [...made.values()].map(({ vnet }) => vnet),
    clusters: new Map(clusters.map((cluster) => [cluster.name, cluster])),
    machines: topology.machines.flatMap((machine) => {
      const nic = nics.get(machine.nic);
      return nic === undefined ? [] : [{ ...machine, nic }];
    }),
    privateEndpoints: [],
    internetHosts,
    applicationSecurityGroups,
    natGateways: new Map(),
  };
}

const internetHostsOf = new WeakMap<InternetHost, InternetHost>();

function internetHostOf(host: InternetHost): InternetHost | undefined {
  const { ipv6Address } = host.properties;
  if (ipv6Address === undefined) return undefined;
  let made = internetHostsOf.get(host);
  if (made === undefined) {
    const { service: _service, ...properties } = host.properties;
    made = { ...host, properties: { ...properties, address: ipv6Address } };
    internetHostsOf.set(host, made);
  }
  return made;
}

type VnetHalf = {
  readonly whole: VnetInfo;
  readonly vnet: VnetInfo;
  readonly nics: ReadonlyMap<NicInfo, NicInfo>;
  /** That of `vnet`, filled when all halves are there. */
  readonly peerings: PeeringInfo[];
};

function vnetOf(whole: VnetInfo): VnetHalf | undefined {
  const prefixes = whole.resource.properties.addressSpace.addressPrefixes.flatMap(ipv6Prefix);
  if (prefixes.length === 0) return undefined;
  const subnets = new Map<SubnetInfo, SubnetInfo>();
  for (const subnet of whole.subnets) {
    const [prefix] = (subnet.resource.properties.addressPrefixes ?? []).flatMap(ipv6Prefix);
    if (prefix !== undefined) subnets.set(subnet, { ...subnet, prefix, gateway: ipv6Gateway });
  }
  const nics = new Map<NicInfo, NicInfo>();
  for (const nic of whole.nics) {
    const subnet = subnets.get(nic.subnet);
    const configuration = configurationOf(nic);
    const primary = parseAddress(configuration?.properties.privateIPAddress ?? "");
    if (subnet === undefined || configuration === undefined || primary === undefined) continue;
    nics.set(nic, {
      ...nic,
      subnet,
      primary,
      secondary: [],
      publicAddress: configuration.properties.publicIPAddress,
      pods: undefined,
    });
  }
  const peerings: PeeringInfo[] = [];
  const overlays = whole.overlays.flatMap((overlay) => {
    const [podCidr] = (overlay.cluster.properties.networkProfile.podCidrs ?? []).flatMap(ipv6Prefix);
    if (podCidr === undefined) return [];
    const nodes = overlay.nodes.flatMap(({ nic, node }) => {
      const own = nics.get(nic);
      return own === undefined ? [] : [{ nic: own, node, podCidr: ipv6PodCidr(node.spec.podCIDRs) }];
    });
    return [{ ...overlay, podCidr, nodes }];
  });
  const vnet: VnetInfo = {
    ...whole,
    family: 6,
    prefixes,
    subnets: [...subnets.values()],
    nics: [...nics.values()],
    privateEndpoints: [],
    gatewaySubnet: undefined,
    gateway: undefined,
    sites: [],
    overlays,
    services: [],
    peerings,
  };
  return { whole, vnet, nics, peerings };
}

function configurationOf({ resource }: NicInfo) {
  return resource.properties.ipConfigurations.find(isIpv6);
}

function clusterOf(cluster: ClusterInfo, vnet: VnetInfo, nics: ReadonlyMap<NicInfo, NicInfo>): ClusterInfo | undefined {
  const { ipFamilies = [], podCidrs = [], serviceCidrs = [] } = cluster.resource.properties.networkProfile;
  if (!ipFamilies.includes("IPv6")) return undefined;
  const nodes = new Map<string, NodeInfo>();
  for (const [name, info] of cluster.nodes) {
    const nic = nics.get(info.nic);
    if (nic !== undefined) nodes.set(name, { ...info, nic, podCidr: ipv6PodCidr(info.node.spec.podCIDRs) });
  }
  return {
    ...cluster,
    vnet,
    serviceCidr: serviceCidrs.flatMap(ipv6Prefix)[0],
    podCidr: podCidrs.flatMap(ipv6Prefix)[0],
    nodes,
    virtualPods: [],
    podsByNode: podsByNodeOf(cluster.podsByNode),
  };
}

const podLists = new WeakMap<readonly PodInfo[], readonly PodInfo[]>();
const podInfos = new WeakMap<PodInfo, { readonly half: PodInfo | undefined }>();

function podsByNodeOf(podsByNode: ClusterInfo["podsByNode"]): ClusterInfo["podsByNode"] {
  const found = new Map<string, readonly PodInfo[]>();
  for (const [node, pods] of podsByNode) {
    let half = podLists.get(pods);
    if (half === undefined) {
      half = pods.flatMap((pod) => podOf(pod) ?? []);
      podLists.set(pods, half);
    }
    found.set(node, half);
  }
  return found;
}

function podOf(info: PodInfo): PodInfo | undefined {
  let known = podInfos.get(info);
  if (known === undefined) {
    const address = ipv6AddressOf((info.pod.status?.podIPs ?? []).map(({ ip }) => ip));
    known = { half: address === undefined ? undefined : { ...info, address } };
    podInfos.set(info, known);
  }
  return known.half;
}

/** The one of IPv6 among addresses. */
export function ipv6AddressOf(texts: readonly string[]): Address | undefined {
  return texts.flatMap((text) => parseAddress(text) ?? []).find((address) => familyOf(address) === 6);
}

function ipv6PodCidr(texts: readonly string[] | undefined): Prefix | undefined {
  return (texts ?? []).flatMap((text) => parsePrefix(text) ?? []).find((prefix) => prefixFamily(prefix) === 6);
}

function ipv6Prefix(text: string): Prefix[] {
  const prefix = parseLoosePrefix(text);
  return prefix === undefined || prefixFamily(prefix) === 4 ? [] : [prefix];
}

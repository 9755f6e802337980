/**
 * How hosts are named and how links between routers are numbered: the one thing that all front ends share.
 *
 * Links between routers are unnumbered: each role has one link-local address on `lo`, the same in every host of the role, and routes say
 * `via <address> onlink`. Links are point to point, so the address is always that of the neighbour at the other end.
 */

import type { HostName, InterfaceName } from "../ir/network.ts";
import { type Address, ipv4Number, mustAddress } from "../net/address.ts";

export const routerAddress = {
  fabric: mustAddress("169.254.255.1"),
  edge: mustAddress("169.254.255.2"),
  internet: mustAddress("169.254.255.3"),
  site: mustAddress("169.254.255.4"),
} as const satisfies Record<string, Address>;

/**
 * The fabric of the VNet at this position, towards the fabrics of peered VNets: at both ends of such a link is a fabric, so each needs an
 * address of its own. 2,048 of them, 169.254.240.0 to 169.254.247.255; a subscription has at most 1,000 VNets.
 */
export function peerAddress(vnetIndex: number): Address {
  return mustAddress(`169.254.${240 + Math.floor(vnetIndex / 256)}.${vnetIndex % 256}`);
}

export const internetHost: HostName = "internet";

export const hostNames = {
  fabric: (vnet: string): HostName => `vnet/${vnet}`,
  edge: (vnet: string): HostName => `edge/${vnet}`,
  site: (site: string): HostName => `site/${site}`,
  siteMachine: (site: string, machine: string): HostName => `site/${site}/${machine}`,
  internetMachine: (name: string): HostName => `internet/${name}`,
  machine: (name: string): HostName => `vm/${name}`,
  privateEndpoint: (name: string): HostName => `endpoint/${name}`,
  node: (cluster: string, node: string): HostName => `node/${cluster}/${node}`,
  pod: (cluster: string, namespace: string, pod: string): HostName => `pod/${cluster}/${namespace}/${pod}`,
} as const;

/** Fixed interface names of routers. */
export const links = {
  fabricToEdge: "wan",
  edgeToFabric: "vnet",
  edgeToInternet: "internet",
  siteToFabric: "azure",
} as const satisfies Record<string, InterfaceName>;

/** The host's own name for its first interface, in machines, nodes and pods alike. */
export const eth0: InterfaceName = "eth0";

/** Azure's host address: health probes come from it. Docs: what-is-ip-address-168-63-129-16. */
export const azureHostAddress = mustAddress("168.63.129.16");

/** The fabric's routing table that knows where each address of the VNet is plugged in. */
export const nicTable = 1;

/** Order of the fabric's policy rules: ways to appliances from peered VNets, effective routes of the sender's subnet, load-balanced flows, and where addresses are plugged in. */
export const rulePriority = { appliances: 500, subnets: 1000, loadBalancer: 2000, nics: 3000 } as const;

/** Mark and routing table of the overlay with this position in its VNet: beyond every subnet's, below every address. */
export function overlayMark(index: number): number {
  return 10_000 + index;
}

/**
 * An address as a mark and as a table number. Load balancer backends are told apart by their primary address, which stays while others come
 * and go. Marks and tables of subnets are small numbers, which no address in use is.
 */
export function addressMark(address: Address): number {
  return ipv4Number(address) ?? 0;
}

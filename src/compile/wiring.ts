/**
 * How hosts are named and how links between routers are numbered: the one thing that all front ends share.
 *
 * Links between routers are unnumbered: each role has one link-local address on `lo`, the same in every host of the role, and routes say
 * `via <address> onlink`. Links are point to point, so the address is always that of the neighbour at the other end.
 */

import type { HostName, InterfaceName } from "../ir/network.ts";
import { type Address, ipv4Number, mustAddress, parseAddress } from "../net/address.ts";

export const routerAddress = {
  fabric: mustAddress("169.254.255.1"),
  edge: mustAddress("169.254.255.2"),
  internet: mustAddress("169.254.255.3"),
  site: mustAddress("169.254.255.4"),
  balancer: mustAddress("169.254.255.5"),
} as const satisfies Record<string, Address>;

/**
 * The fabric of the VNet at this position, towards the fabrics of peered VNets: at both ends of such a link is a fabric, so each needs an
 * address of its own. 2,048 of them, 169.254.240.0 to 169.254.247.255; a subscription has at most 1,000 VNets.
 */
export function peerAddress(vnetIndex: number): Address {
  return mustAddress(`169.254.${240 + Math.floor(vnetIndex / 256)}.${vnetIndex % 256}`);
}

/** The gateway that every machine with IPv6 sees in Azure, whatever its subnet. */
export const ipv6Gateway = mustAddress("fe80::1234:5678:9abc");

/**
 * What takes the place of an IPv4 address of the emulation's own: `link` on the links, `loopback` on `lo`, where errors are sent from. Those on `lo`
 * are of 2001:2::/48, which is for benchmarks and on nobody's Internet, as 198.18.0.0/15 is (RFC 5180).
 */
export function ipv6Of(address: Address): { readonly link: Address | undefined; readonly loopback: Address } | undefined {
  const known = ipv6Wiring.get(address);
  if (known !== undefined || !address.startsWith("169.254.24")) return known;
  // A fabric towards those of peered VNets.
  const [, , third = "", fourth = ""] = address.split(".");
  const index = (Number(third) - 240) * 256 + Number(fourth);
  const made = { link: mustAddress(`fe80::1:${index.toString(16)}`), loopback: mustAddress(`2001:2:0:fffe::${index.toString(16)}`) };
  ipv6Wiring.set(address, made);
  return made;
}

const ipv6Wiring = new Map<Address, { readonly link: Address | undefined; readonly loopback: Address }>(
  [
    [routerAddress.fabric, ipv6Gateway, "2001:2:0:ffff::1"],
    [routerAddress.edge, "fe80::2", "2001:2:0:ffff::2"],
    [routerAddress.internet, "fe80::3", "2001:2:0:ffff::3"],
    // Azure's probes come from the gateway's link-local address; here from one that a node can send on to its pods.
    ["168.63.129.16", "", "2001:2:0:ffff::a83f:8110"],
    // The gateway that Azure CNI gives pods.
    ["169.254.1.1", ipv6Gateway, "2001:2:0:ffff::5"],
  ].map(([address = "", link = "", loopback = ""]) => [
    mustAddress(address),
    { link: parseAddress(link), loopback: mustAddress(loopback) },
  ]),
);

export const internetHost: HostName = "internet";

const balancers = "balancer/";

export const hostNames = {
  fabric: (vnet: string): HostName => `vnet/${vnet}`,
  edge: (vnet: string): HostName => `edge/${vnet}`,
  /** A load balancer's frontend that is a next hop. */
  balancer: (vnet: string, frontend: Address): HostName => `${balancers}${vnet}/${frontend}`,
  /** What the names of all of those begin with. */
  balancers,
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

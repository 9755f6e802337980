/** Source ports for outbound flows: which node may use which of them, and how many of them it uses. */

import { segmentAfter } from "../arm/names.ts";
import { outboundShares } from "../compile/load-balancer/outbound.ts";
import type { Topology } from "../compile/topology.ts";
import type { Address } from "../net/address.ts";

/** Distinct source ports in use, of one backend at one public address. Each protocol has all the ports to itself. */
export type SnatUse = { readonly backend: Address; readonly publicAddress: Address; readonly tcp: number; readonly udp: number };

/** A node's share of the ports of a public address. */
export type SnatShare = {
  readonly cluster: string;
  readonly node: string;
  readonly address: Address;
  readonly publicAddress: Address;
  readonly firstPort: number;
  readonly lastPort: number;
  /** How many, for each of TCP and UDP. */
  readonly allocated: number;
  /** In a running lab. */
  readonly used?: { readonly tcp: number; readonly udp: number };
  readonly why: string;
};

/**
 * Does a connection in this state (undefined for UDP) keep its port from others? The kernel forgets one that is over when its port is
 * wanted (nf_nat_core.c, nf_nat_may_kill); older ones keep it for the two minutes of TIME_WAIT.
 */
export function holdsPort(tcpState: string | undefined): boolean {
  return tcpState !== "TIME_WAIT" && tcpState !== "CLOSE";
}

/** The share of every backend of every outbound rule. `use`: of a running lab; whoever is not in it uses none. */
export function snatShares(topology: Topology, use?: readonly SnatUse[]): readonly SnatShare[] {
  const clusters = new Map(
    [...topology.clusters.values()].map(({ name, resource }) => [resource.properties.nodeResourceGroup.toLowerCase(), name]),
  );
  const used = new Map(use?.map(({ backend, publicAddress, tcp, udp }) => [`${backend} ${publicAddress}`, { tcp, udp }]));
  return topology.vnets.flatMap((vnet) =>
    outboundShares(topology, vnet).map(({ backend, backendName, publicAddress, ports, origin }) => ({
      cluster: clusters.get(segmentAfter(origin.resource, "resourceGroups").toLowerCase()) ?? "",
      node: backendName,
      address: backend,
      publicAddress,
      firstPort: ports.first,
      lastPort: ports.last,
      allocated: ports.last - ports.first + 1,
      ...(use === undefined ? {} : { used: used.get(`${backend} ${publicAddress}`) ?? noPorts }),
      why: origin.reason,
    })),
  );
}

const noPorts = { tcp: 0, udp: 0 };

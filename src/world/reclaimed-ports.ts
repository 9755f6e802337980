/**
 * What becomes of flows whose source port is no longer their sender's. When an outbound rule gives a node fewer ports than before, Azure takes ports back
 * from flows that are under way: they time out (Azure docs: load-balancer/load-balancer-outbound-connections). Linux would let them go on, so they are
 * marked, and the edge drops what has the mark; see compile/load-balancer/outbound.ts.
 */

import { outboundShares, reclaimedMark } from "../compile/load-balancer/outbound.ts";
import type { Topology } from "../compile/topology.ts";
import { hostNames } from "../compile/wiring.ts";
import type { HostName } from "../ir/network.ts";
import { connections, markConnections } from "../kernel/index.ts";
import type { Address } from "../net/address.ts";

/** `edges`: whose rules may have changed. */
export function reclaimPorts(topology: Topology, edges: (name: HostName) => boolean): void {
  for (const vnet of topology.vnets) {
    const edge = hostNames.edge(vnet.name);
    if (!edges(edge)) continue;
    const shares = outboundShares(topology, vnet);
    const publicAddresses = new Set(shares.map(({ publicAddress }) => publicAddress));
    if (publicAddresses.size === 0) continue;
    const sharesOf = new Map<Address, typeof shares>();
    for (const share of shares) {
      for (const sender of [share.backend, ...share.pods]) sharesOf.set(sender, [...(sharesOf.get(sender) ?? []), share]);
    }
    const reclaimed = connections(edge).filter(({ original, reply, status, mark }) => {
      const port = reply.destinationPort;
      if (!status.includes("snat") || mark === reclaimedMark || port === undefined || !publicAddresses.has(reply.destination)) return false;
      const own = sharesOf.get(original.source) ?? [];
      return !own.some(({ publicAddress, ports }) => publicAddress === reply.destination && ports.first <= port && port <= ports.last);
    });
    markConnections(edge, reclaimed, reclaimedMark);
  }
}

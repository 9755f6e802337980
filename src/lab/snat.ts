/** Source ports for outbound flows: who may use which of them, and how many are in use. */

import { segmentAfter } from "../arm/names.ts";
import { outboundShares } from "../compile/load-balancer/outbound.ts";
import { natGatewayPorts, natGatewaysOf } from "../compile/nat-gateway/nat-gateway.ts";
import type { Topology, VnetInfo } from "../compile/topology.ts";
import type { Address } from "../net/address.ts";

/** Distinct source ports in use, of one backend at one public address. Each protocol has all the ports to itself. */
export type SnatUse = { readonly backend: Address; readonly publicAddress: Address; readonly tcp: number; readonly udp: number };

/** Ports of a public address: a node's share, or all those of an address of a NAT gateway, whose subnets take them on demand. */
export type SnatShare = {
  /** As ends of journeys are written: `shop:node/aks-…`; or `NAT gateway egress`. */
  readonly owner: string;
  /** Of a node. */
  readonly cluster?: string;
  readonly node?: string;
  readonly address?: Address;
  readonly publicAddress: Address;
  readonly firstPort: number;
  readonly lastPort: number;
  /** How many, for each of TCP and UDP. */
  readonly allocated: number;
  /** In a running lab. Of a NAT gateway: the sum over all that leave by it, who may have the same port towards different destinations. */
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

/** Those of every outbound rule and every NAT gateway. `use`: of a running lab; whoever is not in it uses none. */
export function snatShares(topology: Topology, use?: readonly SnatUse[]): readonly SnatShare[] {
  const clusters = new Map(
    [...topology.clusters.values()].map(({ name, resource }) => [resource.properties.nodeResourceGroup.toLowerCase(), name]),
  );
  const byAddress = new Map<Address, SnatUse[]>();
  for (const one of use ?? []) byAddress.set(one.publicAddress, [...(byAddress.get(one.publicAddress) ?? []), one]);
  const used = (publicAddress: Address, isOwn: (backend: Address) => boolean): Pick<SnatShare, "used"> => {
    if (use === undefined) return {};
    const own = (byAddress.get(publicAddress) ?? []).filter(({ backend }) => isOwn(backend));
    return { used: { tcp: own.reduce((sum, { tcp }) => sum + tcp, 0), udp: own.reduce((sum, { udp }) => sum + udp, 0) } };
  };
  const nodes = (vnet: VnetInfo) =>
    outboundShares(topology, vnet).map(({ backend, backendName, pods, publicAddress, ports, origin }): SnatShare => {
      const cluster = clusters.get(segmentAfter(origin.resource, "resourceGroups").toLowerCase()) ?? "";
      const own = new Set([backend, ...pods]);
      return {
        owner: `${cluster}:node/${backendName}`,
        cluster,
        node: backendName,
        address: backend,
        publicAddress,
        ...span(ports),
        ...used(publicAddress, (address) => own.has(address)),
        why: origin.reason,
      };
    });
  const gateways = (vnet: VnetInfo) =>
    natGatewaysOf(topology, vnet).flatMap(({ gateway, subnets, addresses }) =>
      addresses.map(
        (publicAddress): SnatShare => ({
          owner: `NAT gateway ${gateway.name}`,
          publicAddress,
          ...span(natGatewayPorts),
          ...used(publicAddress, () => true),
          why: `whatever leaves ${subnets.map(({ resource }) => `subnet ${vnet.name}/${resource.name}`).join(", ")}, on demand`,
        }),
      ),
    );
  return topology.vnets.flatMap((vnet) => [...nodes(vnet), ...gateways(vnet)]);
}

function span({ first, last }: { readonly first: number; readonly last: number }) {
  return { firstPort: first, lastPort: last, allocated: last - first + 1 };
}

/**
 * What a user-defined route leads to whose next hop is an appliance: the network interface of a machine, or the frontend of an internal load balancer
 * with high-availability ports, behind which there are several (Azure docs: load-balancer/load-balancer-ha-ports-overview).
 */

import type { LoadBalancer } from "../arm/resources.ts";
import { interfaceName } from "../ir/names.ts";
import type { HostName, InterfaceName } from "../ir/network.ts";
import { type Address, familyOf, parseAddress } from "../net/address.ts";
import { armKey } from "../resources/resources.ts";
import { nicsByAddress, type VnetInfo } from "./topology.ts";
import { hostNames, routerAddress } from "./wiring.ts";

/** Where the fabric of its VNet sends what is for it, whatever the destination. */
export type Appliance = {
  /** Unlike any other's. */
  readonly key: string;
  /** As reasons name it: `appliance fw`. */
  readonly name: string;
  /** Of the resource that it is. */
  readonly id: string;
  readonly fabricInterface: InterfaceName;
  readonly via: Address;
  /** By which routes name it. */
  readonly addresses: readonly Address[];
  /** What all of this is read from. */
  readonly source: unknown;
};

/** A frontend with high-availability ports that some route names as its next hop. It balances on a host of its own. */
export type BalancedHop = {
  readonly balancer: LoadBalancer;
  readonly address: Address;
  readonly host: HostName;
  /** The fabric's end of the link to it. */
  readonly fabricInterface: InterfaceName;
};

/** The next hops that route tables of a VNet's subnets name. */
export function namedHops({ subnets }: VnetInfo): ReadonlySet<Address> {
  const tables = new Set(subnets.flatMap(({ routeTable }) => routeTable ?? []));
  return new Set(
    [...tables].flatMap((table) =>
      table.properties.routes.flatMap(({ properties }) => parseAddress(properties.nextHopIpAddress ?? "") ?? []),
    ),
  );
}

const known = new WeakMap<VnetInfo, readonly BalancedHop[]>();

/** Those of a VNet that routes of its own or of a peered one name. */
export function balancedHops(vnet: VnetInfo): readonly BalancedHop[] {
  let found = known.get(vnet);
  if (found === undefined) {
    found = vnet.loadBalancers.length === 0 ? [] : findBalanced(vnet);
    known.set(vnet, found);
  }
  return found;
}

function findBalanced(vnet: VnetInfo): readonly BalancedHop[] {
  const named = new Set([vnet, ...vnet.peerings.map(({ remote }) => remote)].flatMap((one) => [...namedHops(one)]));
  return vnet.loadBalancers.flatMap((balancer) => {
    const { frontendIPConfigurations, loadBalancingRules } = balancer.properties;
    const all = new Set(
      loadBalancingRules.flatMap(({ properties }) => (properties.protocol === "All" ? armKey(properties.frontendIPConfiguration.id) : [])),
    );
    return frontendIPConfigurations.flatMap(({ name, properties }): BalancedHop[] => {
      const address = parseAddress(properties.privateIPAddress ?? "");
      if (address === undefined || familyOf(address) !== vnet.family || !named.has(address)) return [];
      if (!all.has(armKey(`${balancer.id}/frontendIPConfigurations/${name}`))) return [];
      const fabricInterface = interfaceName(balancer.name, `${balancer.id} ${name}`);
      return [{ balancer, address, host: hostNames.balancer(vnet.name, address), fabricInterface }];
    });
  });
}

/** The appliance of this VNet that has the address. */
export function applianceAt(vnet: VnetInfo, address: Address): Appliance | undefined {
  const nic = nicsByAddress(vnet).get(address);
  if (nic !== undefined) {
    const { key, machine, resource, fabricInterface, primary, secondary } = nic;
    return { key, name: machine, id: resource.id, fabricInterface, via: primary, addresses: [primary, ...secondary], source: resource };
  }
  const hop = balancedHops(vnet).find((one) => one.address === address);
  if (hop === undefined) return undefined;
  const { balancer, fabricInterface } = hop;
  return {
    key: `${balancer.id} ${address}`,
    name: balancer.name,
    id: balancer.id,
    fabricInterface,
    via: routerAddress.balancer,
    addresses: [address],
    source: balancer,
  };
}

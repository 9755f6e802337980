/** The rules of the load balancers of a VNet, with the addresses they stand for. */

import { type FaultOf, isFault } from "../../arm/faults.ts";
import type { LoadBalancer } from "../../arm/resources.ts";
import type { Origin } from "../../ir/network.ts";
import { type Address, familyOf, parseAddress } from "../../net/address.ts";
import { addressAt, parsePrefix, sizeOf } from "../../net/prefix.ts";
import { armKey } from "../../resources/resources.ts";
import type { NicInfo, Topology, VnetInfo } from "../topology.ts";

export type Distribution = LoadBalancer["properties"]["loadBalancingRules"][number]["properties"]["loadDistribution"];

export type BalancingRule = {
  readonly balancer: LoadBalancer;
  readonly name: string;
  readonly frontend: Address;
  /** all: every port of TCP and UDP. */
  readonly protocol: "tcp" | "udp" | "all";
  /** 0 for every port. */
  readonly frontendPort: number;
  /** Without floating IP: the port of the backend's own address that flows are translated to. */
  readonly nodePort: number | undefined;
  readonly distribution: Distribution;
  /** In the order of the pool. */
  readonly members: readonly NicInfo[];
  /** Those of them that answer the probe; all of them when the rule has no probe. */
  readonly healthy: readonly NicInfo[];
  readonly poolSize: number;
  /** Keeps the probe from being answered. */
  readonly probeFault: FaultOf<"probe"> | undefined;
  /** What the backends answer the probe, where that is not 200. */
  readonly probeAnswer: { readonly path: string; readonly status: number } | undefined;
  readonly origin: Origin;
};

/** Every frontend address of the VNet's load balancers, whether a rule uses it or not. */
export function frontendAddresses(
  topology: Topology,
  vnet: VnetInfo,
): readonly { readonly address: Address; readonly isPublic: boolean; readonly origin: Origin }[] {
  return vnet.loadBalancers.flatMap((balancer) =>
    balancer.properties.frontendIPConfigurations.flatMap((frontend) => {
      return ofFamily(addressesOfFrontend(topology, frontend), vnet).map((address) => ({
        address,
        isPublic: frontend.properties.privateIPAddress === undefined,
        origin: { resource: balancer.id, reason: `frontend ${frontend.name} of load balancer ${balancer.name}` },
      }));
    }),
  );
}

export function balancingRules(topology: Topology, vnet: VnetInfo): readonly BalancingRule[] {
  const nics = new Map(vnet.nics.map((nic) => [nic.key, nic]));
  return vnet.loadBalancers.flatMap((balancer) => {
    const { frontendIPConfigurations, backendAddressPools, loadBalancingRules } = balancer.properties;
    const pools = new Map(backendAddressPools.map((pool) => [childKey(balancer, "backendAddressPools", pool.name), pool]));
    const frontends = new Map(
      frontendIPConfigurations.map((frontend) => [childKey(balancer, "frontendIPConfigurations", frontend.name), frontend]),
    );
    return loadBalancingRules.flatMap((rule): BalancingRule[] => {
      const { properties } = rule;
      const frontend = frontends.get(armKey(properties.frontendIPConfiguration.id));
      const [address] = frontend === undefined ? [] : ofFamily(addressesOfFrontend(topology, frontend), vnet);
      if (address === undefined) return [];
      const members = (pools.get(armKey(properties.backendAddressPool.id))?.properties.backendIPConfigurations ?? []).map((reference) =>
        armKey(reference.id),
      );
      const probe = properties.probe === undefined ? undefined : topology.probeResults.get(armKey(properties.probe.id));
      const answering = new Set((probe?.properties.healthy ?? []).map(armKey));
      const healthy = properties.probe === undefined ? members : members.filter((member) => answering.has(member));
      return [
        {
          balancer,
          name: rule.name,
          frontend: address,
          protocol: protocols[properties.protocol],
          frontendPort: properties.frontendPort,
          nodePort: properties.enableFloatingIP ? undefined : properties.backendPort,
          distribution: properties.loadDistribution,
          members: members.flatMap((member) => nics.get(nicKeyOf(member)) ?? []),
          healthy: healthy.flatMap((member) => nics.get(nicKeyOf(member)) ?? []),
          poolSize: members.length,
          probeFault: topology.faults.find(
            (fault): fault is FaultOf<"probe"> =>
              isFault(fault, "probe") && armKey(fault.properties.probe.id) === armKey(properties.probe?.id ?? ""),
          ),
          probeAnswer:
            probe?.properties.status === undefined
              ? undefined
              : { path: probePath(balancer, properties.probe?.id), status: probe.properties.status },
          origin: { resource: balancer.id, reason: `rule ${rule.name} of load balancer ${balancer.name}` },
        },
      ];
    });
  });
}

function probePath(balancer: LoadBalancer, id = ""): string {
  const probe = balancer.properties.probes.find(({ name }) => childKey(balancer, "probes", name) === armKey(id));
  return probe?.properties.requestPath ?? "/";
}

const protocols = { Tcp: "tcp", Udp: "udp", All: "all" } as const;

export function childKey(balancer: LoadBalancer, collection: string, name: string): string {
  return armKey(`${balancer.id}/${collection}/${name}`);
}

/** `…/networkInterfaces/x/ipConfigurations/y` belongs to `…/networkInterfaces/x`. */
export function nicKeyOf(ipConfigurationKey: string): string {
  return ipConfigurationKey.slice(0, ipConfigurationKey.lastIndexOf("/ipconfigurations/"));
}

/** A frontend has one family, as its rules and their pool have. Azure docs: virtual-network/ip-services/ipv6-overview. */
export function ofFamily(addresses: readonly Address[], { family }: VnetInfo): readonly Address[] {
  return addresses.filter((address) => familyOf(address) === family);
}

/** One, or all of a public IP prefix. */
export function addressesOfFrontend(
  topology: Topology,
  frontend: LoadBalancer["properties"]["frontendIPConfigurations"][number],
): readonly Address[] {
  const { publicIPAddress, publicIPPrefix, privateIPAddress } = frontend.properties;
  if (publicIPPrefix !== undefined) {
    const prefix = parsePrefix(topology.publicPrefixes.get(armKey(publicIPPrefix.id))?.properties.ipPrefix ?? "");
    return prefix === undefined ? [] : Array.from({ length: sizeOf(prefix) }, (_, index) => addressAt(prefix, index) ?? []).flat();
  }
  const text =
    publicIPAddress === undefined ? privateIPAddress : topology.publicAddresses.get(armKey(publicIPAddress.id))?.properties.ipAddress;
  const address = parseAddress(text ?? "");
  return address === undefined ? [] : [address];
}

/**
 * NAT gateways: whatever leaves a subnet for the Internet gets one of the gateway's addresses, and any of their ports that is free, whoever in
 * the subnet sends. TCP and UDP only. Azure docs: nat-gateway/nat-gateway-resource.
 *
 * Two differences: an address is drawn for each flow without a look at how many of its ports are taken, and a port is free again as soon as the
 * kernel forgets the flow, where Azure lets it cool down for up to 65 seconds.
 */

import type { NatGateway } from "../../arm/resources.ts";
import type { Origin } from "../../ir/network.ts";
import type { Chain, Verdict } from "../../ir/ruleset.ts";
import { type Address, parseAddress } from "../../net/address.ts";
import { addressAt, parsePrefix, sizeOf } from "../../net/prefix.ts";
import { armKey } from "../../resources/resources.ts";
import type { OutboundMethod } from "../outbound-method.ts";
import type { SubnetInfo, Topology, VnetInfo } from "../topology.ts";

const source = "Azure docs: nat-gateway/nat-gateway-resource";

/** 64,512 of each address. */
export const natGatewayPorts = { first: 1024, last: 65_535 } as const;

export type NatGatewayInfo = {
  readonly gateway: NatGateway;
  readonly subnets: readonly SubnetInfo[];
  readonly addresses: readonly Address[];
};

/** Those that subnets of the VNet leave by. */
export function natGatewaysOf(topology: Topology, vnet: VnetInfo): readonly NatGatewayInfo[] {
  const byKey = new Map<string, SubnetInfo[]>();
  // Azure docs: nat-gateway/nat-gateway-resource: IPv4 only.
  for (const subnet of vnet.family === 4 ? vnet.subnets : []) {
    const id = subnet.resource.properties.natGateway?.id;
    if (id !== undefined) byKey.set(armKey(id), [...(byKey.get(armKey(id)) ?? []), subnet]);
  }
  return [...byKey].flatMap(([key, subnets]) => {
    const gateway = topology.natGateways.get(key);
    return gateway === undefined ? [] : [{ gateway, subnets, addresses: addressesOf(topology, gateway) }];
  });
}

function addressesOf(topology: Topology, gateway: NatGateway): readonly Address[] {
  const { publicIpAddresses, publicIpPrefixes } = gateway.properties;
  return [
    ...publicIpAddresses.flatMap(({ id }) => parseAddress(topology.publicAddresses.get(armKey(id))?.properties.ipAddress ?? "") ?? []),
    ...publicIpPrefixes.flatMap(({ id }) => {
      const prefix = parsePrefix(topology.publicPrefixes.get(armKey(id))?.properties.ipPrefix ?? "");
      if (prefix === undefined) return [];
      return Array.from({ length: sizeOf(prefix) }, (_, index) => addressAt(prefix, index) ?? []).flat();
    }),
  ];
}

export function natGateways(topology: Topology, vnet: VnetInfo): OutboundMethod | undefined {
  const gateways = natGatewaysOf(topology, vnet);
  if (gateways.length === 0) return undefined;
  return {
    addresses: gateways.flatMap(({ gateway, addresses }) =>
      addresses.map((address) => ({ address, reason: `address of NAT gateway ${gateway.name}` })),
    ),
    leaving: { kind: "vmap", fields: ["ip saddr"], map: "nat-gateways" },
    reason: "the NAT gateway of the sender's subnet",
    chains: gateways.flatMap(chainsOf),
    maps: [
      {
        name: "nat-gateways",
        key: ["ipv4_addr"],
        value: "verdict",
        interval: true,
        elements: gateways.flatMap(({ gateway, subnets }) =>
          subnets.map((subnet) => ({
            key: [subnet.prefix],
            value: { verdict: "goto", chain: chainName(gateway) },
            origin: { resource: gateway.id, reason: `subnet ${subnet.resource.name} leaves by NAT gateway ${gateway.name}`, source },
          })),
        ),
      },
    ],
  };
}

function chainName(gateway: NatGateway): string {
  return `nat-gateway-${gateway.name}`.replaceAll(/[^A-Za-z0-9-]/g, "-");
}

function chainsOf({ gateway, addresses }: NatGatewayInfo): readonly Chain[] {
  const name = chainName(gateway);
  const origin: Origin = { resource: gateway.id, reason: `NAT gateway ${gateway.name}`, source };
  const perAddress = addresses.map(
    (address): Chain => ({
      name: `${name}-${address}`.replaceAll(".", "-"),
      rules: [
        {
          matches: [],
          statements: [{ kind: "snat", address, ports: natGatewayPorts }],
          origin: { ...origin, reason: `NAT gateway ${gateway.name}: any port of ${address}` },
        },
      ],
    }),
  );
  const verdicts = perAddress.map((chain): Verdict => ({ verdict: "goto", chain: chain.name }));
  return [
    {
      name,
      rules: [
        {
          matches: [{ kind: "value", field: "meta l4proto", op: "!=", values: ["tcp", "udp"] }],
          statements: [{ kind: "verdict", verdict: "drop" }],
          origin: { ...origin, reason: `NAT gateway ${gateway.name} translates TCP and UDP only` },
        },
        addresses.length === 0
          ? {
              matches: [],
              statements: [{ kind: "verdict", verdict: "drop" }],
              origin: { ...origin, reason: `NAT gateway ${gateway.name} has no public address` },
            }
          : {
              matches: [],
              statements: [{ kind: "random-vmap", verdicts }],
              origin: { ...origin, reason: `NAT gateway ${gateway.name} draws one of its ${addresses.length} addresses` },
            },
      ],
    },
    ...perAddress,
  ];
}

/**
 * Public addresses of machines' own: a machine leaves as its address, with any protocol, and is reached by it.
 * Azure docs: virtual-network/ip-services/public-ip-addresses.
 */

import type { Origin } from "../../ir/network.ts";
import type { Chain, MapElement, Statement } from "../../ir/ruleset.ts";
import { type Address, parseAddress } from "../../net/address.ts";
import { armKey } from "../../resources/resources.ts";
import type { OutboundMethod } from "../outbound-method.ts";
import type { NicInfo, Topology, VnetInfo } from "../topology.ts";

const source = "Azure docs: virtual-network/ip-services/public-ip-addresses";

type OwnedAddress = { readonly nic: NicInfo; readonly address: Address; readonly origin: Origin };

/** Machines that have one. */
export function machineAddresses(topology: Topology, vnet: VnetInfo): readonly OwnedAddress[] {
  return vnet.nics.flatMap((nic): OwnedAddress[] => {
    const reference = nic.publicAddress;
    const resource = reference === undefined ? undefined : topology.publicAddresses.get(armKey(reference.id));
    const address = parseAddress(resource?.properties.ipAddress ?? "");
    if (resource === undefined || address === undefined) return [];
    return [{ nic, address, origin: { resource: resource.id, reason: `${address} is the public address of ${nic.machine}`, source } }];
  });
}

export function publicAddresses(topology: Topology, vnet: VnetInfo): OutboundMethod | undefined {
  const owned = machineAddresses(topology, vnet);
  if (owned.length === 0) return undefined;
  const chain = (name: string, statement: Statement, origin: Origin): Chain => ({
    name,
    rules: [{ matches: [], statements: [statement], origin }],
  });
  const element = (key: Address, name: string, origin: Origin): MapElement => ({
    key: [key],
    value: { verdict: "goto", chain: name },
    origin,
  });
  return {
    addresses: owned.map(({ nic, address }) => ({ address, reason: `public address of ${nic.machine}` })),
    leaving: { kind: "vmap", fields: ["ip saddr"], map: "public-sources" },
    reason: "the sender's own public address",
    arriving: { kind: "vmap", fields: ["ip daddr"], map: "public-destinations" },
    chains: owned.flatMap(({ nic, address, origin }) => [
      chain(chainName("from", nic.primary), { kind: "snat", address }, origin),
      chain(chainName("to", nic.primary), { kind: "dnat", to: { address: nic.primary } }, origin),
    ]),
    maps: [
      {
        name: "public-destinations",
        key: ["ipv4_addr"],
        value: "verdict",
        elements: owned.map(({ nic, address, origin }) => element(address, chainName("to", nic.primary), origin)),
      },
      {
        name: "public-sources",
        key: ["ipv4_addr"],
        value: "verdict",
        elements: owned.map(({ nic, origin }) => element(nic.primary, chainName("from", nic.primary), origin)),
      },
    ],
  };
}

function chainName(way: "from" | "to", address: Address): string {
  return `${way}-${address}`.replaceAll(/[.:]/g, "-");
}

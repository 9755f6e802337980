/**
 * Outbound rules: what a backend sends to the Internet gets a public source address of the rule of the load balancer whose backend it is, and only
 * ports of the backend's share. Azure docs: load-balancer/load-balancer-outbound-connections.
 */

import { automaticPortRange, portRange, portsPerNode } from "../../arm/snat-ports.ts";
import type { Origin } from "../../ir/network.ts";
import type { MapElement } from "../../ir/ruleset.ts";
import type { Address } from "../../net/address.ts";
import { armKey } from "../../resources/resources.ts";
import type { OutboundMethod } from "../outbound-method.ts";
import { podSubnetAddresses, type Topology, type VnetInfo } from "../topology.ts";
import { addressesOfFrontend, childKey, nicKeyOf, ofFamily } from "./frontends.ts";

const source = "Azure docs: load-balancer/load-balancer-outbound-connections";

/** Of flows whose source port was taken back from their sender; any number that no other mark has. */
export const reclaimedMark = 0x5265636c;

/** One backend of an outbound rule and the share of ports that it may use. */
export type OutboundShare = {
  readonly backend: Address;
  readonly backendName: string;
  /**
   * Addresses of a pod subnet that the backend holds: they leave as the backend itself does. AKS does not document how they leave by a load
   * balancer; its outbound rules serve primary addresses only, and yet such clusters reach the Internet.
   */
  readonly pods: readonly Address[];
  readonly publicAddress: Address;
  readonly ports: { readonly first: number; readonly last: number };
  readonly origin: Origin;
};

/** Shares of every backend of every outbound rule of the VNet's load balancers. */
export function outboundShares(topology: Topology, vnet: VnetInfo): readonly OutboundShare[] {
  const nics = new Map(vnet.nics.map((nic) => [nic.key, nic]));
  return vnet.loadBalancers.flatMap((balancer) =>
    balancer.properties.outboundRules.flatMap((rule) => {
      const pool = balancer.properties.backendAddressPools.find(
        (candidate) => childKey(balancer, "backendAddressPools", candidate.name) === armKey(rule.properties.backendAddressPool.id),
      );
      const addresses = rule.properties.frontendIPConfigurations.flatMap((reference) => {
        const frontend = balancer.properties.frontendIPConfigurations.find(
          (candidate) => childKey(balancer, "frontendIPConfigurations", candidate.name) === armKey(reference.id),
        );
        return frontend === undefined ? [] : ofFamily(addressesOfFrontend(topology, frontend), vnet);
      });
      const members = pool?.properties.backendIPConfigurations ?? [];
      const { allocatedOutboundPorts } = rule.properties;
      const ports = portsPerNode(members.length, allocatedOutboundPorts, addresses.length);
      const rangeOf = allocatedOutboundPorts > 0 ? portRange : automaticPortRange;
      return members.flatMap((member, index): OutboundShare[] => {
        const nic = nics.get(nicKeyOf(armKey(member.id)));
        const range = rangeOf(index, ports, addresses.length);
        const publicAddress = range === undefined ? undefined : addresses[range.addressIndex];
        if (nic === undefined || range === undefined || publicAddress === undefined) return [];
        return [
          {
            backend: nic.primary,
            backendName: nic.machine,
            pods: podSubnetAddresses(nic),
            publicAddress,
            ports: { first: range.first, last: range.last },
            origin: {
              resource: balancer.id,
              reason: `outbound rule ${rule.name} of load balancer ${balancer.name}: ${nic.machine} may use ${ports} ports of ${publicAddress}`,
              source,
            },
          },
        ];
      });
    }),
  );
}

/** `undefined` when no load balancer of the VNet has an outbound rule. */
export function outboundRules(topology: Topology, vnet: VnetInfo): OutboundMethod | undefined {
  const shares = outboundShares(topology, vnet);
  const isThere = vnet.loadBalancers.some((balancer) => balancer.properties.outboundRules.length > 0);
  if (!isThere) return undefined;
  const chainOf = (share: OutboundShare) => `backend-${share.backend}`.replaceAll(/[.:]/g, "-");
  return {
    addresses: shares.map((share) => ({ address: share.publicAddress, reason: "outbound address of a load balancer" })),
    leaving: { kind: "vmap", fields: ["ip saddr"], map: "backends" },
    reason: "the sender's outbound rule",
    underWay: {
      matches: [{ kind: "value", field: "ct mark", op: "==", values: [reclaimedMark] }],
      statements: [{ kind: "verdict", verdict: "drop" }],
      origin: {
        resource: vnet.resource.id,
        reason: "the flow's source port was reclaimed when its sender's share became smaller: it times out",
        source,
      },
    },
    chains: shares.map((share) => ({
      name: chainOf(share),
      rules: [
        {
          matches: [{ kind: "value", field: "meta l4proto", op: "==", values: ["tcp", "udp"] }],
          statements: [{ kind: "snat", address: share.publicAddress, ports: share.ports }],
          origin: share.origin,
        },
        {
          matches: [],
          statements: [{ kind: "verdict", verdict: "drop" }],
          origin: { ...share.origin, reason: "outbound rules translate TCP and UDP only" },
        },
      ],
    })),
    maps: [
      {
        name: "backends",
        key: ["ipv4_addr"],
        value: "verdict",
        elements: shares.flatMap((share) =>
          [share.backend, ...share.pods].map(
            (address): MapElement => ({ key: [address], value: { verdict: "goto", chain: chainOf(share) }, origin: share.origin }),
          ),
        ),
      },
    ],
  };
}

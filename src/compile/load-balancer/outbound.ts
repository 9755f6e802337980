/**
 * The edge of a VNet: what leaves for the Internet gets a public source address by the outbound rule of the load balancer whose backend sent it,
 * and only ports of the backend's share. Azure docs: load-balancer/load-balancer-outbound-connections.
 */

import { portRange, portsPerNode } from "../../arm/snat-ports.ts";
import { mainTable, type Origin, type Route } from "../../ir/network.ts";
import { type Chain, type MapElement, priorities, type Rule, type Table } from "../../ir/ruleset.ts";
import { type Address, mustAddress } from "../../net/address.ts";
import { addressAt, hostPrefix, mustPrefix, type Prefix } from "../../net/prefix.ts";
import { armKey } from "../../resources/resources.ts";
import type { Part } from "../part.ts";
import { podSubnetAddresses, type Topology, type VnetInfo } from "../topology.ts";
import { hostNames, internetHost, links, routerAddress } from "../wiring.ts";
import { childKey, frontendAddress, frontendAddresses, nicKeyOf } from "./frontends.ts";

const source = "Azure docs: load-balancer/load-balancer-outbound-connections";

/** The edge's routes for what comes out of the VNet: without the VNet's own public addresses. */
const outgoingTable = 1;

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
        return (frontend === undefined ? undefined : frontendAddress(topology, frontend)) ?? [];
      });
      const members = pool?.properties.backendIPConfigurations ?? [];
      const ports = portsPerNode(members.length, rule.properties.allocatedOutboundPorts, addresses.length);
      return members.flatMap((member, index): OutboundShare[] => {
        const nic = nics.get(nicKeyOf(armKey(member.id)));
        const range = portRange(index, ports, addresses.length);
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

export function edge(topology: Topology, vnet: VnetInfo): Part {
  const origin: Origin = { resource: vnet.resource.id, reason: `edge of VNet ${vnet.name}` };
  const publicAddresses = publicAddressesOf(topology, vnet);
  const toFabric = (table: number, dst: Prefix, reason: string): Route => ({
    type: "unicast",
    table,
    dst,
    dev: links.edgeToFabric,
    via: routerAddress.fabric,
    onlink: true,
    origin: { ...origin, reason },
  });
  return {
    interfaces: [
      { kind: "loopback", name: "lo", addresses: [{ address: routerAddress.edge, prefixLength: 32, origin }], origin },
      {
        kind: "veth",
        name: links.edgeToFabric,
        addresses: [],
        peer: { host: hostNames.fabric(vnet.name), name: links.fabricToEdge },
        origin,
      },
      { kind: "veth", name: links.edgeToInternet, addresses: [], peer: { host: internetHost, name: internetLink(vnet) }, origin },
    ],
    routes: [
      ...[mainTable, outgoingTable].flatMap((table) => vnet.prefixes.map((prefix) => toFabric(table, prefix, `into VNet ${vnet.name}`))),
      ...publicAddresses.map((address) => toFabric(mainTable, hostPrefix(address.address), `into VNet ${vnet.name}: ${address.reason}`)),
      ...[mainTable, outgoingTable].map(
        (table): Route => ({
          type: "unicast",
          table,
          dst: mustPrefix("0.0.0.0/0"),
          dev: links.edgeToInternet,
          via: routerAddress.internet,
          onlink: true,
          origin: { ...origin, reason: "to the Internet" },
        }),
      ),
    ],
    rules: [
      {
        priority: 1000,
        family: 4,
        iif: links.edgeToFabric,
        table: outgoingTable,
        origin: { ...origin, reason: "what the VNet sends to a public address goes out first, even when the address is the VNet's own" },
      },
    ],
    tables: [outboundTable(topology, vnet, origin)],
  };
}

/** The Internet router's end of the link to this VNet's edge. */
export function internetLink(vnet: VnetInfo): string {
  return `edge${vnet.index}`;
}

/** Public addresses that the Internet reaches through this VNet's edge. */
export function publicAddressesOf(topology: Topology, vnet: VnetInfo): readonly { readonly address: Address; readonly reason: string }[] {
  const frontends = frontendAddresses(topology, vnet)
    .filter((frontend) => frontend.isPublic)
    .map((frontend) => ({ address: frontend.address, reason: frontend.origin.reason }));
  const byDefault = defaultOutboundAddress(topology, vnet);
  return byDefault === undefined ? frontends : [...frontends, { address: byDefault, reason: "default outbound access" }];
}

/**
 * Before 2026-03-31 a machine without any outbound method got a public address that Azure chose and could change (default outbound access).
 * Emulated by one address per VNet at the end of the emulated public range.
 */
function defaultOutboundAddress(topology: Topology, vnet: VnetInfo): Address | undefined {
  if (topology.rules === "current") return undefined;
  return addressAt(mustPrefix("198.19.255.0/24"), vnet.index + 1) ?? mustAddress("198.19.255.255");
}

function outboundTable(topology: Topology, vnet: VnetInfo, origin: Origin): Table {
  const shares = outboundShares(topology, vnet);
  const translated = new Set(shares.map((share) => share.publicAddress));
  const balanced = frontendAddresses(topology, vnet).filter(({ address, isPublic }) => isPublic && !translated.has(address));
  // A flow from this VNet to a frontend of its own passes twice: once translated, once balanced. Tracked twice, the two would clash.
  const untracked = (iifname: string, address: "ip saddr" | "ip daddr"): Rule => ({
    matches: [
      { kind: "value", field: "iifname", op: "==", values: [iifname] },
      { kind: "lookup", fields: [address], op: "==", set: "balanced" },
    ],
    statements: [{ kind: "notrack" }],
    origin: { ...origin, reason: "flows of load-balanced frontends pass as they are" },
  });
  const byDefault = defaultOutboundAddress(topology, vnet);
  const chainOf = (share: OutboundShare) => `backend-${share.backend}`.replaceAll(".", "-");
  const chains = shares.map(
    (share): Chain => ({
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
    }),
  );
  const leaving = { kind: "value", field: "oifname", op: "==", values: [links.edgeToInternet] } as const;
  const withoutMethod: Rule =
    byDefault === undefined
      ? {
          matches: [leaving],
          statements: [{ kind: "verdict", verdict: "drop" }],
          origin: {
            ...origin,
            reason:
              "the sender has no outbound method: it is no backend's primary address of an outbound rule, and default outbound access ended on 2026-03-31",
            source,
          },
        }
      : {
          matches: [leaving],
          statements: [{ kind: "snat", address: byDefault }],
          origin: { ...origin, reason: "default outbound access: a public address that Azure chooses", source },
        };
  return {
    family: "ip",
    name: "outbound",
    chains: [
      {
        name: "track",
        base: { type: "filter", hook: "prerouting", priority: priorities.raw, policy: "accept" },
        rules: [untracked(links.edgeToInternet, "ip daddr"), untracked(links.edgeToFabric, "ip saddr")],
      },
      {
        name: "postrouting",
        base: { type: "nat", hook: "postrouting", priority: priorities.srcnat, policy: "accept" },
        rules: [
          {
            matches: [leaving],
            statements: [{ kind: "vmap", fields: ["ip saddr"], map: "backends" }],
            origin: { ...origin, reason: "the sender's outbound rule" },
          },
          withoutMethod,
        ],
      },
      ...chains.sort((a, b) => (a.name < b.name ? -1 : 1)),
    ],
    sets: [{ name: "balanced", key: ["ipv4_addr"], elements: balanced.map(({ address }) => ({ key: [address] })) }],
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

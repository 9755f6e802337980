/**
 * The edge of a VNet: what leaves for the Internet gets a public source address by the first outbound method that the sender has.
 * Azure's order (load-balancer/load-balancer-outbound-connections): NAT gateway, public address of its own, outbound rule of a load balancer,
 * default outbound access. A user-defined route comes before all of them, as it does not lead here.
 */

import { mainTable, type Origin, type Route } from "../../ir/network.ts";
import { type Chain, type Match, priorities, type Rule, type Statement, type Table } from "../../ir/ruleset.ts";
import { type Address, mustAddress } from "../../net/address.ts";
import { addressAt, hostPrefix, mustPrefix, type Prefix } from "../../net/prefix.ts";
import type { OutboundMethod } from "../outbound-method.ts";
import type { Part } from "../part.ts";
import type { Topology, VnetInfo } from "../topology.ts";
import { hostNames, internetHost, links, routerAddress } from "../wiring.ts";

const source = "Azure docs: load-balancer/load-balancer-outbound-connections";

/** The edge's routes for what comes out of the VNet: without the VNet's own public addresses. */
const outgoingTable = 1;

export type PublicAddress = { readonly address: Address; readonly reason: string };

/** What an edge is made of. */
export type EdgeInputs = {
  readonly vnet: VnetInfo;
  readonly rules: Topology["rules"];
  /** Frontends that load balancers answer at. */
  readonly frontends: readonly PublicAddress[];
  /** In order of precedence. */
  readonly methods: readonly OutboundMethod[];
};

export function edge(inputs: EdgeInputs): Part {
  const { vnet } = inputs;
  const origin: Origin = { resource: vnet.resource.id, reason: `edge of VNet ${vnet.name}` };
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
      ...publicAddressesOf(inputs).map(({ address, reason }) =>
        toFabric(mainTable, hostPrefix(address), `into VNet ${vnet.name}: ${reason}`),
      ),
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
    tables: [outboundTable(inputs, origin)],
  };
}

/** The Internet router's end of the link to this VNet's edge. */
export function internetLink(vnet: VnetInfo): string {
  return `edge${vnet.index}`;
}

/** Public addresses that the Internet reaches through this VNet's edge. An outbound rule's may be a frontend's as well. */
export function publicAddressesOf(inputs: EdgeInputs): readonly PublicAddress[] {
  const { vnet, rules, frontends, methods } = inputs;
  const byDefault = defaultOutboundAddress(vnet, rules);
  const all = [
    ...frontends,
    ...methods.flatMap((method) => method.addresses),
    ...(byDefault === undefined ? [] : [{ address: byDefault, reason: "default outbound access" }]),
  ];
  const first = new Map<Address, PublicAddress>();
  for (const one of all) if (!first.has(one.address)) first.set(one.address, one);
  return [...first.values()];
}

/**
 * Before 2026-03-31 a machine without any outbound method got a public address that Azure chose and could change (default outbound access).
 * Emulated by one address per VNet at the end of the emulated public range.
 */
function defaultOutboundAddress(vnet: VnetInfo, rules: Topology["rules"]): Address | undefined {
  // It never was for IPv6: the Internet is reached when a deployment asks for it (virtual-network/ip-services/ipv6-overview).
  if (rules === "current" || vnet.family === 6) return undefined;
  return addressAt(mustPrefix("198.19.255.0/24"), vnet.index + 1) ?? mustAddress("198.19.255.255");
}

function outboundTable({ vnet, rules, frontends, methods }: EdgeInputs, origin: Origin): Table {
  const translated = new Set(methods.flatMap((method) => method.addresses.map(({ address }) => address)));
  const balanced = frontends.filter(({ address }) => !translated.has(address));
  // A flow from this VNet to a frontend of its own passes twice: once translated, once balanced. Tracked twice, the two would clash.
  const untracked = (iifname: string, address: "ip saddr" | "ip daddr"): Rule => ({
    matches: [
      { kind: "value", field: "iifname", op: "==", values: [iifname] },
      { kind: "lookup", fields: [address], op: "==", set: "balanced" },
    ],
    statements: [{ kind: "notrack" }],
    origin: { ...origin, reason: "flows of load-balanced frontends pass as they are" },
  });
  const leaving: Match = { kind: "value", field: "oifname", op: "==", values: [links.edgeToInternet] };
  const arriving = methods.flatMap((method) => method.arriving ?? []);
  const underWay = methods.flatMap((method) => method.underWay ?? []);
  const byDefault = defaultOutboundAddress(vnet, rules);
  const withoutMethod: Rule =
    byDefault === undefined
      ? {
          matches: [leaving],
          statements: [{ kind: "verdict", verdict: "drop" }],
          origin: {
            ...origin,
            reason:
              vnet.family === 4
                ? "the sender has no outbound method (NAT gateway, public address, outbound rule); default outbound access ended on 2026-03-31"
                : "the sender has no outbound method for IPv6 (public address, outbound rule); NAT gateways and default outbound access are of IPv4",
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
      ...(arriving.length === 0 ? [] : [arrivals(arriving, origin)]),
      ...(underWay.length === 0
        ? []
        : [
            {
              name: "forward",
              base: { type: "filter", hook: "forward", priority: priorities.filter, policy: "accept" },
              rules: underWay,
            } as const,
          ]),
      {
        name: "postrouting",
        base: { type: "nat", hook: "postrouting", priority: priorities.srcnat, policy: "accept" },
        rules: [
          ...methods.map(
            (method): Rule => ({ matches: [leaving], statements: [method.leaving], origin: { ...origin, reason: method.reason } }),
          ),
          withoutMethod,
        ],
      },
      ...methods.flatMap((method) => method.chains).sort((a, b) => (a.name < b.name ? -1 : 1)),
    ],
    sets: [{ name: "balanced", key: ["ipv4_addr"], elements: balanced.map(({ address }) => ({ key: [address] })) }],
    maps: methods.flatMap((method) => method.maps),
  };
}

function arrivals(statements: readonly Statement[], origin: Origin): Chain {
  return {
    name: "prerouting",
    base: { type: "nat", hook: "prerouting", priority: priorities.dstnat, policy: "accept" },
    rules: statements.map((statement) => ({
      matches: [{ kind: "value", field: "iifname", op: "==", values: [links.edgeToInternet] }],
      statements: [statement],
      origin: { ...origin, reason: "a machine's own public address" },
    })),
  };
}

/**
 * A frontend with high-availability ports as the next hop of a route: it hands every TCP and UDP flow to one of the machines behind it, with its
 * addresses as they are, and the reply to the same one when that comes by the same frontend.
 *
 * It is a host of its own between two passes through the fabric, since the appliance sends the same packet on by the fabric again. So each
 * frontend has a connection table of its own, and two of them in the two directions of a flow decide without one another, as in Azure: "two or more
 * load balancer resources … make independent decisions" (load-balancer-ha-ports-overview, limitations).
 */

import { interfaceName } from "../../ir/names.ts";
import { type Interface, type InterfaceName, mainTable, type Origin, type PolicyRule, type Route } from "../../ir/network.ts";
import { type Chain, type Match, priorities, type Rule, type Statement, type Table } from "../../ir/ruleset.ts";
import { mustPrefix } from "../../net/prefix.ts";
import { type BalancedHop, balancedHops } from "../appliances.ts";
import type { Part } from "../part.ts";
import type { NicInfo, Topology, VnetInfo } from "../topology.ts";
import { hostNames, routerAddress, rulePriority } from "../wiring.ts";
import { type BalancingRule, balancingRules } from "./frontends.ts";
import { hairpinChain, hashedFields, noBackendReason } from "./inbound.ts";

const source = "Azure docs: load-balancer/load-balancer-ha-ports-overview";

const everything = mustPrefix("0.0.0.0/0");

/** The frontend's own end of the link to its fabric. */
const toFabric: InterfaceName = "vnet";

/** Tables of the ways from frontends to the machines behind them: no number of a subnet, an overlay, an appliance or a backend. */
const firstWayTable = 30_000;

/** A way from a frontend to one machine behind it: by the link that the packet comes back to the fabric. */
type Way = { readonly hop: BalancedHop; readonly nic: NicInfo; readonly fabricInterface: InterfaceName };

function ruleOf(rules: readonly BalancingRule[], hop: BalancedHop): BalancingRule | undefined {
  return rules.find((rule) => rule.balancer === hop.balancer && rule.frontend === hop.address && rule.protocol === "all");
}

function waysOf(hop: BalancedHop, members: readonly NicInfo[]): readonly Way[] {
  return members.map((nic) => ({ hop, nic, fabricInterface: interfaceName(nic.machine, `${hop.balancer.id} ${hop.address} ${nic.key}`) }));
}

function allWays(topology: Topology, vnet: VnetInfo): readonly Way[] {
  const hops = balancedHops(vnet);
  if (hops.length === 0) return [];
  const rules = balancingRules(topology, vnet);
  return hops.flatMap((hop) => waysOf(hop, ruleOf(rules, hop)?.members ?? []));
}

/** The fabric's ends of the ways, by which packets come that a frontend has balanced. */
export function balancedWays(topology: Topology, vnet: VnetInfo): readonly InterfaceName[] {
  return allWays(topology, vnet).map(({ fabricInterface }) => fabricInterface);
}

/** What the fabric adds: the links to the frontends and back, and that what comes back goes to its machine whatever its destination. */
export function balancedHopLinks(topology: Topology, vnet: VnetInfo): Part {
  const ways = allWays(topology, vnet);
  const link = (hop: BalancedHop, name: InterfaceName, peer: InterfaceName, reason: string): Interface => ({
    kind: "veth",
    name,
    addresses: [],
    peer: { host: hop.host, name: peer },
    origin: { resource: hop.balancer.id, reason, source },
  });
  return {
    interfaces: [
      ...balancedHops(vnet).map((hop) =>
        link(
          hop,
          hop.fabricInterface,
          toFabric,
          `way to frontend ${hop.address} of load balancer ${hop.balancer.name}, a route's next hop`,
        ),
      ),
      ...ways.map(({ hop, nic, fabricInterface }) =>
        link(hop, fabricInterface, nic.fabricInterface, `way from load balancer ${hop.balancer.name} to ${nic.machine}`),
      ),
    ],
    routes: ways.map(
      ({ hop, nic }, index): Route => ({
        type: "unicast",
        table: firstWayTable + index,
        dst: everything,
        dev: nic.fabricInterface,
        via: nic.primary,
        onlink: true,
        origin: { resource: nic.resource.id, reason: `appliance ${nic.machine} is behind load balancer ${hop.balancer.name}` },
      }),
    ),
    rules: ways.map(
      ({ hop, nic, fabricInterface }, index): PolicyRule => ({
        priority: rulePriority.appliances,
        family: 4,
        iif: fabricInterface,
        table: firstWayTable + index,
        origin: { resource: hop.balancer.id, reason: `what load balancer ${hop.balancer.name} gives to ${nic.machine}` },
      }),
    ),
  };
}

/** The host of a frontend. */
export function balancedHop(topology: Topology, vnet: VnetInfo, hop: BalancedHop): Part {
  const { balancer, address } = hop;
  const origin: Origin = { resource: balancer.id, reason: `frontend ${address} of load balancer ${balancer.name}`, source };
  const rule = ruleOf(balancingRules(topology, vnet), hop);
  const members = rule?.members ?? [];
  return {
    interfaces: [
      { kind: "loopback", name: "lo", addresses: [{ address: routerAddress.balancer, prefixLength: 32, origin }], origin },
      { kind: "veth", name: toFabric, addresses: [], peer: { host: hostNames.fabric(vnet.name), name: hop.fabricInterface }, origin },
      ...waysOf(hop, members).map(
        ({ nic, fabricInterface }): Interface => ({
          kind: "veth",
          name: nic.fabricInterface,
          addresses: [],
          peer: { host: hostNames.fabric(vnet.name), name: fabricInterface },
          origin: { ...origin, reason: `way to ${nic.machine}` },
        }),
      ),
    ],
    routes: [
      // For errors that it sends itself.
      { type: "unicast", table: mainTable, dst: everything, dev: toFabric, via: routerAddress.fabric, onlink: true, origin },
      ...members.map(
        (nic): Route => ({
          type: "unicast",
          table: nic.mark,
          dst: everything,
          dev: nic.fabricInterface,
          via: routerAddress.fabric,
          onlink: true,
          origin: { ...origin, reason: `backend ${nic.machine}` },
        }),
      ),
    ],
    rules: members.map(
      (nic): PolicyRule => ({
        priority: rulePriority.loadBalancer,
        family: 4,
        mark: { value: nic.mark, mask: 0xffffffff },
        table: nic.mark,
        origin: { ...origin, reason: `flows balanced to ${nic.machine}` },
      }),
    ),
    tables: rule === undefined ? [] : [table(rule, origin)],
  };
}

const isUdp: Match = { kind: "value", field: "meta l4proto", op: "==", values: ["udp"] };

function table(rule: BalancingRule, origin: Origin): Table {
  const stays: readonly Statement[] = [
    { kind: "set-mark", target: "meta", value: { kind: "copy", from: "ct" } },
    { kind: "verdict", verdict: "accept" },
  ];
  const known = (matches: readonly Match[], reason: string, documented: string): Rule => ({
    matches,
    statements: stays,
    origin: { ...origin, reason, source: documented },
  });
  const probes = "Azure docs: load-balancer/load-balancer-custom-probe-overview";
  return {
    family: "ip",
    name: "next-hop",
    chains: [
      {
        name: "prerouting",
        base: { type: "filter", hook: "prerouting", priority: priorities.mangle, policy: "accept" },
        rules: [
          known(
            [
              { kind: "value", field: "ct mark", op: "!=", values: [0] },
              { kind: "value", field: "meta l4proto", op: "!=", values: ["udp"] },
            ],
            "a known flow stays with its backend, in both directions",
            source,
          ),
          known(
            [isUdp, { kind: "lookup", fields: ["ct mark"], op: "==", set: "serving" }],
            "a known flow stays, in both directions, while its backend answers the probe",
            probes,
          ),
          picking(rule, origin),
          {
            matches: [{ kind: "value", field: "meta l4proto", op: "!=", values: ["tcp", "udp"] }],
            statements: [{ kind: "verdict", verdict: "drop" }],
            origin: { ...origin, reason: `${rule.origin.reason} balances flows of TCP and UDP only` },
          },
        ],
      },
      hairpinChain(["ip saddr", "meta mark"], origin),
    ],
    sets: [
      { name: "serving", key: ["mark"], elements: rule.healthy.map((nic) => ({ key: [nic.mark] })) },
      { name: "own-flows", key: ["ipv4_addr", "mark"], elements: rule.members.map((nic) => ({ key: [nic.primary, nic.mark] })) },
    ],
    maps: [
      {
        name: "backends",
        key: ["mark"],
        value: ["mark"],
        elements: rule.healthy.map((nic, slot) => ({
          key: [slot],
          value: [nic.mark],
          origin: { ...rule.origin, reason: `${rule.origin.reason} picks appliance ${nic.machine} (${nic.primary})` },
        })),
      },
    ],
  };
}

/** A flow that is not known is given to one of those that answer. */
function picking(rule: BalancingRule, origin: Origin): Rule {
  const matches: readonly Match[] = [{ kind: "value", field: "meta l4proto", op: "==", values: ["tcp", "udp"] }];
  const { length: count } = rule.healthy;
  if (count === 0) {
    return { matches, statements: [{ kind: "verdict", verdict: "drop" }], origin: { ...rule.origin, ...noBackendReason(rule) } };
  }
  const fields = hashedFields[rule.distribution];
  return {
    matches,
    statements: [
      { kind: "set-mark", target: "meta", value: { kind: "hash", fields, modulus: count, seed: 1, offset: 0 } },
      { kind: "set-mark", target: "meta", value: { kind: "map", fields: ["meta mark"], map: "backends" } },
      { kind: "set-mark", target: "ct", value: { kind: "copy", from: "meta" } },
    ],
    origin: {
      ...origin,
      reason: `a hash of ${fields.length === 5 ? "the five-tuple" : fields.join(", ")} picks one of ${count} healthy appliances`,
    },
  };
}

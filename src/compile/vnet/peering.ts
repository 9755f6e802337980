/**
 * Peering in the fabric: a link to the fabric of each peered VNet, and one more for every appliance there that a user-defined route names as next
 * hop. A packet says where it goes and not by whom, so a link of its own is what takes it to that appliance and no other.
 *
 * What comes from a peered VNet must have a source there, unless the receiving side takes forwarded traffic (allowForwardedTraffic) or uses the
 * remote gateway, whose sites' packets are welcome. Azure docs: virtual-network-manage-peering, rest/api/virtualnetwork/virtual-network-peerings.
 */

import type { Interface, InterfaceName, Origin, PolicyRule, Route } from "../../ir/network.ts";
import { priorities, type Rule, type Table } from "../../ir/ruleset.ts";
import { mustPrefix } from "../../net/prefix.ts";
import type { Part } from "../part.ts";
import { appliancesForPeers, remoteAppliances, sitesInReach, usesRemoteGateway } from "../peerings.ts";
import type { PeeringInfo, VnetInfo } from "../topology.ts";
import { hostNames, rulePriority } from "../wiring.ts";

const source = "Azure docs: virtual-network-manage-peering";

/** Tables of appliances that peered VNets send to, one after another from here: no number of a subnet, an overlay or a backend. */
const firstApplianceTable = 20_000;

const everything = mustPrefix("0.0.0.0/0");

/** Adds links, the ways from them to appliances, and the check of sources. Nothing for a VNet without connected peerings. */
export function peering(vnet: VnetInfo): Part {
  if (vnet.peerings.length === 0) return {};
  const incoming = appliancesForPeers(vnet);
  return {
    interfaces: [
      ...vnet.peerings.map((one) => link(one, one.fabricInterface, one.remoteInterface, "link")),
      ...remoteAppliances(vnet).map((one) =>
        link(one.peering, one.fabricInterface, one.remoteInterface, `way to appliance ${one.appliance.name}`),
      ),
      ...incoming.map((one) => {
        const from = one.peering.reverse;
        return veth(one.remoteInterface, vnetOf(from.properties.remoteVirtualNetwork.id), one.fabricInterface, {
          resource: from.id,
          reason: `peered VNet's way to appliance ${one.appliance.name}`,
        });
      }),
    ],
    routes: incoming.map(
      ({ appliance: { fabricInterface, via, id, name } }, index): Route => ({
        type: "unicast",
        table: firstApplianceTable + index,
        dst: everything,
        dev: fabricInterface,
        via,
        onlink: true,
        origin: { resource: id, reason: `appliance ${name} is the next hop of a peered VNet's route` },
      }),
    ),
    rules: incoming.map(
      ({ appliance, remoteInterface, peering: { reverse } }, index): PolicyRule => ({
        priority: rulePriority.appliances,
        family: 4,
        iif: remoteInterface,
        table: firstApplianceTable + index,
        origin: { resource: reverse.id, reason: `what a peered VNet's routes send to ${appliance.name}` },
      }),
    ),
    tables: sourceCheck(vnet),
  };
}

function link(one: PeeringInfo, name: InterfaceName, peer: InterfaceName, what: string): Interface {
  const reason = `${what} of peering ${one.resource.name} to VNet ${one.remote.name}`;
  return veth(name, one.remote.name, peer, { resource: one.resource.id, reason });
}

function veth(name: InterfaceName, vnet: string, peer: InterfaceName, origin: Origin): Interface {
  return { kind: "veth", name, addresses: [], peer: { host: hostNames.fabric(vnet), name: peer }, origin };
}

function vnetOf(id: string): string {
  return id.slice(id.lastIndexOf("/") + 1);
}

/** A chain per peering that takes no forwarded traffic, however many machines there are. */
function sourceCheck(vnet: VnetInfo): Table[] {
  const strict = vnet.peerings.filter(({ resource }) => !resource.properties.allowForwardedTraffic);
  if (strict.length === 0) return [];
  const incoming = appliancesForPeers(vnet);
  const chainOf = (one: PeeringInfo) => `from-${one.fabricInterface}`;
  const linksOf = (one: PeeringInfo) => [
    one.fabricInterface,
    ...incoming.filter(({ peering: { resource } }) => resource === one.reverse).map(({ remoteInterface }) => remoteInterface),
  ];
  const origin: Origin = { resource: vnet.resource.id, reason: `peerings of VNet ${vnet.name}`, source };
  return [
    {
      family: "ip",
      name: "peering",
      chains: [
        {
          name: "prerouting",
          // Before anything else is decided about the packet.
          base: { type: "filter", hook: "prerouting", priority: priorities.mangle - 2, policy: "accept" },
          rules: [
            {
              matches: [],
              statements: [{ kind: "vmap", fields: ["iifname"], map: "links" }],
              origin: { ...origin, reason: "what comes from a peered VNet has a source there" },
            },
          ],
        },
        ...strict.map((one) => ({ name: chainOf(one), rules: sourceRules(vnet, one) })).sort((a, b) => (a.name < b.name ? -1 : 1)),
      ],
      sets: [],
      maps: [
        {
          name: "links",
          key: ["ifname"],
          value: "verdict",
          elements: strict.flatMap((one) =>
            linksOf(one).map((name) => ({ key: [name], value: { verdict: "goto", chain: chainOf(one) }, origin })),
          ),
        },
      ],
    },
  ];
}

function sourceRules(vnet: VnetInfo, one: PeeringInfo): Rule[] {
  const { resource, remote } = one;
  const sites = usesRemoteGateway(one) ? sitesInReach(vnet).flatMap(({ site }) => site.prefixes) : [];
  const origin = (reason: string): Origin => ({ resource: resource.id, reason, source });
  return [
    {
      matches: [{ kind: "value", field: "ip saddr", op: "==", values: [...new Set([...remote.prefixes, ...sites])] }],
      statements: [{ kind: "verdict", verdict: "accept" }],
      origin: origin(`the source is in the address space of VNet ${remote.name}${sites.length === 0 ? "" : " or behind its gateway"}`),
    },
    {
      matches: [],
      statements: [{ kind: "verdict", verdict: "drop" }],
      origin: origin(
        `peering ${resource.name} takes no forwarded traffic (allowForwardedTraffic: false), and the source is not in VNet ${remote.name} (${remote.prefixes.join(", ")})`,
      ),
    },
  ];
}

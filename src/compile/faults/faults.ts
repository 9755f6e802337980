/**
 * What faults do to hosts that are compiled already: links that carry nothing, machines that stand still, rules that drop. Each effect's origin is its
 * fault, so that a trace names the cause. Faults of routes are not here: which route is used instead is the fabric's matter.
 */

import { type Fault, type FaultOf, faultReason, isFault } from "../../arm/faults.ts";
import { isIpv6Name } from "../../arm/names.ts";
import type { LoadBalancer } from "../../arm/resources.ts";
import type { Host, HostName, InterfaceName, Origin, Route } from "../../ir/network.ts";
import { mainTable } from "../../ir/network.ts";
import { priorities, type Rule, type Table } from "../../ir/ruleset.ts";
import { familyOf } from "../../net/address.ts";
import { mustPrefix } from "../../net/prefix.ts";
import { armKey } from "../../resources/resources.ts";
import { tableInIpv6 } from "../in-ipv6.ts";
import { type NicInfo, podsOn, type Topology, type VnetInfo } from "../topology.ts";
import { azureHostAddress, hostNames, links } from "../wiring.ts";

/** What one fault does to one host. */
export type Effect = { readonly fault: Fault; readonly apply: (host: Host) => Host };

/** Only hosts that some fault does something to. */
export function faultEffects(topology: Topology): ReadonlyMap<HostName, readonly Effect[]> {
  const effects = new Map<HostName, Effect[]>();
  for (const [index, fault] of topology.faults.entries()) {
    const add = (host: HostName, apply: Effect["apply"]) => {
      const others = effects.get(host);
      if (others === undefined) effects.set(host, [{ fault, apply }]);
      else others.push({ fault, apply });
    };
    if (isFault(fault, "stop")) stop(topology, fault, add);
    else if (isFault(fault, "site")) cutSite(topology, fault, add);
    else if (isFault(fault, "peering")) cutPeering(topology, fault, add);
    else if (isFault(fault, "probe")) silenceProbe(topology, fault, index, add);
    else if (isFault(fault, "snat")) takePorts(topology, fault, index, add);
    else if (isFault(fault, "replies")) dropReplies(topology, fault, index, add);
    else if (isFault(fault, "forget")) dropKnownFlows(topology, fault, index, add);
  }
  return effects;
}

type Add = (host: HostName, apply: Effect["apply"]) => void;

function originOf(fault: Fault, source?: string): Origin {
  return { resource: fault.id, reason: faultReason(fault), ...(source === undefined ? {} : { source }) };
}

/** Packets to a machine that does not run are dropped by the fabric, silently; what runs on it does not. */
function stop(topology: Topology, fault: FaultOf<"stop">, add: Add): void {
  const found = machineOf(topology, fault.properties.virtualMachine.id);
  if (found === undefined) return;
  const { vnet, nic } = found;
  const origin = originOf(fault);
  add(hostNames.fabric(vnet.name), (host) => cut(host, nic.fabricInterface, origin));
  add(nic.host, (host) => stopped(host, origin));
  for (const cluster of topology.clusters.values()) {
    for (const [name, node] of cluster.nodes) {
      if (node.host === nic.host) for (const pod of podsOn(cluster, name)) add(pod.host, (host) => stopped(host, origin));
    }
  }
}

function cutSite(topology: Topology, fault: FaultOf<"site">, add: Add): void {
  for (const vnet of topology.vnets) {
    for (const site of vnet.sites) {
      if (armKey(site.resource.id) !== armKey(fault.properties.site.id)) continue;
      const origin = originOf(fault);
      add(hostNames.fabric(vnet.name), (host) => cut(host, site.fabricInterface, origin));
      add(hostNames.site(site.resource.name), (host) => cut(host, links.siteToFabric, origin));
    }
  }
}

/** Either side's, and so the appliances' that it leads to. */
function cutPeering(topology: Topology, fault: FaultOf<"peering">, add: Add): void {
  for (const vnet of topology.vnets) {
    for (const { resource, remote } of vnet.peerings) {
      if (armKey(resource.id) !== armKey(fault.properties.peering.id)) continue;
      const [near, far] = [hostNames.fabric(vnet.name), hostNames.fabric(remote.name)];
      add(near, (host) => cutTowards(host, far, originOf(fault)));
      add(far, (host) => cutTowards(host, near, originOf(fault)));
    }
  }
}

/** Azure's probes come from one address, and from nowhere else: a backend that drops them fails the probe and still serves everybody. */
function silenceProbe(topology: Topology, fault: FaultOf<"probe">, index: number, add: Add): void {
  const id = armKey(fault.properties.probe.id);
  for (const vnet of topology.vnets) {
    for (const balancer of vnet.loadBalancers) {
      const probe = balancer.properties.probes.find((candidate) => armKey(`${balancer.id}/probes/${candidate.name}`) === id);
      if (probe === undefined) continue;
      // There the rules say why they drop; see load-balancer/inbound.ts.
      add(hostNames.fabric(vnet.name), (host) => host);
      const backends = new Set(
        balancer.properties.backendAddressPools.flatMap((pool) => pool.properties.backendIPConfigurations.map((each) => armKey(each.id))),
      );
      const rule: Rule = {
        matches: [
          { kind: "value", field: "ip saddr", op: "==", values: [azureHostAddress] },
          { kind: "value", field: "meta l4proto", op: "==", values: ["tcp"] },
          { kind: "value", field: "th dport", op: "==", values: [probe.properties.port] },
        ],
        statements: [{ kind: "verdict", verdict: "drop" }],
        origin: originOf(fault, "Azure docs: load-balancer/load-balancer-custom-probe-overview"),
      };
      for (const nic of vnet.nics) {
        const isBackend = nic.resource.properties.ipConfigurations.some(({ name }) =>
          backends.has(`${nic.key}/ipconfigurations/${name.toLowerCase()}`),
        );
        // Before the port is translated.
        if (!isBackend) continue;
        const table = tableOf(fault, "prerouting", priorities.raw - 1 - index, rule);
        add(nic.host, (host) => withTable(host, isIpv6Probe(balancer, probe.name) ? tableInIpv6(table) : table));
      }
    }
  }
}

/** Is it asked of the backends' IPv6 addresses? Its rule's pool says. */
function isIpv6Probe({ id, properties }: LoadBalancer, probe: string): boolean {
  return properties.loadBalancingRules.some(
    (rule) =>
      armKey(rule.properties.probe?.id ?? "") === armKey(`${id}/probes/${probe}`) && isIpv6Name(rule.properties.backendAddressPool.id),
  );
}

/** New flows find no port; those that have one keep it. */
function takePorts(topology: Topology, fault: FaultOf<"snat">, index: number, add: Add): void {
  const found = machineOf(topology, fault.properties.virtualMachine.id);
  if (found === undefined) return;
  const { vnet, nic } = found;
  const rule: Rule = {
    matches: [
      { kind: "value", field: "oifname", op: "==", values: [links.edgeToInternet] },
      { kind: "value", field: "ip saddr", op: "==", values: [nic.primary] },
      { kind: "value", field: "meta l4proto", op: "==", values: ["tcp", "udp"] },
      { kind: "value", field: "ct state", op: "==", values: ["new"] },
    ],
    statements: [{ kind: "verdict", verdict: "drop", disposition: "exhausted" }],
    origin: originOf(fault, "Azure docs: load-balancer/load-balancer-outbound-connections"),
  };
  // Before the source is translated.
  add(hostNames.edge(vnet.name), (host) => withTable(host, tableOf(fault, "postrouting", priorities.srcnat - 1 - index, rule)));
}

/** What comes back through an appliance is dropped; flows still come through. */
function dropReplies(topology: Topology, fault: FaultOf<"replies">, index: number, add: Add): void {
  const rule: Rule = {
    matches: [{ kind: "value", field: "ct direction", op: "==", values: ["reply"] }],
    statements: [{ kind: "verdict", verdict: "drop" }],
    origin: originOf(fault),
  };
  const found = machineOf(topology, fault.properties.virtualMachine.id);
  // Before the appliance's own rules.
  if (found !== undefined) add(found.nic.host, (host) => withTable(host, tableOf(fault, "forward", priorities.filter - 1 - index, rule)));
}

/** The mark of flows that a firewall knew when it was made to forget them. Its own rules use no marks. */
export const forgottenMark = 0x466f7267;

/** Flows with the mark are dropped. Who runs the lab marks them, when the fault comes: a flow that begins later is like any other. */
function dropKnownFlows(topology: Topology, fault: FaultOf<"forget">, index: number, add: Add): void {
  const rule: Rule = {
    matches: [{ kind: "value", field: "ct mark", op: "==", values: [forgottenMark] }],
    statements: [{ kind: "verdict", verdict: "drop" }],
    origin: originOf(fault),
  };
  const found = machineOf(topology, fault.properties.virtualMachine.id);
  if (found !== undefined) add(found.nic.host, (host) => withTable(host, tableOf(fault, "forward", priorities.filter - 1 - index, rule)));
}

/** Every route out of `dev` drops. */
function cut(host: Host, dev: InterfaceName, origin: Origin): Host {
  const routes = host.routes.map((route): Route => {
    if (route.type !== "unicast" || route.dev !== dev) return route;
    const { table, dst, metric } = route;
    return { type: "blackhole", table, dst, ...(metric === undefined ? {} : { metric }), origin };
  });
  return { ...host, routes };
}

/** Every route to that host. */
function cutTowards(host: Host, neighbour: HostName, origin: Origin): Host {
  return host.interfaces.reduce(
    (result, each) => (each.kind === "veth" && each.peer.host === neighbour ? cut(result, each.name, origin) : result),
    host,
  );
}

const both = [mustPrefix("0.0.0.0/0"), mustPrefix("::/0")];

/** It keeps its links and addresses, and does nothing. */
function stopped(host: Host, origin: Origin): Host {
  const families = host.interfaces.some(({ addresses }) => addresses.some(({ address }) => familyOf(address) === 6))
    ? both
    : both.slice(0, 1);
  const nowhere = families.map((dst): Route => ({ type: "unreachable", table: mainTable, dst, origin }));
  const interfaces = host.interfaces.map((each) => ({
    ...each,
    addresses: each.addresses.map((address) => ({ ...address, noPrefixRoute: true })),
  }));
  return { ...host, interfaces, forwarding: false, routes: nowhere, rules: [], ruleSet: [], listeners: [] };
}

function tableOf(fault: Fault, hook: "prerouting" | "forward" | "postrouting", priority: number, rule: Rule): Table {
  return {
    family: "ip",
    name: `fault-${fault.name}`,
    chains: [{ name: hook, base: { type: "filter", hook, priority, policy: "accept" }, rules: [rule] }],
    sets: [],
    maps: [],
  };
}

function withTable(host: Host, table: Table): Host {
  return { ...host, ruleSet: [...host.ruleSet, table].sort((a, b) => (a.name < b.name ? -1 : 1)) };
}

function machineOf(topology: Topology, machine: string): { readonly vnet: VnetInfo; readonly nic: NicInfo } | undefined {
  for (const vnet of topology.vnets) {
    const nic = vnet.nics.find((candidate) => armKey(candidate.resource.properties.virtualMachine?.id ?? "") === armKey(machine));
    if (nic !== undefined) return { vnet, nic };
  }
  return undefined;
}

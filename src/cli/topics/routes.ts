import { ipv6Half } from "../../compile/ipv6/half.ts";
import { effectiveRoutes } from "../../compile/vnet/effective-routes.ts";
import type { Host, PolicyRule, Route } from "../../ir/network.ts";
import { mainTable } from "../../ir/network.ts";
import { bitsOf, familyOf } from "../../net/address.ts";
import { renderTable } from "../../render/table.ts";
import { Failure } from "../failure.ts";
import type { Shown, Topic, TopicInput } from "../show-topic.ts";
import { hostOf } from "./host.ts";
import { rows } from "./rows.ts";

export const routes: Topic = {
  name: "routes",
  summary: "routes and policy rules of a host; with --effective, what Azure routes for its network interface",
  argument: { usage: "<host>", meaning: "an end of a journey or a host's name" },
  hasEffective: true,
  examples: [
    { does: "the routing tables of a node", type: "drydock show routes shop-kubenet:node/000000" },
    {
      does: "as 'az network nic show-effective-route-table' shows it: system, gateway and user-defined routes",
      type: "drydock show routes vm/db --effective",
    },
    { does: "the fabric, with a table per subnet", type: "drydock show routes vnet/hub lab.yaml" },
  ],
  show: (input) => (input.effective === true ? effective(input) : kernelRoutes(hostOf(input))),
};

function kernelRoutes(host: Host): Shown {
  const connected = host.interfaces.flatMap((one) =>
    one.addresses
      .filter((address) => address.noPrefixRoute !== true && address.prefixLength < bitsOf(familyOf(address.address)))
      .map((address) => ({ interface: one.name, address: `${address.address}/${address.prefixLength}` })),
  );
  return {
    data: { host: host.name, routes: host.routes, rules: host.rules, connected },
    text: (style) => {
      const tables = [...new Set(host.routes.map((route) => route.table))].sort((a, b) => a - b);
      const several = tables.length > 1 || (tables[0] ?? mainTable) !== mainTable;
      const parts = [
        renderTable(
          several ? ["TABLE", "DESTINATION", "ROUTE", "WHY"] : ["DESTINATION", "ROUTE", "WHY"],
          host.routes
            .slice()
            .sort((a, b) => a.table - b.table)
            .map((route) => [...(several ? [tableName(route.table)] : []), route.dst, routeWords(route), route.origin.reason]),
          style,
        ),
      ];
      if (connected.length > 0) {
        parts.push(
          renderTable(
            ["CONNECTED", "INTERFACE"],
            connected.map((one) => [one.address, one.interface]),
            style,
          ),
        );
      }
      if (host.rules.length > 0) {
        parts.push(
          renderTable(
            ["PRIORITY", "RULE", "TABLE", "WHY"],
            host.rules.map((rule) => [String(rule.priority), ruleWords(rule), tableName(rule.table), rule.origin.reason]),
            style,
          ),
        );
      }
      const shown = parts.filter((part) => part !== "");
      return shown.length === 0 ? style.dim(`${host.name} has no routes\n`) : shown.join("\n");
    },
  };
}

function tableName(table: number): string {
  return table === mainTable ? "main" : String(table);
}

/** As iproute2 writes it. */
function routeWords(route: Route): string {
  if (route.type === "local") return `local dev ${route.dev}`;
  if (route.type !== "unicast") return route.type;
  return [
    ...(route.via === undefined ? [] : [`via ${route.via}`]),
    `dev ${route.dev}`,
    ...(route.src === undefined ? [] : [`src ${route.src}`]),
    ...(route.metric === undefined ? [] : [`metric ${route.metric}`]),
    ...(route.onlink === true ? ["onlink"] : []),
  ].join(" ");
}

function ruleWords(rule: PolicyRule): string {
  const words = [
    ...(rule.iif === undefined ? [] : [`iif ${rule.iif}`]),
    ...(rule.from === undefined ? [] : [`from ${rule.from}`]),
    ...(rule.to === undefined ? [] : [`to ${rule.to}`]),
    ...(rule.mark === undefined ? [] : [`fwmark 0x${rule.mark.value.toString(16)}/0x${rule.mark.mask.toString(16)}`]),
  ];
  return words.length === 0 ? "all" : words.join(" ");
}

/** The columns of `az network nic show-effective-route-table`. */
function effective(input: TopicInput): Shown {
  const host = hostOf(input);
  for (const vnet of input.view.topology.vnets) {
    const nic = vnet.nics.find((candidate) => candidate.host === host.name);
    if (nic === undefined) continue;
    const half = ipv6Half(input.view.topology)?.vnets.find(({ resource }) => resource === vnet.resource);
    const ipv6 = half?.nics.find(({ key }) => key === nic.key);
    return rows(
      [...effectiveRoutes(vnet, nic.subnet), ...(half === undefined || ipv6 === undefined ? [] : effectiveRoutes(half, ipv6.subnet))],
      {
        SOURCE: ({ source }) => source,
        STATE: ({ state }) => state,
        "ADDRESS PREFIX": ({ prefix }) => prefix,
        "NEXT HOP TYPE": ({ nextHopType }) => nextHopType,
        "NEXT HOP IP": ({ nextHopIpAddress }) => nextHopIpAddress,
        "USER-DEFINED ROUTE": ({ name }) => name,
        WHY: ({ origin }) => origin.reason,
      },
      "no routes",
      ({ site, peering, service, ...route }) => ({
        ...route,
        ...(site === undefined ? {} : { site: site.resource.name }),
        ...(peering === undefined ? {} : { remoteVirtualNetwork: peering.remote.name }),
        ...(service === undefined ? {} : { service: service.name }),
      }),
    );
  }
  throw new Failure("usage", `${host.name} has no network interface in a VNet`, {
    why: "effective routes are what Azure does with packets of a VNet's network interface: a VM's or a node's",
    fix: "name a VM or a node; a pod's packets take the routes of its node",
  });
}

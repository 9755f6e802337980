/** The two halves of a host as one. */

import type { Host, Interface } from "../../ir/network.ts";

/** `four` with what `six` adds: addresses on the same interfaces, routes, rules and tables of the other family. */
export function joined(four: Host, six: Host): Host {
  const extra = new Map(six.interfaces.map((each) => [each.name, each]));
  const interfaces = four.interfaces.map((each): Interface => {
    const other = extra.get(each.name);
    extra.delete(each.name);
    return other === undefined || other.addresses.length === 0 ? each : { ...each, addresses: [...each.addresses, ...other.addresses] };
  });
  return {
    ...four,
    interfaces: [...interfaces, ...extra.values()],
    routes: [...four.routes, ...six.routes],
    rules: [...four.rules, ...six.rules].sort((a, b) => a.priority - b.priority),
    neighbours: [...four.neighbours, ...six.neighbours],
    ruleSet: [...four.ruleSet, ...six.ruleSet].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.family < b.family ? -1 : 1)),
    listeners: [...four.listeners, ...six.listeners.filter(({ address }) => address !== undefined)],
  };
}

/**
 * What front ends say, in the words of IPv6. They say the same of both halves of a lab, and say it in IPv4's words: `ip saddr`, `0.0.0.0/0`, and the
 * addresses of the emulation's own routers. Here a host that was made of the IPv6 half gets the other family's.
 *
 * One thing is not a matter of words. In IPv4 a host answers for its addresses on all of its links, so that routers have theirs on `lo`; in IPv6 an
 * interface answers for its own (RFC 4861). So a router's link-local address is on each of its links, and `lo` has one to send errors from.
 */

import type { Host, Interface, InterfaceAddress, PolicyRule, Route } from "../ir/network.ts";
import type { Chain, DatumType, Field, MarkValue, Match, NamedMap, NamedSet, Rule, Statement, Table } from "../ir/ruleset.ts";
import type { Address } from "../net/address.ts";
import { hostPrefix, type Prefix } from "../net/prefix.ts";
import { ipv6Of } from "./wiring.ts";

const fields: Partial<Readonly<Record<Field, Field>>> = {
  "ip saddr": "ip6 saddr",
  "ip daddr": "ip6 daddr",
  "icmp type": "icmpv6 type",
  "ct original ip saddr": "ct original ip6 saddr",
  "ct original ip daddr": "ct original ip6 daddr",
  "ct reply ip saddr": "ct reply ip6 saddr",
};

export function inIpv6(host: Host): Host {
  const onLinks = host.interfaces.flatMap((each) => (each.kind === "loopback" ? each.addresses.flatMap(linkLocalOf) : []));
  return {
    ...host,
    interfaces: host.interfaces.map((each) => interfaceInIpv6(each, onLinks)),
    routes: host.routes.map(routeInIpv6),
    rules: host.rules.map((rule): PolicyRule => ({ ...rule, family: 6 })),
    neighbours: host.neighbours.map((each) => ({ ...each, address: addressInIpv6(each.address) })),
    ruleSet: host.ruleSet.map(tableInIpv6),
  };
}

function linkLocalOf({ address, origin }: InterfaceAddress): InterfaceAddress[] {
  const link = ipv6Of(address)?.link ?? (address.startsWith("fe80:") ? address : undefined);
  return link === undefined ? [] : [{ address: link, prefixLength: 128, origin }];
}

function interfaceInIpv6(each: Interface, onLinks: readonly InterfaceAddress[]): Interface {
  if (each.kind === "loopback") {
    return { ...each, addresses: each.addresses.flatMap(loopbackOf) };
  }
  // Several subnets have one and the same gateway.
  const distinct = [...new Map(onLinks.map((one) => [one.address, one])).values()];
  const addresses = each.kind === "veth" && each.port === undefined && each.addresses.length === 0 ? distinct : each.addresses;
  return { ...each, addresses };
}

/** Link-local addresses are on the links. */
function loopbackOf(one: InterfaceAddress): InterfaceAddress[] {
  if (one.address.startsWith("fe80:")) return [];
  const own = ipv6Of(one.address)?.loopback;
  return [own === undefined ? one : { address: own, prefixLength: 128, origin: one.origin }];
}

function addressInIpv6(address: Address): Address {
  return ipv6Of(address)?.link ?? address;
}

function prefixInIpv6(prefix: Prefix): Prefix {
  if (prefix === "0.0.0.0/0") return "::/0" as Prefix;
  const host = prefix.endsWith("/32") ? ipv6Of(prefix.slice(0, -3) as Address) : undefined;
  return host === undefined ? prefix : hostPrefix(host.link ?? host.loopback);
}

function routeInIpv6(route: Route): Route {
  const dst = prefixInIpv6(route.dst);
  return route.type === "unicast" && route.via !== undefined ? { ...route, dst, via: addressInIpv6(route.via) } : { ...route, dst };
}

const tables = new WeakMap<Table, Table>();
const chains = new WeakMap<Chain, Chain>();
const sets = new WeakMap<NamedSet, NamedSet>();
const maps = new WeakMap<NamedMap, NamedMap>();

/** Tables of one front end share chains, sets and maps, and go on sharing them. */
function remembered<T extends object>(known: WeakMap<T, T>, make: (one: T) => T): (one: T) => T {
  return (one) => {
    let made = known.get(one);
    if (made === undefined) {
      made = make(one);
      known.set(one, made);
    }
    return made;
  };
}

const chainInIpv6 = remembered(chains, (chain): Chain => ({ ...chain, rules: chain.rules.map(ruleInIpv6) }));
const setInIpv6 = remembered(sets, (set) => ({ ...set, key: set.key.map(typeInIpv6) }));
const mapInIpv6 = remembered(maps, (map) => ({
  ...map,
  key: map.key.map(typeInIpv6),
  value: map.value === "verdict" ? map.value : map.value.map(typeInIpv6),
}));

export const tableInIpv6 = remembered(
  tables,
  (table): Table => ({
    family: "ip6",
    name: table.name,
    chains: table.chains.map(chainInIpv6),
    sets: table.sets.map(setInIpv6),
    maps: table.maps.map(mapInIpv6),
  }),
);

function typeInIpv6(type: DatumType): DatumType {
  return type === "ipv4_addr" ? "ipv6_addr" : type;
}

function fieldInIpv6(field: Field): Field {
  return fields[field] ?? field;
}

function ruleInIpv6({ matches, statements, origin }: Rule): Rule {
  return { matches: matches.map(matchInIpv6), statements: statements.map(statementInIpv6), origin };
}

function matchInIpv6(match: Match): Match {
  if (match.kind === "lookup") return { ...match, fields: match.fields.map(fieldInIpv6) };
  const field = fieldInIpv6(match.field);
  return { ...match, field, values: match.values.map((value) => (typeof value === "string" ? valueInIpv6(match.field, value) : value)) };
}

function valueInIpv6(field: Field, value: string): string {
  if (field === "meta l4proto") return value === "icmp" ? "icmpv6" : value;
  if (fields[field] === undefined) return value;
  return value.includes("/") ? prefixInIpv6(value as Prefix) : (ipv6Of(value as Address)?.loopback ?? value);
}

function statementInIpv6(statement: Statement): Statement {
  switch (statement.kind) {
    case "vmap":
    case "update-set":
      return { ...statement, fields: statement.fields.map(fieldInIpv6) };
    case "set-mark":
      return { ...statement, value: markInIpv6(statement.value) };
    case "dnat":
      return "fields" in statement.to ? { ...statement, to: { ...statement.to, fields: statement.to.fields.map(fieldInIpv6) } } : statement;
    default:
      return statement;
  }
}

function markInIpv6(value: MarkValue): MarkValue {
  return value.kind === "hash" || value.kind === "map" ? { ...value, fields: value.fields.map(fieldInIpv6) } : value;
}

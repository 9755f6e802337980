/**
 * Links, addresses, routes, rules and neighbours as rtnetlink messages (include/uapi/linux/rtnetlink.h, if_link.h, fib_rules.h, neighbour.h).
 *
 * Every function appends to a {@link Batch}. Links get their index from the caller, so that what stands on a link can be in the same batch.
 */

import type { BridgePort, InterfaceAddress, Neighbour, PolicyRule, Route } from "../ir/network.ts";
import { type Address, familyOf } from "../net/address.ts";
import { addressOf, lengthOf, type Prefix, prefixFamily } from "../net/prefix.ts";
import { linux } from "./libc.ts";
import { type Batch, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from "./netlink.ts";

const RTM = {
  NEWLINK: 16,
  DELLINK: 17,
  SETLINK: 19,
  NEWADDR: 20,
  DELADDR: 21,
  NEWROUTE: 24,
  DELROUTE: 25,
  NEWNEIGH: 28,
  DELNEIGH: 29,
  NEWRULE: 32,
  DELRULE: 33,
  SETNEIGHTBL: 67,
} as const;

const IFLA = {
  ADDRESS: 1,
  IFNAME: 3,
  MTU: 4,
  MASTER: 10,
  LINKINFO: 18,
  AF_SPEC: 26,
  GROUP: 27,
  NET_NS_FD: 28,
  NUM_TX_QUEUES: 31,
  NUM_RX_QUEUES: 32,
} as const;
const IFLA_INFO = { KIND: 1, DATA: 2, SLAVE_KIND: 4, SLAVE_DATA: 5 } as const;

const IFF_UP = 0x1;
export const IFF_NOARP = 0x80;

/** IPv4 settings of an interface, by their place in `IPV4_DEVCONF_*` (include/uapi/linux/ip.h). */
export const devconf = { proxyArp: 3, proxyArpPvlan: 25 } as const;

/** A link that is about to exist. */
export type NewLink = {
  readonly name: string;
  readonly index: number;
  readonly mac?: string | undefined;
  readonly mtuBytes?: number | undefined;
  /** Set besides IFF_UP. */
  readonly flags?: number;
};

/**
 * A pair of links, the first one up; the peer is put into the namespace of `peerNamespace`, or stays in this one. The peer can't be set up in the
 * same message (ENOTCONN): the kernel would do so before it has tied the two together (veth_newlink, drivers/net/veth.c).
 */
export function addVeth(batch: Batch, link: NewLink, peer: NewLink, peerNamespace?: number): void {
  beginNewLink(batch, link);
  const info = batch.open(IFLA.LINKINFO);
  batch.text(IFLA_INFO.KIND, "veth");
  const data = batch.open(IFLA_INFO.DATA);
  const peerInfo = batch.open(1 /* VETH_INFO_PEER */);
  const header = batch.raw(16);
  batch.raw32(header + 4, peer.index);
  linkAttributes(batch, peer);
  if (peerNamespace !== undefined) batch.u32(IFLA.NET_NS_FD, peerNamespace);
  batch.close(peerInfo);
  batch.close(data);
  batch.close(info);
  batch.end();
}

/** A bridge without spanning tree and multicast snooping: neither has a purpose between ports that are all stations. */
export function addBridge(batch: Batch, link: NewLink): void {
  beginNewLink(batch, link);
  const info = batch.open(IFLA.LINKINFO);
  batch.text(IFLA_INFO.KIND, "bridge");
  const data = batch.open(IFLA_INFO.DATA);
  batch.u32(1 /* IFLA_BR_FORWARD_DELAY */, 0);
  batch.u8(23 /* IFLA_BR_MCAST_SNOOPING */, 0);
  batch.close(data);
  batch.close(info);
  batch.end();
}

function beginNewLink(batch: Batch, link: NewLink): void {
  batch.begin(RTM.NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 16);
  const flags = IFF_UP | (link.flags ?? 0);
  batch.fixed32(4, link.index);
  batch.fixed32(8, flags);
  batch.fixed32(12, flags);
  linkAttributes(batch, link);
}

function linkAttributes(batch: Batch, link: NewLink): void {
  batch.text(IFLA.IFNAME, link.name);
  if (link.mac !== undefined) batch.mac(IFLA.ADDRESS, link.mac);
  if (link.mtuBytes !== undefined) batch.u32(IFLA.MTU, link.mtuBytes);
  // Newer kernels give a veth a queue for every processor of the machine: memory and time for nothing.
  batch.u32(IFLA.NUM_TX_QUEUES, 1);
  batch.u32(IFLA.NUM_RX_QUEUES, 1);
}

export function deleteLink(batch: Batch, index: number): void {
  batch.begin(RTM.DELLINK, 0, 16);
  batch.fixed32(4, index);
  batch.end();
}

/** Deletes all links of a group. The kernel waits for its readers once, not once for each link. */
export function deleteLinkGroup(batch: Batch, group: number): void {
  batch.begin(RTM.DELLINK, 0, 16);
  batch.u32(IFLA.GROUP, group);
  batch.end();
}

/** Changes a link: only what is given. `master` 0 takes it out of its bridge. */
export function setLink(
  batch: Batch,
  index: number,
  change: { readonly up?: true; readonly mac?: string; readonly mtuBytes?: number; readonly master?: number; readonly group?: number },
): void {
  batch.begin(RTM.SETLINK, 0, 16);
  batch.fixed32(4, index);
  if (change.up === true) {
    batch.fixed32(8, IFF_UP);
    batch.fixed32(12, IFF_UP);
  }
  if (change.mac !== undefined) batch.mac(IFLA.ADDRESS, change.mac);
  if (change.mtuBytes !== undefined) batch.u32(IFLA.MTU, change.mtuBytes);
  if (change.master !== undefined) batch.u32(IFLA.MASTER, change.master);
  if (change.group !== undefined) batch.u32(IFLA.GROUP, change.group);
  batch.end();
}

/** Sets how a bridge treats a port that it already has. */
export function setBridgePort(batch: Batch, index: number, port: BridgePort): void {
  // NEWLINK, not SETLINK: that one takes no settings of the bridge's kind.
  batch.begin(RTM.NEWLINK, 0, 16);
  batch.fixed32(4, index);
  const info = batch.open(IFLA.LINKINFO);
  batch.text(IFLA_INFO.SLAVE_KIND, "bridge");
  const data = batch.open(IFLA_INFO.SLAVE_DATA);
  batch.u8(4 /* IFLA_BRPORT_MODE */, port.hairpin ? 1 : 0);
  batch.u8(33 /* IFLA_BRPORT_ISOLATED */, port.isolated ? 1 : 0);
  batch.close(data);
  batch.close(info);
  batch.end();
}

/** Sets IPv4 settings of an interface: what writing to /proc/sys/net/ipv4/conf/IF/… does. */
export function setDevconf(batch: Batch, index: number, values: readonly (readonly [setting: number, value: number])[]): void {
  batch.begin(RTM.SETLINK, 0, 16);
  batch.fixed32(4, index);
  const spec = batch.open(IFLA.AF_SPEC);
  const inet = batch.open(linux.AF_INET);
  const conf = batch.open(1 /* IFLA_INET_CONF */);
  for (const [setting, value] of values) batch.u32(setting, value);
  batch.close(conf);
  batch.close(inet);
  batch.close(spec);
  batch.end();
}

/** How long an interface waits before it answers ARP for another: /proc/sys/net/ipv4/neigh/IF/proxy_delay. */
export function setProxyDelay(batch: Batch, index: number, milliseconds: bigint): void {
  batch.begin(RTM.SETNEIGHTBL, 0, 4);
  batch.fixed8(0, linux.AF_INET);
  batch.text(1 /* NDTA_NAME */, "arp_cache");
  const parameters = batch.open(6 /* NDTA_PARMS */);
  batch.u32(1 /* NDTPA_IFINDEX */, index);
  batch.u64(13 /* NDTPA_PROXY_DELAY */, milliseconds);
  batch.close(parameters);
  batch.end();
}

function familyNumber(address: Address | Prefix): number {
  return familyOf(address as string as Address) === 4 ? linux.AF_INET : linux.AF_INET6;
}

export function changeAddress(batch: Batch, verb: "add" | "delete", index: number, address: InterfaceAddress): void {
  batch.begin(verb === "add" ? RTM.NEWADDR : RTM.DELADDR, verb === "add" ? NLM_F_CREATE | NLM_F_REPLACE : 0, 8);
  const family = familyNumber(address.address);
  batch.fixed8(0, family);
  batch.fixed8(1, address.prefixLength);
  batch.fixed32(4, index);
  batch.address(2 /* IFA_LOCAL */, address.address);
  batch.address(1 /* IFA_ADDRESS */, address.address);
  if (verb === "add") {
    // Duplicate address detection would keep an IPv6 address unusable for a second.
    const flags = (address.noPrefixRoute === true ? 0x200 : 0) | (family === linux.AF_INET6 ? 0x02 : 0);
    if (flags !== 0) batch.u32(8 /* IFA_FLAGS */, flags);
  }
  batch.end();
}

const routeTypes = { unicast: 1, local: 2, blackhole: 6, unreachable: 7, throw: 9 } as const;
const scopes = { universe: 0, link: 253, host: 254, nowhere: 255 } as const;
const RTPROT_STATIC = 4;
const RTNH_F_ONLINK = 4;

/** `put` takes the place of a route with the same table, destination and metric. */
export function changeRoute(batch: Batch, verb: "put" | "delete", route: Route, index: number | undefined): void {
  batch.begin(verb === "put" ? RTM.NEWROUTE : RTM.DELROUTE, verb === "put" ? NLM_F_CREATE | NLM_F_REPLACE : 0, 12);
  const family = prefixFamily(route.dst) === 4 ? linux.AF_INET : linux.AF_INET6;
  batch.fixed8(0, family);
  batch.fixed8(1, lengthOf(route.dst));
  batch.fixed8(4, route.table < 256 ? route.table : 0);
  batch.fixed8(5, RTPROT_STATIC);
  batch.fixed8(6, scopeOf(route, verb));
  batch.fixed8(7, routeTypes[route.type]);
  if (route.type === "unicast" && route.onlink === true) batch.fixed32(8, RTNH_F_ONLINK);
  if (lengthOf(route.dst) > 0) batch.address(1 /* RTA_DST */, addressOf(route.dst));
  if (route.table >= 256) batch.u32(15 /* RTA_TABLE */, route.table);
  if (route.metric !== undefined && route.metric !== 0) batch.u32(6 /* RTA_PRIORITY */, route.metric);
  if (index !== undefined) batch.u32(4 /* RTA_OIF */, index);
  if (route.type === "unicast") {
    if (route.via !== undefined) gateway(batch, family, route.via);
    if (route.src !== undefined) batch.address(7 /* RTA_PREFSRC */, route.src);
  }
  batch.end();
}

function gateway(batch: Batch, family: number, via: Address): void {
  if (familyNumber(via) === family) batch.address(5 /* RTA_GATEWAY */, via);
  else throw new Error(`a route by way of an address of the other family: ${via}`);
}

/** IPv4 wants to know how far the destination is; IPv6 ignores it. */
function scopeOf(route: Route, verb: "put" | "delete"): number {
  if (verb === "delete" && route.type !== "local" && route.type !== "unicast") return scopes.nowhere;
  if (route.type === "local") return scopes.host;
  return route.type === "unicast" && route.via === undefined ? scopes.link : scopes.universe;
}

export function changeRule(batch: Batch, verb: "add" | "delete", rule: PolicyRule): void {
  batch.begin(verb === "add" ? RTM.NEWRULE : RTM.DELRULE, verb === "add" ? NLM_F_CREATE | NLM_F_EXCL : 0, 12);
  batch.fixed8(0, rule.family === 4 ? linux.AF_INET : linux.AF_INET6);
  batch.fixed8(1, rule.to === undefined ? 0 : lengthOf(rule.to));
  batch.fixed8(2, rule.from === undefined ? 0 : lengthOf(rule.from));
  batch.fixed8(4, rule.table < 256 ? rule.table : 0);
  batch.fixed8(7, 1 /* FR_ACT_TO_TBL */);
  if (rule.to !== undefined) batch.address(1 /* FRA_DST */, addressOf(rule.to));
  if (rule.from !== undefined) batch.address(2 /* FRA_SRC */, addressOf(rule.from));
  if (rule.iif !== undefined) batch.text(3 /* FRA_IIFNAME */, rule.iif);
  batch.u32(6 /* FRA_PRIORITY */, rule.priority);
  if (rule.mark !== undefined) {
    batch.u32(10 /* FRA_FWMARK */, rule.mark.value);
    batch.u32(16 /* FRA_FWMASK */, rule.mark.mask);
  }
  batch.u32(15 /* FRA_TABLE */, rule.table);
  batch.end();
}

/** In NDA_PROTOCOL, which the kernel only keeps: entries that no host lists. Beyond the numbers of /etc/iproute2/rt_protos. */
export const automaticProtocol = 0xd0;

export function changeNeighbour(batch: Batch, verb: "put" | "delete", neighbour: Neighbour, index: number, automatic: boolean): void {
  batch.begin(verb === "put" ? RTM.NEWNEIGH : RTM.DELNEIGH, verb === "put" ? NLM_F_CREATE | NLM_F_REPLACE : 0, 12);
  batch.fixed8(0, familyNumber(neighbour.address));
  batch.fixed32(4, index);
  batch.fixed16(8, 0x80 /* NUD_PERMANENT */);
  batch.address(1 /* NDA_DST */, neighbour.address);
  if (verb === "put") {
    batch.mac(2 /* NDA_LLADDR */, neighbour.mac);
    if (automatic) batch.u8(12 /* NDA_PROTOCOL */, automaticProtocol);
  }
  batch.end();
}

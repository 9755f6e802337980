/**
 * Neighbour entries that need no asking: who is at the other end of a link is known, so the answer to ARP is too.
 *
 * All namespaces of a machine share one neighbour table, which holds 1,024 learned entries by default (gc_thresh3, net/core/neighbour.c) and can't be
 * made larger from inside a user namespace. A thousand pods fill it, and then not only they but the machine itself can't resolve
 * addresses any more. Permanent entries do not count. So every host gets one for each address of the stations on its links, and for
 * the gateways of its routes that such a station owns. Only what the station would answer anyway: addresses of its host.
 */

import type { Host, HostName, Interface, InterfaceName, Neighbour, Network } from "../ir/network.ts";
import type { Address } from "../net/address.ts";

type MacOf = (host: Host, link: Interface) => string;

/** Something with a link-layer address on a segment: the interface that answers, which is the bridge where the link ends in a port. */
type Station = { readonly host: Host; readonly link: Interface; readonly mac: string };

/** For the devices of `host` that exist. Entries that the host lists itself are left out. */
export function automaticNeighbours(network: Network, host: Host, macOf: MacOf): readonly Neighbour[] {
  const listed = new Set(host.neighbours.map((neighbour) => `${neighbour.dev} ${neighbour.address}`));
  const found: Neighbour[] = [];
  const gateways = gatewaysOf(host);
  for (const [dev, stations] of segmentsOf(network, host, macOf)) {
    const known = new Set<Address>();
    const add = (address: Address, station: Station): void => {
      if (known.has(address) || listed.has(`${dev} ${address}`)) return;
      known.add(address);
      found.push(entry(station.link, dev, address, station.mac));
    };
    for (const station of stations) for (const { address } of station.link.addresses) add(address, station);
    for (const gateway of gateways.get(dev) ?? []) {
      if (known.has(gateway)) continue;
      const owner = stations.find((station) => addressesOf(station.host).has(gateway));
      if (owner !== undefined) add(gateway, owner);
    }
  }
  return found;
}

/** Stations by the device that reaches them: a veth that is no port, or a bridge. */
function segmentsOf(network: Network, host: Host, macOf: MacOf): ReadonlyMap<InterfaceName, readonly Station[]> {
  const segments = new Map<InterfaceName, Station[]>();
  for (const link of host.interfaces) {
    if (link.kind !== "veth") continue;
    const station = stationAt(network, link.peer.host, link.peer.name, macOf);
    if (station === undefined) continue;
    const dev = link.port?.bridge ?? link.name;
    const list = segments.get(dev);
    if (list === undefined) segments.set(dev, [station]);
    else list.push(station);
  }
  return segments;
}

function stationAt(network: Network, name: HostName, end: InterfaceName, macOf: MacOf): Station | undefined {
  const host = network.host(name);
  let link = host === undefined ? undefined : interfaceOf(host, end);
  if (host === undefined || link?.kind !== "veth") return undefined;
  if (link.port !== undefined) link = interfaceOf(host, link.port.bridge);
  return link === undefined ? undefined : { host, link, mac: macOf(host, link) };
}

/** One object for the same entry, so that lists compare by reference. */
const entries = new WeakMap<Interface, Map<string, Neighbour>>();

function entry(link: Interface, dev: InterfaceName, address: Address, mac: string): Neighbour {
  let known = entries.get(link);
  if (known === undefined) {
    known = new Map();
    entries.set(link, known);
  }
  const key = `${dev} ${address} ${mac}`;
  let made = known.get(key);
  if (made === undefined) {
    made = { dev, address, mac, origin: link.origin };
    known.set(key, made);
  }
  return made;
}

const gateways = new WeakMap<Host["routes"], ReadonlyMap<InterfaceName, ReadonlySet<Address>>>();

function gatewaysOf(host: Host): ReadonlyMap<InterfaceName, ReadonlySet<Address>> {
  const known = gateways.get(host.routes);
  if (known !== undefined) return known;
  const found = new Map<InterfaceName, Set<Address>>();
  for (const route of host.routes) {
    if (route.type !== "unicast" || route.via === undefined) continue;
    const set = found.get(route.dev);
    if (set === undefined) found.set(route.dev, new Set([route.via]));
    else set.add(route.via);
  }
  gateways.set(host.routes, found);
  return found;
}

const addresses = new WeakMap<Host["interfaces"], ReadonlySet<Address>>();

function addressesOf(host: Host): ReadonlySet<Address> {
  let found = addresses.get(host.interfaces);
  if (found === undefined) {
    found = new Set(host.interfaces.flatMap((link) => link.addresses.map(({ address }) => address)));
    addresses.set(host.interfaces, found);
  }
  return found;
}

const interfacesByName = new WeakMap<Host["interfaces"], ReadonlyMap<InterfaceName, Interface>>();

/** An interface of a host by its name. */
export function interfaceOf(host: Host, name: InterfaceName): Interface | undefined {
  let found = interfacesByName.get(host.interfaces);
  if (found === undefined) {
    found = new Map(host.interfaces.map((link) => [link.name, link]));
    interfacesByName.set(host.interfaces, found);
  }
  return found.get(name);
}

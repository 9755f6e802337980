/**
 * The links of one host and what stands on them, from what there is to what is wanted, in one batch of messages where IPv6 does not ask for two.
 *
 * Order: links, their settings, addresses, neighbours, routes (those without a gateway first), rules. What takes the place of something else is put
 * over it; what goes without a successor is deleted last.
 */

import { hashDigits } from "../ir/names.ts";
import type { Host, HostName, Interface, InterfaceAddress, InterfaceName, Neighbour, Origin, PolicyRule, Route } from "../ir/network.ts";
import { type Address, familyOf } from "../net/address.ts";
import { difference } from "./difference.ts";
import { errnoName, linux } from "./libc.ts";
import { within } from "./namespaces.ts";
import type { Batch } from "./netlink.ts";
import {
  addBridge,
  addVeth,
  changeAddress,
  changeNeighbour,
  changeRoute,
  changeRule,
  devconf,
  IFF_NOARP,
  setBridgePort,
  setDevconf,
  setLink,
  setProxyDelay,
} from "./netlink-route.ts";
import { type ApplyError, applyError } from "./report.ts";
import type { Run, Visits } from "./run.ts";
import { ipv6Interfaces, writeSetting } from "./settings.ts";
import { forgetIpv6, type Link, macOf, newLink, peerOf, type State, type Veth } from "./state.ts";
import { automaticNeighbours } from "./stations.ts";

/** Messages sent at once at most, and how long a visit goes on before it lets others have their turn. */
const batchMessages = 64;
const turnMs = 5;

/** What to do when the kernel refuses a message. */
type Note = {
  readonly kind: ApplyError["kind"];
  readonly element: string;
  readonly origin: Origin;
  /** What it stands on: when that could not be made, its own failure is no news. */
  readonly device?: InterfaceName | undefined;
  readonly tolerated?: readonly number[];
  readonly failed?: () => void;
};

/** One visit of one host. */
export class HostVisit {
  readonly #run: Run;
  readonly #visits: Visits;
  readonly #states: ReadonlyMap<HostName, State>;
  readonly #batch: Batch;
  readonly #newIndex: () => number;
  readonly #state: State;
  readonly #host: Host;
  #notes: Note[] = [];
  /** Interfaces whose routes and neighbours the kernel forgot or may have forgotten. */
  readonly #swept = new Set<InterfaceName>();
  readonly #sweptSources = new Set<Address>();
  #turnStartMs = performance.now();

  constructor(
    run: Run,
    visits: Visits,
    states: ReadonlyMap<HostName, State>,
    batch: Batch,
    newIndex: () => number,
    state: State,
    host: Host,
  ) {
    this.#run = run;
    this.#visits = visits;
    this.#states = states;
    this.#batch = batch;
    this.#newIndex = newIndex;
    this.#state = state;
    this.#host = host;
  }

  /** Yields where others may have their turn, every few milliseconds. What was begun is done even if nobody comes back. */
  *run(): Generator<void, void> {
    this.#batch.clear();
    try {
      this.#setLoopback();
      yield* this.#makeLinks();
      for (const wanted of this.#host.interfaces) {
        const link = this.#state.links.get(wanted.name);
        if (link === undefined) continue;
        this.#setLink(wanted, link);
        yield* this.#pause();
      }
      this.#setIpv6();
      for (const wanted of this.#host.interfaces) {
        this.#changeAddresses(wanted);
        yield* this.#pause();
      }
      const settle = [yield* this.#changeNeighbours(), yield* this.#changeRoutes(), yield* this.#changeRules()];
      this.#flush();
      for (const done of settle) done();
    } finally {
      this.#flush();
      this.#run.closeSocket(this.#host.name);
    }
  }

  *#pause(): Generator<void, void> {
    if (this.#batch.count < batchMessages) return;
    this.#flush();
    if (performance.now() - this.#turnStartMs < turnMs) return;
    yield;
    this.#turnStartMs = performance.now();
  }

  /** Adds a message, of which `write` does the encoding. */
  #message(note: Note, write: (batch: Batch) => void): void {
    const count = this.#batch.count;
    try {
      write(this.#batch);
      this.#notes.push(note);
      this.#run.operations++;
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      while (this.#batch.count > count) this.#batch.drop();
      this.#run.errors.push(applyError(this.#host.name, note.kind, note.element, { code: "EINVAL", text: error.message }, note.origin));
      note.failed?.();
    }
  }

  #flush(): void {
    if (this.#batch.count === 0) return;
    const refusals = this.#run.socketOf(this.#host.name).transact(this.#batch);
    const notes = this.#notes;
    this.#batch.clear();
    this.#notes = [];
    for (const { index, errno, text } of refusals) {
      const note = notes[index];
      if (note === undefined) throw new Error(`netlink: an answer to a message that was not sent (${index})`);
      if (note.tolerated?.includes(errno) === true) continue;
      note.failed?.();
      if (note.device !== undefined && !this.#state.links.has(note.device)) continue;
      this.#run.errors.push(applyError(this.#host.name, note.kind, note.element, { code: errnoName(errno), text }, note.origin));
    }
  }

  #setLoopback(): void {
    const lo = this.#state.links.get("lo");
    if (lo === undefined || lo.up) return;
    lo.up = true;
    const failed = (): void => {
      lo.up = false;
    };
    this.#message({ kind: "interface", element: "lo up", origin: this.#host.origin, failed }, (batch) =>
      setLink(batch, lo.index, { up: true }),
    );
  }

  *#makeLinks(): Generator<void, void> {
    const { links } = this.#state;
    // Bridges before their ports.
    for (const wanted of this.#host.interfaces) {
      if (links.has(wanted.name) || wanted.kind === "veth") continue;
      const index = this.#newIndex();
      const link = newLink(wanted.kind, index);
      link.mtuBytes = wanted.mtuBytes;
      // A bridge that is not told takes the lowest of its ports', which changes when ports come and go.
      link.mac = macOf(this.#host, wanted);
      const made = { name: wanted.name, index, mac: link.mac, mtuBytes: wanted.mtuBytes };
      const note: Note = { kind: "interface", element: wanted.name, origin: wanted.origin, failed: () => links.delete(wanted.name) };
      links.set(wanted.name, link);
      this.#swept.add(wanted.name);
      if (wanted.kind === "discard") {
        const swallow = { name: `void-${hashDigits(wanted.name, 8)}`, index: this.#newIndex(), mtuBytes: wanted.mtuBytes };
        this.#message(note, (batch) => addVeth(batch, { ...made, flags: IFF_NOARP }, swallow));
        this.#message({ ...note, device: wanted.name }, (batch) => setLink(batch, swallow.index, { up: true }));
      } else {
        this.#message(note, (batch) => {
          if (wanted.kind === "loopback") throw new Error("the only loopback interface is lo");
          addBridge(batch, made);
        });
      }
    }
    for (const wanted of this.#host.interfaces) {
      if (wanted.kind !== "veth" || links.has(wanted.name)) continue;
      this.#makeVeth(wanted);
      yield* this.#pause();
    }
  }

  #makeVeth(wanted: Veth): void {
    const peer = peerOf(this.#run.network, this.#host, wanted);
    const peerState = this.#states.get(wanted.peer.host);
    if (peer === undefined || peerState === undefined || peerState.links.has(wanted.peer.name)) {
      this.#run.waiting.push({ host: this.#host.name, element: `link ${wanted.name}: for ${wanted.peer.name} on ${wanted.peer.host}` });
      return;
    }
    if (this.#run.impossible.has(`${this.#host.name} ${wanted.name}`)) {
      this.#run.waiting.push({ host: this.#host.name, element: `link ${wanted.name}: it could not be made` });
      return;
    }
    const own = newLink("veth", this.#newIndex(), wanted.peer);
    const other = newLink("veth", this.#newIndex(), { host: this.#host.name, name: wanted.name });
    for (const [link, spec, owner] of [
      [own, wanted, this.#host],
      [other, peer.link, peer.host],
    ] as const) {
      link.mac = macOf(owner, spec);
      link.mtuBytes = spec.mtuBytes;
    }
    other.up = false;
    const sameHost = peer.host.name === this.#host.name;
    this.#state.links.set(wanted.name, own);
    peerState.links.set(wanted.peer.name, other);
    this.#swept.add(wanted.name);
    if (sameHost) this.#swept.add(wanted.peer.name);
    else {
      peerState.settled = undefined;
      this.#visits.add(peer.host);
    }
    this.#message(
      {
        kind: "interface",
        element: `${wanted.name} to ${wanted.peer.name} on ${wanted.peer.host}`,
        origin: wanted.origin,
        failed: () => {
          this.#state.links.delete(wanted.name);
          peerState.links.delete(wanted.peer.name);
          this.#run.impossible.add(`${this.#host.name} ${wanted.name}`).add(`${peer.host.name} ${wanted.peer.name}`);
        },
      },
      (batch) =>
        addVeth(
          batch,
          { name: wanted.name, index: own.index, mac: own.mac, mtuBytes: own.mtuBytes },
          { name: wanted.peer.name, index: other.index, mac: other.mac, mtuBytes: other.mtuBytes },
          sameHost ? undefined : this.#run.namespaceOf(peer.host.name),
        ),
    );
  }

  #setLink(wanted: Interface, link: Link): void {
    const { index } = link;
    const note = (element: string, failed: () => void): Note => ({
      kind: "interface",
      element: `${wanted.name} ${element}`,
      origin: wanted.origin,
      device: wanted.name,
      failed,
    });
    if (wanted.mac !== undefined && wanted.mac !== link.mac) {
      const { mac } = wanted;
      link.mac = mac;
      this.#tellNeighbours(wanted, () => false);
      this.#message(
        note(`address ${mac}`, () => {
          link.mac = undefined;
        }),
        (batch) => setLink(batch, index, { mac }),
      );
    }
    if (wanted.mtuBytes !== link.mtuBytes) {
      const mtuBytes = wanted.mtuBytes ?? (wanted.kind === "loopback" ? 65536 : 1500);
      link.mtuBytes = wanted.mtuBytes;
      this.#message(
        note(`mtu ${mtuBytes}`, () => {
          link.mtuBytes = -1;
        }),
        (batch) => setLink(batch, index, { mtuBytes }),
      );
    }
    this.#setPort(wanted, link, note);
    const proxyArp = wanted.proxyArp === true;
    if (proxyArp !== link.proxyArp) {
      link.proxyArp = proxyArp;
      const failed = (): void => {
        link.proxyArp = !proxyArp;
      };
      const value = proxyArp ? 1 : 0;
      this.#message(note(`proxy_arp ${value}`, failed), (batch) =>
        setDevconf(batch, index, [
          [devconf.proxyArp, value],
          [devconf.proxyArpPvlan, value],
        ]),
      );
      // Linux's default is up to 0.8 s.
      this.#message(note("proxy_delay", failed), (batch) => setProxyDelay(batch, index, proxyArp ? 0n : 800n));
    }
  }

  #setPort(wanted: Interface, link: Link, note: (element: string, failed: () => void) => Note): void {
    const { index } = link;
    const port = wanted.kind === "veth" ? wanted.port : undefined;
    const bridge = port === undefined ? undefined : this.#state.links.get(port.bridge);
    if (port !== undefined && bridge === undefined) {
      this.#run.waiting.push({ host: this.#host.name, element: `port ${wanted.name}: for bridge ${port.bridge}` });
      return;
    }
    if (port?.bridge === link.bridge && !link.up) {
      link.up = true;
      this.#message(
        note("up", () => {
          link.up = false;
        }),
        (batch) => setLink(batch, index, { up: true }),
      );
    }
    if (port?.bridge !== link.bridge) {
      this.#tellNeighbours(wanted, (peer) => this.#run.visited.has(peer));
      const { up } = link;
      const old = link.bridge;
      link.up = true;
      link.bridge = port?.bridge;
      link.hairpin = false;
      link.isolated = false;
      this.#message(
        note(port === undefined ? "nomaster" : `master ${port.bridge}`, () => {
          link.bridge = old;
          link.up = up;
        }),
        (batch) => setLink(batch, index, up ? { master: bridge?.index ?? 0 } : { up: true, master: bridge?.index ?? 0 }),
      );
    }
    if (port !== undefined && (port.hairpin !== link.hairpin || port.isolated !== link.isolated)) {
      const { hairpin, isolated } = link;
      link.hairpin = port.hairpin;
      link.isolated = port.isolated;
      this.#message(
        note(`bridge_slave hairpin ${port.hairpin} isolated ${port.isolated}`, () => {
          link.hairpin = hairpin;
          link.isolated = isolated;
        }),
        (batch) => setBridgePort(batch, index, port),
      );
    }
  }

  /** Interfaces are made without IPv6: it is turned on where something of IPv6 is wanted. Needs the links to exist. */
  #setIpv6(): void {
    const wanted = ipv6Interfaces(this.#host);
    for (const [name, link] of this.#state.links) {
      if (link.kind === "loopback" || link.ipv6 === wanted.has(name)) continue;
      this.#flush();
      try {
        within(this.#host.name, () => writeSetting(`ipv6/conf/${name}/disable_ipv6`, link.ipv6 ? "1" : "0"));
        this.#run.operations++;
        link.ipv6 = !link.ipv6;
        if (!link.ipv6) forgetIpv6(this.#state, name, link);
      } catch (error) {
        const code = error instanceof Error && "code" in error ? String(error.code) : "EIO";
        this.#run.errors.push(applyError(this.#host.name, "setting", `ipv6/conf/${name}/disable_ipv6`, { code }, this.#host.origin));
      }
    }
  }

  #changeAddresses(wanted: Interface): void {
    const link = this.#state.links.get(wanted.name);
    if (link === undefined || link.addresses === wanted.addresses) return;
    const { removed, added } = addressChange(link.addresses, wanted.addresses);
    if (removed.length > 0 || added.length > 0) this.#tellNeighbours(wanted, (peer) => this.#run.visited.has(peer));
    const note = (address: InterfaceAddress, failed: () => void): Note => ({
      kind: "address",
      element: `${address.address}/${address.prefixLength} dev ${wanted.name}`,
      origin: address.origin,
      device: wanted.name,
      failed,
    });
    for (const address of removed) {
      // With its last IPv4 address an interface loses its routes and neighbours (fib_disable_ip, net/ipv4/fib_frontend.c), and with any
      // address the routes that name it as their source go.
      this.#swept.add(wanted.name);
      this.#sweptSources.add(address.address);
      const failed = (): void => {
        link.addresses = [...link.addresses, address];
      };
      this.#message({ ...note(address, failed), tolerated: [linux.EADDRNOTAVAIL] }, (batch) =>
        changeAddress(batch, "delete", link.index, address),
      );
    }
    for (const address of added) {
      const failed = (): void => {
        link.addresses = link.addresses.filter((candidate) => candidate !== address);
      };
      this.#message(note(address, failed), (batch) => changeAddress(batch, "add", link.index, address));
    }
    link.addresses = wanted.addresses;
  }

  /** Hosts that have entries for what changed here are to look again. */
  #tellNeighbours(changed: Interface, knows: (peer: HostName) => boolean): void {
    for (const link of changed.kind === "veth" ? [changed] : this.#host.interfaces) {
      const state = link.kind === "veth" ? this.#states.get(link.peer.host) : undefined;
      if (link.kind !== "veth" || state === undefined || knows(link.peer.host)) continue;
      const peer = this.#run.network.host(link.peer.host);
      if (peer === undefined) continue;
      state.settled = undefined;
      this.#visits.add(peer);
    }
  }

  /**
   * Changes one of the lists of the host. Elements on interfaces that were swept are put again; those on interfaces that do not exist wait. What it
   * returns runs after the messages are sent, and gives the list as it then is.
   */
  *#changeList<T extends { readonly origin: Origin }>(list: {
    readonly kind: "route" | "rule" | "neighbour";
    readonly before: readonly T[];
    readonly wanted: readonly T[];
    readonly text: (element: T) => string;
    /** What a new element takes the place of. */
    readonly identity: (element: T) => string;
    readonly device: (element: T) => InterfaceName | undefined;
    readonly source?: (element: T) => Address | undefined;
    /** Must be there before the others. */
    readonly first?: (element: T) => boolean;
    readonly put: (batch: Batch, element: T) => void;
    readonly remove: (batch: Batch, element: T) => void;
    readonly settle: (elements: readonly T[]) => void;
  }): Generator<void, () => void> {
    const { before, wanted, device } = list;
    const gone = (element: T): boolean => {
      const name = device(element);
      const source = list.source?.(element);
      return (name !== undefined && this.#swept.has(name)) || (source !== undefined && this.#sweptSources.has(source));
    };
    const kept = this.#swept.size === 0 ? before : before.filter((element) => !gone(element));
    const { removed, added } = difference(kept, wanted, list.text);
    if (removed.length === 0 && added.length === 0 && kept === before) {
      list.settle(wanted);
      return () => undefined;
    }
    const missing = new Set<T>();
    const lingering: T[] = [];
    const note = (element: T, failed: () => void): Note => ({
      kind: list.kind,
      element: list.text(element),
      origin: element.origin,
      device: device(element),
      failed,
    });
    const { first } = list;
    const ordered = first === undefined ? added : [...added.filter(first), ...added.filter((element) => !first(element))];
    const replaced = new Set<string>();
    for (const element of ordered) {
      const name = device(element);
      if (name !== undefined && !this.#state.links.has(name)) {
        missing.add(element);
        this.#run.waiting.push({ host: this.#host.name, element: `${list.kind} ${list.text(element)}` });
        continue;
      }
      replaced.add(list.identity(element));
      this.#message(
        note(element, () => missing.add(element)),
        (batch) => list.put(batch, element),
      );
      yield* this.#pause();
    }
    const absent = [linux.ENOENT, linux.ESRCH, linux.ENODEV];
    // What went with a deleted address may be there still.
    const leftovers = kept === before ? [] : difference(before.filter(gone), wanted, list.text).removed;
    for (const element of [...removed, ...leftovers]) {
      const name = device(element);
      if (replaced.has(list.identity(element)) || (name !== undefined && !this.#state.links.has(name))) continue;
      this.#message({ ...note(element, () => lingering.push(element)), tolerated: absent }, (batch) => list.remove(batch, element));
      yield* this.#pause();
    }
    return () => {
      if (missing.size === 0 && lingering.length === 0) list.settle(wanted);
      else list.settle([...wanted.filter((element) => !missing.has(element)), ...lingering]);
    };
  }

  #changeNeighbours(): Generator<void, () => void> {
    const automatic = automaticNeighbours(
      this.#run.network,
      this.#host,
      (host, link) => this.#states.get(host.name)?.links.get(link.name)?.mac ?? macOf(host, link),
    ).filter(({ dev, address }) => {
      const link = this.#state.links.get(dev);
      return link !== undefined && (link.ipv6 || familyOf(address) === 4);
    });
    const own = new Set(this.#host.neighbours);
    const index = (neighbour: Neighbour): number => this.#state.links.get(neighbour.dev)?.index ?? 0;
    return this.#changeList({
      kind: "neighbour",
      before: this.#state.neighbours,
      wanted: automatic.length === 0 ? this.#host.neighbours : [...this.#host.neighbours, ...automatic],
      text: (neighbour) => `${neighbour.address} lladdr ${neighbour.mac} dev ${neighbour.dev}`,
      identity: (neighbour) => `${neighbour.address} ${neighbour.dev}`,
      device: (neighbour) => neighbour.dev,
      put: (batch, neighbour) => changeNeighbour(batch, "put", neighbour, index(neighbour), !own.has(neighbour)),
      remove: (batch, neighbour) => changeNeighbour(batch, "delete", neighbour, index(neighbour), false),
      settle: (neighbours) => {
        this.#state.neighbours = neighbours;
      },
    });
  }

  #changeRoutes(): Generator<void, () => void> {
    const index = (route: Route): number | undefined => ("dev" in route ? this.#state.links.get(route.dev)?.index : undefined);
    const { routes } = this.#state;
    return this.#changeList({
      kind: "route",
      before: routes,
      wanted: this.#host.routes,
      text: routeText,
      identity: (route) => `${route.table} ${route.dst} ${route.metric ?? 0}`,
      device: (route) => ("dev" in route ? route.dev : undefined),
      source: (route) => (route.type === "unicast" ? route.src : undefined),
      // The kernel takes a gateway only when a route to it is there.
      first: (route) => route.type !== "unicast" || route.via === undefined,
      put: (batch, route) => changeRoute(batch, "put", route, index(route)),
      remove: (batch, route) => changeRoute(batch, "delete", route, index(route)),
      settle: (settled) => {
        this.#state.routes = settled;
      },
    });
  }

  #changeRules(): Generator<void, () => void> {
    return this.#changeList({
      kind: "rule",
      before: this.#state.rules,
      wanted: this.#host.rules,
      text: ruleText,
      identity: ruleText,
      device: () => undefined,
      put: (batch, rule) => changeRule(batch, "add", rule),
      remove: (batch, rule) => changeRule(batch, "delete", rule),
      settle: (rules) => {
        this.#state.rules = rules;
      },
    });
  }
}

/**
 * Which addresses to delete and to add, in order. Linux keeps IPv4 addresses in the order of their adding, and drops the further ones of a prefix
 * with its first: so unless all that is new comes last, and what goes stands alone in its prefix, the IPv4 addresses are set anew.
 */
function addressChange(
  before: readonly InterfaceAddress[],
  wanted: readonly InterfaceAddress[],
): { readonly removed: readonly InterfaceAddress[]; readonly added: readonly InterfaceAddress[] } {
  const text = (address: InterfaceAddress): string =>
    `${address.address}/${address.prefixLength}${address.noPrefixRoute === true ? " noprefixroute" : ""}`;
  const { removed, added } = difference(before, wanted, text);
  const isV4 = (address: InterfaceAddress): boolean => familyOf(address.address) === 4;
  const gone = new Set(removed);
  const survivors = before.filter((address) => isV4(address) && !gone.has(address)).map(text);
  const inPlace = wanted
    .filter(isV4)
    .slice(0, survivors.length)
    .every((address, position) => text(address) === survivors[position]);
  const alone = removed.every((address) => !isV4(address) || address.prefixLength === 32);
  if (inPlace && alone) return { removed, added };
  return {
    removed: [...before.filter(isV4).reverse(), ...removed.filter((address) => !isV4(address))],
    added: [...wanted.filter(isV4), ...added.filter((address) => !isV4(address))],
  };
}

function routeText(route: Route): string {
  const parts: string[] = [route.type, route.dst];
  if (route.type === "unicast" && route.via !== undefined) parts.push(`via ${route.via}`);
  if ("dev" in route) parts.push(`dev ${route.dev}`);
  if (route.type === "unicast" && route.onlink === true) parts.push("onlink");
  if (route.type === "unicast" && route.src !== undefined) parts.push(`src ${route.src}`);
  if (route.metric !== undefined && route.metric !== 0) parts.push(`metric ${route.metric}`);
  return `${parts.join(" ")} table ${route.table}`;
}

function ruleText(rule: PolicyRule): string {
  const parts = [`priority ${rule.priority}`, rule.family === 4 ? "inet" : "inet6"];
  if (rule.iif !== undefined) parts.push(`iif ${rule.iif}`);
  if (rule.from !== undefined) parts.push(`from ${rule.from}`);
  if (rule.to !== undefined) parts.push(`to ${rule.to}`);
  if (rule.mark !== undefined) parts.push(`fwmark ${rule.mark.value}/${rule.mark.mask}`);
  return `${parts.join(" ")} table ${rule.table}`;
}

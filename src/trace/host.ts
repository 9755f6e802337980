/**
 * A host made ready for tracing: interfaces, routing, addresses, listeners. Remembered by reference, so that a host which did not change
 * between two networks is made ready once. Whatever a packet does not ask for is not made.
 */

import type { Host, Interface, InterfaceName, Listener, Origin } from "../ir/network.ts";
import type { Address } from "../net/address.ts";
import { type Ip, ipOf, samePrefix, textOf } from "./ip.ts";
import type { Resolutions } from "./links.ts";
import { deviceNumber } from "./packet.ts";
import type { Step } from "./result.ts";
import { Routing, type Selection } from "./routing.ts";
import { type Stages, stagesOf } from "./rules.ts";

export type HostAddress = {
  readonly ip: Ip;
  readonly address: Address;
  readonly prefixLength: number;
  /** Another address of the interface, listed before, has the same prefix: the kernel never picks this one as a source. */
  readonly secondaryTo: Ip | undefined;
  readonly connectedRoute: boolean;
  readonly origin: Origin;
};

export class PreparedInterface {
  readonly host: PreparedHost;
  readonly name: InterfaceName;
  readonly number: number;
  readonly kind: Interface["kind"];
  readonly source: Interface | undefined;
  readonly origin: Origin;
  readonly received: Step;
  /** What routing remembers of packets without mark that come in here. */
  selection: Selection | undefined = undefined;
  /** What {@link Links} remembers of packets that leave here. */
  resolutions: Resolutions | undefined = undefined;
  #addresses: readonly HostAddress[] | undefined;

  constructor(host: PreparedHost, source: Interface | undefined) {
    this.host = host;
    this.name = source?.name ?? "lo";
    this.number = deviceNumber(this.name);
    this.kind = source?.kind ?? "loopback";
    this.source = source;
    this.origin = source?.origin ?? host.host.origin;
    this.received = { kind: "receive", what: `in by ${this.name}`, element: `interface ${this.name}`, origin: this.origin };
  }

  get addresses(): readonly HostAddress[] {
    this.#addresses ??= hostAddresses(this.source);
    return this.#addresses;
  }

  get proxyArp(): boolean {
    return this.source?.proxyArp === true;
  }
}

function hostAddresses(source: Interface | undefined): readonly HostAddress[] {
  const addresses: HostAddress[] = [];
  for (const { address, prefixLength, noPrefixRoute, origin } of source?.addresses ?? []) {
    const ip = ipOf(address);
    const first = addresses.find((other) => other.prefixLength === prefixLength && samePrefix(other.ip, ip, prefixLength));
    addresses.push({
      ip,
      address,
      prefixLength,
      // IPv6 has no secondary addresses.
      secondaryTo: first === undefined || typeof ip !== "number" ? undefined : (first.secondaryTo ?? first.ip),
      connectedRoute: noPrefixRoute !== true,
      origin,
    });
  }
  return addresses;
}

export class PreparedHost {
  readonly host: Host;
  readonly name: string;
  readonly forwarding: boolean;
  /** Has tables, and so tracks connections. */
  readonly tracks: boolean;
  readonly interfaces: ReadonlyMap<InterfaceName, PreparedInterface>;
  readonly loopback: PreparedInterface;
  /** Rules for IPv4 and IPv6. */
  readonly stages4: Stages;
  readonly stages6: Stages;
  readonly send: Step;
  #routing: Routing | undefined;
  readonly #allListeners: readonly Listener[];
  #listeners: Map<number, Listener[]> | undefined;
  #neighbours: Map<string, Host["neighbours"][number]> | undefined;
  #ports: Map<InterfaceName, readonly PreparedInterface[]> | undefined;

  constructor(host: Host) {
    this.host = host;
    this.name = host.name;
    this.#allListeners = host.listeners;
    this.forwarding = host.forwarding;
    this.tracks = host.ruleSet.length > 0;
    const interfaces = new Map<InterfaceName, PreparedInterface>();
    let loopback: PreparedInterface | undefined;
    for (const each of host.interfaces) {
      const made = new PreparedInterface(this, each);
      interfaces.set(each.name, made);
      if (each.kind === "loopback") loopback ??= made;
    }
    this.loopback = loopback ?? new PreparedInterface(this, undefined);
    interfaces.set(this.loopback.name, this.loopback);
    this.interfaces = interfaces;
    this.stages4 = stagesOf(host.ruleSet, 4);
    this.stages6 = stagesOf(host.ruleSet, 6);
    this.send = { kind: "send", what: "sent", origin: host.origin };
  }

  get routing(): Routing {
    this.#routing ??= new Routing(this);
    return this.#routing;
  }

  /** What a look into the local table says, as nftables' `fib … type`. */
  addressType(ip: Ip): "local" | "broadcast" | "multicast" | "unicast" {
    return this.routing.addressType(ip);
  }

  listener(protocol: string, address: Ip, port: number): Listener | undefined {
    let any: Listener | undefined;
    for (const candidate of this.#listenersOf(port)) {
      if (candidate.port !== port || candidate.protocol !== protocol) continue;
      if (candidate.address === undefined) any ??= candidate;
      else if (ipOf(candidate.address) === address) return candidate;
    }
    return any;
  }

  /** All of them where they are few. */
  #listenersOf(port: number): readonly Listener[] {
    const listeners = this.#allListeners;
    if (listeners.length <= 4) return listeners;
    if (this.#listeners === undefined) {
      this.#listeners = new Map();
      for (const listener of listeners) {
        const same = this.#listeners.get(listener.port);
        if (same === undefined) this.#listeners.set(listener.port, [listener]);
        else same.push(listener);
      }
    }
    return this.#listeners.get(port) ?? [];
  }

  neighbour(device: InterfaceName, ip: Ip): Host["neighbours"][number] | undefined {
    if (this.host.neighbours.length === 0) return undefined;
    if (this.#neighbours === undefined) {
      this.#neighbours = new Map();
      for (const each of this.host.neighbours) this.#neighbours.set(`${each.dev} ${each.address}`, each);
    }
    return this.#neighbours.get(`${device} ${textOf(ip)}`);
  }

  /** Interfaces that are ports of a bridge. */
  ports(bridge: InterfaceName): readonly PreparedInterface[] {
    if (this.#ports === undefined) {
      const ports = new Map<InterfaceName, PreparedInterface[]>();
      for (const each of this.interfaces.values()) {
        if (each.source?.kind !== "veth" || each.source.port === undefined) continue;
        const same = ports.get(each.source.port.bridge);
        if (same === undefined) ports.set(each.source.port.bridge, [each]);
        else same.push(each);
      }
      this.#ports = ports;
    }
    return this.#ports.get(bridge) ?? [];
  }
}

const prepared = new WeakMap<Host, PreparedHost>();

export function prepareHost(host: Host): PreparedHost {
  let known = prepared.get(host);
  if (known === undefined) {
    known = new PreparedHost(host);
    prepared.set(host, known);
  }
  return known;
}

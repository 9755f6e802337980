/**
 * Links between hosts: which interfaces share a segment, and who on it takes packets for a next hop.
 *
 * A veth is a segment of two. A veth that ends in a port of a bridge is a segment with the bridge itself and with what is behind its other
 * ports, as far as isolation and hairpin allow, and so on through further bridges. A next hop is found as Linux finds it: a permanent
 * neighbour entry, else whoever would answer an ARP request for it (net/ipv4/arp.c: arp_process), else nobody.
 */

import type { Host, HostName, InterfaceName, Network, Origin } from "../ir/network.ts";
import { type PreparedHost, type PreparedInterface, prepareHost } from "./host.ts";
import { type Ip, ipOf, textOf } from "./ip.ts";
import type { Step } from "./result.ts";

/** A bridge that a frame crosses on a host that is not its receiver. */
export type Crossing = {
  readonly host: HostName;
  readonly inPort: InterfaceName;
  readonly outPort: InterfaceName;
  readonly steps: readonly Step[];
};

export type Resolution = {
  /** Who takes the packet; `undefined`: nobody. */
  readonly to: PreparedInterface | undefined;
  /** By ARP or neighbour discovery, so that Linux notices when nobody answers. A permanent entry is believed. */
  readonly asked: boolean;
  readonly crossings: readonly Crossing[];
  readonly element: string;
  readonly origin: Origin | undefined;
  readonly step: Step;
};

/** What was resolved for packets that leave an interface, by one {@link Links}. */
export type Resolutions = {
  readonly links: Links;
  /** For packets of other hosts: who asks follows from the next hop. */
  forwarded: Map<Ip, Resolution> | undefined;
  readonly byHop: Map<Ip, { readonly asker: Ip | undefined; readonly resolution: Resolution }[]>;
  /** The last answer, and the question. Most interfaces are asked the same again and again. */
  last: Resolution | undefined;
  lastHop: Ip | undefined;
  /** `undefined`: the source was not the sending host's own. */
  lastSource: Ip | undefined;
};

/** An end of a segment that takes packets: not a port of a bridge. */
type End = { readonly host: Host; readonly name: InterfaceName; readonly crossings: readonly Crossing[] };

type Segment = {
  readonly ends: readonly End[];
  /** Ends by address of their hosts; only for segments of more than {@link scanLimit} ends. */
  readonly owners: ReadonlyMap<Ip, readonly End[]> | undefined;
  /** Ends that answer for more than their addresses. */
  readonly others: readonly End[];
};

const scanLimit = 4;

export class Links {
  readonly #network: Network;
  readonly #hosts = new Map<HostName, PreparedHost | undefined>();
  readonly #segments = new Map<PreparedInterface, Segment>();
  readonly ambiguities = new Set<string>();

  constructor(network: Network) {
    this.#network = network;
  }

  host(name: HostName): PreparedHost | undefined {
    const known = this.#hosts.get(name);
    if (known !== undefined || this.#hosts.has(name)) return known;
    const host = this.#network.host(name);
    const made = host === undefined ? undefined : prepareHost(host);
    this.#hosts.set(name, made);
    return made;
  }

  /**
   * Who takes what leaves `out` for `nextHop`. `source` is the packet's; `foreign` says that it is known not to be one of the sending host's
   * addresses.
   */
  resolve(out: PreparedInterface, nextHop: Ip, source: Ip, foreign: boolean): Resolution {
    let known = out.resolutions;
    if (known === undefined || known.links !== this) {
      known = { links: this, forwarded: undefined, byHop: new Map(), last: undefined, lastHop: undefined, lastSource: undefined };
      out.resolutions = known;
    }
    const askedFor = foreign ? undefined : source;
    if (known.last !== undefined && known.lastHop === nextHop && known.lastSource === askedFor) return known.last;
    let resolution = foreign ? known.forwarded?.get(nextHop) : undefined;
    if (resolution === undefined) {
      resolution = this.#answer(known, out, nextHop, source, foreign);
      // Most interfaces lead to one neighbour only.
      if (foreign && known.last !== undefined) {
        known.forwarded ??= new Map();
        known.forwarded.set(nextHop, resolution);
      }
    }
    known.lastHop = nextHop;
    known.lastSource = askedFor;
    known.last = resolution;
    return resolution;
  }

  #answer({ byHop }: Resolutions, out: PreparedInterface, nextHop: Ip, source: Ip, foreign: boolean): Resolution {
    // The sender of an ARP request: the packet's source if it is ours, else the address that we use on that interface (arp_solicit).
    const asker =
      !foreign && out.host.routing.isLocal(source)
        ? source
        : out.host.routing.selectAddress(out, nextHop, typeof nextHop === "number" ? 4 : 6);
    const answers = byHop.get(nextHop);
    const known = answers?.find((answer) => answer.asker === asker)?.resolution;
    if (known !== undefined) return known;
    const resolution = this.#resolve(out, nextHop, asker);
    // The kernel keeps the answer that it got first.
    if (answers?.some((answer) => answer.resolution.to !== resolution.to)) {
      this.ambiguities.add(`${out.host.name} ${out.name}: who answers for ${textOf(nextHop)} depends on who asks first`);
    }
    if (answers === undefined) byHop.set(nextHop, [{ asker, resolution }]);
    else answers.push({ asker, resolution });
    return resolution;
  }

  #resolve(out: PreparedInterface, nextHop: Ip, asker: Ip | undefined): Resolution {
    const segment = this.#segment(out);
    const permanent = out.host.neighbour(out.name, nextHop);
    const hop = textOf(nextHop);
    if (permanent !== undefined) {
      const end = segment.ends.find((each) => hasMac(each, permanent.mac));
      const to = end === undefined ? undefined : this.#interface(end);
      const what =
        to === undefined ? `${hop} is at ${permanent.mac}, which nobody on ${out.name} has` : `${hop} is ${permanent.mac}, ${title(to)}`;
      return { ...resolution(out, to, end, what, permanent.origin), asked: false };
    }
    const owners: { end: End; to: PreparedInterface }[] = [];
    const proxies: { end: End; to: PreparedInterface }[] = [];
    for (const end of this.#candidates(segment, nextHop)) {
      const to = this.#interface(end);
      if (to === undefined) continue;
      const answer = answerOf(to, nextHop, asker);
      if (answer === "owner") owners.push({ end, to });
      else if (answer === "proxy") proxies.push({ end, to });
    }
    const all = [...owners, ...proxies];
    const [best] = all;
    if (all.length > 1) {
      this.ambiguities.add(`${out.host.name} ${out.name}: ${all.map(({ to }) => title(to)).join(" and ")} answer for ${hop}`);
    }
    if (best === undefined) return resolution(out, undefined, undefined, `nobody on ${out.name} answers for ${hop}`, undefined);
    const others = all.length > 1 ? `, one of ${all.length} that answer` : "";
    const by = best === owners[0] ? "" : " (proxy ARP)";
    return resolution(out, best.to, best.end, `${hop} is ${title(best.to)}${by}${others}`, best.to.origin);
  }

  #candidates(segment: Segment, nextHop: Ip): readonly End[] {
    if (segment.owners === undefined) return segment.ends;
    const owners = segment.owners.get(nextHop) ?? [];
    return owners.length === 0 ? segment.others : [...owners, ...segment.others.filter((end) => !owners.includes(end))];
  }

  #interface(end: End): PreparedInterface | undefined {
    return this.host(end.host.name)?.interfaces.get(end.name);
  }

  #segment(out: PreparedInterface): Segment {
    let segment = this.#segments.get(out);
    if (segment === undefined) {
      const ends = this.#ends(out);
      segment = ends.length <= scanLimit ? { ends, owners: undefined, others: ends } : indexed(ends);
      this.#segments.set(out, segment);
    }
    return segment;
  }

  #ends(out: PreparedInterface): readonly End[] {
    const ends: End[] = [];
    const seen = new Set<string>();
    if (out.source?.kind === "veth") this.#cross(out.source.peer, [], seen, ends);
    else if (out.source?.kind === "bridge") {
      for (const port of out.host.ports(out.name)) {
        if (port.source?.kind !== "veth") continue;
        seen.add(`${out.host.name} ${port.name} out`);
        this.#cross(port.source.peer, [], seen, ends);
      }
    }
    return ends;
  }

  /** A frame comes out at this end of a veth. */
  #cross(
    peer: { readonly host: HostName; readonly name: InterfaceName },
    crossings: readonly Crossing[],
    seen: Set<string>,
    ends: End[],
  ): void {
    const host = this.#network.host(peer.host);
    const end = host?.interfaces.find((each) => each.name === peer.name);
    if (host === undefined || end === undefined || end.kind !== "veth") return;
    const entry = end.port;
    if (entry === undefined) {
      ends.push({ host, name: end.name, crossings });
      return;
    }
    const key = `${host.name} ${end.name} in`;
    if (seen.has(key)) return;
    seen.add(key);
    const bridge = host.interfaces.find((each) => each.name === entry.bridge);
    if (bridge === undefined) return;
    ends.push({ host, name: bridge.name, crossings });
    for (const port of host.interfaces) {
      if (port.kind !== "veth" || port.port?.bridge !== entry.bridge) continue;
      if (port.name === end.name && !entry.hairpin) continue;
      if (port.port.isolated && entry.isolated) continue;
      const leaves = `${host.name} ${port.name} out`;
      if (seen.has(leaves)) continue;
      seen.add(leaves);
      const step: Step = {
        kind: "switch",
        what: `bridge ${bridge.name}: ${end.name} to ${port.name}`,
        element: `bridge ${bridge.name}`,
        origin: bridge.origin,
      };
      this.#cross(port.peer, [...crossings, { host: host.name, inPort: end.name, outPort: port.name, steps: [step] }], seen, ends);
    }
  }
}

function resolution(
  out: PreparedInterface,
  to: PreparedInterface | undefined,
  end: End | undefined,
  what: string,
  origin: Origin | undefined,
): Resolution {
  const element = `interface ${out.name}`;
  return {
    to,
    asked: true,
    crossings: end?.crossings ?? [],
    element,
    origin: origin ?? out.origin,
    step: { kind: "neighbour", what, element, origin: origin ?? out.origin },
  };
}

function title(end: PreparedInterface): string {
  return `${end.host.name} ${end.name}`;
}

/** Would this end answer an ARP request (or neighbour solicitation) for `target` from `asker`? */
function answerOf(end: PreparedInterface, target: Ip, asker: Ip | undefined): "owner" | "proxy" | undefined {
  // Neighbour discovery answers for the addresses of the very interface; Linux has no proxy for whole prefixes there.
  if (typeof target !== "number") return end.addresses.some(({ ip }) => ip === target) ? "owner" : undefined;
  const { routing } = end.host;
  // A sender without an address asks as in duplicate address detection: only the owner answers.
  if (typeof asker !== "number") return routing.isLocal(target) ? "owner" : undefined;
  const route = routing.lookupInput(end, target, asker, 0);
  if ("refused" in route) return undefined;
  if (route.kind === "local") return "owner";
  if (route.kind !== "unicast" || !end.proxyArp || !end.host.forwarding) return undefined;
  return route.device !== end || asker !== target ? "proxy" : undefined;
}

/** A bridge takes frames for its own address and for those of its ports. */
function hasMac(end: End, mac: string): boolean {
  const own = end.host.interfaces.find((each) => each.name === end.name);
  if (own === undefined) return false;
  if (own.mac === mac) return true;
  return (
    own.kind === "bridge" && end.host.interfaces.some((each) => each.kind === "veth" && each.port?.bridge === own.name && each.mac === mac)
  );
}

function indexed(ends: readonly End[]): Segment {
  const owners = new Map<Ip, End[]>();
  const others: End[] = [];
  for (const end of ends) {
    for (const { addresses } of end.host.interfaces) {
      for (const { address } of addresses) {
        const ip = ipOf(address);
        const same = owners.get(ip);
        if (same === undefined) owners.set(ip, [end]);
        else if (!same.includes(end)) same.push(end);
      }
    }
    const own = end.host.interfaces.find((each) => each.name === end.name);
    const proxies = end.host.forwarding && own?.proxyArp === true;
    const wide =
      end.host.routes.some((route) => route.type === "local") ||
      end.host.interfaces.some((each) => each.kind === "loopback" && each.addresses.some((each) => each.prefixLength < 32));
    if (proxies || wide) others.push(end);
  }
  return { ends, owners, others };
}

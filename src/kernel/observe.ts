/**
 * Reads a host back from the kernel, in the words of the network's own types. What Linux adds by itself is left out where it is always there
 * (`lo` and its addresses, the three rules, the local table's entries, multicast) and marked where it tells something (connected routes).
 */

import { execFileSync } from "node:child_process";
import type { HostName, InterfaceName } from "../ir/network.ts";
import { type Address, addressFrom } from "../net/address.ts";
import { type Prefix, prefixOf } from "../net/prefix.ts";
import { linux } from "./libc.ts";
import { within } from "./namespaces.ts";
import { attributes, Batch, NETLINK_ROUTE, NetlinkSocket, NLM_F_DUMP, textOf } from "./netlink.ts";
import { automaticProtocol, devconf } from "./netlink-route.ts";
import { findProgram } from "./programs.ts";
import { readSetting } from "./settings.ts";

export type ObservedLink = {
  readonly name: InterfaceName;
  readonly index: number;
  /** "veth", "bridge"; "loopback" for `lo`; else what the kernel calls it. A discard interface is a veth that does no ARP. */
  readonly kind: string;
  readonly up: boolean;
  readonly noArp: boolean;
  readonly mac: string;
  readonly mtuBytes: number;
  /** The other end of a veth, where it is one that was made here. */
  readonly peer?: { readonly host: HostName; readonly name: InterfaceName };
  readonly port?: { readonly bridge: InterfaceName; readonly hairpin: boolean; readonly isolated: boolean };
  readonly proxyArp: boolean;
  /** In the kernel's order. Without IPv6 link-local ones. */
  readonly addresses: readonly { readonly address: Address; readonly prefixLength: number; readonly noPrefixRoute: boolean }[];
};

export type ObservedRoute = {
  readonly table: number;
  readonly type: "unicast" | "local" | "blackhole" | "unreachable" | "throw" | "other";
  readonly dst: Prefix;
  readonly via?: Address;
  readonly dev?: InterfaceName;
  readonly onlink: boolean;
  readonly src?: Address;
  readonly metric: number;
  /** Linux made it for an address of an interface. */
  readonly connected: boolean;
};

export type ObservedRule = {
  readonly priority: number;
  readonly family: 4 | 6;
  readonly iif?: InterfaceName;
  readonly from?: Prefix;
  readonly to?: Prefix;
  readonly mark?: { readonly value: number; readonly mask: number };
  readonly table: number;
};

export type ObservedNeighbour = {
  readonly dev: InterfaceName;
  readonly address: Address;
  /** Absent while nobody has answered. */
  readonly mac?: string;
  readonly state: "permanent" | "reachable" | "stale" | "delay" | "probe" | "incomplete" | "failed" | "noarp" | "none";
  /** The kernel room put it, no host lists it. */
  readonly automatic: boolean;
};

export type ObservedHost = {
  readonly name: HostName;
  readonly forwarding: boolean;
  readonly links: readonly ObservedLink[];
  /** Those of the local table only if they were not made by Linux for an address. By table, then destination, then metric. */
  readonly routes: readonly ObservedRoute[];
  readonly rules: readonly ObservedRule[];
  readonly neighbours: readonly ObservedNeighbour[];
  /** As `nft -s list ruleset` prints it. */
  readonly ruleSet: string;
};

type Ends = ReadonlyMap<number, { readonly host: HostName; readonly name: InterfaceName }>;

export function observeHost(name: HostName, ends: Ends): ObservedHost {
  return within(name, () => {
    const socket = new NetlinkSocket(NETLINK_ROUTE);
    try {
      const raw = readLinks(socket);
      const names = new Map(raw.map((link) => [link.index, link.name]));
      const addresses = readAddresses(socket);
      const links = raw.map((link): ObservedLink => {
        const { link: other, master, ...rest } = link;
        const end = link.kind === "veth" && other !== undefined ? ends.get(other) : undefined;
        const bridge = master === undefined ? undefined : names.get(master.index);
        return {
          ...rest,
          ...(end === undefined ? {} : { peer: end }),
          ...(master === undefined || bridge === undefined ? {} : { port: { bridge, hairpin: master.hairpin, isolated: master.isolated } }),
          addresses: addresses.get(link.index) ?? [],
        };
      });
      return {
        name,
        forwarding: readSetting("ipv4/ip_forward") === "1",
        links: links.sort((a, b) => (a.name < b.name ? -1 : 1)),
        routes: readRoutes(socket, names),
        rules: readRules(socket),
        neighbours: readNeighbours(socket, names),
        ruleSet: listRules(),
      };
    } finally {
      socket.close();
    }
  });
}

/** Of the current namespace, without counters and time left. */
function listRules(): string {
  return execFileSync(findProgram("nft") ?? "nft", ["--stateless", "list", "ruleset"], { encoding: "utf8", maxBuffer: 1 << 30 });
}

const RTM = { GETLINK: 18, GETADDR: 22, GETROUTE: 26, GETNEIGH: 30, GETRULE: 34 } as const;

function dump(socket: NetlinkSocket, type: number, fixedBytes: number, family: number, take: (payload: Buffer) => void): void {
  const request = new Batch();
  request.begin(type, NLM_F_DUMP, fixedBytes);
  request.fixed8(0, family);
  request.end();
  socket.dump(request, (_, payload) => take(payload));
}

type RawLink = Omit<ObservedLink, "peer" | "port" | "addresses"> & {
  readonly link: number | undefined;
  readonly master: { readonly index: number; readonly hairpin: boolean; readonly isolated: boolean } | undefined;
};

function readLinks(socket: NetlinkSocket): readonly RawLink[] {
  const links: RawLink[] = [];
  dump(socket, RTM.GETLINK, 16, 0, (payload) => {
    const all = attributes(payload, 16);
    const info = nested(all.get(18));
    const port = nested(info?.get(5));
    const conf = nested(nested(all.get(26))?.get(linux.AF_INET))?.get(1);
    const flags = payload.readUInt32LE(8);
    const isLoopback = (flags & 0x8) !== 0;
    const master = all.get(10)?.readUInt32LE(0);
    // IFLA_INET_CONF is an array of all settings, the first of which is number 1.
    const setting = (number: number): number => (conf === undefined || conf.length < 4 * number ? 0 : conf.readUInt32LE(4 * (number - 1)));
    links.push({
      name: text(all.get(3)),
      index: payload.readUInt32LE(4),
      kind: isLoopback ? "loopback" : text(info?.get(1)),
      up: (flags & 0x1) !== 0,
      noArp: (flags & 0x80) !== 0,
      mac: macText(all.get(1)),
      mtuBytes: all.get(4)?.readUInt32LE(0) ?? 0,
      proxyArp: setting(devconf.proxyArp) === 1 && setting(devconf.proxyArpPvlan) === 1,
      link: all.get(5)?.readUInt32LE(0),
      master: master === undefined ? undefined : { index: master, hairpin: port?.get(4)?.[0] === 1, isolated: port?.get(33)?.[0] === 1 },
    });
  });
  return links;
}

function readAddresses(socket: NetlinkSocket): Map<number, ObservedLink["addresses"]> {
  const found = new Map<number, ObservedLink["addresses"][number][]>();
  dump(socket, RTM.GETADDR, 8, 0, (payload) => {
    const all = attributes(payload, 8);
    const address = addressOfBytes(all.get(2) ?? all.get(1));
    const scope = payload[3];
    const index = payload.readUInt32LE(4);
    if (address === undefined || (scope === 253 && address.startsWith("fe80:"))) return;
    if (index === 1 && (address === "::1" || address === "127.0.0.1")) return;
    const list = found.get(index) ?? [];
    list.push({ address, prefixLength: payload[1] ?? 0, noPrefixRoute: ((all.get(8)?.readUInt32LE(0) ?? 0) & 0x200) !== 0 });
    found.set(index, list);
  });
  return found;
}

const routeTypes: Readonly<Record<number, ObservedRoute["type"]>> = {
  1: "unicast",
  2: "local",
  6: "blackhole",
  7: "unreachable",
  9: "throw",
};
const RTPROT_KERNEL = 2;
const RTPROT_RA = 9;

function readRoutes(socket: NetlinkSocket, names: ReadonlyMap<number, InterfaceName>): readonly ObservedRoute[] {
  const routes: ObservedRoute[] = [];
  dump(socket, RTM.GETROUTE, 12, 0, (payload) => {
    const all = attributes(payload, 12);
    const family = payload[0];
    const table = all.get(15)?.readUInt32LE(0) ?? payload[4] ?? 0;
    const protocol = payload[5];
    if (protocol === RTPROT_RA || (protocol === RTPROT_KERNEL && (table === 255 || payload[7] !== 1))) return;
    const any = addressFrom(family === linux.AF_INET ? 4 : 6, 0n);
    const dst = prefixOf(addressOfBytes(all.get(1)) ?? any, payload[1] ?? 0);
    if (protocol === RTPROT_KERNEL && (dst.startsWith("fe80:") || dst.startsWith("ff00:"))) return;
    const via = addressOfBytes(all.get(5));
    const dev = names.get(all.get(4)?.readUInt32LE(0) ?? 0);
    const src = addressOfBytes(all.get(7));
    const type = routeTypes[payload[7] ?? 0] ?? "other";
    const dropped = type !== "unicast" && type !== "local";
    routes.push({
      table,
      type,
      dst,
      ...(via === undefined ? {} : { via }),
      // IPv6 hangs routes that go nowhere on `lo`.
      ...(dev === undefined || dropped ? {} : { dev }),
      onlink: (payload.readUInt32LE(8) & 4) !== 0,
      ...(src === undefined ? {} : { src }),
      metric: metricOf(all.get(6)?.readUInt32LE(0) ?? 0, family),
      connected: protocol === RTPROT_KERNEL,
    });
  });
  return routes.sort((a, b) => a.table - b.table || compare(a.dst, b.dst) || a.metric - b.metric);
}

/** IPv6 turns metric 0 into 1024. */
function metricOf(metric: number, family: number | undefined): number {
  return family === linux.AF_INET6 && metric === 1024 ? 0 : metric;
}

function readRules(socket: NetlinkSocket): readonly ObservedRule[] {
  const rules: ObservedRule[] = [];
  dump(socket, RTM.GETRULE, 12, 0, (payload) => {
    const all = attributes(payload, 12);
    const family = payload[0] === linux.AF_INET ? 4 : 6;
    if (payload[0] !== linux.AF_INET && payload[0] !== linux.AF_INET6) return;
    const priority = all.get(6)?.readUInt32LE(0) ?? 0;
    if (priority === 0 || priority >= 32766) return;
    const to = addressOfBytes(all.get(1));
    const from = addressOfBytes(all.get(2));
    const iif = all.get(3);
    const mark = all.get(10)?.readUInt32LE(0);
    rules.push({
      priority,
      family,
      ...(iif === undefined ? {} : { iif: text(iif) }),
      ...(from === undefined ? {} : { from: prefixOf(from, payload[2] ?? 0) }),
      ...(to === undefined ? {} : { to: prefixOf(to, payload[1] ?? 0) }),
      ...(mark === undefined ? {} : { mark: { value: mark, mask: all.get(16)?.readUInt32LE(0) ?? 0xffffffff } }),
      table: all.get(15)?.readUInt32LE(0) ?? payload[4] ?? 0,
    });
  });
  return rules.sort((a, b) => a.priority - b.priority || compare(JSON.stringify(a), JSON.stringify(b)));
}

const neighbourStates = [
  [0x80, "permanent"],
  [0x40, "noarp"],
  [0x20, "failed"],
  [0x10, "probe"],
  [0x08, "delay"],
  [0x04, "stale"],
  [0x02, "reachable"],
  [0x01, "incomplete"],
] as const;

function readNeighbours(socket: NetlinkSocket, names: ReadonlyMap<number, InterfaceName>): readonly ObservedNeighbour[] {
  const neighbours: ObservedNeighbour[] = [];
  dump(socket, RTM.GETNEIGH, 12, 0, (payload) => {
    if (payload[0] !== linux.AF_INET && payload[0] !== linux.AF_INET6) return;
    const all = attributes(payload, 12);
    const address = addressOfBytes(all.get(1));
    const bits = payload.readUInt16LE(8);
    const state = neighbourStates.find(([bit]) => (bits & bit) !== 0)?.[1] ?? "none";
    // Broadcast and multicast, on links that need no resolution.
    if (address === undefined || state === "noarp") return;
    const mac = all.get(2);
    const automatic = all.get(12)?.[0] === automaticProtocol;
    neighbours.push({
      dev: names.get(payload.readInt32LE(4)) ?? "",
      address,
      ...(mac === undefined ? {} : { mac: macText(mac) }),
      state,
      automatic,
    });
  });
  return neighbours.sort((a, b) => compare(a.dev, b.dev) || compare(a.address, b.address));
}

function nested(value: Buffer | undefined): Map<number, Buffer> | undefined {
  return value === undefined ? undefined : attributes(value, 0);
}

function text(value: Buffer | undefined): string {
  return value === undefined ? "" : textOf(value);
}

function macText(value: Buffer | undefined): string {
  return [...(value ?? [])].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}

/** 4 or 16 bytes in network order. */
export function addressOfBytes(bytes: Uint8Array | undefined): Address | undefined {
  if (bytes === undefined || (bytes.length !== 4 && bytes.length !== 16)) return undefined;
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return addressFrom(bytes.length === 4 ? 4 : 6, value);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * What `nft monitor trace` shows, in process: each rule, policy and verdict that a marked packet meets in a host (NFNLGRP_NFTRACE).
 *
 * {@link NftTrace} marks packets by a table of its own, which it takes away again. Events are read when asked for ({@link NftTrace.drain}): by
 * the time that a packet has arrived, all its events are there.
 */

import type { HostName, InterfaceName } from "../ir/network.ts";
import type { Chain, Datum, Field, Hook, Match, Rule, Table } from "../ir/ruleset.ts";
import { type Address, type Family, familyOf } from "../net/address.ts";
import { protocolNumbers } from "../net/ports.ts";
import type { Tuple } from "../net/tuple.ts";
import { nftName } from "../render/nft-names.ts";
import { koffi } from "./koffi.ts";
import { within } from "./namespaces.ts";
import { attributes, Batch, NETLINK_NETFILTER, NETLINK_ROUTE, NetlinkSocket, NLM_F_DUMP, textOf } from "./netlink.ts";
import { type Command, type Marking, removalCommands } from "./nft-change.ts";
import { transact, transactionsOf } from "./nft-netlink.ts";
import { addressOfBytes } from "./observe.ts";

/**
 * One thing that happened to a packet in the rules.
 *
 * rule, return, policy: as the kernel says. checkpoint: nothing happened; it tells the packet's tuple before the first rules of a way in
 * (`first`, hooks prerouting and output) and after the last ones of each hook, translation included.
 */
export type TraceEvent = {
  /** The same for all events of a packet on its way through one host. */
  readonly packet: number;
  readonly family: "ip" | "ip6" | "inet" | "other";
  readonly table: string;
  /** Of a checkpoint: the hook. */
  readonly chain: string;
  readonly type: "rule" | "return" | "policy" | "checkpoint";
  readonly first?: boolean;
  readonly verdict: "accept" | "drop" | "continue" | "break" | "jump" | "goto" | "return" | "queue" | "stolen" | "repeat" | "unknown";
  /** Where a jump or goto leads. */
  readonly target?: string;
  readonly rule?: { readonly handle: number /** What the rule's comment says. */; readonly comment?: string };
  /** The packet as it then was. Only with the first event in each base chain: the kernel tells no more. */
  readonly tuple?: PacketTuple;
  readonly mark?: number;
  readonly iif?: InterfaceName;
  readonly oif?: InterfaceName;
};

export type PacketTuple = {
  /** IANA number. */
  readonly protocol: number;
  readonly source: Address;
  readonly destination: Address;
  /** Absent for protocols without ports. */
  readonly sourcePort?: number;
  readonly destinationPort?: number;
};

const NFNLGRP_NFTRACE = 9;
const NFTABLES = 10 << 8;
const NFT_MSG_GETRULE = 7;
const NFT_MSG_NEWRULE = 6;
const NFT_MSG_TRACE = 17;

/** A table that no network has. */
const markTable: Table = { family: "inet", name: "_drydock-trace", chains: [], sets: [], maps: [] };
const markName = nftName(markTable.name);

/** Which packets: all that is given holds. Replies are other packets. */
export type TraceMatch = Partial<Tuple> & {
  /** The six bits of the IP header that a sender can choose: 0 to 63. */
  readonly dscp?: number;
  /** Of packets that no address here tells the family of. Default 4. */
  readonly family?: Family;
};

/** Watches the packets of one host that match. One to a host. Close it. */
export class NftTrace {
  readonly #host: HostName;
  readonly #socket: NetlinkSocket;
  /** Where nobody else talks: events must not come between a question and its answer. */
  readonly #rules: NetlinkSocket;
  #comments: ReadonlyMap<string, string> | undefined;
  #names: ReadonlyMap<number, InterfaceName> | undefined;
  #poll: ReturnType<ReturnType<typeof koffi>["node"]["poll"]> | undefined;
  /** The kernel had to leave events out, since they were not read in time. */
  lost = false;

  /** With several matches, a packet that fits one of them. It may come from outside or from the host. */
  constructor(host: HostName, ...matches: readonly TraceMatch[]) {
    this.#host = host;
    const [socket, rules] = within(host, () => [new NetlinkSocket(NETLINK_NETFILTER), new NetlinkSocket(NETLINK_NETFILTER)]);
    this.#socket = socket;
    this.#rules = rules;
    try {
      socket.join(NFNLGRP_NFTRACE);
      this.#run([...removalCommands([markTable]), ...markCommands(matches)]);
    } catch (error) {
      socket.close();
      rules.closeLater();
      throw error;
    }
  }

  /** Events since the last call, in order. */
  drain(): readonly TraceEvent[] {
    const events: TraceEvent[] = [];
    const lost = this.#socket.receive((message) => {
      if (message.type === (NFTABLES | NFT_MSG_TRACE)) {
        const event = this.#decode(message.bytes.subarray(16));
        if (event !== undefined) events.push(event);
      }
      return true;
    });
    this.lost ||= lost;
    return events;
  }

  /** Calls `take` with events as they come, until closed. */
  listen(take: (events: readonly TraceEvent[]) => void): void {
    this.#poll?.close();
    this.#poll = koffi().node.poll(this.#socket.fd, { readable: true }, () => {
      const events = this.drain();
      if (events.length > 0) take(events);
    });
  }

  close(): void {
    this.#poll?.close();
    this.#socket.close();
    try {
      this.#run(removalCommands([markTable]));
    } finally {
      this.#rules.closeLater();
    }
  }

  #run(commands: readonly Command[]): void {
    const problems = transactionsOf(commands).flatMap((transaction) => transact(this.#rules, transaction));
    if (problems.length > 0) throw new Error(`nft: ${problems.map(({ element, code }) => `${element}: ${code}`).join("; ")}`);
  }

  #decode(payload: Buffer): TraceEvent | undefined {
    const all = attributes(payload, 4);
    const table = text(all.get(1));
    if (table === undefined) return undefined;
    const chain = text(all.get(2)) ?? "";
    const packet = all.get(6)?.readUInt32BE(0) ?? 0;
    const type = types[all.get(4)?.readUInt32BE(0) ?? 0] ?? "rule";
    const handle = all.get(3)?.readBigUInt64BE(0);
    const verdict = decodeVerdict(all.get(5), all.get(16));
    const tuple = decodeHeaders(all.get(8), all.get(9));
    const mark = all.get(14)?.readUInt32BE(0);
    const iif = this.#interfaceName(all.get(10));
    const oif = this.#interfaceName(all.get(12));
    const family = families[payload[0] ?? 0] ?? "other";
    const seen = {
      ...(tuple === undefined ? {} : { tuple }),
      ...(mark === undefined ? {} : { mark }),
      ...(iif === undefined ? {} : { iif }),
      ...(oif === undefined ? {} : { oif }),
    };
    if (table === markName) {
      // The first event of a chain has the tuple; its end and its policy follow.
      if (tuple === undefined) return undefined;
      const first = !chain.endsWith(lastSuffix);
      const hook = first ? chain : chain.slice(0, -lastSuffix.length);
      return { packet, family: "inet", table, chain: hook, type: "checkpoint", first, verdict: "accept", ...seen };
    }
    const comment = handle === undefined ? undefined : this.#commentOf(`${family} ${table} ${chain} ${handle}`);
    return {
      packet,
      family,
      table,
      chain,
      type,
      ...verdict,
      ...(handle === undefined ? {} : { rule: { handle: Number(handle), ...(comment === undefined ? {} : { comment }) } }),
      ...seen,
    };
  }

  /** Handles are never given twice, so comments are read again only for one that is not known. */
  #commentOf(key: string): string | undefined {
    const known = this.#comments?.get(key);
    if (known !== undefined) return known === "" ? undefined : known;
    this.#comments = within(this.#host, readRuleComments);
    return this.#comments.get(key) || undefined;
  }

  #interfaceName(value: Buffer | undefined): InterfaceName | undefined {
    if (value === undefined) return undefined;
    const index = value.readUInt32BE(0);
    if (this.#names?.has(index) !== true) this.#names = within(this.#host, readInterfaceNames);
    return this.#names.get(index);
  }
}

function text(value: Buffer | undefined): string | undefined {
  return value === undefined ? undefined : textOf(value);
}

/** Ends the names of the chains that come last. */
const lastSuffix = "-last";

/**
 * Marks before everything else that sees a whole packet: defragmentation is at -400, connection tracking at -200. Chains without rules come after
 * everything: translation of sources is at 100.
 */
function markCommands(matches: readonly TraceMatch[]): readonly Command[] {
  const chain = (name: string, hook: Hook, priority: number): Chain => ({
    name,
    base: { type: "filter", hook, priority, policy: "accept" },
    rules: [],
  });
  const first = (["prerouting", "output"] as const).map((hook) => chain(hook, hook, -350));
  const last = (["prerouting", "input", "forward", "output", "postrouting"] as const).map((hook) => chain(hook + lastSuffix, hook, 1000));
  const table = markTable;
  return [
    { do: "add table", table },
    ...[...first, ...last].map((one): Command => ({ do: "add chain", table, chain: one })),
    ...first.flatMap((one) => matches.map((match): Command => ({ do: "add rule", table, chain: one, ...markRule(match) }))),
  ];
}

function markRule(match: TraceMatch): { readonly rule: Rule; readonly marking: Marking } {
  const { source, destination, protocol, sourcePort, destinationPort, dscp } = match;
  const address = source ?? destination;
  const family = (address === undefined ? match.family : familyOf(address)) ?? 4;
  const ip = family === 6 ? "ip6" : "ip";
  const is = (field: Field, value: Datum | undefined): readonly Match[] =>
    value === undefined ? [] : [{ kind: "value", field, op: "==", values: [value] }];
  return {
    rule: {
      matches: [
        ...is(`${ip} saddr`, source),
        ...is(`${ip} daddr`, destination),
        ...is("meta l4proto", protocol === undefined ? undefined : protocolNumbers[protocol]),
        ...is("th sport", sourcePort),
        ...is("th dport", destinationPort),
      ],
      statements: [],
      origin: { resource: "", reason: "marked for a trace" },
    },
    marking: dscp === undefined ? {} : { dscp: { family, value: dscp } },
  };
}

const families: Readonly<Record<number, TraceEvent["family"]>> = { 1: "inet", 2: "ip", 10: "ip6" };
const types: Readonly<Record<number, TraceEvent["type"]>> = { 1: "policy", 2: "return", 3: "rule" };

const verdicts: Readonly<Record<number, TraceEvent["verdict"]>> = {
  0: "drop",
  1: "accept",
  2: "stolen",
  3: "queue",
  4: "repeat",
  [-1]: "continue",
  [-2]: "break",
  [-3]: "jump",
  [-4]: "goto",
  [-5]: "return",
};

/** A base chain's end tells its policy instead of a verdict. */
function decodeVerdict(verdict: Buffer | undefined, policy: Buffer | undefined): Pick<TraceEvent, "verdict" | "target"> {
  if (verdict === undefined) return { verdict: verdicts[policy?.readInt32BE(0) ?? 5] ?? "unknown" };
  const parts = attributes(verdict, 0);
  const target = text(parts.get(2));
  const code = parts.get(1)?.readInt32BE(0) ?? 5;
  return { verdict: verdicts[code] ?? "unknown", ...(target === undefined ? {} : { target }) };
}

/** The tuple of a packet from the start of its network header and of its transport header. */
function decodeHeaders(network: Buffer | undefined, transport: Buffer | undefined): PacketTuple | undefined {
  if (network === undefined || network.length < 20) return undefined;
  const version = (network[0] ?? 0) >> 4;
  const protocol = version === 4 ? network[9] : network[6];
  const [from, size] = version === 4 ? [12, 4] : [8, 16];
  const source = addressOfBytes(network.subarray(from, from + size));
  const destination = addressOfBytes(network.subarray(from + size, from + 2 * size));
  if (protocol === undefined || source === undefined || destination === undefined) return undefined;
  const hasPorts = [protocolNumbers.tcp, protocolNumbers.udp, protocolNumbers.sctp].includes(protocol);
  if (!hasPorts || transport === undefined || transport.length < 4) return { protocol, source, destination };
  return { protocol, source, destination, sourcePort: transport.readUInt16BE(0), destinationPort: transport.readUInt16BE(2) };
}

/** Comments of all rules of the current namespace, by "family table chain handle"; "" for a rule without one. */
function readRuleComments(): ReadonlyMap<string, string> {
  const comments = new Map<string, string>();
  const socket = new NetlinkSocket(NETLINK_NETFILTER);
  try {
    const request = new Batch();
    request.begin(NFTABLES | NFT_MSG_GETRULE, NLM_F_DUMP, 4);
    request.end();
    socket.dump(request, (type, payload) => {
      if (type !== (NFTABLES | NFT_MSG_NEWRULE)) return;
      const all = attributes(payload, 4);
      const family = families[payload[0] ?? 0] ?? "other";
      comments.set(`${family} ${text(all.get(1))} ${text(all.get(2))} ${all.get(3)?.readBigUInt64BE(0)}`, commentIn(all.get(7)));
    });
    return comments;
  } finally {
    socket.close();
  }
}

/** Rules carry bytes of their maker's choice; `nft` writes (type, length, value) triples, of which type 0 is the comment. */
function commentIn(data: Buffer | undefined): string {
  for (let at = 0; data !== undefined && at + 2 <= data.length; ) {
    const length = data[at + 1] ?? 0;
    if (data[at] === 0) return textOf(data.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return "";
}

function readInterfaceNames(): ReadonlyMap<number, InterfaceName> {
  const names = new Map<number, InterfaceName>();
  const socket = new NetlinkSocket(NETLINK_ROUTE);
  try {
    const request = new Batch();
    request.begin(18 /* RTM_GETLINK */, NLM_F_DUMP, 16);
    request.end();
    socket.dump(request, (_, payload) => names.set(payload.readUInt32LE(4), text(attributes(payload, 16).get(3)) ?? ""));
    return names;
  } finally {
    socket.close();
  }
}

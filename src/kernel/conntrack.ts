/**
 * The connection tracking table of a host, over ctnetlink (include/uapi/linux/netfilter/nfnetlink_conntrack.h). What translation did to a flow
 * is what its two tuples disagree about.
 */

import type { HostName } from "../ir/network.ts";
import { type Address, familyOf } from "../net/address.ts";
import { within } from "./namespaces.ts";
import { attributes, Batch, NETLINK_NETFILTER, NetlinkSocket, NLM_F_DUMP } from "./netlink.ts";
import { addressOfBytes } from "./observe.ts";

export type ConnectionTuple = {
  /** IANA number: 6 is TCP. */
  readonly protocol: number;
  readonly source: Address;
  readonly destination: Address;
  /** Absent for protocols without ports. For ICMP the identifier is in `icmp`. */
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  readonly icmp?: { readonly id: number; readonly type: number; readonly code: number };
};

const connectionStatuses = {
  expected: 0x1,
  seenReply: 0x2,
  assured: 0x4,
  confirmed: 0x8,
  snat: 0x10,
  dnat: 0x20,
} as const;

export type Connection = {
  /** As the first packet was when it came in. */
  readonly original: ConnectionTuple;
  /** As answers come in. */
  readonly reply: ConnectionTuple;
  /** What holds. */
  readonly status: readonly (keyof typeof connectionStatuses)[];
  readonly mark: number;
  /** Seconds until it is forgotten, when no packet comes. */
  readonly timeoutSeconds: number;
  /** "ESTABLISHED", for TCP. */
  readonly tcpState?: string;
};

const CTNETLINK = 1 << 8;
const IPCTNL_MSG_CT_NEW = 0;
const IPCTNL_MSG_CT_GET = 1;
const IPCTNL_MSG_CT_DELETE = 2;

const AF_INET = 2;
const ENOENT = 2;

/** All connections of a host. */
export function connections(host: HostName): readonly Connection[] {
  return within(host, () => {
    const socket = new NetlinkSocket(NETLINK_NETFILTER);
    try {
      const found: Connection[] = [];
      const request = new Batch();
      request.begin(CTNETLINK | IPCTNL_MSG_CT_GET, NLM_F_DUMP, 4);
      request.end();
      socket.dump(request, (_, payload) => {
        const connection = decodeConnection(payload);
        if (connection !== undefined) found.push(connection);
      });
      return found;
    } finally {
      socket.close();
    }
  });
}

/** Gives connections of a host this mark: those with ports, over IPv4. One that has ended meanwhile is left alone. */
export function markConnections(host: HostName, some: readonly Connection[], mark: number): void {
  const marked = some.filter(({ original }) => original.sourcePort !== undefined && familyOf(original.source) === 4);
  if (marked.length === 0) return;
  within(host, () => {
    const socket = new NetlinkSocket(NETLINK_NETFILTER);
    try {
      const request = new Batch();
      for (const { original } of marked) {
        // Without NLM_F_CREATE: only what is there already.
        request.begin(CTNETLINK | IPCTNL_MSG_CT_NEW, 0, 4);
        request.fixed8(0, AF_INET);
        encodeTuple(request, 1, original);
        request.u32BigEndian(8, mark);
        request.end();
      }
      const refused = socket.transact(request).find(({ errno }) => errno !== ENOENT);
      if (refused !== undefined) throw new Error(`connections of ${host} cannot be marked: ${refused.text ?? `errno ${refused.errno}`}`);
    } finally {
      socket.close();
    }
  });
}

/** Forgets all connections of a host: their next packets are first packets again. */
export function forgetConnections(host: HostName): void {
  within(host, () => {
    const socket = new NetlinkSocket(NETLINK_NETFILTER);
    try {
      const request = new Batch();
      request.begin(CTNETLINK | IPCTNL_MSG_CT_DELETE, 0, 4);
      request.end();
      socket.transact(request);
    } finally {
      socket.close();
    }
  });
}

/** `payload` starts with nfnetlink's own header of four bytes. */
function decodeConnection(payload: Buffer): Connection | undefined {
  const all = attributes(payload, 4);
  const original = decodeTuple(all.get(1));
  const reply = decodeTuple(all.get(2));
  if (original === undefined || reply === undefined) return undefined;
  const bits = all.get(3)?.readUInt32BE(0) ?? 0;
  const info = all.get(4);
  const tcp = info === undefined ? undefined : attributes(info, 0).get(1);
  const tcpState = tcp === undefined ? undefined : tcpStates[attributes(tcp, 0).get(1)?.[0] ?? 0];
  const status: (keyof typeof connectionStatuses)[] = [];
  for (const name of statusNames) if ((bits & connectionStatuses[name]) !== 0) status.push(name);
  return {
    original,
    reply,
    status,
    mark: all.get(8)?.readUInt32BE(0) ?? 0,
    timeoutSeconds: all.get(7)?.readUInt32BE(0) ?? 0,
    ...(tcpState === undefined ? {} : { tcpState }),
  };
}

const statusNames = ["expected", "seenReply", "assured", "confirmed", "snat", "dnat"] as const;

/** enum tcp_conntrack (include/uapi/linux/netfilter/nf_conntrack_tcp.h). */
const tcpStates = ["NONE", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE", "SYN_SENT2"];

/** Of TCP or UDP over IPv4. */
function encodeTuple(request: Batch, type: number, tuple: ConnectionTuple): void {
  const whole = request.open(type);
  const ip = request.open(1);
  request.address(1, tuple.source);
  request.address(2, tuple.destination);
  request.close(ip);
  const proto = request.open(2);
  request.u8(1, tuple.protocol);
  request.bytes(2, bigEndian16(tuple.sourcePort ?? 0));
  request.bytes(3, bigEndian16(tuple.destinationPort ?? 0));
  request.close(proto);
  request.close(whole);
}

function bigEndian16(value: number): Uint8Array {
  return Uint8Array.of(value >>> 8, value & 0xff);
}

function decodeTuple(value: Buffer | undefined): ConnectionTuple | undefined {
  if (value === undefined) return undefined;
  const parts = attributes(value, 0);
  const ip = parts.get(1);
  const proto = parts.get(2);
  if (ip === undefined || proto === undefined) return undefined;
  const addresses = attributes(ip, 0);
  const source = addressOfBytes(addresses.get(1) ?? addresses.get(3));
  const destination = addressOfBytes(addresses.get(2) ?? addresses.get(4));
  const fields = attributes(proto, 0);
  const protocol = fields.get(1)?.[0];
  if (source === undefined || destination === undefined || protocol === undefined) return undefined;
  const sourcePort = fields.get(2)?.readUInt16BE(0);
  const destinationPort = fields.get(3)?.readUInt16BE(0);
  const id = fields.get(4)?.readUInt16BE(0) ?? fields.get(7)?.readUInt16BE(0);
  const type = fields.get(5)?.[0] ?? fields.get(8)?.[0] ?? 0;
  const code = fields.get(6)?.[0] ?? fields.get(9)?.[0] ?? 0;
  return {
    protocol,
    source,
    destination,
    ...(sourcePort === undefined ? {} : { sourcePort }),
    ...(destinationPort === undefined ? {} : { destinationPort }),
    ...(id === undefined ? {} : { icmp: { id, type, code } }),
  };
}

/** Transport protocols and ports. */

import type { Family } from "./address.ts";

/** Lower case as nftables and iproute2 write them; IANA numbers in {@link protocolNumbers}. */
export type Protocol = "tcp" | "udp" | "icmp" | "sctp";

export const protocolNumbers: Readonly<Record<Protocol, number>> = { icmp: 1, tcp: 6, udp: 17, sctp: 132 };

/** IANA's number of a protocol in packets of a family: ICMP is another protocol in IPv6. */
export function protocolNumber(protocol: Protocol, family: Family): number {
  return protocol === "icmp" && family === 6 ? 58 : protocolNumbers[protocol];
}

/** A port and its protocol, written `5432/tcp`. */
export type PortSpec = { readonly port: number; readonly protocol: "tcp" | "udp" };

/** Parses `5432/tcp`, `53/udp`, `80` (tcp). `undefined` when malformed or outside 1–65535. */
export function parsePortSpec(text: string): PortSpec | undefined {
  const match = /^(\d{1,5})(?:\/(tcp|udp))?$/i.exec(text.trim());
  const port = Number(match?.[1]);
  if (match === null || !(port >= 1 && port <= 65535)) return undefined;
  return { port, protocol: match[2]?.toLowerCase() === "udp" ? "udp" : "tcp" };
}

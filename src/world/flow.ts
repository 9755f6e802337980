/**
 * One flow out of a host, packet by packet: its first one, then another one on it. TCP, UDP and ICMP echo, from inside the host's namespace.
 *
 * Nothing here throws or waits longer than it was told: what cannot be sent is an outcome, too.
 */

import { createSocket } from "node:dgram";
import { Socket } from "node:net";
import type { HostName } from "../ir/network.ts";
import { bindEcho, bindUdp, connectTcp, pendingError } from "../kernel/index.ts";
import { type Address, type Family, familyOf } from "../net/address.ts";
import type { Tuple } from "../trace/result.ts";
import type { Enter } from "./stand-in.ts";

/**
 * answered: something came back from the destination. refused: it said that nobody listens there. unreachable: a router or the host itself said that
 * it knows no way. timeout: silence. unsupported: such a packet is not sent from here; `problem` says why.
 */
export type Outcome = "answered" | "refused" | "timeout" | "unreachable" | "unsupported";

export type Exchange = {
  readonly outcome: Outcome;
  /** What came back. Absent for a TCP handshake. */
  readonly reply?: Buffer;
  /** From the sending to the first sign of an answer: the end of the handshake for TCP. */
  readonly rttMs?: number;
  /** The system's word for what went wrong, or a sentence. */
  readonly problem?: string;
};

export type Flow = {
  /** The port from which it goes; the identifier of ICMP. */
  readonly sourcePort: number | undefined;
  /** The first packet: TCP's SYN, a datagram, an echo request. */
  open(timeoutMs: number): Promise<Exchange>;
  /** The next packet, which asks to be answered: after `open` was answered. TCP gets all that comes until the other side ends or a line does. */
  again(timeoutMs: number): Promise<Exchange>;
  close(): void;
};

/** `tos`: the byte of the IP header, for packets that are to be told from others. */
export type FlowRequest = { readonly from: HostName; readonly packet: Tuple; readonly tos?: number };

export function startFlow(enter: Enter, request: FlowRequest): Flow {
  const { packet } = request;
  try {
    switch (packet.protocol) {
      case "tcp":
        return new TcpFlow(enter, request);
      case "udp":
        return new DatagramFlow(enter, request, "udp");
      case "icmp":
        return new DatagramFlow(enter, request, "icmp");
      case "sctp":
        return failed("unsupported", "no SCTP packets are sent");
      default:
        return failed("unsupported", `${String(packet.protocol satisfies never)} is no protocol that is sent`);
    }
  } catch (error) {
    const problem = codeOf(error);
    // The socket's own address or port: the host does not have it, or something else does.
    const isOwn = problem === "EADDRNOTAVAIL" || problem === "EADDRINUSE" || problem === "ENOENT";
    if (isOwn) return failed("unsupported", ownProblems[problem] ?? problem);
    return failed(outcomeOf(problem), problem);
  }
}

const ownProblems: Readonly<Record<string, string>> = {
  EADDRNOTAVAIL: "the host does not have the source address",
  EADDRINUSE: "the source port is in use",
  ENOENT: "there is no such host",
};

function failed(outcome: Outcome, problem: string): Flow {
  const exchange = Promise.resolve({ outcome, problem });
  return { sourcePort: undefined, open: () => exchange, again: () => exchange, close: () => undefined };
}

/** What the first bytes on a connection are: no HTTP. */
const question = "drydock\n";
const replyBytes = 64 * 1024;

function portOf(sourcePort: number | undefined): { readonly sourcePort?: number } {
  return sourcePort === undefined ? {} : { sourcePort };
}

function tosOf({ tos }: FlowRequest): { readonly tos?: number } {
  return tos === undefined ? {} : { tos };
}

class TcpFlow implements Flow {
  readonly #socket: Socket;
  readonly #startedMs = performance.now();
  readonly #fd: number;
  readonly sourcePort: number | undefined;
  #received = Buffer.alloc(0);
  #ended = false;
  #failure: Exchange | undefined;
  /** Called when any of the above changes. */
  #changed: () => void = () => undefined;

  constructor(enter: Enter, request: FlowRequest) {
    const { source, sourcePort, destination, destinationPort = 0 } = request.packet;
    const target = { destination, port: destinationPort, source, ...portOf(sourcePort), ...tosOf(request) };
    this.#fd = enter(request.from, () => connectTcp(target));
    this.#socket = new Socket({ fd: this.#fd, readable: true, writable: true, allowHalfOpen: true });
    this.sourcePort = this.#socket.localPort;
    this.#socket.on("data", (data: Buffer) => {
      if (this.#received.length < replyBytes) this.#received = Buffer.concat([this.#received, data]);
      this.#changed();
    });
    this.#socket.on("end", () => {
      this.#ended = true;
      this.#changed();
    });
    this.#socket.on("error", (error) => {
      this.#failure = failureOf(error);
      this.#changed();
    });
  }

  open(timeoutMs: number): Promise<Exchange> {
    return new Promise((resolve) => {
      // An ICMP error that came while the socket was busy is kept by the kernel until the next retransmission: it is asked for before silence is
      // taken for an answer.
      const giveUp = (): void => {
        const problem = pendingError(this.#fd);
        resolve(problem === undefined ? { outcome: "timeout" } : failureOf(problem));
      };
      const timer = setTimeout(giveUp, timeoutMs);
      const settle = (exchange: Exchange): void => {
        clearTimeout(timer);
        resolve(exchange);
      };
      this.#changed = () => {
        if (this.#failure !== undefined) settle(this.#failure);
      };
      this.#changed();
      // No byte goes with it: a connection accepts a write when it is established.
      this.#socket.write("", (error) => {
        if (error == null) settle({ outcome: "answered", rttMs: performance.now() - this.#startedMs });
      });
    });
  }

  again(timeoutMs: number): Promise<Exchange> {
    return new Promise((resolve) => {
      const settle = (exchange: Exchange): void => {
        clearTimeout(timer);
        this.#changed = () => undefined;
        resolve(exchange);
      };
      const timer = setTimeout(settle, timeoutMs, { outcome: "timeout" } as const);
      const sentMs = performance.now();
      this.#changed = () => {
        const isComplete = this.#ended || this.#received.includes("\n") || this.#received.length >= replyBytes;
        if (isComplete) settle({ outcome: "answered", reply: this.#received, rttMs: performance.now() - sentMs });
        else if (this.#failure !== undefined) settle(this.#failure);
      };
      this.#socket.write(question);
      this.#changed();
    });
  }

  /** By a reset, so that neither side remembers the connection. */
  close(): void {
    this.#changed = () => undefined;
    this.#socket.resetAndDestroy();
  }
}

class DatagramFlow implements Flow {
  readonly #socket;
  readonly #to: { readonly address: Address; readonly port: number };
  readonly #protocol: "udp" | "icmp";
  readonly #echo: (typeof echo)[Family];
  readonly sourcePort: number | undefined;
  #sequence = 0;
  #sentMs = 0;
  #closed = false;
  #early: Exchange | undefined;
  #answer: ((exchange: Exchange) => void) | undefined;

  constructor(enter: Enter, request: FlowRequest, protocol: "udp" | "icmp") {
    const { source, sourcePort, destination, destinationPort = 0 } = request.packet;
    this.#protocol = protocol;
    // ICMP has no port; Node wants one.
    this.#to = { address: destination, port: protocol === "udp" ? destinationPort : 1 };
    this.#echo = echo[familyOf(destination)];
    this.#socket = createSocket(familyOf(destination) === 4 ? "udp4" : "udp6");
    this.#socket.on("error", (error) => this.#settle(failureOf(error)));
    this.#socket.on("message", (reply) => {
      // Of ICMP, only the reply to the last request: a late one is to another.
      if (protocol === "icmp" && (reply[0] !== this.#echo.reply || reply.readUInt16BE(6) !== this.#sequence)) return;
      this.#settle({ outcome: "answered", reply });
    });
    try {
      const local = { address: source, port: protocol === "udp" ? (sourcePort ?? 0) : 0, errors: true, ...tosOf(request) };
      this.#socket.bind({ fd: enter(request.from, () => (protocol === "udp" ? bindUdp(local) : bindEcho(local))) });
    } catch (error) {
      this.close();
      throw error;
    }
    this.sourcePort = this.#socket.address().port;
  }

  open(timeoutMs: number): Promise<Exchange> {
    return this.#exchange(timeoutMs, () => {
      this.#socket.once("connect", () => this.#send());
      this.#socket.connect(this.#to.port, this.#to.address);
    });
  }

  again(timeoutMs: number): Promise<Exchange> {
    return this.#exchange(timeoutMs, () => this.#send());
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.close();
  }

  #exchange(timeoutMs: number, send: () => void): Promise<Exchange> {
    if (this.#early !== undefined) return Promise.resolve(this.#early);
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#settle({ outcome: "timeout" }), timeoutMs);
      this.#answer = (exchange) => {
        clearTimeout(timer);
        resolve(exchange.outcome === "answered" ? { ...exchange, rttMs: performance.now() - this.#sentMs } : exchange);
      };
      send();
    });
  }

  #send(): void {
    if (this.#closed) return;
    this.#sequence++;
    this.#sentMs = performance.now();
    this.#socket.send(this.#protocol === "udp" ? question : echoRequest(this.#echo.request, this.#sequence), (error) => {
      // EPERM: the host's own rules dropped it, which a TCP connection would notice by silence.
      if (error != null && codeOf(error) !== "EPERM") this.#settle(failureOf(error));
    });
  }

  #settle(exchange: Exchange): void {
    const answer = this.#answer;
    this.#answer = undefined;
    if (answer !== undefined) answer(exchange);
    else if (exchange.outcome !== "answered") this.#early = exchange;
  }
}

/** Types: RFC 792; RFC 4443. */
const echo = { 4: { request: 8, reply: 0 }, 6: { request: 128, reply: 129 } } as const;

/** Type, code, checksum and identifier (the kernel's), sequence number, and the 56 bytes that `ping` sends. */
function echoRequest(type: number, sequence: number): Buffer {
  const bytes = Buffer.alloc(8 + 56);
  bytes[0] = type;
  bytes.writeUInt16BE(sequence, 6);
  return bytes;
}

function failureOf(error: Error): Exchange {
  const problem = codeOf(error);
  return { outcome: outcomeOf(problem), problem };
}

function codeOf(error: unknown): string {
  if (error instanceof Error) return "code" in error ? String(error.code) : error.message;
  return String(error);
}

/** ip(7), tcp(7), udp(7); ICMP's codes become errors in net/ipv4/icmp.c, `icmp_err_convert`. */
function outcomeOf(code: string): Outcome {
  switch (code) {
    case "ECONNREFUSED":
    case "ECONNRESET":
    case "EPIPE":
      return "refused";
    case "ETIMEDOUT":
    case "EPERM":
      return "timeout";
    case "ENETUNREACH":
    case "EHOSTUNREACH":
    case "EHOSTDOWN":
    case "ENONET":
    case "ENOPROTOOPT":
    case "EACCES":
    case "EMSGSIZE":
    // A black hole, for the host that has it (net/ipv4/fib_semantics.c: `fib_props`).
    case "EINVAL":
      return "unreachable";
    default:
      return "unsupported";
  }
}

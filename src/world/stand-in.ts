/**
 * What answers on the listeners of a lab: stand-ins for the programs that nobody runs here. One process holds the sockets of all hosts, each made
 * inside its host's namespace.
 *
 * A stand-in says who it is and whom it sees. On TCP the first bytes decide: an HTTP request gets HTTP, with the paths of the Kubernetes e2e image
 * (`agnhost netexec`); anything else, silence and a half-close get one line of JSON:
 *
 *     {"name":"pod/shop/default/web-1","protocol":"tcp","source":{"address":"10.244.0.5","port":43210},"local":{"address":"10.244.1.7","port":80},"note":"stand-in: Drydock answers instead of the container"}
 *
 * A UDP datagram gets that line, or what its command asks for: `hostname`, `clientip`, `echo TEXT`. A UDP stand-in on every address does not know to
 * which one a datagram went: its `local.address` is 0.0.0.0, and Linux chooses the source of the answer, as for any program that binds so.
 */

import { createSocket, type RemoteInfo } from "node:dgram";
import { createServer as createHttpServer, type Server as HttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer, type Server, type Socket } from "node:net";
import { createSecureContext, type SecureContext, TLSSocket } from "node:tls";
import type { Answer, Host, HostName, Listener } from "../ir/network.ts";
import { bindUdp, type Local, listenTcp, within } from "../kernel/index.ts";
import { answersAnnotation, statusAt } from "../kube/answers.ts";
import { familyOf } from "../net/address.ts";
import { selfSigned } from "./certificate.ts";
import { Dialler } from "./dial.ts";
import { say } from "./log.ts";

/** The line's fields, and the body of HTTP's `/`. */
export type Identity = {
  readonly name: string;
  readonly protocol: "tcp" | "udp";
  /** The sender as the receiver sees it. */
  readonly source: { readonly address: string; readonly port: number };
  readonly local: { readonly address: string; readonly port: number };
  readonly note: string;
};

/** Runs `work` inside a host's namespace, synchronously, on the main thread. Tests of one namespace run it where they are. */
export type Enter = <T>(host: HostName, work: () => T) => T;

export const enter: Enter = within;

/** A listener that could not be opened; the next {@link StandIns.set} of its host tries again. */
export type ListenProblem = { readonly host: HostName; readonly listener: Listener; readonly error: Error };

const note = "stand-in: Drydock answers instead of the container";

/** What no client may exceed. */
const limits = {
  /** How long a client may say nothing before it gets the line. */
  silenceMs: 200,
  /** Connections without traffic end after this. */
  idleMs: 15_000,
  /** Bytes of an HTTP head, and of a request's body. */
  headBytes: 8 * 1024,
  bodyBytes: 64 * 1024,
  /** Of one listener; more are closed at once. */
  connections: 1024,
} as const;

const longestMethod = 8;
/** The first byte of a TLS connection (RFC 8446, section 5.1). */
const tlsHandshake = 0x16;
const httpMethod = /^(?:GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH|TRACE|CONNECT) /;
const httpMethods = ["GET ", "HEAD ", "POST ", "PUT ", "DELETE ", "OPTIONS ", "PATCH ", "TRACE ", "CONNECT "];

/** An open listener. `listener` changes when only the answer does. */
type Open = { listener: Wanted; readonly close: () => void };

/** What one socket is for. A listener on every address of a host has one for each family that the host has. */
type Wanted = Listener & { readonly family?: 6 };

type HostSockets = { wanted: readonly Listener[]; ipv6: boolean; readonly open: Map<string, Open> };

/** Has the host addresses of IPv6? Then what listens on all of its addresses listens on those, too. */
export function hasIpv6({ interfaces }: Host): boolean {
  return interfaces.some(({ addresses }) => addresses.some(({ address }) => familyOf(address) === 6));
}

/** Holds the sockets of all hosts. */
export class StandIns {
  readonly #enter: Enter;
  readonly #hosts = new Map<HostName, HostSockets>();
  readonly #http: HttpServer;
  /** Which listener a connection that was handed to the HTTP server came in by, and on which host. */
  readonly #origins = new WeakMap<Socket, { readonly host: HostName; readonly open: Open }>();
  readonly #dialler: Dialler;
  /** Made when the first client speaks TLS. */
  #context: SecureContext | undefined;

  constructor(enter: Enter) {
    this.#enter = enter;
    this.#dialler = new Dialler(enter);
    // It never listens: connections are handed to it.
    this.#http = createHttpServer({ maxHeaderSize: limits.headBytes }, (request, response) => this.#serve(request, response));
    this.#http.timeout = limits.idleMs;
  }

  /** Open listeners, of all hosts. */
  get count(): number {
    let count = 0;
    for (const { open } of this.#hosts.values()) count += open.size;
    return count;
  }

  /**
   * Makes the listeners of a host these: opens what is new, closes what is gone, keeps the sockets of what is the same. The namespace must exist.
   * What cannot be opened is returned, and the rest is open when this returns. `ipv6`: see {@link hasIpv6}.
   */
  set(host: HostName, listeners: readonly Listener[], ipv6 = false): readonly ListenProblem[] {
    const known = this.#hosts.get(host);
    if (known?.wanted === listeners && known.ipv6 === ipv6) return [];
    if (known === undefined && listeners.length === 0) return [];
    const sockets = known ?? { wanted: [], ipv6, open: new Map<string, Open>() };
    this.#hosts.set(host, sockets);
    const wanted = new Map<string, Wanted>();
    // The first of several on one socket answers.
    const all = ipv6 ? listeners.flatMap((one): Wanted[] => (one.address === undefined ? [one, { ...one, family: 6 }] : [one])) : listeners;
    for (const listener of all) if (!wanted.has(keyOf(listener))) wanted.set(keyOf(listener), listener);
    // Closing comes first: a socket on one address is in the way of one on all addresses.
    for (const [key, open] of sockets.open) {
      if (wanted.has(key)) continue;
      open.close();
      sockets.open.delete(key);
    }
    const missing: [string, Wanted][] = [];
    for (const [key, listener] of wanted) {
      const open = sockets.open.get(key);
      if (open === undefined) missing.push([key, listener]);
      else open.listener = listener;
    }
    const problems = missing.length === 0 ? [] : this.#open(host, sockets, missing);
    // An array that was done in part must not be taken for done.
    sockets.wanted = problems.length === 0 ? listeners : [];
    sockets.ipv6 = ipv6;
    if (sockets.open.size === 0 && problems.length === 0) this.#hosts.delete(host);
    return problems;
  }

  /** Closes everything of a host that is going away. A namespace lives as long as a socket in it. */
  remove(host: HostName): void {
    for (const open of this.#hosts.get(host)?.open.values() ?? []) open.close();
    this.#hosts.delete(host);
  }

  close(): void {
    for (const host of [...this.#hosts.keys()]) this.remove(host);
    this.#http.close();
    this.#dialler.close();
  }

  #open(host: HostName, sockets: HostSockets, missing: readonly (readonly [string, Wanted])[]): readonly ListenProblem[] {
    const problems: ListenProblem[] = [];
    const refused = (listener: Listener, error: unknown): void => {
      problems.push({ host, listener, error: error instanceof Error ? error : new Error(String(error)) });
    };
    try {
      this.#enter(host, () => {
        for (const [key, listener] of missing) {
          try {
            sockets.open.set(key, listener.protocol === "tcp" ? this.#openTcp(host, listener) : openUdp(listener));
          } catch (error) {
            refused(listener, error);
          }
        }
      });
    } catch (error) {
      // There is no such namespace.
      for (const [, listener] of missing) refused(listener, error);
    }
    return problems;
  }

  #openTcp(host: HostName, listener: Wanted): Open {
    const connections = new Set<Socket>();
    const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
      connections.add(socket);
      socket.once("close", () => connections.delete(socket));
      this.#accept(host, open, socket);
    });
    const open: Open = {
      listener,
      close: () => {
        server.close();
        for (const socket of connections) socket.destroy();
      },
    };
    server.maxConnections = limits.connections;
    // Out of file descriptors, for example: this connection is lost, the listener stays.
    server.on("error", reportOnce);
    server.listen({ fd: listenTcp(localOf(listener)) });
    return open;
  }

  #accept(host: HostName, open: Open, socket: Socket): void {
    socket.on("error", () => socket.destroy());
    if (open.listener.answer.kind === "http") {
      this.#handOver(host, open, socket, undefined);
      return;
    }
    let head: Buffer | undefined;
    const line = () => {
      stop();
      const { answer } = open.listener;
      if (answer.kind === "identity" && !socket.destroyed) socket.end(`${JSON.stringify(identityOf(answer.as, socket))}\n`);
      socket.resume();
      socket.setTimeout(limits.idleMs, () => socket.destroy());
    };
    const silence = setTimeout(line, limits.silenceMs);
    const stop = () => {
      clearTimeout(silence);
      socket.off("data", read);
      socket.off("end", line);
      socket.off("close", stop);
    };
    const read = (chunk: Buffer) => {
      head = head === undefined ? chunk : Buffer.concat([head, chunk]);
      const text = head.toString("latin1", 0, longestMethod);
      if (head[0] === tlsHandshake) {
        stop();
        this.#secure(host, open, socket, head);
      } else if (httpMethod.test(text)) {
        stop();
        this.#handOver(host, open, socket, head);
      } else if (!httpMethods.some((method) => method.startsWith(text))) line();
    };
    socket.on("data", read);
    socket.on("end", line);
    socket.on("close", stop);
  }

  /** TLS, and HTTP in it. */
  #secure(host: HostName, open: Open, socket: Socket, head: Buffer): void {
    this.#context ??= createSecureContext(selfSigned("stand-in"));
    socket.pause();
    socket.unshift(head);
    const secure = new TLSSocket(socket, { isServer: true, secureContext: this.#context });
    secure.on("error", () => socket.destroy());
    this.#handOver(host, open, secure, undefined);
  }

  /** `head`: what was read of it already. */
  #handOver(host: HostName, open: Open, socket: Socket, head: Buffer | undefined): void {
    this.#origins.set(socket, { host, open });
    if (head !== undefined) {
      socket.pause();
      socket.unshift(head);
    }
    this.#http.emit("connection", socket);
    socket.resume();
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const origin = this.#origins.get(request.socket);
    if (origin === undefined) throw new Error("stand-in: a connection of no listener");
    let bytes = 0;
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > limits.bodyBytes) request.socket.destroy();
    });
    const { host, open } = origin;
    const url = urlOf(request);
    const { answer } = open.listener;
    if (url === undefined) reply(response, 400, "malformed request target\n");
    else if (answer.kind === "http") {
      const fixed = Object.hasOwn(answer.paths, url.pathname) ? answer.paths[url.pathname] : undefined;
      if (fixed === undefined) reply(response, 404, "not found\n");
      else reply(response, fixed.status, fixed.body);
    } else this.#serveIdentity(host, answer, url, request, response);
  }

  #serveIdentity(
    host: HostName,
    answer: Answer & { readonly kind: "identity" },
    url: URL,
    request: IncomingMessage,
    response: ServerResponse,
  ): void {
    const status = statusAt(answer.statuses ?? [], url.pathname);
    if (status !== undefined) {
      reply(response, status, `${status}: what this app is said to answer (${answersAnnotation})\n`);
      return;
    }
    switch (url.pathname) {
      case "/healthz":
        reply(response, 200, "");
        return;
      case "/hostname":
      case "/hostName":
        reply(response, 200, hostnameOf(answer.as));
        return;
      case "/clientip":
        reply(response, 200, endpoint(request.socket.remoteAddress ?? "", request.socket.remotePort ?? 0));
        return;
      case "/echo": {
        const code = Number(url.searchParams.get("code") ?? 200);
        const status = Number.isInteger(code) && code >= 200 && code <= 599 ? code : 400;
        reply(response, status, status === code ? (url.searchParams.get("msg") ?? "") : "code must be 200 to 599\n");
        return;
      }
      case "/dial":
        this.#dialler.dial(host, url.searchParams).then(
          (result) => {
            if ("refused" in result) reply(response, 400, `${result.refused}\n`);
            else replyJson(response, result);
          },
          (error: unknown) => reply(response, 500, `${String(error)}\n`),
        );
        return;
      default:
        replyJson(response, identityOf(answer.as, request.socket));
    }
  }
}

/** What makes two listeners need two sockets. */
function keyOf(listener: Wanted): string {
  return `${listener.protocol} ${listener.address ?? `*${listener.family ?? ""}`} ${listener.port}`;
}

function localOf({ address, port, family }: Wanted): Local {
  if (address !== undefined) return { address, port };
  return family === undefined ? { port } : { port, family };
}

/** In the current namespace. */
function openUdp(listener: Wanted): Open {
  const isIpv6 = listener.family === 6 || (listener.address !== undefined && familyOf(listener.address) === 6);
  const socket = createSocket(isIpv6 ? "udp6" : "udp4");
  const open: Open = { listener, close: () => socket.close() };
  socket.on("error", reportOnce);
  socket.on("message", (message, sender) => {
    const answer = datagramAnswer(open.listener, message, sender, socket.address().address);
    if (answer !== undefined) socket.send(answer, sender.port, sender.address, reportLoss);
  });
  try {
    socket.bind({ fd: bindUdp(localOf(listener)) });
  } catch (error) {
    socket.close();
    throw error;
  }
  return open;
}

function identityOf(name: string, socket: Socket): Identity {
  return {
    name,
    protocol: "tcp",
    source: { address: socket.remoteAddress ?? "", port: socket.remotePort ?? 0 },
    local: { address: socket.localAddress ?? "", port: socket.localPort ?? 0 },
    note,
  };
}

/** `web-1` for `pod/shop/default/web-1`: what the container would print. */
function hostnameOf(name: string): string {
  return name.slice(name.lastIndexOf("/") + 1);
}

/** As Go prints it: `10.0.0.1:80`, `[fd00::1]:80`. */
function endpoint(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

/** `undefined`: a listener of fixed HTTP answers says nothing over UDP. */
function datagramAnswer(listener: Listener, message: Buffer, sender: RemoteInfo, local: string): string | undefined {
  const { answer } = listener;
  if (answer.kind !== "identity") return undefined;
  const text = message.toString("utf8", 0, 2048).trim();
  // Where translation leads one stand-in's answer to another one, two of them would never be done.
  if (text.startsWith("{") && text.includes(note)) return undefined;
  if (/^hostname$/i.test(text)) return hostnameOf(answer.as);
  if (/^clientip$/i.test(text)) return endpoint(sender.address, sender.port);
  const echo = /^echo\s(.*)$/is.exec(text);
  if (echo !== null) return echo[1] ?? "";
  const identity: Identity = {
    name: answer.as,
    protocol: "udp",
    source: { address: sender.address, port: sender.port },
    local: { address: local, port: listener.port },
    note,
  };
  return `${JSON.stringify(identity)}\n`;
}

/** The target of a request as a URL of a made-up host, which is all that it takes to read its path and query. */
function urlOf(request: IncomingMessage): URL | undefined {
  const target = request.url ?? "/";
  const text = target.startsWith("/") ? `http://stand-in${target}` : target;
  return URL.canParse(text) ? new URL(text) : undefined;
}

function reply(response: ServerResponse, status: number, body: string): void {
  send(response, status, "text/plain; charset=utf-8", body);
}

function replyJson(response: ServerResponse, value: unknown): void {
  send(response, 200, "application/json", `${JSON.stringify(value)}\n`);
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  if (response.destroyed) return;
  const bytes = Buffer.from(body);
  response.writeHead(status, { "x-drydock": "stand-in", "content-type": type, "content-length": bytes.length });
  response.end(bytes);
}

const reported = new Set<string>();

/** The daemon's log needs each kind of trouble once. */
function reportOnce(error: Error): void {
  const code = "code" in error ? String(error.code) : error.message;
  if (reported.has(code)) return;
  reported.add(code);
  say(`stand-in: ${error.message}`);
}

/** An answer that cannot be sent, for want of a route back, is an answer lost on the way. */
function reportLoss(error: Error | null): void {
  if (error !== null) reportOnce(error);
}

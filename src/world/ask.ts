/** Questions that Kubernetes and Azure ask of a port, asked for real: does it accept a connection, what does it answer by HTTP? */

import { Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { HostName } from "../ir/network.ts";
import { connectTcp, pendingError, resetTcp, SystemError, type Target, tcpConnect, within } from "../kernel/index.ts";
import { libc } from "../kernel/libc.ts";
import type { Address } from "../net/address.ts";

export type Question = {
  readonly from: HostName;
  readonly source?: Address;
  readonly to: Address;
  readonly port: number;
  /** Absent: a connection is enough. Present: HTTP GET of this path. */
  readonly path?: string;
  /** HTTPS, with any certificate. */
  readonly secure?: boolean;
  readonly timeoutMs: number;
};

/** A number is the status of an HTTP answer. */
export type Reply = "connected" | "silent" | number;

/** Never throws: what cannot be asked is silent. */
export function ask(question: Question): Promise<Reply> {
  return new Promise((resolve) => {
    let fd: number;
    try {
      fd = tcpConnect(question.from, {
        destination: question.to,
        port: question.port,
        ...(question.source === undefined ? {} : { source: question.source }),
      });
    } catch {
      resolve("silent");
      return;
    }
    const socket = new Socket({ fd, readable: true, writable: true });
    const end = (answer: Reply) => {
      clearTimeout(timer);
      // A reset leaves nothing in TIME_WAIT behind, as Azure's probes do.
      socket.resetAndDestroy();
      resolve(answer);
    };
    const timer = setTimeout(end, question.timeoutMs, "silent" as const);
    socket.on("error", () => end("silent"));
    if (question.path === undefined) {
      // A connection under way accepts a write when it is established.
      socket.write("", (error) => end(error == null ? "connected" : "silent"));
      socket.on("end", () => end("silent"));
      return;
    }
    const stream = question.secure === true ? connectTls({ socket, rejectUnauthorized: false }) : socket;
    if (stream !== socket) stream.on("error", () => end("silent"));
    let head = "";
    stream.on("data", (chunk) => {
      head += chunk.toString("latin1");
      if (head.length >= 12) end(Number(/^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1] ?? Number.NaN) || "silent");
    });
    stream.on("end", () => end("silent"));
    stream.write(
      `GET ${question.path} HTTP/1.1\r\nHost: ${question.to}:${question.port}\r\nUser-Agent: Load Balancer Agent\r\nConnection: close\r\n\r\n`,
    );
  });
}

/** Whether `from` can connect to each target, as far as that is known at once. */
export type Answer = "yes" | "no" | "later";

/**
 * Connects to many, in one visit of the host and without an object of Node's for each. In a lab a connection to a host that is up is there when
 * connect(2) returns, as every hop is the same kernel's work. `later`: it was not; {@link askAgain}.
 */
export function askAtOnce(from: HostName, targets: readonly Target[]): readonly Answer[] {
  return connectAll(from, targets).map(answerOf);
}

/**
 * Connects to each until it says yes or no, or `timeoutMs` are over. More and more patiently, but each time anew: a link that has just come up may
 * drop the first packet, and TCP would say nothing more for a second.
 */
export async function askAgain(from: HostName, targets: readonly Target[], timeoutMs: number): Promise<readonly boolean[]> {
  const answers: Answer[] = targets.map(() => "later");
  const deadline = performance.now() + timeoutMs;
  for (let patienceMs = 1; answers.includes("later") && performance.now() < deadline; patienceMs *= 2) {
    const pending = [...targets.keys()].filter((index) => answers[index] === "later");
    const connections = connectAll(
      from,
      pending.flatMap((index) => targets[index] ?? []),
    );
    await new Promise((resolve) => setTimeout(resolve, Math.min(patienceMs, Math.max(deadline - performance.now(), 1))));
    for (const [place, index] of pending.entries()) answers[index] = answerOf(connections[place]);
  }
  return answers.map((answer) => answer === "yes");
}

/** Connections under way; `undefined` for those that are refused already. */
function connectAll(from: HostName, targets: readonly Target[]): readonly (number | undefined)[] {
  try {
    return within(from, () => targets.map(connectNow));
  } catch (error) {
    // There is no such host.
    if (!(error instanceof Error)) throw error;
    return targets.map(() => undefined);
  }
}

function connectNow(target: Target): number | undefined {
  try {
    return connectTcp(target);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    return undefined;
  }
}

const nothing = new Uint8Array(1);

/** Ends a connection that was tried. */
function answerOf(fd: number | undefined): Answer {
  if (fd === undefined) return "no";
  try {
    if (pendingError(fd) !== undefined) return "no";
    // Sending nothing works exactly when the connection is there. 0x4040: MSG_DONTWAIT, MSG_NOSIGNAL.
    return libc().send(fd, nothing, 0, 0x4040) === 0 ? "yes" : "later";
  } finally {
    resetTcp(fd);
  }
}

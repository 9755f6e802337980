/** Packets between hosts, for tests: what the other side saw, or why it did not. */

import { createServer, type Server, Socket } from "node:net";
import { type Target, tcpConnect, tcpListen } from "../../src/kernel/sockets.ts";

/** A server that answers everybody with the address and port it saw, and its own. */
export function answer(host: string, port: number): Promise<Server> {
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.end(`${socket.remoteAddress} ${socket.remotePort} ${socket.localAddress} ${socket.localPort}`);
  });
  return new Promise((resolve) => server.listen({ fd: tcpListen(host, { port }) }, () => resolve(server)));
}

export type Answer = {
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly destinationPort: number;
};

/** The answer of {@link answer}, or the error's code; "timeout" when nothing came. */
export function ask(host: string, target: Target, timeoutMs = 1000): Promise<Answer | string> {
  return new Promise((resolve) => {
    let fd: number;
    try {
      fd = tcpConnect(host, target);
    } catch (error) {
      resolve(error instanceof Error && "code" in error ? String(error.code) : String(error));
      return;
    }
    const socket = new Socket({ fd, readable: true, writable: true });
    let text = "";
    const timer = setTimeout(() => {
      resolve("timeout");
      socket.destroy();
    }, timeoutMs);
    socket.on("data", (data) => {
      text += data.toString();
    });
    socket.on("error", (error: Error & { readonly code?: string }) => {
      clearTimeout(timer);
      resolve(error.code ?? error.message);
    });
    socket.on("end", () => {
      clearTimeout(timer);
      const [source = "", sourcePort, destination = "", destinationPort] = text.split(" ");
      resolve({ source, sourcePort: Number(sourcePort), destination, destinationPort: Number(destinationPort) });
    });
  });
}

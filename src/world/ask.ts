/** Questions that Kubernetes and Azure ask of a port, asked for real: does it accept a connection, does it answer HTTP 200? */

import { Socket } from "node:net";
import type { HostName } from "../ir/network.ts";
import { tcpConnect } from "../kernel/index.ts";
import type { Address } from "../net/address.ts";

export type Question = {
  readonly from: HostName;
  readonly source?: Address;
  readonly to: Address;
  readonly port: number;
  /** Absent: a connection is enough. Present: HTTP GET of this path must answer 200. */
  readonly path?: string;
  readonly timeoutMs: number;
};

/** True when the answer is yes. Never throws: what cannot be asked is a no. */
export function ask(question: Question): Promise<boolean> {
  return new Promise((resolve) => {
    let fd: number;
    try {
      fd = tcpConnect(question.from, {
        destination: question.to,
        port: question.port,
        ...(question.source === undefined ? {} : { source: question.source }),
      });
    } catch {
      resolve(false);
      return;
    }
    const socket = new Socket({ fd, readable: true, writable: true });
    const end = (answer: boolean) => {
      clearTimeout(timer);
      // A reset leaves nothing in TIME_WAIT behind, as Azure's probes do.
      socket.resetAndDestroy();
      resolve(answer);
    };
    const timer = setTimeout(end, question.timeoutMs, false);
    socket.on("error", () => end(false));
    let head = "";
    socket.on("data", (chunk) => {
      head += chunk.toString("latin1");
      if (question.path !== undefined && head.length >= 12) end(/^HTTP\/1\.[01] 200/.test(head));
    });
    socket.on("end", () => end(false));
    // A connection under way accepts a write when it is established.
    const request =
      question.path === undefined
        ? undefined
        : `GET ${question.path} HTTP/1.1\r\nHost: ${question.to}:${question.port}\r\nUser-Agent: Load Balancer Agent\r\nConnection: close\r\n\r\n`;
    socket.write(request ?? "", (error) => {
      if (error != null) end(false);
      else if (request === undefined) end(true);
    });
  });
}

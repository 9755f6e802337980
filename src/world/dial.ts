/**
 * A stand-in's `/dial`: one pod asks another, as `agnhost netexec` does it, so that a client outside can try a connection from inside a pod.
 *
 *     GET /dial?host=10.0.80.10&port=80&protocol=http&request=hostname&tries=10    {"responses":["web-1",…],"errors":[]}
 *
 * Tries run at the same time. What a request may cost is bounded, also when the target is another `/dial`.
 */

import { createSocket } from "node:dgram";
import { get } from "node:http";
import { Socket } from "node:net";
import type { HostName } from "../ir/network.ts";
import { bindUdp, connectTcp } from "../kernel/index.ts";
import { type Address, familyOf, parseAddress } from "../net/address.ts";
import type { Enter } from "./stand-in.ts";

const limits = {
  tries: 100,
  /** Of all requests together: a dial may ask for a dial. */
  underWay: 1000,
  timeoutMs: 3000,
  requestBytes: 1024,
  responseBytes: 8 * 1024,
} as const;

export type DialResult = { readonly responses: readonly string[]; readonly errors: readonly string[] };

type Try = { readonly enter: <T>(work: () => T) => T; readonly address: Address; readonly port: number; readonly request: string };

export class Dialler {
  #underWay = 0;
  readonly #ending = new AbortController();
  readonly #enter: Enter;

  constructor(enter: Enter) {
    this.#enter = enter;
  }

  /** `refused`: what is wrong with the query. */
  async dial(from: HostName, query: URLSearchParams): Promise<DialResult | { readonly refused: string }> {
    const protocol = query.get("protocol") || "http";
    if (protocol !== "http" && protocol !== "udp") return { refused: `unsupported protocol: ${protocol.slice(0, 20)}` };
    const tries = query.has("tries") ? Number(query.get("tries")) : 1;
    if (!Number.isInteger(tries) || tries < 1 || tries > limits.tries) return { refused: `tries must be 1 to ${limits.tries}` };
    const port = Number(query.get("port"));
    if (!Number.isInteger(port) || port < 1 || port > 65535) return { refused: "port must be 1 to 65535" };
    const request = query.get("request") ?? "";
    if (request.length > limits.requestBytes) return { refused: `request must have at most ${limits.requestBytes} characters` };
    const host = query.get("host") ?? "";
    const address = parseAddress(host);
    if (address === undefined)
      return { responses: [], errors: [`${JSON.stringify(host.slice(0, 255))} is no address: this lab has no DNS`] };

    const responses: string[] = [];
    const errors: string[] = [];
    const one = protocol === "http" ? tryHttp : tryUdp;
    const attempt = async (): Promise<void> => {
      if (this.#underWay >= limits.underWay) {
        errors.push(`more than ${limits.underWay} dials under way`);
        return;
      }
      this.#underWay++;
      const signal = AbortSignal.any([this.#ending.signal, AbortSignal.timeout(limits.timeoutMs)]);
      try {
        responses.push(await one({ enter: (work) => this.#enter(from, work), address, port, request }, signal));
      } catch (error) {
        errors.push(signal.aborted ? `timeout after ${limits.timeoutMs} ms` : error instanceof Error ? error.message : String(error));
      } finally {
        this.#underWay--;
      }
    };
    await Promise.all(Array.from({ length: tries }, attempt));
    return { responses, errors };
  }

  close(): void {
    this.#ending.abort();
  }
}

function tryHttp(what: Try, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const { address, port } = what;
    const request = get(
      {
        host: address,
        port,
        path: `/${what.request.replace(/^\/+/, "")}`,
        headers: { connection: "close" },
        signal,
        // With an agent, even `false`, Node would connect by itself, outside the host.
        createConnection: () =>
          new Socket({ fd: what.enter(() => connectTcp({ destination: address, port })), readable: true, writable: true }),
      },
      (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          text += chunk;
          if (text.length > limits.responseBytes) request.destroy(new Error(`response of more than ${limits.responseBytes} bytes`));
        });
        response.on("end", () => resolve(text));
        response.on("error", reject);
      },
    );
    request.on("error", reject);
  });
}

function tryUdp(what: Try, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const family = familyOf(what.address);
    const socket = createSocket(family === 4 ? "udp4" : "udp6");
    let ended = false;
    const end = (): void => {
      if (ended) return;
      ended = true;
      signal.removeEventListener("abort", abort);
      socket.close();
    };
    const fail = (error: Error): void => {
      end();
      reject(error);
    };
    const abort = (): void => fail(new Error("aborted"));
    signal.addEventListener("abort", abort);
    socket.on("error", fail);
    socket.on("message", (message) => {
      end();
      resolve(message.toString("utf8", 0, limits.responseBytes));
    });
    try {
      socket.bind({ fd: what.enter(() => bindUdp({ family, port: 0, errors: true })) });
    } catch (error) {
      fail(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    // A connected socket hears of refusals, and only from the one it asked.
    socket.on("connect", () => {
      socket.send(what.request, (error) => {
        if (error != null) fail(error);
      });
    });
    socket.connect(what.port, what.address);
  });
}

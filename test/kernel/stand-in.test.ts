import { createSocket } from "node:dgram";
import { get } from "node:http";
import { Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Listener } from "../../src/ir/network.ts";
import { Kernel } from "../../src/kernel/index.ts";
import { tcpConnect, udpBind } from "../../src/kernel/sockets.ts";
import { mustAddress } from "../../src/net/address.ts";
import { ask as askHealth } from "../../src/world/ask.ts";
import { enter, StandIns } from "../../src/world/stand-in.ts";
import { host, network, origin, veth } from "./build.ts";
import { requireKernel } from "./require-kernel.ts";

requireKernel();

const client = "vm/client";
const web = "pod/shop/default/web-1";
const here = mustAddress("10.0.0.1");
const there = mustAddress("10.0.0.2");

function identity(protocol: "tcp" | "udp", port: number, more: Partial<Listener> = {}): Listener {
  return { protocol, port, answer: { kind: "identity", as: web }, origin, ...more };
}

const fixed: Listener = {
  protocol: "tcp",
  port: 10256,
  answer: { kind: "http", paths: { "/healthz": { status: 503, body: '{"localEndpoints":0}' } } },
  origin,
};

const kernel = new Kernel();
const standIns = new StandIns(enter);

beforeAll(() => {
  const report = kernel.apply(
    network(host(client, [veth("eth0", `${web} eth0`, ["10.0.0.1/24"])]), host(web, [veth("eth0", `${client} eth0`, ["10.0.0.2/24"])])),
  );
  expect(report.errors).toEqual([]);
  expect(standIns.set(web, [identity("tcp", 80), identity("udp", 53), fixed])).toEqual([]);
  expect(standIns.set(client, [identity("tcp", 8080, { answer: { kind: "identity", as: client } })])).toEqual([]);
});

afterAll(() => {
  standIns.close();
  kernel.close();
});

function connect(port: number, from = client, to = there): Socket {
  return new Socket({ fd: tcpConnect(from, { destination: to, port }), readable: true, writable: true, allowHalfOpen: true });
}

/** Everything that the other side says until it ends. */
function all(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    socket.on("data", (data) => {
      text += data.toString();
    });
    socket.on("error", reject);
    socket.on("end", () => {
      socket.destroy();
      resolve(text);
    });
  });
}

/** What one end says to `write`. */
function said(write: (socket: Socket) => void, port = 80): Promise<string> {
  const socket = connect(port);
  const result = all(socket);
  write(socket);
  return result;
}

type Reply = { readonly status: number; readonly body: string; readonly mark: string | string[] | undefined };

function http(path: string, port = 80, from = client, to = there): Promise<Reply> {
  return new Promise((resolve, reject) => {
    get({ path, host: to, createConnection: () => connect(port, from, to) }, (response) => {
      let body = "";
      response.on("data", (data: Buffer) => {
        body += data.toString();
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body, mark: response.headers["x-drydock"] }));
    }).on("error", reject);
  });
}

function datagram(message: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createSocket("udp4");
    socket.on("error", reject);
    socket.on("message", (answer) => {
      socket.close();
      resolve(answer.toString());
    });
    socket.bind({ fd: udpBind(client, { port: 0 }) });
    socket.send(message, 53, there);
  });
}

const line = {
  name: web,
  protocol: "tcp",
  source: { address: here, port: expect.any(Number) },
  local: { address: there, port: 80 },
  note: "stand-in: Drydock answers instead of the container",
};

describe("TCP", () => {
  test.each<[string, (socket: Socket) => void]>([
    ["a line that is no HTTP", (socket) => void socket.write("hello\n")],
    ["a word that starts like a method", (socket) => void socket.write("GETTING\n")],
    ["silence", () => undefined],
    ["a half-close", (socket) => void socket.end()],
    ["half a method and then a half-close", (socket) => void socket.end("GE")],
  ])("%s gets the line of JSON", async (_, write) => {
    expect(JSON.parse(await said(write))).toEqual(line);
  });

  test("one end of a method after another is HTTP", async () => {
    const answer = await said((socket) => {
      socket.setNoDelay(true);
      socket.write("GE");
      setTimeout(() => socket.write("T /hostname HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), 20);
    });
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(answer).toMatch(/\r\n\r\nweb-1$/);
  });

  test("several requests go over one connection, with bodies", async () => {
    const answer = await said((socket) => {
      socket.write(`POST /echo?msg=first HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n${"x".repeat(20_000)}`);
      socket.write("GET /echo?msg=second HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    });
    expect(answer).toMatch(/\r\n\r\nfirstHTTP\/1\.1 200 OK/);
    expect(answer).toMatch(/\r\n\r\nsecond$/);
  });

  test("a body without end is cut off", async () => {
    const socket = connect(80);
    socket.on("error", () => socket.destroy());
    const closed = new Promise((resolve) => socket.on("close", resolve));
    socket.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n");
    socket.on("data", () => socket.write(Buffer.alloc(1_000_000)));
    await closed;
  });
});

describe("HTTP", () => {
  test.each([
    ["/healthz", 200, ""],
    ["/hostname", 200, "web-1"],
    ["/echo?msg=a%20b", 200, "a b"],
    ["/echo?msg=x&code=418", 418, "x"],
    ["/echo?code=99", 400, "code must be 200 to 599\n"],
  ])("%s", async (path, status, body) => {
    expect(await http(path)).toEqual({ status, body, mark: "stand-in" });
  });

  test("/clientip is the sender with its port", async () => {
    expect((await http("/clientip")).body).toMatch(/^10\.0\.0\.1:\d+$/);
  });

  test.each(["/", "/ready", "//", "/?x=%ff"])("any other path says who answers: %s", async (path) => {
    const { status, body } = await http(path);
    expect(status).toBe(200);
    expect(JSON.parse(body)).toEqual(line);
  });

  test("fixed answers by path, 404 for the others", async () => {
    expect(await http("/healthz", 10256)).toMatchObject({ status: 503, body: '{"localEndpoints":0}' });
    expect(await http("/", 10256)).toMatchObject({ status: 404 });
    expect(await http("/constructor", 10256)).toMatchObject({ status: 404 });
  });
});

describe("UDP", () => {
  test.each([
    ["hostname", "web-1"],
    ["echo one two", "one two"],
    ["clientip", expect.stringMatching(/^10\.0\.0\.1:\d+$/)],
  ])("%s", async (message, answer) => {
    expect(await datagram(message)).toEqual(answer);
  });

  test("anything else gets the line", async () => {
    expect(JSON.parse(await datagram("hello"))).toMatchObject({ name: web, protocol: "udp", source: { address: here } });
  });
});

describe("/dial", () => {
  const dial = async (query: string) => JSON.parse((await http(`/dial?${query}`, 8080, client, here)).body) as unknown;

  test("asks from inside the dialled host, over HTTP and UDP, several times", async () => {
    expect(await dial(`host=${there}&port=80&protocol=http&request=hostname&tries=3`)).toEqual({
      responses: ["web-1", "web-1", "web-1"],
      errors: [],
    });
    expect(await dial(`host=${there}&port=53&protocol=udp&request=hostname`)).toEqual({ responses: ["web-1"], errors: [] });
    const seen = await dial(`host=${there}&port=80&request=clientip`);
    expect(seen).toEqual({ responses: [expect.stringMatching(/^10\.0\.0\.1:/)], errors: [] });
  });

  test("tells what went wrong", async () => {
    expect(await dial(`host=${there}&port=81&request=hostname`)).toEqual({
      responses: [],
      errors: [expect.stringContaining("ECONNREFUSED")],
    });
    expect(await dial("host=192.0.2.1&port=81")).toEqual({ responses: [], errors: [expect.stringContaining("ENETUNREACH")] });
    expect(await dial("host=web&port=80")).toEqual({ responses: [], errors: ['"web" is no address: this lab has no DNS'] });
    expect(await dial(`host=${there}&port=54&protocol=udp&tries=2`)).toEqual({
      responses: [],
      errors: [expect.stringContaining("ECONNREFUSED"), expect.stringContaining("ECONNREFUSED")],
    });
  });

  test.each(["tries=0", "tries=101", "tries=x", "port=", "port=70000", "protocol=sctp"])("refuses %s", async (query) => {
    const rest = query.startsWith("port") ? "" : "&port=80";
    expect((await http(`/dial?host=${there}&${query}${rest}`, 8080, client, here)).status).toBe(400);
  });
});

describe("set", () => {
  test("opens what is new, closes what is gone, keeps the sockets of the same", async () => {
    const stay = connect(80);
    await new Promise((resolve) => stay.write("GET /hostname HTTP/1.1\r\nHost: x\r\n\r\n", resolve));
    const before = standIns.count;
    expect(
      standIns.set(web, [identity("tcp", 80, { answer: { kind: "identity", as: "pod/shop/default/web-2" } }), identity("tcp", 81)]),
    ).toEqual([]);
    expect(standIns.count).toBe(before - 1);
    expect((await http("/hostname")).body).toBe("web-2");
    expect((await http("/hostname", 81)).body).toBe("web-1");
    await expect(http("/healthz", 10256)).rejects.toThrow("ECONNREFUSED");
    expect(stay.destroyed).toBe(false);
    standIns.set(web, [identity("tcp", 80), identity("udp", 53), fixed]);
    expect((await http("/hostname")).body).toBe("web-1");
    stay.destroy();
  });

  test("what can't be opened is told, the rest is open, and the next set tries again", async () => {
    const mine = [identity("tcp", 82, { address: mustAddress("10.9.9.9") }), identity("tcp", 80), identity("tcp", 83)];
    expect(standIns.set(web, mine)).toMatchObject([{ host: web, listener: mine[0], error: { code: "EADDRNOTAVAIL" } }]);
    expect((await http("/hostname", 83)).body).toBe("web-1");
    expect(standIns.set(web, mine)).toHaveLength(1);
    expect(standIns.set(web, [identity("tcp", 80, { address: there }), identity("udp", 53), fixed])).toEqual([]);
    expect((await http("/hostname")).body).toBe("web-1");
    expect(standIns.set("pod/of/no/cluster", [identity("tcp", 80)])).toMatchObject([{ error: { code: "ENOENT" } }]);
  });

  test("removing a host ends its connections", async () => {
    const socket = connect(80);
    socket.write("GET /hostname HTTP/1.1\r\nHost: x\r\n\r\n");
    await new Promise((resolve) => socket.once("data", resolve));
    const ended = all(socket);
    standIns.remove(web);
    await ended;
    await expect(http("/hostname")).rejects.toThrow("ECONNREFUSED");
    standIns.set(web, [identity("tcp", 80), identity("udp", 53), fixed]);
    expect((await http("/hostname")).body).toBe("web-1");
  });

  test("a thousand listeners cost little memory", () => {
    global.gc?.();
    const before = process.memoryUsage().rss;
    const many = Array.from({ length: 1000 }, (_, index) => identity("tcp", 20_000 + index));
    expect(standIns.set(web, many)).toEqual([]);
    global.gc?.();
    const each = (process.memoryUsage().rss - before) / 1000;
    process.stderr.write(`stand-in: ${Math.round(each)} bytes a listener\n`);
    expect(each).toBeLessThan(20_000);
  });
});

describe("asked as a load balancer asks", () => {
  const said: Listener["answer"] = {
    kind: "identity",
    as: web,
    statuses: [
      { path: "/", status: 404 },
      { path: "/api/*", status: 401 },
    ],
  };
  beforeAll(() => expect(standIns.set(web, [identity("tcp", 80), identity("tcp", 8080, { answer: said }), fixed])).toEqual([]));
  const question = { from: client, source: here, to: there, timeoutMs: 2000 };
  test.each([
    { name: "a connection", port: 80, answer: "connected" },
    { name: "a connection where nobody listens", port: 81, answer: "silent" },
    { name: "HTTP", port: 80, path: "/healthz", answer: 200 },
    { name: "HTTP, another status than 200", port: 80, path: "/echo?code=503", answer: 503 },
    { name: "HTTPS", port: 80, path: "/healthz", secure: true, answer: 200 },
    { name: "HTTPS, another status than 200", port: 80, path: "/echo?code=503", secure: true, answer: 503 },
    { name: "HTTPS where plain HTTP is spoken", port: 10256, path: "/healthz", secure: true, answer: "silent" },
    { name: "what an app is said to answer", port: 8080, path: "/?a=b", answer: 404 },
    { name: "what an app is said to answer, over TLS", port: 8080, path: "/api/v1", secure: true, answer: 401 },
    { name: "what nothing is said of", port: 8080, path: "/other", answer: 200 },
  ])("$name: $answer", async ({ answer, name: _name, ...asked }) => {
    expect(await askHealth({ ...question, ...asked })).toBe(answer);
  });
});

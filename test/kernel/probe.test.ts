import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Listener } from "../../src/ir/network.ts";
import { Kernel } from "../../src/kernel/index.ts";
import { mustAddress } from "../../src/net/address.ts";
import type { Tuple } from "../../src/trace/result.ts";
import { type ProbeResult, probe } from "../../src/world/probe.ts";
import { enter, StandIns } from "../../src/world/stand-in.ts";
import { host, network, origin, route, veth } from "./build.ts";
import { requireKernel } from "./require-kernel.ts";

requireKernel();

const client = "vm/client";
const router = "vnet/hub";
const web = "pod/shop/default/web-1";
const source = mustAddress("10.0.1.2");
const destination = mustAddress("10.0.2.2");

function identity(protocol: "tcp" | "udp", port: number): Listener {
  return { protocol, port, answer: { kind: "identity", as: web }, origin };
}

const fixed: Listener = { protocol: "tcp", port: 10256, answer: { kind: "http", paths: {} }, origin };

const kernel = new Kernel();
const standIns = new StandIns(enter);

/** client 10.0.1.2 - router - web 10.0.2.2. The router throws 10.0.3.0/24 away, and says that it does not know 10.0.4.0/24. */
beforeAll(() => {
  const report = kernel.apply(
    network(
      host(client, [veth("eth0", `${router} client`, ["10.0.1.2/24", "10.0.1.9/24"])], {
        routes: [route("10.0.0.0/8", { via: "10.0.1.1" })],
      }),
      host(router, [veth("client", `${client} eth0`, ["10.0.1.1/24"]), veth("web", `${web} eth0`, ["10.0.2.1/24"])], {
        forwarding: true,
        routes: [route("10.0.3.0/24", { type: "blackhole" }), route("10.0.4.0/24", { type: "unreachable" })],
      }),
      host(web, [veth("eth0", `${router} web`, ["10.0.2.2/24"])], { routes: [route("0.0.0.0/0", { via: "10.0.2.1" })] }),
    ),
  );
  expect(report.errors).toEqual([]);
  expect(standIns.set(web, [identity("tcp", 80), identity("udp", 53), fixed])).toEqual([]);
});

afterAll(() => {
  standIns.close();
  kernel.close();
});

function send(packet: Partial<Tuple>, timeoutMs = 3000, from = client): Promise<ProbeResult> {
  return probe(enter, { from, packet: { protocol: "tcp", source, destination, destinationPort: 80, ...packet }, timeoutMs });
}

describe.each([
  ["tcp", 80],
  ["udp", 53],
] as const)("%s", (protocol, destinationPort) => {
  test("a listener says who it is and whom it sees", async () => {
    const result = await send({ protocol, destinationPort });
    expect(result).toEqual({
      outcome: "answered",
      reachable: true,
      source: { address: source, port: result.sourcePort },
      receiver: web,
      sourcePort: expect.any(Number),
      rttMs: expect.any(Number),
    });
  });

  test("source address and port are as asked for", async () => {
    const own = mustAddress("10.0.1.9");
    for (let again = 0; again < 3; again++) {
      expect(await send({ protocol, destinationPort, source: own, sourcePort: 30_001 })).toMatchObject({
        source: { address: own, port: 30_001 },
        sourcePort: 30_001,
      });
    }
  });

  test("nobody listens: refused", async () => {
    expect(await send({ protocol, destinationPort: 9 })).toMatchObject({ outcome: "refused", reachable: false, problem: "ECONNREFUSED" });
  });

  test("silence: timeout", async () => {
    expect(await send({ protocol, destination: mustAddress("10.0.3.1") }, 100)).toMatchObject({ outcome: "timeout", reachable: false });
  });

  test("a router that knows no way says so: unreachable", async () => {
    expect(await send({ protocol, destination: mustAddress("10.0.4.1") })).toMatchObject({
      outcome: "unreachable",
      problem: "EHOSTUNREACH",
    });
  });

  test("the host itself knows no way: unreachable", async () => {
    expect(await send({ protocol, destination: mustAddress("192.0.2.1") })).toMatchObject({
      outcome: "unreachable",
      problem: "ENETUNREACH",
    });
  });

  test("a source that the host does not have is not sent", async () => {
    expect(await send({ protocol, source: mustAddress("10.0.9.9") })).toMatchObject({
      outcome: "unsupported",
      problem: "the host does not have the source address",
    });
  });
});

describe("icmp", () => {
  const ping = (packet: Partial<Tuple>, timeoutMs?: number) => send({ protocol: "icmp", ...packet }, timeoutMs);

  test("echo is answered", async () => {
    expect(await ping({})).toEqual({ outcome: "answered", reachable: true, sourcePort: expect.any(Number), rttMs: expect.any(Number) });
    expect(await ping({ source: mustAddress("10.0.1.9") })).toMatchObject({ outcome: "answered" });
  });

  test("silence, routers that know no way", async () => {
    expect(await ping({ destination: mustAddress("10.0.3.1") }, 100)).toMatchObject({ outcome: "timeout" });
    expect(await ping({ destination: mustAddress("10.0.4.1") })).toMatchObject({ outcome: "unreachable", problem: "EHOSTUNREACH" });
    expect(await ping({ destination: mustAddress("192.0.2.1") })).toMatchObject({ outcome: "unreachable", problem: "ENETUNREACH" });
  });
});

test("a server that is no stand-in is reached all the same", async () => {
  const result = await send({ destinationPort: 10256 });
  expect(result).toMatchObject({ outcome: "answered", reachable: true });
  expect(result).not.toHaveProperty("receiver");
});

test("what is not sent is told by name", async () => {
  expect(await send({ protocol: "sctp" })).toMatchObject({ outcome: "unsupported", problem: "no SCTP packets are sent" });
  expect(await send({}, 1000, "vm/nobody")).toMatchObject({ outcome: "unsupported", problem: "there is no such host" });
});

test("hundreds at a time", async () => {
  const protocols = ["tcp", "udp", "icmp"] as const;
  const started = performance.now();
  const results = await Promise.all(
    Array.from({ length: 600 }, (_, index) => {
      const protocol = protocols[index % 3] ?? "tcp";
      return send({ protocol, destinationPort: protocol === "udp" ? 53 : 80 }, 10_000);
    }),
  );
  process.stderr.write(`probe: 600 in ${Math.round(performance.now() - started)} ms\n`);
  expect(results.filter((result) => !result.reachable)).toEqual([]);
});

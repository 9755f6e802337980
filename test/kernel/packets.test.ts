/** What packets do in applied networks: proxy ARP, isolated bridges, discard, translation, and the two ways to watch them. */

import { createSocket } from "node:dgram";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { priorities, type Rule, type Table } from "../../src/ir/ruleset.ts";
import { type Connection, connections, forgetConnections } from "../../src/kernel/conntrack.ts";
import { Kernel } from "../../src/kernel/kernel.ts";
import { NftTrace } from "../../src/kernel/nft-trace.ts";
import { udpBind } from "../../src/kernel/sockets.ts";
import { mustAddress } from "../../src/net/address.ts";
import { host, link, network, origin, route, veth } from "./build.ts";
import { answer, ask } from "./reach.ts";
import { requireKernel } from "./require-kernel.ts";

requireKernel();
let kernel: Kernel;
beforeEach(() => {
  kernel = new Kernel();
});
afterEach(() => kernel.close());

const to = (
  destination: string,
  port = 80,
  more: { readonly source?: string; readonly sourcePort?: number; readonly tos?: number } = {},
) => ({
  destination: mustAddress(destination),
  port,
  ...(more.source === undefined ? {} : { source: mustAddress(more.source) }),
  ...(more.sourcePort === undefined ? {} : { sourcePort: more.sourcePort }),
  ...(more.tos === undefined ? {} : { tos: more.tos }),
});

/** A node with pods on one bridge, whose ports are isolated; the bridge answers ARP for the pods. */
function bridged(ruleSet: readonly Table[] = []) {
  const pods = [2, 3].map((number) =>
    host(`pod${number}`, [veth("eth0", `node veth${number}`, [`10.244.0.${number}/24`])], {
      routes: [route("0.0.0.0/0", { via: "10.244.0.1" })],
    }),
  );
  const port = { bridge: "cbr0", hairpin: true, isolated: true };
  const node = host(
    "node",
    [
      link("bridge", "cbr0", ["10.244.0.1/24"], { proxyArp: true }),
      ...[2, 3].map((number) => veth(`veth${number}`, `pod${number} eth0`, [], { port })),
    ],
    { forwarding: true, ruleSet },
  );
  return network(node, ...pods);
}

const count: Table = {
  family: "ip",
  name: "count",
  chains: [
    {
      name: "forward",
      base: { type: "filter", hook: "forward", priority: priorities.filter, policy: "accept" },
      rules: [
        {
          matches: [{ kind: "value", field: "ct state", op: "==", values: ["new"] }],
          statements: [{ kind: "update-set", fields: ["ip saddr"], set: "forwarded" }],
          origin,
        },
      ],
    },
  ],
  sets: [{ name: "forwarded", key: ["ipv4_addr"], dynamicTimeoutSeconds: 600, elements: [] }],
  maps: [],
};

describe("pods on one isolated bridge", () => {
  test("talk through the node, which routes and tracks their packets", async () => {
    expect(kernel.apply(bridged([count]))).toMatchObject({ errors: [], waiting: [] });
    const server = await answer("pod3", 80);
    expect(await ask("pod2", to("10.244.0.3"))).toMatchObject({ source: "10.244.0.2" });
    server.close();
    expect(kernel.observe("node").ruleSet).toContain("10.244.0.2");
    // The other pod is where the bridge is.
    const bridge = kernel.observe("node").links.find((one) => one.name === "cbr0");
    expect(kernel.observe("pod2").neighbours.find((one) => one.address === "10.244.0.3")?.mac).toBe(bridge?.mac);
  });

  test("reach themselves when the node translates", async () => {
    const translate: readonly Rule[] = [
      {
        matches: [{ kind: "value", field: "ip daddr", op: "==", values: ["10.0.0.10"] }],
        statements: [{ kind: "dnat", to: { address: mustAddress("10.244.0.2"), port: 80 } }],
        origin,
      },
    ];
    const hairpin: readonly Rule[] = [
      { matches: [{ kind: "value", field: "ct status", op: "==", values: ["dnat"] }], statements: [{ kind: "masquerade" }], origin },
    ];
    const table: Table = {
      family: "ip",
      name: "service",
      chains: [
        { name: "in", base: { type: "nat", hook: "prerouting", priority: priorities.dstnat, policy: "accept" }, rules: translate },
        { name: "out", base: { type: "nat", hook: "postrouting", priority: priorities.srcnat, policy: "accept" }, rules: hairpin },
      ],
      sets: [],
      maps: [],
    };
    expect(kernel.apply(bridged([table])).errors).toEqual([]);
    const server = await answer("pod2", 80);
    expect(await ask("pod2", to("10.0.0.10", 8080))).toMatchObject({
      source: "10.244.0.1",
      destination: "10.244.0.2",
      destinationPort: 80,
    });
    server.close();
    const flow = connections("node").find((one) => one.original.destinationPort === 8080);
    expect(flow).toMatchObject({
      original: { protocol: 6, source: "10.244.0.2", destination: "10.0.0.10" },
      reply: { protocol: 6, source: "10.244.0.2", sourcePort: 80, destination: "10.244.0.1" },
      status: expect.arrayContaining<Connection["status"][number]>(["seenReply", "snat", "dnat"]),
      mark: 0,
    });
    expect(flow?.timeoutSeconds).toBeGreaterThan(0);
    forgetConnections("node");
    expect(connections("node")).toEqual([]);
  });
});

describe("a discard interface", () => {
  const fabric = host(
    "fabric",
    [veth("nic", "machine eth0", [], { proxyArp: true }), link("discard", "nowhere"), link("loopback", "lo", ["10.240.0.1/32"])],
    {
      forwarding: true,
      routes: [route("10.240.0.0/16", { dev: "nowhere", table: 1 }), route("10.240.0.4/32", { dev: "nic", table: 1 })],
      rules: [{ priority: 100, family: 4, table: 1, origin }],
    },
  );
  const machine = host("machine", [veth("eth0", "fabric nic", ["10.240.0.4/16"])]);

  test("is behind the ARP answers for what nobody has, and swallows packets in silence", async () => {
    expect(kernel.apply(network(fabric, machine)).errors).toEqual([]);
    expect(await ask("machine", to("10.240.9.9"), 400)).toBe("timeout");
    const entry = kernel.observe("machine").neighbours.find((one) => one.address === "10.240.9.9");
    const nic = kernel.observe("fabric").links.find((one) => one.name === "nic");
    expect(entry?.mac).toBe(nic?.mac);
    expect(kernel.observe("fabric").links.find((one) => one.name === "nowhere")).toMatchObject({ kind: "veth", noArp: true, up: true });
  });

  test("is different from a black hole, for which nobody answers ARP", async () => {
    const hole = {
      ...fabric,
      routes: [route("10.240.0.0/16", { type: "blackhole", table: 1 }), route("10.240.0.4/32", { dev: "nic", table: 1 })],
    };
    expect(kernel.apply(network(hole, machine)).errors).toEqual([]);
    await ask("machine", to("10.240.9.9"), 400);
    expect(kernel.observe("machine").neighbours.find((one) => one.address === "10.240.9.9")?.mac).toBeUndefined();
  });
});

describe("sockets in a host", () => {
  test("show the source address, port and type of service that they were given", async () => {
    const ends = network(
      host("one", [veth("eth0", "two eth0", ["10.1.0.1/24", "10.1.0.9/24"])]),
      host("two", [veth("eth0", "one eth0", ["10.1.0.2/24"])]),
    );
    expect(kernel.apply(ends).errors).toEqual([]);
    const server = await answer("two", 80);
    const trace = new NftTrace("two", { dscp: 46, destinationPort: 80, protocol: "tcp" });
    expect(await ask("one", to("10.1.0.2", 80, { source: "10.1.0.9", sourcePort: 4242, tos: 46 << 2 }))).toMatchObject({
      source: "10.1.0.9",
      sourcePort: 4242,
    });
    expect(await ask("one", to("10.1.0.2", 80, { source: "10.1.0.9" }))).toMatchObject({ source: "10.1.0.9" });
    const first = trace.drain()[0];
    trace.close();
    expect(first).toMatchObject({
      type: "checkpoint",
      chain: "prerouting",
      tuple: { source: "10.1.0.9", sourcePort: 4242, destination: "10.1.0.2", destinationPort: 80 },
    });
    server.close();
    expect(await ask("one", to("10.99.0.1"))).toBe("ENETUNREACH");
  });

  test("take datagrams", async () => {
    expect(kernel.apply(bridged()).errors).toEqual([]);
    const receiver = createSocket("udp4");
    const sender = createSocket("udp4");
    const received = new Promise((resolve) => receiver.on("message", (message, from) => resolve([message.toString(), from.address])));
    await new Promise<void>((resolve) => receiver.bind({ fd: udpBind("pod3", { port: 53 }) }, resolve));
    await new Promise<void>((resolve) => sender.bind({ fd: udpBind("pod2", { port: 0 }) }, resolve));
    sender.send("hello", 53, "10.244.0.3");
    expect(await received).toEqual(["hello", "10.244.0.2"]);
    receiver.close();
    sender.close();
  });
});

test("a trace tells rules with their comments, verdicts, and the packet before and after translation", async () => {
  const table: Table = {
    family: "ip",
    name: "nat",
    chains: [
      {
        name: "pre",
        base: { type: "nat", hook: "prerouting", priority: priorities.dstnat, policy: "accept" },
        rules: [
          {
            matches: [],
            statements: [{ kind: "verdict", verdict: "jump", chain: "service" }],
            origin: { resource: "r", reason: "to services" },
          },
        ],
      },
      {
        name: "service",
        rules: [
          {
            matches: [{ kind: "value", field: "ip daddr", op: "==", values: ["10.9.9.9"] }],
            statements: [{ kind: "dnat", to: { address: mustAddress("10.2.0.2") } }],
            origin,
          },
        ],
      },
      {
        name: "post",
        base: { type: "nat", hook: "postrouting", priority: priorities.srcnat, policy: "accept" },
        rules: [{ matches: [], statements: [{ kind: "masquerade" }], origin: { resource: "r", reason: "leaves" } }],
      },
    ],
    sets: [],
    maps: [],
  };
  const ends = network(
    host("router", [veth("r1", "one eth0", ["10.1.0.1/24"]), veth("r2", "two eth0", ["10.2.0.1/24"])], {
      forwarding: true,
      ruleSet: [table],
    }),
    host("one", [veth("eth0", "router r1", ["10.1.0.2/24"])], { routes: [route("0.0.0.0/0", { via: "10.1.0.1" })] }),
    host("two", [veth("eth0", "router r2", ["10.2.0.2/24"])]),
  );
  expect(kernel.apply(ends).errors).toEqual([]);
  const server = await answer("two", 80);
  const trace = new NftTrace("router", { source: mustAddress("10.1.0.2") });
  expect(await ask("one", to("10.9.9.9"))).toMatchObject({ source: "10.2.0.1" });
  const events = trace.drain();
  trace.close();
  server.close();
  const packet = events[0]?.packet;
  const told = events
    .filter((event) => event.packet === packet)
    .map((event) =>
      [
        event.type,
        event.first === true ? "first" : "",
        event.chain,
        event.verdict,
        event.target,
        event.rule?.comment,
        event.tuple && `${event.tuple.source} to ${event.tuple.destination}`,
        event.iif,
        event.oif,
      ]
        .filter((part) => part !== undefined && part !== "")
        .join(", "),
    );
  expect(told).toEqual([
    "checkpoint, first, prerouting, accept, 10.1.0.2 to 10.9.9.9, r1",
    "rule, pre, jump, service, to services, 10.1.0.2 to 10.9.9.9, r1",
    "rule, service, accept, a test wants it",
    "checkpoint, prerouting, accept, 10.1.0.2 to 10.2.0.2, r1",
    "checkpoint, forward, accept, 10.1.0.2 to 10.2.0.2, r1, r2",
    "rule, post, accept, leaves, 10.1.0.2 to 10.2.0.2, r1, r2",
    "checkpoint, postrouting, accept, 10.2.0.1 to 10.2.0.2, r1, r2",
  ]);
  expect(kernel.observe("router").ruleSet).not.toContain("drydock-trace");
});

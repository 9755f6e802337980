/** A machine reaches a web server's virtual address through a firewall, which one fabric joins: so the fabric sees each packet twice. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Listener } from "../../src/ir/network.ts";
import { priorities, type Table } from "../../src/ir/ruleset.ts";
import { Kernel, within } from "../../src/kernel/index.ts";
import { mustAddress } from "../../src/net/address.ts";
import type { Tuple } from "../../src/trace/result.ts";
import { type Observation, type ObservedPass, observe } from "../../src/world/observe.ts";
import { StandIns } from "../../src/world/stand-in.ts";
import { host, link, network, origin, route, rule, veth } from "./build.ts";
import { requireKernel } from "./require-kernel.ts";

requireKernel();

const client = "vm/client";
const fabric = "vnet/hub";
const firewall = "vm/firewall";
const web = "vm/web";
const hosts = [web, firewall, fabric, client];
const source = mustAddress("10.0.1.2");
const virtual = mustAddress("10.9.0.1");

const translation: Table = {
  family: "ip",
  name: "firewall",
  chains: [
    {
      name: "in",
      base: { type: "nat", hook: "prerouting", priority: priorities.dstnat, policy: "accept" },
      rules: [
        {
          matches: [{ kind: "value", field: "ip daddr", op: "==", values: [virtual] }],
          statements: [{ kind: "dnat", to: { address: mustAddress("10.0.2.2") } }],
          origin: { resource: "/firewall", reason: "virtual address of web" },
        },
      ],
    },
    {
      name: "guard",
      base: { type: "filter", hook: "forward", priority: priorities.filter, policy: "accept" },
      rules: [
        {
          matches: [
            { kind: "value", field: "meta l4proto", op: "==", values: ["tcp"] },
            { kind: "value", field: "th dport", op: "==", values: [81] },
          ],
          statements: [{ kind: "verdict", verdict: "drop" }],
          origin: { resource: "/firewall", reason: "port 81 is closed" },
        },
      ],
    },
    {
      name: "out",
      base: { type: "nat", hook: "postrouting", priority: priorities.srcnat, policy: "accept" },
      rules: [{ matches: [], statements: [{ kind: "masquerade" }], origin: { resource: "/firewall", reason: "hides clients" } }],
    },
  ],
  sets: [],
  maps: [],
};

const all = network(
  host(client, [veth("eth0", `${fabric} client`, ["10.0.1.2/24"])], { routes: [route("0.0.0.0/0", { via: "10.0.1.1" })] }),
  host(
    fabric,
    [
      veth("client", `${client} eth0`, ["10.0.1.1/24"]),
      veth("web", `${web} eth0`, ["10.0.2.1/24"]),
      veth("firewall", `${firewall} eth0`, ["10.0.3.1/24"]),
    ],
    {
      forwarding: true,
      rules: [rule(100, 100, { iif: "client" })],
      routes: [
        route("0.0.0.0/0", { via: "10.0.3.4", dev: "firewall", table: 100 }),
        route("10.66.0.0/16", { type: "blackhole", table: 100 }),
      ],
    },
  ),
  host(firewall, [veth("eth0", `${fabric} firewall`, ["10.0.3.4/24"])], {
    forwarding: true,
    routes: [route("0.0.0.0/0", { via: "10.0.3.1" })],
    ruleSet: [translation],
  }),
  host(web, [veth("eth0", `${fabric} web`, ["10.0.2.2/24"])], { routes: [route("0.0.0.0/0", { via: "10.0.2.1" })] }),
);

function identity(protocol: "tcp" | "udp", port: number): Listener {
  return { protocol, port, answer: { kind: "identity", as: web }, origin };
}

const kernel = new Kernel();
const standIns = new StandIns(within);

beforeAll(() => {
  expect(kernel.apply(all).errors).toEqual([]);
  expect(standIns.set(web, [identity("tcp", 80), identity("udp", 53), identity("tcp", 81)])).toEqual([]);
});

afterAll(() => {
  standIns.close();
  kernel.close();
});

function see(packet: Partial<Tuple>, timeoutMs = 2000): Promise<Observation> {
  return observe(
    within,
    { from: client, packet: { protocol: "tcp", source, destination: virtual, destinationPort: 80, ...packet }, hosts, timeoutMs },
    all,
  );
}

/** "vm/firewall eth0>eth0 10.0.1.2 > 10.9.0.1 becomes 10.0.3.4 > 10.0.2.2" */
function way(passes: readonly ObservedPass[]): readonly string[] {
  return passes.map(({ host: name, inInterface = "", outInterface = "", before, after, end }) => {
    const [was, is] = [before, after].map((tuple) => `${tuple.source} > ${tuple.destination}`);
    return `${name} ${inInterface}>${outInterface} ${was}${was === is ? "" : ` becomes ${is}`}${end === "left" ? "" : `: ${end}`}`;
  });
}

const forward = [
  "vm/client >eth0 10.0.1.2 > 10.9.0.1",
  "vnet/hub client>firewall 10.0.1.2 > 10.9.0.1",
  "vm/firewall eth0>eth0 10.0.1.2 > 10.9.0.1 becomes 10.0.3.4 > 10.0.2.2",
  "vnet/hub firewall>web 10.0.3.4 > 10.0.2.2",
  "vm/web eth0> 10.0.3.4 > 10.0.2.2: delivered",
];
const reply = [
  "vm/web >eth0 10.0.2.2 > 10.0.3.4",
  "vnet/hub web>firewall 10.0.2.2 > 10.0.3.4",
  "vm/firewall eth0>eth0 10.0.2.2 > 10.0.3.4 becomes 10.9.0.1 > 10.0.1.2",
  "vnet/hub firewall>client 10.9.0.1 > 10.0.1.2",
  "vm/client eth0> 10.9.0.1 > 10.0.1.2: delivered",
];

describe.each([
  ["tcp", 80],
  ["udp", 53],
] as const)("%s", (protocol, destinationPort) => {
  test("the packet and its reply, host by host, with the rules that they met", async () => {
    const seen = await see({ protocol, destinationPort });
    expect(seen.result).toMatchObject({ outcome: "answered", receiver: web, source: { address: "10.0.3.4" } });
    expect(seen.packet.sourcePort).toBe(seen.result.sourcePort);
    expect(way(seen.forward)).toEqual(forward);
    expect(way(seen.reply)).toEqual(reply);
    expect(seen.lost).toBe(false);
    const comments = seen.forward[2]?.events.flatMap(({ rule: met }) => met?.comment ?? []);
    expect(comments?.join()).toMatch(/virtual address of web.*hides clients/);
  });

  test("the hosts' connection tracking of just this flow", async () => {
    const seen = await see({ protocol, destinationPort, sourcePort: 30_005 });
    const translated = seen.connections.filter(({ host: name }) => name === firewall);
    expect(translated).toMatchObject([
      {
        connection: {
          original: { source, sourcePort: 30_005, destination: virtual, destinationPort },
          reply: { source: "10.0.2.2", destination: "10.0.3.4" },
        },
      },
    ]);
  });
});

test("a ping", async () => {
  const seen = await see({ protocol: "icmp" });
  expect(seen.result.outcome).toBe("answered");
  expect(way(seen.forward)).toEqual(forward);
  expect(way(seen.reply)).toEqual(reply);
  expect(seen.connections.map(({ host: name }) => name)).toContain(firewall);
});

test("a packet that a rule drops: where, and by which rule", async () => {
  const seen = await see({ destinationPort: 81 }, 100);
  expect(seen.result.outcome).toBe("timeout");
  expect(way(seen.forward)).toEqual([
    ...forward.slice(0, 2),
    "vm/firewall eth0>eth0 10.0.1.2 > 10.9.0.1 becomes 10.0.1.2 > 10.0.2.2: dropped",
  ]);
  expect(seen.forward.at(-1)?.events.at(-1)?.rule?.comment).toContain("port 81 is closed");
  expect(seen.reply).toEqual([]);
});

test("a packet without a way", async () => {
  const seen = await see({ destination: mustAddress("10.66.0.1") }, 100);
  expect(way(seen.forward)).toEqual(["vm/client >eth0 10.0.1.2 > 10.66.0.1", "vnet/hub client> 10.0.1.2 > 10.66.0.1: unrouted"]);
});

test("several at a time wait for one another, and nothing of them stays in the hosts", async () => {
  const seen = await Promise.all([see({}), see({ protocol: "udp", destinationPort: 53 }), see({ protocol: "sctp" })]);
  expect(seen.map(({ result }) => result.outcome)).toEqual(["answered", "answered", "unsupported"]);
  expect(way(seen[0]?.forward ?? [])).toEqual(forward);
  for (const name of hosts) expect(kernel.observe(name).ruleSet).not.toContain("nftrace");
});

test("a host that does not exist fails it, and nothing stays in the others", async () => {
  const packet: Tuple = { protocol: "tcp", source, destination: virtual, destinationPort: 80 };
  await expect(observe(within, { from: client, packet, hosts: [...hosts, "vm/nobody"] }, all)).rejects.toThrow("ENOENT");
  for (const name of hosts) expect(kernel.observe(name).ruleSet).not.toContain("nftrace");
  expect((await see({})).result.outcome).toBe("answered");
});

test("the way through a bridge, whose ports reach one another by the node only", async () => {
  const [one, two, node] = ["pod/shop/default/one", "pod/shop/default/two", "node/shop/a"];
  const port = { bridge: "cbr0", hairpin: true, isolated: true };
  const pod = (name: string, end: string, address: string) =>
    host(name, [veth("eth0", `${node} ${end}`, [address])], { routes: [route("0.0.0.0/0", { via: "10.244.0.1" })] });
  const bridged = network(
    pod(one, "veth1", "10.244.0.2/24"),
    pod(two, "veth2", "10.244.0.3/24"),
    host(
      node,
      [
        link("bridge", "cbr0", ["10.244.0.1/24"], { proxyArp: true }),
        veth("veth1", `${one} eth0`, [], { port }),
        veth("veth2", `${two} eth0`, [], { port }),
      ],
      { forwarding: true },
    ),
  );
  expect(kernel.apply(bridged).errors).toEqual([]);
  expect(standIns.set(two, [identity("tcp", 80)])).toEqual([]);
  const packet: Tuple = {
    protocol: "tcp",
    source: mustAddress("10.244.0.2"),
    destination: mustAddress("10.244.0.3"),
    destinationPort: 80,
  };
  const seen = await observe(within, { from: one, packet, hosts: [two, node, one] }, bridged);
  expect(way(seen.forward)).toEqual([
    `${one} >eth0 10.244.0.2 > 10.244.0.3`,
    `${node} cbr0>cbr0 10.244.0.2 > 10.244.0.3`,
    `${two} eth0> 10.244.0.2 > 10.244.0.3: delivered`,
  ]);
  expect(seen.reply.map(({ host: name }) => name)).toEqual([two, node, one]);
});

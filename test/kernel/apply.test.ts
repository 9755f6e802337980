/** Applying networks to a real kernel: once, twice, changed, in part, and what it refuses. */

import { existsSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Network } from "../../src/ir/network.ts";
import { Kernel } from "../../src/kernel/kernel.ts";
import { namespacePath, within } from "../../src/kernel/namespaces.ts";
import type { ObservedHost } from "../../src/kernel/observe.ts";
import type { ApplyReport } from "../../src/kernel/report.ts";
import { readSetting } from "../../src/kernel/settings.ts";
import { mustAddress } from "../../src/net/address.ts";
import { address, host, link, neighbour, network, origin, route, rule, veth } from "./build.ts";
import { answer, ask } from "./reach.ts";
import { requireKernel } from "./require-kernel.ts";

requireKernel();
let kernel: Kernel;
beforeEach(() => {
  kernel = new Kernel();
});
afterEach(() => kernel.close());

const nothing: ApplyReport = { operations: 0, made: [], changed: [], removed: [], errors: [], waiting: [] };

function applied(to: Network): void {
  const report = kernel.apply(to);
  expect({ errors: report.errors, waiting: report.waiting }).toEqual({ errors: [], waiting: [] });
  expect(kernel.apply(to)).toEqual(nothing);
}

const routesOf = (observed: ObservedHost): readonly string[] =>
  observed.routes
    .filter((one) => !one.connected)
    .map(({ table, type, dst, via, dev, onlink, src, metric }) =>
      [
        table,
        type,
        dst,
        via && `via ${via}`,
        dev && `dev ${dev}`,
        onlink && "onlink",
        src && `src ${src}`,
        metric > 0 && `metric ${metric}`,
      ]
        .filter(Boolean)
        .join(" "),
    );
const addressesOf = (observed: ObservedHost, name: string): readonly string[] =>
  observed.links.find((one) => one.name === name)?.addresses.map((one) => `${one.address}/${one.prefixLength}`) ?? [];

const router = host("router", [veth("r1", "one eth0", ["10.1.0.1/24"]), veth("r2", "two eth0", ["10.2.0.1/24"])], { forwarding: true });
const one = host("one", [veth("eth0", "router r1", ["10.1.0.2/24"])], { routes: [route("0.0.0.0/0", { via: "10.1.0.1" })] });
const two = host("two", [veth("eth0", "router r2", ["10.2.0.2/24"])], { routes: [route("0.0.0.0/0", { via: "10.2.0.1" })] });
const line = network(router, one, two);

test("two hosts talk through a router, and a port where nothing listens refuses", async () => {
  applied(line);
  const server = await answer("two", 80);
  expect(await ask("one", { destination: mustAddress("10.2.0.2"), port: 80 })).toMatchObject({
    source: "10.1.0.2",
    destination: "10.2.0.2",
  });
  expect(await ask("one", { destination: mustAddress("10.2.0.2"), port: 81 })).toBe("ECONNREFUSED");
  server.close();
});

test("equal networks made of other objects need no operation", () => {
  applied(line);
  const copy = network(...line.names().map((name) => structuredClone(line.host(name)) ?? one));
  expect(kernel.apply(copy)).toEqual(nothing);
});

test("only the named hosts are looked at", () => {
  applied(line);
  const changed = network(router, { ...one, routes: [] }, { ...two, routes: [] });
  expect(kernel.apply(changed, ["one"]).changed).toEqual(["one"]);
  expect(routesOf(kernel.observe("one"))).toEqual([]);
  expect(routesOf(kernel.observe("two"))).toEqual(["254 unicast 0.0.0.0/0 via 10.2.0.1 dev eth0"]);
});

test("in slices of one host", () => {
  expect([...kernel.applySteps(line)]).toEqual(["one", "two", "router"]);
  const steps = kernel.applySteps(network(router, one));
  steps.next();
  expect(() => kernel.apply(line)).toThrow("under way");
  steps.return({ ...nothing });
  expect(kernel.apply(line).errors).toEqual([]);
});

describe("reads back", () => {
  test("routes of all kinds, in tables with large numbers too", () => {
    const routes = [
      route("0.0.0.0/0", { via: "10.1.0.1", src: "10.1.0.9", metric: 50 }),
      route("0.0.0.0/0", { via: "10.1.0.1", metric: 100, table: 3232235777 }),
      route("10.7.0.0/16", { type: "blackhole" }),
      route("10.7.0.0/16", { type: "unreachable", table: 100 }),
      route("10.8.0.0/16", { type: "throw", table: 100 }),
      route("10.9.0.1/32", { type: "local", dev: "lo", table: 100 }),
      route("10.10.0.0/16", { dev: "eth0" }),
      route("10.11.0.0/16", { dev: "eth0", via: "192.0.2.1", onlink: true }),
      route("fd00:9::/64", { dev: "eth0", via: "fd00:1::1" }),
      route("fd00:a::/64", { type: "blackhole", metric: 7 }),
    ];
    const wanted = host("one", [veth("eth0", "router r1", ["10.1.0.2/24", "10.1.0.9/24", "fd00:1::2/64"])], { routes });
    const other = host("router", [veth("r1", "one eth0", ["10.1.0.1/24", "fd00:1::1/64"])]);
    applied(network(wanted, other));
    expect(routesOf(kernel.observe("one"))).toEqual([
      "100 unreachable 10.7.0.0/16",
      "100 throw 10.8.0.0/16",
      "100 local 10.9.0.1/32 dev lo",
      "254 unicast 0.0.0.0/0 via 10.1.0.1 dev eth0 src 10.1.0.9 metric 50",
      "254 unicast 10.10.0.0/16 dev eth0",
      "254 unicast 10.11.0.0/16 via 192.0.2.1 dev eth0 onlink",
      "254 blackhole 10.7.0.0/16",
      "254 unicast fd00:9::/64 via fd00:1::1 dev eth0",
      "254 blackhole fd00:a::/64 metric 7",
      "3232235777 unicast 0.0.0.0/0 via 10.1.0.1 dev eth0 metric 100",
    ]);
    expect(addressesOf(kernel.observe("one"), "eth0")).toEqual(["10.1.0.2/24", "10.1.0.9/24", "fd00:1::2/64"]);
    applied(network({ ...wanted, routes: [] }, other));
    expect(routesOf(kernel.observe("one"))).toEqual([]);
  });

  test("policy rules", () => {
    const rules = [
      rule(100, 100, { iif: "r1" }),
      rule(101, 3232235777, { from: "10.1.0.0/16", to: "10.2.0.0/16" }),
      rule(102, 255, { mark: { value: 5, mask: 0xff } }),
      rule(104, 100, { mark: { value: 0xffffffff, mask: 0xffffffff } }),
      rule(105, 100, { family: 6 }),
    ];
    applied(network({ ...router, rules }, one, two));
    const strip = ({ origin: _, ...rest }: (typeof rules)[number]): object => rest;
    expect(kernel.observe("router").rules).toEqual(rules.map(strip));
    applied(network({ ...router, rules: rules.slice(2, 3) }, one, two));
    expect(kernel.observe("router").rules).toEqual(rules.slice(2, 3).map(strip));
  });

  test("permanent neighbours, and those that need no asking", () => {
    const neighbours = [neighbour("r1", "10.1.0.7", "02:00:00:00:00:07"), neighbour("r1", "fd00::7", "02:00:00:00:00:08")];
    applied(network({ ...router, neighbours }, one, two));
    expect(kernel.observe("router").neighbours).toEqual([
      { dev: "r1", address: "10.1.0.2", mac: "0a:58:0a:01:00:02", state: "permanent", automatic: true },
      { dev: "r1", address: "10.1.0.7", mac: "02:00:00:00:00:07", state: "permanent", automatic: false },
      { dev: "r1", address: "fd00::7", mac: "02:00:00:00:00:08", state: "permanent", automatic: false },
      { dev: "r2", address: "10.2.0.2", mac: "0a:58:0a:02:00:02", state: "permanent", automatic: true },
    ]);
    expect(kernel.observe("one").neighbours).toEqual([
      { dev: "eth0", address: "10.1.0.1", mac: "0a:58:0a:01:00:01", state: "permanent", automatic: true },
    ]);
    // The other end gets another address: this end's entry follows, though nothing of this host changed.
    const moved = { ...one, interfaces: [veth("eth0", "router r1", ["10.1.0.5/24"])] };
    applied(network({ ...router, neighbours }, moved, two));
    expect(kernel.observe("router").neighbours.map((entry) => entry.address)).toEqual(["10.1.0.5", "10.1.0.7", "fd00::7", "10.2.0.2"]);
  });

  test("links: address, size, bridge port, proxy ARP", () => {
    const bridged = host("router", [
      link("bridge", "br0", ["10.1.0.1/24"], { mac: "02:00:00:00:00:01", mtuBytes: 1400, proxyArp: true }),
      veth("r1", "one eth0", [], { port: { bridge: "br0", hairpin: true, isolated: true }, mtuBytes: 1400 }),
    ]);
    const end = host("one", [veth("eth0", "router r1", ["10.1.0.2/24"], { mac: "02:00:00:00:00:02", mtuBytes: 1400 })]);
    applied(network(bridged, end));
    expect(kernel.observe("router").links.map(({ index: _, mac: __, ...rest }) => rest)).toEqual([
      {
        name: "br0",
        kind: "bridge",
        up: true,
        noArp: false,
        mtuBytes: 1400,
        proxyArp: true,
        addresses: [{ address: "10.1.0.1", prefixLength: 24, noPrefixRoute: false }],
      },
      { name: "lo", kind: "loopback", up: true, noArp: false, mtuBytes: 65536, proxyArp: false, addresses: [] },
      {
        name: "r1",
        kind: "veth",
        up: true,
        noArp: false,
        mtuBytes: 1400,
        proxyArp: false,
        addresses: [],
        peer: { host: "one", name: "eth0" },
        port: { bridge: "br0", hairpin: true, isolated: true },
      },
    ]);
    expect(kernel.observe("one").links.find((one) => one.name === "eth0")?.mac).toBe("02:00:00:00:00:02");
    const other = host("router", [
      link("bridge", "br0", ["10.1.0.1/24"], { mac: "02:00:00:00:00:03" }),
      veth("r1", "one eth0", [], { port: { bridge: "br0", hairpin: false, isolated: false } }),
    ]);
    applied(network(other, host("one", [veth("eth0", "router r1", ["10.1.0.2/24"])])));
    const links = kernel.observe("router").links;
    expect(links.find((one) => one.name === "br0")).toMatchObject({ mtuBytes: 1500, mac: "02:00:00:00:00:03", proxyArp: false });
    expect(links.find((one) => one.name === "r1")).toMatchObject({
      mtuBytes: 1500,
      port: { bridge: "br0", hairpin: false, isolated: false },
    });
    applied(network(host("router", [veth("r1", "one eth0", ["10.1.0.1/24"])]), host("one", [veth("eth0", "router r1", ["10.1.0.2/24"])])));
    expect(kernel.observe("router").links.map((one) => [one.name, one.port])).toEqual([
      ["lo", undefined],
      ["r1", undefined],
    ]);
  });

  test("settings: forwarding and what would drop or redirect packets", () => {
    applied(line);
    const settings = (name: string): Record<string, string | undefined> =>
      within(name, () =>
        Object.fromEntries(
          [
            "ipv4/ip_forward",
            "ipv4/conf/all/rp_filter",
            "ipv4/conf/all/send_redirects",
            "ipv4/conf/default/accept_redirects",
            "ipv4/icmp_ratelimit",
            "ipv6/conf/lo/disable_ipv6",
          ].map((path) => [path, readSetting(path)]),
        ),
      );
    expect(settings("router")).toMatchObject({
      "ipv4/ip_forward": "1",
      "ipv4/conf/all/rp_filter": "0",
      "ipv4/conf/all/send_redirects": "0",
      "ipv4/icmp_ratelimit": "0",
    });
    expect(settings("one")).toMatchObject({
      "ipv4/ip_forward": "0",
      "ipv4/conf/default/accept_redirects": "0",
      "ipv6/conf/lo/disable_ipv6": "0",
    });
    applied(network({ ...router, forwarding: false }, { ...one, forwarding: true }, two));
    expect(settings("router")).toMatchObject({ "ipv4/ip_forward": "0", "ipv4/conf/default/accept_redirects": "0" });
    expect(settings("one")).toMatchObject({ "ipv4/ip_forward": "1", "ipv4/conf/all/send_redirects": "0" });
  });
});

describe("changes", () => {
  test("the first address stays the first, and routes survive", () => {
    const version = (...addresses: readonly string[]): Network =>
      network(host("one", [veth("eth0", "router r1", addresses)], { routes: [route("10.50.0.0/16", { dev: "eth0" })] }), {
        ...router,
        interfaces: router.interfaces.slice(0, 1),
      });
    for (const addresses of [
      ["10.1.0.2/24"],
      ["10.1.0.2/24", "10.1.0.3/24", "10.1.0.4/32"],
      ["10.1.0.3/24", "10.1.0.2/24"],
      ["10.1.0.4/32"],
      [],
      ["10.1.0.5/24", "10.1.0.4/32"],
      ["10.1.0.5/24"],
    ]) {
      applied(version(...addresses));
      const found = addressesOf(kernel.observe("one"), "eth0");
      // Linux puts the first of each prefix before the others; what counts is the first of all.
      expect(found[0]).toBe(addresses[0]);
      expect([...found].sort()).toEqual([...addresses].sort());
      expect(routesOf(kernel.observe("one"))).toEqual(["254 unicast 10.50.0.0/16 dev eth0"]);
    }
  });

  test("a link whose other end moves to another host is made anew, with all that stood on it", () => {
    applied(line);
    const three = host("three", [veth("r1", "one eth0", ["10.1.0.1/24"])]);
    const moved = { ...one, interfaces: [veth("eth0", "three r1", ["10.1.0.2/24"])] };
    applied(network({ ...router, interfaces: router.interfaces.slice(1) }, moved, two, three));
    expect(kernel.observe("router").links.map((end) => end.name)).toEqual(["lo", "r2"]);
    expect(kernel.observe("one").links.find((end) => end.name === "eth0")?.peer).toEqual({ host: "three", name: "r1" });
    expect(routesOf(kernel.observe("one"))).toEqual(["254 unicast 0.0.0.0/0 via 10.1.0.1 dev eth0"]);
  });

  test("a host that goes takes its namespace and its links along", () => {
    applied(line);
    const report = kernel.apply(network({ ...router, interfaces: router.interfaces.slice(0, 1) }, one));
    expect(report).toMatchObject({ removed: ["two"], errors: [], waiting: [] });
    expect(existsSync(namespacePath("two"))).toBe(false);
    expect(kernel.observe("router").links.map((end) => end.name)).toEqual(["lo", "r1"]);
  });

  test("a link waits for its other host, and what stands on it waits with it", () => {
    const report = kernel.apply(network(one));
    expect(report.errors).toEqual([]);
    expect(report.waiting.map((waiting) => waiting.element)).toEqual([
      "link eth0: for r1 on router",
      "route unicast 0.0.0.0/0 via 10.1.0.1 dev eth0 table 254",
    ]);
    expect(kernel.apply(network(one)).operations).toBe(0);
    expect(kernel.apply(line, ["router", "two"])).toMatchObject({ errors: [], waiting: [] });
    expect(routesOf(kernel.observe("one"))).toEqual(["254 unicast 0.0.0.0/0 via 10.1.0.1 dev eth0"]);
    expect(kernel.apply(line)).toEqual(nothing);
  });
});

describe("what the kernel refuses", () => {
  test("is reported by element and origin; the rest is applied, and the next apply repairs", () => {
    const because = { resource: "/subnets/a", reason: "the user says so" };
    const bad = { ...route("10.66.0.0/16", { via: "192.0.2.99" }), origin: because };
    const report = kernel.apply(network({ ...one, routes: [bad, ...one.routes] }, router, two));
    expect(report.errors).toMatchObject([
      {
        host: "one",
        kind: "route",
        element: "unicast 10.66.0.0/16 via 192.0.2.99 dev eth0 table 254",
        code: "ENETUNREACH",
        origin: because,
      },
    ]);
    expect(report.errors[0]?.message).toContain("the user says so [/subnets/a]");
    expect(routesOf(kernel.observe("one"))).toEqual(["254 unicast 0.0.0.0/0 via 10.1.0.1 dev eth0"]);
    const mended = network(
      { ...one, interfaces: [veth("eth0", "router r1", ["10.1.0.2/24", "192.0.2.1/24"])], routes: [bad, ...one.routes] },
      router,
      two,
    );
    applied(mended);
    expect(routesOf(kernel.observe("one"))).toHaveLength(2);
  });

  test("a refused rule is named, and leaves the old rules in force", () => {
    const table = (chain: string) =>
      [
        {
          family: "ip",
          name: "t",
          sets: [],
          maps: [],
          chains: [{ name: "c", rules: [{ matches: [], statements: [{ kind: "verdict", verdict: "jump", chain }], origin }] }],
        },
      ] as const;
    applied(
      network(host("solo", [], { ruleSet: [{ family: "ip", name: "t", sets: [], maps: [], chains: [{ name: "old", rules: [] }] }] })),
    );
    const report = kernel.apply(network(host("solo", [], { ruleSet: table("nowhere") })));
    expect(report.errors).toMatchObject([{ host: "solo", kind: "nft", element: "add rule ip t c jump nowhere", code: "ENOENT", origin }]);
    expect(kernel.observe("solo").ruleSet).toContain("chain old");
  });

  test("a link that can't be made is one error, not one for everything on it", () => {
    const long = veth("a-name-that-is-too-long", "router r1", ["10.1.0.2/24"]);
    const report = kernel.apply(
      network(
        host("one", [long], { routes: [route("0.0.0.0/0", { dev: "a-name-that-is-too-long", via: "10.1.0.1" })] }),
        host("router", [veth("r1", "one a-name-that-is-too-long")]),
      ),
    );
    expect(report.errors).toHaveLength(1);
    expect(report.errors[0]).toMatchObject({ kind: "interface" });
    expect(kernel.observe("router").links.map((end) => end.name)).toEqual(["lo"]);
  });
});

test("a host's name may contain anything", () => {
  const names = ["node/shop/aks-np1", "..", "a b\n'\"$(x)", "ü", "x".repeat(300), `${"x".repeat(300)}y`];
  applied(network(...names.map((name) => host(name, [link("loopback", "lo", ["10.0.0.1/32"])]))));
  for (const name of names) expect(addressesOf(kernel.observe(name), "lo")).toEqual(["10.0.0.1/32"]);
  expect(address("10.0.0.1/32").prefixLength).toBe(32);
});

import { describe, expect, it } from "vitest";
import type { Network } from "../ir/network.ts";
import { priorities, type Statement } from "../ir/ruleset.ts";
import { formatIpv4 } from "../net/address.ts";
import type { Path } from "./result.ts";
import {
  accept,
  base,
  bridge,
  chain,
  discard,
  drop,
  element,
  goBack,
  goto,
  host,
  ip,
  is,
  isNot,
  jump,
  loopback,
  masquerade,
  networkOf,
  packet,
  rule,
  table,
  tupleText,
  veth,
} from "./testing/network.ts";
import { Tracer } from "./tracer.ts";

/** client 10.1.0.2 - (c) router (s) - 10.2.0.2 server, which listens on 80/tcp and 53/udp. */
function routed(router: Parameters<typeof host>[1] = {}, server: Parameters<typeof host>[1] = {}): Network {
  return networkOf(
    host("client", { interfaces: [veth("eth0", "router c", ["10.1.0.2/24"])], routes: ["default via 10.1.0.1 dev eth0"] }),
    host("router", {
      forwarding: true,
      ...router,
      interfaces: [veth("c", "client eth0", ["10.1.0.1/24"]), veth("s", "server eth0", ["10.2.0.1/24"]), ...(router.interfaces ?? [])],
    }),
    host("server", {
      routes: ["default via 10.2.0.1 dev eth0"],
      listen: ["80/tcp", "53/udp"],
      ...server,
      interfaces: [veth("eth0", "router s", ["10.2.0.2/24", ...(server.interfaces === undefined ? [] : [])])],
    }),
  );
}

function only(network: Network, text: string, from = "client", options: Parameters<Tracer["trace"]>[2] = {}): Path {
  const [path, ...more] = new Tracer(network).trace(from, packet(text), options);
  if (path === undefined || more.length > 0) throw new Error(`expected one path, not ${1 + more.length}`);
  return path;
}

function hostsOf(path: Omit<Path, "weight">): string {
  return path.hops.map((hop) => hop.host).join(" ");
}

function seen(path: Path): string | undefined {
  return path.received === undefined ? undefined : tupleText(path.received);
}

function kinds(path: Omit<Path, "weight">): string[] {
  return path.hops.flatMap((hop) => hop.steps.map((step) => step.kind));
}

const nat = (hook: "prerouting" | "postrouting" | "output" | "input", ...rules: Parameters<typeof base>[3]) =>
  table("nat", [base("nat", hook, hook === "postrouting" || hook === "input" ? priorities.srcnat : priorities.dstnat, rules)]);
const filter = (hook: "prerouting" | "input" | "forward" | "output" | "postrouting", ...rules: Parameters<typeof base>[3]) =>
  table("filter", [base("filter", hook, priorities.filter, rules)]);

describe("dispositions", () => {
  it("delivered: there and back through a router", () => {
    const path = only(routed(), "tcp > 10.2.0.2:80");
    expect(path.outcome).toBe("delivered");
    expect(path.weight).toBe(1);
    expect(hostsOf(path)).toBe("client router server");
    expect(path.hops[1]).toMatchObject({ inInterface: "c", outInterface: "s" });
    expect(seen(path)).toBe("tcp 10.1.0.2:32768 > 10.2.0.2:80");
    expect(path.received?.host).toBe("server");
    expect(path.return).toMatchObject({ outcome: "delivered" });
    expect(hostsOf(path.return ?? path)).toBe("server router client");
    expect(path.decidedBy).toBeUndefined();
  });

  it("delivered: an echo request", () => {
    expect(only(routed(), "icmp > 10.2.0.2")).toMatchObject({ outcome: "delivered", return: { outcome: "delivered" } });
  });

  it("refused: nothing listens", () => {
    const path = only(routed(), "tcp > 10.2.0.2:81");
    expect(path).toMatchObject({
      outcome: "refused",
      decidedBy: { host: "server", element: "listeners" },
      received: { destinationPort: 81 },
    });
    expect(only(routed(), "udp > 10.2.0.2:80").outcome).toBe("refused");
  });

  it("refused: the listener is on another address", () => {
    expect(only(routed({}, { listen: ["10.9.9.9:80/tcp"] }), "tcp > 10.2.0.2:80").outcome).toBe("refused");
    expect(only(routed({}, { listen: ["10.2.0.2:80/tcp"] }), "tcp > 10.2.0.2:80").outcome).toBe("delivered");
  });

  it("rejected and dropped: by a rule, with its origin", () => {
    const rejecting = routed({ tables: [filter("forward", rule([is("th dport", 80)], { kind: "reject", with: "tcp reset" }))] });
    expect(only(rejecting, "tcp > 10.2.0.2:80")).toMatchObject({
      outcome: "rejected",
      decidedBy: { host: "router", element: "chain filter filter-forward", origin: { reason: "reject" } },
    });
    const dropping = routed({ tables: [filter("forward", rule([is("ip saddr", ip("10.1.0.2"))], drop))] });
    expect(only(dropping, "tcp > 10.2.0.2:80")).toMatchObject({ outcome: "dropped", decidedBy: { host: "router" } });
  });

  const lost = (network: Network, text: string) => {
    const { news } = only(network, text);
    return news === undefined
      ? undefined
      : `${news.message}, ${news.heard ? "heard" : `not heard: ${news.way?.outcome}`}, ${news.way?.hops.map(({ host, before }) => `${host} ${tupleText(before)}`).join("; ")}`;
  };

  it("news of a rejection: a reset pretends to be the destination, an ICMP error is the rejecting host's own", () => {
    const rejecting = (with_: "tcp reset" | "icmp admin-prohibited") =>
      routed({ tables: [filter("forward", rule([is("meta l4proto", "tcp"), is("th dport", 80)], { kind: "reject", with: with_ }))] });
    expect(lost(rejecting("tcp reset"), "tcp > 10.2.0.2:80")).toBe(
      "tcp reset, heard, router tcp 10.2.0.2:80 > 10.1.0.2:32768; client tcp 10.2.0.2:80 > 10.1.0.2:32768",
    );
    expect(lost(rejecting("icmp admin-prohibited"), "tcp > 10.2.0.2:80")).toBe(
      "icmp admin-prohibited, heard, router icmp 10.1.0.1 > 10.1.0.2; client icmp 10.1.0.1 > 10.1.0.2",
    );
  });

  it("news of a refusal: datagrams by ICMP, from the address that they were for", () => {
    expect(lost(routed(), "udp > 10.2.0.2:81")).toContain("icmp port-unreachable, heard, server icmp 10.2.0.2 > 10.1.0.2;");
    expect(lost(routed(), "tcp > 10.2.0.2:81")).toContain("tcp reset, heard, server tcp 10.2.0.2:81 > 10.1.0.2:32768;");
  });

  it("news may be lost like any packet", () => {
    const silent = routed({ tables: [filter("forward", rule([is("ip saddr", ip("10.2.0.2"))], drop))] });
    expect(lost(silent, "udp > 10.2.0.2:81")).toContain("icmp port-unreachable, not heard: dropped");
    const pretending = routed({
      tables: [
        filter("output", rule([is("fib saddr type", "unicast")], drop)),
        filter("forward", rule([is("meta l4proto", "tcp")], { kind: "reject", with: "tcp reset" })),
      ],
    });
    expect(lost(pretending, "tcp > 10.2.0.2:80")).toContain("tcp reset, not heard: dropped");
    expect(lost(routed({ tables: [filter("forward", rule([], drop))] }), "tcp > 10.2.0.2:80")).toBeUndefined();
  });

  it("news is related to what it is about, and translated with what it quotes", () => {
    const translating = [
      table("nat", [
        base("nat", "prerouting", priorities.dstnat, [
          rule([is("ip daddr", ip("10.9.9.9"))], { kind: "dnat", to: { address: ip("10.2.0.2") } }),
        ]),
        base("nat", "postrouting", priorities.srcnat, [rule([], masquerade)]),
        base("filter", "forward", 0, [rule([is("ct state", "new", "related")], accept)], "drop"),
      ]),
    ];
    expect(lost(routed({ tables: translating, routes: ["10.9.9.9 via 10.2.0.2 dev s"] }), "udp > 10.9.9.9:81")).toBe(
      "icmp port-unreachable, heard, server icmp 10.2.0.2 > 10.2.0.1; router icmp 10.2.0.2 > 10.2.0.1; client icmp 10.9.9.9 > 10.1.0.2",
    );
  });

  it("asymmetric: the third packet of a handshake is invalid where the second one did not pass", () => {
    const around = networkOf(
      host("client", {
        interfaces: [veth("a", "firewall c", ["10.1.0.2/24"]), veth("b", "server b", ["10.3.0.2/24"])],
        routes: ["default via 10.1.0.1 dev a"],
      }),
      host("firewall", {
        forwarding: true,
        interfaces: [veth("c", "client a", ["10.1.0.1/24"]), veth("s", "server a", ["10.2.0.1/24"])],
        tables: [filter("forward", rule([is("ct state", "invalid")], drop))],
      }),
      host("server", {
        interfaces: [veth("a", "firewall s", ["10.2.0.2/24"]), veth("b", "client b", ["10.3.0.1/24"])],
        routes: ["10.1.0.2 via 10.3.0.2 dev b"],
        listen: ["80/tcp", "53/udp"],
      }),
    );
    expect(only(around, "tcp > 10.2.0.2:80")).toMatchObject({
      outcome: "asymmetric",
      decidedBy: { host: "firewall", element: "chain filter filter-forward", origin: { reason: "drop" } },
      return: { outcome: "delivered" },
      acknowledgement: { outcome: "dropped" },
      parted: { host: "server", there: "firewall", back: "client" },
    });
    expect(only(around, "udp > 10.2.0.2:53").outcome).toBe("delivered");
  });

  it("dropped: by a chain's policy", () => {
    const network = routed({ tables: [table("f", [base("filter", "forward", 0, [rule([is("th dport", 22)], accept)], "drop")])] });
    expect(only(network, "tcp > 10.2.0.2:80")).toMatchObject({ outcome: "dropped", decidedBy: { element: "chain f filter-forward" } });
  });

  it("dropped: a host that does not forward", () => {
    expect(only(routed({ forwarding: false }), "tcp > 10.2.0.2:80")).toMatchObject({
      outcome: "dropped",
      decidedBy: { host: "router", element: "forwarding" },
    });
  });

  it("spoofed and exhausted: a drop that says what it means", () => {
    const spoofed = routed({
      tables: [
        filter(
          "prerouting",
          rule([is("iifname", "c"), isNot("ip saddr", ip("10.1.0.2"))], {
            ...drop,
            kind: "verdict",
            disposition: "spoofed",
            verdict: "drop",
          }),
        ),
      ],
    });
    expect(only(spoofed, "tcp 9.9.9.9:1 > 10.2.0.2:80").outcome).toBe("spoofed");
    expect(only(spoofed, "tcp > 10.2.0.2:80").outcome).toBe("delivered");
  });

  it("no-route: at the sender, at a router, and by an unreachable route", () => {
    expect(only(routed({}, { routes: [] }), "tcp > 10.1.0.2:80", "server")).toMatchObject({
      outcome: "no-route",
      decidedBy: { host: "server", element: "routes" },
    });
    expect(only(routed(), "tcp > 10.3.0.1:80")).toMatchObject({ outcome: "no-route", decidedBy: { host: "router" } });
    expect(only(routed({ routes: ["unreachable 10.3.0.0/24 table 254"] }), "tcp > 10.3.0.1:80")).toMatchObject({
      outcome: "no-route",
      decidedBy: { host: "router", element: "table main" },
    });
  });

  it("black-hole: a blackhole route, and an interface that discards", () => {
    const hole = routed({ routes: ["blackhole 10.3.0.0/24"] });
    expect(only(hole, "tcp > 10.3.0.1:80")).toMatchObject({
      outcome: "black-hole",
      decidedBy: { origin: { reason: "blackhole 10.3.0.0/24" } },
    });
    const nobody = routed({ interfaces: [discard("none")], routes: ["10.3.0.0/24 dev none"] });
    expect(only(nobody, "tcp > 10.3.0.1:80")).toMatchObject({
      outcome: "black-hole",
      decidedBy: { origin: { reason: "10.3.0.0/24 dev none" } },
    });
    expect(only(routed(), "tcp > 10.2.0.255:80").outcome).toBe("black-hole");
  });

  it("no-neighbour: nobody has the address", () => {
    expect(only(routed(), "tcp > 10.2.0.9:80")).toMatchObject({
      outcome: "no-neighbour",
      decidedBy: { host: "router", element: "interface s" },
    });
  });

  it("loop: two routers that send to each other", () => {
    const network = networkOf(
      host("client", { interfaces: [veth("eth0", "a c", ["10.1.0.2/24"])], routes: ["default via 10.1.0.1 dev eth0"] }),
      host("a", {
        forwarding: true,
        interfaces: [veth("c", "client eth0", ["10.1.0.1/24"]), veth("ab", "b ba", ["10.0.0.1/30"])],
        routes: ["default via 10.0.0.2 dev ab"],
      }),
      host("b", { forwarding: true, interfaces: [veth("ba", "a ab", ["10.0.0.2/30"])], routes: ["10.9.0.0/16 via 10.0.0.1 dev ba"] }),
    );
    const path = only(network, "tcp > 10.9.0.1:80");
    expect(path).toMatchObject({ outcome: "loop", decidedBy: { host: "a", element: "table main" } });
    expect(path.hops.length).toBeLessThan(12);
    // What comes back to its own sender is no loop: Linux takes it for a forgery.
    expect(only(network, "tcp > 10.9.0.1:80", "a")).toMatchObject({
      outcome: "dropped",
      decidedBy: { host: "a", element: "source check" },
    });
  });

  it("asymmetric: the reply finds no way, and what decided is said", () => {
    const network = routed({}, { routes: [] });
    const path = only(network, "tcp > 10.2.0.2:80");
    expect(path).toMatchObject({
      outcome: "asymmetric",
      decidedBy: { host: "server", element: "routes" },
      return: { outcome: "no-route" },
      received: { host: "server" },
    });
    expect(only(network, "tcp > 10.2.0.2:80", "client", { return: false }).outcome).toBe("delivered");
  });

  it("asymmetric: the reply comes back with another source", () => {
    const network = networkOf(
      host("client", { interfaces: [veth("eth0", "router c", ["10.1.0.2/24"])], routes: ["default via 10.1.0.1 dev eth0"] }),
      host("router", {
        forwarding: true,
        interfaces: [
          veth("c", "client eth0", ["10.1.0.1/24"]),
          veth("s", "server eth0", ["10.2.0.1/24"]),
          veth("t", "server eth1", ["10.3.0.1/24"]),
        ],
        // Translates there, but the reply goes past it.
        tables: [nat("postrouting", rule([is("oifname", "s")], { kind: "snat", address: ip("10.3.0.77") }))],
        routes: ["10.3.0.77/32 dev t"],
      }),
      host("server", {
        interfaces: [veth("eth0", "router s", ["10.2.0.2/24"]), veth("eth1", "router t", ["10.3.0.2/24"])],
        listen: ["80/tcp"],
      }),
    );
    expect(only(network, "tcp > 10.2.0.2:80")).toMatchObject({ outcome: "asymmetric", decidedBy: { host: "server" } });
  });

  it("a source that is not the sender's own gets no reply", () => {
    expect(only(routed(), "tcp 10.7.7.7:5 > 10.2.0.2:80")).toMatchObject({ outcome: "asymmetric", return: { outcome: "no-route" } });
  });
});

describe("local delivery and sources", () => {
  it("a host reaches itself over the loopback interface", () => {
    for (const target of ["10.2.0.2", "127.0.0.1", "127.9.9.9"]) {
      const path = only(routed(), `tcp > ${target}:80`, "server");
      expect(path, target).toMatchObject({ outcome: "delivered", received: { host: "server", destination: target } });
      expect(hostsOf(path)).toBe("server");
    }
    expect(seen(only(routed(), "tcp > 127.9.9.9:80", "server"))).toBe("tcp 127.0.0.1:32768 > 127.9.9.9:80");
  });

  it("any address of a host is delivered, by whatever interface it came", () => {
    expect(only(routed({ listen: ["80/tcp"] }), "tcp > 10.2.0.1:80")).toMatchObject({ outcome: "delivered", received: { host: "router" } });
  });

  it("the route's preferred source wins over the interface's address", () => {
    const network = routed({
      interfaces: [loopback("10.200.0.1/32")],
      routes: ["10.2.0.0/24 dev s src 10.200.0.1 metric 0 table 100"],
      rules: ["10: to 10.2.0.0/24 table 100"],
    });
    expect(seen(only(network, "tcp > 10.2.0.2:80", "router"))).toBe("tcp 10.200.0.1:32768 > 10.2.0.2:80");
  });

  it("without one, the address in the next hop's prefix, else the first", () => {
    const network = (addresses: readonly string[]) =>
      networkOf(
        host("a", {
          interfaces: [veth("eth0", "b eth0", addresses)],
          routes: ["10.9.0.0/16 via 10.0.2.1 dev eth0 onlink", "10.8.0.0/16 dev eth0"],
        }),
        host("b", { interfaces: [veth("eth0", "a eth0", ["10.0.2.1/24", "10.9.0.1/32", "10.8.0.1/32"])], listen: ["80/tcp"] }),
      );
    const trace = (addresses: readonly string[], to: string) =>
      only(network(addresses), `tcp > ${to}:80`, "a", { return: false }).received?.source;
    expect(trace(["10.0.1.5/24", "10.0.2.5/24"], "10.9.0.1")).toBe("10.0.2.5");
    expect(trace(["10.0.1.5/24", "10.0.2.5/24"], "10.8.0.1")).toBe("10.0.1.5");
    expect(trace(["10.0.2.5/24", "10.0.2.6/24"], "10.9.0.1")).toBe("10.0.2.5");
  });

  it("a packet that claims to come from the receiving host itself is a martian", () => {
    expect(only(routed(), "tcp 10.2.0.2:7 > 10.2.0.2:80")).toMatchObject({
      outcome: "dropped",
      decidedBy: { host: "server", element: "source check" },
    });
    expect(only(routed(), "tcp 10.2.0.1:7 > 10.2.0.2:80")).toMatchObject({ outcome: "dropped", decidedBy: { host: "router" } });
    expect(only(routed(), "tcp 127.0.0.1:7 > 10.2.0.2:80")).toMatchObject({
      outcome: "dropped",
      decidedBy: { host: "client", element: "loopback" },
    });
  });

  it("an address with a prefix on the loopback interface makes the whole prefix local", () => {
    const network = routed({ interfaces: [loopback("10.50.0.1/24")], listen: ["80/tcp"] });
    expect(only(network, "tcp > 10.50.0.77:80")).toMatchObject({ outcome: "delivered", received: { host: "router" } });
  });
});

describe("routing", () => {
  /** Where the router sends what comes from the client: out of "s" or the discarding "none". */
  const decided = (parts: Parameters<typeof host>[1], to = "10.2.0.2") => {
    const path = only(routed({ interfaces: [discard("none")], ...parts }), `tcp > ${to}:80`, "client", { return: false });
    return `${path.outcome}${path.decidedBy === undefined ? "" : ` by ${path.decidedBy.element}`}`;
  };

  it.each<{ name: string; parts: Parameters<typeof host>[1]; want: string }>([
    { name: "longest prefix", parts: { routes: ["blackhole 10.2.0.0/16", "10.2.0.0/23 dev none"] }, want: "delivered" },
    { name: "a longer prefix than the connected one", parts: { routes: ["10.2.0.2/32 dev none"] }, want: "black-hole by table main" },
    { name: "lower metric", parts: { routes: ["blackhole 10.2.0.2/32 metric 20", "10.2.0.2/32 dev s metric 10"] }, want: "delivered" },
    { name: "a rule before main", parts: { rules: ["100: table 7"], routes: ["default dev none table 7"] }, want: "black-hole by table 7" },
    { name: "a table without an answer", parts: { rules: ["100: table 7"], routes: ["10.9.0.0/16 dev none table 7"] }, want: "delivered" },
    {
      name: "throw leaves the table",
      parts: {
        rules: ["100: table 7", "200: table 8"],
        routes: ["default dev none table 7", "throw 10.2.0.0/16 table 7", "unreachable default table 8"],
      },
      want: "no-route by table 8",
    },
    {
      name: "throw down to main",
      parts: { rules: ["100: table 7"], routes: ["default dev none table 7", "throw 10.2.0.0/16 table 7"] },
      want: "delivered",
    },
    {
      name: "rule by incoming interface",
      parts: { rules: ["100: iif c table 7"], routes: ["default dev none table 7"] },
      want: "black-hole by table 7",
    },
    {
      name: "rule by another interface",
      parts: { rules: ["100: iif s table 7"], routes: ["default dev none table 7"] },
      want: "delivered",
    },
    {
      name: "rule by source",
      parts: { rules: ["100: from 10.1.0.0/24 table 7"], routes: ["default dev none table 7"] },
      want: "black-hole by table 7",
    },
    {
      name: "rule by another source",
      parts: { rules: ["100: from 10.1.1.0/24 table 7"], routes: ["default dev none table 7"] },
      want: "delivered",
    },
    {
      name: "rule by destination",
      parts: { rules: ["100: to 10.2.0.2 table 7"], routes: ["default dev none table 7"] },
      want: "black-hole by table 7",
    },
    {
      name: "rule by mark, unmarked",
      parts: { rules: ["100: fwmark 7 table 7"], routes: ["default dev none table 7"] },
      want: "delivered",
    },
    {
      name: "rule by mark, marked before routing",
      parts: {
        rules: ["100: fwmark 7 table 7"],
        routes: ["default dev none table 7"],
        tables: [filter("prerouting", rule([], { kind: "set-mark", target: "meta", value: { kind: "constant", value: 7 } }))],
      },
      want: "black-hole by table 7",
    },
    {
      name: "priority decides",
      parts: { rules: ["200: table 8", "100: table 7"], routes: ["unreachable default table 8", "default dev none table 7"] },
      want: "black-hole by table 7",
    },
    {
      name: "a rule of priority 1 comes before main",
      parts: { rules: ["1: table 7"], routes: ["blackhole default table 7"] },
      want: "black-hole by table 7",
    },
  ])("$name", ({ parts, want }) => expect(decided(parts)).toBe(want));

  it("own addresses come before every rule", () => {
    expect(decided({ rules: ["1: table 7"], routes: ["blackhole default table 7"], listen: ["80/tcp"] }, "10.1.0.1")).toBe("delivered");
  });

  it("a local route takes packets for addresses that no interface has", () => {
    const network = routed({ routes: ["local 10.77.0.0/16"], listen: ["80/tcp"] });
    expect(only(network, "tcp > 10.77.1.2:80")).toMatchObject({ outcome: "delivered", received: { destination: "10.77.1.2" } });
  });

  it("a mark in an output chain of type route sends the packet elsewhere; of type filter it does not", () => {
    const network = (type: "route" | "filter") =>
      routed({
        interfaces: [discard("none")],
        rules: ["100: fwmark 7 table 7"],
        routes: ["default dev none table 7"],
        tables: [
          table("m", [
            base(type, "output", priorities.mangle, [
              rule([], { kind: "set-mark", target: "meta", value: { kind: "constant", value: 7 } }),
            ]),
          ]),
        ],
      });
    expect(only(network("route"), "tcp > 10.2.0.2:80", "router").outcome).toBe("black-hole");
    expect(only(network("filter"), "tcp > 10.2.0.2:80", "router").outcome).toBe("delivered");
  });
});

describe("rules", () => {
  const outcome = (chains: Parameters<typeof table>[1], more: Parameters<typeof table>[2] = {}, text = "tcp > 10.2.0.2:80") =>
    only(routed({ tables: [table("t", chains, more)] }), text, "client", { return: false }).outcome;
  const forward = (...rules: Parameters<typeof base>[3]) => base("filter", "forward", 0, rules);

  it("jump comes back, goto does not, return ends a chain, accept ends the base chain", () => {
    expect(outcome([forward(rule([], jump("a")), rule([], drop)), chain("a", rule([], goBack), rule([], accept))])).toBe("dropped");
    expect(outcome([forward(rule([], goto("a")), rule([], drop)), chain("a", rule([], goBack))])).toBe("delivered");
    expect(outcome([forward(rule([], jump("a")), rule([], drop)), chain("a", rule([], goto("b")), rule([], accept)), chain("b")])).toBe(
      "dropped",
    );
    expect(outcome([forward(rule([], jump("a")), rule([], drop)), chain("a", rule([], accept))])).toBe("delivered");
  });

  it("accept in one base chain does not save from the next; drop is final", () => {
    const chains = (first: typeof accept) => [
      base("filter", "forward", -10, [rule([], first)], "accept", "early"),
      base("filter", "forward", 10, [rule([], drop)], "accept", "late"),
    ];
    expect(outcome(chains(accept))).toBe("dropped");
  });

  it("of equal priority, what was loaded last runs first", () => {
    const set = (value: number) => rule([], { kind: "set-mark", target: "meta", value: { kind: "constant", value } });
    const chains = [
      base("filter", "forward", 0, [set(1)], "accept", "one"),
      base("filter", "forward", 0, [set(2)], "accept", "two"),
      base("filter", "forward", 5, [rule([is("meta mark", 1)], drop)], "accept", "three"),
    ];
    expect(outcome(chains)).toBe("dropped");
  });

  it("a verdict map decides, and a miss goes on with the next rule", () => {
    const maps = [
      {
        name: "m",
        key: ["ipv4_addr", "inet_proto", "inet_service"] as const,
        value: "verdict" as const,
        elements: [element([ip("10.2.0.2"), "tcp", 80], { verdict: "goto", chain: "no" })],
      },
    ];
    const chains = [
      forward(
        rule([], { kind: "vmap", fields: ["ip daddr", "meta l4proto", "th dport"], map: "m" }),
        rule([is("meta l4proto", "udp")], { kind: "reject", with: "icmp port-unreachable" }),
      ),
      chain("no", rule([], drop)),
    ];
    expect(outcome(chains, { maps })).toBe("dropped");
    expect(outcome(chains, { maps }, "udp > 10.2.0.2:53")).toBe("rejected");
    expect(outcome(chains, { maps }, "icmp > 10.2.0.2")).toBe("delivered");
  });

  it("sets: exact, negated, prefixes, ranges, and several components", () => {
    const lookup = (
      set: Parameters<typeof table>[2],
      fields: readonly ("ip saddr" | "ip daddr" | "th dport" | "meta l4proto" | "iifname")[],
      op: "==" | "!=" = "==",
      text?: string,
    ) => outcome([forward(rule([{ kind: "lookup", fields, op, set: "s" }], drop))], set, text);
    const addresses = { sets: [{ name: "s", key: ["ipv4_addr"] as const, elements: [{ key: [ip("10.2.0.2")] }] }] };
    expect(lookup(addresses, ["ip daddr"])).toBe("dropped");
    expect(lookup(addresses, ["ip saddr"])).toBe("delivered");
    expect(lookup(addresses, ["ip saddr"], "!=")).toBe("dropped");
    const prefixes = {
      sets: [
        {
          name: "s",
          key: ["ipv4_addr"] as const,
          interval: true,
          elements: [{ key: ["10.0.0.0/16" as never] }, { key: ["10.2.0.0/16" as never] }, { key: [ip("10.4.0.1")] }],
        },
      ],
    };
    expect(lookup(prefixes, ["ip daddr"])).toBe("dropped");
    expect(lookup(prefixes, ["ip saddr"])).toBe("delivered");
    const nested = (...prefix: readonly string[]) => ({
      sets: [{ name: "s", key: ["ipv4_addr"] as const, interval: true, elements: prefix.map((text) => ({ key: [text as never] })) }],
    });
    for (const inner of ["10.0.0.0/16", "10.2.0.0/24", "10.200.0.0/16"]) {
      expect(lookup(nested("192.168.0.0/16", "10.0.0.0/8", inner), ["ip daddr"])).toBe("dropped");
      expect(lookup(nested("192.168.0.0/16", inner, "10.0.0.0/8", "172.16.0.0/12"), ["ip daddr"])).toBe("dropped");
      expect(lookup(nested("192.168.0.0/16", inner, "11.0.0.0/8", "11.2.0.0/16"), ["ip daddr"])).toBe(
        inner === "10.2.0.0/24" ? "dropped" : "delivered",
      );
    }
    const several = {
      sets: [
        {
          name: "s",
          key: ["ipv4_addr", "inet_proto", "inet_service"] as const,
          interval: true,
          elements: [{ key: ["10.1.0.0/24" as never, "tcp", { first: 79, last: 80 }] }],
        },
      ],
    };
    expect(lookup(several, ["ip saddr", "meta l4proto", "th dport"])).toBe("dropped");
    expect(lookup(several, ["ip saddr", "meta l4proto", "th dport"], "==", "udp > 10.2.0.2:53")).toBe("delivered");
    const names = { sets: [{ name: "s", key: ["ifname", "inet_service"] as const, elements: [{ key: ["c", 80] }] }] };
    expect(lookup(names, ["iifname", "th dport"])).toBe("dropped");
  });

  it.each<{ name: string; match: Parameters<typeof rule>[0][number]; text?: string; want: boolean }>([
    { name: "one of several", match: is("th dport", 22, 80), want: true },
    { name: "a range", match: is("th dport", { first: 1, last: 1023 }), want: true },
    { name: "not in a range", match: isNot("th dport", { first: 1, last: 1023 }), want: false },
    { name: "a prefix", match: is("ip daddr", "10.2.0.0/16"), want: true },
    { name: "not a prefix", match: isNot("ip daddr", "10.2.0.0/16"), want: false },
    { name: "interface name", match: is("iifname", "c"), want: true },
    { name: "start of an interface name", match: is("oifname", "s*"), want: true },
    { name: "protocol", match: is("meta l4proto", "tcp"), want: true },
    { name: "connection state", match: is("ct state", "new"), want: true },
    { name: "one of the states", match: is("ct state", "established", "related"), want: false },
    { name: "direction", match: is("ct direction", "original"), want: true },
    { name: "status", match: is("ct status", "dnat"), want: false },
    { name: "not a status", match: isNot("ct status", "dnat"), want: true },
    { name: "original destination", match: is("ct original ip daddr", ip("10.2.0.2")), want: true },
    { name: "original source", match: is("ct original ip saddr", ip("10.2.0.2")), want: false },
    { name: "where replies come from", match: is("ct reply ip saddr", ip("10.2.0.2")), want: true },
    { name: "the port where replies come from", match: is("ct reply proto-src", 80), want: true },
    { name: "protocol of the connection", match: is("ct original protocol", "tcp"), want: true },
    { name: "address of another host", match: is("fib daddr type", "local"), want: false },
    { name: "IPv6 field of an IPv4 packet", match: isNot("ip6 daddr", ip("fd00::1")), want: false },
    { name: "ICMP type of TCP", match: isNot("icmp type", "echo-reply"), want: false },
    { name: "ICMP type", match: is("icmp type", "echo-request"), text: "icmp > 10.2.0.2", want: true },
    {
      name: "masked mark",
      match: { ...is("meta mark", 0), kind: "value", field: "meta mark", op: "==", values: [0], mask: 0x4000 },
      want: true,
    },
  ])("matches: $name", ({ match, text, want }) => {
    expect(outcome([forward(rule([match, is("iifname", "c")], drop))], { family: "inet" }, text)).toBe(want ? "dropped" : "delivered");
  });

  it("fib type sees the host's own addresses", () => {
    const network = routed({
      listen: ["80/tcp"],
      tables: [filter("input", rule([is("fib daddr type", "local"), is("th dport", 80)], drop))],
    });
    expect(only(network, "tcp > 10.2.0.1:80").outcome).toBe("dropped");
  });

  it("a rule about connections does not match what is not tracked", () => {
    const chains = (match: Parameters<typeof rule>[0][number]) => [
      base("filter", "prerouting", priorities.raw, [rule([], { kind: "notrack" })]),
      forward(rule([match], drop)),
    ];
    expect(outcome(chains(isNot("ct mark", 5)))).toBe("delivered");
    expect(outcome(chains(is("ct state", "untracked")))).toBe("dropped");
  });

  it("a host without tables tracks nothing, so the reply needs a rule of its own elsewhere", () => {
    const network = routed({
      tables: [filter("forward", rule([is("iifname", "s"), is("ct state", "established")], accept), rule([is("iifname", "s")], drop))],
    });
    expect(only(network, "tcp > 10.2.0.2:80").outcome).toBe("delivered");
    expect(only(network, "tcp > 10.1.0.2:80", "server").outcome).toBe("dropped");
  });

  it("says by which element of a map", () => {
    const maps = [{ name: "m", key: ["inet_service"] as const, value: "verdict" as const, elements: [element([80], { verdict: "drop" })] }];
    const path = only(
      routed({ tables: [table("t", [forward(rule([], { kind: "vmap", fields: ["th dport"], map: "m" }))], { maps })] }),
      "tcp > 10.2.0.2:80",
    );
    expect(path.decidedBy?.origin?.reason).toBe("element 80");
  });
});

describe("address translation", () => {
  it("masquerade: to the address of the outgoing interface, and the reply back", () => {
    const path = only(routed({ tables: [nat("postrouting", rule([], masquerade))] }, { routes: [] }), "tcp 10.1.0.2:4000 > 10.2.0.2:80");
    expect(seen(path)).toBe("tcp 10.2.0.1:4000 > 10.2.0.2:80");
    expect(path.outcome).toBe("delivered");
    const translated = path.hops[1]?.steps.find((step) => step.kind === "source-nat");
    expect(translated).toMatchObject({
      what: "source NAT to 10.2.0.1",
      origin: { reason: "masquerade" },
      before: { source: "10.1.0.2" },
      after: { source: "10.2.0.1" },
    });
    expect(path.hops[1]).toMatchObject({ before: { source: "10.1.0.2" }, after: { source: "10.2.0.1" } });
    expect(kinds(path.return ?? path)).toContain("reverse-nat");
  });

  it("fully-random masquerade draws a port even when the old one is free", () => {
    const drawn: Statement = { kind: "masquerade", flag: "fully-random" };
    const path = only(routed({ tables: [nat("postrouting", rule([], drawn))] }, { routes: [] }), "tcp 10.1.0.2:4000 > 10.2.0.2:80");
    expect(path.outcome).toBe("delivered");
    expect(path.received?.sourcePorts).toEqual({ first: 1024, last: 65_535 });
  });

  it("a rule about the source port asks chance when the port was drawn", () => {
    const drawn: Statement = { kind: "masquerade", flag: "fully-random" };
    const network = routed(
      {
        tables: [
          nat("postrouting", rule([], drawn)),
          table("late", [
            base("filter", "postrouting", priorities.srcnat + 50, [
              rule([is("th sport", { first: 40_000, last: 50_000 }, 60_000)], drop),
              rule([is("th sport", { first: 45_000, last: 65_535 })], { kind: "counter" }),
            ]),
          ]),
        ],
      },
      { routes: [] },
    );
    const paths = new Tracer(network).trace("client", packet("tcp 10.1.0.2:4000 > 10.2.0.2:80"));
    const total = 65_536 - 1024;
    expect(paths.map(({ outcome, weight, received }) => [outcome, Math.round(weight * total), received?.sourcePorts])).toEqual([
      ["delivered", 38_976, { first: 1024, last: 39_999 }],
      ["dropped", 10_001, undefined],
      ["delivered", 9999, { first: 50_001, last: 59_999 }],
      ["dropped", 1, undefined],
      ["delivered", 5535, { first: 60_001, last: 65_535 }],
    ]);
  });

  it("a reply goes to the port that was drawn: a rule about its destination port, and a hash of that port, ask chance", () => {
    const drawn: Statement = { kind: "masquerade", flag: "fully-random" };
    const answering = (...rules: readonly ReturnType<typeof rule>[]) =>
      routed(
        { tables: [nat("postrouting", rule([], drawn))] },
        { tables: [table("late", [base("filter", "output", priorities.filter, rules)])] },
      );
    const outcomes = (...rules: readonly ReturnType<typeof rule>[]) =>
      new Tracer(answering(...rules))
        .trace("client", packet("udp 10.1.0.2:4000 > 10.2.0.2:53"), { steps: false })
        .map(({ outcome, weight }) => [outcome, weight]);
    const total = 65_536 - 1024;
    expect(
      outcomes(rule([is("th dport", { first: 40_000, last: 50_000 })], drop)).map(([outcome, weight]) => [outcome, Number(weight) * total]),
    ).toEqual([
      ["delivered", total - 10_001],
      ["asymmetric", 10_001],
    ]);
    const hash: Statement = {
      kind: "set-mark",
      target: "meta",
      value: { kind: "hash", fields: ["ip saddr", "th dport"], modulus: 2, seed: 1, offset: 0 },
    };
    expect(outcomes(rule([], hash), rule([is("meta mark", 1)], drop))).toEqual([
      ["delivered", 0.5],
      ["asymmetric", 0.5],
    ]);
  });

  it("a port that was drawn before is any of the range that it must be in", () => {
    const drawn: Statement = { kind: "masquerade", flag: "fully-random" };
    const share: Statement = { kind: "snat", address: ip("10.2.0.1"), ports: { first: 2048, last: 3071 } };
    const first = table("a", [base("nat", "postrouting", priorities.srcnat, [rule([], drawn)])]);
    const path = only(
      networkOf(
        host("client", { interfaces: [veth("eth0", "near c", ["10.1.0.2/24"])], routes: ["default via 10.1.0.1 dev eth0"] }),
        host("near", {
          forwarding: true,
          interfaces: [veth("c", "client eth0", ["10.1.0.1/24"]), veth("f", "far n", ["10.3.0.1/24"])],
          routes: ["default via 10.3.0.2 dev f"],
          tables: [first],
        }),
        host("far", {
          forwarding: true,
          interfaces: [veth("n", "near f", ["10.3.0.2/24"]), veth("s", "server eth0", ["10.2.0.1/24"])],
          tables: [table("b", [base("nat", "postrouting", priorities.srcnat, [rule([is("meta l4proto", "tcp")], share)])])],
        }),
        host("server", {
          interfaces: [veth("eth0", "far s", ["10.2.0.2/24"])],
          routes: ["default via 10.2.0.1 dev eth0"],
          listen: ["80/tcp"],
        }),
      ),
      "tcp 10.1.0.2:4000 > 10.2.0.2:80",
    );
    expect(path.outcome).toBe("delivered");
    expect(path.received?.sourcePorts).toEqual({ first: 2048, last: 3071 });
  });

  it("masquerade picks the address in the next hop's prefix", () => {
    const network = networkOf(
      host("client", { interfaces: [veth("eth0", "router c", ["10.1.0.2/24"])], routes: ["default via 10.1.0.1 dev eth0"] }),
      host("router", {
        forwarding: true,
        interfaces: [veth("c", "client eth0", ["10.1.0.1/24"]), veth("s", "server eth0", ["10.5.0.1/24", "10.2.0.1/24"])],
        tables: [nat("postrouting", rule([], masquerade))],
      }),
      host("server", { interfaces: [veth("eth0", "router s", ["10.2.0.2/24"])], listen: ["80/tcp"] }),
    );
    expect(only(network, "tcp > 10.2.0.2:80").received?.source).toBe("10.2.0.1");
  });

  it("source NAT to a constant; the same address is no change", () => {
    const to = (address: string) =>
      only(routed({ tables: [nat("postrouting", rule([], { kind: "snat", address: ip(address) }))] }), "tcp 10.1.0.2:4000 > 10.2.0.2:80");
    expect(seen(to("10.2.0.1"))).toBe("tcp 10.2.0.1:4000 > 10.2.0.2:80");
    expect(kinds(to("10.1.0.2"))).not.toContain("source-nat");
    expect(to("10.2.0.9")).toMatchObject({ outcome: "asymmetric", return: { outcome: "no-neighbour" } });
  });

  it("a range of ports: a port in it stays, another is drawn from it", () => {
    const ports = { first: 2000, last: 2999 };
    const trace = (port: number) =>
      only(
        routed({ tables: [nat("postrouting", rule([], { kind: "snat", address: ip("10.2.0.1"), ports }))] }),
        `tcp 10.1.0.2:${port} > 10.2.0.2:80`,
      );
    expect(trace(2500).received).toMatchObject({ sourcePort: 2500 });
    expect(trace(2500).received?.sourcePorts).toBeUndefined();
    const drawn = trace(4000);
    expect(drawn.received).toMatchObject({ sourcePorts: ports });
    expect(drawn.outcome).toBe("delivered");
    expect(drawn.hops[1]?.steps.find((step) => step.kind === "source-nat")?.ports).toEqual(ports);
  });

  it("destination NAT: constant with and without port, and from a map", () => {
    const to = (statement: Parameters<typeof rule>[1], maps: Parameters<typeof table>[2] = {}) =>
      only(
        routed({
          tables: [table("nat", [base("nat", "prerouting", priorities.dstnat, [rule([is("ip daddr", ip("10.9.9.9"))], statement)])], maps)],
        }),
        "tcp 10.1.0.2:4000 > 10.9.9.9:80",
      );
    expect(seen(to({ kind: "dnat", to: { address: ip("10.2.0.2") } }))).toBe("tcp 10.1.0.2:4000 > 10.2.0.2:80");
    expect(to({ kind: "dnat", to: { address: ip("10.2.0.2"), port: 81 } }).outcome).toBe("refused");
    const maps = [
      {
        name: "m",
        key: ["ipv4_addr", "inet_proto", "inet_service"] as const,
        value: ["ipv4_addr", "inet_service"] as const,
        elements: [element([ip("10.9.9.9"), "tcp", 80], [ip("10.2.0.2"), 80])],
      },
    ];
    const mapped = to({ kind: "dnat", to: { fields: ["ip daddr", "meta l4proto", "th dport"], map: "m" } }, { maps });
    expect(mapped).toMatchObject({ outcome: "delivered", return: { outcome: "delivered" } });
    expect(mapped.hops[1]?.steps.find((step) => step.kind === "destination-nat")).toMatchObject({
      what: "destination NAT to 10.2.0.2:80",
      origin: { reason: "element 10.9.9.9 . tcp . 80" },
    });
  });

  it("a miss in the map ends the rule", () => {
    const maps = [{ name: "m", key: ["inet_service"] as const, value: ["ipv4_addr"] as const, elements: [] }];
    const rules = [
      rule([], { kind: "dnat", to: { fields: ["th dport"], map: "m" } }),
      rule([], { kind: "dnat", to: { address: ip("10.2.0.2") } }),
    ];
    expect(
      seen(only(routed({ tables: [table("nat", [base("nat", "prerouting", -100, rules)], { maps })] }), "tcp > 10.9.9.9:80")),
    ).toContain("10.2.0.2:80");
  });

  it("the first chain that translates decides; later ones are not asked", () => {
    const tables = [
      table("a", [base("nat", "postrouting", priorities.srcnat + 1, [rule([], { kind: "snat", address: ip("10.2.0.77") })])]),
      table("b", [base("nat", "postrouting", priorities.srcnat, [rule([], accept), rule([], masquerade)], "accept")]),
      table("c", [base("nat", "postrouting", priorities.srcnat + 2, [rule([], masquerade)])]),
    ];
    expect(only(routed({ tables }), "tcp > 10.2.0.2:80").received?.source).toBe("10.2.0.77");
  });

  it("in the output hook: a packet of the host itself is translated and routed again, its source stays", () => {
    const network = routed({
      tables: [nat("output", rule([is("ip daddr", ip("10.9.9.9"))], { kind: "dnat", to: { address: ip("10.2.0.2") } }))],
      routes: ["default via 10.1.0.2 dev c"],
    });
    expect(only(network, "tcp 10.1.0.1:4000 > 10.9.9.9:80", "router").received?.source).toBe("10.1.0.1");
    const path = only(network, "tcp > 10.9.9.9:80", "router");
    expect(path).toMatchObject({ received: { source: "10.1.0.1", destination: "10.2.0.2" }, hops: [{ outInterface: "s" }, {}] });
  });

  it("to the host itself by way of loopback, and back", () => {
    const network = routed({
      listen: ["80/tcp"],
      tables: [nat("output", rule([is("ip daddr", ip("10.2.0.2"))], { kind: "dnat", to: { address: ip("10.1.0.1") } }))],
    });
    expect(only(network, "tcp > 10.2.0.2:80", "router")).toMatchObject({
      outcome: "delivered",
      received: { host: "router", source: "10.2.0.1" },
    });
  });

  it("in the input hook: source translation of what is delivered here", () => {
    const network = routed({ listen: ["80/tcp"], tables: [nat("input", rule([], { kind: "snat", address: ip("10.2.0.2") }))] });
    expect(only(network, "tcp > 10.1.0.1:80")).toMatchObject({ outcome: "delivered", received: { source: "10.2.0.2" } });
  });

  it("not tracked, not translated", () => {
    const tables = [
      table("r", [base("filter", "prerouting", priorities.raw, [rule([], { kind: "notrack" })])]),
      nat("postrouting", rule([], masquerade)),
    ];
    expect(only(routed({ tables }), "tcp > 10.2.0.2:80").received?.source).toBe("10.1.0.2");
  });

  it("a reply that a stateful host meets first: TCP's passes untranslated, and what follows it counts as a flow of its own, as UDP does", () => {
    // The way there avoids the router in the middle, the way back does not.
    const network = networkOf(
      host("client", { interfaces: [veth("eth0", "server eth0", ["10.1.0.2/24"]), veth("eth1", "router c", ["10.3.0.2/24"])] }),
      host("router", {
        forwarding: true,
        interfaces: [veth("c", "client eth1", ["10.3.0.1/24"]), veth("s", "server eth1", ["10.4.0.1/24"])],
        routes: ["10.1.0.2/32 via 10.3.0.2 dev c"],
        tables: [nat("postrouting", rule([], masquerade))],
      }),
      host("server", {
        interfaces: [veth("eth0", "client eth0", ["10.1.0.3/24"]), veth("eth1", "router s", ["10.4.0.2/24"])],
        routes: ["10.1.0.2/32 via 10.4.0.1 dev eth1"],
        listen: ["80/tcp", "53/udp"],
      }),
    );
    expect(only(network, "tcp > 10.1.0.3:80")).toMatchObject({
      outcome: "asymmetric",
      decidedBy: { host: "client", element: "socket" },
      return: { outcome: "delivered" },
      answer: { outcome: "refused" },
    });
    expect(only(network, "udp > 10.1.0.3:53")).toMatchObject({ outcome: "asymmetric", decidedBy: { host: "client", element: "socket" } });
  });

  it("connection mark: written on the first packet, read on its way through and on the reply", () => {
    const mark = rule([is("ct state", "new")], { kind: "set-mark", target: "ct", value: { kind: "constant", value: 0x40 } });
    const tables = [
      table("m", [
        base("filter", "prerouting", priorities.mangle, [mark]),
        base("filter", "forward", 0, [rule([is("ct direction", "reply"), isNot("ct mark", 0x40)], drop)]),
        base("nat", "postrouting", priorities.srcnat, [rule([is("ct mark", 0x40)], masquerade)]),
      ]),
    ];
    expect(only(routed({ tables }), "tcp > 10.2.0.2:80")).toMatchObject({ outcome: "delivered", received: { source: "10.2.0.1" } });
  });
});

describe("links", () => {
  /** Three pods on a bridge of a node. */
  const node = (
    port: { isolated?: boolean; hairpin?: boolean },
    bridgeOptions: { proxyArp?: boolean } = {},
    ...tables: Parameters<typeof host>[1]["tables"] & object
  ) =>
    networkOf(
      ...[2, 3, 4].map((n) =>
        host(`pod${n}`, {
          interfaces: [veth("eth0", `node p${n}`, [`10.244.0.${n}/24`])],
          routes: ["default via 10.244.0.1 dev eth0"],
          listen: ["80/tcp"],
        }),
      ),
      host("node", {
        forwarding: true,
        interfaces: [
          bridge("cbr0", ["10.244.0.1/24"], bridgeOptions),
          ...[2, 3, 4].map((n) => veth(`p${n}`, `pod${n} eth0`, [], { bridge: "cbr0", ...port })),
        ],
        tables,
      }),
    );

  it("a bridge switches between its ports", () => {
    const path = only(node({}), "tcp > 10.244.0.3:80", "pod2");
    expect(hostsOf(path)).toBe("pod2 node pod3");
    expect(path.hops[1]).toMatchObject({ inInterface: "p2", outInterface: "p3", steps: [{ kind: "switch" }] });
  });

  it("frames for the bridge's own address reach the host", () => {
    expect(only(node({}), "icmp > 10.244.0.1", "pod2")).toMatchObject({ outcome: "delivered", received: { host: "node" } });
    expect(only(node({ isolated: true }), "icmp > 10.244.0.1", "pod2").outcome).toBe("delivered");
    expect(only(node({}), "tcp > 10.244.0.4:80", "node").outcome).toBe("delivered");
  });

  it("isolated ports do not reach each other, unless the bridge answers for them and the host routes", () => {
    expect(only(node({ isolated: true, hairpin: true }), "tcp > 10.244.0.3:80", "pod2").outcome).toBe("no-neighbour");
    const path = only(node({ isolated: true, hairpin: true }, { proxyArp: true }), "tcp > 10.244.0.3:80", "pod2");
    expect(path).toMatchObject({ outcome: "delivered", hops: [{}, { host: "node", inInterface: "cbr0", outInterface: "cbr0" }, {}] });
    expect(kinds(path)).toContain("route");
  });

  it("a pod that reaches itself through the node: a martian, unless masqueraded", () => {
    const service = (...rules: Parameters<typeof base>[3]) =>
      table("svc", [
        base("nat", "prerouting", priorities.dstnat, [
          rule([is("ip daddr", ip("10.0.0.10"))], { kind: "dnat", to: { address: ip("10.244.0.2") } }),
        ]),
        base("nat", "postrouting", priorities.srcnat, rules),
      ]);
    expect(only(node({ isolated: true, hairpin: true }, { proxyArp: true }, service()), "tcp > 10.0.0.10:80", "pod2")).toMatchObject({
      outcome: "dropped",
      decidedBy: { host: "pod2", element: "source check" },
    });
    expect(
      only(node({ isolated: true, hairpin: true }, { proxyArp: true }, service(rule([], masquerade))), "tcp > 10.0.0.10:80", "pod2"),
    ).toMatchObject({
      outcome: "delivered",
      received: { source: "10.244.0.1" },
    });
  });

  it("bridges nest", () => {
    const network = networkOf(
      host("a", { interfaces: [veth("eth0", "left a", ["10.0.0.1/24"])] }),
      host("left", {
        interfaces: [bridge("br"), veth("a", "a eth0", [], { bridge: "br" }), veth("up", "right down", [], { bridge: "br" })],
      }),
      host("right", {
        interfaces: [bridge("br"), veth("b", "b eth0", [], { bridge: "br" }), veth("down", "left up", [], { bridge: "br" })],
      }),
      host("b", { interfaces: [veth("eth0", "right b", ["10.0.0.2/24"])], listen: ["80/tcp"] }),
    );
    const path = only(network, "tcp > 10.0.0.2:80", "a");
    expect(path.outcome).toBe("delivered");
    expect(hostsOf(path)).toBe("a left right b");
  });

  /** A machine behind a fabric that answers for everything. */
  const fabric = (routes: readonly string[], proxyArp = true) =>
    networkOf(
      host("vm", { interfaces: [veth("eth0", "fabric vm", ["10.0.0.4/24"])] }),
      host("fabric", {
        forwarding: true,
        interfaces: [
          loopback("10.0.0.1/32"),
          veth("vm", "vm eth0", [], { proxyArp }),
          veth("db", "db eth0", [], { proxyArp }),
          discard("none"),
        ],
        routes,
      }),
      host("db", { interfaces: [veth("eth0", "fabric db", ["10.0.0.5/24"])], listen: ["80/tcp"] }),
    );
  const nics = ["10.0.0.4/32 dev vm", "10.0.0.5/32 dev db"];

  it("proxy ARP: only for what the host has a unicast route to, by another interface or back", () => {
    expect(only(fabric(nics), "tcp > 10.0.0.5:80", "vm").outcome).toBe("delivered");
    expect(only(fabric(nics, false), "tcp > 10.0.0.5:80", "vm").outcome).toBe("no-neighbour");
    expect(only(fabric(nics), "tcp > 10.0.0.6:80", "vm").outcome).toBe("no-neighbour");
    expect(only(fabric([...nics, "10.0.0.0/24 dev none"]), "tcp > 10.0.0.6:80", "vm")).toMatchObject({
      outcome: "black-hole",
      decidedBy: { host: "fabric" },
    });
    expect(only(fabric([...nics, "blackhole 10.0.0.0/24"]), "tcp > 10.0.0.6:80", "vm").outcome).toBe("no-neighbour");
    expect(only(fabric([...nics, "10.0.0.6/32 dev vm"]), "tcp > 10.0.0.6:80", "vm")).toMatchObject({
      outcome: "no-neighbour",
      decidedBy: { host: "fabric" },
    });
  });

  it("any address of the host is answered for, on whatever interface", () => {
    expect(only(fabric(nics, false), "icmp > 10.0.0.1", "vm").outcome).toBe("delivered");
  });

  it("secondary addresses by way of the primary, unchanged", () => {
    const network = fabric([...nics, "10.0.0.6/32 via 10.0.0.5 dev db onlink"]);
    expect(only(network, "tcp > 10.0.0.6:80", "vm")).toMatchObject({
      outcome: "dropped",
      decidedBy: { host: "db", element: "forwarding" },
    });
  });

  it("a permanent neighbour decides by MAC address, also through a bridge", () => {
    const network = (mac: string, isolated = false) =>
      networkOf(
        host("pod", {
          interfaces: [veth("eth0", "node p", ["10.0.0.2/24"])],
          neighbours: [{ dev: "eth0", address: ip("10.0.0.9"), mac, origin: { resource: "test", reason: "permanent" } }],
          routes: ["default via 10.0.0.9 dev eth0"],
        }),
        host("node", {
          forwarding: true,
          interfaces: [
            bridge("br", ["10.0.0.1/24"], { mac: "02:00:00:00:00:01" }),
            veth("p", "pod eth0", [], { bridge: "br", mac: "02:00:00:00:00:05", isolated }),
            veth("q", "other eth0", [], { bridge: "br", isolated }),
          ],
          listen: ["80/tcp"],
        }),
        host("other", { interfaces: [veth("eth0", "node q", ["10.0.0.3/24"], { mac: "02:00:00:00:00:03" })], listen: ["80/tcp"] }),
      );
    const outcome = (mac: string, to: string, isolated = false) => only(network(mac, isolated), `tcp > ${to}:80`, "pod", { return: false });
    expect(outcome("02:00:00:00:00:01", "10.0.0.9")).toMatchObject({ outcome: "no-neighbour", decidedBy: { host: "node" } });
    expect(outcome("02:00:00:00:00:05", "10.0.0.9").decidedBy?.host).toBe("node");
    expect(outcome("02:00:00:00:00:03", "10.0.0.9")).toMatchObject({ outcome: "dropped", decidedBy: { host: "other" } });
    expect(outcome("02:00:00:00:00:03", "10.0.0.9", true)).toMatchObject({
      outcome: "no-neighbour",
      decidedBy: { host: "pod", origin: { reason: "permanent" } },
    });
    expect(outcome("02:00:00:00:00:99", "10.0.0.9")).toMatchObject({ outcome: "no-neighbour", decidedBy: { host: "pod" } });
  });

  it("two that answer for one address are reported", () => {
    const network = networkOf(
      ...["a", "b", "c"].map((name, at) =>
        host(name, { interfaces: [veth("eth0", `sw ${name}`, [`10.0.0.${at === 2 ? 2 : at + 1}/24`])], listen: ["80/tcp"] }),
      ),
      host("sw", { interfaces: [bridge("br"), ...["a", "b", "c"].map((name) => veth(name, `${name} eth0`, [], { bridge: "br" }))] }),
    );
    const tracer = new Tracer(network);
    expect(tracer.trace("a", packet("tcp > 10.0.0.2:80"))[0]?.outcome).toBe("delivered");
    expect(tracer.ambiguities).toEqual(["a eth0: b eth0 and c eth0 answer for 10.0.0.2"]);
  });

  it("a link into nothing", () => {
    const network = networkOf(host("a", { interfaces: [veth("eth0", "gone eth0", ["10.0.0.1/24"])] }));
    expect(only(network, "tcp > 10.0.0.2:80", "a").outcome).toBe("no-neighbour");
  });
});

describe("choices", () => {
  const servers = (count: number, value: "random" | "hash") => {
    const elements = Array.from({ length: count }, (_, slot) => element([slot], [formatIpv4(0x0a020002 + slot)]));
    return routed({
      tables: [
        table(
          "lb",
          [
            base("nat", "prerouting", priorities.dstnat, [
              rule(
                [is("ip daddr", ip("10.9.9.9"))],
                {
                  kind: "set-mark",
                  target: "meta",
                  value:
                    value === "random"
                      ? { kind: "random", modulus: count, offset: 0 }
                      : { kind: "hash", fields: ["ip saddr", "th sport"], modulus: count, seed: 1, offset: 0 },
                },
                { kind: "dnat", to: { fields: ["meta mark"], map: "m" } },
              ),
            ]),
          ],
          { maps: [{ name: "m", key: ["mark"], value: ["ipv4_addr"], elements }] },
        ),
      ],
    });
  };

  it("chance splits the way, and the weights add up", () => {
    const paths = new Tracer(servers(3, "random")).trace("client", packet("tcp > 10.9.9.9:80"));
    expect(paths.map((path) => [path.outcome, path.weight.toFixed(4)])).toEqual([
      ["delivered", "0.3333"],
      ["no-neighbour", "0.3333"],
      ["no-neighbour", "0.3333"],
    ]);
    expect(paths.every((path) => kinds(path).includes("choose"))).toBe(true);
  });

  it("ways that differ in nothing but weight are one", () => {
    const verdicts = [{ verdict: "accept" }, { verdict: "drop" }, { verdict: "accept" }, { verdict: "accept" }] as const;
    const network = routed({ tables: [filter("forward", rule([is("iifname", "c")], { kind: "random-vmap", verdicts }))] });
    const paths = new Tracer(network).trace("client", packet("udp > 10.2.0.2:53"), { steps: false });
    expect(paths.map((path) => [path.outcome, path.weight])).toEqual([
      ["delivered", 0.75],
      ["dropped", 0.25],
    ]);
  });

  it("beyond the limit one path stands for the rest", () => {
    const paths = new Tracer(servers(100, "random")).trace("client", packet("tcp > 10.9.9.9:80"), { maxPaths: 10 });
    expect(paths).toHaveLength(11);
    expect(paths.at(-1)).toMatchObject({ representative: true });
    expect(paths.at(-1)?.weight).toBeCloseTo(0.9);
    expect(paths.reduce((sum, path) => sum + path.weight, 0)).toBeCloseTo(1);
  });

  it("a hash decides, and the same flow always the same", () => {
    const tracer = new Tracer(servers(3, "hash"));
    const destinations = new Set<string>();
    for (let port = 1000; port < 1040; port++) {
      const [path, again] = [0, 1].map(() => tracer.trace("client", packet(`tcp 10.1.0.2:${port} > 10.9.9.9:80`)));
      expect(path).toEqual(again);
      expect(path).toHaveLength(1);
      destinations.add(path?.[0]?.hops[1]?.after.destination ?? "");
    }
    expect(destinations.size).toBe(3);
  });
});

describe("sessions", () => {
  const ports = { first: 2000, last: 2001 };
  const limited = routed({ tables: [nat("postrouting", rule([], { kind: "snat", address: ip("10.2.0.1"), ports }))] });

  it("ports run out, and the rule that had them is named", () => {
    const session = new Tracer(limited).session();
    const outcomes = [5000, 5001, 5002].map((port) => session.trace("client", packet(`tcp 10.1.0.2:${port} > 10.2.0.2:80`)));
    expect(outcomes.map((path) => path.outcome)).toEqual(["delivered", "delivered", "exhausted"]);
    expect(outcomes.map((path) => path.received?.sourcePort)).toEqual([2000, 2001, undefined]);
    expect(outcomes[2]?.decidedBy).toMatchObject({ host: "router", element: "chain nat nat-postrouting" });
    // A flow that has its port keeps it, and the port serves another destination too.
    expect(session.trace("client", packet("tcp 10.1.0.2:5001 > 10.2.0.2:80")).received?.sourcePort).toBe(2001);
  });

  it("without a range, a port is drawn only when another connection would get the same replies", () => {
    const network = networkOf(
      ...["a", "b"].map((name, at) =>
        host(name, { interfaces: [veth("eth0", `router ${name}`, [`10.1.${at}.2/24`])], routes: [`default via 10.1.${at}.1 dev eth0`] }),
      ),
      host("router", {
        forwarding: true,
        interfaces: [veth("a", "a eth0", ["10.1.0.1/24"]), veth("b", "b eth0", ["10.1.1.1/24"]), veth("s", "server eth0", ["10.2.0.1/24"])],
        tables: [nat("postrouting", rule([], masquerade))],
      }),
      host("server", { interfaces: [veth("eth0", "router s", ["10.2.0.2/24"])], listen: ["80/tcp"] }),
    );
    const session = new Tracer(network).session();
    expect(session.trace("a", packet("tcp 10.1.0.2:5000 > 10.2.0.2:80")).received?.sourcePort).toBe(5000);
    const second = session.trace("b", packet("tcp 10.1.1.2:5000 > 10.2.0.2:80"));
    expect(second).toMatchObject({ outcome: "delivered", received: { sourcePorts: { first: 1024, last: 65535 } } });
    expect(second.received?.sourcePort).not.toBe(5000);
  });

  it("connections become established when a reply was seen", () => {
    const network = routed({
      tables: [
        filter(
          "forward",
          rule([is("th sport", 5000), is("ct state", "new")], accept),
          rule([is("th sport", 5000), is("ct state", "established")], drop),
        ),
      ],
    });
    const session = new Tracer(network).session();
    const once = packet("udp 10.1.0.2:5000 > 10.2.0.2:53");
    expect(session.trace("client", once, { return: false }).outcome).toBe("delivered");
    expect(session.trace("client", once).outcome).toBe("delivered");
    expect(session.trace("client", once).outcome).toBe("dropped");
  });

  it("session affinity: a dynamic set remembers the client until its time is over", () => {
    const affinity = (slot: number): Parameters<typeof chain>[1] =>
      rule(
        [],
        { kind: "update-set", fields: ["ip saddr"], set: `to-${slot}` },
        { kind: "dnat", to: { address: ip("10.2.0.2"), port: 80 + slot } },
      );
    const known = (slot: number) => rule([{ kind: "lookup", fields: ["ip saddr"], op: "==", set: `to-${slot}` }], goto(`to-${slot}`));
    const network = routed({
      tables: [
        table(
          "svc",
          [
            base("nat", "prerouting", priorities.dstnat, [
              known(0),
              known(1),
              rule([], {
                kind: "random-vmap",
                verdicts: [
                  { verdict: "goto", chain: "to-0" },
                  { verdict: "goto", chain: "to-1" },
                ],
              }),
            ]),
            chain("to-0", affinity(0)),
            chain("to-1", affinity(1)),
          ],
          { sets: [0, 1].map((slot) => ({ name: `to-${slot}`, key: ["ipv4_addr"] as const, dynamicTimeoutSeconds: 100, elements: [] })) },
        ),
      ],
    });
    const picks = [1, 0, 0];
    const session = new Tracer(network).session(() => picks.shift() ?? 0);
    const port = (source: number) => session.trace("client", packet(`tcp 10.1.0.2:${source} > 10.9.9.9:80`)).received?.destinationPort;
    expect(port(1000)).toBe(81);
    session.elapse(60);
    expect(port(1001)).toBe(81);
    session.elapse(99);
    expect(port(1002)).toBe(81);
    session.elapse(100);
    expect(port(1003)).toBe(80);
    // Traces of their own know nothing of it.
    expect(new Tracer(network).trace("client", packet("tcp > 10.9.9.9:80"))).toHaveLength(2);
  });
});

describe("IPv6", () => {
  const network = networkOf(
    host("client", { interfaces: [veth("eth0", "router c", ["fd01::2/64"])], routes: ["::/0 via fd01::1 dev eth0"] }),
    host("router", {
      forwarding: true,
      interfaces: [veth("c", "client eth0", ["fd01::1/64"]), veth("s", "server eth0", ["fd02::1/64"])],
      tables: [
        table("f", [base("filter", "forward", 0, [rule([is("ip6 saddr", "fd01::/64"), is("th dport", 22)], drop)])], { family: "inet" }),
        table("n", [base("nat", "postrouting", priorities.srcnat, [rule([is("oifname", "s")], masquerade)])], { family: "ip6" }),
        table("o", [base("nat", "postrouting", priorities.srcnat, [rule([], drop)])]),
      ],
    }),
    host("server", { interfaces: [veth("eth0", "router s", ["fd02::2/64"])], listen: ["80/tcp", "22/tcp"] }),
  );

  it("is routed, filtered and translated alike", () => {
    expect(only(network, "tcp > [fd02::2]:80")).toMatchObject({ outcome: "delivered", received: { source: "fd02::1" } });
    expect(only(network, "tcp > [fd02::2]:22").outcome).toBe("dropped");
    expect(only(network, "tcp > [fd03::2]:22").outcome).toBe("no-route");
    expect(only(network, "icmp > fd02::2").outcome).toBe("delivered");
  });
});

describe("tracer", () => {
  it("gives the same hops and outcome without steps", () => {
    const network = routed({ tables: [nat("postrouting", rule([], masquerade))] });
    const [full] = new Tracer(network).trace("client", packet("tcp > 10.2.0.2:80"));
    const [brief] = new Tracer(network).trace("client", packet("tcp > 10.2.0.2:80"), { steps: false });
    expect(brief?.hops.map(({ steps, ...hop }) => hop)).toEqual(full?.hops.map(({ steps, ...hop }) => hop));
    expect(brief?.hops.every((hop) => hop.steps.length === 0)).toBe(true);
    expect(full?.hops.every((hop) => hop.steps.length > 0)).toBe(true);
  });

  it("says which host it does not know", () => {
    expect(() => new Tracer(routed()).trace("nobody", packet("tcp > 10.2.0.2:80"))).toThrow("there is no host nobody to trace from");
  });
});

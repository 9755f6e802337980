import { describe, expect, it } from "vitest";
import { priorities } from "../ir/ruleset.ts";
import { base, because, host, ip, is, masquerade, networkOf, packet, rule, table, veth } from "../trace/testing/network.ts";
import { Tracer } from "../trace/tracer.ts";
import { coloured } from "./style.ts";
import { renderPath, renderPaths } from "./trace.ts";

const service = {
  matches: [is("ip daddr", ip("10.0.0.10"))],
  statements: [{ kind: "dnat", to: { address: ip("10.2.0.2"), port: 8080 } }],
  origin: because("Service default/web port 80"),
} as const;
const network = networkOf(
  host("pod/web", { interfaces: [veth("eth0", "node/one pod", ["10.1.0.2/24"])], routes: ["default via 10.1.0.1 dev eth0"] }),
  host("node/one", {
    forwarding: true,
    interfaces: [veth("pod", "pod/web eth0", ["10.1.0.1/24"]), veth("eth0", "vm/db eth0", ["10.2.0.1/24"])],
    tables: [
      table("nat", [
        base("nat", "prerouting", priorities.dstnat, [
          service,
          rule([is("ip daddr", ip("10.0.0.20"))], { kind: "dnat", to: { address: ip("10.2.0.9") } }),
        ]),
        base("nat", "postrouting", priorities.srcnat, [
          { ...rule([], masquerade), origin: because("the destination is outside 10.1.0.0/16") },
        ]),
      ]),
      table("lottery", [
        base("filter", "forward", 0, [
          rule([is("th dport", 81)], { kind: "random-vmap", verdicts: [{ verdict: "accept" }, { verdict: "drop" }, { verdict: "drop" }] }),
        ]),
      ]),
    ],
  }),
  host("vm/db", { interfaces: [veth("eth0", "node/one eth0", ["10.2.0.2/24"])], listen: ["8080/tcp"] }),
);
const trace = (text: string) => new Tracer(network).trace("pod/web", packet(text));

describe("a path as text", () => {
  it("hops, changes with their reasons, outcome, reply", () => {
    const owner = (address: string) => (address === "10.0.0.10" ? "Service default/web" : address === "10.2.0.1" ? "node one" : undefined);
    expect(renderPaths(trace("tcp > 10.0.0.10:80"), { owner })).toMatchInlineSnapshot(`
      "tcp 10.1.0.2:32768 > 10.0.0.10:80   ? > Service default/web

        pod/web                                           out by eth0
        node/one                                          pod > eth0
          destination 10.0.0.10:80 becomes 10.2.0.2:8080  Service default/web port 80
          10.2.0.0/24 dev eth0                            address 10.2.0.1/24
          source 10.1.0.2 becomes 10.2.0.1                the destination is outside 10.1.0.0/16
        vm/db                                             in by eth0

      delivered to vm/db, which saw 10.2.0.1:32768 (node one)
        reply: vm/db, node/one, pod/web, translated back on node/one
      "
    `);
  });

  it("an end on the way", () => {
    expect(renderPaths(trace("tcp > 10.0.0.20:80"))).toMatchInlineSnapshot(`
      "tcp 10.1.0.2:32768 > 10.0.0.20:80

        pod/web                                   out by eth0
        node/one                                  in by pod
          destination 10.0.0.20 becomes 10.2.0.9  dnat
          source 10.1.0.2 becomes 10.2.0.1        the destination is outside 10.1.0.0/16
          nobody on eth0 answers for 10.2.0.9     interface eth0

      no-neighbour on node/one, nobody on eth0 answers for 10.2.0.9
        the sender is told: icmp host-unreachable (after 3 seconds) by way of node/one, pod/web
      "
    `);
    expect(renderPaths(trace("tcp > 10.2.0.2:80"))).toMatchInlineSnapshot(`
      "tcp 10.1.0.2:32768 > 10.2.0.2:80

        pod/web                             out by eth0
        node/one                            pod > eth0
          10.2.0.0/24 dev eth0              address 10.2.0.1/24
          source 10.1.0.2 becomes 10.2.0.1  the destination is outside 10.1.0.0/16
        vm/db                               in by eth0
          nothing listens on 80/tcp         host vm/db

      refused on vm/db, nothing listens on 80/tcp
        the sender is told: tcp reset by way of vm/db, node/one, pod/web
      "
    `);
  });

  it("several ways", () => {
    expect(renderPaths(trace("tcp > 10.2.0.2:81"))).toMatchInlineSnapshot(`
      "one of 3 ways, 33 %
      tcp 10.1.0.2:32768 > 10.2.0.2:81

        pod/web                             out by eth0
        node/one                            pod > eth0
          10.2.0.0/24 dev eth0              address 10.2.0.1/24
          chance picks 1 of 3: accepted     random-vmap
          source 10.1.0.2 becomes 10.2.0.1  the destination is outside 10.1.0.0/16
        vm/db                               in by eth0
          nothing listens on 81/tcp         host vm/db

      refused on vm/db, nothing listens on 81/tcp
        the sender is told: tcp reset by way of vm/db, node/one, pod/web
      other ways
          33 %  dropped on node/one, chance picks 2 of 3: dropped: random-vmap
          33 %  dropped on node/one, chance picks 3 of 3: dropped: random-vmap
      "
    `);
  });

  it("verbose", () => {
    expect(renderPaths(trace("tcp > 10.0.0.10:80"), { verbose: true })).toMatchInlineSnapshot(`
      "tcp 10.1.0.2:32768 > 10.0.0.10:80

        pod/web                                           out by eth0
          sent                                            host pod/web
          default via 10.1.0.1 dev eth0                   default via 10.1.0.1 dev eth0
          10.1.0.1 is node/one pod                        interface pod
        node/one                                          pod > eth0
          in by pod                                       interface pod
          destination 10.0.0.10:80 becomes 10.2.0.2:8080  Service default/web port 80
          10.2.0.0/24 dev eth0                            address 10.2.0.1/24
          source 10.1.0.2 becomes 10.2.0.1                the destination is outside 10.1.0.0/16
          10.2.0.2 is vm/db eth0                          interface eth0
        vm/db                                             in by eth0
          in by eth0                                      interface eth0
          10.2.0.2/32 is this host                        address 10.2.0.2/24
          8080/tcp has a listener                         listener 8080/tcp

      delivered to vm/db, which saw 10.2.0.1:32768

      reply
        vm/db                                        out by eth0
          sent                                       host vm/db
          10.2.0.0/24 dev eth0                       address 10.2.0.2/24
          10.2.0.1 is node/one eth0                  interface eth0
        node/one                                     eth0 > pod
          in by eth0                                 interface eth0
          destination 10.2.0.1 back to 10.1.0.2      the destination is outside 10.1.0.0/16
          10.1.0.0/24 dev pod                        address 10.1.0.1/24
          source 10.2.0.2:8080 back to 10.0.0.10:80  Service default/web port 80
          10.1.0.2 is pod/web eth0                   interface eth0
        pod/web                                      in by eth0
          in by eth0                                 interface eth0
          10.1.0.2/32 is this host                   address 10.1.0.2/24
          the sender gets its reply
      "
    `);
  });

  it("colour changes nothing but colour", () => {
    for (const [path] of ["tcp > 10.0.0.10:80", "tcp > 10.0.0.20:80"].map(trace)) {
      if (path === undefined) throw new Error("no path");
      // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character is what it looks for
      expect(renderPath(path, { style: coloured }).replace(/\u001b\[\d+m/g, "")).toBe(renderPath(path));
    }
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { priorities } from "../ir/ruleset.ts";
import { mustAddress } from "../net/address.ts";
import { Connection, ConnectionTable, translateSource } from "./connections.ts";
import { dispositions, type Path } from "./result.ts";
import { base, element, host, is, masquerade, networkOf, rule, table, veth } from "./testing/network.ts";
import { randomNetwork } from "./testing/random-network.ts";
import { Tracer } from "./tracer.ts";

const seed = fc.integer({ min: 0, max: 0x7fffffff });

/** What must hold for every path of every packet. */
function checkPath(path: Path, from: string): void {
  expect(dispositions).toContain(path.outcome);
  expect(path.hops[0]?.host).toBe(from);
  expect(path.decidedBy === undefined).toBe(path.outcome === "delivered");
  expect(path.received !== undefined).toBe(["delivered", "refused", "asymmetric"].includes(path.outcome));
  expect(path.return !== undefined).toBe(["delivered", "asymmetric"].includes(path.outcome));
  expect(path.return?.outcome === "delivered").toBe(
    path.outcome === "delivered" || path.acknowledgement !== undefined || path.answer !== undefined,
  );
  expect(path.acknowledgement?.outcome).not.toBe("delivered");
  expect(path.answer?.outcome).not.toBe("delivered");
  const { news } = path;
  expect(news === undefined || path.return === undefined).toBe(true);
  expect(["refused", "rejected", "no-route", "loop", "no-neighbour", "black-hole", "dropped", undefined]).toContain(news && path.outcome);
  if (news?.way !== undefined) {
    expect(news.heard).toBe(news.way.outcome === "delivered");
    if (news.heard) expect(news.way.hops.at(-1)?.host).toBe(from);
  }
  for (const hops of [
    path.hops,
    path.return?.hops ?? [],
    news?.way?.hops ?? [],
    path.acknowledgement?.hops ?? [],
    path.answer?.hops ?? [],
  ]) {
    for (const [at, hop] of hops.entries()) {
      const next = hops[at + 1];
      expect(hop.outInterface === undefined).toBe(next === undefined);
      if (next !== undefined) expect(next.before).toEqual(hop.after);
      let now = hop.before;
      for (const step of hop.steps) {
        if (step.before === undefined) continue;
        expect(step.before).toEqual(now);
        now = step.after ?? now;
      }
      if (hop.steps.length > 0) expect(now).toEqual(hop.after);
    }
  }
  const [first, last] = [path.hops[0], path.return?.hops.at(-1)];
  if (path.outcome !== "delivered" || first === undefined) return;
  expect(last?.host).toBe(from);
  expect(last?.after).toMatchObject({ source: first.before.destination, destination: first.before.source });
  expect([last?.after.sourcePort, last?.after.destinationPort]).toEqual([first.before.destinationPort, first.before.sourcePort]);
}

/** Weight by what happened: ways that differ in nothing but steps are one without them. */
function withoutSteps(paths: readonly Path[]): ReadonlyMap<string, string> {
  const weights = new Map<string, number>();
  for (const { outcome, received, hops, weight } of paths) {
    const key = JSON.stringify({ outcome, received, hops: hops.map(({ steps, ...hop }) => hop) });
    weights.set(key, (weights.get(key) ?? 0) + weight);
  }
  return new Map([...weights].map(([key, weight]) => [key, weight.toFixed(9)]));
}

describe("any network", () => {
  it("every packet ends in exactly one way that hangs together, and nothing is thrown", () => {
    fc.assert(
      fc.property(seed, (value) => {
        const { hosts, packets } = randomNetwork(value);
        const tracer = new Tracer(networkOf(...hosts));
        for (const { from, packet } of packets) {
          const paths = tracer.trace(from, packet);
          expect(paths.reduce((sum, path) => sum + path.weight, 0)).toBeCloseTo(1, 9);
          for (const path of paths) checkPath(path, from);
        }
      }),
      { numRuns: 60 },
    );
  });

  it("a trace knows nothing of other traces, and steps do not change what happens", () => {
    fc.assert(
      fc.property(seed, (value) => {
        const { hosts, packets } = randomNetwork(value);
        const network = networkOf(...hosts);
        const shared = new Tracer(network);
        const once = packets.map(({ from, packet }) => shared.trace(from, packet));
        const again = [...packets].reverse().map(({ from, packet }) => new Tracer(network).trace(from, packet));
        expect(again.reverse()).toEqual(once);
        const brief = packets.map(({ from, packet }) => shared.trace(from, packet, { steps: false }));
        expect(brief.map(withoutSteps)).toEqual(once.map(withoutSteps));
      }),
      { numRuns: 20 },
    );
  });

  it("the first packet of a session goes as a packet alone", () => {
    fc.assert(
      fc.property(seed, (value) => {
        const { hosts, packets } = randomNetwork(value);
        const tracer = new Tracer(networkOf(...hosts));
        for (const { from, packet } of packets) {
          const [alone] = tracer.trace(from, packet);
          expect({ ...tracer.session().trace(from, packet), weight: 0 }).toEqual({ ...alone, weight: 0 });
        }
      }),
      { numRuns: 20 },
    );
  });

  it("a new network with the same hosts gives the same", () => {
    fc.assert(
      fc.property(seed, (value) => {
        const { hosts, packets } = randomNetwork(value);
        const [same, copied] = [networkOf(...hosts), networkOf(...structuredClone(hosts))].map((network) => new Tracer(network));
        for (const { from, packet } of packets) expect(copied?.trace(from, packet)).toEqual(same?.trace(from, packet));
      }),
      { numRuns: 20 },
    );
  });
});

describe("chance", () => {
  it("weights add up to one, whatever the numbers of choices and the limit", () => {
    const counts = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(counts, fc.integer({ min: 1, max: 40 }), (choices, maxPaths) => {
        const targets = choices.map((_, at) => element([at], [mustAddress(`10.0.1.${at + 1}`)]));
        const marks = choices.map((modulus) =>
          rule([], { kind: "set-mark", target: "meta", value: { kind: "random", modulus, offset: 0 } }),
        );
        const network = networkOf(
          host("a", {
            interfaces: [veth("e", "b e", ["10.0.0.1/24"])],
            routes: ["default via 10.0.0.2 dev e"],
            tables: [
              table("t", [base("filter", "output", 0, marks), base("nat", "postrouting", priorities.srcnat, [rule([], masquerade)])], {
                maps: [{ name: "m", key: ["mark"], value: ["ipv4_addr"], elements: targets }],
              }),
            ],
          }),
          host("b", {
            interfaces: [veth("e", "a e", ["10.0.0.2/24"])],
            listen: ["80/udp"],
            tables: [table("t", [base("filter", "input", 0, [rule([is("meta mark", 1)], { kind: "verdict", verdict: "drop" })])])],
          }),
        );
        const paths = new Tracer(network).trace(
          "a",
          { protocol: "udp", destination: mustAddress("10.0.0.2"), destinationPort: 80 },
          { maxPaths },
        );
        expect(paths.reduce((sum, path) => sum + path.weight, 0)).toBeCloseTo(1, 9);
        expect(paths.length).toBeLessThanOrEqual(maxPaths + 1);
        expect(paths.filter((path) => path.representative === true).length).toBe(
          choices.reduce((all, count) => all * count, 1) > maxPaths ? 1 : 0,
        );
      }),
    );
  });
});

describe("source translation", () => {
  it("never gives two connections the same replies, as long as there are ports", () => {
    const flow = fc.record({
      client: fc.integer({ min: 1, max: 3 }),
      port: fc.integer({ min: 1, max: 6 }),
      server: fc.integer({ min: 1, max: 2 }),
    });
    fc.assert(
      fc.property(
        fc.uniqueArray(flow, { maxLength: 36, selector: ({ client, port, server }) => `${client} ${port} ${server}` }),
        fc.boolean(),
        (flows, ranged) => {
          const connections = new ConnectionTable();
          const replies = new Set<string>();
          const range = ranged ? { first: 3, last: 20 } : undefined;
          for (const { client, port, server } of flows) {
            const connection = new Connection(6, client, port, 100 + server, 80);
            // 18 ports and at most 18 flows to one server: there is always one left.
            expect(translateSource(connections, connection, 99, { ports: range, draw: false, any: undefined })).toBe(true);
            connections.add(connection);
            const { replyDestinationPort } = connection;
            if (range !== undefined) expect(replyDestinationPort).toBeGreaterThanOrEqual(range.first);
            const reply = `${connection.replySource} ${replyDestinationPort}`;
            expect(replies).not.toContain(reply);
            replies.add(reply);
            expect(connections.find(6, 100 + server, 80, 99, replyDestinationPort)).toBe(connection);
          }
        },
      ),
    );
  });
});

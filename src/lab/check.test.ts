import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cluster, deployment, machine, pool, service, subnetId, TestLab, vnet } from "../controllers/testing/lab.ts";
import { agrees, brokenInvariants, Chance, type Expectation, expectationOf, type Observation, questionsFor } from "./check.ts";
import { LabView } from "./view.ts";

const lab = new TestLab([
  ...vnet("hub", ["10.240.0.0/16"], { plain: "10.240.0.0/24", data: "10.240.4.0/24" }),
  machine("db", subnetId("hub", "data")),
  cluster("red", { networkPlugin: "kubenet", podCidr: "10.244.0.0/16" }),
  pool("red", "np1", subnetId("hub", "plain"), { count: 2 }),
]);
lab.add(
  "red",
  { apiVersion: "v1", kind: "Namespace", metadata: { name: "default" } },
  deployment("web", 3),
  service("web", { type: "LoadBalancer" }),
);
lab.settle();
const view = new LabView("test", lab.resources);

test("the same seed asks the same questions, whole or sampled", () => {
  const all = [...questionsFor(view, 7, undefined).asked];
  expect([...questionsFor(view, 7, undefined).asked]).toEqual(all);
  const sample = [...questionsFor(view, 7, 20).asked];
  expect(sample.length).toBeLessThanOrEqual(20);
  expect([...questionsFor(view, 7, 20).asked]).toEqual(sample);
  const pairs = new Set(all.map(({ from, to }) => `${from} ${to}`));
  for (const { from, to } of sample) expect(pairs).toContain(`${from} ${to}`);
});

test("the model keeps its invariants for every pair", () => {
  for (const question of questionsFor(view, 1, undefined).asked) {
    const paths = view.tracer.trace(question.host, question.packet, { steps: false });
    expect(brokenInvariants(question, paths), `${question.from} > ${question.to}`).toEqual([]);
    for (const path of paths) {
      const one = expectationOf(view.network, path, 1000);
      const observed: Observation = {
        outcome: one.outcomes[0] ?? "answered",
        ...(one.receiver === undefined ? {} : { receiver: one.receiver }),
        ...(one.source === undefined
          ? {}
          : { source: { address: one.source, ...(one.sourcePort === undefined ? {} : { port: one.sourcePort }) } }),
      };
      expect(agrees(observed, [one])).toBe(true);
    }
  }
});

test("a sample has so many different numbers, in range", () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 1, max: 500 }), fc.nat(500), (seed, total, count) => {
      const numbers = new Chance(seed).sample(total, Math.min(count, total));
      return new Set(numbers).size === Math.min(count, total) && numbers.every((number) => number >= 0 && number < total);
    }),
  );
});

describe("agreement", () => {
  const path = view.tracer.trace("vm/db", { protocol: "icmp", destination: view.endpoints[0]?.address ?? ("" as never) })[0];
  if (path === undefined) throw new Error("no path");
  const predicted: Expectation = {
    weight: 1,
    path,
    outcomes: ["answered"],
    receiver: "vm/db",
    source: path.hops[0]?.before.source ?? ("" as never),
    sourcePorts: { first: 1024, last: 2047 },
  };
  const saw = (port: number): Observation => ({
    outcome: "answered",
    receiver: "vm/db",
    source: { address: predicted.source ?? "", port },
  });
  test.each([
    { name: "a port of the range", observed: saw(1024), want: true },
    { name: "a port outside the range", observed: saw(1023), want: false },
    { name: "another receiver", observed: { ...saw(1024), receiver: "vm/other" }, want: false },
    { name: "another source", observed: { ...saw(1024), source: { address: "192.0.2.1", port: 1024 } }, want: false },
    { name: "no answer", observed: { outcome: "timeout" as const }, want: false },
  ])("$name: $want", ({ observed, want }) => expect(agrees(observed, [predicted])).toBe(want));
});

/** When things run out. */

import { describe, expect, test } from "vitest";
import type { Growth, Rate } from "./index.ts";
import { plannedLab } from "./testing/plan.ts";

const lab = (pools: string, cluster = "networkPlugin: azure") => `
lab: t
networks: [{ name: hub, addressSpace: [10.240.0.0/16], subnets: [{ name: a, prefix: 10.240.0.0/24 }] }]
clusters: [{ name: c, subnet: hub/a, ${cluster}, pools: [${pools}] }]
`;

const monthly = (amount: number, unit: Rate["unit"] = "nodes"): Rate => ({ amount, unit, per: "month" });

function forecast(text: string, growth: Partial<Growth>) {
  const found = plannedLab(text, { growth: { from: "2026-01-01", rates: [], counts: [], ...growth } }).forecast;
  if (found === undefined) throw new Error("there is a forecast");
  return found;
}

const brief = (text: string, growth: Partial<Growth>) =>
  forecast(text, growth)
    .exhaustions.slice(0, 2)
    .map(({ date, budget, when, nodes }) => `${date} ${budget} ${when} ${Object.values(nodes).join("+")}`);

describe("the first thing to run out, and when", () => {
  // 251 usable addresses, 31 a node: 8 nodes at rest, 7 with one of surge.
  test("one node a month", () => {
    expect(brief(lab("{ count: 3 }"), { rates: [monthly(1)] })).toEqual([
      "2026-06-01 subnet/hub/a upgrade 8",
      "2026-07-01 subnet/hub/a scale 9",
    ]);
  });
  test("a percentage, which grows", () => {
    expect(brief(lab("{ count: 5 }"), { rates: [monthly(10, "percent")] })).toEqual([
      "2026-05-30 subnet/hub/a upgrade 8",
      "2026-07-07 subnet/hub/a scale 9",
    ]);
  });
  test("pods fill the nodes that are there, then need new ones", () => {
    expect(brief(lab("{ count: 3 }"), { rates: [monthly(30, "pods")] })).toEqual([
      "2026-05-02 subnet/hub/a upgrade 8",
      "2026-06-02 subnet/hub/a scale 9",
    ]);
  });
  test("counts over time, even between two of them", () => {
    const counts = [{ date: "2026-07-01", pools: { "c/nodepool1": 9 } }];
    expect(brief(lab("{ count: 3 }"), { counts })).toEqual(["2026-06-01 subnet/hub/a upgrade 8", "2026-07-01 subnet/hub/a scale 9"]);
  });
  test("a rate is shared out among a cluster's pools", () => {
    expect(brief(lab("{ count: 2 }, { count: 1 }"), { rates: [monthly(3)] })[0]).toBe("2026-03-01 subnet/hub/a upgrade 6+3");
  });
  test("nothing, for a small rate", () => {
    expect(brief(lab("{ count: 3 }", "networkPlugin: kubenet"), { rates: [{ amount: 1, unit: "nodes", per: "year" }] })).toEqual([]);
  });
});

test("kubenet: the pod CIDR, the nodes and the routes, each on its day", () => {
  const text = lab("{ count: 3 }", "networkPlugin: kubenet, podCidr: 10.244.0.0/15").replace("10.240.0.0/24", "10.240.0.0/20");
  const found = forecast(text, { rates: [monthly(50)] });
  expect(found.exhaustions.filter(({ when }) => when === "scale").map(({ budget }) => budget)).toEqual([
    "clusterNodes/c",
    "podCidr/c",
    "routes/c",
    "poolNodes/c/nodepool1",
    "outboundPorts/c",
    "subnet/hub/a",
  ]);
  expect(found.events[0]).toMatchObject({ date: "2026-01-28" });
  expect(found.events[0]?.text).toContain("past 50 nodes: outbound ports of each fall from 1024 to 512");
});

test("an autoscaler at its maximum", () => {
  const text = lab("{ count: 3, enableAutoScaling: true, minCount: 1, maxCount: 6 }");
  expect(forecast(text, { rates: [monthly(1)] }).events[0]).toMatchObject({
    date: "2026-05-01",
    text: "pool c/nodepool1 needs more than its maxCount of 6 nodes",
  });
});

import { describe, expect, it } from "vitest";
import { cluster, deployment, pool, service, subnetId, TestLab, vnet } from "./testing/lab.ts";

describe("settle", () => {
  it("brings a small lab of two clusters to rest, and then finds nothing to do", () => {
    const lab = new TestLab([
      ...vnet("hub", ["10.240.0.0/16"], { plain: "10.240.0.0/24", flat: "10.240.2.0/23" }),
      cluster("k", { networkPlugin: "kubenet", podCidr: "10.244.0.0/16" }),
      pool("k", "np1", subnetId("hub", "plain"), { count: 3 }),
      cluster("a"),
      pool("a", "np1", subnetId("hub", "flat"), { count: 3 }),
    ]);
    for (const name of ["k", "a"]) lab.add(name, deployment("web", 6), service("web", { type: "LoadBalancer" }));
    const rounds = lab.settle();
    const before = lab.dump();
    console.log(rounds, before.length, lab.events("k"), lab.events("a"));
    console.log(
      lab.pods("k").map((p) => `${p.metadata.name} ${p.spec.nodeName} ${p.status?.podIP} ${p.status?.phase}`),
      lab.pods("a").map((p) => `${p.metadata.name} ${p.spec.nodeName} ${p.status?.podIP}`),
    );
    expect(lab.settle()).toBe(1);
    expect(lab.dump()).toBe(before);
  });
});

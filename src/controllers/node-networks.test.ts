import { describe, expect, it } from "vitest";
import type { PodIPAllocationMode } from "../arm/resources.ts";
import type { NodeNetworkConfig } from "../kube/objects.ts";
import { podAddressesOf } from "./node-networks.ts";
import { cluster, deployment, pod, pool, subnetId, TestLab, vnet } from "./testing/lab.ts";

const [nodes, pods] = [subnetId("hub", "nodes"), subnetId("hub", "pods")];

function labWith(count: number, maxPods: number, podIPAllocationMode: PodIPAllocationMode, prefix = "10.240.8.0/24"): TestLab {
  const lab = new TestLab([
    ...vnet("hub", ["10.240.0.0/16"], { nodes: "10.240.0.0/24", pods: prefix }),
    cluster("c"),
    pool("c", "np1", nodes, { count, maxPods, podSubnetID: pods, podIPAllocationMode }),
  ]);
  lab.settle();
  return lab;
}

const configs = (lab: TestLab) => lab.kube<NodeNetworkConfig>("c", "NodeNetworkConfig");
const held = (lab: TestLab) => configs(lab).map(({ status }) => status.assignedIPCount);
const ready = (lab: TestLab) => lab.nodes("c").map((node) => node.status.conditions.find(({ type }) => type === "Ready")?.status);

describe("DynamicIndividual", () => {
  // Facts 1.4: 0 pods 16, 9 pods 32, 25 pods 48.
  it.each([
    [0, 16],
    [8, 16],
    [9, 32],
    [24, 32],
    [25, 48],
    [105, 110],
  ])("for %i pods a node holds %i addresses", (replicas, want) => {
    const lab = labWith(1, 110, "DynamicIndividual").add("c", deployment("web", replicas));
    lab.settle();
    expect(held(lab)).toEqual([want]);
    expect(new Set(lab.pods("c").map(({ status }) => status?.podIP)).size).toBe(replicas);
    expect(lab.events("c")).toEqual([]);
  });

  it("does not count pods with the node's own network", () => {
    const lab = labWith(1, 110, "DynamicIndividual").add("c", deployment("web", 8), pod("host", { hostNetwork: true }));
    lab.settle();
    expect(held(lab)).toEqual([16]);
  });

  it("gives unused addresses back, and never one that a pod has", () => {
    const lab = labWith(1, 110, "DynamicIndividual").add("c", deployment("web", 40));
    lab.settle();
    expect(held(lab)).toEqual([48]);
    lab.add("c", deployment("web", 3)).settle();
    expect(held(lab)).toEqual([16]);
    const [config] = configs(lab);
    const addresses = config === undefined ? [] : podAddressesOf(config);
    for (const { status } of lab.pods("c")) expect(addresses).toContain(status?.podIP);
  });

  it("starts a pool as far as the pod subnet goes; the others are not ready, with the arithmetic", () => {
    const lab = labWith(3, 110, "DynamicIndividual", "10.240.8.0/27");
    // 27 usable: 16 for the first, one at a time for the second, and so on.
    expect(held(lab)).toEqual([16, 1, 1]);
    lab.add("c", deployment("web", 28)).settle();
    expect(held(lab).reduce((sum, count) => sum + count, 0)).toBe(27);
    const addressed = lab.pods("c").flatMap(({ status }) => status?.podIP ?? []);
    expect(new Set(addressed).size).toBe(addressed.length);
    expect(addressed.length).toBeGreaterThan(16);
    expect(lab.events("c").join("\n")).toMatch(
      /PodSubnetIsFull: aks-np1-\d{8}-vmss00000\d asks for \d+ addresses \(16 x ceil\(0\.5 \+ \d+ pods \/ 16\), at most 110\) and has \d+, 0 free of 27 in subnet hub\/pods/,
    );
    expect(lab.events("c").join("\n")).toMatch(
      /FailedCreatePodSandBox: .* no address left: all \d+ addresses that node .* are in use; 0 free of 27/,
    );
    lab.add("c", deployment("web", 3)).settle();
    expect(lab.events("c")).toEqual([]);
  });
});

describe("StaticBlock", () => {
  // Facts 1.4.
  it.each([
    [30, 2],
    [31, 2],
    [32, 3],
  ])("for %i max pods a node gets %i blocks of 16", (maxPods, blocks) => {
    const lab = labWith(2, maxPods, "StaticBlock");
    expect(held(lab)).toEqual([16 * blocks, 16 * blocks]);
    expect(configs(lab).map((config) => podAddressesOf(config).length)).toEqual([16 * blocks - 1, 16 * blocks - 1]);
    expect(configs(lab)[0]?.status.networkContainers[0]).toMatchObject({
      type: "vnetblock",
      assignmentMode: "static",
      primaryIP: "10.240.8.16/28",
    });
  });

  it("gives all blocks of a node or none", () => {
    const lab = labWith(2, 62, "StaticBlock", "10.240.8.0/25");
    // 8 blocks, of which the first and the last have addresses that Azure keeps: 4 for the first node, and 2 are not enough for the second.
    expect(held(lab)).toEqual([64, 0]);
    expect(ready(lab)).toEqual(["True", "False"]);
    expect(lab.events("c").filter((event) => event.startsWith("PodSubnetIsFull"))).toEqual([
      expect.stringMatching(/needs 4 blocks of 16 addresses \(62 pods \+ 1 \/ 16, rounded up\), 59 free of 123 in subnet hub\/pods/),
    ]);
  });

  it("keeps a node's blocks for as long as it lives, and not longer", () => {
    const lab = labWith(1, 62, "StaticBlock", "10.240.8.0/25");
    const before = configs(lab);
    lab.add("c", deployment("web", 20)).settle();
    expect(configs(lab)).toEqual(before);
    lab.put(pool("c", "np1", nodes, { count: 0, maxPods: 62, podSubnetID: pods, podIPAllocationMode: "StaticBlock" })).settle();
    expect(configs(lab)).toEqual([]);
    lab.put(pool("c", "np1", nodes, { count: 1, maxPods: 62, podSubnetID: pods, podIPAllocationMode: "StaticBlock" })).settle();
    expect(held(lab)).toEqual([64]);
  });
});

import { describe, expect, it } from "vitest";
import type { NetworkInterface } from "../arm/resources.ts";
import { cluster, deployment, keyIn, pod, pool, subnetId, TestLab, vnet } from "./testing/lab.ts";

const plain = subnetId("hub", "plain");

function lab(networkPlugin: "kubenet" | "azure", maxPods: number, count = 1): TestLab {
  const made = new TestLab([
    ...vnet("hub", ["10.240.0.0/16"], { plain: "10.240.0.0/20" }),
    cluster("c", networkPlugin === "kubenet" ? { networkPlugin, podCidr: "10.244.0.0/16" } : {}),
    pool("c", "np1", plain, { count, maxPods }),
  ]);
  made.settle();
  return made;
}

const addresses = (of: TestLab) => of.pods("c").map(({ metadata, status }) => `${metadata.name} ${status?.podIP}`);

describe("kubenet pod addresses", () => {
  it("are given round robin, from .2 to .254", () => {
    const k = lab("kubenet", 250).add("c", pod("a"), pod("b"));
    k.settle();
    expect(addresses(k)).toEqual(["a 10.244.0.2", "b 10.244.0.3"]);
    k.remove(keyIn("c", pod("b"))).settle();
    k.add("c", pod("c")).settle();
    expect(addresses(k)).toEqual(["a 10.244.0.2", "c 10.244.0.4"]);
    for (let round = 0; round < 249; round++) {
      k.remove(keyIn("c", pod("c"))).settle();
      k.add("c", pod("c")).settle();
    }
    expect(addresses(k)).toEqual(["a 10.244.0.2", "c 10.244.0.253"]);
    for (const want of ["10.244.0.254", "10.244.0.3"]) {
      k.remove(keyIn("c", pod("c"))).settle();
      k.add("c", pod("c")).settle();
      expect(addresses(k)[1]).toBe(`c ${want}`);
    }
  });

  // Facts 2.1 and 1.2: 253 usable, so 250 pods never run out; a node that may have more pods than that does.
  it("run out after 253, with the arithmetic", () => {
    const k = lab("kubenet", 256).add("c", deployment("web", 255));
    k.settle();
    expect(new Set(k.pods("c").flatMap(({ status }) => status?.podIP ?? [])).size).toBe(253);
    const waiting = k.pods("c").filter(({ status }) => status?.podIP === undefined);
    expect(waiting.map(({ status }) => status?.phase)).toEqual(["Pending", "Pending"]);
    expect(k.events("c")).toHaveLength(2);
    expect(k.events("c")[0]).toMatch(
      /^FailedCreatePodSandBox: failed to set up the pod's network: no address left: 253 of 253 in use on node aks-np1-\d{8}-vmss000000 \(10\.244\.0\.0\/24: 256 - network - gateway - broadcast\)$/,
    );
    k.add("c", deployment("web", 253)).settle();
    expect(k.events("c")).toEqual([]);
    expect(k.pods("c").every(({ status }) => status?.phase === "Running")).toBe(true);
  });
});

describe("Azure CNI pod addresses", () => {
  it("are the secondary addresses of the node's interface, lowest free first", () => {
    const a = lab("azure", 30).add("c", pod("a"), pod("b"));
    a.settle();
    expect(addresses(a)).toEqual(["a 10.240.0.5", "b 10.240.0.6"]);
    a.remove(keyIn("c", pod("a"))).settle();
    a.add("c", pod("c")).settle();
    expect(addresses(a)).toEqual(["b 10.240.0.6", "c 10.240.0.5"]);
  });

  it("never run out before the node is full of pods, host network or not", () => {
    const a = lab("azure", 30).add("c", deployment("web", 30));
    a.settle();
    expect(new Set(a.pods("c").map(({ status }) => status?.podIP)).size).toBe(30);
    a.add("c", deployment("web", 31)).settle();
    expect(a.events("c")).toEqual(["FailedScheduling: 0/1 nodes are available: 1 Too many pods."]);
  });

  it("come from the node that the pod is on", () => {
    const a = lab("azure", 30, 3).add("c", deployment("web", 9));
    a.settle();
    const nics = a.arm<NetworkInterface>("Microsoft.Compute/virtualMachineScaleSets/virtualMachines/networkInterfaces");
    for (const { spec, status } of a.pods("c")) {
      const node = a.nodes("c").find(({ metadata }) => metadata.name === spec.nodeName);
      const nic = nics.find(({ properties }) => node?.spec.providerID.endsWith(properties.virtualMachine?.id ?? ""));
      expect(
        nic?.properties.ipConfigurations.some(({ properties }) => !properties.primary && properties.privateIPAddress === status?.podIP),
      ).toBe(true);
    }
  });
});

describe("pods with host networking", () => {
  it.each(["kubenet", "azure"] as const)("have the node's address (%s)", (plugin) => {
    const k = lab(plugin, 30).add("c", pod("agent", { hostNetwork: true }), pod("web"));
    k.settle();
    expect(addresses(k)).toEqual(["agent 10.240.0.4", plugin === "kubenet" ? "web 10.244.0.2" : "web 10.240.0.5"]);
  });
});

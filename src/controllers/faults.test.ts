/** What Azure's load balancer, Kubernetes and network plugins do about faults. */

import { describe, expect, it } from "vitest";
import type { FaultProperties } from "../arm/faults.ts";
import { armId } from "../arm/names.ts";
import type { AzureResource, LoadBalancer, ProbeResult, ScaleSetMachine } from "../arm/resources.ts";
import type { EndpointSlice, Node, Pod } from "../kube/objects.ts";
import { cluster, deployment, group, keyIn, pod, pool, service, subnetId, TestLab, vnet } from "./testing/lab.ts";

const plain = subnetId("hub", "plain");
const id = armId(group, "Drydock.Lab/faults", "f");
const fault = (properties: FaultProperties): AzureResource => ({ id, name: "f", type: "Drydock.Lab/faults", properties });

function lab(networkPlugin: "kubenet" | "azure", count: number, maxPods = 30): TestLab {
  const profile = networkPlugin === "kubenet" ? { networkPlugin, podCidr: "10.244.0.0/16" } : {};
  const made = new TestLab([
    ...vnet("hub", ["10.240.0.0/16"], { plain: "10.240.0.0/20" }),
    cluster("c", profile),
    pool("c", "np1", plain, { count, maxPods }),
  ]);
  made.settle();
  return made;
}

const isReady = ({ status }: Pod) => status?.conditions?.some((one) => one.type === "Ready" && one.status === "True") ?? false;
const conditionOf = (node: Node | undefined) => node?.status.conditions.find(({ type }) => type === "Ready");

describe("a machine that is stopped", () => {
  const k = lab("kubenet", 2).add("c", deployment("web", 4), service("web", { type: "LoadBalancer" }));
  k.settle();
  const before = k.dump();
  const [machine] = k.arm<ScaleSetMachine>("Microsoft.Compute/virtualMachineScaleSets/virtualMachines");
  const machineName = machine?.properties.osProfile.computerName ?? "";
  const ready = () =>
    k
      .kube<EndpointSlice>("c", "EndpointSlice")
      .flatMap(({ endpoints }) => endpoints.filter(({ conditions }) => conditions.ready).map(({ nodeName }) => nodeName));

  it("is a node of which nothing is known, whose pods get no traffic and stay where they are", () => {
    const pods = k.pods("c").map(({ metadata, spec }) => `${metadata.name} ${spec.nodeName}`);
    k.put(fault({ kind: "stop", virtualMachine: { id: machine?.id ?? "" }, machineName })).settle();
    const node = k.nodes("c").find(({ metadata }) => metadata.name === machineName);
    expect(conditionOf(node)).toMatchObject({ status: "Unknown", reason: "NodeStatusUnknown" });
    expect(node?.spec.taints).toContainEqual({ key: "node.kubernetes.io/unreachable", effect: "NoSchedule" });
    expect(k.pods("c").map(({ metadata, spec }) => `${metadata.name} ${spec.nodeName}`)).toEqual(pods);
    for (const one of k.pods("c")) expect(isReady(one), one.metadata.name).toBe(one.spec.nodeName !== machineName);
    expect(ready()).not.toContain(machineName);
    const [result] = k.arm<ProbeResult>("Drydock.Lab/probeResults");
    expect(result?.properties.healthy).toHaveLength(1);
  });

  it("gets no new pods", () => {
    k.add("c", deployment("more", 3)).settle();
    const nodes = k.pods("c").flatMap(({ metadata, spec }) => (metadata.name.startsWith("more") ? spec.nodeName : []));
    expect(new Set(nodes).size).toBe(1);
    expect(nodes).not.toContain(machineName);
    k.remove(keyIn("c", deployment("more", 3))).settle();
  });

  it("is as it was when it runs again", () => {
    k.remove(id.toLowerCase()).settle();
    expect(ready()).toContain(machineName);
    expect(k.dump().replace(/"last": "[^"]*"/g, "")).toBe(before.replace(/"last": "[^"]*"/g, ""));
  });
});

describe("a probe that is not answered", () => {
  it("has no healthy backend until it is again", () => {
    const k = lab("azure", 2).add("c", deployment("web", 2), service("web", { type: "LoadBalancer" }));
    k.settle();
    const healthy = () => k.arm<ProbeResult>("Drydock.Lab/probeResults").map(({ properties }) => properties.healthy.length);
    expect(healthy()).toEqual([2]);
    const [balancer] = k.arm<LoadBalancer>("Microsoft.Network/loadBalancers");
    const probe = `${balancer?.id}/probes/${balancer?.properties.probes[0]?.name}`;
    k.put(fault({ kind: "probe", probe: { id: probe } })).settle();
    expect(healthy()).toEqual([0]);
    k.remove(id.toLowerCase()).settle();
    expect(healthy()).toEqual([2]);
  });
});

describe("addresses that are not given back", () => {
  it.each([
    ["azure", 10, 10],
    ["kubenet", 254, 253],
  ] as const)("%s: a node of %i pods runs out of its %i addresses", (networkPlugin, maxPods, addresses) => {
    const k = lab(networkPlugin, 1, maxPods);
    const managedCluster = { id: armId(group, "Microsoft.ContainerService/managedClusters", "c") };
    k.put(fault({ kind: "leak", managedCluster })).settle();
    const given = new Set<string>();
    for (let turn = 0; turn < addresses; turn++) {
      k.add("c", pod("a")).settle();
      given.add(k.pods("c")[0]?.status?.podIP ?? "");
      k.remove(keyIn("c", pod("a"))).settle();
    }
    expect(given.size).toBe(addresses);
    k.add("c", pod("a")).settle();
    expect(k.pods("c")[0]?.status?.podIP).toBeUndefined();
    expect(k.events("c")).toEqual([expect.stringContaining(`, ${addresses} of them by pods that are gone and never gave them back`)]);
    k.remove(id.toLowerCase()).settle();
    expect(k.pods("c")[0]?.status?.podIP).toBeDefined();
    expect(k.events("c")).toEqual([]);
  });
});

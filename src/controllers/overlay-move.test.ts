import { describe, expect, it } from "vitest";
import type { NetworkInterface, NetworkProfile, RouteTable, Subnet } from "../arm/resources.ts";
import { cluster, deployment, machine, pod, pool, statefulSet, subnetId, TestLab, vnet } from "./testing/lab.ts";

const plain = subnetId("hub", "plain");
const nicType = "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/networkInterfaces";
const overlay = (podCidr: string): Partial<NetworkProfile> => ({ networkPlugin: "azure", networkPluginMode: "overlay", podCidr });

function lab(profile: Partial<NetworkProfile>): TestLab {
  const made = new TestLab([
    ...vnet("hub", ["10.240.0.0/16"], { plain: "10.240.0.0/24" }),
    cluster("c", profile),
    pool("c", "np1", plain, { count: 2, maxPods: 30 }),
    pool("c", "np2", plain, { count: 1, maxPods: 30, mode: "User" }),
  ]).add("c", deployment("web", 6), statefulSet("db", 2), pod("single"), pod("host", { hostNetwork: true }));
  made.settle();
  return made;
}

const tables = (of: TestLab) => of.arm<RouteTable>("Microsoft.Network/routeTables");
const nodes = (of: TestLab) =>
  of.nodes("c").map((node) => ({
    name: node.metadata.name.slice(-6),
    address: node.status.addresses[0]?.address,
    podCIDR: node.spec.podCIDR,
    conditions: node.status.conditions.map(({ type, status }) => `${type} ${status}`),
    taints: node.spec.taints ?? [],
  }));
const addresses = (of: TestLab) =>
  of
    .pods("c")
    .filter(({ spec }) => spec.hostNetwork !== true)
    .map(({ status }) => status?.podIP ?? "none");

describe("a cluster that moves to Azure CNI Overlay", () => {
  it("keeps its nodes and their addresses, and makes every pod anew, from kubenet", () => {
    const moved = lab({ networkPlugin: "kubenet", podCidr: "10.244.0.0/16" });
    const before = nodes(moved);
    const [pods, uids] = [addresses(moved), moved.pods("c").map(({ metadata }) => metadata.name)];
    expect(tables(moved)).toHaveLength(1);
    moved.put(cluster("c", overlay("10.244.0.0/16"))).settle();
    expect(nodes(moved)).toEqual(before.map((node) => ({ ...node, conditions: ["Ready True"] })));
    expect(moved.pods("c")).toHaveLength(uids.length);
    expect(addresses(moved)).not.toEqual(pods);
    expect(addresses(moved)).not.toContain("none");
    expect(new Set(addresses(moved)).size).toBe(pods.length);
    // The lowest of each node's prefix, as azure-cns may and host-local does not.
    expect(addresses(moved)).toContain("10.244.0.0");
    expect(tables(moved)).toEqual([]);
    expect(moved.arm<Subnet>("Microsoft.Network/virtualNetworks/subnets")[0]?.properties).not.toHaveProperty("routeTable");
    for (const nic of moved.arm<NetworkInterface>(nicType)) expect(nic.properties.enableIPForwarding).toBe(false);
    expect(moved.events("c")).toEqual([]);
    expect(moved.settle()).toBe(1);
  });

  it("takes a new pod CIDR", () => {
    const moved = lab({ networkPlugin: "kubenet", podCidr: "10.244.0.0/16" });
    moved.put(cluster("c", overlay("10.250.0.0/22"))).settle();
    expect(nodes(moved).map(({ podCIDR }) => podCIDR)).toEqual(["10.250.0.0/24", "10.250.1.0/24", "10.250.2.0/24"]);
    for (const address of addresses(moved)) expect(address).toMatch(/^10\.250\.[012]\./);
  });

  it("gives the addresses back that nodes reserved, from node subnet", () => {
    const moved = lab({});
    const before = nodes(moved);
    expect(moved.arm<NetworkInterface>(nicType)[0]?.properties.ipConfigurations).toHaveLength(31);
    moved.put(cluster("c", overlay("10.244.0.0/16"))).settle();
    expect(nodes(moved).map(({ address }) => address)).toEqual(before.map(({ address }) => address));
    expect(moved.arm<NetworkInterface>(nicType).map((nic) => nic.properties.ipConfigurations.length)).toEqual([1, 1, 1]);
    for (const address of addresses(moved)) expect(address).toMatch(/^10\.244\.[012]\./);
    // 10.240.0.5 was a pod's.
    moved.put(machine("vm", plain)).settle();
    const vm = moved.arm<NetworkInterface>("Microsoft.Network/networkInterfaces")[0];
    expect(vm?.properties.ipConfigurations[0]?.properties.privateIPAddress).toBe("10.240.0.5");
  });
});

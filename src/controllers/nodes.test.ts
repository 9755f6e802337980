import { describe, expect, it } from "vitest";
import type { RouteTable, Subnet } from "../arm/resources.ts";
import type { Node } from "../kube/objects.ts";
import { cluster, labResource, pod, pool, service, subnetId, TestLab, vnet } from "./testing/lab.ts";

const plain = subnetId("hub", "plain");
const kubenet = { networkPlugin: "kubenet", podCidr: "10.244.0.0/22" } as const;

function lab(count: number): TestLab {
  return new TestLab([
    ...vnet("hub", ["10.240.0.0/16"], { plain: "10.240.0.0/24", other: "10.240.1.0/24" }),
    cluster("k", kubenet),
    pool("k", "np1", plain, { count, maxPods: 110 }),
  ]);
}

const cidrs = (of: TestLab) => of.nodes("k").map((node) => node.spec.podCIDR);
const tables = (of: TestLab) => of.arm<RouteTable>("Microsoft.Network/routeTables");
const subnet = (of: TestLab, name: string) => of.arm<Subnet>("Microsoft.Network/virtualNetworks/subnets").find((s) => s.name === name);
const network = (node: Node | undefined) => node?.status.conditions.find(({ type }) => type === "NetworkUnavailable");

describe("nodes", () => {
  it("registers machines with what Kubernetes and AKS say of them", () => {
    const k = lab(1);
    k.settle();
    const [node] = k.nodes("k");
    const name = node?.metadata.name ?? "";
    expect(name).toMatch(/^aks-np1-\d{8}-vmss000000$/);
    expect(node?.spec.podCIDR).toBe("10.244.0.0/24");
    expect(node?.spec.providerID).toMatch(
      /^azure:\/\/\/subscriptions\/.*\/virtualMachineScaleSets\/aks-np1-\d{8}-vmss\/virtualMachines\/0$/,
    );
    expect(node?.status.capacity.pods).toBe("110");
    expect(node?.status.addresses).toEqual([
      { type: "InternalIP", address: "10.240.0.4" },
      { type: "Hostname", address: name },
    ]);
    expect(node?.metadata.labels).toMatchObject({
      agentpool: "np1",
      "kubernetes.azure.com/agentpool": "np1",
      "kubernetes.io/os": "linux",
      "kubernetes.io/hostname": name,
    });
    expect(node?.spec.taints).toBeUndefined();
  });

  it("hands out pod prefixes after the last one, starting again at the end", () => {
    const k = lab(3);
    k.settle();
    expect(cidrs(k)).toEqual(["10.244.0.0/24", "10.244.1.0/24", "10.244.2.0/24"]);
    k.put(pool("k", "np1", plain, { count: 1 })).settle();
    k.put(pool("k", "np1", plain, { count: 3 })).settle();
    expect(cidrs(k)).toEqual(["10.244.0.0/24", "10.244.3.0/24", "10.244.1.0/24"]);
  });

  it("leaves a node without a prefix unavailable, and says why", () => {
    const k = lab(5);
    k.settle();
    const [left, ...more] = k.nodes("k").filter((node) => node.spec.podCIDR === undefined);
    expect(more).toEqual([]);
    expect(network(left)?.reason).toBe("NoRouteCreated");
    expect(left?.spec.taints?.[0]?.key).toBe("node.kubernetes.io/network-unavailable");
    expect(k.events("k")).toEqual(["CIDRNotAvailable: pod CIDR 10.244.0.0/22 has room for 4 nodes (one /24 each), and all are given out"]);
  });

  it("keeps what others set on a node", () => {
    const k = lab(1);
    k.settle();
    const [node] = k.nodes("k");
    if (node === undefined) throw new Error("no node");
    const cordoned: Node = {
      ...node,
      metadata: { ...node.metadata, labels: { ...node.metadata.labels, disk: "ssd" } },
      spec: { ...node.spec, unschedulable: true, taints: [{ key: "gpu", effect: "NoSchedule" }] },
    };
    k.add("k", cordoned).settle();
    expect(k.nodes("k")).toEqual([cordoned]);
  });
});

describe("route tables", () => {
  it("has exactly one route per node, in AKS's own table on the subnet", () => {
    const k = lab(2);
    k.settle();
    const [table, ...others] = tables(k);
    expect(others).toEqual([]);
    expect(table?.name).toMatch(/^aks-agentpool-\d{8}-routetable$/);
    expect(subnet(k, "plain")?.properties.routeTable?.id).toBe(table?.id);
    expect(subnet(k, "other")?.properties.routeTable).toBeUndefined();
    expect(table?.properties.routes).toEqual(
      k.nodes("k").map((node, index) => ({
        name: `${node.metadata.name}____10244${index}024`,
        properties: { addressPrefix: `10.244.${index}.0/24`, nextHopType: "VirtualAppliance", nextHopIpAddress: `10.240.0.${4 + index}` },
      })),
    );
    expect(k.nodes("k").map((node) => network(node)?.reason)).toEqual(["RouteCreated", "RouteCreated"]);
    k.put(pool("k", "np1", plain, { count: 1 })).settle();
    expect(tables(k)[0]?.properties.routes).toHaveLength(1);
  });

  it("names routes by the node alone under the lesson's rules, and changes style cleanly", () => {
    const k = lab(1);
    k.settle();
    k.put(labResource("lesson")).settle();
    expect(tables(k)[0]?.properties.routes.map(({ name }) => name)).toEqual(k.nodes("k").map((node) => node.metadata.name));
  });

  it("puts its routes into the user's table and leaves the user's own alone", () => {
    const id = `${plain.slice(0, plain.indexOf("/virtualNetworks"))}/routeTables/mine`;
    const foreign = {
      name: "to-firewall",
      properties: { addressPrefix: "0.0.0.0/0", nextHopType: "VirtualAppliance", nextHopIpAddress: "10.240.1.4" },
    } as const;
    const k = lab(2).put(
      { id, name: "mine", type: "Microsoft.Network/routeTables", properties: { routes: [foreign] } },
      {
        id: plain,
        name: "plain",
        type: "Microsoft.Network/virtualNetworks/subnets",
        properties: { addressPrefix: "10.240.0.0/24", routeTable: { id } },
      },
    );
    k.settle();
    expect(tables(k).map(({ name }) => name)).toEqual(["mine"]);
    expect(tables(k)[0]?.properties.routes).toHaveLength(3);
    expect(tables(k)[0]?.properties.routes[0]).toEqual(foreign);
    k.remove(cluster("k").id.toLowerCase(), pool("k", "np1", plain, { count: 2 }).id.toLowerCase()).settle();
    expect(tables(k)[0]?.properties.routes).toEqual([foreign]);
    expect(subnet(k, "plain")?.properties.routeTable?.id).toBe(id);
  });

  it("repairs a route that someone changed", () => {
    const k = lab(1);
    k.settle();
    const before = k.dump();
    const [table] = tables(k);
    if (table === undefined) throw new Error("no table");
    k.put({ ...table, properties: { ...table.properties, routes: [] } }).settle();
    expect(k.dump()).toBe(before);
  });

  it("makes no table for Azure CNI", () => {
    const a = new TestLab([
      ...vnet("hub", ["10.240.0.0/16"], { plain: "10.240.0.0/24" }),
      cluster("a"),
      pool("a", "np1", plain, { count: 1 }),
    ]);
    a.settle();
    expect(tables(a)).toEqual([]);
    expect(network(a.nodes("a")[0])).toBeUndefined();
  });
});

describe("garbage", () => {
  it("leaves nothing of a deleted cluster", () => {
    const k = lab(2).add("k", pod("web"), service("web", { type: "LoadBalancer" }));
    const alone = new TestLab([...vnet("hub", ["10.240.0.0/16"], { plain: "10.240.0.0/24", other: "10.240.1.0/24" })]);
    alone.settle();
    k.settle();
    k.remove(cluster("k").id.toLowerCase(), pool("k", "np1", plain, { count: 2 }).id.toLowerCase()).settle();
    const state = k.arm("Drydock.Lab/ipamStates");
    expect(state.map(({ name }) => name)).toEqual(["public-addresses"]);
    k.remove(...state.map(({ id }) => id.toLowerCase()));
    expect(k.dump()).toBe(alone.dump());
  });
});

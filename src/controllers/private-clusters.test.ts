import { expect, it } from "vitest";
import type { NetworkInterface, PrivateEndpoint } from "../arm/resources.ts";
import { cluster, labResource, pool, subnetId, TestLab, vnet } from "./testing/lab.ts";

const nodes = subnetId("hub", "nodes");

it("a private cluster's API server has the first address of the subnet, before the nodes", () => {
  const shop = cluster("shop", { networkPlugin: "kubenet", podCidr: "10.244.0.0/16" });
  const open = { ...shop, properties: { ...shop.properties, apiServerAccessProfile: { enablePrivateCluster: true } } };
  const lab = new TestLab([
    labResource(),
    ...vnet("hub", ["10.240.0.0/16"], { nodes: "10.240.0.0/24" }),
    open,
    pool("shop", "np1", nodes, { count: 1 }),
  ]);
  lab.settle();
  expect(
    lab.arm<PrivateEndpoint>("Microsoft.Network/privateEndpoints").map(({ name, properties }) => [name, properties.provisioningState]),
  ).toEqual([["kube-apiserver-shop", "Succeeded"]]);
  const addresses = [
    ...lab.arm<NetworkInterface>("Microsoft.Network/networkInterfaces"),
    ...lab.arm<NetworkInterface>("Microsoft.Compute/virtualMachineScaleSets/virtualMachines/networkInterfaces"),
  ].map(({ properties }) => properties.ipConfigurations[0]?.properties.privateIPAddress);
  expect(addresses).toEqual(["10.240.0.4", "10.240.0.5"]);

  lab.put(shop).settle();
  expect(lab.arm("Microsoft.Network/privateEndpoints")).toEqual([]);
  expect(lab.arm("Microsoft.Network/networkInterfaces")).toEqual([]);
});

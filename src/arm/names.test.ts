import { describe, expect, it } from "vitest";
import { armTypeOf } from "../resources/resources.ts";
import {
  armId,
  armIdBeside,
  clusterDigits,
  frontendName,
  isNodeName,
  loadBalancerBaseName,
  loadBalancerRuleName,
  nodeName,
  nodeOfRoute,
  routeName,
} from "./names.ts";

describe("names", () => {
  it("puts a resource beside another: in its subscription and resource group", () => {
    const spoke = "/subscriptions/1/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/spoke/subnets/aks";
    expect(armIdBeside(spoke, "Microsoft.Network/routeTables", "rt")).toBe(
      "/subscriptions/1/resourceGroups/net/providers/Microsoft.Network/routeTables/rt",
    );
    const own = armId("net", "Microsoft.Network/virtualNetworks", "spoke");
    expect(armIdBeside(own, "Microsoft.Network/routeTables", "rt")).toBe(armId("net", "Microsoft.Network/routeTables", "rt"));
  });

  it("numbers machines in base 36", () => {
    expect(nodeName("aks-np1-12345678-vmss", 0)).toBe("aks-np1-12345678-vmss000000");
    expect(nodeName("aks-np1-12345678-vmss", 10)).toBe("aks-np1-12345678-vmss00000a");
    expect(nodeName("aks-np1-12345678-vmss", 36)).toBe("aks-np1-12345678-vmss000010");
  });

  it("gives every DNS prefix eight digits", () => {
    expect(clusterDigits("shop")).toMatch(/^\d{8}$/);
    expect(clusterDigits("shop")).not.toBe(clusterDigits("shop2"));
  });

  it("names routes as cloud-provider-azure does, and finds their nodes again", () => {
    const node = "aks-np1-12345678-vmss000000";
    expect(routeName(node, "10.244.0.0/24", "current")).toBe(`${node}____102440024`);
    expect(routeName(node, "10.244.0.0/24", "lesson")).toBe(node);
    expect(nodeOfRoute(`${node}____102440024`)).toBe(node);
    expect(isNodeName(node, "12345678")).toBe(true);
    expect(isNodeName(node, "87654321")).toBe(false);
    expect(isNodeName("to-firewall", "12345678")).toBe(false);
  });

  it("names load-balancer parts by the Service's uid", () => {
    const base = loadBalancerBaseName("01234567-89ab-cdef-0123-456789abcdef");
    expect(base).toBe("a0123456789abcdef0123456789abcde");
    expect(loadBalancerRuleName(base, undefined, "TCP", 80)).toBe(`${base}-TCP-80`);
    expect(loadBalancerRuleName(base, "front", "UDP", 53)).toBe(`${base}-front-UDP-53`);
    expect(loadBalancerRuleName(base, "x".repeat(80), "TCP", 65535)).toHaveLength(80);
    const cut = frontendName(base, "-".repeat(60));
    expect(cut).toHaveLength(80);
    expect(cut.endsWith("_")).toBe(true);
  });

  it("makes ids whose type can be read back", () => {
    const id = armId("g", "Microsoft.Network/virtualNetworks/subnets", "hub", "plain");
    expect(id).toBe(
      "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/hub/subnets/plain",
    );
    expect(armTypeOf(id)).toBe("Microsoft.Network/virtualNetworks/subnets");
  });
});

import { describe, expect, it } from "vitest";
import { armId } from "../arm/names.ts";
import type { AzureResource, LoadBalancer, NatGateway, NetworkProfile, PublicIPAddress, PublicIPPrefix, Subnet } from "../arm/resources.ts";
import type { Service } from "../kube/objects.ts";
import { cluster, group, pool, service, subnetId, TestLab, vnet } from "./testing/lab.ts";

const plain = subnetId("hub", "plain");
const profile = { allocatedOutboundPorts: 0, idleTimeoutInMinutes: 30 } as const;

function address(name: string, prefix?: string): AzureResource {
  const publicIPPrefix = prefix === undefined ? {} : { publicIPPrefix: { id: armId(group, "Microsoft.Network/publicIPPrefixes", prefix) } };
  return {
    id: armId(group, "Microsoft.Network/publicIPAddresses", name),
    name,
    type: "Microsoft.Network/publicIPAddresses",
    properties: { publicIPAllocationMethod: "Static", ...publicIPPrefix },
  };
}

function prefix(name: string, prefixLength: number): AzureResource {
  const id = armId(group, "Microsoft.Network/publicIPPrefixes", name);
  return { id, name, type: "Microsoft.Network/publicIPPrefixes", properties: { prefixLength } };
}

/** The VNet that AKS makes for cluster `c`, with its nodes in it. */
const managedSubnet = armId("MC_test_c_westeurope", "Microsoft.Network/virtualNetworks/subnets", "aks-vnet", "aks-subnet");
const managedNetwork: readonly AzureResource[] = [
  {
    id: armId("MC_test_c_westeurope", "Microsoft.Network/virtualNetworks", "aks-vnet"),
    name: "aks-vnet",
    type: "Microsoft.Network/virtualNetworks",
    properties: { addressSpace: { addressPrefixes: ["10.224.0.0/12"] } },
  },
  {
    id: managedSubnet,
    name: "aks-subnet",
    type: "Microsoft.Network/virtualNetworks/subnets",
    properties: { addressPrefix: "10.224.0.0/16" },
  },
];

function lab(network: Partial<NetworkProfile>, ...more: readonly AzureResource[]): TestLab {
  const made = new TestLab([
    ...vnet("hub", ["10.240.0.0/16"], { plain: "10.240.0.0/24" }),
    ...more,
    cluster("c", network),
    pool("c", "np1", plain, { count: 2 }),
  ]);
  made.settle();
  return made;
}

const addresses = (of: TestLab) =>
  Object.fromEntries(
    of.arm<PublicIPAddress>("Microsoft.Network/publicIPAddresses").map(({ name, properties }) => [name, properties.ipAddress]),
  );
const balancer = (of: TestLab) =>
  of.arm<LoadBalancer>("Microsoft.Network/loadBalancers").find(({ name }) => name === "kubernetes")?.properties;
const gateways = (of: TestLab) => of.arm<NatGateway>("Microsoft.Network/natGateways");
const ingress = (of: TestLab, name: string) =>
  of.kube<Service>("c", "Service").find(({ metadata }) => metadata.name === name)?.status?.loadBalancer?.ingress?.[0]?.ip;
const annotated = (name: string, annotations: Readonly<Record<string, string>>, port = 80) =>
  service(
    name,
    { type: "LoadBalancer", ports: [{ port }] },
    Object.fromEntries(Object.entries(annotations).map(([key, value]) => [`service.beta.kubernetes.io/${key}`, value])),
  );

describe("public addresses of one's own", () => {
  it("are chosen once, those of a prefix from it, and keep clear of one another", () => {
    const c = lab({}, address("a"), prefix("p", 30), address("b", "p"), address("d", "p"));
    expect(c.arm<PublicIPPrefix>("Microsoft.Network/publicIPPrefixes")[0]?.properties.ipPrefix).toBe("198.18.0.4/30");
    expect(addresses(c)).toMatchObject({ a: "198.18.0.8", b: "198.18.0.4", d: "198.18.0.5" });
    c.put(address("e")).settle();
    expect(addresses(c)).toMatchObject({ a: "198.18.0.8", e: expect.stringMatching(/^198\.18\.0\.1\d$/) });
  });

  it("are the frontends of the outbound rule, prefixes with all of theirs", () => {
    const publicIPs = [{ id: address("a").id }];
    const c = lab({ loadBalancerProfile: { ...profile, outboundIPs: { publicIPs } } }, address("a"));
    expect(Object.keys(addresses(c))).toEqual(["a"]);
    expect(balancer(c)?.frontendIPConfigurations).toMatchObject([{ name: "a", properties: { publicIPAddress: publicIPs[0] } }]);
    const publicIPPrefixes = [{ id: prefix("p", 31).id }];
    const d = lab({ loadBalancerProfile: { ...profile, outboundIPPrefixes: { publicIPPrefixes } } }, prefix("p", 31));
    expect(balancer(d)?.outboundRules[0]?.properties.frontendIPConfigurations).toHaveLength(1);
    expect(balancer(d)?.frontendIPConfigurations).toMatchObject([{ name: "p", properties: { publicIPPrefix: publicIPPrefixes[0] } }]);
  });

  it("serve Services by name, by prefix, and by address, which several may share", () => {
    const c = lab({}, address("a"), prefix("p", 31));
    c.add(
      "c",
      annotated("named", { "azure-pip-name": "A" }),
      annotated("shared", { "azure-load-balancer-ipv4": "198.18.0.6" }, 81),
      annotated("taken", { "azure-pip-name": "a" }, 81),
      annotated("of-prefix", {
        "azure-pip-prefix-id": "/subscriptions/another/resourceGroups/g/providers/Microsoft.Network/publicIPPrefixes/p",
      }),
      annotated("missing", { "azure-pip-name": "b" }),
    ).settle();
    const found = ["named", "shared", "of-prefix", "missing"].map((name) => ingress(c, name));
    expect(found).toEqual([addresses(c).a, addresses(c).a, "198.18.0.4", undefined]);
    expect(ingress(c, "taken")).toBeUndefined();
    expect(c.events("c").join("\n")).toContain("public address b, of annotation azure-pip-name, does not exist");
    expect(c.events("c").join("\n")).toContain("port 81 of 198.18.0.6 is another Service's");
  });
});

describe("outbound types", () => {
  it.each(["userAssignedNATGateway", "userDefinedRouting", "none", "block"] as const)(
    "%s makes no load balancer before the first public Service",
    (outboundType) => {
      const c = lab({ outboundType });
      expect([balancer(c), Object.keys(addresses(c))]).toEqual([undefined, []]);
      c.add("c", service("web", { type: "LoadBalancer" })).settle();
      expect(balancer(c)).toMatchObject({ outboundRules: [], loadBalancingRules: [{ properties: { disableOutboundSnat: true } }] });
    },
  );

  it("managedNATGateway makes a NAT gateway on AKS's subnet, which goes with the type", () => {
    const natGatewayProfile = { managedOutboundIPProfile: { count: 2 }, idleTimeoutInMinutes: 4 };
    const c = new TestLab([
      ...managedNetwork,
      cluster("c", { outboundType: "managedNATGateway", natGatewayProfile }),
      pool("c", "np1", managedSubnet, { count: 1 }),
    ]);
    c.settle();
    const natGateway = () => c.arm<Subnet>("Microsoft.Network/virtualNetworks/subnets")[0]?.properties.natGateway;
    expect(gateways(c)).toMatchObject([{ properties: { publicIpAddresses: [{}, {}], idleTimeoutInMinutes: 4 } }]);
    expect(natGateway()).toEqual({ id: gateways(c)[0]?.id });
    expect(balancer(c)).toBeUndefined();
    c.put(cluster("c")).settle();
    expect([gateways(c), natGateway(), Object.keys(addresses(c)).length]).toEqual([[], undefined, 1]);
    expect(balancer(c)?.outboundRules).toHaveLength(1);
  });
});

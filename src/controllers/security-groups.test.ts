import { describe, expect, it } from "vitest";
import { md5 } from "../arm/md5.ts";
import type { NetworkInterface, NetworkSecurityGroup, ProbeResult } from "../arm/resources.ts";
import { defaultSecurityRules } from "../arm/security-rules.ts";
import type { Event, Service } from "../kube/objects.ts";
import { cluster, deployment, group, pool, service, subnetId, TestLab, vnet } from "./testing/lab.ts";

const annotation = (name: string, value: string) => ({ [`service.beta.kubernetes.io/${name}`]: value });
const internal = annotation("azure-load-balancer-internal", "true");
const allowed = (...ranges: readonly string[]) => annotation("azure-allowed-ip-ranges", ranges.join(","));
const tags = (...names: readonly string[]) => annotation("azure-allowed-service-tags", names.join(","));
const denyOthers = annotation("azure-deny-all-except-load-balancer-source-ranges", "true");

const tcp80 = { ports: [{ port: 80, targetPort: 80 }] };
const balanced = (name: string, spec: Partial<Service["spec"]> = {}, annotations: Readonly<Record<string, string>> = {}): Service => {
  const made = service(name, { type: "LoadBalancer", selector: { app: "web" }, ...tcp80, ...spec });
  return { ...made, metadata: { ...made.metadata, annotations } };
};

function lab(...services: readonly Service[]): TestLab {
  const made = new TestLab([
    ...vnet("hub", ["10.240.0.0/16"], { plain: "10.240.0.0/24" }),
    cluster("c", { networkPlugin: "kubenet", podCidr: "10.244.0.0/16" }),
    pool("c", "np1", subnetId("hub", "plain"), { count: 2 }),
  ]).add("c", deployment("web", 2), ...services);
  made.settle();
  return made;
}

const nodeGroup = (of: TestLab) => of.arm<NetworkSecurityGroup>("Microsoft.Network/networkSecurityGroups")[0];
/** `500 Allow Tcp Internet > 198.18.0.5 80`. */
const rules = (of: TestLab) =>
  nodeGroup(of)?.properties.securityRules.map(({ properties: rule }) => {
    const from = rule.sourceAddressPrefix ?? rule.sourceAddressPrefixes?.join();
    const to = rule.destinationAddressPrefix ?? rule.destinationAddressPrefixes?.join();
    return `${rule.priority} ${rule.access} ${rule.protocol} ${from} > ${to} ${rule.destinationPortRange ?? rule.destinationPortRanges?.join()}`;
  });

describe("the security group of a cluster", () => {
  it("is on the network interface of every node, and not on the subnet", () => {
    const c = lab();
    expect(nodeGroup(c)?.name).toMatch(/^aks-agentpool-\d{8}-nsg$/);
    const nics = c.arm<NetworkInterface>("Microsoft.Compute/virtualMachineScaleSets/virtualMachines/networkInterfaces");
    expect(nics.map(({ properties }) => properties.networkSecurityGroup?.id)).toEqual([nodeGroup(c)?.id, nodeGroup(c)?.id]);
    expect(JSON.stringify(c.arm("Microsoft.Network/virtualNetworks/subnets"))).not.toContain("networkSecurityGroup");
  });
  it("has Azure's rules and no other without a load-balanced Service", () => expect(rules(lab())).toEqual([]));
});

it("denies the Internet with outbound type block", () => {
  const c = new TestLab([
    ...vnet("hub", ["10.240.0.0/16"], { plain: "10.240.0.0/24" }),
    cluster("c", { networkPlugin: "kubenet", podCidr: "10.244.0.0/16", outboundType: "block" }),
    pool("c", "np1", subnetId("hub", "plain"), { count: 1 }),
  ]);
  c.settle();
  expect(nodeGroup(c)?.properties.securityRules).toMatchObject([
    { properties: { access: "Deny", direction: "Outbound", destinationAddressPrefix: "Internet" } },
  ]);
});

describe("a public Service", () => {
  it("lets the Internet in to its address and ports", () => {
    const c = lab(balanced("web"));
    expect(rules(c)).toEqual(["500 Allow Tcp Internet > 198.18.0.5 80"]);
    expect(nodeGroup(c)?.properties.securityRules[0]?.name).toBe(`k8s-azure-lb_allow_IPv4_${md5("Tcp_Internet_80")}`);
  });
  it("has a rule for each protocol", () => {
    const ports = [
      { name: "a", port: 443 },
      { name: "b", port: 80 },
      { name: "c", port: 53, protocol: "UDP" as const },
    ];
    expect(rules(lab(balanced("web", { ports })))).toEqual([
      "500 Allow Tcp Internet > 198.18.0.5 443,80",
      "501 Allow Udp Internet > 198.18.0.5 53",
    ]);
  });
  it("lets only its ranges in, in as few prefixes as can be", () => {
    const loadBalancerSourceRanges = ["203.0.113.0/25", "203.0.113.128/25", "192.0.2.1/32"];
    expect(rules(lab(balanced("web", { loadBalancerSourceRanges })))).toEqual([
      "500 Allow Tcp 192.0.2.1/32,203.0.113.0/24 > 198.18.0.5 80",
    ]);
  });
  it("lets the Internet in when a range is everything", () => {
    expect(rules(lab(balanced("web", { loadBalancerSourceRanges: ["0.0.0.0/0"] })))).toEqual([
      "500 Allow Tcp Internet > 198.18.0.5 80",
      "501 Allow Tcp 0.0.0.0/0 > 198.18.0.5 80",
    ]);
  });
  it("has a rule for each service tag", () => {
    expect(rules(lab(balanced("web", {}, tags("VirtualNetwork", "AzureLoadBalancer"))))).toEqual([
      "500 Allow Tcp VirtualNetwork > 198.18.0.5 80",
      "501 Allow Tcp AzureLoadBalancer > 198.18.0.5 80",
    ]);
  });
  it("without floating IP is reached at the nodes' own addresses and ports", () => {
    const ports = [{ port: 80, nodePort: 30080 }];
    const c = lab(balanced("web", { ports }, annotation("azure-disable-load-balancer-floating-ip", "true")));
    expect(rules(c)).toEqual(["500 Allow Tcp Internet > 10.240.0.4,10.240.0.5 30080"]);
  });
  it("may not be given ranges in two ways", () => {
    const c = lab(balanced("web", { loadBalancerSourceRanges: ["192.0.2.0/24"] }, allowed("198.51.100.0/24")));
    expect(rules(c)).toEqual([]);
    expect(c.kube<Event>("c", "Event").map(({ reason, message }) => `${reason}: ${message}`)).toEqual([
      expect.stringMatching(/^SyncLoadBalancerFailed: .*cannot set both spec.LoadBalancerSourceRanges and/),
    ]);
  });
  it("keeps everybody out by a range that is none", () => {
    const c = lab(balanced("web", {}, allowed("192.0.2.0/24", "elsewhere")));
    expect(rules(c)).toEqual(["500 Allow Tcp 192.0.2.0/24 > 198.18.0.5 80", "4095 Deny * * > 198.18.0.5 *"]);
    expect(c.kube<Event>("c", "Event")).toMatchObject([{ reason: "InvalidConfiguration" }]);
  });
});

describe("an internal Service", () => {
  it("needs no rule: the virtual network is let in", () => expect(rules(lab(balanced("web", {}, internal)))).toEqual([]));
  it("is not limited by its ranges", () => {
    const c = lab(balanced("web", { loadBalancerSourceRanges: ["10.1.0.0/16"] }, internal));
    expect(rules(c)).toEqual(["500 Allow Tcp 10.1.0.0/16 > 10.240.0.6 80"]);
  });
  it("unless it denies all others", () => {
    const c = lab(balanced("web", { loadBalancerSourceRanges: ["10.1.0.0/16"] }, { ...internal, ...denyOthers }));
    expect(rules(c)).toEqual(["500 Allow Tcp 10.1.0.0/16 > 10.240.0.6 80", "4095 Deny * * > 10.240.0.6 *"]);
  });
});

describe("Services together", () => {
  it("share a rule for the same senders and ports", () => {
    expect(rules(lab(balanced("a"), balanced("b")))).toEqual(["500 Allow Tcp Internet > 198.18.0.5,198.18.0.6 80"]);
  });
  it("leave a rule its priority when another goes", () => {
    const c = lab(balanced("a"), balanced("b", { ports: [{ port: 81 }] }));
    expect(rules(c)).toEqual(["500 Allow Tcp Internet > 198.18.0.5 80", "501 Allow Tcp Internet > 198.18.0.6 81"]);
    c.remove("/kubernetes/c/Service/default/a").settle();
    expect(rules(c)).toEqual(["501 Allow Tcp Internet > 198.18.0.6 81"]);
    c.add("c", balanced("d", { ports: [{ port: 82 }] })).settle();
    expect(rules(c)?.map((rule) => rule.slice(0, 3))).toEqual(["500", "501"]);
  });
});

describe("a health probe", () => {
  const healthy = (access: "Allow" | "Deny", prefix: Readonly<Record<string, string>>, priority = 4000) => {
    const id = `/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/${group}/providers/Microsoft.Network/networkSecurityGroups/own`;
    const properties = { protocol: "*", access, direction: "Inbound", priority, ...prefix } as const;
    const [network, ...subnets] = vnet("hub", ["10.240.0.0/16"], { plain: "10.240.0.0/24" });
    const c = new TestLab([
      ...(network === undefined ? [] : [network]),
      ...subnets.map((subnet) => ({ ...subnet, properties: { ...subnet.properties, networkSecurityGroup: { id } } }) as typeof subnet),
      {
        id,
        name: "own",
        type: "Microsoft.Network/networkSecurityGroups",
        properties: { securityRules: [{ name: "r", properties }], defaultSecurityRules },
      },
      cluster("c", { networkPlugin: "kubenet", podCidr: "10.244.0.0/16" }),
      pool("c", "np1", subnetId("hub", "plain"), { count: 2 }),
    ]).add("c", deployment("web", 2), balanced("web"));
    c.settle();
    return c.arm<ProbeResult>("Drydock.Lab/probeResults").map(({ properties: { healthy: members } }) => members.length);
  };
  it("reaches a node whose subnet has a group of the user's own", () =>
    expect(healthy("Allow", { sourceAddressPrefix: "*" })).toEqual([2]));
  it("is silenced by a rule that denies everybody", () => expect(healthy("Deny", { sourceAddressPrefix: "*" })).toEqual([0]));
  it("is silenced by a rule that denies its tag", () => expect(healthy("Deny", { sourceAddressPrefix: "AzureLoadBalancer" })).toEqual([0]));
  it("is not the Internet's", () => expect(healthy("Deny", { sourceAddressPrefix: "Internet" })).toEqual([2]));
  it("is silenced on one node alone by a rule about it", () =>
    expect(healthy("Deny", { sourceAddressPrefix: "*", destinationAddressPrefix: "10.240.0.4" })).toEqual([1]));
});

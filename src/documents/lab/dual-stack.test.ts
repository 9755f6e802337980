import { describe, expect, test } from "vitest";
import { load, printed } from "../testing/documents.ts";

const around = (rest: string, subnet = "[10.240.0.0/24, 'fd00:240::/64']") => `lab: t
networks:
  - name: hub
    addressSpace: [10.240.0.0/16, "fd00:240::/48"]
    subnets: [{ name: a, prefixes: ${subnet} }, { name: old, prefix: 10.240.9.0/24 }]
${rest}
`;
const cluster = (rest: string, option = "networkPlugin: azure, networkPluginMode: overlay") =>
  around(`clusters: [{ name: c, ${option}, ipFamilies: [IPv4, IPv6], subnet: hub/a${rest} }]`);

test("a dual-stack lab expands to ARM's own shapes", () => {
  const lab = load(
    around(`machines: [{ name: db, subnet: hub/a, ipv6Address: "fd00:240::10", publicIPv6Address: six }]
publicIPAddresses: [{ name: six, publicIPAddressVersion: IPv6 }]
internet: [{ name: i, address: 203.0.113.1, ipv6Address: "2001:DB8:0::1" }]
clusters: [{ name: c, networkPlugin: azure, networkPluginMode: overlay, ipFamilies: [IPv4, IPv6], subnet: hub/a }]`),
  );
  expect(printed(lab)).toBe("");
  const properties = (type: string) =>
    lab.resources.flatMap(({ value }) =>
      "type" in value && value.type === type ? [value.properties as Readonly<Record<string, unknown>>] : [],
    );
  expect(properties("Microsoft.Network/virtualNetworks/subnets")[0]).toEqual({
    addressPrefix: "10.240.0.0/24",
    addressPrefixes: ["10.240.0.0/24", "fd00:240::/64"],
  });
  expect(properties("Drydock.Lab/internetHosts")[0]).toMatchObject({ ipv6Address: "2001:db8::1" });
  expect(properties("Microsoft.ContainerService/managedClusters")[0]?.networkProfile).toMatchObject({
    ipFamilies: ["IPv4", "IPv6"],
    podCidr: "10.244.0.0/16",
    podCidrs: ["10.244.0.0/16", "fd12:3456:789a::/64"],
    serviceCidr: "10.0.0.0/16",
    serviceCidrs: ["10.0.0.0/16", "fd12:3456:789a:1::/108"],
    loadBalancerProfile: { managedOutboundIPs: { count: 1, countIPv6: 1 } },
  });
});

test("a cluster without a subnet gets a dual-stack VNet of AKS's", () => {
  const lab = load("lab: t\nclusters: [{ name: c, networkPlugin: azure, networkPluginMode: overlay, ipFamilies: [IPv4, IPv6] }]");
  expect(printed(lab)).toBe("");
});

/** Each of them once, by name. */
const refusals: readonly (readonly [name: string, text: string, problem: string])[] = [
  ["a subnet without a prefix", around("", "[]"), "InvalidValue networks[0].subnets[0].prefixes"],
  ["an IPv6 subnet that is no /64", around("", "[10.240.0.0/24, 'fd00:240::/65']"), "InvalidParameter networks[0].subnets[0].prefixes[1]"],
  [
    "an IPv6 subnet outside the VNet",
    around("", "[10.240.0.0/24, 'fd00:241::/64']"),
    "NetcfgSubnetRangeOutsideVnet networks[0].subnets[0].prefixes[1]",
  ],
  [
    "several prefixes of a family",
    around("", "[10.240.0.0/24, 10.240.1.0/24, 'fd00:240::/64']"),
    "NotModelled networks[0].subnets[0].prefixes[1]",
  ],
  [
    "an IPv6 range of the emulation's",
    around("").replace("fd00:240::/48", "2001:2::/48").replace("fd00:240::/64", "2001:2::/64"),
    "InvalidParameter networks[0].addressSpace[1]",
  ],
  [
    "a machine with IPv6 in a subnet without",
    around("machines: [{ name: m, subnet: hub/old, ipFamilies: [IPv4, IPv6] }]"),
    "InvalidParameter machines[0].ipv6Address",
  ],
  [
    "an IPv6 address of another subnet",
    around('machines: [{ name: m, subnet: hub/a, ipv6Address: "fd00:241::4" }]'),
    "PrivateIPAddressNotInSubnet machines[0].ipv6Address",
  ],
  [
    "an IPv6 address that Azure keeps",
    around('machines: [{ name: m, subnet: hub/a, ipv6Address: "fd00:240::1" }]'),
    "PrivateIPAddressInReservedRange machines[0].ipv6Address",
  ],
  [
    "a firewall with IPv6",
    around("machines: [{ name: m, subnet: hub/a, enableIPForwarding: true, ipFamilies: [IPv4, IPv6], firewall: {} }]"),
    "InvalidParameter machines[0].ipv6Address",
  ],
  [
    "a public address of the other family",
    around("publicIPAddresses: [{ name: p }]\nmachines: [{ name: m, subnet: hub/a, ipFamilies: [IPv4, IPv6], publicIPv6Address: p }]"),
    "InvalidParameter machines[0].publicIPv6Address",
  ],
  [
    "an IPv6 address of a NAT gateway",
    around(
      "publicIPAddresses: [{ name: p, publicIPAddressVersion: IPv6 }]\nnatGateways: [{ name: n, subnets: [hub/a], publicIpAddresses: [p] }]",
    ),
    "InvalidParameter natGateways[0].publicIpAddresses[0]",
  ],
  [
    "a unique local address on the Internet",
    around('internet: [{ name: i, address: 203.0.113.1, ipv6Address: "fd01::1" }]'),
    "InvalidParameter internet[0].ipv6Address",
  ],
  [
    "IPv6 behind a VPN gateway",
    around('sites: [{ name: s, network: hub, prefixes: [192.168.0.0/16, "fd77::/48"] }]'),
    "InvalidParameter sites[0].prefixes[1]",
  ],
  [
    "a security rule with both families",
    around(
      'securityGroups: [{ name: g, subnets: [hub/a], rules: [{ name: r, priority: 100, direction: Inbound, access: Allow, sourceAddressPrefixes: [10.0.0.0/8, "fd00::/8"] }] }]',
    ),
    "SecurityRuleAddressPrefixesMixFamilies securityGroups[0].rules[0]",
  ],
  [
    "a next hop of the other family",
    around(
      'routeTables: [{ name: t, subnets: [hub/a], routes: [{ name: r, addressPrefix: "::/0", nextHopType: VirtualAppliance, nextHopIpAddress: 10.240.0.4 }] }]',
    ),
    "InvalidNextHopIpAddress routeTables[0].routes[0].nextHopIpAddress",
  ],
  ["IPv6 first", cluster("").replace("[IPv4, IPv6], subnet", "[IPv6, IPv4], subnet"), "InvalidParameter clusters[0].ipFamilies"],
  ["node subnet", cluster("", "networkPlugin: azure"), "InvalidParameter clusters[0].ipFamilies"],
  ["a single-stack subnet", cluster("").replace("subnet: hub/a }", "subnet: hub/old }"), "InvalidParameter clusters[0].subnet"],
  ["one pod range for two families", cluster(", podCidrs: [10.244.0.0/16]"), "InvalidParameter clusters[0].podCidrs"],
  ["pod ranges in another order", cluster(', podCidrs: ["fd01::/64", 10.244.0.0/16]'), "InvalidParameter clusters[0].podCidrs"],
  [
    "too large an IPv6 service range",
    cluster(', serviceCidrs: [10.0.0.0/16, "fd01::/64"]'),
    "InvalidParameter clusters[0].serviceCidrs[1]",
  ],
  ["too small an IPv6 pod range", cluster(', podCidrs: [10.244.0.0/16, "fd01::/80"]'), "InvalidParameter clusters[0].podCidrs[1]"],
  [
    "a pod range of the VNet",
    cluster(', podCidrs: [10.244.0.0/16, "fd00:240:0:7::/64"]'),
    "NetworkProfileCIDROverlapVNET clusters[0].podCidrs[1]",
  ],
  ["Azure Network Policy Manager", cluster(", networkPolicy: azure"), "InvalidParameter clusters[0].networkPolicy"],
  ["Calico", cluster(", networkPolicy: calico"), "InvalidParameter clusters[0].networkPolicy"],
  ["an old version", cluster(", kubernetesVersion: '1.25'"), "InvalidParameter clusters[0].ipFamilies"],
  [
    "IPv6 outbound addresses of a single-stack cluster",
    around("clusters: [{ name: c, networkPlugin: kubenet, subnet: hub/a, loadBalancerProfile: { managedOutboundIPs: { countIPv6: 1 } } }]"),
    "InvalidParameter clusters[0].loadBalancerProfile.managedOutboundIPs.countIPv6",
  ],
];

describe("refused, once, by name", () => {
  for (const [name, text, problem] of refusals) {
    test(name, () => {
      const errors = load(text).problems.filter(({ severity }) => severity === "error");
      expect(errors.map(({ code, path }) => `${code} ${path}`)).toEqual([problem]);
      expect(errors[0]?.line).toBeGreaterThan(0);
    });
  }
});

import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { brief, load, loadFiles, printed } from "../testing/documents.ts";

const network = `networks:
  - name: hub
    addressSpace: [10.240.0.0/16]
    subnets: [{ name: a, prefix: 10.240.0.0/24 }, { name: b, prefix: 10.240.1.0/24 }, { name: tiny, prefix: 10.240.2.0/28 }]
`;
const kubenet = (rest: string) => `lab: t\n${network}clusters: [{ name: c, networkPlugin: kubenet, subnet: hub/a${rest} }]\n`;
const azure = (rest: string) =>
  `lab: t\n${network}clusters: [{ name: c, networkPlugin: azure, subnet: hub/a, pools: [{ maxPods: 10 }]${rest} }]\n`;
const overlay = (rest: string) =>
  `lab: t\n${network}clusters: [{ name: c, networkPlugin: azure, networkPluginMode: overlay, subnet: hub/a${rest} }]\n`;
const cluster = (rest: string) => `lab: t\n${network}clusters: [{ name: c, ${rest} }]\n`;
const around = (rest: string) => `lab: t\n${network}${rest}\n`;

/** hub and spoke, and another VNet with a part of the hub's space. */
const peered = (ofHub: string, ofSpoke: string, ofOther = "") => `lab: t
networks:
  - { name: hub, addressSpace: [10.240.0.0/16]${ofHub === "" ? "" : `, peerings: ${ofHub}`} }
  - { name: spoke, addressSpace: [10.241.0.0/16]${ofSpoke === "" ? "" : `, peerings: ${ofSpoke}`} }
  - { name: other, addressSpace: [10.240.128.0/17]${ofOther} }
`;

const firewall = (rule: string) =>
  around(`machines: [{ name: f, subnet: hub/a, enableIPForwarding: true, firewall: { rules: [{ name: r, ${rule} }] } }]`);

describe("a valid lab", () => {
  const dir = "examples/two-options/";
  const others = Object.fromEntries(readdirSync(dir).map((name) => [name, readFileSync(dir + name, "utf8")]));
  const lab = load(others["lab.yaml"] ?? "", others);

  test("has no problems", () => expect(printed(lab)).toBe(""));

  test("expands to ARM resources, with AKS's defaults", () => {
    const azureOnly = lab.resources.filter(({ key }) => !key.startsWith("/kubernetes/")).map(({ value }) => value);
    expect(JSON.stringify(azureOnly, null, 1)).toMatchSnapshot();
  });

  test("knows where each resource, and each property of it, is", () => {
    const id =
      "/subscriptions/00000000-0000-0000-0000-000000000000/resourcegroups/two-options/providers/microsoft.containerservice/managedclusters/";
    expect(lab.placeOf(`${id}shop-kubenet`, ["networkProfile", "podCidr"])).toMatchObject({
      file: "lab.yaml",
      path: "clusters[0].podCidr",
    });
    expect(lab.placeOf(`${id}shop-azure/agentpools/np1`, ["vnetSubnetID"])).toMatchObject({ path: "clusters[1].subnet" });
    expect(lab.placeOf("/kubernetes/shop-azure/Service/shop/web", ["spec", "ports", 0, "port"])).toMatchObject({
      file: "shop.yaml",
      path: "spec.ports[0].port",
    });
    expect(lab.placeOf("/nothing")).toBeUndefined();
  });
});

describe("defaults", () => {
  const profileOf = (text: string) => {
    const lab = load(text);
    expect(printed(lab)).toBe("");
    const found = lab.resources.find(({ value }) => "type" in value && value.type === "Microsoft.ContainerService/managedClusters")?.value;
    const pool = lab.resources.find(
      ({ value }) => "type" in value && value.type === "Microsoft.ContainerService/managedClusters/agentPools",
    )?.value;
    return { profile: found !== undefined && "properties" in found ? found.properties : {}, pool };
  };

  test("kubenet", () => {
    const { profile, pool } = profileOf(kubenet(""));
    expect(profile).toMatchObject({
      dnsPrefix: "c",
      nodeResourceGroup: "MC_t_c_westeurope",
      networkProfile: {
        networkPlugin: "kubenet",
        podCidr: "10.244.0.0/16",
        serviceCidr: "10.0.0.0/16",
        dnsServiceIP: "10.0.0.10",
        outboundType: "loadBalancer",
      },
    });
    expect(pool).toMatchObject({ name: "nodepool1", properties: { count: 3, maxPods: 110, mode: "System", osType: "Linux" } });
  });
  test("Azure CNI: 30 pods, transparent today, bridge in the lesson", () => {
    const text = `lab: t\nnetworks: [{ name: hub, addressSpace: [10.240.0.0/16], subnets: [{ name: a, prefix: 10.240.0.0/24 }] }]\nclusters: [{ name: c, networkPlugin: azure, subnet: hub/a, serviceCidr: 10.9.0.0/16 }]\n`;
    const { profile, pool } = profileOf(text);
    expect(profile).toMatchObject({ networkProfile: { networkMode: "transparent", dnsServiceIP: "10.9.0.10" } });
    expect(profile).not.toHaveProperty("networkProfile.podCidr");
    expect(pool).toMatchObject({ properties: { maxPods: 30 } });
    expect(profileOf(`rules: lesson\n${text}`).profile).toMatchObject({ networkProfile: { networkMode: "bridge" } });
  });
  test("pod subnet: 110 pods, no network mode", () => {
    const { profile, pool } = profileOf(cluster("subnet: hub/a, networkPlugin: azure, podSubnet: hub/b, pools: [{ count: 1 }]"));
    expect(profile).not.toHaveProperty("networkProfile.networkMode");
    expect(pool).toMatchObject({ properties: { maxPods: 110, podSubnetID: expect.stringMatching(/subnets\/b$/) } });
  });
  test("no plugin: Azure CNI Overlay today and from 1.30 on, with 250 pods", () => {
    for (const version of ["", ", kubernetesVersion: 1.30", ", kubernetesVersion: 1.34.1"]) {
      const { profile, pool } = profileOf(cluster(`subnet: hub/a${version}`));
      expect(profile).toMatchObject({
        networkProfile: { networkPlugin: "azure", networkPluginMode: "overlay", podCidr: "10.244.0.0/16" },
      });
      expect(profile).not.toHaveProperty("networkProfile.networkMode");
      expect(pool).toMatchObject({ properties: { maxPods: 250 } });
    }
  });
  test("no plugin: kubenet below 1.30 and in the lesson", () => {
    expect(profileOf(cluster("subnet: hub/a, kubernetesVersion: 1.29")).profile).toMatchObject({
      networkProfile: { networkPlugin: "kubenet" },
    });
    expect(profileOf(`rules: lesson\n${cluster("subnet: hub/a")}`).profile).toMatchObject({ networkProfile: { networkPlugin: "kubenet" } });
  });
  test("no subnet: the VNet that AKS makes", () => {
    const lab = load("lab: t\nclusters: [{ name: c, networkPlugin: kubenet }]");
    expect(lab.resources.map(({ value }) => ("id" in value ? value.id.slice(value.id.indexOf("resourceGroups/")) : ""))).toEqual([
      expect.stringContaining("Drydock.Lab/labs/t"),
      expect.stringContaining("managedClusters/c"),
      expect.stringMatching(/MC_t_c_westeurope\/providers\/Microsoft.Network\/virtualNetworks\/aks-vnet-\d{8}$/),
      expect.stringMatching(/aks-vnet-\d{8}\/subnets\/aks-subnet$/),
      expect.stringContaining("agentPools/nodepool1"),
    ]);
  });
  test("the lesson's own VNet holds the default pod CIDR, outside its subnet", () => {
    const lab = load("lab: t\nrules: lesson\nclusters: [{ name: c }]");
    expect(printed(lab)).toBe("");
    expect(lab.resources.map(({ value }) => value)).toContainEqual(
      expect.objectContaining({ properties: { addressSpace: { addressPrefixes: ["10.0.0.0/8"] } } }),
    );
  });
  test("the first pool is the System pool; pools may have subnets of their own", () => {
    const lab = load(kubenet(", pools: [{ name: sys }, { name: work, subnet: hub/b, count: 1, maxPods: 30 }]"));
    const pools = lab.resources.flatMap(({ value }) =>
      "type" in value && value.type === "Microsoft.ContainerService/managedClusters/agentPools" ? [value.properties] : [],
    );
    expect(pools.map(({ mode, vnetSubnetID }) => [mode, vnetSubnetID.slice(-1)])).toEqual([
      ["System", "a"],
      ["User", "b"],
    ]);
  });
});

/** Each document breaks one rule, and says so once. */
const refusals: readonly (readonly [name: string, text: string, problem: string])[] = [
  ["no name", "networks: []", "RequiredProperty lab"],
  ["a name with a path in it", "lab: ../../etc", "InvalidValue lab"],
  ["a name with a shell in it", 'lab: "$(reboot)"', "InvalidValue lab"],
  ["an unknown property", "lab: t\nclustres: []", "UnknownProperty clustres"],
  ["ARM's name for ours", around("vnets: []"), "UnknownProperty vnets"],
  ["something not modelled", around("azureFirewalls: []"), "NotModelled azureFirewalls"],
  ["an unknown rule set", "lab: t\nrules: tomorrow", "InvalidValue rules"],
  ["a list for a mapping", "[1, 2]", "WrongType "],
  ["a mapping for a list", "lab: t\nnetworks: { name: hub }", "WrongType networks"],
  ["a number for text", "lab: 7", "WrongType lab"],
  ["a misspelled networkPlugin", cluster("networkplugin: kubenet, subnet: hub/a"), "UnknownProperty clusters[0].networkplugin"],
  [
    "the lab's public addresses in a VNet",
    "lab: t\nnetworks: [{ name: v, addressSpace: [198.18.0.0/16] }]",
    "InvalidParameter networks[0].addressSpace[0]",
  ],
  [
    "the lab's public addresses at a site",
    around("sites: [{ name: s, network: hub, prefixes: [198.18.0.0/15] }]"),
    "InvalidParameter sites[0].prefixes[0]",
  ],
  ["the lab's public addresses as pod CIDR", kubenet(", podCidr: 198.19.0.0/16"), "InvalidParameter clusters[0].podCidr"],
  ["the lab's public addresses as service CIDR", kubenet(", serviceCidr: 198.19.0.0/16"), "InvalidParameter clusters[0].serviceCidr"],
  [
    "two VNets that AKS would call the same",
    "lab: t\nclusters: [{ name: a_b, networkPlugin: kubenet }, { name: a-b, networkPlugin: kubenet }]",
    "DuplicateName clusters[1].dnsPrefix",
  ],
  ["no prefix at all", "lab: t\nnetworks: [{ name: v, addressSpace: [ten] }]", "CidrStringParseError networks[0].addressSpace[0]"],
  [
    "a prefix with host bits",
    "lab: t\nnetworks: [{ name: v, addressSpace: [10.0.0.1/16] }]",
    "CidrStringParseError networks[0].addressSpace[0]",
  ],
  ["IPv6 alone", 'lab: t\nnetworks: [{ name: v, addressSpace: ["fd00::/48"] }]', "InvalidParameter networks[0].addressSpace"],
  ["multicast", "lab: t\nnetworks: [{ name: v, addressSpace: [224.0.0.0/16] }]", "InvalidParameter networks[0].addressSpace[0]"],
  ["Azure's own address", "lab: t\nnetworks: [{ name: v, addressSpace: [168.63.0.0/16] }]", "InvalidParameter networks[0].addressSpace[0]"],
  ["too large a VNet", "lab: t\nnetworks: [{ name: v, addressSpace: [10.0.0.0/7] }]", "InvalidParameter networks[0].addressSpace[0]"],
  ["no address space", "lab: t\nnetworks: [{ name: v, addressSpace: [] }]", "InvalidValue networks[0].addressSpace"],
  [
    "overlapping address space",
    "lab: t\nnetworks: [{ name: v, addressSpace: [10.0.0.0/16, 10.0.8.0/24] }]",
    "InvalidParameter networks[0].addressSpace[1]",
  ],
  [
    "a subnet outside",
    "lab: t\nnetworks: [{ name: v, addressSpace: [10.0.0.0/16], subnets: [{ name: s, prefix: 10.1.0.0/24 }] }]",
    "NetcfgSubnetRangeOutsideVnet networks[0].subnets[0].prefix",
  ],
  [
    "overlapping subnets",
    "lab: t\nnetworks: [{ name: v, addressSpace: [10.0.0.0/16], subnets: [{ name: s, prefix: 10.0.0.0/24 }, { name: t, prefix: 10.0.0.128/25 }] }]",
    "NetcfgSubnetRangesOverlap networks[0].subnets[1].prefix",
  ],
  [
    "too small a subnet",
    "lab: t\nnetworks: [{ name: v, addressSpace: [10.0.0.0/16], subnets: [{ name: s, prefix: 10.0.0.0/30 }] }]",
    "InvalidParameter networks[0].subnets[0].prefix",
  ],
  [
    "two networks of a name",
    "lab: t\nnetworks: [{ name: v, addressSpace: [10.0.0.0/16] }, { name: V, addressSpace: [10.1.0.0/16] }]",
    "DuplicateName networks[1].name",
  ],
  ["a machine in no subnet", around("machines: [{ name: m, subnet: hub/c }]"), "UnknownReference machines[0].subnet"],
  ["a machine with a slash", around("machines: [{ name: a/b, subnet: hub/a }]"), "InvalidValue machines[0].name"],
  [
    "a reserved address",
    around("machines: [{ name: m, subnet: hub/a, address: 10.240.0.255 }]"),
    "PrivateIPAddressInReservedRange machines[0].address",
  ],
  [
    "an address elsewhere",
    around("machines: [{ name: m, subnet: hub/a, address: 10.240.1.4 }]"),
    "PrivateIPAddressNotInSubnet machines[0].address",
  ],
  ["no address", around("machines: [{ name: m, subnet: hub/a, address: 10.240.0 }]"), "InvalidParameter machines[0].address"],
  [
    "an address twice",
    around("machines: [{ name: m, subnet: hub/a, address: 10.240.0.9 }, { name: n, subnet: hub/a, address: 10.240.0.9 }]"),
    "PrivateIPAddressInUse machines[1].address",
  ],
  ["a port too high", around("machines: [{ name: m, subnet: hub/a, listen: [65536/tcp] }]"), "InvalidValue machines[0].listen[0]"],
  ["SCTP", around("machines: [{ name: m, subnet: hub/a, listen: [80/sctp] }]"), "NotModelled machines[0].listen[0]"],
  ["a site nowhere", around("sites: [{ name: s, network: hob, prefixes: [192.168.0.0/16] }]"), "UnknownReference sites[0].network"],
  [
    "a firewall rule for a name",
    firewall("destinationAddresses: [shop.example]"),
    "InvalidParameter machines[0].firewall.rules[0].destinationAddresses[0]",
  ],
  [
    "a firewall rule for no port",
    firewall("destinationPorts: [90-80]"),
    "InvalidParameter machines[0].firewall.rules[0].destinationPorts[0]",
  ],
  [
    "a firewall that translates destinations",
    around("machines: [{ name: f, subnet: hub/a, firewall: { natRules: [] } }]"),
    "NotModelled machines[0].firewall.natRules",
  ],
  [
    "a private endpoint at an address that is taken",
    around(
      "machines: [{ name: m, subnet: hub/a, address: 10.240.0.9 }]\nprivateEndpoints: [{ name: n, subnet: hub/a, address: 10.240.0.9 }]",
    ),
    "PrivateIPAddressInUse privateEndpoints[0].address",
  ],
  [
    "two VNets that a service could not tell apart",
    "lab: t\nnetworks: [{ name: v, addressSpace: [10.1.0.0/16], subnets: [{ name: s, prefix: 10.1.0.0/24, serviceEndpoints: [Microsoft.Sql] }] }, { name: w, addressSpace: [10.1.0.0/16], subnets: [{ name: s, prefix: 10.1.0.0/25, serviceEndpoints: [Microsoft.Sql] }] }]",
    "NotModelled networks[1].subnets[0].serviceEndpoints[0]",
  ],
  [
    "an endpoint for no service",
    "lab: t\nnetworks: [{ name: v, addressSpace: [10.1.0.0/16], subnets: [{ name: s, prefix: 10.1.0.0/24, serviceEndpoints: [Storage] }] }]",
    "InvalidValue networks[0].subnets[0].serviceEndpoints[0]",
  ],
  ["firewalls at the top", around("firewalls: []"), "UnknownProperty firewalls"],
  ["a peering with nobody", peered("[{ network: spike }]", ""), "UnknownReference networks[0].peerings[0].network"],
  ["a peering with itself", peered("[{ network: hub }]", ""), "CannotPeerVirtualNetworkWithItself networks[0].peerings[0].network"],
  ["a peering at the top", around("peerings: []"), "UnknownProperty peerings"],
  [
    "two peerings of a pair",
    peered("[{ network: spoke }, { network: spoke, name: again }]", "[{ network: hub }]"),
    "AnotherPeeringAlreadyReferencesRemoteVnet networks[0].peerings[1].network",
  ],
  [
    "peered spaces that overlap",
    peered("[{ network: other }]", "", ", peerings: [{ network: hub }]"),
    "VnetAddressSpacesOverlap networks[0].peerings[0].network",
  ],
  [
    "a remote gateway that is not there",
    peered("[{ network: spoke, allowGatewayTransit: true }]", "[{ network: hub, useRemoteGateways: true }]"),
    "RemoteVnetHasNoGateways networks[1].peerings[0].useRemoteGateways",
  ],
  [
    "a gateway that is not lent",
    `${peered("[{ network: spoke }]", "[{ network: hub, useRemoteGateways: true }]")}sites: [{ name: s, network: hub, prefixes: [192.168.0.0/16] }]`,
    "RemotePeeringGatewayTransitNotAllowed networks[1].peerings[0].useRemoteGateways",
  ],
  [
    "a remote gateway beside one's own",
    `${peered("[{ network: spoke, allowGatewayTransit: true }]", "[{ network: hub, useRemoteGateways: true }]")}sites: [{ name: s, network: hub, prefixes: [192.168.0.0/16] }, { name: t, network: spoke, prefixes: [192.168.9.0/24] }]`,
    "VnetHasGatewayAndUsesRemoteGateways networks[1].peerings[0].useRemoteGateways",
  ],
  [
    "two sites in each other's way",
    around("sites: [{ name: s, network: hub, prefixes: [192.168.0.0/16] }, { name: t, network: hub, prefixes: [192.168.0.0/16] }]"),
    "AddressSpaceOverlap sites[1].prefixes[0]",
  ],
  [
    "a site's machine outside",
    around("sites: [{ name: s, network: hub, prefixes: [192.168.0.0/24], machines: [{ name: m, address: 192.168.1.1 }] }]"),
    "InvalidParameter sites[0].machines[0].address",
  ],
  ["a private internet host", around("internet: [{ name: i, address: 192.168.1.1 }]"), "InvalidParameter internet[0].address"],
  [
    "a table twice",
    around("routeTables: [{ name: r, subnets: [hub/a] }, { name: s, subnets: [hub/a] }]"),
    "InvalidParameter routeTables[1].subnets[0]",
  ],
  [
    "an appliance without address",
    around("routeTables: [{ name: r, routes: [{ name: x, addressPrefix: 0.0.0.0/0, nextHopType: VirtualAppliance }] }]"),
    "InvalidNextHopIpAddress routeTables[0].routes[0].nextHopIpAddress",
  ],
  [
    "an address for the internet",
    around(
      "routeTables: [{ name: r, routes: [{ name: x, addressPrefix: 0.0.0.0/0, nextHopType: Internet, nextHopIpAddress: 10.240.0.4 }] }]",
    ),
    "InvalidNextHopIpAddress routeTables[0].routes[0].nextHopIpAddress",
  ],
  [
    "a next hop that cannot be set",
    around("routeTables: [{ name: r, routes: [{ name: x, addressPrefix: 0.0.0.0/0, nextHopType: VNetPeering }] }]"),
    "InvalidValue routeTables[0].routes[0].nextHopType",
  ],
  [
    "two routes of a prefix",
    around(
      "routeTables: [{ name: r, routes: [{ name: x, addressPrefix: 10.9.0.0/16, nextHopType: None }, { name: y, addressPrefix: 10.9.0.0/16, nextHopType: Internet }] }]",
    ),
    "RouteConflict routeTables[0].routes[1].addressPrefix",
  ],
  [
    "a service tag",
    around("routeTables: [{ name: r, routes: [{ name: x, addressPrefix: AzureCloud, nextHopType: Internet }] }]"),
    "NotModelled routeTables[0].routes[0].addressPrefix",
  ],
  ["a cluster's name", "lab: t\nclusters: [{ name: -c, networkPlugin: kubenet }]", "InvalidResourceName clusters[0].name"],
  ["a pod subnet with kubenet", kubenet(", podSubnet: hub/b"), "InvalidParameter clusters[0].podSubnet"],
  ["a pod subnet with overlay", overlay(", podSubnet: hub/b"), "InvalidParameter clusters[0].podSubnet"],
  ["the nodes' subnet as pod subnet", azure(", podSubnet: hub/a"), "InvalidParameter clusters[0].podSubnet"],
  ["an unknown pod subnet", azure(", podSubnet: hub/z"), "UnknownReference clusters[0].podSubnet"],
  [
    "a pod subnet for one pool of two",
    azure("").replace("[{ maxPods: 10 }]", "[{ maxPods: 10 }, { name: two, maxPods: 10, podSubnet: hub/b }]"),
    "NotModelled clusters[0].podSubnet",
  ],
  [
    "two allocation modes in one pod subnet",
    azure(", podSubnet: hub/b").replace(
      "[{ maxPods: 10 }]",
      "[{ maxPods: 10 }, { name: two, maxPods: 10, podIPAllocationMode: StaticBlock }]",
    ),
    "InvalidParameter clusters[0].pools[1].podIPAllocationMode",
  ],
  [
    "an allocation mode without pod subnet",
    azure(", podIPAllocationMode: StaticBlock"),
    "InvalidParameter clusters[0].podIPAllocationMode",
  ],
  [
    "static blocks before 1.28",
    azure(", podSubnet: hub/b, podIPAllocationMode: StaticBlock, kubernetesVersion: 1.27"),
    "InvalidParameter clusters[0].podIPAllocationMode",
  ],
  ["bridge mode with a pod subnet", azure(", podSubnet: hub/b, networkMode: bridge"), "InvalidParameter clusters[0].networkMode"],
  ["overlay with kubenet", kubenet(", networkPluginMode: overlay"), "InvalidParameter clusters[0].networkPluginMode"],
  ["networkMode with overlay", overlay(", networkMode: bridge"), "InvalidParameter clusters[0].networkMode"],
  [
    "overlay's default pod CIDR in the VNet",
    overlay("").replaceAll("10.240.", "10.244."),
    "NetworkProfileCIDROverlapVNET clusters[0].podCidr",
  ],
  ["too small a pod CIDR for an overlay", overlay(", podCidr: 10.244.0.0/23"), "InsufficientSubnetSize clusters[0].podCidr"],
  ["maxPods above with overlay", overlay(", pools: [{ maxPods: 251 }]"), "InvalidParameter clusters[0].pools[0].maxPods"],
  ["a misspelled plugin", kubenet("").replace("kubenet", "kubnet"), "InvalidValue clusters[0].networkPlugin"],
  ["Azure's network policies on kubenet", kubenet(", networkPolicy: azure"), "InvalidParameter clusters[0].networkPolicy"],
  ["Cilium without its data plane", kubenet(", networkPolicy: cilium"), "InvalidParameter clusters[0].networkPolicy"],
  ["Cilium's data plane on kubenet", kubenet(", networkDataplane: cilium"), "InvalidParameter clusters[0].networkDataplane"],
  [
    "Calico on Cilium's data plane",
    cluster("subnet: hub/a, networkPlugin: azure, networkDataplane: cilium, networkPolicy: calico, pools: [{ maxPods: 10 }]"),
    "InvalidParameter clusters[0].networkPolicy",
  ],
  [
    "Windows on Cilium's data plane",
    cluster(
      "subnet: hub/a, networkPlugin: azure, networkDataplane: cilium, pools: [{ maxPods: 10 }, { name: win, osType: Windows, maxPods: 10 }]",
    ),
    "InvalidParameter clusters[0].networkDataplane",
  ],
  [
    "too many nodes for Azure's network policies",
    cluster("subnet: hub/a, networkPlugin: azure, networkPolicy: azure, pools: [{ maxPods: 10, count: 251 }]"),
    "InvalidParameter clusters[0].networkPolicy",
  ],
  ["another outbound type", kubenet(", outboundType: managedNATGatewayV2"), "NotModelled clusters[0].outboundType"],
  [
    "routing of one's own without a table",
    kubenet(", outboundType: userDefinedRouting"),
    "ExistingRouteTableNotAssociatedWithSubnet clusters[0].outboundType",
  ],
  [
    "a NAT gateway of one's own that is not there",
    kubenet(", outboundType: userAssignedNATGateway"),
    "InvalidParameter clusters[0].outboundType",
  ],
  [
    "a NAT gateway of AKS's in a subnet of one's own",
    kubenet(", outboundType: managedNATGateway"),
    "InvalidParameter clusters[0].outboundType",
  ],
  ["blocked in a subnet of one's own", kubenet(", outboundType: block"), "InvalidParameter clusters[0].outboundType"],
  [
    "a NAT gateway's profile without one",
    kubenet(", natGatewayProfile: { idleTimeoutInMinutes: 10 }"),
    "InvalidParameter clusters[0].natGatewayProfile",
  ],
  [
    "outbound addresses of AKS's and of one's own",
    `publicIPAddresses: [{ name: mine }]\n${kubenet(", loadBalancerProfile: { managedOutboundIPs: { count: 1 }, outboundIPs: { publicIPs: [mine] } }")}`,
    "InvalidParameter clusters[0].loadBalancerProfile.outboundIPs",
  ],
  [
    "an outbound address that is not there",
    kubenet(", loadBalancerProfile: { outboundIPs: { publicIPs: [mine] } }"),
    "UnknownReference clusters[0].loadBalancerProfile.outboundIPs.publicIPs[0]",
  ],
  [
    "ports for more nodes than own addresses have",
    `publicIPAddresses: [{ name: mine }]\n${kubenet(", loadBalancerProfile: { outboundIPs: { publicIPs: [mine] }, allocatedOutboundPorts: 64000 }, pools: [{ count: 2 }]")}`,
    "InvalidLoadBalancerProfileAllocatedOutboundPorts clusters[0].loadBalancerProfile.allocatedOutboundPorts",
  ],
  ["the Basic load balancer", kubenet(", loadBalancerSku: basic"), "NotModelled clusters[0].loadBalancerSku"],
  ["networkMode with kubenet", kubenet(", networkMode: bridge"), "InvalidParameter clusters[0].networkMode"],
  ["a broken service CIDR", kubenet(", serviceCidr: 10.0.0.0/33"), "CidrStringParseError clusters[0].serviceCidr"],
  ["too large a service CIDR", kubenet(", serviceCidr: 10.16.0.0/12"), "InvalidParameter clusters[0].serviceCidr"],
  ["a service CIDR on a subnet", kubenet(", serviceCidr: 10.240.1.0/25"), "ServiceCidrOverlapExistingSubnetsCidr clusters[0].serviceCidr"],
  ["a forbidden service CIDR", kubenet(", serviceCidr: 172.30.0.0/24"), "InvalidParameter clusters[0].serviceCidr"],
  ["a public service CIDR", kubenet(", serviceCidr: 8.8.0.0/16"), "InvalidParameter clusters[0].serviceCidr"],
  ["DNS elsewhere", kubenet(", dnsServiceIP: 10.1.0.10"), "DnsServiceIpOutOfServiceCidr clusters[0].dnsServiceIP"],
  ["DNS at .0", kubenet(", dnsServiceIP: 10.0.0.0"), "InvalidParameter clusters[0].dnsServiceIP"],
  ["DNS at .1", kubenet(", dnsServiceIP: 10.0.0.1"), "InvalidParameter clusters[0].dnsServiceIP"],
  ["a pod CIDR in the VNet", kubenet(", podCidr: 10.240.128.0/17"), "NetworkProfileCIDROverlapVNET clusters[0].podCidr"],
  ["a pod CIDR on the services", kubenet(", podCidr: 10.0.0.0/20"), "InvalidParameter clusters[0].podCidr"],
  ["a forbidden pod CIDR", kubenet(", podCidr: 172.16.0.0/12"), "InvalidParameter clusters[0].podCidr"],
  ["too small a pod CIDR", kubenet(", podCidr: 10.244.0.0/23"), "InsufficientSubnetSize clusters[0].podCidr"],
  ["a pod CIDR without a /24", kubenet(", podCidr: 10.244.0.0/25"), "InsufficientSubnetSize clusters[0].podCidr"],
  ["maxPods below", kubenet(", pools: [{ maxPods: 9, count: 9 }]"), "InvalidParameter clusters[0].pools[0].maxPods"],
  ["maxPods above", kubenet(", pools: [{ maxPods: 251 }]"), "InvalidParameter clusters[0].pools[0].maxPods"],
  [
    "maxPods above in the lesson",
    `rules: lesson\n${kubenet(", pools: [{ maxPods: 111 }]")}`,
    "InvalidParameter clusters[0].pools[0].maxPods",
  ],
  ["room for 20 pods", kubenet(", pools: [{ maxPods: 10, count: 2 }]"), "InvalidParameter clusters[0].pools[0].maxPods"],
  ["maxPods at the cluster", kubenet(", maxPods: 30"), "UnknownProperty clusters[0].maxPods"],
  ["an empty System pool", kubenet(", pools: [{ count: 0 }]"), "InvalidParameter clusters[0].pools[0].count"],
  ["no System pool", kubenet(", pools: [{ mode: User }]"), "InvalidParameter clusters[0].pools"],
  ["a pool's name", kubenet(", pools: [{ name: Np-1 }]"), "InvalidParameter clusters[0].pools[0].name"],
  ["two pools of a name", kubenet(", pools: [{ name: p }, { name: p }]"), "DuplicateName clusters[0].pools[1].name"],
  [
    "Windows on kubenet",
    kubenet(", pools: [{ name: p }, { name: win, osType: Windows }]"),
    "AzureCNIOnlyForWindows clusters[0].pools[1].osType",
  ],
  [
    "a long name of a Windows pool",
    azure("").replace("[{ maxPods: 10 }]", "[{ maxPods: 30 }, { name: windows, osType: Windows, maxPods: 30 }]"),
    "InvalidParameter clusters[0].pools[1].name",
  ],
  [
    "Windows first",
    azure("").replace("[{ maxPods: 10 }]", "[{ name: win, osType: Windows, maxPods: 30 }]"),
    "InvalidParameter clusters[0].pools[0].osType",
  ],
  [
    "no outbound NAT beside a load balancer",
    azure("").replace(
      "[{ maxPods: 10 }]",
      "[{ maxPods: 30 }, { name: win, osType: Windows, maxPods: 30, windowsProfile: { disableOutboundNat: true } }]",
    ),
    "InvalidParameter clusters[0].pools[1].windowsProfile.disableOutboundNat",
  ],
  [
    "a Windows profile of a Linux pool",
    azure("").replace("[{ maxPods: 10 }]", "[{ maxPods: 30, windowsProfile: {} }]"),
    "InvalidParameter clusters[0].pools[0].windowsProfile",
  ],
  [
    "autoscaling without bounds",
    kubenet(", pools: [{ enableAutoScaling: true }]"),
    "InvalidParameter clusters[0].pools[0].enableAutoScaling",
  ],
  ["bounds without autoscaling", kubenet(", pools: [{ maxCount: 5 }]"), "InvalidParameter clusters[0].pools[0].maxCount"],
  [
    "fewer nodes than the autoscaler keeps",
    kubenet(", pools: [{ enableAutoScaling: true, count: 1, minCount: 2, maxCount: 5 }]"),
    "InvalidParameter clusters[0].pools[0].count",
  ],
  [
    "bounds the wrong way round",
    kubenet(", pools: [{ enableAutoScaling: true, minCount: 6, maxCount: 5 }]"),
    "InvalidParameter clusters[0].pools[0].minCount",
  ],
  [
    "a System pool that scales to nothing",
    kubenet(", pools: [{ enableAutoScaling: true, minCount: 0, maxCount: 5 }]"),
    "InvalidParameter clusters[0].pools[0].minCount",
  ],
  [
    "a surge of more than all",
    kubenet(', pools: [{ upgradeSettings: { maxSurge: "133%" } }]'),
    "InvalidParameter clusters[0].pools[0].upgradeSettings.maxSurge",
  ],
  [
    "an upgrade that can do nothing",
    kubenet(", pools: [{ upgradeSettings: { maxSurge: 0 } }]"),
    "InvalidParameter clusters[0].pools[0].upgradeSettings.maxSurge",
  ],
  [
    "maxUnavailable of a System pool",
    kubenet(", pools: [{ upgradeSettings: { maxSurge: 0, maxUnavailable: 1 } }]"),
    "InvalidParameter clusters[0].pools[0].upgradeSettings.maxUnavailable",
  ],
  [
    "maxUnavailable beside a surge",
    kubenet(", pools: [{}, { upgradeSettings: { maxUnavailable: 1 } }]"),
    "InvalidParameter clusters[0].pools[1].upgradeSettings.maxUnavailable",
  ],
  ["a quoted number", kubenet(', pools: [{ count: "3" }]'), "WrongType clusters[0].pools[0].count"],
  ["a taint", kubenet(", pools: [{ nodeTaints: [gpu] }]"), "InvalidValue clusters[0].pools[0].nodeTaints[0]"],
  [
    "odd outbound ports",
    kubenet(", loadBalancerProfile: { allocatedOutboundPorts: 1001 }"),
    "InvalidParameter clusters[0].loadBalancerProfile.allocatedOutboundPorts",
  ],
  [
    "more outbound ports than there are",
    kubenet(", loadBalancerProfile: { allocatedOutboundPorts: 32000 }"),
    "InvalidLoadBalancerProfileAllocatedOutboundPorts clusters[0].loadBalancerProfile.allocatedOutboundPorts",
  ],
  [
    "no outbound address",
    kubenet(", loadBalancerProfile: { managedOutboundIPs: { count: 0 } }"),
    "InvalidParameter clusters[0].loadBalancerProfile.managedOutboundIPs.count",
  ],
  ["a missing manifest", kubenet(", manifests: [shop.yaml]"), "FileNotFound clusters[0].manifests[0]"],
  ["a pattern without files", kubenet(', manifests: ["app/*.yaml"]'), "FileNotFound clusters[0].manifests[0]"],
  [
    "a kubenet subnet shared",
    `lab: t\n${network}clusters: [{ name: c, networkPlugin: kubenet, subnet: hub/a }, { name: d, networkPlugin: kubenet, subnet: hub/a }]`,
    "InvalidParameter clusters[1].subnet",
  ],
  [
    "a kubenet route table shared",
    `lab: t\n${network}clusters: [{ name: c, networkPlugin: kubenet, subnet: hub/a }, { name: d, networkPlugin: kubenet, subnet: hub/b }]\nrouteTables: [{ name: r, subnets: [hub/a, hub/b] }]`,
    "InvalidParameter clusters[1].subnet",
  ],
  [
    "two route tables in a kubenet cluster",
    `lab: t\n${network}clusters: [{ name: c, networkPlugin: kubenet, pools: [{ subnet: hub/a }, { subnet: hub/b }] }]\nrouteTables: [{ name: r, subnets: [hub/a] }]`,
    "InvalidParameter clusters[0].pools[1].subnet",
  ],
  [
    "a node resource group twice",
    `lab: t\n${network}clusters: [{ name: c, networkPlugin: kubenet, subnet: hub/a, nodeResourceGroup: g }, { name: d, networkPlugin: kubenet, subnet: hub/b, nodeResourceGroup: G }]`,
    "InvalidParameter clusters[1].nodeResourceGroup",
  ],
  [
    "pools in two VNets",
    `lab: t\nnetworks: [{ name: v, addressSpace: [10.1.0.0/16], subnets: [{ name: s, prefix: 10.1.0.0/24 }] }, { name: w, addressSpace: [10.2.0.0/16], subnets: [{ name: s, prefix: 10.2.0.0/24 }] }]\nclusters: [{ name: c, networkPlugin: kubenet, subnet: v/s, pools: [{}, { subnet: w/s }] }]`,
    "InvalidParameter clusters[0].pools[1].subnet",
  ],
  [
    "nodes with the gateway",
    kubenet("")
      .replaceAll(/\ba\b(?=, prefix|,| )/g, "GatewaySubnet")
      .replace("hub/a", "hub/GatewaySubnet"),
    "InvalidParameter clusters[0].subnet",
  ],
  [
    "an AKS range in the cluster's VNet",
    "lab: t\nnetworks: [{ name: v, addressSpace: [172.30.0.0/16], subnets: [{ name: s, prefix: 172.30.0.0/24 }] }]\nclusters: [{ name: c, networkPlugin: kubenet, subnet: v/s }]",
    "InvalidParameter clusters[0].subnet",
  ],
];

describe("refused, once, by name", () => {
  for (const [name, text, problem] of refusals) {
    test(name, () => {
      const lab = load(text);
      const errors = lab.problems.filter(({ severity }) => severity === "error");
      expect(errors.map(({ code, path }) => `${code} ${path}`)).toEqual([problem]);
      expect(lab.resources).toEqual([]);
      expect(errors[0]?.line).toBeGreaterThan(0);
    });
  }
});

describe("warned of, and brought up", () => {
  const warnings: readonly (readonly [name: string, text: string, problem: string])[] = [
    [
      "a service CIDR in the VNet but in no subnet",
      kubenet(", serviceCidr: 10.240.128.0/24"),
      "ServiceCidrInNetwork clusters[0].serviceCidr",
    ],
    [
      "a service CIDR of a peered VNet",
      `${peered("[{ network: spoke }]", "[{ network: hub }]").replace("name: hub,", "name: hub, subnets: [{ name: a, prefix: 10.240.0.0/24 }],")}clusters: [{ name: c, networkPlugin: kubenet, subnet: hub/a, serviceCidr: 10.241.0.0/16 }]\n`,
      "OverlapPeeredNetwork clusters[0].serviceCidr",
    ],
    [
      "a pod CIDR where Docker has its bridge, in the lesson",
      `rules: lesson\n${kubenet(", podCidr: 172.17.0.0/16")}`,
      "OverlapDockerBridge clusters[0].podCidr",
    ],
    [
      "a firewall that gets nothing",
      around("machines: [{ name: f, subnet: hub/a, firewall: {} }]"),
      "IPForwardingDisabled machines[0].firewall",
    ],
    [
      "an appliance that does not forward",
      around(
        "machines: [{ name: m, subnet: hub/b, address: 10.240.1.4 }]\nrouteTables: [{ name: r, subnets: [hub/a], routes: [{ name: x, addressPrefix: 0.0.0.0/0, nextHopType: VirtualAppliance, nextHopIpAddress: 10.240.1.4 }] }]",
      ),
      "IPForwardingDisabled routeTables[0].routes[0].nextHopIpAddress",
    ],
    ["one side of a peering", peered("[{ network: spoke }]", ""), "PeeringNotConnected networks[0].peerings[0].network"],
    [
      "a site inside the VNet",
      around("sites: [{ name: s, network: hub, prefixes: [10.240.9.0/24] }]"),
      "AddressSpaceOverlap sites[0].prefixes[0]",
    ],
    [
      "a site around the VNet",
      around("sites: [{ name: s, network: hub, prefixes: [10.0.0.0/8] }]"),
      "AddressSpaceOverlap sites[0].prefixes[0]",
    ],
    ["a public pod CIDR", overlay(", podCidr: 51.0.0.0/16, pools: [{ maxPods: 30 }]"), "PublicPodCidr clusters[0].podCidr"],
    [
      "a pod CIDR of a peered VNet",
      overlay(", podCidr: 10.250.0.0/16")
        .replace("    subnets:", "    peerings: [{ network: far }]\n    subnets:")
        .replace("clusters:", "  - { name: far, addressSpace: [10.250.0.0/20], peerings: [{ network: hub }] }\nclusters:"),
      "OverlapPeeredNetwork clusters[0].podCidr",
    ],
    ["a pod CIDR with Azure CNI", azure(", podCidr: 10.244.0.0/16"), "PodCidrIgnored clusters[0].podCidr"],
    [
      "too small a subnet",
      `lab: t\n${network}clusters: [{ name: c, networkPlugin: azure, subnet: hub/tiny }]`,
      "InsufficientSubnetSize clusters[0].subnet",
    ],
    [
      "a site where the services are",
      `${kubenet("")}sites: [{ name: s, network: hub, prefixes: [10.0.0.0/24] }]`,
      "OverlapOnPremises clusters[0].serviceCidr",
    ],
    [
      "an appliance elsewhere",
      around(
        "routeTables: [{ name: r, subnets: [hub/a], routes: [{ name: x, addressPrefix: 0.0.0.0/0, nextHopType: VirtualAppliance, nextHopIpAddress: 10.9.9.9 }] }]",
      ),
      "InvalidNextHopIpAddress routeTables[0].routes[0].nextHopIpAddress",
    ],
  ];
  for (const [name, text, problem] of warnings) {
    test(name, () => {
      const lab = load(text);
      expect(lab.problems.map(({ severity, code, path }) => `${severity} ${code} ${path}`)).toEqual([`warning ${problem}`]);
      expect(lab.resources.length).toBeGreaterThan(0);
    });
  }
});

describe("accepted", () => {
  const accepted: readonly (readonly [name: string, text: string])[] = [
    [
      "the same pod CIDR in two kubenet clusters",
      `lab: t\n${network}clusters: [{ name: c, networkPlugin: kubenet, subnet: hub/a }, { name: d, networkPlugin: kubenet, subnet: hub/b }]`,
    ],
    ["maxPods 250 with kubenet today", kubenet(", pools: [{ maxPods: 250 }]")],
    ["3 x 10 pods", kubenet(", pools: [{ maxPods: 10, count: 3 }]")],
    ["bare ports", around("machines: [{ name: m, subnet: hub/a, listen: [80, 53/UDP] }]")],
    ["empty lists and properties", "lab: t\nnetworks:\nclusters: []\nmachines: ~"],
    [
      "two clusters on one flat subnet",
      `lab: t\nnetworks: [{ name: v, addressSpace: [10.1.0.0/16], subnets: [{ name: s, prefix: 10.1.0.0/22 }] }]\nclusters: [{ name: c, networkPlugin: azure, subnet: v/s }, { name: d, networkPlugin: azure, subnet: v/s }]`,
    ],
    ["256 nodes in a /16 of pods", kubenet(", pools: [{ count: 251 }]")],
    ["a merge key", "lab: t\nnetworks:\n  - &a { name: v, addressSpace: [10.0.0.0/16] }\n  - { <<: *a, name: w }"],
  ];
  for (const [name, text] of accepted) test(name, () => expect(printed(load(text))).toBe(""));
});

test("every problem at once, in the order of the file, with rule and fix", () => {
  const text = `lab: Two_Options
rulez: current
networks:
  - name: hub
    addressSpace: [10.240.0.0/16]
    subnets:
      - { name: plain, prefix: 10.240.0.0/24 }
      - { name: flat, addressPrefix: 10.240.2.0/23 }
machines:
  - { name: db, subnet: hub/dat, listen: [99999/tcp] }
clusters:
  - name: shop
    networkPlugin: kubnet
    subnet: hub/plain
    podCidr: 10.240.0.0/16
    dnsServiceIP: 10.0.0.1
    outboundType: managedNATGateway
    pools: [{ name: np1, count: 2, maxPods: 5 }]
`;
  expect(`\n${printed(load(text))}\n`).toMatchSnapshot();
});

test("several files are one lab; what they say of it must agree", () => {
  const one = { path: "a.yaml", text: `lab: t\n${network}` };
  const two = { path: "b.yaml", text: "clusters: [{ name: c, networkPlugin: kubenet, subnet: hub/a }]" };
  expect(printed(loadFiles([one, two]))).toBe("");
  expect(loadFiles([one, two]).name).toBe("t");
  const other = { path: "c.yaml", text: "lab: u\nnetworks: [{ name: hub, addressSpace: [10.1.0.0/16] }]" };
  expect(loadFiles([one, other]).problems.map(({ file, code, path }) => [file, code, path])).toEqual([
    ["c.yaml", "Conflict", "lab"],
    ["c.yaml", "DuplicateName", "networks[0].name"],
  ]);
});

test("an object is no lab, and an empty file is none either", () => {
  expect(brief(load("apiVersion: v1\nkind: Service\nmetadata: { name: a }"))).toEqual(["1:1 error NotALab "]);
  expect(brief(load(""))).toEqual(["1:1 error EmptyDocument "]);
  expect(brief(load("# nothing\n---\n"))).toEqual(["1:1 error EmptyDocument "]);
  expect(loadFiles([]).problems).toHaveLength(1);
});

test("manifests: a file, a folder, a pattern", () => {
  const namespace = (name: string) => `apiVersion: v1\nkind: Namespace\nmetadata: { name: ${name} }\n`;
  const others = {
    "one.yaml": namespace("a"),
    "dir/b.yaml": namespace("b"),
    "dir/c.json": '{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"c"}}',
    "dir/d.txt": "",
  };
  const names = (manifests: string) =>
    load(kubenet(`, manifests: [${manifests}]`), others)
      .resources.map(({ key }) => key)
      .filter((key) => key.startsWith("/kubernetes/"))
      .map((key) => key.slice(-1));
  expect(names("one.yaml, dir")).toEqual(["a", "b", "c"]);
  expect(names('"dir/*.yaml"')).toEqual(["b"]);
  expect(printed(load(kubenet(", manifests: [ome.yaml]"), others))).toContain('did you mean "one.yaml"?');
});

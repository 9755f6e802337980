import { describe, expect, test } from "vitest";
import { armKey } from "../../resources/resources.ts";
import type { LoadedLab } from "../index.ts";
import { brief, loadFiles, printed } from "../testing/documents.ts";

const subscription = "/subscriptions/11111111-2222-3333-4444-555555555555";
const network = `${subscription}/resourceGroups/rg-net/providers/Microsoft.Network`;
const spoke = `${network}/virtualNetworks/spoke`;
const cluster = `${subscription}/resourcegroups/rg-aks/providers/Microsoft.ContainerService/managedClusters/shop`;

/** As `az network vnet list` prints it: without `properties`. */
const networks = [
  {
    id: spoke,
    name: "spoke",
    type: "Microsoft.Network/virtualNetworks",
    location: "westeurope",
    resourceGroup: "rg-net",
    etag: 'W/"1"',
    provisioningState: "Succeeded",
    enableDdosProtection: false,
    addressSpace: { addressPrefixes: ["10.1.0.0/16"] },
    subnets: [
      {
        id: `${spoke}/subnets/aks`,
        name: "aks",
        etag: 'W/"1"',
        type: "Microsoft.Network/virtualNetworks/subnets",
        addressPrefix: "10.1.0.0/22",
        delegations: [],
        privateEndpointNetworkPolicies: "Disabled",
        routeTable: { id: `${network}/routeTables/RT`, resourceGroup: "rg-net" },
        networkSecurityGroup: { id: `${network}/networkSecurityGroups/nsg`, resourceGroup: "rg-net" },
      },
    ],
    virtualNetworkPeerings: [],
  },
];
const tables = [
  {
    id: `${network}/routeTables/rt`,
    name: "rt",
    disableBgpRoutePropagation: false,
    routes: [
      {
        name: "default",
        id: `${network}/routeTables/rt/routes/default`,
        addressPrefix: "0.0.0.0/0",
        nextHopType: "VirtualAppliance",
        nextHopIpAddress: "10.1.4.4",
      },
      {
        name: "aks-nodepool1-11111111-vmss000000____102440024",
        addressPrefix: "10.244.0.0/24",
        nextHopType: "VirtualAppliance",
        nextHopIpAddress: "10.1.0.4",
      },
    ],
    subnets: [{ id: `${spoke}/subnets/aks`, resourceGroup: "rg-net" }],
  },
];
const groups = [
  {
    id: `${network}/networkSecurityGroups/nsg`,
    name: "nsg",
    defaultSecurityRules: [{ name: "AllowVnetInBound", priority: 65000 }],
    securityRules: [
      {
        name: "web",
        access: "Allow",
        direction: "Inbound",
        priority: 100,
        protocol: "TCP",
        sourceAddressPrefix: "Internet",
        sourceAddressPrefixes: [],
        sourcePortRange: "*",
        sourcePortRanges: [],
        destinationAddressPrefix: "*",
        destinationAddressPrefixes: [],
        destinationPortRange: null,
        destinationPortRanges: ["80", "443"],
      },
    ],
  },
];
const clusters = [
  {
    id: cluster,
    name: "shop",
    type: "Microsoft.ContainerService/ManagedClusters",
    location: "westeurope",
    kubernetesVersion: "1.29.4",
    provisioningState: "Succeeded",
    powerState: { code: "Running" },
    dnsPrefix: "shop",
    nodeResourceGroup: "MC_rg-aks_shop_westeurope",
    agentPoolProfiles: [
      {
        name: "nodepool1",
        count: 3,
        vmSize: "Standard_D4s_v5",
        osSku: "Ubuntu",
        mode: "System",
        maxPods: 110,
        vnetSubnetId: `${spoke}/subnets/aks`.toLowerCase(),
      },
    ],
    networkProfile: {
      networkPlugin: "kubenet",
      podCidr: "10.244.0.0/16",
      podCidrs: ["10.244.0.0/16"],
      serviceCidr: "10.0.0.0/16",
      dnsServiceIp: "10.0.0.10",
      outboundType: "userDefinedRouting",
      loadBalancerSku: "Standard",
      loadBalancerProfile: null,
    },
  },
];

const file = (path: string, value: unknown) => ({ path, text: JSON.stringify(value, null, 2) });
const properties = (lab: LoadedLab, id: string): unknown => {
  const found = lab.resources.find(({ key }) => key === armKey(id))?.value;
  return found !== undefined && "properties" in found ? found.properties : undefined;
};

describe("an estate as az shows it", () => {
  const lab = loadFiles([file("aks.json", clusters), file("vnets.json", networks), file("rt.json", tables), file("nsg.json", groups)]);

  test("is taken without a problem, and is called after the cluster's group", () => {
    expect(printed(lab)).toBe("");
    expect(lab.name).toBe("rg-aks");
  });

  test("children of the command line's form are resources of their own, and references find them whatever their case", () => {
    expect(properties(lab, `${spoke}/subnets/aks`)).toEqual({
      addressPrefix: "10.1.0.0/22",
      routeTable: { id: `${network}/routeTables/rt` },
      networkSecurityGroup: { id: `${network}/networkSecurityGroups/nsg` },
    });
    expect(properties(lab, `${cluster}/agentPools/nodepool1`)).toMatchObject({
      vnetSubnetID: `${spoke}/subnets/aks`,
      count: 3,
      maxPods: 110,
    });
  });

  test("routes that AKS made are left to the emulated AKS, and the user's stay", () => {
    expect(properties(lab, `${network}/routeTables/rt`)).toMatchObject({ routes: [{ name: "default" }] });
    expect(lab.kept.some(({ name, why }) => name.startsWith("aks-nodepool1") && why.includes("emulated AKS"))).toBe(true);
  });

  test("a rule has each side in one form, and Azure's default rules behind it", () => {
    const group = properties(lab, `${network}/networkSecurityGroups/nsg`) as { securityRules: unknown[]; defaultSecurityRules: unknown[] };
    expect(group.securityRules).toEqual([
      {
        name: "web",
        properties: {
          protocol: "Tcp",
          access: "Allow",
          direction: "Inbound",
          priority: 100,
          sourceAddressPrefix: "Internet",
          sourcePortRange: "*",
          destinationAddressPrefix: "*",
          destinationPortRanges: ["80", "443"],
        },
      },
    ]);
    expect(group.defaultSecurityRules).toHaveLength(6);
  });

  test("what has no effect is listed", () => {
    const why = lab.kept.find(({ kind }) => kind === "properties of Microsoft.ContainerService/managedClusters/agentPools")?.why;
    expect(why).toContain("vmSize");
  });
});

test("ARM's own form, as Resource Graph and az resource have it, is the same estate", () => {
  const rows = {
    count: 2,
    data: [
      {
        id: spoke.toLowerCase(),
        name: "spoke",
        type: "microsoft.network/virtualnetworks",
        location: "westeurope",
        properties: {
          addressSpace: { addressPrefixes: ["10.1.0.0/16"] },
          subnets: [{ name: "aks", id: `${spoke}/subnets/aks`, properties: { addressPrefix: "10.1.0.0/22" } }],
        },
      },
      {
        id: cluster,
        name: "shop",
        type: "microsoft.containerservice/managedclusters",
        location: "westeurope",
        properties: { agentPoolProfiles: [{ name: "np", count: 1, vnetSubnetID: `${spoke}/subnets/aks` }] },
      },
    ],
  };
  const lab = loadFiles([file("graph.json", rows)]);
  expect(printed(lab)).toBe("");
  expect(properties(lab, cluster)).toMatchObject({
    networkProfile: { networkPlugin: "azure", networkPluginMode: "overlay", podCidr: "10.244.0.0/16" },
  });
});

test("a reference that no document describes says which file to add", () => {
  const lab = loadFiles([file("aks.json", clusters)]);
  expect(printed(lab)).toContain("no document describes subnet");
  expect(printed(lab)).toContain("`az network vnet show -g rg-net -n spoke`");
  expect(lab.resources).toEqual([]);
});

describe("virtual nodes of an export", () => {
  const [shop] = clusters;
  const [net] = networks;
  const withAddon = {
    ...shop,
    agentPoolProfiles: [{ name: "np", count: 1, vnetSubnetId: `${spoke}/subnets/aks` }],
    networkProfile: { networkPlugin: "azure", serviceCidr: "10.0.0.0/16", dnsServiceIp: "10.0.0.10" },
    addonProfiles: { aciConnectorLinux: { enabled: true, config: { SubnetName: "aci" } } },
  };
  const delegations = [{ name: "aci", serviceName: "Microsoft.ContainerInstance/containerGroups" }];
  const subnets = [
    { id: `${spoke}/subnets/aks`, name: "aks", addressPrefix: "10.1.0.0/22" },
    { id: `${spoke}/subnets/aci`, name: "aci", addressPrefix: "10.1.8.0/24", delegations },
  ];

  test("their subnet is in the nodes' VNet, in the subscription of the export", () => {
    expect(brief(loadFiles([file("aks.json", [withAddon]), file("vnets.json", [{ ...net, subnets }])]))).toEqual([]);
  });

  test("where nobody knows the nodes' subnet, that is the only error", () => {
    const errors = brief(loadFiles([file("aks.json", [withAddon])])).filter((line) => line.includes(" error "));
    expect(errors).toHaveLength(1);
    expect(errors[0]).toContain("UnknownReference");
  });
});

test.each([
  ["httpApplicationRouting", true, ["NotModelled"]],
  ["httpApplicationRouting", false, []],
  ["ingressApplicationGateway", true, ["NotModelled"]],
  ["ingressApplicationGateway", false, []],
])("add-on %s, enabled: %s", (addon, enabled, codes) => {
  const [shop] = clusters;
  const profile = { enabled, config: { subnetCIDR: "10.225.0.0/16" }, identity: null };
  const aks = { ...shop, networkProfile: { networkPlugin: "azure" }, addonProfiles: { [addon]: profile } };
  const said = brief(loadFiles([file("aks.json", [aks]), file("vnets.json", networks), file("tables.json", tables)]));
  expect(said.filter((line) => line.includes("addonProfiles")).map((line) => line.split(" ")[2])).toEqual(codes);
});

test("problems of Azure's rules have their place in the export", () => {
  const [first] = networks;
  const wrong = [
    { ...first, subnets: [{ ...first?.subnets[0], addressPrefix: "10.9.0.0/22", routeTable: null, networkSecurityGroup: null }] },
  ];
  expect(brief(loadFiles([file("vnets.json", wrong)]))).toEqual(["22:26 error NetcfgSubnetRangeOutsideVnet [0].subnets[0].addressPrefix"]);
});

test("a cluster in AKS's own VNet is in the exported one, and what AKS made in its group is left to AKS", () => {
  const [shop] = clusters;
  const mc = `${subscription}/resourceGroups/MC_rg-aks_shop_westeurope/providers/Microsoft.Network`;
  const managed = [
    {
      ...shop,
      agentPoolProfiles: [{ name: "nodepool1", count: 3, vnetSubnetId: null }],
      networkProfile: { ...shop?.networkProfile, outboundType: "loadBalancer" },
    },
    {
      id: `${mc}/virtualNetworks/aks-vnet-12345678`,
      name: "aks-vnet-12345678",
      addressSpace: { addressPrefixes: ["10.224.0.0/12"] },
      subnets: [
        {
          name: "aks-subnet",
          addressPrefix: "10.224.0.0/16",
          networkSecurityGroup: { id: `${mc}/networkSecurityGroups/aks-agentpool-12345678-nsg` },
          routeTable: { id: `${mc}/routeTables/aks-agentpool-12345678-routetable` },
        },
      ],
    },
    { id: `${mc}/loadBalancers/kubernetes`, name: "kubernetes", frontendIpConfigurations: [] },
    { id: `${mc}/routeTables/aks-agentpool-12345678-routetable`, name: "aks-agentpool-12345678-routetable", routes: [] },
  ];
  const lab = loadFiles([file("mc.json", managed)]);
  expect(printed(lab)).toBe("");
  expect(properties(lab, `${cluster}/agentPools/nodepool1`)).toMatchObject({
    vnetSubnetID: `${mc}/virtualNetworks/aks-vnet-12345678/subnets/aks-subnet`,
  });
  expect(lab.kept.filter(({ why }) => why.startsWith("AKS's own")).map(({ name }) => name)).toEqual([
    "kubernetes",
    "aks-agentpool-12345678-routetable",
  ]);
});

test("a route that somebody put into AKS's own table is named", () => {
  const [shop] = clusters;
  const table = `${subscription}/resourceGroups/MC_rg-aks_shop_westeurope/providers/Microsoft.Network/routeTables/aks-agentpool-12345678-routetable`;
  const routes = ["aks-nodepool1-12345678-vmss000000____102440024", "to-firewall"].map((name) => ({
    name,
    addressPrefix: "10.244.0.0/24",
    nextHopType: "VirtualAppliance",
    nextHopIpAddress: "10.224.0.4",
  }));
  const own = { ...shop, agentPoolProfiles: [{ name: "np", count: 3 }], networkProfile: { networkPlugin: "kubenet" } };
  const lab = loadFiles([file("mc.json", [own, { id: table, routes }])]);
  expect(lab.problems.map(({ code, severity, value }) => `${severity} ${code} ${String(value)}`)).toEqual([
    "warning NotModelled to-firewall",
  ]);
});

test("types are made, kept, named or unknown; none is skipped in silence", () => {
  const of = (type: string, name: string) => ({ id: `${subscription}/resourceGroups/rg/providers/${type}/${name}`, name, type });
  const lab = loadFiles([
    file("all.json", [
      of("Microsoft.ManagedIdentity/userAssignedIdentities", "identity"),
      of("Microsoft.Network/applicationGateways", "gw"),
      of("Microsoft.Quantum/workspaces", "q"),
    ]),
  ]);
  expect(lab.kept.map(({ name }) => name)).toEqual(["identity"]);
  expect(lab.problems.map(({ code, severity, message }) => `${severity} ${code} ${message.slice(0, 24)}`)).toEqual([
    "warning NotModelled gw: Application Gateway ",
    "warning UnknownType q is of type Microsoft.Q",
  ]);
});

test("a pool that names no subnet is taken as in that of the others, with a warning", () => {
  const [shop] = clusters;
  const two = [
    { ...shop, agentPoolProfiles: [...(shop?.agentPoolProfiles ?? []), { name: "user", count: 1, mode: "User", vnetSubnetId: null }] },
  ];
  const lab = loadFiles([file("aks.json", two), file("vnets.json", networks), file("rt.json", tables), file("nsg.json", groups)]);
  expect(lab.problems.map(({ code, severity }) => `${severity} ${code}`)).toEqual(["warning NoSubnet"]);
  expect(properties(lab, `${cluster}/agentPools/user`)).toMatchObject({ vnetSubnetID: `${spoke}/subnets/aks` });
});

test("twins of two resource groups are told apart", () => {
  const vnet = (group: string, prefix: string) => ({
    id: `${subscription}/resourceGroups/${group}/providers/Microsoft.Network/virtualNetworks/hub`,
    name: "hub",
    addressSpace: { addressPrefixes: [prefix] },
  });
  const lab = loadFiles([file("v.json", [vnet("a", "10.1.0.0/16"), vnet("b", "10.2.0.0/16")])]);
  expect(
    lab.resources.flatMap(({ value }) => ("type" in value && value.type === "Microsoft.Network/virtualNetworks" ? value.name : [])),
  ).toEqual(["a-hub", "b-hub"]);
});

describe("a lab file beside an export", () => {
  const lab = `machines: [{ name: fw, subnet: spoke/fw, address: 10.1.4.4, enableIPForwarding: true, firewall: {} }]
internet: [{ name: partner, address: 203.0.113.10, listen: [443/tcp] }]
sites: [{ name: hq, network: spoke, prefixes: [192.168.0.0/16] }]
clusters: [{ name: shop, manifests: [shop.yaml] }]
`;
  const shop = "apiVersion: v1\nkind: Namespace\nmetadata: { name: shop }\n";
  const [first] = networks;
  const more = [
    {
      ...first,
      subnets: [
        ...(first?.subnets ?? []),
        { name: "fw", addressPrefix: "10.1.4.0/24" },
        { name: "GatewaySubnet", addressPrefix: "10.1.5.0/24" },
      ],
    },
  ];
  const azure = [file("aks.json", clusters), file("vnets.json", more), file("rt.json", tables), file("nsg.json", groups)];

  test("adds what Azure does not know, and manifests to a cluster that another document describes", () => {
    const loaded = loadFiles([{ path: "lab.yaml", text: lab }, ...azure], { "shop.yaml": shop });
    expect(printed(loaded)).toBe("");
    expect(loaded.resources.some(({ key }) => key === "/kubernetes/shop/Namespace//shop")).toBe(true);
  });

  test("manifests on the command line are for the only cluster", () => {
    const loaded = loadFiles([...azure, { path: "shop.yaml", text: shop }]);
    expect(printed(loaded)).toBe("");
    expect(loaded.resources.some(({ key }) => key === "/kubernetes/shop/Namespace//shop")).toBe(true);
  });

  test("has the machines of a site that another document's local network gateway stands for", () => {
    const gateway = `${network}/virtualNetworkGateways/gw`;
    const local = `${network}/localNetworkGateways/hq`;
    const site = [
      { id: gateway, gatewayType: "Vpn", ipConfigurations: [{ name: "c", subnet: { id: `${spoke}/subnets/GatewaySubnet` } }] },
      { id: local, localNetworkAddressSpace: { addressPrefixes: ["192.168.0.0/16"] }, gatewayIpAddress: "198.51.100.1" },
      {
        id: `${network}/connections/c`,
        connectionType: "IPsec",
        virtualNetworkGateway1: { id: gateway, resourceGroup: "rg-net" },
        localNetworkGateway2: { id: local, resourceGroup: "rg-net" },
      },
    ];
    const machines = "machines: [{ name: erp, address: 192.168.1.5 }]";
    const text = (prefixes: string) => `sites: [{ name: hq, network: spoke, prefixes: [${prefixes}], ${machines} }]\n`;
    const loaded = loadFiles([{ path: "lab.yaml", text: text("192.168.0.0/16") }, ...azure, file("site.json", site)]);
    expect(printed(loaded)).toBe("");
    const sites = loaded.resources.filter(({ key }) => key.includes("drydock.lab/sites"));
    expect(sites.map(({ value }) => value)).toMatchObject([
      { properties: { localNetworkGateway: { id: local }, machines: [{ name: "erp" }] } },
    ]);
    const wrong = loadFiles([{ path: "lab.yaml", text: text("192.168.1.0/24") }, ...azure, file("site.json", site)]);
    expect(brief(wrong)).toContain("1:37 error Conflict sites[0].prefixes");
  });

  test("does not describe what another document describes", () => {
    const text = "networks: [{ name: Spoke, addressSpace: [10.9.0.0/16] }]\n";
    expect(brief(loadFiles([{ path: "lab.yaml", text }, ...azure]))).toEqual(["1:20 error DuplicateName networks[0].name"]);
  });

  test("says nothing else of a cluster that another document describes", () => {
    const loaded = loadFiles([{ path: "lab.yaml", text: "clusters: [{ name: shop, networkPlugin: azure }]\n" }, ...azure]);
    expect(brief(loaded)).toEqual(["1:41 error Conflict clusters[0].networkPlugin"]);
  });
});

test("an Azure Firewall is a machine that forwards, with its policy's network rules in Azure's order", () => {
  const hub = `${network}/virtualNetworks/hub`;
  const policy = `${network}/firewallPolicies/policy`;
  const collection = (name: string, priority: number, type: string, rules: unknown[]) => ({
    name,
    priority,
    action: { type },
    ruleCollectionType: "FirewallPolicyFilterRuleCollection",
    rules,
  });
  const rule = (name: string, more: object) => ({
    name,
    ruleType: "NetworkRule",
    ipProtocols: ["TCP"],
    sourceAddresses: ["10.1.0.0/16"],
    sourceIpGroups: [],
    destinationAddresses: [],
    destinationIpGroups: [],
    destinationFqdns: [],
    destinationPorts: ["443"],
    ...more,
  });
  const group = (name: string, priority: number, ruleCollections: unknown[]) => ({
    id: `${policy}/ruleCollectionGroups/${name}`,
    name,
    priority,
    ruleCollections,
  });
  const lab = loadFiles([
    file("fw.json", [
      {
        id: hub,
        name: "hub",
        addressSpace: { addressPrefixes: ["10.0.0.0/16"] },
        subnets: [{ name: "AzureFirewallSubnet", addressPrefix: "10.0.1.0/26" }],
      },
      {
        id: `${network}/azureFirewalls/fw`,
        name: "fw",
        sku: { name: "AZFW_VNet", tier: "Standard" },
        threatIntelMode: "Alert",
        ipConfigurations: [{ name: "c", privateIPAddress: "10.0.1.4", subnet: { id: `${hub}/subnets/AzureFirewallSubnet` } }],
        firewallPolicy: { id: policy },
      },
      { id: policy, name: "policy", sku: { tier: "Standard" } },
      { id: `${network}/ipGroups/partners`, name: "partners", ipAddresses: ["203.0.113.10", "203.0.113.0/28"] },
      group("late", 500, [collection("web", 100, "Allow", [rule("late", { destinationAddresses: ["*"] })])]),
      group("early", 200, [
        collection("second", 300, "Allow", [
          rule("partners", { destinationIpGroups: [`${network}/ipGroups/partners`] }),
          rule("tags", { destinationAddresses: ["AzureMonitor"] }),
        ]),
        collection("first", 100, "Deny", [rule("no", { destinationAddresses: ["203.0.113.66"], ipProtocols: ["Any"] })]),
        collection("names", 400, "Allow", [{ ruleType: "ApplicationRule", name: "docs", targetFqdns: ["learn.microsoft.com"] }]),
      ]),
    ]),
  ]);
  const firewall = lab.resources.find(({ key }) => key.endsWith("/firewalls/fw"))?.value;
  expect(firewall).toMatchObject({
    properties: {
      defaultAction: "Deny",
      snat: "internet",
      rules: [
        { name: "no", action: "Deny", protocols: ["Any"] },
        { name: "partners", action: "Allow", destinationAddresses: ["203.0.113.10", "203.0.113.0/28"] },
        { name: "late", destinationAddresses: ["*"] },
      ],
    },
  });
  expect(lab.resources.find(({ key }) => key.endsWith("/virtualmachines/fw"))?.value).toMatchObject({
    tags: { "drydock-address": "10.0.1.4", "drydock-ip-forwarding": "true" },
  });
  expect(lab.problems.map(({ code, message }) => `${code} ${message.slice(0, 44)}`)).toEqual([
    "NotModelled firewall rule tags names no address that a l",
    "NotModelled early: application rules of a firewall are n",
  ]);
});

test("dual stack is taken as Azure says it", () => {
  const [shop] = clusters;
  const [first] = networks;
  const both = [
    {
      ...first,
      addressSpace: { addressPrefixes: ["10.1.0.0/16", "fd00:db8:1::/48"] },
      subnets: [{ id: `${spoke}/subnets/aks`, name: "aks", addressPrefixes: ["fd00:db8:1::/64", "10.1.0.0/22"] }],
    },
    {
      ...shop,
      networkProfile: {
        networkPlugin: "azure",
        networkPluginMode: "overlay",
        ipFamilies: ["IPv4", "IPv6"],
        podCidr: "10.244.0.0/16",
        podCidrs: ["10.244.0.0/16", "fd12:3456:789a::/64"],
        serviceCidr: "10.0.0.0/16",
        serviceCidrs: ["10.0.0.0/16", "fd12:3456:789a:1::/108"],
        dnsServiceIp: "10.0.0.10",
        loadBalancerProfile: { managedOutboundIPs: { count: 1, countIPv6: 1 } },
      },
    },
  ];
  const lab = loadFiles([file("both.json", both)]);
  expect(printed(lab)).toBe("");
  expect(properties(lab, `${spoke}/subnets/aks`)).toMatchObject({
    addressPrefix: "10.1.0.0/22",
    addressPrefixes: ["10.1.0.0/22", "fd00:db8:1::/64"],
  });
  expect(properties(lab, cluster)).toMatchObject({
    networkProfile: { ipFamilies: ["IPv4", "IPv6"], podCidrs: ["10.244.0.0/16", "fd12:3456:789a::/64"] },
  });
});

import { describe, expect, test } from "vitest";
import { armKey } from "../../resources/resources.ts";
import type { LoadedLab } from "../index.ts";
import { loadFiles, printed } from "../testing/documents.ts";

type Json = Readonly<Record<string, unknown>>;

const group = { resource_group_name: "rg", location: "westeurope" };
/** As `terraform show -json` writes a reference: the longest form first, then what it is a part of. */
const references = (...all: string[]) => ({ references: all });

/** `module.network.azurerm_subnet.nodes["a"]`. */
function planned(address: string, values: Json) {
  const [, type = "", name = "", index] = /(azurerm_\w+|azapi_\w+)\.(\w+)(?:\[(.+)\])?$/.exec(address) ?? [];
  const key = index === undefined ? {} : { index: index.startsWith('"') ? index.slice(1, -1) : Number(index) };
  return { address, mode: "managed", type, name, ...key, values };
}

function written(address: string, expressions: Json, more: Json = {}) {
  const [type = "", name = ""] = address.split(".");
  return { address, mode: "managed", type, name, expressions, ...more };
}

const pool = { name: "system", vm_size: "Standard_D4s_v5", auto_scaling_enabled: true, min_count: 2, max_count: 5, node_count: null };
const profile = { network_plugin: "azure", network_plugin_mode: "overlay", outbound_type: "userDefinedRouting" };
const cluster = (more: Json = {}) =>
  planned("azurerm_kubernetes_cluster.aks", {
    ...group,
    name: "shop",
    dns_prefix: "shop",
    kubernetes_version: "1.31",
    default_node_pool: [pool],
    network_profile: [profile],
    ...more,
  });
const clusterAs = (subnet: Json) => written("azurerm_kubernetes_cluster.aks", { default_node_pool: [{ vnet_subnet_id: subnet }] });

const network = {
  address: "module.network",
  resources: [
    planned("module.network.azurerm_virtual_network.vnet", { ...group, name: "vnet", address_space: ["10.20.0.0/16"] }),
    planned('module.network.azurerm_subnet.s["nodes"]', {
      ...group,
      name: "nodes",
      virtual_network_name: "vnet",
      address_prefixes: ["10.20.0.0/22"],
    }),
    planned('module.network.azurerm_subnet.s["fw"]', {
      ...group,
      name: "AzureFirewallSubnet",
      virtual_network_name: "vnet",
      address_prefixes: ["10.20.4.0/26"],
    }),
    planned("module.network.azurerm_route_table.rt", { ...group, name: "rt" }),
    planned("module.network.azurerm_route.default", {
      ...group,
      name: "default",
      route_table_name: "rt",
      address_prefix: "0.0.0.0/0",
      next_hop_type: "VirtualAppliance",
    }),
    planned('module.network.azurerm_subnet_route_table_association.a["nodes"]', {}),
    planned("module.network.azurerm_firewall.fw", { ...group, name: "fw", ip_configuration: [{ name: "c" }] }),
  ],
};
const networkAs = {
  outputs: { subnet_ids: { expression: references("azurerm_subnet.s") } },
  resources: [
    written("azurerm_subnet.s", { virtual_network_name: references("azurerm_virtual_network.vnet.name", "azurerm_virtual_network.vnet") }),
    written("azurerm_route.default", {
      route_table_name: references("azurerm_route_table.rt.name", "azurerm_route_table.rt"),
      next_hop_in_ip_address: references("azurerm_firewall.fw.ip_configuration[0].private_ip_address", "azurerm_firewall.fw"),
    }),
    written("azurerm_firewall.fw", {
      ip_configuration: [{ subnet_id: references('azurerm_subnet.s["fw"].id', 'azurerm_subnet.s["fw"]', "azurerm_subnet.s") }],
    }),
    written(
      "azurerm_subnet_route_table_association.a",
      {
        subnet_id: references("each.value.id", "each.value"),
        route_table_id: references("azurerm_route_table.rt.id", "azurerm_route_table.rt"),
      },
      { for_each_expression: references("azurerm_subnet.s") },
    ),
  ],
};

const plan = (resources: readonly unknown[], as: readonly unknown[], modules: readonly unknown[] = [], calls: Json = {}) => ({
  format_version: "1.2",
  terraform_version: "1.9.0",
  planned_values: { root_module: { resources, child_modules: modules } },
  configuration: { root_module: { resources: as, module_calls: calls } },
});
const load = (document: unknown) => loadFiles([{ path: "plan.json", text: JSON.stringify(document, null, 1) }]);
const base = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg/providers";
const vnet = `${base}/Microsoft.Network/virtualNetworks/vnet`;
const properties = (lab: LoadedLab, id: string): unknown => {
  const found = lab.resources.find(({ key }) => key === armKey(id))?.value;
  return found !== undefined && "properties" in found ? found.properties : undefined;
};

describe("a plan with a module", () => {
  const nodes = references('module.network.subnet_ids["nodes"]', "module.network.subnet_ids", "module.network");
  const user = planned("azurerm_kubernetes_cluster_node_pool.user[0]", { name: "user", node_count: 3, max_pods: 60 });
  const userAs = written("azurerm_kubernetes_cluster_node_pool.user", {
    kubernetes_cluster_id: references("azurerm_kubernetes_cluster.aks.id", "azurerm_kubernetes_cluster.aks"),
    vnet_subnet_id: references(
      "azurerm_kubernetes_cluster.aks.default_node_pool[0].vnet_subnet_id",
      "azurerm_kubernetes_cluster.aks.default_node_pool[0]",
      "azurerm_kubernetes_cluster.aks",
    ),
  });
  const lab = load(plan([cluster(), user], [clusterAs(nodes), userAs], [network], { network: { expressions: {}, module: networkAs } }));

  test("ids that are known after apply are followed through outputs, keys and other resources' attributes", () => {
    const id = `${base}/Microsoft.ContainerService/managedClusters/shop`;
    expect(properties(lab, `${id}/agentPools/system`)).toMatchObject({
      vnetSubnetID: `${vnet}/subnets/nodes`,
      count: 2,
      maxCount: 5,
      mode: "System",
    });
    expect(properties(lab, `${id}/agentPools/user`)).toMatchObject({
      vnetSubnetID: `${vnet}/subnets/nodes`,
      count: 3,
      maxPods: 60,
      mode: "User",
    });
  });

  test("associations are properties, for the instance with their key", () => {
    expect(properties(lab, `${vnet}/subnets/nodes`)).toMatchObject({ routeTable: { id: `${base}/Microsoft.Network/routeTables/rt` } });
    expect(properties(lab, `${vnet}/subnets/AzureFirewallSubnet`)).not.toHaveProperty("routeTable");
  });

  test("the firewall is a machine that forwards, in its subnet", () => {
    const machine = lab.resources.find(({ key }) => key.endsWith("/virtualmachines/fw"))?.value;
    expect(machine).toMatchObject({ tags: { "drydock-subnet": `${vnet}/subnets/AzureFirewallSubnet`, "drydock-ip-forwarding": "true" } });
  });

  test("the address of a firewall that is not there yet is the first of its subnet, and that is said", () => {
    expect(properties(lab, `${base}/Microsoft.Network/routeTables/rt`)).toMatchObject({
      routes: [
        { name: "default", properties: { addressPrefix: "0.0.0.0/0", nextHopType: "VirtualAppliance", nextHopIpAddress: "10.20.4.4" } },
      ],
    });
    expect(lab.problems.map(({ code, severity, path }) => `${severity} ${code} ${path}`)).toEqual([
      "warning KnownAfterApply planned_values.root_module.child_modules[0].resources[4].values.next_hop_in_ip_address",
    ]);
  });
});

test("what cannot be found is an error with its place", () => {
  const lab = load(plan([cluster()], [clusterAs(references("local.subnet_id"))]));
  expect(lab.problems.filter(({ severity }) => severity === "error").map(({ code, path }) => `${code} ${path}`)).toEqual([
    "KnownAfterApply planned_values.root_module.resources[0].values.default_node_pool[0].vnet_subnet_id",
  ]);
  expect(printed(lab)).toContain("its expression leads to no resource of the plan");
});

test("a subnet of one of several instances by a key of its own is not guessed", () => {
  const subnet = (key: string, prefix: string) =>
    planned(`azurerm_subnet.s["${key}"]`, { ...group, name: key, virtual_network_name: "vnet", address_prefixes: [prefix] });
  const vnetPlanned = planned("azurerm_virtual_network.vnet", { ...group, name: "vnet", address_space: ["10.20.0.0/16"] });
  const nic = planned('azurerm_network_interface.n["a"]', { ...group, name: "n", ip_configuration: [{ name: "c" }] });
  const as = written("azurerm_network_interface.n", {
    ip_configuration: [{ subnet_id: references("azurerm_subnet.s", "each.value.subnet", "each.value") }],
  });
  const lab = load(plan([vnetPlanned, subnet("a", "10.20.0.0/24"), subnet("b", "10.20.1.0/24"), nic], [as]));
  expect(printed(lab)).toContain('may mean azurerm_subnet.s["a"] or azurerm_subnet.s["b"]');
});

test("a state, machines, security groups and gateways", () => {
  const id = (type: string, name: string) => `${base}/Microsoft.Network/${type}/${name}`;
  const resources = [
    planned("azurerm_virtual_network.vnet", { ...group, id: vnet, name: "vnet", address_space: ["10.20.0.0/16"] }),
    planned("azurerm_subnet.db", {
      ...group,
      id: `${vnet}/subnets/db`,
      name: "db",
      virtual_network_name: "vnet",
      address_prefixes: ["10.20.9.0/24"],
    }),
    planned("azurerm_network_security_group.nsg", {
      ...group,
      id: id("networkSecurityGroups", "nsg"),
      name: "nsg",
      security_rule: [
        {
          name: "pg",
          priority: 100,
          direction: "Inbound",
          access: "Allow",
          protocol: "Tcp",
          source_address_prefix: "VirtualNetwork",
          source_port_range: "*",
          destination_address_prefix: "*",
          destination_port_range: "5432",
          destination_port_ranges: [],
        },
      ],
    }),
    planned("azurerm_subnet_network_security_group_association.a", {
      subnet_id: `${vnet}/subnets/db`,
      network_security_group_id: id("networkSecurityGroups", "nsg"),
    }),
    planned("azurerm_network_interface.db", {
      ...group,
      id: id("networkInterfaces", "db"),
      name: "db",
      ip_configuration: [{ name: "c", subnet_id: `${vnet}/subnets/db`, private_ip_address: "10.20.9.10", primary: true }],
    }),
    planned("azurerm_linux_virtual_machine.db", {
      ...group,
      name: "db",
      network_interface_ids: [id("networkInterfaces", "db")],
      tags: { "drydock-listen": "5432/tcp" },
    }),
    planned("azurerm_role_assignment.r", {}),
    planned("azurerm_quantum_thing.q", { ...group, name: "q" }),
    planned("azapi_resource.s", {
      type: "Microsoft.Network/virtualNetworks/subnets@2024-05-01",
      name: "more",
      parent_id: vnet,
      body: { properties: { addressPrefix: "10.20.10.0/24" } },
    }),
  ];
  const lab = load({ format_version: "1.0", values: { root_module: { resources } } });
  expect(lab.problems.map(({ code, message }) => `${code} ${message.slice(0, 40)}`)).toEqual([
    "UnknownType q is of type azurerm_quantum_thing, whic",
  ]);
  const machine = lab.resources.find(({ key }) => key.endsWith("/virtualmachines/db"))?.value;
  expect(machine).toMatchObject({
    tags: { "drydock-subnet": `${vnet}/subnets/db`, "drydock-address": "10.20.9.10", "drydock-listen": "5432/tcp" },
  });
  expect(properties(lab, `${vnet}/subnets/db`)).toMatchObject({ networkSecurityGroup: { id: id("networkSecurityGroups", "nsg") } });
  expect(properties(lab, `${vnet}/subnets/more`)).toEqual({ addressPrefix: "10.20.10.0/24" });
  expect(lab.kept.map(({ name }) => name)).toContain("r");
});

test("what a plan has beside networks is named or kept, one by one", () => {
  const others = [
    { address: "kubernetes_service.web", type: "kubernetes_service", name: "web", values: { metadata: [{ name: "web" }] } },
    { address: "kubernetes_deployment.web", type: "kubernetes_deployment", name: "web", values: {} },
    { address: "helm_release.ingress", type: "helm_release", name: "ingress", values: { name: "ingress" } },
    { address: "random_pet.p", type: "random_pet", name: "p", values: { id: "x" } },
  ].map((one) => ({ mode: "managed", ...one }));
  const update = (name: string, type: string) =>
    planned(`azapi_update_resource.${name}`, { type, resource_id: "/subscriptions/x", body: {} });
  const resources = [
    planned("azurerm_resource_group.g", { name: "rg" }),
    planned("azurerm_resource_group_template_deployment.t", { ...group, name: "t", template_content: "{}" }),
    planned("azurerm_firewall_nat_rule_collection.n", { ...group, name: "n", azure_firewall_name: "fw" }),
    planned("azurerm_firewall_application_rule_collection.a", { ...group, name: "a", azure_firewall_name: "fw" }),
    update("aks", "Microsoft.ContainerService/managedClusters@2024-09-01"),
    update("logs", "Microsoft.OperationalInsights/workspaces@2023-09-01"),
    ...others,
  ];
  const lab = load({ format_version: "1.0", values: { root_module: { resources } } });
  expect(lab.problems.map(({ code, severity, message }) => `${severity} ${code} ${message.split(" is ")[0]}`)).toEqual([
    "warning NotModelled t: a template that Terraform deploys",
    "warning NotModelled n: NAT rules of Azure Firewall",
    "warning NotModelled a: application rules of Azure Firewall",
    "warning NotModelled azapi_update_resource.aks: a change to a resource by azapi",
    "warning NotModelled kubernetes_service.web: an object of Kubernetes' that Terraform makes",
    "warning NotModelled kubernetes_deployment.web: an object of Kubernetes' that Terraform makes",
    "warning NotModelled helm_release.ingress: an object of Kubernetes' that Terraform makes",
  ]);
  expect(lab.kept.map(({ name }) => name).sort()).toEqual(["azapi_update_resource.logs", "random_pet.p", "rg"]);
});

test("a dual-stack cluster and its subnet", () => {
  const names = { ...group, resource_group_name: "rg" };
  const space = ["10.240.0.0/16", "fd00:240::/48"];
  const prefixes = ["10.240.0.0/22", "fd00:240::/64"];
  const ranges = { pod_cidrs: ["10.244.0.0/16", "fd12:3456:789a::/64"], service_cidrs: ["10.0.0.0/16", "fd12:3456:789a:1::/108"] };
  const balancer = [{ managed_outbound_ip_count: 1, managed_outbound_ipv6_count: 2 }];
  const dual = { network_plugin: "azure", network_plugin_mode: "overlay", ip_versions: ["IPv4", "IPv6"], ...ranges };
  const id = references("azurerm_subnet.nodes.id", "azurerm_subnet.nodes");
  const lab = load(
    plan(
      [
        planned("azurerm_virtual_network.vnet", { ...names, name: "vnet", address_space: space }),
        planned("azurerm_subnet.nodes", { ...names, name: "nodes", virtual_network_name: "vnet", address_prefixes: prefixes }),
        cluster({ network_profile: [{ ...dual, load_balancer_profile: balancer }] }),
      ],
      [clusterAs(id), written("azurerm_virtual_network.vnet", {}), written("azurerm_subnet.nodes", {})],
    ),
  );
  expect(printed(lab)).not.toContain("error");
  expect(properties(lab, `${base}/Microsoft.ContainerService/managedClusters/shop`)).toMatchObject({
    networkProfile: {
      ipFamilies: ["IPv4", "IPv6"],
      podCidrs: ranges.pod_cidrs,
      serviceCidrs: ranges.service_cidrs,
      loadBalancerProfile: { managedOutboundIPs: { count: 1, countIPv6: 2 } },
    },
  });
  expect(properties(lab, `${vnet}/subnets/nodes`)).toMatchObject({ addressPrefixes: prefixes });
});

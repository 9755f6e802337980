/** What each of azurerm's resource types is in ARM's terms. Where versions of the provider name an attribute differently, both names are read. */

import { addressAt, parsePrefix } from "../../net/prefix.ts";
import { lostReference } from "../azure/placed.ts";
import type { Attribute, Draft } from "./draft.ts";
import type { PlannedResource } from "./plan.ts";
import { list, record } from "./plan.ts";
import type { Terraform } from "./terraform.ts";

type Build = (resource: PlannedResource, terraform: Terraform) => void;

/** The attributes of a resource, to be put into its draft under ARM's names. */
class Attributes {
  readonly resource: PlannedResource;
  readonly draft: Draft;
  readonly #terraform: Terraform;
  /** Before every property and attribute: those of a block. */
  readonly #property: string;
  readonly #attribute: Attribute;

  constructor(
    resource: PlannedResource,
    terraform: Terraform,
    draft: Draft = terraform.draft(resource),
    property = "",
    attribute: Attribute = [],
  ) {
    this.resource = resource;
    this.draft = draft;
    this.#terraform = terraform;
    this.#property = property;
    this.#attribute = attribute;
  }

  /** ARM's property and azurerm's attribute, or the names that versions of the provider have for it. */
  copy(names: Readonly<Record<string, string | readonly string[]>>): this {
    for (const [property, attributes] of Object.entries(names)) {
      for (const attribute of typeof attributes === "string" ? [attributes] : attributes) {
        const value = this.value(attribute);
        if (value !== undefined && value !== "") this.put(property, value, attribute);
      }
    }
    return this;
  }

  put(property: string, value: unknown, attribute?: string): this {
    this.draft.put(
      this.#property + property,
      value,
      attribute === undefined ? this.#attribute : [...this.#attribute, attribute],
      this.resource,
    );
    return this;
  }

  value(attribute: string): unknown {
    let part: unknown = this.resource.values;
    for (const step of [...this.#attribute, attribute]) part = Array.isArray(part) ? part[Number(step)] : record(part)[step];
    return part ?? undefined;
  }

  refer(property: string, attribute: string, types: readonly string[], need: "needed" | "wanted" = "wanted"): this {
    return this.put(property, this.#terraform.reference(this.resource, [...this.#attribute, attribute], types, need), attribute);
  }

  references(property: string, attribute: string, types: readonly string[]): this {
    const ids = this.#terraform.referenceList(this.resource, [...this.#attribute, attribute], types);
    return ids.length === 0
      ? this
      : this.put(
          property,
          ids.map((id) => ({ id })),
          attribute,
        );
  }

  /** Of properties that are lists of ids. */
  referencedIds(property: string, attribute: string, types: readonly string[]): this {
    const ids = this.#terraform.referenceList(this.resource, [...this.#attribute, attribute], types);
    return ids.length === 0 ? this : this.put(property, ids, attribute);
  }

  /** The blocks of an attribute, each with its own part of the properties: `securityRules.0.properties.`. */
  blocks(attribute: string, property: (index: number) => string): readonly Attributes[] {
    const blocks = list(this.value(attribute));
    return blocks.map(
      (_block, index) =>
        new Attributes(this.resource, this.#terraform, this.draft, this.#property + property(index), [
          ...this.#attribute,
          attribute,
          index,
        ]),
    );
  }

  /** The only block of an attribute. */
  block(attribute: string, property: string): Attributes | undefined {
    return this.blocks(attribute, () => property)[0];
  }
}

const subnets = ["azurerm_subnet"];
const networks = ["azurerm_virtual_network"];
const groups = ["azurerm_network_security_group"];
const tables = ["azurerm_route_table"];
const gateways = ["azurerm_nat_gateway"];
const addresses = ["azurerm_public_ip"];
const prefixes = ["azurerm_public_ip_prefix"];
const interfaces = ["azurerm_network_interface"];
const memberships = ["azurerm_application_security_group"];

/** Children whose id is their parent's and a segment. `attribute`: what names the parent. */
export const parents: Readonly<Record<string, { readonly attribute: string; readonly type: string; readonly segment: string }>> = {
  azurerm_subnet: { attribute: "virtual_network_name", type: "azurerm_virtual_network", segment: "subnets" },
  azurerm_virtual_network_peering: {
    attribute: "virtual_network_name",
    type: "azurerm_virtual_network",
    segment: "virtualNetworkPeerings",
  },
  azurerm_route: { attribute: "route_table_name", type: "azurerm_route_table", segment: "routes" },
  azurerm_network_security_rule: {
    attribute: "network_security_group_name",
    type: "azurerm_network_security_group",
    segment: "securityRules",
  },
  azurerm_firewall_policy_rule_collection_group: {
    attribute: "firewall_policy_id",
    type: "azurerm_firewall_policy",
    segment: "ruleCollectionGroups",
  },
  azurerm_kubernetes_cluster_node_pool: { attribute: "kubernetes_cluster_id", type: "azurerm_kubernetes_cluster", segment: "agentPools" },
};

const routeNames = { addressPrefix: "address_prefix", nextHopType: "next_hop_type", nextHopIpAddress: "next_hop_in_ip_address" };

/** A next hop that is known after apply: the address of the appliance that the expression means. */
function nextHop(attributes: Attributes, terraform: Terraform, property: string, attribute: Attribute): void {
  const { resource, draft } = attributes;
  const appliances = terraform.meant(resource, attribute, ["azurerm_firewall", ...interfaces, ...machines]);
  const [appliance] = appliances;
  if (!terraform.isWritten(resource, attribute)) return;
  const known = appliances.length === 1 && appliance !== undefined ? addressOfAppliance(appliance, terraform) : undefined;
  if (known !== undefined) {
    draft.put(property, known.address, attribute, resource);
    if (known.assumed === undefined) return;
    terraform.complain(resource, attribute, {
      code: "KnownAfterApply",
      severity: "warning",
      message: `${attribute.join(".")} of ${resource.address} is known only after apply; it is taken as ${known.address}, ${known.assumed}`,
    });
    return;
  }
  terraform.complain(resource, attribute, {
    code: "KnownAfterApply",
    message: `${attribute.join(".")} of ${resource.address} is known only after apply: what the route sends goes to an address that nobody knows yet`,
    fix: "give the appliance a static private address, or give what Azure says of the route table after apply",
  });
}

const machines = ["azurerm_linux_virtual_machine", "azurerm_windows_virtual_machine", "azurerm_virtual_machine"];

function addressOfAppliance(
  appliance: PlannedResource,
  terraform: Terraform,
): { readonly address: string; readonly assumed?: string } | undefined {
  if (appliance.type === "azurerm_firewall") {
    const [subnet] = terraform.meant(appliance, ["ip_configuration", 0, "subnet_id"], subnets);
    const text = list(subnet === undefined ? [] : [subnet.values])[0]?.address_prefixes;
    const prefix = Array.isArray(text) && typeof text[0] === "string" ? parsePrefix(text[0]) : undefined;
    const first = prefix === undefined ? undefined : addressAt(prefix, 4);
    return first === undefined
      ? undefined
      : { address: first, assumed: "the first address of its subnet, which is what Azure Firewall gets" };
  }
  if (machines.includes(appliance.type)) {
    const [nic] = terraform.meant(appliance, ["network_interface_ids"], interfaces);
    return nic === undefined ? undefined : addressOfAppliance(nic, terraform);
  }
  const address = list(appliance.values.ip_configuration)[0]?.private_ip_address;
  return typeof address === "string" && address !== "" ? { address } : undefined;
}

const ruleNames = {
  description: "description",
  priority: "priority",
  direction: "direction",
  access: "access",
  protocol: "protocol",
  sourcePortRange: "source_port_range",
  sourcePortRanges: "source_port_ranges",
  destinationPortRange: "destination_port_range",
  destinationPortRanges: "destination_port_ranges",
  sourceAddressPrefix: "source_address_prefix",
  sourceAddressPrefixes: "source_address_prefixes",
  destinationAddressPrefix: "destination_address_prefix",
  destinationAddressPrefixes: "destination_address_prefixes",
};

function rule(attributes: Attributes): void {
  attributes
    .copy(ruleNames)
    .references("sourceApplicationSecurityGroups", "source_application_security_group_ids", memberships)
    .references("destinationApplicationSecurityGroups", "destination_application_security_group_ids", memberships);
}

const poolNames = {
  count: "node_count",
  vmSize: "vm_size",
  maxPods: "max_pods",
  minCount: "min_count",
  maxCount: "max_count",
  enableAutoScaling: ["auto_scaling_enabled", "enable_auto_scaling"],
  enableNodePublicIP: ["node_public_ip_enabled", "enable_node_public_ip"],
  osType: "os_type",
  mode: "mode",
  type: "type",
  nodeLabels: "node_labels",
  nodeTaints: "node_taints",
};

/** `isDefault`: the pool of the cluster itself. */
function pool(attributes: Attributes): void {
  attributes
    .copy(poolNames)
    .refer("vnetSubnetID", "vnet_subnet_id", subnets, "needed")
    .refer("podSubnetID", "pod_subnet_id", subnets, "needed");
  // With the autoscaler the number of nodes may be left to it: it begins with the fewest.
  const [count, fewest] = [attributes.value("node_count"), attributes.value("min_count")];
  if (typeof count !== "number" && typeof fewest === "number") attributes.put("count", fewest, "min_count");
  attributes.block("upgrade_settings", "upgradeSettings.")?.copy({ maxSurge: "max_surge" });
  attributes
    .block("windows_profile", "windowsProfile.")
    ?.put("disableOutboundNat", attributes.block("windows_profile", "")?.value("outbound_nat_enabled") === false);
}

function cluster(resource: PlannedResource, terraform: Terraform): void {
  const attributes = new Attributes(resource, terraform);
  attributes.copy({ dnsPrefix: "dns_prefix", kubernetesVersion: "kubernetes_version", nodeResourceGroup: "node_resource_group" });
  attributes.copy({ "apiServerAccessProfile.enablePrivateCluster": "private_cluster_enabled" });
  const access = attributes.block("api_server_access_profile", "apiServerAccessProfile.");
  access?.copy({ enableVnetIntegration: ["virtual_network_integration_enabled", "vnet_integration_enabled"] });
  const profile = attributes.block("network_profile", "networkProfile.");
  profile?.copy({
    networkPlugin: "network_plugin",
    networkPluginMode: "network_plugin_mode",
    networkPolicy: "network_policy",
    networkDataplane: ["network_data_plane", "ebpf_data_plane"],
    networkMode: "network_mode",
    dnsServiceIP: "dns_service_ip",
    dockerBridgeCidr: "docker_bridge_cidr",
    outboundType: "outbound_type",
    ipFamilies: "ip_versions",
    podCidr: "pod_cidr",
    podCidrs: "pod_cidrs",
    serviceCidr: "service_cidr",
    serviceCidrs: "service_cidrs",
    loadBalancerSku: "load_balancer_sku",
  });
  profile
    ?.block("load_balancer_profile", "loadBalancerProfile.")
    ?.copy({
      "managedOutboundIPs.count": "managed_outbound_ip_count",
      "managedOutboundIPs.countIPv6": "managed_outbound_ipv6_count",
      allocatedOutboundPorts: "outbound_ports_allocated",
      idleTimeoutInMinutes: "idle_timeout_in_minutes",
    })
    .references("outboundIPs.publicIPs", "outbound_ip_address_ids", addresses)
    .references("outboundIPPrefixes.publicIPPrefixes", "outbound_ip_prefix_ids", prefixes);
  profile?.block("nat_gateway_profile", "natGatewayProfile.")?.copy({
    "managedOutboundIPProfile.count": "managed_outbound_ip_count",
    idleTimeoutInMinutes: "idle_timeout_in_minutes",
  });
  attributes
    .block("aci_connector_linux", "addonProfiles.aciConnectorLinux.")
    ?.put("enabled", true)
    .copy({ "config.SubnetName": "subnet_name" });
  attributes.block("ingress_application_gateway", "addonProfiles.ingressApplicationGateway.")?.put("enabled", true);
  attributes.block("service_mesh_profile", "serviceMeshProfile.")?.copy({ mode: "mode" });
  const first = attributes.block("default_node_pool", "agentPoolProfiles.0.");
  if (first === undefined) return;
  first.copy({ name: "name" }).put("mode", "System");
  pool(first);
}

function subnet(resource: PlannedResource, terraform: Terraform): void {
  const attributes = new Attributes(resource, terraform);
  attributes.copy({ addressPrefixes: "address_prefixes", addressPrefix: "address_prefix" });
  const services = attributes.value("service_endpoints");
  if (Array.isArray(services)) {
    attributes.put(
      "serviceEndpoints",
      services.map((service: unknown) => ({ service })),
      "service_endpoints",
    );
  }
  const policies = attributes.value("private_endpoint_network_policies");
  if (typeof policies === "string") attributes.put("privateEndpointNetworkPolicies", policies, "private_endpoint_network_policies");
  for (const [index, delegation] of attributes.blocks("delegation", (at) => `delegations.${at}.`).entries()) {
    delegation.copy({ name: "name" });
    attributes
      .blocks("delegation", (at) => `delegations.${at}.properties.`)
      [index]?.block("service_delegation", "")
      ?.copy({ serviceName: "name" });
  }
}

function networkInterface(resource: PlannedResource, terraform: Terraform): void {
  const attributes = new Attributes(resource, terraform).copy({ enableIPForwarding: ["ip_forwarding_enabled", "enable_ip_forwarding"] });
  for (const block of attributes.blocks("ip_configuration", (index) => `ipConfigurations.${index}.`)) {
    block
      .copy({
        name: "name",
        "properties.privateIPAddress": "private_ip_address",
        "properties.privateIPAddressVersion": "private_ip_address_version",
        "properties.primary": "primary",
      })
      .refer("properties.subnet.id", "subnet_id", subnets, "needed")
      .refer("properties.publicIPAddress.id", "public_ip_address_id", addresses);
  }
}

function machine(resource: PlannedResource, terraform: Terraform): void {
  const attributes = new Attributes(resource, terraform);
  attributes.references("networkProfile.networkInterfaces", "network_interface_ids", interfaces);
  if (!terraform.isWritten(resource, ["primary_network_interface_id"])) return;
  const primary = terraform.reference(resource, ["primary_network_interface_id"], interfaces, "wanted");
  const all = terraform.referenceList(resource, ["network_interface_ids"], interfaces);
  for (const [index, id] of all.entries()) {
    attributes.put(`networkProfile.networkInterfaces.${index}.properties.primary`, id === primary, "primary_network_interface_id");
  }
}

function virtualNetwork(resource: PlannedResource, terraform: Terraform): void {
  const attributes = new Attributes(resource, terraform).copy({ "addressSpace.addressPrefixes": "address_space" });
  for (const block of attributes.blocks("subnet", (index) => `subnets.${index}.`)) {
    block
      .copy({ name: "name", "properties.addressPrefix": "address_prefix", "properties.addressPrefixes": "address_prefixes" })
      .refer("properties.networkSecurityGroup.id", "security_group", groups)
      .refer("properties.routeTable.id", "route_table_id", tables);
  }
}

function routeTable(resource: PlannedResource, terraform: Terraform): void {
  const attributes = new Attributes(resource, terraform).copy({ disableBgpRoutePropagation: "disable_bgp_route_propagation" });
  if (attributes.value("bgp_route_propagation_enabled") === false) {
    attributes.put("disableBgpRoutePropagation", true, "bgp_route_propagation_enabled");
  }
  for (const [index, block] of attributes.blocks("route", (at) => `routes.${at}.`).entries()) {
    block.copy({ name: "name" });
    const properties = attributes.blocks("route", (at) => `routes.${at}.properties.`)[index];
    properties?.copy(routeNames);
    if (block.value("next_hop_type") === "VirtualAppliance" && block.value("next_hop_in_ip_address") === undefined) {
      nextHop(attributes, terraform, `routes.${index}.properties.nextHopIpAddress`, ["route", index, "next_hop_in_ip_address"]);
    }
  }
}

function route(resource: PlannedResource, terraform: Terraform): void {
  const attributes = new Attributes(resource, terraform).copy(routeNames);
  if (attributes.value("next_hop_type") !== "VirtualAppliance" || attributes.value("next_hop_in_ip_address") !== undefined) return;
  nextHop(attributes, terraform, "nextHopIpAddress", ["next_hop_in_ip_address"]);
}

const policies = ["azurerm_firewall_policy"];
const ipGroups = ["azurerm_ip_group"];

function firewall(resource: PlannedResource, terraform: Terraform): void {
  const attributes = new Attributes(resource, terraform).refer("firewallPolicy.id", "firewall_policy_id", policies);
  for (const block of attributes.blocks("ip_configuration", (index) => `ipConfigurations.${index}.`)) {
    block
      .copy({ name: "name", "properties.privateIPAddress": "private_ip_address" })
      .refer("properties.subnet.id", "subnet_id", subnets)
      .refer("properties.publicIPAddress.id", "public_ip_address_id", addresses);
  }
}

function firewallRules(collection: Attributes, protocols: string): void {
  for (const rule of collection.blocks("rule", (index) => `rules.${index}.`)) {
    rule
      .copy({
        name: "name",
        [protocols]: "protocols",
        sourceAddresses: "source_addresses",
        destinationAddresses: "destination_addresses",
        destinationPorts: "destination_ports",
      })
      .put("ruleType", "NetworkRule")
      .referencedIds("sourceIpGroups", "source_ip_groups", ipGroups)
      .referencedIds("destinationIpGroups", "destination_ip_groups", ipGroups);
  }
}

function ruleCollectionGroup(resource: PlannedResource, terraform: Terraform): void {
  const attributes = new Attributes(resource, terraform).copy({ priority: "priority" });
  const network = attributes.blocks("network_rule_collection", (index) => `ruleCollections.${index}.`);
  for (const collection of network) {
    collection.copy({ name: "name", priority: "priority", "action.type": "action" });
    firewallRules(collection, "ipProtocols");
  }
  // What the others say is not modelled; that they are there is.
  for (const [attribute, type, ruleType] of [
    ["application_rule_collection", "FirewallPolicyFilterRuleCollection", "ApplicationRule"],
    ["nat_rule_collection", "FirewallPolicyNatRuleCollection", "NatRule"],
  ] as const) {
    const before = attributes.draft.properties.ruleCollections;
    const offset = Array.isArray(before) ? before.length : 0;
    for (const collection of attributes.blocks(attribute, (index) => `ruleCollections.${offset + index}.`)) {
      collection.copy({ name: "name", priority: "priority" }).put("ruleCollectionType", type).put("rules", [{ ruleType }]);
    }
  }
}

/** Rules of a firewall without a policy, as resources of their own: collections of the firewall of that name. */
function networkRuleCollection(resource: PlannedResource, terraform: Terraform): void {
  const [owner] = terraform.meant(resource, ["azure_firewall_name"], ["azurerm_firewall"]);
  if (owner === undefined) {
    terraform.complain(resource, ["azure_firewall_name"], {
      code: "UnknownReference",
      severity: "warning",
      message: `${resource.address} is of a firewall that is not in the plan: it is left out`,
    });
    return;
  }
  const draft = terraform.draft(owner);
  const before = draft.properties.networkRuleCollections;
  const index = Array.isArray(before) ? before.length : 0;
  const attributes = new Attributes(resource, terraform, draft, `networkRuleCollections.${index}.properties.`);
  attributes.copy({ priority: "priority", "action.type": "action" });
  firewallRules(attributes, "protocols");
}

function privateEndpoint(resource: PlannedResource, terraform: Terraform): void {
  const attributes = new Attributes(resource, terraform).refer("subnet.id", "subnet_id", subnets, "needed");
  attributes.block("ip_configuration", "ipConfigurations.0.properties.")?.copy({ privateIPAddress: "private_ip_address" });
  attributes.block("private_service_connection", "privateLinkServiceConnections.0.properties.")?.copy({ groupIds: "subresource_names" });
}

function virtualNetworkGateway(resource: PlannedResource, terraform: Terraform): void {
  const attributes = new Attributes(resource, terraform).copy({ gatewayType: "type", enableBgp: ["enable_bgp", "bgp_enabled"] });
  for (const block of attributes.blocks("ip_configuration", (index) => `ipConfigurations.${index}.`)) {
    block.copy({ name: "name" }).refer("properties.subnet.id", "subnet_id", subnets, "needed");
  }
  if (list(attributes.value("vpn_client_configuration")).length > 0)
    attributes.put("vpnClientConfiguration", { vpnClientProtocols: ["OpenVPN"] }, "vpn_client_configuration");
}

function connection(resource: PlannedResource, terraform: Terraform): void {
  new Attributes(resource, terraform)
    .copy({ connectionType: "type", enableBgp: ["enable_bgp", "bgp_enabled"] })
    .refer("virtualNetworkGateway1.id", "virtual_network_gateway_id", ["azurerm_virtual_network_gateway"])
    .refer("localNetworkGateway2.id", "local_network_gateway_id", ["azurerm_local_network_gateway"]);
}

const machineBuilder = { type: "Microsoft.Compute/virtualMachines", build: machine };

export const builders: Readonly<Record<string, { readonly type: string; readonly build: Build }>> = {
  azurerm_virtual_network: { type: "Microsoft.Network/virtualNetworks", build: virtualNetwork },
  azurerm_subnet: { type: "Microsoft.Network/virtualNetworks/subnets", build: subnet },
  azurerm_virtual_network_peering: {
    type: "Microsoft.Network/virtualNetworks/virtualNetworkPeerings",
    build: (resource, terraform) =>
      void new Attributes(resource, terraform)
        .copy({
          allowVirtualNetworkAccess: "allow_virtual_network_access",
          allowForwardedTraffic: "allow_forwarded_traffic",
          allowGatewayTransit: "allow_gateway_transit",
          useRemoteGateways: "use_remote_gateways",
        })
        .refer("remoteVirtualNetwork.id", "remote_virtual_network_id", networks),
  },
  azurerm_route_table: { type: "Microsoft.Network/routeTables", build: routeTable },
  azurerm_route: { type: "Microsoft.Network/routeTables/routes", build: route },
  azurerm_network_security_group: {
    type: "Microsoft.Network/networkSecurityGroups",
    build: (resource, terraform) => {
      const attributes = new Attributes(resource, terraform);
      const names = attributes.blocks("security_rule", (index) => `securityRules.${index}.`);
      for (const [index, block] of attributes.blocks("security_rule", (at) => `securityRules.${at}.properties.`).entries()) {
        names[index]?.copy({ name: "name" });
        rule(block);
      }
    },
  },
  azurerm_network_security_rule: {
    type: "Microsoft.Network/networkSecurityGroups/securityRules",
    build: (resource, terraform) => rule(new Attributes(resource, terraform)),
  },
  azurerm_application_security_group: {
    type: "Microsoft.Network/applicationSecurityGroups",
    build: (resource, terraform) => void terraform.draft(resource),
  },
  azurerm_public_ip: {
    type: "Microsoft.Network/publicIPAddresses",
    build: (resource, terraform) =>
      void new Attributes(resource, terraform)
        .copy({ publicIPAddressVersion: "ip_version", ipAddress: "ip_address" })
        .refer("publicIPPrefix.id", "public_ip_prefix_id", prefixes),
  },
  azurerm_public_ip_prefix: {
    type: "Microsoft.Network/publicIPPrefixes",
    build: (resource, terraform) =>
      void new Attributes(resource, terraform).copy({
        prefixLength: "prefix_length",
        publicIPAddressVersion: "ip_version",
        ipPrefix: "ip_prefix",
      }),
  },
  azurerm_nat_gateway: {
    type: "Microsoft.Network/natGateways",
    build: (resource, terraform) =>
      void new Attributes(resource, terraform)
        .copy({ idleTimeoutInMinutes: "idle_timeout_in_minutes" })
        .references("publicIpAddresses", "public_ip_address_ids", addresses)
        .references("publicIpPrefixes", "public_ip_prefix_ids", prefixes),
  },
  azurerm_network_interface: { type: "Microsoft.Network/networkInterfaces", build: networkInterface },
  azurerm_linux_virtual_machine: machineBuilder,
  azurerm_windows_virtual_machine: machineBuilder,
  azurerm_virtual_machine: machineBuilder,
  azurerm_firewall: { type: "Microsoft.Network/azureFirewalls", build: firewall },
  azurerm_firewall_policy: {
    type: "Microsoft.Network/firewallPolicies",
    build: (resource, terraform) =>
      void new Attributes(resource, terraform)
        .copy({ "snat.privateRanges": "private_ip_ranges" })
        .refer("basePolicy.id", "base_policy_id", policies),
  },
  azurerm_firewall_policy_rule_collection_group: {
    type: "Microsoft.Network/firewallPolicies/ruleCollectionGroups",
    build: ruleCollectionGroup,
  },
  azurerm_ip_group: {
    type: "Microsoft.Network/ipGroups",
    build: (resource, terraform) => void new Attributes(resource, terraform).copy({ ipAddresses: "cidrs" }),
  },
  azurerm_private_endpoint: { type: "Microsoft.Network/privateEndpoints", build: privateEndpoint },
  azurerm_virtual_network_gateway: { type: "Microsoft.Network/virtualNetworkGateways", build: virtualNetworkGateway },
  azurerm_local_network_gateway: {
    type: "Microsoft.Network/localNetworkGateways",
    build: (resource, terraform) =>
      void new Attributes(resource, terraform).copy({ "localNetworkAddressSpace.addressPrefixes": "address_space" }),
  },
  azurerm_virtual_network_gateway_connection: { type: "Microsoft.Network/connections", build: connection },
  azurerm_kubernetes_cluster: { type: "Microsoft.ContainerService/managedClusters", build: cluster },
  azurerm_kubernetes_cluster_node_pool: {
    type: "Microsoft.ContainerService/managedClusters/agentPools",
    build: (resource, terraform) => {
      const attributes = new Attributes(resource, terraform);
      pool(attributes);
      if (attributes.value("mode") === undefined) attributes.put("mode", "User", "mode");
    },
  },
};

/** Puts the id of one resource into a property of another. */
function link(
  target: readonly [attribute: string, types: readonly string[]],
  value: readonly [attribute: string, types: readonly string[]],
  put: (draft: Draft, id: string, resource: PlannedResource) => void,
): Build {
  return (resource, terraform) => {
    const [to, from] = [target, value].map(([attribute, types]) => terraform.reference(resource, [attribute], types, "needed"));
    const draft = terraform.draftOf(to);
    if (to === undefined || from === undefined || to === lostReference || from === lostReference) return;
    if (draft !== undefined) put(draft, from, resource);
    else {
      terraform.complain(resource, [target[0]], {
        code: "UnknownReference",
        severity: "warning",
        value: to,
        message: `${resource.address} changes what is not in the plan: it is left out`,
        fix: "give the plan of the whole, or what Azure says of it (az … show -o json)",
      });
    }
  };
}

const onSubnet = (property: string, attribute: string, types: readonly string[]): Build =>
  link(["subnet_id", subnets], [attribute, types], (draft, id, resource) => draft.put(`${property}.id`, id, [attribute], resource));

/** Associations: resources of Terraform's that are properties in ARM. */
export const links: Readonly<Record<string, Build>> = {
  azurerm_firewall_network_rule_collection: networkRuleCollection,
  azurerm_subnet_route_table_association: onSubnet("routeTable", "route_table_id", tables),
  azurerm_subnet_network_security_group_association: onSubnet("networkSecurityGroup", "network_security_group_id", groups),
  azurerm_subnet_nat_gateway_association: onSubnet("natGateway", "nat_gateway_id", gateways),
  azurerm_nat_gateway_public_ip_association: link(
    ["nat_gateway_id", gateways],
    ["public_ip_address_id", addresses],
    (draft, id, resource) => draft.push("publicIpAddresses", { id }, ["public_ip_address_id"], resource),
  ),
  azurerm_nat_gateway_public_ip_prefix_association: link(
    ["nat_gateway_id", gateways],
    ["public_ip_prefix_id", prefixes],
    (draft, id, resource) => draft.push("publicIpPrefixes", { id }, ["public_ip_prefix_id"], resource),
  ),
  azurerm_network_interface_security_group_association: link(
    ["network_interface_id", interfaces],
    ["network_security_group_id", groups],
    (draft, id, resource) => draft.put("networkSecurityGroup.id", id, ["network_security_group_id"], resource),
  ),
  azurerm_network_interface_application_security_group_association: link(
    ["network_interface_id", interfaces],
    ["application_security_group_id", memberships],
    (draft, id, resource) =>
      draft.put("ipConfigurations.0.properties.applicationSecurityGroups.0.id", id, ["application_security_group_id"], resource),
  ),
};

/** ARM types that azurerm's stand for, by the longest beginning: as far as acceptance keeps or names them. */
const types: Readonly<Record<string, string>> = {
  azurerm_resource_group: "Microsoft.Resources/resourceGroups",
  azurerm_resource_: "Microsoft.Resources/deployments",
  azurerm_template_deployment: "Terraform/templateDeployments",
  azurerm_resource_group_template_deployment: "Terraform/templateDeployments",
  azurerm_subscription_template_deployment: "Terraform/templateDeployments",
  azurerm_management_group_template_deployment: "Terraform/templateDeployments",
  azurerm_tenant_template_deployment: "Terraform/templateDeployments",
  azurerm_role_: "Microsoft.Authorization/roleAssignments",
  azurerm_policy_: "Microsoft.Authorization/policyAssignments",
  azurerm_management_lock: "Microsoft.Authorization/locks",
  azurerm_user_assigned_identity: "Microsoft.ManagedIdentity/userAssignedIdentities",
  azurerm_federated_identity_credential: "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials",
  azurerm_log_analytics_: "Microsoft.OperationalInsights/workspaces",
  azurerm_monitor_: "Microsoft.Insights/diagnosticSettings",
  azurerm_application_insights: "Microsoft.Insights/components",
  azurerm_dashboard_grafana: "Microsoft.Dashboard/grafana",
  azurerm_portal_dashboard: "Microsoft.Portal/dashboards",
  azurerm_security_center_: "Microsoft.Security/pricings",
  azurerm_container_registry: "Microsoft.ContainerRegistry/registries",
  azurerm_key_vault: "Microsoft.KeyVault/vaults",
  azurerm_storage_: "Microsoft.Storage/storageAccounts",
  azurerm_mssql_managed_instance: "Microsoft.Sql/managedInstances",
  azurerm_mssql_: "Microsoft.Sql/servers",
  azurerm_sql_: "Microsoft.Sql/servers",
  azurerm_postgresql_: "Microsoft.DBforPostgreSQL/servers",
  azurerm_mysql_: "Microsoft.DBforMySQL/servers",
  azurerm_cosmosdb_: "Microsoft.DocumentDB/databaseAccounts",
  azurerm_redis_: "Microsoft.Cache/redis",
  azurerm_servicebus_: "Microsoft.ServiceBus/namespaces",
  azurerm_eventhub: "Microsoft.EventHub/namespaces",
  azurerm_eventgrid_: "Microsoft.EventGrid/topics",
  azurerm_service_plan: "Microsoft.Web/serverfarms",
  azurerm_app_service: "Microsoft.Web/sites",
  azurerm_linux_web_app: "Microsoft.Web/sites",
  azurerm_windows_web_app: "Microsoft.Web/sites",
  azurerm_linux_function_app: "Microsoft.Web/sites",
  azurerm_windows_function_app: "Microsoft.Web/sites",
  azurerm_cognitive_: "Microsoft.CognitiveServices/accounts",
  azurerm_search_service: "Microsoft.Search/searchServices",
  azurerm_machine_learning_: "Microsoft.MachineLearningServices/workspaces",
  azurerm_app_configuration: "Microsoft.AppConfiguration/configurationStores",
  azurerm_recovery_services_: "Microsoft.RecoveryServices/vaults",
  azurerm_backup_: "Microsoft.RecoveryServices/vaults",
  azurerm_automation_: "Microsoft.Automation/automationAccounts",
  azurerm_private_dns_resolver: "Microsoft.Network/dnsResolvers",
  azurerm_private_dns_: "Microsoft.Network/privateDnsZones",
  azurerm_dns_: "Microsoft.Network/dnsZones",
  azurerm_network_watcher: "Microsoft.Network/networkWatchers",
  azurerm_network_ddos_protection_plan: "Microsoft.Network/ddosProtectionPlans",
  azurerm_frontdoor: "Microsoft.Network/frontDoors",
  azurerm_cdn_: "Microsoft.Cdn/profiles",
  azurerm_traffic_manager_: "Microsoft.Network/trafficManagerProfiles",
  azurerm_firewall_application_rule_collection: "Microsoft.Network/azureFirewalls/applicationRuleCollections",
  azurerm_firewall_nat_rule_collection: "Microsoft.Network/azureFirewalls/natRuleCollections",
  azurerm_application_gateway: "Microsoft.Network/applicationGateways",
  azurerm_web_application_firewall_policy: "Microsoft.Network/applicationGatewayWebApplicationFirewallPolicies",
  azurerm_bastion_host: "Microsoft.Network/bastionHosts",
  azurerm_lb: "Microsoft.Network/loadBalancers",
  azurerm_lb_: "Microsoft.Network/loadBalancers/parts",
  azurerm_express_route_circuit: "Microsoft.Network/expressRouteCircuits",
  azurerm_express_route_gateway: "Microsoft.Network/expressRouteGateways",
  azurerm_virtual_hub: "Microsoft.Network/virtualHubs",
  azurerm_virtual_wan: "Microsoft.Network/virtualWans",
  azurerm_vpn_gateway: "Microsoft.Network/vpnGateways",
  azurerm_network_manager: "Microsoft.Network/networkManagers",
  azurerm_private_link_service: "Microsoft.Network/privateLinkServices",
  azurerm_subnet_service_endpoint_storage_policy: "Microsoft.Network/serviceEndpointPolicies",
  azurerm_linux_virtual_machine_scale_set: "Microsoft.Compute/virtualMachineScaleSets",
  azurerm_windows_virtual_machine_scale_set: "Microsoft.Compute/virtualMachineScaleSets",
  azurerm_orchestrated_virtual_machine_scale_set: "Microsoft.Compute/virtualMachineScaleSets",
  azurerm_virtual_machine_extension: "Microsoft.Compute/virtualMachines/extensions",
  azurerm_virtual_machine_data_disk_attachment: "Microsoft.Compute/disks",
  azurerm_managed_disk: "Microsoft.Compute/disks",
  azurerm_disk_encryption_set: "Microsoft.Compute/diskEncryptionSets",
  azurerm_availability_set: "Microsoft.Compute/availabilitySets",
  azurerm_proximity_placement_group: "Microsoft.Compute/proximityPlacementGroups",
  azurerm_ssh_public_key: "Microsoft.Compute/sshPublicKeys",
  azurerm_container_group: "Microsoft.ContainerInstance/containerGroups",
  azurerm_container_app_environment: "Microsoft.App/managedEnvironments",
  azurerm_api_management: "Microsoft.ApiManagement/service",
  azurerm_kubernetes_cluster_extension: "Microsoft.KubernetesConfiguration/extensions",
  azurerm_kubernetes_flux_configuration: "Microsoft.KubernetesConfiguration/fluxConfigurations",
  azurerm_kubernetes_cluster_trusted_access_role_binding: "Microsoft.ContainerService/managedClusters/trustedAccessRoleBindings",
  azurerm_kubernetes_fleet_: "Microsoft.ContainerService/fleets",
};

/** What is not azurerm's: objects of Kubernetes' are named, all others kept. */
const kubernetesProviders = ["kubernetes_", "kubectl_", "helm_", "kustomization_", "argocd_", "flux_"];

/** The ARM type of an azurerm type that no network is made of, if it is known; one of Terraform's own for other providers'. */
export function standsFor(type: string): string | undefined {
  if (type.startsWith("azapi_")) return "Terraform/updates";
  if (!type.startsWith("azurerm_")) {
    return kubernetesProviders.some((beginning) => type.startsWith(beginning)) ? "Terraform/kubernetesObjects" : "Terraform/others";
  }
  let best = "";
  for (const beginning of Object.keys(types)) if (type.startsWith(beginning) && beginning.length > best.length) best = beginning;
  return best === "" ? undefined : types[best];
}

/** Names that Azure and AKS give to what they make. */

import type { ArmId, AzureResource } from "./resources.ts";

/** The emulated subscription: every id starts with it. */
export const subscriptionId = "00000000-0000-0000-0000-000000000000";
export const defaultLocation = "westeurope";

/** Tags of a virtual machine: the id of its subnet, and the static address that it wants, if any. */
export const subnetTag = "drydock-subnet";
export const addressTag = "drydock-address";
/** "true": the machine's network interface gets enableIPForwarding. */
export const ipForwardingTag = "drydock-ip-forwarding";
/** Tag of a virtual machine whose interface has an IPv6 address, too: a static one, or empty for the lowest free one. */
export const ipv6AddressTag = "drydock-ipv6-address";
/** Tag of a virtual machine: the id of its own public IPv6 address. */
export const publicIpv6AddressTag = "drydock-public-ipv6-address";
/** Tag of a virtual machine: the id of its own public address. */
export const publicAddressTag = "drydock-public-address";

/** The network security group of its interface, and the application security groups that the interface belongs to, as ids with spaces between. */
export const securityGroupTag = "drydock-network-security-group";
export const applicationSecurityGroupsTag = "drydock-application-security-groups";

/** The id of the network interface that a machine of a lab file gets; `machine`: the machine's. */
export function machineInterface(machine: ArmId): ArmId {
  return armId(segmentAfter(machine, "resourceGroups"), "Microsoft.Network/networkInterfaces", `${lastSegment(machine)}-nic`);
}

/** On all that AKS makes for a cluster (seen in exported `MC_` groups). */
export const clusterTag = "aks-managed-cluster-name";

/** The id of a resource; `names` has one per segment of `type`: a subnet's are its VNet's name and its own. */
export function armId(resourceGroup: string, type: AzureResource["type"], ...names: readonly string[]): ArmId {
  return idIn(subscriptionId, resourceGroup, type, names);
}

/** The id of a resource in the subscription and the resource group of another one: exports bring subscriptions of their own. */
export function armIdBeside(other: ArmId, type: AzureResource["type"], ...names: readonly string[]): ArmId {
  return idIn(segmentAfter(other, "subscriptions") || subscriptionId, segmentAfter(other, "resourceGroups"), type, names);
}

function idIn(subscription: string, resourceGroup: string, type: AzureResource["type"], names: readonly string[]): ArmId {
  const [provider, ...segments] = type.split("/");
  const path = segments.map((segment, index) => `/${segment}/${names[index] ?? ""}`).join("");
  return `/subscriptions/${subscription}/resourceGroups/${resourceGroup}/providers/${provider}${path}`;
}

/** The path segment after `name`, compared without case: the segment after `resourceGroups` is the resource group. */
export function segmentAfter(id: ArmId, name: string): string {
  const parts = id.split("/");
  const wanted = name.toLowerCase();
  const index = parts.findIndex((part) => part.toLowerCase() === wanted);
  return index < 0 ? "" : (parts[index + 1] ?? "");
}

export function lastSegment(id: ArmId): string {
  return id.slice(id.lastIndexOf("/") + 1);
}

/** `MC_<resource group>_<cluster>_<location>` (AKS docs, faq.yml). */
export function nodeResourceGroup(resourceGroup: string, cluster: string, location: string): string {
  return `MC_${resourceGroup}_${cluster}_${location}`;
}

const digitsOf = new Map<string, string>();

/**
 * The 8 digits in the names of what a cluster has. AKS seeds Go's math/rand with the FNV-1a 64 of the DNS prefix and prints one number
 * (AgentBaker, pkg/agent/datamodel/types.go); here they are that FNV's own last digits, since Go's generator is not reproduced.
 */
export function clusterDigits(dnsPrefix: string): string {
  let digits = digitsOf.get(dnsPrefix);
  if (digits === undefined) {
    let hash = 0xcbf29ce484222325n;
    for (const char of dnsPrefix) hash = ((hash ^ BigInt(char.codePointAt(0) ?? 0)) * 0x100000001b3n) & 0xffffffffffffffffn;
    digits = String(hash % 100_000_000n).padStart(8, "0");
    digitsOf.set(dnsPrefix, digits);
  }
  return digits;
}

/** `aks-<pool>-<8 digits>-vmss`; `aks<pool>` of a Windows pool, as its machines' names have at most 15 characters (AKS docs, node-access.md). */
export function scaleSetName(pool: string, digits: string, osType: "Linux" | "Windows"): string {
  return osType === "Windows" ? `aks${pool}` : `aks-${pool}-${digits}-vmss`;
}

/** A scale set's machine is called after it, with its number as 6 digits of base 36: `aks-np1-12345678-vmss00000a`. */
export function nodeName(scaleSet: string, instance: number): string {
  return scaleSet + instance.toString(36).padStart(6, "0");
}

/** Is it the name of a Linux node of the cluster with these digits (and so a route with this name the cluster's own)? */
export function isNodeName(name: string, digits: string): boolean {
  const match = /^aks-[a-z0-9]+-(\d{8})-vmss[0-9a-z]{6}$/.exec(name);
  return match?.[1] === digits;
}

/** `aks-agentpool-<8 digits>-routetable` (AgentBaker, pkg/agent/datamodel/types.go). */
export function routeTableName(digits: string): string {
  return `aks-agentpool-${digits}-routetable`;
}

/** `aks-agentpool-<8 digits>-nsg` (AgentBaker, pkg/agent/datamodel/types.go). */
export function securityGroupName(digits: string): string {
  return `aks-agentpool-${digits}-nsg`;
}

/**
 * A node's route: `<node>____<prefix without dots, colons and slash>` in today's cloud config, the node's name alone in the older one
 * (cloud-provider-azure, pkg/provider/azure_routes.go).
 */
export function routeName(node: string, prefix: string, rules: "current" | "lesson"): string {
  return rules === "lesson" ? node : `${node}____${prefix.replace(/[.:/]/g, "")}`;
}

/** The node that a route's name stands for, in either form. */
export function nodeOfRoute(route: string): string {
  const separator = route.indexOf("____");
  return separator < 0 ? route : route.slice(0, separator);
}

export const publicLoadBalancer = "kubernetes";
export const internalLoadBalancer = "kubernetes-internal";
export const backendPool = "kubernetes";
export const outboundBackendPool = "aksOutboundBackendPool";
export const outboundRule = "aksOutboundRule";

/** Load-balancer names have at most 80 characters and end in a letter, a digit or `_` (cloud-provider-azure, pkg/provider/azure_standard.go). */
function trimmed(name: string): string {
  if (name.length <= 80) return name;
  const cut = name.slice(0, 80);
  return /[A-Za-z0-9]$/.test(cut) ? cut : `${cut.slice(0, 79)}_`;
}

/** `a` and the Service's uid without dashes, cut to 32 characters (k8s.io/cloud-provider, DefaultLoadBalancerName). */
export function loadBalancerBaseName(uid: string): string {
  return `a${uid.replaceAll("-", "")}`.slice(0, 32);
}

const ipv6Suffix = "-IPv6";

/** What is of IPv6 beside something of IPv4 (cloud-provider-azure, pkg/provider/azure_utils.go: getResourceByIPFamily). */
export function inIpv6(name: string): string {
  return name.slice(0, 80 - ipv6Suffix.length) + ipv6Suffix;
}

export function isIpv6Name(name: string): boolean {
  return name.endsWith(ipv6Suffix);
}

/** A Service's frontend; `subnet` is the annotated one of an internal load balancer. */
export function frontendName(baseName: string, subnet: string | undefined): string {
  return subnet === undefined ? baseName : trimmed(`${baseName}-${subnet}`);
}

/** A Service's rule for a port, and the probe of that rule. */
export function loadBalancerRuleName(baseName: string, subnet: string | undefined, protocol: string, port: number): string {
  const suffix = `-${protocol}-${port}`;
  const prefix = subnet === undefined ? baseName : `${baseName}-${subnet}`;
  return prefix.slice(0, 80 - suffix.length) + suffix;
}

/** `kubernetes-a…`. */
export function publicIpName(baseName: string): string {
  return `${publicLoadBalancer}-${baseName}`;
}

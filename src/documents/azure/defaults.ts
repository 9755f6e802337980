/** What AKS fills in of a cluster that does not say it: the same for lab files and for resources. */

import { dualStackDefaults } from "../../arm/dual-stack.ts";
import { clusterDefaults, managedNetwork, maxPodsDefault, networkModeDefault, type RuleSet } from "../../arm/limits.ts";
import { armId, clusterDigits } from "../../arm/names.ts";
import { hasPodCidr, networkOption } from "../../arm/network-option.ts";
import type { NetworkProfile, Subnet, VirtualNetwork } from "../../arm/resources.ts";
import { addressAt, parseLoosePrefix } from "../../net/prefix.ts";
import type { Finding } from "../problem.ts";

/** A network profile as far as somebody has given it. The network option is known: see `defaultNetworkOption`. */
export type GivenProfile = Pick<
  NetworkProfile,
  "networkPlugin" | "networkPluginMode" | "networkMode" | "networkPolicy" | "networkDataplane"
> & {
  readonly [K in "podCidr" | "serviceCidr" | "dnsServiceIP"]?: string | undefined;
} & {
  readonly [K in "podCidrs" | "serviceCidrs"]?: readonly string[] | undefined;
} & {
  readonly ipFamilies?: NetworkProfile["ipFamilies"] | undefined;
  readonly outboundType?: NetworkProfile["outboundType"] | undefined;
  readonly loadBalancerProfile: Partial<NetworkProfile["loadBalancerProfile"]>;
  readonly natGatewayProfile?: { readonly count?: number | undefined; readonly idleTimeoutInMinutes?: number | undefined } | undefined;
};

export function completedProfile(given: GivenProfile, rules: RuleSet, hasPodSubnet: boolean): NetworkProfile {
  const { networkPlugin, networkPluginMode, networkDataplane, natGatewayProfile } = given;
  const plugin = { networkPlugin, ...(networkPluginMode === undefined ? {} : { networkPluginMode }) };
  const isNodeSubnet = networkPlugin === "azure" && networkPluginMode === undefined && !hasPodSubnet;
  const networkMode = given.networkMode ?? (isNodeSubnet ? networkModeDefault[rules].value : undefined);
  // AKS docs, azure-cni-powered-by-cilium: the data plane brings its policy engine.
  const networkPolicy = given.networkPolicy ?? (networkDataplane === "cilium" ? "cilium" : undefined);
  const families = completedFamilies(given, hasPodCidr({ ...plugin, ...(given.podCidr === undefined ? {} : { podCidr: given.podCidr }) }));
  const service = parseLoosePrefix(families.serviceCidr);
  const dns = service === undefined ? undefined : (addressAt(service, clusterDefaults.dnsServiceIndex) ?? addressAt(service, 2));
  const outboundType = given.outboundType ?? "loadBalancer";
  return {
    ...plugin,
    ...(networkMode === undefined ? {} : { networkMode }),
    ...(networkPolicy === undefined ? {} : { networkPolicy }),
    ...(networkDataplane === undefined ? {} : { networkDataplane }),
    ...families,
    dnsServiceIP: given.dnsServiceIP ?? dns ?? "10.0.0.10",
    outboundType,
    loadBalancerSku: "standard",
    loadBalancerProfile: completedBalancer(given.loadBalancerProfile, families.ipFamilies?.includes("IPv6") === true),
    ...(outboundType === "managedNATGateway" || natGatewayProfile !== undefined
      ? {
          natGatewayProfile: {
            managedOutboundIPProfile: { count: natGatewayProfile?.count ?? clusterDefaults.managedOutboundIPs },
            idleTimeoutInMinutes: natGatewayProfile?.idleTimeoutInMinutes ?? clusterDefaults.natGatewayIdleTimeoutMinutes,
          },
        }
      : {}),
  };
}

/** The ranges of a cluster, and of both families where it has them (AKS docs: configure-dual-stack). */
function completedFamilies(
  given: GivenProfile,
  hasPods: boolean,
): Pick<NetworkProfile, "ipFamilies" | "podCidr" | "podCidrs" | "serviceCidr" | "serviceCidrs"> {
  const { ipFamilies = [], podCidrs = [], serviceCidrs = [] } = given;
  const isIpv4 = (text: string) => !text.includes(":");
  const podCidr = podCidrs.find(isIpv4) ?? given.podCidr ?? clusterDefaults.podCidr;
  const serviceCidr = serviceCidrs.find(isIpv4) ?? given.serviceCidr ?? clusterDefaults.serviceCidr;
  const listed = (list: readonly string[], first: string, second: string) =>
    list.length > 0 || !ipFamilies.includes("IPv6") ? list : [first, second];
  const pods = listed(podCidrs, podCidr, dualStackDefaults.podCidr);
  const services = listed(serviceCidrs, serviceCidr, dualStackDefaults.serviceCidr);
  return {
    ...(ipFamilies.length === 0 ? {} : { ipFamilies }),
    ...(hasPods ? { podCidr, ...(pods.length === 0 ? {} : { podCidrs: pods }) } : {}),
    serviceCidr,
    ...(services.length === 0 ? {} : { serviceCidrs: services }),
  };
}

function completedBalancer(given: GivenProfile["loadBalancerProfile"], isDualStack: boolean): NetworkProfile["loadBalancerProfile"] {
  const { managedOutboundIPs, outboundIPs, outboundIPPrefixes, clusterServiceLoadBalancerHealthProbeMode: mode } = given;
  const hasOwn = outboundIPs !== undefined || outboundIPPrefixes !== undefined;
  const ours = managedOutboundIPs ?? (hasOwn ? undefined : { count: clusterDefaults.managedOutboundIPs });
  // One address for IPv6, as for IPv4 (aks:configure-dual-stack.md).
  const managed = ours === undefined || !isDualStack ? ours : { countIPv6: clusterDefaults.managedOutboundIPs, ...ours };
  return {
    ...(managed === undefined ? {} : { managedOutboundIPs: managed }),
    ...(outboundIPs === undefined ? {} : { outboundIPs }),
    ...(outboundIPPrefixes === undefined ? {} : { outboundIPPrefixes }),
    allocatedOutboundPorts: given.allocatedOutboundPorts ?? clusterDefaults.allocatedOutboundPorts,
    idleTimeoutInMinutes: given.idleTimeoutInMinutes ?? clusterDefaults.outboundIdleTimeoutMinutes,
    ...(mode === undefined ? {} : { clusterServiceLoadBalancerHealthProbeMode: mode }),
  };
}

/** `undefined` when the pod CIDR counts. */
export function podCidrIgnored(profile: Pick<GivenProfile, "networkPlugin" | "networkPluginMode" | "podCidr">): Finding | undefined {
  if (profile.podCidr === undefined || profile.networkPlugin !== "azure" || profile.networkPluginMode !== undefined) return undefined;
  return {
    code: "PodCidrIgnored",
    severity: "warning",
    value: profile.podCidr,
    message: "podCidr has no effect with Azure CNI and node or pod subnet: pods get addresses of the subnet",
    source: "azure-cli PR 26237 (a warning before 2023-04, an error of the command line since)",
    fix: "leave podCidr out, or use networkPluginMode: overlay or networkPlugin: kubenet",
  };
}

/** Of a pool that does not say how many pods a node runs. */
export function defaultMaxPods(profile: NetworkProfile, podSubnetID: string | undefined): number {
  return maxPodsDefault[networkOption(profile, [{ properties: { podSubnetID } }])].value;
}

/** The VNet that AKS makes in the node resource group for a cluster that names no subnet, and the subnet in it. */
export function aksNetwork(options: {
  readonly group: string;
  readonly dnsPrefix: string;
  readonly location: string;
  readonly rules: RuleSet;
  readonly isDualStack?: boolean;
}): readonly [VirtualNetwork, Subnet] {
  const { group, location, isDualStack = false } = options;
  const { addressPrefix, subnetPrefix } = managedNetwork[options.rules];
  const name = `aks-vnet-${clusterDigits(options.dnsPrefix)}`;
  return [
    {
      id: armId(group, "Microsoft.Network/virtualNetworks", name),
      name,
      type: "Microsoft.Network/virtualNetworks",
      location,
      properties: { addressSpace: { addressPrefixes: isDualStack ? [addressPrefix, dualStackDefaults.addressPrefix] : [addressPrefix] } },
    },
    {
      id: armId(group, "Microsoft.Network/virtualNetworks/subnets", name, "aks-subnet"),
      name: "aks-subnet",
      type: "Microsoft.Network/virtualNetworks/subnets",
      properties: {
        addressPrefix: subnetPrefix,
        ...(isDualStack ? { addressPrefixes: [subnetPrefix, dualStackDefaults.subnetPrefix] } : {}),
      },
    },
  ];
}

/** A cluster's name made fit for DNS: the name itself, mostly. */
export function dnsPrefixOf(name: string): string {
  const fit = name
    .replace(/[^A-Za-z0-9]+/g, "-")
    .replace(/^-/, "")
    .slice(0, 54)
    .replace(/-$/, "");
  return fit === "" ? "aks" : fit;
}

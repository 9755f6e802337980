/** Azure's and AKS's figures of IPv6, each with the document that says so; tags of sources as in limits.ts. */

import { mustPrefix } from "../net/prefix.ts";
import type { Limit, Reserved } from "./limits.ts";
import type { ManagedCluster } from "./resources.ts";

export const ipv6Limits = {
  /** Prefix length of every IPv6 subnet. */
  subnetLength: { value: 64, source: "azdocs:articles/virtual-network/ip-services/ipv6-overview.md" },
  /** Prefix length of the largest range of Services. */
  largestServiceCidr: { value: 108, source: "aks:configure-dual-stack.md" },
  /** Two routes per node in a table of 400. */
  kubenetNodes: { value: 200, source: "aks:configure-kubenet-dual-stack.md (limitations)" },
} as const satisfies Record<string, Limit>;

/**
 * Prefix lengths of a range of pods: a node's prefix is at most 16 bits longer (Kubernetes: node IPAM), and is a /64 at most.
 * AKS's default of a /64 gives each node a /80 (aks:configure-dual-stack.md, its example).
 */
export const ipv6PodCidr = {
  min: 48,
  max: 64,
  source: "kubernetes/kubernetes: pkg/controller/nodeipam; aks:configure-dual-stack.md",
} as const;

/** Prefix length of a node's share of an IPv6 pod range. */
export function ipv6NodeMask(podCidrLength: number): number {
  return podCidrLength < 64 ? 64 : 80;
}

/** How many nodes an IPv6 pod range of this prefix length has prefixes for. */
export function ipv6PodCidrNodes(podCidrLength: number): number {
  return 2 ** (ipv6NodeMask(podCidrLength) - podCidrLength);
}

/** Prefix length of the smallest range of /64s for so many nodes. */
export function smallestIpv6PodCidr(nodes: number): number {
  return ipv6NodeMask(0) - Math.max(Math.ceil(Math.log2(nodes)), 1);
}

/** Of a dual-stack cluster that does not say. The VNet's are those of the example in the documentation, as AKS's own are not documented. */
export const dualStackDefaults = {
  podCidr: "fd12:3456:789a::/64",
  serviceCidr: "fd12:3456:789a:1::/108",
  addressPrefix: "2001:1234:5678:9a00::/56",
  subnetPrefix: "2001:1234:5678:9abc::/64",
} as const;

/** Ranges of IPv6 that no network of one's own may have; `private`: those that may not be on the Internet either. */
export const ipv6Reserved: { readonly ranges: readonly Reserved[]; readonly private: readonly Reserved[]; readonly source: string } = {
  ranges: [
    { prefix: mustPrefix("::/127"), what: "unspecified and loopback" },
    { prefix: mustPrefix("2001:2::/48"), what: "where a lab takes Azure's public addresses from" },
    { prefix: mustPrefix("fe80::/10"), what: "link-local" },
    { prefix: mustPrefix("ff00::/8"), what: "multicast" },
  ],
  private: [{ prefix: mustPrefix("fc00::/7"), what: "unique local (RFC 4193)" }],
  source: "RFC 4291; RFC 5180; a limit of the lab for 2001:2::/48, not of Azure",
};

/** Does the cluster have both families? */
export function isDualStack({ properties }: ManagedCluster): boolean {
  return properties.networkProfile.ipFamilies?.includes("IPv6") === true;
}

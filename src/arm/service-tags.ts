/**
 * Service tags: names for addresses in security rules.
 *
 * Three say where something is in relation to a network, and are worked out for each subnet. Those of Azure's services stand for lists that change
 * every week; a lab has none of those services, so all but the platform's own few addresses are refused by name.
 * Docs: learn:azure/virtual-network/service-tags-overview, network-security-groups-overview.
 */

import type { Family } from "../net/address.ts";
import { addressOf, mustPrefix, type Prefix } from "../net/prefix.ts";

export const serviceTagDocs = "learn:azure/virtual-network/service-tags-overview";

/** Worked out for each subnet. */
export const relativeTags = ["VirtualNetwork", "AzureLoadBalancer", "Internet"] as const;
export type RelativeTag = (typeof relativeTags)[number];

/**
 * The platform's own services. What is sent to them is not subject to security groups unless a rule names their tag, and only outbound rules may.
 * Docs: network-security-groups-overview, Azure platform considerations; addresses as of 2026-08 (the licensing ones: learn:troubleshoot/azure/
 * virtual-machines/windows/custom-routes-enable-kms-activation).
 */
export const platformTags = {
  AzurePlatformDNS: ["168.63.129.16/32"],
  AzurePlatformIMDS: ["169.254.169.254/32"],
  AzurePlatformLKM: ["20.118.99.224/32", "40.83.235.53/32", "23.102.135.246/32"],
} as const satisfies Record<string, readonly string[]>;
export type PlatformTag = keyof typeof platformTags;

/** Where health probes come from, and what the tag AzureLoadBalancer stands for. */
export const azureLoadBalancerPrefix = mustPrefix("168.63.129.16/32");

/**
 * The same in IPv6, where Azure's probes come from fe80::1234:5678:9abc (learn:azure/load-balancer/load-balancer-custom-probe-overview). No host sends on
 * what comes from a link-local address, so in a lab they come from one of the range for benchmarks.
 */
export const azureLoadBalancerIpv6Prefix = mustPrefix("2001:2:0:ffff::a83f:8110/128");

/** Where a probe comes from, by the family of its backend. */
export const probeSources = { 4: addressOf(azureLoadBalancerPrefix), 6: addressOf(azureLoadBalancerIpv6Prefix) } as const;

export const platformPrefixes: readonly Prefix[] = Object.values(platformTags).flat().map(mustPrefix);

/** Space that is never the tag Internet's: private, shared, link-local, loopback, multicast, and Azure's host address. */
export const notInternet: Readonly<Record<Family, readonly Prefix[]>> = {
  4: [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "168.63.129.16/32",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "224.0.0.0/3",
  ].map(mustPrefix),
  6: ["::/127", "2001:2:0:ffff::a83f:8110/128", "fc00::/7", "fe80::/10", "ff00::/8"].map(mustPrefix),
};

export const knownTags: readonly string[] = [...relativeTags, ...Object.keys(platformTags)];

/** A tag as Azure writes it, however it is written: `virtualnetwork`, `VIRTUAL_NETWORK` (the classic spelling). */
export function serviceTag(text: string): RelativeTag | PlatformTag | undefined {
  const plain = text.replaceAll("_", "").toLowerCase();
  return (knownTags as readonly (RelativeTag | PlatformTag)[]).find((tag) => tag.toLowerCase() === plain);
}

export function isPlatformTag(tag: string): tag is PlatformTag {
  return Object.hasOwn(platformTags, tag);
}

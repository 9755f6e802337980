/** What a lab file may say about IPv6, which stands beside IPv4 and never alone. Property names are ARM's own where ARM has them. */

import { choice, list, optional, type Shape, text } from "../shape.ts";

const overview = "learn:azure/virtual-network/ip-services/ipv6-overview";

/** A prefix of either family. */
export const anyCidr = text({
  what: "prefix",
  pattern: /^(\d{1,3}(\.\d{1,3}){3}\/\d{1,2}|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*\/\d{1,3})$/,
  examples: ["10.240.0.0/16", "fd00:240::/48"],
});

const ipv6Address = (example: string) =>
  text({ what: "IPv6 address", pattern: /^[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*$/, rule: "an IPv6 address, such as fd00::4", examples: [example] });

const ipFamilies = list(choice(["IPv4", "IPv6"], { what: "address family", source: overview }), { what: "ipFamilies", least: 1 });

const cidrs = (what: string): Shape<readonly (string | undefined)[]> => list(anyCidr, { what, least: 1 });

/** Of a subnet, in the place of `prefix`. */
export const subnetPrefixes = optional(
  cidrs("prefixes"),
  "Of a dual-stack subnet, in the place of prefix: an IPv4 prefix, and an IPv6 prefix that is exactly a /64.",
);

export const machineFamilies = {
  ipFamilies: optional(
    ipFamilies,
    "[IPv4, IPv6]: its network interface has an address of the subnet's IPv6 prefix, too. Default: [IPv4], or both with ipv6Address.",
  ),
  ipv6Address: optional(ipv6Address("fd00:240::10"), "A static IPv6 address. Without it: the lowest free one of the subnet."),
  publicIPv6Address: optional(
    text({ what: "name of a public IP address", examples: ["db-public-v6"] }),
    "A public IPv6 address of its own, by name: one with publicIPAddressVersion: IPv6.",
  ),
} as const;

export const internetFamilies = {
  ipv6Address: optional(ipv6Address("2001:db8::10"), "Its IPv6 address, beside the IPv4 address."),
} as const;

export const publicIPAddressVersion = optional(
  choice(["IPv4", "IPv6"], { what: "address family", source: overview }),
  "IPv6: the lab chooses the address, of 2001:2::/48. Default: IPv4.",
);

export const clusterFamilies = {
  ipFamilies: optional(
    ipFamilies,
    "[IPv4, IPv6]: a dual-stack cluster, with kubenet or Azure CNI Overlay and in a dual-stack subnet. Default: [IPv4]. Not changeable later.",
  ),
  podCidrs: optional(cidrs("podCidrs"), "Of a dual-stack cluster: podCidr and the IPv6 prefix of its pods, in the order of ipFamilies."),
  serviceCidrs: optional(
    cidrs("serviceCidrs"),
    "Of a dual-stack cluster: serviceCidr and the IPv6 prefix of its Services, in the order of ipFamilies.",
  ),
} as const;

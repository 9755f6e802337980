/** Address ranges that are not to be had: Azure's, AKS's, the lab's own, and those that are never on the Internet. */

import { mustPrefix, type Prefix } from "../../net/prefix.ts";

export type Reserved = { readonly prefix: Prefix; readonly what: string };

/** Must not be touched by an AKS cluster's VNet, service CIDR or pod CIDR, not even by a larger range that holds one. */
export const aksForbidden: { readonly ranges: readonly Reserved[]; readonly source: string } = {
  ranges: [
    { prefix: mustPrefix("169.254.0.0/16"), what: "link-local" },
    { prefix: mustPrefix("172.30.0.0/16"), what: "used inside AKS" },
    { prefix: mustPrefix("172.31.0.0/16"), what: "used inside AKS" },
    { prefix: mustPrefix("192.0.2.0/24"), what: "used inside AKS" },
  ],
  source: "aks:concepts-network-cni-overview.md; chg:2026-05-29",
};

/** Cannot be in a VNet's address space. */
export const networkForbidden: { readonly ranges: readonly Reserved[]; readonly source: string } = {
  ranges: [
    { prefix: mustPrefix("224.0.0.0/4"), what: "multicast" },
    { prefix: mustPrefix("255.255.255.255/32"), what: "broadcast" },
    { prefix: mustPrefix("127.0.0.0/8"), what: "loopback" },
    { prefix: mustPrefix("169.254.0.0/16"), what: "link-local" },
    { prefix: mustPrefix("168.63.129.16/32"), what: "Azure's own DNS, DHCP and health probes" },
  ],
  source: "learn:azure/virtual-network/virtual-networks-faq",
};

/** The public addresses of a lab's Azure come from here: a network with the range would hide them. Azure itself has no such rule. */
export const labReserved: { readonly ranges: readonly Reserved[]; readonly source: string } = {
  ranges: [{ prefix: mustPrefix("198.18.0.0/15"), what: "where a lab takes Azure's public addresses from" }],
  source: "RFC 2544; a limit of the lab, not of Azure",
};

/** Never on the internet: a host with such an address cannot be there. */
export const notOnInternet: { readonly ranges: readonly Reserved[]; readonly source: string } = {
  ranges: [
    ...networkForbidden.ranges,
    { prefix: mustPrefix("0.0.0.0/8"), what: "'this network' (RFC 1122)" },
    { prefix: mustPrefix("10.0.0.0/8"), what: "private (RFC 1918)" },
    { prefix: mustPrefix("172.16.0.0/12"), what: "private (RFC 1918)" },
    { prefix: mustPrefix("192.168.0.0/16"), what: "private (RFC 1918)" },
    { prefix: mustPrefix("100.64.0.0/10"), what: "shared address space (RFC 6598)" },
  ],
  source: "RFC 1918; RFC 6598; learn:azure/virtual-network/virtual-networks-udr-overview",
};

/** Limits of VNets, subnets, route tables and security groups. */

import { type Limit, networkLimits, planning, type Range } from "./limit.ts";

export const networks = {
  /** Prefix length. A /29 has three addresses to give. */
  smallestSubnet: { value: 29, source: "learn:azure/virtual-network/virtual-networks-faq" },
  largestSubnet: { value: 8, source: "learn:azure/virtual-network/virtual-networks-faq (2019); AKS caps the VNet at /8" },
  /** Network, gateway, two for DNS, broadcast. */
  reservedAddresses: { value: 5, source: "learn:azure/virtual-network/virtual-networks-faq" },
  subnetsPerNetwork: { value: 3000, source: networkLimits },
  /** Private addresses in one VNet: about so many mappings. */
  addressesPerNetwork: { value: 65_536, source: planning },
  /** The day of the change is not documented: the newer figure counts from the day when it was read, so that a plan for an earlier day is cautious. */
  routesPerTable: {
    value: 600,
    source: "learn:azure/azure-resource-manager/management/azure-subscription-service-limits",
    since: "2026-08-21",
    before: [{ value: 400, source: networkLimits }],
  },
  rulesPerSecurityGroup: { value: 1000, source: networkLimits },
  /** Of one side of a rule. */
  addressesPerSecurityRule: { value: 4000, source: networkLimits },
} as const satisfies Record<string, Limit>;

export const networkRanges = {
  securityRulePriority: { min: 100, max: 4096, source: "learn:azure/virtual-network/network-security-groups-overview" },
} as const satisfies Record<string, Range>;

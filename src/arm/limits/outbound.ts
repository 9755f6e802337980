/** Limits of load balancers, NAT gateways and public addresses. */

import { type Limit, type Range, serviceLimits } from "./limit.ts";

const balancers = "aks:configure-load-balancer-standard.md";
const balancerLimits = "azdocs:includes/azure-load-balancer-limits.md (2024-10-24)";

export const outbound = {
  servicesPerLoadBalancer: { value: 300, source: serviceLimits },
  /** Of a Standard load balancer: load-balancing and inbound NAT rules. */
  rulesPerLoadBalancer: { value: 1500, source: balancerLimits },
  frontendsPerLoadBalancer: { value: 600, source: balancerLimits },
  /** Load-balancing, inbound NAT and outbound rules of all load balancers: each rule of a cluster concerns the network interface of every node. */
  rulesPerInterface: { value: 300, source: balancerLimits },
  outboundPortsPerAddress: { value: 64_000, source: balancers },
  outboundPortStep: { value: 8, source: balancers },
  natGatewayAddresses: { value: 16, source: "learn:azure/nat-gateway/nat-gateway-resource" },
  natGatewayPortsPerAddress: { value: 64_512, source: "learn:azure/nat-gateway/nat-gateway-resource" },
} as const satisfies Record<string, Limit>;

export const outboundRanges = {
  managedOutboundIPs: { min: 1, max: 100, source: "sdk" },
  allocatedOutboundPorts: { min: 0, max: 64_000, source: "sdk; cli:_validators.py" },
  /** A prefix of one's own; larger ones only by request. */
  publicPrefixLength: { min: 28, max: 31, source: "learn:azure/virtual-network/ip-services/public-ip-address-prefix" },
  /** Minutes. azure-cli's own check stops at 100. */
  outboundIdleTimeout: { min: 4, max: 120, source: "sdk" },
} as const satisfies Record<string, Range>;

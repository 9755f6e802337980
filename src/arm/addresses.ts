/**
 * The arithmetic of addresses, written once: controllers take so many, rules check for so many, and a plan counts with so many.
 * AKS docs: concepts-network-ip-address-planning; Azure docs: virtual-networks-faq.
 */

import { lengthOf, type Prefix, sizeOf } from "../net/prefix.ts";
import { limits } from "./limits.ts";
import { reservesPodAddresses } from "./network-option.ts";
import { staticBlocks } from "./pod-subnets.ts";
import type { AgentPool, NetworkProfile } from "./resources.ts";

/** Addresses of a subnet that can be given to something. */
export function usableAddresses(subnet: Prefix): number {
  return Math.max(sizeOf(subnet) - limits.reservedAddresses.value, 0);
}

/** Prefix length of the smallest subnet with so many usable addresses; `undefined` when the largest has not. */
export function smallestSubnet(needed: number): number | undefined {
  const length = Math.min(32 - Math.ceil(Math.log2(needed + limits.reservedAddresses.value)), limits.smallestSubnet.value);
  return length < limits.largestSubnet.value ? undefined : length;
}

/** What a node takes of the nodes' subnet when it is made: an address of its own and, with node subnet, one for every pod that it may run. */
export function nodeAddresses(profile: NetworkProfile, pool: AgentPool): number {
  return reservesPodAddresses(profile, pool) ? 1 + pool.properties.maxPods : 1;
}

/** What a node with static blocks takes of the pod subnet for as long as it lives. */
export function blockAddresses(maxPods: number): number {
  return staticBlocks(maxPods) * limits.podSubnetBatch.value;
}

/** Addresses of a subnet that can be given away as blocks: the first and the last block hold addresses that Azure keeps, and are left out (not documented). */
export function usableBlockAddresses(subnet: Prefix): number {
  const batch = limits.podSubnetBatch.value;
  return Math.max(Math.floor(sizeOf(subnet) / batch) - 2, 0) * batch;
}

/** Prefix length of the smallest subnet for so many addresses in blocks; `undefined` when the largest for blocks has not. */
export function smallestBlockSubnet(needed: number): number | undefined {
  const batch = limits.podSubnetBatch.value;
  const length = 32 - Math.ceil(Math.log2(needed + 2 * batch));
  return length < limits.largestStaticBlockSubnet.value ? undefined : length;
}

/** Nodes for which a pod CIDR has a prefix each. */
export function podCidrNodes(podCidr: Prefix): number {
  const { value } = limits.podCidrPerNode;
  return lengthOf(podCidr) > value ? 0 : 2 ** (value - lengthOf(podCidr));
}

/** Prefix length of the smallest pod CIDR for so many nodes. */
export function smallestPodCidr(nodes: number): number {
  return limits.podCidrPerNode.value - Math.ceil(Math.log2(Math.max(nodes, 1)));
}

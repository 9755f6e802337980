/**
 * How many addresses a node takes from a pod subnet. AKS docs: concepts-network-azure-cni-pod-subnet; Azure/azure-container-networking:
 * docs/feature/ipammath.
 */

import { limits } from "./limits.ts";

/** Part of a batch that a node keeps free, beyond which it asks for another one. */
export const minFreeFraction = 0.5;

/** What a node asks for that runs `used` pods: whole batches, half a batch more than it needs, and no more than pods fit. */
export function requestedAddresses(used: number, maxPods: number, batch: number = limits.podSubnetBatch.value): number {
  return Math.min(batch * Math.ceil(minFreeFraction + used / batch), maxPods);
}

/** Blocks of 16 for the pods and one address for the node's own purposes. */
export function staticBlocks(maxPods: number): number {
  return Math.ceil((maxPods + 1) / limits.podSubnetBatch.value);
}

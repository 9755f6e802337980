/**
 * Source ports that a load balancer's outbound rule gives its backends.
 * Source: learn.microsoft.com/azure/load-balancer/load-balancer-outbound-connections; AKS docs, configure-load-balancer-standard.md.
 */

import { limits } from "./limits.ts";

/** Usable ports of one public address: 64,000, which Azure does not place; here 1024–65023. */
export const portsPerAddress = limits.outboundPortsPerAddress.value;
export const firstPort = 1024;

/** Of the smallest pools. */
const mostPorts = 1024;
/** Of the largest pools. */
export const fewestPorts = 32;

/** Default ports per backend by size of the pool: `[largest pool, ports]`. As of 2026-08. */
export const defaultPorts: readonly (readonly [number, number])[] = [
  [50, mostPorts],
  [100, 512],
  [200, 256],
  [400, 128],
  [800, 64],
  [1000, 32],
];

/** A share of the ports of one address; `first` and `last` are included. */
export type PortRange = { readonly addressIndex: number; readonly first: number; readonly last: number };

/**
 * Ports that each backend may use. `allocatedOutboundPorts` 0 means by size of the pool, as in the table above, which more addresses do not
 * change: they only make room for more backends. Pools of more than 1,000 (Azure's ceiling) get what the largest class gets.
 */
export function portsPerNode(backendPoolSize: number, allocatedOutboundPorts: number, addresses: number): number {
  if (addresses === 0) return 0;
  if (allocatedOutboundPorts > 0) return Math.min(allocatedOutboundPorts, portsPerAddress);
  return defaultPorts.find(([largest]) => backendPoolSize <= largest)?.[1] ?? fewestPorts;
}

/**
 * The block of the `index`-th backend of the pool: one after another within an address, then the next address.
 * `undefined` when there is no room for it: that backend has no port at all.
 */
export function portRange(index: number, portsPerBackend: number, addresses: number): PortRange | undefined {
  if (portsPerBackend <= 0) return undefined;
  const blocks = Math.floor(portsPerAddress / portsPerBackend);
  const addressIndex = Math.floor(index / blocks);
  if (addressIndex >= addresses) return undefined;
  const first = firstPort + (index % blocks) * portsPerBackend;
  return { addressIndex, first, last: first + portsPerBackend - 1 };
}

/**
 * The block of the `index`-th backend where ports go by the size of the pool. When the pool grows into the next class, a backend gives the second half of its
 * ports to one that comes, and keeps the first (Azure docs: half of the preallocated ports are reclaimed; which half, they do not say). So blocks of the
 * largest class are halved again and again.
 */
export function automaticPortRange(index: number, portsPerBackend: number, addresses: number): PortRange | undefined {
  if (portsPerBackend <= 0) return undefined;
  const blocks = Math.floor(portsPerAddress / mostPorts);
  const parts = mostPorts / portsPerBackend;
  const addressIndex = Math.floor(index / (blocks * parts));
  if (addressIndex >= addresses) return undefined;
  const [block, part] = [index % blocks, Math.floor(index / blocks) % parts];
  const first = firstPort + block * mostPorts + reversedBits(part, Math.log2(parts)) * portsPerBackend;
  return { addressIndex, first, last: first + portsPerBackend - 1 };
}

/** The lowest `width` bits of a number in the opposite order. */
function reversedBits(value: number, width: number): number {
  let reversed = 0;
  for (let bit = 0; bit < width; bit++) reversed = 2 * reversed + ((value >>> bit) & 1);
  return reversed;
}

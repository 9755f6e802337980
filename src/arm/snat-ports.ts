/**
 * Source ports that a load balancer's outbound rule gives its backends.
 * Source: learn.microsoft.com/azure/load-balancer/load-balancer-outbound-connections; AKS docs, configure-load-balancer-standard.md.
 */

import { limits } from "./limits.ts";

/** Usable ports of one public address: 64,000, which Azure does not place; here 1024–65023. */
export const portsPerAddress = limits.outboundPortsPerAddress.value;
export const firstPort = 1024;

/** Default ports per backend by size of the pool: `[largest pool, ports]`. As of 2026-08. */
export const defaultPorts: readonly (readonly [number, number])[] = [
  [50, 1024],
  [100, 512],
  [200, 256],
  [400, 128],
  [800, 64],
  [1000, 32],
];

/** Of the largest pools. */
export const fewestPorts = 32;

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

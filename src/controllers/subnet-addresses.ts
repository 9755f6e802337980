/**
 * The addresses of subnets: who has which, and the lowest free one.
 *
 * Azure reserves five per subnet: network, gateway, two for DNS, broadcast (virtual-networks-faq), so `.4` is the first to be had.
 * A machine without a static address gets the lowest free one, as seen in exported clusters (the first node is `.4`).
 */

import { limits } from "../arm/limits.ts";
import type { Subnet } from "../arm/resources.ts";
import { formatIpv4, ipv4Number } from "../net/address.ts";
import { addressOf, mustPrefix, type Prefix, parsePrefix, sizeOf } from "../net/prefix.ts";
import { armKey, type Key, type Resources } from "../resources/resources.ts";
import { listArm, listKube } from "./view.ts";

const reservedAddresses = limits.reservedAddresses.value;
const firstAssignable = 4;

type Space = {
  readonly subnet: Subnet;
  readonly network: number;
  readonly size: number;
  /** Offsets from the network address. */
  readonly used: Set<number>;
  /** Every assignable offset below is used. */
  lowest: number;
  /** No block that starts below is wholly free. */
  lowestBlock: number;
};

/** What is free, as of one moment; what is taken from it is taken for the rest of the same computation. */
export class SubnetAddresses {
  readonly #spaces = new Map<Key, Space>();

  constructor(resources: Resources) {
    for (const subnet of listArm(resources, "Microsoft.Network/virtualNetworks/subnets")) {
      const prefix = parsePrefix(subnet.properties.addressPrefix);
      const network = prefix === undefined ? undefined : ipv4Number(addressOf(prefix));
      if (prefix === undefined || network === undefined) continue;
      this.#spaces.set(armKey(subnet.id), {
        subnet,
        network,
        size: sizeOf(prefix),
        used: new Set(),
        lowest: firstAssignable,
        lowestBlock: 0,
      });
    }
    for (const type of [
      "Microsoft.Network/networkInterfaces",
      "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/networkInterfaces",
    ] as const) {
      for (const nic of listArm(resources, type)) {
        let space: Space | undefined;
        let id: string | undefined;
        for (const { properties } of nic.properties.ipConfigurations) {
          if (properties.subnet.id !== id) {
            id = properties.subnet.id;
            space = this.#spaces.get(armKey(id));
          }
          if (space !== undefined) use(space, properties.privateIPAddress);
        }
      }
    }
    for (const cluster of listArm(resources, "Microsoft.ContainerService/managedClusters")) {
      for (const config of listKube(resources, cluster, "NodeNetworkConfig")) {
        for (const { subnetID, primaryIP, ipAssignments } of config.status.networkContainers) {
          const space = this.#spaces.get(armKey(subnetID));
          if (space === undefined) continue;
          if (primaryIP !== undefined) useBlock(space, primaryIP);
          for (const { ip } of ipAssignments) useBlock(space, ip);
        }
      }
    }
    for (const { properties } of listArm(resources, "Microsoft.ContainerInstance/containerGroups")) {
      for (const { id } of properties.subnetIds) {
        const space = this.#spaces.get(armKey(id));
        if (space !== undefined) use(space, properties.ipAddress.ip);
      }
    }
    for (const balancer of listArm(resources, "Microsoft.Network/loadBalancers")) {
      for (const { properties } of balancer.properties.frontendIPConfigurations) {
        const space = properties.subnet === undefined ? undefined : this.#spaces.get(armKey(properties.subnet.id));
        if (space !== undefined && properties.privateIPAddress !== undefined) use(space, properties.privateIPAddress);
      }
    }
  }

  subnet(id: string): Subnet | undefined {
    return this.#spaces.get(armKey(id))?.subnet;
  }

  /** The lowest `count` free addresses, or `undefined` when there are not that many: then none is taken. */
  take(id: string, count: number): readonly string[] | undefined {
    const space = this.#spaces.get(armKey(id));
    if (space === undefined || freeIn(space) < count) return undefined;
    const taken: string[] = [];
    while (taken.length < count) {
      if (!space.used.has(space.lowest)) {
        space.used.add(space.lowest);
        taken.push(formatIpv4(space.network + space.lowest));
      }
      space.lowest++;
    }
    return taken;
  }

  /** The lowest free addresses, `count` of them or as many as there are. */
  takeUpTo(id: string, count: number): readonly string[] {
    const space = this.#spaces.get(armKey(id));
    return space === undefined ? [] : (this.take(id, Math.min(count, freeIn(space))) ?? []);
  }

  /** The lowest `count` blocks of `size` addresses, a power of two, that are wholly free, as prefixes; or `undefined`, and then none is taken. */
  takeBlocks(id: string, count: number, size: number): readonly Prefix[] | undefined {
    const space = this.#spaces.get(armKey(id));
    if (space === undefined) return undefined;
    const isFree = (offset: number) => offset >= firstAssignable && offset < space.size - 1 && !space.used.has(offset);
    const starts: number[] = [];
    for (let start = space.lowestBlock; start + size <= space.size && starts.length < count; start += size) {
      let free = 0;
      while (free < size && isFree(start + free)) free++;
      if (free === size) starts.push(start);
    }
    const last = starts[count - 1];
    if (last === undefined) return undefined;
    space.lowestBlock = last + size;
    return starts.map((start) => {
      for (let offset = start; offset < start + size; offset++) space.used.add(offset);
      return mustPrefix(`${formatIpv4(space.network + start)}/${32 - Math.log2(size)}`);
    });
  }

  /** Takes this address; false when it is taken, reserved, or not in the subnet. */
  takeExactly(id: string, address: string): boolean {
    const space = this.#spaces.get(armKey(id));
    if (space === undefined || !this.isAssignable(id, address)) return false;
    const offset = offsetIn(space, address);
    if (space.used.has(offset)) return false;
    space.used.add(offset);
    return true;
  }

  isAssignable(id: string, address: string): boolean {
    const space = this.#spaces.get(armKey(id));
    if (space === undefined) return false;
    const offset = offsetIn(space, address);
    return offset >= firstAssignable && offset < space.size - 1;
  }

  release(id: string, address: string): void {
    const space = this.#spaces.get(armKey(id));
    if (space === undefined) return;
    const offset = offsetIn(space, address);
    space.used.delete(offset);
    if (offset >= firstAssignable && offset < space.lowest) space.lowest = offset;
    space.lowestBlock = 0;
  }

  /** `12 free of 251 in subnet hub/flat (10.240.2.0/24: 256 - 5 reserved by Azure)`. */
  describe(id: string): string {
    const space = this.#spaces.get(armKey(id));
    if (space === undefined) return `there is no subnet ${id}`;
    const vnet = space.subnet.id.split("/").at(-3);
    const name = `${vnet}/${space.subnet.name}`;
    const usable = Math.max(space.size - reservedAddresses, 0);
    return `${freeIn(space)} free of ${usable} in subnet ${name} (${space.subnet.properties.addressPrefix}: ${space.size} - ${reservedAddresses} reserved by Azure)`;
  }
}

/** NaN, which compares false with everything, when `address` is no IPv4 address. */
function offsetIn(space: Space, address: string): number {
  return (ipv4Number(address) ?? Number.NaN) - space.network;
}

function use(space: Space, address: string): void {
  const offset = offsetIn(space, address);
  if (offset >= firstAssignable && offset < space.size - 1) space.used.add(offset);
}

/** An address or a prefix. */
function useBlock(space: Space, text: string): void {
  const prefix = parsePrefix(text);
  const first = prefix === undefined ? undefined : ipv4Number(addressOf(prefix));
  if (prefix === undefined || first === undefined) use(space, text);
  else for (let offset = 0; offset < sizeOf(prefix); offset++) space.used.add(first - space.network + offset);
}

function freeIn(space: Space): number {
  return Math.max(space.size - reservedAddresses - space.used.size, 0);
}

/**
 * The IPv6 addresses of dual-stack subnets: who has which, and the lowest free one. Azure keeps the first four of a subnet, as in IPv4; a /64 has no
 * last one to speak of, and is never full.
 */

import type { NetworkInterface } from "../arm/resources.ts";
import { type Address, addressFrom, addressValue, parseAddress } from "../net/address.ts";
import { addressOf, type Prefix, parsePrefix, prefixContains, prefixFamily } from "../net/prefix.ts";
import { armKey, type Key, type Resources } from "../resources/resources.ts";
import { listArm } from "./view.ts";

const firstAssignable = 4n;

type Space = { readonly prefix: Prefix; readonly used: Set<Address>; next: bigint };

type IpConfiguration = NetworkInterface["properties"]["ipConfigurations"][number];

/** What is free, as of one moment; what is taken from it is taken for the rest of the same computation. */
export class Ipv6Addresses {
  readonly #spaces = new Map<Key, Space>();

  constructor(resources: Resources) {
    for (const { id, properties } of listArm(resources, "Microsoft.Network/virtualNetworks/subnets")) {
      const prefix = ipv6PrefixOf(properties.addressPrefixes ?? []);
      if (prefix === undefined) continue;
      this.#spaces.set(armKey(id), { prefix, used: new Set(), next: addressValue(addressOf(prefix)) + firstAssignable });
    }
    if (this.#spaces.size === 0) return;
    for (const type of [
      "Microsoft.Network/networkInterfaces",
      "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/networkInterfaces",
    ] as const) {
      for (const nic of listArm(resources, type)) {
        const configuration = ipv6Configuration(nic);
        if (configuration !== undefined) this.#use(configuration.properties.subnet.id, configuration.properties.privateIPAddress);
      }
    }
    for (const balancer of listArm(resources, "Microsoft.Network/loadBalancers")) {
      for (const { properties } of balancer.properties.frontendIPConfigurations) {
        if (properties.subnet !== undefined && properties.privateIPAddress !== undefined) {
          this.#use(properties.subnet.id, properties.privateIPAddress);
        }
      }
    }
  }

  /** The lowest free address of a subnet; `undefined` when it has no IPv6 prefix. */
  take(subnet: string): Address | undefined {
    const space = this.#spaces.get(armKey(subnet));
    if (space === undefined) return undefined;
    for (;;) {
      const address = addressFrom(6, space.next++);
      if (space.used.has(address)) continue;
      space.used.add(address);
      return address;
    }
  }

  /** Takes this address; `undefined` when it is taken, reserved, or not in the subnet. */
  takeExactly(subnet: string, text: string): Address | undefined {
    const space = this.#spaces.get(armKey(subnet));
    const address = parseAddress(text);
    if (space === undefined || address === undefined || !prefixContains(space.prefix, address) || space.used.has(address)) return undefined;
    if (addressValue(address) < addressValue(addressOf(space.prefix)) + firstAssignable) return undefined;
    space.used.add(address);
    return address;
  }

  #use(subnet: string, text: string): void {
    const address = parseAddress(text);
    if (address !== undefined) this.#spaces.get(armKey(subnet))?.used.add(address);
  }
}

/** The one of IPv6 among prefixes. */
export function ipv6PrefixOf(texts: readonly string[]): Prefix | undefined {
  return texts.flatMap((text) => parsePrefix(text) ?? []).find((prefix) => prefixFamily(prefix) === 6);
}

/** The IPv6 configuration of an interface, if it has one. */
export function ipv6Configuration({ properties }: NetworkInterface): IpConfiguration | undefined {
  return properties.ipConfigurations.find((configuration) => configuration.properties.privateIPAddressVersion === "IPv6");
}

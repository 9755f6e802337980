/**
 * The public addresses of the emulated Azure: RFC 2544's benchmark range, which is never routed on the Internet. Given out one after another, so
 * that a released one comes back only when all others have been given.
 */

import { armId, segmentAfter } from "../arm/names.ts";
import type { IpamState } from "../arm/resources.ts";
import { addressFrom, addressValue, formatIpv4, ipv4Number, mustAddress } from "../net/address.ts";
import { addressOf, parsePrefix, sizeOf } from "../net/prefix.ts";
import type { Resources } from "../resources/resources.ts";
import { ipamState, lastGiven } from "./ipam-state.ts";
import { listArm } from "./view.ts";

/** IPv6's are of 2001:2::/48, which is for benchmarks too (RFC 5180), the lowest free one: they are many enough. */
const firstIpv6 = addressValue(mustAddress("2001:2::4"));

/** 198.18.0.4 to 198.19.254.255: the last /24 is left for addresses that nobody allocates (default outbound access). */
const first = ipv4Number("198.18.0.4") ?? 0;
const last = ipv4Number("198.19.254.255") ?? 0;

export class PublicAddresses {
  readonly #stateId: string;
  readonly #used = new Set<number>();
  /** Of those in public IP prefixes: the ones that a public IP address has. */
  readonly #usedOfBlocks = new Set<number>();
  readonly #usedIpv6 = new Set<string>();
  #nextIpv6 = firstIpv6;
  #last: number | undefined;
  #isChanged = false;

  constructor(resources: Resources) {
    // The range is shared by all clusters, so its state is the lab's.
    const lab = listArm(resources, "Drydock.Lab/labs")[0];
    this.#stateId = armId(
      segmentAfter(lab?.id ?? "/resourceGroups/drydock", "resourceGroups"),
      "Drydock.Lab/ipamStates",
      "public-addresses",
    );
    this.#last = ipv4Number(lastGiven(resources, this.#stateId) ?? "");
    for (const { properties } of listArm(resources, "Microsoft.Network/publicIPAddresses")) {
      const address = ipv4Number(properties.ipAddress ?? "");
      if (properties.publicIPAddressVersion === "IPv6" && properties.ipAddress !== undefined) this.#usedIpv6.add(properties.ipAddress);
      if (address !== undefined) this.#used.add(address);
      if (address !== undefined && properties.publicIPPrefix !== undefined) this.#usedOfBlocks.add(address);
    }
    for (const { properties } of listArm(resources, "Microsoft.Network/publicIPPrefixes")) {
      const block = blockOf(properties.ipPrefix);
      if (block !== undefined) this.#reserve(block);
    }
    // An internet host may have any address, even one of these.
    for (const { properties } of listArm(resources, "Drydock.Lab/internetHosts")) {
      const address = ipv4Number(properties.address);
      if (address !== undefined) this.#used.add(address);
    }
  }

  take(): string | undefined {
    const count = last - first + 1;
    const start = this.#last === undefined ? 0 : this.#last + 1 - first;
    for (let tries = 0; tries < count; tries++) {
      const address = first + ((start + tries) % count);
      if (this.#used.has(address)) continue;
      this.#used.add(address);
      this.#last = address;
      this.#isChanged = true;
      return formatIpv4(address);
    }
    return undefined;
  }

  takeIpv6(): string {
    for (;;) {
      const address = addressFrom(6, this.#nextIpv6++);
      if (this.#usedIpv6.has(address)) continue;
      this.#usedIpv6.add(address);
      return address;
    }
  }

  /** The next free block of this prefix length, as a prefix. */
  takeBlock(prefixLength: number): string | undefined {
    const size = 2 ** (32 - prefixLength);
    const count = Math.floor((last + 1 - first) / size);
    const start = Math.ceil(((this.#last ?? first - 1) + 1 - first) / size);
    const origin = Math.ceil(first / size) * size;
    for (let tries = 0; tries < count; tries++) {
      const network = origin + ((start + tries) % count) * size;
      const block = { network, size };
      if (network + size - 1 > last || addressesOf(block).some((address) => this.#used.has(address))) continue;
      this.#reserve(block);
      this.#last = network + size - 1;
      this.#isChanged = true;
      return `${formatIpv4(network)}/${prefixLength}`;
    }
    return undefined;
  }

  /** The lowest free address of a block. */
  takeOf(ipPrefix: string): string | undefined {
    const block = blockOf(ipPrefix);
    const address = block === undefined ? undefined : addressesOf(block).find((candidate) => !this.#usedOfBlocks.has(candidate));
    if (address === undefined) return undefined;
    this.#usedOfBlocks.add(address);
    return formatIpv4(address);
  }

  #reserve(block: Block): void {
    for (const address of addressesOf(block)) this.#used.add(address);
  }

  /** What to remember, if anything was given out. */
  state(): IpamState | undefined {
    return this.#isChanged && this.#last !== undefined ? ipamState(undefined, this.#stateId, formatIpv4(this.#last)) : undefined;
  }
}

type Block = { readonly network: number; readonly size: number };

function blockOf(ipPrefix: string | undefined): Block | undefined {
  const prefix = ipPrefix === undefined ? undefined : parsePrefix(ipPrefix);
  const network = prefix === undefined ? undefined : ipv4Number(addressOf(prefix));
  return prefix === undefined || network === undefined ? undefined : { network, size: sizeOf(prefix) };
}

function addressesOf({ network, size }: Block): readonly number[] {
  return Array.from({ length: size }, (_, index) => network + index);
}

/**
 * The public addresses of the emulated Azure: RFC 2544's benchmark range, which is never routed on the Internet. Given out one after another, so
 * that a released one comes back only when all others have been given.
 */

import { armId, segmentAfter } from "../arm/names.ts";
import type { IpamState } from "../arm/resources.ts";
import { formatIpv4, ipv4Number } from "../net/address.ts";
import type { Resources } from "../resources/resources.ts";
import { ipamState, lastGiven } from "./ipam-state.ts";
import { listArm } from "./view.ts";

/** 198.18.0.4 to 198.19.254.255: the last /24 is left for addresses that nobody allocates (default outbound access). */
const first = ipv4Number("198.18.0.4") ?? 0;
const last = ipv4Number("198.19.254.255") ?? 0;

export class PublicAddresses {
  readonly #stateId: string;
  readonly #used = new Set<number>();
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
      const address = ipv4Number(properties.ipAddress);
      if (address !== undefined) this.#used.add(address);
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

  /** What to remember, if anything was given out. */
  state(): IpamState | undefined {
    return this.#isChanged && this.#last !== undefined ? ipamState(undefined, this.#stateId, formatIpv4(this.#last)) : undefined;
  }
}

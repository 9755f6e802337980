/** Gives the public IP prefixes and addresses of one's own their addresses: Azure chooses them when they are made, and they keep them. */

import { armKey } from "../resources/resources.ts";
import { remembering } from "./memo.ts";
import { PublicAddresses } from "./public-addresses.ts";
import { getArm, listArm, Writes } from "./view.ts";

export const publicIps = remembering("public-ips", (resources) => {
  const writes = new Writes(resources);
  const addresses = new PublicAddresses(resources);
  const given = new Map<string, string>();
  for (const prefix of listArm(resources, "Microsoft.Network/publicIPPrefixes")) {
    if (prefix.properties.ipPrefix !== undefined) continue;
    const ipPrefix = addresses.takeBlock(prefix.properties.prefixLength);
    if (ipPrefix === undefined) continue;
    given.set(armKey(prefix.id), ipPrefix);
    writes.putArm({ ...prefix, properties: { ...prefix.properties, ipPrefix } });
  }
  for (const address of listArm(resources, "Microsoft.Network/publicIPAddresses")) {
    const { ipAddress: known, publicIPPrefix } = address.properties;
    if (known !== undefined) continue;
    const block =
      publicIPPrefix === undefined
        ? undefined
        : (given.get(armKey(publicIPPrefix.id)) ??
          getArm(resources, "Microsoft.Network/publicIPPrefixes", publicIPPrefix.id)?.properties.ipPrefix);
    const six = address.properties.publicIPAddressVersion === "IPv6";
    const ipAddress = six
      ? addresses.takeIpv6()
      : publicIPPrefix === undefined
        ? addresses.take()
        : block === undefined
          ? undefined
          : addresses.takeOf(block);
    if (ipAddress !== undefined) writes.putArm({ ...address, properties: { ...address.properties, ipAddress } });
  }
  const state = addresses.state();
  if (state !== undefined) writes.putArm(state);
  return writes.list;
});

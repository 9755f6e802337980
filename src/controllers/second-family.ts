/**
 * Prefixes and addresses of IPv6 in a dual-stack cluster. A node's IPv6 prefix has the same place in its range as the node's IPv4 prefix has, and a pod's
 * IPv6 address the same place in that prefix as its IPv4 address has, as in the example of AKS docs, configure-dual-stack.md: 10.244.2.7 and
 * fd12:3456:789a:0:2::7. Kubernetes gives both by counting, each on its own, which comes to the same while none is given back.
 */

import { ipv6NodeMask, isDualStack } from "../arm/dual-stack.ts";
import type { ManagedCluster } from "../arm/resources.ts";
import type { Node } from "../kube/objects.ts";
import { addressFrom, addressValue, familyOf, parseAddress } from "../net/address.ts";
import { addressOf, lengthOf, parsePrefix, prefixContains, prefixOf } from "../net/prefix.ts";
import { ipv6PrefixOf } from "./ipv6-addresses.ts";

/** The prefixes of a node with this IPv4 prefix; `undefined` in a cluster of one family, or when its IPv6 range has no such place. */
export function podCidrsOf(cluster: ManagedCluster, podCIDR: string | undefined): readonly string[] | undefined {
  if (!isDualStack(cluster) || podCIDR === undefined) return undefined;
  const { podCidr = "", podCidrs = [] } = cluster.properties.networkProfile;
  const [whole, own, six] = [parsePrefix(podCidr), parsePrefix(podCIDR), ipv6PrefixOf(podCidrs)];
  if (whole === undefined || own === undefined || six === undefined) return undefined;
  const place = (addressValue(addressOf(own)) - addressValue(addressOf(whole))) >> BigInt(32 - lengthOf(own));
  const mask = ipv6NodeMask(lengthOf(six));
  const address = addressFrom(6, addressValue(addressOf(six)) + (place << BigInt(128 - mask)));
  return prefixContains(six, address) ? [podCIDR, prefixOf(address, mask)] : [podCIDR];
}

/** The addresses of a pod with this IPv4 address; `undefined` on a node of one family. */
export function podIPsOf({ spec }: Node, podIP: string): readonly { readonly ip: string }[] | undefined {
  if (spec.podCIDRs === undefined) return undefined;
  const [own, six, address] = [parsePrefix(spec.podCIDR ?? ""), ipv6PrefixOf(spec.podCIDRs), parseAddress(podIP)];
  if (own === undefined || six === undefined || address === undefined) return [{ ip: podIP }];
  const place = addressValue(address) - addressValue(addressOf(own));
  return [{ ip: podIP }, { ip: addressFrom(6, addressValue(addressOf(six)) + place) }];
}

/** The addresses of a pod that shares its node's. */
export function hostIPsOf({ spec, status }: Node): readonly { readonly ip: string }[] | undefined {
  if (spec.podCIDRs === undefined) return undefined;
  return status.addresses.flatMap(({ type, address }) => (type === "InternalIP" ? [{ ip: address }] : []));
}

/** The first of a node's addresses that is of IPv6. */
export function ipv6AddressOfNode({ status }: Node): string | undefined {
  return status.addresses.find(({ type, address }) => {
    const parsed = type === "InternalIP" ? parseAddress(address) : undefined;
    return parsed !== undefined && familyOf(parsed) === 6;
  })?.address;
}

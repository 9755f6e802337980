/**
 * What the service tag VirtualNetwork stands for in the rules of one subnet's interfaces: the VNet's space and that of peered VNets, what
 * is connected on-premises, Azure's host address, and every prefix of the subnet's own route table, a default route's among them. Docs: service-tags-overview.
 *
 * So a kubenet cluster's pods, whose prefixes are in the route table of their nodes' subnet, are VirtualNetwork there and nowhere else. An overlay's
 * pods are, too: AKS documents that rules judge their bare addresses, and asks for rules of one's own only where there are deny rules, which
 * Azure's default rules are not (concepts-network-azure-cni-overlay).
 */

import { azureLoadBalancerIpv6Prefix, azureLoadBalancerPrefix } from "../../arm/service-tags.ts";
import { mergePrefixes, type Prefix, parsePrefix, prefixFamily } from "../../net/prefix.ts";
import { isOpen, sitesInReach } from "../peerings.ts";
import type { SubnetInfo, VnetInfo } from "../topology.ts";

export function virtualNetworkPrefixes(vnet: VnetInfo, subnet: SubnetInfo): readonly Prefix[] {
  return mergePrefixes([
    ...vnet.prefixes,
    ...vnet.peerings.filter(isOpen).flatMap(({ remote }) => remote.prefixes),
    ...sitesInReach(vnet).flatMap(({ site }) => site.prefixes),
    ...(subnet.routeTable?.properties.routes ?? [])
      .flatMap((route) => parsePrefix(route.properties.addressPrefix) ?? [])
      .filter((prefix) => prefixFamily(prefix) === vnet.family),
    ...vnet.overlays.filter(({ nodes }) => nodes.some(({ nic }) => nic.subnet === subnet)).map(({ podCidr }) => podCidr),
    vnet.family === 4 ? azureLoadBalancerPrefix : azureLoadBalancerIpv6Prefix,
  ]);
}

/** Public addresses and prefixes, NAT gateways. */

import { clusterDefaults } from "../../arm/limits.ts";
import type { Reference } from "../../arm/resources.ts";
import { words } from "../../kube/field.ts";
import type { Acceptor } from "./acceptor.ts";
import type { Estate, Item } from "./estate.ts";
import { locationOf } from "./networks.ts";
import type { Value } from "./value.ts";

function isIpv6({ properties }: Item): boolean {
  return properties.get("publicIPAddressVersion").text()?.toLowerCase() === "ipv6";
}

export const publicAddress: Acceptor = {
  type: "Microsoft.Network/publicIPAddresses",
  inert: words(`
    ipConfiguration dnsSettings ddosSettings idleTimeoutInMinutes ipTags natGateway linkedPublicIPAddress servicePublicIPAddress
    migrationPhase deleteOption publicIPAllocationMethod
  `),
  accept: (item, estate) => {
    const address = item.properties.get("ipAddress").text();
    const prefix = estate.refer(item.properties.get("publicIPPrefix", "id"), "public IP prefix", false);
    estate.add(
      {
        id: item.id,
        name: item.name,
        type: publicAddress.type as "Microsoft.Network/publicIPAddresses",
        ...locationOf(item),
        properties: {
          publicIPAllocationMethod: "Static",
          ...(isIpv6(item) ? { publicIPAddressVersion: "IPv6" as const } : {}),
          ...(address === undefined ? {} : { ipAddress: address }),
          ...(prefix === undefined ? {} : { publicIPPrefix: { id: prefix.id } }),
        },
      },
      estate.origin(item),
    );
  },
};

export const publicPrefix: Acceptor = {
  type: "Microsoft.Network/publicIPPrefixes",
  inert: words("ipTags publicIPAddresses loadBalancerFrontendIpConfiguration customIPPrefix natGateway"),
  accept: (item, estate) => {
    const length = item.properties.get("prefixLength");
    const prefixLength = length.integer();
    const ipPrefix = item.properties.get("ipPrefix").text();
    if (isIpv6(item)) {
      const message = `public IP prefix ${item.name} is of IPv6, which is not modelled: it is left out`;
      length.report({ code: "NotModelled", severity: "warning", message, fix: "name single public addresses of IPv6" });
      return;
    }
    if (prefixLength === undefined) {
      length.report({ code: "RequiredProperty", message: `public IP prefix ${item.name} has no prefixLength`, fix: "give 28 to 31" });
      return;
    }
    estate.add(
      {
        id: item.id,
        name: item.name,
        type: publicPrefix.type as "Microsoft.Network/publicIPPrefixes",
        ...locationOf(item),
        properties: { prefixLength, ...(ipPrefix === undefined ? {} : { ipPrefix }) },
      },
      estate.origin(item),
    );
  },
};

/** The public addresses, or prefixes, of a list of references; what is not there is left out after being named. */
export function publicReferences(estate: Estate, list: Value, what: string): readonly Reference[] {
  return list.items().flatMap((reference) => {
    const found = estate.refer(reference.get("id"), what, false);
    return found === undefined ? [] : [{ id: found.id }];
  });
}

export const natGateway: Acceptor = {
  type: "Microsoft.Network/natGateways",
  inert: words("subnets zones sourceVirtualNetwork serviceGateway"),
  notModelled: {
    publicIpAddressesV6: ["IPv6", "leave it out"],
    publicIpPrefixesV6: ["IPv6", "leave it out"],
  },
  accept: (item, estate) => {
    const { properties } = item;
    estate.add(
      {
        id: item.id,
        name: item.name,
        type: natGateway.type as "Microsoft.Network/natGateways",
        ...locationOf(item),
        properties: {
          publicIpAddresses: publicReferences(estate, properties.get("publicIpAddresses"), "public IP address"),
          publicIpPrefixes: publicReferences(estate, properties.get("publicIpPrefixes"), "public IP prefix"),
          idleTimeoutInMinutes: properties.get("idleTimeoutInMinutes").integer() ?? clusterDefaults.natGatewayIdleTimeoutMinutes,
        },
      },
      estate.origin(item),
    );
  },
};

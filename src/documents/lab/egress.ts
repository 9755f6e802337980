/** What a lab file may say about public addresses and the ways out of a network. Property names are ARM's own. */

import { clusterDefaults, limits, ranges } from "../../arm/limits.ts";
import { outboundTypes } from "../../arm/resources.ts";
import { choice, integer, list, object, optional, required, type Shape, text, withDefault } from "../shape.ts";
import { publicIPAddressVersion } from "./dual-stack.ts";

type Name = (what: string, example: string) => Shape<string>;

const publicAddress = text({ what: "name of a public IP address", examples: ["egress"] });
const publicPrefix = text({ what: "name of a public IP prefix", examples: ["egress-prefix"] });
const idleTimeout = (what: string, otherwise: number) =>
  withDefault(
    integer({ what: "idleTimeoutInMinutes", min: ranges.outboundIdleTimeout.min, max: ranges.outboundIdleTimeout.max }),
    otherwise,
    `Minutes after which an idle ${what} flow is forgotten.`,
  );

/** `name`: names as everywhere in a lab file. `subnet`: `VNET/SUBNET`. */
export function egressShapes(name: Name, subnet: Shape<string>) {
  const publicIPAddress = object(
    {
      name: required(
        name("a public IP address", "egress"),
        "Name of the public IP address. The lab chooses the address, of 198.18.0.0/15.",
      ),
      publicIPPrefix: optional(publicPrefix, "The public IP prefix that it is taken from."),
      publicIPAddressVersion,
    },
    {
      what: "a public IP address",
      synonyms: { prefix: "publicIPPrefix" },
      notModelled: {
        ipAddress: "leave it out: Azure chooses public addresses",
        sku: "leave it out: Standard",
        publicIPAllocationMethod: "leave it out: Static",
        dnsSettings: "leave it out: names are not resolved in a lab",
      },
    },
  );
  const publicIPPrefix = object(
    {
      name: required(name("a public IP prefix", "egress-prefix"), "Name of the public IP prefix. The lab chooses the addresses."),
      prefixLength: required(
        integer({ what: "prefixLength", min: ranges.publicPrefixLength.min, max: ranges.publicPrefixLength.max }),
        "28 for 16 addresses to 31 for two.",
      ),
    },
    {
      what: "a public IP prefix",
      synonyms: { length: "prefixLength" },
      notModelled: { publicIPAddressVersion: "leave it out: IPv4", customIPPrefix: "leave it out" },
    },
  );
  const natGateway = object(
    {
      name: required(name("a NAT gateway", "egress-nat"), "Name of the NAT gateway."),
      subnets: withDefault(list(subnet, { what: "subnets" }), [], "The subnets that leave by it, each as VNET/SUBNET, all of one VNet."),
      publicIpAddresses: withDefault(list(publicAddress, { what: "publicIpAddresses" }), [], "Its public addresses, by name."),
      publicIpPrefixes: withDefault(
        list(publicPrefix, { what: "publicIpPrefixes" }),
        [],
        `Prefixes whose addresses are all its own; ${limits.natGatewayAddresses.value} addresses at most.`,
      ),
      idleTimeoutInMinutes: idleTimeout("TCP", clusterDefaults.natGatewayIdleTimeoutMinutes),
    },
    {
      what: "a NAT gateway",
      synonyms: { publicIPAddresses: "publicIpAddresses", publicIPPrefixes: "publicIpPrefixes", idleTimeout: "idleTimeoutInMinutes" },
      notModelled: { zones: "leave them out: they change no packet's way here", sku: "leave it out: Standard" },
    },
  );
  return { publicIPAddress, publicIPPrefix, natGateway };
}

const notModelled = {
  managedNATGatewayV2: "use managedNATGateway",
} as const;

export const outboundType = withDefault(
  choice(outboundTypes, { what: "outbound type", source: "aks:egress-outboundtype.md", notModelled }),
  "loadBalancer",
  "How pods reach the internet. managedNATGateway is for clusters in AKS's own VNet, userAssignedNATGateway and userDefinedRouting for those in a subnet of one's own, which then has the NAT gateway, or a route table with a default route to an appliance or a gateway.",
);

/** Of a cluster's outbound rule, beside the addresses that AKS makes. */
export const ownOutboundAddresses = {
  outboundIPs: optional(
    object(
      { publicIPs: required(list(publicAddress, { what: "publicIPs", least: 1 }), "Public IP addresses of one's own, by name.") },
      { what: "outboundIPs" },
    ),
    "Public addresses of one's own for outbound traffic, in the place of managedOutboundIPs.",
  ),
  outboundIPPrefixes: optional(
    object(
      {
        publicIPPrefixes: required(list(publicPrefix, { what: "publicIPPrefixes", least: 1 }), "Public IP prefixes of one's own, by name."),
      },
      { what: "outboundIPPrefixes" },
    ),
    "Public IP prefixes of one's own for outbound traffic, in the place of managedOutboundIPs.",
  ),
} as const;

export const natGatewayProfile = object(
  {
    managedOutboundIPProfile: optional(
      object(
        {
          count: withDefault(
            integer({ what: "count", min: 1, max: limits.natGatewayAddresses.value }),
            clusterDefaults.managedOutboundIPs,
            "Public addresses of the NAT gateway.",
          ),
        },
        { what: "managedOutboundIPProfile" },
      ),
      "Public addresses that AKS makes for the NAT gateway.",
    ),
    idleTimeoutInMinutes: idleTimeout("TCP", clusterDefaults.natGatewayIdleTimeoutMinutes),
  },
  { what: "a NAT gateway profile", synonyms: { managedOutboundIPs: "managedOutboundIPProfile" } },
);

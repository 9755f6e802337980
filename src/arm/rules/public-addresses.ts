/** Rules of public addresses, public IP prefixes and NAT gateways. */

import { limits, ranges } from "../limits.ts";
import { lastSegment, publicAddressTag } from "../names.ts";
import type { NatGateway } from "../resources.ts";
import { gatewaySubnet } from "./networks.ts";
import type { Report } from "./problem.ts";
import { type AzureView, parentOf, sameId, subnetLabel } from "./view.ts";

const natDocs = "learn:azure/nat-gateway/nat-gateway-resource";
const addressDocs = "learn:azure/virtual-network/ip-services/public-ip-addresses";

export function checkPublicAddresses(view: AzureView, report: Report): void {
  for (const { id, name, properties } of view.publicPrefixes) {
    const { min, max, source } = ranges.publicPrefixLength;
    const { prefixLength } = properties;
    if (prefixLength >= min && prefixLength <= max) continue;
    report({
      code: "InvalidParameter",
      severity: "error",
      id,
      property: ["prefixLength"],
      value: prefixLength,
      message: `public IP prefix ${name} is a /${prefixLength}; it must be a /${min} to /${max}`,
      source,
    });
  }
  for (const gateway of view.natGateways) checkNatGateway(view, gateway, report);
  checkRoom(view, report);
  checkOwners(view, report);
}

function checkNatGateway(view: AzureView, gateway: NatGateway, report: Report): void {
  const { id, name, properties } = gateway;
  const refuse = (property: string, message: string, fix: string, source = natDocs) =>
    report({ code: "InvalidParameter", severity: "error", id, property: [property], message, source, fix });
  const sizes = properties.publicIpPrefixes.map((reference) => {
    const prefix = view.publicPrefixes.find((candidate) => sameId(candidate.id, reference.id));
    return prefix === undefined ? 0 : 2 ** (32 - prefix.properties.prefixLength);
  });
  const count = properties.publicIpAddresses.length + sizes.reduce((sum, size) => sum + size, 0);
  const { natGatewayAddresses } = limits;
  if (count > natGatewayAddresses.value) {
    refuse(
      "publicIpAddresses",
      `NAT gateway ${name} has ${count} public addresses; it has at most ${natGatewayAddresses.value}`,
      "leave some out",
      natGatewayAddresses.source,
    );
  }
  const subnets = view.subnets.filter((subnet) => sameId(subnet.properties.natGateway?.id ?? "", id));
  if (count === 0 && subnets.length > 0) {
    refuse(
      "publicIpAddresses",
      `NAT gateway ${name} is on subnets and has no public address`,
      "name one in publicIpAddresses or publicIpPrefixes",
    );
  }
  const { min, max, source } = ranges.outboundIdleTimeout;
  if (properties.idleTimeoutInMinutes < min || properties.idleTimeoutInMinutes > max) {
    refuse("idleTimeoutInMinutes", `idleTimeoutInMinutes is ${properties.idleTimeoutInMinutes}`, `use ${min} to ${max}`, source);
  }
  const [first] = subnets;
  for (const subnet of subnets) {
    if (first !== undefined && !sameId(parentOf(first.id), parentOf(subnet.id))) {
      const message = `NAT gateway ${name} is on ${subnetLabel(first.id)} and on ${subnetLabel(subnet.id)}; all its subnets are in one VNet`;
      refuse("subnets", message, "make a NAT gateway for each VNet");
    }
    if (subnet.name.toLowerCase() === gatewaySubnet.toLowerCase()) {
      refuse("subnets", `${gatewaySubnet} cannot have a NAT gateway`, "leave it out");
    }
  }
}

/** Addresses that are taken from a prefix must fit into it. */
function checkRoom(view: AzureView, report: Report): void {
  for (const prefix of view.publicPrefixes) {
    const taken = view.publicAddresses.filter(({ properties }) => sameId(properties.publicIPPrefix?.id ?? "", prefix.id));
    const size = 2 ** (32 - prefix.properties.prefixLength);
    const tooMany = taken[size];
    if (tooMany === undefined) continue;
    report({
      code: "InvalidParameter",
      severity: "error",
      id: tooMany.id,
      property: ["publicIPPrefix"],
      value: prefix.name,
      message: `public IP prefix ${prefix.name}, a /${prefix.properties.prefixLength}, has ${size} addresses; ${taken.length} are taken from it`,
      source: ranges.publicPrefixLength.source,
      fix: "use a shorter prefix length, or fewer addresses",
    });
  }
}

/** A public address belongs to one thing: a NAT gateway, a machine, or load balancers' outbound rules. */
function checkOwners(view: AzureView, report: Report): void {
  const owners = new Map<string, string>();
  const claim = (address: string, owner: string, id: string, property: readonly (string | number)[]) => {
    const other = owners.get(address.toLowerCase());
    if (other === undefined) owners.set(address.toLowerCase(), owner);
    else if (other !== owner) {
      report({
        code: "PublicIPAddressInUse",
        severity: "error",
        id,
        property,
        value: lastSegment(address),
        message: `public address ${lastSegment(address)} is that of ${other}; it cannot be that of ${owner} too`,
        source: addressDocs,
        fix: "use another public address",
      });
    }
  };
  for (const gateway of view.natGateways) {
    for (const [index, { id }] of gateway.properties.publicIpAddresses.entries()) {
      claim(id, `NAT gateway ${gateway.name}`, gateway.id, ["publicIpAddresses", index]);
    }
    for (const [index, { id }] of gateway.properties.publicIpPrefixes.entries()) {
      claim(id, `NAT gateway ${gateway.name}`, gateway.id, ["publicIpPrefixes", index]);
    }
  }
  for (const machine of view.machines) {
    const address = machine.tags?.[publicAddressTag];
    if (address !== undefined) claim(address, `machine ${machine.name}`, machine.id, ["tags", publicAddressTag]);
  }
  for (const cluster of view.clusters) {
    const { outboundIPs, outboundIPPrefixes } = cluster.properties.networkProfile.loadBalancerProfile;
    const base = ["networkProfile", "loadBalancerProfile"];
    const owner = `the outbound rule of cluster ${cluster.name}`;
    for (const [index, { id }] of (outboundIPs?.publicIPs ?? []).entries())
      claim(id, owner, cluster.id, [...base, "outboundIPs", "publicIPs", index]);
    for (const [index, { id }] of (outboundIPPrefixes?.publicIPPrefixes ?? []).entries()) {
      claim(id, owner, cluster.id, [...base, "outboundIPPrefixes", "publicIPPrefixes", index]);
    }
  }
}

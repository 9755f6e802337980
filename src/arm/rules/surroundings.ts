/** Rules of what stands around the clusters: virtual machines, on-premises sites, hosts on the internet. */

import { type Address, parseAddress } from "../../net/address.ts";
import { addressAt, hostPrefix, lastAddressOf, type Prefix, parsePrefix, prefixContains, prefixCovers } from "../../net/prefix.ts";
import { labReserved, limits, notOnInternet } from "../limits.ts";
import { addressTag, subnetTag } from "../names.ts";
import type { InternetHost, PrivateEndpoint, Site, VirtualMachine, VirtualNetwork } from "../resources.ts";
import { checkForbidden, readCidr, some, span } from "./cidr.ts";
import { isIpv6 } from "./dual-stack.ts";
import { gatewaySubnet } from "./networks.ts";
import { PrefixSet } from "./prefix-set.ts";
import type { Report } from "./problem.ts";
import { type AzureView, subnetLabel } from "./view.ts";

const faq = "learn:azure/virtual-network/virtual-networks-faq";
const gatewayDocs = "learn:azure/vpn-gateway/vpn-gateway-vpn-faq";

export function checkSurroundings(view: AzureView, report: Report): void {
  const taken = new Map<string, string>();
  for (const machine of [...view.machines, ...view.privateEndpoints]) checkMachine(view, machine, taken, report);
  checkSites(view, report);
  const hosts = new Map<Address, string>();
  const spaces = new PrefixSet<VirtualNetwork>();
  for (const network of view.networks) for (const prefix of view.spaceOf(network).prefixes) spaces.add(prefix, network);
  for (const host of view.internetHosts) checkInternetHost(host, spaces, hosts, report);
}

function checkMachine(view: AzureView, machine: VirtualMachine | PrivateEndpoint, taken: Map<string, string>, report: Report): void {
  const subnetId = machine.tags?.[subnetTag] ?? "";
  const subnet = view.subnet(subnetId);
  if (subnet?.name.toLowerCase() === gatewaySubnet.toLowerCase()) {
    report({
      id: machine.id,
      property: ["tags", subnetTag],
      code: "InvalidParameter",
      severity: "error",
      value: subnetLabel(subnetId),
      message: `${gatewaySubnet} is for the VNet's gateway alone; ${machine.name} cannot be in it`,
      source: gatewayDocs,
      fix: "put it into another subnet",
    });
  }
  const text = machine.tags?.[addressTag];
  if (text === undefined) return;
  const where = { id: machine.id, property: ["tags", addressTag], severity: "error", value: text } as const;
  const address = parseAddress(text);
  if (address === undefined || address.includes(":")) {
    const message = `${JSON.stringify(text)} is not an IPv4 address`;
    report({
      ...where,
      code: "InvalidParameter",
      message,
      fix: "write four numbers from 0 to 255, or leave it out to get the lowest free one",
    });
    return;
  }
  const prefix = subnet === undefined ? undefined : parsePrefix(subnet.properties.addressPrefix);
  if (prefix === undefined) return;
  const label = `subnet ${subnetLabel(subnetId)}, ${span(prefix)}`;
  const fix = `use ${addressAt(prefix, 4) ?? ""} to ${addressBefore(prefix)}, or leave it out to get the lowest free one`;
  if (!prefixContains(prefix, address)) {
    const message = `${address} is not in ${label}`;
    report({ ...where, code: "PrivateIPAddressNotInSubnet", message, source: faq, fix });
  } else if (isReserved(prefix, address)) {
    const message = `${address} is one of the ${limits.reservedAddresses.value} addresses that Azure keeps of ${label}: the first four and the last`;
    report({ ...where, code: "PrivateIPAddressInReservedRange", message, source: limits.reservedAddresses.source, fix });
  }
  const key = `${subnetId.toLowerCase()} ${address}`;
  const other = taken.get(key);
  if (other !== undefined) {
    report({ ...where, code: "PrivateIPAddressInUse", message: `machines ${other} and ${machine.name} both want ${address}`, fix });
  } else taken.set(key, machine.name);
}

function addressBefore(prefix: Prefix): string {
  const text = lastAddressOf(prefix);
  const dot = text.lastIndexOf(".");
  return `${text.slice(0, dot + 1)}${Number(text.slice(dot + 1)) - 1}`;
}

export function isReserved(prefix: Prefix, address: Address): boolean {
  return [0, 1, 2, 3].some((index) => addressAt(prefix, index) === address) || lastAddressOf(prefix) === address;
}

function checkSites(view: AzureView, report: Report): void {
  /** Sites by prefix and VNet. Where one site's prefix is a part of another's, the longer wins; the same prefix has no winner. */
  const known = new Map<VirtualNetwork, Map<Prefix, Site>>();
  for (const site of view.sites) {
    const local = view.localGateway(site.properties.localNetworkGateway.id);
    const network = local === undefined ? undefined : view.networkBehind(local);
    const others = network === undefined ? undefined : (known.get(network) ?? new Map<Prefix, Site>());
    if (network !== undefined && others !== undefined) known.set(network, others);
    const prefixes: Prefix[] = [];
    let isComplete = true;
    for (const [index, text] of (local?.properties.localNetworkAddressSpace.addressPrefixes ?? []).entries()) {
      // VPN gateways carry IPv4 only, which dual-stack.ts says.
      if (isIpv6(text)) continue;
      const where = { id: site.id, property: ["prefixes", index] };
      const prefix = readCidr(report, where, text);
      if (prefix === undefined) {
        isComplete = false;
        continue;
      }
      checkForbidden(report, where, prefix, `site ${site.name}'s prefix`, labReserved);
      const space = view.spaceOf(network).set.overlapping(prefix)?.prefix;
      if (space !== undefined) {
        // Azure takes it, and its own routes win.
        report({
          ...where,
          code: "AddressSpaceOverlap",
          severity: "warning",
          value: prefix,
          message: `site ${site.name}'s prefix ${span(prefix)} overlaps the address space ${span(space)} of VNet ${network?.name ?? ""}: the VNet's own route wins, so the gateway never gets packets to ${prefixCovers(prefix, space) ? space : prefix}`,
          source: `${gatewayDocs}; learn:azure/virtual-network/virtual-networks-udr-overview`,
          fix: "give the site or the VNet a range of its own",
        });
      }
      const other = others?.get(prefix);
      if (other !== undefined) {
        report({
          ...where,
          code: "AddressSpaceOverlap",
          severity: "error",
          value: prefix,
          message: `sites ${other.name} and ${site.name} behind the same gateway both have ${span(prefix)}: nothing says which of them gets the packets`,
          source: gatewayDocs,
          fix: "leave one out, or give one site a part of the prefix: the longer prefix wins",
        });
      }
      prefixes.push(prefix);
    }
    for (const prefix of prefixes) others?.set(prefix, site);
    checkSiteMachines(site, isComplete ? prefixes : undefined, report);
  }
}

function checkSiteMachines(site: Site, prefixes: readonly Prefix[] | undefined, report: Report): void {
  const taken = new Map<Address, string>();
  const set = new PrefixSet<undefined>();
  for (const prefix of prefixes ?? []) set.add(prefix, undefined);
  for (const [index, machine] of site.properties.machines.entries()) {
    const where = { id: site.id, property: ["machines", index, "address"], severity: "error", value: machine.address } as const;
    const address = parseAddress(machine.address);
    if (address === undefined || address.includes(":")) {
      report({ ...where, code: "InvalidParameter", message: `${JSON.stringify(machine.address)} is not an IPv4 address` });
      continue;
    }
    if (prefixes !== undefined && set.covering(hostPrefix(address)) === undefined) {
      report({
        ...where,
        code: "InvalidParameter",
        message: `${address} is not within the prefixes of site ${site.name}, ${some(prefixes, ", ")}: the VNet would have no route to it`,
        fix: "choose an address of the site, or add its prefix",
      });
    }
    const other = taken.get(address);
    if (other !== undefined) {
      report({
        ...where,
        code: "AddressInUse",
        message: `machines ${other} and ${machine.name} of site ${site.name} both have ${address}`,
      });
    } else taken.set(address, machine.name);
  }
}

function checkInternetHost(host: InternetHost, spaces: PrefixSet<VirtualNetwork>, known: Map<Address, string>, report: Report): void {
  const text = host.properties.address;
  const where = { id: host.id, property: ["address"], severity: "error", value: text } as const;
  const address = parseAddress(text);
  if (address === undefined || address.includes(":")) {
    report({
      ...where,
      code: "InvalidParameter",
      message: `${JSON.stringify(text)} is not an IPv4 address`,
      fix: "write one such as 203.0.113.10",
    });
    return;
  }
  const range = notOnInternet.ranges.find((candidate) => prefixContains(candidate.prefix, address));
  if (range !== undefined) {
    report({
      ...where,
      code: "InvalidParameter",
      message: `${address} is in ${range.prefix}, ${range.what}: no such host is on the internet`,
      source: notOnInternet.source,
      fix: "use a public address; 192.0.2.0/24, 198.51.100.0/24 and 203.0.113.0/24 are meant for examples (RFC 5737)",
    });
  }
  const network = spaces.covering(hostPrefix(address))?.value;
  if (range === undefined && network !== undefined) {
    report({
      ...where,
      code: "InvalidParameter",
      message: `${address} is in the address space of VNet ${network.name}: packets to it would stay in the VNet`,
      fix: "choose an address outside every VNet",
    });
  }
  const other = known.get(address);
  if (other !== undefined) {
    report({ ...where, code: "AddressInUse", message: `internet hosts ${other} and ${host.name} both have ${address}` });
  } else known.set(address, host.name);
}

/** Who has an address: for lists, and to say names beside the addresses of a trace. */

import { lastSegment, segmentAfter } from "../arm/names.ts";
import { probeSources } from "../arm/service-tags.ts";
import { ipv6Half } from "../compile/ipv6/half.ts";
import { frontendAddresses } from "../compile/load-balancer/frontends.ts";
import { natGatewaysOf } from "../compile/nat-gateway/nat-gateway.ts";
import { machineAddresses } from "../compile/public-address/public-address.ts";
import type { Topology } from "../compile/topology.ts";
import { azureHostAddress } from "../compile/wiring.ts";
import { type Address, compareAddresses, familyOf, parseAddress } from "../net/address.ts";
import { addressAt } from "../net/prefix.ts";
import type { Endpoint } from "./endpoints.ts";

export type Owner = {
  readonly address: Address;
  /** As a journey's end is written where it is one: `shop-kubenet:shop/pod/web-0`; else in words: `Azure`. */
  readonly owner: string;
  /** What the address is to its owner: "pod", "node, primary", "reserved for a pod", "frontend", …. */
  readonly role: string;
  /** Where the address comes from: a subnet, a pod address range, the Internet. */
  readonly from: string;
};

/** By address, in order of address. Where several share an address (pods of a node's network), the machine is its owner. */
export function ownersOf(lab: { readonly topology: Topology; readonly endpoints: readonly Endpoint[] }): ReadonlyMap<string, Owner> {
  const half = ipv6Half(lab.topology);
  const inIpv6 = lab.endpoints.flatMap((endpoint) => {
    const address = endpoint.ipv6Address;
    return address === undefined ? [] : [{ ...endpoint, address }];
  });
  const owners = [...ownersIn(lab.topology, lab.endpoints), ...(half === undefined ? [] : ownersIn(half, inIpv6))];
  // Later ones know better: a Service's load balancer address is also a frontend.
  const byAddress = new Map(owners.map((owner) => [owner.address, owner]));
  return new Map([...byAddress].sort(([a], [b]) => compareAddresses(a, b)));
}

/** Of one family. */
function ownersIn(topology: Topology, endpoints: readonly Endpoint[]): readonly Owner[] {
  const owners: Owner[] = [];
  const add = (address: Address | undefined, owner: string, role: string, from: string) => {
    if (address !== undefined) owners.push({ address, owner, role, from });
  };
  const isIpv6 = topology.vnets.some(({ family }) => family === 6);
  add(isIpv6 ? probeSources[6] : azureHostAddress, "Azure", "health probes", "Azure's host address");
  const clusterOf = new Map(
    [...topology.clusters.values()].map(({ name, resource }) => [resource.properties.nodeResourceGroup.toLowerCase(), name]),
  );
  const subnetOf = new Map<string, string>();
  for (const vnet of topology.vnets) {
    for (const subnet of vnet.subnets) {
      const name = `subnet ${vnet.name}/${subnet.resource.name}`;
      subnetOf.set(subnet.key, name);
      add(subnet.gateway, `vnet/${vnet.name}`, "gateway of the subnet", name);
    }
    for (const { address, isPublic, origin } of frontendAddresses(topology, vnet)) {
      const cluster = clusterOf.get(segmentAfter(origin.resource, "resourceGroups").toLowerCase());
      add(
        address,
        cluster === undefined ? `load balancer ${lastSegment(origin.resource)}` : `load balancer of ${cluster}`,
        origin.reason,
        isPublic ? "public" : `VNet ${vnet.name}`,
      );
    }
  }
  for (const vnet of topology.vnets) {
    for (const { gateway, addresses } of natGatewaysOf(topology, vnet)) {
      for (const address of addresses) add(address, `NAT gateway ${gateway.name}`, "outbound address", "public");
    }
    for (const { nic, address } of machineAddresses(topology, vnet)) add(address, `vm/${nic.machine}`, "VM, public", "public");
  }
  for (const machine of topology.machines) {
    add(machine.nic.primary, `vm/${machine.resource.name}`, "VM", subnetOf.get(machine.nic.subnet.key) ?? "");
    for (const address of machine.nic.secondary) {
      add(address, `vm/${machine.resource.name}`, "VM, secondary", subnetOf.get(machine.nic.subnet.key) ?? "");
    }
  }
  for (const { resource, nic } of topology.privateEndpoints) {
    add(nic.primary, `endpoint/${resource.name}`, "private endpoint", subnetOf.get(nic.subnet.key) ?? "");
  }
  for (const cluster of topology.clusters.values()) {
    for (const [name, node] of cluster.nodes) {
      const label = `${cluster.name}:node/${name}`;
      const subnet = subnetOf.get(node.nic.subnet.key) ?? "";
      add(node.nic.primary, label, "node", subnet);
      const used = new Set((cluster.podsByNode.get(name) ?? []).map((pod) => pod.address));
      for (const address of node.nic.secondary) if (!used.has(address)) add(address, label, "reserved for a pod", subnet);
      if (node.podCidr !== undefined) add(addressAt(node.podCidr, 1), label, "bridge of the node's pods", `pod range ${node.podCidr}`);
    }
    for (const service of cluster.services) {
      const label = `${cluster.name}:${service.metadata.namespace ?? "default"}/svc/${service.metadata.name}`;
      const { clusterIP = "", clusterIPs = [clusterIP] } = service.spec;
      const own = clusterIPs.flatMap((text) => parseAddress(text) ?? []).find((address) => isIpv6 === (familyOf(address) === 6));
      add(own, label, "cluster address", `service range ${cluster.serviceCidr ?? ""}`.trim());
      for (const { ip } of service.status?.loadBalancer?.ingress ?? []) {
        add(ip === undefined ? undefined : parseAddress(ip), label, "load balancer", "load balancer frontend");
      }
    }
  }
  for (const endpoint of endpoints) {
    if (endpoint.kind === "pod") {
      if (endpoint.pod?.spec.hostNetwork === true) continue;
      const node = topology.clusters.get(endpoint.cluster ?? "")?.nodes.get(endpoint.node ?? "");
      const ofVirtualNode = topology.clusters.get(endpoint.cluster ?? "")?.virtualPods.find(({ pod }) => pod.host === endpoint.host);
      const nic = ofVirtualNode?.nic ?? (node?.nic.secondary.includes(endpoint.address) === true ? node.nic : undefined);
      const from = nic === undefined ? undefined : subnetOf.get(nic.subnet.key);
      add(endpoint.address, endpoint.label, "pod", from ?? `pod range ${node?.podCidr ?? ""}`.trim());
    } else if (endpoint.kind === "site") add(endpoint.address, endpoint.label, "on-premises machine", "on-premises");
    else if (endpoint.kind === "internet") add(endpoint.address, endpoint.label, "Internet host", "Internet");
  }
  return owners;
}

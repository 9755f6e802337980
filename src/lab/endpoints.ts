/** Everything that can send a packet or be sent one: pods, nodes, machines, on-premises machines, Internet hosts; and the addresses of Services. */

import { listenTag } from "../arm/resources.ts";
import { virtualNodeName } from "../arm/virtual-node.ts";
import { ipv6AddressOf, ipv6Half } from "../compile/ipv6/half.ts";
import { podListeners } from "../compile/listeners.ts";
import type { ClusterInfo, NodeInfo, Topology } from "../compile/topology.ts";
import { hostNames } from "../compile/wiring.ts";
import type { HostName } from "../ir/network.ts";
import type { Pod, Service, ServicePort } from "../kube/objects.ts";
import { type Address, familyOf, parseAddress } from "../net/address.ts";
import { type PortSpec, parsePortSpec } from "../net/ports.ts";

export type EndpointKind = "pod" | "node" | "vm" | "endpoint" | "site" | "internet";

export type Endpoint = {
  readonly kind: EndpointKind;
  /** In one word, as a journey's end is written: `shop-kubenet:shop/pod/web-0`, `vm/db`. */
  readonly label: string;
  /** The last part of it. */
  readonly name: string;
  readonly cluster?: string;
  readonly namespace?: string;
  /** Where its sockets are. A pod of the node's network has the node's. */
  readonly host: HostName;
  readonly address: Address;
  /** In dual stack. */
  readonly ipv6Address?: Address;
  readonly listens: readonly PortSpec[];
  /** Of a pod. */
  readonly pod?: Pod;
  readonly node?: string;
};

export function podLabel(cluster: string, namespace: string, name: string): string {
  return `${cluster}:${namespace}/pod/${name}`;
}

/** Sorted by label. Pods without an address are not among them. */
export function endpointsOf(topology: Topology): readonly Endpoint[] {
  const found: Endpoint[] = [];
  for (const cluster of topology.clusters.values()) addCluster(found, cluster);
  for (const { resource, nic } of topology.machines) {
    found.push({
      kind: "vm",
      label: `vm/${resource.name}`,
      name: resource.name,
      host: nic.host,
      address: nic.primary,
      listens: portsOf((resource.tags?.[listenTag] ?? "").split(/\s+/)),
    });
  }
  for (const { resource, nic } of topology.privateEndpoints) {
    found.push({
      kind: "endpoint",
      label: nic.host,
      name: resource.name,
      host: nic.host,
      address: nic.primary,
      listens: portsOf((resource.tags?.[listenTag] ?? "").split(/\s+/)),
    });
  }
  for (const { resource: site } of topology.vnets.flatMap((vnet) => vnet.sites)) {
    for (const machine of site.properties.machines) {
      const address = parseAddress(machine.address);
      if (address === undefined) continue;
      const host = hostNames.siteMachine(site.name, machine.name);
      found.push({ kind: "site", label: host, name: machine.name, host, address, listens: portsOf(machine.listen) });
    }
  }
  for (const machine of topology.internetHosts) {
    const address = parseAddress(machine.properties.address);
    if (address === undefined) continue;
    const host = hostNames.internetMachine(machine.name);
    found.push({ kind: "internet", label: host, name: machine.name, host, address, listens: portsOf(machine.properties.listen) });
  }
  const ipv6 = ipv6Addresses(topology);
  const all = ipv6.size === 0 ? found : found.map((endpoint) => withIpv6(endpoint, ipv6.get(endpoint.host)));
  return all.sort((a, b) => (a.label < b.label ? -1 : a.label > b.label ? 1 : 0));
}

/** By host. */
function ipv6Addresses(topology: Topology): ReadonlyMap<HostName, Address> {
  const found = new Map<HostName, Address>();
  const half = ipv6Half(topology);
  if (half === undefined) return found;
  for (const { nic } of half.machines) found.set(nic.host, nic.primary);
  for (const cluster of half.clusters.values()) {
    for (const { host, nic } of cluster.nodes.values()) found.set(host, nic.primary);
    for (const pods of cluster.podsByNode.values()) for (const { host, address } of pods) found.set(host, address);
  }
  for (const { name, properties } of half.internetHosts) {
    const address = parseAddress(properties.address);
    if (address !== undefined) found.set(hostNames.internetMachine(name), address);
  }
  return found;
}

function withIpv6(endpoint: Endpoint, ipv6Address: Address | undefined): Endpoint {
  return ipv6Address === undefined ? endpoint : { ...endpoint, ipv6Address };
}

function addCluster(found: Endpoint[], cluster: ClusterInfo): void {
  const add = (node: string, pod: Pod, host: HostName, address: Address) => {
    const { name, namespace = "default" } = pod.metadata;
    const listens = podListeners(pod, host, noOrigin).map(({ port, protocol }) => ({ port, protocol }));
    const label = podLabel(cluster.name, namespace, name);
    found.push({ kind: "pod", label, name, cluster: cluster.name, namespace, host, address, listens, pod, node });
  };
  for (const [name, node] of cluster.nodes) {
    found.push({
      kind: "node",
      label: `${cluster.name}:node/${name}`,
      name,
      cluster: cluster.name,
      host: node.host,
      address: node.nic.primary,
      listens: [],
    });
    for (const { pod, host, address } of cluster.podsByNode.get(name) ?? []) add(name, pod, host, address);
    for (const pod of cluster.hostNetworkPodsByNode.get(name) ?? []) add(name, pod, node.host, node.nic.primary);
  }
  for (const { pod } of cluster.virtualPods) add(virtualNodeName, pod.pod, pod.host, pod.address);
}

function nodeIpv6Address({ node }: NodeInfo): Address | undefined {
  return ipv6AddressOf(node.status.addresses.flatMap(({ type, address }) => (type === "InternalIP" ? [address] : [])));
}

const noOrigin = { resource: "", reason: "" };

function portsOf(texts: readonly string[]): PortSpec[] {
  return texts.flatMap((text) => (text === "" ? [] : (parsePortSpec(text) ?? [])));
}

/** By which of its addresses a Service is reached. */
export const vias = ["clusterip", "nodeport", "loadbalancer"] as const;
export type Via = (typeof vias)[number];

export type ServiceTarget = {
  readonly via: Via;
  /** `shop-kubenet:shop/svc/web:80`. */
  readonly label: string;
  readonly cluster: string;
  readonly service: Service;
  readonly servicePort: ServicePort;
  readonly address: Address;
  readonly port: number;
  readonly protocol: "tcp" | "udp";
};

/** Every address and port at which a Service of `cluster` is reached; a node port at the first node only, or at `nodePortsAt`. A headless Service has none. */
export function serviceTargets(
  cluster: ClusterInfo,
  services: readonly Service[] = cluster.services,
  nodePortsAt: readonly NodeInfo[] = [...cluster.nodes.values()].slice(0, 1),
): ServiceTarget[] {
  return services.flatMap((service) =>
    (service.spec.ports ?? []).flatMap((servicePort): ServiceTarget[] => {
      if (servicePort.protocol === "SCTP") return [];
      const base = {
        label: `${cluster.name}:${service.metadata.namespace ?? "default"}/svc/${service.metadata.name}:${servicePort.port}`,
        cluster: cluster.name,
        service,
        servicePort,
        protocol: servicePort.protocol === "UDP" ? ("udp" as const) : ("tcp" as const),
      };
      const targets: ServiceTarget[] = [];
      const { clusterIP, clusterIPs = clusterIP === undefined ? [] : [clusterIP] } = service.spec;
      const clusterIps = clusterIPs.flatMap((text) => parseAddress(text) ?? []);
      for (const address of clusterIps) targets.push({ ...base, via: "clusterip", address, port: servicePort.port });
      const families = new Set(clusterIps.map(familyOf));
      if (servicePort.nodePort !== undefined) {
        for (const node of nodePortsAt) {
          const ipv6 = nodeIpv6Address(node);
          const reached = [...(families.has(4) ? [node.nic.primary] : []), ...(families.has(6) && ipv6 !== undefined ? [ipv6] : [])];
          for (const address of reached) targets.push({ ...base, via: "nodeport", address, port: servicePort.nodePort });
        }
      }
      for (const { ip } of service.status?.loadBalancer?.ingress ?? []) {
        const address = ip === undefined ? undefined : parseAddress(ip);
        if (address !== undefined) targets.push({ ...base, via: "loadbalancer", address, port: servicePort.port });
      }
      return targets;
    }),
  );
}

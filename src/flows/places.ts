/**
 * Where machines and pods are, as text that is the same for those that the compiler cannot tell apart but by their names and addresses: what of a
 * subnet, an interface, a node and a load balancer's pool reaches a host's recipe (compile/index.ts) is in it. What is one of a kind (an appliance,
 * a machine that a fault concerns, a site, an Internet host) is a place of its own.
 */

import { faultEffects } from "../compile/faults/faults.ts";
import { ipv6Half } from "../compile/ipv6/half.ts";
import { balancingRules } from "../compile/load-balancer/frontends.ts";
import { outboundShares } from "../compile/load-balancer/outbound.ts";
import type { ClusterInfo, NicInfo, NodeInfo, Topology } from "../compile/topology.ts";
import type { HostName } from "../ir/network.ts";
import type { EndpointSlice, Service } from "../kube/objects.ts";
import type { Endpoint } from "../lab/endpoints.ts";
import { lengthOf } from "../net/prefix.ts";
import type { Regions } from "./written.ts";

export class Places {
  readonly #topology: Topology;
  readonly #regions: Regions;
  readonly #broken: ReadonlySet<HostName>;
  /** What load balancers know of a network interface. */
  readonly #balanced = new Map<string, string[]>();
  /** By address: the public addresses of its shares of outbound rules. */
  readonly #exits = new Map<string, string>();
  readonly #nics = new Map<HostName, NicInfo>();
  readonly #appliances = new Set<HostName>();
  readonly #local = new Map<ClusterInfo, ReadonlyMap<string, readonly string[]>>();
  readonly #nodes = new Map<HostName, string>();
  readonly #short = new Map<string, string>();
  /** Where they are in IPv6. */
  readonly #ipv6: Places | undefined;

  /** `regions`: addresses as rules of any kind see them. `isHalf`: the topology is a half itself. */
  constructor(topology: Topology, regions: Regions, isHalf = false) {
    this.#topology = topology;
    this.#regions = regions;
    const half = isHalf ? undefined : ipv6Half(topology);
    this.#ipv6 = half === undefined ? undefined : new Places(half, regions, true);
    this.#broken = new Set(faultEffects(topology).keys());
    for (const vnet of topology.vnets) {
      for (const nic of vnet.nics) this.#nics.set(nic.host, nic);
      for (const share of outboundShares(topology, vnet))
        this.#exits.set(share.backend, `${this.#exits.get(share.backend) ?? ""} ${share.publicAddress}`);
      for (const { balancer, name, healthy, members } of balancingRules(topology, vnet)) {
        for (const nic of members) this.#note(nic.primary, `${balancer.id} ${name} ${healthy.includes(nic)}`);
      }
    }
    for (const { nic, firewall } of topology.machines) if (nic.forwarding || firewall !== undefined) this.#appliances.add(nic.host);
  }

  #note(address: string, text: string): void {
    const texts = this.#balanced.get(address);
    if (texts === undefined) this.#balanced.set(address, [text]);
    else texts.push(text);
  }

  /** Of a pod: where its node is, or itself if it is a machine of its own. In both families, for ends that have an address of each. */
  of(end: Endpoint): string {
    const place = this.#ofAddress(end);
    if (end.ipv6Address === undefined || this.#ipv6 === undefined) return place;
    return `${place} | ${this.#regions.of(end.ipv6Address)} ${this.#ipv6.#ofAddress({ ...end, address: end.ipv6Address })}`;
  }

  #ofAddress({ kind, host, cluster, node, name, label, address }: Endpoint): string {
    const info = cluster === undefined ? undefined : this.#topology.clusters.get(cluster);
    const own = info?.nodes.get(kind === "node" ? name : (node ?? ""));
    if (info !== undefined && own !== undefined) return this.#broken.has(host) ? label : this.#node(info, own);
    const nic = this.#nics.get(host);
    const isOne = nic === undefined || kind === "endpoint" || kind === "vm" || this.#broken.has(host) || this.#appliances.has(host);
    return isOne ? label : `${this.#interface(nic)} ${this.#regions.of(address)}`;
  }

  /** What load balancers make of its source on the way to the Internet: read at the edge of a VNet, and nowhere else. */
  exitOf({ kind, cluster, node, name, address }: Endpoint): string {
    const own = cluster === undefined ? undefined : this.#topology.clusters.get(cluster)?.nodes.get(kind === "node" ? name : (node ?? ""));
    return this.#exits.get(own?.nic.primary ?? address) ?? "";
  }

  #node(cluster: ClusterInfo, node: NodeInfo): string {
    let place = this.#nodes.get(node.host);
    if (place === undefined) {
      const text = this.#broken.has(node.host) ? node.host : this.#nodePlace(cluster, node);
      // Every pod's place begins with it.
      place = this.#short.get(text) ?? `node ${this.#short.size}`;
      this.#short.set(text, place);
      this.#nodes.set(node.host, place);
    }
    return place;
  }

  #nodePlace(cluster: ClusterInfo, { node, nic, os, podCidr }: NodeInfo): string {
    const { pods } = nic;
    const parts = [
      cluster.name,
      os,
      this.#interface(nic),
      this.#regions.of(nic.primary),
      podCidr === undefined ? "no prefix" : "prefix",
      pods === undefined ? "" : `${pods.subnet.key} ${pods.prefixes.some((prefix) => lengthOf(prefix) < 32) ? "blocks" : "addresses"}`,
      ...this.#routes(podCidr, nic),
      ...(this.#localServices(cluster).get(node.metadata.name) ?? []),
    ];
    return parts.join(" ");
  }

  #interface(nic: NicInfo): string {
    const groups = nic.resource.properties.ipConfigurations.flatMap(({ properties }) =>
      (properties.applicationSecurityGroups ?? []).map(({ id }) => id.toLowerCase()),
    );
    return [
      nic.subnet.key,
      nic.securityGroup?.id ?? "no group",
      nic.forwarding ? "forwards" : "",
      nic.publicAddress?.id ?? "",
      ...new Set(groups.sort()),
      ...(this.#balanced.get(nic.primary) ?? []),
    ].join(" ");
  }

  /** The tables that know the way to the node's pods. */
  #routes(podCidr: string | undefined, { primary }: NicInfo): readonly string[] {
    if (podCidr === undefined) return [];
    const subnets = this.#topology.vnets.flatMap((vnet) => vnet.subnets);
    return subnets.flatMap(({ key, routeTable, lostRoutes }) => {
      const route = routeTable === undefined ? undefined : routesIn(routeTable.properties.routes).get(podCidr);
      if (route?.properties.nextHopIpAddress !== primary) return [];
      return lostRoutes.some(({ name }) => name === route.name) ? [`lost ${key} ${podCidr}`] : [`route ${key}`];
    });
  }

  /** By node, the Services with a traffic policy of Local that it has endpoints of. */
  #localServices(cluster: ClusterInfo): ReadonlyMap<string, readonly string[]> {
    let local = this.#local.get(cluster);
    if (local === undefined) {
      local = localServices(cluster);
      this.#local.set(cluster, local);
    }
    return local;
  }
}

type Route = NonNullable<Topology["vnets"][number]["subnets"][number]["routeTable"]>["properties"]["routes"][number];
const indexes = new WeakMap<readonly Route[], ReadonlyMap<string, Route>>();

function routesIn(routes: readonly Route[]): ReadonlyMap<string, Route> {
  let index = indexes.get(routes);
  if (index === undefined) {
    index = new Map(routes.map((route) => [route.properties.addressPrefix, route]));
    indexes.set(routes, index);
  }
  return index;
}

function localServices({ services, endpointSlices }: ClusterInfo): ReadonlyMap<string, readonly string[]> {
  const isLocal = ({ spec }: Service) => spec.externalTrafficPolicy === "Local" || spec.internalTrafficPolicy === "Local";
  const names = new Set(services.filter(isLocal).map(({ metadata }) => `${metadata.namespace ?? "default"}/${metadata.name}`));
  const found = new Map<string, string[]>();
  for (const slice of endpointSlices) {
    const service = serviceOf(slice);
    if (!names.has(service)) continue;
    for (const { nodeName, conditions } of slice.endpoints) {
      if (nodeName === undefined) continue;
      const text = `local ${service} ${conditions.ready}`;
      const texts = found.get(nodeName) ?? [];
      if (!texts.includes(text)) found.set(nodeName, [...texts, text].sort());
    }
  }
  return found;
}

/** The Service that a slice is of: `shop/web`. */
export function serviceOf({ metadata }: EndpointSlice): string {
  return `${metadata.namespace ?? "default"}/${metadata.labels?.["kubernetes.io/service-name"] ?? ""}`;
}

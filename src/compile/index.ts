/**
 * Resources to network. Pure, and lazy: a host is compiled when it is asked for, from the resources that it depends on and no others, so that one
 * host of a cluster of 5,000 nodes costs what one host costs. A host whose inputs are the same objects as before is the same object as before.
 *
 * This is the composing file: the front ends (one folder each) do not know one another; here they meet in the hosts that they add to.
 */

import { type InternetHost, listenTag } from "../arm/resources.ts";
import { virtualNodeName } from "../arm/virtual-node.ts";
import type { Host, HostName, Network, Origin } from "../ir/network.ts";
import { mainTable } from "../ir/network.ts";
import type { Table } from "../ir/ruleset.ts";
import type { EndpointSlice } from "../kube/objects.ts";
import { hostPrefix } from "../net/prefix.ts";
import type { Resources } from "../resources/resources.ts";
import { answersOnly } from "./answers-only.ts";
import { balancedHops } from "./appliances.ts";
import { azureCniBridge, azureCniTransparent } from "./azure-cni/azure-cni.ts";
import { byoCni, byoCniTables } from "./byo-cni/byo-cni.ts";
import { type EdgeInputs, edge, internetLink, type PublicAddress, publicAddressesOf } from "./edge/edge.ts";
import { type Effect, faultEffects } from "./faults/faults.ts";
import { firewallPart } from "./firewall/firewall.ts";
import { hostPortTables } from "./host-port/host-port.ts";
import { BareHosts, HostGroups, type Recipe, type RecipeBook, type RecipeGroup, type Recipes } from "./hosts.ts";
import { inIpv6 } from "./in-ipv6.ts";
import { type EdgeLink, internetMachine, internetRouter } from "./internet/internet.ts";
import { ipv6Half } from "./ipv6/half.ts";
import { joined } from "./ipv6/join.ts";
import { kubenet } from "./kubenet/kubenet.ts";
import { listenersOf, podListeners } from "./listeners.ts";
import { frontendAddresses } from "./load-balancer/frontends.ts";
import { inboundLoadBalancing } from "./load-balancer/inbound.ts";
import { balancedHop, balancedHopLinks, balancedWays } from "./load-balancer/next-hop.ts";
import { outboundRules } from "./load-balancer/outbound.ts";
import { masqueradeTable } from "./masquerade/masquerade.ts";
import { natGateways } from "./nat-gateway/nat-gateway.ts";
import { ClusterPolicies } from "./network-policy/network-policy.ts";
import { guardInputs, guardPart, SecurityGroups } from "./network-security-group/network-security-group.ts";
import { azureCniOverlay } from "./overlay/overlay.ts";
import { hostOf, type Part } from "./part.ts";
import { announcedBy, appliancesForPeers, remoteAppliances, sitesInReach } from "./peerings.ts";
import type { NodeContext, PodNetwork } from "./pod-network.ts";
import { azureCniPodSubnet, cnsTable } from "./pod-subnet/pod-subnet.ts";
import { publicAddresses } from "./public-address/public-address.ts";
import { sameItems } from "./same-items.ts";
import { healthListeners, nodeTable, type ServiceInputs, type SharedRules, sharedRules } from "./service-proxy/service-proxy.ts";
import { siteMachine, siteRouter, tunnel } from "./site/site.ts";
import {
  type ClusterInfo,
  differOnlyInPolicies,
  hostNetworkPodsOn,
  type NodeInfo,
  type PodInfo,
  podsOn,
  type Topology,
  topologyOf,
  type VnetInfo,
} from "./topology.ts";
import { diversions, fabric, machineInterface } from "./vnet/fabric.ts";
import { peering } from "./vnet/peering.ts";
import { privateEndpointDocs } from "./vnet/private-endpoints.ts";
import { serviceEnds, serviceLinks } from "./vnet/service-endpoints.ts";
import { eth0, hostNames, internetHost, links, routerAddress } from "./wiring.ts";

/** `previous`: the network that the last version of the resources gave; its hosts are kept where nothing changed. */
export function compile(resources: Resources, previous?: Network): CompiledNetwork {
  const before = previous instanceof CompiledNetwork ? previous : undefined;
  return new CompiledNetwork(topologyOf(resources, before?.topology), before);
}

/** The network options. A new one is a folder and a line here. */
function podNetworkOf(cluster: ClusterInfo): PodNetwork {
  switch (cluster.option) {
    case "kubenet":
      return kubenet;
    case "nodeSubnet":
      return cluster.resource.properties.networkProfile.networkMode === "bridge" ? azureCniBridge : azureCniTransparent;
    case "podSubnet":
      return azureCniPodSubnet;
    case "overlay":
      return azureCniOverlay;
    case "none":
      return byoCni;
  }
}

/** What a node does by its network option: mostly with the source address of what its pods send out of the cluster. */
function optionTables(cluster: ClusterInfo, node: NodeInfo, network: PodNetwork, pods: readonly PodInfo[]): readonly Table[] {
  if (cluster.option === "none") return byoCniTables(cluster, node, pods);
  if (cluster.option === "podSubnet") return [cnsTable(node)];
  // AKS docs: nat-gateway.md (disable OutboundNAT for Windows).
  if (node.os === "windows-without-outbound-nat") return [];
  return [masqueradeTable(cluster, node.node.metadata.name, network.name)];
}

/** What a network's hosts have in common. */
type World = { readonly sharedBy: (cluster: ClusterInfo, network: PodNetwork) => SharedParts };
type Book = RecipeBook<World>;
type HostRecipe = (world: World) => Recipe;

/** A network that knows what is different from the one before. */
export class CompiledNetwork implements Network {
  readonly topology: Topology;
  readonly #book: Book;
  readonly #hosts: HostGroups<World>;
  readonly #shared: SharedPartsOf;
  #previous: CompiledNetwork | undefined;
  #names: readonly HostName[] | undefined;

  constructor(topology: Topology, previous: CompiledNetwork | undefined) {
    this.topology = topology;
    // Recipes read no network policy: those are in what nodes share.
    const sameBook = previous !== undefined && differOnlyInPolicies(previous.topology, topology) ? previous.#book : undefined;
    this.#book = sameBook ?? recipesOf(topology);
    this.#shared = new SharedPartsOf(topology, previous === undefined ? undefined : previous.#shared);
    this.#hosts = new HostGroups(this.#book, this.#shared, previous === undefined ? undefined : previous.#hosts, sameBook !== undefined);
    this.#previous = previous;
    if (previous !== undefined) previous.#previous = undefined;
  }

  names(): readonly HostName[] {
    this.#names ??= [...this.#hosts.names()].sort();
    return this.#names;
  }

  host(name: HostName): Host | undefined {
    return this.#hosts.host(name);
  }

  /** The only hosts that may differ from those of `before`: new, changed or gone. `undefined` when this network was not made from that one. */
  changedSince(before: Network): ReadonlySet<HostName> | undefined {
    return before === this.#previous ? this.#hosts.changed() : undefined;
  }
}

/** Of both families, and with what faults do. A host without IPv6 is what it is in a lab without any. */
function recipesOf(topology: Topology): Book {
  const four = recipesOfHalf(topology);
  const half = ipv6Half(topology);
  const both = half === undefined ? four : withIpv6(four, recipesOfHalf(half));
  return withFaults(topology, both);
}

function withIpv6(four: Book, six: Book): Book {
  const both = <T>(own: Recipes<T>, others: Recipes<T>): Recipes<T> =>
    new Map(
      [...own].map(([name, recipe]) => {
        const other = others.get(name);
        return [name, other === undefined ? recipe : (world: T) => joinedRecipe(recipe(world), other(world))] as const;
      }),
    );
  const groups = [...four.groups].map(([key, own]): [string, RecipeGroup<World>] => {
    const other = six.groups.get(key);
    if (other === undefined) return [key, own];
    return [key, { inputs: [...own.inputs, ...other.inputs], recipes: () => both(own.recipes(), other.recipes()) }];
  });
  return { fixed: both(four.fixed, six.fixed), single: both(four.single, six.single), groups: new Map(groups) };
}

function joinedRecipe(four: Recipe, six: Recipe): Recipe {
  return { inputs: [...four.inputs, ...six.inputs], build: () => joined(four.build(), inIpv6(six.build())) };
}

/** Of one family, without what faults do. */
function recipesOfHalf(topology: Topology): Book {
  const recipes = new Map<HostName, () => Recipe>();
  const single = new Map<HostName, HostRecipe>();
  const groups = new Map<string, RecipeGroup<World>>();
  const securityGroups = new SecurityGroups(topology);
  for (const vnet of topology.vnets) {
    recipes.set(hostNames.fabric(vnet.name), () => ({
      inputs: [...vnetInputs(topology, vnet), ...routeInputs(vnet), ...peeringInputs(vnet)],
      build: () => fabricHost(topology, vnet),
    }));
    recipes.set(hostNames.edge(vnet.name), () => ({
      inputs: vnetInputs(topology, vnet),
      build: () =>
        hostOf(hostNames.edge(vnet.name), true, { resource: vnet.resource.id, reason: `edge of VNet ${vnet.name}` }, [
          edge(edgeInputs(topology, vnet)),
        ]),
    }));
    for (const hop of balancedHops(vnet)) {
      const { balancer, address, host } = hop;
      recipes.set(host, () => ({
        inputs: [...vnetInputs(topology, vnet), ...routeInputs(vnet), address],
        build: () =>
          hostOf(host, true, { resource: balancer.id, reason: `frontend ${address} of load balancer ${balancer.name}` }, [
            balancedHop(topology, vnet, hop),
          ]),
      }));
    }
    for (const site of vnet.sites) {
      const { resource } = site;
      const origin: Origin = { resource: resource.id, reason: `site ${resource.name}` };
      recipes.set(hostNames.site(resource.name), () => ({
        inputs: [resource, ...site.prefixes, ...announcedBy(vnet).flatMap((one) => [one.prefix, one.vnet.resource])],
        build: () => hostOf(hostNames.site(resource.name), true, origin, [siteRouter(vnet, site)]),
      }));
      for (const machine of resource.properties.machines) {
        const name = hostNames.siteMachine(resource.name, machine.name);
        recipes.set(name, () => ({ inputs: [resource], build: () => hostOf(name, false, origin, [siteMachine(resource, machine)]) }));
      }
    }
  }
  if (topology.internetHosts.length > 0 || topology.vnets.length > 0) {
    recipes.set(internetHost, () => internetRecipe(topology));
  }
  for (const host of topology.internetHosts) {
    const name = hostNames.internetMachine(host.name);
    recipes.set(name, () => ({
      inputs: [host, ...serviceInputs(topology, host)],
      build: () =>
        hostOf(name, false, { resource: host.id, reason: `Internet host ${host.name}` }, [
          internetMachine(host),
          serviceEnds(topology.vnets, host),
        ]),
    }));
  }
  for (const { resource, nic } of topology.privateEndpoints) {
    const vnet = topology.vnets.find((candidate) => candidate.nics.includes(nic));
    if (vnet === undefined) continue;
    const origin: Origin = { resource: resource.id, reason: `private endpoint ${resource.name}`, source: privateEndpointDocs };
    recipes.set(nic.host, () => ({
      inputs: [resource, nic.resource, nic.subnet.resource, vnet.resource],
      build: () => {
        const own = machineInterface(vnet, nic);
        return hostOf(nic.host, false, origin, [
          { interfaces: [own.interface], routes: [own.defaultRoute], listeners: listenersOf(listensOf(resource), nic.host, origin) },
          { tables: [answersOnly([eth0], { ...origin, reason: `${origin.reason} answers, and opens no connection` })] },
        ]);
      },
    }));
  }
  for (const { resource, nic, firewall } of topology.machines) {
    const vnet = topology.vnets.find((candidate) => candidate.nics.includes(nic));
    if (vnet === undefined) continue;
    const origin: Origin = { resource: resource.id, reason: `virtual machine ${resource.name}` };
    recipes.set(nic.host, () => {
      const guards = securityGroups.of(vnet, nic);
      return {
        inputs: [resource, nic.resource, nic.subnet.resource, vnet.resource, firewall, ...guardInputs(guards)],
        build: () => {
          const own = machineInterface(vnet, nic);
          // A machine whose NIC forwards is meant to: a network virtual appliance.
          return hostOf(nic.host, nic.forwarding, origin, [
            { interfaces: [own.interface], routes: [own.defaultRoute], listeners: listenersOf(listensOf(resource), nic.host, origin) },
            firewallPart(firewall, resource.name),
            guardPart(guards, { name: eth0 }),
          ]);
        },
      };
    });
  }
  for (const cluster of topology.clusters.values()) addCluster({ single, groups }, cluster, securityGroups);
  return { fixed: recipes, single, groups };
}

/** The recipes of hosts that faults do something to, changed so. */
function withFaults(topology: Topology, book: Book): Book {
  if (topology.faults.length === 0) return book;
  const effects = faultEffects(topology);
  const change = <T>(recipes: Recipes<T>): Recipes<T> =>
    new Map(
      [...recipes].map(([name, recipe]) => {
        const own = effects.get(name);
        return [name, own === undefined ? recipe : (world: T) => faulty(recipe(world), own)] as const;
      }),
    );
  const changed = [...book.groups].map(([key, { inputs, recipes }]): [string, RecipeGroup<World>] => [
    key,
    { inputs: [...inputs, ...topology.faults], recipes: () => change(recipes()) },
  ]);
  return { fixed: change(book.fixed), single: change(book.single), groups: new Map(changed) };
}

function faulty({ inputs, build }: Recipe, effects: readonly Effect[]): Recipe {
  return {
    inputs: [...inputs, ...effects.map(({ fault }) => fault)],
    build: () => effects.reduce((host, { apply }) => apply(host), build()),
  };
}

/** What the tag of a machine or a private endpoint says. */
function listensOf({ tags }: { readonly tags?: Readonly<Record<string, string>> }): readonly string[] {
  return (tags?.[listenTag] ?? "").split(/\s+/).filter((text) => text !== "");
}

function fabricHost(topology: Topology, vnet: VnetInfo): Host {
  const origin: Origin = { resource: vnet.resource.id, reason: `fabric of VNet ${vnet.name}` };
  const privateFrontends = frontendAddresses(topology, vnet).flatMap(({ address, isPublic }) => (isPublic ? [] : [address]));
  return hostOf(hostNames.fabric(vnet.name), true, origin, [
    fabric(vnet),
    peering(vnet),
    serviceLinks(vnet),
    ...vnet.sites.map(tunnel),
    balancedHopLinks(topology, vnet),
    inboundLoadBalancing(topology, vnet, diversions(vnet, privateFrontends), balancedWays(topology, vnet)),
  ]);
}

/** What a service reads of the VNets that have endpoints for it. */
function serviceInputs(topology: Topology, host: InternetHost): readonly unknown[] {
  const served = topology.vnets.filter((vnet) => vnet.services.some((service) => service.host === host));
  return served.flatMap((vnet) => [vnet.resource, vnet.index, ...vnet.subnets.map((subnet) => subnet.resource)]);
}

/** What a fabric reads of peered VNets: their address spaces, their gateway's sites, and the appliances that routes of the one name in the other. */
function peeringInputs(vnet: VnetInfo): readonly unknown[] {
  return [
    ...vnet.peerings.flatMap(({ resource, reverse, remote }) => [resource, reverse, remote.resource, remote.index]),
    ...vnet.peerings.flatMap(({ remote }) => remote.privateEndpoints.map((nic) => nic.resource)),
    ...sitesInReach(vnet).flatMap(({ site }) => [site.resource, ...site.prefixes]),
    ...[...remoteAppliances(vnet), ...appliancesForPeers(vnet)].map(({ appliance }) => appliance.source),
    ...balancedHops(vnet).map(({ address }) => address),
  ];
}

/** What a fabric reads of the routes of its subnets. */
function routeInputs({ subnets }: VnetInfo): readonly unknown[] {
  return subnets.flatMap(({ routeTable, lostRoutes }) => [routeTable, ...lostRoutes.map(({ fault }) => fault)]);
}

/** What fabric and edge read of a VNet. No route of Azure's is looked up at the edge. */
function vnetInputs(topology: Topology, vnet: VnetInfo): readonly unknown[] {
  return [
    topology.rules,
    vnet.resource,
    vnet.index,
    vnet.gateway,
    ...vnet.subnets.map((subnet) => subnet.resource),
    ...vnet.nics.flatMap((nic) => (nic.pods === undefined ? [nic.resource] : [nic.resource, nic.pods.resource])),
    ...vnet.services.map((service) => service.host),
    ...vnet.sites.flatMap((site) => [site.resource, ...site.prefixes]),
    ...vnet.overlays.flatMap((overlay) => [overlay.cluster, ...overlay.nodes.map((node) => node.podCidr)]),
    ...vnet.loadBalancers.flatMap((balancer) => [
      balancer,
      ...balancer.properties.probes.map((probe) => topology.probeResults.get(`${balancer.id}/probes/${probe.name}`.toLowerCase())),
    ]),
    ...topology.publicAddresses.values(),
    ...topology.publicPrefixes.values(),
    ...topology.natGateways.values(),
  ];
}

/** The ways out of a VNet, in Azure's order of precedence. */
function edgeInputs(topology: Topology, vnet: VnetInfo): EdgeInputs {
  const methods = [natGateways(topology, vnet), publicAddresses(topology, vnet), outboundRules(topology, vnet)];
  return {
    vnet,
    rules: topology.rules,
    frontends: frontendAddresses(topology, vnet)
      .filter((frontend) => frontend.isPublic)
      .map(({ address, origin }) => ({ address, reason: origin.reason })),
    methods: methods.flatMap((method) => method ?? []),
  };
}

const knownAddresses = new WeakMap<
  VnetInfo["resource"],
  { readonly inputs: readonly unknown[]; readonly addresses: readonly PublicAddress[] }
>();

/** The public addresses that lead to a VNet: those of the version before, while nothing has changed that they come from. */
function publicAddressesAt(topology: Topology, vnet: VnetInfo): readonly PublicAddress[] {
  const inputs = [vnet.family, ...vnetInputs(topology, vnet)];
  const known = knownAddresses.get(vnet.resource);
  if (known !== undefined && sameItems(known.inputs, inputs)) return known.addresses;
  const addresses = publicAddressesOf(edgeInputs(topology, vnet));
  knownAddresses.set(vnet.resource, { inputs, addresses });
  return addresses;
}

function internetRecipe(topology: Topology): Recipe {
  const edges = topology.vnets.map((vnet): EdgeLink => {
    const origin: Origin = { resource: vnet.resource.id, reason: `the Internet's way to VNet ${vnet.name}` };
    const name = internetLink(vnet);
    return {
      interface: { kind: "veth", name, addresses: [], peer: { host: hostNames.edge(vnet.name), name: links.edgeToInternet }, origin },
      routes: publicAddressesAt(topology, vnet).map(({ address, reason }) => ({
        type: "unicast",
        table: mainTable,
        dst: hostPrefix(address),
        dev: name,
        via: routerAddress.edge,
        onlink: true,
        origin: { ...origin, reason },
      })),
    };
  });
  return {
    inputs: [
      ...topology.internetHosts,
      ...topology.vnets.map((vnet) => vnet.resource),
      ...edges.flatMap((link) => link.routes.flatMap((route) => [route.dst, route.origin.reason])),
    ],
    build: () =>
      hostOf(internetHost, true, { resource: "Drydock.Lab/internet", reason: "the Internet" }, [
        internetRouter(topology.internetHosts, edges),
      ]),
  };
}

function addCluster(
  { single, groups }: { readonly single: Map<HostName, HostRecipe>; readonly groups: Map<string, RecipeGroup<World>> },
  cluster: ClusterInfo,
  securityGroups: SecurityGroups,
): void {
  const network = podNetworkOf(cluster);
  for (const [name, node] of cluster.nodes) {
    const pods = podsOn(cluster, name);
    const context = (): NodeContext => {
      const own = machineInterface(cluster.vnet, node.nic);
      return { cluster, node, pods, nic: own };
    };
    const { nic } = node;
    const nodeInputs = [
      cluster.resource,
      cluster.option,
      cluster.cniConfig,
      cluster.vnet.resource,
      nic.resource,
      nic.subnet.resource,
      nic.pods?.subnet.resource,
      node.podCidr,
      node.os,
    ];
    single.set(node.host, (world) => {
      const { services, policies: tables, bareNodes } = world.sharedBy(cluster, network);
      const guards = securityGroups.of(cluster.vnet, nic);
      const podSubnet = nic.pods?.subnet;
      const podGuards =
        podSubnet === undefined ? undefined : securityGroups.of(cluster.vnet, { subnet: podSubnet, securityGroup: undefined });
      const policies = tables.table(name);
      const inputs = [
        ...nodeInputs,
        services,
        ...cluster.masqueradeMaps,
        ...guardInputs(guards),
        ...guardInputs(podGuards),
        pods,
        hostNetworkPodsOn(cluster, name),
      ];
      const bare = bareNodes.prepared(node.host, {
        inputs,
        build: () => {
          const { uplink } = network;
          const guard = guardPart(guards, {
            name: uplink.name,
            ...(uplink.shared === true ? { inside: nic.secondary } : {}),
            ...(podSubnet === undefined ? {} : { pods: { prefix: podSubnet.prefix, guards: podGuards } }),
          });
          return nodeHost(cluster, network, node, context(), services, guard);
        },
      });
      return { inputs: [...inputs, policies], build: () => withTable(bare(), policies) };
    });
    const podRecipe = (pod: PodInfo): Recipe => ({
      inputs: [...nodeInputs, pod],
      build: () => {
        const origin: Origin = { resource: pod.host, reason: `pod ${pod.pod.metadata.namespace}/${pod.pod.metadata.name}` };
        return hostOf(pod.host, false, origin, [network.pod(context(), pod), { listeners: podListeners(pod.pod, pod.host, origin) }]);
      },
    });
    groups.set(node.host, {
      inputs: [...nodeInputs, pods],
      recipes: () => new Map(pods.map((pod) => [pod.host, () => podRecipe(pod)])),
    });
  }
  for (const virtual of cluster.virtualPods) {
    const { pod, nic } = virtual;
    single.set(pod.host, (world) => {
      const { services } = world.sharedBy(cluster, network);
      const guards = securityGroups.of(cluster.vnet, nic);
      return {
        inputs: [pod, nic.resource, nic.subnet.resource, cluster.vnet.resource, services, ...guardInputs(guards)],
        build: () => virtualPodHost(cluster, virtual, services, guardPart(guards, { name: eth0 })),
      };
    });
  }
}

/**
 * A pod of the virtual node: a machine of its own in the delegated subnet, with kube-proxy inside (virtual-kubelet/azure-aci: GetKubeProxyExtension)
 * and no network policy (AKS docs: virtual-nodes).
 */
function virtualPodHost(cluster: ClusterInfo, { pod, nic }: ClusterInfo["virtualPods"][number], services: ServiceRules, guard: Part): Host {
  const { name, namespace = "default" } = pod.pod.metadata;
  const origin: Origin = { resource: pod.host, reason: `pod ${namespace}/${name} on the virtual node (Azure Container Instances)` };
  const own = machineInterface(cluster.vnet, nic);
  const proxy = { name: virtualNodeName, address: nic.primary, podAddresses: [], keepsClientAddress: true };
  return hostOf(pod.host, false, origin, [
    { interfaces: [own.interface], routes: [own.defaultRoute], listeners: podListeners(pod.pod, pod.host, origin) },
    guard,
    { tables: [nodeTable(services.inputs, services.shared, proxy)] },
  ]);
}

function nodeHost(
  cluster: ClusterInfo,
  network: PodNetwork,
  node: NodeInfo,
  context: NodeContext,
  services: ServiceRules,
  guard: Part,
): Host {
  const name = node.node.metadata.name;
  const isWindows = node.os !== "linux";
  const origin: Origin = { resource: node.host, reason: isWindows ? `node ${name} (Windows, emulated on Linux)` : `node ${name}` };
  const hostNetworkPods = hostNetworkPodsOn(cluster, name);
  return hostOf(node.host, true, origin, [
    network.node(context),
    guard,
    {
      tables: [
        nodeTable(services.inputs, services.shared, {
          name,
          address: node.nic.primary,
          podAddresses: context.pods.map((pod) => pod.address),
          keepsClientAddress: !isWindows,
        }),
        ...hostPortTables(cluster, node, context.pods),
        ...optionTables(cluster, node, network, context.pods),
      ],
      listeners: [
        ...healthListeners(services.inputs, services.shared, name, node.nic.primary),
        ...hostNetworkPods.flatMap((pod) =>
          podListeners(pod, hostNames.pod(cluster.name, pod.metadata.namespace ?? "default", pod.metadata.name), origin, node.nic.primary),
        ),
      ],
    },
  ]);
}

function withTable(host: Host, table: Table | undefined): Host {
  return table === undefined ? host : { ...host, ruleSet: [...host.ruleSet, table].sort((a, b) => (a.name < b.name ? -1 : 1)) };
}

/** What the nodes of a cluster have in common, in one family. */
type SharedParts = {
  readonly services: ServiceRules;
  readonly policies: ClusterPolicies;
  /** Without their network policies. */
  readonly bareNodes: BareHosts;
};

/** Made for each cluster when first asked for. */
class SharedPartsOf implements World {
  readonly #topology: Topology;
  readonly #made = new Map<string, SharedParts>();
  #before: SharedPartsOf | undefined;

  constructor(topology: Topology, before: SharedPartsOf | undefined) {
    this.#topology = topology;
    this.#before = before;
    if (before !== undefined) before.#before = undefined;
  }

  /** The cluster may be one of a version that had other network policies. */
  sharedBy(cluster: ClusterInfo, network: PodNetwork): SharedParts {
    const { name, vnet } = cluster;
    const key = `${name} IPv${vnet.family}`;
    let made = this.#made.get(key);
    if (made === undefined) {
      const half = vnet.family === 4 ? this.#topology : ipv6Half(this.#topology);
      const before = this.#before === undefined ? undefined : this.#before.#made.get(key);
      made = sharedPartsOf(half?.clusters.get(name) ?? cluster, network, before);
      this.#made.set(key, made);
    }
    return made;
  }
}

function sharedPartsOf(cluster: ClusterInfo, network: PodNetwork, before: SharedParts | undefined): SharedParts {
  return {
    services: serviceRulesOf(cluster, network, before?.services),
    policies: policiesOf(cluster, before?.policies),
    bareNodes: new BareHosts(before?.bareNodes),
  };
}

function policiesOf(cluster: ClusterInfo, before: ClusterPolicies | undefined): ClusterPolicies {
  return new ClusterPolicies(
    {
      cluster: cluster.name,
      family: cluster.vnet.family,
      engine: cluster.resource.properties.networkProfile.networkPolicy ?? "none",
      policies: cluster.networkPolicies,
      namespaces: new Map(cluster.namespaces.map(({ metadata }) => [metadata.name, metadata.labels ?? {}])),
      podsByNode: cluster.podsByNode,
      nodeAddresses: [...cluster.nodes.values()].map(({ nic }) => nic.primary),
    },
    before,
  );
}

const slicesOfFamilies = { 4: new WeakMap<object, readonly EndpointSlice[]>(), 6: new WeakMap<object, readonly EndpointSlice[]>() };

/** Slices have endpoints of one family. The same list for as long as that of the cluster is. */
function slicesOfFamily({ resource, vnet: { family }, endpointSlices }: ClusterInfo): readonly EndpointSlice[] {
  if (resource.properties.networkProfile.ipFamilies?.includes("IPv6") !== true) return endpointSlices;
  let found = slicesOfFamilies[family].get(endpointSlices);
  if (found === undefined) {
    found = endpointSlices.filter(({ addressType }) => addressType === `IPv${family}`);
    slicesOfFamilies[family].set(endpointSlices, found);
  }
  return found;
}

type ServiceRules = { readonly inputs: ServiceInputs; readonly shared: SharedRules };

/** The service rules that a cluster's nodes share, made when first needed; those of before while Services and endpoints are the same. */
function serviceRulesOf(cluster: ClusterInfo, network: PodNetwork, before: ServiceRules | undefined): ServiceRules {
  const inputs: ServiceInputs = {
    cluster: cluster.name,
    family: cluster.vnet.family,
    services: cluster.services,
    endpointSlices: slicesOfFamily(cluster),
    serviceCidr: cluster.serviceCidr,
    clusterCidrs: network.clusterCidrs(cluster),
    hasSharedProbe: cluster.resource.properties.networkProfile.loadBalancerProfile.clusterServiceLoadBalancerHealthProbeMode === "Shared",
  };
  const same =
    before !== undefined &&
    sameItems(before.inputs.services, inputs.services) &&
    sameItems(before.inputs.endpointSlices, inputs.endpointSlices) &&
    before.inputs.serviceCidr === inputs.serviceCidr &&
    before.inputs.hasSharedProbe === inputs.hasSharedProbe &&
    sameItems(before.inputs.clusterCidrs, inputs.clusterCidrs);
  return same ? before : { inputs, shared: sharedRules(inputs) };
}

/**
 * The load balancers of a cluster: the public one that is made with it for outbound traffic, and on it, or on an internal one, a frontend with rules
 * and probes for every Service of type LoadBalancer (cloud-provider-azure, pkg/provider/azure_loadbalancer.go, azure_standard.go).
 *
 * Floating IP is always on, as AKS sets it: the backend port is the Service's own.
 */

import {
  armId,
  backendPool,
  clusterDigits,
  clusterTag,
  frontendName,
  internalLoadBalancer,
  isNodeName,
  lastSegment,
  loadBalancerBaseName,
  loadBalancerRuleName,
  outboundBackendPool,
  outboundRule,
  publicIpName,
  publicLoadBalancer,
} from "../arm/names.ts";
import type { FrontendIPConfiguration, LoadBalancer, ManagedCluster, PublicIPAddress, Reference } from "../arm/resources.ts";
import { uidOf, uuidOf } from "../kube/identity.ts";
import type { Service, ServicePort } from "../kube/objects.ts";
import { armKey, type Key, type Resources } from "../resources/resources.ts";
import { syncWarnings, type Warning } from "./events.ts";
import { remembering } from "./memo.ts";
import { PublicAddresses } from "./public-addresses.ts";
import { SubnetAddresses } from "./subnet-addresses.ts";
import { clusterTags, getArm, keyOf, listArm, listKube, pathOf, poolsOf, Writes } from "./view.ts";

const syncFailed = "SyncLoadBalancerFailed";
const annotation = (name: string) => `service.beta.kubernetes.io/azure-load-balancer-${name}`;
/** Label of nodes that are no backends (k8s docs, labels-annotations-taints). */
const excludeLabel = "node.kubernetes.io/exclude-from-external-load-balancers";
/** Minutes. The rules' own default; the outbound rule has the cluster's. */
const defaultIdleTimeout = 4;
/** Seconds and failures (cloud-provider-azure, topics/loadbalancer). */
const [probeInterval, probeCount] = [5, 2];

type Rule = LoadBalancer["properties"]["loadBalancingRules"][number];
type Probe = LoadBalancer["properties"]["probes"][number];

/** Public addresses and subnets are shared by clusters, so all of them are done in one go. */
export const loadBalancers = remembering("load-balancers", (resources) => {
  const writes = new Writes(resources);
  const publicAddresses = new PublicAddresses(resources);
  let subnetAddresses: SubnetAddresses | undefined;
  const subnets = () => {
    subnetAddresses ??= new SubnetAddresses(resources);
    return subnetAddresses;
  };
  const wanted = new Set<Key>();
  const probes = new Set<Key>();
  const put = (value: LoadBalancer | PublicIPAddress) => {
    wanted.add(armKey(value.id));
    if (value.type === "Microsoft.Network/loadBalancers") for (const { id = "" } of value.properties.probes) probes.add(armKey(id));
    writes.putArm(value);
  };
  for (const cluster of listArm(resources, "Microsoft.ContainerService/managedClusters")) {
    reconcileCluster({ resources, writes, cluster, publicAddresses, subnets, put });
  }
  const state = publicAddresses.state();
  if (state !== undefined) writes.putArm(state);

  // What is tagged was made here; all that is not wanted any more goes, and so do the results of its probes, whoever wrote them.
  for (const type of ["Microsoft.Network/loadBalancers", "Microsoft.Network/publicIPAddresses"] as const) {
    for (const { id, tags } of listArm(resources, type)) {
      if (tags?.[clusterTag] !== undefined && !wanted.has(armKey(id))) writes.deleteArm(id);
    }
  }
  for (const { id, properties } of listArm(resources, "Drydock.Lab/probeResults")) {
    if (!probes.has(armKey(properties.probe.id))) writes.deleteArm(id);
  }
  return writes.list;
});

type Context = {
  readonly resources: Resources;
  readonly writes: Writes;
  readonly cluster: ManagedCluster;
  readonly publicAddresses: PublicAddresses;
  readonly subnets: () => SubnetAddresses;
  readonly put: (value: LoadBalancer | PublicIPAddress) => void;
};

/** A load balancer in the making. */
type Draft = {
  readonly id: string;
  readonly frontends: FrontendIPConfiguration[];
  readonly rules: Rule[];
  readonly probes: Probe[];
};

function reconcileCluster(context: Context): void {
  const { resources, writes, cluster, put } = context;
  const backends = backendsOf(resources, cluster);
  const publicDraft = draftOf(cluster, publicLoadBalancer);
  const internalDraft = draftOf(cluster, internalLoadBalancer);
  const outbound = outboundFrontends(context, publicDraft);
  publicDraft.frontends.push(...outbound);

  const warnings: Warning[] = [];
  for (const service of listKube(resources, cluster, "Service")) {
    let ip: string | undefined;
    if (isBalanced(service)) {
      const added = isInternal(service) ? addInternal(context, internalDraft, service) : addPublic(context, publicDraft, service);
      if ("ip" in added) ip = added.ip;
      else {
        const { namespace = "", name } = service.metadata;
        const message = `Error syncing load balancer: failed to ensure load balancer: ${added.problem}`;
        warnings.push({ reason: syncFailed, message, involvedObject: { kind: "Service", namespace, name } });
      }
    }
    writeIngress(writes, cluster, service, ip);
  }
  syncWarnings(resources, writes, cluster, [syncFailed], warnings);

  const profile = cluster.properties.networkProfile.loadBalancerProfile;
  const poolId = `${publicDraft.id}/backendAddressPools/${outboundBackendPool}`;
  put(
    finished(
      cluster,
      publicDraft,
      backends,
      [backendPool, outboundBackendPool],
      [
        {
          id: `${publicDraft.id}/outboundRules/${outboundRule}`,
          name: outboundRule,
          properties: {
            allocatedOutboundPorts: profile.allocatedOutboundPorts,
            frontendIPConfigurations: outbound.map((frontend) => ({ id: frontend.id ?? "" })),
            backendAddressPool: { id: poolId },
            protocol: "All",
            idleTimeoutInMinutes: profile.idleTimeoutInMinutes,
            enableTcpReset: true,
          },
        },
      ],
    ),
  );
  // The internal one disappears with its last frontend.
  if (internalDraft.frontends.length > 0) put(finished(cluster, internalDraft, backends, [backendPool], []));
}

function draftOf(cluster: ManagedCluster, name: string): Draft {
  const id = armId(cluster.properties.nodeResourceGroup, "Microsoft.Network/loadBalancers", name);
  return { id, frontends: [], rules: [], probes: [] };
}

function finished(
  cluster: ManagedCluster,
  draft: Draft,
  backends: readonly Reference[],
  pools: readonly string[],
  outboundRules: LoadBalancer["properties"]["outboundRules"],
): LoadBalancer {
  return {
    id: draft.id,
    name: lastSegment(draft.id),
    type: "Microsoft.Network/loadBalancers",
    ...located(cluster),
    tags: clusterTags(cluster),
    properties: {
      frontendIPConfigurations: draft.frontends,
      backendAddressPools: pools.map((name) => ({
        id: `${draft.id}/backendAddressPools/${name}`,
        name,
        properties: { backendIPConfigurations: backends },
      })),
      loadBalancingRules: draft.rules,
      probes: draft.probes,
      outboundRules,
    },
  };
}

/** Primary IP configurations of the nodes. A pool's order decides which ports a backend gets outbound: by pool, then by instance. */
function backendsOf(resources: Resources, cluster: ManagedCluster): readonly Reference[] {
  const digits = clusterDigits(cluster.properties.dnsPrefix);
  const backends: { name: string; id: string }[] = [];
  for (const node of listKube(resources, cluster, "Node")) {
    const { name, labels } = node.metadata;
    if (!isNodeName(name, digits) || labels?.[excludeLabel] !== undefined) continue;
    const machine = getArm(
      resources,
      "Microsoft.Compute/virtualMachineScaleSets/virtualMachines",
      node.spec.providerID.slice("azure://".length),
    );
    const nic = getArm(
      resources,
      "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/networkInterfaces",
      machine?.properties.networkProfile.networkInterfaces[0]?.id ?? "",
    );
    const id = nic?.properties.ipConfigurations.find((configuration) => configuration.properties.primary)?.id;
    // Names are sorted as numbers are: six digits of base 36.
    if (id !== undefined) backends.push({ name, id });
  }
  return backends.sort((a, b) => (a.name < b.name ? -1 : 1)).map(({ id }) => ({ id }));
}

/** AKS's own outbound addresses: their names are GUIDs. */
function outboundFrontends({ resources, cluster, publicAddresses, put }: Context, draft: Draft): FrontendIPConfiguration[] {
  const { count } = cluster.properties.networkProfile.loadBalancerProfile.managedOutboundIPs;
  const frontends: FrontendIPConfiguration[] = [];
  for (let index = 0; index < count; index++) {
    const name = uuidOf(`${armKey(cluster.id)}/outbound/${index}`);
    const address = publicAddress(resources, cluster, publicAddresses, name, { "aks-managed-type": "aks-slb-managed-outbound-ip" });
    if (address === undefined) continue;
    put(address);
    frontends.push({
      id: `${draft.id}/frontendIPConfigurations/${name}`,
      name,
      properties: { publicIPAddress: { id: address.id } },
    });
  }
  return frontends;
}

type Added = { readonly ip: string } | { readonly problem: string };

function addPublic({ resources, cluster, publicAddresses, put }: Context, draft: Draft, service: Service): Added {
  const base = loadBalancerBaseName(uidOf(keyOf(cluster, service), service));
  const requested = requestedAddress(service);
  if (requested !== undefined) {
    return { problem: `public address ${requested} is not a resource of the lab; leave it out, and one is made` };
  }
  const tags = { "k8s-azure-service": pathOf(service), "k8s-azure-cluster-name": publicLoadBalancer };
  const address = publicAddress(resources, cluster, publicAddresses, publicIpName(base), tags);
  if (address === undefined) return { problem: "no public address left in 198.18.0.0/15" };
  put(address);
  const frontend = frontendOf(draft, frontendName(base, undefined), { publicIPAddress: { id: address.id } });
  addRules(draft, service, base, undefined, frontend);
  return { ip: address.properties.ipAddress };
}

function addInternal(context: Context, draft: Draft, service: Service): Added {
  const { resources, cluster } = context;
  const base = loadBalancerBaseName(uidOf(keyOf(cluster, service), service));
  const nodeSubnet = poolsOf(resources, cluster)[0]?.properties.vnetSubnetID ?? "";
  const annotated = service.metadata.annotations?.[annotation("internal-subnet")];
  const subnet = annotated === undefined ? nodeSubnet : nodeSubnet.slice(0, nodeSubnet.lastIndexOf("/") + 1) + annotated;
  if (context.subnets().subnet(subnet) === undefined) {
    return { problem: `subnet ${annotated ?? subnet} does not exist in the cluster's VNet` };
  }
  const name = frontendName(base, annotated);
  const address = internalAddress(context, draft, service, name, subnet);
  if ("problem" in address) return address;

  // Services that ask for the same address share the frontend of the first; their ports must differ.
  const shared = draft.frontends.find((frontend) => frontend.properties.privateIPAddress === address.ip);
  const clash = shared === undefined ? undefined : service.spec.ports?.find((port) => hasRule(draft, shared, port));
  if (clash !== undefined) return { problem: `port ${clash.port} of ${address.ip} is another Service's` };
  const frontend = shared ?? frontendOf(draft, name, { privateIPAddress: address.ip, subnet: { id: subnet } });
  addRules(draft, service, base, annotated, frontend);
  return address;
}

/** The address that the Service asks for, else the one that it has, else the lowest free one of the subnet. */
function internalAddress({ resources, subnets }: Context, draft: Draft, service: Service, name: string, subnet: string): Added {
  const before = getArm(resources, "Microsoft.Network/loadBalancers", draft.id)?.properties.frontendIPConfigurations;
  const inSubnet = (frontend: FrontendIPConfiguration) => armKey(frontend.properties.subnet?.id ?? "") === armKey(subnet);
  const own = before?.find((frontend) => frontend.name === name && inSubnet(frontend))?.properties.privateIPAddress;
  const requested = requestedAddress(service);
  if (requested === undefined) {
    const ip = own ?? subnets().take(subnet, 1)?.[0];
    return ip === undefined ? { problem: `SubnetIsFull: needs 1 address, ${subnets().describe(subnet)}` } : { ip };
  }
  if (!subnets().isAssignable(subnet, requested)) {
    return { problem: `PrivateIPAddressNotInSubnet: ${requested} is not assignable in subnet ${lastSegment(subnet)}` };
  }
  const isBalanced = [...draft.frontends, ...(before ?? [])].some((frontend) => frontend.properties.privateIPAddress === requested);
  if (isBalanced || subnets().takeExactly(subnet, requested)) return { ip: requested };
  return { problem: `PrivateIPAddressInUse: ${requested} is in use` };
}

function hasRule(draft: Draft, frontend: FrontendIPConfiguration, port: ServicePort): boolean {
  return draft.rules.some(
    ({ properties }) =>
      properties.frontendIPConfiguration.id === frontend.id &&
      properties.frontendPort === port.port &&
      properties.protocol === protocolOf(port),
  );
}

function frontendOf(draft: Draft, name: string, properties: FrontendIPConfiguration["properties"]): FrontendIPConfiguration {
  const frontend = { id: `${draft.id}/frontendIPConfigurations/${name}`, name, properties };
  draft.frontends.push(frontend);
  return frontend;
}

function addRules(draft: Draft, service: Service, base: string, subnet: string | undefined, frontend: FrontendIPConfiguration): void {
  const { spec, metadata } = service;
  const pool = { id: `${draft.id}/backendAddressPools/${backendPool}` };
  for (const port of spec.ports ?? []) {
    const name = loadBalancerRuleName(base, subnet, port.protocol ?? "TCP", port.port);
    const probe = probeOf(draft, service, port, name);
    if (probe !== undefined) draft.probes.push(probe);
    draft.rules.push({
      id: `${draft.id}/loadBalancingRules/${name}`,
      name,
      properties: {
        frontendIPConfiguration: { id: frontend.id ?? "" },
        backendAddressPool: pool,
        ...(probe?.id === undefined ? {} : { probe: { id: probe.id } }),
        protocol: protocolOf(port),
        frontendPort: port.port,
        backendPort: port.port,
        enableFloatingIP: true,
        loadDistribution: spec.sessionAffinity === "ClientIP" ? "SourceIP" : "Default",
        idleTimeoutInMinutes: Number(metadata.annotations?.[annotation("tcp-idle-timeout")] ?? defaultIdleTimeout),
        disableOutboundSnat: true,
      },
    });
  }
}

/** Local: the node's health answer for the Service. Cluster: the node port itself; UDP cannot be asked. */
function probeOf(draft: Draft, { spec }: Service, port: ServicePort, name: string): Probe | undefined {
  const id = `${draft.id}/probes/${name}`;
  const timing = { intervalInSeconds: probeInterval, numberOfProbes: probeCount };
  if (spec.externalTrafficPolicy === "Local") {
    if (spec.healthCheckNodePort === undefined) return undefined;
    return { id, name, properties: { protocol: "Http", port: spec.healthCheckNodePort, requestPath: "/healthz", ...timing } };
  }
  if (port.nodePort === undefined || protocolOf(port) !== "Tcp") return undefined;
  const http = port.appProtocol?.toLowerCase();
  if (http === "http" || http === "https") {
    return { id, name, properties: { protocol: http === "http" ? "Http" : "Https", port: port.nodePort, requestPath: "/", ...timing } };
  }
  return { id, name, properties: { protocol: "Tcp", port: port.nodePort, ...timing } };
}

function protocolOf(port: ServicePort): "Tcp" | "Udp" {
  return port.protocol === "UDP" ? "Udp" : "Tcp";
}

/** The address as it is, or a new one. */
function publicAddress(
  resources: Resources,
  cluster: ManagedCluster,
  addresses: PublicAddresses,
  name: string,
  tags: Readonly<Record<string, string>>,
): PublicIPAddress | undefined {
  const id = armId(cluster.properties.nodeResourceGroup, "Microsoft.Network/publicIPAddresses", name);
  const ipAddress = getArm(resources, "Microsoft.Network/publicIPAddresses", id)?.properties.ipAddress ?? addresses.take();
  if (ipAddress === undefined) return undefined;
  return {
    id,
    name,
    type: "Microsoft.Network/publicIPAddresses",
    ...located(cluster),
    tags: { ...clusterTags(cluster), ...tags },
    properties: { ipAddress, publicIPAllocationMethod: "Static" },
  };
}

/** Its addresses must be there first: rules and probes need its ports. */
function isBalanced({ spec }: Service): boolean {
  if (spec.type !== "LoadBalancer" || spec.clusterIP === undefined) return false;
  return spec.externalTrafficPolicy !== "Local" || spec.healthCheckNodePort !== undefined;
}

function isInternal({ metadata }: Service): boolean {
  return metadata.annotations?.[annotation("internal")]?.toLowerCase() === "true";
}

function requestedAddress({ metadata, spec }: Service): string | undefined {
  return metadata.annotations?.[annotation("ipv4")] ?? (spec.loadBalancerIP === "" ? undefined : spec.loadBalancerIP);
}

function writeIngress(writes: Writes, cluster: ManagedCluster, service: Service, ip: string | undefined): void {
  const before = service.status?.loadBalancer?.ingress ?? [];
  if (ip === undefined ? before.length === 0 : before.length === 1 && before[0]?.ip === ip) return;
  const updated: Service = { ...service, status: { ...service.status, loadBalancer: ip === undefined ? {} : { ingress: [{ ip }] } } };
  writes.putKube(cluster, updated);
}

function located(cluster: ManagedCluster): { readonly location?: string } {
  return cluster.location === undefined ? {} : { location: cluster.location };
}

/**
 * The load balancers of a cluster: the public one that is made with it for outbound traffic, and on it, or on an internal one, a frontend with rules
 * and probes for every Service of type LoadBalancer (cloud-provider-azure, pkg/provider/azure_loadbalancer.go, azure_standard.go).
 */

import { isDualStack } from "../arm/dual-stack.ts";
import {
  armId,
  backendPool,
  clusterTag,
  frontendName,
  inIpv6,
  internalLoadBalancer,
  isIpv6Name,
  lastSegment,
  loadBalancerBaseName,
  loadBalancerRuleName,
  outboundBackendPool,
  outboundRule,
  publicIpName,
  publicLoadBalancer,
} from "../arm/names.ts";
import type {
  FrontendIPConfiguration,
  IPVersion,
  LoadBalancer,
  ManagedCluster,
  NatGateway,
  PublicIPAddress,
  PublicIPPrefix,
  Reference,
} from "../arm/resources.ts";
import { isOlder } from "../arm/rules/versions.ts";
import { uidOf, uuidOf } from "../kube/identity.ts";
import { familiesOf } from "../kube/ip-families.ts";
import { loadBalancerAccess } from "../kube/load-balancer-access.ts";
import type { Service, ServicePort } from "../kube/objects.ts";
import { armKey, type Key, type Resources } from "../resources/resources.ts";
import { azureAnnotation, floatsInIpv6, hasFloatingIp, isOn, portAnnotation } from "./azure-annotations.ts";
import { syncWarnings, type Warning } from "./events.ts";
import { Ipv6Addresses, ipv6Configuration } from "./ipv6-addresses.ts";
import { attachNatGateway, managedNatGateway } from "./managed-nat-gateway.ts";
import { remembering } from "./memo.ts";
import { PublicAddresses } from "./public-addresses.ts";
import { annotatedSubnet, frontendSubnet, hasAllPorts, namedAddress, requestedAddress, ruledPorts } from "./service-frontends.ts";
import { healthCheckProbe, type ProbeSettings, portProbe, sharedProbe, sharedProbeName } from "./service-probes.ts";
import { SubnetAddresses } from "./subnet-addresses.ts";
import { clusterTags, getArm, keyOf, listArm, listKube, pathOf, poolsOf, Writes } from "./view.ts";

const syncFailed = "SyncLoadBalancerFailed";
/** Label of nodes that are no backends (k8s docs, labels-annotations-taints). */
const excludeLabel = "node.kubernetes.io/exclude-from-external-load-balancers";
/** Minutes. The rules' own default; the outbound rule has the cluster's. */
const defaultIdleTimeout = 4;
type Rule = LoadBalancer["properties"]["loadBalancingRules"][number];
type Probe = LoadBalancer["properties"]["probes"][number];

const madeTypes = ["Microsoft.Network/loadBalancers", "Microsoft.Network/natGateways", "Microsoft.Network/publicIPAddresses"] as const;

/** Public addresses and subnets are shared by clusters, so all of them are done in one go. */
export const loadBalancers = remembering("load-balancers", (resources) => {
  const writes = new Writes(resources);
  const publicAddresses = new PublicAddresses(resources);
  let subnetAddresses: SubnetAddresses | undefined;
  const subnets = () => {
    subnetAddresses ??= new SubnetAddresses(resources);
    return subnetAddresses;
  };
  let ipv6Addresses: Ipv6Addresses | undefined;
  const ipv6 = () => {
    ipv6Addresses ??= new Ipv6Addresses(resources);
    return ipv6Addresses;
  };
  const wanted = new Set<Key>();
  const probes = new Set<Key>();
  const put = (value: LoadBalancer | PublicIPAddress | NatGateway) => {
    wanted.add(armKey(value.id));
    if (value.type === "Microsoft.Network/loadBalancers") for (const { id = "" } of value.properties.probes) probes.add(armKey(id));
    writes.putArm(value);
  };
  for (const cluster of listArm(resources, "Microsoft.ContainerService/managedClusters")) {
    reconcileCluster({ resources, writes, cluster, publicAddresses, subnets, ipv6, put });
  }
  const state = publicAddresses.state();
  if (state !== undefined) writes.putArm(state);

  // What is tagged was made here; all that is not wanted any more goes, and so do the results of its probes, whoever wrote them.
  for (const type of madeTypes) {
    for (const { id, tags } of listArm(resources, type)) {
      if (tags?.[clusterTag] !== undefined && !wanted.has(armKey(id))) writes.deleteArm(id);
    }
  }
  for (const { tags, properties } of listArm(resources, "Microsoft.Network/loadBalancers")) {
    if (tags?.[clusterTag] === undefined) for (const { id = "" } of properties.probes) probes.add(armKey(id));
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
  readonly ipv6: () => Ipv6Addresses;
  readonly put: (value: LoadBalancer | PublicIPAddress | NatGateway) => void;
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
  const pools = isDualStack(cluster) ? [backendPool, inIpv6(backendPool)] : [backendPool];
  const publicDraft = draftOf(cluster, publicLoadBalancer);
  const internalDraft = draftOf(cluster, internalLoadBalancer);
  const outbound = outboundFrontends(context, publicDraft);
  const outboundIpv6 = outboundIpv6Frontends(context, publicDraft);
  publicDraft.frontends.push(...outbound);
  const nat = managedNatGateway(cluster, (index) => ownAddress(context, `nat/${index}`, {}));
  for (const address of nat?.addresses ?? []) put(address);
  if (nat !== undefined) put(nat.gateway);
  attachNatGateway(resources, writes, cluster, nat?.gateway);

  const warnings: Warning[] = [];
  const services = listKube(resources, cluster, "Service").map((service) => ({ service, ips: [] as string[] }));
  const balance = (family: IPVersion, mayHave: (draft: Draft) => boolean) => {
    for (const { service, ips } of services) {
      if (!isBalanced(service) || !balancedFamilies(cluster, service).includes(family)) continue;
      const place = placeOf(cluster, service, family);
      const { isInternal, problem = missingNodePort(service, place) } = loadBalancerAccess(service);
      const draft = isInternal ? internalDraft : publicDraft;
      const add = () => (isInternal ? addInternal(context, draft, service, place) : addPublic(context, draft, service, place));
      const refused = problem ?? (mayHave(draft) ? undefined : withoutIpv4(draft));
      const added = refused === undefined ? add() : { problem: refused };
      if ("ip" in added) ips.push(added.ip);
      else {
        const { namespace = "", name } = service.metadata;
        const message = `Error syncing load balancer: failed to ensure load balancer: ${added.problem}`;
        warnings.push({ reason: syncFailed, message, involvedObject: { kind: "Service", namespace, name } });
      }
    }
  };
  // IPv4 first, as the cloud provider orders a load balancer's frontends, and since IPv6 needs one of IPv4 beside it.
  balance("IPv4", () => true);
  const withIpv4 = new Set([publicDraft, internalDraft].filter(({ frontends }) => frontends.length > 0));
  publicDraft.frontends.push(...outboundIpv6);
  balance("IPv6", (draft) => withIpv4.has(draft));
  for (const { service, ips } of services) writeIngress(writes, cluster, service, ips);
  syncWarnings(resources, writes, cluster, [syncFailed], warnings);

  // Without an outbound rule there is none before the first public Service, and none after the last (AKS docs, egress-outboundtype.md).
  const hasOutboundRule = cluster.properties.networkProfile.outboundType === "loadBalancer";
  if (hasOutboundRule) {
    const rules = [outboundRuleOf(cluster, publicDraft, outbound, outboundRule, outboundBackendPool)];
    // The names of IPv6's outbound rule and its pool are not documented.
    if (outboundIpv6.length > 0) {
      rules.push(outboundRuleOf(cluster, publicDraft, outboundIpv6, inIpv6(outboundRule), inIpv6(outboundBackendPool)));
    }
    const outboundPools = outboundIpv6.length === 0 ? [outboundBackendPool] : [outboundBackendPool, inIpv6(outboundBackendPool)];
    put(finished(cluster, publicDraft, backends, [...pools, ...outboundPools], rules));
  } else if (publicDraft.frontends.length > 0) put(finished(cluster, publicDraft, backends, pools, []));
  // The internal one disappears with its last frontend.
  if (internalDraft.frontends.length > 0) put(finished(cluster, internalDraft, backends, pools, []));
}

function outboundRuleOf(
  cluster: ManagedCluster,
  draft: Draft,
  frontends: readonly FrontendIPConfiguration[],
  name: string,
  pool: string,
): LoadBalancer["properties"]["outboundRules"][number] {
  const { allocatedOutboundPorts, idleTimeoutInMinutes } = cluster.properties.networkProfile.loadBalancerProfile;
  return {
    id: `${draft.id}/outboundRules/${name}`,
    name,
    properties: {
      allocatedOutboundPorts,
      frontendIPConfigurations: frontends.map((frontend) => ({ id: frontend.id ?? "" })),
      backendAddressPool: { id: `${draft.id}/backendAddressPools/${pool}` },
      protocol: "All",
      idleTimeoutInMinutes,
      enableTcpReset: true,
    },
  };
}

function draftOf(cluster: ManagedCluster, name: string): Draft {
  const id = armId(cluster.properties.nodeResourceGroup, "Microsoft.Network/loadBalancers", name);
  return { id, frontends: [], rules: [], probes: [] };
}

function finished(
  cluster: ManagedCluster,
  draft: Draft,
  backends: Backends,
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
        properties: { backendIPConfigurations: isIpv6Name(name) ? backends.ipv6 : backends.ipv4 },
      })),
      loadBalancingRules: draft.rules,
      probes: draft.probes,
      outboundRules,
    },
  };
}

/** IP configurations of the nodes: the primary ones, and those of IPv6. */
type Backends = { readonly ipv4: readonly Reference[]; readonly ipv6: readonly Reference[] };

/** A pool has one family. A pool's order decides which ports a backend gets outbound: by pool, then by instance. */
function backendsOf(resources: Resources, cluster: ManagedCluster): Backends {
  const backends: { name: string; id: string; ipv6: string | undefined }[] = [];
  for (const node of listKube(resources, cluster, "Node")) {
    const { name, labels } = node.metadata;
    if (labels?.[excludeLabel] !== undefined) continue;
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
    const ipv6 = nic === undefined ? undefined : ipv6Configuration(nic)?.id;
    if (id !== undefined) backends.push({ name, id, ipv6 });
  }
  backends.sort((a, b) => (a.name < b.name ? -1 : 1));
  return { ipv4: backends.map(({ id }) => ({ id })), ipv6: backends.flatMap(({ ipv6 }) => (ipv6 === undefined ? [] : [{ id: ipv6 }])) };
}

/** The frontends of the outbound rule: addresses and prefixes of one's own, or addresses that AKS makes. */
function outboundFrontends(context: Context, draft: Draft): FrontendIPConfiguration[] {
  const { cluster, put } = context;
  const { outboundType, loadBalancerProfile } = cluster.properties.networkProfile;
  if (outboundType !== "loadBalancer") return [];
  const { outboundIPs, outboundIPPrefixes, managedOutboundIPs } = loadBalancerProfile;
  const frontend = (name: string, properties: FrontendIPConfiguration["properties"]): FrontendIPConfiguration => ({
    id: `${draft.id}/frontendIPConfigurations/${name}`,
    name,
    properties,
  });
  const own = [
    ...(outboundIPs?.publicIPs ?? []).map((publicIPAddress) => frontend(lastSegment(publicIPAddress.id), { publicIPAddress })),
    ...(outboundIPPrefixes?.publicIPPrefixes ?? []).map((publicIPPrefix) => frontend(lastSegment(publicIPPrefix.id), { publicIPPrefix })),
  ];
  if (own.length > 0) return own;
  return Array.from({ length: managedOutboundIPs?.count ?? 0 }, (_, index) => {
    const address = ownAddress(context, `outbound/${index}`, { "aks-managed-type": "aks-slb-managed-outbound-ip" });
    if (address === undefined) return [];
    put(address);
    return [frontend(address.name, { publicIPAddress: { id: address.id } })];
  }).flat();
}

/** Those of IPv6's outbound rule, which a dual-stack cluster has beside IPv4's. */
function outboundIpv6Frontends(context: Context, draft: Draft): FrontendIPConfiguration[] {
  const { outboundType, loadBalancerProfile } = context.cluster.properties.networkProfile;
  if (outboundType !== "loadBalancer" || !isDualStack(context.cluster)) return [];
  return Array.from({ length: loadBalancerProfile.managedOutboundIPs?.countIPv6 ?? 0 }, (_, index) => {
    const address = ownAddress(context, `outbound-ipv6/${index}`, { "aks-managed-type": "aks-slb-managed-outbound-ip" }, true);
    if (address === undefined) return [];
    context.put(address);
    const { name } = address;
    return [{ id: `${draft.id}/frontendIPConfigurations/${name}`, name, properties: { publicIPAddress: { id: address.id } } }];
  }).flat();
}

/** AKS's own public addresses: their names are GUIDs. */
function ownAddress(context: Context, what: string, tags: Readonly<Record<string, string>>, isIpv6 = false): PublicIPAddress | undefined {
  return publicAddress(context, uuidOf(`${armKey(context.cluster.id)}/${what}`), tags, undefined, isIpv6);
}

/** A family of a Service, and how that tells in names: only of a Service that has both. */
type Place = { readonly isIpv6: boolean; readonly named: (name: string) => string };

function placeOf(cluster: ManagedCluster, service: Service, family: IPVersion): Place {
  const isIpv6 = family === "IPv6";
  return { isIpv6, named: isIpv6 && balancedFamilies(cluster, service).length > 1 ? inIpv6 : (name) => name };
}

/** From this version on a Service of both families has a frontend of each; before, of the first alone (AKS docs: configure-dual-stack). */
const bothFamiliesSince = "1.27";

function balancedFamilies({ properties }: ManagedCluster, service: Service): readonly IPVersion[] {
  const { kubernetesVersion } = properties;
  const isOld = kubernetesVersion !== undefined && isOlder(kubernetesVersion, bothFamiliesSince);
  return isOld ? familiesOf(service).slice(0, 1) : familiesOf(service);
}

/** What ARM says to a frontend of IPv6 without one of IPv4 (kubernetes-sigs/cloud-provider-azure, issue 1831). */
function withoutIpv4({ id }: Draft): string {
  return `AtleastOneIpV4RequiredForIpV6LbFrontendIpConfiguration: load balancer ${lastSegment(id)} has no IPv4 frontend beside the IPv6 one; add a Service with IPv4 to it`;
}

type Added = { readonly ip: string } | { readonly problem: string };

function addPublic(context: Context, draft: Draft, service: Service, place: Place): Added {
  const base = loadBalancerBaseName(uidOf(keyOf(context.cluster, service), service));
  const address = servicePublicAddress(context, service, base, place);
  if ("problem" in address) return address;
  const ip = address.found.properties.ipAddress;
  if (ip === undefined) return { problem: `public address ${address.found.name} has no address yet` };

  // An address is one frontend's; Services that ask for the same one share it, and their ports must differ.
  const shared = draft.frontends.find(({ properties }) => armKey(properties.publicIPAddress?.id ?? "") === armKey(address.found.id));
  const clash = shared === undefined ? undefined : clashOf(draft, shared, service);
  if (clash !== undefined) return { problem: `${clash} of ${ip} is another Service's` };
  const frontend = shared ?? frontendOf(draft, place.named(frontendName(base, undefined)), { publicIPAddress: { id: address.found.id } });
  addRules(context, draft, service, base, undefined, frontend, place);
  return { ip };
}

/** The public address that the Service names or asks for, else one that is made for it and kept. */
function servicePublicAddress(
  context: Context,
  service: Service,
  base: string,
  place: Place,
): { readonly found: PublicIPAddress } | { readonly problem: string } {
  const { resources, put } = context;
  const all = listArm(resources, "Microsoft.Network/publicIPAddresses");
  const named = namedAddress(service, place.isIpv6);
  if (named !== undefined) {
    const isOfFamily = (one: PublicIPAddress) => (one.properties.publicIPAddressVersion === "IPv6") === place.isIpv6;
    const found = all.find((one) => one.name.toLowerCase() === named.name.toLowerCase() && isOfFamily(one));
    const what = place.isIpv6 ? "public IPv6 address" : "public address";
    return found === undefined ? { problem: `${what} ${named.name}, of annotation ${named.annotation}, does not exist` } : { found };
  }
  const requested = requestedAddress(service, place.isIpv6);
  if (requested !== undefined) {
    const found = all.find(({ properties }) => properties.ipAddress === requested);
    if (found === undefined) {
      return { problem: `public address ${requested} is not a resource of the lab; leave it out, and one is made` };
    }
    // Another Service's stays as long as that Service wants it.
    return { found };
  }
  const tags = { "k8s-azure-service": pathOf(service), "k8s-azure-cluster-name": publicLoadBalancer };
  const prefixId = place.isIpv6 ? undefined : azureAnnotation(service, "azure-pip-prefix-id");
  const prefix = prefixId === undefined ? undefined : prefixOf(resources, prefixId);
  if (prefixId !== undefined && prefix === undefined) return { problem: `public IP prefix ${prefixId} does not exist` };
  const name = place.named(prefix === undefined ? publicIpName(base) : `${publicIpName(base)}-${prefix.name}`);
  const found = publicAddress(context, name, tags, prefix, place.isIpv6);
  if (found === undefined) {
    return {
      problem: prefix === undefined ? "no public address left in 198.18.0.0/15" : `no address left in public IP prefix ${prefix.name}`,
    };
  }
  put(found);
  return { found };
}

/** By its id, or by its name alone where the id is of another subscription. */
function prefixOf(resources: Resources, id: string): PublicIPPrefix | undefined {
  const all = listArm(resources, "Microsoft.Network/publicIPPrefixes");
  return (
    all.find((prefix) => armKey(prefix.id) === armKey(id)) ?? all.find(({ name }) => name.toLowerCase() === lastSegment(id).toLowerCase())
  );
}

function addInternal(context: Context, draft: Draft, service: Service, place: Place): Added {
  const { resources, cluster } = context;
  const base = loadBalancerBaseName(uidOf(keyOf(cluster, service), service));
  const nodeSubnet = poolsOf(resources, cluster)[0]?.properties.vnetSubnetID ?? "";
  const annotated = annotatedSubnet(service);
  const subnet = frontendSubnet(service, nodeSubnet);
  if (context.subnets().subnet(subnet) === undefined) {
    return { problem: `subnet ${annotated ?? subnet} does not exist in the cluster's VNet` };
  }
  if (place.isIpv6 && hasAllPorts(service)) {
    return { problem: "high-availability ports need floating IP, which internal IPv6 frontends do not have" };
  }
  const name = place.named(frontendName(base, annotated));
  const address = internalAddress(context, draft, service, name, subnet, place);
  if ("problem" in address) return address;

  // Services that ask for the same address share the frontend of the first; their ports must differ.
  const shared = draft.frontends.find((frontend) => frontend.properties.privateIPAddress === address.ip);
  const clash = shared === undefined ? undefined : clashOf(draft, shared, service);
  if (clash !== undefined) return { problem: `${clash} of ${address.ip} is another Service's` };
  const frontend = shared ?? frontendOf(draft, name, { privateIPAddress: address.ip, subnet: { id: subnet } });
  addRules(context, draft, service, base, annotated, frontend, place);
  return address;
}

/** The address that the Service asks for, else the one that it has, else the lowest free one of the subnet. */
function internalAddress(
  { resources, subnets, ipv6 }: Context,
  draft: Draft,
  service: Service,
  name: string,
  subnet: string,
  place: Place,
): Added {
  const before = getArm(resources, "Microsoft.Network/loadBalancers", draft.id)?.properties.frontendIPConfigurations;
  const inSubnet = (frontend: FrontendIPConfiguration) => armKey(frontend.properties.subnet?.id ?? "") === armKey(subnet);
  const own = before?.find((frontend) => frontend.name === name && inSubnet(frontend))?.properties.privateIPAddress;
  const requested = requestedAddress(service, place.isIpv6);
  if (place.isIpv6) {
    const ip = requested === undefined || requested === own ? (own ?? ipv6().take(subnet)) : ipv6().takeExactly(subnet, requested);
    return ip === undefined ? { problem: `subnet ${lastSegment(subnet)} has no such IPv6 address to give` } : { ip };
  }
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

/** What of the Service another one has on the same frontend. */
function clashOf(draft: Draft, frontend: FrontendIPConfiguration, service: Service): string | undefined {
  const others = draft.rules.filter(({ properties }) => properties.frontendIPConfiguration.id === frontend.id);
  if (others.length > 0 && (hasAllPorts(service) || others.some(({ properties }) => properties.protocol === "All"))) return "every port";
  const port = service.spec.ports?.find((candidate) =>
    others.some(({ properties }) => properties.frontendPort === candidate.port && properties.protocol === protocolOf(candidate)),
  );
  return port === undefined ? undefined : `port ${port.port}`;
}

function frontendOf(draft: Draft, name: string, properties: FrontendIPConfiguration["properties"]): FrontendIPConfiguration {
  const frontend = { id: `${draft.id}/frontendIPConfigurations/${name}`, name, properties };
  draft.frontends.push(frontend);
  return frontend;
}

function addRules(
  { cluster }: Context,
  draft: Draft,
  service: Service,
  base: string,
  subnet: string | undefined,
  frontend: FrontendIPConfiguration,
  place: Place,
): void {
  const ports = service.spec.ports ?? [];
  const floats = hasFloatingIpIn(service, place);
  const pool = place.isIpv6 ? inIpv6(backendPool) : backendPool;
  const nameOf = ({ protocol = "TCP", port }: Pick<ServicePort, "protocol" | "port">) =>
    place.named(loadBalancerRuleName(base, subnet, protocol, port));
  const addProbe = (name: string, settings: ProbeSettings | undefined): Probe | undefined => {
    if (settings === undefined) return undefined;
    const probe = { id: `${draft.id}/probes/${name}`, name, properties: settings };
    if (!draft.probes.some((known) => known.name === name)) draft.probes.push(probe);
    return probe;
  };
  const addRule = (name: string, probe: Probe | undefined, properties: RuleEnds) => {
    draft.rules.push({
      id: `${draft.id}/loadBalancingRules/${name}`,
      name,
      properties: {
        frontendIPConfiguration: { id: frontend.id ?? "" },
        backendAddressPool: { id: `${draft.id}/backendAddressPools/${pool}` },
        ...(probe?.id === undefined ? {} : { probe: { id: probe.id } }),
        ...properties,
        loadDistribution: service.spec.sessionAffinity === "ClientIP" ? "SourceIP" : "Default",
        idleTimeoutInMinutes: Number(azureAnnotation(service, "azure-load-balancer-tcp-idle-timeout") ?? defaultIdleTimeout),
        enableTcpReset: !isOn(azureAnnotation(service, "azure-load-balancer-disable-tcp-reset")),
        disableOutboundSnat: true,
      },
    });
  };

  const health = healthCheckProbe(service);
  const version = cluster.properties.kubernetesVersion;
  const isShared = health === undefined && hasSharedProbe(cluster);
  const common =
    health === undefined
      ? isShared
        ? addProbe(place.isIpv6 ? inIpv6(sharedProbeName) : sharedProbeName, sharedProbe)
        : undefined
      : addProbe(nameOf({ protocol: "TCP", port: health.port }), health);
  const probeOf = (port: ServicePort, name: string) => (isShared ? undefined : addProbe(name, portProbe(service, port, version))) ?? common;

  if (hasAllPorts(service)) {
    const [first] = ports;
    if (first === undefined) return;
    const name = nameOf({ protocol: "TCP", port: first.port });
    const asked = common === undefined ? ports.find((port) => portProbe(service, port, version) !== undefined) : undefined;
    const probe = common ?? (asked === undefined ? undefined : probeOf(asked, name));
    addRule(name, probe, { protocol: "All", frontendPort: 0, backendPort: 0, enableFloatingIP: true });
    return;
  }
  for (const port of ruledPorts(service)) {
    const name = nameOf(port);
    const probe = isOn(portAnnotation(service, port.port, "no_probe_rule")) ? undefined : probeOf(port, name);
    const backendPort = floats ? port.port : (port.nodePort ?? 0);
    addRule(name, probe, {
      protocol: protocolOf(port),
      frontendPort: port.port,
      backendPort,
      enableFloatingIP: floats,
    });
  }
}

/** Without floating IP every rule leads to a node port (cloud-provider-azure, topics/loadbalancer). */
function missingNodePort(service: Service, place: Place): string | undefined {
  if (hasFloatingIpIn(service, place)) return undefined;
  const port = service.spec.ports?.find(({ nodePort }) => nodePort === undefined);
  return port === undefined ? undefined : `port ${port.port} has no node port, which a load balancer without floating IP sends to`;
}

function hasFloatingIpIn(service: Service, { isIpv6 }: Place): boolean {
  return isIpv6 ? floatsInIpv6(service) : hasFloatingIp(service);
}

type RuleEnds = Pick<Rule["properties"], "protocol" | "frontendPort" | "backendPort" | "enableFloatingIP">;

function hasSharedProbe(cluster: ManagedCluster): boolean {
  return cluster.properties.networkProfile.loadBalancerProfile.clusterServiceLoadBalancerHealthProbeMode === "Shared";
}

function protocolOf(port: ServicePort): "Tcp" | "Udp" {
  return port.protocol === "UDP" ? "Udp" : "Tcp";
}

/** The address as it is, or a new one: of `prefix` if there is one. */
function publicAddress(
  { resources, cluster, publicAddresses }: Context,
  name: string,
  tags: Readonly<Record<string, string>>,
  prefix?: PublicIPPrefix,
  isIpv6 = false,
): PublicIPAddress | undefined {
  const id = armId(cluster.properties.nodeResourceGroup, "Microsoft.Network/publicIPAddresses", name);
  const before = getArm(resources, "Microsoft.Network/publicIPAddresses", id)?.properties.ipAddress;
  const block = prefix?.properties.ipPrefix;
  const taken = () => (isIpv6 ? publicAddresses.takeIpv6() : publicAddresses.take());
  const ipAddress = before ?? (prefix === undefined ? taken() : block === undefined ? undefined : publicAddresses.takeOf(block));
  if (ipAddress === undefined) return undefined;
  return {
    id,
    name,
    type: "Microsoft.Network/publicIPAddresses",
    ...located(cluster),
    tags: { ...clusterTags(cluster), ...tags },
    properties: {
      ipAddress,
      publicIPAllocationMethod: "Static",
      ...(isIpv6 ? { publicIPAddressVersion: "IPv6" } : {}),
      ...(prefix === undefined ? {} : { publicIPPrefix: { id: prefix.id } }),
    },
  };
}

/** Its addresses must be there first: rules and probes need its ports. */
function isBalanced({ spec }: Service): boolean {
  if (spec.type !== "LoadBalancer" || spec.clusterIP === undefined) return false;
  return spec.externalTrafficPolicy !== "Local" || spec.healthCheckNodePort !== undefined;
}

/** Its own address, and those that it says others forward to it. */
function writeIngress(writes: Writes, cluster: ManagedCluster, service: Service, own: readonly string[]): void {
  const further = azureAnnotation(service, "azure-additional-public-ips")?.split(",") ?? [];
  const ips = own.length === 0 ? [] : [...new Set([...own, ...further.map((text) => text.trim()).filter((text) => text !== "")])];
  const before = service.status?.loadBalancer?.ingress ?? [];
  if (before.length === ips.length && before.every((one, index) => one.ip === ips[index])) return;
  const loadBalancer = ips.length === 0 ? {} : { ingress: ips.map((one) => ({ ip: one })) };
  const updated: Service = { ...service, status: { ...service.status, loadBalancer } };
  writes.putKube(cluster, updated);
}

function located(cluster: ManagedCluster): { readonly location?: string } {
  return cluster.location === undefined ? {} : { location: cluster.location };
}

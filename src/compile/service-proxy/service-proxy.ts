/**
 * What kube-proxy does on every node, in flat maps: no chain per Service or endpoint, except for session affinity, which needs its memory.
 *
 * A verdict map sends (address, protocol, port) to one chain per policy and *number of endpoints*; that chain draws a slot into the packet's
 * mark and translates through one map keyed by (address, protocol, port, slot). So a Service more is a few map elements more, and a packet pays
 * the same for ten Services and ten thousand. What all nodes of a cluster share is compiled once ({@link sharedRules}) and is the same object in
 * every node's table; a node adds only which endpoints are its own ({@link nodeTable}).
 *
 * Semantics after kubernetes/kubernetes pkg/proxy/nftables (README and proxier.go) and pkg/proxy/topology.go. The decision to masquerade travels
 * in the connection's mark (kube-proxy: packet mark 0x4000), since the packet's mark holds the slot.
 */

import { hashDigits } from "../../ir/names.ts";
import type { Listener, Origin } from "../../ir/network.ts";
import {
  type Chain,
  type Field,
  type MapElement,
  type NamedSet,
  priorities,
  type Rule,
  type SetElement,
  type Statement,
  type Table,
  type Verdict,
} from "../../ir/ruleset.ts";
import type { EndpointSlice, Service, ServicePort } from "../../kube/objects.ts";
import { type Address, type Family, familyOf, parseAddress } from "../../net/address.ts";
import { type Prefix, parseLoosePrefix, prefixFamily } from "../../net/prefix.ts";

/** What the rules of a cluster's nodes depend on. */
export type ServiceInputs = {
  readonly cluster: string;
  /** Of all addresses; kube-proxy has one set of rules for each. */
  readonly family: Family;
  readonly services: readonly Service[];
  /** Of this family. */
  readonly endpointSlices: readonly EndpointSlice[];
  readonly serviceCidr: Prefix | undefined;
  /** Sources inside are the cluster's own: kubenet's pod CIDR, or the VNet's space with Azure CNI (Azure/azure-container-networking#460). */
  readonly clusterCidrs: readonly Prefix[];
  /** All Services of policy Cluster share one health probe, which asks a sidecar on every node. */
  readonly hasSharedProbe: boolean;
};

type Endpoint = { readonly address: Address; readonly port: number; readonly node: string | undefined; readonly pod: string };

/** One port of a Service, resolved. */
type PortRules = {
  readonly service: Service;
  readonly name: string;
  readonly protocol: "tcp" | "udp";
  readonly port: ServicePort;
  readonly clusterIp: Address | undefined;
  /** Load balancer and external addresses. */
  readonly externalAddresses: readonly Address[];
  readonly endpoints: readonly Endpoint[];
  readonly affinitySeconds: number | undefined;
  readonly origin: Origin;
};

export type SharedRules = {
  readonly ports: readonly PortRules[];
  readonly chains: readonly Chain[];
  readonly affinitySets: readonly NamedSet[];
  readonly services: readonly MapElement[];
  readonly endpoints: readonly MapElement[];
  readonly nodePorts: readonly MapElement[];
  readonly nodePortEndpoints: readonly MapElement[];
  readonly clusterIps: readonly SetElement[];
  readonly firewall: readonly MapElement[];
};

const source = "kubernetes/kubernetes: pkg/proxy/nftables";
const masqueradeMark = 0x4000;
const toAddress: readonly Field[] = ["ip daddr", "meta l4proto", "th dport"];
const toNodePort: readonly Field[] = ["meta l4proto", "th dport"];

/** The part that every node of the cluster has in common: the sum over its Services. */
export function sharedRules(inputs: ServiceInputs): SharedRules {
  const parts = inputs.services.map((service) => knownRulesOf(inputs, service));
  const chains = new Map<string, Chain>();
  for (const part of parts) for (const chain of part.chains) if (!chains.has(chain.name)) chains.set(chain.name, chain);
  return {
    ports: parts.flatMap((part) => part.ports),
    chains: [...chains.values()].sort(byName),
    affinitySets: parts.flatMap((part) => part.affinitySets),
    services: parts.flatMap((part) => part.services),
    endpoints: parts.flatMap((part) => part.endpoints),
    nodePorts: parts.flatMap((part) => part.nodePorts),
    nodePortEndpoints: parts.flatMap((part) => part.nodePortEndpoints),
    clusterIps: parts.flatMap((part) => part.clusterIps),
    firewall: parts.flatMap((part) => part.firewall),
  };
}

type Known = {
  readonly cluster: string;
  readonly clusterCidrs: string;
  readonly slices: readonly EndpointSlice[];
  readonly rules: SharedRules;
};
const knownRules: Readonly<Record<Family, WeakMap<Service, Known>>> = { 4: new WeakMap(), 6: new WeakMap() };

/** The rules of a Service; the same objects while it and its endpoints are, so that a back end sees by reference what did not change. */
function knownRulesOf(inputs: ServiceInputs, service: Service): SharedRules {
  const slices = endpointSlicesOf(inputs.endpointSlices, service);
  const clusterCidrs = inputs.clusterCidrs.join();
  const known = knownRules[inputs.family].get(service);
  const isSame =
    known?.cluster === inputs.cluster &&
    known.clusterCidrs === clusterCidrs &&
    known.slices.length === slices.length &&
    known.slices.every((slice, index) => slice === slices[index]);
  if (isSame) return known.rules;
  const rules = rulesOf(inputs, service);
  knownRules[inputs.family].set(service, { cluster: inputs.cluster, clusterCidrs, slices, rules });
  return rules;
}

function rulesOf(inputs: ServiceInputs, service: Service): SharedRules {
  const ports = portsOf(inputs, service);
  const chains = new Map<string, Chain>();
  const services: MapElement[] = [];
  const endpoints: MapElement[] = [];
  const nodePorts: MapElement[] = [];
  const nodePortEndpoints: MapElement[] = [];
  const firewall: MapElement[] = [];
  const affinitySets: NamedSet[] = [];
  const add = (chain: Chain): Verdict => {
    if (!chains.has(chain.name)) chains.set(chain.name, chain);
    return { verdict: "goto", chain: chain.name };
  };

  for (const port of ports) {
    if (port.endpoints.length === 0) continue;
    const affine = port.affinitySeconds === undefined ? undefined : affinityChains(port, port.affinitySeconds);
    if (affine !== undefined) {
      affinitySets.push(...affine.sets);
      for (const chain of affine.chains) add(chain);
    }
    /** The chain that goes on to any endpoint. */
    const pick = (fields: readonly Field[], map: string): Verdict =>
      affine === undefined ? add(pickChain(port.endpoints.length, fields, map)) : { verdict: "goto", chain: affinityName(port) };
    const local = port.service.spec.externalTrafficPolicy === "Local";

    if (port.clusterIp !== undefined) {
      const key = [port.clusterIp, port.protocol, port.port.port];
      const next =
        port.service.spec.internalTrafficPolicy === "Local"
          ? add(localInternalChain(inputs))
          : add(clusterChain(pick(toAddress, "endpoints"), inputs));
      services.push({ key, value: next, origin: port.origin });
      endpoints.push(...slots(port, key));
    }
    for (const address of port.externalAddresses) {
      const key = [address, port.protocol, port.port.port];
      services.push({
        key,
        value: add(externalChain(pick(toAddress, "endpoints"), local ? "local-services" : undefined, toAddress, inputs)),
        origin: port.origin,
      });
      endpoints.push(...slots(port, key));
      const firewallChain = sourceRanges(port, address);
      if (firewallChain !== undefined) firewall.push({ key, value: add(firewallChain), origin: port.origin });
    }
    if (port.port.nodePort !== undefined && hasNodePort(port.service)) {
      const key = [port.protocol, port.port.nodePort];
      nodePorts.push({
        key,
        value: add(externalChain(pick(toNodePort, "node-port-endpoints"), local ? "local-node-ports" : undefined, toNodePort, inputs)),
        origin: port.origin,
      });
      nodePortEndpoints.push(...slots(port, key));
    }
  }
  const clusterIps = [...new Set(ports.flatMap((port) => port.clusterIp ?? []))].map((address): SetElement => ({ key: [address] }));
  return {
    ports,
    chains: [...chains.values()],
    affinitySets,
    services,
    endpoints,
    nodePorts,
    nodePortEndpoints,
    clusterIps,
    firewall,
  };
}

/** The table of one node. */
export function nodeTable(
  inputs: ServiceInputs,
  shared: SharedRules,
  node: {
    readonly name: string;
    readonly address: Address;
    readonly podAddresses: readonly Address[];
    /** Windows nodes do not keep it, whatever the traffic policy says (AKS docs: windows-faq). */
    readonly keepsClientAddress: boolean;
  },
): Table {
  const origin: Origin = { resource: `${inputs.cluster}:node/${node.name}`, reason: `service rules of ${node.name}`, source };
  const localChains = new Map<string, Chain>();
  const localServices: MapElement[] = [];
  const localEndpoints: MapElement[] = [];
  const localNodePorts: MapElement[] = [];
  const localNodePortEndpoints: MapElement[] = [];
  const unanswered: MapElement[] = [];
  const unansweredNodePorts: MapElement[] = [];
  const add = (chain: Chain): Verdict => {
    if (!localChains.has(chain.name)) localChains.set(chain.name, chain);
    return { verdict: "goto", chain: chain.name };
  };
  for (const port of shared.ports) {
    const { spec } = port.service;
    const externallyLocal = spec.externalTrafficPolicy === "Local";
    const internallyLocal = spec.internalTrafficPolicy === "Local";
    const nodePort = hasNodePort(port.service) ? port.port.nodePort : undefined;
    const external = port.externalAddresses.map((address) => [address, port.protocol, port.port.port]);
    const internal = port.clusterIp === undefined ? [] : [[port.clusterIp, port.protocol, port.port.port]];
    if (port.endpoints.length === 0) {
      const value: Verdict = { verdict: "goto", chain: "reject" };
      const why = { ...port.origin, reason: `${port.origin.reason} has no ready endpoint` };
      unanswered.push(...[...internal, ...external].map((key) => ({ key, value, origin: why })));
      if (nodePort !== undefined) unansweredNodePorts.push({ key: [port.protocol, nodePort], value, origin: why });
      continue;
    }
    if (!externallyLocal && !internallyLocal) continue;
    const own = port.endpoints.filter((endpoint) => endpoint.node === node.name);
    const keys = [...(internallyLocal ? internal : []), ...(externallyLocal ? external : [])];
    if (own.length === 0) {
      const why = { ...port.origin, reason: `${port.origin.reason} has no endpoint on ${node.name}, and its traffic policy is Local` };
      unanswered.push(...keys.map((key) => ({ key, value: { verdict: "drop" } as const, origin: why })));
      if (externallyLocal && nodePort !== undefined)
        unansweredNodePorts.push({ key: [port.protocol, nodePort], value: { verdict: "drop" }, origin: why });
      continue;
    }
    const pickOwn = (fields: readonly Field[], map: string): Verdict =>
      add(
        port.affinitySeconds === undefined ? pickChain(own.length, fields, map) : affinityChain(port, `local-${affinityName(port)}`, own),
      );
    const fromOutside = (next: Verdict): Verdict => (node.keepsClientAddress ? next : add(hidingChain(next)));
    for (const key of keys) {
      const next = pickOwn(toAddress, "local-endpoints");
      localServices.push({ key, value: external.includes(key) ? fromOutside(next) : next, origin: port.origin });
      localEndpoints.push(...slots({ ...port, endpoints: own }, key));
    }
    if (externallyLocal && nodePort !== undefined) {
      const key = [port.protocol, nodePort];
      localNodePorts.push({ key, value: fromOutside(pickOwn(toNodePort, "local-node-port-endpoints")), origin: port.origin });
      localNodePortEndpoints.push(...slots({ ...port, endpoints: own }, key));
    }
  }
  const verdictMap = (name: string, elements: readonly MapElement[], nodePort = false) =>
    ({
      name,
      key: nodePort ? (["inet_proto", "inet_service"] as const) : (["ipv4_addr", "inet_proto", "inet_service"] as const),
      value: "verdict",
      elements,
    }) as const;
  const endpointMap = (name: string, elements: readonly MapElement[], nodePort = false) =>
    ({
      name,
      key: nodePort ? (["inet_proto", "inet_service", "mark"] as const) : (["ipv4_addr", "inet_proto", "inet_service", "mark"] as const),
      value: ["ipv4_addr", "inet_service"] as const,
      elements,
    }) as const;
  return {
    family: "ip",
    name: "kube-proxy",
    chains: [...baseChains(inputs, node.address, origin), ...shared.chains, ...[...localChains.values()].sort(byName)],
    sets: [
      { name: "cluster-ips", key: ["ipv4_addr"], elements: shared.clusterIps },
      { name: "hairpin", key: ["ipv4_addr", "ipv4_addr"], elements: node.podAddresses.map((address) => ({ key: [address, address] })) },
      ...shared.affinitySets,
    ],
    maps: [
      endpointMap("endpoints", shared.endpoints),
      verdictMap("firewall", shared.firewall),
      endpointMap("local-endpoints", localEndpoints),
      endpointMap("local-node-port-endpoints", localNodePortEndpoints, true),
      verdictMap("local-node-ports", localNodePorts, true),
      verdictMap("local-services", localServices),
      endpointMap("node-port-endpoints", shared.nodePortEndpoints, true),
      verdictMap("node-ports", shared.nodePorts, true),
      verdictMap("services", shared.services),
      verdictMap("unanswered", unanswered),
      verdictMap("unanswered-node-ports", unansweredNodePorts, true),
    ],
  };
}

/** kube-proxy's health answers: node-wide on 10256, and per Service with local traffic policy. pkg/proxy/healthcheck. */
export function healthListeners(inputs: ServiceInputs, shared: SharedRules, node: string, address: Address): readonly Listener[] {
  const origin: Origin = {
    resource: `${inputs.cluster}:node/${node}`,
    reason: "kube-proxy's health answer",
    source: "kubernetes/kubernetes: pkg/proxy/healthcheck",
  };
  const sidecar: Origin = { ...origin, reason: "health-probe proxy: asks kube-proxy", source: "AKS docs: shared-health-probes.md" };
  const ready = { status: 200, body: "{}" };
  const listeners: Listener[] = [
    { address, protocol: "tcp", port: 10256, answer: { kind: "http", paths: { "/healthz": ready, "/livez": ready } }, origin },
    ...(inputs.hasSharedProbe
      ? [{ address, protocol: "tcp", port: 10356, answer: { kind: "http", paths: { "/healthz": ready } }, origin: sidecar } as const]
      : []),
  ];
  const seen = new Set<Service>();
  for (const { service, endpoints } of shared.ports) {
    const port = service.spec.healthCheckNodePort;
    if (port === undefined || service.spec.externalTrafficPolicy !== "Local" || seen.has(service)) continue;
    seen.add(service);
    const localEndpoints = new Set(endpoints.filter((endpoint) => endpoint.node === node).map((endpoint) => endpoint.address)).size;
    const body = JSON.stringify({
      service: { namespace: service.metadata.namespace, name: service.metadata.name },
      localEndpoints,
      serviceProxyHealthy: true,
    });
    listeners.push({
      address,
      protocol: "tcp",
      port,
      answer: { kind: "http", paths: { "/healthz": { status: localEndpoints > 0 ? 200 : 503, body } } },
      origin,
    });
  }
  return listeners;
}

function portsOf(inputs: ServiceInputs, service: Service): PortRules[] {
  const { spec, metadata } = service;
  if (spec.type === "ExternalName" || spec.clusterIP === "None" || spec.clusterIP === undefined) return [];
  const ofFamily = (text: string): Address[] => {
    const address = parseAddress(text);
    return address === undefined || familyOf(address) !== inputs.family ? [] : [address];
  };
  const [clusterIp] = (spec.clusterIPs ?? [spec.clusterIP]).flatMap(ofFamily);
  // A Service of one family has no node port of the other.
  if (clusterIp === undefined) return [];
  const loadBalancer =
    spec.type === "LoadBalancer" ? (service.status?.loadBalancer?.ingress ?? []).flatMap((ingress) => ingress.ip ?? []) : [];
  const externalAddresses = [...loadBalancer, ...(spec.externalIPs ?? [])].flatMap(ofFamily);
  const slices = endpointSlicesOf(inputs.endpointSlices, service);
  return (spec.ports ?? []).flatMap((port): PortRules[] => {
    if (port.protocol === "SCTP") return [];
    const protocol = port.protocol === "UDP" ? "udp" : "tcp";
    return [
      {
        service,
        name: `${metadata.namespace}/${metadata.name}:${port.name ?? port.port}`,
        protocol,
        port,
        clusterIp,
        externalAddresses,
        endpoints: endpointsOf(slices, port),
        affinitySeconds: spec.sessionAffinity === "ClientIP" ? (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 10800) : undefined,
        origin: {
          resource: `${inputs.cluster}:${metadata.namespace}/Service/${metadata.name}`,
          reason: `Service ${metadata.namespace}/${metadata.name} port ${port.name ?? port.port}`,
          source,
        },
      },
    ];
  });
}

const slicesByService = new WeakMap<readonly EndpointSlice[], Map<string, EndpointSlice[]>>();

function endpointSlicesOf(slices: readonly EndpointSlice[], service: Service): readonly EndpointSlice[] {
  let index = slicesByService.get(slices);
  if (index === undefined) {
    index = new Map();
    for (const slice of slices) {
      const key = `${slice.metadata.namespace}/${slice.metadata.labels?.["kubernetes.io/service-name"]}`;
      const found = index.get(key);
      if (found === undefined) index.set(key, [slice]);
      else found.push(slice);
    }
    slicesByService.set(slices, index);
  }
  return index.get(`${service.metadata.namespace}/${service.metadata.name}`) ?? [];
}

/** Ready endpoints; if none is ready, those that still serve while they end (KEP-1669). In the order of the slice, which keeps places. */
function endpointsOf(slices: readonly EndpointSlice[], port: ServicePort): readonly Endpoint[] {
  const all = slices.flatMap((slice) =>
    slice.endpoints.flatMap((endpoint) => {
      const resolved = endpoint.ports.find(
        (candidate) => candidate.name === (port.name ?? "") && candidate.protocol === (port.protocol ?? "TCP"),
      );
      if (resolved === undefined) return [];
      return endpoint.addresses.flatMap((text) => {
        const address = parseAddress(text);
        return address === undefined
          ? []
          : [
              {
                address,
                port: resolved.port,
                node: endpoint.nodeName,
                pod: endpoint.targetRef?.name ?? text,
                conditions: endpoint.conditions,
              },
            ];
      });
    }),
  );
  const ready = all.filter((endpoint) => endpoint.conditions.ready);
  const chosen = ready.length > 0 ? ready : all.filter((endpoint) => endpoint.conditions.serving && endpoint.conditions.terminating);
  return chosen;
}

function hasNodePort(service: Service): boolean {
  return service.spec.type === "NodePort" || service.spec.type === "LoadBalancer";
}

function slots(port: PortRules, key: MapElement["key"]): MapElement[] {
  return port.endpoints.map((endpoint, slot) => ({
    key: [...key, slot],
    value: [endpoint.address, endpoint.port],
    origin: { ...port.origin, reason: `${port.origin.reason}: endpoint ${slot + 1} of ${port.endpoints.length}, ${endpoint.pod}` },
  }));
}

/** Draws one of `count` slots and translates through `map`. */
function pickChain(count: number, fields: readonly Field[], map: string): Chain {
  const reason = count === 1 ? "the only endpoint" : `one of ${count} endpoints, by chance`;
  return {
    name: `${map}-${count}`,
    rules: [
      {
        matches: [],
        statements: [
          {
            kind: "set-mark",
            target: "meta",
            value: count === 1 ? { kind: "constant", value: 0 } : { kind: "random", modulus: count, offset: 0 },
          },
          { kind: "dnat", to: { fields: [...fields, "meta mark"], map } },
        ],
        origin: { resource: "kube-proxy", reason, source },
      },
    ],
  };
}

/** To any endpoint; what comes from outside the cluster is masqueraded, so that the reply comes back by this node. */
function clusterChain(next: Verdict, inputs: ServiceInputs): Chain {
  return {
    name: `cluster-${chainName(next)}`,
    rules: [
      {
        matches: [{ kind: "value", field: "ip saddr", op: "!=", values: inputs.clusterCidrs }],
        statements: [masqueradeLater],
        origin: { resource: "kube-proxy", reason: `the sender is outside the cluster's range ${inputs.clusterCidrs.join(", ")}`, source },
      },
      { matches: [], statements: [{ kind: "verdict", ...next }], origin: { resource: "kube-proxy", reason: "any endpoint", source } },
    ],
  };
}

/**
 * Traffic to a load balancer's address, an external address or a node port. Policy Cluster: any endpoint, masqueraded, as it may be on another
 * node. Policy Local: pods and the node itself still reach any endpoint; others only endpoints of this node, with their source kept.
 */
function externalChain(next: Verdict, localMap: string | undefined, fields: readonly Field[], inputs: ServiceInputs): Chain {
  const rule = (matches: Rule["matches"], statements: readonly Statement[], reason: string): Rule => ({
    matches,
    statements,
    origin: { resource: "kube-proxy", reason, source },
  });
  const go: Statement = { kind: "verdict", ...next };
  if (localMap === undefined) {
    return {
      name: `external-${chainName(next)}`,
      rules: [
        rule(
          [],
          [masqueradeLater, go],
          "external traffic policy Cluster: the endpoint may be on another node, so its reply must come back here",
        ),
      ],
    };
  }
  return {
    name: `${localMap}-or-${chainName(next)}`,
    rules: [
      rule(
        [{ kind: "value", field: "ip saddr", op: "==", values: inputs.clusterCidrs }],
        [go],
        "senders inside the cluster reach any endpoint",
      ),
      rule(
        [{ kind: "value", field: "fib saddr type", op: "==", values: ["local"] }],
        [masqueradeLater, go],
        "the node itself reaches any endpoint",
      ),
      rule([], [{ kind: "vmap", fields, map: localMap }], "external traffic policy Local: endpoints of this node only, source kept"),
    ],
  };
}

function localInternalChain(inputs: ServiceInputs): Chain {
  return {
    name: "local-internal",
    rules: [
      {
        matches: [{ kind: "value", field: "ip saddr", op: "!=", values: inputs.clusterCidrs }],
        statements: [masqueradeLater],
        origin: { resource: "kube-proxy", reason: `the sender is outside the cluster's range ${inputs.clusterCidrs.join(", ")}`, source },
      },
      {
        matches: [],
        statements: [{ kind: "vmap", fields: toAddress, map: "local-services" }],
        origin: { resource: "kube-proxy", reason: "internal traffic policy Local: endpoints of this node only", source },
      },
    ],
  };
}

/** To an endpoint of a node that cannot keep the client's address. */
function hidingChain(next: Verdict): Chain {
  const origin: Origin = {
    resource: "kube-proxy",
    reason: "a Windows node does not keep the client's address, even with external traffic policy Local",
    source: "AKS docs: windows-faq",
  };
  return {
    name: `hidden-${chainName(next)}`,
    rules: [{ matches: [], statements: [masqueradeLater, { kind: "verdict", ...next }], origin }],
  };
}

const masqueradeLater: Statement = { kind: "set-mark", target: "ct", value: { kind: "or", value: masqueradeMark } };

/** A client stays with its endpoint: a set per endpoint remembers who came, for as long as the Service says. */
function affinityChains(port: PortRules, seconds: number): { readonly chains: readonly Chain[]; readonly sets: readonly NamedSet[] } {
  return {
    sets: port.endpoints.map((endpoint) => ({
      name: memberName(port, endpoint),
      key: ["ipv4_addr"],
      dynamicTimeoutSeconds: seconds,
      elements: [],
    })),
    chains: [
      affinityChain(port, affinityName(port), port.endpoints),
      ...port.endpoints.map(
        (endpoint): Chain => ({
          name: memberName(port, endpoint),
          rules: [
            {
              matches: [{ kind: "value", field: "meta l4proto", op: "==", values: [port.protocol] }],
              statements: [
                { kind: "update-set", fields: ["ip saddr"], set: memberName(port, endpoint) },
                { kind: "dnat", to: { address: endpoint.address, port: endpoint.port } },
              ],
              origin: { ...port.origin, reason: `${port.origin.reason}: ${endpoint.pod}` },
            },
          ],
        }),
      ),
    ],
  };
}

/** Sends a known client to its endpoint among `endpoints`, and a new one to any of them. */
function affinityChain(port: PortRules, name: string, endpoints: readonly Endpoint[]): Chain {
  const go = (endpoint: Endpoint): Verdict => ({ verdict: "goto", chain: memberName(port, endpoint) });
  return {
    name,
    rules: [
      ...endpoints.map(
        (endpoint): Rule => ({
          matches: [{ kind: "lookup", fields: ["ip saddr"], op: "==", set: memberName(port, endpoint) }],
          statements: [{ kind: "verdict", ...go(endpoint) }],
          origin: { ...port.origin, reason: `session affinity: the client was with ${endpoint.pod} before` },
        }),
      ),
      {
        matches: [],
        statements: [{ kind: "random-vmap", verdicts: endpoints.map(go) }],
        origin: { ...port.origin, reason: `session affinity: a new client gets one of ${endpoints.length} endpoints by chance` },
      },
    ],
  };
}

function affinityName(port: PortRules): string {
  return `affinity-${hashDigits(`${port.name}/${port.protocol}`, 12)}`;
}

function memberName(port: PortRules, endpoint: Endpoint): string {
  return `${affinityName(port)}-${endpoint.address}-${endpoint.port}`.replaceAll(/[.:]/g, "-");
}

/** `loadBalancerSourceRanges`: judged before translation, for the load balancer's addresses only. */
function sourceRanges(port: PortRules, address: Address): Chain | undefined {
  const ranges = (port.service.spec.loadBalancerSourceRanges ?? [])
    .flatMap((text) => parseLoosePrefix(text.trim()) ?? [])
    .filter((range) => prefixFamily(range) === familyOf(address));
  if (port.service.spec.type !== "LoadBalancer" || ranges.length === 0) return undefined;
  return {
    name: `firewall-${hashDigits(`${port.name}/${port.protocol}/${address}`, 12)}`,
    rules: [
      {
        matches: [{ kind: "value", field: "ip saddr", op: "!=", values: ranges }],
        statements: [{ kind: "verdict", verdict: "drop" }],
        origin: { ...port.origin, reason: `${port.origin.reason}: loadBalancerSourceRanges are ${ranges.join(", ")}` },
      },
    ],
  };
}

function baseChains(inputs: ServiceInputs, nodeAddress: Address, origin: Origin): Chain[] {
  const rule = (reason: string, matches: Rule["matches"], statements: readonly Statement[]): Rule => ({
    matches,
    statements,
    origin: { ...origin, reason },
  });
  const newFlow = { kind: "value", field: "ct state", op: "==", values: ["new"] } as const;
  const toNode = { kind: "value", field: "ip daddr", op: "==", values: [nodeAddress] } as const;
  const toClusterIp = { kind: "lookup", fields: ["ip daddr"], op: "==", set: "cluster-ips" } as const;
  const jump = (chain: string): Statement => ({ kind: "verdict", verdict: "jump", chain });
  const nat = (hook: "prerouting" | "output"): Chain => ({
    name: hook,
    base: { type: "nat", hook, priority: priorities.dstnat, policy: "accept" },
    rules: [
      rule("Services", [], [{ kind: "vmap", fields: toAddress, map: "services" }]),
      rule("node ports", [toNode], [{ kind: "vmap", fields: toNodePort, map: "node-ports" }]),
    ],
  });
  const filter = (hook: "input" | "forward" | "output"): Chain => ({
    name: `filter-${hook}`,
    base: { type: "filter", hook, priority: priorities.filter, policy: "accept" },
    rules: [rule("new flows", [newFlow], [jump("unanswered-services")])],
  });
  const serviceRange: readonly Rule[] =
    inputs.serviceCidr === undefined
      ? []
      : [
          rule("no Service has this port on its address", [toClusterIp], [jump("reject")]),
          rule(
            `no Service has this address of the service range ${inputs.serviceCidr}`,
            [{ kind: "value", field: "ip daddr", op: "==", values: [inputs.serviceCidr] }],
            [{ kind: "verdict", verdict: "drop" }],
          ),
        ];
  return [
    nat("prerouting"),
    nat("output"),
    {
      name: "firewall-check",
      base: { type: "filter", hook: "prerouting", priority: priorities.dstnat - 10, policy: "accept" },
      rules: [rule("source ranges of load balancers", [newFlow], [{ kind: "vmap", fields: toAddress, map: "firewall" }])],
    },
    filter("input"),
    filter("forward"),
    filter("output"),
    {
      name: "unanswered-services",
      rules: [
        rule("Services without an endpoint to go to", [], [{ kind: "vmap", fields: toAddress, map: "unanswered" }]),
        rule("node ports without an endpoint to go to", [toNode], [{ kind: "vmap", fields: toNodePort, map: "unanswered-node-ports" }]),
        ...serviceRange,
      ],
    },
    { name: "reject", rules: [rule("refused, as nobody could answer", [], [{ kind: "reject", with: "icmp port-unreachable" }])] },
    {
      name: "postrouting",
      base: { type: "nat", hook: "postrouting", priority: priorities.srcnat, policy: "accept" },
      rules: [
        rule(
          "the Service was reached from outside, so that the reply must come back by this node",
          [{ kind: "value", field: "ct mark", op: "==", values: [masqueradeMark], mask: masqueradeMark }],
          [{ kind: "masquerade", flag: "fully-random" }],
        ),
        rule(
          "a pod reached itself by a Service, so that the reply must come back by this node",
          [{ kind: "lookup", fields: ["ip saddr", "ip daddr"], op: "==", set: "hairpin" }],
          [{ kind: "masquerade", flag: "fully-random" }],
        ),
      ],
    },
  ];
}

function chainName(verdict: Verdict): string {
  return "chain" in verdict ? verdict.chain : verdict.verdict;
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

/**
 * Ends of a journey, written as kubectl writes things: `pod/NAME`, `deploy/NAME` (any of its pods; also `sts/`, `ds/`, `rs/`),
 * `svc/NAME:PORT`, `node/NAME`, `vm/NAME`, `site/SITE/NAME`, `internet/NAME`, an address, or the name of a host. Cluster and namespace are given
 * apart or in one word: `CLUSTER:NAMESPACE/KIND/NAME:PORT/PROTOCOL`.
 *
 * What is left out is guessed as a person would, and only when there is one guess: a lone cluster, the namespace of the sender, then `default`,
 * then wherever the name exists once. A name that is not there is answered with those that are nearest.
 */

import type { ClusterInfo } from "../compile/topology.ts";
import { nearest } from "../documents/nearest.ts";
import type { HostName } from "../ir/network.ts";
import type { KubeObject, Pod, Service } from "../kube/objects.ts";
import { type Address, type Family, familyOf, parseAddress } from "../net/address.ts";
import type { Protocol } from "../net/ports.ts";
import { kubeBucket } from "../resources/resources.ts";
import { type Endpoint, podLabel, type ServiceTarget, serviceTargets, type Via } from "./endpoints.ts";
import type { LabView } from "./view.ts";

/** Why an end could not be found. */
export type EndProblem = {
  readonly what: string;
  readonly why?: string;
  /** What may have been meant. */
  readonly near: readonly string[];
  readonly fix: string;
};
export type Found<T> = { readonly found: T } | { readonly problem: EndProblem };

export type Sender = {
  readonly label: string;
  readonly host: HostName;
  readonly address: Address;
  /** In dual stack. */
  readonly ipv6Address?: Address;
  readonly cluster?: string;
  readonly namespace?: string;
};

export type Target = {
  readonly label: string;
  readonly address: Address;
  readonly protocol: Protocol;
  /** Absent for ICMP. */
  readonly port?: number;
  /** Absent for a Service, and for an address that nobody has. */
  readonly host?: HostName;
  readonly service?: ServiceTarget;
};

export type Hints = {
  readonly cluster?: string | undefined;
  readonly namespace?: string | undefined;
  readonly via?: Via | undefined;
  readonly protocol?: Protocol | undefined;
  /** By which address to reach a target that has both. Without it: IPv4, the first family of AKS. */
  readonly family?: Family | undefined;
  /** Of a target: who sends. */
  readonly sender?: Sender;
};

const workloads = { deploy: "Deployment", sts: "StatefulSet", ds: "DaemonSet", rs: "ReplicaSet", rc: "ReplicationController" } as const;
type Kind = "pod" | "svc" | "node" | "vm" | "endpoint" | "site" | "internet" | keyof typeof workloads;

const kinds: Readonly<Record<string, Kind>> = {
  pod: "pod",
  pods: "pod",
  po: "pod",
  deploy: "deploy",
  deployment: "deploy",
  deployments: "deploy",
  sts: "sts",
  statefulset: "sts",
  statefulsets: "sts",
  ds: "ds",
  daemonset: "ds",
  daemonsets: "ds",
  rs: "rs",
  replicaset: "rs",
  replicasets: "rs",
  rc: "rc",
  replicationcontroller: "rc",
  replicationcontrollers: "rc",
  svc: "svc",
  service: "svc",
  services: "svc",
  node: "node",
  nodes: "node",
  no: "node",
  vm: "vm",
  endpoint: "endpoint",
  site: "site",
  internet: "internet",
};

export const endForms =
  "pod/NAME, deploy/NAME, svc/NAME:PORT, node/NAME, vm/NAME, endpoint/NAME, site/SITE/NAME, internet/NAME or an address";

type Written = {
  readonly text: string;
  readonly cluster?: string;
  readonly namespace?: string;
  readonly kind?: Kind;
  readonly name: string;
  readonly address?: Address;
  /** A number or a port's name. */
  readonly port?: string;
  readonly protocol?: Protocol;
};

/** Takes a word apart. Everything can be: whether it means something shows when it is looked up. */
function parseEnd(text: string): Written {
  const bare = parseAddress(text);
  if (bare !== undefined) return { text, name: text, address: bare };
  const tail = /^(.+):([A-Za-z0-9-]+)(?:\/(tcp|udp|icmp))?$/i.exec(text);
  const before = tail?.[1] ?? "";
  const bracketless = parseAddress(before.replace(/^\[(.*)\]$/, "$1"));
  // In `shop:web` the word after the colon is no port: nothing before it is an end.
  const hasPort = before.includes("/") || bracketless !== undefined;
  const options = {
    text,
    ...(hasPort && tail?.[2] !== undefined ? { port: tail[2] } : {}),
    ...(hasPort && tail?.[3] !== undefined ? { protocol: protocolOf(tail[3]) } : {}),
  };
  if (bracketless !== undefined) return { ...options, name: before, address: bracketless };
  const head = hasPort ? before : text;
  const colon = head.indexOf(":");
  const inCluster = colon < 0 ? options : { ...options, cluster: head.slice(0, colon) };
  const parts = head.slice(colon + 1).split("/");
  const [first = "", second = "", ...rest] = parts;
  const secondKind = rest.length === 1 ? kindOf(second) : undefined;
  if (secondKind !== undefined && secondKind !== "site") {
    return { ...inCluster, namespace: first, kind: secondKind, name: rest.join("/") };
  }
  const kind = parts.length > 1 ? kindOf(first) : undefined;
  return kind === undefined ? { ...inCluster, name: parts.join("/") } : { ...inCluster, kind, name: parts.slice(1).join("/") };
}

function kindOf(text: string): Kind | undefined {
  return Object.hasOwn(kinds, text.toLowerCase()) ? kinds[text.toLowerCase()] : undefined;
}

function protocolOf(text: string): Protocol {
  const lower = text.toLowerCase();
  return lower === "udp" || lower === "icmp" ? lower : "tcp";
}

/** Who sends. */
export function findSender(lab: LabView, text: string, hints: Hints = {}): Found<Sender> {
  const written = parseEnd(text);
  if (written.kind === "svc") {
    return problem(written, "a Service sends no packets", "name one of its pods: deploy/NAME or pod/NAME");
  }
  if (written.port !== undefined) {
    return problem(written, "a sender has no port", "leave out the port; --source-port sets the one to send from");
  }
  const endpoint = findEndpoint(lab, written, hints);
  if ("problem" in endpoint) return endpoint;
  const { label, host, address, ipv6Address, cluster, namespace } = endpoint.found;
  return {
    found: {
      label,
      host,
      address,
      ...(ipv6Address === undefined ? {} : { ipv6Address }),
      ...(cluster === undefined ? {} : { cluster }),
      ...(namespace === undefined ? {} : { namespace }),
    },
  };
}

/** Where to. Without a port: the first that it listens on, else ICMP. */
export function findTarget(lab: LabView, text: string, hints: Hints = {}): Found<Target> {
  const written = parseEnd(text);
  const protocol = written.protocol ?? hints.protocol;
  if (written.kind === "svc") return findService(lab, written, hints);
  if (written.port !== undefined && protocol !== "icmp" && portNumber(written.port) === undefined) {
    return problem(written, `"${written.port}" is no port`, "a port is a number from 1 to 65535; names of ports are for svc/NAME:PORT");
  }
  const endpoint = findEndpoint(lab, written, hints);
  // Any address may be a target, whether somebody has it or not.
  if ("problem" in endpoint && written.address === undefined) return endpoint;
  const end = "found" in endpoint ? endpoint.found : undefined;
  const address = written.address ?? (hints.family === 6 ? end?.ipv6Address : end?.address);
  if (address === undefined && end !== undefined) {
    return problem(written, `${end.label} has no IPv6 address`, "leave -6 out, or give it one");
  }
  if (address === undefined) throw new Error(`no address for ${text}`);
  const listener = end?.listens.find((candidate) => protocol === undefined || candidate.protocol === protocol);
  const port = written.port === undefined ? listener?.port : portNumber(written.port);
  const chosen: Protocol = protocol ?? (written.port === undefined ? (listener?.protocol ?? "icmp") : "tcp");
  const label = end?.label ?? address;
  const host = end === undefined ? {} : { host: end.host };
  if (chosen === "icmp") return { found: { label, address, protocol: "icmp", ...host } };
  if (port === undefined) {
    return problem(written, `${label} listens on no ${chosen} port`, `say which one: ${written.text}:PORT, or --protocol icmp`);
  }
  return { found: { label: `${label}:${port}`, address, protocol: chosen, port, ...host } };
}

/** A host of the network: an end, a host's own name, or the unique ending of one. */
export function findHost(lab: LabView, text: string, hints: Hints = {}): Found<HostName> {
  const names = lab.network.names();
  if (names.includes(text)) return { found: text };
  const written = parseEnd(text);
  if (written.kind !== undefined && written.kind !== "svc") {
    const endpoint = findEndpoint(lab, written, hints);
    if ("found" in endpoint) return { found: endpoint.found.host };
    return endpoint;
  }
  if (written.address !== undefined) {
    const endpoint = findEndpoint(lab, written, hints);
    return "found" in endpoint ? { found: endpoint.found.host } : endpoint;
  }
  const ending = names.filter((name) => name.endsWith(`/${text}`));
  if (ending.length === 1 && ending[0] !== undefined) return { found: ending[0] };
  const near = ending.length > 1 ? ending.slice(0, 5) : nearest(text, names);
  return {
    problem: {
      what: ending.length > 1 ? `several hosts are called ${text}` : `there is no host ${text}`,
      near,
      fix: "'drydock show hosts' lists them",
    },
  };
}

function findEndpoint(lab: LabView, written: Written, hints: Hints): Found<Endpoint> {
  if (written.address !== undefined) {
    const { address } = written;
    const owned = lab.endpointsBy.address.get(address) ?? [];
    // Pods of the node's network share its address.
    const endpoint = owned.find((candidate) => candidate.kind === "node") ?? owned[0];
    if (endpoint !== undefined) return { found: endpoint };
    return problem(written, `nobody has the address ${address}`, "'drydock show addresses' lists who has which");
  }
  const byHost = lab.endpointsBy.host.get(written.text)?.find((endpoint) => endpoint.pod?.spec.hostNetwork !== true);
  if (byHost !== undefined) return { found: byHost };
  const { kind, name } = written;
  switch (kind) {
    case "vm":
    case "endpoint":
    case "site":
    case "internet": {
      const label = `${kind}/${name}`;
      const found = lab.endpointsBy.host.get(label)?.find((endpoint) => endpoint.label === label);
      return found === undefined ? unknown(lab, written) : { found };
    }
    case "node": {
      const cluster = wantedCluster(lab, written, hints);
      if ("problem" in cluster) return cluster;
      const nodes = lab.endpoints.filter((endpoint) => endpoint.kind === "node" && inCluster(endpoint, cluster.found));
      const exact = nodes.filter((endpoint) => endpoint.name === name);
      const found = exact.length > 0 ? exact : nodes.filter((endpoint) => endpoint.name.endsWith(name));
      return only(lab, written, preferred(found, hints));
    }
    case "pod": {
      const candidates = podCandidates(lab, written, hints, (pod) => pod.metadata.name === name, lab.endpointsBy.name.get(name) ?? []);
      return "problem" in candidates ? candidates : only(lab, written, candidates.found);
    }
    case "deploy":
    case "sts":
    case "ds":
    case "rs":
    case "rc":
      return findWorkload(lab, written, workloads[kind], hints);
    case "svc":
      return problem(written, "a Service is no host", "name one of its pods");
    case undefined:
      return unknown(lab, written);
    default:
      throw new Error(`unknown kind ${String(kind satisfies never)}`);
  }
}

function inCluster(endpoint: Endpoint, cluster: string | undefined): boolean {
  return cluster === undefined || endpoint.cluster === cluster;
}

/** The cluster that was asked for, `undefined` when none was; a problem when it is not there. */
function wantedCluster(lab: LabView, written: Written, hints: Hints): Found<string | undefined> {
  const name = written.cluster ?? hints.cluster;
  if (name === undefined || lab.topology.clusters.has(name)) return { found: name };
  const known = [...lab.topology.clusters.keys()];
  const near = nearest(name, known);
  return {
    problem: {
      what: `there is no cluster ${name}`,
      near: near.length > 0 ? near : known.slice(0, 5),
      fix: known.length === 0 ? "the lab has no clusters" : `its clusters are ${known.join(", ")}`,
    },
  };
}

/** In the sender's cluster and namespace, or else in `default`, if any of them is there; else all. */
function preferred<T extends { readonly cluster?: string | undefined; readonly namespace?: string | undefined }>(
  candidates: readonly T[],
  hints: Hints,
  namespace?: string,
): readonly T[] {
  const narrow = (list: readonly T[], condition: (candidate: T) => boolean): readonly T[] => {
    const some = list.filter(condition);
    return some.length > 0 ? some : list;
  };
  let list = candidates;
  const { sender } = hints;
  if (sender?.cluster !== undefined) list = narrow(list, (candidate) => candidate.cluster === sender.cluster);
  if (namespace !== undefined) return list;
  if (sender?.namespace !== undefined && list.some((candidate) => candidate.namespace === sender.namespace)) {
    return list.filter((candidate) => candidate.namespace === sender.namespace);
  }
  return narrow(list, (candidate) => candidate.namespace === "default");
}

function podCandidates(
  lab: LabView,
  written: Written,
  hints: Hints,
  matches: (pod: Pod) => boolean,
  among: readonly Endpoint[] = lab.endpoints,
): Found<readonly Endpoint[]> | { readonly problem: EndProblem } {
  const cluster = wantedCluster(lab, written, hints);
  if ("problem" in cluster) return cluster;
  const namespace = written.namespace ?? hints.namespace;
  const all = among.filter(
    (endpoint) =>
      endpoint.pod !== undefined &&
      inCluster(endpoint, cluster.found) &&
      (namespace === undefined || endpoint.namespace === namespace) &&
      matches(endpoint.pod),
  );
  if (all.length > 0) return { found: preferred(all, hints, namespace) };
  const waiting = pods(lab, cluster.found).find(
    ({ pod }) => matches(pod) && (namespace === undefined || pod.metadata.namespace === namespace),
  );
  if (waiting === undefined) return unknown(lab, written);
  const condition = waiting.pod.status?.conditions?.find((candidate) => candidate.status !== "True" && candidate.message !== undefined);
  return {
    problem: {
      what: `pod ${podLabel(waiting.cluster, waiting.pod.metadata.namespace ?? "default", waiting.pod.metadata.name)} has no address yet`,
      why: condition?.message ?? `it is ${waiting.pod.status?.phase ?? "Pending"}`,
      near: [],
      fix: "'drydock show events' tells what it waits for",
    },
  };
}

function pods(lab: LabView, cluster: string | undefined): { readonly cluster: string; readonly pod: Pod }[] {
  return objects<Pod>(lab, "Pod", cluster).map(({ cluster: name, object }) => ({ cluster: name, pod: object }));
}

function objects<T extends KubeObject>(
  lab: LabView,
  kind: T["kind"],
  cluster: string | undefined,
): { readonly cluster: string; readonly namespace: string; readonly object: T }[] {
  const clusters = cluster === undefined ? [...lab.topology.clusters.keys()] : [cluster];
  return clusters.flatMap((name) =>
    // A bucket holds objects of its kind only: keys and values are written together.
    (lab.resources.list(kubeBucket(name, kind)) as readonly unknown[] as readonly T[]).map((object) => ({
      cluster: name,
      namespace: object.metadata.namespace ?? "default",
      object,
    })),
  );
}

/** Any pod of a workload that has an address; rather not the sender itself. */
function findWorkload(lab: LabView, written: Written, kind: (typeof workloads)[keyof typeof workloads], hints: Hints): Found<Endpoint> {
  const cluster = wantedCluster(lab, written, hints);
  if ("problem" in cluster) return cluster;
  const namespace = written.namespace ?? hints.namespace;
  const named = preferred(
    objects(lab, kind, cluster.found).filter(
      (candidate) => candidate.object.metadata.name === written.name && (namespace === undefined || candidate.namespace === namespace),
    ),
    hints,
    namespace,
  );
  const [workload, another] = named;
  if (workload === undefined) return unknown(lab, written);
  if (another !== undefined) {
    return ambiguous(
      written,
      named.map((one) => `${one.cluster}:${one.namespace}/${written.kind}/${written.name}`),
    );
  }
  const owners = new Set([`${kind}/${written.name}`]);
  for (const set of objects(lab, "ReplicaSet", workload.cluster)) {
    const owner = set.object.metadata.ownerReferences?.find((reference) => reference.controller !== false);
    if (set.namespace === workload.namespace && owner !== undefined && owners.has(`${owner.kind}/${owner.name}`)) {
      owners.add(`ReplicaSet/${set.object.metadata.name}`);
    }
  }
  const isOwned = (pod: Pod) => pod.metadata.ownerReferences?.some((owner) => owners.has(`${owner.kind}/${owner.name}`)) === true;
  const place = { ...written, cluster: workload.cluster, namespace: workload.namespace };
  const candidates = podCandidates(lab, place, hints, isOwned);
  if ("problem" in candidates) return candidates;
  const pod = candidates.found.find((candidate) => candidate.host !== hints.sender?.host) ?? candidates.found[0];
  return pod === undefined ? unknown(lab, written) : { found: pod };
}

function findService(lab: LabView, written: Written, hints: Hints): Found<Target> {
  const cluster = wantedCluster(lab, written, hints);
  if ("problem" in cluster) return cluster;
  const namespace = written.namespace ?? hints.namespace;
  const named = preferred(
    objects<Service>(lab, "Service", cluster.found).filter(
      ({ object, namespace: own }) => object.metadata.name === written.name && (namespace === undefined || own === namespace),
    ),
    hints,
    namespace,
  );
  const [one, another] = named;
  const info = one === undefined ? undefined : lab.topology.clusters.get(one.cluster);
  if (one === undefined || info === undefined) return unknown(lab, written);
  if (another !== undefined) {
    return ambiguous(
      written,
      named.map((each) => `${each.cluster}:${each.namespace}/svc/${written.name}`),
    );
  }
  const label = `${one.cluster}:${one.namespace}/svc/${written.name}`;
  const ports = (one.object.spec.ports ?? []).filter((port) => {
    const protocol = written.protocol ?? hints.protocol;
    const rightProtocol = protocol === undefined || (port.protocol ?? "TCP").toLowerCase() === protocol;
    return rightProtocol && (written.port === undefined || port.name === written.port || String(port.port) === written.port);
  });
  const [port] = ports;
  if (port === undefined) {
    const known = (one.object.spec.ports ?? []).map((each) => (each.name === undefined ? `${each.port}` : `${each.port} (${each.name})`));
    const asked = [written.port, written.protocol ?? hints.protocol].filter((text) => text !== undefined).join("/");
    return problem(written, `Service ${label} has no port ${asked}`, `its ports are ${known.join(", ") || "none"}`);
  }
  if (one.object.spec.clusterIP === "None") return findHeadless(lab, written, info, one.object, label, port.port, hints);
  const all = serviceTargets(info, [one.object]).filter((target) => target.servicePort === port);
  // A Service of one family is reached by that, unless the other is asked for.
  const { family = all.some((target) => familyOf(target.address) === 4) ? 4 : 6 } = hints;
  const targets = all.filter((target) => familyOf(target.address) === family);
  const via = hints.via ?? defaultVia(targets, one.cluster, hints.sender);
  const target = targets.find((candidate) => candidate.via === via);
  if (target === undefined) {
    const others = [...new Set(targets.map((candidate) => candidate.via))];
    const type = one.object.spec.type ?? "ClusterIP";
    const why = viaWords[via];
    return problem(
      written,
      `Service ${label} is of type ${type} and has no ${why}`,
      others.length === 0 ? "'drydock show events' tells what it waits for" : `reach it with --via ${others.join(" or --via ")}`,
    );
  }
  return {
    found: { label: target.label, address: target.address, port: target.port, protocol: target.protocol, service: target },
  };
}

const viaWords: Readonly<Record<Via, string>> = {
  clusterip: "cluster address",
  nodeport: "node port",
  loadbalancer: "load balancer address",
};

/** Pods and nodes use the cluster address; others what the Service shows to the outside. */
function defaultVia(targets: readonly ServiceTarget[], cluster: string, sender: Sender | undefined): Via {
  if (sender === undefined || sender.cluster === cluster) return "clusterip";
  return targets.some((target) => target.via === "loadbalancer") || !targets.some((target) => target.via === "nodeport")
    ? "loadbalancer"
    : "nodeport";
}

/** A headless Service is its pods: the first that is ready. */
function findHeadless(
  lab: LabView,
  written: Written,
  cluster: ClusterInfo,
  service: Service,
  label: string,
  port: number,
  hints: Hints,
): Found<Target> {
  const slice = cluster.endpointSlices.find(
    (candidate) =>
      (hints.family === undefined || candidate.addressType === `IPv${hints.family}`) &&
      candidate.metadata.namespace === service.metadata.namespace &&
      candidate.metadata.ownerReferences?.some((owner) => owner.kind === "Service" && owner.name === service.metadata.name) === true,
  );
  const wanted = service.spec.ports?.find((candidate) => candidate.port === port);
  const endpoint = slice?.endpoints.find((candidate) => candidate.conditions.ready);
  const number = endpoint?.ports.find((candidate) => candidate.name === (wanted?.name ?? ""))?.port;
  const address = parseAddress(endpoint?.addresses[0] ?? "");
  if (address === undefined || number === undefined) {
    return problem(written, `headless Service ${label} has no ready pod`, "'drydock show events' tells what its pods wait for");
  }
  const found = findTarget(
    lab,
    `${familyOf(address) === 6 ? `[${address}]` : address}:${number}/${wanted?.protocol === "UDP" ? "udp" : "tcp"}`,
    hints,
  );
  return found;
}

function portNumber(text: string): number | undefined {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return port >= 1 && port <= 65535 ? port : undefined;
}

function only(lab: LabView, written: Written, candidates: readonly Endpoint[]): Found<Endpoint> {
  const [one, another] = candidates;
  if (one === undefined) return unknown(lab, written);
  if (another === undefined) return { found: one };
  return ambiguous(
    written,
    candidates.map((candidate) => candidate.label),
  );
}

function ambiguous(written: Written, labels: readonly string[]): { readonly problem: EndProblem } {
  return {
    problem: {
      what: `${written.text} may be any of ${labels.length}`,
      near: labels.slice(0, 5),
      fix: "write it in one word as here, or add --cluster or -n",
    },
  };
}

/** Words for every end of the lab: for completion and suggestions. */
export function endNames(lab: LabView): string[] {
  const several = lab.topology.clusters.size > 1;
  const prefix = (cluster: string) => (several ? `${cluster}:` : "");
  const names: string[] = [];
  for (const [cluster, info] of lab.topology.clusters) {
    for (const [short, kind] of Object.entries(workloads)) {
      if (kind === "ReplicaSet") continue;
      for (const { namespace, object } of objects(lab, kind, cluster)) {
        names.push(`${prefix(cluster)}${namespace}/${short}/${object.metadata.name}`);
      }
    }
    for (const service of info.services) {
      for (const port of service.spec.ports ?? []) {
        names.push(`${prefix(cluster)}${service.metadata.namespace ?? "default"}/svc/${service.metadata.name}:${port.port}`);
      }
    }
  }
  for (const endpoint of lab.endpoints) {
    names.push(several || endpoint.cluster === undefined ? endpoint.label : endpoint.label.slice(endpoint.cluster.length + 1));
  }
  return [...new Set(names)].sort();
}

function unknown(lab: LabView, written: Written): { readonly problem: EndProblem } {
  const what = written.kind === undefined ? `"${written.text}" is no end of a journey` : `there is no ${written.text} in lab ${lab.name}`;
  const { kind } = written;
  const names = endNames(lab);
  // The kind is taken as meant, and only what comes after it as misspelt.
  const { cluster } = written;
  const inCluster = cluster === undefined ? names : names.filter((name) => name.startsWith(`${cluster}:`) || !name.includes(":"));
  const alike = kind === undefined ? inCluster : inCluster.filter((name) => name.includes(`${kind}/`));
  const near = nearest(written.name, new Set(alike.map((name) => shortName(name))));
  const full = near.flatMap((short) => alike.filter((name) => shortName(name) === short)).slice(0, 5);
  return { problem: { what, near: full.length > 0 ? full : nearest(written.text, names), fix: `an end is ${endForms}` } };
}

/** The name after the kind, without port. */
function shortName(name: string): string {
  const parts = name.replace(/:\d+$/, "").split("/");
  return parts[0] === "site" ? parts.slice(1).join("/") : (parts.at(-1) ?? name);
}

function problem(written: Written, what: string, fix: string): { readonly problem: EndProblem } {
  return { problem: { what: what.includes(written.text) ? what : `${written.text}: ${what}`, near: [], fix } };
}

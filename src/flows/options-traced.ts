/**
 * The same cluster with each network option, and what becomes of its packets: who sees which address, by how many hosts and translations, and who can
 * reach a pod. Asked of the tracer, on a small cluster in the same surroundings: two nodes of its first Linux pool and a pod on each. The ways of
 * packets do not depend on how many there are.
 */

import { type ManagedNetworkOption, networkOption, optionNames } from "../arm/network-option.ts";
import type { AgentPool, ManagedCluster } from "../arm/resources.ts";
import { azureView, parentOf, sameId } from "../arm/rules/view.ts";
import type { DaemonSet } from "../kube/objects.ts";
import type { Endpoint } from "../lab/endpoints.ts";
import { type Documents, openResources } from "../lab/index.ts";
import type { LabView } from "../lab/view.ts";
import { prefixContains } from "../net/prefix.ts";
import { kubeKey } from "../resources/resources.ts";
import type { Path, TracePacket } from "../trace/index.ts";
import { withOption } from "./option.ts";

export const tracedLegs = ["pod", "vm", "peered", "site", "internet", "fromVm", "fromPeered", "fromSite"] as const;
export type TracedLegId = (typeof tracedLegs)[number];

export type TracedLeg = {
  readonly id: TracedLegId;
  readonly from: string;
  readonly to: string;
  readonly outcome: Path["outcome"];
  /** Whom the receiver takes for the sender, when it arrives. */
  readonly seen?: { readonly address: string; readonly whose: "the sender" | "the node" | "another" };
  /** Hosts after the sender, fabric and gateways among them. */
  readonly hops: number;
  /** Times that addresses or ports were changed on the way there. */
  readonly translations: number;
  /** Why it does not arrive. */
  readonly because?: string;
};

export type TracedOption = {
  readonly option: ManagedNetworkOption;
  readonly name: string;
  readonly isChosen: boolean;
  /** Azure's reason why there is no such cluster; nothing was traced then. */
  readonly refused?: string;
  /** What had to be chosen where the design leaves it open. */
  readonly assumed: readonly string[];
  readonly legs: readonly TracedLeg[];
};

const options: readonly ManagedNetworkOption[] = ["kubenet", "nodeSubnet", "podSubnet", "overlay"];

/** `documents` without errors. A cluster without a Linux pool has no options to trace. */
export function traceOptions(documents: Documents, cluster: ManagedCluster): readonly TracedOption[] {
  const azure = documents.flatMap(({ value }) => ("id" in value ? [value] : []));
  const pools = azureView(azure).poolsOf(cluster);
  const pool = pools.find(({ properties }) => properties.osType === "Linux");
  if (pool === undefined) return [];
  const chosen = networkOption(cluster.properties.networkProfile, pools);
  return options.map((option): TracedOption => {
    const { documents: changed, chosen: assumed, problems } = withOption(documents, cluster, option);
    const base = { option, name: optionNames[option], isChosen: option === chosen, assumed };
    const [problem] = problems;
    if (problem !== undefined) return { ...base, refused: `${problem.message} (${problem.code})`, legs: [] };
    return { ...base, legs: legsOf(openResources("traced", reduced(changed, cluster, pool)), cluster.name) };
  });
}

const port = 8080;

/** Two nodes, a pod on each, no other pods; everything else as it was. */
function reduced(documents: Documents, cluster: ManagedCluster, pool: AgentPool): Documents {
  const kept = documents.flatMap(({ key, value }): Documents => {
    // Configuration of the masquerading agent decides what is translated.
    if (!("id" in value)) return value.kind === "ConfigMap" || value.kind === "Namespace" ? [{ key, value }] : [];
    if (value.type !== "Microsoft.ContainerService/managedClusters/agentPools") return [{ key, value }];
    const { enableAutoScaling: _scaling, minCount: _min, maxCount: _max, ...properties } = value.properties;
    const isOther = !sameId(parentOf(value.id), cluster.id);
    const { nodeTaints: _taints, ...untainted } = properties;
    const count = sameId(value.id, pool.id) ? 2 : isOther ? Math.min(properties.count, 1) : 0;
    return [{ key, value: { ...value, properties: { ...(sameId(value.id, pool.id) ? untainted : properties), count } } }];
  });
  const name = "traveller";
  const labels = { app: name };
  const set: DaemonSet = {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { name, namespace: "default", uid: name },
    spec: {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name, ports: [{ containerPort: port }] }] } },
    },
  };
  return [...kept, { key: kubeKey(cluster.name, "DaemonSet", "default", name), value: set }];
}

function legsOf(view: LabView, cluster: string): readonly TracedLeg[] {
  const info = view.topology.clusters.get(cluster);
  const pods = view.endpoints.filter((one) => one.kind === "pod" && one.cluster === cluster && one.pod?.spec.hostNetwork !== true);
  const [pod] = pods;
  const other = pods.find(({ node }) => node !== pod?.node);
  if (info === undefined || pod === undefined || other === undefined) return [];
  const isInside = ({ address }: Endpoint) => info.vnet.prefixes.some((prefix) => prefixContains(prefix, address));
  const machines = view.endpoints.filter(({ kind }) => kind === "vm");
  const vm = machines.find(isInside);
  const peered = machines.find((one) => !isInside(one));
  const site = view.endpoints.find(({ kind }) => kind === "site");
  const internet = view.endpoints.find(({ kind }) => kind === "internet");
  const leg = (id: TracedLegId, from: Endpoint | undefined, to: Endpoint | undefined): readonly TracedLeg[] =>
    from === undefined || to === undefined ? [] : [traced(view, id, from, to)];
  return [
    ...leg("pod", pod, other),
    ...leg("vm", pod, vm),
    ...leg("peered", pod, peered),
    ...leg("site", pod, site),
    ...leg("internet", pod, internet),
    ...leg("fromVm", vm, pod),
    ...leg("fromPeered", peered, pod),
    ...leg("fromSite", site, pod),
  ];
}

/** The likeliest of its ways. */
function traced(view: LabView, id: TracedLegId, from: Endpoint, to: Endpoint): TracedLeg {
  const listen = to.listens.find(({ protocol }) => protocol === "tcp");
  const packet: TracePacket =
    listen === undefined
      ? { protocol: "icmp", destination: to.address }
      : { protocol: "tcp", destination: to.address, destinationPort: listen.port, sourcePort: 40_000 };
  const [path] = [...view.tracer.trace(from.host, packet)].sort((a, b) => b.weight - a.weight);
  if (path === undefined) throw new Error(`no way from ${from.label} to ${to.label}`);
  const { outcome, hops, received, decidedBy } = path;
  const base = { id, from: from.label, to: to.label, outcome, hops: hops.length - 1, translations: translationsOf(path) };
  if (outcome !== "delivered" || received === undefined) {
    const by = decidedBy ?? path.return?.decidedBy;
    return { ...base, ...(by === undefined ? {} : { because: by.origin?.reason ?? by.element }) };
  }
  const address = received.source;
  const node = from.node === undefined ? undefined : view.topology.clusters.get(from.cluster ?? "")?.nodes.get(from.node);
  const whose = address === from.address ? "the sender" : address === node?.nic.primary ? "the node" : "another";
  return { ...base, seen: { address, whose } };
}

function translationsOf({ hops }: Path): number {
  const changes = hops.flatMap(({ steps }) =>
    steps.filter(({ kind, before, after, ports }) => {
      if (kind !== "source-nat" && kind !== "destination-nat") return false;
      return ports !== undefined || JSON.stringify(before) !== JSON.stringify(after);
    }),
  );
  return changes.length;
}

/** The comparison of the two network options, from what a lab holds and what was measured in it. */

import { kubenetNodes, limits } from "../../arm/limits.ts";
import type { LabView } from "../../lab/view.ts";
import { lengthOf, sizeOf } from "../../net/prefix.ts";
import { kubeBucket } from "../../resources/resources.ts";
import type { LegId } from "./journeys.ts";
import type { Measured } from "./measure.ts";
import { shortHost, translations } from "./report.ts";

export type Row = { readonly what: string; readonly values: readonly string[] };

export type ClusterResult = {
  readonly cluster: string;
  readonly measured: ReadonlyMap<LegId, Measured>;
  readonly roundTripMs: number | undefined;
};

/** A row per difference, a value per cluster, in the order given. */
export function comparison(view: LabView, results: readonly ClusterResult[]): readonly Row[] {
  const row = (what: string, value: (result: ClusterResult) => string): Row => ({ what, values: results.map(value) });
  const leg = (result: ClusterResult, id: LegId) => result.measured.get(id);
  const reach = (id: LegId) => (result: ClusterResult) => {
    const found = leg(result, id);
    if (found === undefined) return "not measured";
    return found.observed.reachable ? "yes" : `no: ${found.path.outcome} at ${shortHost(found.path.decidedBy?.host ?? "")}`;
  };
  const saw = (id: LegId) => (result: ClusterResult) => {
    const found = leg(result, id);
    const source = found?.observed.source?.address;
    if (found === undefined || source === undefined) return "nothing arrives";
    return `${source}, ${sourceWords(view, found, source)}`;
  };
  return [
    row("pod addresses are given by", ({ cluster }) => facts(view, cluster).givenBy),
    row("pod address range", ({ cluster }) => facts(view, cluster).podRange),
    row("VNet addresses for one node", ({ cluster }) => String(facts(view, cluster).perNode)),
    row("VNet addresses for all nodes", ({ cluster }) => facts(view, cluster).inAll),
    row("route table", ({ cluster }) => facts(view, cluster).routeTable),
    row("pod reached from a VM in another subnet", reach("vm-to-pod")),
    row("pod reached from on-premises", reach("site-to-pod")),
    row("a VM sees", saw("pod-to-vm")),
    row("on-premises sees", saw("pod-to-site")),
    row("an Internet host sees", saw("pod-to-internet")),
    row("translations on the way to the Internet", (result) => {
      const found = leg(result, "pod-to-internet");
      return found === undefined ? "" : countOf(translations(found.path).map((one) => translatorName(one.host)));
    }),
    row("pod to pod across nodes", (result) => {
      const found = leg(result, "across-nodes");
      if (found === undefined) return "";
      const hops = found.path.hops.length - 1;
      return `${hops} hops, ${translations(found.path).length === 0 ? "no translation" : countOf(translations(found.path).map((one) => one.text))}`;
    }),
    row("round trip pod to pod across nodes", ({ roundTripMs }) =>
      roundTripMs === undefined ? "none" : `${roundTripMs.toFixed(2)} ms (median)`,
    ),
    row("a Service's pod sees, policy Cluster", saw("service-cluster")),
    row("a Service's pod sees, policy Local", saw("service-local")),
    row("largest cluster in this subnet", ({ cluster }) => facts(view, cluster).largest),
  ];
}

function countOf(list: readonly string[]): string {
  return list.length === 0 ? "none" : `${list.length}: ${list.join(", then ")}`;
}

/** Whose address did the receiver see? */
function sourceWords(view: LabView, { leg, path }: Measured, source: string): string {
  if (source === leg.from.address) return leg.from.kind === "pod" ? "the pod" : "the client";
  const owner = view.owners.get(source)?.owner ?? "";
  if (owner.includes("node/")) return leg.from.kind === "pod" ? "the pod's node" : "a node";
  const changer = translations(path).at(-1);
  return changer === undefined ? owner : translatorName(changer.host);
}

/** Where a VNet meets the Internet it is the load balancer's outbound rule that translates. */
function translatorName(host: string): string {
  return host.startsWith("edge/") ? "the load balancer" : shortHost(host);
}

type Facts = {
  readonly givenBy: string;
  readonly podRange: string;
  readonly perNode: number;
  readonly inAll: string;
  readonly routeTable: string;
  readonly largest: string;
};

/** Counted in the resources, not taken from a book. */
function facts(view: LabView, name: string): Facts {
  const cluster = view.topology.clusters.get(name);
  if (cluster === undefined) throw new Error(`no cluster ${name}`);
  const nodes = [...cluster.nodes.values()];
  const [node] = nodes;
  if (node === undefined) throw new Error(`cluster ${name} has no nodes`);
  const pods = view.endpoints.filter((one) => one.cluster === name && one.kind === "pod" && one.pod?.spec.hostNetwork !== true);
  const isReserved = pods.every((pod) => cluster.nodes.get(pod.node ?? "")?.nic.secondary.includes(pod.address) === true);
  const { subnet } = node.nic;
  const perNode = 1 + node.nic.secondary.length;
  const taken = nodes.reduce((sum, one) => sum + 1 + one.nic.secondary.length, 0);
  const usable = sizeOf(subnet.prefix) - limits.reservedAddresses.value;
  const maxPods = maxPodsOf(view, name);
  const routes = subnet.routeTable?.properties.routes.length ?? 0;
  const fits = Math.floor(usable / perNode);
  const largest = isReserved ? fits : Math.min(fits, kubenetNodes.current.value, podRanges(cluster.podCidr, node.podCidr));
  return {
    givenBy: isReserved
      ? "Azure, from the subnet, reserved on each node's network interface"
      : "each node, from its own part of the pod address space",
    podRange: isReserved
      ? `the subnet's, ${subnet.prefix}`
      : `${cluster.podCidr}, a /${node.podCidr === undefined ? "?" : lengthOf(node.podCidr)} for each node`,
    perNode,
    inAll: `${taken} of ${usable} in ${subnet.prefix}`,
    routeTable:
      subnet.routeTable === undefined ? "none needed" : `${subnet.routeTable.name}, ${routes} ${routes === 1 ? "route" : "routes"}`,
    largest: `${largest} nodes, ${(largest * maxPods).toLocaleString("en")} pods at ${maxPods} on a node`,
  };
}

function podRanges(podCidr: string | undefined, nodeCidr: string | undefined): number {
  if (podCidr === undefined || nodeCidr === undefined) return Number.POSITIVE_INFINITY;
  const length = (prefix: string) => Number(prefix.slice(prefix.indexOf("/") + 1));
  return 2 ** (length(nodeCidr) - length(podCidr));
}

function maxPodsOf(view: LabView, cluster: string): number {
  const [node] = view.resources.list(kubeBucket(cluster, "Node")) as readonly unknown[] as readonly {
    status: { capacity: { pods: string } };
  }[];
  return Number(node?.status.capacity.pods ?? 0);
}

/** The six journeys of a packet in an AKS cluster, as packets between what a lab has. */

import type { HostName } from "../../ir/network.ts";
import { type Endpoint, type ServiceTarget, serviceTargets } from "../../lab/endpoints.ts";
import type { LabView } from "../../lab/view.ts";
import type { Address } from "../../net/address.ts";
import { prefixContains } from "../../net/prefix.ts";
import type { TracePacket } from "../../trace/index.ts";
import { Failure } from "../failure.ts";

export const journeys = [
  "pod to pod on one node",
  "pod to pod across nodes",
  "pod to VM, and VM to pod",
  "pod to on-premises, and on-premises to pod",
  "pod to the Internet",
  "Internet to a Service",
] as const;

export const legIds = [
  "same-node",
  "across-nodes",
  "pod-to-vm",
  "vm-to-pod",
  "pod-to-site",
  "site-to-pod",
  "pod-to-internet",
  "service-cluster",
  "service-local",
] as const;
export type LegId = (typeof legIds)[number];

/** One packet of a journey. */
export type Leg = {
  readonly id: LegId;
  /** Index in {@link journeys}. */
  readonly journey: number;
  readonly cluster: string;
  /** "to Service web-public, policy Local". */
  readonly title: string;
  readonly from: Endpoint;
  readonly to: string;
  readonly host: HostName;
  readonly packet: TracePacket;
};

/** The legs of one cluster. */
export function legsOf(view: LabView, cluster: string, sourcePort: number): readonly Leg[] {
  const pods = view.endpoints.filter((one) => one.kind === "pod" && one.cluster === cluster && tcpPort(one) !== undefined);
  const own = pods.filter((one) => one.pod?.spec.hostNetwork !== true);
  const [first, neighbour] = firstPair(own);
  const remote = own.find((one) => one.node !== first.node) ?? missing("two nodes with pods", cluster);
  const machine = (kind: Endpoint["kind"]) =>
    view.endpoints.find((one) => one.kind === kind && tcpPort(one) !== undefined) ?? missing(`a listening host of kind ${kind}`, cluster);
  const [vm, site, internet] = [machine("vm"), machine("site"), machine("internet")];
  let port = sourcePort;
  const leg = (id: LegId, journey: number, title: string, from: Endpoint, to: { label: string; address: Address; port: number }): Leg => ({
    id,
    journey,
    cluster,
    title,
    from,
    to: to.label,
    host: from.host,
    packet: { protocol: "tcp", destination: to.address, destinationPort: to.port, sourcePort: port++ },
  });
  const end = (one: Endpoint) => ({ label: one.label, address: one.address, port: tcpPort(one) ?? 0 });
  const service = (policy: "Cluster" | "Local") => publicService(view, cluster, policy);
  return [
    leg("same-node", 0, journeys[0], first, end(neighbour)),
    leg("across-nodes", 1, journeys[1], first, end(remote)),
    leg("pod-to-vm", 2, "pod to VM", first, end(vm)),
    leg("vm-to-pod", 2, "VM to pod", vm, end(first)),
    leg("pod-to-site", 3, "pod to on-premises", first, end(site)),
    leg("site-to-pod", 3, "on-premises to pod", site, end(first)),
    leg("pod-to-internet", 4, journeys[4], first, end(internet)),
    leg("service-cluster", 5, "externalTrafficPolicy Cluster", internet, service("Cluster")),
    leg("service-local", 5, "externalTrafficPolicy Local", internet, service("Local")),
  ];
}

function tcpPort(endpoint: Endpoint): number | undefined {
  return endpoint.listens.find((listen) => listen.protocol === "tcp")?.port;
}

/** Two pods of one node. */
function firstPair(pods: readonly Endpoint[]): readonly [Endpoint, Endpoint] {
  for (const one of pods) {
    const other = pods.find((candidate) => candidate.node === one.node && candidate !== one);
    if (other !== undefined) return [one, other];
  }
  return missing("two pods on one node", pods[0]?.cluster ?? "a cluster");
}

function publicService(view: LabView, clusterName: string, policy: "Cluster" | "Local"): ServiceTarget {
  const cluster = view.topology.clusters.get(clusterName);
  const targets = cluster === undefined ? [] : serviceTargets(cluster);
  return (
    targets.find(
      (target) =>
        target.via === "loadbalancer" &&
        target.protocol === "tcp" &&
        (target.service.spec.externalTrafficPolicy ?? "Cluster") === policy &&
        cluster?.vnet.prefixes.every((prefix) => !prefixContains(prefix, target.address)) === true,
    ) ?? missing(`a public Service with externalTrafficPolicy ${policy}`, clusterName)
  );
}

function missing(what: string, where: string): never {
  throw new Failure("documents", `the demo needs ${what} in ${where}`, { fix: "use examples/two-options as it is" });
}

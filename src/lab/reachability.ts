/** Who reaches whom among the pods of a cluster, one answer for each pair and port, as the tracer says it; and the same with other policies. */

import { compile } from "../compile/index.ts";
import type { Origin } from "../ir/network.ts";
import type { NetworkPolicy, Pod } from "../kube/objects.ts";
import type { PortSpec } from "../net/ports.ts";
import { kubeBucket, kubeKey, type Resource, type Resources } from "../resources/resources.ts";
import type { Disposition } from "../trace/index.ts";
import type { Endpoint } from "./endpoints.ts";
import { LabView } from "./view.ts";

export type Receiver = { readonly endpoint: Endpoint; readonly port: PortSpec };

/** `delivered`, or how the packet ended otherwise and what decided that. */
export type Answer = { readonly outcome: Disposition; readonly decidedBy?: Origin };

export type Reachability = {
  readonly senders: readonly Endpoint[];
  readonly receivers: readonly Receiver[];
  /** By sender, then by receiver; `undefined` for a pod and itself. */
  readonly answers: readonly (readonly (Answer | undefined)[])[];
};

/** Pods with an address of their own and a port to be asked, and those that may ask. */
export function partiesOf(
  view: LabView,
  cluster: string,
): { readonly senders: readonly Endpoint[]; readonly receivers: readonly Receiver[] } {
  const senders = view.endpoints.filter(({ pod, cluster: own }) => pod !== undefined && own === cluster && pod.spec.hostNetwork !== true);
  return { senders, receivers: senders.flatMap((endpoint) => endpoint.listens.map((port) => ({ endpoint, port }))) };
}

export function reachability(view: LabView, senders: readonly Endpoint[], receivers: readonly Receiver[]): Reachability {
  const answers = senders.map((sender) =>
    receivers.map(({ endpoint, port }) => (endpoint.host === sender.host ? undefined : answerOf(view, sender, endpoint, port))),
  );
  return { senders, receivers, answers };
}

function answerOf(view: LabView, from: Endpoint, to: Endpoint, { port, protocol }: PortSpec): Answer {
  const paths = view.tracer.trace(from.host, { protocol, destination: to.address, destinationPort: port });
  const failed = paths.find(({ outcome }) => outcome !== "delivered");
  if (failed === undefined) return { outcome: "delivered" };
  const origin = (failed.decidedBy ?? failed.return?.decidedBy)?.origin;
  return { outcome: failed.outcome, ...(origin === undefined ? {} : { decidedBy: origin }) };
}

/** The lab with these policies besides its own; one of the same namespace and name takes the place of the lab's. */
export function withPolicies(view: LabView, cluster: string, policies: readonly NetworkPolicy[]): LabView {
  const bucket = kubeBucket(cluster, "NetworkPolicy");
  const keyOf = ({ metadata }: Resource & { readonly metadata: NetworkPolicy["metadata"] }) =>
    kubeKey(cluster, "NetworkPolicy", metadata.namespace, metadata.name);
  const before = view.resources.list(bucket) as readonly Resource[] as readonly NetworkPolicy[];
  const byKey = new Map([...before, ...policies].map((policy) => [keyOf(policy), policy]));
  const list = [...byKey].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, policy]) => policy);
  const resources: Resources = {
    get: (key) => byKey.get(key) ?? view.resources.get(key),
    list: (name) => (name === bucket ? list : view.resources.list(name)),
    buckets: () => [...new Set([...view.resources.buckets(), bucket])].sort(),
  };
  return new LabView(view.name, resources, compile(resources, view.network));
}

/** As kubectl abbreviates kinds. */
const shortNames: Readonly<Record<string, string>> = { StatefulSet: "sts", DaemonSet: "ds", ReplicationController: "rc" };

/** Whose pod it is, as kubectl names it: "deploy/web"; a pod of nobody's is its own. */
export function workloadOf(view: LabView, { cluster = "", pod, name }: Endpoint): string {
  const owner = pod === undefined ? undefined : ownerOf(pod);
  if (owner === undefined) return `pod/${name}`;
  if (owner.kind === "ReplicaSet") {
    const set = view.resources.get(kubeKey(cluster, "ReplicaSet", pod?.metadata.namespace, owner.name));
    const deployment = set !== undefined && "kind" in set && "metadata" in set ? ownerOf(set) : undefined;
    return deployment === undefined ? `rs/${owner.name}` : `deploy/${deployment.name}`;
  }
  return `${shortNames[owner.kind] ?? owner.kind.toLowerCase()}/${owner.name}`;
}

function ownerOf({ metadata }: Pick<Pod, "metadata">) {
  return metadata.ownerReferences?.find(({ controller }) => controller !== false);
}

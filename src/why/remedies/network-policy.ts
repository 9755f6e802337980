/** Network policies deny by what they leave out: the smallest policy that adds this flow. */

import type { Direction } from "../../kube/network-policy.ts";
import type { KubeObject, LabelSelector, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from "../../kube/objects.ts";
import type { Endpoint } from "../../lab/endpoints.ts";
import type { LabView } from "../../lab/view.ts";
import { type Address, familyOf } from "../../net/address.ts";
import { kubeKey } from "../../resources/resources.ts";
import type { Change } from "../change.ts";
import type { Obstacle } from "../obstacle.ts";

export type KubeReference = { readonly cluster: string; readonly namespace: string; readonly name: string };

/** `shop:shop/NetworkPolicy/api`, as origins name objects. */
export function parseKubeReference(text: string, kind: string): KubeReference | undefined {
  const match = /^([^:/]+):([^/]+)\/([^/]+)\/(.+)$/.exec(text);
  if (match?.[3] !== kind) return undefined;
  return { cluster: match[1] ?? "", namespace: match[2] ?? "", name: match[4] ?? "" };
}

/** Labels that controllers put on single pods: a policy that names them selects pods that will be gone. */
const labelsOfOnePod = [
  "pod-template-hash",
  "controller-revision-hash",
  "statefulset.kubernetes.io/pod-name",
  "apps.kubernetes.io/pod-index",
];

/** First for this peer alone; then for every peer on this port, since an engine may know nodes by another name than their address (Cilium does). */
export function forNetworkPolicy(view: LabView, { element = "", packet }: Obstacle, { cluster }: KubeReference): readonly Change[] {
  const direction = element.includes("egress") ? "egress" : "ingress";
  const [own, peer] = direction === "egress" ? [packet.source, packet.destination] : [packet.destination, packet.source];
  const pod = podAt(view, cluster, own);
  if (pod === undefined) return [];
  const other = podAt(view, cluster, peer);
  const { protocol, destinationPort } = packet;
  const port: NetworkPolicyPort | undefined =
    destinationPort === undefined ? undefined : { protocol: protocol === "udp" ? "UDP" : "TCP", port: destinationPort };
  const block: NetworkPolicyPeer = { ipBlock: { cidr: `${peer}/${familyOf(peer) === 4 ? 32 : 128}` } };
  const name = other === undefined ? peer : nameOf(other);
  return [
    adding(cluster, pod, direction, port, {
      peer: other === undefined ? block : peerOf(other),
      name,
      words: other === undefined ? peer : `${name} of namespace ${other.namespace}`,
    }),
    adding(cluster, pod, direction, port, undefined),
  ];
}

function adding(
  cluster: string,
  pod: Endpoint,
  direction: Direction,
  port: NetworkPolicyPort | undefined,
  allowed: { readonly peer: NetworkPolicyPeer; readonly name: string; readonly words: string } | undefined,
): Change {
  const isEgress = direction === "egress";
  const peers = allowed === undefined ? {} : isEgress ? { to: [allowed.peer] } : { from: [allowed.peer] };
  const rule = { ...peers, ...(port === undefined ? {} : { ports: [port] }) };
  const { namespace = "default" } = pod;
  const preposition = isEgress ? "to" : "from";
  const number = port === undefined ? "" : `-${port.port}`;
  const name = `allow-${nameOf(pod)}-${preposition}-${allowed?.name ?? "anyone"}${number}`
    .replace(/[^a-z0-9-]+/g, "-")
    .slice(0, 200)
    .replace(/-+$/, "");
  const policy: NetworkPolicy = {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name, namespace },
    spec: {
      podSelector: selectorOf(pod),
      policyTypes: [isEgress ? "Egress" : "Ingress"],
      ...(isEgress ? { egress: [rule] } : { ingress: [rule] }),
    },
  };
  const on = port === undefined ? "" : ` on ${port.protocol} ${port.port}`;
  return {
    kind: "network-policy",
    what: `add NetworkPolicy ${namespace}/${name}: ${direction} of ${nameOf(pod)} ${preposition} ${allowed?.words ?? "anyone"}${on}`,
    owner: `namespace ${namespace} of cluster ${cluster}`,
    document: policy,
    ...(allowed === undefined
      ? { note: "it opens the port to everybody: no peer that a policy can name is the sender, as this engine sees it" }
      : {}),
    writes: () => [{ key: kubeKey(cluster, "NetworkPolicy", namespace, name), value: policy }],
  };
}

/** Pods of the node's network have its address, and no policy knows them. */
function podAt(view: LabView, cluster: string, address: Address): Endpoint | undefined {
  const has = (one: Endpoint) => one.address === address || one.ipv6Address === address;
  return view.endpoints.find((one) => one.cluster === cluster && has(one) && one.pod !== undefined && one.pod.spec.hostNetwork !== true);
}

function selectorOf({ pod }: Endpoint): LabelSelector {
  const labels = Object.entries(labelsOf(pod)).filter(([key]) => !labelsOfOnePod.includes(key));
  return labels.length === 0 ? {} : { matchLabels: Object.fromEntries(labels) };
}

function labelsOf(object: KubeObject | undefined): Readonly<Record<string, string>> {
  return object?.metadata.labels ?? {};
}

function peerOf(endpoint: Endpoint): NetworkPolicyPeer {
  const { namespace = "default" } = endpoint;
  return {
    namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": namespace } },
    podSelector: selectorOf(endpoint),
  };
}

/** The pod's application, by its labels, or else its own name. */
function nameOf({ pod, name }: Endpoint): string {
  const labels = labelsOf(pod);
  const text = labels["app.kubernetes.io/name"] ?? labels["app"] ?? labels["k8s-app"] ?? name;
  return text.toLowerCase().replace(/[^a-z0-9-]+/g, "-");
}

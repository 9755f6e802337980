/**
 * What a NetworkPolicy means, apart from any engine: which pods it isolates in which direction, and which rules it has for them
 * (k8sdoc: concepts/services-networking/network-policies). Text for people is made here, too, so that all who name a rule name it alike.
 */

import { runningContainers } from "./containers.ts";
import type { LabelSelector, Labels, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicyRule, Pod } from "./objects.ts";
import { selectorText, selects } from "./selectors.ts";

export const directions = ["ingress", "egress"] as const;
export type Direction = (typeof directions)[number];

/** Is it meant for this direction? Without `policyTypes`: ingress always, egress when it has egress rules. */
export function judges({ spec }: NetworkPolicy, direction: Direction): boolean {
  const types = spec.policyTypes ?? [];
  if (types.length > 0) return types.includes(direction === "ingress" ? "Ingress" : "Egress");
  return direction === "ingress" || (spec.egress ?? []).length > 0;
}

/** Does it select the pod? Namespaces are the caller's matter. Pods of the node's network are selected by none. */
export function selectsPod(policy: NetworkPolicy, pod: Pod): boolean {
  return pod.spec.hostNetwork !== true && selects(policy.spec.podSelector ?? {}, pod.metadata.labels);
}

/** A rule of either direction. `peers` and `ports` are undefined when they leave nothing out. */
export type PolicyRule = {
  /** `spec.ingress[0]`. */
  readonly name: string;
  readonly peers: readonly NetworkPolicyPeer[] | undefined;
  readonly ports: readonly NetworkPolicyPort[] | undefined;
};

/** Its rules of a direction, in order. An empty list of peers or ports leaves nothing out, as an absent one. */
export function rulesOf({ spec }: NetworkPolicy, direction: Direction): readonly PolicyRule[] {
  const rules: readonly NetworkPolicyRule[] = (direction === "ingress" ? spec.ingress : spec.egress) ?? [];
  return rules.map((rule, index) => {
    const peers = direction === "ingress" ? rule.from : rule.to;
    return {
      name: `spec.${direction}[${index}]`,
      peers: (peers ?? []).length === 0 ? undefined : peers,
      ports: (rule.ports ?? []).length === 0 ? undefined : rule.ports,
    };
  });
}

/** Pods as a peer names them, or as a policy selects its own: without `namespaceSelector` those of one namespace. */
export type PodSelection = {
  readonly podSelector: LabelSelector;
  readonly in: { readonly namespace: string } | { readonly namespaceSelector: LabelSelector };
};

/** The pods that a peer without `ipBlock` names, in a policy of `namespace`. */
export function selectionOf(peer: NetworkPolicyPeer, namespace: string): PodSelection {
  const { podSelector = {}, namespaceSelector } = peer;
  return { podSelector, in: namespaceSelector === undefined ? { namespace } : { namespaceSelector } };
}

/** Labels of a namespace: its name is always one of them (k8s, SetDefaults_Namespace). */
export function namespaceLabels(name: string, labels: Labels | undefined): Labels {
  return { ...labels, "kubernetes.io/metadata.name": name };
}

/** The numbers that a pod gives to a port's name, for one protocol. */
export function numbersOf(pod: Pod, name: string, protocol: string): readonly number[] {
  const found = runningContainers(pod.spec)
    .flatMap((container) => container.ports ?? [])
    .filter((port) => port.name === name && (port.protocol ?? "TCP") === protocol)
    .map((port) => port.containerPort);
  return [...new Set(found)];
}

/** "from pods app=web in namespace shop or 10.0.0.0/8 except 10.1.0.0/16, to TCP 80 or UDP 53". */
export function ruleText(rule: PolicyRule, direction: Direction, namespace: string): string {
  const anyone = direction === "ingress" ? "from anyone" : "to anyone";
  const peers = rule.peers?.map((peer) => peerText(peer, namespace)).join(" or ");
  const who = peers === undefined ? anyone : `${direction === "ingress" ? "from" : "to"} ${peers}`;
  return `${who}, ${rule.ports === undefined ? "on any port" : `on ${rule.ports.map(portText).join(" or ")}`}`;
}

function peerText(peer: NetworkPolicyPeer, namespace: string): string {
  if (peer.ipBlock !== undefined) {
    const { cidr, except = [] } = peer.ipBlock;
    return except.length === 0 ? cidr : `${cidr} except ${except.join(", ")}`;
  }
  const pods = selectorText(peer.podSelector ?? {});
  const which = pods === "" ? "pods" : `pods ${pods}`;
  if (peer.namespaceSelector === undefined) return `${which} in namespace ${namespace}`;
  const namespaces = selectorText(peer.namespaceSelector);
  return namespaces === "" ? `${which} in any namespace` : `${which} in namespaces ${namespaces}`;
}

function portText({ protocol = "TCP", port, endPort }: NetworkPolicyPort): string {
  if (port === undefined) return `any ${protocol} port`;
  return endPort === undefined ? `${protocol} ${port}` : `${protocol} ${port}-${endPort}`;
}

/**
 * Who may reach whom, straight from the Kubernetes documentation (k8sdoc: concepts/services-networking/network-policies), for tests: written
 * without looking at the compiler, and slower than it on purpose. It knows documents, labels and addresses, and nothing else.
 */

export type Expression = { readonly key: string; readonly operator: string; readonly values?: readonly string[] };
export type Selector = { readonly matchLabels?: Readonly<Record<string, string>>; readonly matchExpressions?: readonly Expression[] };
export type Peer = {
  readonly podSelector?: Selector;
  readonly namespaceSelector?: Selector;
  readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] };
};
export type Port = { readonly protocol?: string; readonly port?: number | string; readonly endPort?: number };
export type PolicyDocument = {
  readonly apiVersion: "networking.k8s.io/v1";
  readonly kind: "NetworkPolicy";
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly spec: {
    readonly podSelector: Selector;
    readonly policyTypes?: readonly string[];
    readonly ingress?: readonly { readonly from?: readonly Peer[]; readonly ports?: readonly Port[] }[];
    readonly egress?: readonly { readonly to?: readonly Peer[]; readonly ports?: readonly Port[] }[];
  };
};

export type Party = {
  readonly address: string;
  /** Absent for what is no pod, and for pods of the node's network. */
  readonly pod?: {
    readonly namespace: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly ports: readonly { readonly name: string; readonly protocol: string; readonly number: number }[];
  };
};

export type World = {
  readonly policies: readonly PolicyDocument[];
  readonly namespaces: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** With Cilium these are matched by selectors only. */
  readonly addressesWithoutBlocks: ReadonlySet<string>;
};

/** May `from` open a connection to this port of `to`? */
export function mayReach(world: World, from: Party, to: Party, protocol: string, port: number): boolean {
  if (from.address === to.address) return true;
  return permits(world, "Egress", from, to, to, protocol, port) && permits(world, "Ingress", to, from, to, protocol, port);
}

function permits(
  world: World,
  direction: "Ingress" | "Egress",
  self: Party,
  other: Party,
  receiver: Party,
  protocol: string,
  port: number,
): boolean {
  const { pod } = self;
  if (pod === undefined) return true;
  const mine = world.policies.filter(
    ({ metadata, spec }) =>
      metadata.namespace === pod.namespace && picks(spec.podSelector, pod.labels) && typesOf(spec).includes(direction),
  );
  if (mine.length === 0) return true;
  for (const { metadata, spec } of mine) {
    const rules =
      direction === "Ingress"
        ? (spec.ingress ?? []).map(({ from, ports }) => ({ peers: from, ports }))
        : (spec.egress ?? []).map(({ to, ports }) => ({ peers: to, ports }));
    for (const { peers = [], ports = [] } of rules) {
      const peerFits = peers.length === 0 || peers.some((peer) => isPeer(world, metadata.namespace, peer, other));
      const portFits = ports.length === 0 || ports.some((each) => isPort(each, receiver, protocol, port));
      if (peerFits && portFits) return true;
    }
  }
  return false;
}

function typesOf(spec: PolicyDocument["spec"]): readonly string[] {
  if (spec.policyTypes !== undefined && spec.policyTypes.length > 0) return spec.policyTypes;
  return spec.egress !== undefined && spec.egress.length > 0 ? ["Ingress", "Egress"] : ["Ingress"];
}

function isPeer(world: World, namespace: string, peer: Peer, { address, pod }: Party): boolean {
  if (peer.ipBlock !== undefined) {
    const { cidr, except = [] } = peer.ipBlock;
    if (world.addressesWithoutBlocks.has(address)) return false;
    return inRange(address, cidr) && !except.some((range) => inRange(address, range));
  }
  if (pod === undefined) return false;
  const namespaceFits =
    peer.namespaceSelector === undefined
      ? pod.namespace === namespace
      : picks(peer.namespaceSelector, { ...world.namespaces[pod.namespace], "kubernetes.io/metadata.name": pod.namespace });
  return namespaceFits && (peer.podSelector === undefined || picks(peer.podSelector, pod.labels));
}

function isPort({ protocol = "TCP", port, endPort }: Port, receiver: Party, wanted: string, number: number): boolean {
  if (protocol !== wanted) return false;
  if (port === undefined) return true;
  if (typeof port === "number") return number >= port && number <= (endPort ?? port);
  const named = receiver.pod?.ports ?? [];
  return named.some((each) => each.name === port && each.protocol === wanted && each.number === number);
}

function picks({ matchLabels = {}, matchExpressions = [] }: Selector, labels: Readonly<Record<string, string>>): boolean {
  for (const [key, value] of Object.entries(matchLabels)) if (labels[key] !== value) return false;
  for (const { key, operator, values = [] } of matchExpressions) {
    const value = labels[key];
    if (operator === "In" && (value === undefined || !values.includes(value))) return false;
    if (operator === "NotIn" && value !== undefined && values.includes(value)) return false;
    if (operator === "Exists" && value === undefined) return false;
    if (operator === "DoesNotExist" && value !== undefined) return false;
  }
  return true;
}

/** By binary digits, as one does it on paper. */
function inRange(address: string, range: string): boolean {
  const [network = "", length = "32"] = range.split("/");
  const bits = (text: string) =>
    text
      .split(".")
      .map((part) => Number(part).toString(2).padStart(8, "0"))
      .join("");
  return bits(address).startsWith(bits(network).slice(0, Number(length)));
}

/** Policies by chance, over labels, ports and addresses that a test names: few of each, so that they meet. */

import type { Chance } from "../../src/lab/check.ts";
import type { Peer, PolicyDocument, Port, Selector } from "./oracle.ts";

export type Vocabulary = {
  readonly namespaces: readonly string[];
  readonly podLabels: Readonly<Record<string, readonly string[]>>;
  readonly namespaceLabels: Readonly<Record<string, readonly string[]>>;
  readonly ports: readonly Port[];
  readonly blocks: readonly NonNullable<Peer["ipBlock"]>[];
};

export function randomPolicies(chance: Chance, count: number, words: Vocabulary): readonly PolicyDocument[] {
  const pick = <T>(items: readonly T[]): T => items[chance.below(items.length)] as T;
  const some = <T>(most: number, make: () => T): T[] => Array.from({ length: chance.below(most + 1) }, make);
  const oneIn = (n: number) => chance.below(n) === 0;

  const selector = (labels: Readonly<Record<string, readonly string[]>>): Selector => {
    if (oneIn(4)) return {};
    const key = pick(Object.keys(labels));
    const values = labels[key] ?? [];
    const other = pick(Object.keys(labels));
    return pick<() => Selector>([
      () => ({ matchLabels: { [key]: pick(values) } }),
      () => ({ matchLabels: { [key]: pick(values) }, matchExpressions: [{ key: other, operator: "Exists" }] }),
      () => ({ matchExpressions: [{ key, operator: "In", values: [pick(values), pick(values)] }] }),
      () => ({ matchExpressions: [{ key, operator: "NotIn", values: [pick(values)] }] }),
      () => ({ matchExpressions: [{ key, operator: pick(["Exists", "DoesNotExist"]) }] }),
    ])();
  };
  const peer = (): Peer =>
    pick<() => Peer>([
      () => ({ podSelector: selector(words.podLabels) }),
      () => ({ namespaceSelector: selector(words.namespaceLabels) }),
      () => ({ podSelector: selector(words.podLabels), namespaceSelector: selector(words.namespaceLabels) }),
      () => ({ ipBlock: pick(words.blocks) }),
    ])();
  const rule = (peers: "from" | "to") => ({
    ...(oneIn(4) ? {} : { [peers]: some(2, peer) }),
    ...(oneIn(3) ? {} : { ports: some(2, () => pick(words.ports)) }),
  });
  return Array.from({ length: count }, (_, index): PolicyDocument => {
    const types = pick([undefined, ["Ingress"], ["Egress"], ["Ingress", "Egress"]]);
    return {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: `p${index}`, namespace: pick(words.namespaces) },
      spec: {
        podSelector: selector(words.podLabels),
        ...(types === undefined ? {} : { policyTypes: types }),
        ...(oneIn(3) ? {} : { ingress: some(2, () => rule("from")) }),
        ...(oneIn(3) ? {} : { egress: some(2, () => rule("to")) }),
      },
    };
  });
}

/** The pods of a cluster, found by owner, by node and by label, without looking at all of them each time one changes. */

import type { ManagedCluster } from "../arm/resources.ts";
import type { Labels, ObjectMeta, Pod } from "../kube/objects.ts";
import { armKey, type Key } from "../resources/resources.ts";
import { indexed } from "./memo.ts";

/**
 * Lists are sorted by key, as the list of all pods is, and are never changed: a list is the same object for as long as its pods are.
 * Valid until the index is asked for another list of pods.
 */
export type PodIndex = {
  /** By {@link ownerPath}. */
  readonly byOwner: ReadonlyMap<string, readonly Pod[]>;
  /** Every pod that is bound to the node and not ended; those with host networking too. */
  readonly byNode: ReadonlyMap<string, readonly Pod[]>;
  /** By `namespace`, a line feed, `key=value`. */
  readonly byLabel: ReadonlyMap<string, readonly Pod[]>;
  /** Not bound to a node and not ended. */
  readonly unbound: readonly Pod[];
  /** Bound to a node, not ended, without an address. */
  readonly unaddressed: readonly Pod[];
  /** With an address, and neither running and ready nor ended. */
  readonly unready: readonly Pod[];
};

/** The same, while it is kept up to date. States of a pod are groups too, under names that no owner, node or label has. */
type Groups = {
  pods: readonly Pod[];
  readonly byOwner: Map<string, Pod[]>;
  readonly byNode: Map<string, Pod[]>;
  readonly byLabel: Map<string, Pod[]>;
  readonly byState: Map<string, Pod[]>;
};

/** With more changes than this the index is made anew. */
const fewChanges = 64;
const none: readonly Pod[] = [];

const known = new Map<Key, Groups>();
/** Clusters whose index is kept; one more drops the oldest. */
const maxKnown = 64;

/** The index of `pods`, the list of all pods of `cluster`. Made from the last one asked for, if the lists differ in little. */
export function podIndex(cluster: ManagedCluster, pods: readonly Pod[]): PodIndex {
  const key = armKey(cluster.id);
  let groups = known.get(key);
  if (groups === undefined || (groups.pods !== pods && !update(groups, pods))) {
    groups = build(pods);
    known.delete(key);
    known.set(key, groups);
    const [oldest] = known.keys();
    if (known.size > maxKnown && oldest !== undefined) known.delete(oldest);
  }
  const { byOwner, byNode, byLabel, byState } = groups;
  return {
    byOwner,
    byNode,
    byLabel,
    unbound: byState.get("unbound") ?? none,
    unaddressed: byState.get("unaddressed") ?? none,
    unready: byState.get("unready") ?? none,
  };
}

export function podsOfOwner(index: PodIndex, kind: string, owner: { readonly metadata: ObjectMeta }): readonly Pod[] {
  return index.byOwner.get(ownerPath(kind, owner.metadata.namespace, owner.metadata.name)) ?? none;
}

export function podsOnNode(index: PodIndex, node: string): readonly Pod[] {
  return index.byNode.get(node) ?? none;
}

export function podsWithLabel(index: PodIndex, namespace: string | undefined, key: string, value: string): readonly Pod[] {
  return index.byLabel.get(`${namespace ?? ""}\n${key}=${value}`) ?? none;
}

/** `ReplicaSet/shop/web-5d8f`. */
export function ownerPath(kind: string, namespace: string | undefined, name: string): string {
  return `${kind}/${namespace ?? ""}/${name}`;
}

/** Path of the owner that controls the pod. */
export function ownerPathOf(pod: Pod): string | undefined {
  const owner = pod.metadata.ownerReferences?.find((reference) => reference.controller === true);
  return owner === undefined ? undefined : ownerPath(owner.kind, pod.metadata.namespace, owner.name);
}

/** Its containers are done for good: it holds neither an address nor a place on its node. */
export function isEnded(pod: Pod): boolean {
  const phase = pod.status?.phase;
  return phase === "Succeeded" || phase === "Failed";
}

export function isReady(pod: Pod): boolean {
  return pod.status?.conditions?.some((condition) => condition.type === "Ready" && condition.status === "True") === true;
}

function build(pods: readonly Pod[]): Groups {
  const groups: Groups = { pods, byOwner: new Map(), byNode: new Map(), byLabel: new Map(), byState: new Map() };
  for (const pod of pods) {
    forEachGroup(groups, pod, (map, name) => {
      const group = map.get(name);
      if (group === undefined) map.set(name, [pod]);
      else group.push(pod);
    });
  }
  return groups;
}

/** False when there is too much to do. Then nothing was done. */
function update(groups: Groups, pods: readonly Pod[]): boolean {
  const changes = differences(groups.pods, pods);
  if (changes === undefined) return false;
  for (const pod of changes.gone)
    forEachGroup(groups, pod, (map, name) => change(map, name, (group) => group.filter((other) => other !== pod)));
  for (const pod of changes.come) forEachGroup(groups, pod, (map, name) => change(map, name, (group) => withPod(group, pod)));
  groups.pods = pods;
  return true;
}

/** Groups are replaced, not changed: others may hold them. */
function change(map: Map<string, Pod[]>, name: string, edit: (group: Pod[]) => Pod[]): void {
  const group = edit(map.get(name) ?? []);
  if (group.length === 0) map.delete(name);
  else map.set(name, group);
}

function withPod(group: readonly Pod[], pod: Pod): Pod[] {
  let [low, high] = [0, group.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const other = group[middle];
    if (other !== undefined && comparePods(other, pod) < 0) low = middle + 1;
    else high = middle;
  }
  return [...group.slice(0, low), pod, ...group.slice(low)];
}

function forEachGroup(groups: Groups, pod: Pod, visit: (map: Map<string, Pod[]>, name: string) => void): void {
  const { metadata, spec, status } = pod;
  const owner = ownerPathOf(pod);
  if (owner !== undefined) visit(groups.byOwner, owner);
  if (metadata.labels !== undefined) {
    const namespace = `${metadata.namespace ?? ""}\n`;
    for (const pair of labelPairs(metadata.labels)) visit(groups.byLabel, namespace + pair);
  }
  if (isEnded(pod)) return;
  if (spec.nodeName === undefined) visit(groups.byState, "unbound");
  else {
    visit(groups.byNode, spec.nodeName);
    if (status?.podIP === undefined) visit(groups.byState, "unaddressed");
    else if (status.phase !== "Running" || !isReady(pod)) visit(groups.byState, "unready");
  }
}

/** Pods of one owner share their labels, so their pairs are written once. */
const labelPairs = indexed((labels: Labels): readonly string[] => Object.entries(labels).map(([key, value]) => `${key}=${value}`));

/** What was in `before` only and what is in `after` only, a changed pod in both; `undefined` when it is a lot. Both are sorted by key. */
function differences(
  before: readonly Pod[],
  after: readonly Pod[],
): { readonly gone: readonly Pod[]; readonly come: readonly Pod[] } | undefined {
  const gone: Pod[] = [];
  const come: Pod[] = [];
  let [left, right] = [0, 0];
  for (;;) {
    const [a, b] = [before[left], after[right]];
    if (a === b) {
      if (a === undefined) return { gone, come };
      left++;
      right++;
      continue;
    }
    if (gone.length + come.length > 2 * fewChanges) return undefined;
    const order = a === undefined ? 1 : b === undefined ? -1 : comparePods(a, b);
    if (order <= 0 && a !== undefined) {
      gone.push(a);
      left++;
    }
    if (order >= 0 && b !== undefined) {
      come.push(b);
      right++;
    }
  }
}

/** The order of their keys. */
function comparePods(a: Pod, b: Pod): number {
  const [x, y] = [`${a.metadata.namespace ?? ""}/${a.metadata.name}`, `${b.metadata.namespace ?? ""}/${b.metadata.name}`];
  return x < y ? -1 : x > y ? 1 : 0;
}

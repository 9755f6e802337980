/**
 * Binds pods to nodes.
 *
 * Filters are Kubernetes' (k8s, pkg/scheduler/framework/plugins), in its order, for what a lab knows: cordoned, taints, node selector and required
 * node affinity, host ports, room for pods. Of the nodes that remain it takes the one with the fewest pods of the same owner, then with the
 * fewest pods, then the first by name: an order of its own, so that the same lab gives the same placement.
 * No resource requests, no preferences: a lab's nodes have room for `maxPods` pods, whatever they ask for.
 */

import { runningContainers } from "../kube/containers.ts";
import type { Node, Pod, PodSpec } from "../kube/objects.ts";
import { syncWarnings, type Warning } from "./events.ts";
import { perCluster } from "./memo.ts";
import { matchesNodeSelection, pinnedNode, untoleratedTaint } from "./node-fit.ts";
import { isEnded, ownerPathOf, type PodIndex, podIndex, podsOnNode } from "./pod-index.ts";
import { listKube, Writes } from "./view.ts";

const failedScheduling = "FailedScheduling";

export const scheduler = perCluster("scheduler", (resources, cluster) => {
  const writes = new Writes(resources);
  const index = podIndex(cluster, listKube(resources, cluster, "Pod"));
  const pending = index.unbound;
  const warnings: Warning[] = [];
  if (pending.length > 0) {
    const placement = new Placement(listKube(resources, cluster, "Node"), index);
    for (const pod of pending) {
      const node = placement.place(pod);
      if (node !== undefined) writes.putKube(cluster, withNode(pod, node.name));
      else {
        const { namespace = "", name } = pod.metadata;
        warnings.push({ reason: failedScheduling, message: placement.refusal(pod), involvedObject: { kind: "Pod", namespace, name } });
      }
    }
  }
  syncWarnings(resources, writes, cluster, [failedScheduling], warnings);
  return writes.list;
});

function withNode(pod: Pod, nodeName: string): Pod {
  return { ...pod, spec: { ...pod.spec, nodeName } };
}

/** A node and what has been put on it so far. */
type Place = {
  readonly node: Node;
  readonly name: string;
  /** Position in the order of names. */
  readonly rank: number;
  readonly room: number;
  count: number;
  /** `8080/TCP`. Computed when a pod asks for one. */
  hostPorts: Set<string> | undefined;
};

/** The nodes that one kind of pod may run on, as a heap by preference; `ofOwner` counts the owner's pods by node, if it has an owner. */
type Queue = { readonly heap: Entry[]; readonly ofOwner: Map<string, number> | undefined };

/** A place with its counts when it was put into the heap. Counts only grow, so an entry that is out of date is too near the front, never too far. */
type Entry = { readonly place: Place; readonly owned: number; readonly count: number };

class Placement {
  readonly #places: readonly Place[];
  readonly #byName = new Map<string, Place>();
  readonly #pods: PodIndex;
  /** By what decides about a node, so that pods of one template share the work. */
  readonly #fitting = new Map<string, readonly Place[]>();
  readonly #queues = new Map<string, Queue>();
  readonly #refusals = new Map<string, string>();

  constructor(nodes: readonly Node[], pods: PodIndex) {
    this.#pods = pods;
    this.#places = nodes.map((node, rank) => ({
      node,
      name: node.metadata.name,
      rank,
      room: Number(node.status.capacity.pods),
      count: podsOnNode(pods, node.metadata.name).length,
      hostPorts: undefined,
    }));
    for (const place of this.#places) this.#byName.set(place.name, place);
  }

  /** The node for the pod, which counts as placed there from now on. */
  place(pod: Pod): Place | undefined {
    const pinned = pinnedNode(pod.spec);
    if (pinned !== undefined) {
      const place = this.#byName.get(pinned);
      return place !== undefined && this.#reason(pod.spec, place) === undefined ? this.#bind(pod, place) : undefined;
    }
    const ports = hostPortsOf(pod.spec);
    if (ports.length > 0) {
      const queue = this.#queue(pod);
      const candidates = this.#fittingPlaces(pod.spec).filter((place) => this.#reason(pod.spec, place) === undefined);
      const entries = candidates.map((place) => ({ place, owned: queue.ofOwner?.get(place.name) ?? 0, count: place.count }));
      const best = entries.reduce<Entry | undefined>((a, b) => (a === undefined || compare(b, a) < 0 ? b : a), undefined);
      return best === undefined ? undefined : this.#bind(pod, best.place);
    }
    const queue = this.#queue(pod);
    for (let entry = queue.heap[0]; entry !== undefined; entry = queue.heap[0]) {
      const { place } = entry;
      const owned = queue.ofOwner?.get(place.name) ?? 0;
      if (place.count >= place.room) pop(queue.heap);
      else if (owned !== entry.owned || place.count !== entry.count) replaceTop(queue.heap, { place, owned, count: place.count });
      else return this.#bind(pod, place);
    }
    return undefined;
  }

  /** Why there is no node: `0/3 nodes are available: 3 Too many pods.` (k8s, pkg/scheduler/framework/types.go, FitError). */
  refusal(pod: Pod): string {
    if (this.#places.length === 0) return "no nodes available to schedule pods";
    // Nothing is bound to a node without being counted, so the answer may be old by pods placed since; it is right again at the next call.
    const kind = `${templateKey(pod.spec)} ${hostPortsOf(pod.spec).join()}`;
    let message = this.#refusals.get(kind);
    if (message === undefined) {
      const reasons = new Map<string, number>();
      for (const place of this.#places) {
        const reason = this.#reason(pod.spec, place);
        if (reason !== undefined) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
      }
      const histogram = [...reasons].map(([reason, count]) => `${count} ${reason}`).sort();
      message = `0/${this.#places.length} nodes are available: ${histogram.join(", ")}.`;
      this.#refusals.set(kind, message);
    }
    return message;
  }

  #bind(pod: Pod, place: Place): Place {
    place.count++;
    const owned = this.#queues.get(queueKey(pod))?.ofOwner;
    owned?.set(place.name, (owned.get(place.name) ?? 0) + 1);
    const ports = hostPortsOf(pod.spec);
    if (ports.length > 0) for (const port of ports) this.#hostPorts(place).add(port);
    return place;
  }

  /** The first filter that the node fails, in Kubernetes' words. */
  #reason(spec: PodSpec, place: Place): string | undefined {
    const reason = lastingReason(spec, place.node);
    if (reason !== undefined) return reason;
    if (hostPortsOf(spec).some((port) => this.#hostPorts(place).has(port))) {
      return "node(s) didn't have free ports for the requested pod ports";
    }
    return place.count >= place.room ? "Too many pods" : undefined;
  }

  #hostPorts(place: Place): Set<string> {
    place.hostPorts ??= new Set(podsOnNode(this.#pods, place.name).flatMap((pod) => hostPortsOf(pod.spec)));
    return place.hostPorts;
  }

  #fittingPlaces(spec: PodSpec): readonly Place[] {
    const key = templateKey(spec);
    let places = this.#fitting.get(key);
    if (places === undefined) {
      places = this.#places.filter((place) => lastingReason(spec, place.node) === undefined);
      this.#fitting.set(key, places);
    }
    return places;
  }

  #queue(pod: Pod): Queue {
    const key = queueKey(pod);
    let queue = this.#queues.get(key);
    if (queue === undefined) {
      const owner = ownerPathOf(pod);
      const ofOwner = owner === undefined ? undefined : new Map<string, number>();
      for (const sibling of this.#pods.byOwner.get(owner ?? "") ?? []) {
        const node = sibling.spec.nodeName;
        if (node !== undefined && !isEnded(sibling)) ofOwner?.set(node, (ofOwner.get(node) ?? 0) + 1);
      }
      const heap = this.#fittingPlaces(pod.spec).map((place) => ({ place, owned: ofOwner?.get(place.name) ?? 0, count: place.count }));
      // A sorted list is a heap.
      queue = { heap: heap.sort(compare), ofOwner };
      this.#queues.set(key, queue);
    }
    return queue;
  }
}

/** What does not change while pods are placed. */
function lastingReason(spec: PodSpec, node: Node): string | undefined {
  if (node.spec.unschedulable === true) {
    const cordoned = { key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" } as const;
    const bare: Node = { ...node, spec: { ...node.spec, taints: [cordoned] } };
    if (untoleratedTaint(bare, spec.tolerations) !== undefined) return "node(s) were unschedulable";
  }
  const ready = node.status.conditions.find((condition) => condition.type === "Ready");
  if (ready !== undefined && ready.status !== "True") return "node(s) had untolerated taint {node.kubernetes.io/not-ready: }";
  const taint = untoleratedTaint(node, spec.tolerations);
  if (taint !== undefined) return `node(s) had untolerated taint {${taint.key}: ${taint.value ?? ""}}`;
  if (!matchesNodeSelection(spec, node)) return "node(s) didn't match Pod's node affinity/selector";
  return undefined;
}

const hostPorts = new WeakMap<PodSpec["containers"], readonly string[]>();
const hostNetworkPorts = new WeakMap<PodSpec["containers"], readonly string[]>();

/** Ports of the node that the pod takes; with host networking every declared port is one. */
function hostPortsOf(spec: PodSpec): readonly string[] {
  const known = spec.hostNetwork === true ? hostNetworkPorts : hostPorts;
  let ports = known.get(spec.containers);
  if (ports === undefined) {
    ports = runningContainers(spec).flatMap((container) =>
      (container.ports ?? []).flatMap((port) => {
        const number = port.hostPort || (spec.hostNetwork === true ? port.containerPort : 0);
        return number === 0 ? [] : [`${number}/${port.protocol ?? "TCP"}`];
      }),
    );
    known.set(spec.containers, ports);
  }
  return ports;
}

const templateKeys = new WeakMap<PodSpec, string>();

/** Equal for pods that may run on the same nodes. */
function templateKey(spec: PodSpec): string {
  let key = templateKeys.get(spec);
  if (key === undefined) {
    key = JSON.stringify([spec.nodeSelector, spec.affinity, spec.tolerations]);
    templateKeys.set(spec, key);
  }
  return key;
}

function queueKey(pod: Pod): string {
  return `${ownerPathOf(pod) ?? ""} ${templateKey(pod.spec)}`;
}

function compare(a: Entry, b: Entry): number {
  return a.owned - b.owned || a.count - b.count || a.place.rank - b.place.rank;
}

function replaceTop(heap: Entry[], entry: Entry): void {
  heap[0] = entry;
  for (let at = 0; ; ) {
    let least = at;
    for (const child of [2 * at + 1, 2 * at + 2]) {
      const [candidate, current] = [heap[child], heap[least]];
      if (candidate !== undefined && current !== undefined && compare(candidate, current) < 0) least = child;
    }
    if (least === at) return;
    const [parent, child] = [heap[at], heap[least]];
    if (parent === undefined || child === undefined) return;
    heap[at] = child;
    heap[least] = parent;
    at = least;
  }
}

function pop(heap: Entry[]): void {
  const last = heap.pop();
  if (last !== undefined && heap.length > 0) replaceTop(heap, last);
}

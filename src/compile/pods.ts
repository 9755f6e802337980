/** Which pods are on which node of a cluster. Of many pods of which a few changed, only the lists of the nodes they are on are made anew. */

import { hashDigits } from "../ir/names.ts";
import type { HostName } from "../ir/network.ts";
import type { Pod } from "../kube/objects.ts";
import { type Address, parseAddress } from "../net/address.ts";
import { sameItems } from "./same-items.ts";
import { hostNames } from "./wiring.ts";

/** A pod with an address and an interface of its own. */
export type PodInfo = {
  /** Its status may be an older one: what a network takes from it is the address. */
  readonly pod: Pod;
  readonly address: Address;
  readonly host: HostName;
  /** 11 hexadecimal digits, for the name of the node's end of its link. */
  readonly hash: string;
};

/** Lists are in the order of the list of all pods, and the same objects for as long as nothing that a network depends on changes. */
export type PodPlaces = {
  readonly pods: readonly Pod[];
  readonly nodes: readonly string[];
  /** Pods with an interface of their own, by node name. */
  readonly own: ReadonlyMap<string, readonly PodInfo[]>;
  /** Pods that share their node's network, by node name. */
  readonly shared: ReadonlyMap<string, readonly Pod[]>;
};

/** Places `pods`, the list of all pods of a cluster, on `nodes`. `before`: the places of an earlier list of the same cluster. */
export function podPlaces(cluster: string, pods: readonly Pod[], nodes: readonly string[], before: PodPlaces | undefined): PodPlaces {
  const known = before !== undefined && sameItems(before.nodes, nodes) ? before : undefined;
  if (known?.pods === pods) return known;
  const touched = known === undefined ? new Set<string | undefined>(nodes) : nodesOfChanges(known.pods, pods);
  const own = new Map<string, PodInfo[]>();
  const shared = new Map<string, Pod[]>();
  for (const name of nodes) {
    if (!touched.has(name)) continue;
    own.set(name, []);
    shared.set(name, []);
  }
  const knownInfos = new Map([...own.keys()].flatMap((name) => before?.own.get(name) ?? []).map((info) => [info.host, info]));
  const knownPods = new Map([...own.keys()].flatMap((name) => before?.shared.get(name) ?? []).map((pod) => [nameOf(cluster, pod), pod]));
  for (const pod of pods) {
    const node = pod.spec.nodeName;
    if (node === undefined || !own.has(node)) continue;
    const name = nameOf(cluster, pod);
    if (pod.spec.hostNetwork === true) {
      const same = knownPods.get(name);
      shared.get(node)?.push(same !== undefined && sameForNetworks(same, pod) ? same : pod);
      continue;
    }
    const address = pod.status?.podIP === undefined ? undefined : parseAddress(pod.status.podIP);
    if (address === undefined) continue;
    const same = knownInfos.get(name);
    const keep = same !== undefined && same.address === address && sameForNetworks(same.pod, pod);
    own.get(node)?.push(keep ? same : { pod, address, host: name, hash: hashDigits(name, 11) });
  }
  return { pods, nodes, own: replaced(before?.own, nodes, own), shared: replaced(before?.shared, nodes, shared) };
}

/** Lists of `nodes`: those of `before` but where `fresh` has another. Nodes without pods have none. */
function replaced<T>(
  before: ReadonlyMap<string, readonly T[]> | undefined,
  nodes: readonly string[],
  fresh: ReadonlyMap<string, readonly T[]>,
): ReadonlyMap<string, readonly T[]> {
  const result = new Map<string, readonly T[]>();
  for (const node of nodes) {
    const [old, next] = [before?.get(node), fresh.get(node)];
    const list = next === undefined || (old !== undefined && sameItems(old, next)) ? old : next;
    if (list !== undefined && list.length > 0) result.set(node, list);
  }
  return result;
}

/** Nodes of the pods that are in one of the lists only. Cheap where the lists share what they begin and end with. */
function nodesOfChanges(before: readonly Pod[], after: readonly Pod[]): Set<string | undefined> {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start++;
  let end = 0;
  while (end < before.length - start && end < after.length - start && before[before.length - 1 - end] === after[after.length - 1 - end])
    end++;
  const gone = new Set(before.slice(start, before.length - end));
  const nodes = new Set<string | undefined>();
  for (const pod of after.slice(start, after.length - end)) if (!gone.delete(pod)) nodes.add(pod.spec.nodeName);
  for (const pod of gone) nodes.add(pod.spec.nodeName);
  return nodes;
}

/** Changes of a pod replace what they change: whether it answers, say, leaves the rest the same objects. */
function sameForNetworks(a: Pod, b: Pod): boolean {
  return a.metadata === b.metadata && a.spec === b.spec;
}

function nameOf(cluster: string, pod: Pod): HostName {
  return hostNames.pod(cluster, pod.metadata.namespace ?? "default", pod.metadata.name);
}

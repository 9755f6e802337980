/**
 * The pods that selectors pick, as elements of sets. A list is the same object as before for as long as its elements are, however many pods changed
 * around it, so that what is made of it need not be looked at again.
 */

import type { SetElement } from "../../ir/ruleset.ts";
import { namespaceLabels, numbersOf, type PodSelection } from "../../kube/network-policy.ts";
import type { Labels } from "../../kube/objects.ts";
import { selects } from "../../kube/selectors.ts";
import { sameItems } from "../same-items.ts";
import type { PodInfo } from "../topology.ts";

/** Which elements: the addresses of the picked pods, or with `port` those that give this name a number: `address . protocol . number`. */
export type PodSet = {
  readonly selection: PodSelection;
  readonly port?: { readonly name: string; readonly protocol: "TCP" | "UDP" | "SCTP" };
};

type PodsByNode = ReadonlyMap<string, readonly PodInfo[]>;

type Made = { readonly from: readonly (readonly PodInfo[])[]; readonly elements: readonly SetElement[] };

export class PodSets {
  readonly #placed: PodsByNode;
  readonly #pods: ReadonlyMap<string, readonly PodInfo[]>;
  readonly #namespaces: ReadonlyMap<string, Labels>;
  readonly #made = new Map<string, Made>();
  #before: PodSets | undefined;

  /** `namespaces`: the labels of each. `before`: the sets of the last version of the cluster. */
  constructor(pods: PodsByNode, namespaces: ReadonlyMap<string, Labels>, before: PodSets | undefined) {
    this.#placed = pods;
    const known = before === undefined ? undefined : before.#pods;
    this.#pods = known !== undefined && before !== undefined && before.#placed === pods ? known : byNamespace(pods.values(), known);
    this.#namespaces = namespaces;
    this.#before = before;
    if (before !== undefined) before.#before = undefined;
  }

  /** `name` is that of the set: the same for the same {@link PodSet}. */
  elements(name: string, set: PodSet): readonly SetElement[] {
    const made = this.#made.get(name) ?? this.#make(name, set);
    this.#made.set(name, made);
    return made.elements;
  }

  #make(name: string, { selection, port }: PodSet): Made {
    const from = this.#places(selection);
    const before = this.#before === undefined ? undefined : this.#before.#made.get(name);
    if (before !== undefined && sameItems(before.from, from)) return before;
    const elements: SetElement[] = [];
    for (const pods of from) {
      for (const { pod, address } of pods) {
        if (!selects(selection.podSelector, pod.metadata.labels)) continue;
        if (port === undefined) elements.push({ key: [address] });
        else {
          const protocol = port.protocol === "TCP" ? "tcp" : port.protocol === "UDP" ? "udp" : "sctp";
          for (const number of numbersOf(pod, port.name, port.protocol)) elements.push({ key: [address, protocol, number] });
        }
      }
    }
    const isSame =
      before !== undefined &&
      before.elements.length === elements.length &&
      before.elements.every((element, index) => sameItems(element.key, elements[index]?.key ?? []));
    return { from, elements: isSame ? before.elements : elements };
  }

  /** The pods of every namespace that the selection is about. */
  #places({ in: place }: PodSelection): readonly (readonly PodInfo[])[] {
    if ("namespace" in place) return [this.#pods.get(place.namespace) ?? noPods];
    const { namespaceSelector } = place;
    return [...this.#pods].flatMap(([name, pods]) =>
      selects(namespaceSelector, namespaceLabels(name, this.#namespaces.get(name))) ? [pods] : [],
    );
  }
}

const noPods: readonly PodInfo[] = [];

function byNamespace(
  pods: Iterable<readonly PodInfo[]>,
  before: ReadonlyMap<string, readonly PodInfo[]> | undefined,
): ReadonlyMap<string, readonly PodInfo[]> {
  const result = new Map<string, PodInfo[]>();
  for (const list of pods) {
    for (const info of list) {
      const namespace = info.pod.metadata.namespace ?? "default";
      const found = result.get(namespace);
      if (found === undefined) result.set(namespace, [info]);
      else found.push(info);
    }
  }
  return new Map(
    [...result].map(([name, list]) => {
      const known = before?.get(name);
      return [name, known !== undefined && sameItems(known, list) ? known : list];
    }),
  );
}

/**
 * Events that stand for as long as what they tell: level-triggered like everything else, where Kubernetes' own expire after an hour.
 * Each reason belongs to one controller, which thereby knows its events.
 */

import type { ManagedCluster } from "../arm/resources.ts";
import { safeSuffix } from "../kube/identity.ts";
import type { Event } from "../kube/objects.ts";
import type { Resources } from "../resources/resources.ts";
import { keyOf, listKube, type Writes } from "./view.ts";

export type Warning = { readonly reason: string; readonly message: string; readonly involvedObject: Event["involvedObject"] };

/** Writes the events for `warnings` and deletes those with one of `reasons` that are over. */
export function syncWarnings(
  resources: Resources,
  writes: Writes,
  cluster: ManagedCluster,
  reasons: readonly string[],
  warnings: readonly Warning[],
): void {
  const wanted = new Set<string>();
  for (const warning of warnings) {
    const event = eventOf(warning);
    wanted.add(keyOf(cluster, event));
    writes.putKube(cluster, event);
  }
  for (const event of listKube(resources, cluster, "Event")) {
    if (reasons.includes(event.reason) && !wanted.has(keyOf(cluster, event))) writes.deleteKube(cluster, event);
  }
}

function eventOf({ reason, message, involvedObject }: Warning): Event {
  const { kind, namespace = "", name } = involvedObject;
  return {
    apiVersion: "v1",
    kind: "Event",
    metadata: { name: `${name}.${safeSuffix(`${reason}/${kind}/${namespace}/${name}`, 10)}`, namespace: namespace || "default" },
    type: "Warning",
    reason,
    message,
    involvedObject,
  };
}

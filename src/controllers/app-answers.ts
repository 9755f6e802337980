/** What the apps behind a Service answer to an HTTP health probe of a load balancer. */

import type { ManagedCluster } from "../arm/resources.ts";
import { type AppAnswer, answersAt, answersOf, statusAt } from "../kube/answers.ts";
import type { EndpointSlice, Pod, Service } from "../kube/objects.ts";
import type { Resources } from "../resources/resources.ts";
import { indexed } from "./memo.ts";
import { listKube, pathOf } from "./view.ts";

/**
 * The status that every ready endpoint behind a node port fails `path` with: what counts is 200 (Azure docs: load-balancer-custom-probe-overview).
 * `undefined` when any answers 200, and when there is none to ask. Kube-proxy picks one by chance each time, so that a backend is up now and down then
 * where endpoints differ; then they are taken to be well.
 */
export function failingStatus(resources: Resources, cluster: ManagedCluster, nodePort: number, path: string): number | undefined {
  const said = sayings(listKube(resources, cluster, "Pod"));
  const asked = said.size === 0 ? undefined : servicesByNodePort(listKube(resources, cluster, "Service")).get(nodePort);
  if (asked === undefined) return undefined;
  const slices = slicesByService(listKube(resources, cluster, "EndpointSlice")).get(pathOf(asked.service)) ?? [];
  const statuses = slices.flatMap(({ endpoints }) =>
    endpoints.flatMap(({ conditions, targetRef, ports }) => {
      const port = ports.find(({ name }) => name === asked.portName)?.port;
      if (!conditions.ready || port === undefined) return [];
      return statusAt(answersAt(said.get(`${targetRef?.namespace}/${targetRef?.name}`) ?? [], port), path) ?? 200;
    }),
  );
  return statuses.length === 0 || statuses.includes(200) ? undefined : Math.min(...statuses);
}

const sayings = indexed(
  (pods: readonly Pod[]): ReadonlyMap<string, readonly AppAnswer[]> =>
    new Map(
      pods.flatMap((pod) => {
        const answers = answersOf(pod.metadata);
        return answers.length === 0 ? [] : [[pathOf(pod), answers]];
      }),
    ),
);

const servicesByNodePort = indexed((services: readonly Service[]) => {
  const index = new Map<number, { readonly service: Service; readonly portName: string }>();
  for (const service of services) {
    for (const { nodePort, name = "" } of service.spec.ports ?? [])
      if (nodePort !== undefined) index.set(nodePort, { service, portName: name });
  }
  return index;
});

const slicesByService = indexed((slices: readonly EndpointSlice[]) => {
  const index = new Map<string, EndpointSlice[]>();
  for (const slice of slices) {
    const path = `${slice.metadata.namespace}/${slice.metadata.labels?.["kubernetes.io/service-name"]}`;
    const others = index.get(path);
    if (others === undefined) index.set(path, [slice]);
    else others.push(slice);
  }
  return index;
});

/**
 * Keeps one EndpointSlice per family of each Service with a selector, headless ones included: its pods with an address, and whether they answer
 * (k8s, pkg/controller/endpointslice). Slices by hand, of Services without a selector, are left alone.
 */

import type { ManagedCluster } from "../arm/resources.ts";
import { runningContainers } from "../kube/containers.ts";
import { safeSuffix, uidOf } from "../kube/identity.ts";
import { familiesOf } from "../kube/ip-families.ts";
import type { EndpointSlice, Pod, Service, ServicePort } from "../kube/objects.ts";
import { perCluster } from "./memo.ts";
import { isEnded, isReady, type PodIndex, podIndex, podsWithLabel } from "./pod-index.ts";
import { getKube, keyOf, listKube, sameJson, Writes } from "./view.ts";

const serviceNameLabel = "kubernetes.io/service-name";
const managedByLabel = "endpointslice.kubernetes.io/managed-by";
const managedBy = "endpointslice-controller.k8s.io";

type Endpoint = EndpointSlice["endpoints"][number];
type AddressType = EndpointSlice["addressType"];

export const endpointSlices = perCluster("endpoint-slices", (resources, cluster) => {
  const writes = new Writes(resources);
  const index = podIndex(cluster, listKube(resources, cluster, "Pod"));
  const wanted = new Set<string>();
  for (const service of listKube(resources, cluster, "Service")) {
    if (!hasEndpoints(service)) continue;
    for (const family of familiesOf(service)) {
      const name = sliceName(service, family);
      wanted.add(`${service.metadata.namespace}/${name}`);
      const existing = getKube(resources, cluster, "EndpointSlice", service.metadata.namespace, name);
      const selected = selectedPods(index, service);
      if (existing !== undefined && isCurrent(existing, service, selected)) continue;
      const slice = sliceOf(cluster, name, service, family, selected, existing?.endpoints ?? []);
      const source = { service, pods: selected };
      if (existing !== undefined && sameJson(existing, slice)) sources.set(existing, source);
      else {
        sources.set(slice, source);
        writes.putKube(cluster, slice);
      }
    }
  }
  for (const slice of listKube(resources, cluster, "EndpointSlice")) {
    const { namespace, name, labels } = slice.metadata;
    if (labels?.[managedByLabel] === managedBy && !wanted.has(`${namespace}/${name}`)) writes.deleteKube(cluster, slice);
  }
  return writes.list;
});

/** What a slice was built from, so that an unchanged Service with unchanged pods costs a comparison of references. */
const sources = new WeakMap<EndpointSlice, { readonly service: Service; readonly pods: readonly Pod[] }>();

function isCurrent(slice: EndpointSlice, service: Service, pods: readonly Pod[]): boolean {
  const source = sources.get(slice);
  if (source?.service !== service) return false;
  return source.pods === pods || (source.pods.length === pods.length && pods.every((pod, index) => pod === source.pods[index]));
}

function hasEndpoints({ spec }: Service): boolean {
  return spec.type !== "ExternalName" && spec.selector !== undefined && Object.keys(spec.selector).length > 0;
}

function sliceName({ metadata }: Service, family: AddressType): string {
  return `${metadata.name}-${safeSuffix(`${metadata.namespace}/${metadata.name}/${family}`, 5)}`;
}

function sliceOf(
  cluster: ManagedCluster,
  name: string,
  service: Service,
  family: AddressType,
  pods: readonly Pod[],
  before: readonly Endpoint[],
): EndpointSlice {
  const { namespace = "default" } = service.metadata;
  const owner = { apiVersion: "v1", kind: "Service", name: service.metadata.name, uid: uidOf(keyOf(cluster, service), service) };
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name,
      namespace,
      labels: { [serviceNameLabel]: service.metadata.name, [managedByLabel]: managedBy },
      ownerReferences: [{ ...owner, controller: true }],
    },
    addressType: family,
    endpoints: inPlace(
      before,
      pods.flatMap((pod) => endpointOf(service, pod, family) ?? []),
    ),
  };
}

/**
 * `next` in the order of `before`: who stays keeps its place, who is new takes the place of one that went, or the end; a place that stays empty is taken by
 * the last. So one endpoint more or less changes one place, whatever the nodes' rules make of places.
 */
function inPlace(before: readonly Endpoint[], next: readonly Endpoint[]): readonly Endpoint[] {
  if (before.length === 0) return next;
  const staying = new Map(next.map((endpoint) => [nameOf(endpoint), endpoint]));
  const places: (Endpoint | undefined)[] = before.map((endpoint) => {
    const stays = staying.get(nameOf(endpoint));
    staying.delete(nameOf(endpoint));
    return stays;
  });
  const fresh = [...staying.values()];
  for (const [place, endpoint] of places.entries()) if (endpoint === undefined) places[place] = fresh.shift();
  places.push(...fresh);
  for (let place = 0; place < places.length; place++) {
    while (places.length > place && places.at(-1) === undefined) places.pop();
    if (place < places.length && places[place] === undefined) places[place] = places.pop();
  }
  return places.flatMap((endpoint) => endpoint ?? []);
}

function nameOf({ targetRef, addresses }: Endpoint): string {
  return `${targetRef?.name} ${addresses[0]}`;
}

function endpointOf(service: Service, pod: Pod, family: AddressType): Endpoint | undefined {
  const { podIP: first, podIPs = [] } = pod.status ?? {};
  const podIP = family === "IPv4" ? first : podIPs.find(({ ip }) => ip.includes(":"))?.ip;
  const { nodeName } = pod.spec;
  if (podIP === undefined || nodeName === undefined || isEnded(pod)) return undefined;
  const terminating = pod.metadata.deletionTimestamp !== undefined;
  const serving = isReady(pod);
  const ports = (service.spec.ports ?? []).flatMap((port) => {
    const number = targetPort(port, pod);
    return number === undefined ? [] : [{ name: port.name ?? "", protocol: port.protocol ?? "TCP", port: number }];
  });
  return {
    addresses: [podIP],
    conditions: { ready: service.spec.publishNotReadyAddresses === true || (serving && !terminating), serving, terminating },
    nodeName,
    targetRef: { kind: "Pod", namespace: pod.metadata.namespace ?? "default", name: pod.metadata.name },
    ports,
  };
}

/** A name stands for the number that this pod gave it; a pod without it has no such port. */
function targetPort(port: ServicePort, pod: Pod): number | undefined {
  const target = port.targetPort ?? port.port;
  if (typeof target === "number") return target;
  for (const container of runningContainers(pod.spec)) {
    for (const declared of container.ports ?? []) {
      if (declared.name === target && (declared.protocol ?? "TCP") === (port.protocol ?? "TCP")) return declared.containerPort;
    }
  }
  return undefined;
}

/** The pods that the Service's selector picks, sorted by key; the same list for as long as they are the same. */
function selectedPods(index: PodIndex, service: Service): readonly Pod[] {
  const selector = Object.entries(service.spec.selector ?? {});
  let fewest: readonly Pod[] | undefined;
  for (const [key, value] of selector) {
    const found = podsWithLabel(index, service.metadata.namespace, key, value);
    if (fewest === undefined || found.length < fewest.length) fewest = found;
  }
  if (fewest === undefined || selector.length === 1) return fewest ?? [];
  const before = selections.get(service);
  if (before?.among === fewest) return before.pods;
  const pods = fewest.filter((pod) => selector.every(([key, value]) => pod.metadata.labels?.[key] === value));
  selections.set(service, { among: fewest, pods });
  return pods;
}

/** What Services with several labels in their selector picked, and from which list. */
const selections = new WeakMap<Service, { readonly among: readonly Pod[]; readonly pods: readonly Pod[] }>();

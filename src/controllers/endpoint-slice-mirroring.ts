/** Endpoints of Services without a selector as slices, which is what nodes read (k8s, pkg/controller/endpointslicemirroring). */

import type { ManagedCluster } from "../arm/resources.ts";
import { safeSuffix, uidOf } from "../kube/identity.ts";
import type { EndpointSlice, Endpoints } from "../kube/objects.ts";
import { parseAddress } from "../net/address.ts";
import { perCluster } from "./memo.ts";
import { getKube, keyOf, listKube, sameJson, Writes } from "./view.ts";

const managedByLabel = "endpointslice.kubernetes.io/managed-by";
const managedBy = "endpointslicemirroring-controller.k8s.io";
const skipLabel = "endpointslice.kubernetes.io/skip-mirror";

export const endpointSliceMirroring = perCluster("endpoint-slice-mirroring", (resources, cluster) => {
  const writes = new Writes(resources);
  const wanted = new Set<string>();
  for (const endpoints of listKube(resources, cluster, "Endpoints")) {
    const { namespace, name, labels } = endpoints.metadata;
    const service = getKube(resources, cluster, "Service", namespace, name);
    const isSelected = Object.keys(service?.spec.selector ?? {}).length > 0;
    if (service === undefined || isSelected || labels?.[skipLabel] === "true") continue;
    for (const family of ["IPv4", "IPv6"] as const) {
      const slice = sliceOf(cluster, endpoints, family);
      if (slice.endpoints.length === 0) continue;
      wanted.add(`${namespace}/${slice.metadata.name}`);
      const existing = getKube(resources, cluster, "EndpointSlice", namespace, slice.metadata.name);
      if (existing === undefined || !sameJson(existing, slice)) writes.putKube(cluster, slice);
    }
  }
  for (const slice of listKube(resources, cluster, "EndpointSlice")) {
    const { namespace, name, labels } = slice.metadata;
    if (labels?.[managedByLabel] === managedBy && !wanted.has(`${namespace}/${name}`)) writes.deleteKube(cluster, slice);
  }
  return writes.list;
});

function sliceOf(cluster: ManagedCluster, endpoints: Endpoints, family: EndpointSlice["addressType"]): EndpointSlice {
  const { namespace = "default", name } = endpoints.metadata;
  const isOfFamily = ({ ip }: { readonly ip: string }) => parseAddress(ip)?.includes(":") === (family === "IPv6");
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name: `${name}-${safeSuffix(`${namespace}/${name}/mirrored/${family}`, 5)}`,
      namespace,
      labels: { "kubernetes.io/service-name": name, [managedByLabel]: managedBy },
      ownerReferences: [{ apiVersion: "v1", kind: "Endpoints", name, uid: uidOf(keyOf(cluster, endpoints), endpoints), controller: true }],
    },
    addressType: family,
    endpoints: (endpoints.subsets ?? []).flatMap(({ addresses = [], notReadyAddresses = [], ports: declared = [] }) => {
      const ports = declared.map(({ name: port = "", protocol = "TCP", port: number }) => ({ name: port, protocol, port: number }));
      const made = (list: typeof addresses, ready: boolean) =>
        list.filter(isOfFamily).map(({ ip, nodeName }) => ({
          addresses: [ip],
          conditions: { ready, serving: ready, terminating: false },
          ...(nodeName === undefined ? {} : { nodeName }),
          ports,
        }));
      return [...made(addresses, true), ...made(notReadyAddresses, false)];
    }),
  };
}

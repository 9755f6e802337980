/**
 * An assumption, for labs that do not run: a backend answers its health probe if security groups let the probe in and the node's service rules would
 * answer, and the app with 200 where it is asked by HTTP. Under `Cluster` every node does as long as the Service has an endpoint; under `Local` those with an endpoint of their own. In a running
 * lab the probes are sent.
 */

import { isFault } from "../arm/faults.ts";
import { armId, backendPool, inIpv6, internalLoadBalancer, publicLoadBalancer, segmentAfter } from "../arm/names.ts";
import type { ArmId, LoadBalancer, ManagedCluster } from "../arm/resources.ts";
import type { EndpointSlice, Service } from "../kube/objects.ts";
import { armKey, type Key, type Resources } from "../resources/resources.ts";
import { failingStatus } from "./app-answers.ts";
import { indexed, perCluster } from "./memo.ts";
import { isUnreachable } from "./node-lifecycle.ts";
import { letsProbeIn } from "./probe-access.ts";
import { sharedProbe } from "./service-probes.ts";
import { clusterTags, getArm, listArm, listKube, pathOf, Writes } from "./view.ts";

/** Where every node answers, whatever runs on it: kube-proxy's health, and the sidecar that the shared probe asks for it. */
const nodeWidePorts: readonly number[] = [10256, sharedProbe.port];

/** Kube-proxy's answer on a health-check node port (k8s, pkg/proxy/healthcheck/service_health.go). */
const noLocalEndpoint = 503;

const machineType = "Microsoft.Compute/virtualMachineScaleSets/virtualMachines";

export const assumedProbes = perCluster("assumed-probes", (resources, cluster) => {
  const writes = new Writes(resources);
  const services = byNodePort(listKube(resources, cluster, "Service"));
  const failing = failingProbes(resources);
  const lost = new Set(listKube(resources, cluster, "Node").flatMap((node) => (isUnreachable(node) ? node.metadata.name : [])));
  const nodesOf = answeringNodes(listKube(resources, cluster, "EndpointSlice"));
  for (const name of [publicLoadBalancer, internalLoadBalancer]) {
    const id = armId(cluster.properties.nodeResourceGroup, "Microsoft.Network/loadBalancers", name);
    const balancer = getArm(resources, "Microsoft.Network/loadBalancers", id);
    if (balancer === undefined || balancer.properties.probes.length === 0) continue;
    const backends = backendsOf(resources, balancer).filter(({ node }) => !lost.has(node));
    const all = backends.map(({ configuration }) => configuration);
    const put = (probe: LoadBalancer["properties"]["probes"][number], answering: readonly ArmId[], status?: number) => {
      const healthy = answering.filter((configuration) => letsProbeIn(resources, configuration, probe.properties.port));
      const isTold = status !== undefined && all.some((configuration) => letsProbeIn(resources, configuration, probe.properties.port));
      writes.putArm({
        id: resultId(cluster, name, probe.name),
        name: `${cluster.name}-${name}-${probe.name}`,
        type: "Drydock.Lab/probeResults",
        tags: clusterTags(cluster),
        properties: { probe: { id: probe.id ?? "" }, healthy, ...(isTold ? { status } : {}) },
      });
    };
    for (const probe of balancer.properties.probes) {
      if (failing.has(armKey(probe.id ?? ""))) {
        put(probe, []);
        continue;
      }
      if (nodeWidePorts.includes(probe.properties.port)) {
        put(probe, all);
        continue;
      }
      const asked = services.get(probe.properties.port);
      const nodes = asked === undefined ? undefined : nodesOf.get(pathOf(asked.service));
      const { protocol, port, requestPath = "/" } = probe.properties;
      const status = protocol === "Tcp" ? undefined : failingStatus(resources, cluster, port, requestPath);
      if (status !== undefined) {
        put(probe, [], status);
        continue;
      }
      let healthy: readonly ArmId[] = [];
      if (asked !== undefined && nodes !== undefined && nodes.size > 0) {
        healthy = asked.localOnly ? backends.filter(({ node }) => nodes.has(node)).map(({ configuration }) => configuration) : all;
      }
      put(probe, healthy, healthy.length === 0 && port === asked?.service.spec.healthCheckNodePort ? noLocalEndpoint : undefined);
    }
  }
  return writes.list;
});

/** Keys of those that a fault keeps from being answered. */
export function failingProbes(resources: Resources): ReadonlySet<Key> {
  const faults = listArm(resources, "Drydock.Lab/faults");
  return new Set(faults.flatMap((fault) => (isFault(fault, "probe") ? armKey(fault.properties.probe.id) : [])));
}

/** Who answers at a port of the nodes; `localOnly`: for endpoints on the same node. */
const byNodePort = indexed((services: readonly Service[]) => {
  const index = new Map<number, { readonly service: Service; readonly localOnly: boolean }>();
  for (const service of services) {
    const localOnly = service.spec.externalTrafficPolicy === "Local";
    for (const { nodePort } of service.spec.ports ?? []) if (nodePort !== undefined) index.set(nodePort, { service, localOnly });
    if (service.spec.healthCheckNodePort !== undefined) index.set(service.spec.healthCheckNodePort, { service, localOnly: true });
  }
  return index;
});

/** Nodes with a ready endpoint, by the Service's `namespace/name`; if no endpoint is ready, those that still serve (KEP-1669). */
const answeringNodes = indexed((slices: readonly EndpointSlice[]) => {
  const index = new Map<string, ReadonlySet<string>>();
  for (const slice of slices) {
    const path = `${slice.metadata.namespace}/${slice.metadata.labels?.["kubernetes.io/service-name"]}`;
    const others = index.get(path);
    const nodes = usableNodes(slice);
    index.set(path, others === undefined ? nodes : new Set([...others, ...nodes]));
  }
  return index;
});

const usableNodes = indexed((slice: EndpointSlice): ReadonlySet<string> => {
  const ready = slice.endpoints.filter(({ conditions }) => conditions.ready);
  const usable = ready.length > 0 ? ready : slice.endpoints.filter(({ conditions }) => conditions.serving && conditions.terminating);
  return new Set(usable.flatMap(({ nodeName }) => nodeName ?? []));
});

/** The IP configurations of the pool that rules balance to, with the names of their nodes. */
function backendsOf(resources: Resources, balancer: LoadBalancer): readonly { readonly configuration: ArmId; readonly node: string }[] {
  // Those that rules balance to: IPv4's, and IPv6's if there is one. Whom of them a probe is asked of, its rule's pool says.
  const pools = balancer.properties.backendAddressPools.filter(({ name }) => name === backendPool || name === inIpv6(backendPool));
  const pool = pools.flatMap(({ properties }) => properties.backendIPConfigurations);
  const names = computerNames(listArm(resources, machineType));
  return pool.map(({ id }) => ({ configuration: id, node: names.get(id.slice(0, id.indexOf("/networkInterfaces/"))) ?? "" }));
}

const computerNames = indexed(
  (machines: readonly { readonly id: ArmId; readonly properties: { readonly osProfile: { readonly computerName: string } } }[]) =>
    new Map(machines.map((machine) => [machine.id, machine.properties.osProfile.computerName])),
);

function resultId(cluster: ManagedCluster, balancer: string, probe: string): ArmId {
  return armId(segmentAfter(cluster.id, "resourceGroups"), "Drydock.Lab/probeResults", `${cluster.name}-${balancer}-${probe}`);
}

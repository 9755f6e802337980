/** Small labs for tests: the resources that documents would make, in few words. */

import { addressTag, armId, nodeResourceGroup, subnetTag } from "../../arm/names.ts";
import type { AgentPool, AzureResource, ManagedCluster, NetworkProfile } from "../../arm/resources.ts";
import type { KubeObject, Node, Pod, PodSpec, Service } from "../../kube/objects.ts";
import { MemoryResources } from "../../resources/memory.ts";
import { armBucket, armKey, kubeBucket, kubeKey, type Resource, type Write } from "../../resources/resources.ts";
import { assumptions, controllers, settle } from "../index.ts";

export const group = "test";
export const everything = [...controllers, ...assumptions];

/** What a cluster's own network profile leaves out. */
const profile: NetworkProfile = {
  networkPlugin: "azure",
  serviceCidr: "10.0.0.0/16",
  dnsServiceIP: "10.0.0.10",
  outboundType: "loadBalancer",
  loadBalancerSku: "standard",
  loadBalancerProfile: { managedOutboundIPs: { count: 1 }, allocatedOutboundPorts: 0, idleTimeoutInMinutes: 30 },
};

export function subnetId(vnet: string, name: string): string {
  return armId(group, "Microsoft.Network/virtualNetworks/subnets", vnet, name);
}

export function labResource(rules: "current" | "lesson" = "current"): AzureResource {
  return { id: armId(group, "Drydock.Lab/labs", group), name: group, type: "Drydock.Lab/labs", properties: { rules } };
}

/** A VNet and its subnets by name. */
export function vnet(name: string, prefixes: readonly string[], subnets: Readonly<Record<string, string>>): AzureResource[] {
  return [
    {
      id: armId(group, "Microsoft.Network/virtualNetworks", name),
      name,
      type: "Microsoft.Network/virtualNetworks",
      properties: { addressSpace: { addressPrefixes: prefixes } },
    },
    ...Object.entries(subnets).map(
      ([subnet, addressPrefix]): AzureResource => ({
        id: subnetId(name, subnet),
        name: subnet,
        type: "Microsoft.Network/virtualNetworks/subnets",
        properties: { addressPrefix },
      }),
    ),
  ];
}

export function machine(name: string, subnet: string, address?: string): AzureResource {
  return {
    id: armId(group, "Microsoft.Compute/virtualMachines", name),
    name,
    type: "Microsoft.Compute/virtualMachines",
    tags: { [subnetTag]: subnet, ...(address === undefined ? {} : { [addressTag]: address }) },
    properties: { networkProfile: { networkInterfaces: [] } },
  };
}

export function cluster(name: string, networkProfile: Partial<NetworkProfile> = {}): ManagedCluster {
  return {
    id: armId(group, "Microsoft.ContainerService/managedClusters", name),
    name,
    type: "Microsoft.ContainerService/managedClusters",
    location: "westeurope",
    properties: {
      dnsPrefix: name,
      nodeResourceGroup: nodeResourceGroup(group, name, "westeurope"),
      networkProfile: { ...profile, ...networkProfile },
    },
  };
}

export function pool(
  clusterName: string,
  name: string,
  subnet: string,
  properties: Partial<AgentPool["properties"]> & { readonly count: number },
): AgentPool {
  return {
    id: armId(group, "Microsoft.ContainerService/managedClusters/agentPools", clusterName, name),
    name,
    type: "Microsoft.ContainerService/managedClusters/agentPools",
    properties: { maxPods: 30, vnetSubnetID: subnet, osType: "Linux", mode: "System", ...properties },
  };
}

const container = (ports: readonly number[]) => ({ name: "main", image: "any", ports: ports.map((containerPort) => ({ containerPort })) });

export function pod(name: string, spec: Partial<PodSpec> = {}, labels: Readonly<Record<string, string>> = { app: name }): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default", labels },
    spec: { containers: [container([80])], ...spec },
  };
}

function workload(kind: string, name: string, spec: Readonly<Record<string, unknown>>, podSpec: Partial<PodSpec>): KubeObject {
  const labels = { app: name };
  const template = { metadata: { labels }, spec: { containers: [container([80])], ...podSpec } };
  const object = {
    apiVersion: "apps/v1",
    kind,
    metadata: { name, namespace: "default" },
    spec: { selector: { matchLabels: labels }, template, ...spec },
  };
  return object;
}

export function deployment(name: string, replicas: number, podSpec: Partial<PodSpec> = {}): KubeObject {
  return workload("Deployment", name, { replicas }, podSpec);
}

export function statefulSet(name: string, replicas: number, podSpec: Partial<PodSpec> = {}): KubeObject {
  return workload("StatefulSet", name, { replicas, serviceName: name }, podSpec);
}

export function daemonSet(name: string, podSpec: Partial<PodSpec> = {}): KubeObject {
  return workload("DaemonSet", name, {}, podSpec);
}

export function service(name: string, spec: Partial<Service["spec"]> = {}, annotations: Readonly<Record<string, string>> = {}): Service {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace: "default", annotations },
    spec: { selector: { app: name }, ports: [{ port: 80 }], ...spec },
  };
}

/** A lab that can be changed and settled, and asked in few words. */
export class TestLab {
  readonly resources = new MemoryResources();

  constructor(azure: readonly AzureResource[] = []) {
    this.put(labResource(), ...azure);
  }

  put(...azure: readonly AzureResource[]): this {
    this.apply(azure.map((value) => ({ key: armKey(value.id), value })));
    return this;
  }

  add(clusterName: string, ...objects: readonly KubeObject[]): this {
    this.apply(objects.map((value) => ({ key: keyIn(clusterName, value), value })));
    return this;
  }

  remove(...keys: readonly string[]): this {
    this.apply(keys.map((key) => ({ key, value: undefined })));
    return this;
  }

  apply(writes: readonly Write[]): void {
    this.resources.apply(writes);
  }

  /** Returns the number of rounds. */
  settle(): number {
    return settle(this.resources, everything, (writes) => this.apply(writes));
  }

  arm<T extends AzureResource>(type: T["type"]): readonly T[] {
    return this.resources.list(armBucket(type)) as unknown as readonly T[];
  }

  kube<T extends KubeObject>(clusterName: string, kind: T["kind"]): readonly T[] {
    return this.resources.list(kubeBucket(clusterName, kind)) as unknown as readonly T[];
  }

  pods(clusterName: string): readonly Pod[] {
    return this.kube<Pod>(clusterName, "Pod");
  }

  nodes(clusterName: string): readonly Node[] {
    return this.kube<Node>(clusterName, "Node");
  }

  events(clusterName: string): readonly string[] {
    return this.kube<KubeObject<"Event"> & { reason: string; message: string }>(clusterName, "Event").map(
      (event) => `${event.reason}: ${event.message}`,
    );
  }

  /** Everything, as text that is equal for equal labs. */
  dump(): string {
    const all: [string, Resource][] = this.resources
      .buckets()
      .flatMap((bucket) =>
        this.resources
          .list(bucket)
          .map((value): [string, Resource] => [
            "id" in value ? value.id : `${bucket}/${value.metadata.namespace}/${value.metadata.name}`,
            value,
          ]),
      );
    return JSON.stringify(all, sortKeys, 1);
  }
}

export function keyIn(clusterName: string, object: KubeObject): string {
  return kubeKey(clusterName, object.kind, object.metadata.namespace, object.metadata.name);
}

function sortKeys(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

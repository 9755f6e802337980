/** Typed reading and writing of resources. */

import type { Fault } from "../arm/faults.ts";
import { clusterTag, segmentAfter } from "../arm/names.ts";
import { isByoCniProfile, isKubenetProfile, isOverlayProfile } from "../arm/network-option.ts";
import type {
  AgentPool,
  AzureResource,
  ContainerGroup,
  InternetHost,
  IpamState,
  Lab,
  LeakedAddresses,
  LoadBalancer,
  LocalNetworkGateway,
  ManagedCluster,
  NatGateway,
  NetworkInterface,
  NetworkSecurityGroup,
  PrivateEndpoint,
  ProbeResult,
  PublicIPAddress,
  PublicIPPrefix,
  RouteTable,
  ScaleSet,
  ScaleSetMachine,
  Subnet,
  VirtualMachine,
  VirtualNetwork,
  VirtualNetworkPeering,
} from "../arm/resources.ts";
import type {
  ConfigMap,
  DaemonSet,
  Deployment,
  EndpointSlice,
  Endpoints,
  Event,
  KubeObject,
  NetworkPolicy,
  Node,
  NodeNetworkConfig,
  Pod,
  ReplicaSet,
  ReplicationController,
  Service,
  StatefulSet,
} from "../kube/objects.ts";
import { armBucket, armKey, type Key, kubeBucket, kubeKey, type Resource, type Resources, type Write } from "../resources/resources.ts";

type ArmTypes = {
  "Microsoft.Network/virtualNetworks": VirtualNetwork;
  "Microsoft.Network/virtualNetworks/subnets": Subnet;
  "Microsoft.Network/virtualNetworks/virtualNetworkPeerings": VirtualNetworkPeering;
  "Microsoft.Network/routeTables": RouteTable;
  "Microsoft.Network/networkSecurityGroups": NetworkSecurityGroup;
  "Microsoft.Network/networkInterfaces": NetworkInterface;
  "Microsoft.Network/privateEndpoints": PrivateEndpoint;
  "Microsoft.Network/publicIPAddresses": PublicIPAddress;
  "Microsoft.Network/publicIPPrefixes": PublicIPPrefix;
  "Microsoft.Network/natGateways": NatGateway;
  "Microsoft.Network/loadBalancers": LoadBalancer;
  "Microsoft.Network/localNetworkGateways": LocalNetworkGateway;
  "Microsoft.Compute/virtualMachines": VirtualMachine;
  "Microsoft.Compute/virtualMachineScaleSets": ScaleSet;
  "Microsoft.Compute/virtualMachineScaleSets/virtualMachines": ScaleSetMachine;
  "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/networkInterfaces": NetworkInterface;
  "Microsoft.ContainerInstance/containerGroups": ContainerGroup;
  "Microsoft.ContainerService/managedClusters": ManagedCluster;
  "Microsoft.ContainerService/managedClusters/agentPools": AgentPool;
  "Drydock.Lab/labs": Lab;
  "Drydock.Lab/internetHosts": InternetHost;
  "Drydock.Lab/probeResults": ProbeResult;
  "Drydock.Lab/ipamStates": IpamState;
  "Drydock.Lab/faults": Fault;
  "Drydock.Lab/leakedAddresses": LeakedAddresses;
};

type KubeKinds = {
  Pod: Pod;
  Deployment: Deployment;
  ReplicaSet: ReplicaSet;
  ReplicationController: ReplicationController;
  StatefulSet: StatefulSet;
  DaemonSet: DaemonSet;
  Node: Node;
  Service: Service;
  Endpoints: Endpoints;
  EndpointSlice: EndpointSlice;
  ConfigMap: ConfigMap;
  Event: Event;
  NodeNetworkConfig: NodeNetworkConfig;
  Namespace: KubeObject<"Namespace">;
  NetworkPolicy: NetworkPolicy;
};

// The casts of this file are the only ones: a key and its value are written together, so a bucket holds its type and nothing else.

export function listArm<Type extends keyof ArmTypes>(resources: Resources, type: Type): readonly ArmTypes[Type][] {
  return resources.list(armBucket(type)) as unknown as readonly ArmTypes[Type][];
}

/** The resource of this type with this id. `undefined` also when the id is of another type. */
export function getArm<Type extends keyof ArmTypes>(resources: Resources, type: Type, id: string): ArmTypes[Type] | undefined {
  const found = resources.get(armKey(id));
  return found !== undefined && "type" in found && found.type === type ? (found as unknown as ArmTypes[Type]) : undefined;
}

export function listKube<Kind extends keyof KubeKinds>(
  resources: Resources,
  cluster: ManagedCluster,
  kind: Kind,
): readonly KubeKinds[Kind][] {
  return resources.list(kubeBucket(cluster.name, kind)) as unknown as readonly KubeKinds[Kind][];
}

export function getKube<Kind extends keyof KubeKinds>(
  resources: Resources,
  cluster: ManagedCluster,
  kind: Kind,
  namespace: string | undefined,
  name: string,
): KubeKinds[Kind] | undefined {
  return resources.get(kubeKey(cluster.name, kind, namespace, name)) as unknown as KubeKinds[Kind] | undefined;
}

/** The key of an object of this cluster. */
export function keyOf(cluster: ManagedCluster, object: KubeObject): Key {
  return kubeKey(cluster.name, object.kind, object.metadata.namespace, object.metadata.name);
}

/** `namespace/name`, unique within a kind. */
export function pathOf(object: KubeObject): string {
  return `${object.metadata.namespace ?? ""}/${object.metadata.name}`;
}

/** The cluster's agent pools, sorted by name. */
export function poolsOf(resources: Resources, cluster: ManagedCluster): readonly AgentPool[] {
  const prefix = `${armKey(cluster.id)}/agentpools/`;
  return listArm(resources, "Microsoft.ContainerService/managedClusters/agentPools").filter((pool) => armKey(pool.id).startsWith(prefix));
}

export function rulesOf(resources: Resources): "current" | "lesson" {
  return listArm(resources, "Drydock.Lab/labs")[0]?.properties.rules ?? "current";
}

/** Is pod addressing kubenet's: a prefix per node and a route to it? */
export function isKubenet(cluster: ManagedCluster): boolean {
  return isKubenetProfile(cluster.properties.networkProfile);
}

/** The nodes' network for pods is somebody's own. */
export function isByoCni(cluster: ManagedCluster): boolean {
  return isByoCniProfile(cluster.properties.networkProfile);
}

/** Azure CNI Overlay: a prefix per node, which the fabric knows without routes. */
export function isOverlay(cluster: ManagedCluster): boolean {
  return isOverlayProfile(cluster.properties.networkProfile);
}

/** Tags of what AKS makes for a cluster; {@link clusterTag} makes it go with the cluster. */
export function clusterTags(cluster: ManagedCluster): Readonly<Record<string, string>> {
  return { [clusterTag]: cluster.name, "aks-managed-cluster-rg": segmentAfter(cluster.id, "resourceGroups") };
}

/** Collects the writes that are missing: putting what is already there adds none. */
export class Writes {
  readonly list: Write[] = [];
  readonly #resources: Resources;

  constructor(resources: Resources) {
    this.#resources = resources;
  }

  putArm(value: AzureResource): void {
    this.#put(armKey(value.id), value);
  }

  putKube(cluster: ManagedCluster, value: KubeObject): void {
    this.#put(keyOf(cluster, value), value);
  }

  deleteArm(id: string): void {
    this.delete(armKey(id));
  }

  deleteKube(cluster: ManagedCluster, value: KubeObject): void {
    this.delete(keyOf(cluster, value));
  }

  delete(key: Key): void {
    if (this.#resources.get(key) !== undefined) this.list.push({ key, value: undefined });
  }

  #put(key: Key, value: Resource): void {
    if (!sameJson(this.#resources.get(key), value)) this.list.push({ key, value });
  }
}

/** Equality of JSON values: the order of keys does not matter, and a property that is `undefined` is absent. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((value, index) => sameJson(value, b[index]));
  }
  const left = a as Readonly<Record<string, unknown>>;
  const right = b as Readonly<Record<string, unknown>>;
  for (const key in left) if (left[key] !== undefined && !sameJson(left[key], right[key])) return false;
  for (const key in right) if (right[key] !== undefined && left[key] === undefined) return false;
  return true;
}

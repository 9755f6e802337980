/** Kubernetes objects in their own shapes. Only the fields that decide where a packet goes are typed; others are kept as they came. */

export type Labels = Readonly<Record<string, string>>;

export type ObjectMeta = {
  readonly name: string;
  /** Absent for cluster-scoped kinds (Namespace, Node). */
  readonly namespace?: string;
  readonly uid?: string;
  readonly labels?: Labels;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly {
    readonly apiVersion: string;
    readonly kind: string;
    readonly name: string;
    readonly uid: string;
    readonly controller?: boolean;
  }[];
  readonly generateName?: string;
  readonly creationTimestamp?: string;
  /** Present while the object is being ended: a pod with it is terminating. */
  readonly deletionTimestamp?: string;
};

export type KubeObject<Kind extends string = string> = {
  readonly apiVersion: string;
  readonly kind: Kind;
  readonly metadata: ObjectMeta;
};

export type LabelSelector = {
  readonly matchLabels?: Labels;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
    readonly values?: readonly string[];
  }[];
};

export type ContainerPort = {
  readonly name?: string;
  readonly containerPort: number;
  readonly hostPort?: number;
  /** The only address of the node to have the host port; every one when absent, or 0.0.0.0 or ::. */
  readonly hostIP?: string;
  readonly protocol?: "TCP" | "UDP" | "SCTP";
};

export type Container = {
  readonly name: string;
  readonly image?: string;
  readonly ports?: readonly ContainerPort[];
  /** Of an init container: `Always` makes it a sidecar, which goes on running beside the others. */
  readonly restartPolicy?: string;
  /** Only whether there is one matters. */
  readonly lifecycle?: unknown;
  readonly readinessProbe?: {
    readonly httpGet?: { readonly path?: string; readonly port: string | number; readonly scheme?: string };
  };
};

export type Toleration = {
  readonly key?: string;
  readonly operator?: "Exists" | "Equal";
  readonly value?: string;
  readonly effect?: string;
};

export type NodeSelectorRequirement = {
  readonly key: string;
  readonly operator: "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt";
  readonly values?: readonly string[];
};

/** Only what decides where a pod may run; preferences are kept and have no effect. */
export type Affinity = {
  readonly nodeAffinity?: {
    readonly requiredDuringSchedulingIgnoredDuringExecution?: {
      /** Any term; of a term, all requirements. `matchFields` knows `metadata.name` only. */
      readonly nodeSelectorTerms: readonly {
        readonly matchExpressions?: readonly NodeSelectorRequirement[];
        readonly matchFields?: readonly NodeSelectorRequirement[];
      }[];
    };
  };
};

export type PodSpec = {
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly nodeName?: string;
  readonly nodeSelector?: Labels;
  readonly tolerations?: readonly Toleration[];
  readonly affinity?: Affinity;
  readonly hostNetwork?: boolean;
  readonly hostname?: string;
  readonly subdomain?: string;
  /** Only whether there are any of a kind matters. */
  readonly volumes?: readonly { readonly persistentVolumeClaim?: unknown }[];
};

export type Condition = {
  readonly type: string;
  readonly status: "True" | "False" | "Unknown";
  readonly reason?: string;
  readonly message?: string;
};

export type Pod = KubeObject<"Pod"> & {
  readonly spec: PodSpec;
  readonly status?: {
    readonly phase: "Pending" | "Running" | "Succeeded" | "Failed";
    readonly podIP?: string;
    /** In a dual-stack cluster: `podIP`, and the address of the other family. */
    readonly podIPs?: readonly { readonly ip: string }[];
    readonly hostIP?: string;
    readonly conditions?: readonly Condition[];
  };
};

export type PodTemplate = { readonly metadata?: Partial<ObjectMeta>; readonly spec: PodSpec };

export type ReplicaSpec = { readonly replicas?: number; readonly selector: LabelSelector; readonly template: PodTemplate };

export type Deployment = KubeObject<"Deployment"> & { readonly spec: ReplicaSpec };
export type ReplicaSet = KubeObject<"ReplicaSet"> & { readonly spec: ReplicaSpec };
/** What ReplicaSets came after; its selector is labels alone. */
export type ReplicationController = KubeObject<"ReplicationController"> & {
  readonly spec: Omit<ReplicaSpec, "selector"> & { readonly selector: Labels };
};
export type StatefulSet = KubeObject<"StatefulSet"> & { readonly spec: ReplicaSpec & { readonly serviceName?: string } };
export type DaemonSet = KubeObject<"DaemonSet"> & { readonly spec: Omit<ReplicaSpec, "replicas"> };

export type Taint = { readonly key: string; readonly value?: string; readonly effect: "NoSchedule" | "PreferNoSchedule" | "NoExecute" };

export type Node = KubeObject<"Node"> & {
  readonly spec: {
    readonly podCIDR?: string;
    /** In a dual-stack cluster: `podCIDR`, and the prefix of the other family. */
    readonly podCIDRs?: readonly string[];
    readonly providerID: string;
    readonly taints?: readonly Taint[];
    readonly unschedulable?: boolean;
  };
  readonly status: {
    readonly addresses: readonly { readonly type: "InternalIP" | "Hostname"; readonly address: string }[];
    readonly capacity: { readonly pods: string };
    readonly conditions: readonly Condition[];
  };
};

/** What Azure's address management keeps for a node whose pods have addresses of a pod subnet (Azure/azure-container-networking: crd/). */
export type NodeNetworkConfig = KubeObject<"NodeNetworkConfig"> & {
  readonly spec: { readonly requestedIPCount: number };
  readonly status: {
    readonly assignedIPCount: number;
    readonly networkContainers: readonly {
      readonly id: string;
      readonly assignmentMode: "dynamic" | "static";
      readonly type: "vnet" | "vnetblock";
      /** Of blocks: the first of them. */
      readonly primaryIP?: string;
      readonly subnetName: string;
      readonly subnetID: string;
      readonly subnetAddressSpace: string;
      readonly nodeIP: string;
      /** Addresses, or blocks. */
      readonly ipAssignments: readonly { readonly name: string; readonly ip: string }[];
    }[];
  };
};

export type ServicePort = {
  readonly name?: string;
  readonly protocol?: "TCP" | "UDP" | "SCTP";
  readonly port: number;
  readonly targetPort?: number | string;
  readonly nodePort?: number;
  readonly appProtocol?: string;
};

export type Service = KubeObject<"Service"> & {
  readonly spec: {
    readonly type?: "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName";
    /** "None": headless. Given by the address controller when absent. */
    readonly clusterIP?: string;
    /** In a dual-stack cluster: `clusterIP`, and with two families the address of the second. */
    readonly clusterIPs?: readonly string[];
    readonly ipFamilies?: readonly ("IPv4" | "IPv6")[];
    readonly ipFamilyPolicy?: "SingleStack" | "PreferDualStack" | "RequireDualStack";
    readonly selector?: Labels;
    readonly ports?: readonly ServicePort[];
    readonly externalIPs?: readonly string[];
    readonly externalName?: string;
    readonly loadBalancerIP?: string;
    readonly loadBalancerSourceRanges?: readonly string[];
    readonly sessionAffinity?: "None" | "ClientIP";
    readonly sessionAffinityConfig?: { readonly clientIP?: { readonly timeoutSeconds?: number } };
    readonly internalTrafficPolicy?: "Cluster" | "Local";
    readonly externalTrafficPolicy?: "Cluster" | "Local";
    readonly healthCheckNodePort?: number;
    readonly allocateLoadBalancerNodePorts?: boolean;
    readonly publishNotReadyAddresses?: boolean;
  };
  readonly status?: { readonly loadBalancer?: { readonly ingress?: readonly { readonly ip?: string }[] } };
};

/** One slice per Service and address family. */
export type EndpointSlice = KubeObject<"EndpointSlice"> & {
  readonly addressType: "IPv4" | "IPv6";
  readonly endpoints: readonly {
    readonly addresses: readonly string[];
    readonly conditions: { readonly ready: boolean; readonly serving: boolean; readonly terminating: boolean };
    readonly nodeName?: string;
    readonly targetRef?: { readonly kind: "Pod"; readonly namespace: string; readonly name: string };
    /** Resolved numbers by Service port: a named target port may differ from pod to pod. Not Kubernetes': it would make one slice per set of numbers. */
    readonly ports: readonly { readonly name: string; readonly protocol: "TCP" | "UDP" | "SCTP"; readonly port: number }[];
  }[];
};

/** Endpoints of a Service without a selector, as they were written before there were slices. */
export type Endpoints = KubeObject<"Endpoints"> & {
  readonly subsets?: readonly {
    readonly addresses?: readonly { readonly ip: string; readonly nodeName?: string }[];
    readonly notReadyAddresses?: readonly { readonly ip: string; readonly nodeName?: string }[];
    readonly ports?: readonly { readonly name?: string; readonly protocol?: "TCP" | "UDP" | "SCTP"; readonly port: number }[];
  }[];
};

export type NetworkPolicyPeer = {
  readonly podSelector?: LabelSelector;
  readonly namespaceSelector?: LabelSelector;
  readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] };
};

export type NetworkPolicyPort = {
  readonly protocol?: "TCP" | "UDP" | "SCTP";
  /** A number, or the name that a pod gives to one. */
  readonly port?: number | string;
  readonly endPort?: number;
};

export type NetworkPolicyRule = {
  readonly ports?: readonly NetworkPolicyPort[];
  /** Of an ingress rule. */
  readonly from?: readonly NetworkPolicyPeer[];
  /** Of an egress rule. */
  readonly to?: readonly NetworkPolicyPeer[];
};

export type NetworkPolicy = KubeObject<"NetworkPolicy"> & {
  readonly spec: {
    readonly podSelector?: LabelSelector;
    readonly policyTypes?: readonly ("Ingress" | "Egress")[];
    readonly ingress?: readonly NetworkPolicyRule[];
    readonly egress?: readonly NetworkPolicyRule[];
  };
};

export type ConfigMap = KubeObject<"ConfigMap"> & { readonly data?: Readonly<Record<string, string>> };

export type Event = KubeObject<"Event"> & {
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
  readonly involvedObject: { readonly kind: string; readonly namespace?: string; readonly name: string };
};

/** What kubectl would show: enough to know what is there. */

import type { Event, KubeObject, Node, Pod, Service } from "../../kube/objects.ts";
import { kubeBucket } from "../../resources/resources.ts";
import type { Topic, TopicInput } from "../show-topic.ts";
import { rows } from "./rows.ts";

type InCluster<T> = { readonly cluster: string; readonly namespace: string; readonly name: string; readonly object: T };

function listOf<T extends KubeObject>({ view, cluster, namespace, argument }: TopicInput, kind: T["kind"]): InCluster<T>[] {
  const clusters = [...view.topology.clusters.keys()].filter((name) => cluster === undefined || name === cluster);
  return clusters.flatMap((name) =>
    // A bucket holds objects of its kind only: keys and values are written together.
    (view.resources.list(kubeBucket(name, kind)) as readonly unknown[] as readonly T[])
      .map((object) => ({ cluster: name, namespace: object.metadata.namespace ?? "", name: object.metadata.name, object }))
      .filter((one) => namespace === undefined || one.namespace === namespace)
      .filter((one) => argument === undefined || one.name.includes(argument)),
  );
}

const filter = { usage: "[filter]", meaning: "only those whose name contains this" } as const;
const cluster = (one: InCluster<unknown>) => one.cluster;
const objectOf = ({ cluster: name, object }: InCluster<KubeObject>) => ({ cluster: name, ...object });

export const events: Topic = {
  name: "events",
  summary: "what waits, and for what",
  argument: filter,
  examples: [{ does: "why are pods pending?", type: "drydock show events" }],
  show: (input) =>
    rows(
      listOf<Event>(input, "Event"),
      {
        CLUSTER: cluster,
        TYPE: ({ object }) => object.type,
        REASON: ({ object }) => object.reason,
        OBJECT: ({ object: { involvedObject } }) =>
          [involvedObject.namespace, involvedObject.kind.toLowerCase(), involvedObject.name]
            .filter((part) => part !== undefined && part !== "")
            .join("/"),
        MESSAGE: ({ object }) => object.message,
      },
      "nothing waits for anything",
      objectOf,
    ),
};

export const nodes: Topic = {
  name: "nodes",
  summary: "nodes of the clusters, with their address, pod range and readiness",
  argument: filter,
  examples: [{ does: "all nodes", type: "drydock show nodes" }],
  show: (input) =>
    rows(
      listOf<Node>(input, "Node"),
      {
        CLUSTER: cluster,
        NODE: ({ name }) => name,
        STATUS: ({ object }) => nodeStatus(object),
        ADDRESS: ({ object }) => object.status.addresses.flatMap(({ type, address }) => (type === "InternalIP" ? [address] : [])).join(" "),
        "POD RANGE": ({ cluster: name, name: node, object }) =>
          object.spec.podCIDRs?.join(" ") ?? object.spec.podCIDR ?? heldBy(input, name, node),
        "MAX PODS": ({ object }) => object.status.capacity.pods,
        PODS: ({ cluster: name, name: node }) => podsOn(input, name, node),
      },
      "no nodes",
      objectOf,
    ),
};

/** What a node holds of a pod subnet: its blocks, or how many single addresses. */
function heldBy({ view }: TopicInput, name: string, node: string): string | undefined {
  const pods = view.topology.clusters.get(name)?.nodes.get(node)?.nic.pods;
  if (pods === undefined) return undefined;
  const blocks = pods.prefixes.filter((prefix) => !prefix.endsWith("/32"));
  return blocks.length > 0 ? blocks.join(", ") : `${pods.prefixes.length} of ${pods.subnet.prefix}`;
}

function podsOn({ view }: TopicInput, name: string, node: string): number {
  const info = view.topology.clusters.get(name);
  return (info?.podsByNode.get(node)?.length ?? 0) + (info?.hostNetworkPodsByNode.get(node)?.length ?? 0);
}

function nodeStatus(node: Node): string {
  const is = (type: string, status: string) =>
    node.status.conditions.some((condition) => condition.type === type && condition.status === status);
  if (is("NetworkUnavailable", "True")) return "NetworkUnavailable";
  return is("Ready", "False") ? "NotReady" : "Ready";
}

export const pods: Topic = {
  name: "pods",
  summary: "pods of the clusters, with their address and node",
  argument: filter,
  examples: [
    { does: "all pods", type: "drydock show pods" },
    { does: "the pods of one namespace of one cluster", type: "drydock show pods --cluster shop-azure -n shop" },
  ],
  show: (input) =>
    rows(
      listOf<Pod>(input, "Pod"),
      {
        CLUSTER: cluster,
        NAMESPACE: ({ namespace }) => namespace,
        POD: ({ name }) => name,
        STATUS: ({ object }) => object.status?.phase ?? "Pending",
        READY: ({ object }) =>
          object.status?.conditions?.some((condition) => condition.type === "Ready" && condition.status === "True") === true ? "yes" : "no",
        ADDRESS: ({ object }) => object.status?.podIPs?.map(({ ip }) => ip).join(" ") ?? object.status?.podIP,
        NODE: ({ object }) => object.spec.nodeName,
      },
      "no pods",
      objectOf,
    ),
};

export const services: Topic = {
  name: "services",
  summary: "Services of the clusters, with all their addresses and ports",
  argument: filter,
  examples: [{ does: "all Services", type: "drydock show services" }],
  show: (input) =>
    rows(
      listOf<Service>(input, "Service"),
      {
        CLUSTER: cluster,
        NAMESPACE: ({ namespace }) => namespace,
        SERVICE: ({ name }) => name,
        TYPE: ({ object }) => object.spec.type ?? "ClusterIP",
        "CLUSTER IP": ({ object }) => object.spec.clusterIPs?.join(" ") ?? object.spec.clusterIP,
        "EXTERNAL IP": ({ object }) => object.status?.loadBalancer?.ingress?.map(({ ip }) => ip).join(" "),
        PORTS: ({ object }) =>
          object.spec.ports
            ?.map(
              ({ port, nodePort, protocol }) =>
                `${port}${nodePort === undefined ? "" : `:${nodePort}`}/${(protocol ?? "TCP").toLowerCase()}`,
            )
            .join(" "),
        POLICY: ({ object }) => object.spec.externalTrafficPolicy,
      },
      "no Services",
      objectOf,
    ),
};

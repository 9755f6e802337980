/** A changed network policy in a large cluster: compiled, and programmed into the kernel, when its pods are on few nodes and when on all. */

import { CompiledNetwork, compile } from "../src/compile/index.ts";
import type { HostName, Network } from "../src/ir/network.ts";
import { Kernel } from "../src/kernel/index.ts";
import type { NetworkPolicy } from "../src/kube/objects.ts";
import { openLab } from "../src/lab/index.ts";
import { withPolicies } from "../src/lab/reachability.ts";
import type { LabView } from "../src/lab/view.ts";

/** `processorMs`: of both, by the process's threads and by the kernel for them. */
export type PolicyChange = { readonly nodes: number; readonly compileMs: number; readonly kernelMs: number; readonly processorMs: number };

const namespaces = 25;
const rounds = 15;

/** Namespaces are spread over all nodes; the pods of `alone`, which are placed first, are on one node. */
export function measurePolicyChanges(nodes: number, pods: number): readonly PolicyChange[] {
  const view = labOf(nodes, pods);
  const kernel = new Kernel();
  for (const name of view.network.names()) view.network.host(name);
  applied(kernel, view.network);
  const changes = ["alone", "n1"].map((namespace) => measure(view, kernel, namespace));
  kernel.apply({ names: () => [], host: () => undefined });
  return changes;
}

/** The median of some changes of one port. */
function measure(first: LabView, kernel: Kernel, namespace: string): PolicyChange {
  const times: Omit<PolicyChange, "nodes">[] = [];
  let view = first;
  let nodes = 0;
  for (let round = 0; round < rounds; round++) {
    const processor = process.cpuUsage();
    const start = performance.now();
    const next = withPolicies(view, "c", [policy(namespace, 8000 + round)]);
    // As a running lab asks.
    const candidates = next.network instanceof CompiledNetwork ? next.network.changedSince(view.network) : undefined;
    const changed = [...(candidates ?? next.network.names())].filter((name) => next.network.host(name) !== view.network.host(name));
    const compiled = performance.now();
    applied(kernel, next.network, changed);
    const kernelMs = performance.now() - compiled;
    const { user, system } = process.cpuUsage(processor);
    times.push({ compileMs: compiled - start, kernelMs, processorMs: (user + system) / 1000 });
    nodes = changed.length;
    view = next;
  }
  applied(kernel, compile(first.resources, view.network));
  const median = (of: keyof (typeof times)[number]) => times.map((time) => time[of]).toSorted((a, b) => a - b)[rounds >> 1] ?? 0;
  return { nodes, compileMs: median("compileMs"), kernelMs: median("kernelMs"), processorMs: median("processorMs") };
}

function applied(kernel: Kernel, network: Network, changed?: Iterable<HostName>): void {
  const [error] = kernel.apply(network, changed).errors;
  if (error !== undefined) throw new Error(error.message);
}

function policy(namespace: string, port: number): NetworkPolicy {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "api", namespace },
    spec: {
      podSelector: { matchLabels: { app: "api" } },
      policyTypes: ["Ingress"],
      ingress: [{ from: [{ podSelector: { matchLabels: { app: "web" } } }], ports: [{ port }] }],
    },
  };
}

function labOf(nodes: number, pods: number): LabView {
  const deployment = (namespace: string, name: string, replicas: number, spec: object = {}) => ({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: { ...spec, containers: [{ name: "main", image: "any" }] } },
    },
  });
  const inNamespace = (name: string, replicas: number, spec?: object) => [
    { apiVersion: "v1", kind: "Namespace", metadata: { name } },
    deployment(name, "web", replicas, spec),
    deployment(name, "api", replicas, spec),
    policy(name, 80),
  ];
  const objects = [
    ...inNamespace("alone", 5, { nodeSelector: { only: "one" } }),
    ...Array.from({ length: namespaces }, (_, index) => inNamespace(`n${index}`, Math.floor(pods / namespaces / 2))).flat(),
  ];
  const text = `lab: bench
networks: [{ name: hub, addressSpace: [10.128.0.0/9], subnets: [{ name: nodes, prefix: 10.128.0.0/16 }] }]
clusters: [{ name: c, networkPlugin: kubenet, networkPolicy: calico, podCidr: 10.0.0.0/12, subnet: hub/nodes, serviceCidr: 10.64.0.0/24, pools: [{ name: np1, count: ${nodes}, maxPods: 250 }, { name: one, count: 1, maxPods: 30, nodeLabels: { only: one } }], manifests: [app.yaml] }]
`;
  const app = objects.map((each) => JSON.stringify(each)).join("\n---\n");
  const { view, problems } = openLab([{ path: "lab.yaml", text }], (path) => ({ path, text: app }));
  if (view === undefined) throw new Error(problems.map(({ message }) => message).join("\n"));
  return view;
}

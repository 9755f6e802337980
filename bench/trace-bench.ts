/** Traces a second on a large cluster that does not run. */

import { compile } from "../src/compile/index.ts";
import { assumptions, controllers, settle } from "../src/controllers/index.ts";
import { loadLab } from "../src/documents/index.ts";
import type { Host } from "../src/ir/network.ts";
import { MemoryResources } from "../src/resources/memory.ts";
import { Tracer } from "../src/trace/index.ts";

export function measureTrace({ nodes, pods }: { readonly nodes: number; readonly pods: number }): {
  readonly forwardPerSecond: number;
  readonly bothPerSecond: number;
  readonly firstMs: number;
} {
  const lab = `lab: bench
networks: [{ name: hub, addressSpace: [10.128.0.0/9], subnets: [{ name: nodes, prefix: 10.128.0.0/16 }] }]
clusters: [{ name: c, networkPlugin: azure, subnet: hub/nodes, serviceCidr: 10.0.0.0/16, pools: [{ name: np1, count: ${nodes}, maxPods: ${Math.ceil(pods / nodes) + 10} }], manifests: [app.yaml] }]
`;
  const app = `apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec: { replicas: ${pods}, selector: { matchLabels: { app: web } }, template: { metadata: { labels: { app: web } }, spec: { containers: [{ name: web, image: nginx, ports: [{ containerPort: 80 }] }] } } }
`;
  const loaded = loadLab([{ path: "lab.yaml", text: lab }], (path) => ({ path, text: app }));
  if (loaded.problems.some((problem) => problem.severity === "error")) throw new Error(JSON.stringify(loaded.problems.slice(0, 3)));
  const resources = new MemoryResources();
  resources.apply(loaded.resources);
  settle(resources, [...controllers, ...assumptions], (writes) => resources.apply(writes));
  const network = compile(resources);
  const tracer = new Tracer(network);
  const podNames = network.names().filter((name) => name.startsWith("pod/"));
  const addressOf = (host: Host | undefined) => host?.interfaces.flatMap((candidate) => candidate.addresses)[0]?.address;

  const trace = (index: number, back: boolean) => {
    const from = podNames[index % podNames.length] ?? "";
    const to = addressOf(network.host(podNames[(index * 7919 + 1) % podNames.length] ?? ""));
    if (to === undefined) throw new Error("a pod has no address");
    const [path] = tracer.trace(from, { protocol: "tcp", sourcePort: 40_000, destination: to, destinationPort: 80 }, { return: back });
    if (path?.outcome !== "delivered") throw new Error(`not delivered: ${path?.outcome}`);
  };
  const started = performance.now();
  trace(0, false);
  const firstMs = performance.now() - started;
  const perSecond = (back: boolean) => {
    for (let index = 0; index < 2 * podNames.length; index++) trace(index, back);
    const count = 200_000;
    const start = performance.now();
    for (let index = 0; index < count; index++) trace(index, back);
    return (count / (performance.now() - start)) * 1000;
  };
  return { forwardPerSecond: perSecond(false), bothPerSecond: perSecond(true), firstMs };
}

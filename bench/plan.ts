/** What a plan costs: by nodes, by pods per node, and by clusters. Documents are made here, and read as any others. */

import { loadLab } from "../src/documents/index.ts";
import { type Plan, planDocuments } from "../src/plan/index.ts";

type Size = { readonly clusters: number; readonly nodes: number; readonly podsPerNode: number; readonly workloads: number };

export type PlanMeasure = Size & {
  /** Text to resources, and resources to the plan; the best of three. */
  readonly readMs: number;
  readonly planMs: number;
  /** Of the process, at its most, so far. */
  readonly residentMegabytes: number;
};

/** Pools are as large as Azure lets them be. */
const largestPool = 900;

export function measurePlan(size: Size): PlanMeasure {
  const lab = labOf(size);
  const manifest = manifestOf(size);
  const read = () => loadLab([{ path: "lab.yaml", text: lab }], (path) => ({ path, text: manifest }));
  let [readMs, planMs] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let run = 0; run < 3; run++) {
    const begin = performance.now();
    const loaded = read();
    const middle = performance.now();
    checked(
      planDocuments(loaded, { growth: { from: "2026-01-01", rates: [{ amount: 10, unit: "nodes", per: "month" }], counts: [] } }),
      size,
    );
    readMs = Math.min(readMs, middle - begin);
    planMs = Math.min(planMs, performance.now() - middle);
  }
  return { ...size, readMs, planMs, residentMegabytes: process.resourceUsage().maxRSS / 1024 };
}

function checked({ clusters }: Plan, size: Size): void {
  const pods = clusters.reduce((sum, cluster) => sum + cluster.pods.onNodes, 0);
  const wanted = size.clusters * size.nodes * size.podsPerNode;
  if (pods !== wanted) throw new Error(`${pods} pods were placed, not ${wanted}`);
}

function labOf({ clusters, nodes, podsPerNode }: Size): string {
  const pools = Math.ceil(nodes / largestPool);
  const names = Array.from({ length: clusters }, (_, index) => `c${index}`);
  return JSON.stringify({
    lab: "bench",
    networks: names.map((name, index) => ({
      name,
      addressSpace: [`10.${index}.0.0/16`],
      subnets: [
        { name: "nodes", prefix: `10.${index}.0.0/18` },
        { name: "pods", prefix: `10.${index}.128.0/17` },
      ],
    })),
    clusters: names.map((name) => ({
      name,
      networkPlugin: "azure",
      serviceCidr: "172.20.0.0/16",
      subnet: `${name}/nodes`,
      podSubnet: `${name}/pods`,
      pools: Array.from({ length: pools }, (_, index) => ({
        name: `np${index}`,
        count: Math.floor(nodes / pools) + (index < nodes % pools ? 1 : 0),
        maxPods: Math.max(podsPerNode, 30),
      })),
      manifests: ["app.yaml"],
    })),
  });
}

function manifestOf({ nodes, podsPerNode, workloads }: Size): string {
  const all = nodes * podsPerNode;
  const deployments = Array.from({ length: workloads }, (_, index) => ({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: `app${index}` },
    spec: {
      replicas: Math.floor(all / workloads) + (index < all % workloads ? 1 : 0),
      selector: { matchLabels: { app: `app${index}` } },
      template: { metadata: { labels: { app: `app${index}` } }, spec: { containers: [{ name: "web", image: "web" }] } },
    },
  }));
  return deployments.map((deployment) => JSON.stringify(deployment)).join("\n---\n");
}

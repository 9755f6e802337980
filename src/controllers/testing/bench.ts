/**
 * How long settling takes. Run: `npx esbuild src/controllers/testing/bench.ts --bundle --platform=node --format=esm --packages=external --outfile=dist/controllers-bench.mjs && node dist/controllers-bench.mjs`.
 */

import type { Controller } from "../controller.ts";
import { settle } from "../index.ts";
import { cluster, deployment, everything, pool, service, subnetId, TestLab, vnet } from "./lab.ts";

function build(nodes: number, deployments: number, replicas: number, plugin: "kubenet" | "azure"): TestLab {
  const lab = new TestLab([
    ...vnet("hub", ["10.0.0.0/8"], { nodes: "10.128.0.0/16" }),
    cluster(
      "c",
      plugin === "kubenet"
        ? { networkPlugin: plugin, podCidr: "10.244.0.0/14", serviceCidr: "10.1.0.0/16" }
        : { serviceCidr: "10.1.0.0/16" },
    ),
    pool("c", "np1", subnetId("hub", "nodes"), { count: nodes, maxPods: 31 }),
  ]);
  for (let i = 0; i < deployments; i++)
    lab.add("c", deployment(`app${i}`, replicas), service(`app${i}`, i % 10 === 0 ? { type: "LoadBalancer" } : {}));
  return lab;
}

function timed(work: () => void): number {
  const start = performance.now();
  work();
  return performance.now() - start;
}

const spent = new Map<string, number>();
const watched = everything.map(
  (controller): Controller => ({
    name: controller.name,
    reconcile(resources) {
      const start = performance.now();
      const writes = controller.reconcile(resources);
      spent.set(controller.name, (spent.get(controller.name) ?? 0) + performance.now() - start);
      return writes;
    },
  }),
);

function profile(lab: TestLab): string {
  spent.clear();
  let commits = 0;
  const all = timed(() => {
    settle(lab.resources, watched, (writes) => {
      commits += timed(() => lab.apply(writes));
    });
  });
  const top = [...spent].sort((a, b) => b[1] - a[1]).slice(0, 8);
  return `${all.toFixed(1)} ms (commit ${commits.toFixed(1)}; ${top.map(([name, ms]) => `${name} ${ms.toFixed(1)}`).join(", ")})`;
}

for (const plugin of ["kubenet", "azure"] as const) {
  const big = build(500, 100, 150, plugin);
  console.log(`${plugin}: 500 nodes, 15,000 pods from nothing: ${profile(big)}`);
  console.log(`  again: ${profile(big)}`);
  big.add("c", deployment("app0", 151));
  console.log(`  one more pod: ${profile(big)}`);

  const small = build(40, 50, 20, plugin);
  console.log(`${plugin}: 40 nodes, 1,000 pods from nothing: ${profile(small)}`);
  const each: number[] = [];
  for (let i = 1; i <= 60; i++) {
    small.add("c", deployment("app7", 20 + i));
    each.push(timed(() => small.settle()));
  }
  each.sort((a, b) => a - b);
  console.log(`  one more pod, 60 times: median ${each[30]?.toFixed(2)} ms, slowest ${each.at(-1)?.toFixed(2)} ms`);
  small.add("c", deployment("app9", 21));
  console.log(`  one more pod: ${profile(small)}`);
}

/** Benches of a running lab, through the command as a user types it. */

import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ControlClient } from "../src/world/client.ts";
import { labPaths } from "../src/world/state.ts";

export type Size = { readonly nodes: number; readonly pods: number };

const program = join(import.meta.dirname, "drydock.mjs");

/** Pods added one by one before times count, and after that. */
const warmUps = 10;
const additions = 50;
const idleSeconds = 30;

/** A kubenet lab with so many pods, ten of them behind a load balancer, and a VM. */
function labFile(state: string, { nodes, pods }: Size): string {
  const file = join(state, "lab.yaml");
  const maxPods = Math.max(30, Math.min(250, Math.ceil(pods / nodes) + 20));
  writeFileSync(
    file,
    `lab: bench
networks: [{ name: hub, addressSpace: [10.240.0.0/12], subnets: [{ name: nodes, prefix: 10.240.0.0/16 }, { name: data, prefix: 10.241.0.0/24 }] }]
machines: [{ name: db, subnet: hub/data, listen: [5432/tcp] }]
internet: [{ name: partner, address: 203.0.113.10, listen: [443/tcp] }]
clusters: [{ name: c, networkPlugin: kubenet, subnet: hub/nodes, podCidr: 10.16.0.0/12, serviceCidr: 10.0.0.0/16, pools: [{ name: np1, count: ${nodes}, maxPods: ${maxPods} }], manifests: [app.yaml] }]
`,
  );
  writeManifest(state, pods);
  return file;
}

function writeManifest(state: string, replicas: number): void {
  writeFileSync(
    join(state, "app.yaml"),
    `apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec: { replicas: ${replicas - 10}, selector: { matchLabels: { app: web } }, template: { metadata: { labels: { app: web } }, spec: { containers: [{ name: web, image: nginx, ports: [{ containerPort: 80 }] }] } } }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: front }
spec: { replicas: 10, selector: { matchLabels: { app: front } }, template: { metadata: { labels: { app: front } }, spec: { containers: [{ name: front, image: nginx, ports: [{ containerPort: 80 }] }] } } }
---
apiVersion: v1
kind: Service
metadata: { name: front }
spec: { type: LoadBalancer, selector: { app: front }, ports: [{ port: 80 }] }
`,
  );
}

function drydock(state: string, ...args: readonly string[]): string {
  return execFileSync(process.execPath, [program, ...args], {
    encoding: "utf8",
    env: { ...process.env, DRYDOCK_STATE: state },
    maxBuffer: 1 << 26,
    stdio: ["ignore", "pipe", "pipe"],
  });
}

function timed(work: () => void): number {
  const started = performance.now();
  work();
  return performance.now() - started;
}

/** From typing `up` to every pod answering, and `down`. */
export async function bringUp(state: string, size: Size): Promise<{ readonly upMs: number; readonly downMs: number }> {
  const file = labFile(state, size);
  try {
    const upMs = timed(() => drydock(state, "up", file));
    return { upMs, downMs: timed(() => drydock(state, "down")) };
  } finally {
    spawnSync(process.execPath, [program, "down"], { env: { ...process.env, DRYDOCK_STATE: state } });
  }
}

/** From typing `up` to the first answer from the Internet, through both translations. */
export async function firstPacket(state: string): Promise<number> {
  const file = labFile(state, { nodes: 3, pods: 30 });
  try {
    const started = performance.now();
    drydock(state, "up", file);
    const client = new ControlClient("bench", labPaths(state, "bench"));
    const pod = (await client.status()).pods[0];
    if (pod?.address === undefined) throw new Error("no pod has an address");
    let answered = false;
    await client.probe(
      [
        {
          from: `pod/c/${pod.namespace}/${pod.name}`,
          packet: { protocol: "tcp", source: pod.address as never, destination: "203.0.113.10" as never, destinationPort: 443 },
          timeoutMs: 2000,
        },
      ],
      (_, result) => {
        answered = result.reachable;
      },
    );
    if (!answered) throw new Error("the first packet was not answered");
    return performance.now() - started;
  } finally {
    drydock(state, "down");
  }
}

/** Of one pod more, again and again: processor time of the daemon's thread (mean), what the kernel does for it included, and how long it took (median). */
export async function addPod(state: string, size: Size): Promise<{ readonly threadMs: number; readonly elapsedMs: number }> {
  const file = labFile(state, size);
  try {
    drydock(state, "up", file);
    const client = new ControlClient("bench", labPaths(state, "bench"));
    const pid = client.info()?.pid ?? 0;
    const resources = await client.resources();
    const key = "/kubernetes/c/Deployment/default/web";
    const documents = (
      resources.get(
        "/subscriptions/00000000-0000-0000-0000-000000000000/resourcegroups/bench/providers/drydock.lab/documents/bench",
      ) as unknown as { properties: { documents: { key: string; value: { spec: { replicas: number } } }[] } }
    ).properties.documents;
    const elapsed: number[] = [];
    let before = 0;
    for (let added = 1; added <= warmUps + additions; added++) {
      const next = documents.map((document) =>
        document.key === key
          ? { key, value: { ...document.value, spec: { ...document.value.spec, replicas: size.pods - 10 + added } } }
          : document,
      );
      if (added === warmUps + 1) before = threadMs(pid);
      const started = performance.now();
      await client.apply(next as never);
      if (added > warmUps) elapsed.push(performance.now() - started);
    }
    return { threadMs: (threadMs(pid) - before) / additions, elapsedMs: median(elapsed) };
  } finally {
    drydock(state, "down");
  }
}

/** Processor time and memory of a daemon that nobody asks for anything. */
export async function idle(state: string, size: Size): Promise<{ readonly cpuPercent: number; readonly residentMegabytes: number }> {
  const file = labFile(state, size);
  try {
    drydock(state, "up", file);
    const pid = new ControlClient("bench", labPaths(state, "bench")).info()?.pid ?? 0;
    await new Promise((resolve) => setTimeout(resolve, 3000));
    const before = threadMs(pid);
    await new Promise((resolve) => setTimeout(resolve, idleSeconds * 1000));
    const used = threadMs(pid) - before;
    const resident = Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024;
    return { cpuPercent: used / idleSeconds / 10, residentMegabytes: resident };
  } finally {
    drydock(state, "down");
  }
}

/** Processor time of the process's main thread, in user and kernel mode (Linux: Documentation/scheduler/sched-stats.rst). */
function threadMs(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, "utf8").split(" ")[0]) / 1e6;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

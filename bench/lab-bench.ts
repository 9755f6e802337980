/** Benches of a running lab, through the command as a user types it. */

import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ControlClient } from "../src/world/client.ts";
import { labPaths } from "../src/world/state.ts";

export type Size = { readonly nodes: number; readonly pods: number };

const program = join(import.meta.dirname, "drydock.mjs");

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

/** Medians of 20 times one pod more. */
export async function addPod(state: string, size: Size): Promise<{ readonly ownCpuMs: number; readonly elapsedMs: number }> {
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
    const cpus: number[] = [];
    const elapsed: number[] = [];
    for (let added = 1; added <= 20; added++) {
      const next = documents.map((document) =>
        document.key === key
          ? { key, value: { ...document.value, spec: { ...document.value.spec, replicas: size.pods - 10 + added } } }
          : document,
      );
      const before = userMs(pid);
      const started = performance.now();
      await client.apply(next as never);
      elapsed.push(performance.now() - started);
      cpus.push(userMs(pid) - before);
    }
    return { ownCpuMs: mean(cpus), elapsedMs: median(elapsed) };
  } finally {
    drydock(state, "down");
  }
}

/** CPU and memory of a daemon that nobody asks for anything. */
export async function idle(state: string, size: Size): Promise<{ readonly cpuPercent: number; readonly residentMegabytes: number }> {
  const file = labFile(state, size);
  try {
    drydock(state, "up", file);
    const pid = new ControlClient("bench", labPaths(state, "bench")).info()?.pid ?? 0;
    await new Promise((resolve) => setTimeout(resolve, 3000));
    const before = userMs(pid) + systemMs(pid);
    await new Promise((resolve) => setTimeout(resolve, 10_000));
    const used = userMs(pid) + systemMs(pid) - before;
    const resident = Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024;
    return { cpuPercent: used / 100, residentMegabytes: resident };
  } finally {
    drydock(state, "down");
  }
}

/** CPU time in our own code, in steps of 10 ms (the kernel's tick for /proc). */
function userMs(pid: number): number {
  return statField(pid, 11) * 10;
}

function systemMs(pid: number): number {
  return statField(pid, 12) * 10;
}

function statField(pid: number, index: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[index]);
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

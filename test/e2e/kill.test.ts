import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";

/**
 * The daemon is killed at 200 moments by chance, while the lab comes up, is scaled, and goes down. Nothing of it may stay on the machine, and the
 * next `up` must go on with the addresses that were acknowledged before.
 */
const program = join(import.meta.dirname, "../../dist/drydock.mjs");
const state = mkdtempSync(join(tmpdir(), "drydock-kill-"));
const env = { ...process.env, DRYDOCK_STATE: state };
const file = join(state, "lab.yaml");
const kills = Number(process.env.DRYDOCK_KILLS ?? 200);
afterAll(() => rmSync(state, { recursive: true, force: true }));

writeFileSync(
  file,
  `lab: kill
networks: [{ name: hub, addressSpace: [10.240.0.0/16], subnets: [{ name: nodes, prefix: 10.240.0.0/24 }, { name: data, prefix: 10.240.1.0/24 }] }]
machines: [{ name: db, subnet: hub/data, listen: [5432/tcp] }]
clusters: [{ name: c, networkPlugin: kubenet, subnet: hub/nodes, pools: [{ name: np1, count: 2, maxPods: 30 }], manifests: [app.yaml] }]
`,
);
writeFileSync(
  join(state, "app.yaml"),
  `apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec: { replicas: 6, selector: { matchLabels: { app: web } }, template: { metadata: { labels: { app: web } }, spec: { containers: [{ name: web, image: nginx, ports: [{ containerPort: 80 }] }] } } }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { type: LoadBalancer, selector: { app: web }, ports: [{ port: 80 }] }
`,
);

function start(...args: readonly string[]): { readonly child: ChildProcess; readonly ended: Promise<number> } {
  const child = spawn(process.execPath, [program, ...args], { env, stdio: "ignore" });
  return { child, ended: new Promise((resolve) => child.on("exit", (code) => resolve(code ?? 1))) };
}

/** Processes of this lab's daemon: `unshare` and what runs in it. */
function daemons(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(`kill\0${state}`);
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** Network namespaces that some process is in, this machine's mounts and links: what may not change. */
function machine(): { readonly namespaces: readonly string[]; readonly mounts: string; readonly links: readonly string[] } {
  const namespaces = new Set<string>();
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      namespaces.add(readlinkSync(`/proc/${pid}/ns/net`));
    } catch {
      // The process ended, or is not ours to see.
    }
  }
  return {
    namespaces: [...namespaces].sort(),
    mounts: readFileSync("/proc/self/mountinfo", "utf8"),
    links: readdirSync("/sys/class/net").sort(),
  };
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`not within 10 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function addresses(): Promise<Readonly<Record<string, string>>> {
  const child = spawn(process.execPath, [program, "status", "-o", "json"], { env, stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  for await (const chunk of child.stdout) text += String(chunk);
  const status: { pods: { name: string; address?: string }[]; nodes: { name: string; address?: string }[] } = JSON.parse(text);
  return Object.fromEntries([...status.pods, ...status.nodes].map(({ name, address }) => [name, address ?? ""]));
}

async function killDaemons(): Promise<void> {
  for (const pid of daemons()) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // The other one of the two took it with it.
    }
  }
  await until(() => daemons().length === 0, "the daemon's processes are gone");
}

test(`killed ${kills} times, it leaves nothing and goes on with the same addresses`, { timeout: 900_000 }, async () => {
  const before = machine();
  expect(await start("up", file).ended).toBe(0);
  const first = await addresses();
  expect(Object.keys(first)).toHaveLength(8);
  for (let kill = 0; kill < kills; kill++) {
    // In turn: while it comes up, while it is scaled, while it goes down.
    const phase = (["up", "scale", "down"] as const)[kill % 3] ?? "up";
    if (daemons().length === 0 && phase !== "up") expect(await start("up", file).ended, `up before kill ${kill}`).toBe(0);
    if (phase === "up") await killDaemons();
    const command =
      phase === "up" ? start("up", file) : phase === "scale" ? start("scale", "np1", kill % 2 === 0 ? "3" : "2") : start("down");
    await new Promise((resolve) => setTimeout(resolve, Math.random() * (phase === "up" ? 900 : 250)));
    await killDaemons();
    await command.ended;
    // What the command may have started after the kill.
    await killDaemons();
  }
  expect(await start("up", file).ended).toBe(0);
  const last = await addresses();
  expect(last).toMatchObject(first);
  expect(new Set(Object.values(last)).size).toBe(Object.keys(last).length);
  expect(await start("down").ended).toBe(0);
  await until(() => daemons().length === 0, "the daemon is gone");
  await until(() => machine().namespaces.length <= before.namespaces.length, "no network namespace is left");
  const after = machine();
  expect(after.mounts).toBe(before.mounts);
  expect(after.links).toEqual(before.links);
});

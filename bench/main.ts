/**
 * Measures Drydock against the kernel's own floor and against peers, in one run, and prints ratios. Never part of the tests: absolute times say
 * little on a shared machine.
 *
 *     npm run bench                       everything
 *     npm run bench -- bring-up trace     some of it; --pods 5000 --nodes 100 for another size
 */

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { measureAssertions } from "./assertions.ts";
import { type Flow, measureDataPath, runJob } from "./data-path.ts";
import { measureFloor, measureMininet } from "./floor.ts";
import { measureFlows } from "./flows.ts";
import { addPod, bringUp, firstPacket, idle } from "./lab-bench.ts";
import { measurePlan } from "./plan.ts";
import { measurePolicyChanges } from "./policy-bench.ts";
import { measureServices } from "./services-bench.ts";
import { measureTraces } from "./trace.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    pods: { type: "string", default: "1000" },
    nodes: { type: "string", default: "20" },
    inside: { type: "boolean", default: false },
    job: { type: "string" },
  },
});
const size = { pods: Number(values.pods), nodes: Number(values.nodes) };

/** What needs namespaces of its own runs in a world of its own: a second process of this program, inside. */
const insideBenches: Readonly<Record<string, () => unknown>> = {
  floor: () => measureFloor(size.nodes, size.pods),
  mininet: () => measureMininet(100),
  services: () => measureServices(10_000),
  "data-path": () => measureDataPath(process.argv[1] ?? ""),
  policy: () => measurePolicyChanges(size.nodes, size.pods),
};

function inside<T>(bench: string): T {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [
      "scripts/in-world.mjs",
      process.execPath,
      process.argv[1] ?? "",
      "--inside",
      bench,
      "--pods",
      String(size.pods),
      "--nodes",
      String(size.nodes),
    ],
    { encoding: "utf8", maxBuffer: 1 << 26 },
  );
  if (status !== 0) throw new Error(`${bench}: ${stderr}`);
  return JSON.parse(stdout) as T;
}

const ms = (value: number) => `${value < 10 ? value.toFixed(2) : value.toFixed(0)} ms`;
const line = (name: string, text: string) => process.stdout.write(`${name.padEnd(34)} ${text}\n`);
const ratio = (value: number, base: number) => `${(value / base).toFixed(2)} x`;

type Benches = Readonly<Record<string, () => unknown>>;

const benches: Benches = {
  "bring-up": async () => {
    const floor = inside<ReturnType<typeof measureFloor>>("floor");
    line(
      "floor (ip -batch)",
      `${ms(floor.totalMs)}: namespaces ${ms(floor.namespacesMs)}, links ${ms(floor.linksMs)}, addresses and routes ${ms(floor.addressesMs)}; teardown ${ms(floor.teardownMs)}`,
    );
    // The kernel takes the floor's namespaces apart after their process has ended, and would do so at our expense.
    await new Promise((resolve) => setTimeout(resolve, 8000));
    await withState(async (state) => {
      const up = await bringUp(state, size);
      line(`up, ${size.nodes} nodes, ${size.pods} pods`, `${ms(up.upMs)}, ${ratio(up.upMs, floor.totalMs)} the floor (at most 1.30 x)`);
      line("down", `${ms(up.downMs)}`);
    });
    const mininet = inside<ReturnType<typeof measureMininet>>("mininet");
    if (mininet === null) line("Mininet, 100 hosts", "not here (Debian packages mininet and bridge-utils); no comparison");
    else {
      await withState(async (state) => {
        const up = await bringUp(state, { nodes: 4, pods: 100 });
        line("Mininet, 100 hosts", `${ms(mininet)}; Drydock, 4 nodes and 100 pods that answer: ${ms(up.upMs)}, ${ratio(up.upMs, mininet)}`);
      });
    }
  },
  "first-packet": () =>
    withState(async (state) =>
      line("first packet, 3 nodes, 30 pods", `${ms(await firstPacket(state))} after up started (at most 1000 ms)`),
    ),
  "add-pod": () =>
    withState(async (state) => {
      const { threadMs, elapsedMs } = await addPod(state, size);
      line(
        `one pod more at ${size.pods}`,
        `processor time of the daemon's thread ${ms(threadMs)}, until it answers ${ms(elapsedMs)} (at most 5 ms of our own time)`,
      );
    }),
  idle: () =>
    withState(async (state) => {
      const { cpuPercent, residentMegabytes } = await idle(state, size);
      line(
        `idle, ${size.pods} pods`,
        `${cpuPercent.toFixed(2)} % of one core over 30 s; ${residentMegabytes.toFixed(0)} MB resident (at most ${(150 + (20 * size.pods) / 1024).toFixed(0)})`,
      );
    }),
  assertions: () => {
    const { assertions, readMs, judgeMs } = measureAssertions(size.nodes, size.pods, 3000);
    const rate = (assertions / (readMs + judgeMs)) * 1000;
    line(`${assertions} assertions, ${size.pods} pods`, `read in ${ms(readMs)}, judged in ${ms(judgeMs)}: ${rate.toFixed(0)} a second`);
  },
  services: () => {
    const measured = inside<ReturnType<typeof measureServices>>("services");
    line(
      "10,000 Services of 2 endpoints",
      `${ms(measured.flat.loadMs)} to load (at most 500 ms), one more ${ms(measured.flat.oneMoreMs)} (at most 10 ms)`,
    );
    line(
      "  the same as kube-proxy's chains",
      `${ms(measured.chains.loadMs)} to load (${ratio(measured.chains.loadMs, measured.flat.loadMs)}), one more ${ms(measured.chains.oneMoreMs)}; with ${measured.chains.services} Services`,
    );
    line("  first packet through the last", `${ms(measured.flat.firstPacketMs)}; with 10 Services ${ms(measured.flat.firstPacketOf10Ms)}`);
  },
  policy: () => {
    for (const { nodes, compileMs, kernelMs, processorMs } of inside<ReturnType<typeof measurePolicyChanges>>("policy")) {
      line(
        `policy change at ${size.pods} pods`,
        `${nodes} of ${size.nodes + 1} nodes concerned: compiled in ${ms(compileMs)}, programmed in ${ms(kernelMs)} (at most 50 ms in all); processor time ${ms(processorMs)}`,
      );
    }
  },
  "data-path": () => {
    const flows = inside<readonly Flow[]>("data-path");
    const bare = flows[0];
    if (bare === undefined) throw new Error("nothing was measured");
    line("data path", "throughput and new connections a second, best of 3, as ratios of a bare veth pair (other node: at least 0.65)");
    for (const { option, way, hosts, translated, gigabitsPerSecond, connectionsPerSecond } of flows) {
      line(
        `  ${option}`,
        `${way.padEnd(24)} ${gigabitsPerSecond.toFixed(1).padStart(5)} Gbit/s (${ratio(gigabitsPerSecond, bare.gigabitsPerSecond)})  ` +
          `${connectionsPerSecond.toFixed(0).padStart(6)} connections/s (${ratio(connectionsPerSecond, bare.connectionsPerSecond)})  ` +
          `${hosts} hosts${translated ? ", source NAT" : ""}`,
      );
    }
  },
  plan: () => {
    const sizes = [
      { clusters: 1, nodes: 500, podsPerNode: 250, workloads: 100 },
      { clusters: 1, nodes: 5000, podsPerNode: 30, workloads: 100 },
      { clusters: 1, nodes: 5000, podsPerNode: 250, workloads: 100 },
      { clusters: 20, nodes: 50, podsPerNode: 30, workloads: 20 },
    ];
    for (const size of sizes) {
      const { readMs, planMs, residentMegabytes } = measurePlan(size);
      const pods = (size.clusters * size.nodes * size.podsPerNode).toLocaleString("en");
      const bounds = size.clusters > 1 ? "at most 1000 ms" : "at most 2000 ms and 500 MB";
      line(
        `plan, ${size.clusters} x ${size.nodes} nodes, ${pods} pods`,
        `${ms(planMs)} beside ${ms(readMs)} to read the documents (${bounds}); ${residentMegabytes.toFixed(0)} MB resident`,
      );
    }
  },
  flows: () => {
    const measured = measureFlows(5000, 150_000, 1000);
    line("5,000 nodes, 150,000 pods", `read, settled and compiled in ${ms(measured.openMs)} of processor time, 1,000 network policies`);
    line(
      "  all flows",
      `${ms(measured.partiesMs + measured.allMs)} (at most 5000 ms): ${measured.parties} parties, ${measured.classes} classes, ${measured.traced} traces for ${measured.pairs.toLocaleString("en")} pairs`,
    );
    for (const { what, compileMs, flowsMs, classes, traced } of measured.changes) {
      line(
        `  after ${what}`,
        `${ms(compileMs + flowsMs)} (at most 10 ms), ${ms(compileMs)} of it the network: ${classes} classes, ${traced} traces`,
      );
    }
    line("  memory of it all", `${measured.residentMegabytes.toFixed(0)} MB resident (at most 1000)`);
  },
  trace: () => {
    for (const plugin of ["kubenet", "azure"] as const) {
      const measured = measureTraces(500, plugin);
      line(
        `trace, ${plugin}, ${measured.nodes} nodes, ${measured.pods.toLocaleString("en")} pods`,
        `first ${measured.firstMicroseconds.toFixed(0)} µs each; then a second, with reasons (forward: at least 100,000):`,
      );
      for (const [journey, perSecond] of Object.entries(measured.perSecond))
        line(`  ${journey}`, Math.round(perSecond).toLocaleString("en"));
    }
  },
};

async function withState(work: (state: string) => Promise<unknown>): Promise<void> {
  const state = mkdtempSync(join(tmpdir(), "drydock-bench-"));
  try {
    await work(state);
  } finally {
    rmSync(state, { recursive: true, force: true });
  }
}

if (values.job !== undefined) await runJob(values.job);
else if (values.inside) {
  const result = await insideBenches[positionals[0] ?? ""]?.();
  process.stdout.write(JSON.stringify(result ?? null));
} else {
  const wanted = positionals.length === 0 ? Object.keys(benches) : positionals;
  for (const name of wanted) {
    const bench = benches[name];
    if (bench === undefined) throw new Error(`no bench ${name}; there are: ${Object.keys(benches).join(", ")}`);
    await bench();
  }
}

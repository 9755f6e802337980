/**
 * What a way through the network costs: throughput and new connections a second, pod to pod and pod to a machine, per network option, beside a bare
 * pair of veths. Sender and receiver are processes of their own in the namespaces of their hosts. Runs inside a world of its own.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { connect, createServer } from "node:net";
import type { Host, HostName, Network } from "../src/ir/network.ts";
import { Kernel, namespaceName } from "../src/kernel/index.ts";
import { openLab } from "../src/lab/index.ts";
import type { LabView } from "../src/lab/view.ts";
import { mustAddress } from "../src/net/address.ts";

export type Flow = {
  readonly option: string;
  readonly way: string;
  /** What the tracer says about the way: how many hosts it crosses, and who changes the source. */
  readonly hosts: number;
  readonly translated: boolean;
  readonly gigabitsPerSecond: number;
  readonly connectionsPerSecond: number;
};

const port = 5001;
const seconds = 1;

const options = {
  kubenet: "networkPlugin: kubenet",
  "Azure CNI, node subnet": "networkPlugin: azure",
  "Azure CNI Overlay": "networkPlugin: azure, networkPluginMode: overlay",
} as const;

const manifest = `apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec: { replicas: 4, selector: { matchLabels: { app: web } }, template: { metadata: { labels: { app: web } }, spec: { containers: [{ name: web, image: any }] } } }
`;

/** A bare pair of veths first: what everything else is measured by. `program`: this one, to run as sender and receiver. */
export async function measureDataPath(program: string): Promise<readonly Flow[]> {
  const kernel = new Kernel();
  apply(kernel, bareVeth());
  const bare = await measure(program, "bare/a", "bare/b", "10.0.0.2");
  const flows: Flow[] = [{ option: "bare veth", way: "namespace to namespace", hosts: 2, translated: false, ...bare }];
  for (const [option, profile] of Object.entries(options)) {
    const lab = open(profile);
    apply(kernel, lab.network);
    for (const { way, from, to } of ways(lab)) {
      const address = addressOf(lab, to);
      const [path] = lab.tracer.trace(from, { protocol: "tcp", destination: mustAddress(address), destinationPort: port });
      if (path === undefined || (path.outcome !== "refused" && path.outcome !== "delivered"))
        throw new Error(`${option}, ${way}: ${path?.outcome}`);
      const translated = path.hops.some((hop) => hop.steps.some((step) => step.kind === "source-nat"));
      flows.push({ option, way, hosts: path.hops.length, translated, ...(await measure(program, from, to, address)) });
    }
    apply(kernel, { names: () => [], host: () => undefined });
  }
  return flows;
}

function open(profile: string): LabView {
  const lab = `lab: bench
networks: [{ name: hub, addressSpace: [10.240.0.0/16], subnets: [{ name: nodes, prefix: 10.240.0.0/24 }, { name: data, prefix: 10.240.4.0/24 }] }]
machines: [{ name: db, subnet: hub/data }]
clusters: [{ name: c, ${profile}, subnet: hub/nodes, pools: [{ name: np1, count: 2, maxPods: 30 }], manifests: [web.yaml] }]
`;
  const { view, problems } = openLab([{ path: "lab.yaml", text: lab }], (path) =>
    path === "web.yaml" ? { path, text: manifest } : undefined,
  );
  if (view === undefined) throw new Error(problems.map(({ message }) => message).join("\n"));
  return view;
}

function apply(kernel: Kernel, network: Network): void {
  const { errors } = kernel.apply(network);
  if (errors.length > 0) throw new Error(errors.map(({ message }) => message).join("\n"));
}

function ways(lab: LabView): { readonly way: string; readonly from: HostName; readonly to: HostName }[] {
  const pods = lab.endpoints.filter((endpoint) => endpoint.pod?.metadata.name.startsWith("web-"));
  const first = pods[0];
  const near = pods.find((pod) => pod !== first && pod.pod?.spec.nodeName === first?.pod?.spec.nodeName);
  const far = pods.find((pod) => pod.pod?.spec.nodeName !== first?.pod?.spec.nodeName);
  if (first === undefined || near === undefined || far === undefined) throw new Error("the pods of the bench are not where they should be");
  return [
    { way: "pod to pod, same node", from: first.host, to: near.host },
    { way: "pod to pod, other node", from: first.host, to: far.host },
    { way: "pod to machine", from: first.host, to: "vm/db" },
  ];
}

function addressOf(lab: LabView, host: HostName): string {
  const endpoint = lab.endpoints.find((candidate) => candidate.host === host);
  if (endpoint === undefined) throw new Error(`no address of ${host}`);
  return endpoint.address;
}

/** Two hosts and a link: no rules, nobody between them. */
function bareVeth(): Network {
  const origin = { resource: "bench", reason: "the floor" };
  const end = (name: HostName, peer: HostName, address: string): Host => ({
    name,
    forwarding: false,
    interfaces: [
      {
        kind: "veth",
        name: "eth0",
        addresses: [{ address: mustAddress(address), prefixLength: 24, origin }],
        peer: { host: peer, name: "eth0" },
        origin,
      },
    ],
    routes: [],
    rules: [],
    neighbours: [],
    ruleSet: [],
    listeners: [],
    origin,
  });
  const hosts = [end("bare/a", "bare/b", "10.0.0.1"), end("bare/b", "bare/a", "10.0.0.2")];
  return { names: () => hosts.map(({ name }) => name), host: (name) => hosts.find((host) => host.name === name) };
}

/** The better of three runs: other work on the machine only ever makes it worse. */
async function measure(program: string, from: HostName, to: HostName, address: string) {
  const receiver = start(program, to, ["sink"]);
  try {
    await said(receiver, "ready");
    const best = { gigabitsPerSecond: 0, connectionsPerSecond: 0 };
    for (let run = 0; run < 3; run++) {
      const stream = JSON.parse(await result(start(program, from, ["stream", address]))) as { readonly bytesPerSecond: number };
      const dial = JSON.parse(await result(start(program, from, ["dial", address]))) as { readonly perSecond: number };
      best.gigabitsPerSecond = Math.max(best.gigabitsPerSecond, (stream.bytesPerSecond * 8) / 1e9);
      best.connectionsPerSecond = Math.max(best.connectionsPerSecond, dial.perSecond);
    }
    return best;
  } finally {
    receiver.kill("SIGKILL");
  }
}

function start(program: string, host: HostName, job: readonly string[]): ChildProcess {
  const stdio = ["ignore", "pipe", "inherit"] as const;
  return spawn("ip", ["netns", "exec", namespaceName(host), process.execPath, program, "--job", job.join(" ")], { stdio: [...stdio] });
}

function said(child: ChildProcess, word: string): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`ended with ${code} before it was ${word}`)));
    child.stdout?.on("data", (data: Buffer) => {
      if (data.toString().includes(word)) resolve();
    });
  });
}

async function result(child: ChildProcess): Promise<string> {
  let text = "";
  for await (const data of child.stdout ?? []) text += String(data);
  return text;
}

/** A process of {@link measure}: takes everything, sends all it can, or dials as often as it can. */
export async function runJob(job: string): Promise<void> {
  const [kind, address = ""] = job.split(" ");
  if (kind === "sink") return sink();
  const measured = kind === "stream" ? { bytesPerSecond: await stream(address) } : { perSecond: await dial(address) };
  process.stdout.write(JSON.stringify(measured));
}

function sink(): void {
  createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.resume();
  }).listen(port, () => process.stdout.write("ready\n"));
}

function stream(address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const chunk = Buffer.alloc(1 << 18);
    const socket = connect(port, address);
    socket.on("error", reject);
    socket.on("connect", () => {
      const started = performance.now();
      const write = () => {
        while (socket.write(chunk));
      };
      socket.on("drain", write);
      write();
      setTimeout(() => {
        const sent = socket.bytesWritten - socket.writableLength;
        resolve(sent / ((performance.now() - started) / 1000));
        socket.resetAndDestroy();
      }, seconds * 1000);
    });
  });
}

async function dial(address: string): Promise<number> {
  const started = performance.now();
  const ends = started + seconds * 1000;
  let count = 0;
  const worker = async () => {
    while (performance.now() < ends) {
      await new Promise<void>((resolve, reject) => {
        const socket = connect(port, address);
        socket.on("error", reject);
        // Reset, so that no port waits for its second life.
        socket.on("connect", () => socket.resetAndDestroy());
        socket.on("close", () => resolve());
      });
      count++;
    }
  };
  await Promise.all(Array.from({ length: 16 }, worker));
  return count / ((performance.now() - started) / 1000);
}

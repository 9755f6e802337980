/** Service rules in a kernel: flat maps against a chain per Service and endpoint, which is kube-proxy's layout. */

import { spawnSync } from "node:child_process";
import { compile } from "../src/compile/index.ts";
import { assumptions, controllers, settle } from "../src/controllers/index.ts";
import { loadLab } from "../src/documents/index.ts";
import type { Host, Network } from "../src/ir/network.ts";
import { Kernel, namespaceName } from "../src/kernel/index.ts";
import { MemoryResources } from "../src/resources/memory.ts";

export type ServicesResult = {
  readonly flat: {
    readonly loadMs: number;
    readonly oneMoreMs: number;
    readonly firstPacketMs: number;
    readonly firstPacketOf10Ms: number;
  };
  readonly chains: { readonly services: number; readonly loadMs: number; readonly oneMoreMs: number };
};

/** kube-proxy's layout is measured at a tenth of the size: its time grows faster than the number of Services. */
const chainsShare = 10;

export function measureServices(count: number): ServicesResult {
  const many = loadNode(count);
  const few = loadNode(10);
  return {
    flat: { loadMs: many.loadMs, oneMoreMs: many.oneMoreMs, firstPacketMs: many.packetMs, firstPacketOf10Ms: few.packetMs },
    chains: { ...loadChains(count / chainsShare), services: count / chainsShare },
  };
}

/** One node with `count` Services of two endpoints, one Service more, and the time of a new connection through the last. */
function loadNode(count: number): { readonly loadMs: number; readonly oneMoreMs: number; readonly packetMs: number } {
  const resources = new MemoryResources();
  const lab = `lab: bench
networks: [{ name: hub, addressSpace: [10.128.0.0/9], subnets: [{ name: nodes, prefix: 10.128.0.0/16 }] }]
clusters: [{ name: c, networkPlugin: kubenet, podCidr: 10.64.0.0/16, subnet: hub/nodes, serviceCidr: 10.0.0.0/16, pools: [{ name: np1, count: 1, maxPods: 30 }], manifests: [app.yaml] }]
`;
  const services = (total: number) =>
    Array.from(
      { length: total },
      (_, index) =>
        `---\napiVersion: v1\nkind: Service\nmetadata: { name: s${index} }\nspec: { selector: { app: web }, ports: [{ port: 80 }] }\n`,
    ).join("");
  const app = (total: number) => `apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec: { replicas: 2, selector: { matchLabels: { app: web } }, template: { metadata: { labels: { app: web } }, spec: { containers: [{ name: web, image: nginx, ports: [{ containerPort: 80 }] }] } } }
${services(total)}`;
  const networkWith = (total: number, previous?: Network) => {
    const loaded = loadLab([{ path: "lab.yaml", text: lab }], (path) => ({ path, text: app(total) }));
    const error = loaded.problems.find((problem) => problem.severity === "error");
    if (error !== undefined) throw new Error(JSON.stringify(error));
    resources.apply(loaded.resources.filter(({ key }) => total === count || key.endsWith(`/s${total - 1}`)));
    settle(resources, [...controllers, ...assumptions], (writes) => resources.apply(writes));
    return compile(resources, previous);
  };
  const kernel = new Kernel();
  const network = networkWith(count);
  const node = network.names().find((name) => name.startsWith("node/")) ?? "";
  // The host without its rules first, so that only the rules are timed.
  kernel.apply(replacing(network, node, (host) => ({ ...host, ruleSet: [] })));
  const loadMs = timed(() => kernel.apply(network));
  const more = networkWith(count + 1, network);
  for (const name of more.names()) more.host(name);
  const oneMoreMs = timed(() => kernel.apply(more));
  const last = resources.get(`/kubernetes/c/Service/default/s${count - 1}`);
  const address = last !== undefined && "spec" in last ? (last.spec as { clusterIP: string }).clusterIP : "";
  const packetMs = connectMs(node, address);
  for (const name of more.names()) spawnSync("ip", ["netns", "del", namespaceName(name)]);
  return { loadMs, oneMoreMs, packetMs };
}

/** Median time until a connection that nobody accepts is refused: the way of a first packet through the rules and back. */
function connectMs(node: string, address: string): number {
  const script = `
    const net = require("node:net"); const times = [];
    (async () => {
      for (let i = 0; i < 200; i++) await new Promise((done) => {
        const started = process.hrtime.bigint();
        const socket = net.connect(80, "${address}");
        const end = () => { times.push(Number(process.hrtime.bigint() - started) / 1e6); socket.destroy(); done(); };
        socket.on("connect", end).on("error", end);
      });
      times.sort((a, b) => a - b); console.log(times[100]);
    })();`;
  const { stdout } = spawnSync("ip", ["netns", "exec", namespaceName(node), process.execPath, "-e", script], { encoding: "utf8" });
  return Number(stdout);
}

function replacing(network: Network, name: string, change: (host: Host) => Host): Network {
  return {
    names: () => network.names(),
    host: (wanted) => {
      const host = network.host(wanted);
      return host !== undefined && wanted === name ? change(host) : host;
    },
  };
}

/** A verdict map to a chain per Service, each with a verdict by chance to a chain per endpoint. */
function loadChains(count: number): { readonly loadMs: number; readonly oneMoreMs: number } {
  const chains = (index: number) => {
    const endpoints = [0, 1].map(
      (slot) =>
        `  chain ep-${index}-${slot} {\n    ip saddr 10.64.0.${slot + 2} meta mark set 0x4000\n    meta l4proto tcp dnat ip to 10.64.0.${slot + 2}:80\n  }\n`,
    );
    return `${endpoints.join("")}  chain svc-${index} {\n    ip daddr 10.0.${index >> 8}.${index & 255} tcp dport 80 ip saddr != 10.64.0.0/16 meta mark set 0x4000\n    numgen random mod 2 vmap { 0 : goto ep-${index}-0, 1 : goto ep-${index}-1 }\n  }\n`;
  };
  const element = (index: number) => `10.0.${index >> 8}.${index & 255} . tcp . 80 : goto svc-${index}`;
  const base =
    "table ip chains {\n  map services {\n    type ipv4_addr . inet_proto . inet_service : verdict\n  }\n  chain prerouting {\n    type nat hook prerouting priority -100\n    ip daddr . meta l4proto . th dport vmap @services\n  }\n}\n";
  const some = (first: number, last: number) => {
    const indices = Array.from({ length: last - first }, (_, index) => first + index);
    return `table ip chains {\n${indices.map(chains).join("")}}\nadd element ip chains services { ${indices.map(element).join(", ")} }\n`;
  };
  const run = (input: string) => {
    const { status, stderr } = spawnSync("nft", ["-f", "-"], { input, encoding: "utf8", maxBuffer: 1 << 28 });
    if (status !== 0) throw new Error(`nft: ${stderr.slice(0, 500)}`);
  };
  const loadMs = timed(() => {
    run(base);
    // An unprivileged transaction fits in 208 KiB.
    for (let first = 0; first < count; first += transactionServices) run(some(first, Math.min(first + transactionServices, count)));
  });
  return { loadMs, oneMoreMs: timed(() => run(some(count, count + 1))) };
}

const transactionServices = 40;

function timed(work: () => void): number {
  const started = performance.now();
  work();
  return performance.now() - started;
}

/**
 * How fast the tracer is, on a cluster that is not running: forward traces a second on one core, with all reasons, between pods of all nodes.
 *
 * The first pass makes hosts ready and the rest is what a check of many pairs pays; both are printed. Pairs at random measure the machine's
 * memory rather than the tracer: with 15,000 pods little of what a packet meets is in the processor's cache.
 */

import { compile } from "../src/compile/index.ts";
import { cluster, deployment, machine, pool, service, subnetId, TestLab, vnet } from "../src/controllers/testing/lab.ts";
import type { HostName, Network } from "../src/ir/network.ts";
import { type Address, mustAddress } from "../src/net/address.ts";
import { type TraceOptions, type TracePacket, Tracer } from "../src/trace/index.ts";

export type TraceFigures = {
  readonly nodes: number;
  readonly pods: number;
  readonly plugin: string;
  /** Journeys of which each is traced once when nothing is ready yet. */
  readonly firstMicroseconds: number;
  /** By kind of journey, traces a second when what they meet is ready. */
  readonly perSecond: Readonly<Record<string, number>>;
  readonly megabytes: number;
};

type Journey = { readonly from: HostName; readonly packet: TracePacket };

/** A cluster of `nodes` nodes with 30 pods each, 100 Services, a machine beside it. */
export function measureTraces(nodes: number, plugin: "kubenet" | "azure"): TraceFigures {
  const lab = new TestLab([
    ...vnet("hub", ["10.0.0.0/8"], { nodes: "10.128.0.0/16", data: "10.129.0.0/24" }),
    machine("db", subnetId("hub", "data")),
    cluster(
      "c",
      plugin === "kubenet"
        ? { networkPlugin: plugin, podCidr: "10.244.0.0/14", serviceCidr: "10.1.0.0/16" }
        : { serviceCidr: "10.1.0.0/16" },
    ),
    pool("c", "np1", subnetId("hub", "nodes"), { count: nodes, maxPods: 31 }),
  ]);
  for (let index = 0; index < 100; index++) lab.add("c", deployment(`app${index}`, (nodes * 30) / 100), service(`app${index}`));
  lab.settle();
  const network = compile(lab.resources);
  const pods = lab.pods("c").flatMap((pod) => {
    const address = pod.status?.podIP;
    return address === undefined || pod.spec.hostNetwork === true
      ? []
      : [{ host: `pod/c/default/${pod.metadata.name}`, address: mustAddress(address), node: pod.spec.nodeName }];
  });
  const services = lab
    .kube<ReturnType<typeof service>>("c", "Service")
    .flatMap((each) => (each.spec.clusterIP === undefined ? [] : [mustAddress(each.spec.clusterIP)]));
  const db = addressOf(network, "vm/db");
  // Every pod sends, each to a pod far away, so that all hosts are met alike.
  const far = pods.map(
    ({ host, address }, index): Journey => ({
      from: host,
      packet: {
        protocol: "tcp",
        source: address,
        sourcePort: 40_000,
        destination: pods[(index * 7919 + 4001) % pods.length]?.address ?? address,
        destinationPort: 80,
      },
    }),
  );
  // As a check of all pairs walks: node by node, to the pods of the nodes that follow.
  const byNode = [...pods].sort((a, b) => (a.node ?? "").localeCompare(b.node ?? ""));
  const near = byNode.map(
    ({ host, address }, index): Journey => ({
      from: host,
      packet: {
        protocol: "tcp",
        source: address,
        sourcePort: 40_000,
        destination: byNode[(index + 31) % byNode.length]?.address ?? address,
        destinationPort: 80,
      },
    }),
  );
  const few = far.slice(0, 2000);
  const journeys: Readonly<Record<string, readonly Journey[]>> = {
    "pod to pod, node by node": near,
    "pod to pod, at random": far,
    "pod to machine": few.map(({ from, packet }) => ({ from, packet: { ...packet, destination: db } })),
    // A Service of 150 endpoints has as many ways; the first is followed, and one for the rest.
    "pod to Service": few.map(({ from, packet }, index) => ({
      from,
      packet: { ...packet, destination: services[index % services.length] ?? db },
    })),
  };
  const tracer = new Tracer(network);
  const started = performance.now();
  run(tracer, far, forward);
  const firstMicroseconds = ((performance.now() - started) * 1000) / far.length;
  const perSecond: Record<string, number> = {};
  for (const [name, some] of Object.entries(journeys)) perSecond[name] = rate(tracer, some, forward);
  perSecond["at random, no steps"] = rate(tracer, far, { ...forward, steps: false });
  perSecond["node by node, and back"] = rate(tracer, near, { maxPaths: 1 });
  return { nodes, pods: pods.length, plugin, firstMicroseconds, perSecond, megabytes: Math.round(process.memoryUsage().heapUsed / 1e6) };
}

const forward: TraceOptions = { return: false, maxPaths: 1 };

function addressOf(network: Network, name: HostName): Address {
  const address = network.host(name)?.interfaces.flatMap((each) => each.addresses)[0]?.address;
  if (address === undefined) throw new Error(`${name} has no address`);
  return address;
}

function run(tracer: Tracer, journeys: readonly Journey[], options: TraceOptions): number {
  let ways = 0;
  for (const { from, packet } of journeys) ways += tracer.trace(from, packet, options).length;
  return ways;
}

/** Ways followed in a second of processor time (other work on the machine does not count): best of three passes. */
function rate(tracer: Tracer, journeys: readonly Journey[], options: TraceOptions): number {
  run(tracer, journeys, options);
  let best = 0;
  for (let pass = 0; pass < 3; pass++) {
    const before = process.cpuUsage();
    let ways = 0;
    let seconds = 0;
    do {
      ways += run(tracer, journeys, options);
      const { user, system } = process.cpuUsage(before);
      seconds = (user + system) / 1e6;
    } while (seconds < 0.5);
    best = Math.max(best, ways / seconds);
  }
  return Math.round(best);
}

/** Load balancers, sent through for real: what happens to flows when a backend fails, and to a backend that meets itself. */

import { Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ProbeResult } from "../../src/arm/resources.ts";
import { compile } from "../../src/compile/index.ts";
import type { Network } from "../../src/ir/network.ts";
import { connections, Kernel, tcpConnect } from "../../src/kernel/index.ts";
import { type Address, mustAddress } from "../../src/net/address.ts";
import { MemoryResources } from "../../src/resources/memory.ts";
import { armBucket, armKey } from "../../src/resources/resources.ts";
import { type Path, Tracer } from "../../src/trace/index.ts";
import { startFlow } from "../../src/world/flow.ts";
import { probe } from "../../src/world/probe.ts";
import { enter } from "../../src/world/stand-in.ts";
import { openText, RunningLab } from "../labs/running-lab.ts";
import { requireKernel } from "./require-kernel.ts";

requireKernel();

const annotations = (text: string) => text.replaceAll("azure-", "service.beta.kubernetes.io/azure-");
const service = (name: string, more: string, address: string, extra = "") => `
apiVersion: v1
kind: Service
metadata:
  name: ${name}
  annotations: { ${annotations(`azure-load-balancer-internal: "true", azure-load-balancer-ipv4: ${address}${extra}`)} }
spec:
  type: LoadBalancer
  ${more}
  selector: { app: web }
  ports: [{ name: http, port: 80 }, { name: dns, port: 53, protocol: UDP }]
`;
const manifest = `
apiVersion: apps/v1
kind: DaemonSet
metadata: { name: web }
spec:
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec: { containers: [{ name: main, image: any, ports: [{ containerPort: 80 }, { containerPort: 53, protocol: UDP }] }] }
---${service("local", "externalTrafficPolicy: Local", "10.40.0.200")}
---${service("all-ports", "externalTrafficPolicy: Local", "10.40.0.201", ', azure-load-balancer-enable-high-availability-ports: "true"')}
---${service("translated", "externalTrafficPolicy: Local", "10.40.0.202", ', azure-disable-load-balancer-floating-ip: "true"')}
`;
const lab = `
lab: balancing
networks: [{ name: v, addressSpace: [10.40.0.0/16], subnets: [{ name: n, prefix: 10.40.0.0/24 }, { name: m, prefix: 10.40.1.0/24 }] }]
machines: [{ name: client, subnet: v/m }]
clusters: [{ name: c, networkPlugin: kubenet, subnet: v/n, pools: [{ name: p, count: 2 }], manifests: [web.yaml] }]
`;

const kernel = new Kernel();
const [local, allPorts, translated] = ["10.40.0.200", "10.40.0.201", "10.40.0.202"].map(mustAddress) as [Address, Address, Address];
const client = "vm/client";
const any = mustAddress("0.0.0.0");
let running: RunningLab;

beforeAll(() => {
  running = new RunningLab(openText({ lab, manifests: { "web.yaml": manifest } }), kernel);
});
afterAll(() => running.close());

/** The network when these nodes answer no probe. */
function without(...nodes: readonly string[]): Network {
  const { resources } = running.view;
  const changed = new MemoryResources();
  for (const bucket of resources.buckets()) {
    const keyOf = (value: object) => ("id" in value ? armKey(String(value.id)) : undefined);
    changed.apply(resources.list(bucket).map((value) => ({ key: keyOf(value) ?? kubeKeyOf(bucket, value), value })));
  }
  const results = resources.list(armBucket("Drydock.Lab/probeResults")) as unknown as readonly ProbeResult[];
  changed.apply(
    results.map((result) => {
      const healthy = result.properties.healthy.filter((id) => !nodes.some((node) => id.includes(`/virtualMachines/${node}/`)));
      return { key: armKey(result.id), value: { ...result, properties: { ...result.properties, healthy } } };
    }),
  );
  return compile(changed, running.view.network);
}

function kubeKeyOf(bucket: string, value: object): string {
  const { metadata } = value as { readonly metadata: { readonly namespace?: string; readonly name: string } };
  return `${bucket}/${metadata.namespace ?? ""}/${metadata.name}`;
}

function expectApplied(network: Network): void {
  expect(kernel.apply(network).errors).toEqual([]);
}

/** The node that answered, as its instance number: a DaemonSet has one pod on each, and policy Local keeps flows there. */
function nodeOf(pod: string | undefined): string {
  const found = running.view.endpoints.find(({ host }) => host === pod);
  return String(Number.parseInt(found?.node?.slice(-6) ?? "", 36));
}

/** A source port from which the flow is balanced to this node. */
function portTo(node: string, destination: Address, protocol: "tcp" | "udp", from = 40_000): number {
  for (let sourcePort = from; sourcePort < from + 1000; sourcePort++) {
    const [path] = running.view.tracer.trace(client, { protocol, destination, destinationPort: protocol === "tcp" ? 80 : 53, sourcePort });
    if (nodeOf(path?.received?.host) === node) return sourcePort;
  }
  throw new Error(`no flow is balanced to node ${node}`);
}

/** What a new trace finds that knows the connections of the fabric. */
function traceNow(network: Network, protocol: "tcp" | "udp", sourcePort: number): Path | undefined {
  const known = connections("vnet/v").flatMap(({ original, reply, mark }) =>
    original.protocol === (protocol === "tcp" ? 6 : 17)
      ? [{ original: { ...original, protocol }, reply: { ...reply, protocol }, mark }]
      : [],
  );
  const packet = { protocol, destination: local, destinationPort: protocol === "tcp" ? 80 : 53, sourcePort };
  return new Tracer(network).trace(client, packet, { connections: new Map([["vnet/v", known]]) })[0];
}

describe("when a backend stops answering its probe", () => {
  test("its established TCP flows stay, and new ones avoid it", async () => {
    const sourcePort = portTo("0", local, "tcp");
    const socket = new Socket({ fd: tcpConnect(client, { destination: local, port: 80, sourcePort }), readable: true, writable: true });
    const get = () =>
      new Promise<string>((resolve) => {
        socket.once("data", (data) => resolve(data.toString()));
        socket.write("GET /hostname HTTP/1.1\r\nHost: web\r\n\r\n");
      });
    const before = await get();
    const drained = without("0");
    expectApplied(drained);
    expect((await get()).split("\r\n").at(-1)).toBe(before.split("\r\n").at(-1));
    expect(nodeOf(traceNow(drained, "tcp", sourcePort)?.received?.host)).toBe("0");
    socket.destroy();

    const fresh = await probe(enter, {
      from: client,
      packet: {
        protocol: "tcp",
        source: any,
        destination: local,
        destinationPort: 80,
        sourcePort: portTo("0", local, "tcp", sourcePort + 1),
      },
      timeoutMs: 1000,
    });
    expect(nodeOf(fresh.receiver)).toBe("1");
    expectApplied(running.view.network);
  });

  test("its UDP flows move to one that does", async () => {
    const sourcePort = portTo("0", local, "udp");
    const flow = startFlow(enter, {
      from: client,
      packet: { protocol: "udp", source: any, destination: local, destinationPort: 53, sourcePort },
    });
    const receiver = (reply: Buffer | undefined): string => JSON.parse(reply?.toString() ?? "{}").name;
    expect(nodeOf(receiver((await flow.open(1000)).reply))).toBe("0");
    const drained = without("0");
    expectApplied(drained);
    expect(nodeOf(receiver((await flow.again(1000)).reply))).toBe("1");
    expect(nodeOf(traceNow(drained, "udp", sourcePort)?.received?.host)).toBe("1");
    flow.close();
    expectApplied(running.view.network);
  });

  test("with all of them gone there are no new flows", async () => {
    const none = without("0", "1");
    expectApplied(none);
    const packet = { protocol: "tcp", source: any, destination: local, destinationPort: 80, sourcePort: 45_000 } as const;
    expect((await probe(enter, { from: client, packet, timeoutMs: 400 })).outcome).toBe("timeout");
    expect(new Tracer(none).trace(client, { ...packet, source: mustAddress("10.40.1.4") })).toMatchObject([{ outcome: "dropped" }]);
    expectApplied(running.view.network);
  });
});

describe("a node that sends to a frontend of its own load balancer, at a port that is no Service's", () => {
  test("does not reach itself: the fabric drops the flow that is balanced back", async () => {
    const node = running.view.network.names().find((name) => name.startsWith("node/")) ?? "";
    const packet = { protocol: "tcp", destination: allPorts, destinationPort: 9000 } as const;
    // The node masquerades, and draws the port that the hash sees. The other half meets the other node, which sends the flow back.
    const [self, ...others] = running.view.tracer.trace(node, packet).toSorted((a, b) => a.hops.length - b.hops.length);
    expect(self?.weight).toBe(0.5);
    expect(self?.hops.map(({ host }) => host)).toEqual([node, "vnet/v"]);
    expect(others.every(({ outcome }) => outcome !== "delivered")).toBe(true);
    expect(self).toMatchObject({
      outcome: "dropped",
      decidedBy: { host: "vnet/v", origin: { reason: expect.stringContaining("a backend cannot reach itself") } },
    });
    const sent = await probe(enter, { from: node, packet: { ...packet, source: any }, timeoutMs: 300 });
    expect(sent.outcome).toBe("timeout");
  });
});

test("without floating IP the node gets the flow at its own address, and the client sees the frontend's", async () => {
  const packet = { protocol: "tcp", destination: translated, destinationPort: 80, sourcePort: 42_000 } as const;
  const [path] = running.view.tracer.trace(client, packet);
  const atFabric = path?.hops.find(({ host }) => host === "vnet/v");
  expect(atFabric?.after.destination).not.toBe(translated);
  expect(atFabric?.after.destinationPort).toBeGreaterThanOrEqual(30_000);
  const answer = await probe(enter, { from: client, packet: { ...packet, source: any }, timeoutMs: 1000 });
  expect(answer).toMatchObject({ outcome: "answered", receiver: path?.received?.host, source: { address: "10.40.1.4", port: 42_000 } });
});

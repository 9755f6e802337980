/** Faults, provoked for real and compared with the tracer: everybody's packets to everybody, with each fault and without any again. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { Fault, FaultKind } from "../../src/arm/faults.ts";
import { assumptions, controllers, settle } from "../../src/controllers/index.ts";
import { Kernel } from "../../src/kernel/index.ts";
import { findFaultTarget, makeFault } from "../../src/lab/faults.ts";
import { LabView } from "../../src/lab/view.ts";
import { MemoryResources } from "../../src/resources/memory.ts";
import { armKey, type Resource } from "../../src/resources/resources.ts";
import { packet } from "../../src/trace/testing/network.ts";
import { openText, RunningLab } from "../labs/running-lab.ts";
import { requireKernel } from "./require-kernel.ts";

requireKernel();

const manifest = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec: { replicas: 3, selector: { matchLabels: { app: web } }, template: { metadata: { labels: { app: web } }, spec: { containers: [{ name: web, image: nginx, ports: [{ containerPort: 80 }] }] } } }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { type: LoadBalancer, selector: { app: web }, ports: [{ port: 80 }] }
`;

const healthy = openText({
  lab: `
lab: faults
networks:
  - { name: hub, addressSpace: [10.40.0.0/16], subnets: [{ name: n, prefix: 10.40.0.0/24 }, { name: d, prefix: 10.40.1.0/24 }], peerings: [{ network: spoke }] }
  - { name: spoke, addressSpace: [10.50.0.0/16], subnets: [{ name: d, prefix: 10.50.1.0/24 }], peerings: [{ network: hub }] }
machines: [{ name: db, subnet: hub/d, listen: [5432/tcp] }, { name: far, subnet: spoke/d, listen: [53/udp] }]
sites: [{ name: hq, network: hub, prefixes: [192.168.0.0/16], machines: [{ name: erp, address: 192.168.10.5, listen: [443/tcp] }] }]
internet: [{ name: www, address: 203.0.113.10, listen: [443/tcp] }]
clusters: [{ name: c, networkPlugin: kubenet, subnet: hub/n, pools: [{ name: p, count: 3 }], manifests: [web.yaml] }]
`,
  manifests: { "web.yaml": manifest },
});

/** A healthy lab with a firewall: the subnets `routed` and `app` send to each other by it. */
const guarded = openText({
  lab: readFileSync(join(import.meta.dirname, "../../examples/asymmetric-firewall/lab.yaml"), "utf8"),
  manifests: {},
});

/** The lab with these faults, at rest. */
function withFaults(...faults: readonly Fault[]): LabView {
  return broken(healthy, faults);
}

function broken(healthy: LabView, faults: readonly Fault[]): LabView {
  const resources = new MemoryResources();
  const write = (writes: Parameters<typeof resources.apply>[0]) => resources.apply(writes);
  write(
    healthy.resources.buckets().flatMap((bucket) => healthy.resources.list(bucket).map((value) => ({ key: keyOf(bucket, value), value }))),
  );
  write(faults.map((value) => ({ key: armKey(value.id), value })));
  settle(resources, [...controllers, ...assumptions], write);
  return new LabView(healthy.name, resources);
}

function keyOf(bucket: string, value: Resource): string {
  return "id" in value ? armKey(value.id) : `${bucket}/${value.metadata.namespace ?? ""}/${value.metadata.name}`;
}

function fault(kind: FaultKind, text: string, healthy: LabView): Fault {
  const target = findFaultTarget(healthy, kind, text);
  if (!("properties" in target)) throw new Error(`${target.what}: ${target.near.join(", ")}; ${target.fix}`);
  return makeFault(healthy, target.properties);
}

const kernel = new Kernel();
const [node = ""] = [...(healthy.topology.clusters.get("c")?.nodes.keys() ?? [])];
const probe =
  healthy.topology.vnets.flatMap(({ loadBalancers }) => loadBalancers.flatMap(({ properties }) => properties.probes))[0]?.name ?? "";

const kinds: readonly (readonly [FaultKind, string])[] = [
  ["route", node],
  ["stop", `node/${node}`],
  ["stop", "vm/db"],
  ["probe", probe],
  ["snat", node],
  ["site", "hq"],
  ["peering", "hub/spoke"],
];

const cases = [
  ...kinds.map(([kind, target]) => ({ kind, target, healthy })),
  { kind: "routes", target: "hub/routed", healthy: guarded },
  { kind: "routes", target: "spoke/app", healthy: guarded },
  { kind: "replies", target: "vm/fw", healthy: guarded },
  { kind: "forget", target: "vm/fw", healthy: guarded },
] as const;

describe.each(cases)("$kind $target", ({ kind, target, healthy }) => {
  let lab: RunningLab;
  afterAll(() => lab.close());

  test("everybody's packets go as the tracer says, and some say that it is for the fault", async () => {
    const view = broken(healthy, [fault(kind, target, healthy)]);
    lab = new RunningLab(view, kernel);
    expect((await lab.disagreements(1, healthy === guarded ? 30 : 150)).found).toEqual([]);
    const reasons = view.network.names().flatMap((name) => {
      const host = view.network.host(name);
      return [...(host?.routes ?? []), ...(host?.ruleSet ?? []).flatMap(({ chains }) => chains.flatMap(({ rules }) => rules))].map(
        ({ origin }) => origin.reason,
      );
    });
    expect(reasons.filter((reason) => reason.includes("(fault "))).not.toEqual([]);
  });
});

test.each<{ kind: FaultKind; target: string; from: string; packet: string; says: RegExp }>([
  {
    kind: "routes",
    target: "hub/routed",
    from: "vm/app",
    packet: "tcp > 10.0.3.4:443",
    says: /^asymmetric on vm\/fw: firewall fw knows no flow that the packet belongs to/,
  },
  {
    kind: "replies",
    target: "vm/fw",
    from: "vm/app",
    packet: "tcp > 10.0.3.4:443",
    says: /^asymmetric on vm\/fw: fw drops replies \(fault replies-fw\)$/,
  },
  { kind: "forget", target: "vm/fw", from: "vm/app", packet: "tcp > 10.0.3.4:443", says: /^delivered/ },
])("the way back: $kind $target", ({ kind, target, from, packet: text, says }) => {
  const [path] = broken(guarded, [fault(kind, target, guarded)]).tracer.trace(from, packet(text));
  expect(`${path?.outcome} on ${path?.decidedBy?.host}: ${path?.decidedBy?.origin?.reason}`).toMatch(says);
});

test("all at once, and none again", async () => {
  const broken = new RunningLab(
    withFaults(
      ...kinds.slice(0, 2).map(([kind, target]) => fault(kind, target, healthy)),
      ...kinds.slice(3).map(([kind, target]) => fault(kind, target, healthy)),
    ),
    kernel,
  );
  expect((await broken.disagreements(2, 150)).found).toEqual([]);
  broken.close();
  const mended = withFaults();
  const lab = new RunningLab(mended, kernel);
  expect((await lab.disagreements(3, 100)).found).toEqual([]);
  for (const name of healthy.network.names()) expect(mended.network.host(name), name).toEqual(healthy.network.host(name));
  lab.close();
});

/** What leaves for the Internet, sent for real and compared with the tracer. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connections, Kernel } from "../../src/kernel/index.ts";
import { mustAddress } from "../../src/net/address.ts";
import type { TracePacket } from "../../src/trace/index.ts";
import { type Flow, startFlow } from "../../src/world/flow.ts";
import { probe } from "../../src/world/probe.ts";
import { enter } from "../../src/world/stand-in.ts";
import { openText, RunningLab } from "../labs/running-lab.ts";
import { requireKernel } from "./require-kernel.ts";

requireKernel();

const kernel = new Kernel();
const www = mustAddress("203.0.113.10");

describe("the order of outbound methods", () => {
  const text = `
lab: order
networks:
  - name: v
    addressSpace: [10.40.0.0/16]
    subnets:
      - { name: nat, prefix: 10.40.0.0/24 }
      - { name: bare, prefix: 10.40.1.0/24 }
      - { name: routed, prefix: 10.40.2.0/24 }
      - { name: nodes, prefix: 10.40.3.0/24 }
publicIPAddresses: [{ name: nat }, { name: both }, { name: own }, { name: firewall }]
natGateways: [{ name: nat, subnets: [v/nat, v/routed, v/nodes], publicIpAddresses: [nat] }]
machines:
  - { name: both, subnet: v/nat, publicIPAddress: both, listen: [22/tcp] }
  - { name: own, subnet: v/bare, publicIPAddress: own, listen: [22/tcp] }
  - { name: none, subnet: v/bare }
  - { name: routed, subnet: v/routed }
  - { name: silent, subnet: v/routed }
  - { name: firewall, subnet: v/bare, address: 10.40.1.10, publicIPAddress: firewall, enableIPForwarding: true, firewall: { snat: internet, defaultAction: Allow } }
  - { name: forwarder, subnet: v/bare, address: 10.40.1.11, enableIPForwarding: true }
routeTables:
  - name: routed
    subnets: [v/routed]
    routes:
      - { name: default, addressPrefix: 0.0.0.0/0, nextHopType: VirtualAppliance, nextHopIpAddress: 10.40.1.10 }
      - { name: through, addressPrefix: 203.0.113.11/32, nextHopType: VirtualAppliance, nextHopIpAddress: 10.40.1.11 }
internet: [{ name: www, address: ${www}, listen: [443/tcp] }, { name: other, address: 203.0.113.11, listen: [443/tcp] }]
clusters: [{ name: c, networkPlugin: kubenet, subnet: v/nodes, pools: [{ name: p, count: 1 }] }]
`;
  const other = mustAddress("203.0.113.11");
  const any = mustAddress("0.0.0.0");
  let lab: RunningLab;
  let addresses: ReadonlyMap<string, string>;
  beforeAll(() => {
    const view = openText({ lab: text, manifests: {} });
    addresses = new Map([...view.topology.publicAddresses.values()].map(({ name, properties }) => [name, properties.ipAddress ?? ""]));
    lab = new RunningLab(view, kernel);
  });
  afterAll(() => lab.close());

  test.each([
    { from: "vm/both", why: "a NAT gateway before a public address of one's own", as: "nat" },
    { from: "vm/own", why: "a public address of one's own", as: "own" },
    { from: "node/c", why: "a NAT gateway before the outbound rule", as: "nat" },
    { from: "vm/routed", why: "a user-defined route before the NAT gateway", as: "firewall" },
    { from: "vm/none", why: "nothing", as: undefined },
  ])("$from leaves by $why", async ({ from, as }) => {
    const host = lab.view.network.names().find((name) => name.startsWith(from)) ?? "";
    const packet = { protocol: "tcp", destination: www, destinationPort: 443 } as const;
    const paths = lab.view.tracer.trace(host, packet);
    const answer = await probe(enter, { from: host, packet: { ...packet, source: any }, timeoutMs: 500 });
    expect(paths.map(({ received }) => received?.source)).toEqual([as === undefined ? undefined : addresses.get(as)]);
    expect(answer.source?.address).toBe(as === undefined ? undefined : addresses.get(as));
  });

  test("an appliance that does not translate gets nothing out for others", async () => {
    const packet = { protocol: "tcp", destination: other, destinationPort: 443 } as const;
    expect(lab.view.tracer.trace("vm/silent", packet)).toMatchObject([{ outcome: "dropped", decidedBy: { host: "vnet/v" } }]);
    expect((await probe(enter, { from: "vm/silent", packet: { ...packet, source: any }, timeoutMs: 400 })).outcome).toBe("timeout");
  });

  test("a machine is reached by its public address, also where it leaves by another one", async () => {
    for (const name of ["own", "both"]) {
      const destination = mustAddress(addresses.get(name) ?? "");
      const packet = { protocol: "tcp", destination, destinationPort: 22 } as const;
      expect(lab.view.tracer.trace("internet/www", packet)).toMatchObject([{ outcome: "delivered", received: { host: `vm/${name}` } }]);
      const answer = await probe(enter, { from: "internet/www", packet: { ...packet, source: any }, timeoutMs: 1000 });
      expect(answer).toMatchObject({ receiver: `vm/${name}`, source: { address: www } });
    }
  });

  test("a NAT gateway carries no ICMP, a public address of one's own does", async () => {
    const packet = { protocol: "icmp", destination: www } as const;
    const outcome = async (from: string) => (await probe(enter, { from, packet: { ...packet, source: any }, timeoutMs: 400 })).outcome;
    expect(lab.view.tracer.trace("vm/both", packet)).toMatchObject([{ outcome: "dropped", decidedBy: { host: "edge/v" } }]);
    expect(await outcome("vm/both")).toBe("timeout");
    expect(lab.view.tracer.trace("vm/own", packet)).toMatchObject([{ outcome: "delivered" }]);
    expect(await outcome("vm/own")).toBe("answered");
  });
});

describe("a node with 8 source ports", () => {
  const flows: Flow[] = [];
  let lab: RunningLab;
  const packet = (sourcePort: number, destinationPort = 443): TracePacket => ({
    protocol: "tcp",
    destination: www,
    destinationPort,
    sourcePort,
  });
  let [first, second] = ["", ""];
  const open = async (from: string, sourcePort: number, destinationPort = 443) => {
    const flow = startFlow(enter, { from, packet: { ...packet(sourcePort, destinationPort), source: mustAddress("0.0.0.0") } });
    flows.push(flow);
    return (await flow.open(500)).outcome;
  };

  beforeAll(() => {
    const view = openText({
      lab: `
lab: ports
networks: [{ name: v, addressSpace: [10.40.0.0/16], subnets: [{ name: n, prefix: 10.40.0.0/24 }] }]
internet: [{ name: www, address: ${www}, listen: [443/tcp, 80/tcp] }]
clusters:
  - { name: c, networkPlugin: kubenet, subnet: v/n, loadBalancerProfile: { allocatedOutboundPorts: 8 }, pools: [{ name: p, count: 2 }] }
`,
      manifests: {},
    });
    [first = "", second = ""] = view.network.names().filter((name) => name.startsWith("node/"));
    lab = new RunningLab(view, kernel);
  });
  afterAll(() => {
    for (const flow of flows) flow.close();
    lab.close();
  });

  test("has 8 connections to one destination and not a ninth, as the tracer says", async () => {
    const session = lab.view.tracer.session();
    for (let port = 40_000; port < 40_008; port++) {
      expect(session.trace(first, packet(port)).outcome).toBe("delivered");
      expect(await open(first, port)).toBe("answered");
    }
    expect(session.trace(first, packet(40_008)).outcome).toBe("exhausted");
    expect(await open(first, 40_008)).toBe("timeout");
  });

  test("a trace that knows the connections of the edge says so at once", () => {
    const tracked = connections("edge/v").flatMap(({ original, reply, mark }) => [
      { original: { ...original, protocol: "tcp" as const }, reply: { ...reply, protocol: "tcp" as const }, mark },
    ]);
    const known = new Map([["edge/v", tracked]]);
    expect(lab.view.tracer.trace(first, packet(40_009), { connections: known })).toMatchObject([{ outcome: "exhausted", weight: 1 }]);
    expect(lab.view.tracer.trace(first, packet(40_009))).toMatchObject([{ outcome: "delivered" }]);
    expect(lab.view.tracer.trace(first, packet(40_009, 80), { connections: known })).toMatchObject([{ outcome: "delivered" }]);
    expect(lab.view.tracer.trace(second, packet(40_009), { connections: known })).toMatchObject([{ outcome: "delivered" }]);
  });

  test("another destination, and another node, still have all theirs", async () => {
    expect(await open(first, 40_020, 80)).toBe("answered");
    expect(await open(second, 40_020)).toBe("answered");
  });
});

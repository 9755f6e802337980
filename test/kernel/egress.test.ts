/** What leaves for the Internet, sent for real and compared with the tracer. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connections, Kernel } from "../../src/kernel/index.ts";
import { mustAddress } from "../../src/net/address.ts";
import type { TracePacket } from "../../src/trace/index.ts";
import { type Flow, startFlow } from "../../src/world/flow.ts";
import { enter } from "../../src/world/stand-in.ts";
import { openText, RunningLab } from "../labs/running-lab.ts";
import { requireKernel } from "./require-kernel.ts";

requireKernel();

const kernel = new Kernel();
const www = mustAddress("203.0.113.10");

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

/**
 * Firewalls behind an internal load balancer with high-availability ports, as the next hop of routes, with real packets: examples/firewall-pair, and what
 * becomes of it when a firewall stops, when each direction has a load balancer of its own, and when a firewall does not forward.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { Kernel } from "../../src/kernel/index.ts";
import { agrees, expectationOf, expectationText, observationText } from "../../src/lab/check.ts";
import type { Path } from "../../src/trace/index.ts";
import { packet } from "../../src/trace/testing/network.ts";
import { openText, RunningLab } from "../labs/running-lab.ts";
import { requireKernel } from "./require-kernel.ts";

requireKernel();

const text = readFileSync(join(import.meta.dirname, "../../examples/firewall-pair/lab.yaml"), "utf8");
const kernel = new Kernel();
afterAll(() => kernel.close());

const ports = Array.from({ length: 16 }, (_, index) => 41_000 + index);

/** What is lost since the machine's neighbour table is full is asked for again, after so long, as another flow. */
const tries = 4;
const pauseMs = 1500;

/** Outcomes of flows from several source ports, with the firewalls that they pass, where kernel and tracer agree on each. */
async function outcomes(lab: RunningLab, from: string, to: string): Promise<readonly string[]> {
  return [...new Set(await Promise.all(ports.map((sourcePort) => outcome(lab, from, to, sourcePort, 1))))].sort();
}

async function outcome(lab: RunningLab, from: string, to: string, sourcePort: number, attempt: number): Promise<string> {
  const { view } = lab;
  const sent = { ...packet(to), ...(to.startsWith("icmp") ? {} : { sourcePort }) };
  const [path] = view.tracer.trace(from, sent);
  if (path === undefined) throw new Error("no path");
  const expected = expectationOf(view.network, path, 700);
  const observed = await lab.send({ host: from, packet: sent }, 700);
  if (!agrees(observed, [expected])) {
    if (attempt === tries) throw new Error(`${sourcePort}: ${expectationText(expected)}; ${observationText(observed)}`);
    await new Promise((done) => setTimeout(done, pauseMs));
    return outcome(lab, from, to, sourcePort + 100, attempt + 1);
  }
  const firewalls = (hops: Path["hops"] = []) =>
    hops
      .map(({ host }) => host)
      .filter((host) => host.startsWith("vm/fw"))
      .join(", ");
  return path.outcome === "delivered"
    ? `by ${firewalls(path.hops)} and back by ${firewalls(path.return?.hops)}`
    : `${path.outcome}: ${path.decidedBy?.origin?.reason ?? path.return?.decidedBy?.origin?.reason}`;
}

async function within(changed: string, judge: (lab: RunningLab) => Promise<void>): Promise<void> {
  const lab = new RunningLab(openText({ lab: changed, manifests: {} }), kernel);
  await judge(lab).finally(() => lab.close());
}

const symmetric = ["by vm/fw1 and back by vm/fw1", "by vm/fw2 and back by vm/fw2"];

test("a flow and its replies pass the same firewall, from a peered VNet and in the VNet", async () => {
  await within(text, async (lab) => {
    expect(await outcomes(lab, "vm/app", "tcp > 10.0.2.4:443")).toEqual(symmetric);
    expect(await outcomes(lab, "vm/app", "udp > 10.0.2.4:53")).toEqual(symmetric);
    expect(await outcomes(lab, "vm/shared", "tcp > 10.1.1.4:443")).toEqual(symmetric);
    expect((await lab.disagreements(1, 200)).found).toEqual([]);
  });
});

test("only TCP and UDP are balanced", async () => {
  await within(text, async (lab) => {
    expect(await outcomes(lab, "vm/app", "icmp > 10.0.2.4")).toEqual([
      "dropped: rule all of load balancer fw balances flows of TCP and UDP only",
    ]);
  });
});

test("the reply past the load balancer is the usual asymmetric flow", async () => {
  await within(text, async (lab) => {
    const [only, ...others] = await outcomes(lab, "vm/app", "tcp > 10.0.4.4:443");
    expect(others.length).toBeLessThanOrEqual(1);
    expect(only).toMatch(/^asymmetric: firewall fw\d knows no flow/);
  });
});

test("a load balancer for each direction decides without the other: what meets the other firewall on its way back is lost", async () => {
  const second = text
    .replace(
      "loadBalancers:\n",
      "loadBalancers:\n  - { name: back, subnet: hub/firewalls, address: 10.0.1.101, machines: [fw1, fw2], rules: [{ name: all, protocol: All, probe: { port: 22 } }] }\n",
    )
    .replace(/(addressPrefix: 10\.1\.0\.0\/16.*)10\.0\.1\.100/, (_, before) => `${before}10.0.1.101`);
  await within(second, async (lab) => {
    const found = await outcomes(lab, "vm/app", "tcp > 10.0.2.4:443");
    const [arriving, lost] = [found.filter((one) => one.startsWith("by")), found.filter((one) => one.startsWith("asymmetric"))];
    expect(symmetric).toEqual(expect.arrayContaining(arriving));
    expect(arriving.length * lost.length, found.join("; ")).toBeGreaterThan(0);
  });
});

test("a firewall that stops gets no new flows; with none left there are none", async () => {
  await within(`${text}faults: [{ kind: stop, target: vm/fw1 }]\n`, async (lab) => {
    expect(await outcomes(lab, "vm/app", "tcp > 10.0.2.4:443")).toEqual(["by vm/fw2 and back by vm/fw2"]);
  });
  await within(`${text}faults: [{ kind: stop, target: vm/fw1 }, { kind: stop, target: vm/fw2 }]\n`, async (lab) => {
    expect(await outcomes(lab, "vm/app", "tcp > 10.0.2.4:443")).toEqual([
      "dropped: rule all of load balancer fw: none of 2 backends answers the health probe",
    ]);
  });
});

test("what is sent to the frontend itself goes to one of the machines, at its own address", async () => {
  await within(text, async (lab) => {
    const found = await outcomes(lab, "vm/shared", "tcp > 10.0.1.100:22");
    expect(found).toEqual(["by vm/fw1 and back by vm/fw1", "by vm/fw2 and back by vm/fw2"]);
  });
});

test("a machine without IP forwarding drops what is not for itself", async () => {
  await within(
    text.replace("name: fw2, subnet: hub/firewalls, enableIPForwarding: true", "name: fw2, subnet: hub/firewalls"),
    async (lab) => {
      const found = await outcomes(lab, "vm/app", "tcp > 10.0.2.4:443");
      expect(found.map((one) => one.slice(0, 7)).sort()).toEqual(["by vm/f", "spoofed"]);
    },
  );
});

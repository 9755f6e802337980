/** Load balancers of one's own, in front of machines, with real packets: examples/hairpin, and what becomes of it when machines fail. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { Kernel } from "../../src/kernel/index.ts";
import { agrees, expectationOf, expectationText, observationText } from "../../src/lab/check.ts";
import type { LabView } from "../../src/lab/view.ts";
import { packet } from "../../src/trace/testing/network.ts";
import { openText, RunningLab } from "../labs/running-lab.ts";
import { requireKernel } from "./require-kernel.ts";

requireKernel();

const folder = join(import.meta.dirname, "../../examples/hairpin");
const manifests = { "web.yaml": readFileSync(join(folder, "web.yaml"), "utf8") };
const text = readFileSync(join(folder, "lab.yaml"), "utf8");
const udp = text
  .replace(
    "listen: [8443/tcp] }\n  - { name: api-2, subnet: hub/api, listen: [8443/tcp]",
    "listen: [8443/tcp, 53/udp] }\n  - { name: api-2, subnet: hub/api, listen: [8443/tcp, 5353/udp]",
  )
  .replace(
    "probe: { port: 8443 } }",
    "probe: { port: 8443 } }\n      - { name: dns, protocol: Udp, frontendPort: 53, backendPort: 5353, loadDistribution: SourceIP }",
  );
const kernel = new Kernel();
afterAll(() => kernel.close());

const ports = Array.from({ length: 16 }, (_, index) => 40_000 + index);

/** Outcomes of flows from several source ports, where kernel and tracer agree on each. */
async function outcomes(lab: RunningLab, view: LabView, from: string, to: string): Promise<readonly string[]> {
  return Promise.all(
    ports.map(async (sourcePort) => {
      const sent = { ...packet(to), sourcePort };
      const [path] = view.tracer.trace(from, sent);
      if (path === undefined) throw new Error("no path");
      const expected = expectationOf(view.network, path, 700);
      const observed = await lab.send({ host: from, packet: sent }, 700);
      expect(agrees(observed, [expected]), `${sourcePort}: ${expectationText(expected)}; ${observationText(observed)}`).toBe(true);
      return path.outcome === "delivered" ? `delivered to ${path.received?.host}` : `${path.outcome}: ${path.decidedBy?.origin?.reason}`;
    }),
  );
}

const itself =
  "dropped: the flow comes from the backend that it is balanced to: a backend cannot reach itself by a frontend of its own load balancer";

test("a machine reaches its own frontend when the hash picks another machine, and never when it picks itself", async () => {
  const view = openText({ lab: text, manifests });
  const lab = new RunningLab(view, kernel);
  const fromBackend = await outcomes(lab, view, "vm/api-1", "tcp > 10.240.1.100:443");
  expect([...new Set(fromBackend)].sort()).toEqual(["delivered to vm/api-2", itself]);
  const fromClient = await outcomes(lab, view, "vm/client", "tcp > 10.240.1.100:443");
  expect([...new Set(fromClient)].sort()).toEqual(["delivered to vm/api-1", "delivered to vm/api-2"]);
  expect((await lab.disagreements(1, 60)).found).toEqual([]);
  lab.close();
});

test("with one machine left it never does; a rule without a probe goes on sending to what does not run", async () => {
  const view = openText({ lab: `${udp}faults: [{ kind: stop, target: vm/api-2 }]\n`, manifests });
  const lab = new RunningLab(view, kernel);
  expect([...new Set(await outcomes(lab, view, "vm/api-1", "tcp > 10.240.1.100:443"))]).toEqual([itself]);
  expect([...new Set(await outcomes(lab, view, "vm/client", "tcp > 10.240.1.100:443"))]).toEqual(["delivered to vm/api-1"]);
  await outcomes(lab, view, "vm/client", "udp > 10.240.1.100:53");
  lab.close();
});

test("nothing answers the probe: nobody gets new flows", async () => {
  const view = openText({ lab: text.replace("probe: { port: 8443 }", "probe: { port: 8444 }"), manifests });
  const lab = new RunningLab(view, kernel);
  expect([...new Set(await outcomes(lab, view, "vm/client", "tcp > 10.240.1.100:443"))]).toEqual([
    "dropped: rule https of load balancer api: none of 2 backends answers the health probe",
  ]);
  lab.close();
});

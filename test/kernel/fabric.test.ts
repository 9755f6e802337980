/** The fabric between VNets, in the kernel and in the tracer: peering, gateways and their sites. */

import { describe, expect, test } from "vitest";
import { Kernel } from "../../src/kernel/index.ts";
import { expectationText, observationText } from "../../src/lab/check.ts";
import { journeys } from "../labs/journeys.ts";
import type { LabText } from "../labs/random-lab.ts";
import { openText, predict, RunningLab } from "../labs/running-lab.ts";

const kernel = new Kernel();

/** Brings the lab up, sends a packet between every pair of ends, and returns how the journeys that are asked for went: predicted, then observed. */
async function run(text: LabText, asked: readonly string[]): Promise<Readonly<Record<string, string>>> {
  const view = openText(text);
  const lab = new RunningLab(view, kernel);
  try {
    const { packets, found } = await lab.disagreements(1);
    expect(packets).toBeGreaterThan(0);
    expect(found).toEqual([]);
    const results: Record<string, string> = {};
    for (const [journey, question] of journeys(view, asked)) {
      const [expected] = predict(view, question);
      const observed = await lab.send(question);
      results[journey] = `${expected === undefined ? "" : expectationText(expected)}; ${observationText(observed as never)}`;
    }
    return results;
  } finally {
    lab.close();
  }
}

const lost = expect.stringMatching(/^(black-hole|dropped|no-route|asymmetric), .*; timeout$/);
const answered = (by: string, saw: string) =>
  expect.stringMatching(new RegExp(`^answered by ${by}, which saw ${saw}(:[0-9-]+)?; answered by ${by}, which saw ${saw}(:\\d+)?$`));

/** Hub and spokes: `a` and `b` are peered with the hub and not with each other; the site is behind the hub's gateway. */
const hubAndSpokes = (options: { readonly hubToA?: string; readonly aToHub?: string; readonly more?: string } = {}): LabText => ({
  lab: `lab: t
networks:
  - name: hub
    addressSpace: [10.0.0.0/16]
    subnets: [{ name: s, prefix: 10.0.1.0/24 }]
    peerings: [{ network: a${options.hubToA ?? ", allowGatewayTransit: true"} }, { network: b }]
  - name: a
    addressSpace: [10.1.0.0/16]
    subnets: [{ name: s, prefix: 10.1.1.0/24 }]
    peerings: [{ network: hub${options.aToHub ?? ", useRemoteGateways: true"} }]
  - name: b
    addressSpace: [10.2.0.0/16]
    subnets: [{ name: s, prefix: 10.2.1.0/24 }]
    peerings: [{ network: hub }]
machines:
  - { name: h, subnet: hub/s, listen: [80/tcp, 53/udp] }
  - { name: a, subnet: a/s, listen: [80/tcp, 53/udp] }
  - { name: b, subnet: b/s, listen: [80/tcp, 53/udp] }
sites:
  - { name: hq, network: hub, prefixes: [192.168.0.0/16], machines: [{ name: erp, address: 192.168.1.5, listen: [80/tcp] }] }
${options.more ?? ""}`,
  manifests: {},
});

describe("peering", () => {
  test("joins two VNets, goes no further, and lends the gateway to those that ask", async () => {
    expect(
      await run(hubAndSpokes(), [
        "vm/a > vm/h:80",
        "vm/h > vm/a:53/udp",
        "vm/a > vm/b:80",
        "vm/a > site/hq/erp:80",
        "site/hq/erp > vm/a:80",
        "vm/b > site/hq/erp:80",
        "site/hq/erp > vm/b:80",
      ]),
    ).toEqual({
      "vm/a > vm/h:80": answered("vm/h", "10.1.1.4"),
      "vm/h > vm/a:53/udp": answered("vm/a", "10.0.1.4"),
      "vm/a > vm/b:80": lost,
      "vm/a > site/hq/erp:80": answered("site/hq/erp", "10.1.1.4"),
      "site/hq/erp > vm/a:80": answered("vm/a", "192.168.1.5"),
      "vm/b > site/hq/erp:80": lost,
      "site/hq/erp > vm/b:80": expect.stringMatching(/^no-route/),
    });
  });

  test("needs both sides", async () => {
    const one = hubAndSpokes({ aToHub: "" }).lab.replace("    peerings: [{ network: hub }]\nmachines", "machines");
    expect(await run({ lab: one, manifests: {} }, ["vm/b > vm/h:80", "vm/h > vm/b:80", "vm/a > vm/h:80"])).toEqual({
      "vm/b > vm/h:80": lost,
      "vm/h > vm/b:80": lost,
      "vm/a > vm/h:80": answered("vm/h", "10.1.1.4"),
    });
  });

  test("allowVirtualNetworkAccess: false on one side stops both directions", async () => {
    const closed = hubAndSpokes({ aToHub: ", allowVirtualNetworkAccess: false", hubToA: "" });
    expect(await run(closed, ["vm/a > vm/h:80", "vm/h > vm/a:80"])).toEqual({ "vm/a > vm/h:80": lost, "vm/h > vm/a:80": lost });
  });

  test("propagation off: the subnet does not learn what is behind the gateway", async () => {
    const off = hubAndSpokes({ more: "routeTables: [{ name: t, subnets: [a/s], disableBgpRoutePropagation: true }]" });
    expect(await run(off, ["vm/a > site/hq/erp:80", "vm/h > site/hq/erp:80"])).toEqual({
      "vm/a > site/hq/erp:80": lost,
      "vm/h > site/hq/erp:80": answered("site/hq/erp", "10.0.1.4"),
    });
  });
});

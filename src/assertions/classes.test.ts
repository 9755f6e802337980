import { describe, expect, test } from "vitest";
import { randomDualStackLab } from "../../test/labs/random-dual-stack.ts";
import { randomLab } from "../../test/labs/random-lab.ts";
import { openText } from "../../test/labs/running-lab.ts";
import type { LabView } from "../lab/view.ts";
import { prepareReach, readAssertions } from "./index.ts";
import { judgeReach } from "./reach.ts";

const assertions = `assertions:
  - { name: pods, from: [{ kind: pod }, { kind: node }], to: { kind: pod } }
  - { name: machines, from: [{ kind: pod }, { kind: node }, { kind: vm }], to: [{ kind: vm }, { kind: internet }] }
  - { name: inward, from: [{ kind: vm }, { kind: internet }], to: [{ kind: pod }, { kind: node }], outcome: blocked }
  - { name: around, from: { kind: pod }, to: [{ kind: pod }, { kind: vm }], exceptThrough: "vnet/*" }
`;

/** Asks some of the pairs, and all; returns how many questions that saved. */
function compared(view: LabView, text: string): number {
  const [file] = readAssertions({ path: "test.yaml", text }).files;
  if (file === undefined) throw new Error("the assertions have errors");
  let saved = 0;
  for (const assertion of file.assertions) {
    const { words } = assertion;
    if (words.kind !== "reach") throw new Error("not about packets");
    const [some, all] = [false, true].map((every) => {
      const reach = prepareReach(view, file, assertion, words, { every });
      if (!("questions" in reach)) throw new Error(reach[0]?.message);
      const { status, packets, deviating } = judgeReach(view, reach);
      return { answer: { status, packets, deviating }, asked: reach.questions.length };
    });
    expect(some?.answer, assertion.name).toEqual(all?.answer);
    saved += (all?.asked ?? 0) - (some?.asked ?? 0);
  }
  return saved;
}

const inIpv6 = assertions.replaceAll(/name: (\w+), /g, "name: $1, family: IPv6, ");

describe("pairs of a class have the answer of the one that is asked", () => {
  let saved = 0;
  for (let seed = 1; seed <= 6; seed++) {
    test(`seed ${seed}`, { timeout: 60_000 }, () => {
      saved += compared(openText(randomLab(seed)), assertions);
    });
    test(`in dual stack, seed ${seed}`, { timeout: 60_000 }, () => {
      compared(openText(randomDualStackLab(seed)), inIpv6);
    });
  }

  // Not in every lab: where a hash decides, every pair is asked.
  test("some stood for others", () => expect(saved).toBeGreaterThan(0));

  test("rules of IPv6 tell pods and nodes of one owner apart", () => {
    const rule = (name: string, priority: number, rest: string) =>
      `{ name: ${name}, priority: ${priority}, direction: Inbound, destinationPortRange: "5432", ${rest} }`;
    const view = openText({
      lab: `lab: t
networks:
  - name: hub
    addressSpace: [10.240.0.0/16, "fd00:240::/48"]
    subnets: [{ name: nodes, prefixes: [10.240.0.0/24, "fd00:240::/64"] }, { name: data, prefixes: [10.240.4.0/24, "fd00:240:0:4::/64"] }]
securityGroups:
  - name: data
    subnets: [hub/data]
    rules: [${rule("first", 100, 'access: Allow, sourceAddressPrefix: "fd00:240::4/128"')}, ${rule("rest", 200, "access: Deny")}]
machines: [{ name: db, subnet: hub/data, ipFamilies: [IPv4, IPv6], listen: [5432/tcp] }]
clusters: [{ name: c, networkPlugin: azure, networkPluginMode: overlay, ipFamilies: [IPv4, IPv6], subnet: hub/nodes, pools: [{ count: 3 }], manifests: [m.yaml] }]
`,
      manifests: {
        "m.yaml": `apiVersion: apps/v1
kind: StatefulSet
metadata: { name: web }
spec:
  serviceName: web
  replicas: 3
  selector: { matchLabels: { app: web } }
  template: { metadata: { labels: { app: web } }, spec: { containers: [{ name: c, image: i }] } }
`,
      },
    });
    const text = 'assertions: [{ name: db, from: { kind: pod, name: "web-*" }, to: "vm/db:5432", family: IPv6 }]';
    const [file] = readAssertions({ path: "test.yaml", text }).files;
    const words = file?.assertions[0]?.words;
    if (file === undefined || words?.kind !== "reach" || file.assertions[0] === undefined) throw new Error("the assertion has errors");
    const reach = prepareReach(view, file, file.assertions[0], words);
    if (!("questions" in reach)) throw new Error(reach[0]?.message);
    // web-0 is on the node fd00:240::4, which the group lets in; the other two are denied.
    expect(judgeReach(view, reach)).toMatchObject({ status: "failed", packets: 3, deviating: 2 });
    compared(view, text);
  });
});

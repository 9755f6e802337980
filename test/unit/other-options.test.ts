/**
 * Two who are asked about another network option of the same cluster: the plan, how much room it needs, and diff, what becomes of this very design.
 * They agree on whether Azure lets it, and why not; where diff can go on after all, it says what it chose to do so.
 */

import { readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, expect, test } from "vitest";
import type { ManagedNetworkOption } from "../../src/arm/network-option.ts";
import { type LoadedLab, loadLab } from "../../src/documents/index.ts";
import { withOption } from "../../src/flows/option.ts";
import { Chance } from "../../src/lab/check.ts";
import { type OptionName, planDocuments } from "../../src/plan/index.ts";
import { randomLab } from "../labs/random-lab.ts";

const options = { kubenet: "kubenet", nodeSubnet: "nodeSubnet", podSubnetDynamic: "podSubnet", overlay: "overlay" } satisfies Partial<
  Record<OptionName, ManagedNetworkOption>
>;

const firstSeed = Number(process.env["DRYDOCK_SEED"] ?? 1);
const seeds = Number(process.env["DRYDOCK_SEEDS"] ?? 24);

/** How often other options are permitted, refused by both, and refused by the plan alone, since diff repaired the design for it. */
function agreed(loaded: LoadedLab): { readonly permitted: number; readonly refused: number; readonly repaired: number } {
  let [permitted, refused, repaired] = [0, 0, 0];
  const plan = planDocuments(loaded);
  for (const planned of plan.clusters) {
    const cluster = loaded.resources.flatMap(({ value }) =>
      "type" in value && value.type === "Microsoft.ContainerService/managedClusters" && value.name === planned.name ? [value] : [],
    )[0];
    if (cluster === undefined) throw new Error(`no cluster ${planned.name}`);
    for (const [name, option] of Object.entries(options)) {
      const side = planned.options.find((one) => one.option === name);
      if (side === undefined) throw new Error(`the plan says nothing of ${name}`);
      // Its blocks, if it has them, are another row of the plan.
      if (side.isChosen || (option === "podSubnet" && planned.options.some((one) => one.isChosen && one.option === "podSubnetStatic")))
        continue;
      const { problems, chosen } = withOption(loaded.resources, cluster, option);
      const what = `${planned.name} as ${name}`;
      const ofPlan = side.refusals.filter(({ message }) => !message.startsWith("the autoscaler may make"));
      const codes = (list: readonly { readonly code: string }[]) => [...new Set(list.map(({ code }) => code))].sort();
      if (problems.length > 0) {
        const repairable = new Set(ofPlan.filter((one) => isRepaired(one, chosen)).map(({ code }) => code));
        expect(
          codes(ofPlan).filter((code) => codes(problems).includes(code) || !repairable.has(code)),
          what,
        ).toEqual(codes(problems));
        refused++;
      } else if (ofPlan.length > 0) {
        for (const one of ofPlan) expect(isRepaired(one, chosen), `${what}: ${one.message}; chosen: ${chosen.join("; ")}`).toBe(true);
        repaired++;
      } else permitted++;
    }
  }
  return { permitted, refused, repaired };
}

/** A subnet that is too small gives way to another, and a pool's maxPods to what the option takes; both are told. */
function isRepaired({ code, message }: { readonly code: string; readonly message: string }, chosen: readonly string[]): boolean {
  if (code === "InsufficientSubnetSize") return chosen.some((sentence) => sentence.startsWith("a new subnet"));
  return message.includes("maxPods") && chosen.some((sentence) => sentence.includes("maxPods"));
}

describe("plan and diff agree on what another option is refused for", () => {
  test("labs by chance", { timeout: 120_000 }, () => {
    for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
      const { lab, manifests } = randomLab(seed);
      agreed(loadLab([{ path: "lab.yaml", text: lab }], (path) => ({ path, text: manifests[path] ?? "" })));
    }
  });

  test("clusters by chance in subnets by chance", { timeout: 120_000 }, () => {
    const sums = { permitted: 0, refused: 0, repaired: 0 };
    for (let seed = firstSeed; seed < firstSeed + seeds * 5; seed++) {
      const loaded = loadLab([{ path: "lab.yaml", text: designOf(new Chance(seed)) }], () => undefined);
      if (loaded.problems.some(({ severity }) => severity === "error")) continue;
      const { permitted, refused, repaired } = agreed(loaded);
      sums.permitted += permitted;
      sums.refused += refused;
      sums.repaired += repaired;
    }
    for (const [what, times] of Object.entries(sums)) expect(times, what).toBeGreaterThan(0);
  });

  for (const example of ["subnet-full", "overlay", "pod-subnet", "two-options", "fifty-nodes", "room-to-grow"]) {
    test(`examples/${example}`, () => {
      const path = `examples/${example}/lab.yaml`;
      const read = (file: string, from: string) => ({
        path: normalize(join(dirname(from), file)),
        text: readFileSync(join(dirname(from), file), "utf8"),
      });
      agreed(loadLab([{ path, text: readFileSync(path, "utf8") }], read));
    });
  }
});

function designOf(chance: Chance): string {
  const pick = <T>(items: readonly T[]): T => items[chance.below(items.length)] as T;
  const network = pick([
    "networkPlugin: azure",
    "networkPlugin: azure",
    "networkPlugin: kubenet",
    "networkPlugin: azure, networkPluginMode: overlay",
    "networkPlugin: azure, networkPluginMode: overlay, podCidr: 100.64.0.0/12",
  ]);
  const extra = pick([
    "",
    "",
    ", networkPolicy: azure",
    ", networkPolicy: calico",
    ", networkDataplane: cilium",
    ", kubernetesVersion: 1.27",
  ]);
  const pool = `{ count: ${pick([1, 3, 20, 120, 399, 401])}, maxPods: ${pick([10, 30, 110, 200, 250])} }`;
  const windows = pick(["", "", "", ", { name: win, osType: Windows }"]);
  const length = pick([27, 24, 22, 18, 16]);
  return `
lab: t
${pick(["", "rules: lesson\n"])}networks: [{ name: v, addressSpace: [10.240.0.0/14], subnets: [{ name: nodes, prefix: 10.240.0.0/${length} }] }]
clusters: [{ name: c, subnet: v/nodes, ${network}${extra}, pools: [${pool}${windows}] }]
`;
}

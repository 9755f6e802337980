/** The first failure of a pool is the first: with a node less everything fits, with that many something does not. */

import fc from "fast-check";
import { expect, test } from "vitest";
import type { Plan } from "./index.ts";
import { plannedLab } from "./testing/plan.ts";

const pool = fc.record({
  count: fc.integer({ min: 1, max: 6 }),
  maxPods: fc.integer({ min: 30, max: 110 }),
  maxSurge: fc.constantFrom("1", "3", "10%", "33%", "100%"),
});

const design = fc.record({
  option: fc.constantFrom("kubenet", "nodeSubnet", "overlay", "static"),
  prefix: fc.integer({ min: 21, max: 26 }),
  podPrefix: fc.integer({ min: 17, max: 20 }),
  pools: fc.array(pool, { minLength: 1, maxLength: 3 }),
});
type Design = typeof design extends fc.Arbitrary<infer T> ? T : never;

function planOf({ option, prefix, podPrefix, pools }: Design, counts: readonly number[]): Plan {
  const isStatic = option === "static";
  return plannedLab(
    JSON.stringify({
      lab: "first",
      networks: [
        {
          name: "hub",
          addressSpace: ["10.240.0.0/14"],
          subnets: [
            { name: "nodes", prefix: `10.240.0.0/${prefix}` },
            { name: "pods", prefix: `10.241.0.0/${prefix}` },
          ],
        },
      ],
      clusters: [
        {
          name: "c",
          subnet: "hub/nodes",
          networkPlugin: option === "kubenet" ? "kubenet" : "azure",
          ...(option === "overlay" ? { networkPluginMode: "overlay" } : {}),
          ...(option === "kubenet" || option === "overlay" ? { podCidr: `100.64.0.0/${podPrefix}` } : {}),
          ...(isStatic ? { podSubnet: "hub/pods", podIPAllocationMode: "StaticBlock" } : {}),
          pools: pools.map(({ maxPods, maxSurge }, index) => ({
            name: `np${index}`,
            count: counts[index],
            maxPods,
            upgradeSettings: { maxSurge },
          })),
        },
      ],
    }),
  );
}

test("a node less fits, in an upgrade too", () => {
  fc.assert(
    fc.property(design, (chosen) => {
      const counts = chosen.pools.map(({ count }) => count);
      for (const [index, { first }] of (planOf(chosen, counts).clusters[0]?.pools ?? []).entries()) {
        if (first === undefined) throw new Error("every pool ends somewhere");
        const at = (count: number) => planOf(chosen, counts.with(index, count)).budgets.find(({ id }) => id === first.budget)?.left;
        const failing = at(first.node);
        expect(failing?.upgrade).toBeLessThan(0);
        if (first.when === "scale" && first.node > 1) expect(at(first.node - 1)?.upgrade).toBeGreaterThanOrEqual(0);
        if (first.when === "upgrade") expect(failing?.now).toBeGreaterThanOrEqual(0);
        if (first.node <= 1) continue;
        // No other budget ends before.
        const before = planOf(chosen, counts.with(index, first.node - 1));
        const own = before.budgets.filter(({ failures }) => failures.some((failure) => failure.pool === `np${index}`));
        for (const { id, left } of own) expect([id, left.upgrade >= 0]).toEqual([id, true]);
      }
    }),
    { numRuns: 60, seed: 20_260_821 },
  );
});

import { describe, expect, test } from "vitest";
import { Chance, type Question, questionsFor } from "../../src/lab/check.ts";
import { explain, withChanges } from "../../src/why/index.ts";
import { randomDualStackLab } from "../labs/random-dual-stack.ts";
import { randomLab } from "../labs/random-lab.ts";
import { openText } from "../labs/running-lab.ts";

const firstSeed = Number(process.env["DRYDOCK_SEED"] ?? 1);
const seeds = Number(process.env["DRYDOCK_SEEDS"] ?? 4);
/** Blocked pairs of each lab. */
const pairs = Number(process.env["DRYDOCK_PAIRS"] ?? 12);

const assumed = { measured: false };

describe.each([
  { labs: "by chance", labOf: randomLab, isAsked: () => true },
  { labs: "in dual stack, over IPv6", labOf: randomDualStackLab, isAsked: ({ packet }: Question) => packet.destination.includes(":") },
])("in labs $labs, what is named is enough and none of it superfluous", ({ labOf, isAsked }) => {
  for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
    test(`seed ${seed}`, { timeout: 120_000 }, () => {
      const view = openText(labOf(seed));
      const isBlocked = ({ host, packet }: { host: string; packet: Parameters<typeof view.tracer.trace>[1] }) =>
        view.tracer.trace(host, packet, { steps: false }).some(({ outcome }) => outcome !== "delivered");
      const blocked = [...questionsFor(view, seed, 400).asked].filter((question) => isAsked(question) && isBlocked(question));
      const chosen = new Chance(seed).sample(blocked.length, Math.min(pairs, blocked.length)).flatMap((index) => blocked[index] ?? []);
      for (const { host, packet, from, to } of chosen) {
        const journey = `seed ${seed}: ${from} > ${to}`;
        const { arrives, obstacles, proof } = explain(view, { from: host, packet }, assumed);
        expect(arrives, journey).toBe(false);
        expect(obstacles.length, journey).toBeGreaterThan(0);
        const isSolved = obstacles.every((one) => "change" in one);
        expect(proof.arrives, journey).toBe(isSolved);
        // Only the last one has nothing that lifts it.
        expect(
          obstacles.slice(0, -1).every((one) => "change" in one),
          journey,
        ).toBe(true);
        const changes = obstacles.flatMap((one) => ("change" in one ? [one.change] : []));
        if (process.env["DRYDOCK_SHOW"] !== undefined) {
          console.log(
            `${isSolved ? "arrives" : "STAYS  "} ${journey}\n${obstacles.map((one) => `   ${one.obstacle.outcome} ${one.obstacle.host} ${one.obstacle.origin?.reason}\n     ${"change" in one ? one.change.what : `NOTHING ${one.nothing}`}`).join("\n")}`,
          );
        }
        if (!isSolved) continue;
        const arrivesWith = (some: typeof changes) =>
          withChanges(view, some, assumed)
            .tracer.trace(host, packet)
            .every(({ outcome }) => outcome === "delivered");
        expect(arrivesWith(changes), journey).toBe(true);
        for (const change of changes) {
          expect(arrivesWith(changes.filter((other) => other !== change)), `${journey}: without "${change.what}"`).toBe(false);
        }
      }
    });
  }
});

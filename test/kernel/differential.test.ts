import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Kernel } from "../../src/kernel/index.ts";
import { randomLab } from "../labs/random-lab.ts";
import { openText, RunningLab } from "../labs/running-lab.ts";

/**
 * The tracer's word against the kernel's, packet by packet, on labs by chance. A seed that ever disagreed is kept in fixtures/differential and is
 * tried first, for ever. More: DRYDOCK_SEEDS=200 npm run test:kernel -- differential.
 */
const kept = join(import.meta.dirname, "fixtures", "differential");
const keptSeeds = existsSync(kept) ? readdirSync(kept).map((file) => Number.parseInt(file, 10)) : [];
const fresh = Number(process.env.DRYDOCK_SEEDS ?? 6);
// CI says the same thing about the same code; a person finds new cases with every run.
const firstSeed = Number(process.env.DRYDOCK_SEED ?? (process.env.CI ? 1 : Date.now() % 1_000_000));
const seeds = [...keptSeeds, ...Array.from({ length: fresh }, (_, index) => firstSeed + index)];

const kernel = new Kernel();
for (const seed of seeds) {
  test(`no disagreement on the lab of seed ${seed}`, async () => {
    const text = randomLab(seed);
    const lab = new RunningLab(openText(text), kernel);
    try {
      const { packets, found } = await lab.disagreements(seed, 1500);
      if (found.length > 0 && !process.env.CI) {
        mkdirSync(kept, { recursive: true });
        writeFileSync(join(kept, `${seed}.txt`), `${found.slice(0, 3).join("\n")}\n\n${text.lab}`);
      }
      expect(packets).toBeGreaterThan(50);
      expect(found.slice(0, 5), `${found.length} of ${packets} packets; seed ${seed}\n${text.lab}`).toEqual([]);
    } finally {
      lab.close();
    }
  });
}

test("kept counterexamples are explained", () => {
  for (const seed of keptSeeds) expect(readFileSync(join(kept, `${seed}.txt`), "utf8")).not.toBe("");
});

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Kernel } from "../../src/kernel/index.ts";
import { randomDualStackLab } from "../labs/random-dual-stack.ts";
import { randomLab } from "../labs/random-lab.ts";
import { openText, RunningLab } from "../labs/running-lab.ts";
import { shrunk } from "../labs/shrink.ts";

/**
 * The tracer's word against the kernel's, packet by packet, on labs by chance that mix everything that decides where a packet goes. A seed that ever
 * disagreed is kept in fixtures/differential, with its lab made small, and is tried first, for ever. `npm run soak` sends a million packets;
 * DRYDOCK_PACKETS, DRYDOCK_SEEDS and DRYDOCK_SEED say how many, on how many labs, from which seed on.
 */
const kept = join(import.meta.dirname, "fixtures", "differential");
const keptFiles = existsSync(kept) ? readdirSync(kept) : [];
const keptSeeds = [...new Set(keptFiles.map((file) => Number.parseInt(file, 10)))];
const packetsPerLab = 2600;
const fresh = Number(process.env.DRYDOCK_SEEDS ?? Math.ceil(Number(process.env.DRYDOCK_PACKETS ?? 20_000) / packetsPerLab));
// CI says the same thing about the same code; a person finds new cases with every run.
const firstSeed = Number(process.env.DRYDOCK_SEED ?? (process.env.CI ? 1 : Date.now() % 1_000_000));
const seeds = [...keptSeeds, ...Array.from({ length: fresh }, (_, index) => firstSeed + index)];

const kernel = new Kernel();
let sent = 0;
/** Half of a seed's packets go through its lab, and half through the same lab in dual stack. */
const kinds = [
  { name: "the lab", make: randomLab, suffix: "" },
  { name: "the dual-stack lab", make: randomDualStackLab, suffix: "-dual-stack" },
] as const;
for (const [seed, { name, make, suffix }] of seeds.flatMap((seed) => kinds.map((kind) => [seed, kind] as const))) {
  test(`no disagreement on ${name} of seed ${seed}`, async () => {
    const text = make(seed);
    const lab = new RunningLab(openText(text), kernel);
    const { packets, found } = await lab.disagreements(seed, packetsPerLab / kinds.length).finally(() => lab.close());
    sent += packets;
    const [first] = found;
    if (first === undefined) return;
    const small = await shrunk(text, first.question, kernel);
    const words = found.slice(0, 5).map((one) => one.text);
    if (!process.env.CI) {
      mkdirSync(kept, { recursive: true });
      writeFileSync(join(kept, `${seed}${suffix}.txt`), `${words.slice(0, 3).join("\n")}\n\n${small.lab}`);
    }
    expect(words, `${found.length} of ${packets} packets; seed ${seed}${suffix}\n${small.lab}`).toEqual([]);
  }, 300_000);
}

test("enough packets were sent", () => {
  expect(sent).toBeGreaterThanOrEqual(Math.min(20_000, fresh * packetsPerLab * 0.75));
});

test("kept counterexamples are explained", () => {
  for (const file of keptFiles) expect(readFileSync(join(kept, file), "utf8")).not.toBe("");
});

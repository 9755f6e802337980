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
 * disagreed is kept in fixtures/differential, with its lab made small, and is tried first, for ever. `npm run soak` sends a million packets
 * (scripts/soak.mjs); DRYDOCK_PACKETS, DRYDOCK_SEEDS and DRYDOCK_SEED say how many, on how many labs, from which seed on.
 */
const kept = join(import.meta.dirname, "fixtures", "differential");
const keptFiles = existsSync(kept) ? readdirSync(kept) : [];
const keptSeeds = [...new Set(keptFiles.map((file) => Number.parseInt(file, 10)))];
const packetsPerLab = Number(process.env.DRYDOCK_PACKETS_PER_LAB ?? 2600);
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
    const { packets, found } = await asked(lab, seed).finally(() => lab.close());
    sent += packets;
    const [first] = found;
    if (process.env.DRYDOCK_SOAK !== undefined) tell(seed, first?.text);
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

/** A small lab has fewer pairs than there are packets to send: it is asked again, from other ports. */
async function asked(lab: RunningLab, seed: number): ReturnType<RunningLab["disagreements"]> {
  const wanted = packetsPerLab / kinds.length;
  let packets = 0;
  for (let round = 0; ; round++) {
    const answer = await lab.disagreements(seed + 1_000_003 * round, wanted - packets);
    packets += answer.packets;
    // Each round leaves out a few: what a host would send to itself.
    if (answer.found.length > 0 || answer.packets === 0 || packets >= wanted * 0.97) return { packets, found: answer.found };
  }
}

const beganMs = performance.now();

/** How far it is, in a soak. */
function tell(seed: number, disagreement: string | undefined): void {
  const seconds = (performance.now() - beganMs) / 1000;
  const total = fresh * packetsPerLab;
  const left = ((total - sent) / sent) * seconds;
  const rest =
    disagreement !== undefined
      ? `; go on with: npm run soak -- --seed ${seed + 1}\n${disagreement}`
      : `, ${Math.max(0, Math.ceil(left / 60))} min left`;
  process.stderr.write(
    `soak: seed ${seed}: ${disagreement === undefined ? "agrees" : "DISAGREES"}; ${sent} of ${total} packets, ${Math.round(sent / seconds)} a second${rest}\n`,
  );
}

test("enough packets were sent", () => {
  expect(sent).toBeGreaterThanOrEqual(Math.min(20_000, fresh * packetsPerLab * 0.75));
});

test("kept counterexamples are explained", () => {
  for (const file of keptFiles) expect(readFileSync(join(kept, file), "utf8")).not.toBe("");
});

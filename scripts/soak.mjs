// Sends a million packets through labs by chance and compares each with the tracer's word: test/kernel/differential.test.ts, with more packets per lab.
//
//   npm run soak -- --seed 500 --packets 200000
//
//   --packets N           so many in all (1000000)
//   --packets-per-lab N   through a seed's lab and its dual-stack twin together (20000)
//   --seed N              the first seed; without it the time decides
//
// It stops at the first disagreement, with its seed and the lab made small, and says with which seed to go on.
import { spawn } from "node:child_process";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    packets: { type: "string", default: "1000000" },
    "packets-per-lab": { type: "string", default: "20000" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
  },
});
const numbers = Object.entries(values).map(([name, text]) => [name, Number(text)]);
const wrong = numbers.find(([, number]) => !Number.isSafeInteger(number) || number < 1);
if (wrong !== undefined) {
  process.stderr.write(`soak: --${wrong[0]} takes a whole number from 1\n`);
  process.exit(2);
}
const { packets, "packets-per-lab": perLab, seed } = Object.fromEntries(numbers);
const test = ["node_modules/.bin/vitest", "run", "--project", "kernel", "--bail", "1", "test/kernel/differential.test.ts"];
const child = spawn(process.execPath, ["scripts/in-world.mjs", ...test], {
  stdio: "inherit",
  env: {
    ...process.env,
    DRYDOCK_SOAK: "1",
    DRYDOCK_PACKETS: String(packets),
    DRYDOCK_PACKETS_PER_LAB: String(perLab),
    DRYDOCK_SEED: String(seed),
  },
});
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code) => process.exit(code ?? 1));

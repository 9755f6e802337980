// Runs every part of the suite, sums up what each counted, and ends with one line: "N passed, N failed".
// A part that could not run counts as failed: silence is never success.
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const folder = await mkdtemp(join(tmpdir(), "drydock-test-"));
const filters = process.argv.slice(2);
const totals = { passed: 0, failed: 0, skipped: 0 };

/** Exit status of a command whose output goes to ours. */
const run = (command, args) =>
  new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ["ignore", "inherit", "inherit"] });
    child.on("error", () => resolve(127));
    child.on("exit", (code) => resolve(code ?? 1));
  });

const checks = async () => {
  const status = await run(process.execPath, ["scripts/check.mjs"]);
  totals[status === 0 ? "passed" : "failed"] += 1;
};

const vitest = async (project, wrapper = []) => {
  process.stdout.write(`\n== ${project}\n`);
  const report = join(folder, `${project}.json`);
  const command = [
    ...wrapper,
    process.execPath,
    "node_modules/vitest/vitest.mjs",
    "run",
    "--project",
    project,
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${report}`,
    "--passWithNoTests",
    ...filters,
  ];
  const status = await run(command[0], command.slice(1));
  let counted;
  try {
    counted = JSON.parse(await readFile(report, "utf8"));
  } catch {
    totals.failed += 1;
    process.stdout.write(`${project}: wrote no report (exit status ${status})\n`);
    return;
  }
  totals.passed += counted.numPassedTests;
  totals.failed += counted.numFailedTests;
  totals.skipped += counted.numPendingTests + counted.numTodoTests;
  // A file that fails to load counts no test.
  const brokenFiles = counted.testResults.filter(
    (file) => file.status === "failed" && file.assertionResults.every((test) => test.status !== "failed"),
  ).length;
  totals.failed += brokenFiles;
  if (status !== 0 && counted.numFailedTests === 0 && brokenFiles === 0) totals.failed += 1;
};

if (filters.length === 0) await checks();
await vitest("unit");
await vitest("kernel", [process.execPath, "scripts/in-world.mjs"]);
await vitest("e2e");
await rm(folder, { recursive: true, force: true });

const skipped = totals.skipped > 0 ? `, ${totals.skipped} skipped` : "";
if (totals.skipped > 0 && process.env.CI) {
  process.stdout.write(`\n${totals.skipped} skipped tests count as failed in CI\n`);
  totals.failed += totals.skipped;
}
process.stdout.write(`\n${totals.passed} passed, ${totals.failed} failed${skipped}\n`);
process.exitCode = totals.failed === 0 && totals.passed > 0 ? 0 : 1;

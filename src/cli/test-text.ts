/** Tested assertions for people: a line for each, what is wrong below those that do not hold, and the count. */

import { countsOf, explain, type TestedAssertion, type TestedFile } from "../assertions/report/tested.ts";
import { printable } from "../documents/problem.ts";
import type { Style } from "../render/style.ts";

export function renderTested(files: readonly TestedFile[], style: Style): string {
  const parts = files.map(({ file, design, live, assertions }) => {
    const on = live ? `real packets in lab ${design.join(", ")}` : design.join(", ");
    return `${style.bold(file)}${style.dim(` on ${on}`)}\n${assertions.map((one) => assertionText(one, style)).join("")}`;
  });
  return `${parts.join("\n")}\n${countText(files, style)}\n`;
}

function assertionText(assertion: TestedAssertion, style: Style): string {
  const { status, file, line } = assertion;
  const name = printable(assertion.name);
  switch (status) {
    case "passed":
      return `  ${style.green("ok")}    ${name}\n`;
    case "skipped":
      return `  ${style.yellow("skip")}  ${name}${style.dim(`: ${assertion.reason ?? ""}`)}\n`;
    case "failed":
    case "error": {
      const word = status === "failed" ? "FAIL" : "ERROR";
      const head = `  ${style.red(word.padEnd(5))} ${style.bold(name)}  ${style.dim(`${file}:${line}`)}\n`;
      return (
        head +
        explain(assertion)
          .map((text) => `        ${text}\n`)
          .join("")
      );
    }
    default:
      throw new Error(`unknown status ${String(status satisfies never)}`);
  }
}

function countText(files: readonly TestedFile[], style: Style): string {
  const counts = countsOf(files);
  const all = files.reduce((sum, { assertions }) => sum + assertions.length, 0);
  const packets = files.reduce((sum, { assertions }) => sum + assertions.reduce((own, one) => own + (one.packets ?? 0), 0), 0);
  const ms = files.reduce((sum, { durationMs }) => sum + durationMs, 0);
  const parts = [
    counts.passed === all ? style.green(all === 1 ? "it holds" : "all hold") : `${counts.passed} ${counts.passed === 1 ? "holds" : "hold"}`,
    ...(counts.failed > 0 ? [style.red(`${counts.failed} ${counts.failed === 1 ? "does" : "do"} not`)] : []),
    ...(counts.error > 0 ? [style.red(`${counts.error} could not be judged`)] : []),
    ...(counts.skipped > 0 ? [style.yellow(`${counts.skipped} skipped`)] : []),
  ];
  const time = ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
  return `${all} ${all === 1 ? "assertion" : "assertions"}: ${parts.join(", ")}${style.dim(`; ${packets} packets, ${time}`)}`;
}

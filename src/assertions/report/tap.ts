/** TAP 14 (testanything.org), with what is wrong as YAML. */

import { stringify } from "yaml";
import { printable } from "../../documents/problem.ts";
import { explain, type TestedAssertion, type TestedFile } from "./tested.ts";

export function renderTap(files: readonly TestedFile[]): string {
  const all = files.flatMap(({ assertions }) => assertions);
  const lines = ["TAP version 14", `1..${all.length}`, ...all.flatMap((assertion, index) => point(assertion, index + 1))];
  return `${lines.join("\n")}\n`;
}

function point(assertion: TestedAssertion, number: number): readonly string[] {
  const { name, status, file, line, reason = "" } = assertion;
  const description = escapeTap(name);
  if (status === "skipped") return [`ok ${number} - ${description} # SKIP ${escapeTap(reason)}`];
  if (status === "passed") return [`ok ${number} - ${description}`];
  const block = stringify(
    { severity: status === "error" ? "error" : "fail", at: { file, line }, message: explain(assertion) },
    { lineWidth: 0 },
  );
  const indented = block
    .trimEnd()
    .split("\n")
    .map((text) => `  ${text}`);
  return [`not ok ${number} - ${description}`, "  ---", ...indented, "  ..."];
}

/** A description is one line, in which # begins a directive and \ escapes. */
function escapeTap(text: string): string {
  return printable(text.replace(/\s+/g, " ")).replace(/[\\#]/g, "\\$&");
}

/**
 * Workflow commands of GitHub Actions: an annotation at the line of each assertion that does not hold.
 * GitHub docs: actions/reference/workflows-and-actions/workflow-commands; escapes: actions/toolkit, packages/core/src/command.ts.
 */

import { printable } from "../../documents/problem.ts";
import { summaryOf } from "./junit.ts";
import { countsOf, explain, type TestedAssertion, type TestedFile } from "./tested.ts";

export function renderGithub(files: readonly TestedFile[]): string {
  const lines = files.flatMap(({ assertions }) => assertions.flatMap(annotations));
  const { passed, failed, error, skipped } = countsOf(files);
  const more = [...(error > 0 ? [`${error} could not be judged`] : []), ...(skipped > 0 ? [`${skipped} skipped`] : [])];
  return `${[...lines, [`${passed} hold`, `${failed} do not`, ...more].join(", ")].join("\n")}\n`;
}

/** An assertion that names what is not there is marked where it does so. */
function annotations(assertion: TestedAssertion): readonly string[] {
  const { status, name, file, line, column, problems = [] } = assertion;
  if (status === "passed") return [];
  if (status === "error") {
    return problems.map(({ message, fix, ...place }) => {
      const at = { file, line: place.line ?? line, column: place.column ?? column };
      return annotation("error", name, at, [message, ...(fix === undefined ? [] : [`fix: ${fix}`])].map(printable));
    });
  }
  const message = [printable(summaryOf(assertion)), ...explain(assertion)].filter((text, index, all) => all.indexOf(text) === index);
  return [annotation(status === "skipped" ? "notice" : "error", name, { file, line, column }, message)];
}

type Place = { readonly file: string; readonly line: number; readonly column: number };

function annotation(level: "error" | "notice", title: string, { file, line, column }: Place, message: readonly string[]): string {
  const properties = { file, line: String(line), col: String(column), title: printable(title) };
  const list = Object.entries(properties).map(([key, value]) => `${key}=${escapeProperty(value)}`);
  return `::${level} ${list.join(",")}::${escapeData(message.join("\n"))}`;
}

function escapeData(text: string): string {
  return text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}

function escapeProperty(text: string): string {
  return escapeData(text).replaceAll(":", "%3A").replaceAll(",", "%2C");
}

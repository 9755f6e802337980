/** JUnit XML, as CI systems read it: a suite for each file, a case for each assertion. Format: github.com/testmoapp/junitxml, which describes what is common. */

import { countsOf, explain, type TestedAssertion, type TestedFile } from "./tested.ts";

export function renderJunit(files: readonly TestedFile[]): string {
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="drydock test"${totals(files)}>`,
    ...files.flatMap((file) => [
      `  <testsuite name="${escapeAttribute(file.file)}"${totals([file])}>`,
      ...file.assertions.flatMap((assertion) => testCase(assertion)),
      "  </testsuite>",
    ]),
    "</testsuites>",
  ];
  return `${lines.join("\n")}\n`;
}

function totals(files: readonly TestedFile[]): string {
  const { failed, error, skipped } = countsOf(files);
  const tests = files.reduce((sum, { assertions }) => sum + assertions.length, 0);
  const ms = files.reduce((sum, { durationMs }) => sum + durationMs, 0);
  return ` tests="${tests}" failures="${failed}" errors="${error}" skipped="${skipped}" time="${seconds(ms)}"`;
}

function testCase(assertion: TestedAssertion): readonly string[] {
  const { name, file, line, status, durationMs } = assertion;
  const head = `    <testcase name="${escapeAttribute(name)}" classname="${escapeAttribute(file)}" file="${escapeAttribute(file)}" line="${line}" time="${seconds(durationMs)}"`;
  if (status === "passed") return [`${head}/>`];
  const text = explain(assertion);
  const summary = escapeAttribute(summaryOf(assertion));
  if (status === "skipped") return [`${head}>`, `      <skipped message="${summary}"/>`, "    </testcase>"];
  const element = status === "failed" ? "failure" : "error";
  const body = escapeText([`${file}:${line}`, ...text].join("\n"));
  return [`${head}>`, `      <${element} message="${summary}" type="${status}">${body}</${element}>`, "    </testcase>"];
}

/** The first thing that is wrong. */
export function summaryOf({ deviations, problems = [], reason, asserted }: TestedAssertion): string {
  const [first] = deviations;
  if (first === undefined) return problems[0]?.message ?? reason ?? asserted;
  return first.from === undefined || first.to === undefined ? first.what : `${first.from} > ${first.to}: ${first.what}`;
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(3);
}

const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\n": "&#10;", "\r": "&#13;" };

/** Characters that XML 1.0 cannot hold, written or not, become U+FFFD. https://www.w3.org/TR/xml/#charsets */
function escapeText(text: string): string {
  return text
    .replace(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, "\uFFFD")
    .replace(/[&<>\r]/g, (char) => entities[char] ?? char);
}

/** In an attribute, a line feed that is not written so is read as a space. */
function escapeAttribute(text: string): string {
  return escapeText(text).replace(/["\n]/g, (char) => entities[char] ?? char);
}

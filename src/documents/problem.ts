/** What is wrong with a document: where, what, why, and what would be valid. Data, so that a command prints it and a server returns it. */

/** From a property of a document to a part of it: `["clusters", 0, "podCidr"]`. */
export type Path = readonly (string | number)[];

export type Problem = {
  /** Azure's or Kubernetes' own where there is one; else one of ours, such as `UnknownProperty` or `NotModelled`. */
  readonly code: string;
  /** A document with an error is not brought up. */
  readonly severity: "error" | "warning";
  readonly file: string;
  /** From 1; the place of the nearest part that the document has when it lacks the property itself. */
  readonly line?: number;
  readonly column?: number;
  /** `clusters[0].podCidr`. Empty for the document as a whole. */
  readonly path: string;
  /** The id of the Azure resource, where Azure would refuse it. */
  readonly resource?: string;
  readonly value?: unknown;
  readonly message: string;
  /** The document that names the rule. */
  readonly source?: string;
  readonly fix?: string;
};

/** An object of a document that changes no packet's way. */
export type Kept = { readonly file: string; readonly line?: number; readonly kind: string; readonly name: string; readonly why: string };

/** Everything about a problem but its place. */
export type Finding = Omit<Problem, "severity" | "file" | "line" | "column" | "path"> & { readonly severity?: "warning" };

/** `clusters[0].podCidr`; keys that are no identifiers are quoted: `metadata.labels["app.kubernetes.io/name"]`. */
export function formatPath(path: Path): string {
  let text = "";
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`;
    else if (!/^[A-Za-z_$][\w$-]*$/.test(part)) text += `[${JSON.stringify(excerpt(part))}]`;
    else text += text === "" ? part : `.${part}`;
  }
  return text;
}

/** Longest excerpt of a document in a message. */
const longest = 120;

/** Text from a document, cut so that a message stays a message. */
export function excerpt(text: string): string {
  return text.length <= longest ? text : `${text.slice(0, longest - 1)}…`;
}

/**
 * ```
 * lab.yaml:12:16: error: clusters[0].podCidr: pod CIDR 10.240.0.0/16 overlaps … (NetworkProfileCIDROverlapVNET)
 *   rule: aks:configure-kubenet.md
 *   fix: choose a range outside the VNet
 * ```
 */
export function formatProblem(problem: Problem): string {
  const place = problem.line === undefined ? problem.file : `${problem.file}:${problem.line}:${problem.column ?? 1}`;
  const path = problem.path === "" ? "" : `${problem.path}: `;
  const lines = [`${printable(place)}: ${problem.severity}: ${printable(path + problem.message)} (${problem.code})`];
  if (problem.source !== undefined) lines.push(`  rule: ${printable(problem.source)}`);
  if (problem.fix !== undefined) lines.push(`  fix: ${printable(problem.fix)}`);
  return lines.join("\n");
}

/** Text from a document must not move a terminal's cursor. */
export function printable(text: string): string {
  let result = "";
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0;
    const isControl =
      code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
    result += isControl ? `\\u${code.toString(16).padStart(4, "0")}` : char;
  }
  return result;
}

/** `"10.0.0.0/33"`, `3`, `a list`: a value in a message. */
export function formatValue(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a mapping";
  return typeof value === "string" ? JSON.stringify(excerpt(value)) : String(value);
}

/** By file (in the order of `files`), then line, then column, then path; the same problem once. */
export function sortedProblems(problems: readonly Problem[], files: readonly string[]): readonly Problem[] {
  const rank = new Map(files.map((file, index) => [file, index]));
  const seen = new Set<string>();
  const unique = problems.filter((problem) => {
    const key = JSON.stringify([problem.file, problem.line, problem.column, problem.path, problem.code, problem.message]);
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
  const order = (problem: Problem) => rank.get(problem.file) ?? files.length;
  return unique
    .map((problem, index) => ({ problem, index }))
    .sort(
      (a, b) =>
        order(a.problem) - order(b.problem) ||
        (a.problem.line ?? 0) - (b.problem.line ?? 0) ||
        (a.problem.column ?? 0) - (b.problem.column ?? 0) ||
        a.index - b.index,
    )
    .map(({ problem }) => problem);
}

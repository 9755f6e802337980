/** Files of assertions to data: every problem of a file at once, each with its line. Pure: the text comes in, the documents of the design do not. */

import type { DocumentFile } from "../documents/index.ts";
import { located } from "../documents/manifests.ts";
import { type Finding, formatPath, type Path, type Problem, sortedProblems } from "../documents/problem.ts";
import { parseSources, placeOf, type Source } from "../documents/tree.ts";
import { type AssertionWords, assertionFile } from "./definition.ts";

export type Assertion = {
  readonly words: AssertionWords;
  readonly name: string;
  readonly because?: string;
  readonly place: { readonly file: string; readonly line: number; readonly column: number };
  /** A problem of one of its properties, placed in its file. */
  readonly problem: (property: Path, finding: Finding) => Problem;
};

export type AssertionFile = {
  readonly path: string;
  /** As written: relative to the file. */
  readonly design: readonly string[];
  readonly cluster?: string;
  readonly namespace?: string;
  readonly assertions: readonly Assertion[];
};

/** `assertions` is complete when no problem is an error. A file may have several documents, which are as many files of assertions. */
export function readAssertions(file: DocumentFile): { readonly files: readonly AssertionFile[]; readonly problems: readonly Problem[] } {
  const problems: Problem[] = [];
  const sources = parseSources(file, (problem) => problems.push(problem));
  if (sources.length === 0 && problems.length === 0) {
    const fix = "write `design: lab.yaml` and `assertions:` into it, or let `drydock test --init lab.yaml` write it";
    problems.push({
      code: "EmptyDocument",
      severity: "error",
      file: file.path,
      line: 1,
      column: 1,
      path: "",
      message: "the file is empty",
      fix,
    });
  }
  const files = sources.flatMap((source) => readSource(source, (problem) => problems.push(problem)) ?? []);
  return { files, problems: sortedProblems(problems, [file.path]) };
}

function readSource(source: Source, report: (problem: Problem) => void): AssertionFile | undefined {
  const { root } = source;
  if (root.kind === "map" && !root.entries.has("assertions") && (root.entries.has("lab") || root.entries.has("apiVersion"))) {
    const fix = "name it under design of a file of assertions; `drydock test --init FILE` writes one";
    report(located(source, [], { code: "NotAssertions", message: "this is a document of a design, not a file of assertions", fix }));
    return undefined;
  }
  const read = assertionFile.read(root, [], (path, finding, of) => report(located(source, path, finding, of)));
  if (read === undefined) return undefined;
  const assertions = (read.assertions ?? []).flatMap((words, index) => {
    if (words?.name === undefined) return [];
    const at: Path = ["assertions", index];
    const { line, column } = placeOf(source, [...at, "name"], "key");
    const problem = (property: Path, finding: Finding) => located(source, [...at, ...property], finding);
    const { name, because } = words;
    return [{ words, name, ...(because === undefined ? {} : { because }), place: { file: source.file, line, column }, problem }];
  });
  const named = new Map<string, number>();
  for (const [index, { name, problem }] of assertions.entries()) {
    const first = named.get(name);
    if (first === undefined) {
      named.set(name, index);
      continue;
    }
    const message = `${formatPath(["assertions", first])} has the same name`;
    report(problem(["name"], { code: "DuplicateName", value: name, message, fix: "name it for what sets it apart" }));
  }
  const { design = [], cluster, namespace } = read;
  return {
    path: source.file,
    design,
    ...(cluster === undefined ? {} : { cluster }),
    ...(namespace === undefined ? {} : { namespace }),
    assertions,
  };
}

/** Documents from files. */

import { readdirSync, readFileSync, type Stats, statSync } from "node:fs";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { type LoadedLab, loadLab, type Overrides } from "../documents/index.ts";
import { formatProblem, type Kept, type Problem } from "../documents/problem.ts";
import { hasErrors, type OpenedLab, openLab, type ReadLab, readLab } from "../lab/index.ts";
import type { LabView } from "../lab/view.ts";
import type { Style } from "../render/style.ts";
import type { Context } from "./context.ts";
import { Failure } from "./failure.ts";

/** No document is near this; reading one would only take the memory of the machine. */
const largestFileBytes = 64 * 1024 * 1024;

export type File = { readonly path: string; readonly text: string };

/** Does an argument look like a file rather than like an end or a host? */
export function isFile(context: Context, argument: string): boolean {
  if (/\.(ya?ml|json)$/i.test(argument)) return true;
  if (!argument.includes("/") && !argument.includes(".")) return false;
  try {
    return statSync(resolve(context.cwd, argument)).isFile();
  } catch (error) {
    if (isSystemError(error)) return false;
    throw error;
  }
}

export function readDocument(context: Context, path: string): File {
  const absolute = resolve(context.cwd, path);
  let stats: Stats;
  try {
    stats = statSync(absolute);
  } catch (error) {
    throw unreadable(path, error);
  }
  if (stats.isDirectory()) throw new Failure("usage", `${path} is a folder`, { fix: "name the lab file in it" });
  // A pipe is fine (`<(helm template …)`); a device may never end.
  if (stats.isCharacterDevice() || stats.isBlockDevice()) throw new Failure("usage", `${path} is a device, not a document`);
  if (stats.size > largestFileBytes) {
    throw new Failure("documents", `${path} has ${Math.ceil(stats.size / 1024 / 1024)} MiB`, {
      why: `a document has at most ${largestFileBytes / 1024 / 1024} MiB`,
    });
  }
  try {
    return { path, text: readFileSync(absolute, "utf8") };
  } catch (error) {
    throw unreadable(path, error);
  }
}

function unreadable(path: string, error: unknown): Failure {
  if (!isSystemError(error)) throw error;
  const why = { ENOENT: "there is no such file", EACCES: "you may not read it", ELOOP: "its symbolic links go round in a circle" }[
    error.code
  ];
  return new Failure("usage", `cannot read ${path}`, { why: why ?? error.message, cause: error });
}

function isSystemError(error: unknown): error is Error & { readonly code: string } {
  return error instanceof Error && "code" in error && typeof error.code === "string";
}

/** A path in a lab file is relative to that file. */
function besides(from: string, path: string): string {
  return isAbsolute(path) ? path : join(dirname(from), path);
}

/** Manifests named in a lab file: `undefined` when there is none. */
function readManifest(context: Context, path: string): File | undefined {
  try {
    return readDocument(context, path);
  } catch (error) {
    if (error instanceof Failure && isSystemError(error.cause) && error.cause.code === "ENOENT") return undefined;
    throw error;
  }
}

/** Names of the files in a folder named in a lab file; `undefined` when there is none. */
function listFolder(context: Context, path: string): readonly string[] | undefined {
  try {
    return readdirSync(resolve(context.cwd, path), { withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => entry.name)
      .sort();
  } catch (error) {
    if (isSystemError(error) && (error.code === "ENOENT" || error.code === "ENOTDIR")) return undefined;
    throw error;
  }
}

/** Reads documents. Problems that are only warnings go to standard error; errors are a {@link Failure} with all of them. */
export function readFiles(context: Context, paths: readonly string[]): ReadLab {
  return checked(context, paths, readLab, unchanged);
}

/** {@link readFiles}, and what comes of them. */
export function openFiles(context: Context, paths: readonly string[]): Pick<ReadLab, "kept" | "outputs"> & { readonly view: LabView } {
  const { view, kept, outputs } = checked(context, paths, openLab);
  if (view === undefined) throw new Error("documents without errors were not opened");
  return { view, kept, outputs };
}

/** {@link openFiles} for those to whom errors are an answer: nothing is thrown or printed, and with errors there is no view. */
export function openDocuments(context: Context, paths: readonly string[]): OpenedLab {
  return taken(context, paths, openLab);
}

function checked<Lab extends ReadLab>(
  context: Context,
  paths: readonly string[],
  take: (...from: Parameters<typeof readLab>) => Lab,
  consequence?: string,
): Lab {
  const lab = taken(context, paths, take);
  if (hasErrors(lab)) throw documentFailure(paths, lab.problems, context.errorStyle, consequence);
  warn(context, lab.problems);
  return lab;
}

function taken<Lab>(context: Context, paths: readonly string[], take: (...from: Parameters<typeof readLab>) => Lab): Lab {
  return take(
    paths.map((path) => readDocument(context, path)),
    (path, from) => readManifest(context, besides(from, path)),
    (path, from) => listFolder(context, besides(from, path)),
    withDeployment(context),
  );
}

/** Documents as far as they can be read, with all their problems: for those who report them beside what they make of the rest. */
export function loadDocuments(context: Context, paths: readonly string[], overrides: Overrides): LoadedLab {
  return loadLab(
    paths.map((path) => readDocument(context, path)),
    (path, from) => readManifest(context, besides(from, path)),
    (path, from) => listFolder(context, besides(from, path)),
    withDeployment(context, overrides),
  );
}

function withDeployment({ deployment }: Context, overrides: Overrides = {}): Overrides {
  return deployment === undefined ? overrides : { ...overrides, deployment };
}

export function warn(context: Context, problems: readonly Problem[]): void {
  for (const problem of problems) context.stderr.write(`${renderProblem(problem, context.errorStyle).join("\n")}\n`);
}

/** What comes of documents with errors for a lab that runs or is to run. */
export const unchanged = "nothing was changed";

/** All the errors, and before them the warnings. */
export function documentFailure(paths: readonly string[], problems: readonly Problem[], style: Style, consequence?: string): Failure {
  const errors = problems.filter((problem) => problem.severity === "error").length;
  const count = errors === 1 ? "1 error" : `${errors} errors`;
  const what = `${paths.join(", ")}: ${count}${consequence === undefined ? "" : `; ${consequence}`}`;
  return new Failure("documents", what, { details: problems.flatMap((problem) => [...renderProblem(problem, style), ""]).slice(0, -1) });
}

/** {@link formatProblem}'s lines, with colour. */
export function renderProblem(problem: Problem, style: Style): string[] {
  const word = problem.severity === "error" ? style.red("error") : style.yellow("warning");
  return formatProblem(problem).replace(`: ${problem.severity}: `, `: ${word}: `).split("\n");
}

/** One line for what documents say and the network does not need. */
export function renderKept(kept: readonly Kept[], style: Style): string {
  if (kept.length === 0) return "";
  const byKind = new Map<string, number>();
  for (const { kind } of kept) byKind.set(kind, (byKind.get(kind) ?? 0) + 1);
  const list = [...byKind].map(([kind, count]) => (count === 1 ? kind : `${count} ${kind}`)).join(", ");
  return style.dim(`kept, no effect on the network: ${list} ('drydock show kept FILE' says why)\n`);
}

/**
 * Documents to resources: the lab file and the Kubernetes manifests that it names, checked as Azure and the API server would, all problems at once.
 *
 * Pure: files come in as text, and manifests through `read`. Hostile input is bounded (`tree.ts`) and never throws.
 * What this does not do: say what AKS makes of the resources (controllers do), or compare with a running lab (`checkTransition` does).
 */

import type { RuleSet } from "../arm/limits.ts";
import { checkAzure } from "../arm/rules/index.ts";
import type { PropertyPath } from "../arm/rules/problem.ts";
import { isOlder } from "../arm/rules/versions.ts";
import { armKey, type Key, kubeKey, type Resource } from "../resources/resources.ts";
import { ClusterObjects } from "./cluster-objects.ts";
import { factsOf } from "./facts.ts";
import { furtherLabFile, labFile } from "./lab/definition.ts";
import { type Expansion, expandLab, type Manifest, type Origin, type ReadLab, resolvePath } from "./lab/expand.ts";
import type { FileFault } from "./lab/faults.ts";
import { located, type Placed, readManifest } from "./manifests.ts";
import { Suggestions } from "./nearest.ts";
import { excerpt, type Finding, formatPath, formatValue, type Kept, type Path, type Problem, sortedProblems } from "./problem.ts";
import type { Complain } from "./shape.ts";
import { bounds, parseSources, placeOf, type Source } from "./tree.ts";

export { labSchema } from "./lab/definition.ts";
export type { FileFault } from "./lab/faults.ts";
export { formatProblem, type Kept, type Problem } from "./problem.ts";
export { checkChange, checkTransition } from "./transition.ts";

export type DocumentFile = { readonly path: string; readonly text: string };

/** A manifest by its path relative to the lab file `from`; `undefined` when there is none. */
export type ReadFile = (path: string, from: string) => DocumentFile | undefined;

/** Names of the files in a folder, its path relative to the lab file `from`; `undefined` when there is none. */
export type ListFolder = (path: string, from: string) => readonly string[] | undefined;

export type DocumentPlace = { readonly file: string; readonly line: number; readonly column: number; readonly path: string };

export type LoadedLab = {
  readonly name: string;
  /** Empty when there is an error: nothing is brought up from a document with errors. */
  readonly resources: readonly { readonly key: Key; readonly value: Resource }[];
  /** The same, and with errors as much of it as could be read: for those who only count. */
  readonly readable: readonly { readonly key: Key; readonly value: Resource }[];
  /** By file, line and column. */
  readonly problems: readonly Problem[];
  readonly kept: readonly Kept[];
  /** What is broken from the start. Resources they become once it is known what their targets name. */
  readonly faults: readonly FileFault[];
  /** Where a resource, or a property of it, is in the documents. */
  readonly placeOf: (key: Key, property?: PropertyPath) => DocumentPlace | undefined;
};

/** What holds whatever the documents say. */
export type Overrides = { readonly rules?: RuleSet };

/** `files`: the lab file, or several that make one lab together. */
export function loadLab(files: readonly DocumentFile[], read: ReadFile, listFolder?: ListFolder, overrides: Overrides = {}): LoadedLab {
  return new Loader(files, read, listFolder, overrides).load();
}

/** Manifests of one lab at most, folders included. */
const maxManifests = 2000;

class Loader {
  readonly #files: readonly DocumentFile[];
  readonly #read: ReadFile;
  readonly #listFolder: ListFolder | undefined;
  readonly #overrides: Overrides;
  readonly #problems: Problem[] = [];
  readonly #suggestions = new Suggestions();
  readonly #order: string[];
  /** By the path that the lab file gives, and the lab file. */
  readonly #manifests = new Map<string, readonly Source[] | undefined>();
  #length = 0;

  constructor(files: readonly DocumentFile[], read: ReadFile, listFolder: ListFolder | undefined, overrides: Overrides) {
    this.#files = files;
    this.#read = read;
    this.#listFolder = listFolder;
    this.#overrides = overrides;
    this.#order = files.map((file) => file.path);
  }

  load(): LoadedLab {
    const labs = this.#readLabs();
    const expansion = expandLab(
      labs,
      (source, path, finding) => this.#report(located(source, resolvePath(path), finding)),
      this.#overrides,
    );
    for (const problem of checkAzure(expansion.resources)) {
      const { id, property, severity, ...finding } = problem;
      const origin = expansion.origins.get(id.toLowerCase());
      this.#atOrigin(origin, property, { ...finding, resource: id, ...(severity === "warning" ? { severity } : {}) });
    }

    const resources: { key: Key; value: Resource }[] = expansion.resources.map((value) => ({ key: armKey(value.id), value }));
    const placed = new Map<Key, Placed>();
    const kept: Kept[] = [];
    for (const cluster of expansion.clusters) {
      for (const { object, ...place } of this.#objects(expansion, cluster, kept)) {
        const key = kubeKey(cluster.resource.name, object.kind, object.metadata.namespace, object.metadata.name);
        resources.push({ key, value: object });
        placed.set(key, { object, ...place });
      }
    }
    const problems = sortedProblems(this.#problems, this.#order);
    return {
      name: expansion.name,
      resources: problems.some((problem) => problem.severity === "error") ? [] : resources,
      readable: resources,
      problems,
      kept: distinct(kept),
      faults: expansion.faults.map(({ entry, source, path }) => ({
        ...entry,
        problem: (property, finding) => located(source, [...path, property], finding),
      })),
      placeOf: (key, property = []) => {
        const object = placed.get(key);
        if (object !== undefined) return placeIn(object.source, [...object.path, ...property]);
        const origin = expansion.origins.get(key);
        return origin === undefined ? undefined : placeIn(origin.source, resolvePath([...origin.path, ...origin.rename(property)]));
      },
    };
  }

  #report(problem: Problem): void {
    this.#problems.push(problem);
  }

  #atOrigin(origin: Origin | undefined, property: PropertyPath, finding: Finding): void {
    if (origin === undefined) return;
    const path = resolvePath([...origin.path, ...origin.rename(property)]);
    const { exact } = placeOf(origin.source, path);
    // What the document does not say is a default; whoever reads the message does not find it in the file.
    const isDefault = !exact && finding.value !== undefined && path.length > 0;
    this.#report(
      located(origin.source, path, isDefault ? { ...finding, message: `${finding.message} (a default: the file does not say)` } : finding),
    );
  }

  #readLabs(): readonly ReadLab[] {
    const labs: ReadLab[] = [];
    for (const file of this.#files) {
      const before = this.#problems.length;
      const sources = this.#parse(file);
      if (sources.length === 0 && this.#problems.length === before) {
        const fix = "write `lab: NAME`, networks and clusters into it; see examples/two-options/lab.yaml";
        this.#report({
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
      for (const source of sources) {
        const { root } = source;
        if (root.kind === "map" && root.entries.has("apiVersion") && root.entries.has("kind")) {
          const fix = "name it under manifests of the cluster that it is for";
          this.#report(located(source, [], { code: "NotALab", message: "this is a Kubernetes object, not a lab file", fix }));
          continue;
        }
        const complain: Complain = (path, finding, of) => this.#report(located(source, path, finding, of));
        const lab = labs.length === 0 ? labFile.read(root, [], complain) : furtherLabFile.read(root, [], complain);
        if (lab !== undefined) labs.push({ source, lab });
      }
    }
    if (this.#files.length === 0) {
      this.#report({ code: "EmptyDocument", severity: "error", file: "", path: "", message: "no lab file is given" });
    }
    return labs;
  }

  #parse(file: DocumentFile): readonly Source[] {
    this.#length += file.text.length;
    if (this.#length > bounds.totalLength) {
      const message = `the files of the lab have more than ${bounds.totalLength} characters in all`;
      this.#report({ code: "DocumentTooLarge", severity: "error", file: file.path, path: "", message });
      return [];
    }
    return parseSources(file, (problem) => this.#report(problem));
  }

  /** The objects of a cluster's manifests that may be there together. */
  #objects(expansion: Expansion, cluster: Expansion["clusters"][number], kept: Kept[]): readonly Placed[] {
    const { resource } = cluster;
    const objects = new ClusterObjects(resource.name, (problem) => this.#report(problem));
    const version = resource.properties.kubernetesVersion;
    const servesRemoved = (removedIn: string) => (version === undefined ? expansion.rules === "lesson" : isOlder(version, removedIn));
    for (const manifest of cluster.manifests) {
      for (const sources of this.#sourcesOf(manifest)) {
        const read = readManifest(sources, { servesRemoved, report: (problem) => this.#report(problem) });
        kept.push(...read.kept);
        for (const placed of read.objects) objects.add(placed);
      }
    }
    return objects.finish(factsOf(resource, expansion.resources));
  }

  /** Of a file, of each file of a folder, or of each file that a pattern matches. */
  #sourcesOf(manifest: Manifest): readonly (readonly Source[])[] {
    const { path, source, at } = manifest;
    const fail = (message: string, fix: string) => {
      this.#report(located(source, at, { code: "FileNotFound", value: path, message, fix }));
      return [];
    };
    if (path === "" || path.includes("\0")) return fail(`${formatValue(path)} is no path`, "give a path relative to the lab file");
    const slash = path.lastIndexOf("/");
    const [folder, last] = slash < 0 ? [".", path] : [path.slice(0, slash) || "/", path.slice(slash + 1)];
    if (/[*?]/.test(last)) {
      const matches = this.#listFolder?.(folder, source.file)?.filter((name) => matchesPattern(name, last));
      if (this.#listFolder === undefined) return fail("patterns cannot be expanded here", "name the files one by one");
      if (matches === undefined || matches.length === 0)
        return fail(`no file matches ${formatValue(path)}`, "give a pattern such as app/*.yaml");
      return this.#sourcesIn(slash < 0 ? "" : `${folder}/`, matches, manifest);
    }
    // What looks like a folder is asked for as one first: whoever reads files may not take kindly to being given a folder.
    const names = isManifestName(path) ? undefined : this.#listFolder?.(path, source.file)?.filter(isManifestName);
    if (names !== undefined && names.length > 0) return this.#sourcesIn(`${path.replace(/\/+$/, "")}/`, names, manifest);
    if (names !== undefined) return fail(`folder ${formatValue(path)} has no .yaml, .yml or .json file`, "name a file or another folder");
    const sources = this.#sourcesAt(path, source.file);
    if (sources !== undefined) return [sources];
    const near = this.#suggestions.didYouMean(last, this.#listFolder?.(folder, source.file) ?? []);
    return fail(`there is no file ${formatValue(path)}${near}`, "give a path relative to the lab file");
  }

  #sourcesIn(prefix: string, names: readonly string[], { source, at }: Manifest): readonly (readonly Source[])[] {
    if (names.length > maxManifests) {
      this.#report(
        located(source, at, { code: "DocumentTooLarge", message: `${names.length} manifests; at most ${maxManifests} are read` }),
      );
      return [];
    }
    return [...names].sort().flatMap((name) => {
      const sources = this.#sourcesAt(prefix + name, source.file);
      return sources === undefined ? [] : [sources];
    });
  }

  #sourcesAt(path: string, from: string): readonly Source[] | undefined {
    const key = `${from}\0${path}`;
    if (!this.#manifests.has(key)) {
      const file = this.#read(path, from);
      if (file !== undefined) this.#order.push(file.path);
      this.#manifests.set(key, file === undefined ? undefined : this.#parse(file));
    }
    return this.#manifests.get(key);
  }
}

function isManifestName(name: string): boolean {
  return /\.(ya?ml|json)$/i.test(name);
}

/** `*` is any text, `?` any character. Compared greedily from left to right, which is linear enough for names. */
function matchesPattern(name: string, pattern: string): boolean {
  let [at, star, from] = [0, -1, 0];
  let i = 0;
  while (i < name.length) {
    if (at < pattern.length && pattern[at] === "*") {
      star = at++;
      from = i;
    } else if (at < pattern.length && (pattern[at] === "?" || pattern[at] === name[i])) {
      at++;
      i++;
    } else if (star >= 0) {
      at = star + 1;
      i = ++from;
    } else return false;
  }
  while (pattern[at] === "*") at++;
  return at === pattern.length;
}

function placeIn(source: Source, path: Path): DocumentPlace {
  const { line, column } = placeOf(source, path);
  return { file: source.file, line, column, path: excerpt(formatPath(path)) };
}

function distinct(kept: readonly Kept[]): readonly Kept[] {
  const seen = new Set<string>();
  return kept.filter((entry) => {
    const key = `${entry.file}\0${entry.line}\0${entry.kind}\0${entry.name}`;
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

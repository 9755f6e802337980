/** The Kubernetes manifests that a lab file names: a file, each file of a folder, or each that a pattern matches. */

import type { DocumentFile, ListFolder, ReadFile } from "./index.ts";
import type { Manifest } from "./lab/expand.ts";
import { located } from "./manifests.ts";
import { Suggestions } from "./nearest.ts";
import { isPattern, matchesPattern } from "./pattern.ts";
import { formatValue, type Problem } from "./problem.ts";
import type { Source } from "./tree.ts";

/** Manifests of one lab at most, folders included. */
const maxManifests = 2000;

export type ManifestFilesOptions = {
  readonly read: ReadFile;
  readonly listFolder: ListFolder | undefined;
  /** Each file once, however many clusters name it. */
  readonly parse: (file: DocumentFile) => readonly Source[];
  readonly report: (problem: Problem) => void;
};

export class ManifestFiles {
  readonly #options: ManifestFilesOptions;
  readonly #suggestions = new Suggestions();
  /** By the path that the lab file gives, and the lab file. */
  readonly #manifests = new Map<string, readonly Source[] | undefined>();

  constructor(options: ManifestFilesOptions) {
    this.#options = options;
  }

  /** Of each file that the path stands for, its documents. */
  sourcesOf(manifest: Manifest): readonly (readonly Source[])[] {
    const { path, source, at } = manifest;
    const { listFolder, report } = this.#options;
    const fail = (message: string, fix: string) => {
      report(located(source, at, { code: "FileNotFound", value: path, message, fix }));
      return [];
    };
    if (path === "" || path.includes("\0")) return fail(`${formatValue(path)} is no path`, "give a path relative to the lab file");
    const slash = path.lastIndexOf("/");
    const [folder, last] = slash < 0 ? [".", path] : [path.slice(0, slash) || "/", path.slice(slash + 1)];
    if (isPattern(last)) {
      const matches = listFolder?.(folder, source.file)?.filter((name) => matchesPattern(name, last));
      if (listFolder === undefined) return fail("patterns cannot be expanded here", "name the files one by one");
      if (matches === undefined || matches.length === 0)
        return fail(`no file matches ${formatValue(path)}`, "give a pattern such as app/*.yaml");
      return this.#sourcesIn(slash < 0 ? "" : `${folder}/`, matches, manifest);
    }
    // What looks like a folder is asked for as one first: whoever reads files may not take kindly to being given a folder.
    const names = isManifestName(path) ? undefined : listFolder?.(path, source.file)?.filter(isManifestName);
    if (names !== undefined && names.length > 0) return this.#sourcesIn(`${path.replace(/\/+$/, "")}/`, names, manifest);
    if (names !== undefined) return fail(`folder ${formatValue(path)} has no .yaml, .yml or .json file`, "name a file or another folder");
    const sources = this.#sourcesAt(path, source.file);
    if (sources !== undefined) return [sources];
    const near = this.#suggestions.didYouMean(last, listFolder?.(folder, source.file) ?? []);
    return fail(`there is no file ${formatValue(path)}${near}`, "give a path relative to the lab file");
  }

  #sourcesIn(prefix: string, names: readonly string[], { source, at }: Manifest): readonly (readonly Source[])[] {
    if (names.length > maxManifests) {
      const message = `${names.length} manifests; at most ${maxManifests} are read`;
      this.#options.report(located(source, at, { code: "DocumentTooLarge", message }));
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
      const file = this.#options.read(path, from);
      this.#manifests.set(key, file === undefined ? undefined : this.#options.parse(file));
    }
    return this.#manifests.get(key);
  }
}

function isManifestName(name: string): boolean {
  return /\.(ya?ml|json)$/i.test(name);
}

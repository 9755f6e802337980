/**
 * Documents to resources: lab files, deployment templates, what Azure says of an estate, and Kubernetes manifests, in any mixture, as one lab; checked as Azure and the API
 * server would, all problems at once. What a document is, is told by its content (`kinds.ts`); Azure's resources meet in `azure/`.
 *
 * Pure: files come in as text, and manifests through `read`. Hostile input is bounded (`tree.ts`) and never throws.
 * What this does not do: say what AKS makes of the resources (controllers do), or compare with a running lab (`checkTransition` does).
 */

import type { Provisioning, RuleSet } from "../arm/limits.ts";
import { defaultLocation, segmentAfter } from "../arm/names.ts";
import type { AzureResource, ManagedCluster } from "../arm/resources.ts";
import { checkAzure } from "../arm/rules/index.ts";
import type { PropertyPath } from "../arm/rules/problem.ts";
import { isOlder } from "../arm/rules/versions.ts";
import { armKey, type Key, kubeKey, type Resource } from "../resources/resources.ts";
import { type ExpandedTemplates, expandTemplates, type NamedParameter, type TemplateOutput } from "./arm-template/index.ts";
import { readAzureExport } from "./az-export/az-export.ts";
import { type Accepted, acceptAzure } from "./azure/accept.ts";
import { ClusterObjects } from "./cluster-objects.ts";
import { factsOf } from "./facts.ts";
import { type DocumentKind, kindOf } from "./kinds.ts";
import { furtherLabFile, labFile } from "./lab/definition.ts";
import { type Complain as ComplainOfSource, expandLab, type Origin, type ReadLab, resolvePath, rulesOf } from "./lab/expand.ts";
import type { FileFault } from "./lab/faults.ts";
import { ManifestFiles } from "./manifest-files.ts";
import { located, type Placed, readManifest } from "./manifests.ts";
import { excerpt, type Finding, formatPath, type Kept, type Path, type Problem, sortedProblems } from "./problem.ts";
import type { Complain } from "./shape.ts";
import { readTerraform } from "./terraform/terraform.ts";
import { bounds, parseSources, placeOf, type Source } from "./tree.ts";

export type { NamedParameter, TemplateOutput } from "./arm-template/index.ts";
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
  /** Of deployment templates. */
  readonly outputs: readonly TemplateOutput[];
  /** What is broken from the start. Resources they become once it is known what their targets name. */
  readonly faults: readonly FileFault[];
  /** Where a resource, or a property of it, is in the documents. */
  readonly placeOf: (key: Key, property?: PropertyPath) => DocumentPlace | undefined;
};

/** What holds whatever the documents say. */
export type Overrides = {
  readonly rules?: RuleSet;
  readonly provisioning?: Provisioning;
  /** For deployment templates. */
  readonly deployment?: DeploymentOptions;
};

/** What `az deployment` takes beside the template. */
export type DeploymentOptions = {
  /** For all templates, after the parameter files among the documents; later ones win. */
  readonly parameters?: readonly (DocumentFile | NamedParameter)[];
  /** Absent: called after the lab, or after the first template. */
  readonly resourceGroup?: string;
  readonly location?: string;
  readonly subscription?: string;
  /** What utcNow() gives, in ISO 8601. */
  readonly now?: string;
};

/** `files`: of any kind; together they make one lab. */
export function loadLab(files: readonly DocumentFile[], read: ReadFile, listFolder?: ListFolder, overrides: Overrides = {}): LoadedLab {
  return new Loader(files, read, listFolder, overrides).load();
}

class Loader {
  readonly #files: readonly DocumentFile[];
  readonly #overrides: Overrides;
  readonly #read: ReadFile;
  readonly #problems: Problem[] = [];
  /** Each with the parameter files after it. */
  readonly #templates: { readonly source: Source; readonly parameters: Source[] }[] = [];
  readonly #order: string[];
  readonly #manifestFiles: ManifestFiles;
  #length = 0;

  constructor(files: readonly DocumentFile[], read: ReadFile, listFolder: ListFolder | undefined, overrides: Overrides) {
    this.#files = files;
    this.#overrides = overrides;
    this.#read = read;
    this.#order = files.map((file) => file.path);
    const parse = (file: DocumentFile) => {
      this.#order.push(file.path);
      return this.#parse(file);
    };
    this.#manifestFiles = new ManifestFiles({ read, listFolder, parse, report: (problem) => this.#report(problem) });
  }

  load(): LoadedLab {
    const documents = this.#readDocuments();
    const others = Object.values(documents).flat().length - documents.lab.length;
    const labs = this.#readLabs(documents.lab, others > 0);
    const complain: ComplainOfSource = (source, path, finding) => this.#report(located(source, resolvePath(path), finding));
    const rules = this.#overrides.rules ?? rulesOf(labs);
    const templates = this.#expandTemplates(labs);
    const azureDocuments = [
      ...documents["azure-export"].flatMap(readAzureExport),
      ...documents.terraform.flatMap((source) => readTerraform(source, complain)),
      ...templates.resources,
    ];
    const accepted = acceptAzure(azureDocuments, rules, complain);
    const { provisioning } = this.#overrides;
    const surroundings = { name: nameOf(accepted, this.#files), rules, provisioning, resources: accepted.resources };
    const expansion = expandLab(labs, surroundings, complain);
    const all = new Map([...accepted.resources, ...expansion.resources].map((resource) => [armKey(resource.id), resource]));
    const origins = new Map([...accepted.origins, ...expansion.origins]);
    const azure = [...all.values()];
    for (const problem of checkAzure(azure)) {
      const { id, property, severity, ...finding } = problem;
      this.#atOrigin(origins.get(id.toLowerCase()), property, {
        ...finding,
        resource: id,
        ...(severity === "warning" ? { severity } : {}),
      });
    }

    const resources: { key: Key; value: Resource }[] = azure.map((value) => ({ key: armKey(value.id), value }));
    const placed = new Map<Key, Placed>();
    const kept: Kept[] = [...accepted.kept, ...templates.kept];
    const clusters = azure.filter((resource) => resource.type === "Microsoft.ContainerService/managedClusters");
    const named = this.#namedManifests(documents.manifest, clusters);
    for (const cluster of clusters) {
      const manifests = expansion.manifests.get(armKey(cluster.id)) ?? [];
      const sources = [...named, ...manifests.flatMap((manifest) => this.#manifestFiles.sourcesOf(manifest))];
      for (const { object, ...place } of this.#objects(cluster, sources, { azure, rules: expansion.rules, kept })) {
        const key = kubeKey(cluster.name, object.kind, object.metadata.namespace, object.metadata.name);
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
      outputs: templates.outputs,
      faults: expansion.faults.map(({ entry, source, path }) => ({
        ...entry,
        problem: (property, finding) => located(source, [...path, property], finding),
      })),
      placeOf: (key, property = []) => {
        const object = placed.get(key);
        if (object !== undefined) return placeIn(object.source, [...object.path, ...property]);
        const origin = origins.get(key);
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

  /** The documents of the files that the lab is given as, by what they are; parameter files with the templates before them. */
  #readDocuments(): Readonly<Record<DocumentKind, readonly Source[]>> {
    const documents: Record<DocumentKind, Source[]> = {
      lab: [],
      manifest: [],
      template: [],
      "template-parameters": [],
      "azure-export": [],
      terraform: [],
    };
    for (const file of this.#files) {
      const before = this.#problems.length;
      const sources = this.#parse(file);
      if (sources.length === 0 && this.#problems.length === before) {
        const fix = "write `lab: NAME`, networks and clusters into it; see examples/two-options/lab.yaml";
        const place = { file: file.path, line: 1, column: 1, path: "" };
        this.#report({ code: "EmptyDocument", severity: "error", ...place, message: "the file is empty", fix });
      }
      for (const source of sources) {
        const kind = kindOf(source);
        documents[kind].push(source);
        if (kind === "template") this.#templates.push({ source, parameters: [] });
        if (kind === "template-parameters") {
          for (const template of this.#templates) template.parameters.push(source);
          if (this.#templates.length > 0) continue;
          const fix = "name the template first: TEMPLATE.json PARAMETERS.json";
          this.#report(located(source, [], { code: "NotALab", message: "these are parameters, and no template stands before them", fix }));
        }
      }
    }
    if (this.#files.length === 0) {
      this.#report({ code: "EmptyDocument", severity: "error", file: "", path: "", message: "no lab file is given" });
    }
    return documents;
  }

  #expandTemplates(labs: readonly ReadLab[]): ExpandedTemplates & { readonly kept: readonly Kept[] } {
    const { parameters = [], resourceGroup, location, subscription, now } = this.#overrides.deployment ?? {};
    const [first] = this.#templates;
    if (first === undefined) return { resources: [], outputs: [], kept: [] };
    const given = parameters.flatMap((one): readonly (Source | NamedParameter)[] => ("name" in one ? [one] : this.#parse(one)));
    const linked = new Map<string, Source | undefined>();
    const kept: Kept[] = [];
    const expanded = expandTemplates(
      this.#templates.map(({ source, parameters: own }) => ({ source, parameters: [...own, ...given] })),
      {
        resourceGroup: resourceGroup ?? labs.find(({ lab }) => lab.lab !== undefined)?.lab.lab ?? groupName(first.source.file),
        location: location ?? defaultLocation,
        ...(subscription === undefined ? {} : { subscriptionId: subscription }),
        ...(now === undefined ? {} : { now }),
      },
      {
        report: (source, path, finding) => this.#report(located(source, path, finding)),
        keep: (one) => kept.push(one),
        linked: (path, { file }) => {
          const key = `${file}\0${path}`;
          if (!linked.has(key)) {
            const found = this.#read(path, file);
            if (found !== undefined) this.#order.push(found.path);
            linked.set(key, found === undefined ? undefined : this.#parse(found)[0]);
          }
          return linked.get(key);
        },
      },
    );
    return { ...expanded, kept };
  }

  /** The first names the lab, unless other documents do. */
  #readLabs(sources: readonly Source[], mayBeNameless: boolean): readonly ReadLab[] {
    const labs: ReadLab[] = [];
    for (const source of sources) {
      const complain: Complain = (path, finding, of) => this.#report(located(source, path, finding, of));
      const lab = (labs.length === 0 && !mayBeNameless ? labFile : furtherLabFile).read(source.root, [], complain);
      if (lab !== undefined) labs.push({ source, lab });
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
    const bicep = /\.bicep(param)?$/i.exec(file.path);
    if (bicep !== null) {
      const [message, build] =
        bicep[1] === undefined ? ["this is Bicep's source", "build"] : ["these are parameters in Bicep's source", "build-params"];
      const fix = `compile it first, and give what comes out: az bicep ${build} --file ${excerpt(file.path)}`;
      this.#report({ code: "NotALab", severity: "error", file: file.path, line: 1, column: 1, path: "", message, fix });
      return [];
    }
    return parseSources(file, (problem) => this.#report(problem));
  }

  /** Manifests that are given like the lab itself are for its only cluster. */
  #namedManifests(sources: readonly Source[], clusters: readonly ManagedCluster[]): readonly (readonly Source[])[] {
    if (clusters.length === 1) return sources.map((source) => [source]);
    const names = clusters.map(({ name }) => name).join(", ");
    for (const source of sources) {
      const [code, message, fix] =
        clusters.length === 0
          ? [
              "NotALab",
              "this is a Kubernetes object, and no document describes a cluster",
              "name it under manifests of the cluster that it is for",
            ]
          : [
              "AmbiguousCluster",
              `there are several clusters, ${names}: which one is this for?`,
              "name it in a lab file: clusters: [{ name: CLUSTER, manifests: [FILE] }]",
            ];
      this.#report(located(source, [], { code, message, fix }));
    }
    return [];
  }

  /** The objects of a cluster's manifests that may be there together. */
  #objects(
    cluster: ManagedCluster,
    files: readonly (readonly Source[])[],
    context: { readonly azure: readonly AzureResource[]; readonly rules: RuleSet; readonly kept: Kept[] },
  ): readonly Placed[] {
    const objects = new ClusterObjects(cluster.name, (problem) => this.#report(problem));
    const version = cluster.properties.kubernetesVersion;
    const servesRemoved = (removedIn: string) => (version === undefined ? context.rules === "lesson" : isOlder(version, removedIn));
    for (const sources of files) {
      const read = readManifest(sources, { servesRemoved, report: (problem) => this.#report(problem) });
      context.kept.push(...read.kept);
      for (const placed of read.objects) objects.add(placed);
    }
    return objects.finish(factsOf(cluster, context.azure));
  }
}

/** Names of template files that say nothing: the folder says more. */
const plainNames = new Set(["azuredeploy", "main", "maintemplate", "template", "deploy", "index"]);

/** The resource group of a template: called after its file, or after the folder that it is in. */
function groupName(file: string): string {
  const [name = "", folder = ""] = file.split("/").reverse();
  const base = name.replace(/\.[^.]*$/, "");
  const chosen = plainNames.has(base.toLowerCase()) && /\w/.test(folder) ? folder : base;
  return (
    chosen
      .replace(/[^\w.()-]+/g, "-")
      .replace(/^[-.]+|[-.]+$/g, "")
      .slice(0, 60) || "lab"
  );
}

/** A lab without a lab file is called after the resource group of its first cluster or network, or after its file. */
function nameOf({ resources }: Accepted, files: readonly DocumentFile[]): string {
  const first = resources.find(({ type }) => type === "Microsoft.ContainerService/managedClusters") ?? resources[0];
  const group = first === undefined ? "" : segmentAfter(first.id, "resourceGroups");
  const file =
    files[0]?.path
      .split("/")
      .at(-1)
      ?.replace(/\.[^.]*$/, "") ?? "";
  const plain = (text: string) =>
    text
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, "-")
      .slice(0, 40)
      .replace(/^-+|-+$/g, "");
  return plain(group) || plain(file) || "lab";
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

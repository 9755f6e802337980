/** Kubernetes manifests to objects: ordinary YAML or JSON, several documents, lists. Each file is read once, however many clusters use it. */

import { Field, type FieldProblem, type FieldReason, isObject, words } from "../kube/field.ts";
import { kindNames, treatmentOf } from "../kube/kinds/index.ts";
import type { ClusterFacts, JsonObject, Kind } from "../kube/kinds/kind.ts";
import { textValues } from "../kube/kinds/pod-spec.ts";
import { dnsLabel, pathSegment, qualifiedName } from "../kube/names.ts";
import type { KubeObject } from "../kube/objects.ts";
import { checkLabels } from "../kube/selectors.ts";
import { closest } from "./nearest.ts";
import { excerpt, type Finding, formatPath, formatValue, type Kept, type Path, type Problem } from "./problem.ts";
import { placeOf, type Source, type Tree, toJson } from "./tree.ts";

/** An object of a manifest, checked and completed, and where it is. */
export type Placed = {
  readonly object: KubeObject;
  readonly kind: Kind;
  readonly source: Source;
  /** In the document: empty, or `items[2]` in a list. */
  readonly path: Path;
};

export type Manifest = { readonly objects: readonly Placed[]; readonly kept: readonly Kept[] };

export type ManifestOptions = {
  /** Kubernetes' version, for API versions that went; `undefined` is today's. */
  readonly servesRemoved: (removedIn: string) => boolean;
  readonly report: (problem: Problem) => void;
};

/** Objects in a list may be lists; deeper than this is nobody's. */
const maxListDepth = 4;

export function readManifest(sources: readonly Source[], options: ManifestOptions): Manifest {
  const objects: Placed[] = [];
  const kept: Kept[] = [];
  for (const source of sources) readObject(source, source.root, [], { ...options, objects, kept }, 0);
  return { objects, kept };
}

type Context = ManifestOptions & { readonly objects: Placed[]; readonly kept: Kept[] };

function readObject(source: Source, tree: Tree, path: Path, context: Context, depth: number): void {
  const report = (at: Path, finding: Finding, of: "key" | "value" = "value") =>
    context.report(located(source, [...path, ...at], finding, of));
  if (tree.kind !== "map") {
    const message =
      tree.kind === "list"
        ? "a list of objects is no manifest"
        : `${formatValue(tree.kind === "scalar" ? tree.value : "")} is no Kubernetes object`;
    report([], {
      code: "NotAnObject",
      message,
      fix: tree.kind === "list" ? "separate objects with a line ---, or use kind: List" : "an object has apiVersion, kind and metadata",
    });
    return;
  }
  const apiVersion = textAt(tree, "apiVersion");
  const kind = textAt(tree, "kind");
  if (apiVersion === undefined || kind === undefined) {
    for (const [name, value] of [["apiVersion", apiVersion] as const, ["kind", kind] as const]) {
      if (value !== undefined) continue;
      const isLab = tree.entries.has("lab") || tree.entries.has("clusters");
      const fix = isLab
        ? "this looks like a lab file: give it to the command, not to manifests"
        : "every object has apiVersion and kind, such as apps/v1 and Deployment";
      report([name], { code: "FieldValueRequired", message: `this is no Kubernetes object: it has no ${name}`, fix });
    }
    return;
  }
  const items = tree.entries.get("items")?.value;
  if (kind.endsWith("List") && (items !== undefined || kind === "List")) {
    if (items?.kind !== "list") {
      report(["items"], { code: "FieldValueTypeInvalid", message: "items must be a list" });
      return;
    }
    if (depth >= maxListDepth) {
      report([], { code: "DocumentTooLarge", message: `lists are nested more than ${maxListDepth} deep` });
      return;
    }
    // A typed list may leave kind and apiVersion of its items out.
    const itemKind = kind === "List" ? undefined : kind.slice(0, -"List".length);
    for (const [index, item] of items.items.entries()) {
      readObject(source, withType(item, apiVersion, itemKind), [...path, "items", index], context, depth + 1);
    }
    return;
  }

  const treatment = treatmentOf(apiVersion, kind);
  const name = textAt(tree.entries.get("metadata")?.value, "name") ?? "";
  const keep = (why: string) => {
    const { line } = placeOf(source, path);
    context.kept.push({ file: source.file, line, kind, name: excerpt(name), why });
  };
  switch (treatment.treatment) {
    case "kept":
      keep(treatment.why);
      if (treatment.warning !== undefined) {
        report(["kind"], {
          code: "NoController",
          severity: "warning",
          value: kind,
          message: `${kind} ${formatValue(name)}: ${treatment.warning}`,
          ...(treatment.fix === undefined ? {} : { fix: treatment.fix }),
        });
      }
      return;
    case "refused":
      report(["kind"], {
        code: "NotModelled",
        value: kind,
        message: `${kind} ${formatValue(name)}: ${treatment.what} is not modelled yet`,
        fix: treatment.fix,
      });
      return;
    case "unknown": {
      const meant = kindNames.includes(kind) ? undefined : closest(kind, kindNames);
      const suggestion = meant === undefined ? "" : `; did you mean ${meant}?`;
      report(["kind"], { code: "NoKindMatch", value: kind, message: `${excerpt(treatment.why)}${suggestion}`, fix: treatment.fix });
      return;
    }
    case "understood":
      break;
    default:
      treatment satisfies never;
  }
  const known = treatment.kind;
  const removedIn = known.removed?.[apiVersion];
  if (removedIn !== undefined && !context.servesRemoved(removedIn)) {
    report(["apiVersion"], {
      code: "NoKindMatch",
      value: apiVersion,
      message: `no matches for kind ${JSON.stringify(kind)} in version ${JSON.stringify(apiVersion)}: Kubernetes ${removedIn} no longer has it`,
      source: "k8sdoc:reference/using-api/deprecation-guide",
      fix: `use apiVersion: ${known.apiVersion}; spec.selector must be there`,
    });
  }
  const value = toJson(tree);
  if (!isObject(value)) return;
  const object = withNamespace(removedIn === undefined ? value : withSelector(value), known);
  let hasErrors = false;
  const field = new Field(object, [], (problem) => {
    if (problem.severity === "error") hasErrors = true;
    report(problem.path, findingOf(problem), problem.reason === "UnknownField" ? "key" : "value");
  });
  checkMetadata(field, known);
  field.known(["apiVersion", "kind", "metadata", "status", ...known.fields]);
  known.check(field);
  if (hasErrors) return;
  const owner = controllerOf(object);
  if (owner !== undefined) {
    keep(`an export of what ${owner} makes; it will make it again`);
    return;
  }
  const reason = known.kept?.(object);
  if (reason !== undefined) keep(reason.why);
  if (reason?.isLeftOut === true) return;
  context.objects.push({ object: completed(object, known), kind: known, source, path });
}

/** A problem of a file with the place of what it is about. */
export function located(source: Source, path: Path, finding: Finding, of: "key" | "value" = "value"): Problem {
  const { line, column } = placeOf(source, path, of);
  return { severity: "error", ...finding, file: source.file, line, column, path: formatPath(path) };
}

/** How the API server's messages begin (k8s, apimachinery/pkg/util/validation/field/errors.go). */
const statements: Readonly<Partial<Record<FieldReason, string>>> = {
  FieldValueRequired: "Required value: ",
  FieldValueInvalid: "Invalid value: ",
  FieldValueTypeInvalid: "Invalid value: ",
  FieldValueDuplicate: "Duplicate value: ",
  FieldValueForbidden: "Forbidden: ",
  FieldValueNotSupported: "Unsupported value: ",
};

/** Reason and message as they are; what would have been meant, if it can be guessed. */
function findingOf(problem: FieldProblem): Finding {
  const { reason, severity, path: _path, known = [], message, ...rest } = problem;
  const wrong =
    reason === "UnknownField" ? String(problem.path.at(-1) ?? "") : typeof problem.value === "string" ? problem.value : undefined;
  const meant = wrong === undefined ? undefined : closest(wrong, known);
  const text = meant === undefined ? message : `${message}; did you mean ${JSON.stringify(meant)}?`;
  const value = reason === "UnknownField" || problem.value === undefined ? "" : `${formatValue(problem.value)}: `;
  const stated = `${statements[reason] ?? ""}${value}${text}`;
  return { ...rest, code: reason, ...(severity === "warning" ? { severity } : {}), message: stated };
}

/** What an object breaks that depends on the cluster it is put into. */
export function checkInCluster(placed: Placed, cluster: ClusterFacts, report: (problem: Problem) => void): void {
  const { object, kind, source, path } = placed;
  kind.checkInCluster?.(
    new Field(object, [], (problem) => report(located(source, [...path, ...problem.path], findingOf(problem)))),
    cluster,
  );
}

function textAt(tree: Tree | undefined, name: string): string | undefined {
  const part = tree?.kind === "map" ? tree.entries.get(name)?.value : undefined;
  return part?.kind === "scalar" && typeof part.value === "string" && part.value !== "" ? part.value : undefined;
}

function withType(item: Tree, listVersion: string, kind: string | undefined): Tree {
  if (item.kind !== "map" || kind === undefined || item.entries.has("kind")) return item;
  const entry = (text: string) => ({
    offset: item.offset,
    value: { kind: "scalar", value: text, text, offset: item.offset, size: 1 } as const,
  });
  return { ...item, entries: new Map([["apiVersion", entry(listVersion)], ["kind", entry(kind)], ...item.entries]) };
}

/** As extensions/v1beta1 did: a selector that is left out is the template's labels. */
function withSelector(object: JsonObject): JsonObject {
  const { spec } = object;
  if (!isObject(spec) || spec.selector !== undefined || !isObject(spec.template) || !isObject(spec.template.metadata)) return object;
  return { ...object, spec: { ...spec, selector: { matchLabels: spec.template.metadata.labels } } };
}

/** The namespace that kubectl would fill in. */
function withNamespace(object: JsonObject, kind: Kind): JsonObject {
  const metadata = isObject(object.metadata) ? object.metadata : undefined;
  if (!kind.isNamespaced || metadata === undefined || (metadata.namespace ?? "") !== "") return object;
  return { ...object, metadata: { ...metadata, namespace: "default" } };
}

const metadataFields = words(`
  name generateName namespace labels annotations ownerReferences finalizers uid resourceVersion generation
  creationTimestamp deletionTimestamp deletionGracePeriodSeconds selfLink managedFields clusterName
`);

function checkMetadata(object: Field, kind: Kind): void {
  const metadata = object.get("metadata");
  if (!metadata.require("metadata is missing: an object needs a name") || metadata.object() === undefined) return;
  metadata.known(metadataFields);
  const name = metadata.get("name");
  if (name.isPresent) name.matches((text) => pathSegment(text) ?? kind.name(text));
  else {
    const fix = metadata.get("generateName").isPresent
      ? "give it a name: with generateName every apply would make another one"
      : "give it a name";
    name.require("name is required", { fix });
  }
  if (kind.isNamespaced) metadata.get("namespace").matches(dnsLabel);
  else metadata.get("namespace").text();
  checkLabels(metadata.get("labels"));
  for (const [key, field] of metadata.get("annotations").entries()) {
    // Services and pods look at theirs more closely.
    if (kind.kind === "Service" || kind.kind === "Pod") continue;
    field.text();
    const problem = qualifiedName(key.toLowerCase());
    if (problem !== undefined) field.report("FieldValueInvalid", `annotation key ${JSON.stringify(key)}: ${problem}`);
  }
}

/** `ReplicaSet web-5d4f`, of an exported object that another one made. */
function controllerOf(object: JsonObject): string | undefined {
  const references = isObject(object.metadata) ? object.metadata.ownerReferences : undefined;
  if (!Array.isArray(references)) return undefined;
  const controller: unknown = references.find((reference) => isObject(reference) && reference.controller === true);
  return isObject(controller) ? `${String(controller.kind)} ${excerpt(String(controller.name))}` : undefined;
}

/** Without what only a server writes; with its defaults. */
function completed(object: JsonObject, kind: Kind): KubeObject {
  const { status: _status, ...desired } = object;
  const complete = kind.complete?.(desired) ?? desired;
  const given = isObject(object.metadata) ? object.metadata : {};
  const labels = isObject(complete.metadata) ? complete.metadata.labels : undefined;
  const { name, namespace, annotations } = given;
  const metadata = {
    name: String(name),
    ...(kind.isNamespaced ? { namespace: String(namespace) } : {}),
    ...(isObject(labels) ? { labels: labelsOf(labels) } : {}),
    ...(isObject(annotations) ? { annotations: labelsOf(annotations) } : {}),
  };
  const result: KubeObject = { ...complete, apiVersion: kind.apiVersion, kind: kind.kind, metadata };
  return result;
}

function labelsOf(labels: JsonObject): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(textValues(labels)).map(([key, value]) => [key, String(value)]));
}

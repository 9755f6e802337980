/**
 * The pure rooms, composed: from documents to a network in one call, and the names of what is in it.
 *
 * Everything here works the same on files and on the resources of a running lab. It does no I/O.
 */

import { assumptions, controllers, settle } from "../controllers/index.ts";
import {
  type DocumentFile,
  type FileFault,
  type Kept,
  type ListFolder,
  loadLab,
  type Overrides,
  type Problem,
  type ReadFile,
  type TemplateOutput,
} from "../documents/index.ts";
import { MemoryResources } from "../resources/memory.ts";
import { armKey, type Key, type Resource } from "../resources/resources.ts";
import { resolveFaults } from "./file-faults.ts";
import { LabView } from "./view.ts";

/** What documents say, before anybody has done anything about it. */
export type ReadLab = {
  readonly name: string;
  readonly documents: Documents;
  readonly problems: readonly Problem[];
  readonly kept: readonly Kept[];
  /** Of deployment templates. */
  readonly outputs: readonly TemplateOutput[];
};

export type Documents = readonly { readonly key: Key; readonly value: Resource }[];

export type OpenedLab = ReadLab & {
  /** Absent when the documents have errors. */
  readonly view?: LabView;
  /** Rounds until the controllers came to rest. */
  readonly rounds: number;
};

/** Reads documents, for somebody who runs what they say elsewhere. */
export function readLab(files: readonly DocumentFile[], read: ReadFile, listFolder?: ListFolder, overrides?: Overrides): ReadLab {
  const { faults, ...lab } = load(files, read, listFolder, overrides);
  // What a fault's target names is known only of a lab at rest.
  return hasErrors(lab) || faults.length === 0 ? lab : withFaults(lab, faults, settled(lab).view).lab;
}

/**
 * Reads documents, runs what Azure, AKS and Kubernetes do about them to the end, and compiles the result. What a running lab would have to measure
 * (do pods answer? do probes?) is assumed to go well. Faults of the documents come when everything else is at rest, as in a running lab.
 */
export function openLab(files: readonly DocumentFile[], read: ReadFile, listFolder?: ListFolder, overrides?: Overrides): OpenedLab {
  const { faults, ...lab } = load(files, read, listFolder, overrides);
  if (hasErrors(lab)) return { ...lab, rounds: 0 };
  const { resources, rounds, view } = settled(lab);
  if (faults.length === 0) return { ...lab, view, rounds };
  const broken = withFaults(lab, faults, view);
  if (hasErrors(broken.lab)) return { ...broken.lab, rounds };
  resources.apply(broken.documents);
  const more = settleAll(resources);
  return { ...broken.lab, view: new LabView(lab.name, resources), rounds: rounds + more };
}

/** What comes of documents that are resources already, and valid. */
export function openResources(name: string, documents: Documents): LabView {
  return settled({ name, documents }).view;
}

function load(
  files: readonly DocumentFile[],
  read: ReadFile,
  listFolder?: ListFolder,
  overrides?: Overrides,
): ReadLab & { readonly faults: readonly FileFault[] } {
  const { name, resources: documents, problems, kept, outputs, faults } = loadLab(files, read, listFolder, overrides);
  return { name, documents, problems, kept, outputs, faults };
}

function settled(lab: Pick<ReadLab, "name" | "documents">): {
  readonly resources: MemoryResources;
  readonly rounds: number;
  readonly view: LabView;
} {
  const resources = new MemoryResources();
  resources.apply(lab.documents);
  const rounds = settleAll(resources);
  return { resources, rounds, view: new LabView(lab.name, resources) };
}

function settleAll(resources: MemoryResources): number {
  return settle(resources, [...controllers, ...assumptions], (writes) => resources.apply(writes));
}

/** `healthy`: the lab without them. `documents`: the faults alone. */
function withFaults(
  lab: ReadLab,
  wanted: readonly FileFault[],
  healthy: LabView,
): { readonly lab: ReadLab; readonly documents: Documents } {
  const { faults, problems } = resolveFaults(healthy, wanted);
  const documents = faults.map((value) => ({ key: armKey(value.id), value }));
  return { lab: { ...lab, documents: [...lab.documents, ...documents], problems: [...lab.problems, ...problems] }, documents };
}

/** Then nothing may be done with it. */
export function hasErrors({ problems }: ReadLab): boolean {
  return problems.some((problem) => problem.severity === "error");
}

/**
 * The pure rooms, composed: from documents to a network in one call, and the names of what is in it.
 *
 * Everything here works the same on files and on the resources of a running lab. It does no I/O.
 */

import { assumptions, controllers, settle } from "../controllers/index.ts";
import { type DocumentFile, type Kept, type ListFolder, loadLab, type Problem, type ReadFile } from "../documents/index.ts";
import { MemoryResources } from "../resources/memory.ts";
import type { Key, Resource } from "../resources/resources.ts";
import { LabView } from "./view.ts";

/** What documents say, before anybody has done anything about it. */
export type ReadLab = {
  readonly name: string;
  readonly documents: readonly { readonly key: Key; readonly value: Resource }[];
  readonly problems: readonly Problem[];
  readonly kept: readonly Kept[];
};

export type OpenedLab = ReadLab & {
  /** Absent when the documents have errors. */
  readonly view?: LabView;
  /** Rounds until the controllers came to rest. */
  readonly rounds: number;
};

/** Reads documents, for somebody who runs what they say elsewhere. */
export function readLab(files: readonly DocumentFile[], read: ReadFile, listFolder?: ListFolder): ReadLab {
  const { name, resources: documents, problems, kept } = loadLab(files, read, listFolder);
  return { name, documents, problems, kept };
}

/**
 * Reads documents, runs what Azure, AKS and Kubernetes do about them to the end, and compiles the result. What a running lab would have to measure
 * (do pods answer? do probes?) is assumed to go well.
 */
export function openLab(files: readonly DocumentFile[], read: ReadFile, listFolder?: ListFolder): OpenedLab {
  const lab = readLab(files, read, listFolder);
  if (hasErrors(lab)) return { ...lab, rounds: 0 };
  const resources = new MemoryResources();
  resources.apply(lab.documents);
  const rounds = settle(resources, [...controllers, ...assumptions], (writes) => resources.apply(writes));
  return { ...lab, view: new LabView(lab.name, resources), rounds };
}

/** Then nothing may be done with it. */
export function hasErrors({ problems }: ReadLab): boolean {
  return problems.some((problem) => problem.severity === "error");
}

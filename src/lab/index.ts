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

export type OpenedLab = {
  /** Absent when the documents have errors. */
  readonly view?: LabView;
  readonly name: string;
  /** What the documents say, before anybody has done anything about it. */
  readonly documents: readonly { readonly key: Key; readonly value: Resource }[];
  readonly problems: readonly Problem[];
  readonly kept: readonly Kept[];
  /** Rounds until the controllers came to rest. */
  readonly rounds: number;
};

/**
 * Reads documents, runs what Azure, AKS and Kubernetes do about them to the end, and compiles the result. What a running lab would have to measure
 * (do pods answer? do probes?) is assumed to go well.
 */
export function openLab(files: readonly DocumentFile[], read: ReadFile, listFolder?: ListFolder): OpenedLab {
  const { name, resources: desired, problems, kept } = loadLab(files, read, listFolder);
  if (problems.some((problem) => problem.severity === "error")) return { name, documents: desired, problems, kept, rounds: 0 };
  const resources = new MemoryResources();
  resources.apply(desired);
  const rounds = settle(resources, [...controllers, ...assumptions], (writes) => resources.apply(writes));
  return { view: new LabView(name, resources), name, documents: desired, problems, kept, rounds };
}

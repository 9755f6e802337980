/** Network policies from a manifest, for questions such as "what if": checked for the cluster that they would be put into. */

import type { AzureResource, ManagedCluster } from "../arm/resources.ts";
import type { NetworkPolicy } from "../kube/objects.ts";
import { factsOf } from "./facts.ts";
import type { DocumentFile } from "./index.ts";
import { checkInCluster, located, readManifest } from "./manifests.ts";
import { type Problem, sortedProblems } from "./problem.ts";
import { parseSources } from "./tree.ts";

/** `resources`: the lab's. `policies` is complete when no problem is an error. Objects of other kinds are problems: they would change more than policies. */
export function readPolicies(
  file: DocumentFile,
  cluster: ManagedCluster,
  resources: readonly AzureResource[],
): { readonly policies: readonly NetworkPolicy[]; readonly problems: readonly Problem[] } {
  const problems: Problem[] = [];
  const report = (problem: Problem) => problems.push(problem);
  const facts = factsOf(cluster, resources);
  const { objects } = readManifest(parseSources(file, report), { servesRemoved: () => false, report });
  const policies = objects.flatMap((placed) => {
    if (placed.object.kind !== "NetworkPolicy") {
      const message = `${placed.object.kind} ${placed.object.metadata.name} is no NetworkPolicy`;
      report(
        located(placed.source, [...placed.path, "kind"], { code: "NotAPolicy", message, fix: "leave it out here, and apply it first" }),
      );
      return [];
    }
    checkInCluster(placed, facts, report);
    return [placed.object as NetworkPolicy];
  });
  return { policies, problems: sortedProblems(problems, [file.path]) };
}

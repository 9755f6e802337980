/** Network policies in files of their own, that a design has not: for commands that say what they would do to it. */

import type { ClusterInfo } from "../compile/topology.ts";
import { nearest } from "../documents/nearest.ts";
import { readPolicies } from "../documents/policies.ts";
import type { NetworkPolicy } from "../kube/objects.ts";
import type { LabView } from "../lab/view.ts";
import { armBucket } from "../resources/resources.ts";
import type { Context } from "./context.ts";
import { Failure } from "./failure.ts";
import { documentFailure, readDocument, warn } from "./files.ts";

/** The cluster of that name, or the only one. Throws a {@link Failure}. */
export function findCluster(view: LabView, name: string | undefined): ClusterInfo {
  const { clusters } = view.topology;
  const [only, another] = [...clusters.values()];
  const found = name === undefined ? (another === undefined ? only : undefined) : clusters.get(name);
  if (found !== undefined) return found;
  const known = [...clusters.keys()];
  if (name === undefined && known.length > 0) {
    throw new Failure("usage", "the lab has several clusters", { fix: known.map((each) => `--cluster ${each}`).join(" or ") });
  }
  throw new Failure("unknown", name === undefined ? "the lab has no cluster" : `there is no cluster ${name}`, {
    details: nearestLines(name ?? "", known),
  });
}

export function nearestLines(name: string, known: readonly string[]): readonly string[] {
  const meant = nearest(name, known);
  return meant === undefined ? [] : [`did you mean: ${meant}`];
}

/** The NetworkPolicy objects of a file, for a cluster. Throws a {@link Failure} with its problems. */
export function policiesOf(context: Context, path: string, view: LabView, cluster: ClusterInfo): readonly NetworkPolicy[] {
  const pools = view.resources.list(armBucket("Microsoft.ContainerService/managedClusters/agentPools")).filter((one) => "type" in one);
  const { policies, problems } = readPolicies(readDocument(context, path), cluster.resource, pools);
  if (problems.some(({ severity }) => severity === "error")) throw documentFailure([path], problems, context.errorStyle);
  warn(context, problems);
  return policies;
}

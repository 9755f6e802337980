/** Clusters of a design with each network option, counted and traced. A design with errors is not traced: there are no packets in it. */

import type { LoadedLab } from "../documents/index.ts";
import { type TracedOption, traceOptions } from "../flows/options-traced.ts";
import type { ClusterPlan } from "../plan/index.ts";
import { comparisonBlocks } from "../plan/report/comparison.ts";
import type { Block } from "../render/document.ts";

/** By the clusters' names. */
export type Comparisons = {
  readonly traced: ReadonlyMap<string, readonly TracedOption[]>;
  readonly blocks: ReadonlyMap<string, readonly Block[]>;
};

export function compareOptions({ resources }: LoadedLab, clusters: readonly ClusterPlan[]): Comparisons {
  const traced = new Map<string, readonly TracedOption[]>();
  const blocks = new Map<string, readonly Block[]>();
  for (const { value } of resources) {
    if (!("type" in value) || value.type !== "Microsoft.ContainerService/managedClusters") continue;
    const cluster = clusters.find(({ id }) => id === value.id);
    if (cluster === undefined) continue;
    const options = traceOptions(resources, value);
    traced.set(cluster.name, options);
    blocks.set(cluster.name, comparisonBlocks(cluster, options));
  }
  return { traced, blocks };
}

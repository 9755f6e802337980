/**
 * A design that has what was answered and nothing else, so that addresses are counted for it as for any other: a VNet that is the free range, a node
 * subnet that fills it, and a cluster with as many nodes. It is only counted, never shown.
 */

import type { RuleSet } from "../../arm/limits.ts";
import type { DocumentFile } from "../../documents/index.ts";
import { mustPrefix, parsePrefix, prefixesOverlap } from "../../net/prefix.ts";
import type { Answers } from "./answers.ts";

/** A VNet for 5,000 nodes with 250 pods each, where nobody has said which range is free. */
const anyRange = "10.0.0.0/8";

export function supposedLab({ file, given }: Answers, rules: RuleSet): DocumentFile {
  const { cluster = "cluster", nodes = 3, maxPods, kubernetesVersion } = given;
  const addressSpace = given.addressSpace ?? anyRange;
  const size = { ...(maxPods === undefined ? {} : { maxPods }) };
  const lab = {
    lab: "answers",
    rules,
    networks: [{ name: "vnet", addressSpace: [addressSpace], subnets: [{ name: "nodes", prefix: addressSpace }] }],
    clusters: [
      {
        name: cluster,
        networkPlugin: "azure",
        networkPluginMode: "overlay",
        ...(kubernetesVersion === undefined ? {} : { kubernetesVersion }),
        podCidr: apartFrom(addressSpace, ["100.64.0.0/10", "10.64.0.0/10"]),
        serviceCidr: apartFrom(addressSpace, ["172.20.0.0/16", "10.0.0.0/16"]),
        subnet: "vnet/nodes",
        pools: poolSizes(nodes).map((count, index) => ({ name: `np${index + 1}`, count, ...size })),
      },
    ],
  };
  return { path: file, text: JSON.stringify(lab) };
}

/** A pool has at most 1,000 nodes, and its surge is among them while it is upgraded. */
function poolSizes(nodes: number): readonly number[] {
  const pools = Math.ceil(nodes / 900);
  return Array.from({ length: pools }, (_, index) => Math.floor(nodes / pools) + (index < nodes % pools ? 1 : 0));
}

function apartFrom(range: string, candidates: readonly string[]): string {
  const taken = parsePrefix(range);
  return candidates.find((candidate) => taken === undefined || !prefixesOverlap(taken, mustPrefix(candidate))) ?? candidates[0] ?? range;
}

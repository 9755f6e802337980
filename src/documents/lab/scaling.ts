/** What a lab file says about how many nodes a pool may have: the autoscaler's bounds, and what an upgrade adds. A lab runs `count` nodes; `drydock plan` counts with all of it. */

import { surgeDefaults, surgeDefaultVersion } from "../../arm/limits.ts";
import { flag, integer, object, optional, text } from "../shape.ts";

const nodesOrPercent = (what: string) =>
  text({
    what,
    pattern: /^\d{1,4}%?$/,
    rule: "a number of nodes, or a percentage such as 33%",
    source: "aks:upgrade-aks-node-pools-rolling.md",
    examples: ["33%", "1"],
    numbersToo: true,
  });

export const scaling = {
  enableAutoScaling: optional(
    flag("enableAutoScaling"),
    "True: the cluster autoscaler keeps the pool between minCount and maxCount nodes. A lab runs count of them; a plan counts with maxCount.",
  ),
  minCount: optional(integer({ what: "minCount", min: 0, max: 1000 }), "Fewest nodes; with enableAutoScaling."),
  maxCount: optional(integer({ what: "maxCount", min: 1, max: 1000 }), "Most nodes; with enableAutoScaling."),
  upgradeSettings: optional(
    object(
      {
        maxSurge: optional(
          nodesOrPercent("maxSurge"),
          `Nodes that an upgrade adds, as a number or a percentage, which is rounded up. Default: ${surgeDefaults.newer.value}%, below Kubernetes ${surgeDefaultVersion} ${surgeDefaults.older.value}.`,
        ),
        maxUnavailable: optional(
          nodesOrPercent("maxUnavailable"),
          "Nodes that an upgrade takes away at a time instead of adding some; needs maxSurge: 0, and is not for System pools. Default: 0.",
        ),
      },
      {
        what: "upgrade settings",
        notModelled: {
          drainTimeoutInMinutes: "leave it out: it changes no address",
          nodeSoakDurationInMinutes: "leave it out: it changes no address",
          undrainableNodeBehavior: "leave it out: it changes no address",
        },
      },
    ),
    "How the pool is upgraded. A lab is never upgraded; a plan counts with the surge nodes.",
  ),
} as const;

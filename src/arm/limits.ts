/**
 * Azure's and AKS's figures, in one place: what, which rule set, since when, and the document that says so. A file for each theme is in limits/.
 */

import { clusterRanges, clusters } from "./limits/clusters.ts";
import type { Limit, Range } from "./limits/limit.ts";
import { networkRanges, networks } from "./limits/networks.ts";
import { outbound, outboundRanges } from "./limits/outbound.ts";

export {
  clusterDefaults,
  dockerBridge,
  kubenetNodes,
  managedNetwork,
  maxPodsDefault,
  maxPodsRange,
  networkModeDefault,
  nodesPerCluster,
  overlayDefaultVersion,
  overlayMoveVersion,
  staticBlockVersion,
} from "./limits/clusters.ts";
export { endpointServices } from "./limits/endpoint-services.ts";
export { dayOf, type Figure, type Limit, limitAt, limitsRead, type Range, type RuleSet } from "./limits/limit.ts";
export { type MaxPodsChoice, maxPodsChoice, type Provisioning, provisioningNames, provisioningRoutes } from "./limits/provisioning.ts";
export { aksForbidden, labReserved, networkForbidden, notOnInternet, type Reserved } from "./limits/reserved.ts";
export { retirements } from "./limits/retirements.ts";
export { type MaxSurge, nodesDuringUpgrade, surgeDefaults, surgeDefaultVersion, upgradeSource } from "./limits/upgrades.ts";

/** Those that are the same in both rule sets. */
export const limits = { ...networks, ...clusters, ...outbound } as const satisfies Record<string, Limit>;

export const ranges = { ...networkRanges, ...clusterRanges, ...outboundRanges } as const satisfies Record<string, Range>;

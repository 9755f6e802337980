/**
 * What Azure would refuse of a set of resources, all of it at once. Pure rules over typed resources: whether they came from a lab file, a template or
 * a request makes no difference. The shapes themselves (wrong types, unknown properties) are the reader's business.
 */

import type { AzureResource } from "../resources.ts";
import { checkClusters } from "./clusters.ts";
import { checkDualStack } from "./dual-stack.ts";
import { checkFirewalls } from "./firewalls.ts";
import { checkLoadBalancers } from "./load-balancers.ts";
import { checkNetworks } from "./networks.ts";
import { checkPeerings } from "./peerings.ts";
import type { ArmProblem } from "./problem.ts";
import { checkPublicAddresses } from "./public-addresses.ts";
import { checkSecurityGroups } from "./security-groups.ts";
import { checkSurroundings } from "./surroundings.ts";
import { azureView } from "./view.ts";
import { checkVirtualNodes } from "./virtual-nodes.ts";

export function checkAzure(resources: readonly AzureResource[]): readonly ArmProblem[] {
  const problems: ArmProblem[] = [];
  const report = (problem: ArmProblem) => problems.push(problem);
  const view = azureView(resources);
  checkNetworks(view, report);
  checkSecurityGroups(view, report);
  checkPeerings(view, report);
  checkSurroundings(view, report);
  checkFirewalls(view, report);
  checkPublicAddresses(view, report);
  checkLoadBalancers(view, report);
  checkClusters(view, report);
  checkVirtualNodes(view, report);
  checkDualStack(view, report);
  return problems;
}

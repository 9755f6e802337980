/** What AKS asks of a cluster that moves to Azure CNI Overlay in place, beyond what it asks of every overlay. AKS docs: update-azure-cni. */

import { overlayMoveVersion, type RuleSet } from "./limits.ts";
import { type NetworkOption, optionNames } from "./network-option.ts";
import type { ManagedCluster } from "./resources.ts";
import type { ArmProblem, PropertyPath } from "./rules/problem.ts";
import { isOlder } from "./rules/versions.ts";

export const overlayMoveDocs = "aks:update-azure-cni.md";

/** The only moves in place that there are. */
export function isOverlayMove(from: NetworkOption, to: NetworkOption): boolean {
  return to === "overlay" && (from === "kubenet" || from === "nodeSubnet");
}

export function overlayMoveProblems(before: ManagedCluster, after: ManagedCluster, rules: RuleSet): readonly ArmProblem[] {
  const problems: ArmProblem[] = [];
  const [old, wanted] = [before.properties.networkProfile, after.properties.networkProfile];
  const refuse = (property: PropertyPath, value: unknown, why: string, fix: string) =>
    problems.push({
      code: "PropertyChangeNotAllowed",
      severity: "error",
      id: after.id,
      property,
      value,
      message: `cluster ${after.name} cannot move to ${optionNames.overlay} in place: ${why}`,
      source: overlayMoveDocs,
      fix,
    });
  const { kubernetesVersion } = after.properties;
  if (kubernetesVersion === undefined ? rules === "lesson" : isOlder(kubernetesVersion, overlayMoveVersion)) {
    const has = kubernetesVersion === undefined ? "one of rules: lesson is older" : `it has ${kubernetesVersion}`;
    const fix = `upgrade first: kubernetesVersion: ${overlayMoveVersion} or later`;
    refuse(["kubernetesVersion"], kubernetesVersion, `that needs Kubernetes ${overlayMoveVersion}; ${has}`, fix);
  }
  if (old.networkPolicy === "azure" || old.networkPolicy === "calico") {
    const why = `its network policy engine, ${old.networkPolicy}, must be gone before`;
    refuse(["networkProfile", "networkPolicy"], wanted.networkPolicy, why, "apply networkPolicy: none first, then move");
  }
  if ((old.networkDataplane ?? "azure") !== (wanted.networkDataplane ?? "azure")) {
    const why = "the data plane changes in an operation of its own";
    refuse(["networkProfile", "networkDataplane"], wanted.networkDataplane, why, "move first, then change networkDataplane");
  }
  return problems;
}

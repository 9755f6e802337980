/** Which network policy engine goes with which network option and data plane (AKS docs: use-network-policies, azure-cni-powered-by-cilium). */

import { limits } from "../limits.ts";
import type { AgentPool, ManagedCluster, NetworkProfile } from "../resources.ts";
import type { ArmProblem, Report } from "./problem.ts";

const policies = "aks:use-network-policies.md";
const cilium = "aks:azure-cni-powered-by-cilium.md";

export function checkNetworkPolicy(cluster: ManagedCluster, pools: readonly AgentPool[], report: Report): void {
  const { networkProfile } = cluster.properties;
  const refuse = (property: keyof NetworkProfile, problem: Omit<ArmProblem, "id" | "property" | "severity" | "value">) =>
    report({ severity: "error", ...problem, value: networkProfile[property], id: cluster.id, property: ["networkProfile", property] });
  const { networkPlugin, networkPolicy = "none", networkDataplane = "azure" } = networkProfile;
  if (networkDataplane === "cilium" && networkPlugin !== "azure") {
    refuse("networkDataplane", {
      code: "InvalidParameter",
      message: `the Cilium data plane is Azure CNI's; it does not go with networkPlugin ${networkPlugin}`,
      source: cilium,
      fix: "use networkPlugin: azure, or leave networkDataplane out",
    });
    return;
  }
  const windows = pools.find((pool) => pool.properties.osType === "Windows");
  if (networkDataplane === "cilium" && windows !== undefined) {
    refuse("networkDataplane", {
      code: "InvalidParameter",
      message: `the Cilium data plane is for Linux nodes; pool ${windows.name} is Windows`,
      source: cilium,
      fix: "use networkPolicy: calico or azure without networkDataplane, or osType: Linux",
    });
  }
  const engine = engineProblem(networkProfile);
  if (engine !== undefined) refuse("networkPolicy", engine);
  if (networkPolicy !== "azure") return;
  const nodes = pools.reduce((sum, pool) => sum + pool.properties.count, 0);
  const { value, source } = limits.networkPolicyManagerNodes;
  if (nodes > value) {
    refuse("networkPolicy", {
      code: "InvalidParameter",
      message: `Azure Network Policy Manager is for at most ${value} nodes; the pools of cluster ${cluster.name} have ${nodes}`,
      source,
      fix: "use networkDataplane: cilium with networkPolicy: cilium",
    });
  }
}

/** Why the engine does not go with the rest, if it does not. */
function engineProblem(profile: NetworkProfile): Pick<ArmProblem, "code" | "message" | "source" | "fix"> | undefined {
  const { networkPlugin, networkPolicy = "none", networkDataplane = "azure" } = profile;
  const invalid = (message: string, source: string, fix: string) => ({ code: "InvalidParameter", message, source, fix }) as const;
  if (networkDataplane === "cilium") {
    if (networkPolicy === "cilium") return undefined;
    return invalid(
      `the Cilium data plane enforces network policies itself; it does not go with networkPolicy ${networkPolicy}`,
      cilium,
      "use networkPolicy: cilium, or leave it out",
    );
  }
  switch (networkPolicy) {
    case "none":
      return undefined;
    case "cilium":
      return invalid(
        "networkPolicy cilium needs the Cilium data plane",
        cilium,
        networkPlugin === "azure" ? "add networkDataplane: cilium" : "use networkPlugin: azure with networkDataplane: cilium",
      );
    case "azure":
      if (networkPlugin === "azure") return undefined;
      return invalid(
        `Azure Network Policy Manager needs Azure CNI; it does not go with networkPlugin ${networkPlugin}`,
        policies,
        networkPlugin === "kubenet" ? "use networkPolicy: calico" : "use networkPlugin: azure, or leave networkPolicy out",
      );
    case "calico":
      if (networkPlugin !== "none") return undefined;
      return invalid(
        "with a network plugin of one's own (none) AKS installs no network policy engine",
        "aks:use-byo-cni.md",
        "leave networkPolicy out",
      );
    default:
      return networkPolicy satisfies never;
  }
}

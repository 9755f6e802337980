/** AKS's network options, told from the properties that say them. AKS docs: concepts-network-cni-overview. */

import type { NetworkProfile } from "./resources.ts";

export type NetworkOption = "kubenet" | "nodeSubnet" | "overlay";

type Options = Pick<NetworkProfile, "networkPlugin" | "networkPluginMode">;

/** What people call them. */
export const optionNames: Readonly<Record<NetworkOption, string>> = {
  kubenet: "kubenet",
  nodeSubnet: "Azure CNI with node subnet",
  overlay: "Azure CNI Overlay",
};

/** Of a plugin of one's own, which is not modelled, what Azure CNI has. */
export function networkOption(profile: Options): NetworkOption {
  if (isKubenetProfile(profile)) return "kubenet";
  return isOverlayProfile(profile) ? "overlay" : "nodeSubnet";
}

export function isKubenetProfile({ networkPlugin }: Options): boolean {
  return networkPlugin === "kubenet";
}

export function isOverlayProfile({ networkPlugin, networkPluginMode }: Options): boolean {
  return networkPlugin === "azure" && networkPluginMode === "overlay";
}

/** Do pods have an address space of their own, a prefix of it per node? */
export function hasPodCidr(profile: Options): boolean {
  return isKubenetProfile(profile) || isOverlayProfile(profile);
}

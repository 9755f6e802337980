/** AKS's network options, told from the properties that say them. AKS docs: concepts-network-cni-overview. */

import type { AgentPool, NetworkProfile } from "./resources.ts";

export type NetworkOption = "kubenet" | "nodeSubnet" | "podSubnet" | "overlay";

type Options = Pick<NetworkProfile, "networkPlugin" | "networkPluginMode">;

/** What people call them. */
export const optionNames: Readonly<Record<NetworkOption, string>> = {
  kubenet: "kubenet",
  nodeSubnet: "Azure CNI with node subnet",
  podSubnet: "Azure CNI with pod subnet",
  overlay: "Azure CNI Overlay",
};

/** Of a plugin of one's own, which is not modelled, what Azure CNI has. */
export function networkOption(
  profile: Options,
  pools: readonly { readonly properties: { readonly podSubnetID?: string | undefined } }[],
): NetworkOption {
  if (isKubenetProfile(profile)) return "kubenet";
  if (isOverlayProfile(profile)) return "overlay";
  return pools.some(({ properties }) => properties.podSubnetID !== undefined) ? "podSubnet" : "nodeSubnet";
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

/** Do pods have secondary addresses of the node's interface, all of them reserved when the node is made? */
export function reservesPodAddresses(profile: Options, pool: AgentPool): boolean {
  return !hasPodCidr(profile) && pool.properties.podSubnetID === undefined;
}

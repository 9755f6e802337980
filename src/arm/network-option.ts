/** AKS's network options, told from the properties that say them. AKS docs: concepts-network-cni-overview. */

import type { AgentPool, NetworkProfile } from "./resources.ts";

export type NetworkOption = "kubenet" | "nodeSubnet" | "podSubnet" | "overlay" | "none";

/** Those that AKS itself brings. */
export type ManagedNetworkOption = Exclude<NetworkOption, "none">;

type Options = Pick<NetworkProfile, "networkPlugin" | "networkPluginMode">;

/** What people call them. */
export const optionNames: Readonly<Record<NetworkOption, string>> = {
  kubenet: "kubenet",
  nodeSubnet: "Azure CNI with node subnet",
  podSubnet: "Azure CNI with pod subnet",
  overlay: "Azure CNI Overlay",
  none: "a CNI plugin of one's own",
};

export function networkOption(
  profile: Options,
  pools: readonly { readonly properties: { readonly podSubnetID?: string | undefined } }[],
): NetworkOption {
  if (isKubenetProfile(profile)) return "kubenet";
  if (isByoCniProfile(profile)) return "none";
  if (isOverlayProfile(profile)) return "overlay";
  return pools.some(({ properties }) => properties.podSubnetID !== undefined) ? "podSubnet" : "nodeSubnet";
}

export function isKubenetProfile({ networkPlugin }: Options): boolean {
  return networkPlugin === "kubenet";
}

export function isOverlayProfile({ networkPlugin, networkPluginMode }: Options): boolean {
  return networkPlugin === "azure" && networkPluginMode === "overlay";
}

/** Nodes come without a network for pods; whoever made the cluster installs one. AKS docs: use-byo-cni. */
export function isByoCniProfile({ networkPlugin }: Options): boolean {
  return networkPlugin === "none";
}

/** Do pods have an address space of their own, a prefix of it per node? With a plugin of one's own if the cluster is given one. */
export function hasPodCidr(profile: Options & Pick<NetworkProfile, "podCidr">): boolean {
  return isKubenetProfile(profile) || isOverlayProfile(profile) || (isByoCniProfile(profile) && profile.podCidr !== undefined);
}

/** Do pods have secondary addresses of the node's interface, all of them reserved when the node is made? */
export function reservesPodAddresses(profile: Options, pool: AgentPool): boolean {
  return networkOption(profile, [pool]) === "nodeSubnet";
}

/** A change that lifts an obstacle: what to do, by whom, in the form of the resource's owner, and as writes that prove it. */

import type { Resources, Write } from "../resources/resources.ts";

export const changeKinds = [
  "security-rule",
  "network-policy",
  "firewall-rule",
  "route",
  "peering",
  "interface",
  "outbound",
  "listener",
  "service",
  "fault",
] as const;
export type ChangeKind = (typeof changeKinds)[number];

export type Change = {
  readonly kind: ChangeKind;
  /** For a person: `add rule allow-… to NSG data-nsg: Inbound, priority 4095, Tcp from 10.240.5.4 to 10.240.4.4 port 5432`. */
  readonly what: string;
  /** Whose it is to do: `NSG data-nsg, resource group security-groups`. */
  readonly owner: string;
  /** What to add or set, as ARM or Kubernetes write it. */
  readonly document?: unknown;
  /** What it does besides, which its owner should know. */
  readonly note?: string;
  /** On the resources as they are after the changes before it. */
  readonly writes: (resources: Resources) => readonly Write[];
};

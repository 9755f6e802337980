/**
 * Faults: what is provoked to be broken in a lab, as resources beside Azure's. Controllers and front ends look at them and do what the real thing
 * would; the resources that are hit stay as they are, so that taking a fault away mends everything.
 */

import { lastSegment, segmentAfter } from "./names.ts";
import type { ArmResource, Reference } from "./resources.ts";

export type FaultProperties = {
  /** ISO 8601: mended by itself then. */
  readonly until?: string;
} & (
  | { readonly kind: "route"; readonly routeTable: Reference; readonly routeName: string }
  /** A node's machine or another one. `machineName`: a node's computer name. */
  | { readonly kind: "stop"; readonly virtualMachine: Reference; readonly machineName: string }
  | { readonly kind: "probe"; readonly probe: Reference }
  | { readonly kind: "snat"; readonly virtualMachine: Reference; readonly machineName: string }
  | { readonly kind: "leak"; readonly managedCluster: Reference }
  | { readonly kind: "site"; readonly site: Reference }
  /** Both sides of it. */
  | { readonly kind: "peering"; readonly peering: Reference }
  | { readonly kind: "routes"; readonly subnet: Reference }
  /** An appliance's. */
  | { readonly kind: "replies"; readonly virtualMachine: Reference; readonly machineName: string }
  | { readonly kind: "forget"; readonly virtualMachine: Reference; readonly machineName: string }
);

export type Fault = ArmResource<"Drydock.Lab/faults", FaultProperties>;
export type FaultKind = FaultProperties["kind"];
/** Of one kind. */
export type FaultOf<Kind extends FaultKind> = Fault & { readonly properties: { readonly kind: Kind } };

/** In the order of help. What each does, in a line. */
export const faultKinds: Readonly<Record<FaultKind, string>> = {
  route: "a route of a route table is not in effect: packets go where they go without it",
  stop: "a node or machine is stopped: nothing on it runs, and its node is NotReady",
  probe: "a load balancer's health probe gets no answer from any backend",
  snat: "all source ports of a node or machine are taken: new flows to the Internet get none",
  leak: "addresses of a cluster's pods are not given back when pods go",
  site: "the connection to an on-premises site is cut",
  peering: "a VNet peering carries nothing, either way",
  routes: "no user-defined route of a subnet is in effect: what it sends, replies too, goes past its appliances",
  replies: "an appliance lets flows through and drops their replies",
  forget: "a firewall forgets the flows that it knows, as a pair does that fails over: they break, new ones work",
};

export function isFaultKind(text: string): text is FaultKind {
  return Object.hasOwn(faultKinds, text);
}

/** Fault names are names of nftables' tables too. */
export const faultNamePattern = /^[a-z0-9][a-z0-9-]{0,39}$/;

/** What is broken: a sentence without a full stop. */
export function faultText(properties: FaultProperties): string {
  switch (properties.kind) {
    case "route":
      return `route ${properties.routeName} of ${lastSegment(properties.routeTable.id)} is not in effect`;
    case "stop":
      return `machine ${properties.machineName} is stopped`;
    case "probe":
      return `health probe ${lastSegment(properties.probe.id)} gets no answer`;
    case "snat":
      return `all source ports of ${properties.machineName} are taken`;
    case "leak":
      return `addresses of pods of ${lastSegment(properties.managedCluster.id)} are not given back`;
    case "site":
      return `the connection to site ${lastSegment(properties.site.id)} is cut`;
    case "peering":
      return `peering ${lastSegment(properties.peering.id)} is cut`;
    case "routes":
      return `no user-defined route of subnet ${subnetLabel(properties.subnet.id)} is in effect`;
    case "replies":
      return `${properties.machineName} drops replies`;
    case "forget":
      return `${properties.machineName} forgot the flows that it knew`;
  }
}

/** `hub/data`. */
function subnetLabel(id: string): string {
  return `${segmentAfter(id, "virtualNetworks")}/${lastSegment(id)}`;
}

/** As the reason of what a fault does: with its name, by which it is taken away. */
export function faultReason({ name, properties }: Fault): string {
  return `${faultText(properties)} (fault ${name})`;
}

export function isFault<Kind extends FaultKind>(fault: Fault, kind: Kind): fault is FaultOf<Kind> {
  return fault.properties.kind === kind;
}

/** What of a lab can be broken, by the names that a user gives: each kind of fault with its targets. */

import type { Fault, FaultKind, FaultProperties } from "../arm/faults.ts";
import { armId, lastSegment } from "../arm/names.ts";
import type { RouteTable } from "../arm/resources.ts";
import { nearest } from "../documents/nearest.ts";
import { armBucket } from "../resources/resources.ts";
import type { LabView } from "./view.ts";

export type FaultTarget = {
  /** As a user writes it, and as completion offers it. */
  readonly label: string;
  readonly properties: FaultProperties;
};

/** Everything in the lab that a fault of this kind can hit. */
export function faultTargets(lab: LabView, kind: FaultKind): readonly FaultTarget[] {
  switch (kind) {
    case "route":
      return lab.resources.list(armBucket("Microsoft.Network/routeTables")).flatMap((resource) => {
        // A bucket holds its type and nothing else.
        const table = resource as unknown as RouteTable;
        return table.properties.routes.map(({ name }) => ({
          label: `${table.name}/${name}`,
          properties: { kind, routeTable: { id: table.id }, routeName: name },
        }));
      });
    case "stop":
    case "snat":
      return machines(lab).map(({ label, id, name }) => ({ label, properties: { kind, virtualMachine: { id }, machineName: name } }));
    case "probe":
      return lab.topology.vnets.flatMap(({ loadBalancers }) =>
        loadBalancers.flatMap((balancer) =>
          balancer.properties.probes.map(({ name }) => ({
            label: `${balancer.name}/${name}`,
            properties: { kind, probe: { id: `${balancer.id}/probes/${name}` } },
          })),
        ),
      );
    case "leak":
      return [...lab.topology.clusters.values()].map(({ name, resource }) => ({
        label: name,
        properties: { kind, managedCluster: { id: resource.id } },
      }));
    case "site":
      return lab.topology.vnets.flatMap(({ sites }) =>
        sites.map(({ resource }) => ({ label: `site/${resource.name}`, properties: { kind, site: { id: resource.id } } })),
      );
    case "peering":
      return lab.topology.vnets.flatMap((vnet) =>
        vnet.peerings.map(({ resource }) => ({
          label: `${vnet.name}/${resource.name}`,
          properties: { kind, peering: { id: resource.id } },
        })),
      );
    case "routes":
      return lab.topology.vnets.flatMap((vnet) =>
        vnet.subnets
          .filter(({ routeTable }) => routeTable !== undefined)
          .map(({ resource }) => ({ label: `${vnet.name}/${resource.name}`, properties: { kind, subnet: { id: resource.id } } })),
      );
    case "replies":
    case "forget":
      return lab.topology.machines
        .filter(({ nic, firewall }) => (kind === "forget" ? firewall !== undefined : nic.forwarding))
        .map(({ resource: { id, name } }) => ({ label: `vm/${name}`, properties: { kind, virtualMachine: { id }, machineName: name } }));
  }
}

function machines(lab: LabView): readonly { readonly label: string; readonly id: string; readonly name: string }[] {
  const own = lab.topology.machines.map(({ resource }) => ({ label: `vm/${resource.name}`, id: resource.id, name: resource.name }));
  const nodes = [...lab.topology.clusters.values()].flatMap((cluster) =>
    [...cluster.nodes].map(([name, { nic }]) => ({
      label: `${cluster.name}:node/${name}`,
      id: nic.resource.properties.virtualMachine?.id ?? "",
      name,
    })),
  );
  return [...own, ...nodes];
}

export type FaultProblem = { readonly what: string; readonly near: readonly string[]; readonly fix: string };

/** The target that `text` names: whole, or its last parts, each by some of it: `node/000001` is `shop:node/aks-np1-11111111-vmss000001`. */
export function findFaultTarget(lab: LabView, kind: FaultKind, text: string): FaultTarget | FaultProblem {
  const targets = faultTargets(lab, kind);
  const labels = targets.map(({ label }) => label);
  const exact = targets.find(({ label }) => label === text);
  const [found, ...others] = exact === undefined ? targets.filter(({ label }) => fits(label, text)) : [exact];
  if (found !== undefined && others.length === 0) return found;
  if (found !== undefined) {
    const near = [found, ...others].slice(0, 5).map(({ label }) => label);
    return { what: `${text} may be any of ${others.length + 1}`, near, fix: "say more of its name" };
  }
  const fix = labels.length === 0 ? "the lab has none" : `there are ${some(labels)}`;
  return { what: `there is nothing like ${text} that a fault of kind ${kind} could hit`, near: nearest(text, labels), fix };
}

/** Longest list of names in a message. */
const shown = 8;

function some(labels: readonly string[]): string {
  const more = labels.length - shown;
  return labels.slice(0, shown).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

export function isFaultTarget(found: FaultTarget | FaultProblem): found is FaultTarget {
  return "properties" in found;
}

function fits(label: string, text: string): boolean {
  const [parts, wanted] = [label.toLowerCase().split(/[:/]/), text.toLowerCase().split(/[:/]/)];
  const offset = parts.length - wanted.length;
  return offset >= 0 && wanted.every((part, index) => part !== "" && parts[offset + index]?.includes(part));
}

/** A fault of that kind; `name` by default tells kind and target, as `stop-vmss000001`, and is none of those that the lab's faults have. */
export function makeFault(lab: LabView, properties: FaultProperties, name = defaultFaultName(properties, faultNames(lab))): Fault {
  return { id: armId(lab.name, "Drydock.Lab/faults", name), name, type: "Drydock.Lab/faults", properties };
}

function faultNames(lab: LabView): ReadonlySet<string> {
  return new Set(lab.topology.faults.map((fault) => fault.name));
}

/** One that is not `taken`. */
export function defaultFaultName(properties: FaultProperties, taken: ReadonlySet<string>): string {
  const target = lastSegment(targetOf(properties)).toLowerCase();
  const base = `${properties.kind}-${target.replace(/[^a-z0-9]+/g, "-")}`.slice(0, 36).replace(/-+$/, "");
  for (let number = 1; ; number++) {
    const name = number === 1 ? base : `${base}-${number}`;
    if (!taken.has(name)) return name;
  }
}

function targetOf(properties: FaultProperties): string {
  switch (properties.kind) {
    case "route":
      return properties.routeName;
    case "stop":
    case "snat":
    case "replies":
    case "forget":
      return properties.machineName;
    case "probe":
      return properties.probe.id;
    case "leak":
      return properties.managedCluster.id;
    case "site":
      return properties.site.id;
    case "peering":
      return properties.peering.id;
    case "routes":
      return properties.subnet.id;
  }
}

/** Which changes would lift an obstacle, by the resource that it comes from. Several are tried in this order; whether one does lift it, a trace shows. */

import { internetHost } from "../../compile/wiring.ts";
import type { Service } from "../../kube/objects.ts";
import type { LabView } from "../../lab/view.ts";
import { armTypeOf, kubeKey } from "../../resources/resources.ts";
import type { Change } from "../change.ts";
import type { Obstacle, Trail } from "../obstacle.ts";
import { placeOf } from "../places.ts";
import { forFault } from "./fault.ts";
import { forFirewall } from "./firewall.ts";
import { forListener } from "./listener.ts";
import { forNetworkPolicy, type KubeReference, parseKubeReference } from "./network-policy.ts";
import { forPeering } from "./peering.ts";
import { forRoute } from "./routes.ts";
import { admitting, forSecurityGroup } from "./security-group.ts";

export type Remedies = {
  readonly changes: readonly Change[];
  /** What to say when none of them lifts it. */
  readonly nothing: string;
};

export function remediesFor(view: LabView, obstacle: Obstacle, trail: Trail): Remedies {
  const { origin, outcome } = obstacle;
  const resource = origin?.resource ?? "";
  const policy = parseKubeReference(resource, "NetworkPolicy");
  if (policy !== undefined)
    return { changes: forNetworkPolicy(view, obstacle, policy), nothing: "no NetworkPolicy that could be added allows it" };
  const service = parseKubeReference(resource, "Service");
  if (service !== undefined)
    return {
      changes: forService(view, obstacle, service),
      nothing: `Service ${service.namespace}/${service.name} has nobody to answer here: ${origin?.reason}`,
    };
  if (outcome === "refused") return { changes: forListener(view, obstacle), nothing: "nobody there can be made to listen on that port" };
  switch (armTypeOf(resource)) {
    case "Microsoft.Network/networkSecurityGroups":
      return { changes: forSecurityGroup(view, obstacle), nothing: unroutable(view, obstacle) };
    case "Drydock.Lab/firewalls":
      return {
        changes: forFirewall(view, obstacle, trail),
        nothing: "the firewall has to see both directions of the flow, and no route brings them there",
      };
    case "Drydock.Lab/faults":
      return { changes: forFault(view, resource), nothing: "the fault has to go" };
    case "Microsoft.Network/virtualNetworks/virtualNetworkPeerings":
      return {
        changes: [...forPeering(view, resource), ...forRoute(view, obstacle, trail)],
        nothing: "no setting of the peering lets it through",
      };
    default:
      return { changes: forRoute(view, obstacle, trail), nothing: unroutable(view, obstacle) };
  }
}

/** It is reached, and its own list of senders lets this one not in. */
function forService(view: LabView, { packet }: Obstacle, { cluster, namespace, name }: KubeReference): readonly Change[] {
  const service = view.resources.get(kubeKey(cluster, "Service", namespace, name)) as Service | undefined;
  return service === undefined ? [] : admitting(cluster, service, packet.source);
}

/** Why no change leads there. */
function unroutable(view: LabView, { outcome, packet, origin, host }: Obstacle): string {
  const { destination } = packet;
  const owner = view.owners.get(destination);
  if (outcome === "exhausted") return "all source ports are taken: more outbound addresses, a NAT gateway, or fewer flows";
  if (owner?.role === "pod" && owner.from.startsWith("pod range")) {
    return `${destination} is a pod's address that only its own cluster routes: reach the pod by a Service of type LoadBalancer or NodePort`;
  }
  if (owner?.from.startsWith("service range") === true) {
    return `${destination} is a Service's cluster address, which only nodes of its cluster translate: reach it by a load balancer's address`;
  }
  if (outcome === "rejected" && host.startsWith("node/")) {
    return "no pod that is ready can answer here: the Service has no endpoints, or with policy Local none on this node";
  }
  if (outcome === "no-route") {
    const place = placeOf(view, destination);
    if (host === internetHost && place?.kind !== "public")
      return `the Internet has no route to the private address ${destination}: reach it by a public one`;
    if (host.startsWith("site/"))
      return `the gateway announces the address spaces of VNets to the site, and ${destination} is in none of them`;
  }
  if (owner === undefined && placeOf(view, destination)?.kind !== "public") return `nobody has the address ${destination}`;
  switch (armTypeOf(origin?.resource ?? "")) {
    case "Microsoft.Network/networkSecurityGroups":
      return "no rule that could be added lets it through; AKS writes its own groups itself, from Services of type LoadBalancer";
    case "Microsoft.Network/loadBalancers":
      return "backends have to answer the health probe: 'drydock show loadbalancer' and 'drydock show events' say what they wait for";
    default:
      return "no resource of the design that could be changed decides it";
  }
}

/** Which changes would lift an obstacle, by the resource that it comes from. Several are tried in this order; whether one does lift it, a trace shows. */

import type { LabView } from "../../lab/view.ts";
import { armTypeOf } from "../../resources/resources.ts";
import type { Change } from "../change.ts";
import type { Obstacle, Trail } from "../obstacle.ts";
import { forFault } from "./fault.ts";
import { forFirewall } from "./firewall.ts";
import { forListener } from "./listener.ts";
import { forNetworkPolicy, parseKubeReference } from "./network-policy.ts";
import { forPeering } from "./peering.ts";
import { forRoute } from "./routes.ts";
import { forSecurityGroup } from "./security-group.ts";

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

/** Why no route leads there. */
function unroutable(view: LabView, { outcome, packet, origin }: Obstacle): string {
  const service = parseKubeReference(origin?.resource ?? "", "Service");
  if (service !== undefined) return `Service ${service.namespace}/${service.name} has no pod that is ready and could answer here`;
  const owner = view.owners.get(packet.destination);
  if (owner === undefined) return `nobody has the address ${packet.destination}`;
  if (outcome === "exhausted") return "all source ports are taken: more outbound addresses, a NAT gateway, or fewer flows";
  if (owner.role === "pod" && owner.from.startsWith("pod range")) {
    return `${packet.destination} is a pod's address that only its own cluster routes: reach the pod by a Service of type LoadBalancer or NodePort`;
  }
  if (owner.from.startsWith("service range"))
    return `${packet.destination} is a Service's cluster address, which only nodes of its cluster translate`;
  if (outcome === "dropped" && armTypeOf(origin?.resource ?? "") === "Microsoft.Network/networkSecurityGroups") {
    return "no rule that could be added to the group allows it, or it leads nowhere";
  }
  return "no resource of the design that could be changed decides it";
}

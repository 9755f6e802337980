/** A firewall denied: the rule that allows the flow; or it saw only one direction of it, and needs the routes of the other. */

import type { Firewall } from "../../arm/resources.ts";
import type { LabView } from "../../lab/view.ts";
import { armKey } from "../../resources/resources.ts";
import type { Change } from "../change.ts";
import type { Obstacle, Trail } from "../obstacle.ts";
import { protocolName } from "../words.ts";
import { forOneDirection } from "./routes.ts";

export function forFirewall(view: LabView, obstacle: Obstacle, trail: Trail): readonly Change[] {
  const firewall = view.resources.get(armKey(obstacle.origin?.resource ?? "")) as Firewall | undefined;
  if (firewall === undefined) return [];
  // A rule can only be lacking for the packet that begins a flow: what follows belongs to a flow, or to none that the firewall has seen.
  return obstacle.leg === "there" ? [ruleFor(firewall, obstacle)] : forOneDirection(view, obstacle, trail);
}

function ruleFor(firewall: Firewall, { packet }: Obstacle): Change {
  const { protocol, source, destination, destinationPort } = packet;
  const names = { tcp: "TCP", udp: "UDP", icmp: "ICMP", sctp: "Any" } as const;
  const port = destinationPort === undefined ? "*" : String(destinationPort);
  const rule: Firewall["properties"]["rules"][number] = {
    name: `allow-${protocolName(protocol)}-${source}-to-${destination}${destinationPort === undefined ? "" : `-${port}`}`.replace(
      /[.:]/g,
      "-",
    ),
    action: "Allow",
    protocols: [names[protocol]],
    sourceAddresses: [source],
    destinationAddresses: [destination],
    destinationPorts: [port],
  };
  return {
    kind: "firewall-rule",
    what: `add rule ${rule.name} to firewall ${firewall.name}, before those that deny: Allow ${names[protocol]} from ${source} to ${destination}${port === "*" ? "" : ` port ${port}`}`,
    owner: `firewall ${firewall.name}`,
    document: rule,
    writes: (resources) => {
      const now = resources.get(armKey(firewall.id)) as Firewall | undefined;
      if (now === undefined) return [];
      return [{ key: armKey(now.id), value: { ...now, properties: { ...now.properties, rules: [rule, ...now.properties.rules] } } }];
    },
  };
}

/**
 * Says of each side of a peering whether the other one is there. Azure docs: virtual-network-peering-overview, virtual-network-manage-peering.
 *
 * A side whose partner was deleted is Disconnected, and stays so: Azure wants both deleted and made anew.
 */

import type { VirtualNetworkPeering } from "../arm/resources.ts";
import { parentOf } from "../arm/rules/view.ts";
import { armKey } from "../resources/resources.ts";
import { remembering } from "./memo.ts";
import { listArm, Writes } from "./view.ts";

type State = VirtualNetworkPeering["properties"]["peeringState"];

export const peerings = remembering("peerings", (resources) => {
  const writes = new Writes(resources);
  const all = listArm(resources, "Microsoft.Network/virtualNetworks/virtualNetworkPeerings").map((peering) => ({
    peering,
    local: armKey(parentOf(peering.id)),
    remote: armKey(peering.properties.remoteVirtualNetwork.id),
  }));
  const byEnds = new Map(all.map(({ peering, local, remote }) => [`${local} ${remote}`, peering]));
  for (const { peering, local, remote } of all) {
    const peeringState = stateBeside(byEnds.get(`${remote} ${local}`), peering.properties.peeringState);
    writes.putArm({ ...peering, properties: { ...peering.properties, peeringState } });
  }
  return writes.list;
});

function stateBeside(partner: VirtualNetworkPeering | undefined, state: State): NonNullable<State> {
  if (state === "Disconnected") return state;
  if (partner === undefined) return state === "Connected" ? "Disconnected" : "Initiated";
  return partner.properties.peeringState === "Disconnected" ? "Initiated" : "Connected";
}

/** Rules of peerings between VNets. */

import type { VirtualNetwork, VirtualNetworkPeering } from "../resources.ts";
import { span } from "./cidr.ts";
import type { ArmProblem, Report } from "./problem.ts";
import { type AzureView, parentOf } from "./view.ts";

const overview = "learn:azure/virtual-network/virtual-network-peering-overview";
const transit = "learn:azure/vpn-gateway/vpn-gateway-peering-gateway-transit";

/** A side of a peering with both its VNets. */
type Side = { readonly peering: VirtualNetworkPeering; readonly local: VirtualNetwork; readonly remote: VirtualNetwork };

export function checkPeerings(view: AzureView, report: Report): void {
  const sides = view.peerings.flatMap((peering): Side[] => {
    const local = view.network(parentOf(peering.id));
    const remote = view.network(peering.properties.remoteVirtualNetwork.id);
    return local === undefined || remote === undefined ? [] : [{ peering, local, remote }];
  });
  const byEnds = new Map(sides.map(({ peering, local, remote }) => [`${local.id} ${remote.id}`, peering]));
  const partnerOf = ({ local, remote }: Side) => (local === remote ? undefined : byEnds.get(`${remote.id} ${local.id}`));
  const byLocal = new Map<VirtualNetwork, Side[]>();
  for (const side of sides) {
    const siblings = byLocal.get(side.local) ?? [];
    byLocal.set(side.local, siblings);
    if (checkEnds(view, side, siblings, partnerOf(side), report)) siblings.push(side);
  }
  for (const side of sides) {
    const partner = partnerOf(side);
    checkPartner(side, partner, report);
    checkRemoteGateway(view, side, partner, byLocal.get(side.local) ?? [], report);
  }
}

/** False when the side cannot be, so that nothing more is said about it. */
function checkEnds(
  view: AzureView,
  { peering, local, remote }: Side,
  siblings: readonly Side[],
  partner: VirtualNetworkPeering | undefined,
  report: Report,
): boolean {
  const problem = at(peering, "remoteVirtualNetwork", remote.name);
  if (local === remote) {
    const message = `VNet ${local.name} cannot be peered with itself`;
    report({ ...problem, code: "CannotPeerVirtualNetworkWithItself", message, source: overview });
    return false;
  }
  const twin = siblings.find((other) => other.remote === remote);
  if (twin !== undefined) {
    const message = `VNet ${local.name} is peered with ${remote.name} already, by ${twin.peering.name}`;
    report({ ...problem, code: "AnotherPeeringAlreadyReferencesRemoteVnet", message, source: overview, fix: "leave one of them out" });
    return false;
  }
  const fix = "give one of them a range of its own";
  const own = overlapOf(view, local, remote);
  if (own !== undefined) {
    // Said of one side, it is said of both.
    if (partner !== undefined && local.name > remote.name) return false;
    const message = `VNets ${local.name} and ${remote.name} cannot be peered: ${own}`;
    report({ ...problem, code: "VnetAddressSpacesOverlap", message, source: overview, fix });
    return false;
  }
  for (const other of siblings) {
    const overlap = overlapOf(view, other.remote, remote);
    if (overlap === undefined) continue;
    const message = `VNet ${local.name} cannot be peered with ${remote.name} beside ${other.remote.name}: ${overlap}`;
    report({ ...problem, code: "VnetAddressSpaceOverlapsWithAlreadyPeeredVnet", message, source: overview, fix });
    return false;
  }
  return true;
}

function overlapOf(view: AzureView, one: VirtualNetwork, other: VirtualNetwork): string | undefined {
  const space = view.spaceOf(one);
  for (const prefix of view.spaceOf(other).prefixes) {
    const found = space.set.overlapping(prefix)?.prefix;
    if (found !== undefined) return `${span(found)} of ${one.name} overlaps ${span(prefix)} of ${other.name}`;
  }
  return undefined;
}

function checkPartner({ peering, local, remote }: Side, partner: VirtualNetworkPeering | undefined, report: Report): void {
  if (partner !== undefined || local === remote) return;
  report({
    ...at(peering, "remoteVirtualNetwork", remote.name),
    severity: "warning",
    code: "PeeringNotConnected",
    message: `peering ${peering.name} stays Initiated and carries nothing: VNet ${remote.name} has no peering to ${local.name}`,
    source: overview,
    fix: `add one to ${remote.name}`,
  });
}

function checkRemoteGateway(
  view: AzureView,
  { peering, local, remote }: Side,
  partner: VirtualNetworkPeering | undefined,
  siblings: readonly Side[],
  report: Report,
): void {
  if (!peering.properties.useRemoteGateways) return;
  const problem = { ...at(peering, "useRemoteGateways", true), source: transit };
  if (view.gatewayOf(local) !== undefined) {
    const message = `VNet ${local.name} has a gateway of its own, so it cannot use that of ${remote.name}`;
    report({
      ...problem,
      code: "VnetHasGatewayAndUsesRemoteGateways",
      message,
      fix: "leave useRemoteGateways out, or the sites of this VNet",
    });
  }
  const other = siblings.find((side) => side.peering !== peering && side.peering.properties.useRemoteGateways);
  if (other !== undefined) {
    const message = `VNet ${local.name} uses the gateway of ${other.remote.name} already; it can use one remote gateway only`;
    report({ ...problem, code: "VnetUsesAnotherRemoteGateway", message, fix: "leave one useRemoteGateways out" });
  }
  if (view.gatewayOf(remote) === undefined) {
    const message = `VNet ${remote.name} has no gateway for ${local.name} to use: no site is behind it`;
    report({ ...problem, code: "RemoteVnetHasNoGateways", message, fix: `describe a site with network: ${remote.name}, or leave it out` });
  } else if (partner !== undefined && !partner.properties.allowGatewayTransit) {
    const message = `VNet ${remote.name} does not let ${local.name} use its gateway: peering ${partner.name} has no allowGatewayTransit`;
    report({ ...problem, code: "RemotePeeringGatewayTransitNotAllowed", message, fix: `set allowGatewayTransit on ${partner.name}` });
  }
}

function at(peering: VirtualNetworkPeering, property: string, value: unknown): Omit<ArmProblem, "code" | "message"> {
  return { id: peering.id, property: [property], severity: "error", value };
}

/** Peerings: settings of both sides, and ones that are lacking. */

import { armIdBeside, lastSegment, segmentAfter } from "../../arm/names.ts";
import type { VirtualNetworkPeering } from "../../arm/resources.ts";
import type { VnetInfo } from "../../compile/topology.ts";
import type { LabView } from "../../lab/view.ts";
import { armKey, type Resources, type Write } from "../../resources/resources.ts";
import type { Change } from "../change.ts";

type Settings = Partial<
  Pick<
    VirtualNetworkPeering["properties"],
    "allowForwardedTraffic" | "allowVirtualNetworkAccess" | "allowGatewayTransit" | "useRemoteGateways"
  >
>;

/** The peering drops: what it lets through is its own setting. */
export function forPeering(view: LabView, id: string): readonly Change[] {
  const peering = view.resources.get(armKey(id)) as VirtualNetworkPeering | undefined;
  return peering === undefined ? [] : [setting([[peering, { allowForwardedTraffic: true }]])];
}

/** Between two VNets that are peered, or are to be: what lets their machines talk, or one use the other's gateway. */
export function betweenNetworks(one: VnetInfo, other: VnetInfo, gateway: "of other" | "none"): readonly Change[] {
  const transit: Settings = gateway === "none" ? {} : { allowGatewayTransit: true };
  const borrowed: Settings = gateway === "none" ? {} : { useRemoteGateways: true };
  const open: Settings = { allowVirtualNetworkAccess: true };
  const known = one.peerings.find(({ remote }) => remote.resource.id === other.resource.id);
  if (known !== undefined) {
    return [
      setting([
        [known.resource, { ...open, ...borrowed }],
        [known.reverse, { ...open, ...transit }],
      ]),
    ];
  }
  const half = [peeringOf(one, other, { ...open, ...borrowed }), peeringOf(other, one, { ...open, ...transit })];
  return [
    {
      kind: "peering",
      what: `peer VNets ${one.name} and ${other.name}, on both sides${gateway === "none" ? "" : `, with the gateway of ${other.name}`}`,
      owner: `VNets ${one.name} (resource group ${groupOf(one)}) and ${other.name} (${groupOf(other)})`,
      document: half,
      note: "all machines of the two reach one another then, as far as security groups let them",
      writes: () => half.map((value) => ({ key: armKey(value.id), value })),
    },
  ];

  function groupOf({ resource }: VnetInfo): string {
    return segmentAfter(resource.id, "resourceGroups");
  }
}

function peeringOf(from: VnetInfo, to: VnetInfo, settings: Settings): VirtualNetworkPeering {
  const name = `${from.name}-to-${to.name}`;
  const id = armIdBeside(from.resource.id, "Microsoft.Network/virtualNetworks/virtualNetworkPeerings", from.name, name);
  return {
    id,
    name,
    type: "Microsoft.Network/virtualNetworks/virtualNetworkPeerings",
    properties: {
      remoteVirtualNetwork: { id: to.resource.id },
      allowVirtualNetworkAccess: true,
      allowForwardedTraffic: false,
      allowGatewayTransit: false,
      useRemoteGateways: false,
      ...settings,
    },
  };
}

function setting(sides: readonly (readonly [VirtualNetworkPeering, Settings])[]): Change {
  const changed = sides.flatMap(([peering, settings]) => {
    const different = Object.entries(settings).filter(([name, value]) => Reflect.get(peering.properties, name) !== value);
    return different.length === 0 ? [] : [{ peering, settings: Object.fromEntries(different) as Settings }];
  });
  const texts = changed.map(({ peering, settings }) => {
    const list = Object.entries(settings).map(([name, value]) => `${name}: ${value}`);
    return `${list.join(", ")} on peering ${peering.name}`;
  });
  const networks = changed.map(({ peering }) => segmentAfter(peering.id, "virtualNetworks"));
  return {
    kind: "peering",
    what: `set ${texts.join(", and ")}`,
    owner: `VNet ${[...new Set(networks)].join(" and VNet ")}`,
    document: changed.map(({ peering, settings }) => ({ name: lastSegment(peering.id), properties: settings })),
    writes: (resources) => changed.flatMap(({ peering, settings }) => written(resources, peering, settings)),
  };
}

function written(resources: Resources, { id }: VirtualNetworkPeering, settings: Settings): readonly Write[] {
  const now = resources.get(armKey(id)) as VirtualNetworkPeering | undefined;
  return now === undefined ? [] : [{ key: armKey(id), value: { ...now, properties: { ...now.properties, ...settings } } }];
}

import { expect, it } from "vitest";
import { armId } from "../arm/names.ts";
import type { AzureResource, VirtualNetworkPeering } from "../arm/resources.ts";
import { group, TestLab, vnet } from "./testing/lab.ts";

const side = (from: string, to: string): AzureResource => ({
  id: armId(group, "Microsoft.Network/virtualNetworks/virtualNetworkPeerings", from, `${from}-to-${to}`),
  name: `${from}-to-${to}`,
  type: "Microsoft.Network/virtualNetworks/virtualNetworkPeerings",
  properties: {
    remoteVirtualNetwork: { id: armId(group, "Microsoft.Network/virtualNetworks", to) },
    allowVirtualNetworkAccess: true,
    allowForwardedTraffic: false,
    allowGatewayTransit: false,
    useRemoteGateways: false,
  },
});

const states = (lab: TestLab) =>
  lab
    .arm<VirtualNetworkPeering>("Microsoft.Network/virtualNetworks/virtualNetworkPeerings")
    .map(({ name, properties }) => `${name} ${properties.peeringState}`);

it("a peering is Connected when both VNets have their side, and Disconnected for good when the other one goes", () => {
  const lab = new TestLab([...vnet("a", ["10.1.0.0/16"], {}), ...vnet("b", ["10.2.0.0/16"], {}), side("a", "b")]);
  lab.settle();
  expect(states(lab)).toEqual(["a-to-b Initiated"]);
  lab.put(side("b", "a")).settle();
  expect(states(lab)).toEqual(["a-to-b Connected", "b-to-a Connected"]);
  lab.remove(side("b", "a").id.toLowerCase()).settle();
  expect(states(lab)).toEqual(["a-to-b Disconnected"]);
  lab.put(side("b", "a")).settle();
  expect(states(lab)).toEqual(["a-to-b Disconnected", "b-to-a Initiated"]);
});

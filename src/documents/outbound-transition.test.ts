import { describe, expect, test } from "vitest";
import { armId } from "../arm/names.ts";
import type { OutboundType } from "../arm/resources.ts";
import { refusedTransitions } from "../arm/transition.ts";
import { cluster, labResource, pool, subnetId, vnet } from "../controllers/testing/lab.ts";

/** A cluster of this outbound type in the VNet that AKS made, or in one of one's own. */
function of(outboundType: OutboundType, isManaged: boolean) {
  const managed = armId("MC_test_c_westeurope", "Microsoft.Network/virtualNetworks/subnets", "aks-vnet", "aks-subnet");
  return [
    labResource(),
    ...vnet("hub", ["10.240.0.0/16"], { plain: "10.240.0.0/24" }),
    cluster("c", { outboundType }),
    pool("c", "np1", isManaged ? managed : subnetId("hub", "plain"), { count: 1 }),
  ];
}

/** AKS docs, egress-outboundtype.md. */
describe("the outbound type of a running cluster", () => {
  test.each([
    ["loadBalancer", "managedNATGateway", true],
    ["managedNATGateway", "none", true],
    ["none", "block", true],
    ["loadBalancer", "userAssignedNATGateway", false],
    ["userDefinedRouting", "loadBalancer", false],
  ] as const)("changes from %s to %s (AKS's VNet: %s)", (from, to, isManaged) => {
    expect(refusedTransitions(of(from, isManaged), of(to, isManaged))).toEqual([]);
  });

  test.each([
    ["managedNATGateway", "loadBalancer", true, "none, block"],
    ["none", "block", false, "loadBalancer, userAssignedNATGateway, userDefinedRouting"],
  ] as const)("does not change from %s to %s (AKS's VNet: %s)", (from, to, isManaged, allowed) => {
    const [problem, ...others] = refusedTransitions(of(from, isManaged), of(to, isManaged));
    expect(others).toEqual([]);
    expect(problem).toMatchObject({ code: "PropertyChangeNotAllowed", property: ["networkProfile", "outboundType"], value: to });
    expect(problem?.message).toContain(`from ${from} the outbound type can change to ${allowed}`);
  });
});

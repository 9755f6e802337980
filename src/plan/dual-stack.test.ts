/** What there is only so much of in a dual-stack cluster. */

import { expect, test } from "vitest";
import { plannedLab } from "./testing/plan.ts";

function planned(option: string, podCidr: string, count: number, spec = "") {
  const text = `lab: t
networks: [{ name: v, addressSpace: [10.240.0.0/16, "fd00:240::/48"], subnets: [{ name: n, prefixes: [10.240.0.0/22, "fd00:240::/64"] }] }]
clusters: [{ name: c, ${option}, ipFamilies: [IPv4, IPv6], podCidrs: [10.244.0.0/16, "${podCidr}"], subnet: v/n, pools: [{ name: p, count: ${count}, upgradeSettings: { maxSurge: "1" } }], manifests: [m.yaml] }]
`;
  const service = `{ apiVersion: v1, kind: Service, metadata: { name: s }, spec: { type: LoadBalancer, ports: [{ port: 80 }]${spec} } }`;
  const plan = plannedLab(text, undefined, { "m.yaml": service });
  return { ...plan, budget: (id: string) => plan.budgets.find((one) => one.id === id) };
}

const overlay = "networkPlugin: azure, networkPluginMode: overlay";

test("an IPv6 pod range has a /64 for each node, and a /64 has /80s (configure-dual-stack: 10.244.1.0/24 beside fd12:3456:789a:0:1::/80)", () => {
  expect(planned(overlay, "fd13::/60", 3).budget("podCidrIPv6/c")).toMatchObject({ capacity: 16, used: { now: 3, upgrade: 4 } });
  expect(planned(overlay, "fd13::/64", 3).budget("podCidrIPv6/c")).toMatchObject({ capacity: 65_536 });
  const [problem] = planned(overlay, "fd13::/60", 17).problems.filter(({ code }) => code === "CIDRNotAvailable");
  expect(problem).toMatchObject({
    severity: "error",
    target: "networkProfile.podCidrs",
    fix: "use a /59 or larger, a /64, or fewer nodes",
  });
});

test("kubenet in dual stack: two routes per node (configure-kubenet-dual-stack)", () => {
  expect(planned("networkPlugin: kubenet", "fd13::/56", 10).budget("routes/c")).toMatchObject({ used: { now: 20, upgrade: 22 } });
  expect(planned("networkPlugin: kubenet", "fd13::/56", 10).budget("clusterNodes/c")).toMatchObject({ capacity: 200 });
});

test("a Service of both families has rules of each, on the same interfaces (cloud-provider-azure: reconcileLoadBalancer)", () => {
  expect(planned(overlay, "fd13::/64", 2).budget("balancerRules/c")).toMatchObject({ used: { now: 2 } });
  expect(planned(overlay, "fd13::/64", 2, ", ipFamilyPolicy: PreferDualStack").budget("balancerRules/c")).toMatchObject({
    used: { now: 3 },
  });
});

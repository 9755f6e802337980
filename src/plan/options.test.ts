/** The same workload with each network option. */

import { describe, expect, test } from "vitest";
import { plannedLab } from "./testing/plan.ts";

const lab = (cluster: string) => `
lab: t
networks:
  - name: hub
    addressSpace: [10.240.0.0/14]
    subnets:
      - { name: a, prefix: 10.240.0.0/16 }
      - { name: aci, prefix: 10.241.0.0/24, delegations: [Microsoft.ContainerInstance/containerGroups] }
clusters: [{ name: c, subnet: hub/a, ${cluster} }]
`;

/** `option: codes` of those that Azure would refuse. */
function refused(cluster: string): readonly string[] {
  const options = plannedLab(lab(cluster)).clusters[0]?.options ?? [];
  return options.flatMap(({ option, refusals }) =>
    refusals.length === 0 ? [] : [`${option}: ${[...new Set(refusals.map(({ code }) => code))].join(", ")}`],
  );
}

describe("what an option permits", () => {
  const cases: readonly (readonly [name: string, cluster: string, refusals: readonly string[]])[] = [
    ["three Linux nodes", "networkPlugin: azure", []],
    ["a Windows pool", "networkPlugin: azure, pools: [{ }, { name: win, osType: Windows }]", ["kubenet: AzureCNIOnlyForWindows"]],
    ["NPM", "networkPlugin: azure, networkPolicy: azure", ["kubenet: InvalidParameter"]],
    ["Calico", "networkPlugin: kubenet, networkPolicy: calico", []],
    ["the Cilium data plane", "networkPlugin: azure, networkDataplane: cilium", ["kubenet: InvalidParameter"]],
    [
      "virtual nodes",
      "networkPlugin: azure, addonProfiles: { aciConnectorLinux: { config: { SubnetName: aci } } }",
      ["kubenet", "podSubnetDynamic", "podSubnetStatic", "overlay"].map((option) => `${option}: VirtualNodeRequiresAzureCNI`),
    ],
    [
      "the Cilium data plane with a Windows pool, whichever option",
      "networkPlugin: azure, networkPluginMode: overlay, networkDataplane: cilium, pools: [{ }, { name: win, osType: Windows }]",
      [
        "kubenet: InvalidParameter, AzureCNIOnlyForWindows",
        ...["nodeSubnet", "podSubnetDynamic", "podSubnetStatic", "overlay"].map((option) => `${option}: InvalidParameter`),
      ],
    ],
    ["an old version", "networkPlugin: azure, kubernetesVersion: 1.27", ["podSubnetStatic: InvalidParameter"]],
    [
      "401 nodes",
      "networkPlugin: azure, networkPluginMode: overlay, podCidr: 100.64.0.0/14, pools: [{ count: 401 }]",
      ["kubenet: QuotaExceeded"],
    ],
    [
      "401 nodes when it has grown",
      "networkPlugin: azure, networkPluginMode: overlay, podCidr: 100.64.0.0/14, pools: [{ enableAutoScaling: true, minCount: 3, maxCount: 401 }]",
      ["kubenet: QuotaExceeded"],
    ],
  ];
  for (const [name, cluster, refusals] of cases) test(name, () => expect(refused(cluster)).toEqual(refusals));

  test("200 pods a node under rules: lesson", () => {
    const options = plannedLab(`rules: lesson\n${lab("networkPlugin: azure, pools: [{ maxPods: 200 }]")}`).clusters[0]?.options ?? [];
    expect(options.filter(({ isPermitted }) => !isPermitted).map(({ option }) => option)).toEqual(["kubenet"]);
  });

  test("a subnet that another cluster is in", () => {
    const shared = `${lab("networkPlugin: azure")}`.replace(
      /clusters: \[(.*)\]/,
      "clusters: [$1, { name: d, subnet: hub/a, networkPlugin: azure }]",
    );
    const options = plannedLab(shared).clusters[0]?.options ?? [];
    expect(options.filter(({ isPermitted }) => !isPermitted).map(({ option }) => option)).toEqual(["kubenet"]);
  });
});

test("what it takes: 50 nodes of 30 pods, surge 1", () => {
  const cluster = "networkPlugin: azure, pools: [{ count: 50, maxPods: 30, upgradeSettings: { maxSurge: 1 } }]";
  const options = plannedLab(lab(cluster)).clusters[0]?.options ?? [];
  const rows = options.map(({ option, isChosen, nodeSubnet, podSubnet, podCidr, routes }) => {
    const pods = podSubnet ?? podCidr;
    return [
      `${option}${isChosen ? " (chosen)" : ""}`,
      `/${nodeSubnet.smallest.maxUpgrade} for ${nodeSubnet.addresses.maxUpgrade}`,
      pods === undefined ? "" : `/${pods.smallest.maxUpgrade} for ${pods.addresses.maxUpgrade}`,
      routes.maxUpgrade,
    ];
  });
  expect(rows).toEqual([
    ["kubenet", "/26 for 51", "/18 for 13056", 51],
    ["nodeSubnet (chosen)", "/21 for 1581", "", 0],
    ["podSubnetDynamic", "/26 for 51", "/21 for 1530", 0],
    ["podSubnetStatic", "/26 for 51", "/21 for 1632", 0],
    ["overlay", "/26 for 51", "/18 for 13056", 0],
  ]);
});

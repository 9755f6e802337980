/** The plan's figures of now are those that the controllers reach when the same documents are run. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { virtualNodeName } from "../arm/virtual-node.ts";
import { assumptions, controllers, settle } from "../controllers/index.ts";
import { listArm, listKube } from "../controllers/view.ts";
import { loadLab } from "../documents/index.ts";
import { parsePrefix, sizeOf } from "../net/prefix.ts";
import { MemoryResources } from "../resources/memory.ts";
import { planDocuments } from "./index.ts";

const options = ["kubenet", "nodeSubnet", "overlay", "dynamic", "static"] as const;

const pool = fc.record({ count: fc.integer({ min: 1, max: 4 }), maxPods: fc.integer({ min: 30, max: 60 }), isTainted: fc.boolean() });

const design = fc.record({
  option: fc.constantFrom(...options),
  pools: fc.array(pool, { minLength: 1, maxLength: 3 }),
  machines: fc.integer({ min: 0, max: 3 }),
  endpoints: fc.integer({ min: 0, max: 2 }),
  isPrivate: fc.boolean(),
  deployments: fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 3 }),
  hasDaemonSet: fc.boolean(),
  internal: fc.integer({ min: 0, max: 3 }),
  shared: fc.integer({ min: 0, max: 2 }),
  virtual: fc.integer({ min: 0, max: 5 }),
});
type Design = typeof design extends fc.Arbitrary<infer T> ? T : never;

function labOf({ option, pools, machines, endpoints, isPrivate }: Design): string {
  const plugin = option === "kubenet" ? "kubenet" : "azure";
  const hasPodSubnet = option === "dynamic" || option === "static";
  return JSON.stringify({
    lab: "settled",
    networks: [
      {
        name: "hub",
        addressSpace: ["10.240.0.0/14"],
        subnets: [
          { name: "nodes", prefix: "10.240.0.0/20" },
          { name: "pods", prefix: "10.241.0.0/20" },
          { name: "data", prefix: "10.242.0.0/24" },
          { name: "aci", prefix: "10.242.1.0/24", delegations: ["Microsoft.ContainerInstance/containerGroups"] },
        ],
      },
    ],
    machines: Array.from({ length: machines }, (_, index) => ({ name: `vm${index}`, subnet: index === 0 ? "hub/nodes" : "hub/data" })),
    privateEndpoints: Array.from({ length: endpoints }, (_, index) => ({ name: `endpoint${index}`, subnet: "hub/nodes" })),
    clusters: [
      {
        name: "shop",
        networkPlugin: plugin,
        ...(option === "overlay" ? { networkPluginMode: "overlay" } : {}),
        ...(hasPodSubnet ? { podSubnet: "hub/pods", podIPAllocationMode: option === "static" ? "StaticBlock" : "DynamicIndividual" } : {}),
        subnet: "hub/nodes",
        ...(option === "nodeSubnet" ? { addonProfiles: { aciConnectorLinux: { config: { SubnetName: "aci" } } } } : {}),
        ...(isPrivate ? { apiServerAccessProfile: { enablePrivateCluster: true } } : {}),
        pools: pools.map(({ count, maxPods, isTainted }, index) => ({
          name: `np${index}`,
          count,
          maxPods,
          ...(isTainted && index > 0 ? { nodeTaints: ["only=me:NoSchedule"] } : {}),
        })),
        manifests: ["app.yaml"],
      },
    ],
  });
}

function manifestsOf({ option, deployments, hasDaemonSet, internal, shared, virtual }: Design): string {
  const template = (name: string) => ({
    metadata: { labels: { app: name } },
    spec: { containers: [{ name: "web", image: "web" }], ...(name === "app1" ? { tolerations: [{ operator: "Exists" }] } : {}) },
  });
  const service = (name: string, more: object) => ({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, annotations: { "service.beta.kubernetes.io/azure-load-balancer-internal": "true" } },
    spec: { type: "LoadBalancer", selector: { app: "app0" }, ports: [{ port: 80 }], ...more },
  });
  const objects = [
    ...deployments.map((replicas, index) => ({
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: `app${index}` },
      spec: { replicas, selector: { matchLabels: { app: `app${index}` } }, template: template(`app${index}`) },
    })),
    ...(hasDaemonSet
      ? [
          {
            apiVersion: "apps/v1",
            kind: "DaemonSet",
            metadata: { name: "agent" },
            spec: { selector: { matchLabels: { app: "agent" } }, template: template("agent") },
          },
        ]
      : []),
    ...(option === "nodeSubnet" && virtual > 0
      ? [
          {
            apiVersion: "apps/v1",
            kind: "Deployment",
            metadata: { name: "burst" },
            spec: {
              replicas: virtual,
              selector: { matchLabels: { app: "burst" } },
              template: {
                metadata: { labels: { app: "burst" } },
                spec: {
                  containers: [{ name: "web", image: "web" }],
                  nodeSelector: { type: "virtual-kubelet" },
                  tolerations: [{ key: "virtual-kubelet.io/provider", operator: "Exists" }],
                },
              },
            },
          },
        ]
      : []),
    ...Array.from({ length: internal }, (_, index) => service(`internal${index}`, {})),
    ...Array.from({ length: shared }, (_, index) =>
      service(`shared${index}`, { loadBalancerIP: "10.240.15.200", ports: [{ port: 1000 + index }] }),
    ),
    { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "none" } },
  ];
  return objects.map((object) => JSON.stringify(object)).join("\n---\n");
}

/** Addresses in use, by the id of their subnet. */
function counted(resources: MemoryResources): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  const add = (id: string | undefined, count = 1) => {
    if (id !== undefined) counts.set(id.toLowerCase(), (counts.get(id.toLowerCase()) ?? 0) + count);
  };
  for (const type of [
    "Microsoft.Network/networkInterfaces",
    "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/networkInterfaces",
  ] as const) {
    for (const nic of listArm(resources, type)) {
      for (const { properties } of nic.properties.ipConfigurations) add(properties.subnet.id);
    }
  }
  for (const { properties } of listArm(resources, "Microsoft.ContainerInstance/containerGroups")) add(properties.subnetIds[0]?.id);
  for (const balancer of listArm(resources, "Microsoft.Network/loadBalancers")) {
    for (const { properties } of balancer.properties.frontendIPConfigurations) add(properties.subnet?.id);
  }
  for (const cluster of listArm(resources, "Microsoft.ContainerService/managedClusters")) {
    for (const config of listKube(resources, cluster, "NodeNetworkConfig")) {
      for (const { subnetID, primaryIP, ipAssignments } of config.status.networkContainers) {
        for (const text of [...(primaryIP === undefined ? [] : [primaryIP]), ...ipAssignments.map(({ ip }) => ip)]) {
          const block = parsePrefix(text);
          add(subnetID, block === undefined ? 1 : sizeOf(block));
        }
      }
    }
  }
  return counts;
}

describe("figures of now are those of the settled resources", () => {
  test("addresses of subnets, routes and pod prefixes", () => {
    fc.assert(
      fc.property(design, (chosen) => {
        const files = [{ path: "lab.yaml", text: labOf(chosen) }];
        const loaded = loadLab(files, (path) => ({ path, text: manifestsOf(chosen) }));
        expect(loaded.problems.filter(({ severity }) => severity === "error")).toEqual([]);
        const plan = planDocuments(loaded);
        const resources = new MemoryResources();
        resources.apply(loaded.resources);
        settle(resources, [...controllers, ...assumptions], (writes) => resources.apply(writes));
        const counts = counted(resources);
        for (const { id, budget } of plan.networks.flatMap(({ subnets }) => subnets)) {
          const used = plan.budgets.find((one) => one.id === budget)?.used.now;
          expect([id, used]).toEqual([id, counts.get(id.toLowerCase()) ?? 0]);
        }
        const cluster = listArm(resources, "Microsoft.ContainerService/managedClusters")[0];
        if (cluster === undefined) throw new Error("there is a cluster");
        const nodes = listKube(resources, cluster, "Node").filter(({ metadata }) => metadata.name !== virtualNodeName);
        const budgetOf = (kind: string) => plan.budgets.find((one) => one.kind === kind)?.used.now ?? 0;
        expect(budgetOf("clusterNodes")).toBe(nodes.length);
        expect(budgetOf("podCidr")).toBe(nodes.filter(({ spec }) => spec.podCIDR !== undefined).length);
        const tables = listArm(resources, "Microsoft.Network/routeTables");
        expect(budgetOf("routes")).toBe(tables.reduce((sum, { properties }) => sum + properties.routes.length, 0));
        const pods = listKube(resources, cluster, "Pod").filter(
          ({ spec }) => spec.nodeName !== undefined && spec.nodeName !== virtualNodeName,
        ).length;
        expect(plan.clusters[0]?.pods.onNodes).toBe(pods);
        const balancers = listArm(resources, "Microsoft.Network/loadBalancers");
        const rules = balancers.reduce(
          (sum, { properties }) => sum + properties.loadBalancingRules.length + properties.outboundRules.length,
          0,
        );
        expect(budgetOf("balancerRules")).toBe(rules);
      }),
      { numRuns: 60, seed: 20_260_821 },
    );
  });
});

/** A running cluster that moves to Azure CNI Overlay in place: what the kernel then does is what a fresh overlay would do. */

import { expect, test } from "vitest";
import type { ManagedCluster } from "../../src/arm/resources.ts";
import { assumptions, controllers, settle } from "../../src/controllers/index.ts";
import { Kernel } from "../../src/kernel/index.ts";
import { LabView } from "../../src/lab/view.ts";
import { MemoryResources } from "../../src/resources/memory.ts";
import { openText, RunningLab } from "../labs/running-lab.ts";

const kernel = new Kernel();

const lab = (option: string) => `lab: t
networks: [{ name: v, addressSpace: [10.1.0.0/16], subnets: [{ name: n, prefix: 10.1.0.0/24 }, { name: d, prefix: 10.1.1.0/24 }] }]
machines: [{ name: vm, subnet: v/d, listen: [80/tcp] }]
internet: [{ name: www, address: 203.0.113.10, listen: [443/tcp] }]
clusters: [{ name: c, ${option}, subnet: v/n, pools: [{ name: p, count: 2, maxPods: 30 }], manifests: [m.yaml] }]
`;
const manifest = `apiVersion: apps/v1
kind: StatefulSet
metadata: { name: web }
spec: { serviceName: web, replicas: 4, selector: { matchLabels: { app: web } }, template: { metadata: { labels: { app: web } }, spec: { containers: [{ name: main, image: any, ports: [{ containerPort: 80 }] }] } } }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { type: LoadBalancer, selector: { app: web }, ports: [{ port: 80 }] }
`;

/** The lab after its cluster was given another network profile. */
function moved(view: LabView): LabView {
  const resources = new MemoryResources();
  for (const bucket of view.resources.buckets()) {
    for (const value of view.resources.list(bucket)) {
      const key = "id" in value ? value.id.toLowerCase() : `${bucket}/${value.metadata.namespace ?? ""}/${value.metadata.name}`;
      expect(view.resources.get(key)).toBe(value);
      const isCluster = "id" in value && value.type === "Microsoft.ContainerService/managedClusters";
      resources.apply([{ key, value: isCluster ? withOverlay(value) : value }]);
    }
  }
  settle(resources, [...controllers, ...assumptions], (writes) => resources.apply(writes));
  return new LabView(view.name, resources);
}

function withOverlay(cluster: ManagedCluster): ManagedCluster {
  const { networkMode: _mode, ...profile } = cluster.properties.networkProfile;
  const networkProfile = { ...profile, networkPlugin: "azure", networkPluginMode: "overlay", podCidr: "10.244.0.0/16" } as const;
  return { ...cluster, properties: { ...cluster.properties, networkProfile } };
}

test.each([
  ["kubenet", "networkPlugin: kubenet, podCidr: 10.244.0.0/16"],
  ["node subnet", "networkPlugin: azure"],
  ["node subnet in bridge mode", "networkPlugin: azure, networkMode: bridge"],
])("from %s", async (_name, option) => {
  const before = openText({ lab: lab(option), manifests: { "m.yaml": manifest } });
  expect(kernel.apply(before.network).errors).toEqual([]);
  const running = new RunningLab(moved(before), kernel);
  try {
    const pods = running.view.endpoints.filter(({ kind }) => kind === "pod");
    expect(pods.map(({ address }) => address)).toEqual(["10.244.0.0", "10.244.1.0", "10.244.0.1", "10.244.1.1"]);
    const { packets, found } = await running.disagreements(1);
    expect(packets).toBeGreaterThan(50);
    expect(found).toEqual([]);
  } finally {
    running.close();
  }
});

/** Pods of a virtual node: where their addresses come from, what a packet sees of them, and what they cannot have. */

import { expect, test } from "vitest";
import { openLab } from "../../src/lab/index.ts";
import { mustAddress } from "../../src/net/address.ts";
import { kubeBucket } from "../../src/resources/resources.ts";

const toVirtualNode = `nodeSelector: { type: virtual-kubelet }
      tolerations: [{ key: virtual-kubelet.io/provider, operator: Exists }, { key: azure.com/aci, effect: NoSchedule }]`;

function manifest(more: string): string {
  return `apiVersion: apps/v1
kind: Deployment
metadata: { name: burst }
spec:
  replicas: 2
  selector: { matchLabels: { app: burst } }
  template:
    metadata: { labels: { app: burst } }
    spec:
      ${toVirtualNode}
      ${more}
      containers: [{ name: main, image: any, ports: [{ containerPort: 80 }] }]
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  replicas: 1
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec: { containers: [{ name: main, image: any, ports: [{ containerPort: 80 }] }] }
---
apiVersion: apps/v1
kind: DaemonSet
metadata: { name: agent }
spec:
  selector: { matchLabels: { app: agent } }
  template:
    metadata: { labels: { app: agent } }
    spec: { tolerations: [{ operator: Exists }], containers: [{ name: main, image: any }] }
---
apiVersion: v1
kind: Service
metadata: { name: burst }
spec: { type: LoadBalancer, selector: { app: burst }, ports: [{ port: 80 }] }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { selector: { app: web }, ports: [{ port: 80 }] }
`;
}

function open(more = "", cluster = "networkPlugin: azure", delegations = ", delegations: [Microsoft.ContainerInstance/containerGroups]") {
  const text = `lab: virtual
networks:
  - name: hub
    addressSpace: [10.240.0.0/16]
    subnets:
      - { name: nodes, prefix: 10.240.0.0/24 }
      - { name: aci, prefix: 10.240.1.0/29${delegations} }
      - { name: data, prefix: 10.240.2.0/24 }
machines: [{ name: db, subnet: hub/data, listen: [5432/tcp] }]
internet: [{ name: partner, address: 203.0.113.10, listen: [443/tcp] }]
clusters:
  - name: c
    ${cluster}
    subnet: hub/nodes
    addonProfiles: { aciConnectorLinux: { enabled: true, config: { SubnetName: aci } } }
    pools: [{ name: np1, count: 1 }]
    manifests: [app.yaml]
`;
  return openLab([{ path: "lab.yaml", text }], (path) => ({ path, text: manifest(more) }));
}

function opened(more?: string) {
  const { view, problems } = open(more);
  if (view === undefined) throw new Error(JSON.stringify(problems));
  return view;
}

const burst = (view: ReturnType<typeof opened>) => view.endpoints.filter(({ name }) => name.startsWith("burst-"));

test("pods have addresses of the delegated subnet, and are no pods of a node", () => {
  const view = opened();
  expect(burst(view).map(({ address, node }) => `${address} ${node}`)).toEqual([
    "10.240.1.4 virtual-node-aci-linux",
    "10.240.1.5 virtual-node-aci-linux",
  ]);
  expect(view.endpoints.filter(({ name }) => name.startsWith("agent-"))).toHaveLength(1);
});

test("they see and are seen under their own address in the VNet, and are behind Services like any other", () => {
  const view = opened();
  const [pod] = burst(view);
  const web = view.endpoints.find(({ name }) => name.startsWith("web-"));
  if (pod === undefined || web === undefined) throw new Error("no pods");
  const services = new Map(view.topology.clusters.get("c")?.services.map((service) => [service.metadata.name, service]));
  const seen = (from: string, to: string, port: number) => {
    const [path] = view.tracer.trace(from, { protocol: "tcp", destination: mustAddress(to), destinationPort: port });
    return `${path?.outcome} ${path?.received?.source}`;
  };
  expect(seen(pod.host, "10.240.2.4", 5432)).toBe(`delivered ${pod.address}`);
  expect(seen("vm/db", pod.address, 80)).toBe("delivered 10.240.2.4");
  expect(seen(web.host, pod.address, 80)).toBe(`delivered ${web.address}`);
  expect(seen(pod.host, services.get("web")?.spec.clusterIP ?? "", 80)).toBe(`delivered ${pod.address}`);
  const frontend = services.get("burst")?.status?.loadBalancer?.ingress?.[0]?.ip ?? "";
  // The node that balances translates, as the endpoint is not on it.
  expect(seen("internet/partner", frontend, 80)).toBe("delivered 10.240.0.4");
});

test("what a virtual node does not support keeps the pod pending, by name", () => {
  const view = opened("initContainers: [{ name: first, image: any }]");
  expect(burst(view)).toEqual([]);
  expect(JSON.stringify(view.resources.list(kubeBucket("c", "Event")))).toContain("a virtual node does not support init containers");
});

test.each([
  ["kubenet", "networkPlugin: kubenet", undefined, "VirtualNodeRequiresAzureCNI"],
  ["Azure CNI Overlay", "networkPlugin: azure\n    networkPluginMode: overlay", undefined, "VirtualNodeRequiresAzureCNI"],
  ["a subnet that is not delegated", "networkPlugin: azure", "", "SubnetMissingRequiredDelegation"],
])("%s is refused", (_, cluster, delegations, code) => {
  const { view, problems } = open("", cluster, delegations);
  expect(view).toBeUndefined();
  expect(problems.map((problem) => problem.code)).toEqual([code]);
});

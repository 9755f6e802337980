/** What a packet sees of a Windows node. */

import { expect, test } from "vitest";
import { openLab } from "../../src/lab/index.ts";
import { mustAddress } from "../../src/net/address.ts";

const manifest = ["linux", "windows"]
  .map(
    (os) => `apiVersion: apps/v1
kind: Deployment
metadata: { name: ${os} }
spec:
  replicas: 1
  selector: { matchLabels: { app: ${os} } }
  template:
    metadata: { labels: { app: ${os} } }
    spec: { nodeSelector: { kubernetes.io/os: ${os} }, containers: [{ name: main, image: any, ports: [{ containerPort: 80 }] }] }
---
apiVersion: v1
kind: Service
metadata: { name: ${os} }
spec: { type: LoadBalancer, externalTrafficPolicy: Local, selector: { app: ${os} }, ports: [{ port: 80 }] }
---
`,
  )
  .join("");

function open() {
  const text = `lab: windows
networks: [{ name: hub, addressSpace: [10.240.0.0/16], subnets: [{ name: nodes, prefix: 10.240.0.0/24 }] }]
internet: [{ name: partner, address: 203.0.113.10 }]
clusters:
  - name: c
    networkPlugin: azure
    subnet: hub/nodes
    pools: [{ name: np1, count: 1 }, { name: npwin, count: 1, maxPods: 30, osType: Windows }]
    manifests: [app.yaml]
`;
  const { view, problems } = openLab([{ path: "lab.yaml", text }], (path) => ({ path, text: manifest }));
  if (view === undefined) throw new Error(JSON.stringify(problems));
  return view;
}

test("names of a Windows pool are short, and its host says what it is", () => {
  const { network } = open();
  expect(network.names().filter((name) => name.startsWith("node/"))).toEqual([
    expect.stringMatching(/^node\/c\/aks-np1-\d{8}-vmss000000$/),
    "node/c/aksnpwin000000",
  ]);
  expect(network.host("node/c/aksnpwin000000")?.origin.reason).toBe("node aksnpwin000000 (Windows, emulated on Linux)");
});

test("external traffic policy Local keeps the client's address on Linux, not on Windows", () => {
  const view = open();
  const cluster = view.topology.clusters.get("c");
  const seen = Object.fromEntries(
    (cluster?.services ?? []).flatMap((service) => {
      const ip = service.status?.loadBalancer?.ingress?.[0]?.ip;
      if (ip === undefined) return [];
      const [path] = view.tracer.trace("internet/partner", { protocol: "tcp", destination: mustAddress(ip), destinationPort: 80 });
      return [[service.metadata.name, `${path?.outcome} ${path?.received?.source}`]];
    }),
  );
  const node = cluster?.nodes.get("aksnpwin000000");
  expect(seen).toEqual({ linux: "delivered 203.0.113.10", windows: `delivered ${node?.nic.primary}` });
});

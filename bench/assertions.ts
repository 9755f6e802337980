/** Assertions about packets in a large cluster: how many a second the model judges, reading included and the design's compilation not. */

import { judge, readAssertions } from "../src/assertions/index.ts";
import { openLab } from "../src/lab/index.ts";

export type AssertionSpeed = { readonly assertions: number; readonly readMs: number; readonly judgeMs: number };

/** Each a pair of its own: pods to a machine with its source, pods to pods of another node, and pods to a Service. */
export function measureAssertions(nodes: number, pods: number, assertions: number): AssertionSpeed {
  const { view, problems } = openLab([{ path: "lab.yaml", text: labText(nodes, pods) }], (path) => ({ path, text: manifests(pods) }));
  if (view === undefined) throw new Error(problems[0]?.message);
  const names = view.endpoints.filter(({ kind }) => kind === "pod").map(({ label }) => label);
  const text = assertionText(names, assertions);
  const started = performance.now();
  const { files } = readAssertions({ path: "test.yaml", text });
  const read = performance.now();
  for (const file of files) {
    for (const assertion of file.assertions) {
      const plan = () => {
        throw new Error("no assertion here is about a plan");
      };
      const { status, problems: wrong = [] } = judge(
        {
          problems: [],
          view,
          get plan() {
            return plan();
          },
          resources: [],
        },
        file,
        assertion,
      );
      if (status !== "passed") throw new Error(`${assertion.name}: ${wrong[0]?.message ?? status}`);
    }
  }
  return { assertions, readMs: read - started, judgeMs: performance.now() - read };
}

function assertionText(names: readonly string[], count: number): string {
  const lines = Array.from({ length: count }, (_, index) => {
    const from = names[(index * 7) % names.length];
    const to = names[(index * 7 + 1 + (index % (names.length - 1))) % names.length];
    switch (index % 3) {
      case 0:
        return `  - { name: a${index}, from: "${from}", to: "vm/db:5432", sees: node, notThrough: "edge/*" }`;
      case 1:
        return `  - { name: a${index}, from: "${from}", to: "${to}:80", sees: sender, translations: none }`;
      default:
        return `  - { name: a${index}, from: "${from}", to: "c:default/svc/web:80" }`;
    }
  });
  return `design: lab.yaml\nassertions:\n${lines.join("\n")}\n`;
}

function labText(nodes: number, pods: number): string {
  const maxPods = Math.min(250, Math.max(30, Math.ceil(pods / nodes) + 10));
  return `lab: assertions
networks: [{ name: hub, addressSpace: [10.240.0.0/16], subnets: [{ name: nodes, prefix: 10.240.0.0/20 }, { name: data, prefix: 10.240.64.0/24 }] }]
machines: [{ name: db, subnet: hub/data, listen: [5432/tcp] }]
clusters: [{ name: c, networkPlugin: kubenet, subnet: hub/nodes, pools: [{ name: np1, count: ${nodes}, maxPods: ${maxPods} }], manifests: [app.yaml] }]
`;
}

function manifests(pods: number): string {
  return `apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  replicas: ${pods}
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec: { containers: [{ name: web, image: web, ports: [{ containerPort: 80 }] }] }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: few }
spec:
  replicas: 2
  selector: { matchLabels: { app: few } }
  template:
    metadata: { labels: { app: few } }
    spec: { containers: [{ name: few, image: few, ports: [{ containerPort: 80 }] }] }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { selector: { app: few }, ports: [{ port: 80 }] }
`;
}

/** All flows of a large design: what opening it costs, and what all pairs cost. Processor time of the process: others may be at work. */

import type { RouteTable } from "../src/arm/resources.ts";
import { Flows } from "../src/flows/flows.ts";
import type { NetworkPolicy } from "../src/kube/objects.ts";
import { changed } from "../src/lab/changed.ts";
import { openLab } from "../src/lab/index.ts";
import type { LabView } from "../src/lab/view.ts";
import { armBucket, armKey, kubeKey, type Write } from "../src/resources/resources.ts";

export type FlowsMeasured = {
  readonly openMs: number;
  readonly partiesMs: number;
  readonly allMs: number;
  readonly parties: number;
  readonly classes: number;
  readonly pairs: number;
  readonly traced: number;
  readonly residentMegabytes: number;
  /** From a changed resource to the classes that are others then. */
  readonly changes: readonly Changed[];
};

export type Changed = {
  readonly what: string;
  /** What AKS does about it, and the network. */
  readonly compileMs: number;
  readonly flowsMs: number;
  readonly classes: number;
  readonly traced: number;
};

const perNamespace = 5;
const poolSize = 1000;

export function measureFlows(nodes: number, pods: number, policies: number): FlowsMeasured {
  const begin = cpuMs();
  const view = labOf(nodes, pods, policies);
  const opened = cpuMs();
  const flows = new Flows(view);
  const grouped = cpuMs();
  let classes = 0;
  let pairs = 0;
  for (const flow of flows.classes()) {
    classes++;
    // Senders are listed when they are read: whoever asks pays for it, and so does the figure.
    pairs += flow.from.reduce((sum, sender) => sum + sender.pairs, 0);
  }
  const done = cpuMs();
  const { traced } = flows;
  const changes = measureChanges(view, flows);
  return {
    openMs: opened - begin,
    partiesMs: grouped - opened,
    allMs: done - grouped,
    parties: flows.parties.list.length,
    classes,
    pairs,
    traced,
    residentMegabytes: process.memoryUsage().rss / 1e6,
    changes,
  };
}

/** Twice each: the first change of a kind finds code that never ran, as it does where only one change is asked about. */
function measureChanges(view: LabView, flows: Flows): readonly Changed[] {
  const one = (what: string, write: Write): Changed => {
    const before = flows.traced;
    const begin = cpuMs();
    const after = changed(view, (resources) => resources.apply([write]), { measured: false });
    const compiled = cpuMs();
    const now = flows.after(after);
    const { made } = now.changedSince(flows);
    return { what, compileMs: compiled - begin, flowsMs: cpuMs() - compiled, classes: made.length, traced: now.traced - before };
  };
  const table = view.resources.list(armBucket("Microsoft.Network/routeTables"))[0] as unknown as RouteTable;
  const routed = (addressPrefix: string): Write => {
    const route = { id: `${table.id}/routes/added`, name: "added", properties: { addressPrefix, nextHopType: "None" as const } };
    return { key: armKey(table.id), value: { ...table, properties: { routes: [...table.properties.routes, route] } } };
  };
  const written = (value: NetworkPolicy): Write => ({
    key: kubeKey("c", "NetworkPolicy", value.metadata.namespace, value.metadata.name),
    value,
  });
  const leaving = (namespace: string): NetworkPolicy => ({
    ...policy(namespace, 1),
    metadata: { name: "leaving", namespace },
    spec: { podSelector: { matchLabels: { app: "app-2" } }, policyTypes: ["Egress"], egress: [{ ports: [{ port: 80 }] }] },
  });
  return [0, 1].flatMap((round) => [
    one("a policy's peers", written(policy(`n${round}`, 1, 4))),
    one("a policy that isolates senders", written(leaving(`n${round}`))),
    one("a route to a part of the Internet", routed(`203.0.113.${64 * round}/26`)),
  ]);
}

/** Each policy isolates one Deployment, and lets the one before it in the same namespace in. */
function policy(namespace: string, index: number, peer = index + 1): NetworkPolicy {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: `app-${index}`, namespace },
    spec: {
      podSelector: { matchLabels: { app: `app-${index}` } },
      policyTypes: ["Ingress"],
      ingress: [{ from: [{ podSelector: { matchLabels: { app: `app-${peer % perNamespace}` } } }], ports: [{ port: 80 }] }],
    },
  };
}

function labOf(nodes: number, pods: number, policies: number): LabView {
  const namespaces = Math.ceil(policies / perNamespace);
  const replicas = Math.floor(pods / policies);
  const objects = Array.from({ length: namespaces }, (_, number) => {
    const namespace = `n${number}`;
    const apps = Array.from({ length: perNamespace }, (_, index) => {
      const name = `app-${index}`;
      const labels = { app: name };
      const spec = { containers: [{ name: "main", image: "any", ports: [{ containerPort: 80 }] }] };
      return [
        {
          apiVersion: "apps/v1",
          kind: "Deployment",
          metadata: { name, namespace },
          spec: { replicas, selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
        },
        policy(namespace, index),
      ];
    });
    return [{ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } }, ...apps.flat()];
  });
  const pools = Array.from({ length: Math.ceil(nodes / poolSize) }, (_, index) => {
    const count = Math.min(poolSize, nodes - index * poolSize);
    return `{ name: np${index + 1}, count: ${count}, maxPods: 50 }`;
  });
  const text = `lab: bench
networks: [{ name: hub, addressSpace: [10.128.0.0/9], subnets: [{ name: nodes, prefix: 10.128.0.0/16 }, { name: data, prefix: 10.129.0.0/24 }] }]
routeTables: [{ name: own, subnets: [hub/nodes], routes: [{ name: onPremises, addressPrefix: 192.168.0.0/16, nextHopType: None }] }]
machines: [{ name: db, subnet: hub/data, listen: [5432/tcp] }]
internet: [{ name: www, address: 203.0.113.10, listen: [443/tcp] }]
clusters: [{ name: c, networkPlugin: azure, networkPluginMode: overlay, networkPolicy: calico, podCidr: 10.0.0.0/10, subnet: hub/nodes, serviceCidr: 10.64.0.0/16, outboundType: loadBalancer, loadBalancerProfile: { managedOutboundIPs: { count: 16 } }, pools: [${pools.join(", ")}], manifests: [app.yaml] }]
`;
  const app = objects
    .flat()
    .map((each) => JSON.stringify(each))
    .join("\n---\n");
  const { view, problems } = openLab([{ path: "lab.yaml", text }], (path) => ({ path, text: app }));
  if (view === undefined) throw new Error(problems.map(({ message }) => message).join("\n"));
  return view;
}
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

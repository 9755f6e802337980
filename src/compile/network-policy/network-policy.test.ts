import { expect, test } from "vitest";
import type { Host } from "../../ir/network.ts";
import type { Table } from "../../ir/ruleset.ts";
import type { NetworkPolicy } from "../../kube/objects.ts";
import { openLab } from "../../lab/index.ts";
import { withPolicies } from "../../lab/reachability.ts";
import type { LabView } from "../../lab/view.ts";

/** Namespaces `left` and `right`, with the pods of each on a node of its own. */
const manifest = ["left", "right"]
  .flatMap((name, index) => [
    { apiVersion: "v1", kind: "Namespace", metadata: { name } },
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "web", namespace: name },
      spec: {
        replicas: 3,
        selector: { matchLabels: { app: "web" } },
        template: {
          metadata: { labels: { app: "web" } },
          spec: {
            nodeSelector: { side: String(index) },
            containers: [{ name: "c", image: "i", ports: [{ name: "http", containerPort: 80 }] }],
          },
        },
      },
    },
  ])
  .map((each) => JSON.stringify(each))
  .join("\n---\n");

function opened(policies: readonly NetworkPolicy[] = [], engine = "networkPlugin: azure, networkPolicy: azure"): LabView {
  const text = `lab: t
networks: [{ name: v, addressSpace: [10.40.0.0/16], subnets: [{ name: n, prefix: 10.40.0.0/24 }] }]
clusters:
  - name: c
    ${engine.replace(", ", "\n    ").replace(", ", "\n    ")}
    subnet: v/n
    pools: [{ name: a, count: 1, nodeLabels: { side: "0" } }, { name: b, count: 1, nodeLabels: { side: "1" } }]
    manifests: [m.yaml]
`;
  const all = [manifest, ...policies.map((each) => JSON.stringify(each))].join("\n---\n");
  const { view, problems } = openLab([{ path: "lab.yaml", text }], (path) => ({ path, text: all }));
  if (view === undefined) throw new Error(problems.map(({ message }) => message).join("\n"));
  return view;
}

const policy = (name: string, namespace: string, spec: NetworkPolicy["spec"]): NetworkPolicy => ({
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { name, namespace },
  spec,
});
const nodes = (view: LabView): readonly Host[] =>
  view.network.names().flatMap((name) => (name.startsWith("node/") ? (view.network.host(name) ?? []) : []));
const tableOf = (host: Host | undefined): Table | undefined => host?.ruleSet.find(({ name }) => name === "network-policy");
const closed = policy("closed", "left", { podSelector: {}, policyTypes: ["Ingress"] });

test("a cluster without policies has no table for them", () => {
  expect(nodes(opened()).map(tableOf)).toEqual([undefined, undefined]);
});

test("a node has the policies of its own pods only, and is not compiled again for others", () => {
  const before = opened();
  const [left, right] = nodes(before);
  const after = nodes(withPolicies(before, "c", [closed]));
  expect(after.map((host) => tableOf(host) !== undefined)).toEqual([true, false]);
  expect([after[0] === left, after[1] === right]).toEqual([false, true]);
});

test("policies that stay are the same objects, and sets too", () => {
  const from = [{ podSelector: {}, namespaceSelector: {} }];
  const open = policy("open", "left", { podSelector: {}, policyTypes: ["Ingress"], ingress: [{ from, ports: [{ port: 80 }] }] });
  const before = withPolicies(opened(), "c", [open]);
  const [first] = nodes(before).map(tableOf);
  const [second] = nodes(withPolicies(before, "c", [closed])).map(tableOf);
  const chainOf = (table: Table | undefined) => table?.chains.find(({ name }) => name.startsWith("ingress-policy-"));
  const setOf = (table: Table | undefined) => table?.sets.find(({ name }) => name.startsWith("pods-"))?.elements;
  expect(setOf(first)).toHaveLength(6);
  expect([chainOf(second) === chainOf(first), setOf(second) === setOf(first)]).toEqual([true, true]);
});

test("a policy that says the same in another object leaves the kernel's rules as they are", () => {
  const before = withPolicies(opened(), "c", [closed]);
  const after = withPolicies(before, "c", [structuredClone(closed)]);
  expect(nodes(after).map(tableOf)).toEqual(nodes(before).map(tableOf));
});

test("ports that overlap are one range, since the kernel takes no other", () => {
  const ports = [
    { port: 80 },
    { port: 79, endPort: 90 },
    { port: 91 },
    { protocol: "UDP" as const },
    { port: 53, protocol: "UDP" as const },
  ];
  const [table] = nodes(withPolicies(opened(), "c", [policy("p", "left", { podSelector: {}, ingress: [{ ports }] })])).map(tableOf);
  expect(table?.sets.find(({ name }) => name.startsWith("ports-"))?.elements.map(({ key }) => key)).toEqual([
    ["tcp", { first: 79, last: 91 }],
    ["udp", { first: 0, last: 65_535 }],
  ]);
});

test("with Cilium an address range holds no pod and no node", () => {
  const anywhere = policy("anywhere", "left", { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: "0.0.0.0/0" } }] }] });
  const setOf = (view: LabView) => tableOf(nodes(withPolicies(view, "c", [anywhere]))[0])?.sets.find(({ name }) => name === "cluster");
  expect(setOf(opened())).toBeUndefined();
  const cilium = opened([], "networkPlugin: azure, networkDataplane: cilium");
  expect(setOf(cilium)?.elements).toHaveLength(2 + 6);
});

test("a drop names the policies and the rules that would have allowed it; an accept its rule", () => {
  const rules = [{ from: [{ podSelector: { matchLabels: { app: "web" } } }], ports: [{ port: "http" }] }];
  const view = withPolicies(opened(), "c", [closed, policy("web", "left", { podSelector: {}, ingress: rules })]);
  const [one, two] = view.endpoints.filter(({ namespace }) => namespace === "left");
  const stranger = view.endpoints.find(({ namespace }) => namespace === "right");
  if (one === undefined || two === undefined || stranger === undefined) throw new Error("pods are missing");
  const packet = { protocol: "tcp", destination: two.address, destinationPort: 80 } as const;
  const [denied] = view.tracer.trace(stranger.host, packet);
  expect(denied?.outcome).toBe("dropped");
  expect(denied?.decidedBy?.origin).toMatchObject({
    resource: "c:left/NetworkPolicy/closed",
    reason:
      "default deny of NetworkPolicy left/closed, left/web (ingress); would be allowed by spec.ingress[0] of left/web from pods app=web in namespace left, on TCP http",
  });
  const [allowed] = view.tracer.trace(one.host, packet);
  expect(allowed?.outcome).toBe("delivered");
  const accepted = allowed?.hops.flatMap(({ steps }) => steps).filter(({ kind }) => kind === "accept");
  expect(accepted?.map(({ origin }) => origin?.resource)).toEqual(["c:left/NetworkPolicy/web"]);
});

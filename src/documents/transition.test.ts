import { describe, expect, test } from "vitest";
import { assumptions, controllers, settle } from "../controllers/index.ts";
import { cluster, labResource, pool, subnetId, vnet } from "../controllers/testing/lab.ts";
import { MemoryResources } from "../resources/memory.ts";
import { armKey } from "../resources/resources.ts";
import { checkChange, checkTransition, formatProblem } from "./index.ts";
import { load, printed } from "./testing/documents.ts";

const manifest = `apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec: { replicas: 2, selector: { matchLabels: { app: web } }, template: { metadata: { labels: { app: web, tier: a } }, spec: { containers: [{ name: c, image: i, ports: [{ containerPort: 80 }] }] } } }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { clusterIP: 10.0.0.50, selector: { app: web }, ports: [{ port: 80 }] }
---
apiVersion: v1
kind: Pod
metadata: { name: single }
spec: { containers: [{ name: c, image: v1, ports: [{ containerPort: 80 }] }] }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: fixed }
immutable: true
data: { a: b }
`;
const lab = `lab: t
networks:
  - name: v
    addressSpace: [10.240.0.0/16, 10.241.0.0/16]
    subnets: [{ name: k, prefix: 10.240.0.0/24 }, { name: f, prefix: 10.241.0.0/24 }, { name: g, prefix: 10.240.5.0/24 }, { name: d, prefix: 10.240.4.0/24 }, { name: o, prefix: 10.240.7.0/24 }]
machines: [{ name: db, subnet: v/d }]
clusters:
  - { name: k, networkPlugin: kubenet, subnet: v/k, podCidr: 10.244.0.0/16, pools: [{ name: np1, count: 2, maxPods: 30 }], manifests: [m.yaml] }
  - { name: f, networkPlugin: azure, subnet: v/f, pools: [{ name: np1, count: 2, maxPods: 30 }] }
  - { name: o, networkPlugin: azure, networkPluginMode: overlay, subnet: v/o, podCidr: 10.250.0.0/16, pools: [{ name: np1, count: 1 }] }
`;

/** A lab at rest with these documents. */
function running(): MemoryResources {
  const loaded = load(lab, { "m.yaml": manifest });
  expect(printed(loaded)).toBe("");
  const resources = new MemoryResources();
  resources.apply(loaded.resources);
  settle(resources, [...controllers, ...assumptions], (writes) => resources.apply(writes));
  return resources;
}

const current = running();

function change(replace: readonly [string, string][], manifestReplace: readonly [string, string][] = []) {
  const apply = (text: string, edits: readonly (readonly [string, string])[]) =>
    edits.reduce((result, [from, to]) => {
      expect(result).toContain(from);
      return result.replace(from, to);
    }, text);
  const next = load(apply(lab, replace), { "m.yaml": apply(manifest, manifestReplace) });
  expect(next.problems.filter(({ severity }) => severity === "error").map(formatProblem)).toEqual([]);
  return { next, problems: checkTransition(current, next.resources, next.placeOf) };
}

describe("refused", () => {
  const refused: readonly (readonly [name: string, edits: [string, string][], problem: string])[] = [
    [
      "the network option",
      [["networkPlugin: kubenet, subnet: v/k, podCidr: 10.244.0.0/16", "networkPlugin: azure, subnet: v/k"]],
      "PropertyChangeNotAllowed clusters[0].networkPlugin",
    ],
    [
      "a move to an overlay with an old Kubernetes",
      [["networkPlugin: kubenet, subnet: v/k", "networkPlugin: azure, networkPluginMode: overlay, kubernetesVersion: 1.26, subnet: v/k"]],
      "PropertyChangeNotAllowed clusters[0].kubernetesVersion",
    ],
    [
      "a move to an overlay that leaves maxPods out",
      [
        [
          "name: f, networkPlugin: azure, subnet: v/f, pools: [{ name: np1, count: 2, maxPods: 30 }]",
          "name: f, networkPlugin: azure, networkPluginMode: overlay, subnet: v/f, pools: [{ name: np1, count: 2 }]",
        ],
      ],
      "PropertyChangeNotAllowed clusters[1].pools[0].maxPods",
    ],
    [
      "an overlay's pod CIDR to another range",
      [["podCidr: 10.250.0.0/16", "podCidr: 10.251.0.0/16"]],
      "PropertyChangeNotAllowed clusters[2].podCidr",
    ],
    [
      "the way back from an overlay",
      [["networkPluginMode: overlay, subnet: v/o", "subnet: v/o"]],
      "PropertyChangeNotAllowed clusters[2].networkPluginMode",
    ],
    ["the pod CIDR", [["10.244.0.0/16", "10.245.0.0/16"]], "PropertyChangeNotAllowed clusters[0].podCidr"],
    [
      "the service CIDR",
      [["name: f, networkPlugin: azure", "name: f, networkPlugin: azure, serviceCidr: 10.9.0.0/16, dnsServiceIP: 10.9.0.10"]],
      "PropertyChangeNotAllowed clusters[1].serviceCidr",
    ],
    [
      "the DNS address",
      [["name: f, networkPlugin: azure", "name: f, networkPlugin: azure, dnsServiceIP: 10.0.0.11"]],
      "PropertyChangeNotAllowed clusters[1].dnsServiceIP",
    ],
    [
      "max pods",
      [["name: np1, count: 2, maxPods: 30 }], manifests", "name: np1, count: 2, maxPods: 60 }], manifests"]],
      "PropertyChangeNotAllowed clusters[0].pools[0].maxPods",
    ],
    [
      "a route table under kubenet",
      [["machines:", "routeTables: [{ name: own, subnets: [v/k] }]\nmachines:"]],
      "CustomRouteTableInvalidUpdateAttempt networks[0].subnets[0].routeTable",
    ],
    [
      "a machine's VNet",
      [
        ["machines: [{ name: db, subnet: v/d }]", "machines: [{ name: db, subnet: w/d }]"],
        ["networks:", "networks:\n  - { name: w, addressSpace: [10.9.0.0/16], subnets: [{ name: d, prefix: 10.9.0.0/24 }] }"],
      ],
      "PropertyChangeNotAllowed machines[0].subnet",
    ],
    ["a pool's subnet", [["subnet: v/f", "subnet: v/g"]], "PropertyChangeNotAllowed clusters[1].subnet"],
    [
      "the network mode",
      [["name: f, networkPlugin: azure", "name: f, networkPlugin: azure, networkMode: bridge"]],
      "PropertyChangeNotAllowed clusters[1].networkMode",
    ],
    [
      "the node resource group",
      [["name: f, networkPlugin: azure", "name: f, networkPlugin: azure, nodeResourceGroup: x"]],
      "PropertyChangeNotAllowed clusters[1].nodeResourceGroup",
    ],
    ["a subnet's prefix", [["10.240.4.0/24", "10.240.4.0/25"]], "InUseSubnetCannotBeUpdated networks[0].subnets[3].prefix"],
    [
      "a subnet's prefix with nodes in it",
      [["10.241.0.0/24", "10.241.0.0/23"]],
      "InUseSubnetCannotBeUpdated networks[0].subnets[1].prefix",
    ],
  ];
  for (const [name, edits, problem] of refused) {
    test(name, () => {
      const { problems } = change(edits);
      const codes = problems.map(({ code, path }) => `${code} ${path}`);
      expect(codes).toContain(problem);
      expect(new Set(codes.map((code) => code.split(" ")[0])).size).toBe(1);
      expect(problems.every(({ file, line, fix }) => file === "lab.yaml" && (line ?? 0) > 0 && fix !== undefined)).toBe(true);
    });
  }
  test("address space that is in use", () => {
    const { problems } = change([
      ["10.240.0.0/16, 10.241.0.0/16", "10.240.0.0/16"],
      ["{ name: f, prefix: 10.241.0.0/24 }", "{ name: f, prefix: 10.240.9.0/24 }"],
    ]);
    expect(problems.map(({ code }) => code)).toEqual(["InUsePrefixCannotBeDeleted", "InUseSubnetCannotBeUpdated"]);
  });
  test("the rule set", () => {
    expect(change([["lab: t", "lab: t\nrules: lesson"]]).problems.map(({ path }) => path)).toContain("rules");
  });
  test("a Deployment's selector", () => {
    const { problems } = change([], [["matchLabels: { app: web }", "matchLabels: { tier: a }"]]);
    expect(problems.map(({ code, file, path }) => [code, file, path])).toEqual([["FieldValueInvalid", "m.yaml", "spec.selector"]]);
  });
  test("a Service's address", () => {
    expect(change([], [["10.0.0.50", "10.0.0.51"]]).problems.map(({ path }) => path)).toEqual(["spec.clusterIP"]);
  });
  test("a pod's ports", () => {
    expect(
      change([], [["image: v1, ports: [{ containerPort: 80", "image: v1, ports: [{ containerPort: 81"]]).problems.map(({ path }) => path),
    ).toEqual(["spec.containers"]);
  });
  test("an immutable ConfigMap's data", () => {
    expect(change([], [["a: b }\n", "a: c }\n"]]).problems.map(({ code, path }) => `${code} ${path}`)).toEqual([
      "FieldValueForbidden data",
    ]);
  });
  test("says what to do instead, without the documents too", () => {
    const { next } = change([["10.244.0.0/16", "10.245.0.0/16"]]);
    expect(checkTransition(current, next.resources).map(formatProblem).join("\n")).toMatchSnapshot();
  });
});

describe("a move to an overlay", () => {
  const toOverlay: [string, string] = [
    "networkPlugin: kubenet, subnet: v/k",
    "networkPlugin: azure, networkPluginMode: overlay, subnet: v/k",
  ];

  test("is allowed, and says what it costs", () => {
    const { problems } = change([toOverlay]);
    expect(problems.map(({ code, severity, path }) => `${severity} ${code} ${path}`)).toEqual([
      "warning AllNodesReimaged clusters[0].networkPlugin",
    ]);
    expect(problems[0]?.message).toMatch(
      /^cluster k moves to Azure CNI Overlay, and there is no way back\. Its 2 nodes are re-imaged all at once; 3 pods are made anew .* ends: default\/single \(10\.244\.\d\.\d\), /,
    );
  });

  test("is refused while the cluster has its own ip-masq-agent configuration", () => {
    const map =
      "immutable: true\ndata: { a: b }\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: { name: azure-ip-masq-agent-config, namespace: kube-system }\ndata: { ip-masq-agent: 'masqLinkLocal: true' }";
    const { problems } = change([toOverlay], [["immutable: true\ndata: { a: b }", map]]);
    expect(problems.map(({ code, severity }) => `${severity} ${code}`)).toEqual(["error PropertyChangeNotAllowed"]);
    expect(problems[0]?.message).toContain("kube-system/azure-ip-masq-agent-config");
  });
});

describe("allowed", () => {
  const allowed: readonly (readonly [name: string, edits: [string, string][], manifestEdits?: [string, string][]])[] = [
    ["nothing", []],
    ["scaling", [["count: 2", "count: 3"]]],
    [
      "a new pool with other max pods",
      [
        [
          "pools: [{ name: np1, count: 2, maxPods: 30 }], manifests",
          "pools: [{ name: np1, count: 2, maxPods: 30 }, { name: np2, count: 1, maxPods: 60 }], manifests",
        ],
      ],
    ],
    ["deleting a cluster", [["  - { name: f, networkPlugin: azure, subnet: v/f, pools: [{ name: np1, count: 2, maxPods: 30 }] }\n", ""]]],
    [
      "deleting a cluster with its subnet",
      [
        ["  - { name: f, networkPlugin: azure, subnet: v/f, pools: [{ name: np1, count: 2, maxPods: 30 }] }\n", ""],
        ["{ name: f, prefix: 10.241.0.0/24 }, ", ""],
        [", 10.241.0.0/16", ""],
      ],
    ],
    ["more address space", [["10.241.0.0/16]", "10.241.0.0/16, 10.242.0.0/16]"]]],
    ["a new subnet", [["{ name: g,", "{ name: h, prefix: 10.240.6.0/24 }, { name: g,"]]],
    ["an unused subnet's prefix", [["10.240.5.0/24", "10.240.5.0/25"]]],
    [
      "outbound addresses",
      [["name: f, networkPlugin: azure", "name: f, networkPlugin: azure, loadBalancerProfile: { managedOutboundIPs: { count: 2 } }"]],
    ],
    ["an overlay's pod CIDR that grows", [["podCidr: 10.250.0.0/16", "podCidr: 10.248.0.0/13"]]],
    ["manifests", [], [["replicas: 2", "replicas: 5"]]],
    ["a pod's image", [], [["image: v1", "image: v2"]]],
    ["a Service that leaves its address out", [], [["clusterIP: 10.0.0.50, ", ""]]],
  ];
  for (const [name, edits, manifestEdits] of allowed) {
    test(name, () => expect(change(edits, manifestEdits).problems.map(formatProblem)).toEqual([]));
  }
});

describe("one resource that changes", () => {
  const documents = (count: number) => {
    const azure = [
      labResource(),
      ...vnet("hub", ["10.240.0.0/16"], { plain: "10.240.0.0/29" }),
      cluster("c", { networkPlugin: "kubenet", podCidr: "10.244.0.0/16" }),
      pool("c", "np1", subnetId("hub", "plain"), { count }),
    ];
    return azure.map((value) => ({ key: armKey(value.id), value }));
  };
  const scaled = (count: number) => pool("c", "np1", subnetId("hub", "plain"), { count });

  test("what Azure would refuse of it", () => {
    expect(checkChange(documents(3), scaled(401)).map(({ code, severity }) => `${severity} ${code}`)).toContain(
      "error InsufficientSubnetSize",
    );
    expect(checkChange(documents(3), scaled(1001)).map(({ path }) => path)).toContain("managedClusters/c/agentPools/np1: count");
  });
  test("what it only warns of", () => {
    expect(checkChange(documents(3), scaled(4))).toMatchObject([{ severity: "warning", code: "InsufficientSubnetSize" }]);
  });
  test("nothing of what was so before", () => expect(checkChange(documents(1001), scaled(1001))).toEqual([]));
});

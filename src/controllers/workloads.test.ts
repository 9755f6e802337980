import { describe, expect, it } from "vitest";
import type { Node, Pod, ReplicaSet } from "../kube/objects.ts";
import { cluster, daemonSet, deployment, keyIn, pod, pool, statefulSet, subnetId, TestLab, vnet } from "./testing/lab.ts";

const plain = subnetId("hub", "plain");

function lab(count: number, maxPods = 30): TestLab {
  const made = new TestLab([
    ...vnet("hub", ["10.240.0.0/16"], { plain: "10.240.0.0/20" }),
    cluster("k", { networkPlugin: "kubenet", podCidr: "10.244.0.0/16" }),
    pool("k", "np1", plain, { count, maxPods }),
  ]);
  made.settle();
  return made;
}

const names = (of: TestLab) => of.pods("k").map(({ metadata }) => metadata.name);
const perNode = (of: TestLab) =>
  of.nodes("k").map(({ metadata }) => of.pods("k").filter(({ spec }) => spec.nodeName === metadata.name).length);
const scale = (of: TestLab, count: number) => of.put(pool("k", "np1", plain, { count })).settle();

function editNode(of: TestLab, index: number, edit: (node: Node) => Node): void {
  const node = of.nodes("k")[index];
  if (node === undefined) throw new Error("no such node");
  of.add("k", edit(node));
}

describe("Deployments", () => {
  it("make a ReplicaSet and pods with Kubernetes' names", () => {
    const k = lab(1).add("k", deployment("web", 3));
    k.settle();
    const [set] = k.kube<ReplicaSet>("k", "ReplicaSet");
    expect(set?.metadata.name).toMatch(/^web-[bcdfghjklmnpqrstvwxz2456789]{10}$/);
    for (const { metadata } of k.pods("k")) {
      expect(metadata.name.startsWith(`${set?.metadata.name}-`)).toBe(true);
      expect(metadata.name).toMatch(/-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
      expect(metadata.labels).toEqual({ app: "web", "pod-template-hash": set?.metadata.name.slice(4) });
      expect(metadata.ownerReferences).toEqual([
        { apiVersion: "apps/v1", kind: "ReplicaSet", name: set?.metadata.name, uid: set?.metadata.uid, controller: true },
      ]);
    }
  });

  it("keep the older pods when scaled down, and give back the same names when scaled up", () => {
    const k = lab(2).add("k", deployment("web", 5));
    k.settle();
    const five = names(k);
    k.add("k", deployment("web", 2)).settle();
    const two = names(k);
    expect(two).toHaveLength(2);
    k.add("k", deployment("web", 3)).settle();
    expect(names(k)).toEqual(expect.arrayContaining(two));
    k.add("k", deployment("web", 5)).settle();
    expect(names(k)).toEqual(five);
  });

  it("replace their ReplicaSet and its pods when the template changes", () => {
    const k = lab(2).add("k", deployment("web", 3));
    k.settle();
    const before = names(k);
    k.add("k", deployment("web", 3, { containers: [{ name: "main", image: "other" }] })).settle();
    expect(k.kube("k", "ReplicaSet")).toHaveLength(1);
    expect(names(k)).toHaveLength(3);
    expect(names(k).some((name) => before.includes(name))).toBe(false);
  });

  it("take everything they made with them", () => {
    const k = lab(2).add("k", deployment("web", 3));
    k.settle();
    k.remove(keyIn("k", deployment("web", 3))).settle();
    expect(k.kube("k", "ReplicaSet")).toEqual([]);
    expect(names(k)).toEqual([]);
  });

  it("have their pods made anew elsewhere when a node goes", () => {
    const k = lab(3).add("k", deployment("web", 6));
    k.settle();
    expect(perNode(k)).toEqual([2, 2, 2]);
    scale(k, 2);
    expect(perNode(k)).toEqual([3, 3]);
    expect(k.pods("k").every((p) => p.status?.phase === "Running")).toBe(true);
  });
});

describe("StatefulSets", () => {
  it("make pods with ordinals and a name of their own", () => {
    const k = lab(2).add("k", statefulSet("db", 3));
    k.settle();
    expect(names(k)).toEqual(["db-0", "db-1", "db-2"]);
    expect(k.pods("k")[1]?.spec).toMatchObject({ hostname: "db-1", subdomain: "db" });
    k.add("k", statefulSet("db", 1)).settle();
    expect(names(k)).toEqual(["db-0"]);
  });

  it("replace pods of another revision under the same name, with another address", () => {
    const k = lab(1).add("k", statefulSet("db", 1));
    k.settle();
    const before = k.pods("k")[0];
    k.add("k", statefulSet("db", 1, { containers: [{ name: "main", image: "other" }] })).settle();
    const after = k.pods("k")[0];
    expect(after?.spec.containers[0]?.image).toBe("other");
    expect([before?.status?.podIP, after?.status?.podIP]).toEqual(["10.244.0.2", "10.244.0.3"]);
  });
});

describe("DaemonSets", () => {
  it("make one pod per node, and follow the nodes", () => {
    const k = lab(2).add("k", daemonSet("agent"));
    k.settle();
    expect(perNode(k)).toEqual([1, 1]);
    scale(k, 4);
    expect(perNode(k)).toEqual([1, 1, 1, 1]);
    scale(k, 1);
    expect(perNode(k)).toEqual([1]);
  });

  it("run on matching nodes whose taints they tolerate", () => {
    const k = lab(3);
    editNode(k, 0, (node) => ({ ...node, metadata: { ...node.metadata, labels: { ...node.metadata.labels, disk: "ssd" } } }));
    editNode(k, 1, (node) => ({ ...node, spec: { ...node.spec, taints: [{ key: "gpu", value: "yes", effect: "NoSchedule" }] } }));
    k.add(
      "k",
      daemonSet("ssd", { nodeSelector: { disk: "ssd" } }),
      daemonSet("gpu", { tolerations: [{ key: "gpu", operator: "Equal", value: "yes" }] }),
      daemonSet("most"),
    );
    k.settle();
    const nodesOf = (app: string) =>
      k.pods("k").flatMap(({ metadata, spec }) => (metadata.labels?.app === app ? [Number(spec.nodeName?.slice(-1))] : []));
    expect(nodesOf("ssd")).toEqual([0]);
    expect(nodesOf("gpu").sort()).toEqual([0, 1, 2]);
    expect(nodesOf("most").sort()).toEqual([0, 2]);
  });

  it("run on cordoned nodes too", () => {
    const k = lab(2);
    editNode(k, 1, (node) => ({ ...node, spec: { ...node.spec, unschedulable: true } }));
    k.add("k", daemonSet("agent"), deployment("web", 2)).settle();
    expect(perNode(k)).toEqual([3, 1]);
  });
});

describe("pods", () => {
  it("without an owner are gone with their node", () => {
    const k = lab(2).add("k", pod("a"), pod("b"));
    k.settle();
    scale(k, 1);
    expect(names(k)).toEqual(["a"]);
  });

  it("with an owner that is not ours are left alone", () => {
    const job: Pod = {
      ...pod("job-x"),
      metadata: {
        name: "job-x",
        namespace: "default",
        ownerReferences: [{ apiVersion: "batch/v1", kind: "Job", name: "job", uid: "1", controller: true }],
      },
    };
    const k = lab(1).add("k", job);
    k.settle();
    expect(names(k)).toEqual(["job-x"]);
  });
});

describe("scheduler", () => {
  it("spreads the pods of an owner, then all pods", () => {
    const k = lab(3).add("k", deployment("a", 4), deployment("b", 4));
    k.settle();
    expect(perNode(k).sort()).toEqual([2, 3, 3]);
    for (const app of ["a", "b"]) {
      const counts = k
        .nodes("k")
        .map(({ metadata }) => k.pods("k").filter((p) => p.spec.nodeName === metadata.name && p.metadata.labels?.app === app).length);
      expect(Math.max(...counts) - Math.min(...counts)).toBe(1);
    }
  });

  it("fills nodes up to max pods and says in Kubernetes' words what is left over", () => {
    const k = lab(3, 10).add("k", deployment("web", 31));
    k.settle();
    expect(perNode(k)).toEqual([10, 10, 10]);
    expect(k.events("k")).toEqual(["FailedScheduling: 0/3 nodes are available: 3 Too many pods."]);
    const [pending] = k.pods("k").filter(({ spec }) => spec.nodeName === undefined);
    expect(pending?.status?.phase).toBe("Pending");
    k.put(pool("k", "np1", plain, { count: 4, maxPods: 10 })).settle();
    expect(k.events("k")).toEqual([]);
  });

  it("counts every reason once per node", () => {
    const k = lab(3, 10);
    editNode(k, 0, (node) => ({ ...node, spec: { ...node.spec, unschedulable: true } }));
    editNode(k, 1, (node) => ({ ...node, spec: { ...node.spec, taints: [{ key: "gpu", value: "yes", effect: "NoSchedule" }] } }));
    k.add("k", pod("win", { nodeSelector: { "kubernetes.io/os": "windows" } })).settle();
    expect(k.events("k")).toEqual([
      "FailedScheduling: 0/3 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) had untolerated taint {gpu: yes}, 1 node(s) were unschedulable.",
    ]);
  });

  it("knows when there are no nodes", () => {
    const k = lab(0).add("k", pod("web"));
    k.settle();
    expect(k.events("k")).toEqual(["FailedScheduling: no nodes available to schedule pods"]);
  });

  it("puts no two pods with the same host port on one node", () => {
    const containers = [{ name: "main", ports: [{ containerPort: 80, hostPort: 8080 }] }];
    const k = lab(2).add(
      "k",
      deployment("edge", 3, { containers }),
      deployment("host", 3, { hostNetwork: true, containers: [{ name: "main", ports: [{ containerPort: 8080 }] }] }),
    );
    k.settle();
    expect(perNode(k)).toEqual([1, 1]);
    expect(k.events("k")[0]).toBe(
      "FailedScheduling: 0/2 nodes are available: 2 node(s) didn't have free ports for the requested pod ports.",
    );
  });

  it("follows required node affinity", () => {
    const k = lab(3);
    const wanted = k.nodes("k")[2]?.metadata.name ?? "";
    const nodeSelectorTerms = [{ matchExpressions: [{ key: "kubernetes.io/hostname", operator: "In", values: [wanted] } as const] }];
    k.add(
      "k",
      deployment("web", 3, { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } } }),
    ).settle();
    expect(perNode(k)).toEqual([0, 0, 3]);
  });

  it("leaves a pod alone whose author chose the node", () => {
    const k = lab(3);
    const wanted = k.nodes("k")[2]?.metadata.name ?? "";
    k.add("k", pod("here", { nodeName: wanted }), pod("nowhere", { nodeName: "gone" })).settle();
    expect(k.pods("k").map(({ status }) => status?.podIP)).toEqual(["10.244.2.2", undefined]);
  });
});

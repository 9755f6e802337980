import { describe, expect, it } from "vitest";
import type { EndpointSlice, Pod } from "../kube/objects.ts";
import { controllers, settle } from "./index.ts";
import { cluster, deployment, keyIn, pod, pool, service, subnetId, TestLab, vnet } from "./testing/lab.ts";

function lab(): TestLab {
  return new TestLab([
    ...vnet("hub", ["10.240.0.0/16"], { plain: "10.240.0.0/24" }),
    cluster("c", { networkPlugin: "kubenet", podCidr: "10.244.0.0/16" }),
    pool("c", "np1", subnetId("hub", "plain"), { count: 2 }),
  ]);
}

const slices = (of: TestLab) => of.kube<EndpointSlice>("c", "EndpointSlice");

describe("endpoint slices", () => {
  it("list the ready pods that a selector picks, headless Services included", () => {
    const c = lab().add(
      "c",
      deployment("web", 2),
      deployment("other", 2),
      service("web"),
      service("all", { selector: { app: "web" }, clusterIP: "None" }),
    );
    c.settle();
    expect(slices(c).map(({ metadata }) => metadata.labels?.["kubernetes.io/service-name"])).toEqual(["all", "web"]);
    for (const slice of slices(c)) {
      expect(slice.endpoints.map(({ addresses }) => addresses[0])).toEqual(["10.244.0.3", "10.244.1.3"]);
      expect(slice.endpoints[0]).toMatchObject({
        conditions: { ready: true, serving: true, terminating: false },
        nodeName: c.nodes("c")[0]?.metadata.name,
        ports: [{ name: "", protocol: "TCP", port: 80 }],
      });
    }
    c.add("c", deployment("web", 1)).settle();
    expect(slices(c)[1]?.endpoints).toHaveLength(1);
    c.remove(keyIn("c", service("web"))).settle();
    expect(slices(c)).toHaveLength(1);
  });

  it("mirror Endpoints of Services without a selector, and no others", () => {
    const addresses = { subsets: [{ addresses: [{ ip: "10.240.0.9" }], notReadyAddresses: [{ ip: "fd00::1" }], ports: [{ port: 5432 }] }] };
    const endpoints = (name: string) => ({ apiVersion: "v1", kind: "Endpoints", metadata: { name, namespace: "default" }, ...addresses });
    const c = lab().add("c", deployment("web", 1), service("web"), endpoints("web"), service("db", { selector: {} }), endpoints("db"));
    c.add("c", endpoints("nobody")).settle();
    const mirrored = slices(c)
      .filter(({ metadata }) => metadata.ownerReferences?.[0]?.kind === "Endpoints")
      .sort((a, b) => (a.addressType < b.addressType ? -1 : 1));
    expect(mirrored.map(({ metadata, addressType }) => [metadata.labels?.["kubernetes.io/service-name"], addressType])).toEqual([
      ["db", "IPv4"],
      ["db", "IPv6"],
    ]);
    expect(mirrored.map((slice) => slice.endpoints[0])).toEqual([
      {
        addresses: ["10.240.0.9"],
        conditions: { ready: true, serving: true, terminating: false },
        ports: [{ name: "", protocol: "TCP", port: 5432 }],
      },
      {
        addresses: ["fd00::1"],
        conditions: { ready: false, serving: false, terminating: false },
        ports: [{ name: "", protocol: "TCP", port: 5432 }],
      },
    ]);
    c.remove(keyIn("c", endpoints("db"))).settle();
    expect(slices(c)).toHaveLength(1);
  });

  it("resolve a named target port pod by pod", () => {
    const named = (name: string, containerPort: number) =>
      pod(name, { containers: [{ name: "main", ports: [{ name: "http", containerPort }] }] }, { app: "web" });
    const c = lab().add(
      "c",
      named("a", 8080),
      named("b", 9090),
      pod("c", {}, { app: "web" }),
      service("web", { ports: [{ name: "web", port: 80, targetPort: "http" }] }),
    );
    c.settle();
    expect(slices(c)[0]?.endpoints.map(({ ports }) => ports[0]?.port)).toEqual([8080, 9090, undefined]);
  });

  it("match every label of a selector", () => {
    const c = lab().add(
      "c",
      pod("a", {}, { app: "web", tier: "front" }),
      pod("b", {}, { app: "web" }),
      service("web", { selector: { app: "web", tier: "front" } }),
    );
    c.settle();
    expect(slices(c)[0]?.endpoints.map(({ targetRef }) => targetRef?.name)).toEqual(["a"]);
    c.add("c", pod("c", {}, { tier: "front", app: "web" })).settle();
    expect(slices(c)[0]?.endpoints.map(({ targetRef }) => targetRef?.name)).toEqual(["a", "c"]);
  });

  it("say what is not ready and what is ending", () => {
    const c = lab().add("c", pod("a"), service("a"), service("eager", { selector: { app: "a" }, publishNotReadyAddresses: true }));
    // A living lab: nobody assumes that pods answer.
    settle(c.resources, controllers, (writes) => c.apply(writes));
    const conditions = () => slices(c).map(({ endpoints }) => endpoints[0]?.conditions);
    expect(conditions()).toEqual([
      { ready: false, serving: false, terminating: false },
      { ready: true, serving: false, terminating: false },
    ]);
    c.settle();
    const [running] = c.pods("c");
    if (running === undefined) throw new Error("no pod");
    const ending: Pod = { ...running, metadata: { ...running.metadata, deletionTimestamp: "2026-07-01T00:00:00Z" } };
    c.add("c", ending).settle();
    expect(conditions()[0]).toEqual({ ready: false, serving: true, terminating: true });
  });

  it("leave Services without a selector to their author", () => {
    const own: EndpointSlice = {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { name: "own", namespace: "default" },
      addressType: "IPv4",
      endpoints: [],
    };
    const c = lab().add("c", service("db", { selector: {} }), own);
    c.settle();
    expect(slices(c)).toEqual([own]);
  });
});

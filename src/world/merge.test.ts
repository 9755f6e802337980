import { describe, expect, test } from "vitest";
import { MemoryResources } from "../resources/memory.ts";
import { kubeKey, type Resource } from "../resources/resources.ts";
import { type Document, equal, lastDocuments, mergeDocuments } from "./merge.ts";

const lab = "test";

function service(spec: Readonly<Record<string, unknown>>, more: Readonly<Record<string, unknown>> = {}): Document {
  const value = { apiVersion: "v1", kind: "Service", metadata: { name: "web", namespace: "default" }, spec, ...more };
  return { key: kubeKey("c", "Service", "default", "web"), value: value as unknown as Resource };
}

/** What is stored after the documents were applied one after another; `between` is what controllers do after the first. */
function applied(first: readonly Document[], between: readonly Document[], second: readonly Document[]): MemoryResources {
  const resources = new MemoryResources();
  resources.apply(mergeDocuments(resources, lab, first));
  resources.apply(between);
  resources.apply(mergeDocuments(resources, lab, second));
  return resources;
}

const { key } = service({});

describe("documents into a store that controllers write to", () => {
  test("what controllers filled in and documents leave out stays", () => {
    const filled = service(
      { type: "LoadBalancer", clusterIP: "10.0.0.7", ports: [{ port: 80, nodePort: 30_001 }] },
      { status: { ip: "198.18.0.1" } },
    );
    const stored = applied(
      [service({ type: "LoadBalancer", ports: [{ port: 80 }] })],
      [filled],
      [service({ type: "LoadBalancer", selector: { app: "web" }, ports: [{ port: 80, targetPort: 8080 }] })],
    ).get(key);
    expect(stored).toMatchObject({
      spec: { clusterIP: "10.0.0.7", selector: { app: "web" }, ports: [{ port: 80, targetPort: 8080, nodePort: 30_001 }] },
      status: { ip: "198.18.0.1" },
    });
  });

  test("a property that documents said and no longer say goes", () => {
    const stored = applied([service({ type: "NodePort", sessionAffinity: "ClientIP" })], [], [service({ type: "NodePort" })]).get(key);
    expect(stored).toMatchObject({ spec: { type: "NodePort" } });
    expect(stored).not.toHaveProperty("spec.sessionAffinity");
  });

  test("a document's value wins over what was changed meanwhile", () => {
    expect(
      applied([service({ type: "NodePort" })], [service({ type: "ClusterIP" })], [service({ type: "NodePort" })]).get(key),
    ).toMatchObject({
      spec: { type: "NodePort" },
    });
  });

  test("an object of earlier documents that is gone is deleted, and one that nobody documented is not", () => {
    const made = { ...service({}), key: kubeKey("c", "Service", "default", "kubernetes") };
    const stored = applied([service({})], [made], []);
    expect(stored.get(key)).toBeUndefined();
    expect(stored.get(made.key)).toEqual(made.value);
  });

  test("a port that is taken out of a list goes, the others keep what controllers gave them", () => {
    const ports = [
      { name: "http", port: 80, nodePort: 30_001 },
      { name: "admin", port: 81, nodePort: 30_002 },
    ];
    const stored = applied(
      [
        service({
          ports: [
            { name: "http", port: 80 },
            { name: "admin", port: 81 },
          ],
        }),
      ],
      [service({ ports })],
      [service({ ports: [{ name: "admin", port: 82 }] })],
    ).get(key);
    expect(stored).toMatchObject({ spec: { ports: [{ name: "admin", port: 82, nodePort: 30_002 }] } });
    expect(stored).toHaveProperty("spec.ports.length", 1);
  });

  test("the same documents again write nothing", () => {
    const documents = [service({ ports: [{ port: 80 }] })];
    const resources = applied(documents, [service({ clusterIP: "10.0.0.7", ports: [{ port: 80, nodePort: 30_001 }] })], documents);
    expect(mergeDocuments(resources, lab, documents)).toEqual([]);
    expect(lastDocuments(resources, lab)).toEqual(documents);
  });
});

test.each([
  [{ a: 1, b: [1, { c: 2 }] }, { b: [1, { c: 2 }], a: 1 }, true],
  [{ a: 1 }, { a: 1, b: undefined }, false],
  [[1, 2], [2, 1], false],
  [{}, [], false],
  [null, {}, false],
])("%j and %j are equal: %s", (a, b, want) => {
  expect(equal(a, b)).toBe(want);
});

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { kubeKey, type Resource } from "../resources/resources.ts";
import { MemoryStore } from "./log-store.ts";
import { SqliteStore } from "./sqlite-store.ts";
import { type Change, type Store, StoreError } from "./store.ts";

const folder = mkdtempSync(join(tmpdir(), "drydock-store-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;
const fresh = () => join(folder, `${files++}.db`);

const pod = (name: string, hostname = ""): { key: string; value: Resource } => ({
  key: kubeKey("c", "Pod", "default", name),
  value: { apiVersion: "v1", kind: "Pod", metadata: { name, namespace: "default", labels: { hostname } } },
});

describe.each<readonly [string, () => Store]>([
  ["memory", () => new MemoryStore()],
  ["SQLite", () => SqliteStore.open(fresh())],
])("%s store", (_name, open) => {
  test("a commit is one revision and can be read back", () => {
    const store = open();
    expect(store.commit([pod("a"), pod("b")])).toBe(1);
    expect(store.resources.list("/kubernetes/c/Pod")).toHaveLength(2);
    expect(store.commit([{ key: pod("a").key, value: undefined }])).toBe(2);
    expect(store.resources.get(pod("a").key)).toBeUndefined();
    expect(store.revisionOf(pod("b").key)).toBe(1);
    expect(store.commit([])).toBe(2);
    store.close();
  });

  test("compare-and-set writes nothing on conflict", () => {
    const store = open();
    store.commit([pod("a")]);
    store.commit([pod("a", "x")]);
    expect(() => store.commit([pod("a", "y"), pod("b")], new Map([[pod("a").key, 1]]))).toThrow(StoreError);
    expect(store.resources.get(pod("b").key)).toBeUndefined();
    expect(store.revision).toBe(2);
    expect(store.commit([pod("b")], new Map([[pod("b").key, 0]]))).toBe(3);
    store.close();
  });

  test("a transaction sees its own writes and is one revision, of what changed in the end", () => {
    const store = open();
    const kept = pod("a");
    store.commit([kept]);
    const seen: Change[] = [];
    store.watch(store.revision, (changes) => seen.push(...changes));
    const revision = store.transact((write) => {
      write([pod("b"), { key: kept.key, value: undefined }]);
      expect(store.resources.get(pod("b").key)).toEqual(pod("b").value);
      write([pod("b", "again"), kept]);
    });
    expect(revision).toBe(2);
    expect(seen).toEqual([{ revision: 2, ...pod("b", "again") }]);
    expect(store.revisionOf(kept.key)).toBe(1);
    expect(store.transact((write) => write([{ key: "/kubernetes/c/Pod/default/none", value: undefined }]))).toBe(2);
    store.close();
  });

  test("a transaction that fails has not happened", () => {
    const store = open();
    store.commit([pod("a")]);
    const list = store.resources.list("/kubernetes/c/Pod");
    const failing = () =>
      store.transact((write) => {
        write([pod("a", "x"), pod("b")]);
        throw new Error("no");
      });
    expect(failing).toThrow("no");
    expect(store.resources.list("/kubernetes/c/Pod")).toEqual(list);
    expect(store.revision).toBe(1);
    store.close();
  });

  test("a watcher gets past and coming changes, in order, until it stops", () => {
    const store = open();
    store.commit([pod("a")]);
    store.commit([pod("b")]);
    const seen: Change[] = [];
    const stop = store.watch(1, (changes) => seen.push(...changes));
    store.commit([{ key: pod("a").key, value: undefined }]);
    stop();
    store.commit([pod("c")]);
    expect(seen.map(({ revision, key, value }) => [revision, key, value === undefined])).toEqual([
      [2, pod("b").key, false],
      [3, pod("a").key, true],
    ]);
    store.close();
  });

  test("a watcher that is too far behind is told so", () => {
    const store = open();
    for (let round = 0; round < 5; round++) store.commit(Array.from({ length: 10_000 }, (_, index) => pod(`p${index}`, String(round))));
    expect(() => store.watch(0, () => undefined)).toThrow(/no longer kept/);
    store.close();
  });
});

describe("SQLite store", () => {
  test("goes on where it was, revision included", () => {
    const path = fresh();
    const first = SqliteStore.open(path);
    first.commit([pod("a"), pod("b")]);
    first.commit([{ key: pod("b").key, value: undefined }]);
    first.close();
    const second = SqliteStore.open(path);
    expect(second.revision).toBe(2);
    expect(second.resources.get(pod("a").key)).toEqual(pod("a").value);
    expect(second.resources.get(pod("b").key)).toBeUndefined();
    expect(() => second.watch(1, () => undefined)).toThrow(/list everything|no longer kept/);
    second.close();
  });

  test("a transaction that cannot be written has not happened", () => {
    const store = SqliteStore.open(fresh());
    store.commit([pod("a")]);
    const cyclic: Record<string, unknown> = { apiVersion: "v1", kind: "Pod", metadata: { name: "b" } };
    cyclic.self = cyclic;
    const bad = { key: pod("b").key, value: cyclic as unknown as Resource };
    expect(() => store.transact((write) => write([pod("a", "x"), bad]))).toThrow();
    expect(store.resources.get(pod("a").key)).toEqual(pod("a").value);
    expect(store.resources.get(bad.key)).toBeUndefined();
    expect(store.commit([pod("c")])).toBe(2);
    store.close();
  });

  test("a file that is something else is refused, and stays as it is", () => {
    const path = fresh();
    writeFileSync(path, "this is not a database, and it is long enough to be taken for one".repeat(30));
    expect(() => SqliteStore.open(path)).toThrow(expect.objectContaining({ code: "not-a-store" }));
  });

  test("a folder that is not there is named", () => {
    expect(() => SqliteStore.open(join(folder, "none", "store.db"))).toThrow(expect.objectContaining({ code: "unwritable" }));
  });
});

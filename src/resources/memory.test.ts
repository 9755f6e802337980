import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { KubeObject } from "../kube/objects.ts";
import { MemoryResources } from "./memory.ts";
import { bucketOf, kubeBucket, kubeKey, type Write } from "./resources.ts";

const bucket = kubeBucket("c", "Pod");
const key = (number: number) => kubeKey("c", "Pod", "default", `p${number}`);
const value = (number: number, version: number): KubeObject => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: `p${number}`, uid: `${version}` },
});

describe("MemoryResources", () => {
  it("returns the same list until the bucket changes", () => {
    const resources = new MemoryResources();
    resources.apply([{ key: key(1), value: value(1, 0) }]);
    const list = resources.list(bucket);
    expect(resources.list(bucket)).toBe(list);
    resources.apply([{ key: key(2), value: undefined }]);
    resources.apply([{ key: kubeKey("c", "Node", undefined, "n"), value: { apiVersion: "v1", kind: "Node", metadata: { name: "n" } } }]);
    expect(resources.list(bucket)).toBe(list);
    resources.apply([{ key: key(1), value: value(1, 1) }]);
    expect(resources.list(bucket)).not.toBe(list);
    expect(list).toEqual([value(1, 0)]);
  });

  it("lists by key whatever was written in whatever batches", () => {
    const write = fc.tuple(fc.nat(150), fc.option(fc.nat(3)));
    fc.assert(
      fc.property(fc.array(fc.array(write, { maxLength: 120 }), { maxLength: 6 }), (batches) => {
        const resources = new MemoryResources();
        const model = new Map<string, KubeObject>();
        for (const batch of batches) {
          const writes = batch.map(
            ([number, version]): Write => ({ key: key(number), value: version === null ? undefined : value(number, version) }),
          );
          resources.apply(writes);
          for (const { key, value } of writes) {
            if (value === undefined) model.delete(key);
            else if ("kind" in value) model.set(key, value);
          }
          const sorted = [...model].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object);
          expect(resources.list(bucket)).toEqual(sorted);
        }
      }),
    );
  });

  it("is copied with what it holds, and both change apart", () => {
    const resources = new MemoryResources();
    resources.apply([1, 2].map((number) => ({ key: key(number), value: value(number, 0) })));
    const copy = resources.copy();
    const again = copy.copy();
    expect(copy.list(bucket)).toBe(resources.list(bucket));
    resources.apply([{ key: key(1), value: undefined }]);
    copy.apply([{ key: key(3), value: value(3, 0) }]);
    expect(resources.list(bucket)).toEqual([value(2, 0)]);
    expect(copy.list(bucket)).toEqual([value(1, 0), value(2, 0), value(3, 0)]);
    expect(again.list(bucket)).toEqual([value(1, 0), value(2, 0)]);
    expect(again.get(key(3))).toBeUndefined();
  });

  it.each([
    { key: kubeKey("c", "Pod", "shop", "web"), want: "/kubernetes/c/Pod" },
    { key: kubeKey("c", "Node", undefined, "n"), want: "/kubernetes/c/Node" },
    {
      key: "/subscriptions/0/resourcegroups/g/providers/microsoft.network/virtualnetworks/v/subnets/s",
      want: "microsoft.network/virtualnetworks/subnets",
    },
  ])("finds the bucket of $key", ({ key, want }) => {
    expect(bucketOf(key)).toBe(want);
  });
});

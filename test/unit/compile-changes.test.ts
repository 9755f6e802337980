import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compile } from "../../src/compile/index.ts";
import { assumptions, controllers, settle } from "../../src/controllers/index.ts";
import { loadLab } from "../../src/documents/index.ts";
import { MemoryResources } from "../../src/resources/memory.ts";
import { bucketOf, type Key, type Resource, type Write } from "../../src/resources/resources.ts";

/** What is compiled from changes is what is compiled anew, and a network tells which hosts may have changed. */

const examples = join(import.meta.dirname, "../../examples");

/** Things that change in a lab: pods that stop answering, that go, and that move in; anything else that is deleted and comes back. */
type Step = { readonly kind: "silence" | "delete" | "restore" | "settle"; readonly pick: number };
const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom("silence", "delete", "restore", "settle"),
  pick: fc.nat(10_000),
});

describe.each(readdirSync(examples))("%s", (example) => {
  const folder = join(examples, example);
  const read = (path: string) => ({ path, text: readFileSync(join(folder, path), "utf8") });
  // A template with its parameters, or what Azure says of an estate, with or without a lab file.
  const files = readdirSync(folder).filter((name) => name === "lab.yaml" || name.endsWith(".json"));
  const { resources: documents, problems } = loadLab(files.map(read), read);
  test("has no errors", () => expect(problems.filter(({ severity }) => severity === "error")).toEqual([]));

  test("a network made from the one before is the network made from nothing", () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 8 }), (steps) => {
        const resources = new MemoryResources();
        resources.apply(documents);
        settle(resources, [...controllers, ...assumptions], (writes) => resources.apply(writes));
        let network = compile(resources);
        for (const name of network.names()) network.host(name);
        const deleted: Write[] = [];
        for (const { kind, pick } of steps) {
          resources.apply(writesOf(resources, deleted, kind, pick));
          if (kind === "settle") settle(resources, [...controllers, ...assumptions], (writes) => resources.apply(writes));
          const before = network;
          network = compile(resources, before);
          const changed = network.changedSince(before);
          const fresh = compile(resources);
          expect(network.names()).toEqual(fresh.names());
          const different = [...new Set([...network.names(), ...before.names()])].filter(
            (name) => network.host(name) !== before.host(name),
          );
          expect(different.filter((name) => changed?.has(name) !== true)).toEqual([]);
          for (const name of network.names()) expect(network.host(name)).toEqual(fresh.host(name));
        }
      }),
      { numRuns: 6 },
    );
  });

  // An example without a cluster has no pods.
  if (!documents.some(({ key }) => key.includes("/managedclusters/"))) return;
  test("what does not concern a host leaves it the same object", () => {
    const resources = new MemoryResources();
    resources.apply(documents);
    settle(resources, [...controllers, ...assumptions], (writes) => resources.apply(writes));
    const before = compile(resources);
    const hosts = before.names().map((name) => before.host(name));
    const [key, pod] = podsOf(resources)[0] ?? [];
    if (key === undefined || pod === undefined) throw new Error(`examples/${example} has no pods`);
    resources.apply([{ key, value: silent(pod) }]);
    const after = compile(resources, before);
    expect(after.names().map((name) => after.host(name))).toEqual(hosts);
    expect(after.names().filter((name, index) => after.host(name) !== hosts[index])).toEqual([]);
    const pods = after.names().filter((name) => name.startsWith("pod/"));
    expect([...(after.changedSince(before) ?? pods)].filter((name) => name.startsWith("pod/"))).toEqual([]);
  });
});

function writesOf(resources: MemoryResources, deleted: Write[], kind: Step["kind"], pick: number): readonly Write[] {
  if (kind === "restore") return deleted.splice(pick % (deleted.length + 1), 1);
  const all = kind === "silence" ? podsOf(resources) : allOf(resources);
  const [key, value] = all[pick % all.length] ?? [];
  if (kind === "settle" || key === undefined || value === undefined) return [];
  if (kind === "silence") return [{ key, value: silent(value) }];
  deleted.push({ key, value });
  return [{ key, value: undefined }];
}

function allOf(resources: MemoryResources): readonly (readonly [Key, Resource])[] {
  return resources.buckets().flatMap((bucket) => resources.list(bucket).map((value) => [keyOf(bucket, value), value] as const));
}

function podsOf(resources: MemoryResources): readonly (readonly [Key, Resource])[] {
  return allOf(resources).filter(([key]) => bucketOf(key).endsWith("/Pod"));
}

function keyOf(bucket: string, value: Resource): Key {
  return "id" in value ? value.id.toLowerCase() : `${bucket}/${value.metadata.namespace ?? ""}/${value.metadata.name}`;
}

function silent(pod: Resource): Resource {
  const { status } = pod as { readonly status?: object };
  return { ...pod, status: { ...status, conditions: [] } } as unknown as Resource;
}

import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, test } from "vitest";

/** What each room may import, and why no more. */
const rooms: Readonly<Record<string, { readonly from: readonly string[]; readonly because: string }>> = {
  net: { from: [], because: "everything rests on addresses" },
  ir: { from: ["net"], because: "a back end must not care who wanted a route" },
  arm: { from: ["net"], because: "Azure's shapes and limits stand alone" },
  kube: { from: ["net"], because: "Kubernetes' shapes and semantics stand alone" },
  resources: { from: ["arm", "kube"], because: "it only stores them" },
  documents: { from: ["arm", "kube", "net", "resources"], because: "text becomes resources and nothing else" },
  controllers: { from: ["arm", "kube", "net", "resources"], because: "controllers write resources; they never see packets" },
  compile: { from: ["arm", "ir", "kube", "net", "resources"], because: "front ends meet in the representation" },
  trace: { from: ["ir", "net"], because: "a new front end must not touch a back end" },
  render: { from: ["ir", "net", "trace"], because: "it prints representation and results, whoever made them" },
  lab: {
    from: ["arm", "compile", "controllers", "documents", "ir", "kube", "net", "resources", "trace"],
    because: "it composes the pure rooms",
  },
  plan: {
    from: ["arm", "compile", "controllers", "documents", "kube", "lab", "net", "render", "resources"],
    because: "it counts with the figures of the rooms that it plans for, and never sees packets",
  },
  flows: {
    from: ["arm", "compile", "controllers", "documents", "ir", "kube", "lab", "net", "resources", "trace"],
    because: "it asks the tracer about all pairs of a lab, and has no model of its own",
  },
  assertions: {
    from: ["documents", "flows", "ir", "kube", "lab", "net", "plan", "resources", "trace"],
    because: "it judges what the tracer and the plan say, and computes nothing a second time",
  },
  why: {
    from: ["arm", "compile", "controllers", "ir", "kube", "lab", "net", "resources", "trace"],
    because: "it changes resources and asks compiler and tracer again, and has no model of its own",
  },
  store: { from: ["arm", "kube", "resources"], because: "a store knows no meaning" },
  kernel: { from: ["ir", "net", "render"], because: "a back end must not care who wanted a route" },
  world: {
    from: ["arm", "compile", "controllers", "documents", "ir", "kernel", "kube", "lab", "net", "render", "resources", "store", "trace"],
    because: "a running lab joins everything but the command line",
  },
  cli: {
    from: [
      "arm",
      "assertions",
      "compile",
      "controllers",
      "documents",
      "flows",
      "ir",
      "kernel",
      "kube",
      "lab",
      "net",
      "plan",
      "render",
      "resources",
      "store",
      "trace",
      "why",
      "world",
    ],
    because: "it joins all",
  },
};

/** Words that may not appear in rooms that know neither Azure nor Kubernetes. */
const neutralRooms = ["net", "ir", "trace", "render", "kernel"];
const foreignWords = /\b(azure|aks|arm|kubernetes|kube|kubenet|pods?|vnet|microsoft)\b/i;

const src = resolve(import.meta.dirname, "../../src");
const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter(
  (file) => file.endsWith(".ts") && statSync(join(src, file)).isFile(),
);
const isTest = (file: string) => file.endsWith(".test.ts") || file.includes("/testing/");

describe("rooms import only what they may", () => {
  for (const file of files.filter((candidate) => !isTest(candidate))) {
    const room = file.split("/")[0] ?? "";
    const text = readFileSync(join(src, file), "utf8");
    const imports = [...text.matchAll(/^(?:import|export)[^;]*?from "(\.[^"]+)"|import\("(\.[^"]+)"\)/gms)].map(
      (match) => match[1] ?? match[2] ?? "",
    );
    test(file, () => {
      const rule = rooms[room];
      expect(rule, `src/${room} is no room of docs/architecture.md`).toBeDefined();
      for (const target of imports) {
        const other = relative(src, resolve(dirname(join(src, file)), target)).split("/")[0] ?? "";
        // package.json, for the version.
        if (other === "..") continue;
        if (other !== room) expect(rule?.from, `${file} imports ${target}: ${rule?.because}`).toContain(other);
      }
    });
  }
});

describe("front ends do not know one another: they meet at the root of compile/", () => {
  for (const file of files.filter((candidate) => /^compile\/[^/]+\//.test(candidate) && !isTest(candidate))) {
    test(file, () => {
      const own = file.split("/")[1];
      const imports = [...readFileSync(join(src, file), "utf8").matchAll(/from "\.\.\/([^/."]+)\//g)].map((match) => match[1]);
      expect(imports.filter((other) => other !== own)).toEqual([]);
    });
  }
});

describe("rooms that serve every cloud name none, outside comments", () => {
  for (const file of files.filter((candidate) => neutralRooms.includes(candidate.split("/")[0] ?? "") && !isTest(candidate))) {
    test(file, () => {
      const code = readFileSync(join(src, file), "utf8").replace(/\/\*.*?\*\/|\/\/[^\n]*/gs, "");
      expect(foreignWords.exec(code)?.[0]).toBeUndefined();
    });
  }
});

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatProblem, type LoadedLab } from "./index.ts";
import { load, loadManifest } from "./testing/documents.ts";
import { bounds } from "./tree.ts";

/** Generous: a machine that does other things too must pass, and what is quadratic must not. */
const timeoutMs = 60_000;

const lines = (count: number, line: (index: number) => string) => Array.from({ length: count }, (_, index) => line(index)).join("\n");
const bomb = (levels: number) =>
  `a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n${lines(levels, (level) => `a${level + 1}: &a${level + 1} [${Array(10).fill(`*a${level}`).join(", ")}]`)}\n`;

const hostile: readonly (readonly [name: string, text: () => string, code: string])[] = [
  ["open brackets", () => "[".repeat(100_000), "DocumentTooLarge"],
  ["open braces", () => "{a: ".repeat(100_000), "DocumentTooLarge"],
  ["nested brackets", () => "[".repeat(2000) + "]".repeat(2000), "DocumentTooLarge"],
  ["nested JSON", () => `${'{"a":'.repeat(5000)}1${"}".repeat(5000)}`, "DocumentTooLarge"],
  ["nested list items", () => `${"- ".repeat(50_000)}x`, "DocumentTooLarge"],
  ["nested block mappings", () => lines(1500, (level) => `${" ".repeat(level)}a:`), "DocumentTooLarge"],
  ["explicit keys", () => "? ".repeat(20_000), "DocumentTooLarge"],
  ["a billion laughs", () => bomb(9), "DocumentTooLarge"],
  [
    "a billion laughs by merging",
    () => `a0: &a0 { k: v }\n${lines(30, (n) => `a${n + 1}: &a${n + 1} { l: *a${n}, r: *a${n} }`)}\n`,
    "DocumentTooLarge",
  ],
  ["an alias inside itself", () => "a: &a [*a]", "YamlSyntax"],
  ["a file too long", () => "#".repeat(bounds.fileLength + 1), "DocumentTooLarge"],
  ["100 MB", () => " ".repeat(100_000_000), "DocumentTooLarge"],
  ["too many tokens", () => "a: 1\n".repeat(600_000), "DocumentTooLarge"],
  ["too many documents", () => "---\na: 1\n".repeat(bounds.documents + 1), "DocumentTooLarge"],
  ["NUL", () => "lab: a\0b", "InvalidCharacter"],
  ["an escape sequence", () => "lab: \u001b[2J", "InvalidCharacter"],
  ["a key twice", () => "lab: a\nlab: b", "DuplicateKey"],
  ["the prototype", () => "lab: t\n__proto__: { isAdmin: true }", "InvalidKey"],
  ["a tag", () => "lab: !!js/function 'x'", "YamlSyntax"],
  ["a local tag", () => "lab: !include /etc/passwd", "YamlSyntax"],
  ["a template", () => "lab: {{ .Values.lab }}", "YamlSyntax"],
  ["a merge conflict", () => "lab: a\n<<<<<<< HEAD\nrules: current\n=======\n", "YamlSyntax"],
  ["closing brackets", () => "}".repeat(100_000), "YamlSyntax"],
  ["anchors", () => "&a ".repeat(50_000), "YamlSyntax"],
  ["a key as a mapping", () => "{a: b}: c", "YamlSyntax"],
];

describe("hostile documents are refused, in bounded time", () => {
  for (const [name, text, code] of hostile) {
    test(
      name,
      () => {
        for (const lab of [load(text()), loadManifest(text())]) {
          expect(lab.resources).toEqual([]);
          expect(lab.problems.map((problem) => problem.code)).toContain(code);
          expect(lab.problems.length).toBeLessThan(bounds.problemsPerFile + 10);
          expect(lab.problems.every((problem) => problem.message.length < 1000)).toBe(true);
        }
      },
      timeoutMs,
    );
  }
});

const space = "addressSpace: [10.0.0.0/8], subnets: [{ name: s, prefix: 10.0.0.0/9 }]";
const third = (index: number) => `${index >> 8}.${index & 255}`;
const service = (name: string, selector: string) =>
  `---\napiVersion: v1\nkind: Service\nmetadata: { name: ${name} }\nspec: { selector: { ${selector} }, ports: [{ port: 81 }] }`;
const pod = (name: string, labels: string) =>
  `---\napiVersion: v1\nkind: Pod\nmetadata: { name: ${name}, labels: { ${labels} } }\nspec: { containers: [{ name: c, image: i, ports: [{ containerPort: 80 }] }] }`;

/** What takes a look at every pair would take minutes here. */
const large: readonly (readonly [name: string, load: () => LoadedLab])[] = [
  [
    "subnets",
    () =>
      load(
        `lab: t\nnetworks:\n- name: v\n  addressSpace: [10.0.0.0/8]\n  subnets:\n${lines(15_000, (n) => `  - { name: s${n}, prefix: 10.${third(n)}.0/24 }`)}`,
      ),
  ],
  [
    "networks",
    () =>
      load(
        `lab: t\nnetworks:\n${lines(10_000, (n) => `- { name: v${n}, addressSpace: [10.${third(n)}.0/24], subnets: [{ name: s, prefix: 10.${third(n)}.0/24 }] }`)}`,
      ),
  ],
  [
    "sites",
    () =>
      load(
        `lab: t\nnetworks: [{ name: v, ${space} }]\nsites:\n${lines(10_000, (n) => `- { name: s${n}, network: v, prefixes: [172.${third(n)}.0/24] }`)}`,
      ),
  ],
  [
    "clusters",
    () =>
      load(
        `lab: t\nnetworks: [{ name: v, ${space} }]\nclusters:\n${lines(5000, (n) => `- { name: c${n}, networkPlugin: azure, subnet: v/s, serviceCidr: 10.128.0.0/16 }`)}`,
      ),
  ],
  [
    "references to nothing",
    () =>
      load(
        `lab: t\nnetworks:\n- name: v\n  addressSpace: [10.0.0.0/8]\n  subnets:\n${lines(3000, (n) => `  - { name: s${n}, prefix: 10.${third(n)}.0/24 }`)}\nmachines:\n${lines(10_000, (n) => `- { name: m${n}, subnet: v/t${n} }`)}`,
      ),
  ],
  ["Services with a pod each", () => loadManifest(lines(4000, (n) => `${service(`s${n}`, `app: a${n}`)}\n${pod(`p${n}`, `app: a${n}`)}`))],
  ["Services with all pods", () => loadManifest(lines(3000, (n) => `${service(`s${n}`, "app: a")}\n${pod(`p${n}`, "app: a")}`))],
];

describe("many of a kind take time in proportion", () => {
  for (const [name, read] of large) {
    test(
      name,
      () => {
        const { problems } = read();
        expect(Math.max(0, ...problems.map(({ message }) => message.length))).toBeLessThan(1000);
      },
      timeoutMs,
    );
  }
});

test("nothing leaks into the prototype of objects", () => {
  load("lab: t\n__proto__: { leaked: 1 }\nconstructor: { prototype: { leaked: 1 } }");
  loadManifest('apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a, labels: { "__proto__": x } }\ndata: { constructor: a, toString: b }');
  expect({}).not.toHaveProperty("leaked");
  expect({}).not.toHaveProperty("polluted");
});

test("names of inherited properties are keys like others", () => {
  const lab = loadManifest(
    "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a, labels: { constructor: x, valueOf: y } }\ndata: { toString: b }",
  );
  expect(lab.problems).toEqual([]);
  expect(lab.resources.at(-1)?.value).toMatchObject({ metadata: { labels: { constructor: "x", valueOf: "y" } }, data: { toString: "b" } });
  expect(load("lab: t\ntoString: 1").problems.map(({ code, path }) => [code, path])).toEqual([["UnknownProperty", "toString"]]);
});

test("a printed problem moves no cursor", () => {
  const [problem] = load('lab: "\\e[2J\\u202e"').problems;
  expect(problem).toBeDefined();
  const text = problem === undefined ? "" : formatProblem(problem);
  expect([...text].filter((char) => char !== "\n" && (char < " " || char === "\u202e"))).toEqual([]);
});

test("hostile text inside an object is ignored, with a warning", () => {
  for (const text of ["[".repeat(50_000), "- ".repeat(20_000), "a: &a [x]\nb: *a", "a: 1\n---\nb: 2", "[1"]) {
    const map = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "azure-ip-masq-agent-config", namespace: "kube-system" },
      data: { "ip-masq-agent": text },
    };
    expect(loadManifest(JSON.stringify(map)).problems.map(({ severity, path }) => [severity, path])).toEqual([["warning", "data"]]);
  }
});

test("a large manifest is read in time", { timeout: timeoutMs }, () => {
  const service = (index: number) => `---
apiVersion: v1
kind: Service
metadata: { name: s${index} }
spec: { selector: { app: a${index} }, ports: [{ port: 80, targetPort: 8080 }] }`;
  expect(loadManifest(lines(10_000, service)).problems).toEqual([]);
});

const words = fc.constantFrom(
  ...`
  lab rules networks clusters machines sites internet name subnet prefix addressSpace subnets pools routeTables routes
  count maxPods networkPlugin kubenet azure hub hub/a 10.0.0.0/16 10.0.0.0/33 10.0.0.10 apiVersion kind metadata spec v1
  apps/v1 Service Deployment Pod List items template containers ports port selector matchLabels labels annotations type
  LoadBalancer clusterIP None manifests m.yaml __proto__
  `
    .trim()
    .split(/\s+/),
);
const scalar = fc.oneof(words, fc.string({ maxLength: 8 }), fc.integer(), fc.boolean(), fc.constant(null), fc.double());
const value = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 6, withCrossShrink: true },
    scalar,
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(fc.oneof(words, fc.string({ maxLength: 5 })), tie("value"), { maxKeys: 6 }),
  ),
})).value;

describe("whatever is written", () => {
  const check = (text: string) => {
    for (const lab of [load(text, { "m.yaml": text }), loadManifest(text)]) {
      for (const problem of lab.problems) {
        expect(problem.file).toMatch(/\.yaml$/);
        expect(typeof problem.path).toBe("string");
        expect(problem.message).not.toMatch(/undefined|\[object|at .*\.ts:/);
        expect(problem.line === undefined || problem.line >= 1).toBe(true);
        formatProblem(problem);
      }
    }
  };
  test("any text is read or refused, and every problem has a place", { timeout: timeoutMs }, () => {
    fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 200 }), check), { numRuns: 300 });
  });
  test("text made of YAML's own characters", { timeout: timeoutMs }, () => {
    const part = fc.constantFrom(..."[]{}:,-?&*!|>'\"%@#\n \t~<".split(""), "a", "lab", "<<: *a", "&a", "---\n", "...\n", "\\x", "- ");
    fc.assert(
      fc.property(fc.array(part, { maxLength: 60 }), (parts) => check(parts.join(""))),
      { numRuns: 1000 },
    );
  });
  test("any value in the place of a lab or an object", { timeout: timeoutMs }, () => {
    fc.assert(
      fc.property(value, (json) => check(JSON.stringify(json))),
      { numRuns: 1000 },
    );
  });
});

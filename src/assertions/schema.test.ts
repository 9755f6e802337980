import { existsSync, readdirSync, readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { assertionSchema, readAssertions } from "./index.ts";

const schema = `${JSON.stringify(assertionSchema(), null, 2)}\n`;
const validate = new Ajv2020({ strict: true, allowUnionTypes: true }).compile(assertionSchema());

test("the published schema is current (vitest -u writes it)", async () => {
  await expect(schema).toMatchFileSnapshot("../../schema/test.schema.json");
});

describe("examples validate", () => {
  for (const name of readdirSync("examples").filter((folder) => existsSync(`examples/${folder}/test.yaml`))) {
    test(name, () => {
      const text = readFileSync(`examples/${name}/test.yaml`, "utf8");
      expect(validate(parse(text)), JSON.stringify(validate.errors)).toBe(true);
      expect(readAssertions({ path: "test.yaml", text }).problems).toEqual([]);
    });
  }
});

const one = (assertion: object) => ({ assertions: [{ name: "n", ...assertion }] });

describe("what the schema refuses, reading refuses too", () => {
  test.each([
    ["no assertions", {}],
    ["an assertion about nothing", one({})],
    ["an unknown property", one({ from: "a", to: "b", saw: "c" })],
    ["an unknown outcome", one({ from: "a", to: "b", outcome: "lost" })],
    ["a number as bound", one({ subnet: "hub/a", free: 20 })],
    ["an unknown moment", one({ subnet: "hub/a", free: ">= 2", at: "later" })],
    ["an unknown kind of end", one({ from: { kind: "cluster" }, to: "b" })],
    ["exceptions of exceptions", one({ from: { kind: "pod", except: { kind: "pod", except: "a" } }, to: "b" })],
    ["a wrong translation", one({ from: "a", to: "b", translations: "some" })],
  ])("%s", (_, document) => {
    expect(validate(document)).toBe(false);
    expect(readAssertions({ path: "test.yaml", text: JSON.stringify(document) }).problems).not.toEqual([]);
  });
});

test("every problem is told at once, with its line and what would be valid", () => {
  const text = `design: lab.yaml
asserts: []
assertions:
  - name: one
    form: vm/a
    to: vm/b
  - { from: vm/a, to: vm/b, outcome: delivred }
  - { name: one, subnet: a/b, free: 20, at: maximum }
  - { name: x }
  - { name: y, disjoint: [foo], from: x, to: y }
`;
  const { problems } = readAssertions({ path: "test.yaml", text });
  expect(problems.map(({ line, path, code }) => `${line} ${path} ${code}`)).toEqual([
    "2 asserts UnknownProperty",
    "5 assertions[0].form UnknownProperty",
    "7 assertions[1].name RequiredProperty",
    "7 assertions[1].outcome InvalidValue",
    "8 assertions[2].name DuplicateName",
    "8 assertions[2].free InvalidValue",
    "8 assertions[2].at InvalidValue",
    "9 assertions[3] RequiredProperty",
    "10 assertions[4].disjoint Contradiction",
    "10 assertions[4].disjoint UnknownProperty",
  ]);
  for (const { fix } of problems) expect(fix).toBeDefined();
});

test("a lab file is no file of assertions, and says what it is", () => {
  const { problems } = readAssertions({ path: "lab.yaml", text: "lab: x\nclusters: []\n" });
  expect(problems).toMatchObject([{ code: "NotAssertions", fix: expect.stringContaining("--init") }]);
});

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { labSchema } from "./index.ts";

const text = `${JSON.stringify(labSchema(), null, 2)}\n`;
const validate = new Ajv2020({ strict: true, allowUnionTypes: true }).compile(labSchema());

test("the published schema is current (vitest -u writes it)", async () => {
  await expect(text).toMatchFileSnapshot("../../schema/lab.schema.json");
});

describe("examples validate", () => {
  for (const name of readdirSync("examples").filter((folder) => existsSync(`examples/${folder}/lab.yaml`))) {
    test(name, () => {
      expect(validate(parse(readFileSync(`examples/${name}/lab.yaml`, "utf8")))).toBe(true);
    });
  }
});

describe("what the schema refuses", () => {
  const refused: readonly (readonly [name: string, lab: unknown])[] = [
    ["no name", {}],
    ["an unknown property", { lab: "t", clustres: [] }],
    ["what is not modelled", { lab: "t", clusters: [{ name: "c", loadBalancerSku: "basic" }] }],
    ["a quoted number", { lab: "t", clusters: [{ name: "c", pools: [{ count: "3" }] }] }],
    ["maxPods 5", { lab: "t", clusters: [{ name: "c", pools: [{ maxPods: 5 }] }] }],
    ["an empty address space", { lab: "t", networks: [{ name: "v", addressSpace: [] }] }],
  ];
  for (const [name, lab] of refused) test(name, () => expect(validate(lab)).toBe(false));
});

test("every property is described", () => {
  const undescribed: string[] = [];
  const visit = (schema: unknown, path: string): void => {
    if (typeof schema !== "object" || schema === null) return;
    if ("properties" in schema && typeof schema.properties === "object" && schema.properties !== null) {
      for (const [name, property] of Object.entries(schema.properties)) {
        const described = typeof property === "object" && property !== null && "description" in property;
        if (!described) undescribed.push(`${path}.${name}`);
        visit(property, `${path}.${name}`);
      }
    }
    if ("items" in schema) visit(schema.items, `${path}[]`);
  };
  visit(labSchema(), "");
  expect(undescribed).toEqual([]);
});

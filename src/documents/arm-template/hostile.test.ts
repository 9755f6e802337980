import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { evaluated, expanded } from "./testing/templates.ts";

/** Longest that any of these may take. */
const patience = 8_000;

function messages(template: Readonly<Record<string, unknown>>): string {
  return expanded(template)
    .problems.map(({ message }) => message)
    .join("\n");
}

describe("templates that want to be the end of their reader", () => {
  test("values that double with every variable", { timeout: patience }, () => {
    const variables: Record<string, string> = { v0: "x" };
    for (let index = 1; index < 60; index++)
      variables[`v${index}`] = `[createArray(variables('v${index - 1}'), variables('v${index - 1}'))]`;
    expect(messages({ variables, resources: [], outputs: { o: { type: "string", value: "[string(variables('v59'))]" } } })).toContain(
      "the value has more than",
    );
  });

  test("text that doubles with every variable", { timeout: patience }, () => {
    const variables: Record<string, string> = { v0: "0123456789" };
    for (let index = 1; index < 60; index++) variables[`v${index}`] = `[concat(variables('v${index - 1}'), variables('v${index - 1}'))]`;
    expect(messages({ variables, resources: [] })).toContain("the text has more than");
  });

  test("a chain of variables without end", { timeout: patience }, () => {
    const variables: Record<string, string> = { v0: "x" };
    for (let index = 1; index < 5_000; index++) variables[`v${index}`] = `[variables('v${index - 1}')]`;
    const reversed = Object.fromEntries(Object.entries(variables).reverse());
    expect(messages({ variables: reversed, resources: [] })).toContain("nested too deep");
  });

  test("resources that refer to one another in a long chain", { timeout: patience }, () => {
    const resources = Array.from({ length: 700 }, (_, index) => ({
      type: "Microsoft.Network/virtualNetworks",
      name: `v${index}`,
      properties: { next: `[reference('v${index + 1}').a.b.c.d]` },
    }));
    expect(() => expanded({ resources })).not.toThrow();
  });

  test("a resource that refers to itself", () => {
    const resources = [{ type: "Microsoft.Network/virtualNetworks", name: "v", properties: { a: "[reference('v').b]" } }];
    expect(messages({ resources })).toContain("it refers to itself");
  });

  test("functions that call themselves", { timeout: patience }, () => {
    const member = {
      parameters: [{ name: "a", type: "string" }],
      output: { type: "string", value: "[concat(n.f(parameters('a')), n.f(parameters('a')))]" },
    };
    expect(
      messages({
        functions: [{ namespace: "n", members: { f: member } }],
        resources: [],
        outputs: { o: { type: "string", value: "[n.f('x')]" } },
      }),
    ).toContain("is defined by itself");
  });

  test("functions that call one another twice each", { timeout: patience }, () => {
    const members = Object.fromEntries(
      Array.from({ length: 60 }, (_, index) => [
        `f${index}`,
        { parameters: [], output: { type: "string", value: index === 0 ? "x" : `[concat(n.f${index - 1}(), n.f${index - 1}())]` } },
      ]),
    );
    expect(
      messages({ functions: [{ namespace: "n", members }], resources: [], outputs: { o: { type: "string", value: "[n.f59()]" } } }),
    ).toMatch(/too long to evaluate|more than|nested too deep/);
  });

  test("loops in loops, and loops too long", { timeout: patience }, () => {
    expect(messages({ variables: { copy: [{ name: "a", count: 801, input: 1 }] }, resources: [] })).toContain(
      "a copy loop turns 0 to 800 times",
    );
    const nested = {
      copy: [
        { name: "a", count: 800, input: { copy: [{ name: "b", count: 800, input: { copy: [{ name: "c", count: 800, input: 1 }] } }] } },
      ],
    };
    expect(messages({ variables: nested, resources: [] })).toMatch(/more than|too long/);
    expect(evaluated("[range(0, 10001)]").problems[0]?.message).toContain("it is 0 to 10,000");
    expect(evaluated("[map(range(0, 10000), lambda('a', map(range(0, 10000), lambda('b', 1))))]").problems[0]?.message).toMatch(
      /more than|too long/,
    );
  });

  test("expressions of brackets only", { timeout: patience }, () => {
    for (const text of [
      `[${"concat(".repeat(3_000)}`,
      `[${"a(".repeat(1_000)}${")".repeat(1_000)}]`,
      `[concat('a')${".a".repeat(10_000)}]`,
      `[${"'".repeat(20_001)}]`,
    ]) {
      expect(() => evaluated(text)).not.toThrow();
    }
  });

  test("deployments in deployments", { timeout: patience }, () => {
    let template: Record<string, unknown> = { resources: [] };
    for (let index = 0; index < 50; index++)
      template = { resources: [{ type: "Microsoft.Resources/deployments", name: "d", properties: { template } }] };
    expect(messages(template)).toMatch(/nested/);
  });

  test("names of JavaScript's own", () => {
    for (const name of ["__proto__", "constructor", "toString", "hasOwnProperty"]) {
      for (const expression of [
        `[createObject('${name}', 1)]`,
        `[json('{"${name}": {"x": 1}}')]`,
        `[createObject('a', 1).${name}]`,
        `[variables('${name}')]`,
        `[${name}()]`,
      ]) {
        expect(() => evaluated(expression)).not.toThrow();
      }
    }
    expect(({} as { readonly x?: unknown }).x).toBeUndefined();
  });

  test("a pattern of dates, numbers or formats that is large", () => {
    for (const expression of [
      "[padLeft('a', 999999999)]",
      "[format('{0,999999999}', 1)]",
      "[dateTimeAdd('2020-01-01T00:00:00Z', 'P999999Y')]",
      "[replace('aaaa', 'a', 'b')]",
    ]) {
      expect(() => evaluated(expression)).not.toThrow();
    }
  });
});

const name = fc.constantFrom(
  "concat",
  "if",
  "variables",
  "parameters",
  "reference",
  "createArray",
  "json",
  "map",
  "lambda",
  "range",
  "format",
  "split",
  "item",
  "copyIndex",
);
const literal = fc.oneof(fc.constantFrom("'a'", "0", "-1", "'{}'", "true()", "null()", "'given'", "10000"), fc.string({ maxLength: 4 }));
const { expression } = fc.letrec<{ expression: string }>((tie) => ({
  expression: fc.oneof(
    { maxDepth: 4 },
    literal,
    fc.tuple(name, fc.array(tie("expression"), { maxLength: 3 })).map(([called, parameters]) => `${called}(${parameters.join(", ")})`),
    fc.tuple(tie("expression"), tie("expression")).map(([of, key]) => `${of}[${key}]`),
    tie("expression").map((of) => `${of}.a`),
  ),
}));

test("any expression ends in a value or a problem", () => {
  fc.assert(
    fc.property(expression, (text) => {
      expect(() => evaluated(`[${text}]`)).not.toThrow();
    }),
    { numRuns: 2_000 },
  );
});

test("any JSON in any place of a template ends in problems", () => {
  const part = fc.jsonValue({ maxDepth: 3 });
  const texts = fc.constantFrom("parameters", "variables", "functions", "resources", "outputs", "definitions");
  const resource = fc.record(
    { type: part, name: part, copy: part, condition: part, dependsOn: part, properties: part, resources: part },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(fc.dictionary(texts, part), fc.array(resource, { maxLength: 3 }), (template, resources) => {
      expect(() => expanded(template)).not.toThrow();
      expect(() => expanded({ ...template, resources })).not.toThrow();
    }),
    { numRuns: 300 },
  );
});

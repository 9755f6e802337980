import { describe, expect, test } from "vitest";
import { expanded } from "./testing/templates.ts";

const network = "Microsoft.Network/virtualNetworks";
const group = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg/providers";

function vnet(name: string, more: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return { type: network, apiVersion: "2024-05-01", name, properties: {}, ...more };
}

function brief(problems: readonly { readonly path: string; readonly code: string; readonly message: string }[]): string[] {
  return problems.map(({ path, code, message }) => `${path} ${code} ${message}`);
}

describe("parameters", () => {
  const template = {
    parameters: {
      prefix: { type: "string" },
      count: { type: "int", minValue: 1, maxValue: 5, defaultValue: 2 },
      plugin: { type: "string", allowedValues: ["kubenet", "azure"], defaultValue: "azure" },
      name: { type: "string", defaultValue: "[concat(parameters('prefix'), '-net')]", maxLength: 12 },
      secret: { type: "secureString", defaultValue: "[newGuid()]" },
      maybe: { type: "string", nullable: true },
    },
    resources: [vnet("[parameters('name')]", { tags: { secret: "[parameters('secret')]" } })],
    outputs: {
      count: { type: "int", value: "[parameters('count')]" },
      maybe: { type: "string", value: "[coalesce(parameters('maybe'), 'none')]" },
      secret: { type: "string", value: "[parameters('secret')]" },
    },
  };

  test("defaults may use other parameters", () => {
    const { problems, resources, outputs } = expanded(template, { parameters: [{ name: "prefix", text: "a" }] });
    expect(problems).toEqual([]);
    expect(Object.keys(resources)).toEqual([`${network}/a-net`]);
    expect(outputs).toEqual({ count: 2, maybe: "none", secret: null });
  });

  test("one without a value is named, with how to give it", () => {
    const { problems } = expanded(template);
    expect(problems).toMatchObject([
      {
        code: "InvalidTemplate",
        path: "parameters.prefix",
        message: "the value for the template parameter 'prefix' is not provided",
        fix: "give it: --parameters prefix=VALUE, or --parameters FILE with a parameter file",
      },
    ]);
  });

  test("values that do not fit are named where they are given", () => {
    const { problems } = expanded(template, {
      parameterFile: {
        parameters: { prefix: { value: "much-too-long" }, count: { value: 9 }, plugin: { value: "cilium" }, coutn: { value: 1 } },
      },
    });
    expect(brief(problems)).toEqual([
      "parameters.count.value InvalidTemplate the template parameter 'count' is not valid: the value is 9; maxValue is 5",
      `parameters.plugin.value InvalidTemplate the template parameter 'plugin' is not valid: "cilium" is not one of the allowed values "kubenet", "azure"`,
      "parameters.name.defaultValue InvalidTemplate the template parameter 'name' is not valid: the length is 17; maxLength is 12",
      "parameters.coutn.value InvalidTemplate the parameter 'coutn' is given, and the template declares none of that name",
    ]);
    expect(problems[3]?.fix).toBe("did you mean count?");
    expect(problems[0]).toMatchObject({ file: "parameters.json" });
  });

  test("a command's text is read as the parameter's type; it wins over a file", () => {
    const { outputs, problems } = expanded(template, {
      parameterFile: { parameters: { prefix: { value: "a" }, count: { value: 1 } } },
      parameters: [
        { name: "COUNT", text: "4" },
        { name: "maybe", text: "7" },
      ],
    });
    expect(problems).toEqual([]);
    expect(outputs).toMatchObject({ count: 4, maybe: "7" });
  });

  test("a secret of a Key Vault is a value that nobody knows", () => {
    const { problems, outputs } = expanded(template, {
      parameterFile: { parameters: { prefix: { value: "a" }, secret: { reference: { keyVault: { id: "x" }, secretName: "y" } } } },
    });
    expect(problems).toEqual([]);
    expect(outputs.secret).toBeNull();
  });

  test("types that the template defines are checked in depth", () => {
    const { problems } = expanded(
      {
        languageVersion: "2.0",
        definitions: {
          subnet: {
            type: "object",
            properties: { name: { type: "string" }, size: { type: "int", nullable: true } },
            additionalProperties: false,
          },
        },
        parameters: { subnets: { type: "array", items: { $ref: "#/definitions/subnet" } } },
        resources: {},
      },
      { parameterFile: { parameters: { subnets: { value: [{ name: "a" }, { size: 1 }, { name: 3, sise: 1 }] } } } },
    );
    expect(brief(problems)).toEqual([
      "parameters.subnets.value InvalidTemplate the template parameter 'subnets[1]' is not valid: the property name is missing",
      "parameters.subnets.value InvalidTemplate the template parameter 'subnets[2].name' is not valid: expected type string, actual type int",
      "parameters.subnets.value InvalidTemplate the template parameter 'subnets[2]' is not valid: there is no property sise in this type",
    ]);
  });

  test("the time is that which is given; without one it is unknown", () => {
    const dated = {
      parameters: { now: { type: "string", defaultValue: "[utcNow('yyyy-MM-dd')]" } },
      resources: [],
      outputs: { now: { type: "string", value: "[parameters('now')]" } },
    };
    expect(expanded(dated, { settings: { now: "2026-11-23T07:00:00Z" } }).outputs).toEqual({ now: "2026-11-23" });
    expect(expanded(dated)).toMatchObject({ problems: [], outputs: { now: null } });
  });
});

describe("variables", () => {
  test("loops, in the list and within an object; names without case", () => {
    const { outputs, problems } = expanded({
      variables: {
        copy: [{ name: "names", count: 2, input: "[concat('n', copyIndex('names', 1))]" }],
        nested: { copy: [{ name: "numbers", count: 2, input: { at: "[copyIndex('numbers')]" } }], other: "[variables('NAMES')[0]]" },
      },
      resources: [],
      outputs: { all: { type: "object", value: "[createObject('names', variables('names'), 'nested', variables('nested'))]" } },
    });
    expect(problems).toEqual([]);
    expect(outputs.all).toEqual({ names: ["n1", "n2"], nested: { numbers: [{ at: 0 }, { at: 1 }], other: "n1" } });
  });

  test("one that stands for itself is refused", () => {
    const { problems } = expanded({ variables: { a: "[variables('b')]", b: "[variables('a')]" }, resources: [] });
    expect(problems[0]?.message).toContain("is defined by itself");
  });

  test("what is known at run time only comes too late for one", () => {
    const { problems } = expanded({ variables: { a: "[reference('x').y]" }, resources: [] });
    expect(brief(problems)).toEqual([
      "variables.a InvalidTemplate [reference('x').y] cannot be evaluated: reference(): is known at run time only, which is too late for a variable",
    ]);
  });
});

describe("resources", () => {
  test("loops, conditions, children within and children beside", () => {
    const { problems, resources, places } = expanded({
      resources: [
        vnet("[format('v{0}', copyIndex())]", {
          copy: { name: "vnets", count: 2 },
          properties: { copy: [{ name: "subnets", count: 2, input: { name: "[format('s{0}{1}', copyIndex(), copyIndex('subnets'))]" } }] },
        }),
        vnet("not", { condition: "[equals(1, 2)]" }),
        vnet("p", { resources: [{ type: "subnets", name: "child", dependsOn: ["p"], properties: { a: 1 } }] }),
        {
          type: `${network}/subnets`,
          name: "p/other",
          dependsOn: ["vnets", "[resourceId('Microsoft.Network/virtualNetworks', 'p')]"],
          properties: {},
        },
      ],
    });
    expect(problems).toEqual([]);
    expect(resources).toEqual({
      [`${network}/v0`]: { subnets: [{ name: "s00" }, { name: "s01" }] },
      [`${network}/v1`]: { subnets: [{ name: "s10" }, { name: "s11" }] },
      [`${network}/p`]: {},
      [`${network}/p/subnets/child`]: { a: 1 },
      [`${network}/p/subnets/other`]: {},
    });
    expect(places[`${network}/p/subnets/child`]).toBe("resources[2].resources[0]");
  });

  test("symbolic names, resources that exist already, and extensions of resources", () => {
    const { problems, resources, outputs } = expanded({
      languageVersion: "2.0",
      resources: {
        old: { existing: true, type: network, apiVersion: "2024-05-01", resourceGroup: "net", name: "hub" },
        identity: { type: "Microsoft.ManagedIdentity/userAssignedIdentities", apiVersion: "2023-01-31", name: "id" },
        net: vnet("v", { dependsOn: ["identity", "old"], properties: { owner: "[reference('identity').principalId]" } }),
        role: {
          type: "Microsoft.Authorization/roleAssignments",
          name: "[guid(resourceId('Microsoft.Network/virtualNetworks', 'v'))]",
          scope: "[resourceId('Microsoft.Network/virtualNetworks', 'v')]",
          dependsOn: ["net"],
          properties: {},
        },
      },
      outputs: {
        hub: { type: "string", value: "[resourceInfo('old').id]" },
        name: { type: "string", value: "[reference('net', '2024-05-01', 'full').apiVersion]" },
      },
    });
    expect(problems).toEqual([]);
    expect(Object.keys(resources)).toEqual([
      "Microsoft.ManagedIdentity/userAssignedIdentities/id",
      `${network}/v`,
      expect.stringMatching(/^Microsoft.Network\/virtualNetworks\/v\/providers\/Microsoft.Authorization\/roleAssignments\/[\da-f-]{36}$/),
    ]);
    expect(outputs).toEqual({ hub: `${group.replace("/rg/", "/net/")}/${network}/hub`, name: "2024-05-01" });
  });

  test("a loop that turns no time is there to depend on; a null for a parameter of a module is its default", () => {
    const { problems, outputs } = expanded({
      languageVersion: "2.0",
      resources: {
        none: { ...vnet("[concat('v', copyIndex())]"), copy: { name: "none", count: "[length(createArray())]" } },
        module: {
          type: "Microsoft.Resources/deployments",
          name: "m",
          dependsOn: ["none"],
          properties: {
            mode: "Incremental",
            expressionEvaluationOptions: { scope: "inner" },
            parameters: { size: { value: "[tryGet(createObject(), 'size')]" } },
            template: {
              parameters: { size: { type: "int", defaultValue: 7 } },
              resources: [],
              outputs: { size: { type: "int", value: "[parameters('size')]" } },
            },
          },
        },
      },
      outputs: {
        size: { type: "int", value: "[reference('module').outputs.size.value]" },
        none: { type: "array", value: "[references('none')]" },
      },
    });
    expect(problems).toEqual([]);
    expect(outputs).toEqual({ size: 7, none: [] });
  });

  test("dependencies that are not there, circles, and doubles", () => {
    const { problems } = expanded({
      resources: [vnet("a", { dependsOn: ["b"] }), vnet("b", { dependsOn: ["c"] }), vnet("c", { dependsOn: ["a", "aa"] }), vnet("C")],
    });
    expect(brief(problems)).toEqual([
      `resources[3] InvalidTemplate the resource ${group}/${network}/C is defined twice in the template, first at line 23`,
      `resources[2].dependsOn[1] InvalidTemplate the resource aa, which ${network}/c depends on, is not defined in the template`,
      `resources[0] InvalidTemplate circular dependency detected on resource ${network}/a -> ${network}/b -> ${network}/c -> Mi…`,
    ]);
  });

  test("references give what the template says, and ids of named children; the rest is Azure's", () => {
    const { problems, outputs } = expanded({
      resources: [
        vnet("late", { tags: { first: "[reference('v').subnets[0].id]" } }),
        vnet("v", { location: "westus", properties: { subnets: [{ name: "s", properties: { addressPrefix: "10.0.0.0/24" } }] } }),
      ],
      outputs: {
        prefix: { type: "string", value: "[reference('v').subnets[0].properties.addressPrefix]" },
        location: { type: "string", value: "[reference('v', '2024-05-01', 'Full').location]" },
        id: { type: "string", value: "[reference(resourceId('Microsoft.Network/virtualNetworks', 'v')).subnets[0].id]" },
        guid: { type: "string", value: "[reference('v').resourceGuid]" },
      },
    });
    expect(problems).toEqual([]);
    expect(outputs).toEqual({ prefix: "10.0.0.0/24", location: "westus", id: `${group}/${network}/v/subnets/s`, guid: null });
  });

  test("a name that does not fit its type is refused", () => {
    const { problems } = expanded({ resources: [vnet("a/b")] });
    expect(problems[0]?.message).toContain("has incorrect segment lengths");
  });

  test("that a resource is there may not depend on the run time", () => {
    const { problems, kept } = expanded({
      resources: [
        vnet("v"),
        {
          type: "Microsoft.Resources/deployments",
          name: "n",
          dependsOn: ["v"],
          properties: {
            mode: "Incremental",
            expressionEvaluationOptions: { scope: "inner" },
            parameters: { secret: { value: "[reference('v').resourceGuid]" } },
            template: {
              parameters: { secret: { type: "string" } },
              resources: [
                vnet("w", { condition: "[equals(parameters('secret'), 'x')]" }),
                vnet("[parameters('secret')]"),
                {
                  type: "Microsoft.Authorization/roleAssignments",
                  name: "[guid('a')]",
                  condition: "[empty(parameters('secret'))]",
                  properties: {},
                },
              ],
            },
          },
        },
      ],
    });
    expect(problems).toMatchObject([
      { code: "KnownAtRunTime", path: "resources[1].properties.template.resources[0]" },
      { code: "KnownAtRunTime", path: "resources[1].properties.template.resources[1]" },
    ]);
    expect(kept.map(({ kind }) => kind)).toEqual(["Microsoft.Authorization/roleAssignments"]);
  });
});

describe("nested deployments", () => {
  const inner = (scope: string | undefined, value: string, template: Readonly<Record<string, unknown>> = {}) => ({
    type: "Microsoft.Resources/deployments",
    name: "nested",
    properties: {
      mode: "Incremental",
      ...(scope === undefined ? {} : { expressionEvaluationOptions: { scope }, parameters: { p: { value } } }),
      template: {
        $schema: "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        contentVersion: "1.0.0.0",
        parameters: { p: { type: "string" } },
        variables: { v: "inner" },
        resources: [vnet("[concat(variables('v'), parameters('p'))]")],
        outputs: {
          id: { type: "string", value: "[resourceId('Microsoft.Network/virtualNetworks', concat(variables('v'), parameters('p')))]" },
        },
        ...template,
      },
    },
  });
  const around = { parameters: { p: { type: "string", defaultValue: "1" } }, variables: { v: "outer" } };

  test("of inner scope: its own names, and outputs for those outside", () => {
    const { problems, resources, outputs } = expanded({
      ...around,
      resources: [inner("inner", "[concat('-', parameters('p'))]")],
      outputs: { id: { type: "string", value: "[reference('nested').outputs.id.value]" } },
    });
    expect(problems).toEqual([]);
    expect(Object.keys(resources)).toEqual([`${network}/inner-1`]);
    expect(outputs.id).toBe(`${group}/${network}/inner-1`);
  });

  test("of outer scope: the names of the template around it", () => {
    const { problems, resources } = expanded({ ...around, resources: [inner(undefined, "")] });
    expect(problems).toEqual([]);
    expect(Object.keys(resources)).toEqual([`${network}/outer1`]);
  });

  test("to other resource groups, which a template for a subscription may make", () => {
    const { problems, resources, outputs } = expanded({
      $schema: "https://schema.management.azure.com/schemas/2018-05-01/subscriptionDeploymentTemplate.json#",
      contentVersion: "1.0.0.0",
      resources: [
        { type: "Microsoft.Resources/resourceGroups", name: "net", location: "eastus", properties: {} },
        {
          ...inner("inner", "x", { outputs: { where: { type: "string", value: "[resourceGroup().location]" } } }),
          resourceGroup: "net",
          dependsOn: ["[subscriptionResourceId('Microsoft.Resources/resourceGroups', 'net')]"],
        },
      ],
      outputs: {
        where: {
          type: "string",
          value:
            "[reference(extensionResourceId(concat(subscription().id, '/resourceGroups/net'), 'Microsoft.Resources/deployments', 'nested')).outputs.where.value]",
        },
      },
    });
    expect(problems).toEqual([]);
    expect(Object.keys(resources)).toEqual([
      "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/net",
      `${group.replace("/rg/", "/net/")}/${network}/innerx`,
    ]);
    expect(outputs.where).toBe("eastus");
  });

  test("linked templates lie beside the template", () => {
    const link = (templateLink: unknown) => ({
      type: "Microsoft.Resources/deployments",
      name: "l",
      properties: { mode: "Incremental", templateLink },
    });
    const linked = {
      "nested/net.json": {
        $schema: "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        contentVersion: "1.0.0.0",
        resources: [vnet("far")],
      },
    };
    for (const templateLink of [
      { relativePath: "nested/net.json" },
      { uri: "[uri(deployment().properties.templateLink.uri, 'nested/net.json')]" },
      { uri: "https://raw.githubusercontent.com/org/repo/main/nested/net.json?token=x" },
    ]) {
      const { problems, resources } = expanded({ resources: [link(templateLink)] }, { linked });
      expect(problems).toEqual([]);
      expect(Object.keys(resources)).toEqual([`${network}/far`]);
    }
    const { problems } = expanded({ resources: [link({ uri: "https://example.com/a/b.json" })] });
    expect(problems).toMatchObject([{ code: "InvalidContentLink", path: "resources[0].properties.templateLink" }]);
  });
});

test("functions that a template defines see their own parameters only", () => {
  const { problems, outputs } = expanded({
    functions: [
      {
        namespace: "my",
        members: {
          name: { parameters: [{ name: "a", type: "string" }], output: { type: "string", value: "[concat('x-', parameters('a'))]" } },
          wrong: { parameters: [], output: { type: "string", value: "[variables('v')]" } },
        },
      },
    ],
    variables: { v: 1 },
    resources: [],
    outputs: { good: { type: "string", value: "[my.name('b')]" }, bad: { type: "string", value: "[my.wrong()]" } },
  });
  expect(outputs.good).toBe("x-b");
  expect(brief(problems)).toEqual([
    "functions[0].members.wrong.output.value InvalidTemplate [variables('v')] cannot be evaluated: variables(): a function sees its own parameters only",
  ]);
});

test("comments, strings over several lines, and a comma too many", () => {
  const { problems, outputs } = expanded(`// a template
{
  "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", /* as Azure
  takes it */
  "contentVersion": "1.0.0.0",
  "resources": [],
  "outputs": { "a": { "type": "string", "value": "[concat('a',
     'b')]" }, },
}`);
  expect(problems).toEqual([]);
  expect(outputs.a).toBe("ab");
});

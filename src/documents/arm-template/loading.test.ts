import { describe, expect, test } from "vitest";
import { type DocumentFile, formatProblem, loadLab, type Overrides } from "../index.ts";

/** Templates as documents of a lab: with parameter files, options of the command, and other documents. */

const template = (resources: unknown, more: Readonly<Record<string, unknown>> = {}): string =>
  JSON.stringify({
    $schema: "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
    contentVersion: "1.0.0.0",
    ...more,
    resources,
  });
const network = (addressPrefix: string, subnet = addressPrefix) => ({
  type: "Microsoft.Network/virtualNetworks",
  apiVersion: "2024-05-01",
  name: "v",
  location: "[resourceGroup().location]",
  properties: { addressSpace: { addressPrefixes: [addressPrefix] }, subnets: [{ name: "s", properties: { addressPrefix: subnet } }] },
});
const prefix = { parameters: { prefix: { type: "string" } } };
const given = (value: string) => JSON.stringify({ parameters: { prefix: { value } } });

function load(files: Readonly<Record<string, string>>, overrides: Overrides = {}) {
  const documents = Object.entries(files).map(([path, text]): DocumentFile => ({ path, text }));
  const lab = loadLab(documents, () => undefined, undefined, overrides);
  return { ...lab, ids: lab.resources.map(({ key }) => key).filter((key) => key.includes("/virtualnetworks/")) };
}

describe("templates among the documents", () => {
  test("a parameter file belongs to the template before it; values of the command win", () => {
    const files = { "net.json": template([network("[parameters('prefix')]")], prefix), "net.parameters.json": given("10.0.0.0/16") };
    const { problems, resources } = load(files);
    expect(problems).toEqual([]);
    expect(JSON.stringify(resources)).toContain("10.0.0.0/16");
    const other = load(files, { deployment: { parameters: [{ name: "prefix", text: "10.1.0.0/16" }] } });
    expect(JSON.stringify(other.resources)).toContain("10.1.0.0/16");
  });

  test("a parameter file without a template is told so", () => {
    expect(load({ "p.json": given("10.0.0.0/16") }).problems).toMatchObject([{ code: "NotALab", file: "p.json" }]);
  });

  test("the resource group is the command's, the lab's, or called after the file or its folder", () => {
    const text = template([network("10.0.0.0/16")]);
    const groupOf = (path: string, overrides: Overrides = {}, more: Readonly<Record<string, string>> = {}) =>
      /resourcegroups\/([^/]+)/.exec(load({ [path]: text, ...more }, overrides).ids[0] ?? "")?.[1];
    expect(groupOf("net.json")).toBe("net");
    expect(groupOf("hub/azuredeploy.json")).toBe("hub");
    expect(groupOf("net.json", {}, { "lab.yaml": "lab: shop" })).toBe("shop");
    expect(groupOf("net.json", { deployment: { resourceGroup: "rg" } })).toBe("rg");
  });

  test("a value that only Azure knows is a problem where the network needs it", () => {
    const address = { type: "Microsoft.Network/publicIPAddresses", apiVersion: "2024-05-01", name: "p", location: "x", properties: {} };
    const { problems } = load({ "net.json": template([address, network("10.0.0.0/16", "[concat(reference('p').ipAddress, '/32')]")]) });
    expect(problems[0]).toMatchObject({
      code: "KnownAtRunTime",
      path: "resources[1].properties.subnets[0].properties.addressPrefix",
      message: expect.stringContaining("what only Azure knows of Microsoft.Network/publicIPAddresses/p"),
    });
  });

  test("what an expression gave wrong is refused at the expression", () => {
    const { problems } = load({ "net.json": template([network("[parameters('prefix')]")], prefix), "p.json": given("10.0.0.0/33") });
    expect(problems.map(formatProblem).join("\n")).toContain("net.json:1:");
    expect(problems[0]?.path).toBe("resources[0].properties.addressSpace.addressPrefixes[0]");
  });

  test("Bicep's own source is to be compiled first", () => {
    const { problems } = load({ "main.bicep": "param location string" });
    expect(problems).toMatchObject([
      { code: "NotALab", fix: "compile it first, and give what comes out: az bicep build --file main.bicep" },
    ]);
  });

  test("several templates share what one of them declares", () => {
    const files = { "a.json": template([network("[parameters('prefix')]")], prefix), "b.json": template([]) };
    const { problems } = load(files, { deployment: { parameters: [{ name: "prefix", text: "10.1.0.0/16" }] } });
    expect(problems).toEqual([]);
  });
});

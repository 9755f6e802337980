import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { runCommand } from "./testing/run.ts";

const cwd = join(import.meta.dirname, "../../examples/deployment-template");

async function nodeSubnet(...options: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await runCommand(["show", "outputs", "azuredeploy.json", "-o", "json", ...options], { cwd });
  if (status !== 0) return stderr;
  const outputs: readonly { readonly name: string; readonly value: string }[] = JSON.parse(stdout);
  return outputs.find(({ name }) => name === "nodeSubnet")?.value ?? "";
}

describe("parameters of a template are given as az takes them", () => {
  const file = "azuredeploy.parameters.json";
  const values = ["prefix=shop", "sshPublicKey=@web.yaml"].flatMap((value) => ["-p", value]);
  test.each([
    ["a file among the documents", [file]],
    ["a file", ["-p", file]],
    ["a file after @", ["--parameters", `@${file}`]],
    ["values, and a value in a file", values],
    ["JSON", ["-p", '{"prefix": {"value": "shop"}, "sshPublicKey": {"value": "k"}}']],
  ])("%s", async (_, options) => {
    expect(await nodeSubnet(...options)).toMatch(/\/resourceGroups\/azuredeploy\/.*\/shop-vnet\/subnets\/nodes$/);
  });

  test("later ones before earlier ones; the resource group and the subscription too", async () => {
    const subscription = "11111111-1111-1111-1111-111111111111";
    const id = await nodeSubnet(file, "-p", "prefix=other", "--resource-group", "rg", "--subscription", subscription);
    expect(id).toBe(
      `/subscriptions/${subscription}/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/other-vnet/subnets/nodes`,
    );
  });

  test("what is neither is refused", async () => {
    expect(await nodeSubnet("-p", "prefix")).toContain("--parameters prefix is neither name=value nor a file");
    expect(await nodeSubnet()).toContain("give it: --parameters prefix=VALUE");
  });
});

import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { runCommand } from "./testing/run.ts";

const root = resolve(import.meta.dirname, "../..");
const drydock = (...words: string[]) => runCommand(words, { cwd: root });
const golden = (name: string) => `../../test/goldens/diff/${name}`;
const twoOptions = "examples/two-options/lab.yaml";

describe("drydock diff", () => {
  test.each([
    ["two-options-overlay.txt", [twoOptions, "--to", "overlay", "--cluster", "shop-azure"]],
    ["two-options-azure.txt", [twoOptions, "--to", "azure", "--cluster", "shop-kubenet"]],
    ["overlay-azure.md", ["examples/overlay/lab.yaml", "--to", "azure", "--cluster", "red", "-o", "markdown"]],
  ])("%s", async (name, words) => {
    const { status, stdout } = await drydock("diff", ...words);
    expect(status).toBe(1);
    await expect(stdout).toMatchFileSnapshot(golden(name));
  });

  test("a design and itself: nothing, status 0", async () => {
    const { status, stdout } = await drydock("diff", twoOptions, twoOptions);
    expect([status, stdout]).toEqual([0, `${twoOptions} → ${twoOptions}\nNone of 1080 flows changes.\n`]);
  });

  test("the option that a cluster has already: nothing", async () => {
    expect((await drydock("diff", twoOptions, "--to", "kubenet", "--cluster", "shop-kubenet")).status).toBe(0);
  });

  test("a network policy, as a design of its documents and it", async () => {
    const path = join(mkdtempSync(join(tmpdir(), "drydock-diff-")), "policy.yaml");
    const design = "examples/network-policy/lab.yaml";
    writeFileSync(
      path,
      `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: api-leaves, namespace: shop }
spec: { podSelector: { matchLabels: { app: api } }, policyTypes: [Egress], egress: [{}] }
`,
    );
    const { status, stdout } = await drydock("diff", design, "--with", path, "-o", "json");
    expect(status).toBe(1);
    const { changes, pairs } = JSON.parse(stdout);
    const kinds = new Set(changes.map(({ kind }: { readonly kind: string }) => kind));
    expect([...kinds]).toContain("starts");
    const both = JSON.parse((await drydock("diff", design, `${design},${path}`, "-o", "json")).stdout);
    expect({ changes, pairs }).toEqual({ changes: both.changes, pairs: both.pairs });
  });

  test("a rule of a security group that named the addresses of before", async () => {
    const folder = mkdtempSync(join(tmpdir(), "drydock-diff-"));
    writeFileSync(
      join(folder, "lab.yaml"),
      `lab: rules
networks:
  - name: hub
    addressSpace: [10.240.0.0/16]
    subnets: [{ name: nodes, prefix: 10.240.0.0/24 }, { name: pods, prefix: 10.240.1.0/24 }, { name: data, prefix: 10.240.2.0/24 }]
machines: [{ name: db, subnet: hub/data, listen: [5432/tcp] }]
securityGroups:
  - name: data
    subnets: [hub/data]
    rules:
      - { name: from-pods, priority: 100, direction: Inbound, access: Allow, protocol: Tcp, sourceAddressPrefix: 10.240.1.0/24, destinationAddressPrefix: "*", destinationPortRange: "5432" }
      - { name: deny, priority: 200, direction: Inbound, access: Deny, protocol: "*", sourceAddressPrefix: VirtualNetwork, destinationAddressPrefix: "*", destinationPortRange: "*" }
clusters:
  - { name: shop, networkPlugin: azure, subnet: hub/nodes, podSubnet: hub/pods, serviceCidr: 10.1.0.0/16, pools: [{ name: np1, count: 2 }], manifests: [web.yaml] }
`,
    );
    writeFileSync(
      join(folder, "web.yaml"),
      `apiVersion: v1
kind: Pod
metadata: { name: web }
spec: { containers: [{ name: main, image: any, ports: [{ containerPort: 80 }] }] }
`,
    );
    const { stdout, stderr } = await runCommand(["diff", "lab.yaml", "--to", "overlay", "-o", "json"], { cwd: folder });
    expect(stderr).toBe("");
    const diff = JSON.parse(stdout);
    expect(diff.rules).toEqual([
      {
        where: "NSG data",
        rule: "from-pods",
        access: "Allow",
        side: "source",
        cluster: "shop",
        names: ["10.240.1.0/24"],
        mustName: ["10.240.0.0/24", "10.244.0.0/16"],
      },
    ]);
    const stops = diff.changes.filter(({ kind, to }: { readonly kind: string; readonly to: string }) => kind === "stops" && to === "vm/db");
    expect(stops).toMatchObject([{ from: [{ owner: "shop:default/pod/web", pairs: 1 }], pairs: 1, after: { outcomes: ["dropped"] } }]);
    expect(stops[0].after.because[0]).toContain("denied by rule deny (200) of NSG data");
  });

  test.each([
    [["diff", twoOptions], "there is nothing to compare with"],
    [["diff", twoOptions, "--to", "overlay"], "the design has several clusters: shop-kubenet, shop-azure"],
    [["diff", twoOptions, "--to", "overlay", "--cluster", "shop"], "there is no cluster shop"],
    [["diff", twoOptions, twoOptions, "--to", "overlay"], "--to takes the place of a second design"],
    [["diff", twoOptions, twoOptions, "--with", "a.yaml"], "--with takes the place of a second design"],
    [["diff", twoOptions, "--to", "overlay", "--with", "a.yaml"], "--to and --with are two designs"],
    [["diff", twoOptions, "--with", "a.yaml"], "the lab has several clusters"],
    [["diff", "a.json", "b.json", "--to", "overlay"], "the documents of one design are separated by commas: a.json,b.json"],
    [["diff", twoOptions, twoOptions, "--rename", "a"], "a is no renaming"],
    [["diff", twoOptions, twoOptions, "--rename", "a=b"], "there is no cluster a"],
  ])("%j is refused", async (words, message) => {
    const { status, stderr } = await drydock(...words);
    expect(status).toBe(2);
    expect(stderr).toContain(message);
  });
});

describe("drydock migrate", () => {
  test("with network policies, which nobody enforces meanwhile", async () => {
    const { status, stdout, stderr } = await drydock("migrate", "--to", "overlay", "examples/network-policy/lab.yaml");
    expect([status, stderr]).toEqual([0, ""]);
    await expect(stdout).toMatchFileSnapshot(golden("migrate-network-policy.txt"));
  });

  test("only with a new cluster: status 1", async () => {
    const words = ["--to", "pod-subnet", "--cluster", "shop-azure", twoOptions, "-o", "markdown"];
    const { status, stdout } = await drydock("migrate", ...words);
    expect(status).toBe(1);
    expect(stdout).toContain("az aks create --resource-group two-options --name shop-azure-2 --network-plugin azure");
    expect(stdout).toContain("az network vnet subnet create --resource-group two-options --vnet-name hub --name flat-pods");
  });
});

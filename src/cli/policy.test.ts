import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { runCommand } from "./testing/run.ts";

/** `drydock policy` on the example, as a user types it. */
const lab = join(import.meta.dirname, "../../examples/network-policy/lab.yaml");
const folder = mkdtempSync(join(tmpdir(), "drydock-policy-"));
const write = (name: string, text: string) => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
const policy = (name: string, spec: string) =>
  `apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: { name: ${name}, namespace: shop }\nspec: ${spec}\n`;

describe("drydock policy", () => {
  test("prints who reaches whom, workloads as one", async () => {
    const { stdout } = await runCommand(["policy", "-n", "shop", lab]);
    expect(stdout).toContain("policies by calico: api, default-deny, web");
    expect(stdout).toMatch(
      /within shop\nFROM +deploy\/api:8080\/tcp ×2 .*\ndeploy\/api ×2 +no +no +no +no\ndeploy\/web ×2 +yes +no +no +no\n/,
    );
    expect(stdout).toContain("monitoring/deploy/prometheus");
  });

  test("only within, when asked", async () => {
    const { stdout } = await runCommand(["policy", "-n", "shop", "--within", lab]);
    expect(stdout).not.toContain("monitoring/");
  });

  test("says what a policy would change, and why", async () => {
    const file = write("open.yaml", `${policy("open", "{ podSelector: {}, ingress: [{}], egress: [{}] }")}`);
    const { stdout } = await runCommand(["policy", "-n", "shop", "--within", "--with", file, lab]);
    expect(stdout).toContain("with shop/open, these would change:\n");
    expect(stdout).toContain("deploy/web ×2 > deploy/api:9090/tcp ×2: no → yes\n");
    expect(stdout).not.toContain("deploy/web ×2 > deploy/api:8080/tcp ×2");
  });

  test("a policy of the same name takes the place of the old one", async () => {
    const file = write("web.yaml", policy("web", "{ podSelector: { matchLabels: { app: web } }, policyTypes: [Egress] }"));
    const { stdout } = await runCommand(["policy", "-n", "shop", "--with", file, lab]);
    expect(stdout).toContain(
      "deploy/web ×2 > deploy/api:8080/tcp ×2: yes → no\n    default deny of NetworkPolicy shop/default-deny, shop/web (egress)",
    );
  });

  test("what changes nothing says so", async () => {
    const file = write("same.yaml", policy("again", "{ podSelector: {} }"));
    const { stdout } = await runCommand(["policy", "-n", "shop", "--with", file, lab]);
    expect(stdout).toContain("with shop/again: nothing would change here\n");
  });

  test("as JSON, with what decided", async () => {
    const { stdout } = await runCommand(["policy", "-n", "shop", "--within", "-o", "json", lab]);
    const { networkPolicy, policies, cells } = JSON.parse(stdout);
    expect([networkPolicy, policies]).toEqual(["calico", ["shop/api", "shop/default-deny", "shop/web"]]);
    // Four pods of two kinds with one or three ports, each asked by the three others.
    expect(cells).toHaveLength((2 * 3 + 2) * 3);
    expect(cells.find((cell: { allowed: boolean }) => !cell.allowed)).toMatchObject({
      outcome: "dropped",
      decidedBy: { resource: expect.stringContaining("shop:shop/NetworkPolicy/") },
    });
  });

  test("an unknown namespace, with what was meant", async () => {
    const { stderr, status } = await runCommand(["policy", "-n", "shopp", lab]);
    expect([status, stderr]).toEqual([2, expect.stringContaining("did you mean: shop")]);
  });

  test("a file with something else is refused", async () => {
    const file = write("other.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: x }\n");
    const { stderr, status } = await runCommand(["policy", "-n", "shop", "--with", file, lab]);
    expect([status, stderr]).toEqual([2, expect.stringContaining("ConfigMap x is no NetworkPolicy")]);
  });

  test("policies without an engine have no effect, and it says so", async () => {
    write("manifest.yaml", policy("deny", "{ podSelector: {} }").replace("namespace: shop", "namespace: default"));
    const open = write(
      "lab.yaml",
      "lab: open\nnetworks: [{ name: hub, addressSpace: [10.240.0.0/16], subnets: [{ name: n, prefix: 10.240.0.0/24 }] }]\nclusters: [{ name: c, networkPlugin: kubenet, subnet: hub/n, pools: [{ name: p, count: 2 }], manifests: [manifest.yaml] }]\n",
    );
    const { stdout, stderr } = await runCommand(["policy", open]);
    expect(stderr).toContain("kept, no effect on the network: the cluster has no network policy engine");
    expect(stdout).toContain("its policies are kept and have no effect on the network");
  });
});

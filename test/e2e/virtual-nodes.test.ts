/** A running lab with a virtual node and a Windows pool: its pods become ready, and get and send traffic. */

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { typist } from "./drydock.ts";

const canRun = spawnSync("unshare", ["--user", "--map-root-user", "--net", "true"]).status === 0 || process.getuid?.() === 0;
const required = process.env.CI !== undefined || process.env.DRYDOCK_REQUIRE_KERNEL !== undefined;
if (!canRun && !required) console.warn("no namespaces on this machine: tests of running labs are skipped");

const deployment = (name: string, replicas: number, where: string, port: number) => `apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name} }
spec:
  replicas: ${replicas}
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name} } }
    spec: { ${where}containers: [{ name: main, image: any, ports: [{ containerPort: ${port} }] }] }
---
`;
const onVirtualNode =
  "nodeSelector: { type: virtual-kubelet }, tolerations: [{ key: virtual-kubelet.io/provider, operator: Exists }, { key: azure.com/aci, effect: NoSchedule }], ";
const onWindows = 'nodeSelector: { "kubernetes.io/os": windows }, ';
const service = (name: string) => `apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec: { type: LoadBalancer, selector: { app: ${name} }, ports: [{ port: 80, targetPort: 8080 }] }
`;

type Pods = readonly { readonly name: string; readonly ready: boolean; readonly node?: string; readonly address?: string }[];
type Answer = { readonly reachable: boolean; readonly receiver?: string; readonly source?: { readonly address: string } };

describe.skipIf(!canRun && !required)("a running lab with a virtual node", () => {
  const folder = mkdtempSync(join(tmpdir(), "drydock-virtual-"));
  const file = join(folder, "lab.yaml");
  const user = typist();
  beforeAll(async () => {
    writeFileSync(
      join(folder, "apps.yaml"),
      deployment("burst", 2, onVirtualNode, 8080) +
        deployment("web", 2, "", 8080) +
        deployment("win", 1, onWindows, 8080) +
        service("burst"),
    );
    writeFileSync(
      file,
      `lab: virtual
networks:
  - name: hub
    addressSpace: [10.240.0.0/16]
    subnets:
      - { name: nodes, prefix: 10.240.0.0/22 }
      - { name: aci, prefix: 10.240.8.0/24, delegations: [Microsoft.ContainerInstance/containerGroups] }
machines: [{ name: db, subnet: hub/nodes, listen: [5432/tcp] }]
internet: [{ name: www, address: 203.0.113.10, listen: [443/tcp] }]
clusters:
  - name: shop
    networkPlugin: azure
    subnet: hub/nodes
    addonProfiles: { aciConnectorLinux: { enabled: true, config: { SubnetName: aci } } }
    pools: [{ name: np1, count: 2, maxPods: 15 }, { name: npwin, count: 1, maxPods: 30, osType: Windows }]
    manifests: [apps.yaml]
`,
    );
    const { status, stderr } = await user.run("up", file);
    expect(stderr).toBe("");
    expect(status).toBe(0);
  });
  afterAll(async () => {
    await user.end();
    rmSync(folder, { recursive: true });
  });
  const answer = (from: string, to: string) => user.json<Answer>("probe", from, to, "--timeout", "800");

  test("its pods become ready, at addresses of the delegated subnet", async () => {
    const { pods } = await user.json<{ readonly pods: Pods }>("status");
    expect(pods.map(({ ready }) => ready)).toEqual(pods.map(() => true));
    const burst = pods.filter(({ name }) => name.startsWith("burst-"));
    expect(burst.map(({ node }) => node)).toEqual(["virtual-node-aci-linux", "virtual-node-aci-linux"]);
    for (const { address } of burst) expect(address).toMatch(/^10\.240\.8\./);
  });

  test("they get traffic from pods, machines and the Internet, and send under their own addresses", async () => {
    expect(await answer("deploy/web", "deploy/burst")).toMatchObject({ reachable: true, receiver: expect.stringMatching(/burst-/) });
    expect(await answer("vm/db", "deploy/burst")).toMatchObject({ reachable: true });
    expect(await answer("deploy/win", "svc/burst")).toMatchObject({ reachable: true, receiver: expect.stringMatching(/burst-/) });
    expect(await answer("internet/www", "svc/burst")).toMatchObject({ reachable: true, receiver: expect.stringMatching(/burst-/) });
    expect((await answer("deploy/burst", "vm/db")).source?.address).toMatch(/^10\.240\.8\./);
    expect(await answer("deploy/burst", "deploy/win")).toMatchObject({ reachable: true });
  });

  test("everybody's packets go as the tracer says", async () => {
    expect((await user.run("check", "--seed", "1")).stdout).toContain(" 0 disagreements");
  });

  test("a pod more is asked too, and the fewer are gone", async () => {
    const scaled = (replicas: number) =>
      writeFileSync(
        join(folder, "apps.yaml"),
        deployment("burst", replicas, onVirtualNode, 8080) +
          deployment("web", 2, "", 8080) +
          deployment("win", 1, onWindows, 8080) +
          service("burst"),
      );
    for (const replicas of [3, 1]) {
      scaled(replicas);
      expect((await user.run("apply", file)).status).toBe(0);
      const { pods } = await user.json<{ readonly pods: Pods }>("status");
      expect(pods.filter(({ name, ready }) => name.startsWith("burst-") && ready)).toHaveLength(replicas);
    }
    // The only endpoint calls its own Service: by the loopback interface, which is no second stay in the host.
    const itself = await user.run("trace", "deploy/burst", "svc/burst", "--via", "loadbalancer", "--observed");
    expect(itself.stdout).toMatch(/^delivered to pod\/shop\/default\/burst-/m);
    expect(itself.stdout).toContain("the kernel did what was predicted");
  });
});

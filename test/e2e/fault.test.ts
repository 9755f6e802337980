/** Breaking and mending a running lab, typed. */

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { typist } from "./drydock.ts";

const canRun = spawnSync("unshare", ["--user", "--map-root-user", "--net", "true"]).status === 0 || process.getuid?.() === 0;
const required = process.env.CI !== undefined || process.env.DRYDOCK_REQUIRE_KERNEL !== undefined;
if (!canRun && !required) console.warn("no namespaces on this machine: tests of running labs are skipped");

type Status = {
  readonly pid: number;
  readonly clusters: readonly { readonly nodes: { readonly ready: number } }[];
  readonly faults: readonly { readonly name: string; readonly what: string; readonly until?: string }[];
  readonly probes: readonly { readonly probe: string; readonly healthy: number; readonly backends: number }[];
  readonly waiting: readonly { readonly reason: string; readonly message: string }[];
};

describe.skipIf(!canRun && !required)("faults of a running lab", () => {
  const folder = mkdtempSync(join(tmpdir(), "drydock-fault-"));
  const file = join(folder, "lab.yaml");
  const user = typist();
  const web = (replicas: number) => `apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec: { replicas: ${replicas}, selector: { matchLabels: { app: web } }, template: { metadata: { labels: { app: web } }, spec: { containers: [{ name: web, image: nginx, ports: [{ containerPort: 80 }] }] } } }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { type: LoadBalancer, selector: { app: web }, ports: [{ port: 80 }] }
`;
  beforeAll(async () => {
    writeFileSync(join(folder, "web.yaml"), web(4));
    writeFileSync(
      file,
      `lab: faults
networks: [{ name: hub, addressSpace: [10.240.0.0/16], subnets: [{ name: nodes, prefix: 10.240.0.0/24 }, { name: data, prefix: 10.240.1.0/24 }] }]
machines: [{ name: db, subnet: hub/data, listen: [5432/tcp] }]
internet: [{ name: www, address: 203.0.113.10, listen: [443/tcp] }]
clusters: [{ name: c, networkPlugin: azure, subnet: hub/nodes, pools: [{ name: np1, count: 3, maxPods: 10 }], manifests: [web.yaml] }]
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
  const status = () => user.json<Status>("status");
  const checked = async () => (await user.run("check", "--sample", "60", "--seed", "1", "--paths", "4")).stdout;

  test("a node that is stopped: status counts it out, trace names the fault, the kernel agrees, and it comes back", async () => {
    const added = await user.run("fault", "add", "stop", "np1", "--name", "gone");
    expect(added).toMatchObject({ status: 2, stderr: expect.stringContaining("may be any of 3") });
    expect((await user.run("fault", "add", "stop", "node/000001", "--name", "gone")).status).toBe(0);
    expect(await status()).toMatchObject({
      clusters: [{ nodes: { ready: 2 } }],
      faults: [{ name: "gone", what: expect.stringMatching(/^machine .*000001 is stopped$/) }],
      probes: [{ healthy: 2, backends: 3 }],
    });
    const trace = await user.run("trace", "vm/db", "node/000001");
    expect(trace.stdout).toMatch(/^black-hole on vnet\/hub, .*is stopped \(fault gone\)$/m);
    expect(trace.status).toBe(1);
    expect(await checked()).toContain(" 0 disagreements");
    expect((await user.run("fault", "remove", "gone")).status).toBe(0);
    expect(await status()).toMatchObject({ clusters: [{ nodes: { ready: 3 } }], faults: [], probes: [{ healthy: 3 }] });
  });

  test("a probe that is not answered takes the Service down though its pods are well", async () => {
    const probe = (await status()).probes[0]?.probe ?? "";
    const address = (await user.json<{ outcome: string; reachable: boolean }>("probe", "internet/www", "svc/web")).reachable;
    expect(address).toBe(true);
    expect((await user.run("fault", "add", "probe", probe, "--name", "silent")).status).toBe(0);
    expect((await status()).probes).toMatchObject([{ healthy: 0 }]);
    const trace = await user.run("trace", "internet/www", "svc/web");
    expect(trace.stdout).toMatch(
      /dropped on vnet\/hub, .*none of 3 backends answers the health probe: health probe .* gets no answer \(fault silent\)/,
    );
    expect((await user.run("probe", "internet/www", "svc/web", "--timeout", "300")).status).toBe(1);
    expect((await user.run("probe", "vm/db", "deploy/web")).status).toBe(0);
    expect((await user.run("fault", "remove", "silent")).status).toBe(0);
    expect((await user.run("probe", "internet/www", "svc/web")).status).toBe(0);
  });

  test("source ports that are all taken", async () => {
    const node = (await user.json<readonly { metadata: { name: string } }[]>("show", "nodes"))[0]?.metadata.name ?? "";
    expect((await user.run("fault", "add", "snat", `node/${node}`, "--name", "full")).status).toBe(0);
    const { stdout } = await user.run("trace", `node/${node}`, "internet/www");
    expect(stdout).toMatch(/^exhausted on edge\/hub, .*\(fault full\)$/m);
    expect(await checked()).toContain(" 0 disagreements");
    expect((await user.run("fault", "remove", "--all")).status).toBe(0);
  });

  test("addresses that are never given back: a node runs out of them", async () => {
    expect((await status()).faults).toEqual([]);
    expect((await user.run("fault", "add", "leak", "c")).status).toBe(0);
    for (const replicas of [24, 1, 24, 1, 24]) {
      writeFileSync(join(folder, "web.yaml"), web(replicas));
      expect((await user.run("apply", file)).status).toBe(0);
    }
    expect((await status()).waiting).toContainEqual(
      expect.objectContaining({
        reason: "FailedCreatePodSandBox",
        message: expect.stringMatching(/secondary addresses .* are in use, \d+ of them by pods that are gone and never gave them back$/),
      }),
    );
    expect((await user.run("fault", "remove", "leak-c")).status).toBe(0);
    expect((await status()).waiting).toEqual([]);
  });

  test("a fault survives its daemon, and ends by itself when it was to", async () => {
    expect((await user.run("fault", "add", "stop", "vm/db", "--for", "15s")).status).toBe(0);
    const { pid } = await status();
    process.kill(pid, "SIGKILL");
    while (existsSync(`/proc/${pid}`)) await new Promise((resolve) => setTimeout(resolve, 10));
    expect((await user.run("up", file)).status).toBe(0);
    expect(await status()).toMatchObject({ faults: [{ name: "stop-db", until: expect.stringMatching(/Z$/) }] });
    expect((await user.run("probe", "deploy/web", "vm/db", "--timeout", "300")).status).toBe(1);
    const deadline = Date.now() + 20_000;
    while ((await status()).faults.length > 0 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 200));
    expect((await user.run("probe", "deploy/web", "vm/db")).status).toBe(0);
  });

  test("faults that the file has are there as long as the file has them, and a trace of the file says the same", async () => {
    const healthy = readFileSync(file, "utf8");
    writeFileSync(file, `${healthy}faults: [{ kind: stop, target: vm/db }, { kind: snat, target: node/000002, name: full }]\n`);
    expect((await user.run("apply", file)).status).toBe(0);
    expect((await status()).faults).toMatchObject([{ name: "full" }, { name: "stop-db" }]);
    const said = /^black-hole on vnet\/hub, .*machine db is stopped \(fault stop-db\)$/m;
    expect((await user.run("trace", "deploy/web", "vm/db")).stdout).toMatch(said);
    expect((await user.run("trace", "deploy/web", "vm/db", file)).stdout).toMatch(said);
    expect((await user.run("probe", "deploy/web", "vm/db", "--timeout", "300")).status).toBe(1);
    writeFileSync(file, healthy);
    expect((await user.run("apply", file)).status).toBe(0);
    expect((await status()).faults).toEqual([]);
  });

  test.each([
    [["fault", "add", "stop", "vm/dbb"], /did you mean: vm\/db/],
    [["fault", "add", "site", "hq"], /fix: the lab has none/],
    [["fault", "add", "frob", "x"], /Allowed choices are route, stop/],
    [["fault", "add", "stop", "vm/db", "--for", "soon"], /write it as 30s/],
    [["fault", "add", "stop", "vm/db", "--name", "A b"], /no name for a fault/],
    [["fault", "remove", "nothing"], /there is no fault nothing/],
    [["fault", "remove"], /which fault\?/],
  ])("%j is refused", async (words, says) => {
    const { status: code, stderr } = await user.run(...words);
    expect(stderr).toMatch(says);
    expect(code).toBe(2);
  });
});

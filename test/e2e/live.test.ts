/** A running lab, typed. As root also as an ordinary user that is made for the purpose, since that is how most people run it. */

import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { example, type Typist, typist } from "./drydock.ts";

const canRun = spawnSync("unshare", ["--user", "--map-root-user", "--net", "true"]).status === 0 || process.getuid?.() === 0;
const required = process.env.CI !== undefined || process.env.DRYDOCK_REQUIRE_KERNEL !== undefined;
if (!canRun && !required) console.warn("no namespaces on this machine: tests of running labs are skipped");

describe.skipIf(!canRun && !required)("a running lab", () => {
  const user = typist();
  afterAll(user.end);
  beforeAll(async () => {
    const { status, stderr, stdout } = await user.run("up", example);
    expect(stderr + stdout).toContain("is up");
    expect(status).toBe(0);
  });

  test("status says who runs and what is ready", async () => {
    const status: Record<string, unknown> = await user.json("status");
    expect(status).toMatchObject({ lab: "two-options", pid: expect.any(Number), waiting: [] });
    expect(existsSync(`/proc/${status.pid}`)).toBe(true);
    expect(status.clusters).toHaveLength(2);
    for (const cluster of status.clusters as { nodes: { ready: number; wanted: number }; pods: { ready: number; total: number } }[]) {
      expect(cluster.nodes.ready).toBe(cluster.nodes.wanted);
      expect(cluster.pods.ready).toBe(cluster.pods.total);
    }
    const snat = status.snat as { cluster: string; node: string; allocated: number; used: { tcp: number; udp: number } }[];
    expect(snat.map(({ cluster }) => cluster)).toContain("shop-azure");
    for (const share of snat) expect(share).toMatchObject({ allocated: 1024, used: { tcp: expect.any(Number), udp: expect.any(Number) } });
  });

  test("assertions hold of real packets, and what no packet proves is said", async () => {
    const { status, stdout } = await user.run("test", "--live", example.replace("lab.yaml", "test.yaml"));
    expect(stdout).toContain("no packet proves it");
    expect(stdout).toMatch(/\d+ assertions: 8 hold, 3 skipped/);
    expect(status).toBe(0);
  });

  test("an assertion that real packets do not keep is told with what decided", async () => {
    const file = join(user.state, "wrong.yaml");
    const lines = [
      `{ name: source, from: "shop-kubenet:shop/deploy/web", to: "vm/db:5432", sees: sender }`,
      `{ name: way, from: "shop-kubenet:shop/deploy/web", to: "vm/db:5432", notThrough: vnet/hub }`,
      `{ name: outcome, from: vm/db, to: "shop-kubenet:shop/deploy/web" }`,
    ];
    writeFileSync(file, `design: ${JSON.stringify(example)}\nassertions:\n${lines.map((line) => `  - ${line}\n`).join("")}`);
    const tested = await user.json<{ files: { assertions: { deviations: { what: string }[] }[] }[] }>("test", "--live", file);
    const said = tested.files[0]?.assertions.map(({ deviations }) => deviations[0]?.what);
    expect(said).toEqual([
      expect.stringContaining("the receiver sees 10.240.0.4"),
      expect.stringContaining("comes through vnet/hub"),
      expect.stringContaining("is black-hole"),
    ]);
  });

  test.each([
    { from: "shop-kubenet:shop/deploy/web", to: "vm/db", source: "10.240.0.4", receiver: "vm/db" },
    { from: "shop-azure:shop/deploy/web", to: "vm/db", source: "10.240.2.5", receiver: "vm/db" },
    {
      from: "internet/partner",
      to: "shop-azure:shop/svc/web-public-local",
      source: "203.0.113.10",
      receiver: /^pod\/shop-azure\/shop\/web-/,
    },
  ])("probe $from $to: $source is seen", async ({ from, to, source, receiver }) => {
    const answer: Record<string, unknown> = await user.json("probe", from, to);
    expect(answer).toMatchObject({ reachable: true, source: { address: source, port: expect.any(Number) }, rttMs: expect.any(Number) });
    expect(answer.receiver).toMatch(receiver);
  });

  test("a probe that nobody answers has status 1", async () => {
    const { status, stdout } = await user.run("probe", "vm/db", "shop-kubenet:shop/deploy/web", "--timeout", "300", "-o", "json");
    expect(status).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ reachable: false });
  });

  test("an observed trace is what was predicted", async () => {
    const { status, stdout } = await user.run("trace", "shop-kubenet:shop/deploy/web", "internet/partner", "--observed");
    expect(stdout).toContain("the kernel did what was predicted");
    expect(status).toBe(0);
  });

  test("an observed trace as data has what the text has, hop by hop", async () => {
    type Hop = { direction: string; host: string; agrees: boolean; predicted: object; observed: { end: string; rules: string[] } };
    const seen: { agrees: boolean; comparison: Hop[] } = await user.json(
      "trace",
      "shop-kubenet:shop/deploy/web",
      "internet/partner",
      "--observed",
    );
    expect(seen.agrees).toBe(true);
    expect(seen.comparison.every(({ agrees }) => agrees)).toBe(true);
    expect(seen.comparison[0]).toMatchObject({ direction: "forward", host: expect.stringMatching(/^pod\//), observed: { end: "left" } });
    expect(seen.comparison.at(-1)).toMatchObject({
      direction: "reply",
      host: expect.stringMatching(/^pod\//),
      observed: { end: "delivered" },
    });
    expect(seen.comparison.flatMap(({ observed }) => observed.rules)).toContainEqual(expect.stringContaining("outbound rule"));
  });

  test("an observed ping is what was predicted", async () => {
    const { status, stdout } = await user.run(
      "trace",
      "shop-kubenet:shop/deploy/web",
      "shop-azure:node/000001",
      "--protocol",
      "icmp",
      "--observed",
    );
    expect(stdout).toContain("the kernel did what was predicted");
    expect(status).toBe(0);
  });

  test("check finds no disagreement", async () => {
    const { status, stdout } = await user.run("check", "--sample", "150", "--seed", "1", "--paths", "6");
    expect(stdout).toMatch(/^\d+ packets, 0 disagreements, seed 1$/m);
    expect(status).toBe(0);
  });

  test("exec runs on a host and passes its exit status on", async () => {
    const { stdout } = await user.run("exec", "vm/db", "--", "ip", "-brief", "address");
    expect(stdout).toContain("10.240.4.4/24");
    expect((await user.run("exec", "vm/db", "--", "sh", "-c", "exit 7")).status).toBe(7);
    expect((await user.run("exec", "vm/dbb", "--", "true")).status).toBe(2);
  });

  test("capture writes pcap of the packets of a host", async () => {
    const { child, ended } = user.start("capture", "vm/db", "--count", "2", "--", "tcp port 5432");
    let header = false;
    child.stdout?.once("data", () => {
      header = true;
    });
    // The file header comes when the capture has begun.
    while (!header) await new Promise((resolve) => setTimeout(resolve, 10));
    await user.run("probe", "shop-azure:shop/deploy/web", "vm/db");
    const { status, stderr } = await ended;
    expect(stderr).toBe("");
    expect(status).toBe(0);
  });

  test("scaling is applied, and the new node takes part", async () => {
    expect((await user.run("scale", "shop-azure/np1", "4")).status).toBe(0);
    const nodes: unknown[] = await user.json("show", "nodes", "--cluster", "shop-azure");
    expect(nodes).toHaveLength(4);
    expect((await user.run("scale", "np1", "4")).stderr).toContain("shop-azure/np1 or shop-kubenet/np1");
    const refused = await user.run("scale", "shop-kubenet/np1", "401");
    expect(refused.stderr).toContain("nothing was changed");
    expect(refused.stderr).toContain("running lab: error: managedClusters/shop-kubenet: ");
    expect(refused.status).toBe(2);
  });

  test("what Azure cannot change is refused, and nothing is changed", async () => {
    const folder = mkdtempSync(join(tmpdir(), "drydock-apply-"));
    cpSync(dirname(example), folder, { recursive: true });
    const file = join(folder, "lab.yaml");
    writeFileSync(file, readFileSync(file, "utf8").replace("podCidr: 10.244.0.0/16", "podCidr: 10.245.0.0/16"));
    const { status, stderr } = await user.run("apply", file);
    rmSync(folder, { recursive: true });
    expect(status).toBe(2);
    expect(stderr).toContain("PropertyChangeNotAllowed");
    expect((await user.run("probe", "shop-kubenet:shop/deploy/web", "vm/db")).status).toBe(0);
  });

  test("a second lab of the same name is refused; under another name it runs beside the first", async () => {
    expect(await user.run("up", example)).toMatchObject({ status: 4, stderr: expect.stringContaining("already running") });
    expect((await user.run("up", example, "--name", "second")).status).toBe(0);
    expect((await user.run("probe", "vm/db", "internet/partner")).stderr).toContain("--lab second");
    expect(await user.json("status", "--lab", "second")).toMatchObject({ lab: "second" });
    expect((await user.run("down", "--lab", "second", "--purge")).status).toBe(0);
  });

  test("down leaves no process, and the next up the same addresses", async () => {
    const before = await addresses(user);
    const { pid }: { pid: number } = await user.json("status");
    expect((await user.run("down")).status).toBe(0);
    expect(existsSync(`/proc/${pid}`)).toBe(false);
    expect((await user.run("up", example)).status).toBe(0);
    const after = await addresses(user);
    for (const [pod, address] of before) if (after.has(pod)) expect(after.get(pod)).toBe(address);
  });
});

async function addresses(user: Typist): Promise<Map<string, string>> {
  const pods: readonly { cluster: string; metadata: { name: string }; status?: { podIP?: string } }[] = await user.json("show", "pods");
  return new Map(pods.map((pod) => [`${pod.cluster}/${pod.metadata.name}`, pod.status?.podIP ?? ""]));
}

describe.skipIf(!canRun && !required)("in the foreground", () => {
  test("Ctrl-C ends the lab and leaves nothing", async () => {
    const user = typist();
    const { child, ended } = user.start("up", example, "--foreground");
    await new Promise<void>((resolve) => child.stdout?.on("data", (chunk: Buffer) => (chunk.includes("is up") ? resolve() : undefined)));
    const { pid }: { pid: number } = await user.json("status");
    child.kill("SIGINT");
    const { status } = await ended;
    expect(status).toBe(0);
    expect(existsSync(`/proc/${pid}`)).toBe(false);
    await user.end();
  });

  test("Ctrl-C during up takes back what was started", async () => {
    const user = typist();
    const { child, ended } = user.start("up", example);
    await new Promise((resolve) => setTimeout(resolve, 600));
    child.kill("SIGINT");
    const { status } = await ended;
    // It may have been done before the signal came.
    expect([0, 130]).toContain(status);
    if (status === 130) expect((await user.run("status")).status).toBe(4);
    await user.end();
  });
});

const isRoot = process.getuid?.() === 0;
describe.skipIf(!canRun || !isRoot || spawnSync("useradd", ["--help"]).status !== 0)("as an ordinary user", () => {
  const name = `drydock-${process.pid}`;
  let user: Typist;
  beforeAll(() => {
    execFileSync("useradd", ["--create-home", "--shell", "/bin/sh", name]);
    const state = `/home/${name}/state`;
    execFileSync("install", ["-d", "-m", "700", "-o", name, state]);
    const as = ["setpriv", `--reuid=${name}`, `--regid=${name}`, "--clear-groups", "--"];
    user = typist({ as, state, env: { HOME: `/home/${name}` } });
    expect(spawnSync(as[0] ?? "", [...as.slice(1), "test", "-r", realpathSync(example)]).status, "the clone is readable for others").toBe(
      0,
    );
  });
  afterAll(async () => {
    await user.end();
    spawnSync("userdel", ["--remove", name]);
  });

  test("up, probe, exec, check, down", async () => {
    const up = await user.run("up", example);
    expect(up.stderr + up.stdout).toContain("is up");
    const { pid }: { pid: number } = await user.json("status");
    expect(readFileSync(`/proc/${pid}/status`, "utf8")).not.toMatch(/^Uid:\s+0/m);
    expect(await user.json("probe", "shop-kubenet:shop/deploy/web", "vm/db")).toMatchObject({ source: { address: "10.240.0.4" } });
    expect((await user.run("exec", "vm/db", "--", "ip", "-brief", "address")).stdout).toContain("10.240.4.4/24");
    expect((await user.run("check", "--sample", "40", "--seed", "2", "--paths", "2")).stdout).toContain(" 0 disagreements");
    expect((await user.run("doctor")).status).toBe(0);
    expect((await user.run("down")).status).toBe(0);
    expect(existsSync(`/proc/${pid}`)).toBe(false);
  });
});

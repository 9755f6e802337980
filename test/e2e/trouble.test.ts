/** What can go wrong with the machine: each is told with what to do and an exit status, without a stack trace, and the lab stays as it was. */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Ran, type Typist, typist } from "./drydock.ts";

const canRun = spawnSync("unshare", ["--user", "--map-root-user", "--net", "--mount", "true"]).status === 0;
const required = process.env.CI !== undefined || process.env.DRYDOCK_REQUIRE_KERNEL !== undefined;
if (!canRun && !required) console.warn("no namespaces on this machine: tests of running labs are skipped");

const documents = mkdtempSync(join(tmpdir(), "drydock-trouble-"));
const file = join(documents, "lab.yaml");
writeFileSync(
  file,
  `lab: trouble
networks: [{ name: hub, addressSpace: [10.240.0.0/16], subnets: [{ name: nodes, prefix: 10.240.0.0/24 }, { name: data, prefix: 10.240.1.0/24 }] }]
machines: [{ name: db, subnet: hub/data, listen: [5432/tcp] }]
clusters: [{ name: c, networkPlugin: kubenet, subnet: hub/nodes, pools: [{ name: np1, count: 1, maxPods: 30 }], manifests: [app.yaml] }]
`,
);
writeFileSync(
  join(documents, "app.yaml"),
  `apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec: { replicas: 4, selector: { matchLabels: { app: web } }, template: { metadata: { labels: { app: web } }, spec: { containers: [{ name: web, image: nginx, ports: [{ containerPort: 80 }] }] } } }
`,
);
afterAll(() => rmSync(documents, { recursive: true, force: true }));

function expectTold(ran: Ran, status: number, what: RegExp): void {
  expect(ran.stderr).toMatch(what);
  expect(ran.stderr).toMatch(/^ {2}fix: \S/m);
  expect(ran.stderr).not.toMatch(/^\s+at /m);
  expect(ran.status).toBe(status);
}

/** Words that run a command where `folder` is a file system of so many KiB; without root, so in a user and a mount namespace. */
async function tinyDisk(folder: string, kibibytes: number): Promise<{ readonly as: readonly string[]; readonly keeper: ChildProcess }> {
  mkdirSync(folder);
  const keeper = spawn(
    "unshare",
    [
      "--user",
      "--map-root-user",
      "--mount",
      "sh",
      "-c",
      `mount -t tmpfs -o size=${kibibytes}k tiny "$1" && echo mounted && cat`,
      "sh",
      folder,
    ],
    { stdio: ["pipe", "pipe", "inherit"] },
  );
  await new Promise((resolve, reject) => {
    keeper.stdout?.once("data", resolve);
    keeper.once("exit", () => reject(new Error("no file system was mounted")));
  });
  return { keeper, as: ["nsenter", "--user", "--mount", "--preserve-credentials", "--target", String(keeper.pid), "--"] };
}

describe.skipIf(!canRun && !required)("a disk that is full", () => {
  const folder = join(documents, "tiny");
  let keeper: ChildProcess;
  let user: Typist;
  const inside = (...words: readonly string[]) => spawnSync(user.as[0] ?? "", [...user.as.slice(1), ...words], { encoding: "utf8" });
  const fill = () => inside("sh", "-c", 'dd if=/dev/zero of="$1/filler" bs=4096 2>/dev/null', "sh", folder);
  beforeAll(async () => {
    const disk = await tinyDisk(folder, 4096);
    keeper = disk.keeper;
    user = typist({ as: disk.as, state: folder });
  });
  afterAll(async () => {
    await user.run("down", "--all");
    keeper.stdin?.end();
  });

  test("at up: nothing is started", async () => {
    fill();
    expectTold(await user.run("up", file), 3, /the disk is full/);
    expect((await user.run("status")).status).toBe(4);
    inside("rm", join(folder, "filler"));
  });

  test("while it comes up: what was started is ended", async () => {
    // Room to open a store, and not for what is in it.
    fill();
    inside("truncate", "--size=-100K", join(folder, "filler"));
    expectTold(await user.run("up", file), 3, /store\.db: the disk is full/);
    expect((await user.run("status")).status).toBe(4);
    inside("rm", join(folder, "filler"));
  });

  test("while it runs: the lab stays as it was, and goes on when there is room", async () => {
    const { stderr, status } = await user.run("up", file);
    expect(stderr).toBe("");
    expect(status).toBe(0);
    const before = await addresses(user);
    fill();
    expectTold(await user.run("scale", "np1", "9"), 3, /the disk is full/);
    const larger = join(documents, "larger.yaml");
    writeFileSync(larger, readFileSync(file, "utf8").replace("app.yaml", "app-more.yaml"));
    writeFileSync(
      join(documents, "app-more.yaml"),
      readFileSync(join(documents, "app.yaml"), "utf8").replace("replicas: 4", "replicas: 24"),
    );
    expectTold(await user.run("apply", larger), 3, /the disk is full/);
    expect(await addresses(user)).toEqual(before);
    expect((await user.run("probe", "c:deploy/web", "vm/db")).status).toBe(0);
    expect((await user.run("check", "--sample", "10", "--seed", "1", "--paths", "1")).status).toBe(0);

    inside("rm", join(folder, "filler"));
    expect((await user.run("scale", "np1", "3")).status).toBe(0);
    expect((await user.run("apply", larger)).status).toBe(0);
    expect(await addresses(user)).toMatchObject(before);
    expect(Object.keys(await addresses(user))).toHaveLength(24);
    // Another daemon reads from the disk what this one acknowledged.
    const after = await addresses(user);
    expect((await user.run("down")).status).toBe(0);
    expect((await user.run("up", larger)).status).toBe(0);
    expect(await addresses(user)).toEqual(after);
  });
});

async function addresses(user: Typist): Promise<Record<string, string>> {
  const { pods }: { pods: { name: string; address: string }[] } = await user.json("status");
  return Object.fromEntries(pods.map(({ name, address }) => [name, address]));
}

describe("a machine that cannot", () => {
  test.skipIf(process.getuid?.() === 0 && !canRun)("a state folder that cannot be written", async () => {
    const state = join(documents, "read-only");
    mkdirSync(state);
    chmodSync(state, 0o500);
    // Root may write anywhere; mapped to somebody else it is an ordinary user.
    const as = process.getuid?.() === 0 ? ["setpriv", "--reuid=65534", "--clear-groups", "--"] : [];
    chmodSync(documents, 0o755);
    expectTold(await typist({ as, state }).run("up", file), 3, /read-only\/trouble cannot be written: EACCES/);
  });

  test("a state folder that is a file", async () => {
    const state = join(documents, "file");
    writeFileSync(state, "");
    const user = typist({ state: documents, env: { DRYDOCK_STATE: state } });
    expectTold(await user.run("up", file), 3, /cannot be written: (ENOTDIR|EEXIST)/);
  });

  test.skipIf(!canRun)("no user namespaces", async () => {
    // In a user namespace that may have no others, as where an administrator or a container runtime forbids them.
    const script = 'echo 0 >/proc/sys/user/max_user_namespaces && exec setpriv --bounding-set=-all --inh-caps=-all -- "$@"';
    const as = ["unshare", "--user", "--map-root-user", "--", "sh", "-c", script, "sh"];
    const user = typist({ as });
    expectTold(await user.run("up", file), 3, /does not let an unprivileged user make namespaces \(unshare: .*\)/);
    const { status, stdout } = await user.run("doctor");
    expect(stdout).toMatch(/user namespaces/);
    expect(status).toBe(3);
    await user.end();
  });

  test("unshare is not installed", async () => {
    const user = typist({ env: { PATH: "/nonexistent" } });
    expectTold(await user.run("up", file), 3, /cannot run unshare: spawn unshare ENOENT/);
    await user.end();
  });
});

describe.skipIf(!canRun && !required)("a daemon that is killed", () => {
  test("its lab is down, and says so", async () => {
    const user = typist();
    expect((await user.run("up", file)).status).toBe(0);
    const { pid }: { pid: number } = await user.json("status");
    process.kill(pid, "SIGKILL");
    while (existsSync(`/proc/${pid}`)) await new Promise((resolve) => setTimeout(resolve, 10));
    expectTold(await user.run("status"), 4, /no lab is running/);
    expectTold(await user.run("probe", "c:deploy/web", "vm/db", "--lab", "trouble"), 4, /lab trouble is not running/);
    expect((await user.run("up", file)).status).toBe(0);
    await user.end();
  });

  test("one in the foreground goes with the command that started it, however that ends", async () => {
    const user = typist();
    const { child, ended } = user.start("up", file, "--foreground");
    await new Promise<void>((resolve) => child.stdout?.on("data", (chunk: Buffer) => (chunk.includes("is up") ? resolve() : undefined)));
    const { pid }: { pid: number } = await user.json("status");
    child.kill("SIGKILL");
    await ended;
    const deadline = Date.now() + 5000;
    while (existsSync(`/proc/${pid}`) && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(existsSync(`/proc/${pid}`)).toBe(false);
    await user.end();
  });
});

/** Ways out of a running lab, and ports that run out. */

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { typist } from "./drydock.ts";

const canRun = spawnSync("unshare", ["--user", "--map-root-user", "--net", "true"]).status === 0 || process.getuid?.() === 0;
const required = process.env.CI !== undefined || process.env.DRYDOCK_REQUIRE_KERNEL !== undefined;
if (!canRun && !required) console.warn("no namespaces on this machine: tests of running labs are skipped");

const lab = join(import.meta.dirname, "../../examples/egress/lab.yaml");
const partner = "internet/partner";

/** Opens eight connections and keeps them: an HTTP request that does not end. */
const fill = `for i in 1 2 3 4 5 6 7 8; do exec {fd}<>/dev/tcp/203.0.113.10/443 && printf 'GET / HTTP/1.1\\r\\n' >&$fd; done; echo full; sleep 10`;

type Share = { readonly owner: string; readonly cluster?: string; readonly allocated: number; readonly used: { readonly tcp: number } };

describe.skipIf(!canRun && !required)("a running lab with several ways out", () => {
  const user = typist();
  afterAll(user.end);
  beforeAll(async () => {
    const { status, stderr, stdout } = await user.run("up", lab);
    expect(stderr + stdout).toContain("is up");
    expect(status).toBe(0);
  });

  test.each([
    { from: "ports:pod/web", sources: ["198.18.0.6"] },
    { from: "nat:pod/web", sources: ["198.18.0.4", "198.18.0.5"] },
    { from: "managed:pod/web", sources: ["198.18.0.9", "198.18.0.10"] },
    { from: "vm/jump", sources: ["198.18.0.7"] },
  ])("$from leaves as one of $sources", async ({ from, sources }) => {
    const answer = await user.json<{ readonly source?: { readonly address: string } }>("probe", from, partner);
    expect(sources).toContain(answer.source?.address);
  });

  test("a cluster without a way out has none", async () => {
    expect(await user.json("probe", "isolated:pod/web", partner, "--timeout", "400")).toMatchObject({ reachable: false });
  });

  test("what the model predicts is what the kernel does", async () => {
    const { stdout } = await user.run("check", "--sample", "200", "--seed", "3", "--paths", "4");
    expect(stdout).toMatch(/^\d+ packets, 0 disagreements, seed 3$/m);
  });

  test("a node's ports run out: status shows it, a trace predicts it, and the kernel does it", async () => {
    const { child, ended } = user.start("exec", "ports:pod/web", "--", "bash", "-c", fill);
    await new Promise((resolve) => child.stdout?.once("data", resolve));
    const { snat } = await user.json<{ readonly snat: readonly Share[] }>("status");
    const ports = snat.filter(({ cluster }) => cluster === "ports").map(({ allocated, used }) => `${used.tcp} of ${allocated}`);
    expect(ports.sort()).toEqual(["0 of 8", "8 of 8"]);
    expect(snat.map(({ owner, allocated }) => `${owner} ${allocated}`)).toContain("NAT gateway egress 64512");
    expect(await user.json("trace", "ports:pod/web", partner)).toMatchObject({ outcome: "exhausted", decidedBy: { host: "edge/hub" } });
    const observed = await user.run("trace", "ports:pod/web", partner, "--observed");
    expect(observed.stdout).toContain("the kernel did what was predicted");
    expect(await user.json("probe", "ports:pod/web", partner, "--timeout", "400")).toMatchObject({ reachable: false });
    child.kill();
    await ended;
  });
});

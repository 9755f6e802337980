/** What works with nothing running, without privileges. */

import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { example, program, typist } from "./drydock.ts";

const user = typist();
afterAll(user.end);

test("says its version", async () => {
  const { status, stdout } = await user.run("version");
  expect(status).toBe(0);
  expect(stdout).toMatch(/^drydock \d/);
});

describe("on the example", () => {
  test.each([
    { from: "shop-kubenet:shop/deploy/web", to: "vm/db", outcome: "delivered", source: "10.240.0.4", status: 0 },
    { from: "shop-azure:shop/deploy/web", to: "vm/db", outcome: "delivered", source: "10.240.2.5", status: 0 },
    { from: "vm/db", to: "shop-kubenet:shop/deploy/web", outcome: "black-hole", status: 1 },
    { from: "vm/db", to: "shop-azure:shop/deploy/web", outcome: "delivered", source: "10.240.4.4", status: 0 },
    { from: "site/hq/erp", to: "shop-kubenet:shop/deploy/web", outcome: "no-route", status: 1 },
    { from: "site/hq/erp", to: "shop-azure:shop/deploy/web", outcome: "delivered", source: "192.168.10.5", status: 0 },
    { from: "internet/partner", to: "shop-azure:shop/svc/web-public-local", outcome: "delivered", source: "203.0.113.10", status: 0 },
  ])("trace $from $to: $outcome", async ({ from, to, outcome, source, status }) => {
    const ran = await user.run("trace", from, to, example, "-o", "json");
    const trace = JSON.parse(ran.stdout);
    expect(trace.outcome).toBe(outcome);
    expect(trace.received?.source).toBe(source);
    expect(ran.status).toBe(status);
    expect(trace.hops.length).toBeGreaterThan(1);
    for (const hop of trace.hops) expect(hop).toMatchObject({ host: expect.any(String), steps: expect.any(Array), before: {}, after: {} });
  });

  test("the model keeps its own rules for every pair", async () => {
    const { status, stdout } = await user.run("check", "--model", example);
    expect(stdout).toMatch(/^\d+ packets, 0 disagreements, seed \d+$/m);
    expect(status).toBe(0);
  });

  test("nft accepts what is shown", async () => {
    const { stdout } = await user.run("show", "rules", "shop-kubenet:node/000000", example);
    expect(stdout).toContain("table ip kube-proxy");
  });

  test("a reader that has enough is no error", () => {
    const command = `"${process.execPath}" "${program}" show resources "${example}" -o json | head -c 10`;
    expect(execFileSync("bash", ["-c", command], { env: { ...process.env, DRYDOCK_STATE: user.state }, encoding: "utf8" })).toHaveLength(
      10,
    );
  });
});

describe("on another system than Linux", () => {
  const elsewhere = typist({ env: { NODE_OPTIONS: `--require ${join(import.meta.dirname, "fixtures/elsewhere.cjs")}` } });
  afterAll(elsewhere.end);

  test.each([
    { words: ["trace", "vm/db", "shop-azure:shop/deploy/web", example] },
    { words: ["show", "resources", example] },
    { words: ["check", "--model", "--sample", "50", example] },
    { words: ["plan", example] },
    { words: ["report", example] },
    { words: ["diff", example, "--cluster", "shop-kubenet", "--to", "overlay"] },
    { words: ["test", join(example, "../test.yaml")] },
  ])("$words.0 answers, with no native library", async ({ words }) => {
    const { stderr, stdout, status } = await elsewhere.run(...words);
    expect(stderr).not.toMatch(/native|Error/);
    expect(stdout).not.toBe("");
    expect([0, 1]).toContain(status);
  });

  test("what needs Linux says so", async () => {
    const { stderr, status } = await elsewhere.run("up", example);
    expect(stderr).toContain("labs run on Linux only, and this is darwin");
    expect(status).toBe(3);
  });
});

describe("documents with errors", () => {
  test("all of them are told with their place, and nothing is started", async () => {
    const file = join(user.state, "wrong.yaml");
    writeFileSync(
      file,
      "lab: wrong\nnetworks:\n  - { name: hub, addressSpace: [10.240.0.0/33] }\nmachines:\n  - { name: db, subnet: hub/none }\n",
    );
    const { status, stderr, stdout } = await user.run("up", file);
    expect(status).toBe(2);
    expect(stdout).toBe("");
    expect(stderr).toContain(`${file}:3:`);
    expect(stderr).toContain(`${file}:5:`);
    expect((await user.run("status")).status).toBe(4);
  });

  test.each([
    {
      name: "an alias bomb",
      text: `lab: x\na: &a [1,1,1,1,1,1,1,1,1]\n${"bcdefghi"
        .split("")
        .map((c, i) => `${c}: &${c} [${Array(9).fill(`*${"abcdefgh"[i]}`).join(",")}]`)
        .join("\n")}\n`,
    },
    { name: "deep nesting", text: `lab: ${"[".repeat(100_000)}` },
    { name: "no YAML", text: "\u0000\u0001\u0002: {" },
    { name: "names for a shell", text: 'lab: "$(touch /tmp/owned); ../../x"\nnetworks: []\n' },
  ])("$name is refused in bounded time", async ({ text }) => {
    const file = join(user.state, "hostile.yaml");
    writeFileSync(file, text);
    const { status, stderr } = await user.run("show", "resources", file);
    expect(status).toBe(2);
    expect(stderr).not.toMatch(/^\s+at /m);
    expect(stderr).toContain("hostile.yaml");
  });
});

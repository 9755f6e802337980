import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { runCommand } from "./testing/run.ts";

const folder = mkdtempSync(join(tmpdir(), "drydock-plan-"));
const lab = (pools: string, more = "") => `
lab: small
networks:
  - name: hub
    addressSpace: [10.240.0.0/16]
    subnets: [{ name: nodes, prefix: 10.240.0.0/24 }]
clusters:
  - { name: shop, networkPlugin: azure, subnet: hub/nodes, serviceCidr: 10.1.0.0/16, pools: [${pools}]${more} }
`;
writeFileSync(join(folder, "fits.yaml"), lab("{ name: np1, count: 3 }"));
writeFileSync(join(folder, "full.yaml"), lab("{ name: np1, count: 9 }"));
writeFileSync(join(folder, "tight.yaml"), lab("{ name: np1, count: 8 }"));
writeFileSync(join(folder, "refused.yaml"), lab("{ name: np1, count: 2 }", ", podSubnetID: x, dnsServiceIP: 10.9.0.1"));
writeFileSync(join(folder, "broken.yaml"), "lab: [");

/** Examples of the documentation: a command, and what it says. */
const shown = readFileSync("docs/plan.md", "utf8").matchAll(/```text\n\$ drydock (plan .*)\n([^`]*)```/g);

describe("docs/plan.md is what the command says", () => {
  test.each([...shown].map(([, words = "", output]) => ({ words, output })))("drydock $words", async ({ words, output }) => {
    const { stdout } = await runCommand(words.split(" "), { cwd: "." });
    expect(stdout).toBe(output);
  });
});

const drydock = (...words: string[]) => runCommand(words, { cwd: folder });

describe("drydock plan", () => {
  test("an option says once why it is refused, however many pools are", async () => {
    writeFileSync(join(folder, "old.yaml"), lab("{ name: np1, count: 1 }, { name: np2, count: 1 }", ', kubernetesVersion: "1.27"'));
    const { stdout } = await drydock("plan", "old.yaml");
    const reasons = stdout.split("\n").filter((line) => line.includes("static blocks need"));
    expect(reasons).toEqual([expect.stringMatching(/^not Azure CNI with pod subnet, static blocks: /)]);
  });

  test("a design that fits: what is used, what is left, what fails first", async () => {
    const { status, stdout, stderr } = await drydock("plan", "fits.yaml");
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout).toMatchSnapshot();
  });

  test("as Markdown, for a pull request", async () => {
    const { status, stdout } = await drydock("plan", "fits.yaml", "-o", "markdown");
    expect(status).toBe(0);
    expect(stdout).toMatchSnapshot();
  });

  test("what does not fit now cannot be deployed: status 1, with Azure's code", async () => {
    const { status, stdout } = await drydock("plan", "full.yaml", "-o", "json");
    const plan = JSON.parse(stdout);
    expect(status).toBe(1);
    expect(plan.verdict).toEqual({ deploys: false, upgrades: false, scales: false, upgradesAtMax: false });
    expect(plan.problems).toMatchObject([{ code: "InsufficientSubnetSize", severity: "error", when: "create", file: "full.yaml" }]);
    expect(plan.problems[0].message).toContain("subnet hub/nodes has room for 251 addresses; 9 x (1 + 30) = 279 of pool shop/np1 need 279");
  });

  test("what does not fit an upgrade can be deployed, with a warning", async () => {
    const { status, stdout } = await drydock("plan", "tight.yaml", "-o", "json");
    const plan = JSON.parse(stdout);
    expect(status).toBe(0);
    expect(plan.verdict).toEqual({ deploys: true, upgrades: false, scales: true, upgradesAtMax: false });
    expect(plan.problems).toMatchObject([{ code: "InsufficientSubnetSize", severity: "warning", when: "upgrade" }]);
  });

  test("documents with errors are planned as far as they can be read: status 2", async () => {
    const { status, stdout } = await drydock("plan", "refused.yaml");
    expect(status).toBe(2);
    expect(stdout).toContain("UnknownProperty");
    expect(stdout).toContain("DnsServiceIpOutOfServiceCidr");
    expect(stdout).toContain("2 x (1 + 30)");
  });

  test("a forecast says what runs out first, and when", async () => {
    const { status, stdout } = await drydock("plan", "fits.yaml", "--growth", "1/month", "--from", "2026-01-01");
    expect(status).toBe(0);
    expect(stdout).toContain("first to run out: subnet hub/nodes, for an upgrade, on 2026-06-01");
    writeFileSync(join(folder, "counts.yaml"), "- { date: 2026-03-01, pools: { shop/np1: 9 } }\n");
    const counted = await drydock("plan", "fits.yaml", "--counts", "counts.yaml", "--from", "2026-01-01", "-o", "json");
    expect(JSON.parse(counted.stdout).forecast.exhaustions.at(-1)).toMatchObject({ when: "scale", date: "2026-03-01", needed: 279 });
  });

  test.each([
    { words: ["--growth", "lots"], says: "is no growth" },
    { words: ["--growth", "other/np1=3/month"], says: "there is no pool other/np1" },
    { words: ["--from", "2026-01-01"], says: "--growth" },
    { words: ["--counts", "fits.yaml"], says: "counts over time are a list" },
  ])("$words is refused", async ({ words, says }) => {
    const { status, stderr } = await drydock("plan", "fits.yaml", ...words);
    expect(status).toBe(2);
    expect(stderr).toContain(says);
  });

  test("what cannot be read at all is a failure", async () => {
    expect(await drydock("plan", "broken.yaml")).toMatchObject({ status: 2, stdout: "" });
    expect(await drydock("plan", "missing.yaml")).toMatchObject({ status: 2, stdout: "" });
    expect(await drydock("plan")).toMatchObject({ status: 2, stdout: "" });
    expect(await drydock("plan", "fits.yaml", "--as-of", "yesterday")).toMatchObject({ status: 2, stdout: "" });
  });
});

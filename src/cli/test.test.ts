import { existsSync, mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { runCommand } from "./testing/run.ts";

const folder = mkdtempSync(join(tmpdir(), "drydock-test-"));
const hub = join(process.cwd(), "examples/hub-and-spoke/lab.yaml");

/** The verdicts on assertions, one line of YAML each. */
async function judge(lines: readonly string[], design = hub) {
  const file = join(folder, "test.yaml");
  writeFileSync(
    file,
    `design: ${JSON.stringify(design)}\nassertions:\n${lines.map((line, index) => `  - { name: n${index}, ${line} }\n`).join("")}`,
  );
  const { status, stdout, stderr } = await runCommand(["test", file, "-o", "json"], { cwd: folder });
  if (!stdout.startsWith("{")) throw new Error(stderr);
  return { status, assertions: JSON.parse(stdout).files[0].assertions as readonly Judged[] };
}
type Judged = {
  readonly status: string;
  readonly deviations: readonly Record<string, unknown>[];
  readonly packets?: number;
  readonly problems?: readonly object[];
};

describe("examples keep what they promise", () => {
  for (const name of readdirSync("examples").filter((one) => existsSync(`examples/${one}/test.yaml`))) {
    test(name, async () => {
      const { status, stdout, stderr } = await runCommand(["test", `examples/${name}/test.yaml`]);
      expect(`${stdout}${stderr}`).toContain(": all hold");
      expect(status).toBe(0);
    });
  }
});

describe("what holds and what does not", () => {
  test.each([
    { line: "from: pod/web, to: internet/partner", status: "error" },
    { line: "from: deploy/web, to: internet/partner:443", status: "passed" },
    { line: "from: vm/db, to: vm/db:5432", status: "passed" },
    { line: "from: site/hq/erp, to: vm/db:5432", status: "passed" },
    { line: "from: site/hq/erp, to: vm/db:5432, outcome: blocked", status: "failed" },
    { line: "from: site/hq/erp, to: vm/db:5432, outcome: [dropped, delivered]", status: "passed" },
    { line: "from: site/hq/erp, to: vm/db:22, outcome: blocked", status: "passed" },
    { line: "from: site/hq/erp, to: vm/db:5432, through: 10.0.1.4", status: "passed" },
    { line: "from: site/hq/erp, to: vm/db:5432, through: [vm/fw, vnet/hub]", status: "passed" },
    { line: "from: site/hq/erp, to: vm/db:5432, notThrough: vm/fw", status: "failed" },
    { line: "from: site/hq/erp, to: vm/db:5432, notThrough: 'edge/*'", status: "passed" },
    { line: "from: site/hq/erp, to: vm/db:5432, exceptThrough: vm/fw", status: "passed" },
    { line: "from: site/hq/erp, to: vm/db:5432, exceptThrough: vnet/shop", status: "failed" },
    { line: "from: site/hq/erp, to: vm/db:5432, outcome: delivered, exceptThrough: vm/fw", status: "error" },
    { line: "from: site/hq/erp, to: vm/db:5432, sees: sender, translations: none", status: "passed" },
    { line: "from: site/hq/erp, to: vm/db:5432, sees: 192.168.0.0/16", status: "passed" },
    { line: "from: site/hq/erp, to: vm/db:5432, sees: site/hq/erp", status: "passed" },
    { line: "from: site/hq/erp, to: vm/db:5432, sees: [node, vm/fw]", status: "failed" },
    { line: "from: site/hq/erp, to: vm/db:5432, sees: nobody", status: "error" },
    { line: "from: site/hq/erp, to: vm/db:5432, translations: [source]", status: "failed" },
    { line: "from: { kind: pod }, to: vm/db:5432, sees: node, translations: [{ of: source, on: 'node/*', to: node }]", status: "passed" },
    { line: "from: { kind: pod }, to: internet/partner:443, sees: vm/fw, translations: [source, source]", status: "failed" },
    { line: "from: { kind: pod, namespace: shopp }, to: vm/db:5432", status: "error" },
    { line: "from: { kind: pod, labels: { app: none } }, to: vm/db:5432", status: "error" },
    { line: "from: { kind: vm, except: vm/db }, to: { kind: site }, outcome: blocked", status: "failed" },
    { line: "subnet: data/databases, free: '>= 250'", status: "passed" },
    { line: "subnet: data/databases, free: '> 250', at: max", status: "failed" },
    { line: "subnet: data/database, free: '> 250'", status: "error" },
    { line: "budget: subnet/data/databases, free: '= 250'", status: "passed" },
    { line: "disjoint: [networks, podCidrs, serviceCidrs, sites, 172.31.0.0/16]", status: "passed" },
    { line: "disjoint: [networks, 10.1.0.0/20]", status: "failed" },
    { line: "disjoint: [networks, 10.1.0.0/33]", status: "error" },
    { line: "problem: SubnetIsFull", status: "failed" },
    { line: "problem: SubnetIsFull, present: false", status: "passed" },
  ])("$line: $status", async ({ line, status }) => {
    const { assertions } = await judge([line]);
    expect(
      assertions.map((one) => one.status),
      JSON.stringify(assertions[0]),
    ).toEqual([status]);
  });

  test("a set is asked pair by pair, but nobody asks itself", async () => {
    const { assertions } = await judge([
      "from: { kind: vm }, to: { kind: vm, ports: [icmp, 5432] }, outcome: [delivered, dropped, refused]",
    ]);
    expect(assertions[0]).toMatchObject({ status: "passed", packets: 4 });
  });

  test("a failure tells the step that decided, whence that is, and how to see it again", async () => {
    const { status, assertions } = await judge(["from: site/hq/erp, to: vm/db:22"]);
    expect(status).toBe(1);
    expect(assertions[0]?.deviations).toMatchObject([
      {
        from: "site/hq/erp",
        to: "vm/db:22",
        what: "is dropped",
        decidedBy: { host: "vm/fw", origin: { reason: expect.any(String), resource: expect.stringContaining("/firewalls/fw") } },
        again: `drydock trace site/hq/erp vm/db:22 ${hub}`,
      },
    ]);
  });

  test("names that are not there have status 2, with their line", async () => {
    const { status, assertions } = await judge(["from: vm/dp, to: 'vm/db:5432'"]);
    expect(status).toBe(2);
    expect(assertions[0]?.problems).toMatchObject([{ line: 3, path: "assertions[0].from", message: expect.stringContaining("vm/db") }]);
  });
});

describe("a design that Azure refuses", () => {
  const design = join(folder, "wrong.yaml");
  writeFileSync(
    design,
    "lab: wrong\nnetworks: [{ name: hub, addressSpace: [10.0.0.0/16], subnets: [{ name: a, prefix: 10.1.0.0/24 }] }]\n",
  );

  test("is refused when nothing expects that", async () => {
    await expect(judge(["from: vm/a, to: vm/b"], design)).rejects.toThrow("NetcfgSubnetRangeOutsideVnet");
  });

  test("is expected to be, and what it would have to carry is not carried", async () => {
    const { assertions } = await judge(
      ["problem: NetcfgSubnetRangeOutsideVnet, severity: error", "problem: SubnetIsFull", "from: vm/a, to: vm/b, outcome: blocked"],
      design,
    );
    expect(assertions.map(({ status }) => status)).toEqual(["passed", "failed", "failed"]);
    expect(assertions[2]?.deviations[0]?.what).toContain("the design is refused");
  });
});

test.each(readdirSync("examples").filter((one) => existsSync(`examples/${one}/lab.yaml`)))(
  "a first file for %s says what is true of it",
  async (name) => {
    const { status, stdout } = await runCommand(["test", "--init", join(process.cwd(), `examples/${name}/lab.yaml`)]);
    expect(status).toBe(0);
    const file = join(folder, `${name}.yaml`);
    writeFileSync(file, stdout);
    const tested = await runCommand(["test", file]);
    expect(tested.stdout, tested.stderr).toContain(": all hold");
    expect(stdout.match(/- name:/g)?.length).toBeGreaterThan(0);
  },
);

describe("output", () => {
  const file = join(folder, "hostile.yaml");
  writeFileSync(
    file,
    `design: ${JSON.stringify(hub)}
assertions:
  - { name: "holds # 1", from: site/hq/erp, to: "vm/db:5432" }
  - { name: "a: b, c % <d> \\"e\\" # f\\\\g\\u001b[31m", because: "one\\ntwo ::error::", from: site/hq/erp, to: "vm/db:22" }
`,
  );
  const run = async (format: string) => (await runCommand(["test", file, "-o", format], { cwd: folder })).stdout;

  test("JUnit is well-formed, whatever the names", async () => {
    const xml = await run("junit");
    expect(xml).toContain('<testsuites name="drydock test" tests="2" failures="1" errors="0" skipped="0"');
    expect(xml).toContain('name="a: b, c % &lt;d&gt; &quot;e&quot; # f\\g\uFFFD[31m"');
    expect(xml).toContain('line="4"');
    expect(xml.match(/<testcase /g)).toHaveLength(2);
    // Nothing that XML forbids, and no bracket that is no tag of ours.
    expect(xml.replaceAll("\n", "")).not.toMatch(/\p{Cc}/u);
    expect(xml.replace(/<\/?(testsuites|testsuite|testcase|failure)\b[^<>]*>|<\?xml[^<>]*\?>/g, "")).not.toMatch(/[<>]/);
  });

  test("TAP escapes what would be a directive", async () => {
    const tap = await run("tap");
    expect(tap).toMatch(/^TAP version 14\n1\.\.2\nok 1 - holds \\# 1\nnot ok 2 - a: b, c % <d> "e" \\# f\\\\g/);
    const block = tap.slice(tap.indexOf("  ---\n") + 6, tap.indexOf("  ...\n"));
    expect(parse(block)).toMatchObject({ at: { file, line: 4 }, severity: "fail" });
  });

  test("GitHub's annotations are one line each, in which nothing of a name is a command", async () => {
    const lines = (await run("github")).trimEnd().split("\n");
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(/^::error file=[^,:]+,line=4,col=7,title=a%3A b%2C c %25 <d> "e" # f\\g\\u001b/);
    expect(lines[0]).toContain("because: one%0Atwo ::error::");
    expect(lines[1]).toBe("1 hold, 1 do not");
  });

  test("a filter chooses by name, and one that chooses nothing is a mistake", async () => {
    const some = await runCommand(["test", file, "--filter", "HOLDS*"], { cwd: folder });
    expect(some.stdout).toContain("1 assertion: it holds");
    expect(some.status).toBe(0);
    const none = await runCommand(["test", file, "--filter", "nothing"], { cwd: folder });
    expect(none.status).toBe(2);
  });
});

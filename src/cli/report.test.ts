/** Reports as a user gets them: well-formed, safe whatever names say, to scale, and loading nothing. */

import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { runCommand } from "./testing/run.ts";

function labFile(text: string): string {
  const path = join(mkdtempSync(join(tmpdir(), "drydock-")), "lab.yaml");
  writeFileSync(path, text);
  return path;
}

async function page(path: string): Promise<string> {
  const { status, stdout, stderr } = await runCommand(["report", path]);
  expect(stderr).toBe("");
  expect(status).toBe(0);
  return stdout;
}

type Element = { readonly name: string; readonly attributes: ReadonlyMap<string, string> };

/** A reader of well-formed XML that throws at anything else: unclosed elements, bare ampersands, attributes without quotes or twice. */
function elementsOf(markup: string): readonly Element[] {
  const elements: Element[] = [];
  const open: string[] = [];
  const body = markup.replace(/^<!DOCTYPE html>\n/, "");
  const pattern = /<(\/?)([a-zA-Z][\w-]*)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>|([^<]+)/gy;
  let end = 0;
  for (const match of body.matchAll(pattern)) {
    const [whole, isClosing, name = "", attributes = "", isEmpty, text] = match;
    end = match.index + whole.length;
    const words = text ?? attributes;
    expect(words.replace(/&(#\d+|amp|lt|gt|quot);/g, "")).not.toContain("&");
    if (text !== undefined) continue;
    if (isClosing === "/") {
      expect(open.pop()).toBe(name);
      continue;
    }
    const pairs = [...attributes.matchAll(/([\w:-]+)="([^"]*)"/g)].map(([, key = "", value = ""]) => [key, value] as const);
    const given = new Map(pairs);
    expect(given.size).toBe(pairs.length);
    elements.push({ name, attributes: given });
    if (isEmpty !== "/") open.push(name);
  }
  expect(end).toBe(body.length);
  expect(open).toEqual([]);
  return elements;
}

const hostile = `lab: t
networks: [{ name: v, addressSpace: [10.0.0.0/16], subnets: [{ name: s, prefix: 10.0.0.0/27 }] }]
machines: [{ name: "<script>alert(1)</script>", subnet: v/s }, { name: "a\\" onload=\\"x", subnet: v/s }]
clusters:
  - { name: "]]><svg onload=x>", networkPlugin: azure, subnet: v/s, pools: [{ name: np1, count: 2 }] }
  - name: c
    networkPlugin: kubenet
    subnet: v/s
    kubernetesVersion: "</style><img src=http://evil.example/x>"
    pools: [{ name: np1, count: 2, nodeTaints: ["&amp;<b>|\`code\`"] }]
`;

describe("one page", () => {
  for (const name of ["two-options", "hub-and-spoke", "pod-subnet", "egress"]) {
    test(`${name}: well-formed, ids once, with titles, loading nothing`, async () => {
      const text = await page(`examples/${name}/lab.yaml`);
      const elements = elementsOf(text);
      const ids = elements.flatMap(({ attributes }) => attributes.get("id") ?? []);
      expect(new Set(ids).size).toBe(ids.length);
      for (const svg of elements.filter((one) => one.name === "svg")) {
        for (const id of (svg.attributes.get("aria-labelledby") ?? "missing").split(" ")) expect(ids).toContain(id);
      }
      const links = elements.flatMap(({ attributes }) => [attributes.get("href"), attributes.get("src")].flatMap((link) => link ?? []));
      expect(links.every((link) => link.startsWith("#") && ids.includes(link.slice(1)))).toBe(true);
      expect(elements.map((one) => one.name)).not.toContain("script");
      expect(text.replace(/xmlns="[^"]*"/g, "")).not.toMatch(/url\((?!#)|@import|https?:/);
    });
  }

  test("the same documents give the same page", async () => {
    expect(await page("examples/hub-and-spoke/lab.yaml")).toBe(await page("examples/hub-and-spoke/lab.yaml"));
  });
});

describe("names from outside are text", () => {
  test("in a page", async () => {
    const { stdout } = await runCommand(["report", labFile(hostile)]);
    const elements = elementsOf(stdout);
    expect(elements.map(({ name }) => name)).not.toContain("script");
    expect(elements.map(({ name }) => name)).not.toContain("img");
    expect(elements.flatMap(({ attributes }) => [...attributes.keys()]).filter((key) => key.startsWith("on"))).toEqual([]);
    expect(stdout).not.toContain("<script>alert");
  });

  test("in Markdown", async () => {
    const { stdout } = await runCommand(["report", "-o", "markdown", labFile(hostile)]);
    expect(stdout).not.toMatch(/<(?:script|svg|img|b)\b/);
    // Every table row has as many cells as its head.
    let cells = 0;
    for (const line of stdout.split("\n")) {
      const now = line.startsWith("|") ? line.replace(/\\\|/g, "").split("|").length : 0;
      if (now > 0 && cells > 0) expect(now, line).toBe(cells);
      cells = now;
    }
  });
});

describe("pictures are to scale", () => {
  test("the parts of a subnet are as wide as their addresses", async () => {
    const { stdout } = await runCommand(["report", "examples/two-options/lab.yaml"]);
    const parts = [
      ...stdout.matchAll(
        /<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="24" class="part [^"]*"><title>[^<]*: ([\d,]+) addresses<\/title>/g,
      ),
    ];
    const rows = grouped(parts);
    expect(rows.size).toBe(3);
    for (const row of rows.values()) {
      const total = row.reduce((sum, { addresses }) => sum + addresses, 0);
      expect([256, 512]).toContain(total);
      const width = row.reduce((sum, part) => sum + part.width, 0);
      for (const { addresses, width: own } of row) expect(own).toBeCloseTo((addresses / total) * width, 1);
    }
  });

  function grouped(parts: readonly RegExpExecArray[]) {
    const rows = new Map<string, { readonly width: number; readonly addresses: number }[]>();
    for (const [, , y = "", width = "", addresses = ""] of parts) {
      const row = rows.get(y) ?? [];
      rows.set(y, row);
      row.push({ width: Number(width), addresses: Number(addresses.replaceAll(",", "")) });
    }
    return rows;
  }

  test("subnets stand in their VNet where their addresses are", async () => {
    const { stdout } = await runCommand(["report", "examples/two-options/lab.yaml"]);
    const strip = [
      ...stdout.matchAll(
        /<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)" height="18" class="part kept"><title>(\S+) (\S+): ([\d,]+) addresses/g,
      ),
    ];
    const whole = /height="18" class="free"><title>10\.240\.0\.0\/16: 65,536/.exec(stdout);
    expect(whole).not.toBeNull();
    const [first, second, third] = strip.map(([, x, width]) => ({ x: Number(x), width: Number(width) }));
    if (first === undefined || second === undefined || third === undefined) throw new Error("three subnets");
    expect(second.width).toBeCloseTo(2 * first.width, 1);
    // 10.240.0.0, 10.240.2.0 and 10.240.4.0 are as far apart as 512 addresses are wide.
    expect(second.x - first.x).toBeCloseTo(second.width, 1);
    expect(third.x - second.x).toBeCloseTo(second.width, 1);
  });
});

describe("other outputs", () => {
  test("Markdown, for a pull request", async () => {
    const { stdout } = await runCommand(["report", "examples/two-options/lab.yaml", "-o", "markdown"]);
    await expect(stdout).toMatchFileSnapshot("../../test/goldens/two-options/report.md");
  });

  test("JSON: the plan and the advice", async () => {
    const { stdout } = await runCommand(["report", "examples/two-options/lab.yaml", "-o", "json"]);
    expect(JSON.parse(stdout)).toMatchObject({ plan: { version: "drydock.plan/1" }, advice: { version: "drydock.advice/1" } });
  });

  test("the pictures in the documentation are current (vitest -u writes them)", async () => {
    const { stdout } = await runCommand(["report", "examples/two-options/lab.yaml"]);
    const [, address = ""] = stdout.match(/<svg.*?<\/svg>/gs) ?? [];
    await expect(`${address}\n`).toMatchFileSnapshot("../../docs/images/address-space.svg");
    const hub = await page("examples/hub-and-spoke/lab.yaml");
    const [topology = ""] = hub.match(/<svg.*?<\/svg>/gs) ?? [];
    await expect(`${topology}\n`).toMatchFileSnapshot("../../docs/images/topology.svg");
  });

  test("documents that cannot be read are no report", async () => {
    expect((await runCommand(["report", labFile("lab: [")])).status).toBe(2);
    expect((await runCommand(["report"])).status).toBe(2);
  });
});

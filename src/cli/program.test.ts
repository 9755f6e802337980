import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { runCommand } from "./testing/run.ts";

const folder = mkdtempSync(join(tmpdir(), "drydock-cli-"));
writeFileSync(
  join(folder, "lab.yaml"),
  `
lab: small
networks:
  - name: hub
    addressSpace: [10.240.0.0/16]
    subnets:
      - { name: plain, prefix: 10.240.0.0/24 }
      - { name: data, prefix: 10.240.4.0/24 }
machines:
  - { name: db, subnet: hub/data, listen: [5432/tcp] }
internet:
  - { name: partner, address: 203.0.113.10, listen: [443/tcp] }
clusters:
  - name: shop
    networkPlugin: kubenet
    subnet: hub/plain
    pools: [{ name: np1, count: 2 }]
    manifests: [web.yaml]
`,
);
writeFileSync(
  join(folder, "web.yaml"),
  `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  replicas: 2
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec: { containers: [{ name: web, image: web, ports: [{ containerPort: 80 }] }] }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { type: LoadBalancer, selector: { app: web }, ports: [{ name: http, port: 80 }] }
`,
);
writeFileSync(join(folder, "broken.yaml"), "lab: small\nclusters:\n  - { name: shop, networkPlugin: kubenett }\n  - { nam: x }\n");

const drydock = (...words: string[]) => runCommand(words, { cwd: folder });

describe("on documents, with nothing running", () => {
  test("a trace says outcome, hops with steps and origins, the return, and the other ways", async () => {
    const { status, stdout } = await drydock("trace", "deploy/web", "vm/db", "lab.yaml", "-o", "json");
    expect(status).toBe(0);
    const trace = JSON.parse(stdout);
    expect(trace).toMatchObject({ outcome: "delivered", weight: 1, alternatives: [], return: { outcome: "delivered" } });
    expect(trace.received).toMatchObject({ host: "vm/db", source: "10.240.0.4", destinationPort: 5432 });
    const translation = trace.hops
      .flatMap((hop: { steps: { kind: string }[] }) => hop.steps)
      .find((step: { kind: string }) => step.kind === "source-nat");
    expect(translation).toMatchObject({ before: { source: "10.244.0.2" }, after: { source: "10.240.0.4" } });
    expect(translation.origin.reason).toContain("10.244.0.0/16");
  });

  test("a trace that is not delivered has status 1", async () => {
    const { status, stdout } = await drydock("trace", "vm/db", "deploy/web", "-o", "json", "-f", "lab.yaml");
    expect(status).toBe(1);
    expect(JSON.parse(stdout).outcome).not.toBe("delivered");
  });

  test("a Service is reached from outside by its load balancer's address", async () => {
    const { status, stdout } = await drydock("trace", "internet/partner", "svc/web:http", "lab.yaml");
    expect(status).toBe(0);
    expect(stdout).toContain("delivered to pod/shop/default/web-");
  });

  test("the model keeps its invariants", async () => {
    const { status, stdout } = await drydock("check", "--model", "lab.yaml", "--seed", "3");
    expect(stdout).toMatch(/\d+ packets, 0 disagreements, seed 3\n$/);
    expect(status).toBe(0);
    const sampled = JSON.parse((await drydock("check", "--model", "lab.yaml", "--seed", "3", "--sample", "5", "-o", "json")).stdout);
    expect(sampled.packets).toBeLessThanOrEqual(5);
  });

  test.each([
    { topic: ["resources"], contains: "Microsoft.Network/virtualNetworks" },
    { topic: ["resources", "routeTables"], contains: "aks-agentpool-" },
    { topic: ["nodes"], contains: "10.240.0.4" },
    { topic: ["pods"], contains: "10.244.0.2" },
    { topic: ["services"], contains: "LoadBalancer" },
    { topic: ["hosts"], contains: "vm/db" },
    { topic: ["addresses"], contains: "10.240.4.4" },
    { topic: ["addresses", "10.240.4.4"], contains: "vm/db" },
    { topic: ["interfaces", "vm/db"], contains: "eth0" },
    { topic: ["routes", "vm/db"], contains: "0.0.0.0/0" },
    { topic: ["routes", "vm/db", "--effective"], contains: "VnetLocal" },
    { topic: ["routes", "vnet/hub"], contains: "PRIORITY" },
    { topic: ["rules", "node/000000"], contains: "table ip kube-proxy" },
    { topic: ["loadbalancer"], contains: "HEALTHY" },
    { topic: ["snat"], contains: "1024-2047" },
    { topic: ["events"], contains: "nothing waits" },
  ])("show $topic, as text, JSON and YAML", async ({ topic, contains }) => {
    const text = await drydock("show", ...topic, "lab.yaml");
    expect(text.stderr).toBe("");
    expect(text.status).toBe(0);
    expect(text.stdout).toContain(contains);
    const json = await drydock("show", ...topic, "lab.yaml", "-o", "json");
    expect(() => JSON.parse(json.stdout)).not.toThrow();
    const yaml = await drydock("show", ...topic, "lab.yaml", "-o", "yaml");
    expect(yaml.status).toBe(0);
    expect(yaml.stdout).not.toContain("&a1");
  });
});

describe("what goes wrong is said, with what to do", () => {
  test.each([
    { words: ["frob"], status: 2, says: "unknown command 'frob'" },
    { words: ["tracee", "a", "b"], status: 2, says: "Did you mean trace?" },
    { words: ["trace", "deploy/web"], status: 2, says: "missing required argument 'to'" },
    { words: ["down", "lab"], status: 2, says: "fix: 'drydock down --help' shows how it is used" },
    { words: ["fault", "add", "x", "y"], status: 2, says: "fix: 'drydock fault add --help' shows how it is used" },
    { words: ["trace", "deploy/web", "vm/db", "--sourceport", "1"], status: 2, says: "--source-port" },
    { words: ["trace", "deploy/wbe", "vm/db", "lab.yaml"], status: 2, says: "did you mean: default/deploy/web" },
    { words: ["trace", "deploy/web", "svc/web:81", "lab.yaml"], status: 2, says: "its ports are 80 (http)" },
    { words: ["trace", "deploy/web", "vm/db", "missing.yaml"], status: 2, says: "there is no such file" },
    { words: ["trace", "deploy/web", "vm/db", "lab.yaml", "--source-port", "0"], status: 2, says: "0 is no port" },
    { words: ["trace", "deploy/web", "vm/db", "lab.yaml", "--observed"], status: 2, says: "documents have no kernel" },
    { words: ["show", "routes", "vm/bd", "lab.yaml"], status: 2, says: "did you mean: vm/db" },
    { words: ["show", "routes", "lab.yaml"], status: 2, says: "which host?" },
    { words: ["show", "routes", "deploy/web", "--effective", "lab.yaml"], status: 2, says: "has no network interface in a VNet" },
    { words: ["show", "pods", "a", "b", "lab.yaml"], status: 2, says: "b is one word too many" },
    { words: ["show", "pods", "lab.yaml", "-o", "xml"], status: 2, says: "Allowed choices are text, json, yaml" },
    { words: ["check", "lab.yaml"], status: 2, says: "--model" },
    { words: ["up", "."], status: 2, says: "is a folder" },
    { words: ["up", "/dev/zero"], status: 2, says: "is a device" },
    { words: ["show", "pods"], status: 4, says: "no lab is running" },
    { words: ["status"], status: 4, says: "no lab is running" },
    { words: ["status", "--lab", "x"], status: 4, says: "lab x is not running" },
    { words: ["down"], status: 4, says: "no lab is running" },
    { words: ["probe", "vm/db", "vm/db"], status: 4, says: "drydock up FILE" },
  ])("drydock $words: $status", async ({ words, status, says }) => {
    const ran = await drydock(...words);
    expect(ran.stderr).toContain(says);
    expect(ran.stderr).not.toMatch(/^\s+at /m);
    expect(ran.status).toBe(status);
  });

  test("every error of the documents at once, and nothing is started", async () => {
    const ran = await drydock("up", "broken.yaml");
    expect(ran.status).toBe(2);
    expect(ran.stderr).toContain("broken.yaml:3:");
    expect(ran.stderr).toContain("broken.yaml:4:");
    expect(ran.stderr).toContain("nothing was changed");
    expect(ran.stdout).toBe("");
  });
});

describe("help", () => {
  test("of the program lists the commands; of a command ends with examples", async () => {
    const program = await drydock("--help");
    expect(program.status).toBe(0);
    expect(program.stdout).toContain("Exit status");
    expect(program.stdout).not.toContain("__complete");
    const trace = await drydock("trace", "--help");
    expect(trace.stdout).toContain("Examples:");
  });

  test("version", async () => {
    expect((await drydock("--version")).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect((await drydock("version")).stdout).toMatch(/^drydock \d+\.\d+\.\d+ \(Node\.js /);
  });
});

describe("completion", () => {
  const completed = async (...words: string[]) =>
    (await drydock("__complete", "--", ...words)).stdout.split("\n").filter((line) => line !== "");
  test("of commands, topics and options", async () => {
    expect(await completed("tr")).toEqual(["trace"]);
    expect(await completed("show", "ro")).toEqual(["routes"]);
    expect(await completed("trace", "--so")).toEqual(["--source-port"]);
    expect(await completed("show", "pods", "-o", "j")).toEqual(["json"]);
    expect(await completed("completion", "")).toEqual(["bash", "fish", "zsh"]);
    expect(await completed("")).not.toContain("__complete");
  });
  test("of ends and hosts, from the file on the line", async () => {
    expect(await completed("trace", "-f", "lab.yaml", "default/d")).toEqual(["default/deploy/web"]);
    expect(await completed("trace", "-f", "lab.yaml", "deploy/web", "vm")).toEqual(["vm/db"]);
    expect(await completed("trace", "deploy/web", "--cluster", "x")).toEqual([]);
  });
  test.each(["bash", "zsh", "fish"])("a script for %s", async (shell) => {
    expect((await drydock("completion", shell)).stdout).toContain("__complete");
  });
});

/** Incidents that examples/ tells of, in running labs: what their READMEs say, typed. */

import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { typist } from "./drydock.ts";

const canRun = spawnSync("unshare", ["--user", "--map-root-user", "--net", "true"]).status === 0 || process.getuid?.() === 0;
const required = process.env.CI !== undefined || process.env.DRYDOCK_REQUIRE_KERNEL !== undefined;
if (!canRun && !required) console.warn("no namespaces on this machine: tests of running labs are skipped");

type Status = {
  readonly clusters: readonly {
    readonly nodes: { readonly wanted: number; readonly ready: number };
    readonly pods: { readonly total: number; readonly ready: number };
  }[];
  readonly probes: readonly { readonly healthy: number; readonly backends: number }[];
  readonly waiting: readonly { readonly reason: string; readonly message: string }[];
};
type Outcome = { readonly outcome: string; readonly decidedBy?: { readonly origin?: { readonly reason: string } } };

/** A copy of the example, running, which may be edited. */
function running(example: string) {
  const folder = mkdtempSync(join(tmpdir(), "drydock-incident-"));
  const file = join(folder, "lab.yaml");
  cpSync(join(import.meta.dirname, "../../examples", example), folder, { recursive: true });
  const user = typist();
  beforeAll(async () => {
    const { status, stderr } = await user.run("up", file);
    expect(stderr).toBe("");
    expect(status).toBe(0);
  });
  afterAll(async () => {
    await user.end();
    rmSync(folder, { recursive: true });
  });
  return {
    ...user,
    file,
    reaches: async (from: string, to: string) =>
      (await user.json<{ readonly reachable: boolean }>("probe", from, to, "--timeout", "400")).reachable,
    /** Everybody's packets to everybody, a sample of them. */
    check: async () => (await user.run("check", "--sample", "80", "--seed", "1", "--paths", "4")).stdout,
    edit: (name: string, from: string, to: string) => {
      const text = readFileSync(join(folder, name), "utf8");
      expect(text).toContain(from);
      writeFileSync(join(folder, name), text.replace(from, to));
    },
  };
}

describe.skipIf(!canRun && !required)("a probe path that takes a Service down", () => {
  const lab = running("probe-path");
  const status = () => lab.json<Status>("status");
  const customer = "internet/customer";

  test("the pods are well, and no node answers the probe that asks for /", async () => {
    expect(await status()).toMatchObject({
      clusters: [{ pods: { total: 2, ready: 2 } }],
      probes: [{ healthy: 0 }, { healthy: 2 }, { healthy: 2 }],
    });
    expect(await lab.reaches(customer, "svc/api-down")).toBe(false);
    expect(await lab.reaches(customer, "svc/api-path")).toBe(true);
    expect(await lab.reaches(customer, "svc/api-tcp")).toBe(true);
    expect(await lab.reaches("node/000000", "svc/api-down")).toBe(true);
    const { outcome, decidedBy } = await lab.json<Outcome>("trace", customer, "svc/api-down");
    expect(outcome).toBe("dropped");
    expect(decidedBy?.origin?.reason).toMatch(/none of 2 backends answers the health probe with 200: GET \/ gets 404$/);
    expect(await lab.check()).toContain(" 0 disagreements");
  });

  test("a redirect does not count either; 200 does", async () => {
    lab.edit("shop.yaml", "/=404", "/=302");
    expect((await lab.run("apply", lab.file)).status).toBe(0);
    expect((await lab.json<Outcome>("trace", customer, "svc/api-down")).decidedBy?.origin?.reason).toMatch(/GET \/ gets 302$/);
    lab.edit("shop.yaml", "/=302", "/=200");
    expect((await lab.run("apply", lab.file)).status).toBe(0);
    expect((await status()).probes.map(({ healthy }) => healthy)).toEqual([2, 2, 2]);
    expect(await lab.reaches(customer, "svc/api-down")).toBe(true);
  });

  test("where kubelet gets no good answer, the pods leave their Services", async () => {
    lab.edit("shop.yaml", "/healthz=200", "/healthz=503");
    expect((await lab.run("apply", lab.file)).status).toBe(0);
    expect(await status()).toMatchObject({
      clusters: [{ pods: { total: 2, ready: 0 } }],
      waiting: [
        { reason: "Unhealthy", message: "Readiness probe failed: GET /healthz on port 8080 is answered with 503" },
        { reason: "Unhealthy" },
      ],
    });
    expect(await lab.reaches("node/000000", "svc/api-tcp")).toBe(false);
    lab.edit("shop.yaml", "/healthz=503", "/healthz=200");
    expect((await lab.run("apply", lab.file)).status).toBe(0);
    expect(await lab.reaches("node/000000", "svc/api-tcp")).toBe(true);
  });
});

describe.skipIf(!canRun && !required)("a firewall as the only way out", () => {
  const lab = running("egress-firewall");

  test("what it allows leaves under its address, and nothing else leaves", async () => {
    const answer = await lab.json<{ readonly source?: { readonly address: string } }>("probe", "deploy/web", "internet/partner");
    expect(answer.source?.address).toBe("198.18.0.4");
    expect(await lab.reaches("deploy/web", "internet/other")).toBe(false);
    const { outcome, decidedBy } = await lab.json<Outcome>("trace", "deploy/web", "internet/other");
    expect(`${outcome}: ${decidedBy?.origin?.reason}`).toBe("dropped: no rule of firewall fw names the flow: denied");
  });

  test("a public Service does not answer: replies go by the firewall, unless a route sends them out where the flow came in", async () => {
    expect(await lab.reaches("internet/partner", "svc/web-public")).toBe(false);
    const { outcome, decidedBy } = await lab.json<Outcome>("trace", "internet/partner", "svc/web-public");
    expect(outcome).toBe("asymmetric");
    expect(decidedBy?.origin?.reason).toMatch(/firewall fw/);
    expect(await lab.reaches("internet/customer", "svc/web-public")).toBe(true);
    expect(await lab.reaches("vm/fw", "svc/web-internal")).toBe(true);
  });

  test("what the model predicts is what the kernel does", async () => expect(await lab.check()).toContain(" 0 disagreements"));

  test("without the route Azure refuses the cluster", async () => {
    lab.edit("lab.yaml", "    subnets: [spoke/nodes]\n", "");
    const { status, stderr } = await lab.run("trace", "deploy/web", "internet/partner", lab.file);
    expect(status).not.toBe(0);
    expect(stderr).toContain("ExistingRouteTableNotAssociatedWithSubnet");
  });
});

describe.skipIf(!canRun && !required)("the 51st node", () => {
  const lab = running("fifty-nodes");
  const count = 24;
  /** Opens connections and keeps them; after a byte on standard input sends on each, and counts the answers. */
  const keep = `for i in {1..${count}}; do exec {fd}<>/dev/tcp/203.0.113.10/443 && printf 'GET / HTTP/1.1\\r\\n' >&$fd && fds+=($fd); done; echo open
    while [ ! -e "$1" ]; do sleep 0.1; done
    for fd in \${fds[@]}; do printf '\\r\\n' >&$fd; done
    for fd in \${fds[@]}; do read -t 0.1 -u $fd && ok+=1 || lost+=1; done; echo "\${#ok} answer, \${#lost} lost"`;
  type Share = {
    readonly node: string;
    readonly allocated: number;
    readonly firstPort: number;
    readonly lastPort: number;
    readonly used: { readonly tcp: number };
  };
  type Flows = readonly { readonly reply: { readonly destinationPort: number } }[];
  const shares = () => lab.json<readonly Share[]>("show", "snat");

  test("halves everybody's ports: flows on the half that goes time out, the others go on, new ones work", async () => {
    const before = await shares();
    expect(before.map(({ allocated }) => allocated)).toEqual(Array.from({ length: 50 }, () => 1024));
    const go = join(lab.state, "go");
    const { child, ended } = lab.start("exec", "deploy/worker", "--", "bash", "-c", keep, "keep", go);
    await new Promise((resolve) => child.stdout?.once("data", resolve));
    const ports = (await lab.json<Flows>("show", "flows", "edge/hub")).map(({ reply }) => reply.destinationPort);
    expect(ports).toHaveLength(count);
    expect((await lab.run("scale", "np1", "51")).status).toBe(0);

    const after = await shares();
    expect(after.map(({ allocated }) => allocated)).toEqual(Array.from({ length: 51 }, () => 512));
    for (const { node, firstPort, lastPort } of before) {
      expect(after.find((share) => share.node === node)).toMatchObject({ firstPort, lastPort: (firstPort + lastPort - 1) / 2 });
    }
    const own = after.find(({ firstPort, lastPort }) => ports.some((port) => firstPort <= port && port <= lastPort));
    const kept = ports.filter((port) => own !== undefined && port <= own.lastPort).length;
    writeFileSync(go, "");
    expect((await ended).stdout).toBe(`open\n${kept} answer, ${count - kept} lost\n`);
    expect(await lab.reaches("deploy/worker", "internet/partner")).toBe(true);
    expect(await lab.check()).toContain(" 0 disagreements");
  });
});

describe.skipIf(!canRun && !required)("a subnet that is full", () => {
  const lab = running("subnet-full");
  const status = () => lab.json<Status>("status");

  test("a node more waits, with the arithmetic, and so do the pods that it should have taken", async () => {
    expect(await status()).toMatchObject({ clusters: [{ nodes: { ready: 5 }, pods: { total: 46, ready: 46 } }], waiting: [] });
    const { stderr } = await lab.run("scale", "np1", "6");
    expect(stderr).toMatch(/6 nodes x \(1 \+ 10 pods\) = 66/);
    const full = {
      reason: "SubnetIsFull",
      message: expect.stringMatching(/needs 11 addresses \(1 for the node \+ 10 for its pods\), 3 free of 59 in subnet hub\/nodes/),
    };
    expect(await status()).toMatchObject({ clusters: [{ nodes: { wanted: 6, ready: 5 } }], waiting: [full] });
    lab.edit("web.yaml", "replicas: 46", "replicas: 51");
    lab.edit("lab.yaml", "count: 5", "count: 6");
    expect((await lab.run("apply", lab.file)).status).toBe(0);
    expect(await status()).toMatchObject({ clusters: [{ pods: { total: 51, ready: 50 } }] });
    expect((await status()).waiting.map(({ reason }) => reason).sort()).toEqual(["FailedScheduling", "SubnetIsFull"]);
  });

  test("the model says the same", async () => {
    const { stdout } = await lab.run("show", "events", lab.file);
    expect(stdout).toMatch(/SubnetIsFull .* needs 11 addresses/);
    expect(stdout).toMatch(/FailedScheduling/);
  });

  test("fewer nodes, and all is well", async () => {
    lab.edit("web.yaml", "replicas: 51", "replicas: 46");
    lab.edit("lab.yaml", "count: 6", "count: 5");
    expect((await lab.run("apply", lab.file)).status).toBe(0);
    expect(await status()).toMatchObject({ clusters: [{ pods: { total: 46, ready: 46 } }], waiting: [] });
    expect(await lab.check()).toContain(" 0 disagreements");
  });
});

describe.skipIf(!canRun && !required)("a reply that goes past the firewall", () => {
  const lab = running("asymmetric-firewall");
  const traced = async (from: string, to: string) => {
    const { outcome, decidedBy } = await lab.json<Outcome>("trace", from, to);
    return `${outcome}: ${decidedBy?.origin?.reason}`;
  };

  test("TCP fails whoever begins, UDP works", async () => {
    expect(await lab.reaches("vm/app", "vm/routed:443")).toBe(true);
    expect(await lab.reaches("vm/app", "vm/shared:53/udp")).toBe(true);
    expect(await lab.reaches("vm/shared", "vm/app:443")).toBe(false);
    const strange = /^asymmetric: firewall fw knows no flow that the packet belongs to/;
    expect(await traced("vm/app", "vm/shared:443")).toMatch(strange);
    expect(await traced("vm/shared", "vm/app:443")).toMatch(strange);
    expect(await lab.check()).toContain(" 0 disagreements");
  });

  test.each([
    { kind: "routes", target: "hub/routed", name: "routes-routed", says: /^asymmetric: firewall fw knows no flow/ },
    { kind: "replies", target: "vm/fw", name: "replies-fw", says: /^asymmetric: fw drops replies \(fault replies-fw\)$/ },
  ])("fault $kind breaks the way that works, by name", async ({ kind, target, name, says }) => {
    expect((await lab.run("fault", "add", kind, target)).status).toBe(0);
    expect(await traced("vm/app", "vm/routed:443")).toMatch(says);
    expect(await lab.reaches("vm/app", "vm/routed:443")).toBe(false);
    expect((await lab.run("status")).stdout).toContain(name);
    expect((await lab.run("fault", "remove", name)).status).toBe(0);
    expect(await lab.reaches("vm/app", "vm/routed:443")).toBe(true);
  });

  test("a firewall that forgets: what was under way hangs, what begins later works", async () => {
    const { address } = (await lab.json<readonly { address: string; owner: string }[]>("show", "addresses")).find(
      ({ owner }) => owner === "vm/routed",
    ) ?? { address: "" };
    const go = join(lab.state, "go");
    const keep = `exec 3<>/dev/tcp/${address}/443 && printf 'GET / HTTP/1.1\\r\\n' >&3; echo open
      while [ ! -e "$1" ]; do sleep 0.1; done; printf '\\r\\n' >&3; read -t 0.5 -u 3 && echo answered || echo lost`;
    const { child, ended } = lab.start("exec", "vm/app", "--", "bash", "-c", keep, "keep", go);
    await new Promise((resolve) => child.stdout?.once("data", resolve));
    expect((await lab.run("fault", "add", "forget", "vm/fw")).status).toBe(0);
    writeFileSync(go, "");
    expect((await ended).stdout).toBe("open\nlost\n");
    expect(await lab.reaches("vm/app", "vm/routed:443")).toBe(true);
    expect((await lab.run("fault", "remove", "forget-fw")).status).toBe(0);
  });
});

describe.skipIf(!canRun && !required)("a backend that calls its own load balancer", () => {
  const lab = running("hairpin");
  type Answer = { readonly reachable: boolean; readonly receiver?: string };
  const answers = async (from: string) =>
    [
      ...new Set(
        (await lab.json<readonly Answer[]>("probe", from, "10.240.1.100:443", "--count", "12", "--timeout", "200")).map(
          ({ receiver }) => receiver ?? "nobody",
        ),
      ),
    ].sort();

  test("never reaches itself, and others reach both, as the probes that are sent say", async () => {
    expect(await lab.json<Status>("status")).toMatchObject({
      probes: [
        { healthy: 2, backends: 2 },
        { healthy: 2, backends: 2 },
      ],
    });
    expect(await answers("vm/api-1")).toEqual(["nobody", "vm/api-2"]);
    expect(await answers("vm/client")).toEqual(["vm/api-1", "vm/api-2"]);
    expect((await lab.run("fault", "add", "stop", "vm/api-2")).status).toBe(0);
    expect(await lab.json<Status>("status")).toMatchObject({ probes: [{ healthy: 1, backends: 2 }, { healthy: 2 }] });
    expect(await answers("vm/api-1")).toEqual(["nobody"]);
    expect(await answers("vm/client")).toEqual(["vm/api-1"]);
  });
});

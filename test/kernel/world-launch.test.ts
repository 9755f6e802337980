import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Chance } from "../../src/lab/check.ts";
import { ControlClient } from "../../src/world/client.ts";
import { knownLabs, LaunchError, type Launched, launch, shutDown } from "../../src/world/launch.ts";
import { labPaths } from "../../src/world/state.ts";
import { requireKernel } from "./require-kernel.ts";
import { buildWorld, smallLab } from "./world-labs.ts";

requireKernel();

let program: string;
const folder = mkdtempSync(join(tmpdir(), "drydock-launch-"));
let states = 0;
const started: { readonly launched: Launched; readonly state: string; readonly lab: string }[] = [];

beforeAll(() => {
  program = buildWorld();
});

afterEach(async () => {
  for (const { launched, state, lab } of started.splice(0)) await shutDown(launched.client, labPaths(state, lab));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Moments at which a daemon is killed; a longer run says how many by DRYDOCK_KILLS. */
const kills = Number(process.env.DRYDOCK_KILLS ?? 8);

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

const freshState = () => join(folder, `state-${states++}`);

async function up(state: string, lab = "test", foreground = false): Promise<Launched> {
  const launched = await launch({ lab, state, program, version: "test", foreground });
  started.push({ launched, state, lab });
  return launched;
}

/** What the machine has: processes, network namespaces, mounts and links, as far as they are seen from here. */
function machine(): unknown {
  const namespaces = new Set<string>();
  const processes: string[] = [];
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      namespaces.add(readlinkSync(`/proc/${pid}/ns/net`));
      if (command.includes(program) || command.startsWith("unshare")) processes.push(command);
    } catch {
      // It ended meanwhile.
    }
  }
  return {
    namespaces: [...namespaces].sort(),
    processes,
    mounts: readFileSync("/proc/self/mountinfo", "utf8"),
    links: readFileSync("/proc/net/dev", "utf8").match(/^\s*\w+:/gm),
  };
}

describe("a lab that is up", () => {
  test("has a network of its own, answers its client, and is gone after down", async () => {
    const before = machine();
    const state = freshState();
    const { client, info } = await up(state);
    await client.apply(smallLab({ pods: 3 }));
    const status = await client.status();
    expect(status).toMatchObject({
      lab: "test",
      pid: info.pid,
      settled: true,
      kernelErrors: [],
      clusters: [{ pods: { total: 3, ready: 3 } }],
    });
    expect(readlinkSync(`/proc/${info.pid}/ns/net`)).not.toBe(readlinkSync("/proc/self/ns/net"));
    expect(statSync(labPaths(state, "test").folder).mode & 0o777).toBe(0o700);
    expect(await knownLabs(state)).toEqual([{ name: "test", running: true }]);
    expect(await shutDown(client, labPaths(state, "test"))).toBe(true);
    expect(machine()).toEqual(before);
    expect(await knownLabs(state)).toEqual([{ name: "test", running: false }]);
  });

  test("killed at any moment leaves nothing, and goes on from its store", async () => {
    const before = machine();
    const state = freshState();
    const documents = smallLab({ pods: 4 });
    const first = await up(state);
    await first.client.apply(documents);
    const { pods } = await first.client.status();
    process.kill(first.info.pid, "SIGKILL");
    await first.ended;
    expect(machine()).toEqual(before);
    const second = await up(state);
    await second.client.settled();
    expect((await second.client.status()).pods).toEqual(pods);
    await shutDown(second.client, labPaths(state, "test"));
    const chance = new Chance(Number(process.env.DRYDOCK_SEED ?? 1));
    const doing: readonly ((client: ControlClient) => Promise<unknown>)[] = [
      (client) => client.apply(smallLab({ pods: 8 })),
      (client) => client.scale({ pool: "np1", count: 3 }),
      (client) => client.apply(smallLab({ pods: 2, nodes: 1 })),
      (client) => client.stop(),
    ];
    for (let kill = 0; kill < kills; kill++) {
      const { client, info, ended } = await up(state);
      doing[kill % doing.length]?.(client).catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, chance.below(300)));
      killIfThere(info.pid);
      await ended;
      expect(machine()).toEqual(before);
    }
    const last = await up(state);
    await last.client.apply(documents);
    const again = await last.client.status();
    expect(again.pods.every(({ ready }) => ready)).toBe(true);
    expect(new Set(again.pods.map(({ address }) => address)).size).toBe(pods.length);
  }, 600_000);

  test("the client is told when the daemon dies while it waits", async () => {
    const { client, info } = await up(freshState());
    const applied = client.apply(smallLab({ pods: 200 }));
    setTimeout(() => process.kill(info.pid, "SIGKILL"), 50);
    await expect(applied).rejects.toMatchObject({ name: "ControlError" });
  });

  test("is known by its number also when the command that started it was killed before it wrote that down", async () => {
    const state = freshState();
    const paths = labPaths(state, "test");
    const { client, info } = await up(state);
    rmSync(paths.info);
    // Its number is also known to who did not start it.
    expect((await client.status()).pid).toBe(info.pid);
  });
});

describe("two at once", () => {
  test("one wins, the other says who holds the lab", async () => {
    const state = freshState();
    const results = await Promise.allSettled([up(state), up(state)]);
    expect(results.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    const lost = results.find((result) => result.status === "rejected");
    expect(lost?.reason).toBeInstanceOf(LaunchError);
    expect(lost?.reason).toMatchObject({ code: "running", message: expect.stringContaining("test is already up") });
    await expect(up(state)).rejects.toThrow(/its daemon is process \d+/);
  });

  test("labs of different names run side by side", async () => {
    const state = freshState();
    const [a, b] = await Promise.all([up(state, "a"), up(state, "b")]);
    await Promise.all([a.client.apply(smallLab({ pods: 1 })), b.client.apply(smallLab({ pods: 2 }))]);
    expect((await a.client.status()).pods).toHaveLength(1);
    expect((await b.client.status()).pods).toHaveLength(2);
  });
});

describe("where the state is", () => {
  test("may have a path longer than a socket's may be", async () => {
    const state = join(freshState(), "x".repeat(80), "y".repeat(60));
    const { client } = await up(state);
    expect((await client.status()).lab).toBe("test");
  });

  test("may be below /run, of which the lab has its own", async () => {
    mkdirSync("/run/here", { recursive: true });
    const { client } = await up(mkdtempSync("/run/here/state-"));
    expect((await client.status()).lab).toBe("test");
  });

  test("a store that is none is told with what to do, and leaves nothing", async () => {
    const before = machine();
    const state = freshState();
    const paths = labPaths(state, "test");
    mkdirSync(paths.folder, { recursive: true });
    writeFileSync(paths.store, "no database".repeat(500));
    await expect(up(state)).rejects.toMatchObject({
      code: "failed",
      message: expect.stringContaining("no store"),
      fix: expect.stringContaining("--purge"),
    });
    expect(machine()).toEqual(before);
  });

  test("a folder that is a file is told", async () => {
    const state = freshState();
    writeFileSync(state, "");
    await expect(up(state)).rejects.toMatchObject({ code: "unwritable" });
  });
});

test("nobody's lab is not running", async () => {
  await expect(new ControlClient("none", labPaths(freshState(), "none")).status()).rejects.toMatchObject({ code: "not-running" });
});

import { createServer } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { deployment, keyIn } from "../../src/controllers/testing/lab.ts";
import { listenTcp, within } from "../../src/kernel/index.ts";
import type { Pod } from "../../src/kube/objects.ts";
import { mustAddress } from "../../src/net/address.ts";
import { MemoryStore } from "../../src/store/log-store.ts";
import type { Change, Store } from "../../src/store/store.ts";
import { askAgain, askAtOnce } from "../../src/world/ask.ts";
import { Daemon, isReady, podsOf } from "../../src/world/daemon.ts";
import { probe } from "../../src/world/probe.ts";
import { requireKernel } from "./require-kernel.ts";
import { smallLab } from "./world-labs.ts";

requireKernel();

let running: Daemon | undefined;
afterEach(() => end());

function start(store: Store): Daemon {
  running = new Daemon("test", store);
  return running;
}

/** As when the process ends: sockets and namespaces go, the store stays. */
function end(): void {
  running?.close();
  running = undefined;
}

const addresses = (daemon: Daemon) =>
  Object.fromEntries(podsOf(daemon.resources, "c").map((pod) => [pod.metadata.name, pod.status?.podIP]));
const readiness = (daemon: Daemon) => podsOf(daemon.resources, "c").map(isReady);

describe("a lab comes to rest", () => {
  test("with every pod answering, and the load balancer's probes asked", async () => {
    const daemon = start(new MemoryStore());
    expect(daemon.applyDocuments(smallLab({ pods: 4, service: { type: "LoadBalancer", externalTrafficPolicy: "Local" } }))).toEqual([]);
    await daemon.settled();
    expect(daemon.failure).toBeUndefined();
    expect(daemon.errors).toEqual([]);
    expect(readiness(daemon)).toEqual([true, true, true, true]);
    const [pod] = podsOf(daemon.resources, "c");
    const answer = await probe(within, {
      from: "vm/db",
      packet: { protocol: "tcp", source: mustAddress("10.240.4.4"), destination: mustAddress("10.240.0.4"), destinationPort: 10256 },
      timeoutMs: 1000,
    });
    expect(answer.outcome).toBe("answered");
    expect(pod?.status).toMatchObject({ phase: "Running", podIP: expect.stringMatching(/^10\.244\./) });
    expect(daemon.progress().pods).toEqual({ total: 4, addressed: 4, ready: 4 });
  });

  test("again after a change, which costs a revision for each kind of news and not for each pod", async () => {
    const store = new MemoryStore();
    const daemon = start(store);
    daemon.applyDocuments(smallLab({ pods: 2 }));
    await daemon.settled();
    const changes: Change[] = [];
    const stop = store.watch(store.revision, (more) => changes.push(...more));
    const more = deployment("web", 12);
    daemon.write([{ key: keyIn("c", more), value: more }]);
    await daemon.settled();
    stop();
    expect(readiness(daemon).filter(Boolean)).toHaveLength(12);
    const pods = new Map(podsOf(daemon.resources, "c").map((pod) => [keyIn("c", pod), pod]));
    const ready = changes.filter(({ key, value }) => value !== undefined && pods.get(key) === value);
    expect(new Set(ready.map(({ revision }) => revision)).size).toBeLessThan(4);
  });

  test("started again on its store: the same addresses, and nobody is ready before he was asked", async () => {
    const store = new MemoryStore();
    const first = start(store);
    first.applyDocuments(smallLab({ pods: 5 }));
    await first.settled();
    const before = addresses(first);
    end();
    const second = start(store);
    expect(readiness(second)).toEqual([false, false, false, false, false]);
    expect(addresses(second)).toEqual(before);
    second.wake();
    await second.settled();
    expect(readiness(second)).toEqual([true, true, true, true, true]);
    expect(addresses(second)).toEqual(before);
  });
});

describe("a question", () => {
  test("is answered yes where somebody listens, and no where nobody does or nothing goes", async () => {
    const daemon = start(new MemoryStore());
    daemon.applyDocuments(smallLab({ pods: 1 }));
    await daemon.settled();
    const [pod] = podsOf(daemon.resources, "c");
    const node = `node/c/${pod?.spec.nodeName}`;
    const destination = mustAddress(pod?.status?.podIP ?? "");
    const port = pod?.spec.containers[0]?.ports?.[0]?.containerPort ?? 0;
    const nowhere = { destination: mustAddress("198.51.100.1"), port };
    const targets = [
      { destination, port },
      { destination, port: port + 1 },
    ];
    expect(askAtOnce(node, targets)).toEqual(["yes", "no"]);
    expect(askAtOnce("node/c/none", targets)).toEqual(["no", "no"]);
    expect(await askAgain(node, [...targets, nowhere], 50)).toEqual([true, false, false]);
  });
});

describe("a pod that does not answer at first", () => {
  test("is asked again until it does", async () => {
    const daemon = start(new MemoryStore());
    daemon.applyDocuments(smallLab({ pods: 1 }));
    await daemon.settled();
    const [pod] = podsOf(daemon.resources, "c");
    const host = `pod/c/default/${pod?.metadata.name}`;
    // Somebody else has the port that the next version of the pod wants.
    const squatter = createServer((socket) => socket.on("error", () => socket.destroy()));
    await new Promise<void>((resolve) => squatter.listen({ fd: within(host, () => listenTcp({ port: 8080 })) }, resolve));
    if (pod?.status === undefined) throw new Error("there is no pod");
    const moved: Pod = {
      ...pod,
      spec: { ...pod.spec, containers: [{ name: "main", ports: [{ containerPort: 8080 }] }] },
      status: { ...pod.status, conditions: [] },
    };
    daemon.write([{ key: keyIn("c", moved), value: moved }]);
    await expect.poll(() => daemon.listenProblems, { timeout: 3000 }).toHaveLength(1);
    squatter.close();
    await expect.poll(() => daemon.listenProblems.length, { timeout: 5000 }).toBe(0);
    await daemon.settled();
    expect(readiness(daemon)).toEqual([true]);
  });
});

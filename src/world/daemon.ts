/**
 * The running lab: a loop from resources to the kernel and back.
 *
 *     documents ─> store ─> controllers settle ─> compile ─> kernel ─> stand-ins, readiness, health probes ─> store ─> …
 *
 * Everything is driven by changes: a lab at rest does nothing but its health probes. Only this process touches the lab's namespaces.
 */

import { segmentAfter } from "../arm/names.ts";
import type { AgentPool, ManagedCluster } from "../arm/resources.ts";
import { compile } from "../compile/index.ts";
import { controllers, settle } from "../controllers/index.ts";
import { checkTransition, type Problem } from "../documents/index.ts";
import type { HostName, Listener, Network } from "../ir/network.ts";
import { type ApplyError, Kernel, type ObservedHost } from "../kernel/index.ts";
import type { EndpointSlice, Pod, Service } from "../kube/objects.ts";
import { parseAddress } from "../net/address.ts";
import { armBucket, armKey, type Key, kubeBucket, kubeKey, type Resources, type Write } from "../resources/resources.ts";
import type { Store } from "../store/store.ts";
import { ask } from "./ask.ts";
import { HealthProbes, probeResults } from "./health-probes.ts";
import { type Document, mergeDocuments } from "./merge.ts";
import { StandIns } from "./stand-in.ts";

/** How far a change has come. Counts are of the whole lab. */
export type Progress = {
  readonly phase: "controllers" | "network" | "answering" | "probes" | "done";
  readonly hosts: { readonly done: number; readonly total: number };
  readonly nodes: number;
  readonly pods: { readonly total: number; readonly addressed: number; readonly ready: number };
};

/** How long the daemon works before it lets others speak, in milliseconds. */
const sliceMs = 10;
const readinessTimeoutMs = 2000;
const readinessAtOnce = 256;
/** After the kernel refused something: again after this, doubling, while it still refuses. */
const retryFirstMs = 500;
const retryLastMs = 30_000;

export class Daemon {
  readonly #name: string;
  readonly #store: Store;
  readonly #kernel = new Kernel();
  readonly #standIns = new StandIns();
  readonly #probes = new HealthProbes(() => this.wake());
  readonly #listeners = new Map<HostName, readonly Listener[]>();
  readonly #watchers = new Set<(progress: Progress) => void>();
  #waiting: (() => void)[] = [];
  #network: Network | undefined;
  #errors: readonly ApplyError[] = [];
  #dirty = false;
  #running = false;
  #retryMs = retryFirstMs;
  #retry: NodeJS.Timeout | undefined;
  #failure: unknown;
  #hosts = { done: 0, total: 0 };

  constructor(name: string, store: Store) {
    this.#name = name;
    this.#store = store;
    store.commit(forgetAnswers(store.resources));
  }

  get resources(): Resources {
    return this.#store.resources;
  }

  get network(): Network | undefined {
    return this.#network;
  }

  /** What the kernel refused in the last round. */
  get errors(): readonly ApplyError[] {
    return this.#errors;
  }

  /** Nothing is left to do. */
  get atRest(): boolean {
    return !this.#running && !this.#dirty;
  }

  /** What the kernel really holds of a host. */
  observed(host: HostName): ObservedHost {
    return this.#kernel.observe(host);
  }

  healthyBackends(probe: string): number {
    return (
      probeResults(this.resources).find((result) => armKey(result.properties.probe.id) === armKey(probe))?.properties.healthy.length ?? 0
    );
  }

  get failure(): unknown {
    return this.#failure;
  }

  /** Takes documents in, or says why not and changes nothing. Returns when the change is acknowledged; {@link settled} tells when it is done. */
  applyDocuments(documents: readonly Document[]): readonly Problem[] {
    const problems = checkTransition(this.resources, documents);
    if (problems.some((problem) => problem.severity === "error")) return problems;
    this.#store.commit(mergeDocuments(this.resources, this.#name, documents));
    this.wake();
    return problems;
  }

  /** Changes resources directly: for commands that change one thing. */
  write(writes: readonly Write[]): void {
    this.#store.commit(writes);
    this.wake();
  }

  /** Resolves when there is nothing left to do: everything scheduled answers, every probe has been asked. */
  settled(): Promise<void> {
    if (this.atRest) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Calls `watcher` with every step forward, until the returned function is called. */
  onProgress(watcher: (progress: Progress) => void): () => void {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  /** Something changed: the loop runs (again). */
  wake(): void {
    this.#dirty = true;
    if (this.#running) return;
    this.#running = true;
    setImmediate(() => void this.#loop());
  }

  close(): void {
    clearTimeout(this.#retry);
    this.#probes.close();
    this.#standIns.close();
    this.#store.close();
  }

  async #loop(): Promise<void> {
    try {
      for (;;) {
        while (this.#dirty) {
          this.#dirty = false;
          await this.#round();
        }
        const ports = answerablePorts(this.resources);
        if (this.#probes.settled((probe, port) => ports.has(`${segmentAfter(probe, "resourceGroups")}/${port}`))) break;
        this.#report("probes");
        // The next answer wakes the loop; until then others may speak.
        await new Promise((resolve) => setTimeout(resolve, 20));
        if (!this.#dirty && this.#probesOverdue()) break;
      }
      this.#report("done");
      this.#failure = undefined;
    } catch (error) {
      this.#failure = error;
      process.stderr.write(`drydock: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    }
    this.#running = false;
    if (this.#dirty) {
      this.wake();
      return;
    }
    this.#probesSince = undefined;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #probesSince: number | undefined;

  /** Probes that ought to be answered and are not: the lab is as it is, and status says so. */
  #probesOverdue(): boolean {
    this.#probesSince ??= performance.now();
    return performance.now() - this.#probesSince > 5000;
  }

  /** Once from resources to the kernel, and what answers back into the store. */
  async #round(): Promise<void> {
    this.#report("controllers");
    settle(this.resources, controllers, (writes) => void this.#store.commit(writes));
    const network = compile(this.resources, this.#network);
    this.#network = network;
    await this.#applyNetwork(network);
    this.#serve(network);
    this.#report("answering");
    await this.#askPods();
    this.#probes.follow(this.resources);
    const results = this.#probes.results(this.resources);
    if (results.length > 0) {
      this.#store.commit(results);
      this.#dirty = true;
    }
  }

  async #applyNetwork(network: Network): Promise<void> {
    const steps = this.#kernel.applySteps(network);
    this.#hosts = { done: 0, total: network.names().length };
    let sliceStart = performance.now();
    for (;;) {
      const step = steps.next();
      if (step.done === true) {
        this.#kernelSaid(step.value.errors);
        return;
      }
      this.#hosts.done++;
      if (performance.now() - sliceStart > sliceMs) {
        this.#report("network");
        await new Promise((resolve) => setImmediate(resolve));
        sliceStart = performance.now();
      }
    }
  }

  #kernelSaid(errors: readonly ApplyError[]): void {
    this.#errors = errors;
    clearTimeout(this.#retry);
    if (errors.length === 0) {
      this.#retryMs = retryFirstMs;
      return;
    }
    for (const error of errors.slice(0, 20)) process.stderr.write(`drydock: ${error.message}\n`);
    this.#retry = setTimeout(() => this.wake(), this.#retryMs);
    this.#retryMs = Math.min(2 * this.#retryMs, retryLastMs);
  }

  /** Opens and closes what listens, where that changed. */
  #serve(network: Network): void {
    const names = network.names();
    for (const name of names) {
      const listeners = network.host(name)?.listeners ?? [];
      if (this.#listeners.get(name) === listeners) continue;
      if (listeners.length > 0 || this.#listeners.has(name)) {
        for (const { listener, error } of this.#standIns.set(name, listeners)) {
          process.stderr.write(`drydock: ${name} cannot listen on ${listener.port}/${listener.protocol}: ${error.message}\n`);
        }
      }
      this.#listeners.set(name, listeners);
    }
    if (this.#listeners.size === names.length) return;
    const present = new Set(names);
    for (const name of this.#listeners.keys()) {
      if (present.has(name)) continue;
      this.#standIns.remove(name);
      this.#listeners.delete(name);
    }
  }

  /** Asks the stand-ins of pods that are not ready, and writes down who answers. */
  async #askPods(): Promise<void> {
    const waiting = clusterNames(this.resources).flatMap((cluster) =>
      podsOf(this.resources, cluster)
        .filter((pod) => pod.status?.podIP !== undefined && pod.spec.nodeName !== undefined && !isReady(pod))
        .map((pod) => ({ cluster, pod })),
    );
    for (let start = 0; start < waiting.length; start += readinessAtOnce) {
      const group = waiting.slice(start, start + readinessAtOnce);
      const answers = await Promise.all(group.map(({ cluster, pod }) => answersItsNode(cluster, pod)));
      const ready = group.filter((_, index) => answers[index]);
      if (ready.length > 0) {
        this.#store.commit(ready.map(({ cluster, pod }) => ({ key: podKey(cluster, pod), value: asReady(pod) })));
        this.#dirty = true;
      }
      this.#report("answering");
    }
  }

  #report(phase: Progress["phase"]): void {
    if (this.#watchers.size === 0) return;
    const progress = this.progress(phase);
    for (const watcher of [...this.#watchers]) watcher(progress);
  }

  progress(phase: Progress["phase"] = this.#running ? "network" : "done"): Progress {
    const pods = { total: 0, addressed: 0, ready: 0 };
    let nodes = 0;
    for (const cluster of clusterNames(this.resources)) {
      nodes += this.resources.list(kubeBucket(cluster, "Node")).length;
      for (const pod of podsOf(this.resources, cluster)) {
        pods.total++;
        if (pod.status?.podIP !== undefined) pods.addressed++;
        if (isReady(pod)) pods.ready++;
      }
    }
    return { phase, hosts: { ...this.#hosts }, nodes, pods };
  }
}

/** A pool with this name, in the cluster named or in the only one that has it. */
export function findPool(resources: Resources, name: string, cluster?: string): AgentPool | "none" | "several" {
  const pools = (
    resources.list(armBucket("Microsoft.ContainerService/managedClusters/agentPools")) as unknown as readonly AgentPool[]
  ).filter(
    (pool) => pool.name === name && (cluster === undefined || pool.id.toLowerCase().includes(`/managedclusters/${cluster.toLowerCase()}/`)),
  );
  const [only, ...more] = pools;
  return only === undefined ? "none" : more.length > 0 ? "several" : only;
}

function clustersOf(resources: Resources): readonly ManagedCluster[] {
  return resources.list(armBucket("Microsoft.ContainerService/managedClusters")) as unknown as readonly ManagedCluster[];
}

export function clusterNames(resources: Resources): readonly string[] {
  return clustersOf(resources).map((cluster) => cluster.name);
}

export function podsOf(resources: Resources, cluster: string): readonly Pod[] {
  return resources.list(kubeBucket(cluster, "Pod")) as unknown as readonly Pod[];
}

export function isReady(pod: Pod): boolean {
  return pod.status?.conditions?.some((condition) => condition.type === "Ready" && condition.status === "True") ?? false;
}

function podKey(cluster: string, pod: Pod): Key {
  return kubeKey(cluster, "Pod", pod.metadata.namespace, pod.metadata.name);
}

function asReady(pod: Pod): Pod {
  const others = (pod.status?.conditions ?? []).filter((condition) => condition.type !== "Ready");
  return { ...pod, status: { ...pod.status, phase: "Running", conditions: [...others, { type: "Ready", status: "True" }] } };
}

/** As kubelet's probes do, from the node: does the stand-in accept a connection? A pod without TCP ports has nothing to be asked. */
function answersItsNode(cluster: string, pod: Pod): Promise<boolean> {
  const port = pod.spec.containers
    .flatMap((container) => container.ports ?? [])
    .find((candidate) => (candidate.protocol ?? "TCP") === "TCP")?.containerPort;
  const to = pod.status?.podIP === undefined ? undefined : parseAddress(pod.status.podIP);
  if (port === undefined || to === undefined) return Promise.resolve(true);
  return ask({ from: `node/${cluster}/${pod.spec.nodeName}`, to, port, timeoutMs: readinessTimeoutMs });
}

/** A store that was left by another process says that pods answer; none does yet. */
function forgetAnswers(resources: Resources): Write[] {
  const pods = clusterNames(resources).flatMap((cluster) =>
    podsOf(resources, cluster)
      .filter(isReady)
      .map((pod): Write => {
        const conditions = pod.status?.conditions?.filter((condition) => condition.type !== "Ready") ?? [];
        return { key: podKey(cluster, pod), value: { ...pod, status: { ...pod.status, phase: "Pending", conditions } } as Pod };
      }),
  );
  return [...pods, ...probeResults(resources).map((result): Write => ({ key: armKey(result.id), value: undefined }))];
}

/** Ports that somebody ought to answer a health probe on, as `<node resource group>/<port>`: those of Services with a ready endpoint. */
function answerablePorts(resources: Resources): ReadonlySet<string> {
  const ports = new Set<string>();
  for (const { name, properties } of clustersOf(resources)) {
    const slices = resources.list(kubeBucket(name, "EndpointSlice")) as unknown as readonly EndpointSlice[];
    const ready = new Set(
      slices
        .filter((slice) => slice.endpoints.some((endpoint) => endpoint.conditions.ready))
        .map((slice) => `${slice.metadata.namespace}/${slice.metadata.labels?.["kubernetes.io/service-name"]}`),
    );
    for (const { metadata, spec } of resources.list(kubeBucket(name, "Service")) as unknown as readonly Service[]) {
      if (spec.type !== "LoadBalancer" || !ready.has(`${metadata.namespace}/${metadata.name}`)) continue;
      for (const port of [spec.healthCheckNodePort, ...(spec.ports ?? []).map(({ nodePort }) => nodePort)]) {
        if (port !== undefined) ports.add(`${properties.nodeResourceGroup.toLowerCase()}/${port}`);
      }
    }
  }
  return ports;
}

/**
 * The running lab: a loop from resources to the kernel and back.
 *
 *     documents ─> store ─> controllers settle ─> compile ─> kernel ─> stand-ins, readiness, health probes ─> store ─> …
 *
 * Everything is driven by changes: a lab at rest does nothing but its health probes. Only this process touches the lab's namespaces.
 */

import { type Fault, isFault } from "../arm/faults.ts";
import { segmentAfter } from "../arm/names.ts";
import type { AgentPool, ManagedCluster } from "../arm/resources.ts";
import { virtualNodeName } from "../arm/virtual-node.ts";
import { forgottenMark } from "../compile/faults/faults.ts";
import { type CompiledNetwork, compile } from "../compile/index.ts";
import { hostNames } from "../compile/wiring.ts";
import { controllers, failingProbes, isUnreachable, settle } from "../controllers/index.ts";
import { podIndex } from "../controllers/pod-index.ts";
import { checkChange, checkTransition, type Problem } from "../documents/index.ts";
import type { Host, HostName, Listener, Network } from "../ir/network.ts";
import { type ApplyError, connections, Kernel, markConnections, type ObservedHost } from "../kernel/index.ts";
import { runningContainers } from "../kube/containers.ts";
import type { EndpointSlice, Node, Pod, Service } from "../kube/objects.ts";
import { failingReadiness, httpReadiness } from "../kube/readiness.ts";
import { type Address, parseAddress } from "../net/address.ts";
import { armBucket, armKey, type Key, kubeBucket, kubeKey, type Resource, type Resources, type Write } from "../resources/resources.ts";
import type { Store } from "../store/store.ts";
import { ask, askAgain, askAtOnce } from "./ask.ts";
import { HealthProbes, probeResults } from "./health-probes.ts";
import { say } from "./log.ts";
import { type Document, lastDocuments, mergeDocuments } from "./merge.ts";
import { reclaimPorts } from "./reclaimed-ports.ts";
import { enter, hasIpv6, StandIns } from "./stand-in.ts";
import { type Trouble, troubleOf } from "./trouble.ts";

/** How far a change has come. Counts are of the whole lab. */
export type Progress = {
  readonly phase: "controllers" | "network" | "answering" | "probes" | "done";
  readonly hosts: { readonly done: number; readonly total: number };
  readonly nodes: number;
  readonly pods: { readonly total: number; readonly addressed: number; readonly ready: number };
};

/** How long the daemon works before it lets others speak, in milliseconds. */
const sliceMs = 10;
/** How often people who watch hear of it. */
const reportMs = 50;
const readinessTimeoutMs = 500;
/** While somebody waits for the lab to come to rest: how soon what failed is tried again, and for how long. */
const againMs = 100;
const overdueMs = 5000;
/** After that, and when nobody waits: again after this, doubling, while it still fails. */
const retryFirstMs = 500;
const retryLastMs = 30_000;
/** Node's timers take no longer ones. */
const longestTimerMs = 2 ** 31 - 1;

export class Daemon {
  readonly #name: string;
  readonly #store: Store;
  readonly #kernel = new Kernel();
  readonly #standIns = new StandIns(enter);
  readonly #probes = new HealthProbes(() => this.wake());
  readonly #listeners = new Map<HostName, readonly Listener[]>();
  readonly #watchers = new Set<(progress: Progress) => void>();
  #waiting: (() => void)[] = [];
  readonly #listenProblems = new Map<HostName, readonly string[]>();
  /** Pods that were asked in the last round and did not answer. */
  #silentPods = 0;
  /** Pods that answered in the last round, well or not: the next one writes it down. */
  #answering: readonly Answering[] = [];
  #reportedAt = 0;
  #network: CompiledNetwork | undefined;
  /** The network that is in place as a whole, with all that listens. */
  #inPlace: Network | undefined;
  #errors: readonly ApplyError[] = [];
  #dirty = false;
  #running = false;
  #retryMs = retryFirstMs;
  #retry: NodeJS.Timeout | undefined;
  #mending: NodeJS.Timeout | undefined;
  /** Of the last round. */
  #faults: readonly Fault[] | undefined;
  /** For which nothing is left to forget. */
  #forgotten: ReadonlySet<Fault> | undefined;
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

  /** Listeners that could not be opened in the last round. */
  get listenProblems(): readonly string[] {
    return [...this.#listenProblems.values()].flat();
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

  /** What ended the last round before its end. It is tried again, less and less often. */
  get failure(): Trouble | undefined {
    return this.#failure === undefined ? undefined : troubleOf(this.#failure);
  }

  /** Takes documents in, or says why not and changes nothing. Returns when the change is acknowledged; {@link settled} tells when it is done. */
  applyDocuments(documents: readonly Document[]): readonly Problem[] {
    const problems = checkTransition(this.resources, documents);
    if (problems.some((problem) => problem.severity === "error")) return problems;
    // A fault that is new hits a lab at rest: pods stay where they were put before.
    const others = documents.filter(({ key, value }) => !isFaultResource(value) || this.resources.get(key) !== undefined);
    this.#store.transact((write) => {
      if (others.length < documents.length) {
        write(mergeDocuments(this.resources, this.#name, others));
        settle(this.resources, controllers, write);
      }
      write(mergeDocuments(this.resources, this.#name, documents));
    });
    this.wake();
    return problems;
  }

  /** Sets a pool's number of nodes, or says why not and changes nothing. */
  scale(pool: AgentPool, count: number): readonly Problem[] {
    const scaled: AgentPool = { ...pool, properties: { ...pool.properties, count } };
    const documents = lastDocuments(this.resources, this.#name).map(({ key, value }) => ({ key, value: this.resources.get(key) ?? value }));
    const problems = checkChange(documents, scaled);
    if (problems.some((problem) => problem.severity === "error")) return problems;
    this.write([{ key: armKey(pool.id), value: scaled }]);
    return problems;
  }

  /** Changes resources directly: for what changes one thing. */
  write(writes: readonly Write[]): void {
    this.#store.commit(writes);
    this.wake();
  }

  /** Resolves when there is nothing left to do: everything scheduled answers, every probe has been asked. */
  settled(): Promise<void> {
    if (this.atRest) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Calls `watcher` every now and then while the lab is not at rest, until the returned function is called. */
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
    clearTimeout(this.#mending);
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
        if (this.#incomplete) {
          if (this.#overdue()) break;
          await new Promise((resolve) => setTimeout(resolve, againMs));
          this.#dirty = true;
          continue;
        }
        const ports = answerablePorts(this.resources);
        const failing = failingProbes(this.resources);
        const shouldAnswer = (probe: Key, port: number) =>
          !failing.has(probe) && ports.has(`${segmentAfter(probe, "resourceGroups")}/${port}`);
        if (this.#probes.settled(shouldAnswer)) break;
        this.#report("probes");
        // The next answer wakes the loop; until then others may speak.
        await new Promise((resolve) => setTimeout(resolve, 20));
        if (!this.#dirty && this.#overdue()) break;
      }
      this.#failure = undefined;
    } catch (error) {
      this.#failure = error;
      say(`drydock: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    }
    this.#running = false;
    this.#scheduleRetry();
    if (this.#dirty) {
      this.wake();
      return;
    }
    this.#waitingSince = undefined;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #waitingSince: number | undefined;

  /** Pods, probes or the kernel ought to have answered well by now and have not: the lab is as it is, and status says so. */
  #overdue(): boolean {
    this.#waitingSince ??= performance.now();
    return performance.now() - this.#waitingSince > overdueMs;
  }

  /** Once from resources to the kernel, and what answers back into the store. */
  async #round(): Promise<void> {
    this.#report("controllers");
    this.#mendOverdue();
    const answering = this.#answering;
    this.#answering = [];
    this.#store.transact((write) => {
      write(this.#readyWrites(answering));
      settle(this.resources, controllers, write);
    });
    const network = compile(this.resources, this.#network);
    const changed = this.#inPlace === undefined ? undefined : network.changedSince(this.#inPlace);
    this.#network = network;
    this.#inPlace = undefined;
    await this.#applyNetwork(network, changed);
    if (changed !== undefined) reclaimPorts(network.topology, (edge) => changed.has(edge));
    this.#forgetFlows(network);
    this.#serve(network, changed);
    if (this.#errors.length === 0 && this.#listenProblems.size === 0) this.#inPlace = network;
    this.#report("answering");
    await this.#askPods();
    // Not before the rules know who answers: a probe that found nobody would wait before it asks again.
    if (this.#answering.length > 0) return;
    this.#probes.follow(this.resources);
    const faults = faultsOf(this.resources);
    if (this.#faults !== undefined && this.#faults !== faults) this.#probes.askAnew();
    this.#faults = faults;
    const results = this.#probes.results(this.resources);
    if (results.length > 0) {
      this.#store.commit(results);
      this.#dirty = true;
    }
  }

  /** What a firewall knows when a fault makes it forget. Flows end with their network, so a daemon that starts has none to forget. */
  #forgetFlows(network: CompiledNetwork): void {
    const { faults, machines } = network.topology;
    const before = this.#forgotten ?? new Set(faults);
    this.#forgotten = new Set(faults);
    for (const fault of faults) {
      if (!isFault(fault, "forget") || before.has(fault)) continue;
      const firewall = machines.find(({ resource }) => armKey(resource.id) === armKey(fault.properties.virtualMachine.id));
      if (firewall !== undefined) markConnections(firewall.nic.host, connections(firewall.nic.host), forgottenMark);
    }
  }

  /** Takes away faults whose time is over, and comes back when the next one's is. */
  #mendOverdue(): void {
    clearTimeout(this.#mending);
    const now = Date.now();
    const times = faultsOf(this.resources).flatMap(({ id, properties: { until } }) =>
      until === undefined ? [] : [{ key: armKey(id), at: Date.parse(until) }],
    );
    this.#store.commit(times.filter(({ at }) => at <= now).map(({ key }) => ({ key, value: undefined })));
    const next = Math.min(...times.filter(({ at }) => at > now).map(({ at }) => at));
    if (next < Number.POSITIVE_INFINITY) this.#mending = setTimeout(() => this.wake(), Math.min(next - now, longestTimerMs));
  }

  /** `changed`: the only hosts that may differ from what is in place; absent, any may. */
  async #applyNetwork(network: Network, changed: ReadonlySet<HostName> | undefined): Promise<void> {
    const steps = this.#kernel.applySteps(network, changed);
    this.#hosts = { done: 0, total: changed?.size ?? network.names().length };
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
    for (const error of errors.slice(0, 20)) say(`drydock: ${error.message}`);
  }

  /** Something of the last round failed that may go well the next time. */
  get #incomplete(): boolean {
    return this.#errors.length > 0 || this.#listenProblems.size > 0 || this.#silentPods > 0;
  }

  /** What failed is tried again, less and less often. */
  #scheduleRetry(): void {
    clearTimeout(this.#retry);
    if (!this.#incomplete && this.#failure === undefined) {
      this.#retryMs = retryFirstMs;
      return;
    }
    this.#retry = setTimeout(() => this.wake(), this.#retryMs);
    this.#retryMs = Math.min(2 * this.#retryMs, retryLastMs);
  }

  /** Opens and closes what listens, where that changed. */
  #serve(network: Network, changed: ReadonlySet<HostName> | undefined): void {
    const names = changed ?? new Set([...network.names(), ...this.#listeners.keys(), ...this.#listenProblems.keys()]);
    for (const name of names) {
      const host = network.host(name);
      if (host === undefined) {
        this.#standIns.remove(name);
        this.#listeners.delete(name);
        this.#listenProblems.delete(name);
      } else if (this.#listeners.get(name) !== host.listeners) this.#listen(host);
    }
  }

  #listen(host: Host): void {
    const { name, listeners } = host;
    const problems = this.#standIns.set(name, listeners, hasIpv6(host)).map(({ listener, error }) => {
      return `${name} cannot listen on ${listener.port}/${listener.protocol}: ${error.message}`;
    });
    if (problems.length === 0) {
      this.#listenProblems.delete(name);
      this.#listeners.set(name, listeners);
      return;
    }
    for (const problem of problems) say(`drydock: ${problem}`);
    this.#listenProblems.set(name, problems);
    // Not done: the next round tries again.
    this.#listeners.delete(name);
  }

  /** Asks the stand-ins of pods that are not ready, and writes down who answers. Those that do not are asked again later. */
  async #askPods(): Promise<void> {
    const byNode = new Map<HostName, Unready[]>();
    for (const cluster of clustersOf(this.resources)) {
      const lost = unreachableNodes(this.resources, cluster.name);
      for (const pod of podIndex(cluster, podsOf(this.resources, cluster.name)).unready) {
        const address = pod.status?.podIP === undefined ? undefined : parseAddress(pod.status.podIP);
        if (address === undefined || pod.spec.nodeName === undefined || lost.has(pod.spec.nodeName)) continue;
        // Behind a virtual node is no machine: the container group asks its own containers.
        const isVirtual = pod.spec.nodeName === virtualNodeName;
        const node = isVirtual
          ? hostNames.pod(cluster.name, pod.metadata.namespace ?? "default", pod.metadata.name)
          : hostNames.node(cluster.name, pod.spec.nodeName);
        const one: Unready = { key: podKey(cluster.name, pod), pod, from: node, address, port: tcpPortOf(pod) };
        const others = byNode.get(node);
        if (others === undefined) byNode.set(node, [one]);
        else others.push(one);
      }
    }
    let silent = 0;
    const answering: Unready[] = [];
    const later = new Map<HostName, Asked[]>();
    for (const [node, all] of byNode) {
      answering.push(...all.filter(({ port }) => port === undefined));
      const asked = all.flatMap((one) => (one.port === undefined ? [] : [{ one, destination: one.address, port: one.port }]));
      const answers = askAtOnce(node, asked);
      const unsure = asked.filter((_, index) => answers[index] === "later");
      if (unsure.length > 0) later.set(node, unsure);
      answering.push(...asked.flatMap(({ one }, index) => (answers[index] === "yes" ? [one] : [])));
      silent += answers.filter((answer) => answer === "no").length;
      await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(
      [...later].map(async ([node, asked]) => {
        const answers = await askAgain(node, asked, readinessTimeoutMs);
        answering.push(...asked.flatMap(({ one }, index) => (answers[index] === true ? [one] : [])));
        silent += answers.filter((answer) => !answer).length;
      }),
    );
    const asked = await Promise.all(answering.map(async (one) => ({ ...one, isWell: await answersWell(one) })));
    silent += asked.filter(({ pod, isWell }) => !isWell && failingReadiness(pod) === undefined).length;
    this.#answering = asked.filter(({ pod, isWell }) => isWell || pod.status?.phase !== "Running");
    if (this.#answering.length > 0) this.#dirty = true;
    this.#silentPods = silent;
  }

  /** A pod that changed or went while it was asked is not written: it is asked again as what it is now. */
  #readyWrites(pods: readonly Answering[]): readonly Write[] {
    return pods
      .filter(({ key, pod }) => this.resources.get(key) === pod)
      .map(({ key, pod, isWell }) => ({ key, value: asRunning(pod, isWell) }));
  }

  #report(phase: Progress["phase"]): void {
    if (this.#watchers.size === 0) return;
    if (performance.now() - this.#reportedAt < reportMs) return;
    this.#reportedAt = performance.now();
    const progress = this.progress(phase);
    for (const watcher of [...this.#watchers]) watcher(progress);
  }

  progress(phase: Progress["phase"] = this.#running ? "network" : "done"): Progress {
    const pods = { total: 0, addressed: 0, ready: 0 };
    let nodes = 0;
    for (const cluster of clustersOf(this.resources)) {
      nodes += this.resources.list(kubeBucket(cluster.name, "Node")).length;
      const all = podsOf(this.resources, cluster.name);
      const { unbound, unaddressed, unready } = podIndex(cluster, all);
      pods.total += all.length;
      // One that has ended has been both.
      pods.addressed += all.length - unbound.length - unaddressed.length;
      pods.ready += all.length - unbound.length - unaddressed.length - unready.length;
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

function isFaultResource(value: Resource): boolean {
  return "type" in value && value.type === "Drydock.Lab/faults";
}

export function faultsOf(resources: Resources): readonly Fault[] {
  return resources.list(armBucket("Drydock.Lab/faults")) as unknown as readonly Fault[];
}

export function clusterNames(resources: Resources): readonly string[] {
  return clustersOf(resources).map((cluster) => cluster.name);
}

/** Nodes whose pods nobody asks: no kubelet is there to say what they answered. */
function unreachableNodes(resources: Resources, cluster: string): ReadonlySet<string> {
  if (faultsOf(resources).length === 0) return new Set();
  const nodes = resources.list(kubeBucket(cluster, "Node")) as unknown as readonly Node[];
  return new Set(nodes.flatMap((node) => (isUnreachable(node) ? node.metadata.name : [])));
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

function asRunning(pod: Pod, isReady: boolean): Pod {
  const others = (pod.status?.conditions ?? []).filter((condition) => condition.type !== "Ready");
  const ready = { type: "Ready", status: isReady ? "True" : "False" } as const;
  return { ...pod, status: { ...pod.status, phase: "Running", conditions: [...others, ready] } };
}

/** A pod that has a port to be asked on. */
type Asked = { readonly one: Unready; readonly destination: Address; readonly port: number };

/** `from`: who asks it. */
type Unready = {
  readonly key: Key;
  readonly pod: Pod;
  readonly from: HostName;
  readonly address: Address;
  readonly port: number | undefined;
};

/** Its port accepts connections; `isWell`: its HTTP readiness probes are answered well, too. */
type Answering = Unready & { readonly isWell: boolean };

async function answersWell({ pod, from, address }: Unready): Promise<boolean> {
  const replies = httpReadiness(pod).map((question) => ask({ ...question, from, to: address, timeoutMs: readinessTimeoutMs }));
  return (await Promise.all(replies)).every((reply) => typeof reply === "number" && reply >= 200 && reply <= 399);
}

/** What kubelet would ask, from the node: the first TCP port. A pod without one has nothing to be asked. */
function tcpPortOf(pod: Pod): number | undefined {
  return runningContainers(pod.spec)
    .flatMap((container) => container.ports ?? [])
    .find((candidate) => (candidate.protocol ?? "TCP") === "TCP")?.containerPort;
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

/**
 * The load balancers' health probes, really sent: from Azure's host address in the fabric to every backend, at once when a probe or a backend is new,
 * then at the probe's interval. Healthy after one success, unhealthy after as many failures in a row as the probe says.
 * Azure docs: load-balancer-custom-probe-overview.
 *
 * One difference, for people who wait: until a backend has answered once, and after a fault came or went, it is asked again sooner (100 ms,
 * doubling up to the interval).
 * Probes of one interval keep one beat, so that a lab at rest wakes once in an interval and asks all it has to in one visit of each fabric: the
 * first time that a backend is asked again is half an interval to one and a half after the first answer.
 */

import { segmentAfter } from "../arm/names.ts";
import type { LoadBalancer, ManagedCluster, NetworkInterface, ProbeResult } from "../arm/resources.ts";
import { probeSources } from "../arm/service-tags.ts";
import { failingStatus } from "../controllers/index.ts";
import type { HostName } from "../ir/network.ts";
import { type Address, familyOf, parseAddress } from "../net/address.ts";
import { armBucket, armKey, type Key, type Resources, type Write } from "../resources/resources.ts";
import { ask, askAtOnce, type Reply } from "./ask.ts";
import { equal } from "./merge.ts";

/** Docs: what-is-ip-address-168-63-129-16. */
const firstRetryMs = 100;
const firstTimeoutMs = 500;
const longestTimeoutMs = 5000;
/** Asked in one go, before others have their turn. */
const atOnce = 128;

type Target = {
  readonly probe: Key;
  /** IP configuration id. */
  readonly member: string;
  readonly from: HostName;
  readonly to: Address;
  readonly port: number;
  readonly path: string | undefined;
  readonly secure: boolean;
  readonly intervalMs: number;
  readonly threshold: number;
  /** What the app is said to answer, where that is not 200. It is asked all the same; but nobody waits for a better answer. */
  readonly expected: number | undefined;
};

type State = {
  target: Target;
  healthy: boolean;
  asked: boolean;
  everHealthy: boolean;
  failures: number;
  /** Of its last answer by HTTP, where that is not 200. */
  status: number | undefined;
  retryMs: number;
  /** When it is asked again, as `performance.now()` tells the time; infinite while it is asked. */
  dueMs: number;
};

export class HealthProbes {
  readonly #states = new Map<string, State>();
  readonly #onChange: () => void;
  /** For the next that is due. */
  #timer: NodeJS.Timeout | undefined;
  #timerMs = Number.POSITIVE_INFINITY;
  #closed = false;

  /** `onChange` is called when an answer changed what {@link results} says. */
  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  /** Follows the load balancers of `resources`. */
  follow(resources: Resources): void {
    const wanted = new Map(targetsOf(resources).map((target) => [idOf(target), target]));
    for (const id of this.#states.keys()) if (!wanted.has(id)) this.#states.delete(id);
    const fresh: State[] = [];
    for (const [id, target] of wanted) {
      const state = this.#states.get(id);
      if (state === undefined) {
        const dueMs = Number.POSITIVE_INFINITY;
        const made: State = {
          target,
          healthy: false,
          asked: false,
          everHealthy: false,
          failures: 0,
          status: undefined,
          retryMs: firstRetryMs,
          dueMs,
        };
        this.#states.set(id, made);
        fresh.push(made);
      } else if (!equal(state.target, target)) fresh.push(this.#anew(id, { ...state, target }));
    }
    this.#send(fresh);
  }

  /** Something was broken or mended: every backend is asked at once, and again soon, as new ones are. What was asked before tells nothing any more. */
  askAnew(): void {
    const fresh: State[] = [];
    for (const [id, state] of this.#states) {
      fresh.push(this.#anew(id, state));
    }
    this.#send(fresh);
  }

  #anew(id: string, state: State): State {
    const dueMs = Number.POSITIVE_INFINITY;
    const anew: State = { ...state, asked: false, everHealthy: false, failures: 0, retryMs: firstRetryMs, dueMs };
    this.#states.set(id, anew);
    return anew;
  }

  /** Has every backend been asked at least once, is none about to fail, and does somebody answer each probe that somebody `shouldAnswer`? */
  settled(shouldAnswer: (probe: Key, port: number) => boolean): boolean {
    const answered = new Set<Key>();
    for (const { asked, healthy, failures, target } of this.#states.values()) {
      if (!asked || (healthy && failures > 0)) return false;
      if (healthy) answered.add(target.probe);
    }
    return [...this.#states.values()].every(
      ({ target }) => answered.has(target.probe) || target.expected !== undefined || !shouldAnswer(target.probe, target.port),
    );
  }

  /** What the answers so far say, where `resources` say something else. */
  results(resources: Resources): readonly Write[] {
    const healthy = new Map<Key, string[]>();
    const statuses = new Map<Key, number>();
    for (const { target, healthy: isHealthy, status } of this.#states.values()) {
      const members = healthy.get(target.probe) ?? [];
      healthy.set(target.probe, members);
      if (isHealthy) members.push(target.member);
      else if (status !== undefined) statuses.set(target.probe, Math.min(status, statuses.get(target.probe) ?? status));
    }
    const writes: Write[] = [];
    for (const result of probeResults(resources))
      if (!healthy.has(armKey(result.properties.probe.id))) writes.push({ key: armKey(result.id), value: undefined });
    for (const [probe, members] of healthy) {
      const value = resultOf(probe, members.sort(), members.length === 0 ? statuses.get(probe) : undefined);
      if (!equal(resources.get(armKey(value.id)), value)) writes.push({ key: armKey(value.id), value });
    }
    return writes;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#states.clear();
  }

  #wakeAt(dueMs: number): void {
    if (dueMs >= this.#timerMs) return;
    clearTimeout(this.#timer);
    this.#timerMs = dueMs;
    this.#timer = setTimeout(() => this.#sendDue(), Math.max(dueMs - performance.now(), 0));
  }

  #sendDue(): void {
    this.#timerMs = Number.POSITIVE_INFINITY;
    // Timers count in whole milliseconds.
    const now = performance.now() + 1;
    const due: State[] = [];
    let next = Number.POSITIVE_INFINITY;
    for (const state of this.#states.values()) {
      if (state.dueMs > now) next = Math.min(next, state.dueMs);
      else {
        state.dueMs = Number.POSITIVE_INFINITY;
        due.push(state);
      }
    }
    this.#wakeAt(next);
    this.#send(due);
  }

  #send(states: readonly State[]): void {
    const byFabric = new Map<HostName, State[]>();
    for (const state of states.slice(0, atOnce)) {
      if (!this.#isCurrent(state)) continue;
      const { from, path } = state.target;
      const others = byFabric.get(from);
      if (path !== undefined) this.#await(state);
      else if (others === undefined) byFabric.set(from, [state]);
      else others.push(state);
    }
    for (const [from, asked] of byFabric) {
      const answers = askAtOnce(
        from,
        asked.map(({ target }) => ({ source: probeSources[familyOf(target.to)], destination: target.to, port: target.port })),
      );
      for (const [index, state] of asked.entries()) {
        if (answers[index] === "later") this.#await(state);
        else this.#take(state, answers[index] === "yes" ? "connected" : "silent");
      }
    }
    if (states.length > atOnce) setImmediate(() => this.#send(states.slice(atOnce)));
  }

  /** Asks one and waits for what it says. */
  #await(state: State): void {
    const { from, to, port, path, secure, intervalMs } = state.target;
    // Inside one machine an answer takes no time: what is silent lost a packet while the network was being made.
    const timeoutMs = state.everHealthy
      ? Math.min(intervalMs, longestTimeoutMs)
      : Math.min(Math.max(state.retryMs, firstTimeoutMs), intervalMs);
    void ask({ from, source: probeSources[familyOf(to)], to, port, ...(path === undefined ? {} : { path, secure }), timeoutMs }).then(
      (answer) => {
        if (this.#isCurrent(state)) this.#take(state, answer);
      },
    );
  }

  /** False when it went, and another may have come in its place, while it was asked. */
  #isCurrent(state: State): boolean {
    return !this.#closed && this.#states.get(idOf(state.target)) === state;
  }

  #take(state: State, reply: Reply): void {
    const { intervalMs, threshold } = state.target;
    const { healthy: before, status: statusBefore } = state;
    const answer = reply === "connected" || reply === 200;
    state.status = answer || typeof reply !== "number" ? undefined : reply;
    state.asked = true;
    state.failures = answer ? 0 : state.failures + 1;
    if (answer) {
      state.healthy = true;
      state.everHealthy = true;
    } else if (state.failures >= threshold) state.healthy = false;
    state.dueMs = state.everHealthy ? nextBeat(intervalMs) : performance.now() + Math.min(state.retryMs, intervalMs);
    state.retryMs *= 2;
    this.#wakeAt(state.dueMs);
    if (state.healthy !== before || state.status !== statusBefore) this.#onChange();
  }
}

/** The beat of an interval that is nearest to an interval from now. */
function nextBeat(intervalMs: number): number {
  return (Math.floor(performance.now() / intervalMs + 0.5) + 1) * intervalMs;
}

function idOf({ probe, member }: Target): string {
  return `${probe} ${member}`;
}

function targetsOf(resources: Resources): Target[] {
  const balancers = resources.list(armBucket("Microsoft.Network/loadBalancers")) as unknown as readonly LoadBalancer[];
  const clusters = new Map(clustersOf(resources).map((cluster) => [cluster.properties.nodeResourceGroup.toLowerCase(), cluster]));
  return balancers.flatMap((balancer) => {
    const cluster = clusters.get(segmentAfter(balancer.id, "resourceGroups").toLowerCase());
    const { probes, loadBalancingRules, backendAddressPools } = balancer.properties;
    return probes.flatMap((probe): Target[] => {
      const id = armKey(`${balancer.id}/probes/${probe.name}`);
      const pools = new Set(
        loadBalancingRules
          .filter((rule) => rule.properties.probe !== undefined && armKey(rule.properties.probe.id) === id)
          .map((rule) => armKey(rule.properties.backendAddressPool.id)),
      );
      const members = backendAddressPools
        .filter((pool) => pools.has(armKey(`${balancer.id}/backendAddressPools/${pool.name}`)))
        .flatMap((pool) => pool.properties.backendIPConfigurations);
      const { port, protocol, requestPath = "/" } = probe.properties;
      const path = protocol === "Tcp" ? undefined : requestPath;
      const expected = cluster === undefined || path === undefined ? undefined : failingStatus(resources, cluster, port, path);
      return members.flatMap((member): Target[] => {
        const place = placeOf(resources, member.id);
        if (place === undefined) return [];
        return [
          {
            probe: id,
            member: member.id,
            ...place,
            port,
            secure: protocol === "Https",
            path,
            intervalMs: probe.properties.intervalInSeconds * 1000,
            threshold: probe.properties.numberOfProbes,
            expected,
          },
        ];
      });
    });
  });
}

/** The fabric that a backend is plugged into, and its address. */
function placeOf(resources: Resources, configuration: string): { readonly from: HostName; readonly to: Address } | undefined {
  const slash = configuration.toLowerCase().lastIndexOf("/ipconfigurations/");
  const nic = resources.get(armKey(configuration.slice(0, slash))) as NetworkInterface | undefined;
  const found = nic?.properties.ipConfigurations.find(
    (candidate) => candidate.name.toLowerCase() === configuration.slice(slash + 18).toLowerCase(),
  );
  const to = found === undefined ? undefined : parseAddress(found.properties.privateIPAddress);
  if (found === undefined || to === undefined) return undefined;
  return { from: `vnet/${segmentAfter(found.properties.subnet.id, "virtualNetworks")}`, to };
}

export function probeResults(resources: Resources): readonly ProbeResult[] {
  return resources.list(armBucket("Drydock.Lab/probeResults")) as unknown as readonly ProbeResult[];
}

function clustersOf(resources: Resources): readonly ManagedCluster[] {
  return resources.list(armBucket("Microsoft.ContainerService/managedClusters")) as unknown as readonly ManagedCluster[];
}

function resultOf(probe: Key, healthy: readonly string[], status: number | undefined): ProbeResult {
  const group = probe.slice(0, probe.indexOf("/providers/"));
  const name = `${segmentAfter(probe, "resourceGroups")}-${segmentAfter(probe, "loadBalancers")}-${segmentAfter(probe, "probes")}`;
  return {
    id: `${group}/providers/Drydock.Lab/probeResults/${name}`,
    name,
    type: "Drydock.Lab/probeResults",
    properties: { probe: { id: probe }, healthy, ...(status === undefined ? {} : { status }) },
  };
}

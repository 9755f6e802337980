/**
 * Makes Linux agree with a network: a namespace per host, and in it what the host lists.
 *
 * The whole wanted state goes in, and is compared with what was applied last: hosts by reference, then lists by reference, then their elements.
 * So applying the same network again does nothing, and a change costs what changed. What the kernel refused is remembered as not done, and
 * tried again by the next apply.
 *
 * A host is one visit: namespace and settings, rules of nft in one transaction, then links and everything on them in one batch of messages. The
 * end of a link that is visited first makes both. Hosts with few links come first: they make their links out of their own namespace while they
 * are there anyway.
 *
 * It owns what it made, and only that: namespaces of others with other names are left alone. One Kernel to a world.
 */

import type { Host, HostName, InterfaceName, Network } from "../ir/network.ts";
import { HostVisit } from "./host-visit.ts";
import { errnoName, linux, SystemError } from "./libc.ts";
import { makeNamespace, removeNamespace, within } from "./namespaces.ts";
import { Batch, NETLINK_NETFILTER, NetlinkSocket } from "./netlink.ts";
import { deleteLink, deleteLinkGroup, setLink } from "./netlink-route.ts";
import { CommandError, changeTransactions, type NftProblem, replacementTransactions, type Transaction, transact } from "./nft-netlink.ts";
import { type ObservedHost, observeHost } from "./observe.ts";
import { type ApplyReport, applyError } from "./report.ts";
import { Run, Visits } from "./run.ts";
import { hostSettings, prepareSettings, releaseSettings, type Settings, writeSetting } from "./settings.ts";
import { forgetOnLink, newLink, peerOf, type State, samePeer } from "./state.ts";
import { interfaceOf } from "./stations.ts";

/** Loopback has index 1 in every namespace, and modules may add links of their own after it; ours start well above. */
const firstIndex = 1000;

export class Kernel {
  readonly #states = new Map<HostName, State>();
  readonly #ruleSockets = new Map<HostName, NetlinkSocket>();
  readonly #batch = new Batch();
  /** Unique in the whole world, so that the index of a peer tells which link it is. */
  #nextIndex = firstIndex;
  #busy = false;

  /**
   * Makes the kernel agree with `network`. With `changed`, only hosts of these names may differ from the last apply; they may be new or gone.
   */
  apply(network: Network, changed?: Iterable<HostName>): ApplyReport {
    const steps = this.applySteps(network, changed);
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value;
    }
  }

  /**
   * {@link apply} in slices of a host or a few milliseconds, whichever is less, so that a daemon can answer in between. Yields the name of the host
   * that it is at. Run it to its end, or end it by `return`: until then no other apply may start.
   */
  *applySteps(network: Network, changed?: Iterable<HostName>): Generator<HostName, ApplyReport> {
    if (this.#busy) throw new Error("kernel: an apply is still under way");
    this.#busy = true;
    const run = new Run(network);
    let whole = false;
    try {
      const { visits, gone } = this.#plan(run, changed);
      this.#removeLinks(run, visits, gone);
      for (const name of gone) {
        this.#removeHost(run, name);
        yield name;
      }
      for (;;) {
        const name = visits.take();
        if (name === undefined) break;
        const host = network.host(name);
        if (host === undefined) continue;
        for (const _ of this.#visit(run, visits, host)) yield name;
        yield name;
      }
      whole = true;
      return run.report();
    } finally {
      // What a host knows of its neighbours is from a network that did not come to be.
      if (!whole) for (const state of this.#states.values()) state.settled = undefined;
      run.close();
      this.#busy = false;
    }
  }

  /** Names of the hosts that exist. */
  names(): readonly HostName[] {
    return [...this.#states.keys()].sort();
  }

  /** What the kernel says about a host that exists. */
  observe(name: HostName): ObservedHost {
    if (!this.#states.has(name)) throw new Error(`kernel: there is no host ${name}`);
    const ends = new Map<number, { readonly host: HostName; readonly name: InterfaceName }>();
    for (const [host, state] of this.#states) {
      for (const [link, { index }] of state.links) if (index >= firstIndex) ends.set(index, { host, name: link });
    }
    return observeHost(name, ends);
  }

  /** Removes every host. */
  close(): void {
    for (const name of this.#states.keys()) {
      this.#closeRuleSocket(name);
      removeNamespace(name);
    }
    this.#states.clear();
    releaseSettings();
  }

  /** Hosts to visit and hosts that are gone. */
  #plan(run: Run, changed: Iterable<HostName> | undefined): { readonly visits: Visits; readonly gone: readonly HostName[] } {
    const { network } = run;
    const names = changed === undefined ? new Set([...network.names(), ...this.#states.keys()]) : new Set(changed);
    // What is not in place yet is tried again.
    for (const [name, state] of this.#states) if (state.settled === undefined) names.add(name);
    const visits = new Visits();
    const gone: HostName[] = [];
    const pending = [...names];
    for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
      const host = network.host(name);
      const state = this.#states.get(name);
      if (host === undefined) {
        if (state !== undefined && !gone.includes(name)) gone.push(name);
        continue;
      }
      if (state?.settled === host || !visits.add(host)) continue;
      // The other end of a new link may be on a host that nobody named.
      for (const link of host.interfaces) {
        if (link.kind !== "veth" || samePeer(state?.links.get(link.name)?.peer, link.peer)) continue;
        if (!names.has(link.peer.host)) {
          names.add(link.peer.host);
          pending.push(link.peer.host);
        }
      }
    }
    return { visits, gone: gone.sort() };
  }

  /** Removes the links that are in the way or not wanted any more, before any new one is made. */
  #removeLinks(run: Run, visits: Visits, gone: readonly HostName[]): void {
    const goneHosts = new Set(gone);
    const doomed = new Map<HostName, InterfaceName[]>();
    const doom = (host: HostName, name: InterfaceName): void => {
      const list = doomed.get(host);
      if (list === undefined) doomed.set(host, [name]);
      else list.push(name);
    };
    for (const name of gone) {
      for (const link of this.#states.get(name)?.links.values() ?? []) {
        // Namespaces end in the background; their links to hosts that stay must be gone now.
        if (link.peer !== undefined && !goneHosts.has(link.peer.host)) doom(link.peer.host, link.peer.name);
      }
    }
    for (const host of visits.all()) {
      const state = this.#states.get(host.name);
      if (state === undefined) continue;
      for (const [name, link] of state.links) {
        const wanted = interfaceOf(host, name);
        if (
          wanted === undefined
            ? link.kind !== "loopback"
            : wanted.kind !== link.kind || (wanted.kind === "veth" && !samePeer(link.peer, wanted.peer))
        ) {
          doom(host.name, name);
        }
      }
    }
    for (const [host, names] of doomed) this.#deleteLinks(run, visits, host, names);
  }

  #deleteLinks(run: Run, visits: Visits, host: HostName, names: readonly InterfaceName[]): void {
    const state = this.#states.get(host);
    if (state === undefined) return;
    const links = names.flatMap((name) => state.links.get(name) ?? []);
    if (links.length === 0) return;
    const batch = this.#batch;
    batch.clear();
    try {
      if (links.length === 1) for (const link of links) deleteLink(batch, link.index);
      else {
        const group = this.#nextIndex++;
        for (const link of links) setLink(batch, link.index, { group });
        deleteLinkGroup(batch, group);
      }
      run.operations += links.length;
      for (const { errno, text } of run.socketOf(host).transact(batch)) {
        if (errno === linux.ENODEV || errno === linux.ENOENT) continue;
        run.errors.push(applyError(host, "interface", `delete ${names.join(", ")}`, { code: errnoName(errno), text }, undefined));
      }
    } finally {
      run.closeSocket(host);
    }
    const forget = (owner: HostName, name: InterfaceName): void => {
      const ownerState = this.#states.get(owner);
      if (ownerState === undefined || !ownerState.links.delete(name)) return;
      forgetOnLink(ownerState, name);
      const ownerHost = run.network.host(owner);
      if (ownerHost !== undefined) visits.add(ownerHost);
    };
    for (const name of names) {
      const link = state.links.get(name);
      // Who reached the bridge by its ports knows it as a neighbour.
      for (const { bridge, peer } of state.links.values())
        if (bridge === name && peer !== undefined) this.#visitAgain(run, visits, peer.host);
      forget(host, name);
      if (link?.peer !== undefined) forget(link.peer.host, link.peer.name);
    }
    run.changed.add(host);
  }

  #visitAgain(run: Run, visits: Visits, name: HostName): void {
    const state = this.#states.get(name);
    const host = run.network.host(name);
    if (state === undefined || host === undefined) return;
    state.settled = undefined;
    visits.add(host);
  }

  #removeHost(run: Run, name: HostName): void {
    try {
      this.#closeRuleSocket(name);
      removeNamespace(name);
      this.#states.delete(name);
      run.removed.push(name);
      run.changed.delete(name);
      run.operations++;
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      run.errors.push(applyError(name, "namespace", "remove", { code: error.code, text: error.call }, undefined));
    }
  }

  /** The state of a host, whose namespace with its settings is made when there is none. `undefined` when it can't be made. */
  #ensure(run: Run, host: Host): State | undefined {
    const known = this.#states.get(host.name);
    if (known !== undefined) return known;
    const state: State = {
      settled: undefined,
      settings: new Map(),
      links: new Map([["lo", { ...newLink("loopback", 1), up: false, ipv6: true }]]),
      routes: [],
      rules: [],
      neighbours: [],
      ruleSet: [],
      mixedRules: false,
    };
    try {
      makeNamespace(host.name, () => {
        this.#states.set(host.name, state);
        run.made.add(host.name);
        run.operations++;
        prepareSettings();
        const wanted = hostSettings(host);
        this.#writeSettings(run, state, host, wanted, run.freshSettings(wanted));
        run.openSocket(host.name);
      });
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      run.errors.push(applyError(host.name, "namespace", "add", { code: error.code, text: error.call }, host.origin));
      if (this.#states.delete(host.name)) removeNamespace(host.name);
      return undefined;
    }
    return state;
  }

  /** Writes settings in the current namespace, and remembers them as the host's. */
  #writeSettings(run: Run, state: State, host: Host, settings: Settings, present: Settings): void {
    for (const [path, value] of settings) {
      if (present.get(path) !== value) {
        try {
          if (writeSetting(path, value)) run.operations++;
        } catch (error) {
          const code = error instanceof Error && "code" in error ? String(error.code) : "EIO";
          run.errors.push(applyError(host.name, "setting", `${path} = ${value}`, { code }, host.origin));
          continue;
        }
      }
      state.settings.set(path, value);
    }
  }

  #changeSettings(run: Run, state: State, host: Host): void {
    const wanted = hostSettings(host);
    for (const path of state.settings.keys()) if (!wanted.has(path)) state.settings.delete(path);
    const different = new Map([...wanted].filter(([path, value]) => state.settings.get(path) !== value));
    if (different.size > 0) within(host.name, () => this.#writeSettings(run, state, host, different, new Map()));
  }

  *#visit(run: Run, visits: Visits, host: Host): Generator<void, void> {
    run.forget(host.name);
    const state = this.#ensure(run, host);
    if (state === undefined) return;
    const { settled } = state;
    state.settled = undefined;
    const before = run.operations;
    const problems = run.errors.length + run.waiting.length;
    if (settled !== undefined && differOnlyInRules(settled, host)) yield* this.#applyRuleSet(run, state, host);
    else {
      run.visited.add(host.name);
      this.#ensurePeers(run, visits, state, host);
      this.#changeSettings(run, state, host);
      yield* this.#applyRuleSet(run, state, host);
      yield* new HostVisit(run, visits, this.#states, this.#batch, () => this.#nextIndex++, state, host).run();
    }
    if (run.errors.length + run.waiting.length === problems) state.settled = host;
    if (run.operations > before) run.changed.add(host.name);
  }

  /** Namespaces of the hosts at the other ends of links to make. */
  #ensurePeers(run: Run, visits: Visits, state: State, host: Host): void {
    for (const wanted of host.interfaces) {
      if (wanted.kind !== "veth" || state.links.has(wanted.name) || this.#states.has(wanted.peer.host) || !visits.has(wanted.peer.host))
        continue;
      const peer = peerOf(run.network, host, wanted);
      if (peer !== undefined) this.#ensure(run, peer.host);
    }
  }

  /** Yields between transactions, where there are several. */
  *#applyRuleSet(run: Run, state: State, host: Host): Generator<void, void> {
    const before = state.ruleSet;
    if (before === host.ruleSet && !state.mixedRules) return;
    try {
      const wanted = host.ruleSet;
      let problems = yield* this.#load(
        run,
        state,
        host,
        state.mixedRules ? replacementTransactions(before, wanted) : changeTransactions(before, wanted),
      );
      // The kernel may hold something else than it was thought to: then everything is said again.
      if (problems.length > 0 && before.length > 0) problems = yield* this.#load(run, state, host, replacementTransactions(before, wanted));
      if (problems.length === 0) {
        state.ruleSet = wanted;
        state.mixedRules = false;
      }
      this.#refused(run, host, problems);
    } catch (error) {
      if (error instanceof CommandError) this.#refused(run, host, [error.problem]);
      else if (error instanceof Error && "code" in error)
        this.#refused(run, host, [{ element: "ruleset", code: String(error.code), text: error.message }]);
      else throw error;
    }
  }

  /** Stays open: what a policy changes it changes on many hosts, and again. */
  #ruleSocket(host: HostName): NetlinkSocket {
    let socket = this.#ruleSockets.get(host);
    if (socket === undefined) {
      socket = within(host, () => new NetlinkSocket(NETLINK_NETFILTER));
      this.#ruleSockets.set(host, socket);
    }
    return socket;
  }

  #closeRuleSocket(host: HostName): void {
    this.#ruleSockets.get(host)?.closeLater();
    this.#ruleSockets.delete(host);
  }

  #refused(run: Run, host: Host, problems: readonly NftProblem[]): void {
    for (const problem of problems) run.errors.push(applyError(host.name, "nft", problem.element, problem, problem.origin ?? host.origin));
  }

  /** Runs transactions until one is refused: what was wrong with that one is returned. */
  *#load(run: Run, state: State, host: Host, transactions: readonly Transaction[]): Generator<void, readonly NftProblem[]> {
    for (const [index, transaction] of transactions.entries()) {
      run.operations++;
      const problems = transact(this.#ruleSocket(host.name), transaction);
      if (problems.length > 0) return problems;
      // From the first of several to the last, nobody knows what the kernel holds.
      if (index < transactions.length - 1) {
        state.ruleSet = [...state.ruleSet, ...host.ruleSet];
        state.mixedRules = true;
        yield;
      }
    }
    return [];
  }
}

/** Of all that the kernel is told. */
function differOnlyInRules(a: Host, b: Host): boolean {
  return (
    a.forwarding === b.forwarding &&
    a.interfaces === b.interfaces &&
    a.routes === b.routes &&
    a.rules === b.rules &&
    a.neighbours === b.neighbours
  );
}

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

import { closeSync } from "node:fs";
import { hashDigits } from "../ir/names.ts";
import type {
  Host,
  HostName,
  Interface,
  InterfaceAddress,
  InterfaceName,
  Neighbour,
  Network,
  Origin,
  PolicyRule,
  Route,
} from "../ir/network.ts";
import type { RuleSet } from "../ir/ruleset.ts";
import { type Address, familyOf, ipv4Number } from "../net/address.ts";
import { prefixFamily } from "../net/prefix.ts";
import { renderChange, renderReplacement } from "../render/nft.ts";
import { difference } from "./difference.ts";
import { errnoName, linux, SystemError } from "./libc.ts";
import { makeNamespace, openNamespace, removeNamespace, within } from "./namespaces.ts";
import { Batch, NETLINK_ROUTE, NetlinkSocket } from "./netlink.ts";
import {
  addBridge,
  addVeth,
  changeAddress,
  changeNeighbour,
  changeRoute,
  changeRule,
  deleteLink,
  deleteLinkGroup,
  devconf,
  IFF_NOARP,
  setBridgePort,
  setDevconf,
  setLink,
  setProxyDelay,
} from "./netlink-route.ts";
import { runNft } from "./nftables.ts";
import { type ObservedHost, observeHost } from "./observe.ts";
import { type ApplyError, type ApplyReport, applyError } from "./report.ts";
import { hostSettings, ipv6Interfaces, prepareSettings, readSettings, releaseSettings, type Settings, writeSetting } from "./settings.ts";
import { automaticNeighbours, interfaceOf } from "./stations.ts";

type Veth = Interface & { readonly kind: "veth" };

/** What exists of an interface. */
type Link = {
  readonly index: number;
  readonly kind: Interface["kind"];
  /** The other end, of a veth. */
  readonly peer?: { readonly host: HostName; readonly name: InterfaceName };
  up: boolean;
  /** `undefined`: not known, or not of interest. */
  mac: string | undefined;
  mtuBytes: number | undefined;
  bridge: InterfaceName | undefined;
  hairpin: boolean;
  isolated: boolean;
  proxyArp: boolean;
  ipv6: boolean;
  addresses: readonly InterfaceAddress[];
};

/** What exists of a host. */
type State = {
  /** The host that is in place as a whole; `undefined` when something of it is not. */
  settled: Host | undefined;
  readonly settings: Map<string, string>;
  settingsComplete: boolean;
  readonly links: Map<InterfaceName, Link>;
  routes: readonly Route[];
  rules: readonly PolicyRule[];
  neighbours: readonly Neighbour[];
  ruleSet: RuleSet;
};

/** Loopback has index 1 in every namespace, and modules may add links of their own after it; ours start well above. */
const firstIndex = 1000;

export class Kernel {
  readonly #states = new Map<HostName, State>();
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
   * {@link apply} in slices of one host each, a few milliseconds at most, so that a daemon can answer in between. Yields the name of the host
   * that was just done. Run it to its end: until then no other apply may start.
   */
  *applySteps(network: Network, changed?: Iterable<HostName>): Generator<HostName, ApplyReport> {
    if (this.#busy) throw new Error("kernel: an apply is still under way");
    this.#busy = true;
    const run = new Run(network);
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
        this.#visit(run, visits, host);
        yield name;
      }
      return run.report();
    } finally {
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
    for (const name of this.#states.keys()) removeNamespace(name);
    this.#states.clear();
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
    within(host, () => {
      const batch = this.#batch;
      batch.clear();
      if (links.length === 1) for (const link of links) deleteLink(batch, link.index);
      else {
        const group = this.#nextIndex++;
        for (const link of links) setLink(batch, link.index, { group });
        deleteLinkGroup(batch, group);
      }
      run.operations += links.length;
      const socket = new NetlinkSocket(NETLINK_ROUTE);
      try {
        for (const refusal of socket.transact(batch)) {
          if (refusal.errno === linux.ENODEV || refusal.errno === linux.ENOENT) continue;
          run.errors.push(
            applyError(host, "interface", `delete ${names.join(", ")}`, { code: errnoName(refusal.errno), text: refusal.text }, undefined),
          );
        }
      } finally {
        socket.close();
      }
    });
    const forget = (owner: HostName, name: InterfaceName): void => {
      const ownerState = this.#states.get(owner);
      if (ownerState === undefined || !ownerState.links.delete(name)) return;
      forgetOnLink(ownerState, name);
      const ownerHost = run.network.host(owner);
      if (ownerHost !== undefined) visits.add(ownerHost);
    };
    for (const name of names) {
      const link = state.links.get(name);
      forget(host, name);
      if (link?.peer !== undefined) forget(link.peer.host, link.peer.name);
    }
    run.changed.add(host);
  }

  #removeHost(run: Run, name: HostName): void {
    try {
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

  /** The state of a host, whose namespace is made when there is none. `undefined` when it can't be made. */
  #ensure(run: Run, host: Host): State | undefined {
    const known = this.#states.get(host.name);
    if (known !== undefined) return known;
    const state: State = {
      settled: undefined,
      settings: new Map(),
      settingsComplete: false,
      links: new Map([["lo", { ...newLink("loopback", 1), ipv6: true }]]),
      routes: [],
      rules: [],
      neighbours: [],
      ruleSet: [],
    };
    try {
      makeNamespace(host.name, () => {
        this.#states.set(host.name, state);
        run.made.add(host.name);
        run.operations++;
        prepareSettings();
        this.#applySettings(run, state, host);
        const batch = this.#batch;
        batch.clear();
        setLink(batch, 1, { up: true });
        const socket = new NetlinkSocket(NETLINK_ROUTE);
        try {
          run.refusals(host.name, "interface", "lo", host.origin, socket.transact(batch));
        } finally {
          socket.close();
        }
      });
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      run.errors.push(applyError(host.name, "namespace", "add", { code: error.code, text: error.call }, host.origin));
      if (this.#states.delete(host.name)) removeNamespace(host.name);
      return undefined;
    }
    return state;
  }

  /** In the host's namespace. */
  #applySettings(run: Run, state: State, host: Host): void {
    const wanted = hostSettings(host);
    const fresh = state.settings.size === 0 ? run.freshSettings(wanted) : undefined;
    state.settingsComplete = true;
    for (const [path, value] of wanted) {
      if (state.settings.get(path) === value) continue;
      if (fresh === undefined || fresh.get(path) !== value) {
        try {
          if (writeSetting(path, value)) run.operations++;
        } catch (error) {
          state.settingsComplete = false;
          const code = error instanceof Error && "code" in error ? String(error.code) : "EIO";
          run.errors.push(applyError(host.name, "setting", `${path} = ${value}`, { code }, host.origin));
          continue;
        }
      }
      state.settings.set(path, value);
    }
    for (const path of state.settings.keys()) if (!wanted.has(path)) state.settings.delete(path);
  }

  #visit(run: Run, visits: Visits, host: Host): void {
    run.forget(host.name);
    run.visited.add(host.name);
    const state = this.#ensure(run, host);
    if (state === undefined) return;
    this.#ensurePeers(run, visits, state, host);
    const before = run.operations;
    const problems = run.errors.length + run.waiting.length;
    within(host.name, () => {
      if (!run.made.has(host.name)) this.#applySettings(run, state, host);
      this.#applyRuleSet(run, state, host);
      new HostVisit(run, visits, this.#states, this.#batch, () => this.#nextIndex++, state, host).run();
    });
    const complete = state.settingsComplete && run.errors.length + run.waiting.length === problems;
    state.settled = complete ? host : undefined;
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

  /** In the host's namespace. */
  #applyRuleSet(run: Run, state: State, host: Host): void {
    if (state.ruleSet === host.ruleSet) return;
    const failed = (code: string, text: string, element: string, origin: Origin | undefined): void => {
      run.errors.push(applyError(host.name, "nft", element, { code, text }, origin));
    };
    try {
      let script = renderChange(state.ruleSet, host.ruleSet);
      if (script.text !== "") {
        run.operations++;
        let problems = runNft(script.text);
        if (problems.length > 0 && state.ruleSet.length > 0) {
          // The kernel may hold something else than it was thought to: then everything is said again.
          script = renderReplacement(state.ruleSet, host.ruleSet);
          problems = runNft(script.text);
        }
        if (problems.length > 0) {
          const lines = script.text.split("\n");
          for (const { line, text } of problems) {
            const element = line === undefined ? "ruleset" : (lines[line - 1] ?? "").trim();
            failed("NFT", text, element, line === undefined ? host.origin : script.origins[line - 1]);
          }
          return;
        }
      }
      state.ruleSet = host.ruleSet;
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      failed("NFT", error.message, "ruleset", host.origin);
    }
  }
}

/** What is gathered during one apply. */
class Run {
  readonly network: Network;
  operations = 0;
  readonly made = new Set<HostName>();
  readonly changed = new Set<HostName>();
  readonly removed: HostName[] = [];
  errors: ApplyError[] = [];
  waiting: { readonly host: HostName; readonly element: string }[] = [];
  /** Hosts whose entries for their neighbours were worked out from this network. */
  readonly visited = new Set<HostName>();
  /** Ends of links that the kernel refused in this run: "host name". */
  readonly impossible = new Set<string>();
  #fresh: Map<string, string> | undefined;
  #asked = new Set<string>();
  readonly #namespaces = new Map<HostName, number>();

  constructor(network: Network) {
    this.network = network;
  }

  /** What an earlier visit of the host complained about: it is tried again. */
  forget(host: HostName): void {
    const stays = (error: ApplyError): boolean => error.host !== host || (error.kind === "interface" && this.impossible.size > 0);
    if (this.errors.length > 0) this.errors = this.errors.filter(stays);
    if (this.waiting.length > 0) this.waiting = this.waiting.filter((waiting) => waiting.host !== host);
  }

  /** What the first fresh namespace of this apply says about these settings. Call in a fresh namespace. */
  freshSettings(wanted: Settings): Settings {
    this.#fresh ??= new Map();
    const unknown = [...wanted.keys()].filter((path) => !this.#asked.has(path));
    for (const path of unknown) this.#asked.add(path);
    for (const [path, value] of readSettings(unknown)) this.#fresh.set(path, value);
    return this.#fresh;
  }

  /** An open file of a host's namespace, until the apply ends. */
  namespaceOf(host: HostName): number {
    let fd = this.#namespaces.get(host);
    if (fd === undefined) {
      fd = openNamespace(host);
      this.#namespaces.set(host, fd);
      if (this.#namespaces.size > 64) {
        const [oldest] = this.#namespaces;
        if (oldest !== undefined) {
          closeSync(oldest[1]);
          this.#namespaces.delete(oldest[0]);
        }
      }
    }
    return fd;
  }

  refusals(host: HostName, kind: ApplyError["kind"], element: string, origin: Origin, list: ReturnType<NetlinkSocket["transact"]>): void {
    for (const { errno, text } of list) this.errors.push(applyError(host, kind, element, { code: errnoName(errno), text }, origin));
  }

  report(): ApplyReport {
    const changed = [...this.changed].sort();
    const { operations, removed, errors, waiting } = this;
    return { operations, made: [...this.made].sort(), changed, removed, errors, waiting };
  }

  close(): void {
    for (const fd of this.#namespaces.values()) closeSync(fd);
    this.#namespaces.clear();
    releaseSettings();
  }
}

/** Hosts still to be visited: those with the fewest links first, then by name. A host may come back after its visit. */
class Visits {
  readonly #waiting = new Map<HostName, Host>();
  #sorted: Host[] | undefined;

  /** False when it is waiting already. */
  add(host: Host): boolean {
    if (this.#waiting.has(host.name)) return false;
    this.#waiting.set(host.name, host);
    this.#sorted = undefined;
    return true;
  }

  has(name: HostName): boolean {
    return this.#waiting.has(name);
  }

  all(): readonly Host[] {
    return [...this.#waiting.values()];
  }

  take(): HostName | undefined {
    // Last first, so that taking costs nothing.
    this.#sorted ??= [...this.#waiting.values()].sort((a, b) => b.interfaces.length - a.interfaces.length || (a.name < b.name ? 1 : -1));
    const next = this.#sorted.pop();
    if (next !== undefined) this.#waiting.delete(next.name);
    return next?.name;
  }
}

/** What to do when the kernel refuses a message. */
type Note = {
  readonly kind: ApplyError["kind"];
  readonly element: string;
  readonly origin: Origin;
  /** What it stands on: when that could not be made, its own failure is no news. */
  readonly device?: InterfaceName | undefined;
  readonly tolerated?: readonly number[];
  readonly failed?: () => void;
};

/** The links of one host and what stands on them, from what there is to what is wanted. Runs in the host's namespace. */
class HostVisit {
  readonly #run: Run;
  readonly #visits: Visits;
  readonly #states: ReadonlyMap<HostName, State>;
  readonly #batch: Batch;
  readonly #newIndex: () => number;
  readonly #state: State;
  readonly #host: Host;
  #notes: Note[] = [];
  /** Interfaces whose routes and neighbours the kernel forgot or may have forgotten. */
  readonly #swept = new Set<InterfaceName>();
  readonly #sweptSources = new Set<Address>();
  #socket: NetlinkSocket | undefined;

  constructor(
    run: Run,
    visits: Visits,
    states: ReadonlyMap<HostName, State>,
    batch: Batch,
    newIndex: () => number,
    state: State,
    host: Host,
  ) {
    this.#run = run;
    this.#visits = visits;
    this.#states = states;
    this.#batch = batch;
    this.#newIndex = newIndex;
    this.#state = state;
    this.#host = host;
  }

  run(): void {
    this.#batch.clear();
    try {
      this.#makeLinks();
      this.#setLinks();
      this.#setIpv6();
      for (const wanted of this.#host.interfaces) this.#changeAddresses(wanted);
      const settle = [this.#changeNeighbours(), this.#changeRoutes(), this.#changeRules()];
      this.#flush();
      for (const done of settle) done();
    } finally {
      this.#socket?.close();
    }
  }

  /** Adds a message, of which `write` does the encoding. */
  #message(note: Note, write: (batch: Batch) => void): void {
    const count = this.#batch.count;
    try {
      write(this.#batch);
      this.#notes.push(note);
      this.#run.operations++;
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      while (this.#batch.count > count) this.#batch.drop();
      this.#run.errors.push(applyError(this.#host.name, note.kind, note.element, { code: "EINVAL", text: error.message }, note.origin));
      note.failed?.();
    }
  }

  #flush(): void {
    if (this.#batch.count === 0) return;
    this.#socket ??= new NetlinkSocket(NETLINK_ROUTE);
    const refusals = this.#socket.transact(this.#batch);
    const notes = this.#notes;
    this.#batch.clear();
    this.#notes = [];
    for (const { index, errno, text } of refusals) {
      const note = notes[index];
      if (note === undefined) throw new Error(`netlink: an answer to a message that was not sent (${index})`);
      if (note.tolerated?.includes(errno) === true) continue;
      note.failed?.();
      if (note.device !== undefined && !this.#state.links.has(note.device)) continue;
      this.#run.errors.push(applyError(this.#host.name, note.kind, note.element, { code: errnoName(errno), text }, note.origin));
    }
  }

  #makeLinks(): void {
    const { links } = this.#state;
    // Bridges before their ports.
    for (const wanted of this.#host.interfaces) {
      if (links.has(wanted.name) || wanted.kind === "veth") continue;
      const index = this.#newIndex();
      const link = newLink(wanted.kind, index);
      link.mtuBytes = wanted.mtuBytes;
      // A bridge that is not told takes the lowest of its ports', which changes when ports come and go.
      link.mac = macOf(this.#host, wanted);
      const made = { name: wanted.name, index, mac: link.mac, mtuBytes: wanted.mtuBytes };
      const note: Note = { kind: "interface", element: wanted.name, origin: wanted.origin, failed: () => links.delete(wanted.name) };
      if (wanted.kind === "discard") {
        const swallow = { name: `void-${hashDigits(wanted.name, 8)}`, index: this.#newIndex(), mtuBytes: wanted.mtuBytes };
        this.#message(note, (batch) => addVeth(batch, { ...made, flags: IFF_NOARP }, swallow));
        this.#message({ ...note, device: wanted.name }, (batch) => setLink(batch, swallow.index, { up: true }));
      } else {
        this.#message(note, (batch) => {
          if (wanted.kind === "loopback") throw new Error("the only loopback interface is lo");
          addBridge(batch, made);
        });
      }
      links.set(wanted.name, link);
      this.#swept.add(wanted.name);
    }
    for (const wanted of this.#host.interfaces) if (wanted.kind === "veth" && !links.has(wanted.name)) this.#makeVeth(wanted);
  }

  #makeVeth(wanted: Veth): void {
    const peer = peerOf(this.#run.network, this.#host, wanted);
    const peerState = this.#states.get(wanted.peer.host);
    if (peer === undefined || peerState === undefined || peerState.links.has(wanted.peer.name)) {
      this.#run.waiting.push({ host: this.#host.name, element: `link ${wanted.name}: for ${wanted.peer.name} on ${wanted.peer.host}` });
      return;
    }
    if (this.#run.impossible.has(`${this.#host.name} ${wanted.name}`)) {
      this.#run.waiting.push({ host: this.#host.name, element: `link ${wanted.name}: it could not be made` });
      return;
    }
    const own = newLink("veth", this.#newIndex(), wanted.peer);
    const other = newLink("veth", this.#newIndex(), { host: this.#host.name, name: wanted.name });
    for (const [link, spec, owner] of [
      [own, wanted, this.#host],
      [other, peer.link, peer.host],
    ] as const) {
      link.mac = macOf(owner, spec);
      link.mtuBytes = spec.mtuBytes;
    }
    other.up = false;
    const sameHost = peer.host.name === this.#host.name;
    this.#message(
      {
        kind: "interface",
        element: `${wanted.name} to ${wanted.peer.name} on ${wanted.peer.host}`,
        origin: wanted.origin,
        failed: () => {
          this.#state.links.delete(wanted.name);
          peerState.links.delete(wanted.peer.name);
          this.#run.impossible.add(`${this.#host.name} ${wanted.name}`).add(`${peer.host.name} ${wanted.peer.name}`);
        },
      },
      (batch) =>
        addVeth(
          batch,
          { name: wanted.name, index: own.index, mac: own.mac, mtuBytes: own.mtuBytes },
          { name: wanted.peer.name, index: other.index, mac: other.mac, mtuBytes: other.mtuBytes },
          sameHost ? undefined : this.#run.namespaceOf(peer.host.name),
        ),
    );
    this.#state.links.set(wanted.name, own);
    peerState.links.set(wanted.peer.name, other);
    this.#swept.add(wanted.name);
    if (sameHost) this.#swept.add(wanted.peer.name);
    else this.#visits.add(peer.host);
  }

  #setLinks(): void {
    for (const wanted of this.#host.interfaces) {
      const link = this.#state.links.get(wanted.name);
      if (link !== undefined) this.#setLink(wanted, link);
    }
  }

  #setLink(wanted: Interface, link: Link): void {
    const { index } = link;
    const note = (element: string, failed: () => void): Note => ({
      kind: "interface",
      element: `${wanted.name} ${element}`,
      origin: wanted.origin,
      device: wanted.name,
      failed,
    });
    if (wanted.mac !== undefined && wanted.mac !== link.mac) {
      const { mac } = wanted;
      link.mac = mac;
      this.#tellNeighbours(wanted, () => false);
      this.#message(
        note(`address ${mac}`, () => {
          link.mac = undefined;
        }),
        (batch) => setLink(batch, index, { mac }),
      );
    }
    if (wanted.mtuBytes !== link.mtuBytes) {
      const mtuBytes = wanted.mtuBytes ?? (wanted.kind === "loopback" ? 65536 : 1500);
      link.mtuBytes = wanted.mtuBytes;
      this.#message(
        note(`mtu ${mtuBytes}`, () => {
          link.mtuBytes = -1;
        }),
        (batch) => setLink(batch, index, { mtuBytes }),
      );
    }
    this.#setPort(wanted, link, note);
    const proxyArp = wanted.proxyArp === true;
    if (proxyArp !== link.proxyArp) {
      link.proxyArp = proxyArp;
      const failed = (): void => {
        link.proxyArp = !proxyArp;
      };
      const value = proxyArp ? 1 : 0;
      this.#message(note(`proxy_arp ${value}`, failed), (batch) =>
        setDevconf(batch, index, [
          [devconf.proxyArp, value],
          [devconf.proxyArpPvlan, value],
        ]),
      );
      // Linux's default is up to 0.8 s.
      this.#message(note("proxy_delay", failed), (batch) => setProxyDelay(batch, index, proxyArp ? 0n : 800n));
    }
  }

  #setPort(wanted: Interface, link: Link, note: (element: string, failed: () => void) => Note): void {
    const { index } = link;
    const port = wanted.kind === "veth" ? wanted.port : undefined;
    const bridge = port === undefined ? undefined : this.#state.links.get(port.bridge);
    if (port !== undefined && bridge === undefined) {
      this.#run.waiting.push({ host: this.#host.name, element: `port ${wanted.name}: for bridge ${port.bridge}` });
      return;
    }
    if (port?.bridge === link.bridge && !link.up) {
      link.up = true;
      this.#message(
        note("up", () => {
          link.up = false;
        }),
        (batch) => setLink(batch, index, { up: true }),
      );
    }
    if (port?.bridge !== link.bridge) {
      const { up } = link;
      const old = link.bridge;
      link.up = true;
      link.bridge = port?.bridge;
      link.hairpin = false;
      link.isolated = false;
      this.#message(
        note(port === undefined ? "nomaster" : `master ${port.bridge}`, () => {
          link.bridge = old;
          link.up = up;
        }),
        (batch) => setLink(batch, index, up ? { master: bridge?.index ?? 0 } : { up: true, master: bridge?.index ?? 0 }),
      );
    }
    if (port !== undefined && (port.hairpin !== link.hairpin || port.isolated !== link.isolated)) {
      const { hairpin, isolated } = link;
      link.hairpin = port.hairpin;
      link.isolated = port.isolated;
      this.#message(
        note(`bridge_slave hairpin ${port.hairpin} isolated ${port.isolated}`, () => {
          link.hairpin = hairpin;
          link.isolated = isolated;
        }),
        (batch) => setBridgePort(batch, index, port),
      );
    }
  }

  /** Interfaces are made without IPv6: it is turned on where something of IPv6 is wanted. Needs the links to exist. */
  #setIpv6(): void {
    const wanted = ipv6Interfaces(this.#host);
    for (const [name, link] of this.#state.links) {
      if (link.kind === "loopback" || link.ipv6 === wanted.has(name)) continue;
      this.#flush();
      try {
        writeSetting(`ipv6/conf/${name}/disable_ipv6`, link.ipv6 ? "1" : "0");
        this.#run.operations++;
        link.ipv6 = !link.ipv6;
        if (!link.ipv6) forgetIpv6(this.#state, name, link);
      } catch (error) {
        const code = error instanceof Error && "code" in error ? String(error.code) : "EIO";
        this.#run.errors.push(applyError(this.#host.name, "setting", `ipv6/conf/${name}/disable_ipv6`, { code }, this.#host.origin));
      }
    }
  }

  #changeAddresses(wanted: Interface): void {
    const link = this.#state.links.get(wanted.name);
    if (link === undefined || link.addresses === wanted.addresses) return;
    const { removed, added } = addressChange(link.addresses, wanted.addresses);
    if (removed.length > 0 || added.length > 0) this.#tellNeighbours(wanted, (peer) => this.#run.visited.has(peer));
    const note = (address: InterfaceAddress, failed: () => void): Note => ({
      kind: "address",
      element: `${address.address}/${address.prefixLength} dev ${wanted.name}`,
      origin: address.origin,
      device: wanted.name,
      failed,
    });
    for (const address of removed) {
      // With its last IPv4 address an interface loses its routes and neighbours (fib_disable_ip, net/ipv4/fib_frontend.c), and with any
      // address the routes that name it as their source go.
      this.#swept.add(wanted.name);
      this.#sweptSources.add(address.address);
      const failed = (): void => {
        link.addresses = [...link.addresses, address];
      };
      this.#message({ ...note(address, failed), tolerated: [linux.EADDRNOTAVAIL] }, (batch) =>
        changeAddress(batch, "delete", link.index, address),
      );
    }
    for (const address of added) {
      const failed = (): void => {
        link.addresses = link.addresses.filter((candidate) => candidate !== address);
      };
      this.#message(note(address, failed), (batch) => changeAddress(batch, "add", link.index, address));
    }
    link.addresses = wanted.addresses;
  }

  /** Hosts that have entries for what changed here are to look again. */
  #tellNeighbours(changed: Interface, knows: (peer: HostName) => boolean): void {
    for (const link of changed.kind === "veth" ? [changed] : this.#host.interfaces) {
      if (link.kind !== "veth" || knows(link.peer.host) || !this.#states.has(link.peer.host)) continue;
      const peer = this.#run.network.host(link.peer.host);
      if (peer !== undefined) this.#visits.add(peer);
    }
  }

  /**
   * Changes one of the lists of the host. Elements on interfaces that were swept are put again; those on interfaces that do not exist wait. What it
   * returns runs after the messages are sent, and gives the list as it then is.
   */
  #changeList<T extends { readonly origin: Origin }>(list: {
    readonly kind: "route" | "rule" | "neighbour";
    readonly before: readonly T[];
    readonly wanted: readonly T[];
    readonly text: (element: T) => string;
    /** What a new element takes the place of. */
    readonly identity: (element: T) => string;
    readonly device: (element: T) => InterfaceName | undefined;
    readonly source?: (element: T) => Address | undefined;
    /** Must be there before the others. */
    readonly first?: (element: T) => boolean;
    readonly put: (batch: Batch, element: T) => void;
    readonly remove: (batch: Batch, element: T) => void;
    readonly settle: (elements: readonly T[]) => void;
  }): () => void {
    const { before, wanted, device } = list;
    const gone = (element: T): boolean => {
      const name = device(element);
      const source = list.source?.(element);
      return (name !== undefined && this.#swept.has(name)) || (source !== undefined && this.#sweptSources.has(source));
    };
    const kept = this.#swept.size === 0 ? before : before.filter((element) => !gone(element));
    const { removed, added } = difference(kept, wanted, list.text);
    if (removed.length === 0 && added.length === 0 && kept === before) {
      list.settle(wanted);
      return () => undefined;
    }
    const missing = new Set<T>();
    const lingering: T[] = [];
    const note = (element: T, failed: () => void): Note => ({
      kind: list.kind,
      element: list.text(element),
      origin: element.origin,
      device: device(element),
      failed,
    });
    const { first } = list;
    const ordered = first === undefined ? added : [...added.filter(first), ...added.filter((element) => !first(element))];
    const replaced = new Set<string>();
    for (const element of ordered) {
      const name = device(element);
      if (name !== undefined && !this.#state.links.has(name)) {
        missing.add(element);
        this.#run.waiting.push({ host: this.#host.name, element: `${list.kind} ${list.text(element)}` });
        continue;
      }
      replaced.add(list.identity(element));
      this.#message(
        note(element, () => missing.add(element)),
        (batch) => list.put(batch, element),
      );
    }
    const absent = [linux.ENOENT, linux.ESRCH, linux.ENODEV];
    // What went with a deleted address may be there still.
    const leftovers = kept === before ? [] : difference(before.filter(gone), wanted, list.text).removed;
    for (const element of [...removed, ...leftovers]) {
      const name = device(element);
      if (replaced.has(list.identity(element)) || (name !== undefined && !this.#state.links.has(name))) continue;
      this.#message({ ...note(element, () => lingering.push(element)), tolerated: absent }, (batch) => list.remove(batch, element));
    }
    return () => {
      if (missing.size === 0 && lingering.length === 0) list.settle(wanted);
      else list.settle([...wanted.filter((element) => !missing.has(element)), ...lingering]);
    };
  }

  #changeNeighbours(): () => void {
    const automatic = automaticNeighbours(
      this.#run.network,
      this.#host,
      (host, link) => this.#states.get(host.name)?.links.get(link.name)?.mac ?? macOf(host, link),
    ).filter(({ dev, address }) => {
      const link = this.#state.links.get(dev);
      return link !== undefined && (link.ipv6 || familyOf(address) === 4);
    });
    const own = new Set(this.#host.neighbours);
    const index = (neighbour: Neighbour): number => this.#state.links.get(neighbour.dev)?.index ?? 0;
    return this.#changeList({
      kind: "neighbour",
      before: this.#state.neighbours,
      wanted: automatic.length === 0 ? this.#host.neighbours : [...this.#host.neighbours, ...automatic],
      text: (neighbour) => `${neighbour.address} lladdr ${neighbour.mac} dev ${neighbour.dev}`,
      identity: (neighbour) => `${neighbour.address} ${neighbour.dev}`,
      device: (neighbour) => neighbour.dev,
      put: (batch, neighbour) => changeNeighbour(batch, "put", neighbour, index(neighbour), !own.has(neighbour)),
      remove: (batch, neighbour) => changeNeighbour(batch, "delete", neighbour, index(neighbour), false),
      settle: (neighbours) => {
        this.#state.neighbours = neighbours;
      },
    });
  }

  #changeRoutes(): () => void {
    const index = (route: Route): number | undefined => ("dev" in route ? this.#state.links.get(route.dev)?.index : undefined);
    const { routes } = this.#state;
    return this.#changeList({
      kind: "route",
      before: routes,
      wanted: this.#host.routes,
      text: routeText,
      identity: (route) => `${route.table} ${route.dst} ${route.metric ?? 0}`,
      device: (route) => ("dev" in route ? route.dev : undefined),
      source: (route) => (route.type === "unicast" ? route.src : undefined),
      // The kernel takes a gateway only when a route to it is there.
      first: (route) => route.type !== "unicast" || route.via === undefined,
      put: (batch, route) => changeRoute(batch, "put", route, index(route)),
      remove: (batch, route) => changeRoute(batch, "delete", route, index(route)),
      settle: (settled) => {
        this.#state.routes = settled;
      },
    });
  }

  #changeRules(): () => void {
    return this.#changeList({
      kind: "rule",
      before: this.#state.rules,
      wanted: this.#host.rules,
      text: ruleText,
      identity: ruleText,
      device: () => undefined,
      put: (batch, rule) => changeRule(batch, "add", rule),
      remove: (batch, rule) => changeRule(batch, "delete", rule),
      settle: (rules) => {
        this.#state.rules = rules;
      },
    });
  }
}

/** The other end of a link, if its host agrees that there is one. */
function peerOf(network: Network, host: Host, wanted: Veth): { readonly host: Host; readonly link: Veth } | undefined {
  const other = network.host(wanted.peer.host);
  const link = other === undefined ? undefined : interfaceOf(other, wanted.peer.name);
  if (other === undefined || link?.kind !== "veth" || !samePeer(link.peer, { host: host.name, name: wanted.name })) return undefined;
  return { host: other, link };
}

function newLink(kind: Link["kind"], index: number, peer?: Link["peer"]): Link {
  return {
    index,
    kind,
    ...(peer === undefined ? {} : { peer }),
    up: true,
    mac: undefined,
    mtuBytes: undefined,
    bridge: undefined,
    hairpin: false,
    isolated: false,
    proxyArp: false,
    ipv6: false,
    addresses: [],
  };
}

/** Routes and neighbours that went with a link. Rules by interface stay: they name it only. */
function forgetOnLink(state: State, name: InterfaceName): void {
  state.settled = undefined;
  state.routes = state.routes.filter((route) => !("dev" in route) || route.dev !== name);
  state.neighbours = state.neighbours.filter((neighbour) => neighbour.dev !== name);
  // A bridge's ports lost it.
  for (const link of state.links.values()) if (link.bridge === name) link.bridge = undefined;
}

/** With IPv6 goes all that stood on it. */
function forgetIpv6(state: State, name: InterfaceName, link: Link): void {
  link.addresses = link.addresses.filter(({ address }) => familyOf(address) === 4);
  state.routes = state.routes.filter((route) => !("dev" in route) || route.dev !== name || prefixFamily(route.dst) === 4);
  state.neighbours = state.neighbours.filter((neighbour) => neighbour.dev !== name || familyOf(neighbour.address) === 4);
}

function samePeer(a: Link["peer"], b: Link["peer"]): boolean {
  return a !== undefined && b !== undefined && a.host === b.host && a.name === b.name;
}

/**
 * The link-layer address of an interface. Whose host names none gets 0a:58 and its first IPv4 address, as kubenet makes them: so an address that
 * moves to a new pod is at the same place for neighbours that remember it. Without an address, 0a:59 and a hash of its name.
 */
function macOf(host: Host, link: Interface): string {
  if (link.mac !== undefined) return link.mac;
  const value = link.addresses.map(({ address }) => ipv4Number(address)).find((number) => number !== undefined);
  const [prefix, digits] =
    value === undefined ? ["59", hashDigits(`${host.name} ${link.name}`, 8)] : ["58", value.toString(16).padStart(8, "0")];
  return `0a:${prefix}:${digits.replace(/..(?!$)/g, "$&:")}`;
}

/**
 * Which addresses to delete and to add, in order. Linux keeps IPv4 addresses in the order of their adding, and drops the further ones of a prefix
 * with its first: so unless all that is new comes last, and what goes stands alone in its prefix, the IPv4 addresses are set anew.
 */
function addressChange(
  before: readonly InterfaceAddress[],
  wanted: readonly InterfaceAddress[],
): { readonly removed: readonly InterfaceAddress[]; readonly added: readonly InterfaceAddress[] } {
  const text = (address: InterfaceAddress): string =>
    `${address.address}/${address.prefixLength}${address.noPrefixRoute === true ? " noprefixroute" : ""}`;
  const { removed, added } = difference(before, wanted, text);
  const isV4 = (address: InterfaceAddress): boolean => familyOf(address.address) === 4;
  const gone = new Set(removed);
  const survivors = before.filter((address) => isV4(address) && !gone.has(address)).map(text);
  const inPlace = wanted
    .filter(isV4)
    .slice(0, survivors.length)
    .every((address, position) => text(address) === survivors[position]);
  const alone = removed.every((address) => !isV4(address) || address.prefixLength === 32);
  if (inPlace && alone) return { removed, added };
  return {
    removed: [...before.filter(isV4).reverse(), ...removed.filter((address) => !isV4(address))],
    added: [...wanted.filter(isV4), ...added.filter((address) => !isV4(address))],
  };
}

function routeText(route: Route): string {
  const parts: string[] = [route.type, route.dst];
  if (route.type === "unicast" && route.via !== undefined) parts.push(`via ${route.via}`);
  if ("dev" in route) parts.push(`dev ${route.dev}`);
  if (route.type === "unicast" && route.onlink === true) parts.push("onlink");
  if (route.type === "unicast" && route.src !== undefined) parts.push(`src ${route.src}`);
  if (route.metric !== undefined && route.metric !== 0) parts.push(`metric ${route.metric}`);
  return `${parts.join(" ")} table ${route.table}`;
}

function ruleText(rule: PolicyRule): string {
  const parts = [`priority ${rule.priority}`, rule.family === 4 ? "inet" : "inet6"];
  if (rule.iif !== undefined) parts.push(`iif ${rule.iif}`);
  if (rule.from !== undefined) parts.push(`from ${rule.from}`);
  if (rule.to !== undefined) parts.push(`to ${rule.to}`);
  if (rule.mark !== undefined) parts.push(`fwmark ${rule.mark.value}/${rule.mark.mask}`);
  return `${parts.join(" ")} table ${rule.table}`;
}

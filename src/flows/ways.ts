/**
 * Ways of packets in words that are the same for all who are alike: "the sender's node" instead of a node's name. Two traces that went the same way
 * for another sender, receiver or node are equal here; nothing else of a trace is lost but names, addresses, ports that were drawn, and the steps.
 */

import type { PodInfo, Topology } from "../compile/topology.ts";
import type { HostName, Origin } from "../ir/network.ts";
import type { Address } from "../net/address.ts";
import { addressAt } from "../net/prefix.ts";
import type { Disposition, Path, Tuple } from "../trace/index.ts";

/** An address changed on its way. */
export type Translation = {
  /** Whose rules did it. */
  readonly at: string;
  readonly what: "source" | "destination";
  /** Whose address took the place. */
  readonly to: string;
};

/** One way of the packets of a class. Hosts and addresses are roles ("the sender's node") where those differ from pair to pair. */
export type Way = {
  readonly outcome: Disposition;
  /** Hosts on the way, sender first. */
  readonly path: readonly string[];
  /** Hosts on the reply's way, when it is another one than there. */
  readonly back?: readonly string[];
  readonly translations: readonly Translation[];
  /** Whom the receiver takes for the sender. */
  readonly seen?: string;
  /** What decided, for everything but `delivered`. */
  readonly decidedBy?: { readonly at: string; readonly origin?: Origin };
  /** What the sender is told, when it is not delivered. */
  readonly told?: string;
};

/** A pod with an interface of its own, or a node. */
type Machine = { readonly cluster: string; readonly node: HostName | undefined; readonly names: () => readonly string[] };

/** Who has which host, address and name, among pods and nodes. */
export class Roles {
  /** By cluster and address: clusters may have the same addresses. */
  readonly #byAddress = new Map<string, Map<string, HostName>>();
  readonly #machines = new Map<HostName, Machine>();
  readonly #byName = new Map<string, HostName>();

  constructor(topology: Topology) {
    for (const cluster of topology.clusters.values()) {
      const addresses = new Map<string, HostName>();
      this.#byAddress.set(cluster.name, addresses);
      for (const [name, { host, nic, podCidr }] of cluster.nodes) {
        // The node's own towards its pods; with Overlay that address is a pod's.
        const bridge =
          podCidr === undefined || (cluster.option !== "kubenet" && cluster.option !== "none") ? undefined : addressAt(podCidr, 1);
        const own = [nic.primary, ...(bridge === undefined ? [] : [bridge])];
        for (const address of own) addresses.set(address, host);
        const words = [name, host, `${cluster.name}:node/${name}`, nic.resource.name];
        for (const word of words) this.#byName.set(word, host);
        const names = [...words, ...own, ...(podCidr === undefined ? [] : [podCidr])];
        this.#machines.set(host, { cluster: cluster.name, node: host, names: () => names });
        for (const pod of cluster.podsByNode.get(name) ?? []) this.#addPod(cluster.name, addresses, host, pod);
      }
      for (const { pod } of cluster.virtualPods) this.#addPod(cluster.name, addresses, undefined, pod);
    }
  }

  #addPod(cluster: string, addresses: Map<string, HostName>, node: HostName | undefined, { pod, host, address }: PodInfo): void {
    const { name, namespace = "default" } = pod.metadata;
    addresses.set(address, host);
    this.#machines.set(host, { cluster, node, names: () => [name, host, `${namespace}/${name}`, address] });
  }

  /** The pod or node that has this address, rather of this host's cluster. */
  hostOf(address: Address, near: HostName): HostName | undefined {
    const own = this.#byAddress.get(this.#machines.get(near)?.cluster ?? "")?.get(address);
    if (own !== undefined) return own;
    for (const addresses of this.#byAddress.values()) {
      const host = addresses.get(address);
      if (host !== undefined) return host;
    }
    return undefined;
  }

  /** The pod or node of a cluster that has this address. */
  hostIn(cluster: string, address: string): HostName | undefined {
    return this.#byAddress.get(cluster)?.get(address);
  }

  /** The node that a pod is on, and a node itself. */
  nodeOf(host: HostName): HostName | undefined {
    return this.#machines.get(host)?.node;
  }

  /** `receiver`: whom the packet is meant for, when it is one host. */
  way(path: Path, sender: HostName, receiver: HostName | undefined): Way {
    const last = path.hops.at(-1);
    const reached = path.received?.host ?? receiver ?? (last === undefined ? undefined : this.hostOf(last.after.destination, last.host));
    return new Cast(this, sender, reached).way(path);
  }

  /** A text about the way of a packet, with parts in the place of names. */
  text(text: string, sender: HostName, receiver: HostName | undefined): string {
    return new Cast(this, sender, receiver).text(text);
  }

  /** Of a pod or a node. */
  clusterOf(host: HostName): string | undefined {
    return this.#machines.get(host)?.cluster;
  }

  isPodOrNode(host: HostName): boolean {
    return this.#machines.has(host);
  }

  /** Of a node. */
  hostCalled(word: string): HostName | undefined {
    return this.#byName.get(word);
  }

  namesOf(host: HostName): readonly string[] {
    return this.#machines.get(host)?.names() ?? [];
  }
}

/** Who plays which part in one trace. */
class Cast {
  readonly #roles: Roles;
  readonly #sender: HostName;
  readonly #parts = new Map<HostName, string>();

  constructor(roles: Roles, sender: HostName, receiver: HostName | undefined) {
    this.#roles = roles;
    this.#sender = sender;
    // What comes first stays: a pod that reaches itself is the sender.
    this.#play(sender, "sender");
    this.#play(roles.nodeOf(sender), "sender's node");
    this.#play(receiver, "receiver");
    this.#play(receiver === undefined ? undefined : roles.nodeOf(receiver), "receiver's node");
  }

  #play(host: HostName | undefined, part: string): void {
    if (host !== undefined && this.#roles.isPodOrNode(host) && !this.#parts.has(host)) this.#parts.set(host, part);
  }

  way(path: Path): Way {
    const { outcome, hops, received, decidedBy, news } = path;
    const there = hops.map(({ host }) => this.#host(host));
    const back = path.return?.hops.map(({ host }) => this.#host(host));
    const decided = decidedBy ?? path.return?.decidedBy ?? path.acknowledgement?.decidedBy ?? path.answer?.decidedBy;
    return {
      outcome,
      path: there,
      ...(back === undefined || back.join("\n") === there.toReversed().join("\n") ? {} : { back }),
      translations: hops.flatMap(({ host, before, after }) => this.#translations(host, before, after)),
      ...(received === undefined ? {} : { seen: this.#address(received.source) }),
      ...(outcome === "delivered" || decided === undefined ? {} : { decidedBy: this.#decision(decided) }),
      ...(news?.heard === true ? { told: news.message } : {}),
    };
  }

  #translations(host: HostName, before: Tuple, after: Tuple): Translation[] {
    const at = this.#host(host);
    const changes: Translation[] = [];
    if (before.destination !== after.destination) changes.push({ at, what: "destination", to: this.#address(after.destination, host) });
    // A sender that has yet to choose its address translates nothing, and neither does a node that takes another one of its own.
    const isOpen = before.source === "0.0.0.0" || before.source === "::";
    if (before.source !== after.source && !isOpen) {
      const to = this.#address(after.source);
      if (to !== this.#address(before.source)) changes.push({ at, what: "source", to });
    }
    return changes;
  }

  #decision({ host, origin }: NonNullable<Path["decidedBy"]>): NonNullable<Way["decidedBy"]> {
    const at = this.#host(host);
    if (origin === undefined) return { at };
    return { at, origin: { ...origin, resource: this.text(origin.resource, host), reason: this.text(origin.reason, host) } };
  }

  #host(host: HostName): string {
    const part = this.#parts.get(host);
    if (part !== undefined) return part;
    if (!this.#roles.isPodOrNode(host)) return host;
    return this.#roles.nodeOf(host) === host ? "another node" : "another pod";
  }

  /** `near`: the host that says it. Clusters may have the same addresses and names, and it means its own. */
  #address(address: Address, near: HostName = this.#sender): string {
    const host = this.#named(address, near) ?? this.#roles.hostOf(address, near);
    return host === undefined ? address : this.#host(host);
  }

  /** A text with parts in the place of names. */
  text(text: string, near: HostName = this.#sender): string {
    return text.replaceAll(/[A-Za-z0-9][\w./:-]*[\w]/g, (word) => {
      const host = this.#named(word, near) ?? this.#roles.hostCalled(word) ?? this.#roles.hostOf(word as Address, near);
      return host === undefined ? word : this.#host(host);
    });
  }

  /** Names and addresses of those that play a part come first: others may have the same. */
  #named(word: string, near: HostName): HostName | undefined {
    const named = [...this.#parts.keys()].filter((host) => this.#roles.namesOf(host).includes(word));
    return named.find((host) => this.#roles.clusterOf(host) === this.#roles.clusterOf(near)) ?? named[0];
  }
}

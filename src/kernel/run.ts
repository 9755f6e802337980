/** One apply: what it has still to do, and what came of it. */

import { closeSync } from "node:fs";
import type { Host, HostName, Network } from "../ir/network.ts";
import { openNamespace, within } from "./namespaces.ts";
import { NETLINK_ROUTE, NetlinkSocket } from "./netlink.ts";
import type { ApplyError, ApplyReport } from "./report.ts";
import { readSettings, type Settings } from "./settings.ts";

/** What is gathered during one apply. */
export class Run {
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
  readonly #sockets = new Map<HostName, NetlinkSocket>();
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

  /** A socket for a host's links, open while the host is worked on. */
  socketOf(host: HostName): NetlinkSocket {
    return this.#sockets.get(host) ?? within(host, () => this.openSocket(host));
  }

  /** {@link socketOf}, in the host's namespace. */
  openSocket(host: HostName): NetlinkSocket {
    const socket = new NetlinkSocket(NETLINK_ROUTE);
    this.#sockets.set(host, socket);
    return socket;
  }

  closeSocket(host: HostName): void {
    this.#sockets.get(host)?.close();
    this.#sockets.delete(host);
  }

  report(): ApplyReport {
    const changed = [...this.changed].sort();
    const { operations, removed, errors, waiting } = this;
    return { operations, made: [...this.made].sort(), changed, removed, errors, waiting };
  }

  close(): void {
    for (const fd of this.#namespaces.values()) closeSync(fd);
    this.#namespaces.clear();
    for (const host of [...this.#sockets.keys()]) this.closeSocket(host);
  }
}

/** Hosts still to be visited: those with the fewest links first, then by name. A host may come back after its visit. */
export class Visits {
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

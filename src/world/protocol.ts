/** What goes over the control socket: HTTP with JSON bodies, and answers as JSON lines where they come bit by bit. */

import type { Problem } from "../documents/index.ts";
import type { HostName } from "../ir/network.ts";
import type { Connection, ObservedHost } from "../kernel/index.ts";
import type { SnatShare, SnatUse } from "../lab/snat.ts";
import type { Key, Resource } from "../resources/resources.ts";
import type { Progress } from "./daemon.ts";
import type { Observation, ObserveRequest } from "./observe.ts";
import type { ProbeRequest, ProbeResult } from "./probe.ts";
import type { Trouble } from "./trouble.ts";

export type { Observation, ObservedHost, ObserveRequest, ProbeRequest, ProbeResult, Progress, SnatUse, Trouble };

export type Entry = { readonly key: Key; readonly value: Resource };

/** What waits for what. */
export type Waiting = {
  readonly cluster?: string;
  readonly kind: string;
  readonly name: string;
  readonly reason: string;
  readonly message: string;
};

export type Status = {
  readonly lab: string;
  /** The daemon's process id as this machine sees it. */
  readonly pid: number;
  /** ISO 8601. */
  readonly since: string;
  readonly version: string;
  /** False while the lab is still becoming what its resources say. */
  readonly settled: boolean;
  readonly clusters: readonly {
    readonly name: string;
    readonly networkPlugin: string;
    readonly networkPluginMode?: string;
    readonly nodes: { readonly wanted: number; readonly ready: number };
    readonly pods: { readonly total: number; readonly ready: number };
  }[];
  readonly nodes: readonly { readonly cluster: string; readonly name: string; readonly ready: boolean; readonly address?: string }[];
  readonly pods: readonly {
    readonly cluster: string;
    readonly namespace: string;
    readonly name: string;
    readonly ready: boolean;
    readonly node?: string;
    readonly address?: string;
  }[];
  readonly waiting: readonly Waiting[];
  /** Health probes, with the backends that answer. */
  readonly probes: readonly { readonly probe: string; readonly healthy: number; readonly backends: number }[];
  /** What was broken on purpose, by name. */
  readonly faults: readonly { readonly name: string; readonly kind: string; readonly what: string; readonly until?: string }[];
  /** Source ports for outbound flows, node by node. */
  readonly snat: readonly SnatShare[];
  /** What the kernel refused; empty when all is in place. */
  readonly kernelErrors: readonly string[];
  /** What keeps the lab from becoming what its resources say; it is tried again. */
  readonly failure?: Trouble;
  readonly memoryBytes: number;
};

/** A line of the answer to apply and scale. */
export type ApplyLine =
  | { readonly progress: Progress }
  | { readonly problems: readonly Problem[] }
  | { readonly done: true; readonly failure?: Trouble };

export type ProbeLine = { readonly index: number; readonly result: ProbeResult };

export type Flows = { readonly host: HostName; readonly connections: readonly Connection[] };

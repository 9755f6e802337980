/** A running lab, as the commands see it. */

import type { HostName } from "../ir/network.ts";
import type { LabView } from "../lab/view.ts";
import type { Address } from "../net/address.ts";
import type { Key, Resource } from "../resources/resources.ts";
import type { TracePacket, Tuple } from "../trace/index.ts";

export type Documents = readonly { readonly key: Key; readonly value: Resource }[];

export type ProbeQuestion = { readonly from: HostName; readonly packet: TracePacket; readonly timeoutMs: number };

export type ProbeAnswer = {
  readonly reachable: boolean;
  readonly outcome: "answered" | "refused" | "timeout" | "unreachable";
  /** As the receiver saw it. */
  readonly source?: { readonly address: string; readonly port?: number };
  readonly receiver?: string;
  readonly rttMs?: number;
};

export type FlowTuple = {
  readonly source: Address;
  readonly sourcePort?: number;
  readonly destination: Address;
  readonly destinationPort?: number;
};
export type Flow = {
  readonly host: HostName;
  readonly protocol: string;
  readonly original: FlowTuple;
  readonly reply: FlowTuple;
  readonly state?: string;
  readonly timeoutSeconds?: number;
};

export type SnatUse = { readonly backend: Address; readonly publicAddress: Address; readonly used: number };

export type LabStatus = {
  readonly lab: string;
  /** Of the daemon, as this machine sees it. */
  readonly pid: number;
  readonly clusters: readonly ClusterStatus[];
  readonly waiting: readonly Waiting[];
} & Readonly<Record<string, unknown>>;
export type ClusterStatus = {
  readonly name: string;
  readonly nodes: { readonly ready: number; readonly total: number };
  readonly pods: { readonly running: number; readonly total: number };
};
export type Waiting = { readonly cluster: string; readonly object: string; readonly reason: string; readonly message: string };

/** What the kernel did with one packet, host by host. */
export type Observed = {
  readonly forward: readonly ObservedHop[];
  readonly reply: readonly ObservedHop[];
};
export type ObservedHop = { readonly host: HostName; readonly before: Tuple; readonly after: Tuple; readonly verdicts: readonly string[] };

export type OnProgress = (text: string) => void;

export type Live = {
  readonly name: string;
  /** Of a process in the lab's namespaces, as this machine sees it. */
  readonly pid: number;
  /** False for labs that root had to start without one. */
  readonly hasUserNamespace: boolean;
  /** Its resources and network as they are now. */
  view(): Promise<LabView>;
  status(): Promise<LabStatus>;
  /** Returns when everything is settled and answers. Refused changes are a Failure. */
  apply(documents: Documents, onProgress: OnProgress): Promise<void>;
  scale(pool: string, count: number, cluster: string | undefined, onProgress: OnProgress): Promise<void>;
  /** Answers come in any order. */
  probe(questions: readonly ProbeQuestion[], onAnswer: (index: number, answer: ProbeAnswer) => void, signal: AbortSignal): Promise<void>;
  observe(from: HostName, packet: TracePacket, hosts: readonly HostName[]): Promise<Observed>;
  flows(host: HostName | undefined): Promise<readonly Flow[]>;
  snatUse(): Promise<readonly SnatUse[]>;
  /** Returns when the daemon is gone. */
  stop(): Promise<void>;
};

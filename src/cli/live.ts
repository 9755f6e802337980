/** A running lab, as the commands see it: the client of its daemon, with what documents and running labs have in common. */

import type { Fault } from "../arm/faults.ts";
import type { HostName } from "../ir/network.ts";
import type { LabView } from "../lab/view.ts";
import { familyOf, mustAddress } from "../net/address.ts";
import type { Key, Resource } from "../resources/resources.ts";
import type { TracePacket, Tuple } from "../trace/index.ts";
import type { Flows, Observation, ObserveRequest, ProbeRequest, ProbeResult, SnatUse, Status } from "../world/protocol.ts";

export type { Flows, Observation, ObserveRequest, ProbeRequest, ProbeResult, SnatUse, Status };

export type Documents = readonly { readonly key: Key; readonly value: Resource }[];

/** A packet for a probe. Where it says no source, the kernel of the sending host chooses: that is what the unspecified address means to it. */
export function probePacket(packet: TracePacket): Tuple {
  return { ...packet, source: packet.source ?? unspecified[familyOf(packet.destination)] };
}

/** By family. */
export const unspecified = { 4: mustAddress("0.0.0.0"), 6: mustAddress("::") } as const;

/** A line of text that says how far it has come. */
export type OnProgress = (text: string) => void;

export type Live = {
  readonly name: string;
  /** Of the daemon, as this machine sees it. */
  readonly pid: number;
  /** Its resources and network as they are now. */
  view(): Promise<LabView>;
  status(): Promise<Status>;
  /** Returns when everything is settled and answers. What Azure would refuse is a Failure, and nothing is changed. */
  apply(documents: Documents, onProgress: OnProgress): Promise<void>;
  /** Returns when what follows from it has settled. */
  addFault(fault: Fault, onProgress: OnProgress): Promise<void>;
  /** By their names. */
  removeFaults(names: readonly string[], onProgress: OnProgress): Promise<void>;
  scale(pool: string, count: number, cluster: string, onProgress: OnProgress): Promise<void>;
  /** Results come in any order. */
  probe(requests: readonly ProbeRequest[], onResult: (index: number, result: ProbeResult) => void): Promise<void>;
  observe(request: ObserveRequest): Promise<Observation>;
  flows(host: HostName | undefined): Promise<readonly Flows[]>;
  snatUse(): Promise<readonly SnatUse[]>;
  /** Returns when its processes are gone. */
  stop(): Promise<void>;
};

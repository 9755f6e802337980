/** FROM and TO of a command, resolved: what trace and probe share. */

import type { Command } from "commander";
import type { Connection } from "../kernel/index.ts";
import type { Via } from "../lab/endpoints.ts";
import { type Found, findSender, findTarget, type Sender, type Target } from "../lab/ends.ts";
import { holdsPort } from "../lab/snat.ts";
import type { LabView } from "../lab/view.ts";
import { familyOf } from "../net/address.ts";
import { type Protocol, protocolNumbers } from "../net/ports.ts";
import type { KnownConnection, Path, Step, TracePacket } from "../trace/index.ts";
import { clusterOption, namespaceOption, type PlaceOptions, protocolOption, viaOption } from "./command.ts";
import { endFailure } from "./ends.ts";
import { Failure } from "./failure.ts";
import type { Source } from "./source.ts";

export type JourneyOptions = PlaceOptions & {
  readonly via?: Via;
  readonly protocol?: Protocol;
  readonly sourcePort?: number;
  readonly ipv6?: boolean;
};

export type Journey = { readonly sender: Sender; readonly target: Target; readonly packet: TracePacket };

export function addJourney(made: Command): Command {
  return made
    .argument("<from>", "who sends: pod/NAME, deploy/NAME, node/NAME, vm/NAME, site/SITE/NAME, internet/NAME or an address")
    .argument("<to>", "where to: the same, svc/NAME, or any address; with :PORT")
    .addOption(protocolOption())
    .option("--source-port <port>", "the port to send from (default: any)", parsePort)
    .option("-6, --ipv6", "to the IPv6 address of a target that has both (default: IPv4)")
    .addOption(viaOption())
    .addOption(clusterOption())
    .addOption(namespaceOption());
}

export function findJourney(view: LabView, from: string, to: string, options: JourneyOptions): Journey {
  const { cluster, namespace, protocol, via, sourcePort, ipv6 } = options;
  const sender = must(findSender(view, from, { cluster, namespace }));
  const family = ipv6 === true ? 6 : undefined;
  const target = must(findTarget(view, to, { cluster, namespace, protocol, via, sender, family }));
  const address = familyOf(target.address) === 6 ? (sender.ipv6Address ?? sender.address) : sender.address;
  return { sender: { ...sender, address }, target, packet: packetTo(target, sourcePort) };
}

/** Without a source address: the sending host chooses as Linux does. */
export function packetTo(target: Target, sourcePort?: number): TracePacket {
  const { protocol, address, port } = target;
  if (protocol === "icmp") return { protocol, destination: address };
  return {
    protocol,
    destination: address,
    ...(port === undefined ? {} : { destinationPort: port }),
    ...(sourcePort === undefined ? {} : { sourcePort }),
  };
}

/**
 * All ways of a packet. In a running lab the hosts that draw source ports remember who has which: with none left, a new flow does not get
 * out. Only hosts that the packet may come to are asked.
 */
export async function traceJourney({ view, live }: Source, { sender, packet }: Journey): Promise<readonly Path[]> {
  const paths = view.tracer.trace(sender.host, packet);
  const drawing = new Set(paths.flatMap(({ hops }) => hops.filter(({ steps }) => steps.some(drawsPort)).map(({ host }) => host)));
  if (live === undefined || drawing.size === 0) return paths;
  const flows = (await Promise.all([...drawing].map((host) => live.flows(host)))).flat();
  const connections = new Map(flows.map((one) => [one.host, one.connections.flatMap(knownConnection)]));
  return view.tracer.trace(sender.host, packet, { connections });
}

function drawsPort(step: Step): boolean {
  return step.kind === "source-nat" && step.ports !== undefined;
}

function knownConnection({ original, reply, mark, tcpState }: Connection): KnownConnection[] {
  if (!holdsPort(tcpState)) return [];
  const protocol = (["tcp", "udp"] as const).find((name) => protocolNumbers[name] === original.protocol);
  if (protocol === undefined) return [];
  return [{ original: { ...original, protocol }, reply: { ...reply, protocol }, mark }];
}

function must<T>(result: Found<T>): T {
  if ("problem" in result) throw endFailure(result.problem);
  return result.found;
}

export function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65535) throw new Failure("usage", `${text} is no port`, { fix: "a port is a number from 1 to 65535" });
  return port;
}

/** The likeliest way first, the others in the order that they have. */
export function heaviestFirst(paths: readonly Path[]): readonly Path[] {
  return paths.slice().sort((a, b) => Number(a.representative === true) - Number(b.representative === true) || b.weight - a.weight);
}

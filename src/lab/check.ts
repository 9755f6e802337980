/**
 * Asks the model and reality the same questions: which packets to send, what of the model must always hold, and whether what was observed is one
 * of the ways that the model predicts.
 */

import { segmentAfter } from "../arm/names.ts";
import { hostPortsOf } from "../compile/host-port/host-port.ts";
import { ipv6Half } from "../compile/ipv6/half.ts";
import { balancingRules } from "../compile/load-balancer/frontends.ts";
import { machineAddresses } from "../compile/public-address/public-address.ts";
import type { ClusterInfo } from "../compile/topology.ts";
import type { HostName, Network } from "../ir/network.ts";
import { type Address, familyOf } from "../net/address.ts";
import { dispositions, type News, type Path, type TracePacket } from "../trace/index.ts";
import { serviceTargets } from "./endpoints.ts";
import type { LabView } from "./view.ts";

/** One packet to send. */
export type Question = {
  /** As ends of a journey are written, so that the question can be typed again. */
  readonly from: string;
  readonly to: string;
  readonly host: HostName;
  readonly packet: TracePacket;
  /** Options that `to` needs to mean the same again: `--via nodeport`. */
  readonly options: readonly string[];
};

type Target = {
  readonly label: string;
  readonly address: Address;
  readonly protocol: "tcp" | "udp" | "icmp";
  readonly port?: number;
  readonly host?: HostName;
  readonly options: readonly string[];
};

export type Questions = {
  /** Of all pairs. */
  readonly total: number;
  readonly asked: Iterable<Question>;
  readonly count: number;
};

/** Node ports are the same on every node: they are asked at so many, chosen by the seed. */
const nodePortsAt = 16;

/**
 * Every pair of endpoints, and every endpoint with every Service by each of its addresses, node ports and host ports at each node; or `sample` of them, chosen by `seed`. A target is asked on
 * each port that it listens on, and by ICMP when it listens on none. Source ports follow from `seed` too: a load balancer's choice
 * depends on them.
 */
export function questionsFor(lab: LabView, seed: number, sample: number | undefined): Questions {
  // Pods of the node's network send as their node does.
  const senders = lab.endpoints.filter((endpoint) => endpoint.pod?.spec.hostNetwork !== true);
  const chance = new Chance(seed);
  const firstPort = 33_000 + chance.below(20_000);
  const targets: Target[] = lab.endpoints.flatMap((endpoint): Target[] => {
    const { label, host, ipv6Address } = endpoint;
    const addresses = [
      { address: endpoint.address, options: [] },
      ...(ipv6Address === undefined ? [] : [{ address: ipv6Address, options: ["-6"] }]),
    ];
    return addresses.flatMap(({ address, options }): Target[] => {
      if (endpoint.listens.length === 0) return [{ label, address, protocol: "icmp", host, options: [...options, "--protocol", "icmp"] }];
      return endpoint.listens.map(({ port, protocol }) => ({
        label: `${label}:${port}${protocol === "udp" ? "/udp" : ""}`,
        address,
        protocol,
        port,
        host,
        options,
      }));
    });
  });
  for (const half of [lab.topology, ipv6Half(lab.topology)]) {
    if (half === undefined) continue;
    for (const { nic, address } of half.vnets.flatMap((vnet) => machineAddresses(half, vnet))) {
      for (const { port, protocol } of lab.endpoints.find(({ host }) => host === nic.host)?.listens ?? []) {
        targets.push({
          label: `${bracketed(address)}:${port}${protocol === "udp" ? "/udp" : ""}`,
          address,
          protocol,
          port,
          host: nic.host,
          options: [],
        });
      }
    }
  }
  for (const cluster of lab.topology.clusters.values()) {
    const nodes = [...cluster.nodes.values()];
    const asked = nodes.length <= nodePortsAt ? nodes : chance.sample(nodes.length, nodePortsAt).flatMap((index) => nodes[index] ?? []);
    for (const { label, address, port, protocol, via } of serviceTargets(cluster, cluster.services, asked)) {
      const udp = protocol === "udp" ? "/udp" : "";
      // Which of the nodes is told by the address only.
      if (via === "nodeport") targets.push({ label: `${bracketed(address)}:${port}${udp}`, address, protocol, port, options: [] });
      else
        targets.push({
          label: `${label}${udp}`,
          address,
          protocol,
          port,
          options: [...(familyOf(address) === 6 ? ["-6"] : []), "--via", via],
        });
    }
  }
  for (const half of [lab.topology, ipv6Half(lab.topology)]) {
    for (const cluster of half?.clusters.values() ?? []) targets.push(...hostPortTargets(cluster));
  }
  targets.push(...frontendTargets(lab));
  const total = senders.length * targets.length;
  const numbers = sample === undefined || sample >= total ? range(total) : chance.sample(total, sample);
  function* ask(): Generator<Question> {
    let asked = 0;
    for (const number of numbers) {
      const sender = senders[Math.floor(number / targets.length)];
      const target = targets[number % targets.length];
      if (sender === undefined || target === undefined || sender.host === target.host) continue;
      // Ports are all different for as long as there are any, so that no connection meets another one's translation.
      const sourcePort = 33_000 + ((firstPort - 33_000 + asked++) % 27_000);
      const { address: destination, protocol, port } = target;
      yield {
        from: sender.label,
        to: target.label,
        host: sender.host,
        packet:
          protocol === "icmp" || port === undefined
            ? { protocol: "icmp", destination }
            : { protocol, destination, destinationPort: port, sourcePort },
        options: [...target.options, ...(protocol === "icmp" ? [] : ["--source-port", String(sourcePort)])],
      };
    }
  }
  return { total, asked: { [Symbol.iterator]: ask }, count: numbers.length };
}

/** Ports that a rule for all ports is asked at. */
const somePorts = [80, 443] as const;

/** Of load balancers of one's own, in front of machines: those of Services are asked as their Services. */
function frontendTargets({ topology }: LabView): Target[] {
  const services = new Set([...topology.clusters.values()].map(({ resource }) => resource.properties.nodeResourceGroup.toLowerCase()));
  return topology.vnets.flatMap((vnet) =>
    balancingRules(topology, vnet).flatMap(({ balancer, frontend: address, protocol, frontendPort }): Target[] => {
      if (services.has(segmentAfter(balancer.id, "resourceGroups").toLowerCase())) return [];
      const target = (proto: "tcp" | "udp", port: number): Target => ({
        label: `${bracketed(address)}:${port}${proto === "udp" ? "/udp" : ""}`,
        address,
        protocol: proto,
        port,
        options: [],
      });
      if (protocol !== "all") return [target(protocol, frontendPort)];
      return [...somePorts.map((port) => target("tcp", port)), target("udp", 53)];
    }),
  );
}

/** A host port is a pod's: each is asked at its node. */
function hostPortTargets(cluster: ClusterInfo): Target[] {
  return [...cluster.nodes].flatMap(([name, { nic }]) =>
    hostPortsOf(cluster, cluster.podsByNode.get(name) ?? []).map(({ hostAddress = nic.primary, protocol, port }) => {
      const udp = protocol === "udp" ? "/udp" : "";
      return { label: `${bracketed(hostAddress)}:${port}${udp}`, address: hostAddress, protocol, port, options: [] };
    }),
  );
}

/** As it stands before a port. */
function bracketed(address: string): string {
  return address.includes(":") ? `[${address}]` : address;
}

function endText(address = "nobody", port?: number | string): string {
  return port === undefined ? address : `${bracketed(address)}:${port}`;
}

function range(count: number): { readonly length: number } & Iterable<number> {
  return {
    length: count,
    *[Symbol.iterator]() {
      for (let number = 0; number < count; number++) yield number;
    },
  };
}

/** Reproducible chance: mulberry32. */
export class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 … limit - 1. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit);
  }

  /** `count` different numbers of 0 … total - 1, ascending (Floyd's algorithm). */
  sample(total: number, count: number): readonly number[] {
    const chosen = new Set<number>();
    for (let last = total - count; last < total; last++) {
      const number = this.below(last + 1);
      chosen.add(chosen.has(number) ? last : number);
    }
    return [...chosen].sort((a, b) => a - b);
  }
}

/** What must hold for every packet, whatever the lab. Returns what does not. */
export function brokenInvariants(question: Question, paths: readonly Path[]): string[] {
  const broken: string[] = [];
  const weight = paths.reduce((sum, path) => sum + path.weight, 0);
  if (Math.abs(weight - 1) > 1e-9) broken.push(`the weights of its ${paths.length} ways add up to ${weight}, not 1`);
  for (const path of paths) {
    if (!dispositions.includes(path.outcome)) broken.push(`it ends as ${path.outcome}, which is no outcome`);
    if (path.hops[0]?.host !== question.host) broken.push(`its first hop is ${path.hops[0]?.host}, not its sender ${question.host}`);
    if (path.outcome === "delivered") {
      if (path.return === undefined) broken.push("it is delivered, and nothing is said about the reply");
      else if (path.return.outcome !== "delivered") broken.push(`it is delivered, but the reply ends as ${path.return.outcome}`);
      else if (path.return.hops.at(-1)?.host !== question.host)
        broken.push(`the reply ends at ${path.return.hops.at(-1)?.host}, not at its sender`);
    } else if (
      path.news?.way !== undefined &&
      path.news.heard !== (path.news.way.hops.at(-1)?.host === question.host && path.news.way.outcome === "delivered")
    ) {
      broken.push(
        `${path.news.message} is ${path.news.heard ? "" : "not "}heard, but ends at ${path.news.way.hops.at(-1)?.host} as ${path.news.way.outcome}`,
      );
    } else if (path.decidedBy === undefined && path.return?.decidedBy === undefined) {
      broken.push(`it ends as ${path.outcome}, and nothing is said to have decided that`);
    }
  }
  return broken;
}

/** What a probe says. */
export type Observation = {
  /** unsupported: it could not be sent at all; `problem` says why. */
  readonly outcome: "answered" | "refused" | "timeout" | "unreachable" | "unsupported";
  /** As the receiver saw it. */
  readonly source?: { readonly address: string; readonly port?: number };
  /** A connection came about, and nothing else. */
  readonly isSilent?: boolean;
  /** Who answered: what its stand-in calls itself. */
  readonly receiver?: string;
  readonly problem?: string;
};

/** Ways of a packet that are followed, so that none which the kernel may take is left out: node, pod and part of a range of ports are each chance. */
export const mostWays = 2048;

/** One of the ways that the model allows, in the words of an observation. */
export type Expectation = {
  readonly weight: number;
  readonly path: Path;
  /** One, but for news that Linux holds back or sends late: see {@link expectationOf}. */
  readonly outcomes: readonly Observation["outcome"][];
  readonly receiver?: string;
  readonly source?: Address;
  readonly sourcePort?: number;
  readonly sourcePorts?: { readonly first: number; readonly last: number };
  /** Nobody says who answers: the connection is one of the sender's side only. */
  readonly isSilent?: true;
};

/**
 * What a probe that waits for `timeoutMs` should see of a path.
 *
 * Two kinds of news leave it open whether the probe hears in time: routing errors, of which a host sends a sender five at once and then one a second
 * (`limited`), and that nobody has the next hop's address, which is told three seconds after the *first* packet that asked, whoever sent that.
 */
export function expectationOf(network: Network, path: Path, timeoutMs = 1000): Expectation {
  const base = { weight: path.weight, path };
  const { news, received } = path;
  // The sender's system has its connection; whoever accepts it never hears of that, or is never heard.
  if (path.acknowledgement !== undefined || path.answer !== undefined) return { ...base, outcomes: ["answered"], isSilent: true };
  if (path.outcome !== "delivered") {
    if (news === undefined || !news.heard) return { ...base, outcomes: ["timeout"] };
    const told = newsOutcomes[news.message];
    const isLate = news.afterSeconds !== undefined && timeoutMs < (news.afterSeconds + 1) * 1000;
    return { ...base, outcomes: news.limited === true || isLate ? [told, "timeout"] : [told] };
  }
  const receiver = received === undefined ? undefined : answererOf(network, received);
  if (received === undefined || receiver === undefined) return { ...base, outcomes: ["answered"] };
  const { source, sourcePort, sourcePorts } = received;
  const ports = sourcePorts === undefined ? (sourcePort === undefined ? {} : { sourcePort }) : { sourcePorts };
  return { ...base, outcomes: ["answered"], receiver, source, ...ports };
}

/** ip(7), tcp(7): what a program is told. */
const newsOutcomes: Readonly<Record<News["message"], Observation["outcome"]>> = {
  "tcp reset": "refused",
  "icmp port-unreachable": "refused",
  "icmp admin-prohibited": "unreachable",
  "icmp net-unreachable": "unreachable",
  "icmp host-unreachable": "unreachable",
  "icmp time-exceeded": "unreachable",
  ENETUNREACH: "unreachable",
  EHOSTUNREACH: "unreachable",
  EINVAL: "unreachable",
  EACCES: "unreachable",
};

/** What the listener that a packet reached calls itself; `undefined` for one that only answers fixed pages, and for ICMP. */
function answererOf(network: Network, received: NonNullable<Path["received"]>): string | undefined {
  const { host, protocol, destination, destinationPort } = received;
  const listeners = network.host(host)?.listeners.filter((one) => one.protocol === protocol && one.port === destinationPort) ?? [];
  const listener = listeners.find((one) => one.address === destination) ?? listeners.find((one) => one.address === undefined);
  return listener?.answer.kind === "identity" ? listener.answer.as : undefined;
}

/** Is it one of the ways that were predicted? */
export function agrees(observed: Observation, expected: readonly Expectation[]): boolean {
  return expected.some((one) => {
    if (!agreesButForPort(observed, one)) return false;
    if (observed.outcome !== "answered" || one.receiver === undefined) return true;
    const port = observed.source?.port;
    if (port === undefined) return true;
    if (one.sourcePorts !== undefined) return port >= one.sourcePorts.first && port <= one.sourcePorts.last;
    return one.sourcePort === undefined || port === one.sourcePort;
  });
}

function agreesButForPort(observed: Observation, one: Expectation): boolean {
  if (!one.outcomes.includes(observed.outcome)) return false;
  if (one.isSilent === true) return observed.receiver === undefined;
  if (observed.outcome !== "answered" || one.receiver === undefined) return true;
  return observed.receiver === one.receiver && observed.source?.address === one.source;
}

/**
 * The question that settles an answer that did not agree. A trace is of a flow that is alone in the network, and flows that are not alone meet in
 * the ports of an address that they share: when nothing but the port is unexpected, the same question as a flow of its own.
 */
export function askedAgain(question: Question, observed: Observation, expected: readonly Expectation[]): Question {
  const { packet } = question;
  if (packet.protocol === "icmp" || packet.sourcePort === undefined) return question;
  if (!expected.some((one) => agreesButForPort(observed, one))) return question;
  // Below all ports that questions have, and below node ports.
  const sourcePort = 10_000 + (packet.sourcePort % 19_000);
  const options = question.options.map((option, index) => (question.options[index - 1] === "--source-port" ? String(sourcePort) : option));
  return { ...question, packet: { ...packet, sourcePort }, options };
}

/** "answered by vm/db, which saw 10.240.0.4:1024-2047 (50 %)". */
export function expectationText(one: Expectation): string {
  const share = one.weight > 0.9999 ? "" : ` (${Number((one.weight * 100).toPrecision(3))} %)`;
  if (one.outcomes[0] !== "answered") return `${one.path.outcome}, seen as ${one.outcomes.join(" or ")}${share}`;
  if (one.isSilent === true) return `asymmetric, seen as a connection on which nobody says anything${share}`;
  if (one.receiver === undefined) return `answered${share}`;
  const port = one.sourcePorts === undefined ? one.sourcePort : `${one.sourcePorts.first}-${one.sourcePorts.last}`;
  return `answered by ${one.receiver}, which saw ${endText(one.source, port)}${share}`;
}

export function observationText(observed: Observation): string {
  if (observed.outcome === "unsupported") return `not sent: ${observed.problem ?? "unsupported"}`;
  if (observed.outcome !== "answered") return observed.outcome;
  const { source, receiver } = observed;
  if (observed.isSilent === true) return "connected, and silent then: nothing that is said after the handshake arrives";
  if (receiver === undefined) return "answered";
  return `answered by ${receiver}, which saw ${endText(source?.address, source?.port)}`;
}

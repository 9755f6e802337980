/** What the kernel did with a packet, laid beside what was predicted: hop by hop, there and back. */

import type { HostName } from "../ir/network.ts";
import type { LabView } from "../lab/view.ts";
import { familyOf } from "../net/address.ts";
import { protocolNumber } from "../net/ports.ts";
import { padTo, type Style, widthOf } from "../render/style.ts";
import type { Hop, Path, PortRange, TracePacket, Tuple } from "../trace/index.ts";
import { type Live, type Observation, probePacket, unspecified } from "./live.ts";

type Pass = Observation["forward"][number];
type KernelTuple = Pass["before"];

export type Comparison = {
  readonly agrees: boolean;
  /** The predicted way that the kernel took, or came nearest to. */
  readonly path: Path;
  readonly forward: readonly Line[];
  readonly reply: readonly Line[];
};

/** `predicted` or `observed` is absent where the other one went elsewhere. */
export type Line = { readonly agrees: boolean; readonly predicted?: Hop; readonly observed?: Pass };

export type ObserveOptions = {
  /** For the packet, and again for its reply. Default 2000. */
  readonly timeoutMs?: number;
  /** Watch all routers too, to see where a packet went that did not go as predicted. Each host watched takes the kernel some 60 ms. */
  readonly routers?: boolean;
};

/** Sends the packet, and watches every host that any predicted way passes. */
export async function observeJourney(
  view: LabView,
  live: Live,
  from: HostName,
  packet: TracePacket,
  paths: readonly Path[],
  options: ObserveOptions = {},
): Promise<{ readonly observation: Observation; readonly comparison: Comparison }> {
  const { timeoutMs = 2000, routers = false } = options;
  const hosts = new Set<HostName>(
    routers ? view.network.names().filter((name) => view.network.host(name)?.forwarding === true && isRouter(name)) : [],
  );
  for (const path of paths) for (const hop of [...path.hops, ...(path.return?.hops ?? [])]) hosts.add(hop.host);
  // Replies are told from requests by the addresses that were sent: ICMP's look alike otherwise. The source is the one that Linux would choose.
  const source = packet.source ?? paths[0]?.hops[0]?.before.source;
  const sent = probePacket(source === undefined ? packet : { ...packet, source });
  const observation = await live.observe({ from, packet: sent, hosts: [...hosts], timeoutMs });
  return { observation, comparison: compare(paths, observation) };
}

/** Nodes forward too, and there may be thousands of them. */
function isRouter(name: HostName): boolean {
  return !name.startsWith("node/");
}

/** The best of the ways. */
export function compare(paths: readonly Path[], observation: Observation): Comparison {
  const all = paths.map((path): Comparison => {
    const ranges = portRanges(path);
    // A packet that got no source, since its sender has no way for it, is none: there is nothing to see.
    const sent = path.hops.filter((hop) => hop.before.source !== unspecified[familyOf(hop.before.source)]);
    // Where no port is left, the kernel translates to one that is taken and then drops the packet, which is seen no more.
    const last = path.outcome === "exhausted" ? path.hops.at(-1) : undefined;
    const forward = lines(sent, observation.forward, ranges, last);
    const reply = lines(path.return?.hops ?? [], observation.reply, ranges);
    // A reply that was lost on its way may never have been seen by the sender's own packet either: then only the way there can be compared.
    const both = path.outcome === "delivered" ? [...forward, ...reply] : forward;
    return { agrees: both.every((line) => line.agrees), path, forward, reply: path.outcome === "delivered" ? reply : [] };
  });
  const score = (one: Comparison) => [...one.forward, ...one.reply].filter((line) => line.agrees).length;
  const [best] = all.sort((a, b) => Number(b.agrees) - Number(a.agrees) || score(b) - score(a));
  if (best === undefined) throw new Error("a trace has no paths");
  return best;
}

/** `untranslated`: the hop whose outcome is not compared. */
function lines(hops: readonly Hop[], passes: readonly Pass[], ranges: readonly PortRange[], untranslated?: Hop): Line[] {
  // Only IP is watched: bridges between interfaces let packets pass unseen.
  const routed = hops.filter((hop) => !hop.steps.some((step) => step.kind === "switch") || hop.steps.some((step) => step.kind === "route"));
  const rest = [...passes];
  const found = routed.map((hop): Line => {
    const index = rest.findIndex((pass) => pass.host === hop.host && sameTuple(hop.before, pass.before, ranges));
    const pass = index < 0 ? undefined : rest.splice(index, 1)[0];
    if (pass === undefined) return { agrees: false, predicted: hop };
    return { agrees: hop === untranslated || sameTuple(hop.after, pass.after, ranges), predicted: hop, observed: pass };
  });
  return [...found, ...rest.map((observed): Line => ({ agrees: false, observed }))];
}

/** Ports that the way draws by chance. */
function portRanges(path: Path): PortRange[] {
  const steps = [...path.hops, ...(path.return?.hops ?? [])].flatMap((hop) => hop.steps);
  return steps.flatMap((step) => step.ports ?? []);
}

function sameTuple(predicted: Tuple, observed: KernelTuple, ranges: readonly PortRange[]): boolean {
  return (
    protocolNumber(predicted.protocol, familyOf(predicted.destination)) === observed.protocol &&
    predicted.source === observed.source &&
    predicted.destination === observed.destination &&
    samePort(predicted.sourcePort, observed.sourcePort, ranges) &&
    samePort(predicted.destinationPort, observed.destinationPort, ranges)
  );
}

function samePort(predicted: number | undefined, observed: number | undefined, ranges: readonly PortRange[]): boolean {
  if (predicted === undefined || observed === undefined || predicted === observed) return true;
  return ranges.some(({ first, last }) => predicted >= first && predicted <= last && observed >= first && observed <= last);
}

/** What the text says, as data: hop by hop, there and then back. */
export function comparisonData({ forward, reply }: Comparison): readonly unknown[] {
  const hop = (direction: "forward" | "reply") => (line: Line) => {
    const { agrees, predicted, observed } = line;
    return {
      direction,
      host: predicted?.host ?? observed?.host,
      agrees,
      ...(predicted === undefined ? {} : { predicted: { before: predicted.before, after: predicted.after } }),
      ...(observed === undefined
        ? {}
        : { observed: { before: observed.before, after: observed.after, end: observed.end, rules: ruleWords(observed) } }),
    };
  };
  return [...forward.map(hop("forward")), ...reply.map(hop("reply"))];
}

/** In one line each: where they part. */
export function differences({ forward, reply }: Comparison): readonly { readonly predicted: string; readonly observed: string }[] {
  return [...forward, ...reply]
    .filter((line) => !line.agrees)
    .map(({ predicted, observed }) => ({
      predicted: predicted === undefined ? "does not come by" : `${predicted.host}: ${change(predicted.before, predicted.after)}`,
      observed:
        observed === undefined ? "did not come by" : `${observed.host}: ${change(observed.before, observed.after)}${endWords(observed)}`,
    }));
}

export function renderComparison({ agrees, forward, reply }: Comparison, observation: Observation, style: Style): string {
  const parts = [section("observed on its way there", forward, style)];
  if (reply.length > 0) parts.push(section("observed on its way back", reply, style));
  if (observation.lost) parts.push(`${style.yellow("the kernel had to leave out some of what happened")}\n`);
  parts.push(
    agrees ? `${style.green("the kernel did what was predicted")}\n` : `${style.red("the kernel did something else than was predicted")}\n`,
  );
  return parts.join("\n");
}

function section(title: string, list: readonly Line[], style: Style): string {
  const cells = list.map(({ agrees, predicted, observed }) => {
    const kernel = observed === undefined ? "did not come by" : `${change(observed.before, observed.after)}${endWords(observed)}`;
    const model = predicted === undefined ? "does not come by" : change(predicted.before, predicted.after);
    return {
      agrees,
      host: predicted?.host ?? observed?.host ?? "",
      model,
      kernel,
      rules: observed === undefined ? [] : ruleWords(observed),
    };
  });
  const width = Math.max(0, ...cells.map(({ host }) => widthOf(host)));
  const lines = cells.flatMap(({ agrees, host, model, kernel, rules }) => [
    `  ${agrees ? style.green("=") : style.red("!")} ${padTo(style.bold(host), width)}  ${kernel}`,
    ...(agrees ? [] : [`    ${padTo("", width)}  ${style.red(`predicted: ${model}`)}`]),
    ...rules.map((rule) => `    ${padTo("", width)}  ${style.dim(rule)}`),
  ]);
  return `${style.bold(title)}\n${lines.join("\n")}\n`;
}

/** `10.244.0.2:33000 > 10.240.4.4:5432`, and what it became. */
function change(before: Tuple | KernelTuple, after: Tuple | KernelTuple): string {
  const [was, is] = [ends(before), ends(after)];
  return was === is ? was : `${was}  becomes  ${is}`;
}

function ends({ source, sourcePort, destination, destinationPort }: Tuple | KernelTuple): string {
  const bracketed = (address: string) => (address.includes(":") ? `[${address}]` : address);
  const end = (address: string, port: number | undefined) => (port === undefined ? address : `${bracketed(address)}:${port}`);
  return `${end(source, sourcePort)} > ${end(destination, destinationPort)}`;
}

function endWords({ end, outInterface }: Pass): string {
  switch (end) {
    case "left":
      return outInterface === undefined ? "" : `  out by ${outInterface}`;
    case "delivered":
      return "  delivered";
    case "dropped":
      return "  dropped";
    case "unrouted":
      return "  not routed";
    default:
      throw new Error(`unknown end ${String(end satisfies never)}`);
  }
}

/** The rules that the packet met, by their comments, which say why they are there. */
function ruleWords({ events }: Pass): string[] {
  const words = events.flatMap(({ type, table, chain, rule, verdict, target }) => {
    if (type !== "rule" || rule?.comment === undefined) return [];
    return [`${table} ${chain}: ${verdict === "goto" || verdict === "jump" ? `${verdict} ${target ?? ""}` : verdict}, ${rule.comment}`];
  });
  return [...new Set(words)];
}

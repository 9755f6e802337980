/**
 * Traces as text for people: where a packet went, what changed it and why, how it ended, and in short how the reply came back.
 *
 *     tcp 10.244.0.2:32768 > 10.0.0.10:80
 *
 *       pod/shop/default/web-1    > eth0
 *       node/shop/aks-0           cbr0 > eth0
 *         to 10.244.1.3:8080      Service default/web port 80: endpoint 2 of 3, api-2
 *         10.244.1.0/24 via 10.240.0.5    route of node aks-1 for its pods
 *       …
 *     delivered to pod/shop/default/api-2, which saw 10.244.0.2:32768
 *       reply: pod/shop/default/api-2, node/shop/aks-1, …, translated back on node/shop/aks-0
 */

import type { Hop, News, Path, Step, Tuple } from "../trace/result.ts";
import { padTo, plain, type Style, widthOf } from "./style.ts";

export type TraceTextOptions = {
  /** Default: no colour. */
  readonly style?: Style;
  /** Who has an address, for example "pod default/web-1"; said behind the addresses of the packet as sent and as received. */
  readonly owner?: (address: string) => string | undefined;
  /** Every step, and the reply's way as fully as the packet's. */
  readonly verbose?: boolean;
};

/** All the ways of one packet: the first in full, the others in a line each, or all in full when verbose. */
export function renderPaths(paths: readonly Path[], options: TraceTextOptions = {}): string {
  const [first, ...others] = paths;
  if (first === undefined) return "";
  if (others.length === 0) return renderPath(first, options);
  const { dim } = options.style ?? plain;
  if (options.verbose === true) {
    return paths
      .map((path, at) => `${dim(`way ${at + 1} of ${paths.length}, ${percent(path.weight)}`)}\n${renderPath(path, options)}`)
      .join("\n");
  }
  // Ways that end alike are one line here.
  const byOutcome = new Map<string, number>();
  for (const path of others) {
    const text = outcomeText(path, options) + (path.representative === true ? dim(" (stands for the rest)") : "");
    byOutcome.set(text, (byOutcome.get(text) ?? 0) + path.weight);
  }
  const lines = [...byOutcome].map(([text, weight]) => `  ${percent(weight).padStart(6)}  ${text}`);
  return `${dim(`one of ${paths.length} ways, ${percent(first.weight)}`)}\n${renderPath(first, options)}${dim("other ways")}\n${lines.join("\n")}\n`;
}

/** One way of a packet. Ends with a line break. */
export function renderPath(path: Path, options: TraceTextOptions = {}): string {
  const style = options.style ?? plain;
  const sent = path.hops[0]?.before;
  const lines: string[] = [];
  if (sent !== undefined) lines.push(style.bold(tupleText(sent)) + style.dim(ownersText(sent, options)), "");
  lines.push(...hopLines(path.hops, options), "", outcomeText(path, options));
  if (path.return !== undefined) lines.push(...returnLines(path.return, options));
  if (path.acknowledgement !== undefined) {
    lines.push("", style.dim("acknowledgement"), ...hopLines(path.acknowledgement.hops, options));
  }
  if (path.answer !== undefined) lines.push("", style.dim("answer"), ...hopLines(path.answer.hops, options));
  if (path.news !== undefined) lines.push(...newsLines(path.news, options));
  return `${lines.join("\n")}\n`;
}

/** `tcp 10.0.0.1:1000 > 10.0.0.2:80`. */
export function tupleText({ protocol, source, sourcePort, destination, destinationPort }: Tuple): string {
  return `${protocol} ${endText(source, sourcePort)} > ${endText(destination, destinationPort)}`;
}

/** Text at the left, and the reason for it at the right. */
type Line = { readonly indent: number; readonly left: string; readonly right?: string };

function hopLines(hops: readonly Hop[], options: TraceTextOptions): string[] {
  const style = options.style ?? plain;
  const lines = hops.flatMap((hop, at): Line[] => [
    { indent: 2, left: style.bold(hop.host), right: interfacesText(hop) },
    ...hop.steps.flatMap((step) => stepLine(step, hop, at > 0, options)),
  ]);
  // One far longer than the others does not push all reasons out of sight.
  const width = Math.min(Math.max(...lines.map(({ indent, left }) => indent + widthOf(left))), 52);
  return lines.map(({ indent, left, right }) => {
    const start = " ".repeat(indent) + left;
    return right === undefined || right === "" ? start : `${padTo(start, width)}  ${style.dim(right)}`;
  });
}

function interfacesText({ inInterface, outInterface }: Hop): string {
  if (outInterface === undefined) return inInterface === undefined ? "" : `in by ${inInterface}`;
  return inInterface === undefined ? `out by ${outInterface}` : `${inInterface} > ${outInterface}`;
}

/** Nothing for steps that only say what the hops say already. */
function stepLine(step: Step, hop: Hop, forwarded: boolean, options: TraceTextOptions): Line[] {
  const style = options.style ?? plain;
  const right = step.origin?.reason ?? "";
  const line = (left: string): Line[] => [{ indent: 4, left, right }];
  switch (step.kind) {
    case "source-nat":
    case "destination-nat":
    case "reverse-nat":
      return line(style.yellow(changeText(step)));
    case "choose":
      return line(style.cyan(step.what));
    case "accept":
      return line(style.green(step.what));
    case "reject":
    case "drop":
    case "refuse":
      return line(style.red(step.what));
    case "route":
      return options.verbose === true || (forwarded && hop.outInterface !== undefined) || isEnd(step, hop) ? line(step.what) : [];
    case "neighbour":
      return options.verbose === true || isEnd(step, hop) ? line(step.what) : [];
    case "switch":
      return line(step.what);
    default:
      return options.verbose === true ? line(step.what) : [];
  }
}

function isEnd(step: Step, hop: Hop): boolean {
  return hop.outInterface === undefined && hop.steps.at(-1) === step;
}

/** Only what changed: "source 10.244.0.2 becomes 10.240.0.4", with ports where they change. */
function changeText({ kind, before, after, ports, what }: Step): string {
  if (before === undefined || after === undefined) return what;
  const changed = before.source !== after.source || before.sourcePort !== after.sourcePort ? "source" : "destination";
  const [from, to] = [before, after].map((tuple) =>
    changed === "source" ? ([tuple.source, tuple.sourcePort] as const) : ([tuple.destination, tuple.destinationPort] as const),
  );
  if (from === undefined || to === undefined) return what;
  const withPorts = from[1] !== to[1];
  const drawn = ports === undefined ? endText(to[0], withPorts ? to[1] : undefined) : `${bracketed(to[0])}:${ports.first}-${ports.last}`;
  return `${changed} ${endText(from[0], withPorts ? from[1] : undefined)} ${kind === "reverse-nat" ? "back to" : "becomes"} ${drawn}`;
}

/** How it ended, in one line: "delivered to vm/db, which saw 10.240.0.4". */
export function outcomeText(path: Omit<Path, "weight">, options: TraceTextOptions): string {
  const style = options.style ?? plain;
  const { outcome, received } = path;
  const saw = received === undefined ? "" : `, which saw ${seenText(received)}${style.dim(ownerText(received.source, options))}`;
  if (outcome === "delivered") return `${style.green(outcome)} to ${received?.host ?? path.hops.at(-1)?.host ?? "nobody"}${saw}`;
  if (outcome !== "asymmetric" || path.return === undefined) return `${style.red(outcome)}${decisionText(path)}`;
  const { acknowledgement: third, answer, parted } = path;
  const reached = `${style.red(outcome)}: reached ${received?.host ?? "its receiver"}${saw}`;
  const lost =
    answer !== undefined
      ? `, which accepts the connection, but what it says then ends as ${answer.outcome}${decisionText(answer)}`
      : third === undefined
        ? `, but the reply ends as ${path.return.outcome}${decisionText(path.return)}`
        : `, whose reply arrives, but the packet that completes the handshake ends as ${third.outcome}${decisionText(third)}`;
  return `${reached}${lost}${parted === undefined ? "" : `; the directions part at ${parted.host}: there from ${parted.there}, back to ${parted.back}`}`;
}

/** " on node/one, chain filter forward: why". */
function decisionText({ decidedBy, outcome, hops }: Omit<Path, "weight">): string {
  if (decidedBy === undefined) return "";
  const last = hops.at(-1)?.steps.at(-1);
  const what = last === undefined || last.what === outcome ? undefined : last.what;
  // Rules and routes have reasons of somebody; the rest says all by itself.
  const reasoned = /^(chain|table) /.test(decidedBy.element) || what === undefined;
  const reason = reasoned ? decidedBy.origin?.reason : undefined;
  return ` on ${decidedBy.host}, ${[what ?? decidedBy.element, reason].filter((part) => part !== undefined).join(": ")}`;
}

function returnLines(back: Omit<Path, "weight">, options: TraceTextOptions): string[] {
  const style = options.style ?? plain;
  if (options.verbose === true || back.outcome !== "delivered") {
    return [
      "",
      style.dim("reply"),
      ...hopLines(back.hops, options),
      ...(back.outcome === "delivered" ? [] : ["", outcomeText(back, options)]),
    ];
  }
  const undone = [...new Set(back.hops.flatMap((hop) => (hop.steps.some((step) => step.kind === "reverse-nat") ? [hop.host] : [])))];
  const translated = undone.length === 0 ? "" : `, translated back on ${undone.join(" and ")}`;
  return [style.dim(`  reply: ${back.hops.map((hop) => hop.host).join(", ")}${translated}`)];
}

/** Whether the sender learns that its packet was lost. */
function newsLines({ message, heard, way, afterSeconds, limited }: News, options: TraceTextOptions): string[] {
  const style = options.style ?? plain;
  const more = [
    ...(afterSeconds === undefined ? [] : [`after ${afterSeconds} seconds`]),
    ...(limited === true ? ["five times, then once a second"] : []),
  ];
  const text = more.length === 0 ? message : `${message} (${more.join(", ")})`;
  if (way === undefined) return [style.dim(`  the sender is told by its own system: ${text}`)];
  if (heard && options.verbose !== true)
    return [style.dim(`  the sender is told: ${text} by way of ${way.hops.map((hop) => hop.host).join(", ")}`)];
  const outcome = heard ? [] : ["", `the sender is not told: ${text} ${outcomeText(way, options)}`];
  return ["", style.dim(text), ...hopLines(way.hops, options), ...outcome];
}

function percent(weight: number): string {
  const value = weight * 100;
  return `${value >= 10 || Number.isInteger(value) ? value.toFixed(0) : value.toPrecision(2)} %`;
}

function seenText(received: NonNullable<Path["received"]>): string {
  if (received.sourcePorts === undefined) return endText(received.source, received.sourcePort);
  return `${bracketed(received.source)}:${received.sourcePorts.first}-${received.sourcePorts.last}`;
}

function ownersText(tuple: Tuple, options: TraceTextOptions): string {
  const names = [tuple.source, tuple.destination].map((address) => options.owner?.(address));
  return names.every((name) => name === undefined) ? "" : `   ${names.map((name) => name ?? "?").join(" > ")}`;
}

function ownerText(address: string, options: TraceTextOptions): string {
  const owner = options.owner?.(address);
  return owner === undefined ? "" : ` (${owner})`;
}

function endText(address: string, port: number | undefined): string {
  return port === undefined ? address : `${bracketed(address)}:${port}`;
}

function bracketed(address: string): string {
  return address.includes(":") ? `[${address}]` : address;
}

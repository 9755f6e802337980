/** The journeys as text: path, translations with their cause, and what the receiver saw. */

import type { HostName } from "../../ir/network.ts";
import { expectationOf, expectationText, observationText } from "../../lab/check.ts";
import type { LabView } from "../../lab/view.ts";
import { padTo, type Style } from "../../render/style.ts";
import type { Path, Step } from "../../trace/index.ts";
import { type Measured, timeoutMs } from "./measure.ts";

/** "node …000000": what tells a host from its neighbours. */
export function shortHost(host: HostName): string {
  const parts = host.split("/");
  const last = parts.at(-1) ?? host;
  switch (parts[0]) {
    case "vnet":
      return `VNet ${last}`;
    case "edge":
      return `edge of ${last}`;
    case "node":
      return `node …${last.slice(-6)}`;
    case "pod":
      return `pod ${last}`;
    case "vm":
      return `VM ${last}`;
    case "site":
      return parts.length === 2 ? `gateway of ${last}` : `${last} at ${parts[1]}`;
    case "internet":
      return parts.length === 1 ? "Internet" : last;
    default:
      return host;
  }
}

export function pathText(path: Path): string {
  return path.hops.map((hop) => shortHost(hop.host)).join(" → ");
}

/** What changed the packet on its way, in order. */
export function translations(
  path: Path,
): readonly { readonly host: HostName; readonly step: Step; readonly text: string; readonly cause: string }[] {
  return path.hops.flatMap((hop) =>
    hop.steps
      .filter((step) => step.kind === "source-nat" || step.kind === "destination-nat")
      .flatMap((step) => {
        const { before, after, ports } = step;
        if (before === undefined || after === undefined) return [];
        const isSource = step.kind === "source-nat";
        const [from, to] = isSource ? [before.source, after.source] : [before.destination, after.destination];
        const [fromPort, toPort] = isSource ? [before.sourcePort, after.sourcePort] : [before.destinationPort, after.destinationPort];
        if (from === to && fromPort === toPort && ports === undefined) return [];
        const drawn = ports === undefined ? (fromPort === toPort ? "" : `:${toPort}`) : `:${ports.first}-${ports.last}`;
        const text = `${isSource ? "source" : "destination"} ${from}${drawn !== "" && ports === undefined ? `:${fromPort}` : ""} → ${to}${drawn}`;
        return [{ host: hop.host, step, text, cause: step.origin?.reason ?? step.what }];
      }),
  );
}

/** What a load balancer or a Service's rules chose, and how. */
function choices(path: Path): readonly { readonly host: HostName; readonly text: string }[] {
  return path.hops.flatMap((hop) =>
    hop.steps.flatMap((step) => (step.kind === "choose" ? [{ host: hop.host, text: step.origin?.reason ?? step.what }] : [])),
  );
}

/** One leg in one cluster. */
export function legText(view: LabView, title: string, measured: Measured, style: Style): string {
  const { leg, path, observed, agrees } = measured;
  const owner = (address: string) => {
    const name = view.owners.get(address)?.owner;
    return name === undefined ? "" : ` (${shortOwner(name)})`;
  };
  const line = (name: string, text: string) => `    ${style.dim(padTo(name, 12))}${text}\n`;
  const lines = [`  ${style.bold(title)}  ${style.dim(`${leg.from.address} > ${leg.packet.destination}:${leg.packet.destinationPort}`)}\n`];
  lines.push(line("path", pathText(path)));
  for (const { host, text } of choices(path)) lines.push(line("chosen", `${text} on ${shortHost(host)}`));
  const changes = translations(path);
  if (changes.length === 0) lines.push(line("translated", "nothing"));
  for (const { host, text, cause } of changes) {
    lines.push(line("translated", `${style.yellow(text)} on ${shortHost(host)}`), line("", style.dim(`because ${cause}`)));
  }
  if (observed.outcome === "answered") {
    const { source, receiver, rttMs } = observed;
    const time = rttMs === undefined ? "" : style.dim(`  ${rttMs.toFixed(2)} ms`);
    const saw = source === undefined ? "?" : `${source.address}${owner(source.address)}`;
    lines.push(line("measured", `${style.green(`${receiver === undefined ? "receiver" : shortHost(receiver)} saw ${saw}`)}${time}`));
  } else {
    const { decidedBy } = path;
    const why = decidedBy?.origin?.reason ?? decidedBy?.element;
    lines.push(line("measured", `${style.red("does not arrive")} (${observed.outcome})`));
    if (path.outcome !== "delivered" && decidedBy !== undefined) {
      lines.push(line("because", `${path.outcome} at ${shortHost(decidedBy.host)}${why === undefined ? "" : `: ${why}`}`));
    }
  }
  if (!agrees) {
    lines.push(line("predicted", style.red(expectationText(expectationOf(view.network, path, timeoutMs)))));
    lines.push(line("observed", style.red(observationText(observed))));
  }
  return lines.join("");
}

/** `shop-kubenet:node/aks-…000000` as `node …000000`. */
function shortOwner(owner: string): string {
  const end = owner.slice(owner.indexOf(":") + 1);
  const [namespaceOrKind = "", kindOrName = "", name] = end.split("/");
  if (namespaceOrKind === "node") return `node …${kindOrName.slice(-6)}`;
  if (name !== undefined && kindOrName === "pod") return `pod ${name}`;
  return end;
}

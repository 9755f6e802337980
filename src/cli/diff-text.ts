/** Two designs side by side, for people: what of their flows differs, grouped, and what must follow. */

import type { Consequences } from "../flows/consequences.ts";
import { type ChangeKind, changeKinds, type FlowChange, type FlowDiff, type Side } from "../flows/diff.ts";
import type { Writing } from "./writing.ts";

export type DesignDiff = FlowDiff &
  Consequences & {
    readonly left: string;
    readonly right: string;
    /** Documents of each side; none of a side that was made from the other one. */
    readonly files: { readonly left: readonly string[]; readonly right: readonly string[] };
    /** What was chosen for the right design, where it was made from the left one. */
    readonly chosen: readonly string[];
  };

export function isSame({ changes, addresses, routes, rules }: DesignDiff): boolean {
  return changes.length + addresses.length + routes.length + rules.length === 0;
}

const headings: Readonly<Record<ChangeKind, string>> = {
  stops: "Flows that stop",
  starts: "Flows that start",
  partly: "Flows of which some ways stop or start",
  source: "Flows whose receiver sees another sender",
  translation: "Flows that are translated otherwise",
  path: "Flows that go another way",
  refusal: "Flows that did not arrive and do not, for another reason",
  gone: "Flows whose ends are gone",
  new: "Flows of new ends",
};

export function writeDiff(diff: DesignDiff): Writing {
  const { left, right, chosen, pairs, changes } = diff;
  const count = `${pairs.changed} of ${pairs.before} flows change: ${countsOf(changes)}`;
  return [
    { kind: "title", text: `${left} → ${right}` },
    { kind: "text", text: changes.length === 0 ? `None of ${pairs.before} flows changes.` : `${count}.` },
    ...chosen.map((text) => ({ kind: "item", text, details: [] }) as const),
    ...writeChanges(diff),
    ...writeConsequences(diff),
  ];
}

function countsOf(changes: readonly FlowChange[]): string {
  return changeKinds
    .flatMap((kind) => {
      const pairs = changes.filter((change) => change.kind === kind).reduce((sum, change) => sum + change.pairs, 0);
      return pairs === 0 ? [] : [`${words[kind]} ${pairs}`];
    })
    .join(", ");
}

const words: Readonly<Record<ChangeKind, string>> = {
  stops: "stop",
  starts: "start",
  partly: "partly",
  source: "source",
  translation: "translation",
  path: "way",
  refusal: "reason",
  gone: "gone",
  new: "new",
};

function writeChanges({ changes, files }: DesignDiff): Writing {
  return changeKinds.flatMap((kind): Writing => {
    const own = changes.filter((change) => change.kind === kind);
    if (own.length === 0) return [];
    return [{ kind: "heading", text: headings[kind] }, ...own.map((change) => ({ kind: "item", ...itemOf(change, files) }) as const)];
  });
}

function itemOf(change: FlowChange, files: DesignDiff["files"]): { readonly text: string; readonly details: readonly string[] } {
  const { before, after, pairs, kind } = change;
  const text = `${sendersOf(change)} → ${receiverOf(change)}: ${pairs} ${pairs === 1 ? "pair" : "pairs"}`;
  return { text, details: [...sideLines("before", before, kind, files.left), ...sideLines("after", after, kind, files.right)] };
}

/** As many as a line holds. */
const shownSenders = 4;

export function sendersOf({ from }: FlowChange): string {
  const shown = from.slice(0, shownSenders).map(({ owner }) => owner);
  return from.length > shownSenders ? `${shown.join(", ")} and ${from.length - shownSenders} more` : shown.join(", ");
}

function receiverOf({ to, ports, via }: FlowChange): string {
  const texts = ports.map(({ port, protocol }) => (protocol === "tcp" ? `${port}` : `${port}/${protocol}`));
  const text = texts.length === 0 ? `${to} (ICMP)` : `${to}:${texts.join(",")}`;
  return via === undefined ? text : `${text} by ${via}`;
}

function sideLines(name: string, side: Side | undefined, kind: ChangeKind, files: readonly string[]): readonly string[] {
  if (side === undefined) return [];
  const because = side.because.length === 0 ? "" : `: ${side.because.join("; or ")}`;
  const again = files.length === 0 ? [] : [`${"".padStart(name.length)}  drydock trace ${side.trace} ${files.join(" ")}`];
  return [`${name}: ${factOf(side, kind)}${because}`, ...again];
}

/** What a change of this kind is about. */
function factOf({ outcomes, seen, translations, path }: Side, kind: ChangeKind): string {
  switch (kind) {
    case "source":
      return `the receiver sees ${seen.map((who) => (who === "sender" ? "the sender itself" : who)).join(" or ")}`;
    case "translation":
      return translations.length === 0 ? "no translation" : translations.join("; ");
    case "path":
      return path;
    default:
      return outcomes.join(" or ");
  }
}

function writeConsequences({ addresses, routes, rules }: Consequences): Writing {
  return [
    ...section(
      "Addresses",
      addresses.flatMap(({ cluster, option, pods, seenOutside, outbound, subnetAddresses }) => [
        {
          text: option.before === option.after ? cluster : `${cluster}: ${option.before} becomes ${option.after}`,
          details: [
            ...became("pods have addresses of", pods),
            ...became("outside the cluster packets of pods come from", seenOutside),
            ...became("on the Internet they come from", outbound),
            ...(subnetAddresses.before === subnetAddresses.after
              ? []
              : [`subnet addresses held: ${subnetAddresses.before} before, ${subnetAddresses.after} after`]),
          ],
        },
      ]),
    ),
    ...section(
      "Routes",
      routes.map(({ table, change, routes: count, examples }) => ({
        text: `route table ${table}: ${count} ${change}`,
        details: [`${examples.join(", ")}${count > examples.length ? ", …" : ""}`],
      })),
    ),
    ...section(
      "Rules that must follow",
      rules.map(({ where, rule, access, side, cluster, names, mustName }) => ({
        text: `${where}, rule ${rule} (${access}, ${side}): names ${names.join(", ")}; must name ${mustName.join(", ")}`,
        details: [`pods of ${cluster} have or show these addresses after the change`],
      })),
    ),
  ];
}

function became(
  what: string,
  { before, after }: { readonly before: readonly string[]; readonly after: readonly string[] },
): readonly string[] {
  const list = (texts: readonly string[]) => (texts.length === 0 ? "none" : texts.join(", "));
  return before.join() === after.join() ? [] : [`${what} ${list(before)} before, ${list(after)} after`];
}

function section(heading: string, items: readonly { readonly text: string; readonly details: readonly string[] }[]): Writing {
  return items.length === 0 ? [] : [{ kind: "heading", text: heading }, ...items.map((item) => ({ kind: "item", ...item }) as const)];
}

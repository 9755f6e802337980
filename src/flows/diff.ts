/**
 * Two designs, flow by flow: which flows stop, start, show their receiver another sender, are translated otherwise or go another way, and what decides that
 * on each side. Ends are the same when their owners have the same name (`shop:default/deploy/web`), whatever their addresses are.
 */

import type { LabView } from "../lab/view.ts";
import { parseAddress } from "../net/address.ts";
import type { PortSpec } from "../net/ports.ts";
import type { Path } from "../trace/index.ts";
import { type FlowClass, Flows } from "./flows.ts";
import type { Way } from "./ways.ts";

/** The first that holds is a flow's kind of change. */
export const changeKinds = ["stops", "starts", "partly", "source", "translation", "path", "refusal", "gone", "new"] as const;

/**
 * stops, starts: all packets arrived, or none did. partly: some of the ways change between arriving and not. source: the receiver sees another sender.
 * translation: addresses change on the way elsewhere or otherwise. path: other hosts. refusal: it did not arrive and does not, for another reason.
 * gone, new: one of the ends is in one design only.
 */
export type ChangeKind = (typeof changeKinds)[number];

/** What one design does with a flow. Roles, addresses with their owner's name, hosts. */
export type Side = {
  readonly outcomes: readonly string[];
  /** Whom the receiver takes for the sender. */
  readonly seen: readonly string[];
  readonly translations: readonly string[];
  readonly path: string;
  /** Rules and routes that make it so. */
  readonly because: readonly string[];
  /** One pair, to be typed after `drydock trace`. */
  readonly trace: string;
};

/** Flows that change alike. */
export type FlowChange = {
  readonly kind: ChangeKind;
  readonly from: readonly { readonly owner: string; readonly pairs: number }[];
  readonly to: string;
  readonly via?: string;
  /** None: ICMP. */
  readonly ports: readonly PortSpec[];
  /** Pairs, counted for each port, on the side that has them; the left one's where both do. */
  readonly pairs: number;
  readonly before?: Side;
  readonly after?: Side;
};

export type FlowDiff = {
  readonly changes: readonly FlowChange[];
  /** Pairs of an end that sends and one that is asked, and how many of them change. */
  readonly pairs: { readonly before: number; readonly after: number; readonly changed: number };
};

type Entry = { readonly flow: FlowClass; readonly pairs: number };
/** By sender's owner, receiver, port and placement. */
type Table = Map<string, { readonly from: string; readonly entries: Entry[] }>;

/** `renamed`: what clusters of the left design are called in the right one. */
export function diffFlows(left: LabView, right: LabView, renamed: ReadonlyMap<string, string> = new Map()): FlowDiff {
  const flows = new Flows(left);
  const all = countPairs(flows);
  // Of a design that came of the other one by changes, only what those concern is looked at.
  const flowsAfter = flows.after(right);
  const { gone, made } = flowsAfter.changedSince(flows);
  const sides = [new SideOf(left, flows, renamed), new SideOf(right, flowsAfter, new Map())] as const;
  const [before, after] = [sides[0].table(gone), sides[1].table(made)];
  const groups = new Map<string, Group>();
  let changed = 0;
  const note = (from: string, one: Entry | undefined, other: Entry | undefined, kind: ChangeKind) => {
    const entry = one ?? other;
    if (entry === undefined) return;
    const { to } = entry.flow;
    const change = {
      kind,
      to: one === undefined ? to.owner : sides[0].name(to.owner),
      ...(to.via === undefined ? {} : { via: to.via }),
      ...(one === undefined ? {} : { before: sides[0].describe(one.flow, other?.flow, kind) }),
      ...(other === undefined ? {} : { after: sides[1].describe(other.flow, one?.flow, kind) }),
    };
    const key = JSON.stringify([change.kind, change.to, change.via, to.port === undefined, textOf(change.before), textOf(change.after)]);
    const group = groups.get(key) ?? { change, from: new Map(), ports: new Map() };
    groups.set(key, group);
    if (to.port !== undefined) group.ports.set(JSON.stringify(to.port), to.port);
    group.from.set(from, (group.from.get(from) ?? 0) + entry.pairs);
    changed += entry.pairs;
  };
  for (const [key, { from, entries }] of before) {
    const others = after.get(key) ?? placedOtherwise(after, key);
    for (const entry of entries) {
      if (others === undefined) {
        note(from, entry, undefined, "gone");
        continue;
      }
      // Where one side has several classes for the same owners, each is laid beside the one that is most like it.
      const ranked = others.entries.map((other) => ({ other, kind: sides[0].compare(entry.flow, sides[1], other.flow) }));
      const best = ranked.find(({ kind }) => kind === undefined) ?? ranked[0];
      if (best?.kind !== undefined) note(from, entry, best.other, best.kind);
    }
  }
  for (const [key, { from, entries }] of after) {
    if (before.has(key) || placedOtherwise(before, key) !== undefined) continue;
    for (const entry of entries) note(from, undefined, entry, "new");
  }
  const changes = [...groups.values()].map(({ change, from, ports }): FlowChange => {
    const list = [...from].map(([owner, pairs]) => ({ owner, pairs })).sort((a, b) => (a.owner < b.owner ? -1 : 1));
    return { ...change, from: list, ports: [...ports.values()], pairs: list.reduce((sum, { pairs }) => sum + pairs, 0) };
  });
  const order = (change: FlowChange) => changeKinds.indexOf(change.kind);
  changes.sort((a, b) => order(a) - order(b) || b.pairs - a.pairs || (a.to < b.to ? -1 : a.to > b.to ? 1 : 0));
  return { changes, pairs: { before: all, after: countPairs(flowsAfter), changed } };
}

function countPairs(flows: Flows): number {
  let pairs = 0;
  for (const flow of flows.classes()) pairs += flow.pairs;
  return pairs;
}

type Group = {
  readonly change: Omit<FlowChange, "from" | "ports" | "pairs">;
  readonly from: Map<string, number>;
  readonly ports: Map<string, PortSpec>;
};

function textOf(side: Side | undefined): unknown {
  return side === undefined ? undefined : { ...side, trace: undefined };
}

const placements = ["the same node", "another node"];

/** The same ends, where there are no pairs of this placement: what is on one node is by chance of the scheduler. */
function placedOtherwise(table: Table, key: string): { readonly from: string; readonly entries: readonly Entry[] } | undefined {
  const [from, to, via, port, placement] = key.split("\n");
  if (placement === undefined || placement === "") return undefined;
  const prefix = [from, to, via, port, ""].join("\n");
  // Of a pair's two placements the other one; of a Service's, any.
  if (placements.includes(placement)) return table.get(prefix + placements.find((other) => other !== placement));
  for (const [other, found] of table) if (other.startsWith(prefix)) return found;
  return undefined;
}

/** What is compared of a class, as texts. */
type Facts = Readonly<Record<"outcomes" | "seen" | "translations" | "path" | "decided", readonly string[]>>;

/** One design: its flows, and words for them. */
class SideOf {
  readonly #view: LabView;
  readonly #flows: Flows;
  readonly #renamed: ReadonlyMap<string, string>;
  readonly #words = new Map<FlowClass["ways"], string>();

  constructor(view: LabView, flows: Flows, renamed: ReadonlyMap<string, string>) {
    this.#view = view;
    this.#flows = flows;
    this.#renamed = renamed;
  }

  table(classes: readonly FlowClass[]): Table {
    const table: Table = new Map();
    for (const flow of classes) {
      const { to, placement = "" } = flow;
      const port = to.port === undefined ? "icmp" : `${to.port.port}/${to.port.protocol}`;
      const byOwner = new Map<string, number>();
      for (const { party, pairs } of flow.from) byOwner.set(party.owner, (byOwner.get(party.owner) ?? 0) + pairs);
      for (const [owner, pairs] of byOwner) {
        const from = this.name(owner);
        const key = [from, this.name(to.owner), to.via ?? "", port, placement].join("\n");
        const row = table.get(key) ?? { from, entries: [] };
        row.entries.push({ flow, pairs });
        table.set(key, row);
      }
    }
    return table;
  }

  /** An owner, as the other design calls it. */
  name(owner: string): string {
    const colon = owner.indexOf(":");
    const cluster = this.#renamed.get(owner.slice(0, Math.max(colon, 0)));
    return cluster === undefined ? owner : `${cluster}${owner.slice(colon)}`;
  }

  /** `undefined` when both do the same. */
  compare(own: FlowClass, side: SideOf, other: FlowClass): ChangeKind | undefined {
    if (this.#text(own) === side.#text(other)) return undefined;
    const arrives = ({ ways }: FlowClass) => {
      const delivered = ways.filter(({ outcome }) => outcome === "delivered").length;
      return delivered === 0 ? "none" : delivered === ways.length ? "all" : "some";
    };
    const [before, after] = [arrives(own), arrives(other)];
    if (before !== after) {
      if (after === "none") return "stops";
      return before === "none" ? "starts" : "partly";
    }
    const [a, b] = [this.#facts(own), side.#facts(other)];
    const differs = (what: keyof Facts) => a[what].join("\n") !== b[what].join("\n");
    // What does not arrive has no way.
    if (before === "none") return differs("outcomes") || differs("decided") ? "refusal" : undefined;
    if (differs("seen")) return "source";
    if (differs("translations")) return "translation";
    if (differs("path")) return "path";
    return differs("outcomes") || differs("decided") ? "refusal" : undefined;
  }

  #text({ ways }: FlowClass): string {
    let text = this.#words.get(ways);
    if (text === undefined) {
      text = JSON.stringify(ways.map((way) => this.#plain(way)));
      this.#words.set(ways, text);
    }
    return text;
  }

  #facts({ ways }: FlowClass): Facts {
    const plain = ways.map((way) => this.#plain(way));
    const distinct = (items: readonly unknown[]) => [...new Set(items.map((item) => JSON.stringify(item) ?? ""))].sort();
    return {
      outcomes: distinct(plain.map(({ outcome }) => outcome)),
      seen: distinct(plain.map(({ seen }) => seen)),
      translations: distinct(plain.map(({ translations }) => translations)),
      path: distinct(plain.map(({ path, back }) => [path, back])),
      decided: distinct(plain.map(({ decidedBy }) => this.name(decidedBy?.origin?.resource ?? decidedBy?.at ?? ""))),
    };
  }

  /** With owners in the place of addresses. */
  #plain(way: Way): Way {
    return {
      ...way,
      translations: way.translations.map((change) => ({ ...change, to: this.#address(change.to) })),
      ...(way.seen === undefined ? {} : { seen: this.#address(way.seen) }),
    };
  }

  /** Whose an address is: two designs give out others. */
  #address(text: string): string {
    const address = parseAddress(text);
    const owner = address === undefined ? undefined : this.#view.owners.get(address)?.owner;
    return owner === undefined ? text : this.name(owner);
  }

  /** `other`: what the other design does, to say what is different about this one. */
  describe(flow: FlowClass, other: FlowClass | undefined, kind: ChangeKind): Side {
    const ways = flow.ways.map((way) => this.#plain(way));
    const distinct = (texts: readonly string[]) => [...new Set(texts)];
    return {
      outcomes: distinct(ways.map(({ outcome, told }) => (told === undefined ? outcome : `${outcome} (${told})`))),
      seen: distinct(ways.flatMap(({ seen }) => seen ?? [])),
      translations: distinct(ways.flatMap(({ translations }) => translations.map(({ at, what, to }) => `${at}: ${what} becomes ${to}`))),
      path: distinct(ways.map(({ path }) => path.join(" > ")))
        .slice(0, shownPaths)
        .join(" or "),
      because: this.#because(flow, other, kind),
      trace: this.#question(flow),
    };
  }

  /** What decided; else what translated; else the route by which it parted from the other design's way. */
  #because(flow: FlowClass, other: FlowClass | undefined, kind: ChangeKind): readonly string[] {
    const decided = flow.ways.flatMap(({ decidedBy }) => decidedBy?.origin?.reason ?? decidedBy?.at ?? []);
    if (decided.length > 0) return [...new Set(decided)].slice(0, shownReasons);
    const { from, packet } = flow.example;
    const paths = this.#view.tracer.trace(from.host, packet, { maxPaths: shownReasons });
    const translated = paths.flatMap((path) =>
      path.hops.flatMap(({ steps }) =>
        steps.flatMap((step) => (step.kind === "source-nat" ? [this.#told(flow, path, step.origin?.reason ?? step.what)] : [])),
      ),
    );
    const found = [...new Set(translated)];
    if (found.length > 0) return found.slice(0, shownReasons);
    if (kind === "source" || kind === "translation") return ["no rule on the way translates the source"];
    const [path] = paths;
    const [otherWay] = other?.ways ?? [];
    const [way] = flow.ways;
    if (path === undefined || way === undefined || otherWay === undefined) return [];
    const parted = way.path.findIndex((host, index) => host !== otherWay.path[index]);
    const hop = path.hops[Math.max(0, parted - 1)];
    const route = hop?.steps.findLast((step) => step.kind === "route")?.origin?.reason;
    return route === undefined ? [] : [this.#told(flow, path, route)];
  }

  #told(flow: FlowClass, path: Path, reason: string): string {
    return this.#flows.parties.roles.text(reason, flow.example.from.host, path.received?.host);
  }

  #question({ example: { from, packet } }: FlowClass): string {
    const { protocol, destination, destinationPort } = packet;
    if (protocol === "icmp") return `${from.label} ${destination} --protocol icmp`;
    return `${from.label} ${destination}:${destinationPort}${protocol === "tcp" ? "" : `/${protocol}`}`;
  }
}

const shownPaths = 2;
const shownReasons = 2;

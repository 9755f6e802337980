import { describe, expect, test } from "vitest";
import { randomChange } from "../../test/labs/random-changes.ts";
import { randomLab } from "../../test/labs/random-lab.ts";
import { openText } from "../../test/labs/running-lab.ts";
import { changed } from "../lab/changed.ts";
import { Chance } from "../lab/check.ts";
import { serviceTargets } from "../lab/endpoints.ts";
import type { LabView } from "../lab/view.ts";
import type { TracePacket } from "../trace/index.ts";
import { type FlowClass, Flows } from "./flows.ts";

type Comparison = { readonly pairs: number; readonly found: readonly string[] };

/** Every pair that the classes speak of, traced by itself, must have the ways of its class. */
function comparePairs(view: LabView, flows = new Flows(view)): Comparison {
  const found: string[] = [];
  let pairs = 0;
  for (const flow of flows.classes()) {
    const { port, party, via } = flow.to;
    if (party === undefined) continue;
    let counted = 0;
    for (const from of flow.from.flatMap(({ party: { members } }) => members)) {
      for (const to of party.members) {
        if (from.host === to.host) continue;
        const node = flows.parties.roles.nodeOf(from.host);
        const isTogether = via === undefined && node !== undefined && node === flows.parties.roles.nodeOf(to.host);
        if (isTogether !== (flow.placement === "the same node")) continue;
        counted++;
        const destination = via === undefined ? to.address : flow.example.packet.destination;
        const packet: TracePacket =
          port === undefined ? { protocol: "icmp", destination } : { protocol: port.protocol, destination, destinationPort: port.port };
        const own = waysOf(flows, view, from.host, packet, to.host);
        // Where a hash of the packet decides, a class has the ways of some packets.
        if (flow.partial !== true && !isSame(own, textsOf(flow)))
          found.push(`${from.label} > ${to.label} ${port?.port}\n${own.join("\n")}\nclass:\n${textsOf(flow).join("\n")}`);
      }
    }
    if (counted !== flow.pairs) found.push(`${flow.to.owner}: ${flow.pairs} pairs are said, ${counted} counted`);
    pairs += counted;
  }
  return { pairs, found };
}

/** Every sender's own ways to every Service must be those of a class that its party is in; where a hash decides, be among them. */
function compareServices(view: LabView, flows = new Flows(view)): Comparison {
  const found: string[] = [];
  let pairs = 0;
  const classes = [...flows.classes()].filter(({ to }) => to.party === undefined);
  for (const cluster of view.topology.clusters.values()) {
    for (const target of serviceTargets(cluster, cluster.services, [])) {
      const own = classes.filter(
        ({ example: { packet } }) =>
          packet.destination === target.address && packet.destinationPort === target.port && packet.protocol === target.protocol,
      );
      const placed = own.filter(({ to }) => to.owner === target.label.replace(/:\d+$/, ""));
      for (const party of flows.parties.list.filter(({ sends }) => sends)) {
        const candidates = placed.filter(({ from }) => from.some((one) => one.party === party));
        pairs += party.members.length;
        for (const { host, label } of party.members) {
          const packet = { protocol: target.protocol, destination: target.address, destinationPort: target.port };
          const ways = waysOf(flows, view, host, packet, undefined);
          const isFound = candidates.some((flow) => {
            const texts = textsOf(flow);
            return flow.partial === true ? ways.every((way) => texts.includes(way)) : isSame(ways, texts);
          });
          if (!isFound)
            found.push(
              `${label} > ${target.label} ${target.via}\n${ways.join("\n")}\nclasses:\n${candidates.map((flow) => textsOf(flow).join("\n")).join("\nor\n")}`,
            );
        }
        const said = candidates.flatMap(({ from }) => from).filter((one) => one.party === party);
        const counted = said.reduce((total, one) => total + one.pairs, 0);
        if (counted !== party.members.length) found.push(`${party.owner} > ${target.label}: ${counted} pairs`);
      }
    }
  }
  return { pairs, found };
}

function waysOf(flows: Flows, view: LabView, from: string, packet: TracePacket, to: string | undefined): readonly string[] {
  const paths = view.tracer.trace(from, packet, { steps: false });
  return [...new Set(paths.map((path) => JSON.stringify(flows.parties.roles.way(path, from, to))))].sort();
}

function textsOf({ ways }: FlowClass): readonly string[] {
  return ways.map((way) => JSON.stringify(way)).sort();
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((text, index) => text === b[index]);
}

/** All classes as texts, in an order of their own. */
function classesOf(flows: Flows): readonly string[] {
  return [...flows.classes()].map((flow) => describeClass(flow)).sort();
}

function describeClass({ from, to, placement, pairs, partial, ways }: FlowClass): string {
  const senders = from.map(({ party, pairs }) => `${party.owner} ${party.members.map(({ label }) => label).join()} ${pairs}`).sort();
  const members = to.party?.members.map(({ label }) => label);
  // Of ways that a hash decides, those are said that were met by the packets that were tried.
  return JSON.stringify([to.owner, members, to.via, to.port, placement, pairs, partial, partial === true ? "" : ways, senders]);
}

describe("after changes, classes are", () => {
  const first = Number(process.env.DRYDOCK_SEED ?? 1);
  const count = Number(process.env.DRYDOCK_SEEDS ?? 1);
  for (let seed = first; seed < first + count; seed++) {
    test(`what they are anew, in the lab of seed ${seed}`, () => {
      const chance = new Chance(seed ^ 0x63_68_67);
      let view = openText(randomLab(seed));
      let flows = new Flows(view);
      const said: string[] = [];
      for (let step = 0; step < 5; step++) {
        const before = classesOf(flows);
        const change = randomChange(chance, view);
        if (change === undefined) continue;
        said.push(change.kind);
        view = changed(view, (resources) => resources.apply(change.writes), { measured: false });
        const previous = flows;
        flows = flows.after(view);
        const { gone, made } = flows.changedSince(previous);
        expect(classesOf(flows), said.join(", ")).toEqual(classesOf(new Flows(view)));
        // What is said to change, laid over what was, is what is.
        const left = [...before];
        for (const text of gone.map(describeClass)) left.splice(left.indexOf(text), 1);
        expect([...left, ...made.map(describeClass)].sort(), said.join(", ")).toEqual(classesOf(flows));
      }
      for (const { found, pairs } of [comparePairs(view, flows), compareServices(view, flows)]) {
        expect(found.slice(0, 3).join("\n\n"), `${found.length} of ${pairs}, after ${said.join(", ")}`).toBe("");
      }
    }, 120_000);
  }
});

describe("a class answers as each of its pairs does", () => {
  const first = Number(process.env.DRYDOCK_SEED ?? 1);
  const count = Number(process.env.DRYDOCK_SEEDS ?? 2);
  for (let seed = first; seed < first + count; seed++) {
    const view = () => openText(randomLab(seed));
    test(`pairs of the lab of seed ${seed}`, () => {
      const { pairs, found } = comparePairs(view());
      expect(pairs).toBeGreaterThan(0);
      expect(found.slice(0, 3).join("\n\n"), `${found.length} of ${pairs}`).toBe("");
    }, 120_000);
    test(`Services of the lab of seed ${seed}`, () => {
      const { pairs, found } = compareServices(view());
      expect(found.slice(0, 3).join("\n\n"), `${found.length} of ${pairs}`).toBe("");
    }, 120_000);
  }
});

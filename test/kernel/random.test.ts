/** After any change, the kernel holds what applying the wanted network to nothing gives. */

import fc from "fast-check";
import { expect, test } from "vitest";
import type { Host, Interface, Network, Route } from "../../src/ir/network.ts";
import { Kernel } from "../../src/kernel/kernel.ts";
import { host, link, neighbour, network, route, rule, veth } from "./build.ts";
import { sortedListing } from "./listing.ts";
import { requireKernel } from "./require-kernel.ts";

requireKernel();

const hostNames = ["a", "b", "c"] as const;

type Sketch = {
  /** Ends by host and number; two numbers of two hosts make a link. */
  readonly links: readonly {
    readonly from: number;
    readonly to: number;
    readonly bridged: boolean;
    readonly proxyArp: boolean;
    readonly mtu: boolean;
    readonly isolated: boolean;
  }[];
  readonly present: readonly boolean[];
  readonly addresses: readonly (readonly number[])[];
  readonly routes: readonly { readonly host: number; readonly kind: number; readonly dev: number }[];
  readonly rules: readonly { readonly host: number; readonly kind: number }[];
  readonly neighbours: readonly { readonly host: number; readonly dev: number }[];
  readonly bridges: readonly boolean[];
  readonly discards: readonly boolean[];
  readonly tables: readonly number[];
};

const sketches: fc.Arbitrary<Sketch> = fc.record({
  links: fc.array(
    fc.record({
      from: fc.nat(2),
      to: fc.nat(2),
      bridged: fc.boolean(),
      proxyArp: fc.boolean(),
      mtu: fc.boolean(),
      isolated: fc.boolean(),
    }),
    { maxLength: 4 },
  ),
  present: fc.array(
    fc.integer({ min: 0, max: 5 }).map((number) => number > 0),
    { minLength: 3, maxLength: 3 },
  ),
  addresses: fc.array(fc.uniqueArray(fc.nat(4), { maxLength: 3 }), { minLength: 8, maxLength: 8 }),
  routes: fc.array(fc.record({ host: fc.nat(2), kind: fc.nat(7), dev: fc.nat(3) }), { maxLength: 6 }),
  rules: fc.array(fc.record({ host: fc.nat(2), kind: fc.nat(4) }), { maxLength: 4 }),
  neighbours: fc.array(fc.record({ host: fc.nat(2), dev: fc.nat(3) }), { maxLength: 3 }),
  bridges: fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }),
  discards: fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }),
  tables: fc.array(fc.nat(2), { minLength: 3, maxLength: 3 }),
});

/** The end number `end` of a link: e0 and e1 of link 0, e2 and e3 of link 1… */
const addressTexts = (end: number, numbers: readonly number[]): readonly string[] =>
  numbers.map(
    (number) => [`10.${end}.0.1/24`, `10.${end}.0.2/24`, `10.${end}.0.3/32`, `10.${end}.1.1/24`, `fd00:${end}::1/64`][number] ?? "",
  );

const lists = new Map<string, readonly object[]>();

/** One object for lists that are the same, as networks have that are made from one another. */
function shared<T extends object>(list: readonly T[]): readonly T[] {
  const key = JSON.stringify(list);
  const known = (lists.get(key) ?? list) as readonly T[];
  lists.set(key, known);
  return known;
}

function networkOf(sketch: Sketch): Network {
  const interfaces = new Map<string, Interface[]>(hostNames.map((name) => [name, []]));
  for (const [index, name] of hostNames.entries()) {
    if (sketch.bridges[index] === true) interfaces.get(name)?.push(link("bridge", "br0", [`10.100.${index}.1/24`], { proxyArp: true }));
    if (sketch.discards[index] === true) interfaces.get(name)?.push(link("discard", "drop0"));
  }
  for (const [index, one] of sketch.links.entries()) {
    const ends = [
      { host: one.from, name: `e${2 * index}`, peer: `${hostNames[one.to]} e${2 * index + 1}`, end: 2 * index },
      { host: one.to, name: `e${2 * index + 1}`, peer: `${hostNames[one.from]} e${2 * index}`, end: 2 * index + 1 },
    ];
    for (const end of ends) {
      const port =
        one.bridged && sketch.bridges[end.host] === true ? { port: { bridge: "br0", hairpin: true, isolated: one.isolated } } : {};
      const addresses = "port" in port ? [] : addressTexts(end.end, sketch.addresses[end.end] ?? []);
      interfaces
        .get(hostNames[end.host] ?? "a")
        ?.push(veth(end.name, end.peer, addresses, { proxyArp: one.proxyArp, ...(one.mtu ? { mtuBytes: 1400 } : {}), ...port }));
    }
  }
  const hosts = hostNames.flatMap((name, index): Host[] => {
    if (sketch.present[index] !== true) return [];
    const links = interfaces.get(name) ?? [];
    const device = (number: number): string | undefined => links.filter((one) => one.kind === "veth")[number]?.name;
    const routes = sketch.routes.flatMap((one): Route[] => {
      if (one.host !== index) return [];
      const dev = device(one.dev);
      switch (one.kind) {
        case 0:
          return [route("10.200.0.0/16", { type: "blackhole" })];
        case 1:
          return [route("10.201.0.0/16", { type: "unreachable", table: 1000 })];
        case 2:
          return [route("10.202.0.0/16", { type: "throw", table: 3232235777 })];
        case 3:
          return dev === undefined ? [] : [route("10.203.0.0/16", { dev, metric: one.dev })];
        case 4:
          return dev === undefined ? [] : [route("10.204.0.0/16", { dev, via: "192.0.2.1", onlink: true, table: 100 })];
        case 5:
          return dev === undefined ? [] : [route("10.205.0.0/16", { dev })];
        default:
          return dev === undefined ? [] : [route("fd00:99::/64", { dev })];
      }
    });
    // A route's place is its table, destination and metric: the first of two wins.
    const places = new Set<string>();
    const distinct = routes.filter((one) => {
      const place = `${one.table} ${one.dst} ${one.metric ?? 0}`;
      return places.has(place) ? false : places.add(place);
    });
    const rules = [...new Set(sketch.rules.filter((one) => one.host === index).map((one) => one.kind))].map((kind) =>
      [
        rule(100, 100, { iif: "e0" }),
        rule(101, 100, { from: "10.0.0.0/8" }),
        rule(102, 3232235777, { mark: { value: 7, mask: 0xff } }),
        rule(103, 254, { to: "10.9.0.0/16" }),
        rule(104, 100, { family: 6 }),
      ].at(kind),
    );
    const neighbours = [...new Set(sketch.neighbours.filter((one) => one.host === index).map((one) => device(one.dev)))].flatMap((dev) =>
      dev === undefined ? [] : [neighbour(dev, "10.250.0.1", "02:00:00:00:00:01")],
    );
    const table = {
      family: "ip",
      name: "t",
      sets: [],
      maps: [],
      chains: Array.from({ length: sketch.tables[index] ?? 0 }, (_, number) => ({ name: `c${number}`, rules: [] })),
    } as const;
    return [
      host(name, shared(links), {
        forwarding: sketch.bridges[index] === true,
        routes: shared(distinct),
        rules: shared(rules.flatMap((one) => one ?? [])),
        neighbours: shared(neighbours),
        ruleSet: table.chains.length === 0 ? [] : [table],
      }),
    ];
  });
  return network(...hosts);
}

/** What is there, without what chance decides: numbers and learned neighbours. */
function observed(kernel: Kernel): unknown {
  return kernel.names().map((name) => {
    const { links, neighbours, ruleSet, ...rest } = kernel.observe(name);
    return {
      ...rest,
      links: links.map(({ index: _, mac, name: linkName, ...more }) => ({
        name: linkName,
        // A link keeps the address that it was made with.
        mac: more.kind === "bridge" ? mac : "",
        ...more,
        addresses: more.addresses.map((one) => JSON.stringify(one)).sort(),
        first: more.addresses[0]?.address,
      })),
      neighbours: neighbours.filter((one) => one.state === "permanent").map(({ mac: _, ...more }) => more),
      ruleSet: sortedListing(ruleSet),
    };
  });
}

/** Some sketches differ from the one before in the rules or in one more thing only. */
const histories: fc.Arbitrary<readonly Sketch[]> = fc
  .array(
    fc.record({
      fresh: sketches,
      keeps: fc.constantFrom("nothing", "all but rules", "all but rules and addresses", "all but rules and bridges"),
    }),
    { minLength: 2, maxLength: 4 },
  )
  .map((list) => {
    const sketched: Sketch[] = [];
    for (const { fresh, keeps } of list) {
      const before = sketched.at(-1);
      const { tables } = fresh;
      if (before === undefined || keeps === "nothing") sketched.push(fresh);
      else if (keeps === "all but rules") sketched.push({ ...before, tables });
      else if (keeps === "all but rules and addresses") sketched.push({ ...before, tables, addresses: fresh.addresses });
      else sketched.push({ ...before, tables, bridges: fresh.bridges });
    }
    return sketched;
  });

test("apply(a) then apply(b) is apply(b), also when apply(a) was given up half way", () => {
  fc.assert(
    fc.property(histories, fc.option(fc.nat(4)), (list, slices) => {
      const networks = list.map(networkOf);
      const last = networks.at(-1);
      if (last === undefined) return;
      const one = new Kernel();
      let changed: unknown;
      try {
        for (const wanted of networks) {
          if (slices !== null && wanted !== last) {
            const steps = one.applySteps(wanted);
            for (let slice = 0; slice <= slices; slice++) steps.next();
            steps.return({ operations: 0, made: [], changed: [], removed: [], errors: [], waiting: [] });
            continue;
          }
          const report = one.apply(wanted);
          expect(report.errors).toEqual([]);
          expect(one.apply(wanted).operations).toBe(0);
        }
        changed = observed(one);
      } finally {
        one.close();
      }
      const other = new Kernel();
      try {
        expect(other.apply(last).errors).toEqual([]);
        expect(changed).toEqual(observed(other));
      } finally {
        other.close();
      }
    }),
    { numRuns: 60 },
  );
}, 120_000);

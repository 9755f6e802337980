/** What goes to the kernel by netlink is what `nft` makes of the text that people are shown. */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Datum, DatumType, Field, Match, RuleSet, Table } from "../../src/ir/ruleset.ts";
import { makeNamespace, removeNamespace, within } from "../../src/kernel/namespaces.ts";
import { NETLINK_NETFILTER, NetlinkSocket } from "../../src/kernel/netlink.ts";
import { changeTransactions, transact } from "../../src/kernel/nft-netlink.ts";
import { NftTrace } from "../../src/kernel/nft-trace.ts";
import { openLab } from "../../src/lab/index.ts";
import { mustAddress } from "../../src/net/address.ts";
import { mustPrefix, parseLoosePrefix } from "../../src/net/prefix.ts";
import { renderRuleSet } from "../../src/render/nft.ts";
import { everything } from "../../src/render/testing/everything.ts";
import { origin } from "./build.ts";
import { listNft, runNft } from "./listing.ts";
import { requireKernel } from "./require-kernel.ts";

const host = "test/nft-netlink";

requireKernel();
let socket: NetlinkSocket;
beforeAll(() => {
  socket = makeNamespace(host, () => new NetlinkSocket(NETLINK_NETFILTER));
});
afterAll(() => {
  socket.close();
  removeNamespace(host);
});

function listed(load: () => void): string {
  return within(host, () => {
    expect(runNft("flush ruleset")).toBe("");
    load();
    return listNft();
  });
}

/** Of numbers that it reads from a connection, `nft` does not always know the type when it lists them. */
const typed = (listing: string) =>
  listing.replace(/0x([0-9a-f]+) \[invalid type\]/g, (_, digits: string) => `${Number.parseInt(digits, 16)}`);

const byText = (ruleSet: RuleSet) => listed(() => expect(runNft(renderRuleSet(ruleSet))).toBe(""));
const byNetlink = (ruleSet: RuleSet) =>
  listed(() => {
    for (const transaction of changeTransactions([], ruleSet)) expect(transact(socket, transaction)).toEqual([]);
  });

describe("a table that contains everything", () => {
  for (const table of everything) test(`of family ${table.family}`, () => expect(typed(byNetlink([table]))).toBe(typed(byText([table]))));
});

/** Sets and maps by chance: intervals that overlap, touch, nest, begin at zero and end at the last value; concatenations with ranges in them. */
const prefix4 = fc
  .record({ bits: fc.nat(7), length: fc.constantFrom(0, 1, 2, 3, 8, 9, 24, 32) })
  .map(({ bits, length }) => parseLoosePrefix(`${bits << 5}.0.0.${bits}/${length}`) ?? mustPrefix("10.0.0.0/8"));
const prefix6 = fc
  .record({ bits: fc.nat(7), length: fc.constantFrom(0, 3, 16, 61, 128) })
  .map(({ bits, length }) => parseLoosePrefix(`${(bits << 13).toString(16)}::${bits}/${length}`) ?? mustPrefix("fd00::/8"));
const ports = fc
  .uniqueArray(fc.constantFrom(0, 1, 80, 81, 65534, 65535), { minLength: 2, maxLength: 2 })
  .map(([a = 0, b = 0]) => ({ first: Math.min(a, b), last: Math.max(a, b) }));
const data: Readonly<Record<DatumType, { readonly wide: fc.Arbitrary<Datum>; readonly narrow: fc.Arbitrary<Datum> }>> = {
  ipv4_addr: { wide: prefix4, narrow: fc.nat(255).map((last) => mustAddress(`10.0.0.${last}`)) },
  ipv6_addr: { wide: prefix6, narrow: fc.nat(9).map((last) => mustAddress(`fd00::${last}`)) },
  inet_service: { wide: ports, narrow: fc.constantFrom(0, 22, 80, 65535) },
  inet_proto: { wide: fc.constantFrom<Datum>("tcp", "udp"), narrow: fc.constantFrom<Datum>("tcp", "udp", "sctp") },
  mark: { wide: fc.constantFrom(1, 0x4000), narrow: fc.constantFrom(0, 1, 0x4000, 0xffffffff) },
  ifname: { wide: fc.constant("eth0"), narrow: fc.constantFrom("eth0", "a-longer.name") },
};
const keys = fc.array(fc.constantFrom(...(Object.keys(data) as DatumType[])), { minLength: 1, maxLength: 4 });
const tuples = (key: readonly DatumType[], wide: boolean): fc.Arbitrary<readonly Datum[]> =>
  fc.tuple(...key.map((type) => (wide ? fc.oneof(data[type].wide, data[type].narrow) : data[type].narrow)));
const distinct = { maxLength: 8, selector: (tuple: readonly Datum[]) => JSON.stringify(tuple) };
const ordered = (key: readonly DatumType[]): boolean => !key.includes("mark") && (key.length > 1 || key[0] !== "ifname");
const tables: fc.Arbitrary<Table> = fc
  .record({ key: keys, mapKey: keys, value: keys, interval: fc.boolean() })
  .chain(({ key, mapKey, value, interval }) =>
    fc
      .record({
        // What overlaps in a concatenation, the kernel refuses.
        members: fc.uniqueArray(tuples(key, interval && key.length === 1), distinct),
        entries: fc.uniqueArray(tuples(mapKey, false), distinct),
        values: fc.array(tuples(value, false), { minLength: 8, maxLength: 8 }),
      })
      .map(({ members, entries, values }): Table => {
        const elements = entries.map((entry, index) => ({ key: entry, value: values[index] ?? [] }));
        return {
          family: "inet",
          name: "chance",
          chains: [],
          sets: [
            { name: "set", key, interval: interval && ordered(key), elements: members.map((member) => ({ key: member })) },
            {
              name: "ranges",
              key: ["ipv4_addr", "inet_service"],
              interval: true,
              elements: [{ key: [mustPrefix("0.0.0.0/0"), { first: 0, last: 65535 }] }],
            },
          ],
          maps: [{ name: "map", key: mapKey, value, elements }],
        };
      }),
  );

test("sets and maps by chance", () => {
  fc.assert(
    fc.property(tables, (table) => {
      expect(byNetlink([table])).toBe(byText([table]));
    }),
    { numRuns: 60 },
  );
});

/** Values of each field that a rule by chance compares. */
const addresses4 = fc.oneof(prefix4, data.ipv4_addr.narrow);
const addresses6 = fc.oneof(prefix6, data.ipv6_addr.narrow);
const words = (...names: readonly string[]): fc.Arbitrary<string> => fc.constantFrom(...names);
const comparisons = (family: "ip" | "ip6"): readonly (readonly [Field, fc.Arbitrary<Datum | string>])[] => [
  ...(family === "ip"
    ? ([
        ["ip saddr", addresses4],
        ["ip daddr", addresses4],
        ["ct original ip saddr", addresses4],
        ["ct original ip daddr", addresses4],
        ["ct reply ip saddr", addresses4],
      ] as const)
    : ([
        ["ip6 saddr", addresses6],
        ["ip6 daddr", addresses6],
        ["ct original ip6 saddr", addresses6],
        ["ct original ip6 daddr", addresses6],
        ["ct reply ip6 saddr", addresses6],
      ] as const)),
  ["th sport", fc.oneof(ports, data.inet_service.narrow)],
  ["th dport", fc.oneof(ports, data.inet_service.narrow)],
  ["meta l4proto", data.inet_proto.narrow],
  ["iifname", data.ifname.narrow],
  ["oifname", data.ifname.narrow],
  ["meta mark", data.mark.narrow],
  ["ct mark", data.mark.narrow],
  ["ct state", words("new", "established", "related", "invalid", "untracked")],
  ["ct direction", words("original", "reply")],
  ["ct status", words("snat", "dnat", "assured")],
  ["ct original protocol", data.inet_proto.narrow],
  ["fib daddr type", words("local", "unicast", "broadcast")],
  ["fib saddr type", words("local", "unicast", "broadcast")],
];
/** Two negated fields that lie side by side in the packet `nft` 1.0.6 makes into one comparison of both, which holds when one of them differs. */
const misread = (list: readonly Match[]): boolean =>
  list.filter((match) => match.kind === "value" && match.op === "!=" && /^(ip6?|th) /.test(match.field)).length > 1;
const matches = (family: "ip" | "ip6"): fc.Arbitrary<readonly Match[]> =>
  fc
    .uniqueArray(
      fc.constantFrom(...comparisons(family)).chain(([field, value]) =>
        fc.record({
          kind: fc.constant("value" as const),
          field: fc.constant(field),
          op: fc.constantFrom("==" as const, "!=" as const),
          values: fc.uniqueArray(value, { minLength: 1, maxLength: 4, selector: (one) => JSON.stringify(one) }),
        }),
      ),
      { maxLength: 4, selector: ({ field }) => field },
    )
    .filter((list) => !misread(list));

test("rules by chance", () => {
  const rules = fc
    .constantFrom("ip" as const, "ip6" as const)
    .chain((family) =>
      fc.record({ family: fc.constantFrom(family, "inet" as const), rules: fc.array(matches(family), { minLength: 1, maxLength: 8 }) }),
    );
  fc.assert(
    fc.property(rules, ({ family, rules: list }) => {
      const counted = list.map((one) => ({ matches: one, statements: [{ kind: "counter" }], origin }) as const);
      const table: Table = { family, name: "chance", chains: [{ name: "some", rules: counted }], sets: [], maps: [] };
      expect(typed(byNetlink([table]))).toBe(typed(byText([table])));
    }),
    { numRuns: 60 },
  );
});

test("packets are marked for a trace as `nft` would", () => {
  within(host, () => runNft("flush ruleset"));
  const trace = new NftTrace(
    host,
    { dscp: 46, source: mustAddress("10.0.0.1"), protocol: "tcp" },
    { dscp: 8, family: 6, destinationPort: 53 },
  );
  const listing = within(host, listNft);
  trace.close();
  // Of packets from outside and of the host's own.
  expect(listing.split("ip saddr 10.0.0.1 meta l4proto tcp ip dscp ef meta nftrace set 1")).toHaveLength(3);
  expect(listing.split("th dport 53 ip6 dscp cs1 meta nftrace set 1")).toHaveLength(3);
  expect(within(host, listNft)).toBe("");
});

describe("every host of the examples", () => {
  const examples = join(import.meta.dirname, "../../examples");
  for (const example of readdirSync(examples)) {
    const path = join(examples, example, "lab.yaml");
    if (!existsSync(path)) continue;
    test(example, () => {
      const { view } = openLab([{ path: "lab.yaml", text: readFileSync(path, "utf8") }], (file) => ({
        path: file,
        text: readFileSync(join(examples, example, file), "utf8"),
      }));
      if (view === undefined) throw new Error(`examples/${example} has errors`);
      const { network } = view;
      const seen = new Set<string>();
      for (const name of network.names()) {
        const ruleSet = network.host(name)?.ruleSet ?? [];
        const text = renderRuleSet(ruleSet);
        if (text === "" || seen.has(text)) continue;
        seen.add(text);
        expect(byNetlink(ruleSet), name).toBe(byText(ruleSet));
      }
    });
  }
});

/** Everything that a ruleset can say is something that the kernel takes, whatever names and reasons documents give; and changes add up. */

import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Chain, MapElement, Rule, RuleSet, SetElement, Table, Verdict } from "../../src/ir/ruleset.ts";
import { makeNamespace, removeNamespace, within } from "../../src/kernel/namespaces.ts";
import { NETLINK_NETFILTER, NetlinkSocket } from "../../src/kernel/netlink.ts";
import { changeTransactions, replacementTransactions, type Transaction, transact } from "../../src/kernel/nft-netlink.ts";
import { mustAddress } from "../../src/net/address.ts";
import { mustPrefix, type Prefix } from "../../src/net/prefix.ts";
import { renderRuleSet } from "../../src/render/nft.ts";
import { everything } from "../../src/render/testing/everything.ts";
import { origin } from "./build.ts";
import { listNft, runNft } from "./listing.ts";
import { requireKernel } from "./require-kernel.ts";

const host = "test/nft-accepts";

requireKernel();
let socket: NetlinkSocket;
beforeAll(() => {
  socket = makeNamespace(host, () => new NetlinkSocket(NETLINK_NETFILTER));
});
afterAll(() => {
  socket.close();
  removeNamespace(host);
});

/** Runs transactions one after the other from an empty ruleset, and lists what is there then. */
function run(...transactions: readonly Transaction[]): string {
  return within(host, () => {
    runNft("flush ruleset");
    for (const transaction of transactions) expect(transact(socket, transaction)).toEqual([]);
    return listNft();
  });
}

const loading = (ruleSet: RuleSet): readonly Transaction[] => changeTransactions([], ruleSet);

/** The same by the text that people are shown. */
function runText(ruleSet: RuleSet): string {
  return within(host, () => {
    runNft("flush ruleset");
    expect(runNft(renderRuleSet(ruleSet))).toBe("");
    return listNft();
  });
}

describe("a table that contains everything", () => {
  for (const table of everything) {
    test(`of family ${table.family}`, () => {
      const listing = run(...loading([table]));
      for (const chain of table.chains) expect(listing).toContain(`chain ${chain.name} {`);
      expect(listing.match(/comment "/g)).toHaveLength(table.chains.reduce((sum, chain) => sum + chain.rules.length, 0));
      // And said again over itself.
      expect(run(...loading([table]), ...replacementTransactions([table], [table]))).toBe(listing);
      expect(run(...loading([table]), ...changeTransactions([table], []))).toBe("");
      expect(changeTransactions([table], [structuredClone(table)])).toEqual([]);
    });
  }
});

const rule = (verdict: Verdict, reason = origin.reason): Rule => ({
  matches: [],
  statements: [{ kind: "verdict", ...verdict }],
  origin: { ...origin, reason },
});

test("a refusal names the rule, the element, or the set", () => {
  const table: Table = {
    family: "ip",
    name: "t",
    chains: [{ name: "c", rules: [rule({ verdict: "jump", chain: "nowhere" })] }],
    sets: [],
    maps: [
      {
        name: "m",
        key: ["ipv4_addr"],
        value: "verdict",
        elements: [
          { key: [mustAddress("10.0.0.1")], value: { verdict: "drop" } },
          { key: [mustAddress("10.0.0.2")], value: { verdict: "goto", chain: "lost" }, origin },
        ],
      },
    ],
  };
  const [transaction] = loading([table]);
  if (transaction === undefined) throw new Error("nothing to do");
  expect(transact(socket, transaction)).toEqual([
    { element: "add elements ip t m { 10.0.0.2 }", code: "ENOENT", origin },
    { element: "add rule ip t c jump nowhere", code: "ENOENT", origin },
  ]);
  expect(run()).toBe("");
});

test("names and reasons from documents may contain anything", () => {
  const names = fc.uniqueArray(
    fc.oneof(
      fc.string({ unit: "binary", maxLength: 300 }),
      fc.constantFrom("ip", "mark", "drop", "counter_", "table", "rules", "x{};", 'a"b', ""),
    ),
    {
      minLength: 4,
      maxLength: 4,
    },
  );
  fc.assert(
    fc.property(names, fc.string({ unit: "binary", maxLength: 200 }), ([one = "", two = "", three = "", four = ""], reason) => {
      const table: Table = {
        family: "ip",
        name: one,
        chains: [
          {
            name: two,
            rules: [
              rule({ verdict: "jump", chain: three }, reason),
              { ...rule({ verdict: "drop" }, reason), matches: [{ kind: "lookup", fields: ["ip saddr"], op: "==", set: four }] },
            ],
          },
          { name: three, rules: [] },
        ],
        sets: [{ name: four, key: ["ipv4_addr"], elements: [{ key: [mustAddress("10.0.0.1")] }] }],
        maps: [{ name: one, key: ["inet_service"], value: "verdict", elements: [{ key: [80], value: { verdict: "goto", chain: three } }] }],
      };
      const listing = run(...loading([table]));
      expect(listing.match(/^\tchain /gm)).toHaveLength(2);
      expect(listing.match(/^\t(set|map) /gm)).toHaveLength(2);
      expect(listing.match(/comment "/g)).toHaveLength(2);
      expect(runText([table])).toBe(listing);
    }),
    { numRuns: 50 },
  );
});

/** Random rulesets over few names, so that two of them share some. */
const verdicts: fc.Arbitrary<Verdict> = fc.oneof(
  fc.constantFrom<Verdict>({ verdict: "drop" }, { verdict: "return" }),
  fc.constantFrom<Verdict>({ verdict: "goto", chain: "leaf-1" }, { verdict: "jump", chain: "leaf-2" }),
);
const addresses = fc.constantFrom(...["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.1.1"].map(mustAddress));
const prefixes = fc.constantFrom<Prefix>(
  ...["10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "192.168.0.0/16", "192.168.0.0/24", "172.16.0.0/12"].map(mustPrefix),
);
const setElements: fc.Arbitrary<readonly SetElement[]> = fc
  .uniqueArray(addresses, { maxLength: 4 })
  .map((list) => list.map((address) => ({ key: [address] })));
const prefixElements: fc.Arbitrary<readonly SetElement[]> = fc
  .uniqueArray(prefixes, { maxLength: 4 })
  .map((list) => list.map((prefix) => ({ key: [prefix] })));
const mapElements: fc.Arbitrary<readonly MapElement[]> = fc
  .uniqueArray(fc.record({ address: addresses, port: fc.constantFrom(80, 443), verdict: verdicts }), {
    selector: ({ address, port }) => `${address} ${port}`,
    maxLength: 6,
  })
  .map((list) => list.map(({ address, port, verdict }) => ({ key: [address, "tcp", port], value: verdict })));
const rules: fc.Arbitrary<readonly Rule[]> = fc.array(
  fc.record({ verdict: verdicts, reason: fc.constantFrom("one", "two") }).map(({ verdict, reason }) => rule(verdict, reason)),
  { maxLength: 3 },
);
const tables: fc.Arbitrary<Table> = fc
  .record({
    name: fc.constantFrom("a", "b"),
    family: fc.constantFrom("ip" as const, "inet" as const),
    policy: fc.constantFrom("accept" as const, "drop" as const),
    priority: fc.constantFrom(0, 0, 0, 10),
    base: rules,
    extra: fc.option(rules),
    members: setElements,
    prefixes: fc.option(prefixElements),
    map: mapElements,
    interval: fc.constantFrom(false, false, false, true),
  })
  .map(({ name, family, policy, priority, base, extra, members, prefixes: list, map, interval }): Table => {
    const leaves: Chain[] = ["leaf-1", "leaf-2"].map((leaf) => ({ name: leaf, rules: [rule({ verdict: "return" })] }));
    const uses: Rule = {
      matches: [],
      statements: [{ kind: "vmap", fields: ["ip daddr", "meta l4proto", "th dport"], map: "services" }],
      origin,
    };
    const looks: Rule = {
      matches: [{ kind: "lookup", fields: ["ip saddr"], op: "==", set: "members" }],
      statements: [{ kind: "counter" }],
      origin,
    };
    return {
      name,
      family,
      chains: [
        { name: "base", base: { type: "filter", hook: "forward", priority, policy }, rules: [uses, looks, ...base] },
        ...(extra === null ? [] : [{ name: "extra", rules: extra }]),
        ...leaves,
      ],
      sets: [
        { name: "members", key: ["ipv4_addr"], interval, elements: members },
        ...(list === null ? [] : [{ name: "prefixes", key: ["ipv4_addr"], interval: true, elements: list } as const]),
      ],
      maps: [{ name: "services", key: ["ipv4_addr", "inet_proto", "inet_service"], value: "verdict", elements: map }],
    };
  });
const ruleSets: fc.Arbitrary<RuleSet> = fc.uniqueArray(tables, { selector: (table) => `${table.family} ${table.name}`, maxLength: 2 });

test("a change leads to what the wanted ruleset says by itself", () => {
  fc.assert(
    fc.property(ruleSets, ruleSets, ruleSets, (a, b, c) => {
      const direct = runText(c);
      expect(run(...loading(c))).toBe(direct);
      expect(run(...loading(a), ...changeTransactions(a, b), ...changeTransactions(b, c))).toBe(direct);
      expect(changeTransactions(c, structuredClone(c))).toEqual([]);
    }),
    { numRuns: 60 },
  );
});

test("an element more is one element more, and what rules put into dynamic sets stays", () => {
  const table = (addresses: readonly string[]): Table => ({
    family: "ip",
    name: "t",
    chains: [
      {
        name: "c",
        base: { type: "filter", hook: "input", priority: 0, policy: "accept" },
        rules: [{ matches: [], statements: [{ kind: "update-set", fields: ["ip saddr"], set: "seen" }], origin }],
      },
    ],
    sets: [
      { name: "known", key: ["ipv4_addr"], elements: addresses.map((address) => ({ key: [mustAddress(address)] })) },
      { name: "seen", key: ["ipv4_addr"], dynamicTimeoutSeconds: 600, elements: [] },
    ],
    maps: [],
  });
  const before = [table(["10.0.0.1", "10.0.0.2"])];
  const after = [table(["10.0.0.2", "10.0.0.3"])];
  within(host, () => {
    runNft("flush ruleset");
    for (const transaction of loading(before)) expect(transact(socket, transaction)).toEqual([]);
    expect(runNft("add element ip t seen { 192.0.2.7 }")).toBe("");
    for (const transaction of changeTransactions(before, after)) expect(transact(socket, transaction)).toEqual([]);
    expect(listNft()).toContain("192.0.2.7");
  });
});

test("a ruleset of any size is loaded, in several transactions, and changed likewise", () => {
  const large = (count: number, value: number, other: string): RuleSet => [
    {
      family: "ip",
      name: "large",
      chains: [
        {
          name: "base",
          base: { type: "filter", hook: "input", priority: 0, policy: "accept" },
          rules: Array.from({ length: 400 }, (_, index) => rule({ verdict: "jump", chain: "leaf" }, `${other} ${index}`)),
        },
        { name: "leaf", rules: Array.from({ length: 800 }, (_, index) => rule({ verdict: "return" }, `${"long ".repeat(20)}${index}`)) },
        { name: other, rules: [rule({ verdict: "jump", chain: "leaf" })] },
      ],
      sets: [
        {
          name: "some",
          key: ["ipv4_addr"],
          interval: true,
          elements: Array.from({ length: 3000 }, (_, index) => ({ key: [mustPrefix(`10.${index >> 7}.${(2 * index) & 255}.0/24`)] })),
        },
      ],
      maps: [
        {
          name: "services",
          key: ["ipv4_addr", "inet_service"],
          value: ["mark"],
          elements: Array.from({ length: count }, (_, index) => ({
            key: [mustAddress(`10.0.${index >> 8}.${index & 255}`), 80],
            value: [index % 2 === 0 ? value : 1],
          })),
        },
      ],
    },
  ];
  const [a, b] = [large(12_000, 1, "one"), large(14_000, 2, "two")];
  const loads = loading(a);
  expect(loads.length).toBeGreaterThan(2);
  const changes = changeTransactions(a, b);
  expect(changes.length).toBeGreaterThan(1);
  const direct = run(...loading(b));
  expect(direct.match(/ : 0x0000000/g)).toHaveLength(14_000);
  expect(run(...loads, ...changes)).toBe(direct);
  expect(run(...loads, ...replacementTransactions(a, b))).toBe(direct);
}, 180_000);

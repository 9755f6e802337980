import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { MapElement, RuleSet, Table } from "../ir/ruleset.ts";
import { mustAddress } from "../net/address.ts";
import { nftComment, renderChange, renderRuleSet } from "./nft.ts";
import { nftName } from "./nft-names.ts";
import { everything } from "./testing/everything.ts";

const origin = { resource: "/r", reason: "because" };

describe("a whole table", () => {
  for (const table of everything) {
    test(`of family ${table.family}`, async () => {
      await expect(renderRuleSet([table]).text).toMatchFileSnapshot(`testing/everything-${table.family}.nft`);
    });
  }

  test("is the same text for any order of tables, chains, sets, maps and elements", () => {
    const reversed = everything.map((table) => ({
      ...table,
      chains: [...table.chains].reverse(),
      sets: [...table.sets].reverse().map((set) => ({ ...set, elements: [...set.elements].reverse() })),
      maps: [...table.maps].reverse().map((map) => ({ ...map, elements: [...map.elements].reverse() })),
    }));
    expect(renderRuleSet(reversed.reverse()).text).toBe(renderRuleSet(everything).text);
  });

  test("says for each line whose it is", () => {
    const { text, origins } = renderRuleSet(everything);
    const lines = text.split("\n");
    expect(origins).toHaveLength(lines.length - 1);
    for (const [index, line] of lines.entries()) if (line.includes(' comment "')) expect(origins[index]?.resource).toBe("/r");
  });
});

const map = (elements: readonly MapElement[]): Table => ({
  family: "ip",
  name: "t",
  chains: [{ name: "c", rules: [] }],
  sets: [],
  maps: [{ name: "m", key: ["ipv4_addr"], value: ["mark"], elements }],
});
const element = (address: string, value: number): MapElement => ({ key: [mustAddress(address)], value: [value] });

describe("a change", () => {
  const cases: readonly { readonly name: string; readonly before: RuleSet; readonly after: RuleSet; readonly want: readonly string[] }[] = [
    { name: "of nothing", before: [map([element("10.0.0.1", 1)])], after: [map([element("10.0.0.1", 1)])], want: [] },
    {
      name: "of an element's value deletes and adds it",
      before: [map([element("10.0.0.1", 1), element("10.0.0.2", 2)])],
      after: [map([element("10.0.0.1", 3), element("10.0.0.2", 2)])],
      want: ["delete element ip t m {", "  10.0.0.1 : 1", "}", "add element ip t m {", "  10.0.0.1 : 3", "}"],
    },
    {
      name: "of a rule refills its chain only",
      before: [
        {
          ...map([]),
          chains: [
            { name: "c", rules: [{ matches: [], statements: [{ kind: "counter" }], origin }] },
            { name: "d", rules: [] },
          ],
        },
      ],
      after: [
        {
          ...map([]),
          chains: [
            { name: "c", rules: [{ matches: [], statements: [{ kind: "notrack" }], origin }] },
            { name: "d", rules: [] },
          ],
        },
      ],
      want: ["flush chain ip t c", 'add rule ip t c notrack comment "because"'],
    },
    {
      name: "of a set's type takes its table along",
      before: [map([])],
      after: [{ ...map([]), maps: [{ name: "m", key: ["inet_service"], value: ["mark"], elements: [] }] }],
      want: ["delete table ip t", "table ip t {", "  map m {", "    type inet_service : mark;", "  }", "  chain c {", "  }", "}"],
    },
    { name: "to nothing", before: [map([])], after: [], want: ["delete table ip t"] },
  ];
  for (const { name, before, after, want } of cases) {
    test(name, () =>
      expect(renderChange(before, after).map(({ text }) => text)).toEqual(
        want.length === 0 ? [] : [want.map((line) => `${line}\n`).join("")],
      ),
    );
  }

  test("of one in 20,000 shared elements costs no rendering of the others", () => {
    const elements = Array.from({ length: 20_000 }, (_, index) => element(`10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`, index));
    // Every other host shares these lists: a getter counts how often an element is looked at.
    let looked = 0;
    const counted = elements.map((one) => ({
      get key() {
        looked++;
        return one.key;
      },
      value: one.value,
    }));
    const after = [...counted.slice(0, 10_000), element("192.0.2.1", 7), ...counted.slice(10_001)];
    const [script] = renderChange([map(counted)], [map(after)]);
    expect(script?.text.split("\n")).toContain("  192.0.2.1 : 7");
    expect(looked).toBeLessThan(5);
  });
});

test("what is too long for one transaction goes in several, of whole commands", () => {
  const many = Array.from({ length: 6000 }, (_, index) => element(`10.0.${index >> 8}.${index & 255}`, index));
  const scripts = renderChange([], [map(many)]);
  expect(scripts.length).toBeGreaterThan(1);
  for (const { text, origins } of scripts) {
    expect(text.split("\n").length).toBe(origins.length + 1);
    expect(text.match(/\{/g)?.length).toBe(text.match(/\}/g)?.length);
  }
  expect(scripts.reduce((sum, { text }) => sum + (text.match(/ : \d/g)?.length ?? 0), 0)).toBe(6000);
});

describe("refuses", () => {
  test("an address, an interface or a number that is none", () => {
    const rule = (field: "ip saddr" | "iifname" | "meta mark", value: string | number): RuleSet => [
      {
        ...map([]),
        chains: [
          {
            name: "c",
            rules: [{ matches: [{ kind: "value", field, op: "==", values: [value] }], statements: [{ kind: "counter" }], origin }],
          },
        ],
      },
    ];
    expect(() => renderRuleSet(rule("ip saddr", "10.0.0.1 drop; flush ruleset"))).toThrow("no value");
    expect(() => renderRuleSet(rule("iifname", 'eth0" drop'))).toThrow("not an interface name");
    expect(() => renderRuleSet(rule("iifname", "eth*"))).toThrow("not an interface name");
    expect(() => renderRuleSet(rule("meta mark", 2 ** 32))).toThrow("32 bits");
  });

  test("a key of six fields, which nft misreads", () => {
    const set = { name: "s", key: ["ipv4_addr", "ipv4_addr", "inet_service", "inet_service", "inet_proto", "mark"], elements: [] } as const;
    expect(() => renderRuleSet([{ ...map([]), sets: [set] }])).toThrow("nft takes 5");
  });
});

describe("a name", () => {
  test.each([
    ["kube-proxy", "kube-proxy"],
    ["ip", "ip_"],
    ["ip_", "ip__"],
    ["rules", "rules"],
    ["shop/deny all", expect.stringMatching(/^shop-deny-all\.[0-9a-f]{8}$/)],
    ["10.0.0.1", expect.stringMatching(/^x10-0-0-1\.[0-9a-f]{8}$/)],
    ["", expect.stringMatching(/^x\.[0-9a-f]{8}$/)],
  ])("%j is %s", (name, want) => expect(nftName(name)).toEqual(want));

  test("is a word of nft's, not too long, and another for another", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), fc.string({ unit: "binary", maxLength: 300 }), (a, b) => {
        expect(nftName(a)).toMatch(/^[A-Za-z][A-Za-z0-9_.-]{0,254}$/);
        if (a !== b) expect(nftName(a)).not.toBe(nftName(b));
      }),
    );
  });
});

describe("a comment", () => {
  test("keeps to 128 bytes of whole characters", () => {
    expect(nftComment("x".repeat(200))).toBe("x".repeat(128));
    expect(nftComment("☂".repeat(60))).toBe("☂".repeat(42));
    expect(nftComment("😀".repeat(40))).toBe("😀".repeat(32));
  });

  test("has nothing in it that ends a comment or a line", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
        const comment = nftComment(text);
        // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not get through.
        expect(comment).not.toMatch(/["\u0000-\u001f\u007f]/);
        expect(new TextEncoder().encode(comment).length).toBeLessThanOrEqual(128);
      }),
    );
  });
});

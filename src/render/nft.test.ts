import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { RuleSet, Table } from "../ir/ruleset.ts";
import { mustAddress } from "../net/address.ts";
import { nftComment, renderRuleSet } from "./nft.ts";
import { nftName } from "./nft-names.ts";
import { everything } from "./testing/everything.ts";

const origin = { resource: "/r", reason: "because" };

describe("a whole table", () => {
  for (const table of everything) {
    test(`of family ${table.family}`, async () => {
      await expect(renderRuleSet([table])).toMatchFileSnapshot(`testing/everything-${table.family}.nft`);
    });
  }

  test("is the same text for any order of tables, chains, sets, maps and elements", () => {
    const reversed = everything.map((table) => ({
      ...table,
      chains: [...table.chains].reverse(),
      sets: [...table.sets].reverse().map((set) => ({ ...set, elements: [...set.elements].reverse() })),
      maps: [...table.maps].reverse().map((map) => ({ ...map, elements: [...map.elements].reverse() })),
    }));
    expect(renderRuleSet(reversed.reverse())).toBe(renderRuleSet(everything));
  });
});

const table: Table = { family: "ip", name: "t", chains: [], sets: [], maps: [] };

describe("refuses", () => {
  test("an address, an interface or a number that is none", () => {
    const rule = (field: "ip saddr" | "iifname" | "meta mark", value: string | number): RuleSet => [
      {
        ...table,
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
    expect(() => renderRuleSet([{ ...table, sets: [set] }])).toThrow("nft takes 5");
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

import { describe, expect, test } from "vitest";
import type { RuleSet, Table } from "../ir/ruleset.ts";
import { mustAddress } from "../net/address.ts";
import { CommandError, changeTransactions } from "./nft-netlink.ts";

const origin = { resource: "/r", reason: "because" };
const table: Table = { family: "ip", name: "t", chains: [], sets: [], maps: [] };

test("what is too long for one transaction goes in several, of whole messages", () => {
  const elements = Array.from({ length: 9000 }, (_, index) => ({
    key: [mustAddress(`10.0.${index >> 8}.${index & 255}`)],
    value: [index],
  }));
  const ruleSet: RuleSet = [{ ...table, maps: [{ name: "m", key: ["ipv4_addr"], value: ["mark"], elements }] }];
  const transactions = changeTransactions([], ruleSet);
  expect(transactions.length).toBeGreaterThan(1);
  for (const { datagram } of transactions) {
    // net.core.wmem_default
    expect(datagram.length).toBeLessThan(212_992 - 32);
    const bytes = Buffer.from(datagram);
    const types: number[] = [];
    for (let at = 0; at < bytes.length; at += bytes.readUInt32LE(at)) types.push(bytes.readUInt16LE(at + 4));
    expect(types[0]).toBe(16);
    expect(types.at(-1)).toBe(17);
    expect(types.slice(1, -1).every((type) => type >> 8 === 10)).toBe(true);
  }
});

describe("refuses by name", () => {
  const match = (field: "ip saddr" | "ip6 saddr" | "iifname" | "meta mark", ...values: readonly (string | number)[]): RuleSet => [
    {
      ...table,
      chains: [
        { name: "c", rules: [{ matches: [{ kind: "value", field, op: "==", values }], statements: [{ kind: "counter" }], origin }] },
      ],
    },
  ];
  test.each([
    ["a word for an address", match("ip saddr", "nowhere"), '"nowhere" is no value for ipv4_addr'],
    ["the other family's address", match("ip saddr", "fd00::1"), '"fd00::1" is no value for ipv4_addr'],
    ["the other family's field", match("ip6 saddr", "fd00::1"), "ip6 saddr of a packet of IPv4"],
    ["a wildcard", match("iifname", "eth*"), 'not an interface name: "eth*"'],
    ["a number of 33 bits", match("meta mark", 2 ** 32), "4294967296 is no value for mark"],
  ])("%s", (_, ruleSet, text) => {
    const refused = caught(() => changeTransactions([], ruleSet));
    expect(refused?.problem).toMatchObject({ code: "EINVAL", text: `nft: ${text}`, origin });
    expect(refused?.problem.element).toBe("add rule ip t c");
  });

  test("intervals of what has no order", () => {
    const set = { name: "s", key: ["mark"], interval: true, elements: [{ key: [{ first: 1, last: 2 }] }] } as const;
    expect(caught(() => changeTransactions([], [{ ...table, sets: [set] }]))?.problem).toMatchObject({
      element: "add elements ip t s",
      text: "nft: intervals of mark, whose order in the kernel is not that of numbers",
    });
  });

  test("a key of six fields, which nft misreads", () => {
    const set = { name: "s", key: ["ipv4_addr", "ipv4_addr", "inet_service", "inet_service", "inet_proto", "mark"], elements: [] } as const;
    expect(caught(() => changeTransactions([], [{ ...table, sets: [set] }]))?.problem.text).toContain("nft takes 5");
  });
});

function caught(fn: () => unknown): CommandError | undefined {
  try {
    fn();
    return undefined;
  } catch (error) {
    if (error instanceof CommandError) return error;
    throw error;
  }
}

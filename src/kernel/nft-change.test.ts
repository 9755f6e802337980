import { describe, expect, test } from "vitest";
import type { MapElement, RuleSet, Table } from "../ir/ruleset.ts";
import { mustAddress } from "../net/address.ts";
import { mustPrefix } from "../net/prefix.ts";
import { type Command, changeCommands } from "./nft-change.ts";

const origin = { resource: "/r", reason: "because" };
const element = (address: string, value: number): MapElement => ({ key: [mustAddress(address)], value: [value] });
const counter = { matches: [], statements: [{ kind: "counter" }], origin } as const;
const notrack = { matches: [], statements: [{ kind: "notrack" }], origin } as const;

function table(elements: readonly MapElement[], more: Partial<Table> = {}): Table {
  return {
    family: "ip",
    name: "t",
    chains: [{ name: "c", rules: [] }],
    sets: [],
    maps: [{ name: "m", key: ["ipv4_addr"], value: ["mark"], elements }],
    ...more,
  };
}

const members = (...prefixes: readonly string[]): Partial<Table> => ({
  sets: [{ name: "s", key: ["ipv4_addr"], interval: true, elements: prefixes.map((prefix) => ({ key: [mustPrefix(prefix)] })) }],
});

function told(commands: Iterable<Command>): readonly string[] {
  return [...commands].flatMap((command) => {
    if (command.do === "cut") return [];
    if (command.do === "add rule") return [`add rule ${command.chain.name} ${command.rule.statements.map(({ kind }) => kind)}`];
    if ("chain" in command) return [`${command.do} ${command.chain.name}`];
    if (!("set" in command)) return [`${command.do} ${command.table.name}`];
    return [`${command.do} ${command.set.name}${"elements" in command ? ` ${command.elements.map(({ key }) => key.join("."))}` : ""}`];
  });
}

describe("a change", () => {
  const cases: readonly { readonly name: string; readonly before: RuleSet; readonly after: RuleSet; readonly want: readonly string[] }[] = [
    { name: "of nothing", before: [table([element("10.0.0.1", 1)])], after: [table([element("10.0.0.1", 1)])], want: [] },
    {
      name: "of an element's value deletes and adds it",
      before: [table([element("10.0.0.1", 1), element("10.0.0.2", 2)])],
      after: [table([element("10.0.0.1", 3), element("10.0.0.2", 2)])],
      want: ["delete elements m 10.0.0.1", "add elements m 10.0.0.1"],
    },
    {
      name: "of a prefix refills its set",
      before: [table([], members("10.0.0.0/8", "10.1.0.0/16"))],
      after: [table([], members("10.1.0.0/16", "10.2.0.0/16"))],
      want: ["flush set s", "add elements s 10.1.0.0/16,10.2.0.0/16"],
    },
    {
      name: "of a rule refills its chain only",
      before: [
        table([], {
          chains: [
            { name: "c", rules: [counter] },
            { name: "d", rules: [counter] },
          ],
        }),
      ],
      after: [
        table([], {
          chains: [
            { name: "c", rules: [notrack] },
            { name: "d", rules: [structuredClone(counter)] },
          ],
        }),
      ],
      want: ["flush chain c", "add rule c notrack"],
    },
    {
      name: "of a policy keeps the rules",
      before: [table([], { chains: [{ name: "c", base: { type: "filter", hook: "input", priority: 0, policy: "drop" }, rules: [] }] })],
      after: [table([], { chains: [{ name: "c", base: { type: "filter", hook: "input", priority: 0, policy: "accept" }, rules: [] }] })],
      want: ["add chain c"],
    },
    {
      name: "of a set's type takes its table along",
      before: [table([])],
      after: [table([], { maps: [{ name: "m", key: ["inet_service"], value: ["mark"], elements: [] }] })],
      want: ["delete table t", "add table t", "add chain c", "add set m"],
    },
    {
      name: "of everything takes away last what others may name",
      before: [table([])],
      after: [table([], { chains: [{ name: "d", rules: [counter] }], ...members("10.0.0.0/8"), maps: [] })],
      want: ["add chain d", "add set s", "add elements s 10.0.0.0/8", "add rule d counter", "delete set m", "delete chain c"],
    },
    { name: "to nothing", before: [table([])], after: [], want: ["delete table t"] },
  ];
  for (const { name, before, after, want } of cases) test(name, () => expect(told(changeCommands(before, after, false))).toEqual(want));

  test("of one in 20,000 shared elements looks at no other", () => {
    let looked = 0;
    const elements = Array.from({ length: 20_000 }, (_, index) => {
      const one = element(`10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`, index);
      return {
        get key() {
          looked++;
          return one.key;
        },
        value: one.value,
      };
    });
    const after = [...elements.slice(0, 10_000), element("192.0.2.1", 7), ...elements.slice(10_001)];
    const commands = [...changeCommands([table(elements)], [table(after)], false)];
    expect(looked).toBeLessThan(5);
    expect(told(commands)).toEqual(["delete elements m 10.0.39.16", "add elements m 192.0.2.1"]);
  });

  test("in steps replaces an element in one of them", () => {
    const elements = (value: number) => Array.from({ length: 1200 }, (_, index) => element(`10.0.${index >> 8}.${index & 255}`, value));
    const steps: string[][] = [[]];
    for (const command of changeCommands([table(elements(1))], [table(elements(2))], true)) {
      if (command.do === "cut") steps.push([]);
      else if (command.do === "add elements" || command.do === "delete elements")
        steps.at(-1)?.push(`${command.do} ${command.elements[0]?.key} ${command.elements.length}`);
    }
    expect(steps.filter((step) => step.length > 0)).toEqual([
      ["delete elements 10.0.0.0 500", "add elements 10.0.0.0 500"],
      ["delete elements 10.0.1.244 500", "add elements 10.0.1.244 500"],
      ["delete elements 10.0.3.232 200", "add elements 10.0.3.232 200"],
    ]);
  });
});

/** Everything that a ruleset can say is something that `nft` and the kernel take, whatever names and reasons documents give. */

import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Origin } from "../../src/ir/network.ts";
import type { Rule, RuleSet, Table } from "../../src/ir/ruleset.ts";
import { makeNamespace, removeNamespace, within } from "../../src/kernel/namespaces.ts";
import { listNft, runNft } from "../../src/kernel/nftables.ts";
import { mustAddress } from "../../src/net/address.ts";
import { mustPrefix } from "../../src/net/prefix.ts";
import { renderChange, renderRuleSet } from "../../src/render/nft.ts";
import { everything } from "./everything.ts";
import { requireKernel } from "./require-kernel.ts";

const host = "test/nft-accepts";
const origin: Origin = { resource: "r", reason: "a reason" };

requireKernel();
beforeAll(() => makeNamespace(host, () => undefined));
afterAll(() => removeNamespace(host));

function accept(ruleSet: RuleSet): string {
  return within(host, () => {
    const script = renderRuleSet(ruleSet);
    const problems = runNft(`flush ruleset\n${script.text}`);
    expect(problems.map((problem) => `${problem.text}: ${`flush ruleset\n${script.text}`.split("\n")[(problem.line ?? 1) - 1]}`)).toEqual(
      [],
    );
    return listNft();
  });
}

describe("a table that contains everything", () => {
  for (const table of everything) test(table.family, () => expect(accept([table])).toMatchSnapshot());
});

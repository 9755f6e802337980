/** What goes to the kernel by netlink is what `nft` makes of the text that people are shown. */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RuleSet } from "../../src/ir/ruleset.ts";
import { makeNamespace, removeNamespace, within } from "../../src/kernel/namespaces.ts";
import { NETLINK_NETFILTER, NetlinkSocket } from "../../src/kernel/netlink.ts";
import { changeTransactions, transact } from "../../src/kernel/nft-netlink.ts";
import { NftTrace } from "../../src/kernel/nft-trace.ts";
import { openLab } from "../../src/lab/index.ts";
import { mustAddress } from "../../src/net/address.ts";
import { renderRuleSet } from "../../src/render/nft.ts";
import { everything } from "../../src/render/testing/everything.ts";
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

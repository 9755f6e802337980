import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Host, Route } from "../../src/ir/network.ts";
import { openLab } from "../../src/lab/index.ts";
import { renderRuleSet } from "../../src/render/nft.ts";

/** What the examples compile to, as text: rules exactly as `nft` takes them, and routes as `ip` prints them. Update with -u, and read the diff. */
const examples: Readonly<Record<string, readonly (readonly [golden: string, start: string])[]>> = {
  "two-options": [
    ["fabric", "vnet/hub"],
    ["edge", "edge/hub"],
    ["kubenet-node", "node/shop-kubenet/"],
    ["kubenet-pod", "pod/shop-kubenet/"],
    ["azure-cni-node", "node/shop-azure/"],
    ["azure-cni-pod", "pod/shop-azure/"],
  ],
  "pod-subnet": [
    ["fabric", "vnet/hub"],
    ["edge", "edge/hub"],
    ["node", "node/shop/aks-fixed"],
    ["pod", "pod/shop/"],
  ],
  "network-policy": [["node", "node/shop/"]],
  "security-groups": [
    ["node", "node/shop/"],
    ["db", "vm/db"],
  ],
  egress: [["edge", "edge/hub"]],
  "dual-stack": [
    ["fabric", "vnet/hub"],
    ["edge", "edge/hub"],
    ["node", "node/shop/"],
    ["pod", "pod/shop/"],
    ["db", "vm/db"],
  ],
  overlay: [
    ["fabric", "vnet/hub"],
    ["node", "node/red/"],
    ["pod", "pod/red/"],
  ],
};

for (const [example, hosts] of Object.entries(examples)) {
  describe(example, () => {
    const folder = join(import.meta.dirname, "../../examples", example);
    const goldens = join(import.meta.dirname, "../goldens", example);
    const text = readFileSync(join(folder, "lab.yaml"), "utf8");
    const { view } = openLab([{ path: "lab.yaml", text }], (path) => ({ path, text: readFileSync(join(folder, path), "utf8") }));
    if (view === undefined) throw new Error(`examples/${example} has errors`);
    const { network } = view;
    for (const [golden, start] of hosts) {
      test(`${golden} is as it was`, async () => {
        const host = network.host(network.names().find((name) => name.startsWith(start)) ?? "");
        if (host === undefined) throw new Error(`no host ${start}`);
        await expect(routesOf(host)).toMatchFileSnapshot(join(goldens, `${golden}.routes.txt`));
        if (host.ruleSet.length > 0) await expect(renderRuleSet(host.ruleSet)).toMatchFileSnapshot(join(goldens, `${golden}.nft`));
      });
    }
  });
}

function routesOf({ interfaces, rules, routes, neighbours }: Host): string {
  const route = (one: Route) => {
    if (one.type !== "unicast") return `${one.type} ${one.dst} table ${one.table}`;
    return [
      one.dst,
      ...(one.via === undefined ? [] : [`via ${one.via}`]),
      `dev ${one.dev}`,
      ...(one.onlink === true ? ["onlink"] : []),
      `table ${one.table}`,
    ].join(" ");
  };
  return `${[
    ...interfaces.map((each) =>
      `${each.name} ${each.kind} ${each.addresses.map(({ address, prefixLength }) => `${address}/${prefixLength}`).join(" ")}`.trim(),
    ),
    ...rules.map(
      (rule) =>
        `rule ${rule.priority}: ${rule.iif === undefined ? "" : `iif ${rule.iif} `}${rule.mark === undefined ? "" : `fwmark ${rule.mark.value} `}lookup ${rule.table}`,
    ),
    ...routes.map(route),
    ...neighbours.map(({ dev, address, mac }) => `${address} lladdr ${mac} dev ${dev} permanent`),
  ].join("\n")}\n`;
}

/** A lab by chance and the same lab as Azure would tell of it compile to the same network. */

import { describe, expect, test } from "vitest";
import type { Network } from "../../src/ir/network.ts";
import { openLab } from "../../src/lab/index.ts";
import { asExport } from "../labs/as-export.ts";
import { randomDualStackLab } from "../labs/random-dual-stack.ts";
import { type LabText, randomLab } from "../labs/random-lab.ts";
import { openText } from "../labs/running-lab.ts";

const first = Number(process.env.DRYDOCK_SEED ?? 1);
const seeds = Array.from({ length: Number(process.env.DRYDOCK_SEEDS ?? 6) }, (_, index) => first + index);

describe.each([
  { name: "a lab", make: randomLab },
  { name: "a dual-stack lab", make: randomDualStackLab },
])("$name", ({ make }) => {
  test.each(seeds)("of seed %i", (seed) => {
    const text = withoutOwnAppliances(make(seed));
    const view = openText(text);
    const { lab, manifests, exported, template } = asExport(text, view);
    for (const document of [exported, template]) {
      const files = [
        { path: "azure.json", text: document },
        { path: "lab.yaml", text: lab },
      ];
      const again = openLab(files, (path) => (manifests[path] === undefined ? undefined : { path, text: manifests[path] }));
      const errors = again.problems.filter(({ severity }) => severity === "error");
      expect(errors.map(({ path, message }) => `${path}: ${message}`)).toEqual([]);
      expect(again.view && packets(again.view.network)).toEqual(packets(view.network));
    }
  });
});

/** Without what an export cannot have: firewalls by rules of a lab file, and load balancers of one's own. */
function withoutOwnAppliances({ lab, manifests }: LabText): LabText {
  const bare = lab.replace(/, firewall: \{.*?\] \}(?= \})/g, "").replace(/^loadBalancers:\n( {2}- .*\n)+/m, "");
  return { lab: bare, manifests };
}

/** What decides about packets: a network without the reasons. */
function packets(network: Network): Readonly<Record<string, unknown>> {
  const bare = (value: unknown): unknown =>
    JSON.parse(JSON.stringify(value, (key, inner) => (key === "origin" || key === "resource" ? undefined : inner)));
  return Object.fromEntries([...network.names()].map((name) => [name, bare(network.host(name))]));
}

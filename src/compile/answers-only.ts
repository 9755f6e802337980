/** A rule for what stands for an Azure service: by these interfaces it answers, and opens nothing. */

import type { InterfaceName, Origin } from "../ir/network.ts";
import { priorities, type Table } from "../ir/ruleset.ts";

export function answersOnly(interfaces: readonly InterfaceName[], origin: Origin): Table {
  return {
    family: "ip",
    name: "answers-only",
    chains: [
      {
        name: "output",
        base: { type: "filter", hook: "output", priority: priorities.filter, policy: "accept" },
        rules: [
          {
            matches: [
              { kind: "value", field: "oifname", op: "==", values: interfaces },
              { kind: "value", field: "ct state", op: "==", values: ["new"] },
            ],
            statements: [{ kind: "verdict", verdict: "drop" }],
            origin,
          },
        ],
      },
    ],
    sets: [],
    maps: [],
  };
}

/**
 * The ip-masq-agent of every node: which destinations see a pod's own address, and for which the node's address takes its place.
 * kubernetes-sigs/ip-masq-agent: cmd/ip-masq-agent; AKS's two ConfigMaps are merged in Azure/azure-container-networking: azure-ip-masq-merger.
 */

import { priorities, type Rule, type Table } from "../../ir/ruleset.ts";
import { effectiveMasquerade } from "../../kube/ip-masq-agent.ts";
import { mustPrefix, prefixFamily } from "../../net/prefix.ts";
import type { ClusterInfo } from "../topology.ts";

const linkLocalRange = { 4: mustPrefix("169.254.0.0/16"), 6: mustPrefix("fe80::/10") } as const;

/** The table of `node`; `option` is the name of the cluster's network option, for the reasons. */
export function masqueradeTable(cluster: ClusterInfo, node: string, option: string): Table {
  const { family } = cluster.vnet;
  const effective = effectiveMasquerade(cluster.masqueradeMaps);
  const nonMasqueradeCidrs = effective.nonMasqueradeCidrs.filter((prefix) => prefixFamily(prefix) === family);
  const origin = (reason: string) => ({
    resource: `${cluster.name}:kube-system/ConfigMap/azure-ip-masq-agent-config-reconciled`,
    reason: `${option} on ${node}: ${reason}`,
    source: "AKS docs: concepts-network-legacy-cni, configure-kubenet; kubernetes-sigs/ip-masq-agent",
  });
  const kept = nonMasqueradeCidrs.join(", ");
  const linkLocal: readonly Rule[] = effective.masqLinkLocal
    ? []
    : [
        {
          matches: [{ kind: "value", field: "ip daddr", op: "==", values: [linkLocalRange[family]] }],
          statements: [{ kind: "verdict", verdict: "return" }],
          origin: origin("link-local destinations see the sender's own address"),
        },
      ];
  return {
    family: "ip",
    name: "ip-masq-agent",
    chains: [
      {
        name: "postrouting",
        // After kube-proxy's: the first that translates decides.
        base: { type: "nat", hook: "postrouting", priority: priorities.srcnat + 1, policy: "accept" },
        rules: [
          {
            matches: [{ kind: "value", field: "fib daddr type", op: "==", values: ["local"] }],
            statements: [{ kind: "verdict", verdict: "return" }],
            origin: origin("the node itself sees the sender's own address"),
          },
          ...linkLocal,
          {
            matches: [{ kind: "lookup", fields: ["ip daddr"], op: "==", set: "non-masquerade" }],
            statements: [{ kind: "verdict", verdict: "return" }],
            origin: origin(`destinations in ${kept} see the sender's own address`),
          },
          { matches: [], statements: [{ kind: "masquerade", flag: "fully-random" }], origin: origin(`the destination is outside ${kept}`) },
        ],
      },
    ],
    sets: [
      {
        name: "non-masquerade",
        key: ["ipv4_addr"],
        interval: true,
        elements: nonMasqueradeCidrs.map((prefix) => ({ key: [prefix] })),
      },
    ],
    maps: [],
  };
}

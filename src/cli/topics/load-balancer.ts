import { clusterTag } from "../../arm/names.ts";
import type { LoadBalancer } from "../../arm/resources.ts";
import { balancingRules, frontendAddresses } from "../../compile/load-balancer/frontends.ts";
import { type SnatShare, snatShares } from "../../lab/snat.ts";
import { renderTable } from "../../render/table.ts";
import type { Topic } from "../show-topic.ts";
import { rows } from "./rows.ts";

export const loadBalancer: Topic = {
  name: "loadbalancer",
  aliases: ["lb"],
  summary: "load balancers: frontends, rules, probes and which backends answer them",
  examples: [
    { does: "all of them", type: "drydock show loadbalancer" },
    { does: "those of one cluster, of documents", type: "drydock show loadbalancer lab.yaml --cluster shop-azure" },
  ],
  show: ({ view, cluster }) => {
    const { topology } = view;
    const balancers = topology.vnets.flatMap((vnet) =>
      vnet.loadBalancers
        .filter((balancer) => cluster === undefined || clusterOf(balancer) === cluster)
        .map((balancer) => ({
          name: balancer.name,
          cluster: clusterOf(balancer),
          vnet: vnet.name,
          frontends: frontendAddresses(topology, { ...vnet, loadBalancers: [balancer] }).map(({ address, isPublic, origin }) => ({
            address,
            public: isPublic,
            owner: view.owners.get(address)?.owner,
            what: origin.reason,
          })),
          rules: balancingRules(topology, { ...vnet, loadBalancers: [balancer] }).map((rule) => ({
            name: rule.name,
            frontend: rule.frontend,
            port: rule.frontendPort,
            protocol: rule.protocol,
            distribution: rule.distribution,
            probe: probeWords(balancer, rule.name),
            backends: rule.poolSize,
            healthy: rule.healthy.map((nic) => nic.machine),
            owner: view.owners.get(rule.frontend)?.owner,
          })),
        })),
    );
    return {
      data: balancers,
      text: (style) =>
        balancers.length === 0
          ? style.dim("no cluster has a load balancer\n")
          : balancers
              .map((balancer) => {
                const head = `${style.bold(balancer.name)}${balancer.cluster === undefined ? "" : ` of ${balancer.cluster}`}, VNet ${balancer.vnet}\n`;
                const frontends = renderTable(
                  ["FRONTEND", "OWNER", "WHAT"],
                  balancer.frontends.map((one) => [one.address, one.owner ?? "", one.what]),
                  style,
                );
                const rules = renderTable(
                  ["RULE", "FROM", "FOR", "PROBE", "HEALTHY"],
                  balancer.rules.map((rule) => [
                    rule.name,
                    rule.protocol === "all" ? `${rule.frontend}, every port` : `${rule.frontend}:${rule.port}/${rule.protocol}`,
                    rule.owner ?? "",
                    rule.probe,
                    `${rule.healthy.length}/${rule.backends} ${rule.healthy.join(" ")}`.trim(),
                  ]),
                  style,
                );
                return [head + frontends, rules].filter((part) => part !== "").join("\n");
              })
              .join("\n"),
    };
  },
};

/** `undefined` for a load balancer of one's own. */
function clusterOf(balancer: LoadBalancer): string | undefined {
  return balancer.tags?.[clusterTag];
}

function probeWords(balancer: LoadBalancer, ruleName: string): string {
  const rule = balancer.properties.loadBalancingRules.find((candidate) => candidate.name === ruleName);
  const id = rule?.properties.probe?.id.toLowerCase();
  const probe = balancer.properties.probes.find((candidate) => id?.endsWith(`/probes/${candidate.name.toLowerCase()}`));
  if (probe === undefined) return "none";
  const { protocol, port, requestPath, intervalInSeconds } = probe.properties;
  return `${protocol} ${port}${requestPath ?? ""} every ${intervalInSeconds} s`;
}

export const snat: Topic = {
  name: "snat",
  summary: "source ports for outbound flows: which node or NAT gateway may use which of them, and in a running lab how many are in use",
  examples: [{ does: "every node's share", type: "drydock show snat" }],
  show: async ({ view, cluster, live }) =>
    rows(
      snatShares(view.topology, await live?.snatUse()).filter((share) => cluster === undefined || share.cluster === cluster),
      {
        OWNER: ({ owner }) => owner,
        ADDRESS: ({ address }) => address,
        "LEAVES AS": ({ publicAddress }) => publicAddress,
        PORTS: ({ firstPort, lastPort }) => `${firstPort}-${lastPort}`,
        MAY: ({ allocated }) => allocated,
        ...(live === undefined
          ? {}
          : {
              "USES TCP": ({ used }: SnatShare) => used?.tcp,
              "USES UDP": ({ used }: SnatShare) => used?.udp,
            }),
      },
      "there is no outbound rule and no NAT gateway",
    ),
};

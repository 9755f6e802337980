/**
 * What a lab file may say about a load balancer of one's own: an internal one, in front of machines. Property names are those of ARM's rules and probes.
 * Those of Services are made by AKS.
 */

import { machineInterface } from "../../arm/names.ts";
import type { ArmId, LoadBalancer } from "../../arm/resources.ts";
import { choice, integer, list, object, optional, required, type Shape, text, withDefault } from "../shape.ts";

type Name = (what: string, example: string) => Shape<string>;

const distributionDocs = "learn:azure/load-balancer/distribution-mode-concepts";
const haPorts = "learn:azure/load-balancer/load-balancer-ha-ports-overview";
const port = { min: 1, max: 65_535 };

const probe = object(
  {
    protocol: withDefault(choice(["Tcp", "Http", "Https"], { what: "protocol of a probe" }), "Tcp", "By what the machines are asked."),
    port: required(integer({ what: "port", ...port }), "The port that is asked."),
    requestPath: optional(text({ what: "path", examples: ["/healthz"] }), "Of HTTP and HTTPS, which want 200."),
    intervalInSeconds: withDefault(
      integer({ what: "intervalInSeconds", min: 5, max: 2_147_483_646 }),
      5,
      "Seconds from one probe to the next.",
    ),
    numberOfProbes: withDefault(integer({ what: "numberOfProbes", min: 1, max: 100 }), 2, "Failures in a row that take a machine out."),
  },
  { what: "a health probe", synonyms: { path: "requestPath", interval: "intervalInSeconds" } },
);

/** `name`, `subnet`: as everywhere in a lab file. */
export function loadBalancerShape(name: Name, subnet: Shape<string>) {
  const rule = object(
    {
      name: required(name("a load-balancing rule", "sql"), "Name of the rule."),
      protocol: withDefault(
        choice(["Tcp", "Udp", "All"], { what: "protocol", source: haPorts }),
        "Tcp",
        "Its protocol. All: high-availability ports, every port of TCP and UDP; a route may then name the frontend as its next hop.",
      ),
      frontendPort: optional(
        integer({ what: "frontendPort", min: 0, max: port.max }),
        "The port of the frontend. Every rule needs one but that for all protocols, where it is 0.",
      ),
      backendPort: optional(integer({ what: "backendPort", min: 0, max: port.max }), "The port of the machines. Default: frontendPort."),
      loadDistribution: withDefault(
        choice(["Default", "SourceIP", "SourceIPProtocol"], { what: "loadDistribution", source: distributionDocs }),
        "Default",
        "What of a flow is hashed to pick a machine. Default: the five-tuple.",
      ),
      probe: optional(probe, "Which machines get new flows. Without one all of them do."),
    },
    {
      what: "a load-balancing rule",
      synonyms: { port: "frontendPort", targetPort: "backendPort" },
      notModelled: {
        enableFloatingIP: "leave it out: machines get flows at their own address",
        idleTimeoutInMinutes: "leave it out",
        enableTcpReset: "leave it out",
      },
    },
  );
  return object(
    {
      name: required(name("a load balancer", "sql"), "Name of the load balancer."),
      subnet: required(subnet, "The subnet of its frontend, as VNET/SUBNET."),
      address: required(text({ what: "IPv4 address", examples: ["10.240.4.10"] }), "The private address of its frontend, of the subnet."),
      machines: required(list(name("a machine", "db"), { what: "machines", least: 1 }), "The machines behind it, of the same VNet."),
      rules: required(list(rule, { what: "rules", least: 1 }), "What it balances."),
    },
    {
      what: "a load balancer",
      synonyms: { privateIPAddress: "address", backends: "machines", loadBalancingRules: "rules", ip: "address" },
      notModelled: {
        publicIPAddress: "leave it out: only internal load balancers can be one's own; a Service of type LoadBalancer has a public one",
        inboundNatRules: "leave them out",
        outboundRules: "leave them out",
      },
    },
  );
}

type Read<S> = S extends Shape<infer T> ? T : never;
export type LoadBalancerEntry = Read<ReturnType<typeof loadBalancerShape>> & { readonly name: string };

/** The ARM resource. `machines`: the ids of those that are there. */
export function expandLoadBalancer(
  id: ArmId,
  location: string,
  entry: LoadBalancerEntry,
  subnet: ArmId,
  machines: readonly ArmId[],
): LoadBalancer {
  const [frontend, pool] = [`${id}/frontendIPConfigurations/frontend`, `${id}/backendAddressPools/machines`];
  const rules = (entry.rules ?? []).flatMap((rule) => {
    if (rule?.name === undefined) return [];
    // No port is 0, which the rules of load balancers refuse where a rule is not for all protocols.
    return [{ ...rule, name: rule.name, frontendPort: rule.frontendPort ?? 0 }];
  });
  return {
    id,
    name: entry.name,
    type: "Microsoft.Network/loadBalancers",
    location,
    properties: {
      frontendIPConfigurations: [
        { id: frontend, name: "frontend", properties: { privateIPAddress: entry.address ?? "", subnet: { id: subnet } } },
      ],
      backendAddressPools: [
        {
          id: pool,
          name: "machines",
          properties: {
            backendIPConfigurations: machines.map((machine) => ({ id: `${machineInterface(machine)}/ipConfigurations/ipconfig1` })),
          },
        },
      ],
      loadBalancingRules: rules.map((rule) => ({
        id: `${id}/loadBalancingRules/${rule.name}`,
        name: rule.name,
        properties: {
          frontendIPConfiguration: { id: frontend },
          backendAddressPool: { id: pool },
          ...(rule.probe?.port === undefined ? {} : { probe: { id: `${id}/probes/${rule.name}` } }),
          protocol: rule.protocol,
          frontendPort: rule.frontendPort,
          backendPort: rule.backendPort ?? rule.frontendPort,
          enableFloatingIP: false,
          loadDistribution: rule.loadDistribution,
          idleTimeoutInMinutes: 4,
          enableTcpReset: false,
          disableOutboundSnat: true,
        },
      })),
      probes: rules.flatMap(({ name, probe: asked }) => {
        if (asked?.port === undefined) return [];
        const { protocol, requestPath, intervalInSeconds, numberOfProbes } = asked;
        const path = protocol === "Tcp" ? {} : { requestPath: requestPath ?? "/" };
        return [
          { id: `${id}/probes/${name}`, name, properties: { protocol, port: asked.port, ...path, intervalInSeconds, numberOfProbes } },
        ];
      }),
      outboundRules: [],
    },
  };
}

import { effectiveSecurityRules } from "../../compile/network-security-group/effective-rules.ts";
import { Failure } from "../failure.ts";
import type { Topic } from "../show-topic.ts";
import { hostOf } from "./host.ts";
import { rows } from "./rows.ts";

/** The columns of `az network nic list-effective-nsg -o table`, and where each rule comes from. */
export const securityRules: Topic = {
  name: "security-rules",
  aliases: ["nsg"],
  summary: "network security rules that judge a machine's or node's packets, in the order in which Azure tries them",
  argument: { usage: "<host>", meaning: "a VM or a node" },
  examples: [
    { does: "as 'az network nic list-effective-nsg' shows them", type: "drydock show security-rules vm/db" },
    { does: "what AKS lets in to a node", type: "drydock show security-rules shop-kubenet:node/000000 lab.yaml" },
    { does: "as data, with the prefixes that service tags stand for", type: "drydock show security-rules vm/db -o json" },
  ],
  show: (input) => {
    const host = hostOf(input);
    const { topology } = input.view;
    for (const vnet of topology.vnets) {
      const nic = vnet.nics.find((candidate) => candidate.host === host.name);
      if (nic === undefined) continue;
      return rows(
        effectiveSecurityRules(topology, vnet, nic),
        {
          DIRECTION: ({ direction }) => direction,
          PRIORITY: ({ priority }) => priority,
          NAME: ({ name }) => name,
          ACCESS: ({ access }) => access,
          PROTOCOL: ({ protocol }) => protocol,
          SOURCE: ({ source }) => source.addresses.join(","),
          "SOURCE PORTS": ({ source }) => source.ports.join(","),
          DESTINATION: ({ destination }) => destination.addresses.join(","),
          "DESTINATION PORTS": ({ destination }) => destination.ports.join(","),
          NSG: ({ networkSecurityGroup }) => networkSecurityGroup,
          ON: ({ association }) => association,
        },
        "no network security group: everything is allowed",
      );
    }
    throw new Failure("usage", `${host.name} has no network interface in a VNet`, {
      why: "security groups judge packets at a VNet's network interface: a VM's or a node's",
      fix: "name a VM or a node; a pod's packets are judged at its node",
    });
  },
};

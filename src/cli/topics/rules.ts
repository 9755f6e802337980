import { renderRuleSet } from "../../render/nft.ts";
import type { Topic } from "../show-topic.ts";
import { hostOf } from "./host.ts";

export const rules: Topic = {
  name: "rules",
  summary: "what nftables does on a host, as text that nft accepts",
  argument: { usage: "<host>", meaning: "an end of a journey or a host's name" },
  examples: [
    { does: "Service rules and masquerading of a node", type: "drydock show rules shop-kubenet:node/000000" },
    { does: "the outbound rules where the VNet meets the Internet", type: "drydock show rules edge/hub lab.yaml" },
    { does: "as data, with the origin of every rule", type: "drydock show rules vnet/hub -o json" },
  ],
  show: (input) => {
    const host = hostOf(input);
    return {
      data: { host: host.name, ruleSet: host.ruleSet },
      text: (style) => (host.ruleSet.length === 0 ? style.dim(`${host.name} has no rules\n`) : renderRuleSet(host.ruleSet)),
    };
  },
};

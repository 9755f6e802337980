import type { Topic } from "../show-topic.ts";
import { rows } from "./rows.ts";

export const addresses: Topic = {
  name: "addresses",
  summary: "every address of the lab with its owner",
  argument: { usage: "[filter]", meaning: "only those whose address, owner or range contains this" },
  examples: [
    { does: "who has 10.240.2.4?", type: "drydock show addresses 10.240.2.4" },
    { does: "what Azure CNI has reserved in a subnet", type: "drydock show addresses hub/flat lab.yaml" },
  ],
  show: ({ view, argument, cluster, namespace }) => {
    const list = [...view.owners.values()].filter(
      (one) =>
        (argument === undefined || `${one.address} ${one.owner} ${one.role} ${one.from}`.includes(argument)) &&
        (cluster === undefined || one.owner.startsWith(`${cluster}:`)) &&
        (namespace === undefined || one.owner.includes(`:${namespace}/`)),
    );
    return rows(
      list,
      { ADDRESS: ({ address }) => address, OWNER: ({ owner }) => owner, AS: ({ role }) => role, FROM: ({ from }) => from },
      "no address is like that",
    );
  },
};

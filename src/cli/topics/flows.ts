import { Failure } from "../failure.ts";
import type { Flow, FlowTuple } from "../live.ts";
import type { Topic } from "../show-topic.ts";
import { hostOf } from "./host.ts";
import { rows } from "./rows.ts";

export const flows: Topic = {
  name: "flows",
  summary: "connections that the kernel tracks, with what it translates them to (running lab only)",
  argument: { usage: "[host]", meaning: "only those of this host" },
  needsLive: true,
  examples: [
    { does: "translations on a node", type: "drydock show flows shop-kubenet:node/000000" },
    { does: "all hosts, as JSON", type: "drydock show flows -o json" },
  ],
  show: async (input) => {
    const { live, view } = input;
    if (live === undefined) throw new Failure("lab", "flows are in the kernel of a running lab", { fix: "start it: drydock up FILE" });
    const list = await live.flows(input.argument === undefined ? undefined : hostOf(input).name);
    const ends = (tuple: FlowTuple) => `${side(tuple.source, tuple.sourcePort)} > ${side(tuple.destination, tuple.destinationPort)}`;
    const isTranslated = ({ original, reply }: Flow) =>
      original.source !== reply.destination ||
      original.destination !== reply.source ||
      original.sourcePort !== reply.destinationPort ||
      original.destinationPort !== reply.sourcePort;
    return rows(
      list,
      {
        HOST: ({ host }) => host,
        PROTOCOL: ({ protocol }) => protocol,
        FLOW: ({ original }) => ends(original),
        FROM: ({ original }) => view.owners.get(original.source)?.owner,
        "REPLIES COME AS": (flow) => (isTranslated(flow) ? ends(flow.reply) : "not translated"),
        STATE: ({ state }) => state,
        "ENDS IN": ({ timeoutSeconds }) => (timeoutSeconds === undefined ? undefined : `${timeoutSeconds} s`),
      },
      "no connections",
    );
  },
};

function side(address: string, port: number | undefined): string {
  return port === undefined ? address : `${address}:${port}`;
}

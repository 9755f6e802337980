import type { ConnectionTuple } from "../../kernel/index.ts";
import { protocolNumbers } from "../../net/ports.ts";
import { Failure } from "../failure.ts";
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
    const found = await live.flows(input.argument === undefined ? undefined : hostOf(input).name);
    const list = found.flatMap(({ host, connections }) => connections.map((connection) => ({ host, ...connection })));
    return rows(
      list,
      {
        HOST: ({ host }) => host,
        PROTOCOL: ({ original }) => protocolNames.get(original.protocol) ?? original.protocol,
        FLOW: ({ original }) => ends(original),
        FROM: ({ original }) => view.owners.get(original.source)?.owner,
        "REPLIES COME AS": ({ original, reply }) => (isTranslated(original, reply) ? ends(reply) : "not translated"),
        STATE: ({ status, tcpState }) => tcpState ?? (status.includes("seenReply") ? "answered" : "unanswered"),
        "ENDS IN": ({ timeoutSeconds }) => (timeoutSeconds === undefined ? undefined : `${timeoutSeconds} s`),
      },
      "no connections",
    );
  },
};

const protocolNames = new Map(Object.entries(protocolNumbers).map(([name, number]) => [number, name]));

function isTranslated(original: ConnectionTuple, reply: ConnectionTuple): boolean {
  return (
    original.source !== reply.destination ||
    original.destination !== reply.source ||
    original.sourcePort !== reply.destinationPort ||
    original.destinationPort !== reply.sourcePort
  );
}

function ends(tuple: ConnectionTuple): string {
  return `${side(tuple.source, tuple.sourcePort)} > ${side(tuple.destination, tuple.destinationPort)}`;
}

function side(address: string, port: number | undefined): string {
  return port === undefined ? address : `${address}:${port}`;
}

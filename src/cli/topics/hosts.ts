import type { Topic } from "../show-topic.ts";
import { hostOf } from "./host.ts";
import { rows } from "./rows.ts";

export const hosts: Topic = {
  name: "hosts",
  summary: "every network stack of the lab: machines, nodes, pods, and the routers that stand for Azure's fabric",
  argument: { usage: "[filter]", meaning: "only those whose name contains this" },
  examples: [
    { does: "all of them", type: "drydock show hosts" },
    { does: "the nodes, of documents", type: "drydock show hosts node/ lab.yaml" },
  ],
  show: ({ view, argument, cluster }) => {
    const names = view.network.names().filter((name) => argument === undefined || name.includes(argument));
    const list = names
      .filter((name) => cluster === undefined || name.split("/")[1] === cluster)
      .flatMap((name) => view.network.host(name) ?? [])
      .map((host) => ({
        name: host.name,
        addresses: host.interfaces.flatMap((one) => one.addresses.map((address) => address.address)),
        interfaces: host.interfaces.map((one) => one.name),
        forwarding: host.forwarding,
        listens: host.listeners.map((listener) => `${listener.port}/${listener.protocol}`),
        what: host.origin.reason,
      }));
    return rows(
      list,
      {
        HOST: ({ name }) => name,
        ADDRESSES: ({ addresses }) => few(addresses),
        LISTENS: ({ listens }) => few(listens),
        FORWARDS: ({ forwarding }) => (forwarding ? "yes" : ""),
        WHAT: ({ what }) => what,
      },
      "no host has such a name",
    );
  },
};

function few(list: readonly string[]): string {
  return list.length <= 3 ? list.join(" ") : `${list.slice(0, 3).join(" ")} … (${list.length})`;
}

export const interfaces: Topic = {
  name: "interfaces",
  summary: "interfaces of a host, with their addresses and the other ends of their links",
  argument: { usage: "<host>", meaning: "an end of a journey or a host's name" },
  examples: [{ does: "the bridge of a node and what is plugged into it", type: "drydock show interfaces shop-kubenet:node/000000" }],
  show: (input) => {
    const host = hostOf(input);
    return rows(
      host.interfaces,
      {
        INTERFACE: ({ name }) => name,
        KIND: (one) => (one.kind === "veth" && one.port !== undefined ? `veth, port of ${one.port.bridge}` : one.kind),
        ADDRESSES: ({ addresses }) => few(addresses.map((address) => `${address.address}/${address.prefixLength}`)),
        PEER: (one) => (one.kind === "veth" ? `${one.peer.host} ${one.peer.name}` : ""),
        MTU: ({ mtuBytes }) => mtuBytes,
        WHY: ({ origin }) => origin.reason,
      },
      `${host.name} has no interfaces but lo`,
    );
  },
};
